"""As BitVisor combines overlapping ranges."""

from __future__ import annotations

from collections.abc import Sequence

from memtype.views.encodings import UC, WT


def combine(encodings: Sequence[int]) -> int:
    return next((encoding for encoding in (UC, WT) if encoding in encodings), encodings[0])
