"""SeaBIOS's debug log: the RAM map that it hands over (exclusive ends). It prints no MTRR.

    SeaBIOS (version 1.16)
    e820 map has 2 items:
      0: 0000000000000000 - 000000000009fc00 = 1 RAM
      1: 000000000009fc00 - 00000000000a0000 = 2 RESERVED

Another map is of another start: a state of its own.
"""

from __future__ import annotations

import re

from memtype.errors import ParseError
from memtype.machine import Machine, RamRange
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.notes import not_told
from memtype.reading.patterns import later
from memtype.reading.tellings import tells

NAME = "seabios"

_SNIFF = later(r"^[ \t]*(?:SeaBIOS \(version |e820 map has \d+ items:)", re.M | re.I)
TELLS = tells(NAME, pattern=r"\b(?P<head>e820 map) has \d+ items:")
_HEAD = later(r"\be820 map has (\d+) items:", re.I)
_ITEM = later(r"\d+: ([0-9a-f]{16}) - ([0-9a-f]{16}) = (\d+) (\S+)$", re.I)
_KINDS = {"RAM": "usable", "RESERVED": "reserved", "ACPI": "ACPI data", "NVS": "ACPI NVS", "UNUSABLE": "unusable"}


def sniff(text: str) -> bool:
    return _SNIFF.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """The RAM map, its kinds in Linux's words; another one is a state of its own."""
    found: list[RamRange] = []
    told = 0
    for number, line in squeezed(text):
        head = _HEAD.search(line)
        if head:
            found, told = [], values.number(head[1], source, number, "items", 16, base=10)
            continue
        item = _ITEM.match(line)
        if item and len(found) < told:
            base, end = (values.number(item[i], source, number, what) for i, what in ((1, "base"), (2, "end")))
            if end <= base:
                raise values.refusal(source, number, f"range 0x{base:x} - 0x{end:x} is empty")
            found.append(RamRange(base, end - base, _KINDS.get(item[4].upper(), item[4].lower())))
    if len(found) < told:
        raise ParseError(f"{source}: {len(found)} of the {told} items of the RAM map: cut off")
    note = not_told("registers", "SeaBIOS prints none; read them in the guest, or from a migration stream")
    return Machine(format=NAME, e820=tuple(found), notes=(note,))
