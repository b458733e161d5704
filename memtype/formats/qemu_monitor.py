"""What QEMU's monitor prints: HMP text such as ``info registers``, and QMP sessions whose replies carry it.

    CPU#0
    RIP=00000000000ea000 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
    CR0=80050033 CR2=0000000000000000 CR3=000000000a2b3000 CR4=000006f0

``info registers`` prints CR0 and, in no release so far, MTRRs or the PAT: the note says so. Other text in
replies (a guest's serial log, a list of MSRs) is read as what it is.
"""

from __future__ import annotations

import json
import re
from typing import Any

from memtype.errors import ParseError
from memtype.formats.kvm_msrs import guest
from memtype.machine import Cpu, Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.lines import holds, squeezed
from memtype.reading.names import msr_index
from memtype.reading.notes import not_told
from memtype.reading.patterns import later
from memtype.reading.tellings import tells
from memtype.reading.width import single_width, told_width
from memtype.told import Register, Width

NAME = "qemu-monitor"

_CPU = later(r"CPU#(\d+)$", re.I)
_CR0 = later(r"\bCR0=([0-9a-f]+)\b", re.I)
_NAMED = later(r"\b((?:MTRR|IA32_|MSR_)\w*|PAT)=([0-9a-z]+)\b", re.I)
_HMP = later(r"\bCR0=[0-9a-f]{8,16} .{0,99}?CR[24]=", re.I)
TELLS = tells(NAME, "cr0=", pattern=r"\b(?P<row>CR0)=[0-9a-f]", by_cpu=True)
_WORDS = words("cr0=")
_QMP = ('"qmp"', '"return"', '"execute"')
_BLANKS = later(r"\s*")
_BITS = later(r'"phys-bits": (\d{1,9})')  # as Python writes JSON
_QOM_WIDTH = later(r'"property"\s*:\s*"phys-bits"')


def sniff(text: str) -> bool:
    if text.lstrip()[:1] == "{":
        return holds(text, *_QMP) and (holds(text, "phys-bits") or _prints_registers(text))
    return _prints_registers(text)


def _prints_registers(text: str) -> bool:
    return any(_HMP.search(line) for _, line in holding(text, _WORDS))


def parse(text: str, source: str = "<text>") -> Machine:
    """CR0 of each processor in ``facts["cr0"]``, the width from ``phys-bits``, and registers where there are any."""
    widths: list[Width] = []
    if text.lstrip()[:1] == "{":
        text, widths = _session(text, source)
    notes: list[str] = []
    width = single_width(widths, notes)
    cr0: dict[str, str] = {}
    registers: dict[int, dict[int, Register]] = {}
    cpu = 0
    for number, line in squeezed(text):
        heading = _CPU.match(line)
        if heading:
            cpu = values.cpu_number(heading[1], source, number)
        found = _CR0.search(line)
        if found:
            cr0[str(cpu)] = f"0x{values.number(found[1], source, number, 'CR0'):x}"
        for match in _NAMED.finditer(line):
            index = msr_index(match[1])
            if index is not None:
                reg.put(registers.setdefault(cpu, {}), index, reg.told(match[2], source, number, index))
    facts: dict[str, object] = {}
    if cr0:
        facts["cr0"] = cr0
    if width is not None:
        facts["phys_bits"] = width.bits
    if registers:
        return reg.machine_of(registers, NAME, source, notes, width, listing=guest(registers), facts=facts)
    if not (facts or widths):
        raise ParseError(f"{source}: no register and no phys-bits in QEMU's monitor output")
    notes.append(
        not_told("registers", "QEMU's monitor prints none; use a migration stream, or read the MSRs in the guest")
    )
    cpus = tuple(Cpu(int(n)) for n in cr0) or (Cpu(),)
    bits = None if width is None else width.bits
    return Machine(cpus, NAME, maxphyaddr=bits, width=width, facts=facts, notes=tuple(notes))


def _session(text: str, source: str) -> tuple[str, list[Width]]:
    """The strings in a QMP session's replies, one below the other, and the widths that they tell.

    A session is JSON values one behind the other, on as many lines as they like.
    """
    decoder = json.JSONDecoder()
    pieces: list[str] = []
    widths: list[Width] = []
    at = len(text) - len(text.lstrip())
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise values.refusal(source, text.count("\n", 0, error.pos) + 1, f"not JSON: {error.msg}") from None
        except (RecursionError, ValueError) as error:
            line = text.count("\n", 0, at) + 1
            raise values.refusal(source, line, f"not JSON: {values.quoted(error)}") from None
        reply = value.get("return") if isinstance(value, dict) else None
        if isinstance(reply, str):
            pieces.append(reply)
        told = _phys_bits(value, text, at)
        at = _behind(text, at)
        widths += [] if told is None else [Width(told_width(told, source, 0), "phys-bits")]
    return "\n".join(pieces), widths


def _behind(text: str, at: int) -> int:
    """Where the blanks that begin at `at` end."""
    found = _BLANKS.match(text, at)
    assert found is not None  # none is a match too
    return found.end()


def _phys_bits(value: Any, text: str, at: int) -> int | None:
    """``"phys-bits": N`` inside a reply, or the bare number that answers ``qom-get`` of phys-bits."""
    if not isinstance(value, dict):
        return None
    inside = _BITS.search(json.dumps(value))
    if inside and int(inside[1]):
        return int(inside[1])
    reply = value.get("return")
    if isinstance(reply, int) and not isinstance(reply, bool) and reply > 0:
        line = text.rfind("\n", 0, at)
        above = text.rfind("\n", 0, max(line, 0))
        if _QOM_WIDTH.search(text, above + 1, at):
            return reply
    return None
