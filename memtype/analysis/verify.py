"""EPT entries against memory types: is every leaf of the type that the MTRRs give its page? (SDM 3C 29.3)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from memtype import arguments, rules
from memtype.diagrams import Diagram
from memtype.errors import InputError, ShatteredMapError
from memtype.late import Late
from memtype.memory_map import MemoryMap, answers
from memtype.mtrr import MtrrState
from memtype.periodic_map import PeriodicMap, exact
from memtype.readable import readable
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memtype import arrays
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")

KINDS = ("wrong", "misconfigured", "ipat", "spanning")
_NOT_TOLD = "not told"
_AT_ONCE = 1 << 15  # entries of a chunk


@readable
@dataclass(frozen=True, slots=True)
class LeafFault:
    """Leaves alike, one behind the other, with one fault: bytes [base, base + size).

    Attributes
    ----------
    kind : "wrong" (another type than the MTRRs give), "misconfigured", "ipat" (the guest's PAT is ignored) or
        "spanning" (the page holds several types)
    level, count : of the leaves
    found : the type in the entry; UNDEFINED where it is no type
    wanted : the type of the page; MIXED where it has several
    index : the row of the first of them in what was given
    reason : one line
    """

    kind: str
    base: int
    size: int
    level: int
    count: int
    found: MemoryType
    wanted: MemoryType
    index: int
    reason: str

    @property
    def last(self) -> int:
        """The last byte, inclusive."""
        return self.base + self.size - 1

    def __str__(self) -> str:
        pages = f"{self.count} x {rules.LEAF_NAMES.get(self.level, f'level {self.level}')}"
        return f"[mem 0x{self.base:016x}-0x{self.last:016x}] {self.kind}: {self.reason} ({pages})"


@readable
@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` finds. True where no leaf has a fault; iterating gives the faults by address.

    `leaves`, `tables` and `absent` count the entries: leaves, those that point to a table, those not present.
    `not_told` counts the leaves of which nothing can be said, since the map does not tell the type of their page.
    """

    faults: tuple[LeafFault, ...]
    leaves: int
    tables: int
    absent: int
    not_told: int = 0

    def __bool__(self) -> bool:
        return not self.faults

    def __iter__(self) -> Iterator[LeafFault]:
        return iter(self.faults)

    def __len__(self) -> int:
        return len(self.faults)

    def of(self, kind: str) -> tuple[LeafFault, ...]:
        """The faults of one kind."""
        return tuple(fault for fault in self.faults if fault.kind == kind)

    @property
    def wrong(self) -> tuple[LeafFault, ...]:
        return self.of("wrong")

    @property
    def misconfigured(self) -> tuple[LeafFault, ...]:
        return self.of("misconfigured")

    @property
    def ipat(self) -> tuple[LeafFault, ...]:
        return self.of("ipat")

    @property
    def spanning(self) -> tuple[LeafFault, ...]:
        return self.of("spanning")


def verify(
    leaves: Any, state: MtrrState | MemoryMap, base: int = 0, level: int | None = None, *, allow_ipat: bool = False
) -> Verification:
    """Compare EPT entries with the types that MTRRs give.

    Parameters
    ----------
    leaves : array-like of unsigned integers, or mapping
        - one dimension: the entries of one `level`, the first for the guest-physical address `base`, each next one
          a page further;
        - two columns: rows (gpa, entry), all of one `level`;
        - three columns: rows (gpa, entry, level), as `Pages.leaves` makes them;
        - a mapping ``{level: entries}`` or ``{level: (base, entries)}``, or ``{level: rows of (gpa, entry)}``.
    state : MtrrState or MemoryMap
        What the types should be: the guest's MTRRs, or for an identity-mapping hypervisor the processor's.
    base : int
        See above.
    level : {1, 2, 3}, optional
        1 (default): 4 KiB. 2: 2 MiB and 3: 1 GiB: there an entry without bit 7 points to a table. Must be given for
        two columns if any entry has bit 7.
    allow_ipat : bool
        IPAT (bit 6) is no fault.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        For another shape, a level that is none, an address that is not aligned to its page.
    AddressError
        For an address beyond MAXPHYADDR.

    Examples
    --------
    >>> s = MtrrState(0x806, variable=[(0x80000000, 0xF80000800)], maxphyaddr=36)
    >>> found = verify([0x40000037, 0x80000037, 0x8000003F], s, base=0x7FFFF000)
    >>> [str(fault) for fault in found][0]
    '[mem 0x0000000080000000-0x0000000080000fff] wrong: WB, the MTRRs say UC (1 x 4 KiB)'
    >>> found.misconfigured[0].reason
    'type 7 is reserved'
    """
    found: dict[tuple[int, str], list[_Ranges]] = {}
    judges: dict[int, _Judge] = {}
    leaf_count = tables = absent = not_told = 0
    allow_ipat = arguments.flag(allow_ipat, "allow_ipat")
    for chunk in _chunks(leaves, base, level):
        _refuse_addresses(chunk, answers(state, "state").maxphyaddr)
        flags = _LOW[min(chunk.level, 2)][chunk.entries.astype(np.uint8)]
        leaf_count += int(np.count_nonzero(flags & _LEAF))
        tables += int(np.count_nonzero(flags & _TABLE))
        absent += int(np.count_nonzero(flags == 0))
        if chunk.level not in judges:
            judges[chunk.level] = _Judge.of(state, chunk.level)
        for kind, ranges in _judged(judges[chunk.level], chunk, flags):
            if kind == _NOT_TOLD:
                not_told += int(ranges.counts.sum())
            elif kind != "ipat" or not allow_ipat:
                found.setdefault((chunk.level, kind), []).append(ranges)
    faults = [fault for (height, kind), parts in found.items() for fault in _faults(kind, height, parts)]
    faults.sort(key=lambda fault: (fault.base, fault.level, fault.kind))
    return Verification(tuple(faults), leaf_count, tables, absent, not_told)


# --- what comes in --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some entries of one level, few enough that a pass over them stays in the cache; `rows` are their places."""

    level: int
    gpas: arrays.U64Array
    entries: arrays.U64Array
    rows: NDArray[np.int64]

    @property
    def size(self) -> int:
        return 1 << rules.LEAF_SHIFTS[self.level]


def _chunks(leaves: Any, base: int, level: int | None) -> Iterator[_Chunk]:
    if isinstance(leaves, Mapping):
        for key, given in leaves.items():
            start, entries = given if isinstance(given, tuple) and len(given) == 2 else (base, given)
            yield from _chunks(entries, start, _level(key))
        return
    given = arrays.uint64(leaves, "leaves")
    if given.ndim == 1:
        yield from _in_a_row(given, arguments.integer(base, "base"), _level(1 if level is None else level))
    elif given.ndim == 2 and given.shape[1] in (2, 3):
        yield from _rows(given, level)
    else:
        raise InputError(f"leaves of shape {given.shape}: entries, or rows (gpa, entry) or (gpa, entry, level)")


def _in_a_row(entries: arrays.U64Array, base: int, level: int) -> Iterator[_Chunk]:
    shift = rules.LEAF_SHIFTS[level]
    if base < 0 or base + (entries.size << shift) > 1 << 64:
        raise InputError(f"base 0x{base:x} and {entries.size} entries: not within 64 bits")
    for first in range(0, entries.size, _AT_ONCE):
        rows = np.arange(first, min(first + _AT_ONCE, entries.size))
        gpas = (rows.astype(arrays.U64) << np.uint64(shift)) + np.uint64(base)
        yield _Chunk(level, gpas, entries[first : first + _AT_ONCE], rows)


def _rows(given: arrays.U64Array, level: int | None) -> Iterator[_Chunk]:
    for first in range(0, len(given), _AT_ONCE):
        part = np.ascontiguousarray(given[first : first + _AT_ONCE].T)
        rows = np.arange(first, first + part.shape[1])
        if len(part) == 2:
            if level is None and (part[1] & np.uint64(rules.PTE_PS)).any():
                raise InputError("rows (gpa, entry) with bit 7: give level=2 or 3, or a third column")
            yield _Chunk(_level(1 if level is None else level), part[0], part[1], rows)
            continue
        for found in (part[2, :1] if (part[2] == part[2, 0]).all() else np.unique(part[2])).tolist():
            chosen = part[2] == found
            if chosen.all():
                yield _Chunk(_level(found), part[0], part[1], rows)
            else:
                yield _Chunk(_level(found), part[0][chosen], part[1][chosen], rows[chosen])


def _level(level: Any) -> int:
    return arguments.choice(level, rules.LEAF_SHIFTS, "level", "leaves are of level 1, 2 and 3")


def _refuse_addresses(chunk: _Chunk, maxphyaddr: int) -> None:
    beyond = chunk.gpas >> np.uint64(maxphyaddr)
    loose = chunk.gpas & np.uint64(chunk.size - 1)
    if beyond.any():
        place = int(np.flatnonzero(beyond)[0])
        raise arguments.address_beyond(int(chunk.gpas[place]), maxphyaddr, int(chunk.rows[place]))
    if loose.any():
        place = int(np.flatnonzero(loose)[0])
        where = f"row {chunk.rows[place]}: gpa 0x{int(chunk.gpas[place]):x}"
        raise InputError(f"{where} is not aligned to {rules.LEAF_NAMES[chunk.level]}")


# --- the low byte: bits 2:0 access, 5:3 type, 6 IPAT, 7 large (SDM 3C 29.3.2) ---------------------------------------

_LEAF, _TABLE, _BAD_TYPE, _BAD_ACCESS, _BAD_TABLE, _IPAT = (1 << bit for bit in range(6))
_BAD = _BAD_TYPE | _BAD_ACCESS | _BAD_TABLE


def _low_byte(low: int, large: bool) -> int:
    """What the low byte of an entry says, of level 1 or (`large`) of level 2 or 3."""
    if not low & 7:
        return 0  # not present
    access = _BAD_ACCESS if low & 3 == 2 else 0  # writable, not readable: a misconfiguration (29.3.3.1)
    if large and not low & rules.PTE_PS:
        return _TABLE | access | (_BAD_TABLE if low & (rules.EPT_TYPE_FIELD | rules.EPT_IPAT) else 0)
    kind = (low & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT
    wrong = 0 if kind in rules.EPT_TYPES else _BAD_TYPE
    return _LEAF | access | wrong | (_IPAT if low & rules.EPT_IPAT else 0)


_LOW = {level: np.array([_low_byte(low, level == 2) for low in range(256)], np.uint8) for level in (1, 2)}
_TYPE = np.array([(low & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT for low in range(256)], np.uint8)


# --- judging --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judge:
    """What the pages of one level should be."""

    state: MtrrState | MemoryMap
    level: int
    broken: arrays.U64Array  # pages in which a type ends, rising
    types: arrays.U8Array  # of each: MIXED, or the one type that is told in it
    partly: NDArray[np.bool_]  # of each: whether a part of it is not told
    several: Diagram | None = None  # 1 for each page that has several; where holey masks make too many to list

    @classmethod
    def of(cls, state: MtrrState | MemoryMap, level: int) -> _Judge:
        state = state.state if isinstance(state, PeriodicMap) else state
        try:
            memory = state if isinstance(state, MemoryMap) else state.map.listed()
        except ShatteredMapError:
            assert isinstance(state, MtrrState)
            none = np.empty(0, arrays.U64), np.empty(0, arrays.U8), np.empty(0, np.bool_)
            return cls(state, level, *none, exact(state).several(rules.LEAF_SHIFTS[level] - rules.PAGE_SHIFT))
        return cls(memory, level, *_broken(memory, 1 << rules.LEAF_SHIFTS[level]))

    def wanted(self, gpas: arrays.U64Array) -> tuple[arrays.U8Array, NDArray[np.bool_] | None]:
        """The type of each page, MIXED where it has several; and where some or all of it is not told, if anywhere."""
        found: arrays.U8Array = self.state.types(gpas)
        if self.several is not None:
            numbers = gpas >> np.uint64(rules.LEAF_SHIFTS[self.level])
            found[self.several.lookup(numbers) == 1] = MemoryType.MIXED
        open_ = found == MemoryType.NOT_TOLD
        if self.broken.size:
            place = np.minimum(np.searchsorted(self.broken, gpas), self.broken.size - 1)
            inside = self.broken[place] == gpas
            found[inside] = self.types[place[inside]]
            open_[inside] = self.partly[place[inside]]
        return found, open_ if open_.any() else None


def _broken(memory: MemoryMap, size: int) -> tuple[arrays.U64Array, arrays.U8Array, NDArray[np.bool_]]:
    """The pages in which a type ends; what is told of each, and whether that is all.

    Of a page that is WB but for a part that is not told: WB, not all. Any other type in its leaf is wrong.
    """
    starts, kinds = memory.as_arrays()
    inside = np.uint64(size - 1)
    pages = np.unique(starts[starts & inside != 0] & ~inside)
    first = np.searchsorted(starts, pages, "right") - 1
    last = np.searchsorted(starts, pages + inside, "right") - 1
    untold = np.concatenate(([0], np.cumsum(kinds == MemoryType.NOT_TOLD)))
    partly = untold[last + 1] > untold[first]
    types = np.full(pages.size, MemoryType.MIXED, arrays.U8)
    for place in np.flatnonzero(partly):
        told = {int(kind) for kind in kinds[first[place] : last[place] + 1]} - {int(MemoryType.NOT_TOLD)}
        types[place] = told.pop() if len(told) == 1 else MemoryType.MIXED
    return pages, types, partly & (types != MemoryType.MIXED)


class _Ranges(NamedTuple):
    """Faulty leaves alike, one behind the other: first address, row, number of leaves, and what they have in common."""

    gpas: arrays.U64Array
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    alike: NDArray[np.uint32]  # type in the entry << 16 | type of the page << 8 | what the low byte says


def _picked(ranges: _Ranges, places: Any) -> _Ranges:
    return _Ranges(ranges.gpas[places], ranges.rows[places], ranges.counts[places], ranges.alike[places])


def _joined(ranges: _Ranges, size: int) -> _Ranges:
    """Neighbours that continue each other as one."""
    if (ranges.gpas[1:] < ranges.gpas[:-1]).any():
        ranges = _picked(ranges, np.argsort(ranges.gpas, kind="stable"))
    ends = ranges.gpas + ranges.counts.astype(arrays.U64) * np.uint64(size)
    breaks = (ranges.gpas[1:] != ends[:-1]) | (ranges.alike[1:] != ranges.alike[:-1])
    starts = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    return _picked(ranges, starts)._replace(counts=np.add.reduceat(ranges.counts, starts))


def _judged(judge: _Judge, chunk: _Chunk, flags: arrays.U8Array) -> Iterator[tuple[str, _Ranges]]:
    bad = flags & _BAD != 0
    if (reserved := _reserved(chunk, flags, judge.state.maxphyaddr)) is not None:
        bad |= reserved
    fine = (flags & _LEAF != 0) & ~bad  # leaves that are judged by their type
    found = _TYPE[chunk.entries.astype(np.uint8)]
    wanted, open_ = judge.wanted(chunk.gpas)
    wrong = fine & (found != wanted)
    kinds = {}
    if open_ is not None:
        unclear = open_ & fine & (~wrong | (wanted == MemoryType.NOT_TOLD))
        kinds[_NOT_TOLD] = unclear
        wrong &= ~unclear
    spanning = wrong & (wanted == MemoryType.MIXED)
    kinds |= {"misconfigured": bad, "spanning": spanning, "wrong": wrong & ~spanning}
    kinds["ipat"] = fine & (flags & _IPAT != 0)
    for kind, where in kinds.items():
        if where.any():
            alike = found[where].astype(np.uint32) << 16 | wanted[where].astype(np.uint32) << 8 | flags[where]
            rows = chunk.rows[where]
            yield kind, _joined(_Ranges(chunk.gpas[where], rows, np.ones_like(rows), alike), chunk.size)


def _reserved(chunk: _Chunk, flags: arrays.U8Array, maxphyaddr: int) -> NDArray[np.bool_] | None:
    """Where address bits are set that must be 0: those at and above MAXPHYADDR, and those inside a large leaf's page.

    None where no entry has any, which one pass tells.
    """
    high = rules.high_bits(maxphyaddr) & ~rules.high_bits(rules.MAX_MAXPHYADDR)
    inside = chunk.size - rules.PAGE_SIZE
    if not int(np.bitwise_or.reduce(chunk.entries, initial=0)) & (high | inside):
        return None
    above = (chunk.entries & np.uint64(high) != 0) & (flags != 0)
    return np.asarray(above | (chunk.entries & np.uint64(inside) != 0) & (flags & _LEAF != 0))


def _faults(kind: str, level: int, parts: list[_Ranges]) -> Iterator[LeafFault]:
    """Faults of one kind and level, as few ranges as can be."""
    size = 1 << rules.LEAF_SHIFTS[level]
    whole = _joined(_Ranges(*map(np.concatenate, zip(*parts, strict=True))), size)
    for base, row, count, alike in zip(*(column.tolist() for column in whole), strict=True):
        found, wanted, flags = alike >> 16, MemoryType(alike >> 8 & 0xFF), alike & 0xFF
        held = MemoryType(found) if found in rules.EPT_TYPES else MemoryType.UNDEFINED
        reason = _reason(kind, found, wanted, flags)
        yield LeafFault(kind, base, count * size, level, count, held, wanted, row, reason)


def _reason(kind: str, found: int, wanted: MemoryType, flags: int) -> str:
    if kind == "wrong":
        left = "leave it undefined" if wanted is MemoryType.UNDEFINED else f"say {wanted}"
        return f"{MemoryType(found)}, the MTRRs {left}"
    if kind == "spanning":
        return f"{MemoryType(found)} over a page of several types"
    if kind == "ipat":
        return "IPAT is set: the guest's PAT is ignored"
    if flags & _BAD_TABLE:
        return "bits 6:3 are set in an entry that points to a table"
    if flags & _BAD_ACCESS:
        return "writable, not readable"
    return f"type {found} is reserved" if flags & _BAD_TYPE else "reserved address bits are set"
