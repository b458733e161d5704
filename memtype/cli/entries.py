"""What the verbs on page-table entries share: the PAT they ask, bits in words, types that a processor can give."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, TypeVar

from memtype import arguments, rules
from memtype.effective import effective, effective_npt
from memtype.ept import effective_ept, ept_leaf
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import Pat, pte_bits
from memtype.told import Asked
from memtype.told import ask as told_ask
from memtype.types import MemoryType

T = TypeVar("T")
LAYOUTS = ", ".join([*rules.PAT_LAYOUTS, *rules.PAT_ALIASES])


def add_pat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pat", metavar="PAT", help=f"IA32_PAT: a value, eight types, or a layout ({LAYOUTS}); default: the dump's"
    )


def add_under(parser: argparse.ArgumentParser) -> None:
    """What the PAT type combines with."""
    parser.add_argument("--mtrr", metavar="TYPE", help="the MTRR type, instead of a dump")
    parser.add_argument("--vendor", choices=("intel", "amd"), help="default: the dump's, else intel")
    parser.add_argument("--ept", metavar="TYPE", help="a guest under EPT: the type in the EPT leaf")
    parser.add_argument("--ipat", action="store_true", help="... whose IPAT bit is set")
    parser.add_argument("--npt", metavar="TYPE", help="a guest under AMD nested paging: the host's PAT type")
    parser.add_argument("--snp", action="store_true", help="... that is SNP-active")


def under(args: argparse.Namespace) -> tuple[str, Callable[[MemoryType], MemoryType]] | None:
    """What stands under the PAT, in words, and what a PAT type gives there; None where no option names one."""
    if args.ept is not None and args.npt is not None:
        raise InputError("--ept and --npt: a guest has one of them")
    if (args.ipat and args.ept is None) or (args.snp and args.npt is None):
        raise InputError("--ipat belongs to --ept, --snp to --npt")
    if args.ept is not None:
        leaf = ept_leaf(args.ept, args.ipat)
        words = f"EPT {leaf.type}{' with IPAT' if leaf.ipat else ''}"
        return words, lambda pat: _single(effective_ept(leaf.type, leaf.ipat, pat))
    mtrr = None if args.mtrr is None else arguments.memory_type(args.mtrr, "--mtrr")
    if args.npt is not None:
        host, under = arguments.memory_type(args.npt, "--npt"), MemoryType.WB if mtrr is None else mtrr
        words = f"nested paging, host PAT {host}, MTRR {under}{', SNP' if args.snp else ''}"
        return words, lambda pat: _single(effective_npt(pat, host, under, args.snp))
    if mtrr is None:
        return None
    vendor = args.vendor or "intel"
    return f"MTRR {mtrr} ({vendor})", lambda pat: _single(effective(mtrr, pat, vendor))


def _single(kind: Any) -> MemoryType:
    return MemoryType(kind)


def add_why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--why", action="store_true", help="print the rules that were used, with their sources")


def used_rules(args: argparse.Namespace, vendor: str, walk: bool = False) -> list[rules.Rule]:
    """The rules between the entry's bits and the effective type under what the options name."""
    names = ["pat-entry", "pat-index", *(["pat-walk"] if walk else [])]
    if getattr(args, "ept", None) is not None:
        names += ["ept-ipat" if args.ipat else "ept-effective", "effective-intel", "ept-misconfig"]
    elif getattr(args, "npt", None) is not None:
        names += ["npt-combined", "npt-effective", *(["npt-snp"] if args.snp else [])]
    else:
        names.append(f"effective-{vendor}")
    return [rules.RULES[name] for name in names]


def why_text(found: list[rules.Rule]) -> str:
    """A paragraph below an answer: each rule, and where it stands on its own line."""
    lines = [f"  {rule.text}\n    [{rule.id}: {rule.source}]" for rule in found]
    return "\n".join(["", "", "rules:", *lines])


def ask_dump(machine: Machine, question: Callable[[MtrrState | MemoryMap], T]) -> Asked[T]:
    """The question of every register file that fits the dump, else of the map that it prints ready-made."""
    told = machine.registers
    if told is not None:
        return told_ask([told], lambda states: question(states[0]))
    if machine.printed_map is not None:
        return Asked((question(machine.printed_map),))
    raise InputError(f"{machine.source or 'the dump'}: registers not told; give --mtrr TYPE")


def vendor_of(machine: Machine) -> str:
    """The vendor whose tables answer: the dump's, else Intel."""
    told = machine.registers
    return (None if told is None else told.vendor) or machine.vendor or "intel"


def choose_pat(given: str | None, machine: Machine | None) -> tuple[Pat, list[str]]:
    """The PAT to ask: the option's, the dump's, else the reset value; and what a reader should know of it."""
    if given is not None:
        return Pat(given), []
    if machine is not None and machine.pat is not None:
        return machine.pat, []
    return Pat(), ["no PAT given: the reset value"]


def pat_text(pat: Pat) -> str:
    """``0x0407050600070106 (linux): WB WC UC- UC WB WP UC- WT``"""
    name = f" ({pat.name})" if pat.name else ""
    return f"0x{pat.value:016x}{name}: {pat}"


def bits_text(index: int, level: int) -> str:
    """How a leaf of `level` chooses entry `index`: ``PAT (bit 7) 1, PCD (bit 4) 0, PWT (bit 3) 1``."""
    bits, pat_bit = pte_bits(index, level), 7 if level == 1 else 12
    return f"PAT (bit {pat_bit}) {bits >> pat_bit & 1}, PCD (bit 4) {bits >> 4 & 1}, PWT (bit 3) {bits >> 3 & 1}"


def entry(text: str) -> int:
    """A page-table entry: 64 bits, hexadecimal as every tool prints entries, with or without 0x or h.

    Examples
    --------
    >>> hex(entry("8000000080000093")), hex(entry("0x63")), hex(entry("80000000`00000063"))
    ('0x8000000080000093', '0x63', '0x8000000000000063')
    """
    digits = re.fullmatch(r"(?:0x)?([0-9a-f_`]+)h?", text.strip(), re.I)
    bare = digits[1].replace("_", "").replace("`", "").lstrip("0") if digits else ""
    if digits is None or len(bare) > 16:
        raise InputError(f"{text[:60]!r} is no page-table entry: 64 bits, hexadecimal (8000000080000093)")
    return int(bare or "0", 16)
