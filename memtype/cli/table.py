"""``memtype table``: the truth tables of effective types, and what they say of a common belief."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memtype import rules
from memtype.cli import output
from memtype.types import MemoryType

EXAMPLE = "memtype table mtrr --vendor intel"

SECTIONS = ("mtrr", "ept", "npt", "legacy", "cr0", "refute")
_VENDORS = {"intel": ("Intel", "SDM 3A table 12-7"), "amd": ("AMD", "APM 2 table 7-11")}

# From the most restrictive on, as the belief has it; UC-, UC and CD are all uncached.
_RANK = {
    MemoryType.UC: 0, MemoryType.UC_MINUS: 0, MemoryType.CD: 0, MemoryType.WC: 1, MemoryType.WC_PLUS: 1,
    MemoryType.WT: 2, MemoryType.WP: 3, MemoryType.WB: 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A table to print: cells by row and column; `marked` are the places to point at."""

    name: str
    title: str
    source: str
    corner: str
    rows: dict[str, dict[str, MemoryType]]
    marked: frozenset[tuple[str, str]] = frozenset()
    legend: str = ""

    def text(self) -> str:
        columns = list(next(iter(self.rows.values())))
        lines: list[tuple[Any, ...]] = [(self.corner, *columns)]
        for row, cells in self.rows.items():
            lines.append((row, *(f"{cells[c]}{'*' if (row, c) in self.marked else ''}" for c in columns)))
        head = f"{self.title}  [{self.source}]"
        return "\n".join([head, "", output.columns(lines, "  "), *(["", f"  {self.legend}"] if self.legend else [])])

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "title": self.title, "source": self.source, "cells": self.rows,
                "marked": sorted(list(place) for place in self.marked)}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "section", nargs="*", metavar="SECTION",
        help=f"which: {', '.join(SECTIONS)} (default: all; legacy: PCD and PWT without PAT; cr0: CR0.CD and NW)",
    )  # fmt: skip
    parser.add_argument("--vendor", choices=("intel", "amd", "both"), default="both", help="default: both")
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from memtype.errors import InputError

    for section in args.section:
        if section not in SECTIONS:
            raise InputError(f"section {section!r}: one of {', '.join(SECTIONS)}")
    wanted = args.section or [s for s in SECTIONS if (s, args.vendor) not in (("ept", "amd"), ("npt", "intel"))]
    vendors = tuple(_VENDORS) if args.vendor == "both" else (args.vendor,)
    if args.json:
        tables = [table.plain() for s in wanted if s in _TABLES for table in _TABLES[s](vendors)]
        payload: dict[str, Any] = {"tables": tables}
        if "cr0" in wanted:
            payload["cr0"] = [{"cd": cd, "nw": nw, "intel": text} for (cd, nw), text in rules.CR0_CD_NW.items()]
        if "refute" in wanted:
            payload["refutation"] = [cell for vendor in vendors for cell in contradictions(vendor)]
        output.print_json("table", payload)
        return 0
    pages = []
    for section in wanted:
        if section in _TABLES:
            pages += [table.text() for table in _TABLES[section](vendors)]
        else:
            pages.append(_refutation(vendors) if section == "refute" else _cr0(vendors))
    output.say("\n\n".join(pages))
    return 0


def _named(grid: rules.Grid) -> dict[str, dict[str, MemoryType]]:
    return {str(row): {str(column): cell for column, cell in cells.items()} for row, cells in grid.items()}


def _mtrr(vendors: tuple[str, ...]) -> list[Table]:
    differing = {
        (str(row), str(column))
        for row, cells in rules.INTEL_MTRR_PAT.items()
        for column, cell in cells.items()
        if cell is not rules.AMD_MTRR_PAT[row][column]
    }
    beyond = [
        f"({row}, {column}) {_named(rules.INTEL_MTRR_PAT)[row][column]}"
        for row, column in sorted(differing)
        if _named(rules.INTEL_MTRR_PAT)[row][column] is not MemoryType.UC
    ]
    legends = {
        "intel": "* AMD differs",
        "amd": "* Intel differs: it has UC in these cells, but " + ", ".join(beyond)
        + "\n  CD: uncached, yet the caches are probed",
    }  # fmt: skip
    return [
        Table(f"{vendor}-mtrr-pat", f"{_VENDORS[vendor][0]}: MTRR type (rows) with PAT type (columns)",
              _VENDORS[vendor][1], "MTRR", _named(rules.MTRR_PAT[vendor]), frozenset(differing), legends[vendor])
        for vendor in vendors
    ]  # fmt: skip


