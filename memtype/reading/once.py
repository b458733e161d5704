"""What a line says, worked out once for equal lines: lines of a text repeat, and a look into a table is quick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


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
