"""One page, two mappings: what Linux said of them, and what overlaps in its list of reserved types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from memtype import arguments, rules
from memtype.analysis.alias import Alias, alias
from memtype.effective import effective
from memtype.errors import InputError, ShatteredMapError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import vendor_name
from memtype.readable import readable
from memtype.types import MemoryType

_NO_TYPE = (MemoryType.MIXED, MemoryType.UNDEFINED, MemoryType.NOT_TOLD)


@readable
@dataclass(frozen=True, slots=True)
class Conflict:
    """Bytes [base, base + size), wanted in one type and held in another.

    Attributes
    ----------
    base, size : the range
    users : who asked, and who holds the range
    types : the PAT type that was asked for, and the one on record; NOT_TOLD where the log does not name it
    mtrr : the MTRR type of the range, None where it is not told or not one
    effective : the two types with the MTRRs; the PAT types themselves without `mtrr`
    verdict : what the manuals say of the effective pair, were both to stand
    outcome : "refused": no such pair came to be; "granted": the request got the type on record, so that there is but
        one; "stands": both mappings exist
    rule : the rule of Linux' that decided, None where both stand
    held : all types on record, where several entries overlap
    lines : where the log tells it
    assumed : what `mtrr` hangs on, in words
    """

    base: int
    size: int
    users: tuple[str, str]
    types: tuple[MemoryType, MemoryType]
    mtrr: MemoryType | None
    effective: tuple[MemoryType, MemoryType]
    verdict: Alias
    outcome: str
    rule: str | None = None
    held: tuple[MemoryType, ...] = ()
    lines: tuple[int, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """The last byte, inclusive."""
        return self.base + self.size - 1

    @property
    def refused(self) -> bool:
        """Whether Linux refused the request."""
        return self.outcome == "refused"


def conflicts(machine: Machine, vendor: str | None = None, *, self_snoop: bool = False) -> list[Conflict]:
    """Every pair of types for one range that a dump shows, and what Linux made of it.

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
    arguments.given(machine, Machine, "machine")
    maker = vendor_name((machine.vendor or "intel") if vendor is None else vendor)
    memory, strict = _map(machine), _map(machine.strict())
    facts = machine.facts or {}
    pairs = [*_messages(facts.get("pat_messages")), *_overlaps(facts.get("pat_memtype_list"))]
    found = []
    for pair in pairs:
        mtrr = _mtrr(memory, pair.base, pair.end)
        first, second = pair.types
        seen = pair.types if mtrr is None else (effective(mtrr, first, maker), effective(mtrr, second, maker))
        verdict = alias(seen[0], seen[1], maker, self_snoop=self_snoop)
        found.append(
            Conflict(
                pair.base, pair.end - pair.base, pair.users, pair.types, mtrr, seen, verdict,
                pair.outcome, pair.rule, pair.held, pair.lines,
                () if mtrr is _mtrr(strict, pair.base, pair.end) else _assumptions(machine),
            )
        )  # fmt: skip
    return found


# What came of each kind of message (`formats.linux_pat_conflicts`), and the rule that decided.
_OUTCOMES = {
    "conflict": ("refused", "alias-refused"),
    "remap": ("refused", "linux-not-allowed"),
    "ram": ("granted", "linux-ram"),
    "ram-pages": ("refused", "linux-ram-pages"),
    "ioremap": ("refused", "linux-not-allowed"),
}


@dataclass(frozen=True, slots=True)
class _Pair:
    base: int
    end: int
    users: tuple[str, str]
    types: tuple[MemoryType, MemoryType]
    outcome: str
    rule: str | None = None
    held: tuple[MemoryType, ...] = ()
    lines: tuple[int, ...] = ()


def _messages(listed: Any) -> Iterator[_Pair]:
    for story in listed or ():
        wanted, held = _type(story["wanted"]), tuple(map(_type, story["held"]))
        other = next((kind for kind in held if kind != wanted), held[0] if held else MemoryType.NOT_TOLD)
        outcome, rule = _OUTCOMES[story["kind"]]
        if story["kind"] in ("remap", "ioremap"):
            rule = "linux-not-allowed" if (wanted, other) in rules.LINUX_REFUSED else "linux-strict"
        holder = "the pages" if story["kind"] in ("ram", "ram-pages") else "an earlier mapping"
        users = story["user"], holder
        yield _Pair(story["base"], story["end"], users, (wanted, other), outcome, rule, held, tuple(story["lines"]))


def _overlaps(listed: Any) -> Iterator[_Pair]:
    """Entries of other types that an entry meets; of several with one type, the one that reaches furthest."""
    reach: dict[MemoryType, tuple[int, int]] = {}
    for base, end, name in sorted({tuple(entry) for entry in listed or () if entry[2] != "broken"}):
        kind = _type(name)
        for other, (first, behind) in reach.items():
            if other != kind and behind > base:
                users = f"the reservation [0x{base:x}-0x{end - 1:x}]", f"[0x{first:x}-0x{behind - 1:x}]"
                yield _Pair(base, min(end, behind), users, (kind, other), "stands", held=(other,))
        if kind not in reach or end > reach[kind][1]:
            reach[kind] = base, end


def _type(name: Any) -> MemoryType:
    return MemoryType.parse(str(name))


def _map(machine: Machine) -> MemoryMap | None:
    try:
        told = machine.registers
        if told is not None and not told.untold:
            return told.known.map  # one register file: its map may repeat too often to be listed
        return machine.printed_map if told is None else machine.map
    except ShatteredMapError:
        return None


def _assumptions(machine: Machine) -> tuple[str, ...]:
    told = machine.registers
    return () if told is None else tuple(assumption.text for assumption in told.assumptions)


def _mtrr(memory: MemoryMap | None, base: int, end: int) -> MemoryType | None:
    try:
        kind = None if memory is None else memory.uniform(base, end - base)
    except InputError:  # beyond what the map covers
        return None
    return None if kind in _NO_TYPE else kind
