"""Xen: the hypervisor's own console lines, and what ``xen-hvmctx`` prints of a guest's MTRR save record.

    (XEN) MTRR default type: write-back
    (XEN) MTRR fixed ranges enabled:
    (XEN)   00000-fffff write-back
    (XEN) MTRR variable ranges enabled:
    (XEN)   0 base 0080000000 mask ff80000000 uncachable
    (XEN)   1 disabled

Linux in dom0 prints lines of its own, without ``(XEN)``: they are not these.

A save record is that of the processor which the line above it names ("Entry 9: type 14 instance 1, length 240"). Two
records without such a line are two states: nothing says that they are two processors'.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from memtype import rules
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.fragments import is_fragment
from memtype.reading.lines import LONGEST_LINE, bare, squeezed
from memtype.reading.notes import differed, not_told
from memtype.reading.patterns import later
from memtype.reading.tellings import Found, Tells
from memtype.reading.values import refusal, type_register
from memtype.told import ALL, Register

NAME = "xen"

_ENTRY = later(r"Entry (\d{1,9}): type \d+ instance (\d{1,9})\b", re.I)
_PREFIX = "(XEN)"
_CONSOLE = later(
    r"\(XEN\).{0,40}?(?:MTRR default type:|MTRR (?:fixed|variable) ranges |TOM2: [0-9a-f]{16}|\smtrr: your CPUs had)",
    re.I,
)
_DEFAULT = later(r"MTRR default type: (?P<type>\S+)", re.I)
_SECTION = later(r"MTRR (?P<what>fixed|variable) ranges (?P<on>enabled|disabled)", re.I)
_FIXED = later(r"(?P<first>[0-9a-f]{5})-(?P<last>[0-9a-f]{5}) (?P<type>\S+)$", re.I)
_PAIR = later(r"(?P<n>\d+) base (?P<base>[0-9a-f]+) mask (?P<mask>[0-9a-f]+) (?P<type>\S+)$", re.I)
_OFF = later(r"(?P<n>\d+) disabled$", re.I)
_TOM2 = later(r"TOM2: (?P<tom2>[0-9a-f]{16})(?: aka (?P<mib>\d{1,20})m| \(WB\))?$", re.I)
_INCONSISTENT = later(r"mtrr: your CPUs had inconsistent (?:(fixed|variable) MTRR|MTRR(deftype)) settings", re.I)

_VENDOR = later(r"\(XEN\).{0,99}(?:(?P<amd>AuthenticAMD|SVM enabled|AMD-V)|GenuineIntel|VMX enabled)", re.I)

_RECORD = later(r"^[ \t]*MTRR: PAT (?P<pat>0x\S+), cap (?P<cap>0x\S+), default (?P<default>0x\S+)\s*$", re.M | re.I)
_RECORD_LINE = later(r"(?:var (?P<var>\d+) (?P<base>0x\S+) (?P<mask>0x\S+)|fixed (?P<fixed>\d+) (?P<value>0x\S+))$")
_SAVED_PAIRS = 8


def _tells(line: str) -> Found | None:
    """The head of a record, and which processor it is of."""
    if entry := _ENTRY.match(line):
        return Found("cpu" if int(entry[1]) else "head", "entry", entry[2])
    return Found("head", "record") if line.upper().startswith("MTRR: PAT 0X") else None


TELLS = Tells(NAME, ("instance ",), _tells, by_cpu=True)


def sniff(text: str) -> bool:
    return _CONSOLE.search(text) is not None or _RECORD.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """Console lines (lower-case hex, masks without V) or save records, one per virtual processor."""
    return _records(text, source) if _RECORD.search(text) else _console(text, source)


@dataclass(slots=True)
class _Console:
    """What the hypervisor's lines told so far."""

    source: str
    msrs: dict[int, Register] = field(default_factory=dict)
    inconsistent: list[str] = field(default_factory=list)
    enabled: dict[str, bool | None] = field(default_factory=dict)
    fixed: dict[int, Register] = field(default_factory=dict)
    kind: Register | None = None
    last_pair: int = 0  # line of the last pair
    last: int = field(init=False)  # last line with the prefix
    tom2_lost: bool = False  # a line about TOM2 without its value
    heard: set[str] = field(default_factory=set)
    cut: bool = field(init=False)  # a row of the list breaks off
    copied: bool = False  # a line of the list stands there twice: others may be lost

    def take(self, line: str, number: int) -> None:
        if not self._taken(line, number):
            self.tom2_lost |= "TOM2" in line
            return
        self.copied |= line in self.heard
        self.heard.add(line)

    def _taken(self, line: str, number: int) -> bool:
        if match := _INCONSISTENT.search(line):
            self.inconsistent.append((match[1] or match[2]).lower())
        elif match := _DEFAULT.search(line):
            kind = type_register(match["type"], self.source, number)
            self.kind = kind if self.kind is None else self.kind.beside(kind)
        elif match := _SECTION.search(line):
            what, on = match["what"].lower(), match["on"].lower() == "enabled"
            self.enabled[what] = on if self.enabled.get(what, on) is on else None
        elif match := _FIXED.match(line):
            kind = type_register(match["type"], self.source, number)
            reg.paint(self.fixed, int(match["first"], 16), int(match["last"], 16), kind, self.source)
        elif match := _PAIR.match(line):
            self._pair(match, number)
        elif match := _OFF.match(line):
            n = _pair_number(match["n"], self.source, number)
            reg.put(self.msrs, rules.PHYSMASK0 + 2 * n, Register(0, rules.MASK_VALID, number))
            self.last_pair = number
            self._below_tom2()
        elif match := _TOM2.search(line):
            tom2 = int(match["tom2"], 16)  # of 16 digits
            if match["mib"] and int(match["mib"]) != tom2 >> 20:
                raise refusal(self.source, number, f"TOM2 {match['tom2']} is not {match['mib']} MiB")
            forced = rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
            reg.put(self.msrs, rules.SYSCFG_MSR, Register(forced, forced, number))
            reg.put(self.msrs, rules.TOP_MEM2_MSR, Register(tom2, line=number))
        else:
            return False
        return True

    def _pair(self, match: re.Match[str], number: int) -> None:
        n = _pair_number(match["n"], self.source, number)
        halves = (values.number(match[name], self.source, number, f"{name} of range {n}") for name in ("base", "mask"))
        base, mask = halves
        kind = type_register(match["type"], self.source, number)
        known, digits = kind.known | ~rules.BASE_TYPE & ALL, values.hex_digits(match["base"])
        low = Register(base | kind.value, known, number, kind.hidden, digits=digits)
        high = Register(mask | rules.MASK_VALID, line=number, digits=values.hex_digits(match["mask"]))
        reg.put(self.msrs, rules.PHYSBASE0 + 2 * n, low)
        reg.put(self.msrs, rules.PHYSMASK0 + 2 * n, high)
        self.last_pair = number
        self._below_tom2()

    def _below_tom2(self) -> None:
        """Xen prints TOM2 below the list: such a line above a row is of another list."""
        self.tom2_lost |= rules.TOP_MEM2_MSR in self.msrs


