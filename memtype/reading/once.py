"""What a line says, worked out once for equal lines: lines of a text repeat, and a look into a table is quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_TABLES: ContextVar[dict[Callable[[str], Any], Once[Any]] | None] = ContextVar("tables of a reading", default=None)


class Once(dict[str, T], Generic[T]):
    """A function of a line as a table that fills itself. It lives as long as one reading, and holds no other text.

    Examples
    --------
    >>> length = Once(len)
    >>> [length[line] for line in ("one", "three", "one")], dict(length)
    ([3, 5, 3], {'one': 3, 'three': 5})
    """

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[str], T]) -> None:
        super().__init__()
        self._call = call

    def __missing__(self, line: str) -> T:
        found = self[line] = self._call(line)
        return found


@contextmanager
def one_reading() -> Iterator[None]:
    """Inside, all who ask `once` for a function's table share one: several families look at the same lines."""
    token = _TABLES.set({})
    try:
        yield
    finally:
        _TABLES.reset(token)


def once(call: Callable[[str], T]) -> Once[T]:
    """The table of a function of a line that this reading has; outside of a reading a new one.

    Examples
    --------
    >>> with one_reading():
    ...     once(len) is once(len)
    True
    >>> once(len) is once(len)
    False
    """
    tables = _TABLES.get()
    if tables is None:
        return Once(call)
    if call not in tables:
        tables[call] = Once(call)
    return tables[call]
