"""``memtype kvm --nested ept|npt``: on which PAT L2 runs under one release, its own or L1's, and what that changes."""

from __future__ import annotations

import argparse
from typing import Any

from memtype.cli import guest, output
from memtype.effective import effective_npt
from memtype.ept import effective_ept
from memtype.errors import InputError
from memtype.kvm import Vm
from memtype.kvm.nested import nested_leaf, nested_pat
from memtype.kvm.releases import NEWEST
from memtype.machine import Machine
from memtype.pat import Pat
from memtype.types import MemoryType

_WB_WITHOUT_IPAT = 0x30  # an entry of L1's, whose type and IPAT KVM drops


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "L2's page: --gpat is L2's PAT, --hpat L1's; which of them is in force"
    parser.add_argument("--nested", choices=("ept", "npt"), help=words)
    parser.add_argument("--gpat", metavar="PAT", help="the guest's PAT; with --nested L2's")
    parser.add_argument("--hpat", metavar="PAT", help="the host's PAT; with --nested L1's")


def run(args: argparse.Namespace, machine: Machine | None) -> int:
    if args.gpat is None:
        raise InputError("--nested: give L2's PAT with --gpat")
    if args.tdp not in (None, args.nested):
        raise InputError(f"--nested {args.nested} with --tdp {args.tdp}: L1 is under the same paging")
    asked = argparse.Namespace(**vars(args) | {"tdp": args.nested, "gpat": None, "hpat": None})
    asked.guest_pat = args.hpat or args.guest_pat
    vm = guest.make_vm(asked, args.kernel or NEWEST, machine)
    own, shared = Pat(args.gpat), vm.hardware_pat()
    force = nested_pat(vm, own)
    leaf = nested_leaf(vm, 0, _WB_WITHOUT_IPAT, args.mmio)
    rows = [(n, own[n], shared[n], *(_gets(vm, leaf.type, leaf.ipat, pat[n], args) for pat in (own, shared)))
            for n in range(8)]  # fmt: skip
    differing = [row[0] for row in rows if row[3] is not row[4]]
    whose = "gPAT (L2's own)" if force == own else "hPAT (what L1 runs on)"
    if args.json:
        entries = [dict(zip(("index", "gpat", "hpat", "with_gpat", "with_hpat"), row, strict=True)) for row in rows]
        payload = {"kernel": vm.profile.release, "nested": args.nested, "in_force": f"0x{force.value:016x}"}
        output.print_json("kvm", {**payload, "entries": entries, "differing": differing})
    else:
        output.say("\n".join(_text(vm, args, rows, whose, own == shared)))
    output.notes([] if args.kernel else [f"no --kernel given: the newest release read, {NEWEST}"])
    return 0


def _gets(vm: Vm, kind: MemoryType, ipat: bool, pat: MemoryType, args: argparse.Namespace) -> MemoryType:
    """What an access of L2 gets through the leaf that hardware walks, where its PAT entry holds `pat`."""
    if vm.tdp == "ept":
        return MemoryType(effective_ept(kind, ipat, pat))
    return MemoryType(effective_npt(pat, kind, args.host_mtrr))


def _text(vm: Vm, args: argparse.Namespace, rows: list[Any], whose: str, same: bool) -> list[str]:
    head = ("entry", "gPAT", "hPAT", "gets by gPAT", "by hPAT", "")
    table = [head, *((f"PA{n}", g, h, x, y, "" if x is y else "differs") for n, g, h, x, y in rows)]
    force = "both are the same" if same else f"L2 runs on {whose}"
    return [f"{vm.profile}, {guest.setting(vm)}, nested {args.nested.upper()}: {force}", output.columns(table, "  ")]
