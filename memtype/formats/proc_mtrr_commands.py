"""Command lines that write ``/proc/mtrr``: ``echo "base=0x80000000 size=0x80000000 type=uncachable" > /proc/mtrr``.

A script of such lines, comments apart; Linux gives each the first free register. The lines hold variable ranges
and nothing else.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from memtype import rules
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.notes import not_told
from memtype.reading.values import mtrr_type

NAME = "proc-mtrr-commands"

_START = re.compile(r"^[ \t]*(?:[$>]\s+)?(?:sudo\s+)?echo\s")
_ADD = re.compile(
    r"echo\s+(?:-n\s+)?[\"']?base\s*=\s*(?P<base>0x[0-9a-f]+)\s+size\s*=\s*(?P<size>0x[0-9a-f]+)\s+"
    r"type\s*=\s*(?P<type>[a-z-]+)[\"']?\s*(?:>\|?|\|)",
    re.I,
)
_DISABLE = re.compile(r"echo\s+(?:-n\s+)?[\"']?disable\s*=\s*(?P<n>\d+)[\"']?\s*(?:>\|?|\|)")
_SNIFF = re.compile(_START.pattern + r".{0,200}\b(?:base|disable)\s*=.{0,200}/proc/mtrr", re.M)


class _Range(NamedTuple):
    base: int
    size: int
    kind: int


def sniff(text: str) -> bool:
    if _SNIFF.search(text) is None:
        return False
    rows = (line.strip() for _, line in squeezed(text))
    return all(not row or row.startswith("#") or _START.match(row) for row in rows)


def parse(text: str, source: str = "<text>") -> Machine:
    """The ranges that the commands leave behind, from registers that were all free."""
    told = reg.read_remark(text, source)
    slots: list[_Range | None] = []
    for number, line in squeezed(text):
        if not _START.match(line) or "/proc/mtrr" not in line:
            continue
        if match := _DISABLE.search(line):
            n = values.number(match["n"], source, number, "register number", base=10)
            if n < len(slots):
                slots[n] = None
        elif match := _ADD.search(line):
            _add(slots, _range(match, number, source))
        else:
            raise values.refusal(source, number, f"not a command for /proc/mtrr: {values.quoted(line.strip())}")
    ranges = [(n, entry) for n, entry in enumerate(slots[: rules.NUMBERED_PAIRS]) if entry]
    if not ranges:
        raise values.refusal(source, 0, "the commands leave no range behind")
    notes = [not_told("fixed", reg.NO_FIXED)]
    ends = (entry.base + entry.size for _, entry in ranges)
    width = int(told["maxphyaddr"]) if "maxphyaddr" in told else reg.assumed_width(ends, notes)
    msrs = dict.fromkeys(range(rules.PHYSBASE0, rules.PHYSBASE0 + 2 * (ranges[-1][0] + 1)), 0)
    for n, entry in ranges:
        msrs[rules.PHYSBASE0 + 2 * n] = entry.base | entry.kind
        msrs[rules.PHYSMASK0 + 2 * n] = reg.size_mask(entry.size, width)
    machine = reg.machine_of({0: msrs}, NAME, source, notes, width, told.get("vendor"))
    return machine if "maxphyaddr" in told else reg.guessed(machine, "maxphyaddr")


def _range(match: re.Match[str], number: int, source: str) -> _Range:
    base, size = (values.number(match[name], source, number, name) for name in ("base", "size"))
    if size < rules.PAGE_SIZE or size & (size - 1) or base % size or base + size > 1 << rules.MAX_MAXPHYADDR:
        raise values.refusal(source, number, f"base 0x{base:x} size 0x{size:x}: no register holds this")
    return _Range(base, size, mtrr_type(match["type"], f"{source}:{number}"))


def _add(slots: list[_Range | None], entry: _Range) -> None:
    if None in slots:
        slots[slots.index(None)] = entry
    else:
        slots.append(entry)
