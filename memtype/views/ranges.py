"""Which addresses a variable pair denotes, in each reading. All agree on contiguous masks with aligned bases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from memtype import rules
from memtype.backends import reference
from memtype.views import kvm_list
from memtype.views.profiles import CUBE

WORD: Final = (1 << 64) - 1
_PAGES: Final = WORD & -rules.PAGE_SIZE


def linux(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    """The base raw, the size from the mask: ``linux(0x6, 0xC0000800, 36) == (0, 0xF40000000)``, MT-22."""
    return _from(base & _PAGES, -(mask & _PAGES | rules.high_bits(maxphyaddr)) & WORD)


def proc(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    """As /proc/mtrr shows it: ``proc(0x6, 0xC0000800, 36) == (0, 0x40000000)``, MT-22."""
    field = mask & _PAGES
    if not field:
        return linux(base, mask, maxphyaddr)
    repaired = field | rules.high_bits(field.bit_length() - 1)
    return _from(base & _PAGES, -repaired & WORD)


def edk2(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    valid = rules.page_bits(maxphyaddr)
    start = base & valid
    return start, start + (1 << maxphyaddr) - (mask & valid)


def hvpp(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    field = mask & rules.page_bits(maxphyaddr)
    start = base & rules.page_bits(maxphyaddr)
    return start, start + (field & -field or 1 << maxphyaddr)


def _from(start: int, size: int) -> tuple[int, int]:
    # Linux computes in 64 bits; an end that wraps makes no entry.
    end = start + size & WORD
    return (start, end) if start < end else (start, start)


INTERVALS: Final[dict[str, Callable[[int, int, int], tuple[int, int]]]] = {
    "range-linux": linux,
    "range-proc": proc,
    "range-edk2": edk2,
    "range-kvm": kvm_list.span,
    "range-hvpp": hvpp,
    "range-none": lambda base, mask, maxphyaddr: (0, 0),
}


def spans(rule: str, base: int, mask: int, maxphyaddr: int) -> Iterable[tuple[int, int]]:
    """The (start, end) stretches of a valid pair by rising address: several only for a cube with holes."""
    if rule == CUBE:
        return ((start, start + size) for start, size in reference.blocks(base, mask, maxphyaddr))
    start, end = INTERVALS[rule](base, mask, maxphyaddr)
    return [(start, end)] if start < end else []


def covers(rule: str, pair: tuple[int, int], maxphyaddr: int, address: int) -> bool:
    """Whether a pair, valid or not, denotes `address` in that reading."""
    base, mask = pair
    if not mask & rules.MASK_VALID:
        return False
    if rule == CUBE:
        field = mask & rules.page_bits(maxphyaddr)
        return address & field == base & field
    start, end = INTERVALS[rule](base, mask, maxphyaddr)
    return start <= address < end
