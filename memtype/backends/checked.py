"""Runs both implementations on every call and raises `BackendMismatch` where they differ: any workload a test.

States and maps keep what the C core made of them, and its short ways are taken too: what they gave is compared with
the careful way of the other implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from memtype import arrays, rules
from memtype.backends import native, python
from memtype.backends.contract import FUNCTIONS, Backend
from memtype.errors import BackendMismatch, InputError

FIRST: Backend = native  # here the type checker compares both with the contract
SECOND: Backend = python

name = "checked"
isa = native.isa
refused = getattr(native, "refused", None)

_CHECKED_FIRST = 4096  # the C core leaves larger outputs unspecified after a failure (memtype.h)


def _both(function: str) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        # Output arrays are arguments too: the second implementation writes copies of the writable ones.
        copies = [arg.copy() if isinstance(arg, np.ndarray) and arg.flags.writeable else arg for arg in args]
        first, second = _outcome(getattr(FIRST, function), args), _outcome(getattr(SECOND, function), copies)
        if first != second or not all(_same(*pair, isinstance(first, _Raised)) for pair in zip(args, copies)):
            message = f"{function}: native gave {first}, python gave {second}"
            raise BackendMismatch(message, (first, args), (second, copies))
        if isinstance(first, _Raised):
            raise first.error
        return first

    run.__name__ = function
    return run


class _Raised:
    """An error as a value: two are equal when type, text and index are."""

    def __init__(self, error: InputError) -> None:
        self.error = error
        self.key = type(error), str(error), getattr(error, "index", None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Raised) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"{self.key[0].__name__}({self.key[1]!r})"


def _outcome(function: Callable[..., Any], args: Any) -> Any:
    try:
        return function(*args)
    except InputError as error:
        return _Raised(error)


def _same(a: Any, b: Any, failed: bool) -> bool:
    if not isinstance(a, np.ndarray) or (failed and a.size > _CHECKED_FIRST):
        return True
    return np.array_equal(a, b)


def _compared(function: str, found: Any, careful: Callable[..., Any], *args: Any) -> Any:
    """What a short way of the C core found, after `careful(*args, out)` of the other has found the same."""
    if found is None:
        return None
    expected = np.zeros(found.shape, found.dtype)
    failure = _outcome(careful, (*args, expected))
    if failure is not None or not np.array_equal(found, expected):
        message = f"{function}: native gave {found}, python gave {failure or expected}"
        raise BackendMismatch(message, (found, args), (failure or expected, args))
    return found


def prepare(s: Any) -> Any:
    return native.prepare(s)


def prepare_at_once(s: Any) -> Any:
    return native.prepare_at_once(s)


class steps:
    """Both implementations' steps, each answer compared."""

    def __init__(self, *args: Any) -> None:
        self._pair = native.steps(*args), python.steps(*args)

    def at(self, address: Any) -> Any:
        first, second = (each.at(address) for each in self._pair)
        if first is not second:
            raise BackendMismatch(f"steps: native gave {first!r}, python gave {second!r}", (first, address), (second,))
        return first


def types_at_once(s: Any, addresses: Any, out: Any) -> Any:
    return _compared("types_at_once", native.types_at_once(s, addresses, out), python.types, s, addresses)


def histogram_at_once(s: Any, addresses: Any) -> Any:
    return _compared("histogram_at_once", native.histogram_at_once(s, addresses), python.histogram, s, addresses)


def map_types_at_once(found: Any, addresses: Any, out: Any) -> Any:
    context = (*found.as_arrays(), found.maxphyaddr, addresses)
    return _compared("map_types_at_once", native.map_types_at_once(found, addresses, out), python.map_types, *context)


def pages_at_once(found: Any, first_gfn: Any, count: Any, out: Any) -> Any:
    made = native.pages_at_once(found, first_gfn, count, out)
    if made is None:
        return None
    pages = np.arange(first_gfn, first_gfn + count, dtype=arrays.U64) << np.uint64(rules.PAGE_SHIFT)
    return _compared("pages_at_once", made, python.map_types, *found.as_arrays(), found.maxphyaddr, pages)


def resolve_packed(s: Any) -> Any:
    """The C core's handle, after both have made the same map."""
    _both("resolve")(s)
    return native.resolve_packed(s)


globals().update({function: _both(function) for function in FUNCTIONS if function not in globals()})
