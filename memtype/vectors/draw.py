"""Numbers that look random and are the same everywhere: SplitMix64, one stream for each case, by its name."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, TypeVar

_T = TypeVar("_T")
_WORD: Final = (1 << 64) - 1


class Draw:
    """A stream of numbers. A case draws from its own, so a new case changes no other one.

    >>> hex(Draw("a").bits(64)), Draw("a").below(10) < 10
    ('0xe108936cab6b7ea', True)
    """

    def __init__(self, name: str) -> None:
        self._state = zlib.crc32(name.encode()) << 32 | len(name)

    def bits(self, count: int) -> int:
        """A number of `count` bits, at most 64."""
        self._state = self._state + 0x9E37_79B9_7F4A_7C15 & _WORD
        mixed = self._state
        mixed = (mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9 & _WORD
        mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & _WORD
        return (mixed ^ mixed >> 31) >> 64 - count if count else 0

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        return self.bits(64) * limit >> 64

    def one_of(self, items: Sequence[_T]) -> _T:
        return items[self.below(len(items))]

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent
