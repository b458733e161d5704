"""What is not told, what is assumed instead, and the answer that follows for an address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle

from memtype.memory_map import MemoryMap
from memtype.readable import readable
from memtype.types import MemoryType


@readable
@dataclass(frozen=True, slots=True)
class Assumption:
    """A named rule that stands in for what was not told; `text` is printed on the answer's own line."""

    what: str
    value: int
    rule: str
    text: str


@readable
@dataclass(frozen=True, slots=True)
class Gap:
    """What is not told, of which registers, and what would tell it."""

    what: str
    registers: tuple[str, ...]
    text: str
    hint: str


@readable
@dataclass(frozen=True, slots=True)
class Answer:
    """The type of one address, or `NOT_TOLD` and what it may be.

    Attributes
    ----------
    type : MemoryType
    candidates : tuple of MemoryType
        Where `type` is NOT_TOLD: the types that machines which fit the text have here.
    assumed : tuple of Assumption
        The assumptions without which the answer would be another, or NOT_TOLD.
    missing : tuple of str
        Where `type` is NOT_TOLD: what is not told and decides here.
    """

    type: MemoryType
    candidates: tuple[MemoryType, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.type is not MemoryType.NOT_TOLD:
            return f"{self.type} ({'; '.join(a.text for a in self.assumed)})" if self.assumed else str(self.type)
        return f"? ({either(self.candidates)}): {'; '.join(self.missing)}"


def either(kinds: Iterable[MemoryType]) -> str:
    """``UC, WC or WB``"""
    words = [str(kind) for kind in kinds]
    return " or ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])


def likely(kinds: set[MemoryType]) -> tuple[MemoryType, ...]:
    """The candidates; an undefined overlap with a range that is not told is left out where others remain."""
    known = kinds - {MemoryType.UNDEFINED}
    return tuple(sorted(known if len(known) > 1 else kinds))


def agreed(maps: list[MemoryMap]) -> MemoryMap:
    """The map that all agree on, NOT_TOLD where they do not."""
    if len(maps) == 1:
        return maps[0]
    here: dict[int, int] = {}  # the type in each map, where the sweep is
    count = Counter[int]()
    found: dict[int, int] = {}
    for base, place, kind in sorted((s.base, place, int(s.type)) for place, memory in enumerate(maps) for s in memory):
        if place in here:
            count[here[place]] -= 1
        here[place] = kind
        count[kind] += 1
        found[base] = kind if count[kind] == len(maps) else int(MemoryType.NOT_TOLD)
    return _joined(found, maps[0].maxphyaddr)


def bordered(maps: list[MemoryMap]) -> MemoryMap:
    """A map that has a border wherever one of the maps has: neighbours differ in a type of no meaning."""
    if len(maps) == 1:
        return maps[0]
    bases = sorted({segment.base for memory in maps for segment in memory})
    kinds = cycle((int(MemoryType.NOT_TOLD), int(MemoryType.UNDEFINED)))
    return _joined(dict(zip(bases, kinds)), maps[0].maxphyaddr)


def _joined(types: dict[int, int], maxphyaddr: int) -> MemoryMap:
    """A map from the types by base, in rising order; neighbours of one type are joined."""
    bases, kinds = list[int](), list[int]()
    for base, kind in types.items():
        if kinds[-1:] != [kind]:
            bases.append(base)
            kinds.append(kind)
    return MemoryMap(bases, kinds, maxphyaddr)
