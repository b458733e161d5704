"""Words that a text holds: cheap tests of the whole text, before any pattern looks at a line.

A pattern of a family costs some microseconds a line; a word costs a nanosecond a character, and is looked for once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memtype.reading.patterns import later

_BLOCK = 1 << 16  # characters: who asks for one line need not wait for the last


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
        behind = 0
        for start, stop in _lines(lowered(block), wanted):
            number += block.count("\n", behind, start)
            behind = start
            yield number, block[start:stop]
        number += block.count("\n", behind)
        begin = end


def _lines(lower: str, wanted: Words) -> list[tuple[int, int]]:
    """Where the lines begin and end that hold one of the words. Behind a word the rest of its line is passed over."""
    found: dict[int, int] = {}
    for word in wanted.plain:
        at = lower.find(word)
        while at >= 0:
            end = _take(found, lower, at)
            at = lower.find(word, end)
    if wanted.pattern is not None:
        end = 0
        while match := wanted.pattern.search(lower, end):
            end = _take(found, lower, match.start())
    return sorted(found.items())


def _take(found: dict[int, int], lower: str, at: int) -> int:
    """Put the line around a place in `found`, and give its end."""
    end = lower.find("\n", at)
    end = len(lower) if end < 0 else end
    found[lower.rfind("\n", 0, at) + 1] = end
    return end
