"""What is not told, what is assumed instead, and the answer that follows for an address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from memtype import arrays
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
    parts = [memory.as_arrays() for memory in maps]
    bases = np.unique(np.concatenate([base for base, _ in parts]))
    rows = np.stack([kinds[np.searchsorted(base, bases, "right") - 1] for base, kinds in parts])
    types = np.where((rows == rows[0]).all(axis=0), rows[0], np.uint8(MemoryType.NOT_TOLD))
    return _joined(bases, types, maps[0].maxphyaddr)


def bordered(maps: list[MemoryMap]) -> MemoryMap:
    """A map that has a border wherever one of the maps has: neighbours differ in a type of no meaning."""
    if len(maps) == 1:
        return maps[0]
    bases = np.unique(np.concatenate([memory.as_arrays()[0] for memory in maps]))
    kinds = [MemoryType.NOT_TOLD, MemoryType.UNDEFINED]
    return MemoryMap([int(b) for b in bases], [int(kinds[n % 2]) for n in range(len(bases))], maps[0].maxphyaddr)


def _joined(bases: arrays.U64Array, types: arrays.U8Array, maxphyaddr: int) -> MemoryMap:
    first = np.ones(len(types), bool)
    first[1:] = types[1:] != types[:-1]
    return MemoryMap([int(b) for b in bases[first]], [int(t) for t in types[first]], maxphyaddr)
