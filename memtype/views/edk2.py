"""As edk2's MtrrLib reads a pair, and what its lookup, its dump and patina (its rules in Rust) make of several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from memtype import rules
from memtype.views.encodings import UC, UNDEFINED, WB, WT


def span(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    valid = rules.page_bits(maxphyaddr)
    start = base & valid
    return start, start + (1 << maxphyaddr) - (mask & valid)


def combine(encodings: Sequence[int]) -> int:
    return reduce(lambda first, second: first if _precedes(first, second) else second, encodings)


def combine_in_dump(encodings: Sequence[int]) -> int:
    if UC in encodings:
        return UC
    return next((encoding for encoding in reversed(encodings) if encoding != WB), WB)


def combine_in_patina(encodings: Sequence[int]) -> int:
    met, *others = encodings
    for encoding in others:
        if met != encoding and not _precedes(met, encoding) and not _precedes(encoding, met):
            return UNDEFINED
        met = met if _precedes(met, encoding) else encoding
    return met


def _precedes(left: int, right: int) -> bool:
    return left == UC or (left, right) == (WT, WB)
