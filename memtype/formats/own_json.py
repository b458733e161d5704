"""This package's own JSON (schema ``memtype/1``): a whole `Machine`, as ``capture`` and ``--emit json`` write it.

Numbers that are addresses or register values are hexadecimal strings. An object stands alone
(``"kind": "machine"``) or under ``"machine"`` in another answer of the command line.
"""

from __future__ import annotations

import re
from typing import Any

from memtype import rules
from memtype.errors import InputError, ParseError
from memtype.machine import Cpu, Machine, RamRange
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.reading import json as checked
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.types import MemoryType

NAME = "memtype-json"
SCHEMA = "memtype/1"

_SNIFF = re.compile(r'"schema"\s*:\s*"memtype/')
_KIND = re.compile(r'"(?:kind"\s*:\s*"machine"|machine"\s*:)')


def sniff(text: str) -> bool:
    return text.lstrip()[:1] == "{" and _SNIFF.search(text) is not None and _KIND.search(text) is not None


def dump(machine: Machine) -> dict[str, Any]:
    """The machine as plain values for `json`; `parse` gives the same machine back, but for its `source`."""
    return {
        "schema": SCHEMA,
        "kind": "machine",
        "format": machine.format,
        "kernel": machine.kernel,
        "vendor": machine.vendor,
        "maxphyaddr": machine.maxphyaddr,
        "cpus": [_dump_cpu(cpu) for cpu in machine.cpus],
        "e820": [_dump_range(entry.base, entry.size) | {"kind": entry.kind} for entry in machine.e820],
        "printed_map": _dump_map(machine.printed_map),
        "printed_view": machine.printed_view,
        "facts": machine.facts,
        "notes": list(machine.notes),
        "inferred": list(machine.inferred),
    }


def _dump_cpu(cpu: Cpu) -> dict[str, Any]:
    found: dict[str, Any] = {"number": cpu.number, "pat": None if cpu.pat is None else f"0x{cpu.pat.value:016x}"}
    state = cpu.mtrrs
    if state is None:
        return found | {"mtrrs": None}
    numbered = {rules.DEF_TYPE_MSR: state.def_type, **dict(zip(rules.FIXED_MSRS, state.fixed, strict=True))}
    if state.cap is not None:
        numbered[rules.MTRRCAP] = state.cap
    if state.syscfg or state.tom2:
        numbered |= {rules.SYSCFG_MSR: state.syscfg, rules.TOP_MEM2_MSR: state.tom2}
    return found | {
        "mtrrs": {
            "vendor": state.vendor,
            "maxphyaddr": state.maxphyaddr,
            "msrs": {f"0x{index:x}": f"0x{value:016x}" for index, value in sorted(numbered.items())},
            "variable": [{"base": f"0x{base:016x}", "mask": f"0x{mask:016x}"} for base, mask in state.variable],
        }
    }


def _dump_range(base: int, size: int) -> dict[str, Any]:
    return {"base": f"0x{base:x}", "size": f"0x{size:x}", "last": f"0x{base + size - 1:x}"}


def _dump_map(printed: MemoryMap | None) -> Any:
    if printed is None:
        return None
    segments = [_dump_range(s.base, s.size) | {"type": str(s.type)} for s in printed.segments]
    return {"maxphyaddr": printed.maxphyaddr, "segments": segments}


def parse(text: str, source: str = "<text>") -> Machine:
    """The machine that `dump` was given."""
    whole = checked.load(text, source)
    value = whole.get("machine") if isinstance(whole, dict) and isinstance(whole.get("machine"), dict) else whole
    schema = whole.get("schema") if isinstance(whole, dict) else None
    if schema != SCHEMA:
        raise ParseError(f"{source}: schema {values.quoted(schema)}; this release reads {SCHEMA}")
    if not isinstance(value, dict):
        raise ParseError(f"{source}: no machine in it")
    cpus = checked.member(value, "cpus", list, source, "machine")
    if not 1 <= len(cpus) <= values.MAX_CPUS:
        raise ParseError(f"{source}: {len(cpus)} processors; 1 to {values.MAX_CPUS} can be")
    try:
        return Machine(
            cpus=tuple(_cpu(cpu, source) for cpu in cpus),
            format=_text(value, "format", source) or NAME,
            e820=tuple(_ram(entry, source) for entry in _list(value, "e820", source)),
            kernel=_text(value, "kernel", source),
            vendor=_text(value, "vendor", source),
            maxphyaddr=_width(value.get("maxphyaddr"), source),
            printed_map=_map(value.get("printed_map"), source),
            printed_view=_text(value, "printed_view", source),
            facts=value.get("facts") if isinstance(value.get("facts"), dict) else None,
            notes=_words(value, "notes", source),
            inferred=_words(value, "inferred", source),
        )
    except InputError as error:
        raise error if isinstance(error, ParseError) else ParseError(f"{source}: {error}") from None


