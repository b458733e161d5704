"""What the families that print registers share: the remark of our own forms, and one way to a `Machine`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from memtype import rules
from memtype.errors import InputError, ParseError
from memtype.machine import Cpu, Machine, Note
from memtype.mtrr import vendor_name
from memtype.pat import Pat
from memtype.reading.digits import lacking, unwritten
from memtype.reading.notes import MOST, not_told, settled
from memtype.reading.patterns import later
from memtype.reading.values import MOST_CPUS, hex_digits, hexadecimal, integer, number, quoted, refusal
from memtype.reading.width import told_width
from memtype.told import ALL, Range, Register, Registers, Width, named, pair_of

PAIR_MSRS = frozenset(range(rules.PHYSBASE0, rules.PHYSBASE0 + 2 * rules.NUMBERED_PAIRS))
MTRR_MSRS = PAIR_MSRS | frozenset(rules.FIXED_MSRS) | {rules.DEF_TYPE_MSR}
KNOWN_MSRS = MTRR_MSRS | {
    rules.MTRRCAP, rules.PAT_MSR, rules.SYSCFG_MSR, rules.TOP_MEM2_MSR, rules.TME_ACTIVATE
}  # fmt: skip
READ_MSRS = KNOWN_MSRS | rules.SYSTEM_MSRS  # what families keep; by KNOWN_MSRS they know a text for theirs
RESERVED = (  # bits that no processor takes, whatever its width
    {rules.DEF_TYPE_MSR: ~rules.DEF_TYPE_WRITABLE}
    | {index: rules.MASK_RESERVED if index & 1 else rules.BASE_RESERVED for index in PAIR_MSRS}
    | dict.fromkeys(rules.FIXED_MSRS, 0xE0 * 0x0101_0101_0101_0101)  # AMD's bytes have five bits
)
KVM_PAIRS = 8  # KVM_NR_VAR_MTRR: every KVM guest has so many
TOM2_MSRS = frozenset({rules.SYSCFG_MSR, rules.TOP_MEM2_MSR})

_ROUTED = rules.AMD_FIXED_ROUTING * 0x0101_0101_0101_0101  # RdMem and WrMem of all eight bytes

Held = Mapping[int, Register]


def told(text: str, source: str, line: int, index: int, bits: int = 64, base: int = 16) -> Register:
    """A whole register as a line prints it."""
    value = number(text, source, line, named(index), bits, base)
    return Register(value, line=line, digits=hex_digits(text) if base == 16 or text[:2].lower() == "0x" else 0)


def in_json(value: object, source: str, what: str, inside: object = None) -> Register:
    """A whole register as a JSON member holds it, a string in hexadecimal. `inside`: the object that it is in."""
    if not isinstance(value, str):
        return Register(integer(value, source, what, inside=inside))
    return Register(hexadecimal(value, source, what), digits=hex_digits(value))


def paint(parts: dict[int, Register], first: int, last: int, kind: Register, source: str) -> None:
    """The type of the fixed ranges from `first` to `last`, by their numbers (0 to 87), into what is told of them."""
    where = f"{source}:{kind.line}: {first:05X}-{last:05X}"
    slots = [n for n, r in enumerate(rules.FIXED_RANGES) if first <= r.base and r.base + r.size - 1 <= last]
    if sum(rules.FIXED_RANGES[n].size for n in slots) != last - first + 1:
        raise ParseError(f"{where} does not fall on the fixed ranges")
    for slot in slots:
        put(parts, slot, kind)


def put(held: dict[int, Register], index: int, register: Register) -> None:
    """Put a register that a line tells into a list's; where another line told it otherwise, it is not told."""
    held[index] = held[index].beside(register) if index in held else register


def bytes_registers(parts: Mapping[int, Register]) -> dict[int, Register]:
    """The fixed-range registers from their bytes, by number of the fixed range (0 to 87): as far as there are any."""
    found: dict[int, Register] = {}
    for slot, part in parts.items():
        place = rules.FIXED_RANGES[slot]
        value, known, hidden = (field << 8 * place.byte for field in (part.value, part.known & 0xFF, part.hidden))
        index = rules.FIXED_MSRS[place.register]
        byte = Register(value, known, part.line, hidden, part.against)
        found[index] = found[index].joined(byte) if index in found else byte
    return found


