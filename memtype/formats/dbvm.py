"""What the script prints that DBVM's author asks users to run in Cheat Engine: pairs without an index, in order.

    IA32_MTRRCAP=d0a
    Variable count is 10
    base - mask
    0000000000000006 - 0000007c00000800
    0000000000000000 - 0000000000000000
    FIX64K_00000=0606060606060606
    IA32_MTRR_DEF_TYPE=c00

The first pair is pair 0. A line between IA32_MTRRCAP and the end of the pairs that no register holds is refused. A pair
in use that stands there twice is more likely a line that was copied, and another one may be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from memtype import rules
from memtype.machine import Machine, Note
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import holds, lines
from memtype.reading.names import msr_index
from memtype.reading.patterns import later
from memtype.reading.tellings import tells
from memtype.told import Register, pair_numbers

NAME = "dbvm"
_DIGITS = 16  # of a pair's halves and of a fixed range: the script fills them up

TELLS = tells(
    NAME, "fix",
    pattern=r"^IA32_(?P<head>MTRRCAP) ?=|^(?:IA32_)?(?:MTRR_)?(?P<row>FIX(?:64|16|4)K_[0-9a-f]{5}|DEF_TYPE|PAT) ?=",
)  # fmt: skip
_CAP = later(r"\s*IA32_MTRRCAP\s*=\s*(?:0x)?([0-9a-f]+)\s*$", re.I)
_PAIR = later(r"\s*(?:0x)?([0-9a-f]{16}) - (?:0x)?([0-9a-f]{16})\s*$", re.I)
_NAMED = later(
    r"\s*((?:IA32_)?(?:MTRR_)?(?:FIX(?:64|16|4)K_[0-9a-f]{5}|DEF_TYPE|PAT))\s*=\s*(?:0x)?([0-9a-f]+)\s*$", re.I
)
_BETWEEN = later(r"\s*(?:$|Variable count is |base - mask)", re.I)


def sniff(text: str) -> bool:
    return holds(text, "ia32_mtrrcap") and any(kind == "pair" for _, kind, _ in _rows(text))


def owns(text: str) -> set[int]:
    """Its lines: MTRRCAP and DEF_TYPE alone would look like a list without pairs."""
    return {number for number, _, _ in _rows(text)}


def parse(text: str, source: str = "<text>") -> Machine:
    """One processor's registers."""
    found: dict[int, Register] = {}
    pairs, taken, used = 0, set(), set()
    listing, notes = reg.Listing(), []
    for number, kind, match in _rows(text):
        taken.add(number)
        if kind == "pair":
            low, high = _pair(match, source, number)
            found |= zip(pair_numbers(pairs), (low, high))
            pairs += 1
            if high.value & rules.MASK_VALID and match.groups() in used:
                listing.cut = True
                notes.append(
                    Note(f"line {number}: a pair in use that stands above too: others may be lost", "copy", [number])
                )
            used.add(match.groups())
        elif kind == "cap":
            reg.put(found, rules.MTRRCAP, reg.told(match[1], source, number, rules.MTRRCAP))
        elif (index := msr_index(match[1])) is not None:
            reg.put(found, index, reg.told(match[2], source, number, index))
        count = found[rules.MTRRCAP].value & rules.MTRRCAP_VCNT
        if pairs > count:
            raise values.refusal(source, number, f"pair {pairs} of {count} that MTRRCAP names")
    short = [(r.line, index) for index, r in found.items() if index in rules.FIXED_MSRS and r.digits < _DIGITS]
    if len(short) > 1:  # a line alone is lost, of several the others are cut as well
        line, index = min(short)
        what = f"{rules.msr_name(index)} and {len(short) - 1} more have fewer than {_DIGITS} digits: the text is cut"
        raise values.refusal(source, line, what)
    for line, index in short:
        del found[index]
        listing.lost.add(index)
        what = f"{rules.msr_name(index)} has fewer than {_DIGITS} digits"
        notes.append(Note(f"line {line}: {what}: it is not told", "lost", [line]))
    return reg.machine_of({0: found}, NAME, source, notes, listing=listing, taken=frozenset(taken))


def _rows(text: str) -> Iterator[tuple[int, str, re.Match[str]]]:
    """(line, what it is, match): pairs count in one run behind MTRRCAP, named registers anywhere behind it."""
    begun = inside = False
    for number, line in lines(text):
        if found := _CAP.match(line):
            begun = inside = True
            yield number, "cap", found
        elif inside and (found := _PAIR.match(line)):
            yield number, "pair", found
        elif begun and (found := _NAMED.match(line)):
            inside = False
            yield number, "named", found
        elif not _BETWEEN.match(line):
            inside = False


def _pair(match: re.Match[str], source: str, line: int) -> tuple[Register, Register]:
    base, mask = (int(digits, 16) for digits in match.groups())
    if base & rules.BASE_RESERVED or mask & rules.MASK_RESERVED or base & rules.BASE_TYPE not in rules.MTRR_TYPES:
        raise values.refusal(source, line, f"{match[0].strip()}: no base and mask of a variable range")
    return Register(base, line=line, digits=16), Register(mask, line=line, digits=16)
