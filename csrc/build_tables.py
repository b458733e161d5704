"""Writes rules.h, the C form of memtype/rules.py: ``python csrc/build_tables.py`` after a change.

A table of types has 16 columns a row, one for every value of four bits. An index that is no input holds NO_INPUT. An
MTRR type that is not known (UNDEFINED, MIXED) gives what all five types agree on, else itself. NOT_TOLD, as any input,
gives what all types that may stand there agree on, else itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("MEMTYPE_BACKEND", "python")

from memtype import rules  # noqa: E402
from memtype.types import MemoryType  # noqa: E402

NO_INPUT = 255
UNDEFINED, MIXED, NOT_TOLD = MemoryType.UNDEFINED, MemoryType.MIXED, MemoryType.NOT_TOLD
CODES = range(16)

HEAD = """\
/* rules.h - DO NOT EDIT - generated from memtype/rules.py by build_tables.py.
 *
 * Register numbers, fields, limits, layouts; then the tables. A row of a table holds the values of the last index.
 * Types are enum memtype_type; NO_INPUT marks what is no input.
 */
#ifndef MEMTYPE_RULES_H
#define MEMTYPE_RULES_H

#include "memtype.h"
"""


def bit(mask: int) -> int:
    """The number of a field's lowest bit: ``bit(0x38) == 3``."""
    return (mask & -mask).bit_length() - 1


def type_set(kinds: Iterable[int]) -> int:
    return sum(1 << kind for kind in kinds)


SIZES = {name: [r for r in rules.FIXED_RANGES if r.size == size] for name, size in
         (("64K", 0x10000), ("16K", 0x4000), ("4K", 0x1000))}  # fmt: skip

# Counts and bit numbers print as they are, register numbers and fields as 64-bit hex, sets of types as `unsigned`.
COUNTS = {
    "PAGE_SHIFT": rules.PAGE_SHIFT,
    "FIXED_END_BIT": bit(rules.FIXED_END),
    "MIN_MAXPHYADDR": bit(rules.FIXED_END),  # less than the manual's: every machine holds its fixed ranges
    "MAX_MAXPHYADDR": rules.MAX_MAXPHYADDR,
    "MAX_VARIABLE": rules.MAX_VARIABLE,
    "FIXED_MSRS": len(rules.FIXED_MSRS),
    "FIXED_RANGES": len(rules.FIXED_RANGES),
    "FIXED_PAGES": rules.FIXED_END >> rules.PAGE_SHIFT,
    **{f"FIXED_{name}_FIRST": rules.FIXED_RANGES.index(SIZES[name][0]) for name in ("16K", "4K")},
    **{f"FIXED_{name}_SHIFT": bit(found[0].size) for name, found in SIZES.items()},
    "MASK_VALID_BIT": bit(rules.MASK_VALID),
    "TOM2_BIT": bit(rules.TOM2_FIELD),
    "PTE_PWT_BIT": bit(rules.PTE_PWT),
    "PTE_PCD_BIT": bit(rules.PTE_PCD),
    "PTE_PAT_4K_BIT": bit(rules.PTE_PAT_4K),
    "PTE_PAT_LARGE_BIT": bit(rules.PTE_PAT_LARGE),
    "EPT_TYPE_BIT": rules.EPT_TYPE_SHIFT,
    "EPT_IPAT_BIT": bit(rules.EPT_IPAT),
}
FIELDS = {
    "MSR_MTRRCAP": rules.MTRRCAP,
    "MSR_PHYSBASE0": rules.PHYSBASE0,
    "MSR_PHYS_END": rules.PHYSBASE0 + 2 * rules.NUMBERED_PAIRS,
    "MSR_PAT": rules.PAT_MSR,
    "MSR_DEF_TYPE": rules.DEF_TYPE_MSR,
    "PAGE_SIZE": rules.PAGE_SIZE,
    "FIXED_END": rules.FIXED_END,
    **{f"FIXED_{name}_BASE": SIZES[name][0].base for name in ("16K", "4K")},
    "GIB4": rules.GIB4,
    "MAP_BLOCK_LIMIT": rules.MAP_BLOCK_LIMIT,
    "CAP_FIX": rules.MTRRCAP_FIX,
    "DEF_TYPE_TYPE": rules.DEF_TYPE_TYPE,
    "DEF_TYPE_FE": rules.DEF_TYPE_FE,
    "DEF_TYPE_E": rules.DEF_TYPE_E,
    "TYPE_WHILE_OFF": int(rules.TYPE_WHILE_OFF),
    "DEF_TYPE_WRITABLE": rules.DEF_TYPE_WRITABLE,
    "BASE_TYPE": rules.BASE_TYPE,
    "BASE_RESERVED": rules.BASE_RESERVED,
    "MASK_VALID": rules.MASK_VALID,
    "MASK_RESERVED": rules.MASK_RESERVED,
    "AMD_FIXED_ROUTING": rules.AMD_FIXED_ROUTING,
    "SYSCFG_TOM2_EN": rules.SYSCFG_TOM2_EN,
    "SYSCFG_TOM2_FORCE_WB": rules.SYSCFG_TOM2_FORCE_WB,
    "TOM2_FIELD": rules.TOM2_FIELD,
}
SETS = {"MTRR_TYPE_SET": type_set(rules.MTRR_TYPES), "PAT_TYPE_SET": type_set(rules.PAT_TYPES)}


