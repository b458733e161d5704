"""What U-Boot's ``mtrr`` command prints: a table per processor, masks without V.

    CPU 0:
    Reg Valid Write-type   Base   ||        Mask   ||        Size   ||
    0   Y     Back         0000000000000000 0000000f80000000 0000000080000000
    1   N     Uncacheable  0000000000000000 0000000000000000 0000001000000000

Another table of the same processor is of another moment: a state of its own.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.headings import processor_named
from memtype.reading.lines import squeezed
from memtype.reading.patterns import later
from memtype.reading.tellings import tells
from memtype.reading.values import mtrr_type
from memtype.told import Register, Width

NAME = "u-boot"

_HEADER = later(r"Reg Valid Write-type Base\b", re.I)
_START = later(r"(?P<n>\d+) (?P<valid>[YN]) (?P<type>[A-Z]\w+|\d) [0-9a-f]", re.I)
_ROW = later(
    r"(?P<n>\d+) (?P<valid>[YN]) (?P<type>[A-Z]\w+|\d) "
    r"(?P<base>[0-9a-f]+) (?P<mask>[0-9a-f]+) (?P<size>[0-9a-f]+)$",
    re.I,
)
TELLS = tells(NAME, pattern=r"^Reg Valid Write-(?P<head>type) Base\b", by_cpu=True)
_SNIFF = later(r"^[ \t]*Reg\s+Valid\s+Write-type\s+Base\b", re.I | re.M)


def sniff(text: str) -> bool:
    return _SNIFF.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """The table of each processor. MAXPHYADDR follows from mask and size."""
    tables: dict[int, dict[int, Register]] = {}
    cpu, widths, open_ = 0, set(), False
    for number, line in squeezed(text):
        if heading := processor_named(line):
            cpu, open_ = values.cpu_number(heading, source, number), False
        elif _HEADER.match(line):
            open_ = True
        elif open_ and (match := _ROW.match(line)):
            widths.add(_row(match, tables.setdefault(cpu, {}), number, source))
        elif open_ and _START.match(line):
            raise values.refusal(source, number, f"not a row of U-Boot's MTRR table: {values.quoted(line.strip())}")
    if not tables:
        raise values.refusal(source, 0, "no whole row of U-Boot's MTRR table in it")
    bits = widths.pop() if len(widths) == 1 else None
    width = None if bits is None else Width(bits, "mask and size", reduced=True)
    facts: dict[str, object] | None = None if bits is None else {"phys_bits": bits}
    listing = reg.Listing(listing="u-boot", on="the table lists ranges")
    return reg.machine_of(tables, NAME, source, (), width, None, listing, facts=facts)


def _row(match: re.Match[str], msrs: dict[int, Register], number: int, source: str) -> int | None:
    """Put one row into `msrs`; the width that its mask and size add up to (mask + size = 2**MAXPHYADDR)."""
    n = values.number(match["n"], source, number, "register number", base=10)
    if n >= rules.NUMBERED_PAIRS:
        raise values.refusal(source, number, f"register {n} is not below {rules.NUMBERED_PAIRS}")
    kind = int(match["type"]) if match["type"].isdigit() else mtrr_type(match["type"], f"{source}:{number}")
    base, mask, size = (values.number(match[name], source, number, name) for name in ("base", "mask", "size"))
    valid = rules.MASK_VALID if match["valid"].upper() == "Y" else 0
    index = rules.PHYSBASE0 + 2 * n
    reg.put(msrs, index, Register(base | kind, line=number, digits=values.hex_digits(match["base"])))
    reg.put(msrs, index + 1, Register(mask | valid, line=number, digits=values.hex_digits(match["mask"])))
    width = (mask + size).bit_length() - 1
    whole = (mask + size).bit_count() == 1 and rules.MIN_MAXPHYADDR <= width <= rules.MAX_MAXPHYADDR
    return width if whole else None
