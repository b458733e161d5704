"""As the manuals say: a pair denotes every address that matches under its mask; of most overlaps nothing is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memtype import rules
from memtype.backends import reference


def spans(base: int, mask: int, maxphyaddr: int) -> Iterable[tuple[int, int]]:
    """The (start, end) blocks by rising address: one unless the mask has holes."""
    return ((start, start + size) for start, size in reference.blocks(base, mask, maxphyaddr))


def covers(base: int, mask: int, maxphyaddr: int, address: int) -> bool:
    field = mask & rules.page_bits(maxphyaddr)
    return address & field == base & field


def combine(encodings: Sequence[int]) -> int:
    return reference.combine(encodings)
