"""coreboot's console (serial log or ``cbmem -c``): the planned ranges, the solution, and ``display_mtrrs``.

    MTRR: Physical address space:
    0x0000000000000000 - 0x000000007fffffff size 0x80000000 type 6
    0x0000000080000000 - 0x00000000ffffffff size 0x80000000 type 0
    apic_id 0x0 setup mtrr for CPU physical address size: 36 bits
    MTRR: default type WB/UC MTRR counts: 1/1.
    MTRR: UC selected as default type.
    MTRR: 0 base 0x0000000000000000 mask 0x0000000f80000000 type 6

A log may hold several solutions, each a state of its own; temporary ones, which firmware replaces, are none.
Registers are printed without what `commit` adds: the base without its type, the mask without V. The end of
a range is inclusive since 2022 and exclusive before: the printed size decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from memtype import rules
from memtype.machine import Machine, Note
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.lines import squeeze, squeezed
from memtype.reading.names import msr_index
from memtype.reading.notes import not_told
from memtype.reading.patterns import later
from memtype.reading.registers import Listing, bytes_registers, def_type, machine_of, put, told
from memtype.reading.tellings import tells
from memtype.reading.values import refusal
from memtype.reading.width import single_width, width_on
from memtype.told import Range, Register, Width, pair_numbers
from memtype.types import MemoryType

NAME = "coreboot"

V = rules.MASK_VALID
# a plan is no register: what coreboot wrote stands in its other lines
_PLAN_ALONE = "coreboot's plan alone; its lines 'MTRR: 0 base … mask …', or rdmsr, tell"

_HEX = r"0x([0-9a-f]+)"
_WHO = r"(?:(?:apic_id|CPU) (?P<cpu>0x[0-9a-f]+|\d+):? ?)?"
_START = later(r"MTRR: (?P<temporary>TEMPORARY )?Physical address space:", re.I)
_RANGE = later(rf"{_HEX} - {_HEX} size {_HEX} type (\d+)$", re.I)
_FIXED = later(rf"{_WHO}MTRR: Fixed MSR {_HEX} {_HEX}$", re.I)
_PAIR = later(rf"{_WHO}MTRR: (\d+) base {_HEX} mask {_HEX} type (\d+)$", re.I)
_DEFAULT = later(r"MTRR: (WB|UC) selected as default type\b", re.I)
_COUNTS = later(r"MTRR: default type WB/UC MTRR counts: (\d+)/(\d+)", re.I)
_NO_WC = later(r"MTRR: Removing WRCOMB type\.", re.I)
_CUT = later(r"MTRR: (?:Fixed MSR|.*base) ", re.I)
_OLD = later(
    r"Setting variable MTRR (\d+), base: ?(\d+)MB, range: ?(\d+)MB, type (UC|WC|WT|WP|WB)\b", re.I
)  # LinuxBIOS and coreboot before 2012
_OLD_FIXED = later(r"Setting fixed MTRRs\((\d+)-(\d+)\) Type: (UC|WC|WT|WP|WB)((?:, (?:Rd|Wr)MEM)*)$", re.I)
_OF_FIXED = ("setting", "fixed", "mtrrs(", ") type: ")  # words of such a line: two are left of one that is garbled
_SHOWN = later(
    rf"{_HEX}: (?:(IA32_MTRR(?:CAP|_DEF_TYPE|_FIX\w+))|PHYBASE(\d+)|PHYMASK(\d+))(?::|$)", re.I
)  # display_mtrrs()
TELLS = tells(
    NAME,
    pattern=r"MTRR: (?:(?P<plan>TEMPORARY) Physical address space:|(?P<head>Physical address space:)"
            r"|(?P<row1>Fixed MSR 0x[0-9a-f]+) |(?P<row2>.*)base )"
            r"|Setting variable MTRR (?P<row3>\d+), base|Setting fixed MTRRs\((?P<row4>\d+-\d+)\)"
            r"|^0x[0-9a-f]+: (?P<row5>IA32_MTRR(?:CAP|_DEF_TYPE|_FIX\w+)|PHY(?:BASE|MASK)\d+)",
)  # fmt: skip
_WORDS = words("mtrr: ", "setting variable mtrr", ": ia32_mtrr", ": phybase")
_SNIFF_SHOWN = later(rf"{_HEX}: (?:IA32_MTRR(?:CAP|_DEF_TYPE):|PHYBASE\d+)", re.I)


@dataclass(slots=True)
class _Solution:
    """One calculation and what it printed."""

    temporary: bool = False
    ranges: list[tuple[int, int, int]] = field(default_factory=list)  # base, exclusive end, type
    ends: set[str] = field(default_factory=set)
    fixed: dict[int, dict[int, Register]] = field(default_factory=dict)  # processor: register: value
    pairs: dict[int, tuple[int, int, Register]] = field(default_factory=dict)  # base, mask (minus the size), type
    shown: dict[int, Register] = field(default_factory=dict)  # raw registers of display_mtrrs
    counts: list[int] | None = None
    recounted: bool = False  # two lines count differently
    default: Register | None = None
    widths: list[Width] = field(default_factory=list)
    no_wc: bool = False
    painted: dict[int, Register] = field(default_factory=dict)  # number of a fixed range: its byte
    wet: bool = False  # `fixed` does not have what is painted
    twice: dict[int, tuple[int, int]] = field(default_factory=dict)  # pairs told differently, and on which lines

    def dried(self) -> _Solution:
        """Itself, what was painted in `fixed`."""
        if self.wet:
            self.fixed[0], self.wet = bytes_registers(self.painted), False
        return self


def sniff(text: str) -> bool:
    telling = (_START, _FIXED, _PAIR, _DEFAULT, _OLD, _SNIFF_SHOWN)
    lines = (squeeze(line) for _, line in holding(text, _WORDS))
    return any(pattern.search(line) for line in lines for pattern in telling)


def parse(text: str, source: str = "<text>") -> Machine:
    """The registers of the solution, its ranges in `facts`; excerpts may lack either."""
    solutions = [_Solution()]
    taken = set()  # lines of temporary solutions too: what they tell is of another moment
    for number, line in squeezed(text):
        start = _START.search(line)
        if start:
            solutions.append(_Solution(temporary=bool(start["temporary"])))
        if _CUT.search(line) or _OLD.search(line) or _SHOWN.match(line) or _DEFAULT.search(line):
            taken.add(number)
        if line.lower().count("mtrr: ") > 1:  # of two consoles beside one another
            raise refusal(source, number, f"two messages on one line: {values.quoted(line.strip())}")
        _take(solutions[-1], line, number, source)
    whole = [s.dried() for s in solutions if s.pairs or s.ranges or s.shown or s.fixed or s.wet]
    if not whole:
        raise refusal(source, 0, "no whole MTRR line of coreboot in it")
    made = [s for s in whole if not s.temporary] or whole
    final = next((s for s in reversed(made) if s.pairs or s.shown), made[-1])
    replaced = len(whole) - len(made)
    several = "s" if replaced > 1 else ""
    notes = [f"{replaced} temporary MTRR solution{several} in it, which firmware replaced"] if replaced else []
    if any(s.pairs and s.pairs != final.pairs for s in made):
        raise refusal(source, 0, f"{len(made)} MTRR solutions with different registers: which one stayed is not told")
    return replace(_machine(final, notes, source), taken=frozenset(taken))


def _take(found: _Solution, line: str, number: int, source: str) -> None:
    if width := width_on(line, source, number):
        found.widths.append(width)
    if match := _RANGE.match(line):
        _range(found, match, number, source)
    elif match := _FIXED.search(line):
        index = values.number(match[2], source, number, "register", 32)
        if index not in rules.FIXED_MSRS:
            raise refusal(source, number, f"0x{index:x} is no fixed-range register")
        cpu = values.cpu_number(match["cpu"] or "0", source, number)
        put(found.dried().fixed.setdefault(cpu, {}), index, told(match[3], source, number, index))
    elif match := _PAIR.search(line):
        n = _pair_number(match[2], source, number)
        base, mask = (values.number(match[i], source, number, what) for i, what in ((3, "base"), (4, "mask")))
        digits = min(values.hex_digits(match[i]) for i in (3, 4))
        kind = Register(_type(match[5], source, number), rules.BASE_TYPE, number, digits=digits)
        _put(found, n, (base, mask, kind))
    elif match := _OLD.search(line):
        n = _pair_number(match[1], source, number)
        base, size = (values.number(match[i], source, number, "megabytes", 44, base=10) << 20 for i in (2, 3))
        if size.bit_count() != 1 or base + size > 1 << rules.MAX_MAXPHYADDR:
            raise refusal(source, number, f"base 0x{base:x} range 0x{size:x}: no register holds this")
        kind = Register(MemoryType.parse(match[4]), rules.BASE_TYPE, number)
        _put(found, n, (base, -size, kind))
    elif match := _SHOWN.match(line):
        _shown(found, match, number, source)
    elif match := _OLD_FIXED.search(line):
        _paint(found, match, number, source)
    elif _NO_WC.search(line):
        found.no_wc = True
    elif match := _COUNTS.search(line):
        counts = [values.number(match[i], source, number, "count", 8, base=10) for i in (1, 2)]  # as MTRRcap.VCNT
        found.recounted |= found.counts not in (None, counts)
        found.counts = counts
    elif match := _DEFAULT.search(line):
        kind = values.type_register(match[1], source, number)
        found.default = kind if found.default is None else found.default.beside(kind)
    elif _CUT.search(line) or _nearly_fixed(line):  # what stood there may have replaced what other lines tell
        raise refusal(source, number, f"not an MTRR line of coreboot: {values.quoted(line.strip())}")


def _nearly_fixed(line: str) -> bool:
    lower = line.lower()
    return "rdmem" in lower or "wrmem" in lower or sum(word in lower for word in _OF_FIXED) > 1


def _range(found: _Solution, match: re.Match[str], number: int, source: str) -> None:
    fields = ((1, "base"), (2, "end"), (3, "size"))
    first, end, size = (values.number(match[i], source, number, what) for i, what in fields)
    if end - first == size:
        found.ends.add("exclusive as printed")
    elif end + 1 - first == size:
        found.ends.add("inclusive as printed")
    else:
        raise refusal(source, number, f"range 0x{first:x} - 0x{end:x} is not 0x{size:x} bytes long")
    if not size or first + size > 1 << rules.MAX_MAXPHYADDR:
        raise refusal(source, number, f"range 0x{first:x}+0x{size:x} is empty or beyond 2**{rules.MAX_MAXPHYADDR}")
    found.ranges.append((first, first + size, _type(match[4], source, number)))


def _shown(found: _Solution, match: re.Match[str], number: int, source: str) -> None:
    if match[2]:
        index = msr_index(match[2])
        if index is None:
            raise refusal(source, number, f"{match[2]} is no MTRR")
    else:
        index = 2 * _pair_number(match[3] or match[4], source, number)
        index += rules.PHYSBASE0 if match[3] else rules.PHYSMASK0
    put(found.shown, index, told(match[1], source, number, index))


def _paint(found: _Solution, match: re.Match[str], number: int, source: str) -> None:
    """Fixed ranges `first` up to, not with, `end` of the 88."""
    first, end = (values.number(match[i], source, number, "fixed range", base=10) for i in (1, 2))
    if not first <= end <= len(rules.FIXED_RANGES):
        raise refusal(source, number, f"fixed ranges {first}-{end} are not within 0-{len(rules.FIXED_RANGES)}")
    routing = match[4].lower()
    kind = int(MemoryType.parse(match[3]))
    kind |= rules.AMD_RDMEM if "rd" in routing else 0
    kind |= rules.AMD_WRMEM if "wr" in routing else 0
    found.painted |= dict.fromkeys(range(first, end), Register(kind, 0xFF, number))
    found.wet = True


def _put(found: _Solution, n: int, entry: tuple[int, int, Register]) -> None:
    """Put a pair; one that a solution prints twice, differently, is not told."""
    known = found.pairs.setdefault(n, entry)
    if known != entry:
        found.twice.setdefault(n, (known[2].line, entry[2].line))


def _pair_number(text: str, source: str, line: int) -> int:
    n = values.number(text, source, line, "MTRR number", base=10)
    if n >= rules.NUMBERED_PAIRS:
        raise refusal(source, line, f"MTRR {n} is not below {rules.NUMBERED_PAIRS}")
    return n


def _type(text: str, source: str, line: int) -> int:
    kind = values.number(text, source, line, "type", 8, base=10)
    if kind not in rules.MTRR_TYPES:
        raise refusal(source, line, f"type {kind} is no MTRR type")
    return kind


# --- a solution as a machine ----------------------------------------------------------------------------------------


def _machine(found: _Solution, notes: list[str], source: str) -> Machine:
    width = single_width(found.widths, notes)
    facts = _facts(found, width)
    for n, lines in sorted(found.twice.items()):
        del found.pairs[n]
        text = f"line {lines[0]} and line {lines[1]} tell MTRR {n} differently: it is not told"
        notes.append(Note(text, "contradiction", lines))
    if not (found.pairs or found.shown or found.twice):
        notes.append(not_told("registers", _PLAN_ALONE))
        bits = None if width is None else width.bits
        return Machine(format=NAME, maxphyaddr=bits, width=width, facts=facts, notes=tuple(notes))
    if found.temporary:
        notes.append("the solution is a temporary one: firmware replaced it later")
    registers = {cpu: _registers(found, fixed) for cpu, fixed in (found.fixed or {0: {}}).items()}
    ranges = {n: Range(base, -mask, kind) for n, (base, mask, kind) in found.pairs.items() if mask < 0}
    listing = Listing(
        whole=not found.shown, uncounted=not found.shown and not _counted(found), lost=_holes(found),
        listing="coreboot" if found.default is None else None, filled=16,
    )  # fmt: skip
    machine = machine_of(registers, NAME, source, notes, width, None, listing, ranges, facts=facts)
    if machine.vendor == "amd" and any(base >= rules.GIB4 and kind == MemoryType.WB for base, _, kind in found.ranges):
        note = "RAM above 4 GiB is WB by TOM2 on such machines, which coreboot does not print"
        machine = replace(machine, notes=(*machine.notes, note))
    return machine


def _counted(found: _Solution) -> int:
    """How many pairs coreboot says that it takes for the default type that it chose; 0 where the log lost that."""
    if found.counts is None or found.recounted or found.default is None or found.default.against:
        return 0
    return found.counts[0 if found.default.value == MemoryType.WB else 1]


def _holes(found: _Solution) -> set[int]:
    """Registers of pairs that the log lost: coreboot numbers them one after the other, and counts them before."""
    end = max(_counted(found), max((*found.pairs, *found.twice), default=-1) + 1)
    lost = {index for n in range(end) if n not in found.pairs for index in pair_numbers(n)}
    return lost if found.pairs or found.twice else set()


def _registers(found: _Solution, fixed: dict[int, Register]) -> dict[int, Register]:
    """What commit_*_mtrrs writes: the pairs with V, and a default type that enables both kinds of ranges."""
    held = dict(found.shown)
    for n, (base, mask, kind) in found.pairs.items():
        if mask >= 0:
            low, high = pair_numbers(n)
            halves = ((low, base | kind.value), (high, mask | V))
            held |= {index: Register(value, line=kind.line, digits=kind.digits) for index, value in halves}
    if rules.DEF_TYPE_MSR not in held:
        held |= def_type(found.default, True, True if fixed else None)
    return held | fixed


def _default_name(found: _Solution) -> str | None:
    if found.default is None or found.default.against:
        return None
    return str(rules.type_of(found.default.value))


def _facts(found: _Solution, width: Width | None) -> dict[str, object]:
    facts: dict[str, object] = {"temporary": found.temporary}
    if found.ranges:
        facts["ranges"] = [list(entry) for entry in found.ranges]
        facts["ranges_end"] = " and ".join(sorted(found.ends))
        facts["segments"] = [[base, end, MemoryType(kind).linux_name] for base, end, kind in found.ranges]
    facts["fixed_msrs"] = {
        f"0x{index:x}": f"0x{held.value:016x}"
        for fixed in found.fixed.values()
        for index, held in sorted(fixed.items())
        if held.told
    }
    facts["regs"] = [
        {"i": n, "base": base, "mask": mask, "type": kind.value}
        for n, (base, mask, kind) in sorted(found.pairs.items())
        if mask >= 0
    ]
    if found.no_wc:
        facts["wc_removed"] = True
    for name, value in (
        ("phys_bits", width and width.bits),
        ("counts_wb_uc", None if found.recounted else found.counts),
        ("default", _default_name(found)),
    ):
        if value is not None:
            facts[name] = value
    return facts