def def_type(kind: Register | None, on: bool | None, fixed: bool | None, line: int = 0) -> dict[int, Register]:
    """IA32_MTRR_DEF_TYPE as far as a text tells its type, E and FE; all of it where it tells the three."""
    found = kind or Register(0, 0, line)
    for bit, is_set in ((rules.DEF_TYPE_E, on), (rules.DEF_TYPE_FE, fixed)):
        if is_set is not None:
            found = found.joined(Register(bit * is_set, bit, line))
    if found.tells(rules.DEF_TYPE_WRITABLE) and not found.hidden:  # no processor takes another bit
        found = Register(found.value, ALL, found.line)
    return {rules.DEF_TYPE_MSR: found} if found.known or found.hidden else {}


# --- the remark: what a list of registers says beside its registers --------------------------------------------------

_REMARK = later(r"memtype/1:((?:\s[a-z_0-9]+=[A-Za-z0-9]+)+)(\send\b)?")


@dataclass(frozen=True, slots=True)
class Remark:
    """What `emit` writes beside the registers of a form: what no writable register holds, and how many it wrote.

    ``memtype/1: registers=22 maxphyaddr=40 vendor=intel cap=0x508 end``. One that is not whole tells nothing.
    """

    registers: int | None = None
    width: Width | None = None
    vendor: str | None = None
    cap: Register | None = None
    def_type: Register | None = None
    counts: tuple[int, ...] = ()  # `registers` of every remark in the text, one for each processor

    def __str__(self) -> str:
        words = [
            ("registers", self.registers),
            ("maxphyaddr", self.width and self.width.bits),
            ("vendor", self.vendor),
            ("cap", self.cap and f"{self.cap.value:#x}"),
            ("def_type", self.def_type and f"{self.def_type.value:#x}"),
        ]
        return " ".join(["memtype/1:", *(f"{name}={value}" for name, value in words if value is not None), "end"])


def read_remark(text: str, source: str) -> Remark:
    """What the remarks tell, one for each processor, with the counts of all; nothing where there is none."""
    found = [match for match in _REMARK.finditer(text) if match[2] or "registers=" not in match[1]]
    remarks, line, at = [], 1, 0
    for match in found:
        line, at = line + text.count("\n", at, match.start()), match.start()
        remarks.append(_remark(match, line, source))
    if not remarks:
        return Remark()
    same = {
        name: getattr(remarks[0], name)
        for name in ("registers", "width", "vendor", "cap", "def_type")
        if all(getattr(other, name) == getattr(remarks[0], name) for other in remarks)
    }  # where remarks contradict each other, they tell nothing
    return Remark(**same, counts=tuple(r.registers for r in remarks if r.registers is not None))


def _remark(found: re.Match[str], line: int, source: str) -> Remark:
    words = dict(word.split("=", 1) for word in found[1].split())
    width = told_width(words["maxphyaddr"], source, line) if "maxphyaddr" in words else None
    count = number(words["registers"], source, line, "registers", 8, base=10) if "registers" in words else None
    try:
        vendor = vendor_name(words["vendor"]) if "vendor" in words else None
    except InputError as error:
        raise refusal(source, line, str(error)) from None
    cap, base = (
        _with_prefix(words[name], source, line, index) if name in words else None
        for name, index in (("cap", rules.MTRRCAP), ("def_type", rules.DEF_TYPE_MSR))
    )
    return Remark(count, None if width is None else Width(width, f"line {line}", reduced=True), vendor, cap, base)


def _with_prefix(text: str, source: str, line: int, index: int) -> Register:
    if text[:2].lower() != "0x":
        raise refusal(source, line, f"{named(index)} = {quoted(text)} is not in hexadecimal (0x…)")
    return told(text, source, line, index)


# --- from registers to a machine ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Listing:
    """How a family lists pairs, alike for all processors: the fields of `Registers` of the same names."""

    whole: bool = False
    uncounted: bool = False
    count: int | None = None
    cut: bool = False
    lost: set[int] = field(default_factory=set)
    absent: frozenset[int] = frozenset()
    listing: str | None = None
    on: str = ""
    tom2_off: str = ""
    restored: bool = False
    reach: int = 0
    encrypted: int | None = None
    filled: int = 0  # so many digits the program prints of every register; not a field of `Registers`

    def fields(self) -> dict[str, Any]:
        return {
            "whole": self.whole, "uncounted": self.uncounted, "count": self.count, "cut": self.cut,
            "lost": frozenset(self.lost),
            "absent": self.absent, "listing": self.listing, "on": self.on, "tom2_off": self.tom2_off,
            "restored": self.restored,
            "reach": self.reach, "encrypted": self.encrypted,
        }  # fmt: skip