def _ept(_: tuple[str, ...]) -> list[Table]:
    rows = _named(rules.INTEL_MTRR_PAT)
    for name, cells in rows.items():
        rows[name] = {**cells, "IPAT=1": MemoryType.parse(name)}
    legend = (
        "CR0.CD = 1: UC everywhere. CR0.PG = 0: the PAT type is WB. MTRRs play no role.\n"
        "  EPT types 2, 3 and 7 are a misconfiguration: the access does not happen."
    )
    return [Table("ept", "EPT: type in bits 5:3 (rows) with guest PAT type (columns)",
                  rules.RULES["ept-effective"].source, "EPT", rows, frozenset(), legend)]  # fmt: skip


def _npt(_: tuple[str, ...]) -> list[Table]:
    first = Table("npt-guest-host", "AMD nested paging, step 1: guest PAT (rows) with host's",
                  "APM 2 table 15-19", "guest", _named(rules.NPT_GUEST_HOST), frozenset({("WB", "UC-")}),
                  "* uncertain: copies of the manual say UC or UC-; it matters only where the MTRR is WC")  # fmt: skip
    second = Table("npt-combined-mtrr", "step 2: the result of step 1 (rows) with the host's MTRR",
                   "APM 2 table 15-20", "combined", _named(rules.NPT_COMBINED_MTRR), frozenset(),
                   "SNP-active guests then get CD for UC, and WC+ for WC  [APM 2 15.36.14]")  # fmt: skip
    return [first, second]


def _legacy(vendors: tuple[str, ...]) -> list[Table]:
    sources = {"intel": ("Intel processors without PAT", "SDM 3A table 12-6"),
               "amd": ("AMD, unmodified PAT", "APM 2 table 7-8")}  # fmt: skip
    legends = {
        "intel": "WC and WP with PCD alone are model-specific; with PAT table 12-7 is the norm",
        "amd": "contradicts table 7-11 in places; that one is the norm",
    }
    heads = [f"PCD={pcd} PWT={pwt}" for pcd, pwt in rules.PCD_PWT_COLUMNS]
    return [
        Table(f"{vendor}-pcd-pwt", f"{sources[vendor][0]}: MTRR type with PCD and PWT", sources[vendor][1], "MTRR",
              {str(row): dict(zip(heads, cells, strict=True)) for row, cells in rules.PCD_PWT[vendor].items()},
              frozenset(), legends[vendor])
        for vendor in vendors
    ]  # fmt: skip


_TABLES: dict[str, Callable[[tuple[str, ...]], list[Table]]] = {
    "mtrr": _mtrr, "ept": _ept, "npt": _npt, "legacy": _legacy
}  # fmt: skip


def _cr0(vendors: tuple[str, ...]) -> str:
    rows: list[tuple[Any, ...]] = [("CD", "NW", "meaning (Intel)")]
    rows += [(cd, nw, text) for (cd, nw), text in rules.CR0_CD_NW.items()]
    lines = ["CR0.CD and CR0.NW  [SDM 3A table 12-5]", "", output.columns(rows, "  "), ""]
    lines += [f"  {rules.RULES[f'cr0-cd-{vendor}']}" for vendor in vendors]
    return "\n".join(lines)


def contradictions(vendor: str) -> list[dict[str, Any]]:
    """The cells of the vendor's table that 'the most restrictive wins' gets wrong."""
    found = []
    for mtrr, cells in rules.MTRR_PAT[vendor].items():
        for pat, cell in cells.items():
            believed = min(mtrr, pat, key=lambda kind: _RANK[kind])
            if _RANK[cell] != _RANK[believed]:
                says = MemoryType.UC if _RANK[believed] == 0 else believed
                found.append({"vendor": vendor, "mtrr": mtrr, "pat": pat, "believed": says, "is": cell})
    return found


def _refutation(vendors: tuple[str, ...]) -> str:
    lines = [
        '"The most restrictive type wins" is wrong',
        "",
        "  The belief: order the types UC, WC, WT, WP, WB (UC- and CD count as UC); of",
        "  MTRR and PAT type the one further left wins. The manuals say otherwise:",
    ]
    for vendor in vendors:
        cells = contradictions(vendor)
        rows: list[tuple[Any, ...]] = [("MTRR", "PAT", "the belief", "the manual")]
        rows += [(c["mtrr"], c["pat"], c["believed"], c["is"]) for c in cells]
        title = f"  {_VENDORS[vendor][0]}: {len(cells)} of 30 cells  [{_VENDORS[vendor][1]}]"
        lines += ["", title, "", output.columns(rows, "    ")]
    lines += [
        "",
        "  What holds instead:",
        "    PAT WC is WC over every MTRR type, UC included.",
        "    PAT UC- is WC where the MTRR is WC" + (" (on Intel also WP), else uncached." if "intel" in vendors
                                                    else ", else uncached."),
        "    PAT WT or WP over MTRR WC is uncached, not WC.",
        "    No PAT type makes memory cacheable that the MTRR says is UC or WC.",
    ]  # fmt: skip
    return "\n".join(lines)
