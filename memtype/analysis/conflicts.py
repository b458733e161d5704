"""One page, two mappings: what Linux complained of, and what overlaps in its list of reserved types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from memtype.analysis.alias import Alias, alias
from memtype.effective import effective
from memtype.errors import InputError, ShatteredMapError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.types import MemoryType

_NO_TYPE = (MemoryType.MIXED, MemoryType.UNDEFINED)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Bytes [base, base + size) in two types.

    Attributes
    ----------
    users : who holds or asked for each of the two
    types : the two PAT types, in the users' order
    mtrr : the MTRR type of the range, None where it is not told or not one
    effective : the two types with the MTRRs; the PAT types themselves without `mtrr`
    verdict : what the manuals say of the effective pair
    refused : whether the kernel refused the first, so that no such pair came to be
    """

    base: int
    size: int
    users: tuple[str, str]
    types: tuple[MemoryType, MemoryType]
    mtrr: MemoryType | None
    effective: tuple[MemoryType, MemoryType]
    verdict: Alias
    refused: bool

    @property
    def last(self) -> int:
        """The last byte, inclusive."""
        return self.base + self.size - 1


def conflicts(machine: Machine, vendor: str | None = None, *, self_snoop: bool = False) -> list[Conflict]:
    """Every pair of types for one range that a dump shows.

    Parameters
    ----------
    machine : Machine
        From a Linux log, or from `pat_memtype_list`.
    vendor : {"intel", "amd"}, optional
        The dump's own where not given, else Intel.
    self_snoop : bool
        As for `alias`.

    Examples
    --------
    >>> from memtype.formats import linux_pat_conflicts as log
    >>> told = log.parse("Xorg:12 conflicting memory types d0000000-d0800000 uncached-minus<->write-combining")
    >>> [(hex(c.last), c.users[0], c.verdict.verdict, c.refused) for c in conflicts(told)]
    [('0xd07fffff', 'Xorg:12', 'warn', True)]
    """
    maker = vendor or machine.vendor or "intel"
    memory = _map(machine)
    facts = machine.facts or {}
    pairs = [*_complaints(facts.get("pat_conflicts")), *_overlaps(facts.get("pat_memtype_list"))]
    found = []
    for base, end, users, types, refused in pairs:
        mtrr = _mtrr(memory, base, end)
        seen = types if mtrr is None else (effective(mtrr, types[0], maker), effective(mtrr, types[1], maker))
        verdict = alias(seen[0], seen[1], maker, self_snoop=self_snoop)
        found.append(Conflict(base, end - base, users, types, mtrr, seen, verdict, refused))
    return found


_Pair = tuple[int, int, tuple[str, str], tuple[MemoryType, MemoryType], bool]


def _complaints(listed: Any) -> Iterator[_Pair]:
    for base, end, wanted, held, user in listed or ():
        yield base, end, (user, "an earlier mapping"), (_type(wanted), _type(held)), True


def _overlaps(listed: Any) -> Iterator[_Pair]:
    """Entries of other types that an entry meets; of several with one type, the one that reaches furthest."""
    reach: dict[MemoryType, tuple[int, int]] = {}
    for base, end, name in sorted({tuple(entry) for entry in listed or () if entry[2] != "broken"}):
        kind = _type(name)
        for other, (first, behind) in reach.items():
            if other != kind and behind > base:
                users = f"the reservation [0x{base:x}-0x{end - 1:x}]", f"[0x{first:x}-0x{behind - 1:x}]"
                yield base, min(end, behind), users, (kind, other), False
        if kind not in reach or end > reach[kind][1]:
            reach[kind] = base, end


def _type(name: Any) -> MemoryType:
    return MemoryType.parse(str(name))


def _map(machine: Machine) -> MemoryMap | None:
    try:
        return machine.mtrrs.map if machine.mtrrs is not None else machine.printed_map
    except ShatteredMapError:
        return None


def _mtrr(memory: MemoryMap | None, base: int, end: int) -> MemoryType | None:
    try:
        kind = None if memory is None else memory.uniform(base, end - base)
    except InputError:  # beyond what the map covers
        return None
    return None if kind in _NO_TYPE else kind
