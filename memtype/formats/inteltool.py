"""coreboot's ``inteltool -M``: MSRs as high:low halves, shared ones first, then those of each core.

    CPU: ID 0x20655, Processor Type 0x0, Family 0x6, Model 0x25, Stepping 0x5
    ===================== SHARED MSRs (All Cores) =====================
     MSR 0x000002FF = 0x00000000:0x00000806 (IA32_MTRR_DEF_TYPE)
    ====================== UNIQUE MSRs  (core 0) ======================
     MSR 0x00000277 = 0x00070406:0x00070406 (IA32_PAT)

The name behind a value is wrong for the masks in some releases; the index counts. Another range's name, or another
register's, is what a lost line leaves: neither is told. ``(*)`` marks a register that could not be read.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.machine import Machine, Note
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.names import misnamed
from memtype.reading.patterns import later
from memtype.reading.tellings import tells
from memtype.told import Register

NAME = "inteltool"

_START = later(r"(?P<failed>\(\*\) ?)?MSR 0x(?P<index>[0-9A-F]+) = ", re.I)
_LINE = later(_START.pattern + r"0x(?P<high>[0-9A-F]+):0x(?P<low>[0-9A-F]+)(?: \((?P<name>\w*).*)?$", re.I)
_SNIFF = later(r"^[ \t]*(?:\(\*\)\s*)?MSR 0x[0-9A-F]{8} = 0x[0-9A-F]{8}:0x[0-9A-F]{8}(?:\s|$)", re.M | re.I)
_SECTION = later(r"=+ (?:(?P<shared>SHARED) MSRs|UNIQUE MSRs \(core (?P<core>\d+)\))", re.I)
TELLS = tells(NAME, pattern=r"^CPU: (?P<head1>ID) 0x|^=+ (?P<head2>SHARED) MSRs")
_CPU = later(r"CPU: ID (?P<id>0x[0-9a-f]+)", re.I)


def sniff(text: str) -> bool:
    return _SNIFF.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """The state of each core for which registers are printed: the shared ones and its own."""
    shared: dict[int, Register] = {}
    own: dict[int, dict[int, Register]] = {}
    lost: set[int] = set()
    notes: list[str] = []
    facts: dict[str, object] = {}
    into = shared
    for number, line in squeezed(text):
        section = _SECTION.search(line)
        if section:
            core = None if section["shared"] else values.cpu_number(section["core"], source, number)
            into = shared if core is None else own.setdefault(core, {})
        elif cpu := _CPU.match(line):
            facts["cpu_id"] = cpu["id"]
        elif _START.match(line):
            _register(line, number, source, into, notes, lost)
    told = {core: msrs for core, msrs in own.items() if msrs} or {0: {}}
    silent = [core for core in own if core not in told]
    if silent:
        notes.append(f"nothing is printed of {len(silent)} further cores")
    for index, register in shared.items():
        for msrs in told.values():
            reg.put(msrs, index, register)
    listing = reg.Listing(lost=lost, filled=16)
    return reg.machine_of(told, NAME, source, notes, None, "intel", listing, facts=facts or None)


def _register(line: str, number: int, source: str, into: dict[int, Register], notes: list[str], lost: set[int]) -> None:
    match = _LINE.match(line)
    if not match:
        raise values.refusal(source, number, f"not an MSR line of inteltool: {values.quoted(line.strip())}")
    index = values.number(match["index"], source, number, "register", 32)
    if index not in reg.READ_MSRS:
        return
    name = rules.msr_name(index)
    if match["failed"]:
        notes.append(Note(f"{name} (0x{index:x}) could not be read", "lost", (number,)))
        lost.add(index)
        return
    other = misnamed(index, match["name"] or "")
    if other is not None:
        lost |= {index, other}
        notes.append(reg.misnaming(index, other, number))
        return
    high, low = (values.number(match[half], source, number, name, 32) for half in ("high", "low"))
    digits = len(match["high"]) + len(match["low"])
    reg.put(into, index, Register(high << 32 | low, line=number, digits=digits))
