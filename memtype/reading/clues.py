"""Words that a text holds: cheap tests of the whole text, before any pattern looks at a line.

A pattern of a family costs some microseconds a line; a word costs a nanosecond a character, and is looked for once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from memtype.reading.once import once
from memtype.reading.patterns import later

_RARE = 32  # a word on fewer lines than one of so many is looked for alone: 0.5 us a hit, not 0.05 a line
DIGITS: Final = str.maketrans("123456789", "0" * 9)


class _Index:
    """Which words are in a text, in any case, and on which lines; each is looked for once, whoever asks."""

    __slots__ = ("_held", "_places", "_rows", "_shapes", "lines", "lower")

    def __init__(self, text: str) -> None:
        self.lower = lowered(text)
        # lines of a log differ in their numbers: what no shape of a line holds, no line does
        self._shapes = "\n".join(set(self.lower.translate(DIGITS).split("\n")))
        self.lines = text.split("\n")
        self._rows: list[str] = []
        self._held: dict[str, int] = {}
        self._places: dict[str, list[int]] = {}

    def count(self, word: str) -> int:
        """How often the word, given in lower case, is in the text."""
        if word not in self._held:
            may = word.translate(DIGITS) in self._shapes
            self._held[word] = self.lower.count(word) if may else 0
        return self._held[word]

    def places(self, word: str) -> list[int]:
        """The lines, counted from 0, that hold the word."""
        if word not in self._places:
            self._places[word] = self._found(word) if self.count(word) else []
        return self._places[word]

    def _found(self, word: str) -> list[int]:
        if self.count(word) * _RARE < len(self.lines):
            return list(_hit(self.lower, partial(self.lower.find, word)))
        self._rows = self._rows or self.lower.split("\n")
        return [place for place, line in enumerate(self._rows) if word in line]

    def matched(self, pattern: re.Pattern[str]) -> list[int]:
        """The lines, counted from 0, in which the pattern finds something."""
        if pattern.pattern not in self._places:
            self._places[pattern.pattern] = list(_hit(self.lower, partial(_search, pattern, self.lower)))
        return self._places[pattern.pattern]


class Clues:
    """Which words are in a text, in any case."""

    __slots__ = ("_index", "document")

    def __init__(self, text: str) -> None:
        self._index = once(_Index)[text]
        self.document = text.lstrip()[:1] in ("{", "[")

    def holds(self, word: str) -> bool:
        """Whether the word, given in lower case, is in the text."""
        return not word or self._index.count(word) > 0


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
    index = once(_Index)[text]
    found = set[int]().union(*map(index.places, wanted.plain))
    if wanted.pattern is not None:
        found.update(index.matched(wanted.pattern))
    lines = index.lines
    for place in sorted(found):
        yield place + 1, lines[place]


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
