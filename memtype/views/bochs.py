"""As Bochs combines overlapping ranges."""

from __future__ import annotations

from collections.abc import Sequence

from memtype.views.encodings import UC, WB, WT


def combine(encodings: Sequence[int]) -> int:
    kinds = set(encodings)
    if UC in kinds or len(kinds) == 1:
        return min(kinds)
    return WT if kinds == {WT, WB} else WB
