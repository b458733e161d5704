"""BSD's ``memcontrol list`` (``memconfig`` on OpenBSD): base, length, owner and attributes of each range."""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.notes import not_told
from memtype.reading.values import RESERVED
from memtype.types import MemoryType

NAME = "freebsd-memcontrol"

_TYPES = ("uncacheable", "write-combine", "write-through", "write-back", "write-protect", "unknown")
_FLAGS = ("force", "fixed-base", "fixed-length", "set-by-firmware", "active", "bogus", "busy", "fixed-active")
_WORDS = "|".join((*_TYPES, *_FLAGS))
_START = re.compile(r"^\s*0x[0-9a-f]+/0x", re.I)
_LINE = re.compile(
    r"^\s*0x(?P<base>[0-9a-f]+)/0x(?P<length>[0-9a-f]+)\s+(?P<owner>\S{1,8})"
    rf"(?P<words>(?:\s+(?:{_WORDS}))*)\s*$",
    re.I,
)
_SNIFF = re.compile(rf"^[ \t]*0x[0-9a-f]+/0x[0-9a-f]+\s+\S{{1,8}}\s+(?:{_WORDS})\b", re.I | re.M)


def sniff(text: str) -> bool:
    return _SNIFF.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """Fixed ranges are those with a fixed base; the others are the variable ranges, in their order."""
    fixed = bytearray(b"\xff" * len(rules.FIXED_RANGES))
    variable: list[tuple[int, int, int]] = []
    notes: list[str] = []
    for number, line in squeezed(text):
        if not _START.match(line):
            continue
        match = _LINE.match(line)
        if not match or not (match["words"] or int(match["length"][:17], 16) == 0):
            raise values.refusal(source, number, f"not a memcontrol line: {values.quoted(line.strip())}")
        base, size = (values.number(match[name], source, number, name) for name in ("base", "length"))
        words = match["words"].lower().split()
        kind = _type(words, number, source, notes)
        if "fixed-base" in words and base < rules.FIXED_END:
            _put_fixed(fixed, base, size, kind, f"{source}:{number}")
        elif "active" not in words:
            variable.append((0, 0, 0))
        else:
            _check(base, size, number, source)
            variable.append((base, size, kind))
    if not variable and fixed.count(0xFF) == len(fixed):
        raise values.refusal(source, 0, "no whole memcontrol line in it")
    return _machine(fixed, variable, notes, source)


def _type(words: list[str], number: int, source: str, notes: list[str]) -> int:
    kinds = [word for word in words if word in _TYPES]
    if len(kinds) > 1:
        raise values.refusal(source, number, f"more than one type: {' '.join(kinds)}")
    if kinds == ["unknown"]:
        reg.once(notes, "the type of some ranges is printed as unknown: taken as a reserved encoding")
        return RESERVED
    return int(MemoryType.parse(kinds[0])) if kinds else int(MemoryType.UC)


def _check(base: int, size: int, number: int, source: str) -> None:
    if size < rules.PAGE_SIZE or size & (size - 1) or base % rules.PAGE_SIZE or base + size > 1 << rules.MAX_MAXPHYADDR:
        raise values.refusal(source, number, f"0x{base:x}/0x{size:x}: no register holds this")


def _put_fixed(fixed: bytearray, base: int, size: int, kind: int, where: str) -> None:
    found = [n for n, part in enumerate(rules.FIXED_RANGES) if (part.base, part.size) == (base, size)]
    if not found:
        raise ParseError(f"{where}: 0x{base:x}/0x{size:x} is no fixed range")
    fixed[found[0]] = kind


def _machine(fixed: bytearray, variable: list[tuple[int, int, int]], notes: list[str], source: str) -> Machine:
    missing = fixed.count(0xFF)
    if 0 < missing < len(fixed):
        raise values.refusal(source, 0, f"{len(fixed) - missing} of the {len(fixed)} fixed ranges are listed")
    width = reg.assumed_width((base + size for base, size, _ in variable), notes)
    pairs = [(base | kind, reg.size_mask(size, width)) if size else (0, 0) for base, size, kind in variable]
    msrs: dict[int, int] = {}
    for n, (low, high) in enumerate(pairs[: rules.NUMBERED_PAIRS]):
        msrs |= {rules.PHYSBASE0 + 2 * n: low, rules.PHYSMASK0 + 2 * n: high}
    if len(pairs) > rules.NUMBERED_PAIRS:
        raise values.refusal(source, 0, f"{len(pairs)} variable ranges; only {rules.NUMBERED_PAIRS} have MSR numbers")
    enabled = rules.DEF_TYPE_E
    if missing:
        notes.append(not_told("fixed", reg.NO_FIXED))
    else:
        msrs |= {i: int.from_bytes(fixed[8 * n : 8 * n + 8], "little") for n, i in enumerate(rules.FIXED_MSRS)}
        enabled |= rules.DEF_TYPE_FE
    msrs[rules.DEF_TYPE_MSR] = reg.assumed_default(pairs, notes) | enabled
    machine = reg.machine_of({0: msrs}, NAME, source, notes, width)
    return reg.guessed(machine, "default", "maxphyaddr")