def _console(text: str, source: str) -> Machine:
    told = _Console(source)
    for number, raw in enumerate(text.split("\n"), 1):
        at = raw.find(_PREFIX)
        if at >= 0 and len(raw) <= LONGEST_LINE:
            told.take(" ".join(bare(raw[at:]).split()), number)
            told.last = number
    for index in reg.TOM2_MSRS if told.tom2_lost else ():
        told.msrs.pop(index, None)
    rows = text.split("\n")
    told.cut = 0 < told.last_pair < len(rows) and is_fragment(rows[told.last_pair], rows[told.last_pair - 1])
    facts: dict[str, object] | None = {"inconsistent": told.inconsistent} if told.inconsistent else None
    if told.kind is None and not told.msrs and not told.fixed:
        if not facts:
            raise refusal(source, 0, "no whole MTRR line of Xen in it")
        note = not_told("registers", "Xen printed none")
        return Machine(format=NAME, facts=facts, notes=(note,))
    notes = [differed(told.inconsistent)] if told.inconsistent else []
    # Xen prints "enabled" for FE alone above the fixed lines, for E above the variable ones
    base = reg.def_type(told.kind, told.enabled.get("variable"), told.enabled.get("fixed"))
    maker = _VENDOR.search(text)
    vendor = None if maker is None else "amd" if maker["amd"] else "intel"
    registers = told.msrs | reg.bytes_registers(told.fixed) | base
    return reg.machine_of({0: registers}, NAME, source, notes, None, vendor, _list(told), facts=facts)