def listed(registers: Mapping[int, Held], remark: Remark) -> Listing:
    """What a list is worth beside its remark: whole where it holds as many registers as were written."""
    counts = remark.counts
    if not counts:
        return Listing()
    if len(counts) != len(registers):
        counts = (max(counts),) * len(registers)
    short = any(len(msrs) < count for msrs, count in zip(registers.values(), counts))
    return Listing(whole=not short, cut=short)


def with_cap(registers: Mapping[int, Held], remark: Remark) -> dict[int, Held]:
    """The registers with MTRRCAP, which no form writes, as the remark tells it."""
    cap = {} if remark.cap is None else {rules.MTRRCAP: remark.cap}
    return {cpu: {**cap, **msrs} for cpu, msrs in registers.items()}


def machine_of(
    registers: Mapping[int, Held],
    name: str,
    source: str,
    notes: Iterable[str] = (),
    width: Width | None = None,
    vendor: str | None = None,
    listing: Listing | None = None,
    ranges: Mapping[int, Range] | None = None,
    **more: Any,
) -> Machine:
    """A machine from ``{processor: {register: value}}``, and `ranges` printed by their sizes, the same for all.

    `more` are further fields of `Machine`. What the registers leave open is said in the notes.
    """
    said = list(notes)
    registers, listing = whole_numbers(registers, listing or Listing(), said)
    if len(registers) > MOST_CPUS:
        raise refusal(source, 0, f"more than {MOST_CPUS} processors")
    if not ranges and not any(msrs.keys() & READ_MSRS for msrs in registers.values()):
        raise _nothing(said, source)
    if system := _system(registers.values()):
        more["facts"] = {**(more.get("facts") or {}), "system_msrs": system}
    maker = vendor or _implied_vendor(registers.values(), said)
    cpus = []
    alike: dict[frozenset[tuple[int, Register]], Cpu] = {}
    seen: dict[Registers, Registers] = {}  # processors that hold the same share one object, and its answers
    for cpu, msrs in registers.items():
        twin = alike.get(key := frozenset(msrs.items()))
        if twin is None:
            pat = Pat(msrs[rules.PAT_MSR].value) if rules.PAT_MSR in msrs and msrs[rules.PAT_MSR].told else None
            made = registers_of(msrs, width, maker, listing, ranges or {})
            alike[key] = twin = Cpu(cpu, made and seen.setdefault(made, made), pat)
        cpus.append(Cpu(cpu, twin.registers, twin.pat))
    if all(cpu.registers is None for cpu in cpus):
        said.append(not_told("registers", "no MTRR is in the dump"))
    said += contradictions(registers)
    said += differing({cpu: {i: r.value for i, r in msrs.items()} for cpu, msrs in registers.items()})
    machine = Machine(
        tuple(cpus), name, vendor=maker, maxphyaddr=None if width is None else width.bits, width=width,
        notes=tuple(said), **more,
    )  # fmt: skip
    return settled(machine.with_used_width())


def _nothing(notes: Iterable[str], source: str) -> ParseError:
    """The refusal of a list without a register: why its first line tells none, where one names one."""
    lost = next((note for note in notes if isinstance(note, Note) and note.id == "lost" and note.lines), None)
    if lost is None:
        return refusal(source, 0, "no MTRR and no PAT register in it")
    return refusal(source, lost.lines[0], lost.removeprefix(f"line {lost.lines[0]}: "))


def whole_numbers(
    registers: Mapping[int, Held], listing: Listing, said: list[str]
) -> tuple[Mapping[int, Held], Listing]:
    """The registers without those whose numbers lack digits, or nothing writes: they are lost."""
    short = {cpu: lacking(msrs, listing.filled) for cpu, msrs in registers.items()}
    odd = {} if listing.whole else {cpu: unwritten(msrs) for cpu, msrs in registers.items()}  # else all is as written
    gone = {cpu: found for cpu, lost in short.items() if (found := lost | odd.get(cpu, set()))}
    if not gone:
        return registers, listing
    lines: dict[int, list[int]] = {}
    for cpu, found in gone.items():
        for index in sorted(found):
            lines.setdefault(index, []).append(registers[cpu][index].line)
    said += [
        _odd_number(index, where, any(index in found for found in short.values())) for index, where in lines.items()
    ]
    kept = {
        cpu: {index: register for index, register in msrs.items() if index not in gone.get(cpu, ())}
        for cpu, msrs in registers.items()
    }
    return kept, replace(listing, lost=listing.lost | lines.keys())


