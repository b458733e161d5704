"""Linux' ``/sys/kernel/debug/x86/pat_memtype_list``: the memory types that it reserved, one line each.

    PAT memtype list:
    PAT: [mem 0x00000000fe800000-0x00000000fe900000] write-combining
    PAT: [mem 0x00000000feb00000-0x00000000feb01000] uncached-minus

`Machine.facts["pat_memtype_list"]` is a list of ``[base, end, name]``, the end exclusive as the kernel prints it.
Ranges overlap freely and repeat; RAM pages are not listed.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import values
from memtype.reading.lines import holds, squeezed
from memtype.reading.notes import not_told
from memtype.reading.patterns import later
from memtype.reading.tellings import tells

NAME = "pat-memtype-list"

_NAMES = r"(uncached-minus|uncached|write-combining|write-through|write-protected|write-back|broken)"
_NEW = later(rf"PAT: ?\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] ?{_NAMES}$", re.I)
_OLD = later(rf"{_NAMES} @ 0x([0-9a-f]+)-0x([0-9a-f]+)$", re.I)
_START = later(rf"PAT: ?\[mem |{_NAMES} @ ", re.I)
_HEAD = later(r"PAT memtype list:", re.I)
TELLS = tells(NAME, pattern=r"^(?P<head>PAT memtype list):")
_SNIFF = later(rf"^[^\n]{{0,120}}(?:PAT memtype list:|\bPAT: \[mem 0x[0-9a-f]+-|{_NAMES} @ 0x[0-9a-f]+-)", re.I | re.M)


def sniff(text: str) -> bool:
    return holds(text, "pat memtype list", "pat: [mem", " @ 0x") and any(
        "x86/PAT" not in found[0] for found in _SNIFF.finditer(text)
    )


def parse(text: str, source: str = "<text>") -> Machine:
    """The reservations; the list tells no MTRR, no PAT register and no processor."""
    found: list[list[object]] = []
    head = False
    rows = [(number, line) for number, line in squeezed(text) if _START.match(line) or _HEAD.match(line)]
    notes: list[str] = [not_told("registers", "pat_memtype_list holds only what Linux reserved outside RAM")]
    for place, (number, line) in enumerate(rows):
        if _HEAD.match(line):
            head = True
        elif new := _NEW.match(line):
            found.append(_entry(new[1], new[2], new[3], f"{source}:{number}"))
        elif old := _OLD.match(line):
            found.append(_entry(old[2], old[3], old[1], f"{source}:{number}"))
        elif place == len(rows) - 1:
            notes.append(f"line {number} is cut off and left out: {values.quoted(line.strip())}")
        else:
            raise ParseError(f"{source}:{number}: not a pat_memtype_list line: {values.quoted(line.strip())}")
    if not found and not head:
        raise ParseError(f"{source}: no whole pat_memtype_list line")
    return Machine(format=NAME, facts={"pat_memtype_list": found}, notes=tuple(notes))


def _entry(base: str, end: str, name: str, where: str) -> list[object]:
    first, behind = values.number(base, where, 0, "address"), values.number(end, where, 0, "address")
    if behind <= first or behind > 1 << rules.MAX_MAXPHYADDR:
        raise ParseError(f"{where}: 0x{first:x}-0x{behind:x} is empty or beyond 2**{rules.MAX_MAXPHYADDR}")
    return [first, behind, name.lower()]
