"""WinDbg's ``!mtrr``: the default type, the 88 fixed ranges, and the variable ranges with masks without V.

    MTRR:  Var 2, Fixed-support disabled, USWC-supported, Default: UC
    Variable:                Base               Mask               Length
      0.   UC: 00000000:c0000000  000003ff:c0000000  00000000:40000000
      1.

Slots that are off are printed blank.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.patterns import later
from memtype.reading.registers import bytes_registers
from memtype.reading.tellings import tells
from memtype.reading.values import mtrr_type, type_register
from memtype.told import Register

NAME = "windbg"

_HEAD = later(r"MTRR:\s+Var\s+(?P<count>\d+)\s*,(?P<words>.{0,120})Default:\s*(?P<type>\S+)", re.I)
_FIXED = later(
    r"(?<!\S)(?P<type>UC|WC|WT|WP|WB|[0-9]{1,2}|\?\?) ?:(?P<first>[0-9a-f]{5})-(?P<last>[0-9a-f]{5})\b", re.I
)
_HALVES = r"([0-9a-f]{8}[:`][0-9a-f]{8})"  # %08x:%08x: fewer digits are not all of them
_PAIR = later(rf"(?P<n>\d+)\. (?P<type>\S+?): (?P<base>{_HALVES}) (?P<mask>{_HALVES}) (?P<size>{_HALVES})$", re.I)
_OFF = later(r"(?P<n>\d+)\.$")
TELLS = tells(NAME, pattern=r"(?P<head>MTRR): Var \d+ ?,")
_SLOTS = {(span.base, span.base + span.size - 1): n for n, span in enumerate(rules.FIXED_RANGES)}
_START = later(r"\d+\. \S+:\s")


def sniff(text: str) -> bool:
    return _HEAD.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """One ``!mtrr``: another one is a state of its own. Disabled slots are printed blank."""
    head: tuple[re.Match[str], int] | None = None
    fixed: dict[int, Register] = {}
    msrs: dict[int, Register] = {}
    for number, line in squeezed(text):
        found = _HEAD.search(line)
        if found:
            head, again = (found, number), head
            if again is not None and again[0].groups() != found.groups():
                raise values.refusal(source, number, f"the headline of line {again[1]} again, with other words")
        elif head is None:
            continue
        elif match := _PAIR.match(line):
            _pair(msrs, match, number, source)
        elif match := _OFF.match(line):
            n = _number(match["n"], source, number)
            reg.put(msrs, rules.PHYSMASK0 + 2 * n, Register(0, rules.MASK_VALID, number))
        elif _START.match(line):
            raise values.refusal(source, number, f"not a line of !mtrr: {values.quoted(line.strip())}")
        else:
            for part in _FIXED.finditer(line):
                _put_fixed(fixed, part, source, number)
    if head is None:
        raise values.refusal(source, 0, "no headline of !mtrr in it")
    return _machine(head[0], head[1], fixed, msrs, source)


def _pair(msrs: dict[int, Register], match: re.Match[str], number: int, source: str) -> None:
    n = _number(match["n"], source, number)
    base, mask = (int(re.sub("[:`]", "", match[name]), 16) for name in ("base", "mask"))
    index = rules.PHYSBASE0 + 2 * n
    low = Register(base | mtrr_type(match["type"], f"{source}:{number}"), line=number)
    reg.put(msrs, index, low)
    reg.put(msrs, index + 1, Register(mask | rules.MASK_VALID, line=number))


def _number(text: str, source: str, line: int) -> int:
    n = values.number(text, source, line, "range number", base=10)
    if n >= rules.NUMBERED_PAIRS:
        raise values.refusal(source, line, f"range number {n} is not below {rules.NUMBERED_PAIRS}")
    return n


def _put_fixed(fixed: dict[int, Register], part: re.Match[str], source: str, number: int) -> None:
    first, last = int(part["first"], 16), int(part["last"], 16)
    n = _SLOTS.get((first, last))
    if n is None:
        raise ParseError(f"{source}:{number}: {first:05x}-{last:05x} is no fixed range")
    word = part["type"].replace("??", "?")
    raw = Register(int(word, 16), rules.BASE_TYPE, number) if word.isdigit() else None
    reg.put(fixed, n, raw or type_register(word, source, number))


def _machine(
    head: re.Match[str], line: int, fixed: dict[int, Register], msrs: dict[int, Register], source: str
) -> Machine:
    kind = type_register(head["type"].rstrip(",;."), source, line)
    words = "".join(head["words"].lower().split())  # neither of the two: a column that ran into the next one is lost
    fixed_on = True if "fixed-supportenabled" in words else False if "fixed-supportdisabled" in words else None
    count = values.number(head["count"], source, line, "Var", 8, base=10)
    listing = reg.Listing(count=count, on="!mtrr lists them")
    registers = msrs | bytes_registers(fixed) | reg.def_type(kind, None, fixed_on, line)
    return reg.machine_of({0: registers}, NAME, source, (), None, None, listing)