def numbers() -> str:
    lines = [f"#define {name} {value}" for name, value in (*COUNTS.items(), ("NO_INPUT", NO_INPUT))]
    lines += [f"#define {name} UINT64_C({value:#x})" for name, value in FIELDS.items()]
    lines += [f"#define {name} {value:#x}u" for name, value in SETS.items()]
    return "\n" + "\n".join(lines) + "\n"


def agreements() -> str:
    """What memtype.h, which cffi reads, has to say by hand."""
    said = {"MEMTYPE_FIXED_MSRS": "FIXED_MSRS", "MEMTYPE_MAX_VARIABLE": "MAX_VARIABLE"}
    said |= {f"MEMTYPE_{kind.name}": str(int(kind)) for kind in MemoryType}
    lines = (f'_Static_assert({name} == {value}, "memtype.h and rules.py differ");' for name, value in said.items())
    return "\n" + "\n".join(lines) + "\n"


def stands_for(code: int, legal: Iterable[int]) -> list[int]:
    """The types that an input may be."""
    return sorted(legal) if code == NOT_TOLD else [code]


def agreed(answers: Iterable[int], otherwise: int = NOT_TOLD) -> int:
    found = set(answers)
    return found.pop() if len(found) == 1 else otherwise


def settle(known: Callable[[MemoryType], int], mtrr: int) -> int:
    """The answer for any code as MTRR type, from `known`, which answers for the five types."""
    if mtrr not in rules.MTRR_INPUTS:
        return NO_INPUT
    if mtrr in rules.MTRR_TYPES:
        return known(MemoryType(mtrr))
    if mtrr in (UNDEFINED, MIXED, NOT_TOLD):
        return agreed((known(MemoryType(kind)) for kind in rules.MTRR_TYPES), mtrr)
    return UNDEFINED


def uncached(vendor: str, cd: int, kind: MemoryType) -> MemoryType:
    if not cd:
        return kind
    if vendor == "intel":
        return MemoryType.UC
    return MemoryType.CD if kind in rules.CACHEABLE else kind


def effective(vendor: str, cd: int, mtrr: int, pat: int) -> int:
    return agreed(one_effective(vendor, cd, mtrr, kind) for kind in stands_for(pat, rules.PAT_TYPES))


def one_effective(vendor: str, cd: int, mtrr: int, pat: int) -> int:
    if pat not in rules.PAT_INPUTS:
        return NO_INPUT
    if pat not in rules.PAT_TYPES:
        return UNDEFINED if mtrr in rules.MTRR_INPUTS else NO_INPUT
    return settle(lambda kind: uncached(vendor, cd, rules.MTRR_PAT[vendor][kind][MemoryType(pat)]), mtrr)


def ept(cd: int, ipat: int, kind: int, pat: int) -> int:
    met = effective("intel", 0, kind, pat)
    if met == NO_INPUT:
        return NO_INPUT
    if kind not in rules.EPT_TYPES and kind not in (MIXED, NOT_TOLD):
        return UNDEFINED
    if cd:
        return MemoryType.UC
    return kind if ipat else met


def npt_combined(guest: int, host: int) -> int:
    if guest not in rules.PAT_INPUTS or host not in rules.PAT_INPUTS:
        return NO_INPUT
    pairs = product(stands_for(guest, rules.PAT_TYPES), stands_for(host, rules.PAT_TYPES))
    return open_code({one_npt_combined(*pair) for pair in pairs})


def one_npt_combined(guest: int, host: int) -> int:
    if guest not in rules.PAT_TYPES or host not in rules.PAT_TYPES:
        return UNDEFINED
    return rules.NPT_GUEST_HOST[MemoryType(guest)][MemoryType(host)]


# Codes of the combined type where guest or host is not told, and types that answer for all that it may be: the first
# set that is part of them. Step two may still settle it: guest WC gives WC or WC+, and under MTRR UC both are WC.
OPEN = {
    12: {MemoryType.UC, MemoryType.WC},
    11: {MemoryType.UC, MemoryType.WC_PLUS},
    13: {MemoryType.WC, MemoryType.WC_PLUS},
    14: {MemoryType.UC, MemoryType.WP},
    15: {MemoryType.UC, MemoryType.WT},
}


