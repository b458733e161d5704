"""What only Linux has: its map since 6.5, the line that counts it, and range lookups with their quirks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from memtype import arguments, rules
from memtype.backends import reference
from memtype.backends.reference import Registers
from memtype.errors import InputError, ShatteredMapError
from memtype.readable import readable
from memtype.types import MemoryType
from memtype.views import linux
from memtype.views.decide import tom2_end
from memtype.views.encodings import UC
from memtype.views.programs import PROGRAMS
from memtype.views.sweep import active_pairs, indexes

_PROGRAM = PROGRAMS["linux-6.5"]


@readable
class Entry(NamedTuple):
    """One entry of the kernel's map: bytes [base, last], a raw encoding; `fixed` ones take no change."""

    base: int
    last: int
    encoding: int
    fixed: bool

    @property
    def type(self) -> MemoryType:
        return rules.type_of(self.encoding)

    def __str__(self) -> str:
        name = self.type.linux_name if self.encoding in rules.MTRR_TYPES else "?"
        return f"{self.base:016x}-{self.last:016x} {name}"


class MapCounts(NamedTuple):
    """The numbers of the kernel's line ``MTRR map: …``."""

    entries: int
    fixed: int
    variable: int
    max: int
    built_from: int

    def __str__(self) -> str:
        return (
            f"MTRR map: {self.entries} entries ({self.fixed} fixed + {self.variable} variable; max {self.max}), "
            f"built from {self.built_from} variable MTRRs"
        )


# --- the map since 6.5 -------------------------------------------------------------------------------------------


def entries(s: Registers) -> tuple[Entry, ...]:
    """The map as ``mtrr=debug`` prints it. Segments of the default type are not in it; E = 0 makes none."""
    if not s.def_type & rules.DEF_TYPE_E:
        return ()
    limit = tom2_end(_PROGRAM, s)
    forced = [Entry(rules.GIB4, limit - 1, MemoryType.WB, True)] if limit > rules.GIB4 else []
    return tuple(sorted([*_fixed_entries(s), *forced, *_variable_entries(s, limit)]))


def _fixed_entries(s: Registers) -> list[Entry]:
    """The 88 sub-ranges, equal neighbours merged; they need FE alone."""
    if not s.def_type & rules.DEF_TYPE_FE:
        return []
    merged: list[Entry] = []
    for span in rules.FIXED_RANGES:
        encoding = _fixed_encoding(s, span) if s.has_fixed else MemoryType.UC
        last = span.base + span.size - 1
        if merged and merged[-1].encoding == encoding:
            merged[-1] = merged[-1]._replace(last=last)
        else:
            merged.append(Entry(span.base, last, encoding, True))
    return merged


def _fixed_encoding(s: Registers, span: rules.FixedRange) -> int:
    entry = s.fixed[span.register] >> 8 * span.byte & 0xFF
    return entry & ~rules.AMD_FIXED_ROUTING if s.vendor == "amd" else entry


def _variable_entries(s: Registers, limit: int) -> Iterator[Entry]:
    """What variable ranges cover outside the fixed entries; equal neighbours merged, up to 2**64."""
    low_end = rules.FIXED_END if s.def_type & rules.DEF_TYPE_FE else 0
    cuts = list(active_pairs(_PROGRAM, s))
    open_entry: Entry | None = None
    for (base, pairs), (end, _) in pairwise(cuts):  # behind the last one no pair is left
        immutable = base < low_end or rules.GIB4 <= base < limit
        if not pairs or immutable:
            if open_entry:
                yield open_entry
            open_entry = None
            continue
        encoding = linux.combine([s.variable[n][0] & rules.BASE_TYPE for n in indexes(pairs)])
        if open_entry and open_entry.encoding == encoding:
            open_entry = open_entry._replace(last=end - 1)
            continue
        if open_entry:
            yield open_entry
        open_entry = Entry(base, end - 1, encoding, False)
    if open_entry:
        yield open_entry


