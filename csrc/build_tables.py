"""Writes tables.h, the C form of the tables in memtype/rules.py: ``python csrc/build_tables.py`` after a change.

Each table has 16 columns a row, one for every value of four bits. An index that is no input holds NO_INPUT. An MTRR
type that is not known (UNDEFINED, MIXED) gives what all five types agree on, else itself. NOT_TOLD, as any input, gives
what all types that may stand there agree on, else itself.
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
/* tables.h - DO NOT EDIT - generated from memtype/rules.py by build_tables.py.
 *
 * A row holds the 16 values of the last index. Types are enum memtype_type; NO_INPUT marks what is no input.
 */
#ifndef MEMTYPE_TABLES_H
#define MEMTYPE_TABLES_H

#include <stdint.h>

#define NO_INPUT 255
"""


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


def table(name: str, comment: str, sizes: str, rows: Iterable[Iterable[int]]) -> str:
    body = "\n".join("\t" + ", ".join(str(int(value)) for value in row) + "," for row in rows)
    return f"\n/* {comment} */\nstatic const uint8_t {name}[{sizes}] = {{\n{body}\n}};\n"


def grid(function: Callable[..., int], *contexts: Iterable[object]) -> list[list[int]]:
    """Rows of `function(*context, row, column)`, the contexts in their order."""
    return [[function(*context, row, column) for column in CODES] for context in product(*contexts) for row in CODES]


def text() -> str:
    vendors, bit = ("intel", "amd"), (0, 1)
    ept_row = [kind if kind in rules.EPT_TYPES else UNDEFINED for kind in range(8)]
    return HEAD + "".join((
        table("effective_table", "[vendor << 1 | CR0.CD][MTRR type << 4 | PAT type]: SDM table 12-7, APM table 7-11",
              "4 * 256", grid(effective, vendors, bit)),
        table("pcd_pwt_table", "[vendor][MTRR type << 4 | PCD << 1 | PWT]: SDM table 12-6, APM table 7-8",
              "2 * 256", grid(pcd_pwt, vendors)),
        table("ept_table", "[CR0.CD << 1 | IPAT][EPT type << 4 | PAT type]: SDM 29.3.7.2",
              "4 * 256", grid(ept, bit, bit)),
        table("npt_combined_table", "[guest PAT type << 4 | host PAT type]: APM table 15-19",
              "256", grid(npt_combined)),
        table("npt_table", "[SNP << 1 | CR0.CD][combined type << 4 | MTRR type]: APM table 15-20, 15.36.14",
              "4 * 256", grid(npt_effective, bit, bit)),
        table("xen_table", "[guest MTRR type << 4 | host MTRR type]: Xen p2m-ept.c", "256", grid(xen)),
        table("ept_type_table", "[bits 5:3 of an EPT leaf]: misconfigured ones are MEMTYPE_UNDEFINED", "8", [ept_row]),
    )) + "\n#endif\n"  # fmt: skip


if __name__ == "__main__":
    (HERE / "tables.h").write_text(text())
