"""What U-Boot's ``mtrr`` command prints: a table per processor, masks without V.

    CPU 0:
    Reg Valid Write-type   Base   ||        Mask   ||        Size   ||
    0   Y     Back         0000000000000000 0000000f80000000 0000000080000000
    1   N     Uncacheable  0000000000000000 0000000000000000 0000001000000000

The last table of a processor is the one that counts.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.patterns import later
from memtype.reading.values import mtrr_type
from memtype.told import Register, Width

NAME = "u-boot"

_HEADER = later(r"^\s*Reg\s+Valid\s+Write-type\s+Base\b", re.I)
_CPU = later(r"^\s*CPU (\d+)\s*:", re.I)
_START = later(r"^\s*(?P<n>\d+)\s+(?P<valid>[YN])\s+(?P<type>[A-Z]\w+|\d)\s+[0-9a-f]", re.I)
_ROW = later(
    r"^\s*(?P<n>\d+)\s+(?P<valid>[YN])\s+(?P<type>[A-Z]\w+|\d)\s+"
    r"(?P<base>[0-9a-f]+)\s+(?P<mask>[0-9a-f]+)\s+(?P<size>[0-9a-f]+)\s*$",
    re.I,
)
_SNIFF = later(r"^[ \t]*Reg\s+Valid\s+Write-type\s+Base\b", re.I | re.M)


def sniff(text: str) -> bool:
    return _SNIFF.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """Every table; a later one of the same processor replaces the earlier. MAXPHYADDR follows from mask and size."""
    tables: list[tuple[int, dict[int, Register]]] = []
    cpu, widths = 0, set()
    for number, line in squeezed(text):
        heading = _CPU.match(line)
        if heading:
            cpu = values.cpu_number(heading[1], source, number)
        elif _HEADER.match(line):
            tables.append((cpu, {}))
        elif tables and (match := _ROW.match(line)):
            widths.add(_row(match, tables[-1][1], number, source))
        elif tables and _START.match(line):
            raise values.refusal(source, number, f"not a row of U-Boot's MTRR table: {values.quoted(line.strip())}")
    registers = {cpu: msrs for cpu, msrs in tables if msrs}
    if not registers:
        raise values.refusal(source, 0, "no whole row of U-Boot's MTRR table in it")
    notes: list[str] = []
    if len(tables) > len(registers):
        notes.append(f"{len(tables)} tables in it, one after the other: the last of each processor is used")
    bits = widths.pop() if len(widths) == 1 else None
    width = None if bits is None else Width(bits, "mask and size", reduced=True)
    facts: dict[str, object] | None = None if bits is None else {"phys_bits": bits}
    listing = reg.Listing(listing="u-boot", on="the table lists ranges")
    return reg.machine_of(registers, NAME, source, notes, width, None, listing, facts=facts)


def _row(match: re.Match[str], msrs: dict[int, Register], number: int, source: str) -> int | None:
    """Put one row into `msrs`; the width that its mask and size add up to (mask + size = 2**MAXPHYADDR)."""
    n = values.number(match["n"], source, number, "register number", base=10)
    if n >= rules.NUMBERED_PAIRS:
        raise values.refusal(source, number, f"register {n} is not below {rules.NUMBERED_PAIRS}")
    kind = int(match["type"]) if match["type"].isdigit() else mtrr_type(match["type"], f"{source}:{number}")
    base, mask, size = (values.number(match[name], source, number, name) for name in ("base", "mask", "size"))
    valid = rules.MASK_VALID if match["valid"].upper() == "Y" else 0
    index = rules.PHYSBASE0 + 2 * n
    if index in msrs:
        raise values.refusal(source, number, f"register {n} is listed twice in one table")
    msrs |= {index: Register(base | kind, line=number), index + 1: Register(mask | valid, line=number)}
    width = max((mask + size).bit_length() - 1, 0)
    if mask + size != 1 << width or not rules.MIN_MAXPHYADDR <= width <= rules.MAX_MAXPHYADDR:
        return None
    return width
