"""Command lines that write Linux' ``/proc/mtrr``, as guides list them and ``--emit proc-mtrr`` prints them.

    echo "base=0x00000000 size=0x100000000 type=write-back" > /proc/mtrr
    echo "base=0x80000000 size=0x80000000 type=uncachable" > /proc/mtrr
    echo "disable=1" > /proc/mtrr

A script of such lines, comments apart; Linux gives each the first free register. The lines hold variable ranges
and nothing else.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.machine import Machine
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.patterns import later
from memtype.reading.registers import Listing, def_type, machine_of, read_remark
from memtype.reading.tellings import tells
from memtype.reading.values import type_register
from memtype.told import Range

NAME = "proc-mtrr-commands"

_START = later(r"[ \t]*(?:[$>]\s*)?(?:sudo\s+)?echo\s")
_ADD = later(
    r"echo (?:-n )?[\"']?base ?= ?(?P<base>0x[0-9a-f]+) size ?= ?(?P<size>0x[0-9a-f]+) "
    r"type ?= ?(?P<type>[a-z-]+)[\"']? ?(?:>\|?|\|)",
    re.I,
)
_DISABLE = later(r"echo (?:-n )?[\"']?disable ?= ?(?P<n>\d+)[\"']? ?(?:>\|?|\|)")
_SETTING = later(r"(?:base|disable) ?=", re.I)
TELLS = tells(NAME, "memtype/1:", "#!", pattern=r"^(?P<head1>#! ?/)|\bmemtype/(?P<head2>1): registers=")
_SNIFF = later("^" + _START.pattern + r".{0,200}\b(?:base|disable)\s*=.{0,200}/proc/mtrr", re.M)


def sniff(text: str) -> bool:
    if _SNIFF.search(text) is None:
        return False
    rows = (line.strip() for _, line in squeezed(text))
    return all(not row or row.startswith("#") or _START.match(row) for row in rows)


def parse(text: str, source: str = "<text>") -> Machine:
    """The ranges that the commands leave behind, from registers that were all free."""
    remark = read_remark(text, source)
    if len(remark.counts) > 1:
        raise values.refusal(source, 0, f"{len(remark.counts)} lists in one: which registers are free is not told")
    slots: list[Range | None] = []
    added = 0
    for number, line in squeezed(text):
        if not _START.match(line) or "/proc/mtrr" not in line:
            continue
        if len(_SETTING.findall(line)) > 1:
            raise values.refusal(source, number, "two commands on one line: one a line is read")
        if match := _DISABLE.search(line):
            n = values.number(match["n"], source, number, "register number", base=10)
            if n < len(slots):
                slots[n] = None
        elif match := _ADD.search(line):
            added += _add(slots, _range(match, number, source))
            if len(slots) > rules.MAX_VARIABLE:
                raise values.refusal(source, number, f"more than {rules.MAX_VARIABLE} ranges: no processor has so many")
        else:
            raise values.refusal(source, number, f"not a command for /proc/mtrr: {values.quoted(line.strip())}")
    ranges = {n: entry for n, entry in enumerate(slots) if entry}
    if not ranges and remark.registers is None:
        raise values.refusal(source, 0, "the commands leave no range behind")
    if remark.registers is not None and added > remark.registers:
        raise values.refusal(source, 0, f"{added} ranges, where the remark counts {remark.registers}: one is another's")
    short = remark.registers is not None and added < remark.registers
    held = {} if remark.def_type is None else {rules.DEF_TYPE_MSR: remark.def_type}
    held |= {} if remark.cap is None else {rules.MTRRCAP: remark.cap}
    whole = remark.registers is not None and not short  # else a command may be missing: they carry no number
    listing = Listing(whole=whole, cut=short, listing="proc-mtrr-commands")
    held = held or def_type(None, True, None)
    return machine_of({0: held}, NAME, source, (), remark.width, remark.vendor, listing, ranges)


def _range(match: re.Match[str], number: int, source: str) -> Range:
    base, size = (values.number(match[name], source, number, name) for name in ("base", "size"))
    if size < rules.PAGE_SIZE or size & (size - 1) or base % size or base + size > 1 << rules.MAX_MAXPHYADDR:
        raise values.refusal(source, number, f"base 0x{base:x} size 0x{size:x}: no register holds this")
    return Range(base, size, type_register(match["type"], source, number))


def _add(slots: list[Range | None], entry: Range) -> bool:
    """Whether the command takes a register: Linux counts another user of a range that it has already."""
    if entry in slots:
        return False
    if None in slots:
        slots[slots.index(None)] = entry
    else:
        slots.append(entry)
    return True
