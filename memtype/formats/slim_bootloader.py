"""Slim Bootloader's ``PrintMtrr``, on its console and in its shell (``mtrr``): DEF_TYPE in words, pairs with values.

    MTRRs......: Enabled
    Fixed MTRRs: Enabled
    Default....: Uncacheable

    Variable MTRRs
    [0x000000000-0x07fffffff] Write-back
       IA32_MTRR_PHYSBASE_0 (0x200): 0x0000000000000006
       IA32_MTRR_PHYSMASK_0 (0x201): 0x0000007f80000800

The dots may be gone, or an editor's "…". Pairs that are off are left out. The decoded ranges suppose 36 address bits;
the registers count.
"""

from __future__ import annotations

import re
from typing import TypeVar

from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import holds, squeezed
from memtype.reading.patterns import later
from memtype.reading.tellings import tells
from memtype.told import Register

T = TypeVar("T")

NAME = "slim-bootloader"

_DOTS = r"[.\u2026]"
_ENABLED = later(rf"MTRRs{_DOTS}*: ?(\w+)$", re.I)
_FIXED = later(rf"Fixed MTRRs{_DOTS}*: ?(\w+)$", re.I)
_DEFAULT = later(rf"Default{_DOTS}*: ?([\w /-]{{2,40}})$", re.I)
_PAIR = later(r"IA32_MTRR_PHYS(?:BASE|MASK)\w* \((0x[0-9a-f]+)\): ?(\S*)$", re.I)
TELLS = tells(
    NAME, "default",
    pattern=rf"^(?P<head>MTRRs){_DOTS}*:|^(?P<row1>Fixed MTRRs){_DOTS}*:|^(?P<row2>Default){_DOTS}*:"
            r"|^IA32_MTRR_(?P<row3>PHYS(?:BASE|MASK)\w*) \(",
)  # fmt: skip
_HEAD = later(r"Variable MTRRs$", re.I)
_DOTTED = later(rf"MTRRs{_DOTS}", re.I)
_LONGEST = 200
_FLAGS = {"enabled": True, "disabled": False}


def sniff(text: str) -> bool:
    if not holds(text, "mtrrs"):
        return False
    rows = [line for _, line in squeezed(text) if len(line) <= _LONGEST]
    head = [line for line in rows if _ENABLED.match(line)]
    # without its dots the headline may be anybody's
    return any(map(_DOTTED.match, head)) or (
        bool(head) and any(_FIXED.match(line) or _PAIR.match(line) for line in rows)
    )


def owns(text: str) -> set[int]:
    """Its pairs, which look like those of other lists."""
    return {number for number, line in squeezed(text) if _PAIR.match(line)}


def parse(text: str, source: str = "<text>") -> Machine:
    """One processor's registers: the words of the head are fields of DEF_TYPE; pairs that are off are left out."""
    found: dict[int, Register] = {}
    kind, on, fixed = None, None, None
    taken, listed = set(), False
    for number, line in squeezed(text):
        if word := _ENABLED.match(line):
            on = _once(on, _flag(word[1], source, number), source, number)
        elif word := _FIXED.match(line):
            fixed = _once(fixed, _flag(word[1], source, number), source, number)
        elif word := _DEFAULT.match(line):
            kind = _once(kind, values.type_register(word[1], source, number), source, number)
        elif pair := _PAIR.match(line):
            index = values.number(pair[1], source, number, "register", 32)
            if index not in reg.PAIR_MSRS:
                raise values.refusal(source, number, f"0x{index:x} is no register of a variable range")
            reg.put(found, index, reg.told(pair[2], source, number, index))
        elif _HEAD.match(line):
            listed = True
        else:
            continue
        taken.add(number)
    registers = {0: found | reg.def_type(kind, on, fixed)}
    listing = reg.Listing(whole=listed, uncounted=True, filled=16)
    return reg.machine_of(registers, NAME, source, vendor="intel", listing=listing, taken=frozenset(taken))


def _once(before: T | None, now: T, source: str, number: int) -> T:
    if before not in (None, now):
        raise values.refusal(source, number, "told again, otherwise than above")
    return now


def _flag(word: str, source: str, number: int) -> bool:
    flag = _FLAGS.get(word.lower())
    if flag is None:
        raise values.refusal(source, number, f"{values.quoted(word)} is neither Enabled nor Disabled")
    return flag
