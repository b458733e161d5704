"""Arguments that are many values: what may come in, what comes out, and the errors both backends share.

`ffi.from_buffer` checks neither dtype, byte order nor alignment, so everything is made native, contiguous and
aligned here, before any C call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from memtype import rules
from memtype.arguments import address_beyond, gfn_beyond, is_scalar, no_type, refuse_type, shown, type_code
from memtype.errors import AddressError, ArrayError, InputError
from memtype.types import MemoryType

U64 = np.dtype(np.uint64)
U8 = np.dtype(np.uint8)

U64Array = NDArray[np.uint64]
U8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
Many = np.ndarray[Any, Any] | list[Any] | tuple[Any, ...] | range  # what is never one value


def uint64(values: Any, what: str = "addresses") -> U64Array:
    """Any integer array-like as C-contiguous native uint64, its shape kept.

    Raises
    ------
    ArrayError
        For float, bool and object arrays, for bytes, and where an element is masked or null.
    AddressError
        For a negative number; `.index` is its flat place.
    """
    if type(values) is np.ndarray and values.dtype is U64 and values.flags.c_contiguous and values.flags.aligned:
        return values
    array = _array(values, what)
    if array.size == 0 and not isinstance(values, np.ndarray):
        return np.zeros(array.shape, U64)  # an empty list is float64 to numpy
    if array.dtype == object or (array.dtype.kind == "f" and not isinstance(values, np.ndarray)):
        return _from_integers(values, what)
    if array.dtype.kind not in "iu":
        raise ArrayError(f"{what}: dtype {array.dtype} is not an integer type; give uint64")
    if array.dtype.kind == "i" and array.size and int(array.min()) < 0:
        index = int(np.argmax(array.reshape(-1) < 0))
        raise AddressError(f"{what}[{index}] = {int(array.reshape(-1)[index])} is negative", index)
    return np.require(array, U64, ["C", "A"])


def _array(values: Any, what: str) -> NDArray[Any]:
    """Any array-like as numpy has it, unless that would lose something: a mask, nulls, how many bytes make a number."""
    if type(values) not in _PLAIN:
        _refuse_masked(values, what)
        _refuse_bytes(values, what)
    try:
        return np.asarray(values)
    except ValueError:
        raise ArrayError(f"{what}: rows of unequal length make no array") from None


_PLAIN = (np.ndarray, list, tuple, int)


def _refuse_masked(values: Any, what: str) -> None:
    """numpy hands out what lies under a mask as if it were a value."""
    if "numpy.ma" not in sys.modules:  # who holds a masked array has loaded it; it takes a tenth as long as numpy
        return
    if isinstance(values, np.ma.MaskedArray) and (masked := np.flatnonzero(np.ma.getmaskarray(values))).size:
        raise ArrayError(f"{what}[{int(masked[0])}] is masked: an element without a value has no place here")


def _refuse_bytes(values: Any, what: str) -> None:
    """Bytes are no numbers: numpy would make each of them one, 8 addresses of each uint64."""
    if isinstance(values, (np.ndarray, np.generic)):
        return
    try:
        size = memoryview(values).itemsize
    except TypeError:
        return
    if size == 1:
        raise ArrayError(f"{what}: {type(values).__name__} holds bytes, not numbers; np.frombuffer says what they are")


def _from_integers(values: Any, what: str) -> U64Array:
    """A list that numpy would make float or object: taken if every element is an integer of 64 bits."""
    if isinstance(values, np.ndarray):
        raise ArrayError(f"{what}: dtype object is not an integer type; give uint64")
    if hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
        raise _null_or_no_integer(values, what)
    flat = np.asarray(values, dtype=object)
    for index, value in enumerate(flat.reshape(-1)):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise ArrayError(f"{what}[{index}] = {shown(value)} is not an integer")
        if not 0 <= value < 1 << 64:
            raise AddressError(f"{what}[{index}] = {shown(value)} is not a 64-bit unsigned number", index)
    return flat.astype(U64)


_NUMBERS = (int, float, np.number)


def _null_or_no_integer(values: Any, what: str) -> ArrayError:
    """Of a column that numpy makes float or object: an integer column has nulls, which it shows as NaN."""
    kind = str(getattr(values, "type", getattr(values, "dtype", "")))
    elements = np.asarray(values, dtype=object).reshape(-1)
    null = next((place for place, e in enumerate(elements) if not isinstance(e, _NUMBERS) or e != e), None)
    if "int" in kind.lower() and null is not None:
        return ArrayError(f"{what}[{null}] is null: memtype.arrow.types keeps nulls, here each element needs a value")
    return ArrayError(f"{what}: type {kind or type(values).__name__} is not an integer type; give uint64")


def output(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *inputs: NDArray[Any], what: str = "out"
) -> NDArray[Any]:
    """The array to write: a fresh one, or `out` after it was found fit, which a refusal calls `what`.

    Nothing is written here.

    A backend writes only C-contiguous arrays: pass the result through `contiguous` and `deliver`.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        raise ArrayError(f"{what}: dtype {getattr(out, 'dtype', type(out).__name__)} is not {dtype}")
    if out.shape != shape:
        raise ArrayError(f"{what}: shape {out.shape} is not {shape}")
    if not out.flags.writeable:
        raise ArrayError(f"{what} is read-only")
    for array in inputs:
        if np.may_share_memory(out, array):
            raise ArrayError(f"{what} overlaps an input")
    if not out.flags.c_contiguous and _folds(out):
        raise ArrayError(f"{what}: elements share memory (strides {out.strides})")
    return out


