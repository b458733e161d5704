"""``/proc/mtrr``: the variable ranges as Linux lists them, and nothing else."""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState
from memtype.reading import values
from memtype.reading.inference import infer_default
from memtype.reading.lines import holds, lines
from memtype.reading.notes import not_told
from memtype.reading.values import decimal, mtrr_type

NAME = "proc-mtrr"

_START = re.compile(r"\s*reg\d{1,3}\s*:\s*base\s*=")
_ANYWHERE = re.compile(r"\breg\d{1,3}\s*:\s*base\s*=\s*0x")
_TYPE = r"(?P<type>[a-z][a-z-]*|\?)"
_LINE = re.compile(
    r"\s*reg(?P<reg>\d{1,3})\s*:\s*base\s*=\s*0x(?P<base>[0-9a-f]+)\s*\(\s*\d+\s*MB\s*\)\s*,"
    r"\s*size\s*=\s*(?P<size>\d+)\s*(?P<unit>[KM])B\s*"
    rf"(?:,\s*count\s*=\s*\d+\s*:\s*{_TYPE}|:\s*{_TYPE.replace('<type>', '<old>')}\s*,\s*count\s*=\s*\d+)\s*$",
    re.I,
)
_UNIT = {"K": 1 << 10, "M": 1 << 20}


def sniff(text: str) -> bool:
    return holds(text, "base=0x", "base =", "base= ") and _ANYWHERE.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """The listed pairs at their numbers; those left out are disabled. Default type and width are inferred."""
    found: dict[int, tuple[int, int, int]] = {}  # register: base, size, type
    cut = None
    rows = [(number, line) for number, line in lines(text) if _START.match(line)]
    for place, (number, line) in enumerate(rows):
        match = _LINE.match(line)
        if match:
            index, entry = _entry(match, f"{source}:{number}")
            if found.setdefault(index, entry) != entry:
                raise ParseError(f"{source}:{number}: reg{index:02} is listed twice, with different values")
        elif place == len(rows) - 1:
            cut = f"line {number} is cut off and left out: {line.strip()[:60]!r}"
        else:
            raise ParseError(f"{source}:{number}: not a /proc/mtrr line: {line.strip()[:60]!r}")
    if not found:
        raise ParseError(f"{source}: no whole /proc/mtrr line")
    return _machine(found, cut)


def _entry(match: re.Match[str], where: str) -> tuple[int, tuple[int, int, int]]:
    index = decimal(match["reg"], where, "variable range", rules.MAX_VARIABLE)
    base = values.number(match["base"], where, 0, "base")
    size = decimal(match["size"], where, "size", 1 << rules.MAX_MAXPHYADDR) * _UNIT[match["unit"].upper()]
    if base + size > 1 << rules.MAX_MAXPHYADDR:
        raise ParseError(f"{where}: 0x{base:x}+0x{size:x} is beyond 2**{rules.MAX_MAXPHYADDR}")
    if size < rules.PAGE_SIZE or size & (size - 1) or base % rules.PAGE_SIZE:
        raise ParseError(f"{where}: base 0x{base:x} size 0x{size:x}: no register holds this")
    return index, (base, size, mtrr_type(match["type"] or match["old"], where))


def _machine(found: dict[int, tuple[int, int, int]], cut: str | None) -> Machine:
    top = max(base + size for base, size, _ in found.values())
    width = max(rules.DEFAULT_MAXPHYADDR, (top - 1).bit_length())
    variable = [(0, 0)] * (max(found) + 1)
    for index, (base, size, kind) in found.items():
        variable[index] = base | kind, rules.page_bits(width) & ~(size - 1) | rules.MASK_VALID
    default, why = infer_default(kind for _, _, kind in found.values())
    notes = [
        not_told("default", f"{default} inferred ({why})"),
        not_told("fixed", "below 1 MiB the variable ranges answer"),
        not_told("maxphyaddr", f"{width} assumed"),
        *([cut] if cut else []),
    ]
    state = MtrrState(rules.DEF_TYPE_E | default, variable=tuple(variable), maxphyaddr=width)
    inferred = ("vendor", "maxphyaddr", "default", "fixed")
    return Machine((Cpu(0, state),), NAME, maxphyaddr=width, notes=tuple(notes), inferred=inferred)
