"""``memtype msrs``: which registers define memory types, so must be saved with a machine and restored; or set."""

from __future__ import annotations

import argparse

from memtype import rules
from memtype.cli import addresses, output
from memtype.errors import InputError

EXAMPLE = "memtype msrs --vcnt 8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vcnt", metavar="N", type=addresses.number, default=8, help="variable ranges (default: 8)")
    parser.add_argument("--vendor", choices=("intel", "amd"), default="intel", help="amd: SYSCFG and TOP_MEM2 too")
    words = "print what a monitor that starts a guest without firmware should set, and why"
    parser.add_argument("--vm", action="store_true", help=words)
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.vcnt > rules.NUMBERED_PAIRS:
        raise InputError(f"--vcnt {args.vcnt}: only {rules.NUMBERED_PAIRS} pairs have MSR numbers")
    if args.vm:
        return _vm(args, rules.saved_msrs(args.vcnt))
    indexes = rules.saved_msrs(args.vcnt, args.vendor)
    if args.json:
        listed = [{"index": addresses.hexadecimal(index), "name": rules.msr_name(index)} for index in indexes]
        output.print_json("msrs", {"vcnt": args.vcnt, "vendor": args.vendor, "msrs": listed})
        return 0
    output.say(output.columns([(addresses.hexadecimal(index), rules.msr_name(index)) for index in indexes]))
    cap = f"{rules.msr_name(rules.MTRRCAP)} (0x{rules.MTRRCAP:x})"
    output.notes(
        [
            f"{len(indexes)} registers; restore {rules.msr_name(rules.DEF_TYPE_MSR)} last. {cap} is read-only.",
            "KVM reads the MTRRs, but KVM_GET_MSR_INDEX_LIST does not name them: add them by hand.",
        ]
    )
    return 0


def _vm(args: argparse.Namespace, indexes: tuple[int, ...]) -> int:
    """The values to start a guest with: every register of the list, most of them 0."""
    rows = [
        (addresses.hexadecimal(index), rules.msr_name(index), addresses.hexadecimal(rules.VM_START.get(index, 0), 16))
        for index in indexes
    ]
    if args.json:
        listed = [dict(zip(("index", "name", "value"), row, strict=True)) for row in rows]
        output.print_json("msrs", {"vcnt": args.vcnt, "vendor": "intel", "msrs": listed})
        return 0
    output.say(output.columns(rows))
    output.notes(
        [
            "with DEF_TYPE 0, as KVM creates it, every address is UC: a guest with non-coherent DMA gets that from "
            "KVM 4.4 to 6.10, and any guest's kernel believes it",
            "variable pairs over MMIO are optional: KVM's leaves for the host's MMIO are UC without them",
        ]
    )
    return 0
