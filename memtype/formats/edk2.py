"""EDK2's MTRR debug output (MtrrLib, patina, UefiMtrrDump and other programs that print as it does).

    MTRR Default Type: 0000000000000C06
    Fixed MTRR[00]   : 0606060606060606
    Variable MTRR[00]: Base=0000000080000000 Mask=0000000F80000800
    Memory Ranges:
    WB:0000000000000000-000000007FFFFFFF
    UC:0000000080000000-00000000FFFFFFFF

The registers count; the ranges that the program made of them are a fact. A boot log holds a printing per phase.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from memtype import rules
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.headings import processor_named
from memtype.reading.lines import squeeze, squeezed
from memtype.reading.patterns import later
from memtype.reading.registers import PAIR_MSRS, Listing, machine_of, put, told
from memtype.reading.tellings import tells
from memtype.reading.values import refusal
from memtype.reading.width import single_width, told_width, width_on
from memtype.told import Register, Width, pair_numbers
from memtype.types import MemoryType

NAME = "edk2"

_HEX = r"(?:0x)?([0-9a-f]+)"
_DEFAULT = later(rf"MTRR Def(?:ault|ine)? Type ?: ?{_HEX}$", re.I)
_FIXED = later(rf"Fixed MTRR\[(\d+)\] ?: ?{_HEX}$", re.I)
_VARIABLE = later(rf"Variable MTRR\[(\d+)\] ?: ?Base ?= ?{_HEX},? Mask ?= ?{_HEX}$", re.I)
_RANGE = later(rf"(UC|WC|WT|WP|WB|R\*) ?: ?{_HEX} ?- ?{_HEX}$", re.I)
_RANGES = later(r"(?:Memory|MTRR) Ranges:?$", re.I)
_START = later(r"MTRR Def(?:ault|ine)? Type ?:|(?:Fixed|Variable) MTRR\[", re.I)
_SNIFF = later(r"MTRR Def(?:ault|ine)? Type ?: ?(?:0x)?[0-9a-f]{4,}$|(?:Fixed|Variable) MTRR\[\d+\]", re.I)
_DIGITS, _RUST_DIGITS = 16, 14  # %016lx; {:#016x}, whose 16 places hold "0x" too
_WORDS = words("mtrr def", "mtrr[")
TELLS = tells(
    NAME, by_cpu=True,
    pattern=r"MTRR (?P<head>Def(?:ault|ine)? Type) ?:|(?P<row>(?:Fixed|Variable) MTRR\[\d+\])",
)  # fmt: skip


@dataclass(slots=True)
class _Dump:
    """What is printed of one processor."""

    msrs: dict[int, Register] = field(default_factory=dict)
    ranges: list[tuple[int, int, str]] = field(default_factory=list)
    in_ranges: bool = field(init=False)


def sniff(text: str) -> bool:
    return any(_SNIFF.search(squeeze(line)) for _, line in holding(text, _WORDS))


def parse(text: str, source: str = "<text>") -> Machine:
    """What is printed of each processor at one moment: each phase of a boot log is a state of its own."""
    dumps: dict[int, _Dump] = {}
    cpu, rust = 0, False
    widths: list[Width] = []
    for number, line in squeezed(text):
        if width := width_on(line, source, number):
            widths.append(width)
        if heading := processor_named(line):
            cpu = values.cpu_number(heading, source, number)
        elif _RANGES.search(line) and cpu in dumps:
            dumps[cpu].in_ranges = True
        elif _START.search(line):
            dumps.setdefault(cpu, _Dump()).in_ranges = False
            rust |= "0x" in line
            _take(dumps[cpu], line, number, source)
        elif cpu in dumps:
            _take(dumps[cpu], line, number, source)
    return _machine(dumps, widths, _RUST_DIGITS if rust else _DIGITS, source)


def _take(dump: _Dump, line: str, number: int, source: str) -> None:
    if match := _DEFAULT.search(line):
        put(dump.msrs, rules.DEF_TYPE_MSR, told(match[1], source, number, rules.DEF_TYPE_MSR))
    elif match := _FIXED.search(line):
        n = values.number(match[1], source, number, "fixed-range number", base=10)
        if n >= len(rules.FIXED_MSRS):
            raise refusal(source, number, f"Fixed MTRR[{n}]: there are {len(rules.FIXED_MSRS)}")
        put(dump.msrs, rules.FIXED_MSRS[n], told(match[2], source, number, rules.FIXED_MSRS[n]))
    elif match := _VARIABLE.search(line):
        n = values.number(match[1], source, number, "range number", base=10)
        if n >= rules.NUMBERED_PAIRS:
            raise refusal(source, number, f"Variable MTRR[{n}]: only {rules.NUMBERED_PAIRS} pairs have MSR numbers")
        for index, half in zip(pair_numbers(n), match.groups()[1:], strict=True):
            put(dump.msrs, index, told(half, source, number, index))
    elif _START.search(line):
        raise refusal(source, number, f"not a line of EDK2's MTRR dump: {values.quoted(line.strip())}")
    elif dump.in_ranges and (match := _RANGE.match(line)):
        first = values.number(match[2], source, number, "first byte of a range")
        last = values.number(match[3], source, number, "last byte of a range")
        if last < first:
            raise refusal(source, number, f"range 0x{first:x}-0x{last:x} ends before it begins")
        entry = first, last, match[1].upper()
        dump.ranges += [entry] if entry not in dump.ranges[-1:] else []


def _machine(dumps: dict[int, _Dump], widths: list[Width], filled: int, source: str) -> Machine:
    if not dumps:
        raise refusal(source, 0, "no whole line of EDK2's MTRR dump in it")
    registers = {cpu: dump.msrs for cpu, dump in dumps.items()}
    notes = ["only valid variable ranges are printed: how many registers there are is not told"]
    width = single_width(widths, notes)
    facts: dict[str, object] = {}
    printed = next((dump.ranges for dump in dumps.values() if dump.ranges), [])
    if printed:
        end = max(last for _, last, _ in printed) + 1
        facts["segments"] = [[a, b + 1, _type(t).linux_name if t != "R*" else "?"] for a, b, t in printed]
        if width is None and _covers(printed, end, registers.values()):
            width = Width(told_width(end.bit_length() - 1, source, 0), "the printed ranges", reduced=True)
    if width is not None:
        facts["phys_bits"] = width.bits
    machine_map = _map(printed, None if width is None else width.bits, source)
    return machine_of(
        registers, NAME, source, notes, width, None, Listing(whole=True, uncounted=True, filled=filled),
        facts=facts or None,
        printed_map=machine_map, printed_view=None if machine_map is None else "edk2-dump",
    )  # fmt: skip


def _covers(printed: list[tuple[int, int, str]], end: int, registers: Iterable[Mapping[int, Register]]) -> bool:
    """Whether the ranges are the whole space, none of them lost: without gaps, and as far as the registers reach."""
    held = [msrs[i].value for msrs in registers for i in msrs if i in PAIR_MSRS]
    whole = sum(last + 1 - first for first, last, _ in printed) == end and end.bit_count() == 1
    return whole and end >> rules.MIN_MAXPHYADDR > 0 and not any(value >= end for value in held)


def _map(printed: list[tuple[int, int, str]], width: int | None, source: str) -> MemoryMap | None:
    if not printed or width is None:
        return None
    try:
        return MemoryMap.from_segments([(a, b + 1 - a, _type(t)) for a, b, t in printed], maxphyaddr=width)
    except InputError as error:
        raise refusal(source, 0, f"memory ranges: {error}") from None


def _type(word: str) -> MemoryType:
    return MemoryType.UNDEFINED if word == "R*" else MemoryType.parse(word)