def _folds(array: NDArray[Any]) -> bool:
    """Whether elements of a strided array may lie over one another: each stride must pass what the smaller reach."""
    reach = array.itemsize
    for stride, count in sorted((abs(stride), count) for stride, count in zip(array.strides, array.shape) if count > 1):
        if stride < reach:
            return True
        reach += stride * (count - 1)
    return False


def contiguous(out: NDArray[Any]) -> NDArray[Any]:
    """`out` itself where a backend can write it, else a scratch array of its shape."""
    return out if out.flags.c_contiguous and out.flags.aligned else np.empty(out.shape, out.dtype)


def deliver(written: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
    """Copy a scratch array into the `out` it stood in for."""
    if written is not out:
        out[...] = written
    return out


def refuse_addresses(addresses: U64Array, maxphyaddr: int) -> None:
    """Raise for the first address at or above 2**MAXPHYADDR."""
    index = _first_beyond(addresses, maxphyaddr)
    if index is not None:
        raise address_beyond(int(addresses.reshape(-1)[index]), maxphyaddr, index)


def refuse_gfns(gfns: U64Array, maxphyaddr: int) -> None:
    """Raise for the first gfn at or above 2**(MAXPHYADDR - 12)."""
    index = _first_beyond(gfns, maxphyaddr - rules.PAGE_SHIFT)
    if index is not None:
        raise gfn_beyond(int(gfns.reshape(-1)[index]), maxphyaddr, index)


def _first_beyond(numbers: U64Array, bits: int) -> int | None:
    """The flat place of the first number of more than `bits` bits; in one pass without temporaries if there is none."""
    if not int(np.bitwise_or.reduce(numbers, axis=None)) >> bits:
        return None
    return int(np.argmax(numbers.reshape(-1) >> np.uint64(bits) != 0))


# --- memory types as input -------------------------------------------------------------------------------------


def types(values: Any, what: str) -> U8Array:
    """Any array-like of types (numbers, names, `MemoryType`), or a single one, as C-contiguous uint8, shape kept.

    Raises
    ------
    ArrayError
        For float, bool and object arrays.
    InputError
        For a name that is no type, or a number that is no byte; the text names its flat place.
    """
    array = _array(values, what)
    if array.dtype.kind in "US":
        codes = [int(MemoryType.parse(str(word))) for word in array.reshape(-1)]
        return np.array(codes, U8).reshape(array.shape)
    if array.dtype == U8:
        return np.require(array, U8, ["C", "A"])
    if array.size == 0 and not isinstance(values, np.ndarray):
        return np.zeros(array.shape, U8)
    if array.dtype.kind not in "iu":
        raise ArrayError(f"{what}: dtype {array.dtype} is not an integer type; give uint8")
    beyond = (array.reshape(-1) < 0) | (array.reshape(-1) > 255)
    if beyond.any():
        index = int(np.argmax(beyond))
        raise no_type(what, int(array.reshape(-1)[index]), index)
    return np.require(array, U8, ["C", "A"])


def flags(values: Any, what: str) -> U8Array:
    """Any array-like of bool, or of 0 and 1, as C-contiguous uint8, shape kept."""
    array = _array(values, what)
    if array.size == 0 and not isinstance(values, np.ndarray):
        return np.zeros(array.shape, U8)
    if array.dtype.kind not in "biu":
        raise ArrayError(f"{what}: dtype {array.dtype} is not bool; give bool, or 0 and 1")
    flat = array.reshape(-1)
    if array.dtype.kind != "b" and ((flat != 0) & (flat != 1)).any():
        index = int(np.argmax((flat != 0) & (flat != 1)))
        raise InputError(f"{what}[{index}] = {flat[index]} is neither 0 nor 1")
    return np.require(array, U8, ["C", "A"])


def refuse_types(legal: frozenset[int], array: U8Array, what: str) -> None:
    """Raise for the first element that is not among the `legal` inputs."""
    known = np.zeros(256, bool)
    known[sorted(legal)] = True
    fit = known[array.reshape(-1)]
    if not fit.all():
        index = int(np.argmin(fit))
        raise no_type(what, int(array.reshape(-1)[index]), index)


def combined(kernel: Callable[..., None], inputs: list[U8Array], out: Any, *context: Any) -> U8Array:
    """Broadcast the inputs, run ``kernel(*context, *inputs, out)`` on contiguous arrays, deliver the result.

    An input of one element stays one: a kernel repeats it.
    """
    try:
        shape = np.broadcast_shapes(*(array.shape for array in inputs))
    except ValueError:
        raise ArrayError(f"shapes {', '.join(str(array.shape) for array in inputs)} do not broadcast") from None
    out = output(out, shape, U8, *inputs)
    fitted = [
        array if array.size == 1 or array.shape == shape else np.broadcast_to(array, shape).copy() for array in inputs
    ]
    written = contiguous(out)
    kernel(*context, *fitted, written)
    return deliver(written, out)


def type_input(value: Any, legal: frozenset[int], what: str) -> U8Array:
    """A type or an array of types for `combined`; a single one is checked here, many are by the kernel."""
    if not is_scalar(value):
        return types(value, what)
    code = type_code(value, what)
    refuse_type(legal, code, what)
    return np.array(code, U8)


# --- types as text ----------------------------------------------------------------------------------------------------

_NAMES = np.array([{int(kind): str(kind) for kind in MemoryType}.get(code, "") for code in range(256)])


@overload
def names(codes: int) -> str: ...
@overload
def names(codes: Many) -> NDArray[np.str_]: ...
@overload
def names(codes: Any) -> Any: ...
def names(codes: Any) -> Any:
    """The short names of memory types, as `MemoryType` prints them.

    Parameters
    ----------
    codes : int or array-like of integers, any shape
        What `MtrrState.types` and its like return.

    Returns
    -------
    array of str of the same shape; a str for an int.

    Raises
    ------
    InputError
        For the first number that is no memory type.

    Examples
    --------
    >>> names([6, 0, 12]).tolist(), names(7)
    (['WB', 'UC', '?'], 'UC-')
    """
    given = uint64(codes, "codes")
    found = _NAMES[np.minimum(given, np.uint64(255))]
    if (unknown := np.flatnonzero(found == "")).size:
        place = int(unknown[0])
        raise InputError(f"codes[{place}] = {int(given.reshape(-1)[place])} is no memory type")
    return str(found) if given.ndim == 0 and is_scalar(codes) else found