def _list(told: _Console) -> reg.Listing:
    """Xen prints every pair: a list that other lines follow is whole, unless it shows that lines are lost."""
    pairs = sorted({index >> 1 for index in told.msrs if index in reg.PAIR_MSRS})
    whole = (
        len(pairs) in rules.USUAL_PAIRS
        and not (told.copied or told.cut)
        and (len(told.fixed) == len(rules.FIXED_RANGES) or not (told.fixed or "fixed" in told.enabled))
        and told.last > told.last_pair
        and len(pairs) == pairs[-1] - (rules.PHYSBASE0 >> 1) + 1
    )
    listing = reg.Listing(whole=whole, cut=told.cut, filled=max((r.digits for r in told.msrs.values()), default=0))
    if told.kind is None:
        listing.lost.add(rules.DEF_TYPE_MSR)
    if told.tom2_lost:
        listing.lost |= reg.TOM2_MSRS
    elif pairs and rules.TOP_MEM2_MSR not in told.msrs:
        listing.tom2_off = "Xen prints no TOM2"  # nor does a console that lost the line
    return listing


def _pair_number(text: str, source: str, line: int) -> int:
    n = values.number(text, source, line, "range number", base=10)
    if n >= rules.NUMBERED_PAIRS:
        raise refusal(source, line, f"range number {n} is not below {rules.NUMBERED_PAIRS}")
    return n


def _is_default(value: int) -> bool:
    """Whether IA32_MTRR_DEF_TYPE can hold the value: 0x806 cut to 0x80 is of no type (SDM 3A 12.11.2.1)."""
    return value & ~rules.DEF_TYPE_WRITABLE == 0 and value & rules.DEF_TYPE_TYPE in rules.MTRR_TYPES


def _records(text: str, source: str) -> Machine:
    registers: dict[int, dict[int, Register]] = {}
    notes: list[str] = []
    msrs: dict[int, Register] = {}
    lost: set[int] = set()
    cpu = 0
    for number, line in squeezed(text):
        if entry := _ENTRY.match(line):
            cpu = values.cpu_number(entry[2], source, number)
            continue
        head = _RECORD.match(line)
        if head:
            msrs = registers.setdefault(cpu, {})
            for index, name in ((rules.PAT_MSR, "pat"), (rules.MTRRCAP, "cap"), (rules.DEF_TYPE_MSR, "default")):
                value = values.number(head[name], source, number, name)  # as short as it is
                if index == rules.DEF_TYPE_MSR and not _is_default(value):
                    lost.add(index)
                    notes.append(f"line {number}: no processor holds the default type {head[name]}: it is not told")
                else:
                    reg.put(msrs, index, Register(value, line=number))
            continue
        body = _RECORD_LINE.match(line)
        if not body or not registers:
            continue
        if body["var"]:
            n = _pair_number(body["var"], source, number)
            for index, name in ((rules.PHYSBASE0 + 2 * n, "base"), (rules.PHYSMASK0 + 2 * n, "mask")):
                reg.put(msrs, index, reg.told(body[name], source, number, index))
        else:
            n = values.number(body["fixed"], source, number, "fixed-range number", base=10)
            if n >= len(rules.FIXED_MSRS):
                raise refusal(source, number, f"fixed-range register {n} is not below {len(rules.FIXED_MSRS)}")
            index = rules.FIXED_MSRS[n]
            reg.put(msrs, index, reg.told(body["value"], source, number, index))
    for cpu, msrs in registers.items():
        pairs = {(msrs.get(rules.PHYSBASE0 + 2 * n), msrs.get(rules.PHYSMASK0 + 2 * n)) for n in range(_SAVED_PAIRS)}
        mask = pairs.copy().pop()[1]
        if len(pairs) == 1 and mask is not None and mask.value & rules.MASK_VALID:
            notes.append(
                f"CPU {cpu}: all {_SAVED_PAIRS} pairs are identical; some Xen releases save pair 0 in every slot: "
                "the others may be lost"
            )
    listing = reg.Listing(lost=lost, absent=reg.TOM2_MSRS, filled=16)  # Xen gives its guests no TOP_MEM2
    return reg.machine_of(registers, NAME, source, notes, listing=listing)
