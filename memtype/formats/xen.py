"""Xen: the hypervisor's own console lines, and what ``xen-hvmctx`` prints of a guest's MTRR save record."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import LONGEST_LINE, bare, squeezed
from memtype.reading.notes import differed, not_told
from memtype.reading.values import mtrr_type, refusal

NAME = "xen"

_PREFIX = "(XEN)"
_CONSOLE = re.compile(r"\(XEN\).{0,40}?(?:MTRR default type:|MTRR (?:fixed|variable) ranges |\smtrr: your CPUs had)")
_DEFAULT = re.compile(r"MTRR default type: (?P<type>\S+)")
_SECTION = re.compile(r"MTRR (?P<what>fixed|variable) ranges (?P<on>enabled|disabled)")
_FIXED = re.compile(r"\s+(?P<first>[0-9a-f]{5})-(?P<last>[0-9a-f]{5}) (?P<type>\S+)\s*$", re.I)
_PAIR = re.compile(r"\s+(?P<n>\d+) base (?P<base>[0-9a-f]+) mask (?P<mask>[0-9a-f]+) (?P<type>\S+)\s*$", re.I)
_OFF = re.compile(r"\s+(?P<n>\d+) disabled\s*$")
_TOM2 = re.compile(r"TOM2: (?P<tom2>[0-9a-f]+)", re.I)
_INCONSISTENT = re.compile(r"mtrr: your CPUs had inconsistent (?:(fixed|variable) MTRR|MTRR(deftype)) settings", re.I)

_VENDOR = re.compile(r"\(XEN\).{0,99}(?:\b(?P<amd>AuthenticAMD|SVM enabled|AMD-V)|\b(?:GenuineIntel|VMX enabled))")

_RECORD = re.compile(r"^[ \t]*MTRR: PAT (?P<pat>0x\S+), cap (?P<cap>0x\S+), default (?P<default>0x\S+)\s*$", re.M)
_RECORD_LINE = re.compile(
    r"^\s*(?:var (?P<var>\d+) (?P<base>0x\S+) (?P<mask>0x\S+)|fixed (?P<fixed>\d+) (?P<value>0x\S+))\s*$"
)
_SAVED_PAIRS = 8


def sniff(text: str) -> bool:
    return _CONSOLE.search(text) is not None or _RECORD.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """Console lines (lower-case hex, masks without V) or save records, one per virtual processor."""
    return _records(text, source) if _RECORD.search(text) else _console(text, source)


@dataclass(slots=True)
class _Console:
    """What the hypervisor's lines told so far."""

    source: str
    msrs: dict[int, int] = field(default_factory=dict)
    inconsistent: list[str] = field(default_factory=list)
    enabled: dict[str, bool] = field(default_factory=dict)
    fixed: bytearray = field(default_factory=lambda: bytearray(b"\xff" * len(rules.FIXED_RANGES)))
    kind: int | None = None
    tom2: int = 0

    def take(self, line: str, number: int) -> None:
        where = f"{self.source}:{number}"
        if match := _INCONSISTENT.search(line):
            self.inconsistent.append((match[1] or match[2]).lower())
        elif match := _DEFAULT.search(line):
            self.kind = mtrr_type(match["type"], where)
        elif match := _SECTION.search(line):
            self.enabled[match["what"]] = match["on"] == "enabled"
        elif match := _FIXED.match(line):
            kind = mtrr_type(match["type"], where)
            _paint(self.fixed, int(match["first"], 16), int(match["last"], 16), kind, where)
        elif match := _PAIR.match(line):
            self._pair(match, number, where)
        elif match := _OFF.match(line):
            n = _pair_number(match["n"], self.source, number)
            self.msrs |= {rules.PHYSBASE0 + 2 * n: 0, rules.PHYSMASK0 + 2 * n: 0}
        elif match := _TOM2.search(line):
            self.tom2 = values.number(match["tom2"], self.source, number, "TOM2")

    def _pair(self, match: re.Match[str], number: int, where: str) -> None:
        n = _pair_number(match["n"], self.source, number)
        base, mask = (
            values.number(match[name], self.source, number, f"{name} of range {n}") for name in ("base", "mask")
        )
        self.msrs[rules.PHYSBASE0 + 2 * n] = base | mtrr_type(match["type"], where)
        self.msrs[rules.PHYSMASK0 + 2 * n] = mask | rules.MASK_VALID


