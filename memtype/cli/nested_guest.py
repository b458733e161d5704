"""``memtype kvm --nested ept|npt``: on which PAT L2 runs under one release, its own or L1's, and what that changes."""

from __future__ import annotations

import argparse
from typing import Any

from memtype import rules
from memtype.cli import guest, output
from memtype.cli.fitting import Fitting
from memtype.effective import effective_npt
from memtype.ept import effective_ept
from memtype.errors import InputError
from memtype.kvm import Vm
from memtype.kvm.nested import Vmcs12, nested_leaf, nested_pat, nested_pat_write, nested_round_trip, set_nested_state
from memtype.kvm.releases import NEWEST
from memtype.machine import Machine
from memtype.pat import Pat, as_pat
from memtype.types import MemoryType

_CONTROLS = {"load": "load", "save": "save", "host-load": "load_host"}
_WB_WITHOUT_IPAT = 0x30  # an entry of L1's, whose type and IPAT KVM drops


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "L2's page: --gpat is L2's PAT, --hpat L1's; which of them is in force"
    parser.add_argument("--nested", choices=("ept", "npt"), help=words)
    parser.add_argument("--gpat", metavar="PAT", help="the guest's PAT; with --nested L2's")
    parser.add_argument("--hpat", metavar="PAT", help="the host's PAT; with --nested L1's")
    words = f"--nested ept: PAT controls that L1 leaves clear in its VMCS, with commas: {', '.join(_CONTROLS)}"
    parser.add_argument("--l1-without", metavar="NAMES", default="", help=words)
    parser.add_argument("--l1-host-pat", metavar="PAT", help="--nested ept: vmcs12.host_ia32_pat; default: L1's PAT")
    words = "--nested: L2 writes IA32_PAT before it exits; several in order"
    parser.add_argument("--l2-writes", metavar="PAT", action="append", default=[], help=words)


def run(args: argparse.Namespace, machine: Machine | None) -> int:
    if args.gpat is None:
        raise InputError("--nested: give L2's PAT with --gpat")
    if args.tdp not in (None, args.nested):
        raise InputError(f"--nested {args.nested} with --tdp {args.tdp}: L1 is under the same paging")
    asked = argparse.Namespace(**vars(args) | {"tdp": args.nested, "gpat": None, "hpat": None})
    asked.guest_pat = args.hpat or args.guest_pat
    vm = Fitting(asked, args.kernel or NEWEST, machine).first  # no entry of L1's tables hangs on MTRRs
    own, shared = Pat(args.gpat), vm.hardware_pat()
    cleared = _cleared(args)
    force = nested_pat(vm, None if "load" in cleared else own)
    after = _round_trip(vm, own, cleared, args) if vm.tdp == "ept" else _shared(vm, own, args)
    leaf = nested_leaf(vm, 0, _WB_WITHOUT_IPAT, args.mmio)
    rows = [(n, own[n], shared[n], *(_gets(vm, leaf.type, leaf.ipat, pat[n], args) for pat in (own, shared)))
            for n in range(8)]  # fmt: skip
    differing = [row[0] for row in rows if row[3] is not row[4]]
    whose = "gPAT (L2's own)" if force == own else "hPAT (what L1 runs on)"
    if args.json:
        entries = [dict(zip(("index", "gpat", "hpat", "with_gpat", "with_hpat"), row, strict=True)) for row in rows]
        payload = {"kernel": vm.profile.release, "nested": args.nested, "in_force": f"0x{force.value:016x}", **after}
        output.print_json("kvm", {**payload, "entries": entries, "differing": differing})
    else:
        output.say("\n".join([*_text(vm, args, rows, whose, own == shared), *_after_text(after)]))
    output.notes([] if args.kernel else [f"no --kernel given: the newest release read, {NEWEST}"])
    return 0


def _cleared(args: argparse.Namespace) -> set[str]:
    named = set(filter(None, args.l1_without.split(",")))
    if named - set(_CONTROLS):
        raise InputError(f"--l1-without {args.l1_without:.60}: of {', '.join(_CONTROLS)}")
    if args.nested != "ept" and (named or args.l1_host_pat):
        raise InputError("--l1-without and --l1-host-pat are of a VMCS: --nested ept")
    return {_CONTROLS[name] for name in named}


def _round_trip(vm: Vm, own: Pat, cleared: set[str], args: argparse.Namespace) -> dict[str, Any]:
    """L1 enters L2, which writes and exits: what each is left with."""
    host = args.l1_host_pat or vm.msr(rules.PAT_MSR)
    trip = nested_round_trip(vm, Vmcs12(own, host, **dict.fromkeys(cleared, False)), args.l2_writes)
    if not trip.entered or trip.l2_pat is None:
        return {"entered": False, "why_after": trip.why}
    found = {"l2_in_the_end": trip.l2_pat, "l1_after": trip.vm.vcpus[0].pat, "vmcs12_guest_pat": trip.vmcs12.guest_pat}
    return {"entered": True, **{name: _hex(pat) for name, pat in found.items()}, "why_after": trip.why}


def _shared(vm: Vm, own: Pat, args: argparse.Namespace) -> dict[str, Any]:
    """What L2's writes reach, and what runs after KVM_SET_NESTED_STATE."""
    running, l2 = vm, nested_pat(vm, own)
    for written in args.l2_writes:
        running, l2 = nested_pat_write(running, l2, Pat(written).value)
    found = {"l2_in_the_end": l2, "l1_after": running.vcpus[0].pat, "l2_restored": set_nested_state(vm, own)}
    return {name: _hex(pat) for name, pat in found.items()}


def _hex(pat: Any) -> str:
    return f"0x{as_pat(pat).value:016x}"


_AFTER = {
    "l2_in_the_end": "L2 runs on in the end",
    "l1_after": "L1's IA32_PAT when it runs again",
    "vmcs12_guest_pat": "vmcs12.guest_ia32_pat then",
    "l2_restored": "L2 runs on after KVM_SET_NESTED_STATE",
}


def _after_text(after: dict[str, Any]) -> list[str]:
    rows = [(words, after[name]) for name, words in _AFTER.items() if name in after]
    return [*output.columns(rows, "  ").splitlines(), *guest.wrapped(after.get("why_after", ""), "  ")]


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
