"""Types of addresses in Arrow columns: pyarrow, Polars, pandas, whatever hands out the Arrow C data interface.

Addresses are not copied on their way in; nulls stay nulls; an error names the element by its place in the whole column.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from memtype import arguments, arrays
from memtype.errors import ArrayError, InputError, MissingExtra
from memtype.machine import Machine
from memtype.types import MemoryType

__all__ = ["names", "types"]

BEYOND: Final = 255  # the code of an address at or above 2**maxphyaddr, until it is refused or made null
WAYS: Final = ("raise", "null")


def pyarrow() -> Any:
    """The package, or one line that says how it is had."""
    try:
        import pyarrow as pa
        import pyarrow.compute
    except ImportError:
        raise MissingExtra("Arrow columns and files need pyarrow: pip install 'memtype[arrow]'") from None
    return pa


def types(column: Any, state: Any, beyond: str = "raise") -> Any:
    """The memory type of each address of an Arrow column.

    Parameters
    ----------
    column : Arrow array or chunked array
        Of integers, plain, dictionary- or run-end-encoded; from pyarrow, Polars (Series) or pandas (Series), or any
        object with ``__arrow_c_array__`` or ``__arrow_c_stream__``. Physical addresses in bytes.
    state : MtrrState, MemoryMap, View or Machine
        Who answers. A `Machine` answers NOT_TOLD (12) where its dump leaves the type open.
    beyond : {"raise", "null"}
        What becomes of an address outside [0, 2**maxphyaddr).

    Returns
    -------
    pyarrow.UInt8Array; a pyarrow.ChunkedArray where `column` is a stream of chunks, cut at the same places. Null where
    the address is null.

    Raises
    ------
    ArrayError
        For a column that is not of integers.
    AddressError
        For the first address outside [0, 2**maxphyaddr), with ``beyond="raise"``; `.index` is its place in the column.
    MissingExtra
        Without pyarrow: ``pip install 'memtype[arrow]'``.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from memtype import MtrrState
    >>> types(pa.array([0, None, 1 << 50]), MtrrState(0x806, maxphyaddr=46), beyond="null").to_pylist()
    [6, None, None]
    """
    pa = pyarrow()
    check_beyond(beyond)
    given, source = column_of(column), answering(state)
    width = source.maxphyaddr
    made, start = [], 0
    for chunk in given.chunks if isinstance(given, pa.ChunkedArray) else [given]:
        made.append(settled(codes(chunk, source), chunk, width, beyond, start))
        start += len(chunk)
    return pa.chunked_array(made, pa.uint8()) if isinstance(given, pa.ChunkedArray) else made[0]


def check_beyond(way: Any) -> None:
    """Raise for what is no way to treat addresses beyond."""
    if not isinstance(way, str) or way not in WAYS:
        raise InputError(f"beyond = {arguments.shown(way)} is neither 'raise' nor 'null'")


def answering(state: Any) -> Any:
    """Who answers for addresses: `state`, or the map of a machine; both have `types` and `maxphyaddr`."""
    if isinstance(state, Machine):
        return state.map
    if not hasattr(type(state), "types") or not hasattr(type(state), "maxphyaddr"):
        words = "give an MtrrState, MemoryMap, View or Machine"
        raise InputError(f"state = {arguments.shown(state)} answers for no address: {words}")
    return state


def column_of(column: Any) -> Any:
    """A pyarrow array or chunked array that shares the column's memory."""
    pa = pyarrow()
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return column
    try:
        if hasattr(column, "__arrow_c_stream__") and not isinstance(column, (pa.Table, pa.RecordBatch)):
            return pa.chunked_array(column)
        if hasattr(column, "__arrow_c_array__") and not isinstance(column, (pa.Table, pa.RecordBatch)):
            return pa.array(column)
        if hasattr(column, "__arrow_array__"):
            return pa.array(column)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ArrayError(f"addresses: no Arrow column: {' '.join(str(error).split())}") from None
    words = "a table: give one of its columns" if hasattr(column, "columns") else "no Arrow column; numpy: state.types"
    raise ArrayError(f"addresses = {arguments.shown(column)}: {words}")


def codes(chunk: Any, source: Any) -> Any:
    """The types of one array of addresses as uint8, null where it is null, BEYOND where the address is."""
    pa = pyarrow()
    kind = chunk.type
    if pa.types.is_dictionary(kind):
        return codes(chunk.dictionary, source).take(chunk.indices)
    if pa.types.is_run_end_encoded(kind):
        return _expanded(chunk, source)
    if pa.types.is_null(kind):
        return pa.nulls(len(chunk), pa.uint8())
    if not chunk.null_count:
        return pa.array(codes_of(numbers(chunk), source))
    values, nulls = filled(chunk)
    return pa.array(codes_of(values, source), mask=nulls)


