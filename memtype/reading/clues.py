"""Words that a text holds: cheap tests of the whole text, before any pattern looks at a line.

A pattern of a family costs some microseconds a line; a word costs a nanosecond a character, and is looked for once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from memtype.reading.once import once
from memtype.reading.patterns import later

_RARE = 32  # a word on fewer lines than one of so many is looked for alone: 0.5 us a hit, not 0.05 a line
DIGITS: Final = str.maketrans("123456789", "0" * 9)
_DIGIT = later(r"\d(?![\d,]*\})")  # in a pattern: one that it names, which is no count
_NO_DIGIT = later(r"\[\^[^]]*\d")


class _Index:
    """Which words are on which lines, in any case; each is looked for once, whoever asks.

    Lines of a log differ in their numbers: with 0 for each digit they are few, of a shape each. A word is looked for in
    the shapes; where it has digits itself, then in the lines whose shape may hold it.
    """

    __slots__ = ("_found", "_of_part", "_of_shape", "_rows", "_shapes", "_text", "lines")

    def __init__(self, text: str) -> None:
        lower = lowered(text)
        self.lines, self._rows = text.split("\n"), lower.split("\n")
        places = defaultdict[str, list[int]](list)
        for place, shape in enumerate(lower.translate(DIGITS).split("\n")):
            places[shape] += (place,)
        self._shapes, self._of_shape, self._text = list(places), list(places.values()), "\n".join(places)
        self._of_part: dict[str, list[int]] = {}  # the lines by what their shape holds
        self._found: dict[str, list[int]] = {}

    def holds(self, word: str) -> bool:
        """Whether the word, given in lower case, is in the text."""
        shape = word.translate(DIGITS)
        return shape in self._text and ("0" not in shape or bool(self.places(word)))

    def places(self, word: str) -> list[int]:
        """The lines, counted from 0 and in no order, that hold the word."""
        if word not in self._found:
            shape = word.translate(DIGITS)
            if shape not in self._of_part:
                self._of_part[shape] = self._of(self._shapes_with(shape))
            found = self._of_part[shape]
            self._found[word] = [place for place in found if word in self._rows[place]] if "0" in shape else found
        return self._found[word]

    def matched(self, pattern: re.Pattern[str]) -> list[int]:
        """The lines, likewise, in which the pattern finds something."""
        if pattern.pattern not in self._found:
            found = self._of(_hit(self._text, partial(_search, shaped(pattern.pattern), self._text)))
            if _DIGIT.search(pattern.pattern):
                found = [place for place in found if pattern.search(self._rows[place])]
            self._found[pattern.pattern] = found
        return self._found[pattern.pattern]

    def _shapes_with(self, word: str) -> Iterable[int]:
        if self._text.count(word) * _RARE < len(self._shapes):
            return _hit(self._text, partial(self._text.find, word))
        return (kind for kind, shape in enumerate(self._shapes) if word in shape)

    def _of(self, shapes: Iterable[int]) -> list[int]:
        return [place for shape in shapes for place in self._of_shape[shape]]


@cache
def shaped(pattern: str) -> re.Pattern[str]:
    """The pattern with 0 for every digit that it names: it finds the shape of whatever the pattern finds.

    Examples
    --------
    >>> shaped(r"reg[1-9]{2}").pattern
    'reg[0-0]{2}'
    """
    assert not _NO_DIGIT.search(pattern), "what is not 1 may be 0"
    return re.compile(_DIGIT.sub("0", pattern))


class Clues:
    """Which words are in a text, in any case."""

    __slots__ = ("_index", "document")

    def __init__(self, text: str) -> None:
        self._index = once(_Index)[text]
        self.document = text.lstrip()[:1] in ("{", "[")

    def holds(self, word: str) -> bool:
        """Whether the word, given in lower case, is in the text."""
        return not word or self._index.holds(word)

    def shows(self, pattern: re.Pattern[str]) -> bool:
        """Whether some line shows the pattern, which is for lower case."""
        return bool(self._index.matched(pattern))


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
