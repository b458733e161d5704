"""The physical address width that a text tells, in every spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable

from memtype.arguments import check_maxphyaddr
from memtype.errors import InputError, ParseError
from memtype.machine import Note
from memtype.reading.patterns import later
from memtype.reading.values import number, refusal
from memtype.told import Width

# Linux takes the bits that memory encryption uses off before it prints this (/proc/cpuinfo, lscpu).
_REDUCED = later(r"\baddress sizes?\s*:\s*(\d{1,9}) bits physical", re.I)
_PLAIN = later(
    r"(?<!guest )\b(?:phys(?:ical)?[ _-]?addr(?:ess)?[ _-]?(?:size|width|bits)|physbits|phys[_-]bits|maxphyaddr)"
    r"(?:\s*\(bits\))?[\"']?\s{0,9}[:=(]?\s{0,3}(?:0x[0-9a-f]{1,4}\s*\()?(\d{1,9})\b(?![x:])",
    re.I,
)
_HEX8 = r"(?:0x)?[0-9a-f]{8}\b"
_LEAF = later(
    rf"(?<![0-9a-f])(?:0x)?(8000000[8]|8000001[f])h?\b(?:[^\n]{{0,24}}?\beax\s*[=:]\s*|\W{{1,4}}(?={_HEX8}\W+{_HEX8}))"
    rf"(?P<eax>{_HEX8})(?:\W+(?:ebx\s*[=:]\s*)?(?P<ebx>{_HEX8}))?",
    re.I,
)
MOST_TAKEN = 0x3F  # address bits that memory encryption takes: CPUID 8000001F EBX[11:6]


def told_width(text: str | int, source: str, line: int) -> int:
    """A MAXPHYADDR that the dump prints."""
    try:
        return check_maxphyaddr(number(str(text), source, line, "MAXPHYADDR", base=10))
    except InputError as error:
        raise error if isinstance(error, ParseError) else refusal(source, line, str(error)) from None


def _may_tell(lower: str) -> bool:
    """Whether one of the patterns may be in a line: most lines, and "PHYSBASE", are passed over quickly."""
    if "phys" in lower and ("addr" in lower or "bits" in lower):
        return True
    return "maxphyaddr" in lower or "80000008" in lower or "8000001f" in lower


def width_on(line: str, source: str, number_of: int) -> Width | None:
    """The physical address width that one line tells."""
    if not _may_tell(line.lower()):
        return None
    found = _REDUCED.search(line)
    plain = None if found else _PLAIN.search(line)
    if found or plain:
        bits = (found or plain)[1]  # type: ignore[index]
        return Width(told_width(bits, source, number_of), f"line {number_of}", reduced=bool(found))
    leaf = _LEAF.search(line)
    if leaf and leaf[1] == "80000008" and (bits_of := int(leaf["eax"], 16) & 0xFF):
        return Width(told_width(bits_of, source, number_of), f"line {number_of}")
    return None


def encrypted_on(line: str) -> int | None:
    """By how many bits AMD's memory encryption narrows the width: CPUID 8000001F EBX[11:6] in a list of leaves."""
    found = _LEAF.search(line) if "8000001f" in line.lower() else None
    return int(found["ebx"], 16) >> 6 & MOST_TAKEN if found and found["ebx"] else None


def single_width(widths: Iterable[Width], notes: list[str] | None = None) -> Width | None:
    """The width that all lines tell alike, with a note where they do not: then it is not told.

    Of one with and one without the bits that memory encryption takes, the former: both are of one processor.

    Examples
    --------
    >>> single_width([Width(46), Width(43, reduced=True)]), single_width([Width(36), Width(39)])
    (Width(bits=43, reduced=True), None)
    """
    held = list(widths)
    for reduced in (True, False):
        of_kind = [width for width in held if width.reduced is reduced]
        bits = sorted({width.bits for width in of_kind})
        if len(bits) > 1:
            if notes is not None:
                lines = ", ".join(dict.fromkeys(width.by for width in of_kind if width.by))
                said = f"{' and as '.join(map(str, bits))}{lines and f' ({lines})'}"
                notes.append(Note(f"MAXPHYADDR is told as {said}: it is not told", "contradiction"))
            return None
    return min(held, key=lambda width: width.bits, default=None)