def filled(chunk: Any, what: str = "addresses") -> tuple[arrays.U64Array, Any]:
    """The numbers of an integer array with 0 where it is null, and a mask of its nulls or None: what lies under a null
    is no number."""
    if not chunk.null_count:
        return numbers(chunk, what), None
    nulls = chunk.is_null().to_numpy(zero_copy_only=False)
    return numbers(chunk.fill_null(0) if pyarrow().types.is_integer(chunk.type) else chunk, what), nulls


def plain(chunk: Any) -> Any:
    """The array without dictionary or runs."""
    types = pyarrow().types
    if types.is_dictionary(chunk.type):
        return plain(chunk.dictionary_decode())
    return plain(pyarrow().compute.run_end_decode(chunk)) if types.is_run_end_encoded(chunk.type) else chunk


def _expanded(chunk: Any, source: Any) -> Any:
    """Each run is asked once. A slice of the array keeps all its runs, and says where it begins in them."""
    pa = pyarrow()
    found = codes(chunk.values, source)
    encoded = pa.RunEndEncodedArray.from_arrays(chunk.run_ends, found)
    return pa.compute.run_end_decode(encoded.slice(chunk.offset, len(chunk)))


def numbers(chunk: Any, what: str = "addresses") -> arrays.U64Array:
    """An integer array without nulls as uint64 over the same memory; a negative number is one of 2**63 or more."""
    if not pyarrow().types.is_integer(chunk.type):
        raise ArrayError(f"{what}: type {chunk.type} is not an integer type; give uint64")
    array = chunk.to_numpy(zero_copy_only=True)
    if array.dtype.itemsize < 8:
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.uint64)
    return array.view(np.uint64)  # type: ignore[no-any-return]


def codes_of(numbers: arrays.U64Array, source: Any) -> arrays.U8Array:
    """The types; BEYOND where an address is outside the address space."""
    limit = 1 << source.maxphyaddr
    if not numbers.size or int(numbers.max()) < limit:
        found: arrays.U8Array = source.types(numbers)
        return found
    outside = numbers >= np.uint64(limit)
    found = source.types(np.where(outside, np.uint64(0), numbers))
    found[outside] = BEYOND
    return found


def settled(found: Any, chunk: Any, maxphyaddr: int, beyond: str, start: int = 0) -> Any:
    """What `codes` made of a chunk, with the addresses beyond refused or null. The chunk begins at `start`."""
    pa = pyarrow()
    outside = pa.compute.equal(found, pa.scalar(BEYOND, pa.uint8()))
    if not pa.compute.any(outside, min_count=0).as_py():
        return found
    if beyond == "null":
        return pa.compute.if_else(outside, pa.scalar(None, pa.uint8()), found)
    place = outside.index(True).as_py()
    raise arguments.address_beyond(chunk[place].as_py(), maxphyaddr, start + place)


def names(found: Any) -> Any:
    """Codes as a dictionary of names: what readers of a file understand without this package.

    Parameters
    ----------
    found : pyarrow.UInt8Array or ChunkedArray
        As `types` makes it.

    Returns
    -------
    pyarrow.DictionaryArray, or a ChunkedArray of them
        Of int8 indexes into the names of all types; null where `found` is null.

    Examples
    --------
    >>> import pyarrow as pa
    >>> names(pa.array([6, None, 12], pa.uint8())).to_pylist()
    ['WB', None, '?']
    """
    pa = pyarrow()
    array = column_of(found)
    if array.type != pa.uint8():
        raise ArrayError(f"types: {arguments.shown(found)} is no uint8 array")
    if isinstance(array, pa.ChunkedArray):
        kind = pa.dictionary(pa.int8(), pa.string())
        return pa.chunked_array([names(chunk) for chunk in array.chunks], kind)
    places = _PLACES[array.fill_null(0).to_numpy(zero_copy_only=True)]
    if (unknown := np.flatnonzero(places < 0)).size:
        place = int(unknown[0])
        raise InputError(f"types[{place}] = {array[place].as_py()} is no memory type")
    mask = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return pa.DictionaryArray.from_arrays(pa.array(places, mask=mask), pa.array([str(kind) for kind in MemoryType]))


_PLACES = np.full(256, -1, np.int8)  # of each code among the types
_PLACES[list(MemoryType)] = np.arange(len(MemoryType))
