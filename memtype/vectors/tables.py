"""Cases of single registers and entries: WRMSR, PAT entries, effective types, EPT and nested paging.

The tables of effective types are the manuals', cell by cell (`memtype.rules`). Cells that stand in the manuals in two
versions are not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from memtype import rules
from memtype.backends import reference
from memtype.ept import ept_misconfigured, eptp_valid
from memtype.pat import Pat
from memtype.types import MemoryType
from memtype.vectors.cited import row
from memtype.vectors.draw import Draw
from memtype.vectors.section import FLAG, NUMBER, TYPE, VENDOR, VENDORS, WORD, Column, Section

Row = tuple[Any, ...]
MTRR: Final = tuple(MemoryType(kind) for kind in sorted(rules.MTRR_TYPES))
PAT: Final = tuple(MemoryType(kind) for kind in sorted(rules.PAT_TYPES))
_CD: Final = (0, 1)


def sections() -> Iterator[Section]:
    """All sections of this module."""
    yield Section(
        "msr_write", "does WRMSR take the value (0: #GP)",
        (Column("msr", WORD), Column("value", WORD), Column("maxphyaddr", NUMBER), Column("vendor", VENDOR)),
        (Column("taken", FLAG),), list(_writes()),
    )  # fmt: skip
    yield Section(
        "pat_index", "which PAT entry a leaf chooses, and its type",
        (Column("pat", WORD), Column("entry", WORD), Column("level", NUMBER)),
        (Column("index", NUMBER), Column("type", TYPE)), list(_indexes()),
    )  # fmt: skip
    yield Section(
        "pat_walk", "the PAT type of an access to a paging structure, by CR3 or the entry that points to it; without "
        "paging (CR0.PG = 0) that of any access",
        (Column("pat", WORD), Column("cr0_pg", FLAG), Column("pointer", WORD)), (Column("type", TYPE),),
        list(_walks()),
    )  # fmt: skip
    yield Section(
        "effective", "MTRR type with PAT type",
        (Column("vendor", VENDOR), Column("cr0_cd", FLAG), Column("mtrr", TYPE), Column("pat", TYPE)),
        (Column("type", TYPE),), list(_effective()),
    )  # fmt: skip
    yield Section(
        "pcd_pwt", "MTRR type with PCD and PWT, on processors without PAT (on AMD: with PAT as it is at reset)",
        (Column("vendor", VENDOR), Column("mtrr", TYPE), Column("pcd", FLAG), Column("pwt", FLAG)),
        (Column("type", TYPE),), list(_pcd_pwt()),
    )  # fmt: skip
    yield Section(
        "ept", "EPT leaf with the guest's PAT type",
        (Column("ept_type", TYPE), Column("ipat", FLAG), Column("pat", TYPE), Column("cr0_cd", FLAG)),
        (Column("type", TYPE),), list(_ept()),
    )  # fmt: skip
    yield Section(
        "ept_leaf", "bits 6:3 of an EPT leaf; of a misconfigured one (1) type and IPAT mean nothing and are 0",
        (Column("entry", WORD),), (Column("misconfigured", FLAG), Column("type", TYPE), Column("ipat", FLAG)),
        list(_ept_leaves()),
    )  # fmt: skip
    yield Section(
        "ept_entry", "are bits 6:3 of an EPT entry of this level, leaf (level 1, or bit 7) or not, a misconfiguration",
        (Column("entry", WORD), Column("level", NUMBER)), (Column("misconfigured", FLAG),), list(_ept_entries()),
    )  # fmt: skip
    yield Section(
        "ept_pointer", "does VM entry take the type in an EPT pointer (0: it fails, the type is then 0), by "
        "IA32_VMX_EPT_VPID_CAP",
        (Column("eptp", WORD), Column("capabilities", WORD)), (Column("taken", FLAG), Column("type", TYPE)),
        list(_ept_pointers()),
    )  # fmt: skip
    yield Section(
        "npt_combined", "nested paging, first step: PAT type of the guest's leaf with that of the host's",
        (Column("guest", TYPE), Column("host", TYPE)), (Column("type", TYPE),), list(_npt_combined()),
    )  # fmt: skip
    yield Section(
        "npt", "nested paging: PAT type of the guest's leaf, of the host's leaf, MTRR type of the system address",
        (Column("guest", TYPE), Column("host", TYPE), Column("mtrr", TYPE), Column("snp", FLAG),
         Column("cr0_cd", FLAG)), (Column("type", TYPE),), list(_npt()),
    )  # fmt: skip


# --- WRMSR ------------------------------------------------------------------------------------------------------

_WIDTHS: Final = (32, 36, 39, 46, 52)
_PLAIN: Final = {rules.DEF_TYPE_MSR: rules.DEF_TYPE_E, rules.PHYSBASE0 + 6: 0x4000_0000, rules.PHYSMASK0 + 6: 0}


def writes() -> Iterator[tuple[int, int, int, str]]:
    """(MSR, value, width, vendor): every value of every type byte, every bit alone, and random values."""
    for msr, kind in product(_PLAIN, range(256)):
        yield msr, _PLAIN[msr] | kind, 46, "intel"
    for msr, width, bit in product(_PLAIN, _WIDTHS, range(8, 64)):
        yield msr, 1 << bit, width, VENDORS[bit % 2]
    for kind, vendor in product(range(256), VENDORS):
        yield rules.FIXED_MSRS[kind % 11], kind << 8 * (kind % 8), 46, vendor
        yield rules.PAT_MSR, (rules.PAT_RESET & ~(0xFF << 8 * (kind % 8))) | kind << 8 * (kind % 8), 46, vendor
    draw = Draw("writes")
    for n in range(300):
        msr = draw.one_of((*_PLAIN, *rules.FIXED_MSRS, rules.PAT_MSR, rules.PHYSBASE0, rules.PHYSMASK0 + 78))
        entries = bytes(draw.one_of((0, 1, 4, 5, 6, 6, 7, 2) if draw.chance(15) else (0, 1, 4, 5, 6)) for _ in range(8))
        value = int.from_bytes(entries, "little") if n % 2 else draw.bits(draw.one_of((12, 36, 52))) & ~0x7F0
        yield msr, value, draw.one_of(_WIDTHS), draw.one_of(VENDORS)


def _writes() -> Iterator[Row]:
    for n, (msr, value, width, vendor) in enumerate(dict.fromkeys(writes())):
        fault = reference.msr_fault(msr, value, width, vendor)
        name = f"write-{n:04d}-{msr:x}"
        yield row(name, _write_rule(msr), msr, value, width, VENDORS.index(vendor), int(fault is None))


def _write_rule(msr: int) -> str:
    return "pat-entry" if msr == rules.PAT_MSR else "check-register"


# --- PAT --------------------------------------------------------------------------------------------------------


def _indexes() -> Iterator[Row]:
    bits = (rules.PTE_PWT, rules.PTE_PCD, rules.PTE_PAT_4K, rules.PTE_PAT_LARGE)
    for name, pat in rules.PAT_LAYOUTS.items():
        draw = Draw(name)
        for level, held in product(rules.LEAF_SHIFTS, range(16)):
            noise = draw.bits(64) & ~sum(bits)
            entry = noise | sum(bit for n, bit in enumerate(bits) if held >> n & 1)
            index = reference.pat_index(entry, level)
            yield row(
                f"pat-{name}-{level}-{held:02d}", "pat-index", pat, entry, level, index,
                reference.pat_entry(pat, index),
            )  # fmt: skip


def _walks() -> Iterator[Row]:
    for (name, pat), paging, held in product(rules.PAT_LAYOUTS.items(), (1, 0), range(4)):
        noise = Draw(f"walk {name} {held}").bits(64) & ~(rules.PTE_PWT | rules.PTE_PCD)
        pointer = noise | rules.PTE_PWT * (held & 1) | rules.PTE_PCD * (held >> 1)
        kind = Pat(pat).walk_type(pointer) if paging else MemoryType.WB
        yield row(f"walk-{name}-{paging}-{held}", "pat-walk" if paging else "paging-off", pat, paging, pointer, kind)


# --- effective types --------------------------------------------------------------------------------------------


def _uncached(vendor: str, cr0_cd: int, kind: MemoryType) -> MemoryType:
    """What CR0.CD makes of it (SDM 3A table 12-5, APM 2 7.6.2)."""
    if not cr0_cd:
        return kind
    if vendor == "intel":
        return MemoryType.UC
    return MemoryType.CD if kind in rules.CACHEABLE else kind


def _effective() -> Iterator[Row]:
    for vendor, cd, mtrr, pat in product(VENDORS, _CD, MTRR, PAT):
        kind = _uncached(vendor, cd, rules.MTRR_PAT[vendor][mtrr][pat])
        rule = f"cr0-cd-{vendor}" if cd else f"effective-{vendor}"
        name = f"effective-{vendor}{'-cd' * cd}-{mtrr}-{pat}"
        yield row(name, rule, VENDORS.index(vendor), cd, mtrr, pat, kind)


def _pcd_pwt() -> Iterator[Row]:
    """Not asked: WC and WP with opposite bits on Intel, which are model-specific."""
    for vendor, mtrr in product(VENDORS, MTRR):
        for (pcd, pwt), kind in zip(rules.PCD_PWT_COLUMNS, rules.PCD_PWT[vendor][mtrr], strict=True):
            if vendor == "intel" and pcd != pwt and mtrr in (MemoryType.WC, MemoryType.WP):
                continue
            name = f"pcd-pwt-{vendor}-{mtrr}-{pcd}{pwt}"
            yield row(name, "effective-pcd-pwt", VENDORS.index(vendor), mtrr, pcd, pwt, kind)


def _ept() -> Iterator[Row]:
    for kind, ipat, pat, cd in product(MTRR, (0, 1), PAT, _CD):
        found = MemoryType.UC if cd else kind if ipat else rules.INTEL_MTRR_PAT[kind][pat]
        rule = "ept-cd" if cd else "ept-ipat" if ipat else "ept-effective"
        yield row(f"ept-{kind}{'-ipat' * ipat}-{pat}{'-cd' * cd}", rule, kind, ipat, pat, cd, found)


def _ept_leaves() -> Iterator[Row]:
    draw = Draw("ept leaves")
    for field, n in product(range(16), range(3)):
        noise = draw.bits(64) & ~(rules.EPT_TYPE_FIELD | rules.EPT_IPAT)
        entry = noise | field << rules.EPT_TYPE_SHIFT
        kind = reference.ept_type(entry)
        bad = kind is MemoryType.UNDEFINED
        found = (1, MemoryType.UC, 0) if bad else (0, kind, field >> 3)
        yield row(f"ept-leaf-{field:02d}-{n}", "ept-misconfig" if bad else "ept-effective", entry, *found)


def _ept_entries() -> Iterator[Row]:
    for level, field, large in product(range(1, 6), range(16), (0, 1)):
        if large and level not in (2, 3):
            continue
        noise = Draw(f"ept entry {level} {field} {large}").bits(40) << 12
        entry = noise | 7 | field << rules.EPT_TYPE_SHIFT | rules.PTE_PS * large
        bad = ept_misconfigured([entry], level).size
        yield row(f"ept-entry-{level}-{large}-{field:02d}", "ept-misconfig", entry, level, int(bad))


def _ept_pointers() -> Iterator[Row]:
    both = tuple(rules.EPTP_TYPE_CAPS.values())
    for kind, can in product(range(8), (0, *both, sum(both))):
        eptp = Draw(f"eptp {kind}").bits(40) << 12 | 3 << 3 | kind  # a walk of four levels
        taken = eptp_valid(eptp, can)
        yield row(f"eptp-{kind}-{can:x}", "ept-pointer", eptp, can, int(taken), kind if taken else 0)


def _npt_combined() -> Iterator[Row]:
    """Not asked: guest WB with host UC-, see `_npt`."""
    for guest, host in product(PAT, PAT):
        if (guest, host) != (MemoryType.WB, MemoryType.UC_MINUS):
            yield row(f"npt-combined-{guest}-{host}", "npt-combined", guest, host, rules.NPT_GUEST_HOST[guest][host])


def _npt() -> Iterator[Row]:
    """Not asked: guest WB with host UC- under MTRR WC, where copies of APM 2 table 15-19 differ."""
    for guest, host, mtrr, snp, cd in product(PAT, PAT, MTRR, (0, 1), _CD):
        if (guest, host, mtrr) == (MemoryType.WB, MemoryType.UC_MINUS, MemoryType.WC):
            continue
        combined = rules.NPT_GUEST_HOST[guest][host]
        kind = _uncached("amd", cd, rules.NPT_COMBINED_MTRR[combined][mtrr])
        kind = rules.SNP_RESULT.get(kind, kind) if snp else kind
        rule = "npt-snp" if snp else "cr0-cd-amd" if cd else "npt-effective"
        yield row(f"npt-{guest}-{host}-{mtrr}{'-snp' * snp}{'-cd' * cd}", rule, guest, host, mtrr, snp, cd, kind)