def counts(s: Registers, registers: int) -> MapCounts:
    """The counts of that map; `registers` is MTRRCAP.VCNT. All 0 where E = 0: then the kernel builds none."""
    if not s.def_type & rules.DEF_TYPE_E:
        return MapCounts(0, 0, 0, 0, 0)
    fixed = len(_fixed_entries(s))
    total = len(entries(s))
    tom2 = int(bool(tom2_end(_PROGRAM, s)))
    return MapCounts(total, fixed, total - fixed, fixed + 2 * registers + tom2, registers + tom2)


# --- lookups of [start, end) -------------------------------------------------------------------------------------


def merge_lookup(s: Registers, listed: tuple[Entry, ...], start: int, end: int) -> tuple[MemoryType, bool]:
    """Linux 6.5 on: types merged from left to right along the map.

    The flag falls only when the merged type changes, so UC before WB is (UC, True) although the range is mixed.
    """
    if not s.def_type & rules.DEF_TYPE_E:
        return MemoryType.UC, True
    merged, uniform = -1, True
    for encoding in _encodings_along(s, listed, start, end):
        new = encoding if merged < 0 else linux.merge(merged, encoding)
        uniform = uniform and merged in (-1, new)
        merged = new
    return rules.type_of(merged), uniform


def _encodings_along(s: Registers, listed: tuple[Entry, ...], start: int, end: int) -> Iterator[int]:
    default = s.def_type & rules.DEF_TYPE_TYPE
    for entry in listed:
        if start >= end:
            return
        if start > entry.last:
            continue
        if start < entry.base:
            yield default
            if end <= entry.base:
                return
        yield entry.encoding
        start = entry.last + 1
    if start < end:
        yield default


def split_lookup(s: Registers, start: int, end: int) -> tuple[MemoryType, bool]:
    """Linux 4.2 to 6.4: one fixed sub-range, or variable ranges split at their borders until they differ."""
    if not s.def_type & rules.DEF_TYPE_E:
        return MemoryType.UNDEFINED, False
    if reference.fixed_decides(s, start):
        return reference.fixed_type(s, start), False
    merged, cut, uniform = _split_once(s, start, end)
    asked, steps = start, 0
    while cut:
        uniform = False
        start = cut
        encoding, cut, _ = _split_once(s, start, end)
        merged = linux.merge(merged, encoding)
        if merged == UC:
            return MemoryType.UC, False
        steps += 1
        if steps > rules.MAP_BLOCK_LIMIT:
            raise ShatteredMapError(f"holey masks split [0x{asked:x}, 0x{end:x}) into more than {steps - 1} parts")
    limit = tom2_end(_PROGRAM, s)
    if start >= rules.GIB4 and end - 1 < limit:
        merged = MemoryType.WB
    return rules.type_of(merged), uniform


def _split_once(s: Registers, start: int, end: int) -> tuple[int, int, bool]:
    """The merged encoding at `start`, where the range must be split (0: nowhere), whether at most one pair is there."""
    last, cut, uniform = end - 1, 0, True
    met: int | None = None
    for raw_base, mask in s.variable:
        if not mask & rules.MASK_VALID:
            continue
        base, field = raw_base & rules.page_bits(s.maxphyaddr), mask & rules.page_bits(s.maxphyaddr)
        inside, last_inside = (address & field == base & field for address in (start, last))
        if inside != last_inside or start < base < last:
            cut = base + (1 << s.maxphyaddr) - field if inside else base
            if cut <= start:
                cut = start + rules.PAGE_SIZE
            last = cut - 1
        if not inside:
            continue
        encoding = raw_base & rules.BASE_TYPE
        if met is None:
            met = encoding
            continue
        uniform = False
        met = linux.merge(met, encoding)
        if met == UC:  # pairs behind are not looked at, nor split at
            break
    return s.def_type & rules.DEF_TYPE_TYPE if met is None else met, cut, uniform


def check_range(start: int, end: int, maxphyaddr: int) -> tuple[int, int]:
    """Both as plain integers."""
    start, end = arguments.integer(start, "start", InputError), arguments.integer(end, "end", InputError)
    if not 0 <= start < end <= 1 << maxphyaddr:
        raise InputError(f"[0x{start:x}, 0x{end:x}) is empty or not within [0, 2**{maxphyaddr})")
    return start, end
