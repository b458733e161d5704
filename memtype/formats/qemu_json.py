"""What QEMU's ``analyze-migration.py`` prints: every device of a migration stream as JSON.

    {"ram (2)": {}, "cpu (0)": {"env.pat": "0x0007040600070406", "env.mtrr_deftype": "0x0000000000000c06",
     "env.mtrr_var": [{"base": "0x0000000080000000", "mask": "0x000000ff80000800"}]}}

MAXPHYADDR is not told, and QEMU may have filled the masks up to bit 51.
"""

from __future__ import annotations

from typing import Any

from memtype import rules
from memtype.errors import ParseError
from memtype.formats.kvm_msrs import guest
from memtype.machine import Machine
from memtype.reading import json as checked
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.patterns import later
from memtype.told import Register

NAME = "qemu-json"

_SECTION = later(r"cpu \((\d{1,9})\)")


def sniff(text: str) -> bool:
    return text.lstrip()[:1] == "{" and ('"env.mtrr_' in text or '"env.pat"' in text)


def parse(text: str, source: str = "<text>") -> Machine:
    """One processor per ``"cpu (n)"``. MAXPHYADDR is not told, and QEMU may have filled the masks."""
    return checked.reading(text, source, lambda whole: _machine(whole, source))


def _machine(whole: Any, source: str) -> Machine:
    registers: dict[int, dict[int, Register]] = {}
    for key, section in whole.items() if isinstance(whole, dict) else ():
        match = _SECTION.fullmatch(key)
        if match and isinstance(section, dict):
            registers[values.cpu_number(match[1], source, 0)] = _registers(section, source, key)
    if not registers:
        raise ParseError(f'{source}: no "cpu (n)" section with registers (analyze-migration.py -d state)')
    return reg.machine_of(registers, NAME, source, listing=guest(registers))


def _registers(section: dict[str, Any], source: str, where: str) -> dict[int, Register]:
    fields = _gathered(section, source)
    found: dict[int, Register] = {}
    for name, index in (("env.mtrr_deftype", rules.DEF_TYPE_MSR), ("env.pat", rules.PAT_MSR)):
        if name in fields:
            found[index] = reg.in_json(fields[name], source, f"{where}: {name}")
    fixed = fields.get("env.mtrr_fixed", [])
    if fixed and (not isinstance(fixed, list) or len(fixed) != len(rules.FIXED_MSRS)):
        raise values.refusal(
            source,
            _line(fixed) or values.line_of(section),
            f"{where}: env.mtrr_fixed is not a list of {len(rules.FIXED_MSRS)}",
        )
    for index, value in zip(rules.FIXED_MSRS, fixed):
        found[index] = reg.in_json(value, source, f"{where}: env.mtrr_fixed")
    pairs = fields.get("env.mtrr_var", [])
    if not isinstance(pairs, list) or len(pairs) > rules.NUMBERED_PAIRS:
        raise values.refusal(
            source,
            _line(pairs) or values.line_of(section),
            f"{where}: env.mtrr_var is not a list of up to {rules.NUMBERED_PAIRS}",
        )
    for n, pair in enumerate(pairs):
        for half, name in enumerate(("base", "mask")):
            value = pair.get(name) if isinstance(pair, dict) else None
            what = f"{where}: env.mtrr_var[{n}].{name}"
            found[rules.PHYSBASE0 + 2 * n + half] = reg.in_json(value, source, what, inside=pair)
    return found


def _line(found: Any) -> int:
    """The line of a value, or of a list's first."""
    return values.line_of(found[0] if isinstance(found, list) and found else found)


def _gathered(section: dict[str, Any], source: str) -> dict[str, Any]:
    """Fields with the elements ``name[0]``, ``name[1]``, … put back into lists; a scalar stands for a list of one."""
    fields: dict[str, Any] = {}
    for key, value in section.items():
        name, _, place = key.partition("[")
        if not place or not key.startswith("env.mtrr"):
            fields[key] = value
            continue
        elements = fields.setdefault(name, [])
        if not isinstance(elements, list) or place != f"{len(elements)}]":
            raise values.refusal(source, values.line_of(key), f"{values.quoted(key)} is out of order")
        elements.append(value)
    return fields
