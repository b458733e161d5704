"""A text as lines that remember where each stood in the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from memtype.reading.clues import holding, words
from memtype.reading.once import Once
from memtype.reading.patterns import later

_STAMPED = words(pattern=r"(?m)^\[ *\d+\.\d{1,6}\]")  # by a kernel's log
_HEX_ROW = later(r"[0-9a-fA-F]{7,8}:?\s+[0-9a-fA-F]{2}[0-9a-fA-F ]{6,}")


@dataclass(frozen=True, slots=True)
class Text:
    """Lines, and where each stands (or begins) in the user's own text, counted from 1."""

    lines: Sequence[str]
    numbers: Sequence[int]
    _whole: list[str] = field(default_factory=list, init=False, repr=False, compare=False)  # joined once
    _unstamped: list[list[int]] = field(default_factory=list, init=False, repr=False, compare=False)  # likewise

    @classmethod
    def of(cls, text: str) -> Text:
        lines = text.split("\n")
        found = cls(lines, range(1, len(lines) + 1))
        found._whole.append(text)
        return found

    def __str__(self) -> str:
        if not self._whole:
            self._whole.append("\n".join(self.lines))
        return self._whole[0]

    @property
    def unstamped(self) -> Sequence[int]:
        """The places, from 0, of the lines that do not begin with the stamp of a kernel's log: mostly none, or all."""
        if not self._unstamped:
            stamped = {number - 1 for number, _ in holding(str(self), _STAMPED)}
            self._unstamped.append([place for place in range(len(self.lines)) if place not in stamped])
        return self._unstamped[0]

    @property
    def moved(self) -> bool:
        """Whether some line has another number than in the user's text."""
        return not isinstance(self.numbers, range) or self.numbers.start != 1

    def original(self, number: int) -> int:
        """The user's own number of line `number`; 0, which is no line, stays."""
        return self.numbers[number - 1] if 0 < number <= len(self.numbers) else number

    def part(self, places: Iterable[int]) -> Text:
        """Some of the lines, by their places from 0, numbers kept."""
        kept = list(places)
        return Text([self.lines[n] for n in kept], [self.numbers[n] for n in kept])

    def changed(self, lines: Sequence[str]) -> Text:
        """The same number of lines with other content; a line feed in one of them parts it in two."""
        if "\n" not in "".join(lines):
            return Text(lines, self.numbers)
        parts = [(part, number) for line, number in zip(lines, self.numbers) for part in line.split("\n")]
        return Text([part for part, _ in parts], [number for _, number in parts])

    def holding(self, *signs: str) -> Iterator[tuple[int, str]]:
        """(place from 0, line) of the lines that hold one of the signs, which are no capital letters."""
        for number, line in holding(str(self), words(*signs)):
            yield number - 1, line

    def each(self, change: Callable[[str], str], *signs: str, rows: bool = False) -> Text:
        """Line by line, those with one of the signs changed.

        Hex dumps show any sign in a column: unless `rows`, their rows are not changed.
        """
        undone = Once(lambda line: line if not rows and is_hex_row(line) else change(line))
        found = {place: undone[line] for place, line in self.holding(*signs)}
        if all(self.lines[place] == line for place, line in found.items()):
            return self
        lines = list(self.lines)
        for place, line in found.items():
            lines[place] = line
        return self.changed(lines)


def is_hex_row(line: str) -> bool:
    """Whether this is a row of a hex dump: an offset, bytes."""
    return _HEX_ROW.match(line) is not None and "<br" not in line
