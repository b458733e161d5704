"""As hvpp reads a pair and combines overlapping ranges."""

from __future__ import annotations

from collections.abc import Sequence

from memtype import rules
from memtype.views.encodings import DEFAULT, UC


def span(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    field = mask & rules.page_bits(maxphyaddr)
    start = base & rules.page_bits(maxphyaddr)
    return start, start + (field & -field or 1 << maxphyaddr)


def combine(encodings: Sequence[int]) -> int:
    return UC if UC in encodings else DEFAULT
