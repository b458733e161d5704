"""A text as lines that remember where each stood in the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from memtype.reading.once import Once
from memtype.reading.patterns import later

_HEX_ROW = later(r"[0-9a-fA-F]{7,8}:?\s+[0-9a-fA-F]{2}[0-9a-fA-F ]{6,}")


@dataclass(frozen=True, slots=True)
class Text:
    """Lines, and where each stands (or begins) in the user's own text, counted from 1."""

    lines: Sequence[str]
    numbers: Sequence[int]

    @classmethod
    def of(cls, text: str) -> Text:
        lines = text.split("\n")
        return cls(lines, range(1, len(lines) + 1))

    def __str__(self) -> str:
        return "\n".join(self.lines)

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

    def each(self, change: Callable[[str], str], *signs: str) -> Text:
        """Line by line, those with one of the signs changed. Hex dumps, which show any sign in a column, are not."""

        def undone(line: str) -> str:
            for sign in signs:
                if sign in line:
                    return line if is_hex_row(line) else change(line)
            return line

        return self.changed(list(map(Once(undone).__getitem__, self.lines)))


def is_hex_row(line: str) -> bool:
    """Whether this is a row of a hex dump: an offset, bytes."""
    return _HEX_ROW.match(line) is not None and "<br" not in line
