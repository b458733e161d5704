"""Lines that stand among those of a list and look like them but for one word: what a list's own rubbish looks like.

    0x000002fe: 0x0000000000000508       a line that was read; its frame: 0x#: 0x#
    0x000002ff: <unavailable>            the same frame but for one word: IA32_MTRR_DEF_TYPE, not told
    0x000002ff:                          ... or without it

Only lines beside read ones are looked at: prose elsewhere has no frame to fit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from memtype.reading.clues import DIGITS
from memtype.reading.lines import bare
from memtype.reading.once import Once, once
from memtype.reading.patterns import later
from memtype.reading.rows import plain_row

_NUMBER = later(r"0x[0-9a-f`_]+|\b(?=[0-9a-f]*[0-9])[0-9a-f][0-9a-f`_]*(?:ull?)?\b", re.I)
_WHOLE_NUMBER = later(r"(?<!\S)(0x)?[0-9][0-9a-f]*(?!\S)")  # their frames are alike
_TYPE = later(r"\b(?:uncach\w*|write-[a-z]+|U[C]-?|W[CBPT])\b", re.I)
_NAME = later(r"\b(?:MTRR|PHY|FIX|SYSCFG|TOP_?MEM|PAT)\w*|\b[a-z]\w*_\w+", re.I)
_TELLING = later(r"0x#|#[-:]#|^[a-z]{2,}", re.I)  # "12 apples" is no line of a list of pairs of numbers
_VALUE = later(r"#|^\W*t\W*$")
_REACH = 2  # lines: a list's lines stand close together
_MOST_FRAMES = 16
_LONGEST = 400  # characters


@dataclass(frozen=True, slots=True)
class Odd:
    """A line that looks like one or two `read` ones but for a word; `mended` has that word as they have it."""

    line: int
    text: str
    read: tuple[str, ...]
    mended: tuple[str, ...]


def odd_lines(lines: Sequence[str], read: Collection[int]) -> Iterator[Odd]:
    """The odd ones beside the lines, numbered from 1, that were `read`."""
    known: dict[tuple[str, ...], list[list[str]]] = {}
    frames = Once(_frame)
    beside = [number for number in _beside(read) if 0 < number <= len(lines) and not lines[number - 1].isspace()]
    if not any(lines[number - 1] for number in beside):
        return
    for number in sorted(read):
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        if len(known) < _MOST_FRAMES and 1 < len(line) <= _LONGEST and len(words := once(bare)[line].split()) > 1:
            examples = known.setdefault(frames[_alike(" ".join(words))], [])
            examples += [words] if len(examples) < 2 and words not in examples else []
    for number in beside:
        words = once(bare)[lines[number - 1]].split()
        found = _mended(words, frames[_alike(" ".join(words))], known) if words else None
        if found is not None:
            yield Odd(number, lines[number - 1], *found)


def _beside(read: Collection[int]) -> list[int]:
    """The numbers within reach of those that were read, and not among them."""
    return sorted({n for at in read for n in range(at - _REACH, at + _REACH + 1)}.difference(read))


def _alike(line: str) -> str:
    """A line of the same frame, the same for all that differ in their numbers alone."""
    return line.translate(DIGITS) if plain_row(line) else _WHOLE_NUMBER.sub(r"\g<1>0", line)


def _frame(line: str) -> tuple[str, ...]:
    return tuple(_TYPE.sub("T", _NUMBER.sub(_digits, _NAME.sub("name", word))).lower() for word in line.split())


def _digits(found: re.Match[str]) -> str:
    return "0x#" if found[0][:2].lower() == "0x" else "#"


def _mended(
    words: list[str], mine: tuple[str, ...], known: dict[tuple[str, ...], list[list[str]]]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Read lines, and this one with its odd word as they have it; None where it has no frame of theirs but for one."""
    for frame, examples in known.items():
        place = _odd_place(mine, frame)
        if place is not None and _VALUE.search(frame[place]):  # another name, another word: no rubbish
            rest = words[place + 1 :] if len(mine) == len(frame) else words[place:]
            mended = tuple(" ".join([*words[:place], example[place], *rest]) for example in examples)
            return tuple(map(" ".join, examples)), mended
    return None


def _odd_place(mine: tuple[str, ...], frame: tuple[str, ...]) -> int | None:
    """The one place where a frame differs, or that it lacks; None where it is no other, or another altogether."""
    if not len(frame) - 1 <= len(mine) <= len(frame) or not any(map(_TELLING.search, mine)):
        return None
    place = next((n for n, (one, two) in enumerate(zip(mine, frame)) if one != two), len(mine))
    if len(mine) < len(frame):
        return place if mine[place:] == frame[place + 1 :] else None
    return place if place < len(frame) and mine[place + 1 :] == frame[place + 1 :] else None
