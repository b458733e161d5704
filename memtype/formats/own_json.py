"""This package's own JSON (schema ``memtype/1``): a whole `Machine`, as ``capture`` and ``--emit json`` write it.

    {"schema": "memtype/1", "kind": "machine", "vendor": "intel", "maxphyaddr": 40, "cpus": [{"number": 0,
     "pat": "0x0007040600070406", "mtrrs": {"vendor": "intel", "maxphyaddr": 40, "msrs": {"0x2ff": "0x806"},
     "variable": [{"base": "0x80000000", "mask": "0xff80000800"}], "list": {"whole": true}}}]}

Numbers that are addresses or register values are hexadecimal strings. An object stands alone
(``"kind": "machine"``) or under ``"machine"`` in another answer of the command line.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from memtype import rules
from memtype.errors import InputError, ParseError
from memtype.machine import Cpu, Machine, Note, RamRange
from memtype.memory_map import MemoryMap
from memtype.mtrr import vendor_name
from memtype.pat import Pat
from memtype.reading import facts, values
from memtype.reading import json as checked
from memtype.reading.digits import lacking
from memtype.reading.patterns import later
from memtype.reading.registers import in_json
from memtype.reading.width import MOST_TAKEN, told_width
from memtype.told import Range, Register, Registers, Width, pair_numbers, pair_of
from memtype.types import MemoryType

NAME = "memtype-json"
SCHEMA = "memtype/1"

_SNIFF = later(r'"schema"\s*:\s*"memtype/')
_KIND = later(r'"(?:kind"\s*:\s*"machine"|machine"\s*:)')


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
        "facts": facts.dump(machine.facts),
        "width": None if machine.width is None else _dump_width(machine.width),
        "notes": [_dump_note(note) for note in machine.notes],
    }


def _dump_note(note: str) -> dict[str, Any]:
    about = note if isinstance(note, Note) else Note(note)
    return {"id": about.id, "text": str(note), "lines": list(about.lines)}


def _dump_cpu(cpu: Cpu) -> dict[str, Any]:
    found: dict[str, Any] = {"number": cpu.number, "pat": None if cpu.pat is None else f"0x{cpu.pat.value:016x}"}
    return found | {"mtrrs": None if cpu.registers is None else _dump_registers(cpu.registers)}


def _dump_registers(told: Registers) -> dict[str, Any]:
    """Registers as they are held: of those that are told in part, which bits; and what is not told as null."""
    numbered = {f"0x{i:x}": f"0x{r.value:016x}" for i, r in sorted(told.held.items()) if pair_of(i) is None}
    parts = {
        _label(i): {"known": f"0x{r.known:016x}", "hidden": f"0x{r.hidden:016x}"}
        for i, r in sorted(told.held.items())
        if not r.told
    }
    ranges = [
        {"pair": n, **_dump_range(r.base, r.size), "type": f"0x{r.kind.value:x}",
         "known": f"0x{r.kind.known:x}", "hidden": f"0x{r.kind.hidden:x}"}
        for n, r in sorted(told.ranges.items())
    ]  # fmt: skip
    return {
        "vendor": told.vendor,
        "maxphyaddr": told.maxphyaddr,
        "width": None if told.width is None else _dump_width(told.width),
        "msrs": numbered,
        "variable": [_dump_pair(told, n) for n in range(told.listed)],
        "partial": parts,
        "ranges": ranges,
        "list": {
            "whole": told.whole, "uncounted": told.uncounted, "count": told.count, "cut": told.cut,
            "listing": told.listing, "on": told.on,
            "tom2_off": told.tom2_off, "restored": told.restored,
            "default": None if told.default is None else list(told.default), "reach": told.reach,
            "encrypted": told.encrypted, "lost": [f"0x{i:x}" for i in sorted(told.lost)],
            "absent": [f"0x{i:x}" for i in sorted(told.absent)],
        },
    }  # fmt: skip


def _label(index: int) -> str:
    """``"0x2ff"``; halves of a pair as ``"mask3"``, for those from 40 on have no number."""
    n = pair_of(index)
    return f"0x{index:x}" if n is None else f"{'mask' if index & 1 else 'base'}{n}"


def _dump_pair(told: Registers, n: int) -> dict[str, str | None]:
    halves = (told.held.get(index) for index in pair_numbers(n))
    return {k: None if r is None else f"0x{r.value:016x}" for k, r in zip(("base", "mask"), halves, strict=True)}


def _dump_width(width: Width) -> dict[str, Any]:
    return {"bits": width.bits, "by": width.by, "reduced": width.reduced}


def _dump_range(base: int, size: int) -> dict[str, Any]:
    return {"base": f"0x{base:x}", "size": f"0x{size:x}", "last": f"0x{base + size - 1:x}"}


def _dump_map(printed: MemoryMap | None) -> Any:
    if printed is None:
        return None
    segments = [_dump_range(s.base, s.size) | {"type": str(s.type)} for s in printed.segments]
    return {"maxphyaddr": printed.maxphyaddr, "segments": segments}


def parse(text: str, source: str = "<text>") -> Machine:
    """The machine that `dump` was given."""
    return checked.reading(text, source, lambda whole: _machine(whole, source))


def _machine(whole: Any, source: str) -> Machine:
    value: Any = whole.get("machine") if isinstance(whole, dict) and isinstance(whole.get("machine"), dict) else whole
    schema = whole.get("schema") if isinstance(whole, dict) else None
    if schema != SCHEMA:
        raise values.refusal(
            source, values.line_of(schema), f"schema {values.quoted(schema)}; this release reads {SCHEMA}"
        )
    cpus = checked.member(value, "cpus", list, source, "machine")
    if not 1 <= len(cpus) <= values.MAX_CPUS:
        raise ParseError(f"{source}: {len(cpus)} processors; 1 to {values.MAX_CPUS} can be")
    try:
        return Machine(
            cpus=tuple(_cpu(cpu, source) for cpu in cpus),
            format=_text(value, "format", source) or NAME,
            e820=tuple(_ram(entry, source) for entry in _list(value, "e820", source)),
            kernel=_text(value, "kernel", source),
            vendor=_vendor(value, source),
            maxphyaddr=None if value.get("maxphyaddr") is None else _width(value["maxphyaddr"], source),
            printed_map=_map(value.get("printed_map"), source),
            printed_view=_text(value, "printed_view", source),
            facts=facts.parse(value.get("facts")),
            notes=tuple(_note(entry, source) for entry in _list(value, "notes", source)),
            width=_told_width(value.get("width"), source),
        )
    except InputError as error:
        raise error if isinstance(error, ParseError) else ParseError(f"{source}: {error}") from None


def _cpu(value: Any, source: str) -> Cpu:
    number = values.integer(checked.member(value, "number", int, source, "cpus"), source, "processor number", 32)
    where = f"CPU {number}"
    pat = value.get("pat")
    held = value.get("mtrrs")
    return Cpu(
        number,
        None if held is None else _registers(held, source, where),
        None if pat is None else Pat(values.integer(pat, source, f"{where}: IA32_PAT")),
    )


def _registers(value: Any, source: str, where: str) -> Registers:
    held: dict[int, Register] = {}
    for key, data in checked.member(value, "msrs", dict, source, where).items():
        index = values.hexadecimal(key, source, f"{where}: register", 32)
        held[index] = in_json(data, source, f"{where}: {rules.msr_name(index)}")
    for n, pair in enumerate(checked.member(value, "variable", list, source, where)):
        if n >= rules.MAX_VARIABLE or not isinstance(pair, dict):
            raise values.refusal(source, values.line_of(pair), f"{where}: variable[{n}] is no pair")
        for index, half in zip(pair_numbers(n), ("base", "mask"), strict=True):
            if pair.get(half, "") is not None:
                word = checked.member(pair, half, str, source, f"{where}: variable[{n}]")
                bits = values.hexadecimal(word, source, f"{where}: variable[{n}]")
                held[index] = Register(bits, digits=values.hex_digits(word))
    if short := lacking(held):
        name = rules.msr_name(min(short))
        raise ParseError(f"{source}: {where}: {name} has fewer digits than the others: some are lost")
    if "list" not in value:
        return _whole(value, held, source, where)
    parts = checked.member(value, "partial", dict, source, where) if "partial" in value else {}
    for index in list(held):
        if (label := _label(index)) in parts:
            part = checked.member(parts, label, dict, source, f"{where}: partial")
            known, hidden = (values.integer(part.get(key), source, where) for key in ("known", "hidden"))
            held[index] = Register(held[index].value, known, hidden=hidden)
    if "vendor" not in value:  # null where it is not told
        raise values.refusal(source, values.line_of(value), f"{where}: vendor is missing")
    vendor = _vendor(value, source)
    told = checked.member(value, "list", dict, source, where)
    ranges = dict(_range(entry, source, where) for entry in _list(value, "ranges", source))
    return Registers(held, ranges, _told_width(value.get("width"), source), vendor, **_fields(told, source, where))


# What the members of "list" hold: a kind of value, or a number up to this; null beside it where it need not be told.
_LIST: Final[dict[str, tuple[type | int, bool]]] = {
    "whole": (bool, False), "uncounted": (bool, False), "cut": (bool, False), "restored": (bool, False),
    "listing": (str, True), "on": (str, False), "tom2_off": (str, False),
    "count": (rules.MAX_VARIABLE, True), "reach": (rules.MAX_MAXPHYADDR, False), "encrypted": (MOST_TAKEN, True),
}  # fmt: skip


def _fields(told: dict[str, Any], source: str, where: str) -> dict[str, Any]:
    """How the list of ranges was told (`Registers`)."""
    plain = {key: told[key] for key in _LIST if key in told}
    for key, value in plain.items():
        kind, optional = _LIST[key]
        if not _is(value, kind) and not (optional and value is None):
            line = values.line_of(value) or values.line_of(told)
            what = f"a number up to {kind}" if isinstance(kind, int) else {bool: "true or false", str: "a string"}[kind]
            raise values.refusal(source, line, f"{where}: {key} = {values.quoted(value)} is not {what}")
    numbers = {key: frozenset(values.integer(word, source, key, 40) for word in _list(told, key, source)) for key in
               ("lost", "absent")}  # fmt: skip
    default = told.get("default")
    return plain | numbers | {"default": None if default is None else _default(default, told, source, where)}


def _is(value: Any, kind: type | int) -> bool:
    """Whether a value is of a kind; for a number, whether it is one up to that."""
    if isinstance(kind, int):
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= kind
    return isinstance(value, kind)


def _default(value: Any, told: dict[str, Any], source: str, where: str) -> tuple[int, str]:
    """What stands in for a default type: its number, and why."""
    kind, why = value if isinstance(value, list) and len(value) == 2 else (None, None)
    if not _is(kind, max(rules.MTRR_TYPES)) or kind not in rules.MTRR_TYPES or not isinstance(why, str):
        line = values.line_of(kind) or values.line_of(told)
        raise values.refusal(source, line, f"{where}: default = {values.quoted(value)} is not a type and why")
    return int(kind), str(why)


def _whole(value: Any, held: dict[int, Register], source: str, where: str) -> Registers:
    """The older form: a whole register file."""
    for index in (rules.DEF_TYPE_MSR, *rules.FIXED_MSRS):
        if index not in held:
            line = values.line_of(value)
            raise values.refusal(source, line, f"{where}: {rules.msr_name(index)} (0x{index:x}) is missing")
    bits = _width(checked.member(value, "maxphyaddr", int, source, where), source)
    vendor = vendor_name(checked.member(value, "vendor", str, source, where))
    absent = frozenset({rules.SYSCFG_MSR, rules.TOP_MEM2_MSR} - held.keys())
    return Registers(held, width=Width(bits, reduced=True), vendor=vendor, whole=True, absent=absent)


def _range(value: Any, source: str, where: str) -> tuple[int, Range]:
    pair = checked.member(value, "pair", int, source, where)
    if not 0 <= pair < rules.MAX_VARIABLE:
        raise values.refusal(source, values.line_of(pair), f"{where}: pair {pair} is not below {rules.MAX_VARIABLE}")
    base, size, kind, known, hidden = (
        values.hexadecimal(checked.member(value, key, str, source, where), source, key)
        for key in ("base", "size", "type", "known", "hidden")
    )
    return pair, Range(base, size, Register(kind, known, hidden=hidden))


def _told_width(value: Any, source: str) -> Width | None:
    if value is None:
        return None
    bits = _width(checked.member(value, "bits", int, source, "width"), source)
    return Width(bits, str(value.get("by", "")), bool(value.get("reduced")))


def _ram(value: Any, source: str) -> RamRange:
    base, size = (
        values.hexadecimal(checked.member(value, key, str, source, "e820"), source, key) for key in ("base", "size")
    )
    return RamRange(base, size, checked.member(value, "kind", str, source, "e820"))


def _map(value: Any, source: str) -> MemoryMap | None:
    if value is None:
        return None
    member = partial(checked.member, source=source, where="printed_map")
    width = _width(member(value, "maxphyaddr", int), source)
    segments = []
    for entry in member(value, "segments", list):
        words = [member(entry, key, str) for key in ("base", "size", "type")]
        base, size = (values.hexadecimal(word, source, "printed_map") for word in words[:2])
        try:
            kind = MemoryType.parse(words[2])
        except InputError as error:
            raise values.refusal(source, values.line_of(words[2]), f"printed_map: {error}") from None
        segments.append((base, size, kind))
    return MemoryMap.from_segments(segments, maxphyaddr=width)


def _width(value: Any, source: str) -> int:
    return told_width(values.integer(value, source, "maxphyaddr", 16), source, values.line_of(value))


def _text(value: Any, key: str, source: str) -> str | None:
    found = value.get(key)
    if found is not None and not isinstance(found, str):
        line = values.line_of(found) or values.line_of(value)
        raise values.refusal(source, line, f"{key} = {values.quoted(found)} is not a string")
    return found


def _list(value: Any, key: str, source: str) -> list[Any]:
    found = value.get(key, [])
    if not isinstance(found, list):
        line = values.line_of(found) or values.line_of(value)
        raise values.refusal(source, line, f"{key} = {values.quoted(found)} is not a list")
    return found


def _vendor(value: Any, source: str) -> str | None:
    found = _text(value, "vendor", source)
    try:
        return None if found is None else vendor_name(found)
    except InputError as error:
        raise values.refusal(source, values.line_of(found), str(error)) from None


def _note(value: Any, source: str) -> str:
    """A note, or its text alone as older releases wrote it."""
    if isinstance(value, str):
        return value
    text, about = (checked.member(value, key, str, source, "notes") for key in ("text", "id"))
    lines = checked.member(value, "lines", list, source, "notes")
    return Note(text, about, (values.integer(line, source, "line of a note", 40) for line in lines))
