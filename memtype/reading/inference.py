"""The width that a text tells, in every spelling; the default type that the RAM map makes likely behind a list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from memtype import rules
from memtype.arrays import check_maxphyaddr
from memtype.errors import InputError, ParseError, ShatteredMapError
from memtype.machine import Machine, RamRange
from memtype.memory_map import MemoryMap
from memtype.reading.values import number, refusal
from memtype.told import Register, Registers, Width
from memtype.types import MemoryType

# Linux takes the bits that memory encryption uses off before it prints this (/proc/cpuinfo, lscpu).
_REDUCED = re.compile(r"\baddress sizes?\s*:\s*(\d{1,9}) bits physical", re.I)
_PLAIN = re.compile(
    r"(?<!guest )\b(?:phys(?:ical)?[ _-]?addr(?:ess)?[ _-]?(?:size|width|bits)|physbits|phys[_-]bits|maxphyaddr)"
    r"(?:\s*\(bits\))?[\"']?\s{0,9}[:=(]?\s{0,3}(?:0x[0-9a-f]{1,4}\s*\()?(\d{1,9})\b(?![x:])",
    re.I,
)
_HEX8 = r"(?:0x)?[0-9a-f]{8}\b"
_LEAF = re.compile(
    rf"(?<![0-9a-f])(?:0x)?(8000000[8]|8000001[f])h?\b(?:[^\n]{{0,24}}?\beax\s*[=:]\s*|\W{{1,4}}(?={_HEX8}\W+{_HEX8}))"
    rf"(?P<eax>{_HEX8})(?:\W+(?:ebx\s*[=:]\s*)?(?P<ebx>{_HEX8}))?",
    re.I,
)
_WORDS = ("phys", "address size", "maxphyaddr", "80000008", "8000001f")


def told_width(text: str | int, source: str, line: int) -> int:
    """A MAXPHYADDR that the dump prints."""
    try:
        return check_maxphyaddr(number(str(text), source, line, "MAXPHYADDR", base=10))
    except InputError as error:
        raise error if isinstance(error, ParseError) else refusal(source, line, str(error)) from None


def width_on(line: str, source: str, number_of: int) -> Width | None:
    """The physical address width that one line tells."""
    if not any(word in line.lower() for word in _WORDS):
        return None
    found = _REDUCED.search(line)
    plain = None if found else _PLAIN.search(line)
    if found or plain:
        bits = (found or plain)[1]  # type: ignore[index]
        return Width(told_width(bits, source, number_of), f"line {number_of}", reduced=bool(found))
    leaf = _LEAF.search(line)
    if leaf and leaf[1] == "80000008" and (bits_of := int(leaf["eax"], 16) & 0xFF):
        return Width(told_width(bits_of, source, number_of), f"line {number_of}")
    return None


def encrypted_on(line: str) -> int | None:
    """By how many bits AMD's memory encryption narrows the width: CPUID 8000001F EBX[11:6] in a list of leaves."""
    found = _LEAF.search(line) if "8000001f" in line.lower() else None
    return int(found["ebx"], 16) >> 6 & 0x3F if found and found["ebx"] else None


def narrowest(widths: Iterable[Width]) -> Width | None:
    """The least of several: what every processor of the dump can address."""
    return min(widths, key=lambda width: width.bits, default=None)


# --- the default type behind a list of ranges -----------------------------------------------------------------------


def default_from_ram(machine: Machine) -> Machine:
    """An assumed default type, assumed anew where the paste has a RAM map: RAM that no range makes WB is WB."""
    told = machine.registers
    ram = [r for r in machine.e820 if r.kind.lower() in rules.E820_RAM and r.base >= rules.MIB]
    if told is None or not ram or not any(a.what == "default" for a in told.assumptions):
        return machine
    covered = _covered(told, ram)
    if covered is None:
        return machine
    total = sum(r.size for r in ram)
    kind = MemoryType.UC if 2 * covered > total else MemoryType.WB
    why = f"the listed ranges make {covered >> 20} of {total >> 20} MiB of RAM WB"
    cpus = tuple(
        cpu if cpu.registers is None else replace(cpu, registers=replace(cpu.registers, default=(int(kind), why)))
        for cpu in machine.cpus
    )
    return replace(machine, cpus=cpus)


def _covered(told: Registers, ram: list[RamRange]) -> int | None:
    """How many bytes of RAM the listed ranges make WB."""
    uc = Register(MemoryType.UC, rules.DEF_TYPE_TYPE)
    held = dict(told.held) | {rules.DEF_TYPE_MSR: told.register(rules.DEF_TYPE_MSR).joined(uc)}
    try:
        memory = replace(told, held=held).map()
    except ShatteredMapError:
        return None
    return sum(_write_back(memory, r.base, r.size) for r in ram)


def _write_back(memory: MemoryMap, base: int, size: int) -> int:
    return sum(max(0, min(base + size, s.end) - max(base, s.base)) for s in memory.segments if s.type == MemoryType.WB)
