"""Two register files: do they mean the same? Which registers differ, which segments, from which type to which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from memtype import rules
from memtype.diagrams import overlay
from memtype.drawn import Drawn
from memtype.errors import InputError
from memtype.machine import Cpu, Machine
from memtype.memory_map import Answers, MemoryMap, answers
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.periodic_map import PeriodicMap
from memtype.readable import readable
from memtype.told import ALL, NOTHING, Register, Registers, agreed, named, pair_numbers
from memtype.types import MemoryType


@readable
@dataclass(frozen=True, slots=True)
class Change:
    """Bytes [base, base + size) that are `old` in the first and `new` in the second."""

    base: int
    size: int
    old: MemoryType
    new: MemoryType

    @property
    def last(self) -> int:
        """The last byte, inclusive."""
        return self.base + self.size - 1

    def __str__(self) -> str:
        return f"[mem 0x{self.base:016x}-0x{self.last:016x}] {self.old} -> {self.new}"


@readable
@dataclass(frozen=True, slots=True)
class RegisterChange:
    """A register that differs, in the bits that both sides tell.

    `old_known` and `new_known` are the bits that each side tells: of a pair that a log calls disabled, V alone.
    """

    name: str
    old: int
    new: int
    old_known: int = ALL
    new_known: int = ALL


@readable
@dataclass(frozen=True, slots=True)
class PatChange:
    """An entry of IA32_PAT that differs."""

    entry: int
    old: MemoryType
    new: MemoryType


@readable
@dataclass(frozen=True, slots=True)
class Diff(Drawn):
    """What differs between two register files, and what that means. False where they are equal in effect.

    Attributes
    ----------
    changes : segments whose memory type differs, rising; iterating over the `Diff` gives them. Where masks with holes
        make more than can be listed it is a `PeriodicChanges`, which counts them and gives them one by one
    pat : entries of IA32_PAT that differ; compared where both tell it
    registers : MTRRs that differ, in effect or not; None where one side has only a map
    notes : what could not be compared
    untold : segments where one side is not told, or none is; no change is claimed there
    order_only : the registers hold the same ranges, in another order, and nothing else differs
    """

    changes: tuple[Change, ...] | PeriodicChanges = ()
    pat: tuple[PatChange, ...] = ()
    registers: tuple[RegisterChange, ...] | None = None
    notes: tuple[str, ...] = ()
    untold: tuple[Change, ...] = ()
    order_only: bool = False

    def __bool__(self) -> bool:
        return bool(self.changes or self.pat)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def summary(self) -> str:
        """One line: ``registers differ in 3 places, memory map identical``."""
        counted = "registers not compared" if self.registers is None else _count(len(self.registers))
        counted += " (order only)" if self.order_only else ""
        told = f"memory map differs in {_segments(len(self.changes))}" if self.changes else "memory map identical"
        where = "" if self.changes else " where both tell it"
        told += f"{where}, not told in {_segments(len(self.untold))}" if self.untold else ""
        return f"{counted}, {told}" + (f", PAT differs in {_entries(len(self.pat))}" if self.pat else "")


def diff(a: Answers | Machine, b: Answers | Machine) -> Diff:
    """Compare two register files, maps or dumps by what they mean.

    Addresses below both widths are compared. A dump that holds only a printed map is compared with the other's
    registers as the printing program reads them; where one dump does not tell its fixed ranges, the first MiB is
    left out.

    Raises
    ------
    InputError
        For a dump that tells neither registers nor a map.

    Examples
    --------
    >>> before = MtrrState(0x806, variable=[(0x80000000, 0xF80000800)], maxphyaddr=36)
    >>> after = MtrrState(0x806, variable=[(0, 0), (0x80000000, 0xFC0000800)], maxphyaddr=36)
    >>> [str(change) for change in diff(before, after)]
    ['[mem 0x00000000c0000000-0x00000000ffffffff] UC -> WB']
    >>> bool(diff(before, before))
    False
    """
    first, second = as_machine(a, "a"), as_machine(b, "b")
    left, right = first.registers, second.registers
    registers = register_changes(left, right) if left is not None and right is not None else None
    notes = []
    changes: tuple[Change, ...] | PeriodicChanges = ()
    untold: tuple[Change, ...] = ()
    if left is None or left != right:
        maps, view = _maps(first, second)
        if view:
            notes.append(f"one side tells only a map: compared as {view} reads the registers")
        if maps[0].maxphyaddr != maps[1].maxphyaddr:
            widths = f"{maps[0].maxphyaddr} and {maps[1].maxphyaddr}"
            notes.append(f"MAXPHYADDR {widths}: compared below 2**{min(m.maxphyaddr for m in maps)}")
        if any(isinstance(memory, PeriodicMap) for memory in maps):
            changes = PeriodicChanges(maps[0], maps[1])
        else:
            changes, untold = _parted(map_changes(*maps))
            untold = tuple(sorted((*untold, *_both_untold(*maps)), key=lambda change: change.base))
    if untold and untold[0].base < rules.FIXED_END:
        notes.append("the first MiB is not compared: one side does not tell its fixed ranges")
    permuted = bool(registers) and left is not None and right is not None and _permuted(left, right, registers or ())
    return Diff(changes, _pat_changes(first.pat, second.pat), registers, tuple(notes), untold, permuted)


def _permuted(a: Registers, b: Registers, changes: Iterable[RegisterChange]) -> bool:
    """Whether only the order of the variable ranges differs; where a range is not told, nothing shows that."""
    if a.maxphyaddr != b.maxphyaddr or any("pairs" in {gap.what for gap in told.untold} for told in (a, b)):
        return False
    pairs = {named(index) for n in range(max(a.listed, b.listed)) for index in pair_numbers(n)}
    return pairs.issuperset(change.name for change in changes) and _pairs(a) == _pairs(b)


def _pairs(told: Registers) -> list[tuple[int, int]]:
    """What the pairs hold, rising; without those that hold nothing."""
    held = [told.pair(n) for n in range(told.listed)]
    return sorted(pair for low, high in held if (pair := (low.value, high.value)) != (0, 0))


def _parted(found: Iterator[Change]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """The changes, and the segments where one side is not told."""
    parts: tuple[list[Change], list[Change]] = ([], [])
    for change in found:
        parts[MemoryType.NOT_TOLD in (change.old, change.new)].append(change)
    return tuple(parts[0]), tuple(parts[1])


def _both_untold(a: MemoryMap, b: MemoryMap) -> Iterator[Change]:
    """Where neither side is told: what two machines hold there may differ."""
    limit = 1 << min(a.maxphyaddr, b.maxphyaddr)
    for one in (segment for segment in a if segment.type is MemoryType.NOT_TOLD and segment.base < limit):
        for other in b.within(one.base, min(one.last + 1, limit) - one.base):
            if other.type is MemoryType.NOT_TOLD:
                yield Change(other.base, other.size, other.type, other.type)


def diff_cpus(machine: Machine) -> list[tuple[Cpu, Cpu, Diff]]:
    """Every processor that holds other registers than the first, as (first, other, difference)."""
    told = [cpu for cpu in machine.cpus if cpu.registers is not None]
    found: dict[tuple[Registers | None, Pat | None], Diff] = {}  # many processors, few different register files
    listed = []
    for cpu in told[1:]:
        key = cpu.registers, cpu.pat
        if key == (told[0].registers, told[0].pat):
            continue
        if key not in found:
            found[key] = diff(replace(machine, cpus=(told[0],)), replace(machine, cpus=(cpu,)))
        listed.append((told[0], cpu, found[key]))
    return listed


def register_changes(a: Registers | MtrrState, b: Registers | MtrrState) -> tuple[RegisterChange, ...]:
    """The MTRRs that differ in a bit that both sides tell; of a pair that a whole list leaves out, V is clear."""
    first, second = (Registers.of(each) if isinstance(each, MtrrState) else each for each in (a, b))
    left, right = _registers(first), _registers(second)
    found = []
    for name in dict.fromkeys((*left, *right)):
        old, new = left.get(name, _left_out(first)), right.get(name, _left_out(second))
        if old.contradicts(new):
            found.append(RegisterChange(name, old.value, new.value, old.known, new.known))
    return tuple(found)


def map_changes(a: MemoryMap, b: MemoryMap, start: int = 0) -> Iterator[Change]:
    """Ranges from `start` on, below both widths, whose types differ; neighbours with the same pair are one."""
    limit = 1 << min(a.maxphyaddr, b.maxphyaddr)
    edges = sorted({s.base for memory in (a, b) for s in memory if start < s.base < limit} | {start})
    held: Change | None = None
    for base, end in zip(edges, [*edges[1:], limit], strict=True):
        old, new = a.at(base), b.at(base)
        if held and (held.old, held.new) == (old, new):
            held = replace(held, size=end - held.base)
            continue
        if held:
            yield held
        held = Change(base, end - base, old, new) if old != new else None
    if held:
        yield held


_DIFFERS = 1 << 8


def _pair(old: int, new: int) -> int:
    """0 where they are the same, else both."""
    return 0 if old == new else _DIFFERS | old << 4 | new


class PeriodicChanges:
    """The changes between maps of which at least one repeats too often to be listed: counted, or one by one.

    Only whole pages: below `start` nothing is compared.
    """

    __slots__ = ("_both", "_window")

    def __init__(self, a: MemoryMap, b: MemoryMap, start: int = 0) -> None:
        width = min(a.maxphyaddr, b.maxphyaddr) - rules.PAGE_SHIFT
        self._both = overlay([memory.diagram.lower(width) for memory in (a, b)], _pair)
        self._window = start >> rules.PAGE_SHIFT, 1 << width

    def __repr__(self) -> str:
        return f"<{len(self)} changes>"

    def __bool__(self) -> bool:
        return self._both.values(*self._window) != {0}

    def __len__(self) -> int:
        """How many segments differ."""
        differs = overlay([self._both], lambda pair: int(pair != 0))
        alike = (differs.count_runs(*self._window) + (not differs.at(self._window[0]))) // 2  # they alternate
        return self._both.count_runs(*self._window) - alike

    def __iter__(self) -> Iterator[Change]:
        for first, end, pair in self._both.runs(*self._window):
            if pair:
                base, size = first << rules.PAGE_SHIFT, (end - first) << rules.PAGE_SHIFT
                yield Change(base, size, MemoryType(pair >> 4 & 15), MemoryType(pair & 15))

    def pages(self, first: int = 0, end: int | None = None) -> dict[tuple[MemoryType, MemoryType], int]:
        """How many pages of [first, end) change from which type to which."""
        first, end = max(first, self._window[0]), min(self._window[1], self._window[1] if end is None else end)
        pairs = sorted(self._both.values(first, end) - {0}) if first < end else []
        return {(MemoryType(p >> 4 & 15), MemoryType(p & 15)): self._both.members({p}, first, end) for p in pairs}

    def __getitem__(self, places: slice) -> tuple[Change, ...]:
        """The first changes: ``changes[:8]``."""
        return tuple(islice(self, places.start, places.stop, places.step))


def _left_out(told: Registers) -> Register:
    """A register that the list leaves out: a pair that is off, 0, where the list is whole or taken so."""
    off = told.whole or any(assumption.what == "pairs" for assumption in told.assumptions)
    return Register(0) if off else NOTHING


def _registers(told: Registers) -> dict[str, Register]:
    """Registers by name, as far as they are told; of ranges the pair for the width in use."""
    held = {named(index): register for index, register in told.held.items() if index != rules.MTRRCAP}
    for n in told.ranges:
        held |= {named(index): half for index, half in zip(pair_numbers(n), told.pair(n), strict=True)}
    return held


def as_machine(given: Answers | Machine, what: str) -> Machine:
    """A dump as it is; registers as those of its one processor; what else answers as a map."""
    if isinstance(given, Machine):
        return given.one_state()
    if isinstance(given, MtrrState):
        return Machine(cpus=(Cpu(0, given),), vendor=given.vendor, maxphyaddr=given.maxphyaddr)
    return Machine(printed_map=answers(given, what).map)


def _maps(first: Machine, second: Machine) -> tuple[tuple[MemoryMap, MemoryMap], str | None]:
    """Both maps, and the view that they were made with where registers meet a printed map."""
    view = next((m.printed_view for m in (first, second) if m.registers is None and m.printed_map is not None), None)
    return (_map(first, view), _map(second, view)), view


def _map(machine: Machine, view: str | None) -> MemoryMap:
    told = machine.registers
    if told is not None:
        if not told.untold:  # one register file: its map may repeat too often to be listed
            return told.known.map if view is None else told.known.view(view).map
        return machine.map if view is None else agreed([state.view(view).map for state in told.completions()])
    if machine.printed_map is None:
        raise InputError(f"{machine.source}: neither MTRRs nor a map in it: nothing to compare")
    return machine.printed_map


def _pat_changes(a: Pat | None, b: Pat | None) -> tuple[PatChange, ...]:
    if a is None or b is None:
        return ()
    pairs = enumerate(zip(a.types, b.types, strict=True))
    return tuple(PatChange(entry, old, new) for entry, (old, new) in pairs if old != new)


def _count(registers: int) -> str:
    return "same registers" if not registers else f"registers differ in {registers} place{'s' * (registers > 1)}"


def _segments(count: int) -> str:
    return f"{count} segment{'s' * (count > 1)}"


def _entries(count: int) -> str:
    return f"{count} entr{'ies' if count > 1 else 'y'}"
