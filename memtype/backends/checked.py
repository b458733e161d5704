"""Runs both implementations on every call and raises `BackendMismatch` where they differ: any workload a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from memtype.backends import native, python
from memtype.errors import BackendMismatch, InputError

name = "checked"
isa, refused = native.isa, native.refused

_CHECKED_FIRST = 4096  # the C core leaves larger outputs unspecified after a failure (memtype.h)

# The steps that only save time have nothing to compare: states keep nothing, maps are lists, no short ways.
prepare = python.prepare
types_at_once = python.types_at_once
map_types_at_once = python.map_types_at_once
pages_at_once = python.pages_at_once


def resolve_packed(s: Any) -> Any:
    return _both("resolve")(s)


def _both(function: str) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        # Output arrays are arguments too: the second implementation writes copies of the writable ones.
        copies = [arg.copy() if isinstance(arg, np.ndarray) and arg.flags.writeable else arg for arg in args]
        first, second = _outcome(getattr(native, function), args), _outcome(getattr(python, function), copies)
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


def __getattr__(function: str) -> Any:
    if function.startswith("_") or not hasattr(python, function):
        raise AttributeError(function)
    run = _both(function)
    globals()[function] = run
    return run