def _cpu(value: Any, source: str) -> Cpu:
    number = values.integer(checked.member(value, "number", int, source, "cpus"), source, "processor number", 32)
    where = f"CPU {number}"
    pat = value.get("pat")
    state = value.get("mtrrs")
    return Cpu(
        number,
        None if state is None else _state(state, source, where),
        None if pat is None else Pat(values.integer(pat, source, f"{where}: IA32_PAT")),
    )


def _state(value: Any, source: str, where: str) -> MtrrState:
    msrs = {}
    for key, data in checked.member(value, "msrs", dict, source, where).items():
        index = values.number(key, source, 0, f"{where}: register", 32)
        msrs[index] = values.integer(data, source, f"{where}: {rules.msr_name(index)}")
    if rules.DEF_TYPE_MSR not in msrs:
        raise ParseError(f"{source}: {where}: {rules.msr_name(rules.DEF_TYPE_MSR)} (0x2ff) is missing")
    missing = [index for index in rules.FIXED_MSRS if index not in msrs]
    if missing:
        raise ParseError(f"{source}: {where}: {rules.msr_name(missing[0])} (0x{missing[0]:x}) is missing")
    pairs = []
    for n, pair in enumerate(checked.member(value, "variable", list, source, where)):
        base, mask = (checked.member(pair, name, str, source, f"{where}: variable[{n}]") for name in ("base", "mask"))
        pairs.append(tuple(values.number(word, source, 0, f"{where}: variable[{n}]") for word in (base, mask)))
    return MtrrState(
        msrs[rules.DEF_TYPE_MSR],
        tuple(msrs[index] for index in rules.FIXED_MSRS),
        tuple((base, mask) for base, mask in pairs),
        checked.member(value, "maxphyaddr", int, source, where),
        checked.member(value, "vendor", str, source, where),
        msrs.get(rules.SYSCFG_MSR, 0),
        msrs.get(rules.TOP_MEM2_MSR, 0),
        msrs.get(rules.MTRRCAP),
    )


def _ram(value: Any, source: str) -> RamRange:
    base, size = (
        values.number(checked.member(value, key, str, source, "e820"), source, 0, key) for key in ("base", "size")
    )
    return RamRange(base, size, checked.member(value, "kind", str, source, "e820"))


def _map(value: Any, source: str) -> MemoryMap | None:
    if value is None:
        return None
    width = _width(checked.member(value, "maxphyaddr", int, source, "printed_map"), source)
    segments = []
    for entry in checked.member(value, "segments", list, source, "printed_map"):
        words = [checked.member(entry, key, str, source, "printed_map") for key in ("base", "size", "type")]
        base, size = (values.number(word, source, 0, "printed_map") for word in words[:2])
        kind = MemoryType.UNDEFINED if words[2] == str(MemoryType.UNDEFINED) else MemoryType.parse(words[2])
        segments.append((base, size, kind))
    return MemoryMap.from_segments(segments, maxphyaddr=width or rules.DEFAULT_MAXPHYADDR)


def _width(value: Any, source: str) -> int | None:
    return None if value is None else reg.told_width(values.integer(value, source, "maxphyaddr", 16), source, 0)


def _text(value: Any, key: str, source: str) -> str | None:
    found = value.get(key)
    if found is not None and not isinstance(found, str):
        raise ParseError(f"{source}: {key} = {values.quoted(found)} is not a string")
    return found


def _list(value: Any, key: str, source: str) -> list[Any]:
    found = value.get(key, [])
    if not isinstance(found, list):
        raise ParseError(f"{source}: {key} = {values.quoted(found)} is not a list")
    return found


def _words(value: Any, key: str, source: str) -> tuple[str, ...]:
    found = _list(value, key, source)
    if not all(isinstance(word, str) for word in found):
        raise ParseError(f"{source}: {key} is not a list of strings")
    return tuple(found)
