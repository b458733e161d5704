"""``memtype msrs``: which registers define memory types, so must be saved with a machine and restored; or set."""

from __future__ import annotations

import argparse
import sys

from memtype import rules
from memtype.cli import _common
from memtype.errors import InputError

HELP = "the registers that define memory types: what a virtual machine monitor saves and restores"
EXAMPLE = "memtype msrs --vcnt 8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vcnt", metavar="N", type=_common.number, default=8, help="variable ranges (default: 8)")
    parser.add_argument("--vendor", choices=("intel", "amd"), default="intel", help="amd: SYSCFG and TOP_MEM2 too")
    words = "print what a monitor that starts a guest without firmware should set, and why"
    parser.add_argument("--vm", action="store_true", help=words)
    _common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.vcnt > rules.NUMBERED_PAIRS:
        raise InputError(f"--vcnt {args.vcnt}: only {rules.NUMBERED_PAIRS} pairs have MSR numbers")
    if args.vm:
        return _vm(args, rules.saved_msrs(args.vcnt))
    indexes = rules.saved_msrs(args.vcnt, args.vendor)
    if args.json:
        listed = [{"index": _common.hexadecimal(index), "name": rules.msr_name(index)} for index in indexes]
        _common.print_json("msrs", {"vcnt": args.vcnt, "vendor": args.vendor, "msrs": listed})
        return 0
    print(_common.columns([(_common.hexadecimal(index), rules.msr_name(index)) for index in indexes]))
    cap = f"{rules.msr_name(rules.MTRRCAP)} (0x{rules.MTRRCAP:x})"
    print(
        f"note: {len(indexes)} registers; restore {rules.msr_name(rules.DEF_TYPE_MSR)} last. {cap} is read-only.\n"
        "note: KVM reads the MTRRs, but KVM_GET_MSR_INDEX_LIST does not name them: add them by hand.",
        file=sys.stderr,
    )
    return 0


def _vm(args: argparse.Namespace, indexes: tuple[int, ...]) -> int:
    """The values to start a guest with: every register of the list, most of them 0."""
    rows = [
        (_common.hexadecimal(index), rules.msr_name(index), _common.hexadecimal(rules.VM_START.get(index, 0), 16))
        for index in indexes
    ]
    if args.json:
        listed = [dict(zip(("index", "name", "value"), row, strict=True)) for row in rows]
        _common.print_json("msrs", {"vcnt": args.vcnt, "vendor": "intel", "msrs": listed})
        return 0
    print(_common.columns(rows))
    print(
        "note: with DEF_TYPE 0, as KVM creates it, every address is UC: a guest with non-coherent DMA gets that from\n"
        "KVM 4.4 to 6.10, and any guest's kernel believes it. Variable pairs over MMIO are optional: KVM's leaves for\n"
        "the host's MMIO are UC without them.",
        file=sys.stderr,
    )
    return 0
