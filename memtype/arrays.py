"""Arrays at the door: what may come in, what comes out, and the errors both backends share.

`ffi.from_buffer` checks neither dtype, byte order nor alignment, so everything is made native, contiguous and
aligned here, before any C call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtype.errors import AddressError, ArrayError

U64 = np.dtype(np.uint64)
U8 = np.dtype(np.uint8)

U64Array = NDArray[np.uint64]
U8Array = NDArray[np.uint8]


def uint64(values: Any, what: str = "addresses") -> U64Array:
    """Any integer array-like as C-contiguous native uint64, its shape kept.

    Raises
    ------
    ArrayError
        For float, bool and object arrays.
    AddressError
        For a negative number; `.index` is its flat place.
    """
    if type(values) is np.ndarray and values.dtype is U64 and values.flags.c_contiguous and values.flags.aligned:
        return values
    array = np.asarray(values)
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


def _from_integers(values: Any, what: str) -> U64Array:
    """A list that numpy would make float or object: taken if every element is an integer of 64 bits."""
    if isinstance(values, np.ndarray):
        raise ArrayError(f"{what}: dtype object is not an integer type; give uint64")
    flat = np.asarray(values, dtype=object)
    for index, value in enumerate(flat.reshape(-1)):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise ArrayError(f"{what}[{index}] = {value!r} is not an integer")
        if not 0 <= value < 1 << 64:
            raise AddressError(f"{what}[{index}] = {value} is not a 64-bit unsigned number", index)
    return flat.astype(U64)


def output(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *inputs: NDArray[Any]) -> NDArray[Any]:
    """The array to write: a fresh one, or `out` after it was found fit. Nothing is written here.

    A backend writes only C-contiguous arrays: pass the result through `contiguous` and `deliver`.
    """
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        raise ArrayError(f"out: dtype {getattr(out, 'dtype', type(out).__name__)} is not {dtype}")
    if out.shape != shape:
        raise ArrayError(f"out: shape {out.shape} is not {shape}")
    if not out.flags.writeable:
        raise ArrayError("out is read-only")
    if any(np.may_share_memory(out, array) for array in inputs):
        raise ArrayError("out overlaps an input")
    return out


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
    beyond = addresses.reshape(-1) >> np.uint64(maxphyaddr) != 0
    if beyond.any():
        index = int(np.argmax(beyond))
        raise address_beyond(int(addresses.reshape(-1)[index]), maxphyaddr, index)


def address_beyond(address: int, maxphyaddr: int, index: int | None = None) -> AddressError:
    """The one wording of that refusal."""
    place = "" if index is None else f" at index {index}"
    if address < 0:
        return AddressError(f"address {address}{place} is negative", index)
    return AddressError(f"address 0x{address:x}{place} is not below 2**{maxphyaddr} (MAXPHYADDR = {maxphyaddr})", index)
