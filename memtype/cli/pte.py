"""``memtype pte``: decode one page-table entry on every paging mode."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

from memtype import arguments, rules
from memtype.analysis.page_type import page_type
from memtype.cli import ept_entry, input, output
from memtype.cli.entries import add_pat, add_why, ask_dump, choose_pat, entry, pat_text, used_rules, vendor_of, why_text
from memtype.effective import effective
from memtype.ept import ept_types
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.told import Asked
from memtype.types import MemoryType

EXAMPLE = "memtype pte 0x8000000080000093 --pat linux"

_WAYS = 5  # ways to read an entry
_FLAGS = (
    (0, "P"), (1, "RW"), (2, "US"), (3, "PWT"), (4, "PCD"), (5, "A"), (6, "D"), (7, "PAT/PS"), (8, "G"), (63, "XD"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the entry. `pat_bit` is None where there is none; `mtrr` and `effective` without a dump."""

    name: str
    paging: str
    level: int
    base: int
    size: int
    pat_bit: int | None
    index: int
    type: MemoryType
    mtrr: MemoryType | None
    effective: MemoryType | None
    note: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entry", help="the entry, 64 bits, hexadecimal: 0x8000000080000093, 8000000080000093")
    parser.add_argument("input", nargs="?", help="a dump for the MTRRs at the entry's address: file, or -")
    input.add_supplied(parser)
    add_pat(parser)
    parser.add_argument("--mtrr", metavar="TYPE", help="the MTRR type there, instead of a dump")
    parser.add_argument("--vendor", choices=("intel", "amd"), help="default: the dump's, else intel")
    parser.add_argument(
        "--ept", dest="as_ept", action="store_true", help="an EPT entry: leaf or not, its type, is it legal"
    )
    parser.add_argument("--level", type=int, metavar="N", help="... of this level: 1 (4 KiB) to 5 (default: each)")
    add_why(parser)
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    value = entry(args.entry)
    if args.as_ept:
        return _ept(value, args)
    if args.level is not None:
        raise InputError("--level belongs to --ept")
    machine = None if args.input is None else input.read_machine(args.input, args, alike=True)
    pat, notes = choose_pat(args.pat, machine)
    asked_of = None if args.mtrr is not None else machine
    vendor = args.vendor or ("intel" if asked_of is None else vendor_of(asked_of))
    given = None if args.mtrr is None else arguments.memory_type(args.mtrr, "--mtrr")
    if asked_of is None:
        width, readings = None, _readings(value, pat, None, given, vendor)
    else:
        width, readings = _asked(asked_of, value, pat, vendor)
    used = used_rules(args, vendor, walk=True) if args.why else []
    if args.json:
        why = {"why": output.why(used)} if used else {}
        output.print_json("pte", _payload(value, pat, vendor, readings) | why)
    else:
        output.say(_text(value, pat, readings) + (why_text(used) if used else ""))
    output.notes([*(machine.notes if machine is not None else ()), *_notes(value, width), *notes])
    return 0


def _ept(value: int, args: argparse.Namespace) -> int:
    """The answer to --ept: 1 where the entry is a misconfiguration at the level asked for, or at every level."""
    given = [name for name in ("input", "pat", "mtrr", "vendor") if getattr(args, name) is not None]
    if given:
        raise InputError(f"--ept decodes the entry alone: no {given[0]} beside it")
    found = ept_entry.readings(value, args.level)
    used = [rules.RULES["ept-misconfig"], rules.RULES["ept-ipat"]] if args.why else []
    if args.json:
        why = {"why": output.why(used)} if used else {}
        output.print_json("pte", {"entry": f"0x{value:016x}", "ept": [one.as_json() for one in found]} | why)
    else:
        output.say(ept_entry.text(value, found) + (why_text(used) if used else ""))
    return int(all(reading.problems for reading in found))


def _asked(machine: Machine, value: int, pat: Pat, vendor: str) -> tuple[int, list[Reading]]:
    """The width and the readings over every machine that fits the dump; where they differ, the types are NOT_TOLD."""

    def way(n: int) -> Asked[Reading]:
        return ask_dump(machine, lambda state: _readings(value, pat, state, None, vendor)[n])

    told = [way(n) for n in range(_WAYS)]
    width = ask_dump(machine, lambda state: state.maxphyaddr).answers[0]
    return width, [_merged(asked) for asked in told]


def _merged(asked: Asked[Reading]) -> Reading:
    """The one reading, its note with what it assumes; of several one whose types are NOT_TOLD, and what they may be."""
    first = asked.answers[0]
    if asked.agreed:
        said = [first.note, *(a.text for a in asked.assumed)]
        return replace(first, note="; ".join(filter(None, said)))
    kinds = dict.fromkeys(f"{one.mtrr}" for one in asked.answers)
    note = f"MTRR ? ({' or '.join(kinds)}): {'; '.join(asked.missing)}"
    effective_kinds = {one.effective for one in asked.answers}
    met = first.effective if len(effective_kinds) == 1 else MemoryType.NOT_TOLD
    return replace(first, mtrr=MemoryType.NOT_TOLD, effective=met, note=note)


