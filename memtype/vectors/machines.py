"""Cases of whole machines: large pages, two mappings of a page, what Linux grants, other registers' ranges, faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final

from memtype import explanation, rules
from memtype.analysis.alias import alias
from memtype.analysis.check import Finding, check
from memtype.analysis.page_type import page_type
from memtype.analysis.reserve import CALLERS, PLACES, reserve
from memtype.analysis.system_ranges import SystemRange, system_ranges
from memtype.backends import reference
from memtype.machine import Machine
from memtype.mtrr import MtrrState
from memtype.types import MemoryType
from memtype.vectors.addresses import around
from memtype.vectors.cited import row
from memtype.vectors.section import FLAG, NUMBER, ROW, TYPE, VENDOR, VENDORS, WORD, Column, Section
from memtype.vectors.states import GIB, Case
from memtype.vectors.tables import MTRR, PAT

Row = tuple[Any, ...]
UC, WB, MIXED = MemoryType.UC, MemoryType.WB, MemoryType.MIXED
ERRORS: Final = {None: 0, "EBUSY": 16, "EINVAL": 22}  # errno of x86 Linux


def sections(cases: Sequence[Case]) -> Iterator[Section]:
    """All sections of this module; `cases` are the rows of the section "mtrr"."""
    yield from _of_states(cases)
    yield Section(
        "amd_fixed", "a byte of a fixed-range register on AMD, SYSCFG.MtrrFixDramModEn set: does a read and a write go "
        "to DRAM, its type, and is the combination reserved",
        (Column("byte", WORD),),
        (Column("read_dram", FLAG), Column("write_dram", FLAG), Column("type", TYPE), Column("reserved", FLAG)),
        list(_amd_fixed()),
    )  # fmt: skip
    yield Section(
        "system_range", "is the address in a range of SMRR, PRMRR, SMM_ADDR and SMM_MASK, IORR or MMIO configuration "
        "(MSR and value); does that replace the MTRR type outside SMM, and by which (0 where it does not)",
        (Column("registers", WORD, 0, 2), Column("address", WORD)),
        (Column("inside", FLAG), Column("replaces", FLAG), Column("type", TYPE)), list(_system_ranges()),
    )  # fmt: skip
    yield Section(
        "alias", "two mappings of a page have these effective types: allowed (0), unsupported or open (1), error (2)",
        (Column("vendor", VENDOR), Column("self_snoop", FLAG), Column("first", TYPE), Column("second", TYPE)),
        (Column("verdict", NUMBER),), list(_aliases()),
    )  # fmt: skip
    yield Section(
        "linux_reserve", "the type that Linux gives a new mapping over `count` tracked entries, or the errno. by: "
        "ioremap (0), remap (1), remap that takes no other type (2), set_memory (3); place: device (0), RAM (1), both "
        "(2); isa: it lies in [0xa0000, 0x100000)",
        (Column("want", TYPE), Column("count", NUMBER), Column("first", TYPE), Column("second", TYPE),
         Column("by", NUMBER), Column("place", NUMBER), Column("mtrr", TYPE), Column("isa", FLAG),
         Column("pat_enabled", FLAG)),
        (Column("error", NUMBER), Column("type", TYPE)), list(_reserved()),
    )  # fmt: skip


def _of_states(cases: Sequence[Case]) -> Iterator[Section]:
    places = {case.id: place for place, case in enumerate(cases)}
    yield Section(
        "large_page", "the MTRR type of all of a page, or 11 where it holds several: split it",
        (Column("state", ROW), Column("base", WORD), Column("size", WORD)), (Column("type", TYPE),),
        list(_large_pages(cases, places)),
    )  # fmt: skip
    yield Section(
        "processors", "may two processors hold these registers: the same types are enough, for SNP the same registers",
        (Column("first", ROW), Column("second", ROW), Column("snp", FLAG)), (Column("fine", FLAG),),
        list(_processors(cases, places)),
    )  # fmt: skip
    yield Section(
        "use", "is something wrong with a range that holds RAM (0) or device registers (1) under these MTRRs; "
        "tdx: they are those of a TDX guest, and the RAM is private",
        (Column("state", ROW), Column("base", WORD), Column("size", WORD), Column("device", FLAG),
         Column("tdx", FLAG)), (Column("wrong", FLAG),), list(_uses(cases, places)),
    )  # fmt: skip


# --- of register files ------------------------------------------------------------------------------------------

_PAGED: Final = ("two-nested-W", "three-WB-", "fixed-slot-0", "machine-", "tom2-width", "base-unaligned-2^20", "many-8")


def _large_pages(cases: Sequence[Case], places: dict[str, int]) -> Iterator[Row]:
    """Pages of every size around the edges of the ranges, and the first of each size."""
    for case in cases:
        if not case.id.startswith(_PAGED):
            continue
        s, asked = case.state, set[tuple[int, int]]()
        edges = [0, *around(base & rules.page_bits(s.maxphyaddr) for base, _ in s.variable)]
        for size, edge in product((1 << 12, 1 << 21, GIB), edges):
            if 0 <= edge < 1 << s.maxphyaddr:
                asked.add((size, edge & -size))
        for size, base in sorted(asked):
            kind = page_type(s, base, size).type
            rule = "large-page-mixed" if kind is MIXED else explanation.explain(s, base).steps[-1].rule
            yield row(f"page-{case.id}-{size:x}-{base:x}", rule, places[case.id], base, size, kind)


def _processors(cases: Sequence[Case], places: dict[str, int]) -> Iterator[Row]:
    """Pairs in another order, pairs that are off, another rest, and a register file beside itself."""
    states = {case.id: case.state for case in cases}
    pairs = [("luv-127-cpu0", "luv-127-cpu1"), ("machine-default-UC-8G-intel", "machine-default-WB-8G-intel")]
    for name in states:
        if name.startswith("two-nested-back-W"):
            kinds = name.removeprefix("two-nested-back-")
            pairs += [(f"two-nested-{kinds}", name), (f"two-nested-{kinds}", f"two-same-{kinds}"), (name, name)]
    for (one, other), snp in product(pairs, (0, 1)):
        first, second = states[one], states[other]
        alike = first.msrs() == second.msrs()
        fine = alike if snp else alike or reference.resolve(first) == reference.resolve(second)
        rule = "check-snp" if snp else "check-cpus"
        yield row(f"processors-{one}-{other}-{snp}", rule, places[one], places[other], snp, int(fine))


_USED: Final = ("machine-default-", "two-nested-WB", "off-", "default-WB-4", "default-UC-4", "tom2-width")
_RANGES: Final = ((rules.MIB, 0x7FF0_0000), (0xC000_0000, 0x1000_0000), (0xFEE0_0000, 0x1000), (rules.GIB4, GIB))


def _uses(cases: Sequence[Case], places: dict[str, int]) -> Iterator[Row]:
    for case in cases:
        if not case.id.startswith(_USED):
            continue
        for (base, size), device, tdx in product(_RANGES, (0, 1), (0, 1)):
            if base + size > 1 << case.state.maxphyaddr or (device and tdx):
                continue
            rule, wrong = _use(case.state, base, size, device, tdx)
            given = (places[case.id], base, size, device, tdx)
            yield row(f"use-{case.id}-{base:x}-{device}{tdx}", rule, *given, int(wrong))


def _use(s: MtrrState, base: int, size: int, device: int, tdx: int) -> tuple[str, bool]:
    """(rule, whether something is wrong with this range)."""
    span = [(base, size)]
    found = check(s, span if device else (), () if device else span, platform="tdx" if tdx else "bare")
    asked = {"check-mmio"} if device else {"check-ram", "check-off"}
    named = {each.rule for each in found if each.severity != "note" and _meets(each, base, size)}
    if tdx:
        return "check-tdx", bool(named & asked)
    open_ = "check-undefined" in named
    off = "check-off" in named and not device
    rule = "check-undefined" if open_ else "check-off" if off else "check-mmio" if device else "check-ram"
    return rule, open_ or bool(named & asked)


def _meets(found: Finding, base: int, size: int) -> bool:
    """Whether a finding is about some of this range, or about no range."""
    return found.base is None or (found.base < base + size and base < found.base + (found.size or 0))


# --- AMD's fixed ranges, other registers ---------------------------------------------------------------------------


def _amd_fixed() -> Iterator[Row]:
    """The bytes that WRMSR takes."""
    for byte in range(32):
        kind, routed = byte & 7, (byte >> 4 & 1, byte >> 3 & 1)
        if kind in rules.MTRR_TYPES:
            reserved = kind not in rules.AMD_FIXED_TYPES[routed]
            yield row(f"amd-fixed-{byte:02x}", "check-fixed-amd", byte, *routed, kind, int(reserved))


_SMRR, _PRMRR, _IORR = rules.SMRR_MSRS, rules.PRMRR_MSRS, rules.IORR_MSRS[0]
_HELD: Final[dict[str, list[tuple[int, int]]]] = {
    "smrr": [(_SMRR[0], 0x7C40_0006), (_SMRR[1], 0xFFC0_0800)],
    "smrr-off": [(_SMRR[0], 0x7C40_0006), (_SMRR[1], 0xFFC0_0000)],
    "smrr-core2": [(rules.CORE2_SMRR_MSRS[0], 0x7C40_0000), (rules.CORE2_SMRR_MSRS[1], 0xFFC0_0800)],
    "prmrr": [(_PRMRR[0], 0x7000_0006), (_PRMRR[1], 0xF_FFFF_F800_0C00)],
    "tseg": [(rules.AMD_SMM_MSRS[0], 0x7C00_0000), (rules.AMD_SMM_MSRS[1], 0xFFFF_FF80_6002)],
    "tseg-wc": [(rules.AMD_SMM_MSRS[0], 0x7C00_0000), (rules.AMD_SMM_MSRS[1], 0xFFFF_FF80_6022)],
    "aseg": [(rules.AMD_SMM_MSRS[1], 0x601)],
    "aseg-wc": [(rules.AMD_SMM_MSRS[1], 0x611)],
    "smm-off": [(rules.AMD_SMM_MSRS[0], 0x7C00_0000), (rules.AMD_SMM_MSRS[1], 0xFFFF_FF80_6000)],
    "iorr": [(_IORR[0], 0x8000_0018), (_IORR[1], 0xF_FFFF_F000_0800)],
    "mmio-config": [(rules.MMIO_CONFIG_MSR, 0xE000_0000 | 8 << 2 | 1)],
    "mmio-config-one-bus": [(rules.MMIO_CONFIG_MSR, 0xE000_0000 | 1)],
    "mmio-config-reserved": [(rules.MMIO_CONFIG_MSR, 0xE000_0000 | 9 << 2 | 1)],
}
_RULES: Final = {"sm": "smrr", "pr": "prmrr", "ts": "amd-smram", "as": "amd-smram", "io": "iorr", "mm": "mmio-config"}
_BORDERS: Final = (
    0x7000_0000, 0x7800_0000, 0x7C00_0000, 0x7C40_0000, 0x7C80_0000, 0x8000_0000, 0x9000_0000, 0xA_0000, 0xC_0000,
    0xE000_0000, 0xE010_0000, 0xF000_0000, 0x1_7C40_0000,
)  # fmt: skip


def _system_ranges() -> Iterator[Row]:
    for name, registers in _HELD.items():
        told = {f"0x{index:x}": f"0x{value:x}" for index, value in registers}
        found = system_ranges(Machine(facts={"system_msrs": told}))
        rule = "amd-smram" if name == "smm-off" else _RULES[name[:2]]
        for address in around(_BORDERS):
            held = next((each for each in found if each.covers(address)), None)
            yield row(f"system-{name}-{address:x}", rule, tuple(registers), address, *_effect(held))


def _effect(held: SystemRange | None) -> tuple[int, int, int]:
    """(inside, replaces, type)."""
    kind = None if held is None else held.type
    return int(held is not None), int(kind is not None), 0 if kind is None else kind


# --- two mappings, and what Linux grants --------------------------------------------------------------------------

_VERDICTS: Final = ("ok", "warn", "error")
_RESULTS: Final = (*PAT, MemoryType.CD, MemoryType.WC_PLUS, MemoryType.UNDEFINED)


def _aliases() -> Iterator[Row]:
    for vendor, snoop, first, second in product(VENDORS, (0, 1), _RESULTS, _RESULTS):
        if vendor == "amd" and snoop:
            continue
        found = alias(first, second, vendor, self_snoop=bool(snoop))
        given = (VENDORS.index(vendor), snoop, first, second)
        name = f"alias-{vendor}-{snoop}-{first}-{second}".replace("?", "x")
        yield row(name, found.rule, *given, _VERDICTS.index(found.verdict))


def _reserved() -> Iterator[Row]:
    for n, (want, over, by, place, mtrr, isa, on) in enumerate(_requests()):
        at = (0xB_8000, 0x1000) if isa else (0xE000_0000, 0x1000)
        found = reserve(want, over, by=by, mtrr=mtrr, place=place, at=at, pat_enabled=bool(on))
        first, second = (*over, UC, UC)[:2]
        given = (want, len(over), first, second, CALLERS.index(by), PLACES.index(place), mtrr, isa, on)
        kind = 0 if found.type is None else found.type
        rule = found.rules[0 if found.rules[0] in _CHANGED else -1]
        yield row(f"linux-reserve-{n:04d}", rule, *given, ERRORS[found.error], kind)


_CHANGED: Final = ("linux-mtrr-hint", "linux-ram-uc")  # another type than asked for is tracked
_Request = tuple[MemoryType, tuple[MemoryType, ...], str, str, MemoryType, int, int]


def _requests() -> Iterator[_Request]:
    """Every request over none, one and two entries of a device, over RAM, and where nothing is tracked."""
    two = [(kind, other) for kind in PAT for other in {kind: None, WB: None}]
    tracked: list[tuple[MemoryType, ...]] = [(), *((kind,) for kind in PAT), *two]
    ram = [over for over in tracked if not {UC, MemoryType.WP} & set(over)]
    for want, by in product(PAT, CALLERS):
        if want is MemoryType.WP and by == "ioremap":
            continue  # there is no such function
        for over, mtrr in product(tracked, MTRR if want is WB else (UC,)):
            yield want, over, by, "device", mtrr, 0, 1
        for over in ram:
            yield want, over, by, "ram", WB, 0, 1
        yield want, (), by, "mixed", WB, 0, 1
        yield want, (MemoryType.WC,), by, "device", UC, 1, 1
        yield want, (MemoryType.WC,), by, "device", UC, 0, 0
