"""The fewest, largest pages that each have one memory type, and what forces smaller ones (SDM 3A 12.11.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, overload

from memtype import arguments, rules
from memtype.analysis.page_totals import totals
from memtype.drawn import Drawn
from memtype.errors import InputError, ShatteredMapError
from memtype.late import Late
from memtype.memory_map import MemoryMap, answers
from memtype.mtrr import MtrrState
from memtype.periodic_map import PeriodicMap, exact
from memtype.readable import readable
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")

LEVELS = {"1": 1, "2": 2, "3": 3, "4K": 1, "2M": 2, "1G": 3}
EPT_RWX = 7  # bits 2:0 of an EPT entry: read, write, execute
MOST_LEAVES = 1 << 27  # 3 GiB of rows; more are refused
_ROWS_AT_ONCE = 1 << 16
_TABLE = 512  # entries of a table
T = TypeVar("T")


@readable
@dataclass(frozen=True, slots=True)
class PageRun:
    """`count` leaves of one level and one type, one behind the other: bytes [base, base + size).

    `level` is 1 (4 KiB), 2 (2 MiB) or 3 (1 GiB). The type is MIXED where a map changes inside a 4 KiB page.
    """

    base: int
    size: int
    level: int
    count: int
    type: MemoryType

    @property
    def last(self) -> int:
        """The last byte, inclusive."""
        return self.base + self.size - 1


@readable
@dataclass(frozen=True, slots=True)
class Split:
    """Where a type ends inside a page of the largest size: the page falls into smaller ones.

    Attributes
    ----------
    at : the first byte of the new type
    before, after : the types on both sides
    page, size : the page of the largest size that cannot be: bytes [page, page + size)
    level : the level of the leaves that meet there: 2 (2 MiB) or 1 (4 KiB)
    registers : the registers that force it, by name; empty for a map, which has none
    """

    at: int
    before: MemoryType
    after: MemoryType
    page: int
    size: int
    level: int
    registers: tuple[str, ...] = ()


class Listed(Sequence[T]):
    """A sequence of known length that is made while one walks through it: holey masks give 2**39 runs."""

    __slots__ = ("_length", "_walk")

    def __init__(self, length: int, walk: Callable[[], Iterator[T]]) -> None:
        self._length, self._walk = length, walk

    def __repr__(self) -> str:
        return f"<{self._length} of them>"

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return self._walk()

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            return tuple(islice(self._walk(), start, stop, step)) if step > 0 else tuple(self._walk())[index]
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"run {index} of {self._length}")
        return next(islice(self._walk(), place, None))


@readable
@dataclass(frozen=True, slots=True, eq=False)
class Pages(Drawn):
    """The leaves that map [0, top), as few as can be.

    Attributes
    ----------
    top : the first byte behind; a multiple of 4 KiB
    max_level : the largest leaves that were allowed
    counts : leaves by level, ``{3: n, 2: n, 1: n}``
    runs : `PageRun` of leaves alike, in order
    splits : `Split` for each change of type inside a page of the largest size, in order
    table_bytes : what the EPT takes, all levels; 5 levels where `top` is above 2**48
    table_bytes_x86_64 : what page tables that map [0, top) to itself take; 5 levels above 2**47, since the upper
        half of the addresses lies elsewhere
    """

    top: int
    max_level: int
    counts: dict[int, int]
    runs: Sequence[PageRun]
    splits: Sequence[Split]
    table_bytes: int
    table_bytes_x86_64: int

    @property
    def count(self) -> int:
        """All leaves."""
        return sum(self.counts.values())

    def leaves(self, ipat: bool = False) -> arrays.U64Array:
        """The EPT entries that map every page to itself, for `memtype.verify` and for writing.

        Returns
        -------
        uint64 array, one row (gpa, entry, level) a leaf. Entries allow read, write and execute; bits 5:3 hold the
        type, bit 6 is `ipat`, bit 7 is set in 2 MiB and 1 GiB leaves.

        Raises
        ------
        InputError
            Where a type is undefined, so that no leaf can hold it, or for more than 2**27 leaves.

        Examples
        --------
        >>> from memtype import MtrrState
        >>> made = pages(MtrrState(0x806, maxphyaddr=36), top=3 << 30).leaves()
        >>> [(hex(gpa), hex(entry), level) for gpa, entry, level in made.tolist()][-1]
        ('0x80000000', '0x800000b7', 3)
        """
        blocks = list(self.leaf_blocks(ipat))
        return np.concatenate(blocks) if blocks else np.empty((0, 3), arrays.U64)

    def leaf_blocks(self, ipat: bool = False) -> Iterator[arrays.U64Array]:
        """What `leaves` returns, in blocks of bounded size; what it refuses is refused at the call."""
        self._refuse_unencodable()
        return (
            _rows(run, first, min(run.count - first, _ROWS_AT_ONCE), ipat)
            for run in self.runs
            for first in range(0, run.count, _ROWS_AT_ONCE)
        )

    def _refuse_unencodable(self) -> None:
        if self.count > MOST_LEAVES:
            raise InputError(f"{self.count} leaves; at most {MOST_LEAVES} are made: lower top, or allow larger pages")
        for run in self.runs:
            if run.type not in rules.EPT_TYPES:
                raise InputError(f"0x{run.base:x}-0x{run.last:x} is {run.type}: no EPT leaf can hold that")


def _rows(run: PageRun, first: int, count: int, ipat: bool) -> arrays.U64Array:
    bits = EPT_RWX | int(run.type) << rules.EPT_TYPE_SHIFT | (rules.EPT_IPAT if ipat else 0)
    bits |= rules.PTE_PS if run.level > 1 else 0
    rows = np.empty((count, 3), arrays.U64)
    shift = np.uint64(rules.LEAF_SHIFTS[run.level])
    rows[:, 0] = (np.arange(first, first + count, dtype=arrays.U64) << shift) + np.uint64(run.base)
    rows[:, 1] = rows[:, 0] | np.uint64(bits)
    rows[:, 2] = run.level
    return rows


def pages(
    source: MtrrState | MemoryMap,
    top: int | None = None,
    max_level: int | str = 3,
    *,
    registers: MtrrState | None = None,
) -> Pages:
    """Cut [0, top) into the largest pages of one memory type each.

    Parameters
    ----------
    source : MtrrState or MemoryMap
        Holey masks are no trouble, whatever they cut the address space into.
    top : int, optional
        The first byte that needs no page; rounded up to 4 KiB. Default: the whole address space.
    max_level : {3, 2, 1} or {"1G", "2M", "4K"}
        The largest leaves to use.
    registers : MtrrState, optional
        For a map: the registers that it was made of, to be named at its splits.

    Returns
    -------
    Pages

    Raises
    ------
    InputError
        For a `top` outside the address space, or another level.
    ShatteredMapError
        For masks so irregular that even counting takes more than 262,144 cases.

    Examples
    --------
    >>> s = MtrrState(0x806, variable=((0x80100000, 0xFFFF00800),), maxphyaddr=36)
    >>> plan = pages(s, top=4 << 30)
    >>> plan.counts, plan.table_bytes
    ({3: 3, 2: 511, 1: 512}, 16384)
    >>> split = plan.splits[0]
    >>> hex(split.at), str(split.before), str(split.after), split.registers
    ('0x80100000', 'WB', 'UC', ('PHYSBASE0/PHYSMASK0',))
    """
    level = _level(max_level)
    end = _top(top, answers(source, "source").maxphyaddr)
    source = source.state if isinstance(source, PeriodicMap) else source
    try:
        memory = source if isinstance(source, MemoryMap) else source.map.listed()
    except ShatteredMapError:
        assert isinstance(source, MtrrState)
        return _counted_only(source, end, level)
    runs = tuple(run for base, stop, kind in _whole_pages(memory, end) for run in _cut(base, stop, kind, level, level))
    splits = tuple(_splits(runs, level, source if registers is None else registers))
    tables = _tables(runs)
    return _made(end, level, _counted(runs), runs, splits, tables)


def _level(given: int | str) -> int:
    level = LEVELS.get(given.upper(), 0) if isinstance(given, str) else given
    return arguments.choice(level, LEVELS.values(), "max_level", "3 (1G), 2 (2M) and 1 (4K) are the levels of leaves")


def _top(top: int | None, maxphyaddr: int) -> int:
    if top is None:
        return 1 << maxphyaddr
    end = arguments.integer(top, "top")
    if not 0 < end <= 1 << maxphyaddr:
        raise InputError(f"top = 0x{end:x} is not within 1 to 2**{maxphyaddr}")
    return -(-end // rules.PAGE_SIZE) * rules.PAGE_SIZE


# --- a map: from segments to runs --------------------------------------------------------------------


def _whole_pages(memory: MemoryMap, top: int) -> Iterator[tuple[int, int, MemoryType]]:
    """(base, end, type) below `top`, all multiples of 4 KiB: a page in which a type ends is MIXED."""
    mixed = -1  # the page that was told to be MIXED last
    for segment in memory.segments:
        base, end = segment.base, min(segment.end, top)
        if base >= top:
            return
        first = -(-base // rules.PAGE_SIZE) * rules.PAGE_SIZE
        stop = end & ~(rules.PAGE_SIZE - 1)
        if first < stop:
            yield first, stop, segment.type
        if stop < end and stop > mixed and segment.end < 1 << memory.maxphyaddr:
            mixed = stop
            yield stop, stop + rules.PAGE_SIZE, MemoryType.MIXED


def _cut(base: int, end: int, kind: MemoryType, level: int, max_level: int) -> Iterator[PageRun]:
    """The runs of one segment: leaves of `level` in its middle, smaller ones at its ends."""
    size = 1 << rules.LEAF_SHIFTS[level]
    first, stop = -(-base // size) * size, end // size * size
    if first >= stop:
        if level > 1:
            yield from _cut(base, end, kind, level - 1, max_level)
        return
    if base < first:
        yield from _cut(base, first, kind, level - 1, max_level)
    yield PageRun(first, stop - first, level, (stop - first) // size, kind)
    if stop < end:
        yield from _cut(stop, end, kind, level - 1, max_level)


def _counted(runs: Iterable[PageRun]) -> dict[int, int]:
    counts = dict.fromkeys((3, 2, 1), 0)
    for run in runs:
        counts[run.level] += run.count
    return counts


def _tables(runs: Iterable[PageRun]) -> tuple[int, int]:
    """How many page directories (a GiB each) and page tables (2 MiB each) lie above leaves smaller than that."""
    found = []
    for below in (3, 2):
        count, seen = 0, -1  # the last GiB (or 2 MiB) that was counted
        for run in runs:
            if run.level < below:
                first, last = run.base >> rules.LEAF_SHIFTS[below], run.last >> rules.LEAF_SHIFTS[below]
                count += last - max(first - 1, seen)
                seen = last
        found.append(count)
    return found[0], found[1]


def _splits(runs: Iterable[PageRun], level: int, source: MtrrState | MemoryMap) -> Iterator[Split]:
    size = 1 << rules.LEAF_SHIFTS[level]
    held: PageRun | None = None
    for run in runs:
        if held is not None and held.type is not run.type and run.base % size:
            leaf = 1 if run.base % (1 << rules.LEAF_SHIFTS[2]) else 2
            page = run.base & ~(size - 1)
            yield Split(run.base, held.type, run.type, page, size, leaf, _forcing(source, run.base))
        held = run


def _forcing(source: MtrrState | MemoryMap, at: int) -> tuple[str, ...]:
    """The registers that decide on one side of `at` only; where both sides name the same ones, those."""
    if isinstance(source, MemoryMap):
        return ()
    before, after = (_speaking(source, address) for address in (at - 1, at))
    names = [name for name in dict.fromkeys((*after, *before)) if (name in before) != (name in after)]
    return tuple(names or after)


def _speaking(state: MtrrState, address: int) -> list[str]:
    """Every register that matches; where none does the one that decides: a fixed range, TOP_MEM2. The default type
    forces nothing: it is everywhere."""
    steps = state.explain(address).steps
    matching = [step.registers[0] for step in steps if step.rule == "mtrr-variable"]
    default = rules.msr_name(rules.DEF_TYPE_MSR)
    return matching or [name for name in steps[-1].registers if name != default]


# --- holey masks ----------------------------------------------------------------------------------------------------


def _counted_only(state: MtrrState, top: int, level: int) -> Pages:
    """The same of a space whose runs nobody can list: they are made while one walks through them."""
    diagram, end = exact(state), top >> rules.PAGE_SHIFT
    found = totals(diagram, end, level)

    def runs() -> Iterator[PageRun]:
        for first, stop, kind in diagram.runs(0, end):
            yield from _cut(first << rules.PAGE_SHIFT, stop << rules.PAGE_SHIFT, MemoryType(kind), level, level)

    listed: Sequence[Split] = Listed(found.changes, lambda: _splits(runs(), level, state))
    tables = found.directories, found.tables
    return _made(top, level, dict(zip((3, 2, 1), found.counts)), Listed(found.runs, runs), listed, tables)


# --- tables ---------------------------------------------------------------------------------------------------------


def _made(
    top: int, level: int, counts: dict[int, int], runs: Sequence[PageRun], splits: Sequence[Split], low: tuple[int, int]
) -> Pages:
    ept, own = (rules.PAGE_SIZE * (sum(low) + _upper_tables(top, levels, bits)) for levels, bits in _depths(top))
    return Pages(top, level, counts, runs, splits, ept, own)


def _depths(top: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(levels, bits that the root covers) of EPT and of x86-64, where addresses from 2**47 up are the upper half."""
    return ((4, 48) if top <= 1 << 48 else (5, 57)), ((4, 48) if top <= 1 << 47 else (5, 57))


def _upper_tables(top: int, levels: int, bits: int) -> int:
    """The root and what lies between it and the tables of 1 GiB entries, those included."""
    assert top <= 1 << bits
    pointer_tables = -(-top // (_TABLE << 30))
    return pointer_tables + (1 if levels == 4 else 1 + -(-top // (_TABLE * _TABLE << 30)))
