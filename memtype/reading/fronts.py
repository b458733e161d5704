"""What programs put in front of every line: numbers, names of files and hosts, stamps of loggers, a diff's one sign.

    12:MTRR default type: uncachable            grep -n
    dmesg.txt:12:MTRR default type: uncachable  grep -n over several files
         1  MTRR default type: uncachable       cat -n, and the first column of a page's table
    host1 | MTRR default type: uncachable       ansible, docker compose
    [pod/vm-0/log] MTRR default type: ...       kubectl logs --prefix
    +MTRR default type: uncachable              a diff that adds the whole file

A front goes where neighbouring lines have it and what stands behind it opens as a dump's lines do. The number of a
register, of a range or of a processor is no front: the lines that it begins open with it, or not without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from memtype.reading.accounting import register_row
from memtype.reading.lines import without_stamp
from memtype.reading.openings import opens_any, opens_behind, opens_code, opens_log
from memtype.reading.patterns import later
from memtype.reading.rows import plain_row
from memtype.reading.text import Text, is_hex_row

_NUMBER = later(r" *[\[(]?(\d{1,7})(?:[\])]:?|[:|]| \|)(?: |$)?")
_COLUMN = later(r" *(\d{1,7}) ")
_NAME = later(  # a name of a file or host, or whatever stands before a number of a line or a bar
    r"(?!//|[+@-]|v?cpu|lcpu|core|thread|processor|reg\d|kernel\b)"
    r"([\w/@+-]{0,80}[./\d][\w./@+-]{0,80}(?= ?:| *\|)|[\w-]{1,80}(?= *\||:\d{1,7}[:-]))"
    r"(?: *\| ?| ?: ?)(?:\d{1,7}[:-] ?)?",
    re.I,
)
_POD = later(r"(?!/)\[?([\w@+-]{1,80}[./][\w./@+-]{1,160})\]? ")  # on every line of the text
_SIGN = later(r"(//|[#+\-%;*:]) ?")
_STAMPED = later(r" *\[ *\d+\.\d")  # a kernel's: none of the fronts
_MOST = 40_000  # different lines without a kernel's stamp: no paste, and each is looked at in four ways
_SAMPLE = 64  # lines of a run that are looked at: a run is of one kind
SHOWN = r"[ \[(]*\d{1,7}[\]):| ]|[\w./@+-]{1,80} *[:|]|[\w@+-]{1,80}[./][\w./@+-]{1,160} |[#+\-%;*:/<\[]"


@dataclass(frozen=True, slots=True)
class _Front:
    """One kind: how it is found, what of two neighbours makes them a run, what the lines of a run must be like."""

    find: Callable[[str], re.Match[str] | None]
    goes_on: Callable[[str, str], bool]
    fits: Callable[[Sequence[str], Sequence[str]], bool]  # of lines as they are, and behind the front
    everywhere: bool = False  # on every line of the text


def undone(text: Text) -> Text:
    """The lines without their fronts."""
    lines = list(text.lines)
    may = _may_have([lines[place] for place in text.unstamped])
    if len(may) > _MOST:
        return text
    for front in _FRONTS:
        find = {line: front.find(line) for line in may}
        if not any(found and opens_behind(line[found.end() :]) for line, found in find.items()):
            continue
        for places in _runs(lines, find, front):
            wholes = [lines[n] for n in places[:_SAMPLE]]
            rests = [_behind(find.get(line), line) for line in wholes]
            if any(map(opens_behind, rests)) and front.fits(wholes, rests):
                for n in places:
                    lines[n] = _behind(find.get(lines[n]), lines[n])
                may = _may_have(lines)
    return text.changed(_unstamped(lines))


def _may_have(lines: Iterable[str]) -> list[str]:
    """The lines that may have a front, each once: no kernel's stamp is one, nor a register; rows of bytes are left."""
    return [line for line in set(lines) if not (_STAMPED.match(line) or plain_row(line) or is_hex_row(line))]


def _behind(found: re.Match[str] | None, line: str) -> str:
    return line if found is None else line[found.end() :]


def _runs(lines: Sequence[str], find: Mapping[str, re.Match[str] | None], front: _Front) -> Iterator[list[int]]:
    """Places of neighbouring lines that have the front; empty lines count for nothing."""
    filled = [n for n, line in enumerate(lines) if line and not line.isspace()]
    places: list[int] = []
    before = ""
    for n in filled:
        found = find.get(lines[n])
        if places and (found is None or not front.goes_on(before, found[1])):
            if len(places) > 1 and not front.everywhere:
                yield places
            places = []
        if found is not None:
            before = found[1]
            places.append(n)
    if places and (len(places) == len(filled) or (len(places) > 1 and not front.everywhere)):
        yield places


def _rising(one: str, two: str) -> bool:
    return int(one) < int(two)


def _next(one: str, two: str) -> bool:
    return int(one) + 1 == int(two)


def _same(one: str, two: str) -> bool:
    return one == two


def _no_less(wholes: Sequence[str], rests: Sequence[str]) -> bool:
    """Whether the lines open no better with the front than without."""
    return sum(map(opens_any, wholes)) <= sum(map(opens_any, rests))


def _numbered(wholes: Sequence[str], rests: Sequence[str]) -> bool:
    """Whether numbers are those of lines: one after the other, or before lines that open no better with them."""
    found = [int(match[1]) for match in map(_NUMBER.match, wholes) if match]
    in_order = len(found) > 2 and found == list(range(found[0], found[0] + len(found)))
    return in_order or _no_less(wholes, rests)


def _no_processors(wholes: Sequence[str], rests: Sequence[str]) -> bool:
    """A column of numbers before rows of registers: each row another register, where processors tell the same ones."""
    rows = [row for row in map(register_row, rests) if row is not None]
    several = len(rests) > 1 or opens_code(rests[0])
    return several and len(set(rows)) == len(rows) and _no_less(wholes, rests)


def _no_opening(wholes: Sequence[str], rests: Sequence[str]) -> bool:
    return not any(map(opens_any, wholes))


_FRONTS = (
    _Front(_NUMBER.match, _rising, _numbered),
    _Front(_COLUMN.match, _next, _no_processors),
    _Front(_NAME.match, _same, _no_opening),
    _Front(_POD.match, _same, _no_opening, everywhere=True),
    _Front(_SIGN.match, _same, _no_opening, everywhere=True),
)


def _unstamped(lines: Sequence[str]) -> Sequence[str]:
    """Without loggers' stamps where every line has one and none is a kernel's, whose readers ask for them."""
    found: dict[str, str] = {}
    for line in dict.fromkeys(lines):  # equal lines are asked once
        if line and not line.isspace():
            rest = without_stamp(line)
            if rest is None or opens_log(rest):
                return lines
            found[line] = rest
    if not any(map(opens_any, islice(found.values(), _SAMPLE))):
        return lines
    return [found.get(line, line) for line in lines]