def open_code(combined: set[int]) -> int:
    if len(combined) == 1:
        return combined.pop()
    return next(code for code, kinds in OPEN.items() if kinds <= combined)


def npt_effective(snp: int, cd: int, combined: int, mtrr: int) -> int:
    return agreed(one_npt_effective(snp, cd, int(kind), mtrr) for kind in OPEN.get(combined, {combined}))


def one_npt_effective(snp: int, cd: int, combined: int, mtrr: int) -> int:
    if combined == UNDEFINED:
        return UNDEFINED if mtrr in rules.MTRR_INPUTS else NO_INPUT
    if combined not in {int(kind) for kind in rules.NPT_COMBINED_MTRR}:
        return NO_INPUT
    row = rules.NPT_COMBINED_MTRR[MemoryType(combined)]

    def known(kind: MemoryType) -> MemoryType:
        met = uncached("amd", cd, row[kind])
        return rules.SNP_RESULT.get(met, met) if snp else met

    return settle(known, mtrr)


def pcd_pwt(vendor: str, mtrr: int, bits: int) -> int:
    column = rules.PCD_PWT_COLUMNS.index((bits >> 1, bits & 1)) if bits < 4 else None
    if column is None:
        return NO_INPUT
    return settle(lambda kind: rules.PCD_PWT[vendor][kind][column], mtrr)


def xen(guest: int, host: int) -> int:
    if guest not in rules.XEN_INPUTS or host not in rules.XEN_INPUTS:
        return NO_INPUT
    pairs = product(stands_for(guest, rules.MTRR_TYPES), stands_for(host, rules.MTRR_TYPES))
    return agreed(rules.XEN_GUEST_HOST[MemoryType(g)][MemoryType(h)] for g, h in pairs)


def table(name: str, comment: str, sizes: str, rows: Iterable[Iterable[int]], kind: str = "uint8_t") -> str:
    body = "\n".join("\t" + ", ".join(str(int(value)) for value in row) + "," for row in rows)
    return f"\n/* {comment} */\nstatic const {kind} {name}{sizes} = {{\n{body}\n}};\n"


def planes(name: str, comment: str, function: Callable[..., int], *contexts: Iterable[object]) -> str:
    """A table of one plane, 16 rows of 16 columns, for each context: ``function(*context, row, column)``."""
    rows = [[function(*context, row, column) for column in CODES] for context in product(*contexts) for row in CODES]
    return table(name, comment, f"[{len(rows) // 16} * PLANE]", rows)


def text() -> str:
    vendors, bits = ("intel", "amd"), (0, 1)
    ept_row = [kind if kind in rules.EPT_TYPES else UNDEFINED for kind in range(8)]
    pages = [found.base >> rules.PAGE_SHIFT for found in rules.FIXED_RANGES]
    return HEAD + numbers() + agreements() + "".join((
        table("fixed_msrs", "the fixed-range registers by address: SDM table 2-2", "[FIXED_MSRS]",
              [rules.FIXED_MSRS], "uint16_t"),
        table("fixed_page", "[fixed range]: its first page: SDM table 12-9", "[FIXED_RANGES]",
              [pages[at : at + 8] for at in range(0, len(pages), 8)]),
        table("leaf_shift", "[level of a leaf]: bits of the address inside it; 0: no leaf", "[4]",
              [[rules.LEAF_SHIFTS.get(level, 0) for level in range(4)]]),
        "\n/* 16 rows of 16 columns */\n#define PLANE 256u\n",
        planes("effective_table", "[vendor << 1 | CR0.CD][MTRR type << 4 | PAT type]: SDM table 12-7, APM table 7-11",
               effective, vendors, bits),
        planes("pcd_pwt_table", "[vendor][MTRR type << 4 | PCD << 1 | PWT]: SDM table 12-6, APM table 7-8",
               pcd_pwt, vendors),
        planes("ept_table", "[CR0.CD << 1 | IPAT][EPT type << 4 | PAT type]: SDM 29.3.7.2", ept, bits, bits),
        planes("npt_combined_table", "[guest PAT type << 4 | host PAT type]: APM table 15-19", npt_combined),
        planes("npt_table", "[SNP << 1 | CR0.CD][combined type << 4 | MTRR type]: APM table 15-20, 15.36.14",
               npt_effective, bits, bits),
        planes("xen_table", "[guest MTRR type << 4 | host MTRR type]: Xen p2m-ept.c", xen),
        table("ept_type_table", "[bits 5:3 of an EPT leaf]: misconfigured ones are MEMTYPE_UNDEFINED", "[8]",
              [ept_row]),
    )) + "\n#endif\n"  # fmt: skip


if __name__ == "__main__":
    (HERE / "rules.h").write_text(text())
