"""Dask's own arrays and dataframes: partition by partition, the answer of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from memtype import arguments, arrays
from memtype.arrow import answering, check_beyond, codes_of, pyarrow
from memtype.arrow import types as arrow_types
from memtype.errors import AddressError, InputError, MissingExtra

_NULLABLE = "uint8[pyarrow]"  # of a column: a partition with nulls has the same dtype as one without


def types(collection: Any, state: Any, beyond: str = "raise") -> Any:
    """The memory type of each address of a Dask array or a column of a Dask dataframe.

    Parameters
    ----------
    collection : dask.array.Array of integers, or dask.dataframe Series of integers
        Physical addresses in bytes. A Series may have nulls.
    state : MtrrState, MemoryMap, View or Machine
        As in `memtype.arrow.types`.
    beyond : {"raise", "null"}
        What becomes of an address outside [0, 2**maxphyaddr); an array cannot hold nulls and refuses.

    Returns
    -------
    A lazy collection of the same kind, partitions and index: uint8 of an array, ``uint8[pyarrow]`` of a Series. What is
    computed does not depend on how it is cut.

    Raises
    ------
    AddressError
        When it is computed: for an address beyond; of an array with its place in the whole.
    MissingExtra
        Without Dask: ``pip install 'memtype[dask]'``.
    """
    check_beyond(beyond)
    source = answering(state)
    if _is_array(collection):
        if beyond == "null":
            raise InputError("beyond = 'null': an array holds no nulls; give a Series")
        return collection.map_blocks(_block_types, source=source, dtype=np.uint8, meta=np.array((), np.uint8))
    if _is_series(collection):
        import pandas as pd

        meta = pd.Series([], dtype=_NULLABLE, name="type")
        return collection.map_partitions(_series_types, source, beyond, meta=meta)
    raise InputError(f"collection = {arguments.shown(collection)} is no Dask array and no column of a Dask dataframe")


def histogram(collection: Any, state: Any, beyond: str = "raise") -> Any:
    """How many addresses of a collection have each type: as `MtrrState.histogram`, lazily, for any partitioning.

    Parameters
    ----------
    collection, state, beyond
        As in `types`. Nulls have no type and are not counted.

    Returns
    -------
    dask.array.Array, uint64[16]
        The count of each type at the type's number.
    """
    dask_array = _dask("dask.array")
    made = types(collection, state, beyond)
    pieces = made.to_delayed().ravel() if _is_array(made) else made.to_delayed()
    parts = [dask_array.from_delayed(_delayed_counts(piece), (16,), np.uint64) for piece in pieces]
    if not parts:
        return dask_array.zeros(16, dtype=np.uint64)
    return dask_array.stack(parts).sum(axis=0, dtype=np.uint64)


def _delayed_counts(part: Any) -> Any:
    return _dask("dask").delayed(_counts, pure=True)(part)


def _counts(codes: Any) -> arrays.U64Array:
    values = np.asarray(codes.dropna() if hasattr(codes, "dropna") else codes, np.uint8).reshape(-1)
    return np.bincount(values, minlength=16).astype(np.uint64)


def _dask(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtra("Dask collections need dask: pip install 'memtype[dask]'") from None


def _is_array(collection: Any) -> bool:
    return isinstance(collection, _dask("dask.array").Array)


def _is_series(collection: Any) -> bool:
    return isinstance(collection, _dask("dask.dataframe").Series)


def _block_types(block: Any, source: Any, block_info: Any = None) -> Any:
    given = arrays.uint64(block)
    try:
        return source.types(given)
    except AddressError as error:
        place = int(np.argmax(codes_of(given.reshape(-1), source) == 255))
        where = [
            low + at for (low, _), at in zip(block_info[0]["array-location"], np.unravel_index(place, given.shape))
        ]
        whole = int(np.ravel_multi_index(where, block_info[0]["shape"]))
        raise arguments.address_beyond(int(given.reshape(-1)[place]), source.maxphyaddr, whole) from error


def _series_types(series: Any, source: Any, beyond: str) -> Any:
    import pandas as pd

    pa = pyarrow()
    try:
        found = arrow_types(
            pa.chunked_array(series) if len(series) else pa.chunked_array([], pa.uint64()), source, beyond
        )
    except AddressError as error:
        label = arguments.shown(series.index[error.index])
        text = str(error).replace(f" at index {error.index} ", f" at label {label} ")
        raise AddressError(text, error.index) from None
    return pd.Series(pd.arrays.ArrowExtensionArray(found), index=series.index, name="type")
