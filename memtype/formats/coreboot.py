"""coreboot's console (serial log or ``cbmem -c``): the planned ranges, the solution, and ``display_mtrrs``.

A log may hold several solutions, temporary ones first; the last that is not temporary is the machine's.
Registers are printed without what `commit` adds: the base without its type, the mask without V. The end of
a range is inclusive since 2022 and exclusive before: the printed size decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from memtype import rules
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.names import msr_index
from memtype.reading.notes import not_told
from memtype.reading.values import refusal
from memtype.types import MemoryType

NAME = "coreboot"

_HEX = r"0x([0-9a-f]+)"
_WHO = r"(?:(?:apic_id|CPU)\s+(?P<cpu>0x[0-9a-f]+|\d+):?\s*)?"
_START = re.compile(r"MTRR: (?P<temporary>TEMPORARY )?Physical address space:")
_RANGE = re.compile(rf"^\s*{_HEX} - {_HEX} size {_HEX} type (\d+)\s*$", re.I)
_FIXED = re.compile(rf"{_WHO}MTRR: Fixed MSR {_HEX} {_HEX}\s*$", re.I)
_PAIR = re.compile(rf"{_WHO}MTRR: (\d+) base {_HEX} mask {_HEX} type (\d+)\s*$", re.I)
_DEFAULT = re.compile(r"MTRR: (WB|UC) selected as default type")
_COUNTS = re.compile(r"MTRR: default type WB/UC MTRR counts: (\d+)/(\d+)")
_NO_WC = re.compile(r"MTRR: Removing WRCOMB type\.")
_WIDTH = re.compile(r"CPU physical address size: (\d+) bits")
_CUT = re.compile(r"MTRR: (?:Fixed MSR|\d+ base) ")
_OLD = re.compile(
    r"Setting variable MTRR (\d+), base:\s*(\d+)MB, range:\s*(\d+)MB, type (UC|WC|WT|WP|WB)(?:\s|$)", re.I
)  # LinuxBIOS and coreboot before 2012
_OLD_FIXED = re.compile(r"Setting fixed MTRRs\((\d+)-(\d+)\) Type: (UC|WC|WT|WP|WB)((?:, (?:Rd|Wr)MEM)*)", re.I)
_SHOWN = re.compile(
    rf"^\s*{_HEX}: (?:(IA32_MTRR(?:CAP|_DEF_TYPE|_FIX\w+))|PHYBASE(\d+)|PHYMASK(\d+))(?::.*)?\s*$", re.I
)  # display_mtrrs()
_SNIFF = re.compile(
    "|".join(f"(?:{p.pattern.replace('(?P<cpu>', '(?:').replace('(?P<temporary>', '(?:')})"
             for p in (_START, _FIXED, _PAIR, _DEFAULT, _OLD)), re.I | re.M,
)  # fmt: skip
_SNIFF_SHOWN = re.compile(rf"{_HEX}: (?:IA32_MTRR(?:CAP|_DEF_TYPE):|PHYBASE\d+)", re.I)


@dataclass(slots=True)
class _Solution:
    """One calculation and what it printed."""

    temporary: bool = False
    ranges: list[tuple[int, int, int]] = field(default_factory=list)  # base, exclusive end, type
    ends: set[str] = field(default_factory=set)
    fixed: dict[int, dict[int, int]] = field(default_factory=dict)  # processor: register: value
    pairs: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # base, mask, type
    shown: dict[int, int] = field(default_factory=dict)  # raw registers of display_mtrrs
    counts: list[int] | None = None
    default: str | None = None
    width: int | None = None
    no_wc: bool = False
    painted: dict[int, int] = field(default_factory=dict)  # number of a fixed range: its byte


def sniff(text: str) -> bool:
    return _SNIFF.search(text) is not None or _SNIFF_SHOWN.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """The registers of the last solution, its ranges in `facts`; excerpts may lack either."""
    solutions = [_Solution()]
    for number, line in squeezed(text):
        start = _START.search(line)
        if start:
            solutions.append(_Solution(temporary=bool(start["temporary"])))
        elif _restarts(line, solutions[-1]):
            solutions.append(_Solution(solutions[-1].temporary))
        _take(solutions[-1], line, number, source)
    whole = [s for s in solutions if s.pairs or s.ranges or s.shown or s.fixed]
    if not whole:
        raise refusal(source, 0, "no whole MTRR line of coreboot in it")
    final = next((s for s in reversed(whole) if not s.temporary and (s.pairs or s.shown)), whole[-1])
    notes = [f"{len(whole)} MTRR solutions in it, one after the other: the last is used"] if len(whole) > 1 else []
    return _machine(final, notes, source)


def _restarts(line: str, solution: _Solution) -> bool:
    """Whether another solution begins here without a headline: a register again, with other values.

    The same values again are another processor's copy.
    """
    pair = _PAIR.search(line)
    if not pair or not solution.pairs:
        return False
    known = solution.pairs.get(int(pair[2][:4]))
    return known is not None and known[:2] != tuple(int(pair[i][:20], 16) for i in (3, 4))


def _take(found: _Solution, line: str, number: int, source: str) -> None:
    width = _WIDTH.search(line)
    if width:
        found.width = reg.told_width(width[1], source, number)
    if match := _RANGE.match(line):
        _range(found, match, number, source)
    elif match := _FIXED.search(line):
        index = values.number(match[2], source, number, "register", 32)
        if index not in rules.FIXED_MSRS:
            raise refusal(source, number, f"0x{index:x} is no fixed-range register")
        cpu = values.cpu_number(match["cpu"] or "0", source, number)
        found.fixed.setdefault(cpu, {})[index] = values.number(match[3], source, number, rules.msr_name(index))
    elif match := _PAIR.search(line):
        n = _pair_number(match[2], source, number)
        base, mask = (values.number(match[i], source, number, what) for i, what in ((3, "base"), (4, "mask")))
        _put(found, n, (base, mask, _type(match[5], source, number)), number, source)
    elif match := _OLD.search(line):
        n = _pair_number(match[1], source, number)
        base, size = (values.number(match[i], source, number, "megabytes", 44, base=10) << 20 for i in (2, 3))
        if size < rules.PAGE_SIZE or size & (size - 1) or base + size > 1 << rules.MAX_MAXPHYADDR:
            raise refusal(source, number, f"base 0x{base:x} range 0x{size:x}: no register holds this")
        _put(found, n, (base, -size, int(MemoryType.parse(match[4]))), number, source)
    elif match := _SHOWN.match(line):
        _shown(found, match, number, source)
    elif match := _OLD_FIXED.search(line):
        _paint(found, match, number, source)
    elif _NO_WC.search(line):
        found.no_wc = True
    elif match := _COUNTS.search(line):
        found.counts = [values.number(match[i], source, number, "count", 32, base=10) for i in (1, 2)]
    elif match := _DEFAULT.search(line):
        found.default = match[1]
    elif _CUT.search(line):
        raise refusal(source, number, f"not an MTRR line of coreboot: {values.quoted(line.strip())}")


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
    found.shown[index] = values.number(match[1], source, number, rules.msr_name(index))


def _paint(found: _Solution, match: re.Match[str], number: int, source: str) -> None:
    """Fixed ranges `first` up to, not with, `end` of the 88."""
    first, end = (values.number(match[i], source, number, "fixed range", base=10) for i in (1, 2))
    if not first <= end <= len(rules.FIXED_RANGES):
        raise refusal(source, number, f"fixed ranges {first}-{end} are not within 0-{len(rules.FIXED_RANGES)}")
    routing = match[4].lower()
    kind = int(MemoryType.parse(match[3]))
    kind |= rules.AMD_RDMEM if "rd" in routing else 0
    kind |= rules.AMD_WRMEM if "wr" in routing else 0
    found.painted |= dict.fromkeys(range(first, end), kind)
    if len(found.painted) == len(rules.FIXED_RANGES):
        kinds = bytes(found.painted[n] for n in range(len(rules.FIXED_RANGES)))
        found.fixed[0] = {i: int.from_bytes(kinds[8 * n : 8 * n + 8], "little") for n, i in enumerate(rules.FIXED_MSRS)}


def _put(found: _Solution, n: int, entry: tuple[int, int, int], number: int, source: str) -> None:
    if found.pairs.setdefault(n, entry) != entry:
        raise refusal(source, number, f"MTRR {n} is printed twice in one solution, with different values")


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
    facts = _facts(found)
    if not (found.pairs or found.shown):
        notes.append("the excerpt holds no variable range registers: the map is the one that coreboot planned for")
        planned = _map(found, source)
        return Machine(format=NAME, maxphyaddr=found.width, facts=facts, notes=tuple(notes), printed_map=planned)
    registers = {cpu: _registers(found, fixed, notes) for cpu, fixed in (found.fixed or {0: {}}).items()}
    width, guesses = found.width, [] if found.shown or found.default else ["default"]
    if found.temporary:
        notes.append("the solution is a temporary one: firmware replaced it later")
    if width is None and any(mask < 0 for _, mask, _ in found.pairs.values()):
        width = _assumed(found, notes)
        guesses.append("maxphyaddr")
    machine = reg.machine_of(registers, NAME, source, notes, width, facts=facts)
    if machine.vendor == "amd" and any(base >= rules.GIB4 and kind == MemoryType.WB for base, _, kind in found.ranges):
        note = "RAM above 4 GiB is WB by TOM2 on such machines, which coreboot does not print: it reads as the default"
        machine = replace(machine, notes=(*machine.notes, note))
    return reg.guessed(machine, *guesses)


def _assumed(found: _Solution, notes: list[str]) -> int:
    return reg.assumed_width((base - mask for base, mask, _ in found.pairs.values()), notes)


def _registers(found: _Solution, fixed: dict[int, int], notes: list[str]) -> dict[int, int]:
    msrs = dict(found.shown)
    width = found.width or _assumed(found, [])
    for n, (base, mask, kind) in found.pairs.items():
        mask = reg.size_mask(-mask, width) if mask < 0 else mask
        msrs |= {rules.PHYSBASE0 + 2 * n: base | kind, rules.PHYSMASK0 + 2 * n: mask | rules.MASK_VALID}
    whole = len(fixed) == len(rules.FIXED_MSRS)
    if fixed and not whole:
        reg.once(notes, not_told("fixed", f"only {len(fixed)} of the 11 are printed: {reg.NO_FIXED}"))
    elif not fixed and not found.shown:
        reg.once(notes, not_told("fixed", reg.NO_FIXED))
    msrs |= fixed if whole else {}
    if rules.DEF_TYPE_MSR not in msrs:
        pairs = [(msrs[i], msrs[i + 1]) for i in sorted(msrs) if i in reg.PAIR_MSRS and not i & 1 and i + 1 in msrs]
        kind = MemoryType.parse(found.default) if found.default else reg.assumed_default(pairs, notes)
        msrs[rules.DEF_TYPE_MSR] = kind | rules.DEF_TYPE_E | (rules.DEF_TYPE_FE if whole else 0)
    return msrs


def _facts(found: _Solution) -> dict[str, object]:
    facts: dict[str, object] = {"temporary": found.temporary}
    if found.ranges:
        facts["ranges"] = [list(entry) for entry in found.ranges]
        facts["ranges_end"] = " and ".join(sorted(found.ends))
        facts["segments"] = [[base, end, MemoryType(kind).linux_name] for base, end, kind in found.ranges]
    facts["fixed_msrs"] = {
        f"0x{index:x}": f"0x{value:016x}" for fixed in found.fixed.values() for index, value in sorted(fixed.items())
    }
    facts["regs"] = [
        {"i": n, "base": base, "mask": mask, "type": kind}
        for n, (base, mask, kind) in sorted(found.pairs.items())
        if mask >= 0
    ]
    if found.no_wc:
        facts["wc_removed"] = True
    for name, value in (("phys_bits", found.width), ("counts_wb_uc", found.counts), ("default", found.default)):
        if value is not None:
            facts[name] = value
    return facts


def _map(found: _Solution, source: str) -> MemoryMap | None:
    """The ranges that coreboot planned for. What it programs may differ where it does not care: above RAM."""
    if not found.ranges:
        return None
    width = found.width or max(rules.CPUID_ABSENT_MAXPHYADDR, max(end - 1 for _, end, _ in found.ranges).bit_length())
    try:
        return MemoryMap.from_segments([(base, end - base, kind) for base, end, kind in found.ranges], maxphyaddr=width)
    except InputError as error:
        raise refusal(source, 0, str(error)) from None
