"""What stands in for what a dump does not tell: the default type behind a list of ranges."""

from __future__ import annotations

from collections.abc import Iterable

from memtype.types import MemoryType


def infer_default(kinds: Iterable[int]) -> tuple[MemoryType, str]:
    """The default type that makes sense of the listed ones: firmware that lists RAM as WB defaults to UC."""
    if MemoryType.WB in kinds:
        return MemoryType.UC, "RAM is listed as write-back"
    return MemoryType.WB, "no range is write-back"
