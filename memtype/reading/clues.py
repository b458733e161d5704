"""Words that a text holds: cheap tests of the whole text, before any pattern looks at a line.

A pattern of a family costs some microseconds a line; a word costs a nanosecond a character, and is looked for once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from memtype.reading.patterns import later

_BLOCK = 1 << 16  # characters: who asks for one line need not wait for the last
_RARE = 8  # a word on fewer lines than one of so many is looked for alone: 0.4 us a hit, not 0.05 a line


class Clues:
    """Which words are in a text, in any case; each is looked for once."""

    __slots__ = ("_held", "_lower", "document")

    def __init__(self, text: str) -> None:
        self._lower = text.lower()
        self._held: dict[str, bool] = {}
        self.document = text.lstrip()[:1] in ("{", "[")

    def holds(self, word: str) -> bool:
        """Whether the word, given in lower case, is in the text."""
        if word not in self._held:
            self._held[word] = word in self._lower
        return self._held[word]


def lowered(text: str) -> str:
    """The text in lower case, every letter at its place."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(letter if len(small := letter.lower()) > 1 else small for letter in text)


@dataclass(frozen=True, slots=True)
class Words:
    """What `holding` looks for: words, in lower case, and what no word says, as a pattern."""

    plain: tuple[str, ...]
    pattern: re.Pattern[str] | None = None


def words(*plain: str, pattern: str = "") -> Words:
    """Words that a line may hold, given in lower case; `pattern` stands for more of them."""
    return Words(plain, later(pattern) if pattern else None)


def holding(text: str, wanted: Words) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) of the lines that hold one of the words: a scan of the whole text for each word.

    Examples
    --------
    >>> list(holding("one\\nMTRR two\\n\\nmtrr", words("mtrr")))
    [(2, 'MTRR two'), (4, 'mtrr')]
    """
    number, begin = 1, 0
    while begin < len(text):
        end = text.find("\n", begin + _BLOCK) + 1 or len(text)
        block = text[begin:end]
        found = _places(lowered(block), wanted)
        lines = block.split("\n") if found else []
        for place in sorted(found):
            yield number + place, lines[place]
        number += block.count("\n")
        begin = end


def _places(lower: str, wanted: Words) -> set[int]:
    """Which lines of a block, counted from 0, hold one of the words."""
    found: set[int] = set()
    lines: list[str] = []
    for word in wanted.plain:
        if many := lower.count(word):
            lines = lines or lower.split("\n")
            if many * _RARE < len(lines):
                found.update(_hit(lower, partial(lower.find, word)))
            else:
                found.update([place for place, line in enumerate(lines) if word in line])
    if wanted.pattern is not None:
        found.update(_hit(lower, partial(_search, wanted.pattern, lower)))
    return found


def _search(pattern: re.Pattern[str], text: str, begin: int) -> int:
    match = pattern.search(text, begin)
    return match.start() if match else -1


def _hit(lower: str, find: Callable[[int], int]) -> Iterator[int]:
    """The lines in which `find` finds something. Behind it the rest of a line is passed over."""
    place, end = 0, 0
    while (at := find(end)) >= 0:
        place += lower.count("\n", end, at)
        yield place
        end = lower.find("\n", at)
        if end < 0:
            return