def _odd_number(index: int, lines: list[int], short: bool) -> Note:
    where = f"line {lines[0]}: " if lines[0] else ""
    why = (
        "has fewer digits than the others: some are lost"
        if short
        else "is a number that nothing writes: a digit is lost, or one too many"
    )
    return Note(f"{where}{named(index)} {why}, it is not told", "lost", lines)


def misnaming(index: int, other: int, line: int) -> Note:
    """The note on a line whose number and name mean two registers."""
    text = f"line {line} has the number of {named(index)} and the name of {named(other)}: neither is told"
    return Note(text, "lost", (line,))


def _system(registers: Iterable[Held]) -> dict[str, str]:
    """The registers of `rules.SYSTEM_MSRS`, and SYSCFG, as the first processor that tells them holds them."""
    found: dict[int, int] = {}
    for msrs in registers:
        for index in msrs.keys() & (rules.SYSTEM_MSRS | {rules.SYSCFG_MSR}):
            if not msrs[index].against:
                found.setdefault(index, msrs[index].value)
    return {f"0x{index:x}": f"0x{found[index]:x}" for index in sorted(found)}


_BESIDE = rules.SYSTEM_MSRS - KNOWN_MSRS | {rules.PAT_MSR}  # no MTRR's meaning hangs on them


def registers_of(
    msrs: Held, width: Width | None, vendor: str | None, listing: Listing, ranges: Mapping[int, Range]
) -> Registers | None:
    """One processor's registers; None where the dump tells no MTRR of it, and nothing of AMD's TOP_MEM2."""
    if not (msrs.keys() & (MTRR_MSRS | TOM2_MSRS) or any(pair_of(index) is not None for index in msrs) or ranges):
        return None
    held = {index: register for index, register in msrs.items() if index not in _BESIDE}
    return Registers(held, ranges, width, vendor, **listing.fields())


def differing(registers: Mapping[int, Mapping[int, int]]) -> list[str]:
    """One note of what differs between processors: of registers that more than one of them tells."""
    wanted = sorted({index for msrs in registers.values() for index in msrs if index in READ_MSRS})
    told = {index: {msrs[index] for msrs in registers.values() if index in msrs} for index in wanted}
    different = [index for index in wanted if len(told[index]) > 1]
    if not different or len(registers) < 2:
        return []
    names = ", ".join(rules.msr_name(index) for index in different[:3]) + (", …" if len(different) > 3 else "")
    return [f"the {len(registers)} processors differ in {len(different)} registers: {names}"]


def contradictions(registers: Mapping[int, Held]) -> list[Note]:
    """A note on each register that two lines of one list tell differently; of many, how many more."""
    found: dict[tuple[int, int], Note] = {}
    for cpu, msrs in registers.items():
        for index, register in sorted(msrs.items()):
            if register.against and (index, register.against) not in found:
                of = f" of CPU {cpu}" if len(registers) > 1 else ""
                lines = tuple(line for line in (register.line, register.against) if line > 0)
                text = f"{named(index)}{of} is there twice, differently"
                if lines:
                    text = f"line {lines[0]} and line {lines[-1]} tell {named(index)}{of} differently"
                found[index, register.against] = Note(f"{text}: it is not told", "contradiction", lines)
    told = list(found.values())
    more = [line for note in told[MOST:] for line in note.lines]
    count = f"{len(told) - MOST} more registers are told twice, differently: they are not told"
    return [*told[:MOST], *([Note(count, "contradiction", more)] if more else [])]


def once(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def _implied_vendor(registers: Iterable[Held], notes: list[str]) -> str | None:
    for msrs in registers:
        if any(index in msrs and msrs[index].value for index in TOM2_MSRS):
            return "amd"  # reading 0 proves nothing: virtual machines answer so for what they do not have
        if rules.TME_ACTIVATE in msrs:
            return "intel"
        fixed = [msrs[index].value for index in rules.FIXED_MSRS if index in msrs]
        if any(value & _ROUTED and not value & ~(_ROUTED | 0x0707_0707_0707_0707) for value in fixed):
            once(notes, "vendor AMD inferred: fixed-range bytes carry RdMem or WrMem")
            return "amd"
    return None
