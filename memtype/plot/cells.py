"""A map cut into cells that can be drawn: narrow neighbours share one, whose letters are ``*``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memtype.memory_map import MemoryMap
from memtype.plot.axis import Axis
from memtype.types import MemoryType

SEVERAL = "*"


@dataclass(frozen=True, slots=True)
class Cell:
    """Bytes [base, end) from place `left` to place `right` of an axis, and the types in them."""

    base: int
    end: int
    left: float
    right: float
    kinds: tuple[MemoryType, ...]

    @property
    def type(self) -> MemoryType:
        """The one type, or MIXED."""
        return self.kinds[0] if len(self.kinds) == 1 else MemoryType.MIXED

    @property
    def letters(self) -> str:
        return str(self.kinds[0]) if len(self.kinds) == 1 else SEVERAL

    @property
    def words(self) -> str:
        """What a tooltip says: ``[mem 0x…-0x…] UC``."""
        return f"[mem 0x{self.base:016x}-0x{self.end - 1:016x}] {', '.join(map(str, self.kinds))}"


def cells(memory: MemoryMap, axis: Axis, least: float) -> Iterator[Cell]:
    """The cells of a map, rising; each is at least `least` wide, but for the last.

    Raises
    ------
    ShatteredMapError
        For a map that cannot be listed.
    """
    held: Cell | None = None
    for s in memory.segments:
        left, right = axis.place(s.base), axis.place(s.end)
        if held is not None and (held.right - held.left < least or (right - left < least and len(held.kinds) > 1)):
            kinds = tuple(dict.fromkeys((*held.kinds, s.type)))
            held = Cell(held.base, s.end, held.left, right, kinds)
            continue
        if held is not None:
            yield held
        held = Cell(s.base, s.end, left, right, (s.type,))
    if held is not None:
        yield held
