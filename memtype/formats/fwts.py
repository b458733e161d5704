"""The Firmware Test Suite's MTRR overview: the variable ranges as ``fwts mtrr`` lists them (exclusive ends).

    Reg 0: 0x0000000000000000 - 0x0000000080000000 (  2048 MB)   Write-Back
    Reg 3: 0x000000007f800000 - 0x0000000080000000 (     8 MB)   Uncached

The default type and the fixed ranges are not in it.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.machine import Machine
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.lines import squeezed
from memtype.reading.notes import differed
from memtype.reading.patterns import later
from memtype.reading.registers import Listing, def_type, machine_of
from memtype.reading.tellings import tells
from memtype.reading.values import type_register
from memtype.told import Range, Register

NAME = "fwts"

_START = later(r"(?:mtrr:? )?Reg \w+: (?!disabled)", re.I)
_ROW = later(
    r"(?:mtrr:? )?Reg (?P<n>\d+): 0x(?P<first>[0-9a-f]+) - 0x(?P<end>[0-9a-f]+) "
    r"\( ?(?P<size>\d+) (?P<unit>[KMG])B\) (?P<type>.+)",
    re.I,
)
_ROWS = words(pattern=r"\breg \d+: 0x[0-9a-f]+ - 0x[0-9a-f]+ \(")
TELLS = tells(NAME, "reg ", pattern=r"^(?:mtrr:? )?Reg (?P<row>\d+):? (?:0x|disabled)")
_INCONSISTENT = later(
    r"CPUs with inconsistent (?P<what>variable|fixed) MTRR|inconsistent MTRR(?P<deftype>deftype)", re.I
)
_UNTOLD = {"default", "unknown", "disabled"}  # words that name no type


def sniff(text: str) -> bool:
    return any(holding(text, _ROWS))


def parse(text: str, source: str = "<text>") -> Machine:
    """The listed registers; the default type, the fixed ranges and the width are not told."""
    rows: dict[int, Range] = {}
    inconsistent = []
    for number, line in squeezed(text):
        found = _INCONSISTENT.search(line)
        if found:
            inconsistent.append((found["what"] or found["deftype"]).lower())
        if not _START.match(line):
            continue
        match = _ROW.match(line)
        if not match:
            raise values.refusal(source, number, f"not a row of fwts' MTRR overview: {values.quoted(line.strip())}")
        n, entry = _row(match, number, source)
        if rows.setdefault(n, entry) != entry:
            raise values.refusal(source, number, f"Reg {n} is listed twice, with different values")
    if not rows:
        raise values.refusal(source, 0, "no whole row of fwts' MTRR overview in it")
    return _machine(rows, inconsistent, source)


def _row(match: re.Match[str], number: int, source: str) -> tuple[int, Range]:
    n = values.decimal(match["n"], f"{source}:{number}", "Reg", rules.NUMBERED_PAIRS)
    first, end = (values.number(match[name], source, number, name) for name in ("first", "end"))
    size = values.number(match["size"], source, number, "size", 44, base=10) * values.UNITS[match["unit"].upper()]
    length = end - first if end % rules.PAGE_SIZE == 0 else end + 1 - first  # exclusive, else inclusive
    if length - length % values.UNITS[match["unit"].upper()] != size:
        raise values.refusal(source, number, f"0x{first:x} - 0x{end:x} is not {match['size']} {match['unit']}B long")
    fits = length >= rules.PAGE_SIZE and length.bit_count() == 1 and first % rules.PAGE_SIZE == 0
    if not fits or first + length > 1 << rules.MAX_MAXPHYADDR:
        raise values.refusal(source, number, f"0x{first:x} - 0x{end:x}: no register holds this")
    word = match["type"].lower()
    if word in _UNTOLD:
        return n, Range(first, length, Register(0, 0, number))
    return n, Range(first, length, type_register(match["type"], source, number))


def _machine(rows: dict[int, Range], inconsistent: list[str], source: str) -> Machine:
    notes = [differed(inconsistent)] if inconsistent else []
    facts: dict[str, object] | None = {"inconsistent": inconsistent} if inconsistent else None
    listing = Listing(whole=True, uncounted=True, listing="fwts")
    return machine_of({0: def_type(None, True, None)}, NAME, source, notes, None, None, listing, rows, facts=facts)