def _console(text: str, source: str) -> Machine:
    told = _Console(source)
    for number, raw in enumerate(text.split("\n"), 1):
        at = raw.find(_PREFIX)
        if at >= 0 and len(raw) <= LONGEST_LINE:
            told.take(" " + " ".join(bare(raw[at:]).split()), number)
    facts: dict[str, object] | None = {"inconsistent": told.inconsistent} if told.inconsistent else None
    if told.kind is None:
        if not facts:
            raise refusal(source, 0, "no whole MTRR line of Xen in it")
        note = not_told("registers", "Xen printed none")
        return Machine(format=NAME, facts=facts, notes=(note,), inferred=("vendor",))
    notes = [differed(told.inconsistent)] if told.inconsistent else []
    fixed_on, variable_on = told.enabled.get("fixed", False), told.enabled.get("variable", False)
    _fixed_registers(told.msrs, told.fixed, fixed_on, notes)
    # Xen prints "enabled" for FE alone above the fixed lines, for E above the variable ones
    told.msrs[rules.DEF_TYPE_MSR] = told.kind | fixed_on * rules.DEF_TYPE_FE | variable_on * rules.DEF_TYPE_E
    if told.tom2:
        told.msrs[rules.SYSCFG_MSR] = rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
        told.msrs[rules.TOP_MEM2_MSR] = told.tom2
    maker = _VENDOR.search(text)
    vendor = None if maker is None else "amd" if maker["amd"] else "intel"
    return reg.machine_of({0: told.msrs}, NAME, source, notes, vendor=vendor, facts=facts)


def _paint(fixed: bytearray, first: int, last: int, kind: int, where: str) -> None:
    spans = [n for n, part in enumerate(rules.FIXED_RANGES) if first <= part.base and part.base + part.size - 1 <= last]
    covered = sum(rules.FIXED_RANGES[n].size for n in spans)
    if covered != last - first + 1:
        raise ParseError(f"{where}: {first:05x}-{last:05x} does not end at borders of fixed ranges")
    for n in spans:
        fixed[n] = kind


def _fixed_registers(msrs: dict[int, int], fixed: bytearray, enabled: bool, notes: list[str]) -> None:
    if 0xFF in fixed:
        if enabled:
            notes.append(not_told("fixed", reg.NO_FIXED))
        return
    msrs |= {i: int.from_bytes(fixed[8 * n : 8 * n + 8], "little") for n, i in enumerate(rules.FIXED_MSRS)}


def _pair_number(text: str, source: str, line: int) -> int:
    n = values.number(text, source, line, "range number", base=10)
    if n >= rules.NUMBERED_PAIRS:
        raise refusal(source, line, f"range number {n} is not below {rules.NUMBERED_PAIRS}")
    return n


def _records(text: str, source: str) -> Machine:
    registers: dict[int, dict[int, int]] = {}
    notes: list[str] = []
    msrs: dict[int, int] = {}
    for number, line in squeezed(text):
        head = _RECORD.match(line)
        if head:
            msrs = registers.setdefault(len(registers), {})
            for index, name in ((rules.PAT_MSR, "pat"), (rules.MTRRCAP, "cap"), (rules.DEF_TYPE_MSR, "default")):
                msrs[index] = values.number(head[name], source, number, rules.msr_name(index))
            continue
        body = _RECORD_LINE.match(line)
        if not body or not registers:
            continue
        if body["var"]:
            n = _pair_number(body["var"], source, number)
            for index, name in ((rules.PHYSBASE0 + 2 * n, "base"), (rules.PHYSMASK0 + 2 * n, "mask")):
                msrs[index] = values.number(body[name], source, number, rules.msr_name(index))
        else:
            n = values.number(body["fixed"], source, number, "fixed-range number", base=10)
            if n >= len(rules.FIXED_MSRS):
                raise refusal(source, number, f"fixed-range register {n} is not below {len(rules.FIXED_MSRS)}")
            index = rules.FIXED_MSRS[n]
            msrs[index] = values.number(body["value"], source, number, rules.msr_name(index))
    for cpu, msrs in registers.items():
        pairs = {(msrs.get(rules.PHYSBASE0 + 2 * n), msrs.get(rules.PHYSMASK0 + 2 * n)) for n in range(_SAVED_PAIRS)}
        if len(pairs) == 1 and (pairs.copy().pop()[1] or 0) & rules.MASK_VALID:
            notes.append(
                f"CPU {cpu}: all {_SAVED_PAIRS} pairs are identical; some Xen releases save pair 0 in every slot: "
                "the others may be lost"
            )
    return reg.machine_of(registers, NAME, source, notes)
