"""BSD's ``memcontrol list`` (``memconfig`` on OpenBSD): base, length, owner and attributes of each range.

    0xf8000/0x1000 BIOS write-protect fixed-base fixed-length set-by-firmware active
    0x0/0x80000000 BIOS write-back set-by-firmware active
    0xd0000000/0x10000000 Xorg write-combine active

The 88 fixed ranges come first, then the variable ones. The default type is not listed.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.lines import squeeze, squeezed
from memtype.reading.patterns import later
from memtype.reading.registers import Listing, bytes_registers, def_type, machine_of, once, put
from memtype.reading.tellings import tells
from memtype.told import Range, Register
from memtype.types import MemoryType

NAME = "freebsd-memcontrol"

_TYPES = {"uncacheable", "write-combine", "write-through", "write-back", "write-protect", "unknown"}
_FLAGS = {"force", "fixed-base", "fixed-length", "set-by-firmware", "active", "bogus", "busy", "fixed-active"}
_WORDS = "|".join(sorted(_TYPES | _FLAGS))
_START = later(r"0x[0-9a-f]+/0x", re.I)
_LINE = later(
    rf"0x(?P<base>[0-9a-f]+)/0x(?P<length>[0-9a-f]+) \S{{1,8}}(?P<words>(?: (?:{_WORDS}))*)$",
    re.I,
)
TELLS = tells(NAME, pattern=r"^(?P<row>0x[0-9a-f]+/0x0*[1-9a-f][0-9a-f]*) ")
_SLOTS = {(part.base, part.size): n for n, part in enumerate(rules.FIXED_RANGES)}
_MARK = words("/0x")


def sniff(text: str) -> bool:
    found = (_LINE.match(squeeze(line)) for _, line in holding(text, _MARK))
    return any(match["words"] for match in found if match)


def parse(text: str, source: str = "<text>") -> Machine:
    """Fixed ranges are those with a fixed base; the others are the variable ranges, in their order."""
    fixed: dict[int, Register] = {}
    variable: list[Range | None] = []
    notes: list[str] = []
    taken = set()
    for number, line in squeezed(text):
        if not _START.match(line):
            continue
        match = _LINE.match(line)
        if not match or not (match["words"] or set(match["length"]) == {"0"}):
            raise values.refusal(source, number, f"not a memcontrol line: {values.quoted(line.strip())}")
        taken.add(number)
        base, size = (values.number(match[name], source, number, name) for name in ("base", "length"))
        said = match["words"].lower().split()
        kind = _type(said, number, source, notes)
        if "fixed-base" in said and base < rules.FIXED_END:
            put(fixed, _slot(base, size, f"{source}:{number}"), kind)
        elif "active" not in said:
            variable.append(None)
        else:
            _check(base, size, number, source)
            variable.append(Range(base, size, kind))
    if not variable and not fixed:
        raise values.refusal(source, 0, "no whole memcontrol line in it")
    held = bytes_registers(fixed) | def_type(None, True, True if fixed else None)
    ranges = {n: entry for n, entry in enumerate(variable) if entry is not None}
    listing = Listing(whole=True, uncounted=True, listing="memcontrol")
    return machine_of({0: held}, NAME, source, notes, None, None, listing, ranges, taken=frozenset(taken))


def _type(words: list[str], number: int, source: str, notes: list[str]) -> Register:
    kinds = [word for word in words if word in _TYPES]
    if len(kinds) > 1:
        raise values.refusal(source, number, f"more than one type: {' '.join(kinds)}")
    if kinds == ["unknown"]:
        once(notes, "the type of some ranges is printed as unknown: a reserved encoding")
        return Register(0, 0, number, hidden=rules.BASE_TYPE)
    return Register(MemoryType.parse(*kinds), rules.BASE_TYPE, number) if kinds else Register(0, 0, number)


def _check(base: int, size: int, number: int, source: str) -> None:
    paged = size >= rules.PAGE_SIZE and size.bit_count() == 1 and base % rules.PAGE_SIZE == 0
    if not paged or base + size > 1 << rules.MAX_MAXPHYADDR:
        raise values.refusal(source, number, f"0x{base:x}/0x{size:x}: no register holds this")


def _slot(base: int, size: int, where: str) -> int:
    found = _SLOTS.get((base, size))
    if found is None:
        raise ParseError(f"{where}: 0x{base:x}/0x{size:x} is no fixed range")
    return found