def _notes(value: int, width: int | None) -> list[str]:
    found = [] if value & 1 else ["bit 0 (P) is 0: the processor does not use this entry"]
    if width is not None and value & rules.high_bits(width) & ~rules.high_bits(rules.MAX_MAXPHYADDR):
        found.append(f"address bits from MAXPHYADDR = {width} up are set (reserved, or encryption): ignored")
    return found


def _readings(
    value: int, pat: Pat, state: MtrrState | MemoryMap | None, given: MemoryType | None, vendor: str
) -> list[Reading]:
    ps = bool(value & rules.PTE_PS)
    width = state.maxphyaddr if state is not None else rules.MAX_MAXPHYADDR
    not_leaf = "" if ps else "PS (bit 7) is 0: it points to a table"
    is_leaf = "PS (bit 7) is 1: a leaf, but where the level has no leaves" if ps else ""
    rows = [
        ("4 KiB leaf", "every mode", 1, 1 << 12, ""),
        ("2 MiB leaf", "PAE, 4- and 5-level", 2, 1 << 21, not_leaf),
        ("4 MiB leaf", "32-bit", 2, 1 << 22, not_leaf if value < 1 << 32 else "entries there have 32 bits"),
        ("1 GiB leaf", "4- and 5-level", 3, 1 << 30, not_leaf),
        ("table", "every mode", 0, 1 << 12, is_leaf),
    ]
    return [_reading(row, value, pat, state, given, vendor, width) for row in rows]


def _reading(
    row: tuple[str, str, int, int, str],
    value: int,
    pat: Pat,
    state: MtrrState | MemoryMap | None,
    given: MemoryType | None,
    vendor: str,
    width: int,
) -> Reading:
    name, paging, level, size, note = row
    base = value & ~rules.high_bits(width) & ~(size - 1)
    if size == 1 << 22:  # 32-bit paging: bits 20:13 of the entry are bits 39:32 of the address (PSE-36)
        base = ((value & 0xFFC0_0000) | (value >> 13 & 0xFF) << 32) & ~rules.high_bits(width)
    index = pat.index(value, level) if level else pat.walk_index(value)
    mtrr = given
    if mtrr is None and state is not None:
        page = page_type(state, base, size)
        mtrr = page.type
        note = "; ".join(filter(None, (note, page.advice)))
    met = None if mtrr is None else effective(mtrr, pat[index], vendor)
    pat_bit = None if not level else 7 if level == 1 else 12
    return Reading(name, paging, level, base, size, pat_bit, index, pat[index], mtrr, met, note)


def _ept_words(value: int) -> tuple[MemoryType, bool, str]:
    kind, ipat = ept_types(value), bool(value & rules.EPT_IPAT)
    encoding = (value & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT
    if kind is MemoryType.UNDEFINED:
        return kind, ipat, f"bits 5:3 = {encoding}: EPT misconfiguration"
    rest = "this type alone decides" if ipat else "combines with the guest's PAT type"
    return kind, ipat, f"bits 5:3 = {encoding}: {kind}; IPAT (bit 6) = {int(ipat)}: {rest}"


def _text(value: int, pat: Pat, readings: list[Reading]) -> str:
    flags = " ".join(name for bit, name in _FLAGS if value >> bit & 1) or "none"
    full = readings[0].mtrr is not None
    head = ("read as", "address", "PAT PCD PWT", "entry", "type")
    rows: list[tuple[Any, ...]] = [head + (("MTRR", "effective") if full else ())]
    for r in readings:
        pat_bit = "-" if r.pat_bit is None else value >> r.pat_bit & 1
        bits = f" {pat_bit}   {value >> 4 & 1}   {value >> 3 & 1}"
        row = (r.name, f"0x{r.base:x}", bits, f"PA{r.index}", r.type)
        rows.append(row + ((r.mtrr, r.effective) if full else ()))
    lines = [f"0x{value:016x}  bits set: {flags}", f"PAT {pat_text(pat)}", "", output.columns(rows, "  "), ""]
    lines += [f"  {r.name} ({r.paging}){f': {r.note}' if r.note else ''}" for r in readings]
    lines.append("  table: of the access that reads the table, chosen by PCD and PWT alone")
    if any(r.type is MemoryType.UC_MINUS for r in readings):
        lines.append("  UC- is not UC: where the MTRR is WC it gives WC")
    lines.append(f"  as an EPT leaf (--ept: more): {_ept_words(value)[2]}")
    lines.append("  nested and shadow leaves read like these, under the host's PAT")
    return "\n".join(lines)


def _payload(value: int, pat: Pat, vendor: str, readings: list[Reading]) -> dict[str, Any]:
    kind, ipat, words = _ept_words(value)
    return {
        "entry": f"0x{value:016x}",
        "pat": f"0x{pat.value:016x}",
        "vendor": vendor,
        "readings": [
            {
                "as": r.name, "paging": r.paging, "level": r.level,
                "base": f"0x{r.base:x}", "size": f"0x{r.size:x}", "last": f"0x{r.base + r.size - 1:x}",
                "pat_bit": r.pat_bit, "index": r.index, "type": r.type, "mtrr": r.mtrr, "effective": r.effective,
                "note": r.note,
            }
            for r in readings
        ],
        "ept": {"type": kind, "ipat": ipat, "misconfigured": kind is MemoryType.UNDEFINED, "note": words},
    }  # fmt: skip
