"""Page tables as the gdb plug-in gdb-pt-dump lists them (``pt``): runs of pages with equal bits.

                 Address :     Length   Permissions
      0xffffffff81000000 :  0x1600000 | W:0 X:1 S:1 UC:0 WB:1
      0xffffc90000a13000 :     0x1000 : 0xfed00000 | W:1 X:0 S:1 UC:1 WB:1

UC is PCD, WB is "PWT = 0"; the bit PAT is not printed, so two PAT entries fit each line. A physical address stands in
between where the plug-in was asked for it.

`Machine.facts["mappings"]` lists ``{"line", "base", "size", "phys", "pcd", "pwt"}``: virtual address, size and
physical address (or null) in hexadecimal, the bits as 0 or 1.
"""

from __future__ import annotations

import re

from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.lines import bare
from memtype.reading.notes import not_told
from memtype.reading.patterns import later
from memtype.reading.tellings import tells

NAME = "gdb-pt-dump"

_START = later(r"(?:^|\sin\s)\s*(0x[0-9a-f]+) :\s+(0x[0-9a-f]+)(?: :\s+(0x[0-9a-f]+))? \| ", re.I)
_WORDS = words(" uc:")
TELLS = tells(NAME, pattern=r"^(?P<row>0x[0-9a-f]+) : 0x[0-9a-f]+ [:|].*\bUC:")
_BITS = later(r"\bUC:([01]) WB:([01])\b")


def sniff(text: str) -> bool:
    return bool(owns(text))


def owns(text: str) -> set[int]:
    """Its lines: they begin like an MSR and its value."""
    return {number for number, line in holding(text, _WORDS) if _START.search(line) and _BITS.search(line)}


def parse(text: str, source: str = "<text>") -> Machine:
    """Every line that maps; the heading and search results without a line of bits are passed over."""
    found: list[dict[str, object]] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = bare(raw)
        start, bits = _START.search(line), _BITS.search(line)
        if start is None:
            continue
        if bits is None:
            raise ParseError(f"{source}:{number}: a mapping without UC: and WB:: {values.quoted(line.strip())}")
        where = f"{source}:{number}"
        base, size = (values.number(start[group][2:], where, 0, "address") for group in (1, 2))
        if not size or base + size > 1 << 64:
            raise ParseError(f"{where}: 0x{base:x} + 0x{size:x} is empty or beyond 64 bits")
        phys = None if start[3] is None else f"0x{values.number(start[3][2:], where, 0, 'address'):x}"
        pcd, pwt = int(bits[1]), 1 - int(bits[2])
        found.append(
            {"line": number, "base": f"0x{base:x}", "size": f"0x{size:x}", "phys": phys, "pcd": pcd, "pwt": pwt}
        )
    notes = (not_told("registers", "a list of page tables holds no MTRR and no PAT"),)
    return Machine(format=NAME, facts={"mappings": found}, notes=notes)
