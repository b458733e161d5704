"""As Linux reads a pair and merges pairs; its map and its lookups are in `linux_map`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final

from memtype import rules
from memtype.views.encodings import UC, WB, WORD, WT

_PAGES: Final = WORD & -rules.PAGE_SIZE


def span(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    """The base raw, the size from the mask: ``span(0x6, 0xC0000800, 36) == (0, 0xF40000000)``, MT-22."""
    return _from(base & _PAGES, -(mask & _PAGES | rules.high_bits(maxphyaddr)) & WORD)


def proc_span(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    """As /proc/mtrr shows it: ``proc_span(0x6, 0xC0000800, 36) == (0, 0x40000000)``, MT-22."""
    field = mask & _PAGES
    if not field:
        return span(base, mask, maxphyaddr)
    repaired = field | rules.high_bits(field.bit_length())
    return _from(base & _PAGES, -repaired & WORD)


def _from(start: int, size: int) -> tuple[int, int]:
    # Linux computes in 64 bits; an end that wraps makes no entry.
    return start, max(start, start + size & WORD)


def merge(first: int, second: int) -> int:
    """What two make: UC wins, WT with WB is WT, any other two that differ are UC."""
    if UC in (first, second):
        return UC
    if {first, second} == {WT, WB}:
        return WT
    return first if first == second else UC


def combine(encodings: Sequence[int]) -> int:
    return reduce(merge, encodings)
