"""What the verbs on KVM share: the options that describe a VM, the VM from a dump, and leaves in words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from memtype import rules
from memtype.cli import addresses, input, layout, output, ram
from memtype.errors import InputError
from memtype.kvm import KVM_RULES, Profile, Vcpu, Vm, leaves, profile
from memtype.kvm.releases import NEWEST
from memtype.kvm.rules import DEVIATIONS
from memtype.kvm.vm import VM_TYPES
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.told import Registers
from memtype.told.asking import States
from memtype.types import MemoryType


def add_vm(parser: argparse.ArgumentParser) -> None:
    """The options that describe a VM."""
    parser.add_argument("--vendor", choices=("intel", "amd"), help="the host's processor; default: what --tdp implies")
    parser.add_argument("--tdp", type=_modes, help="paging: ept, npt, none (shadow); kvm: two of them, ept,npt")
    dma = "the VM has a device with non-coherent DMA"
    parser.add_argument("--noncoherent-dma", "--ncdma", action="store_true", help=dma)
    parser.add_argument("--vm-type", choices=VM_TYPES, default="normal", help="default: normal")
    parser.add_argument("--no-quirk", "--quirk-off", metavar="NAME", action="append", default=[],
                        help="userspace disabled it: IGNORE_GUEST_PAT, CD_NW_CLEARED")  # fmt: skip
    parser.add_argument("--no-self-snoop", action="store_true", help="the host's processor has no usable self-snoop")
    parser.add_argument("--no-load-pat", action="store_true", help="Intel: no VM-entry control 'load IA32_PAT'")
    parser.add_argument("--host-pat", metavar="PAT", help="the host's IA32_PAT; default: Linux's")
    parser.add_argument(
        "--ignore-msrs", action="store_true", help="kvm.ignore_msrs: writes of unknown MSRs are dropped"
    )
    parser.add_argument("--cd", action="store_true", help="CR0.CD = 1 on every vCPU")
    parser.add_argument("--mtrr", metavar="TYPE", help="instead of a dump: one type, disabled, or absent (in CPUID)")
    parser.add_argument("--guest-pat", metavar="PAT", help="the guest's IA32_PAT; default: the dump's")
    parser.add_argument("--vcpus", type=int, metavar="N", help="as many vCPUs, all alike; default: the dump's")
    parser.add_argument("--why", action="store_true", help="print the source of every rule")
    parser.add_argument("--maxphyaddr", type=int, metavar="N", help="the guest's width; default: the dump's, else 46")
    input.add_supplied(parser, width=False)


def _modes(text: str) -> str:
    """One paging mode, or several with commas between."""
    for mode in text.split(","):
        if mode not in ("ept", "npt", "none", "shadow"):
            raise argparse.ArgumentTypeError(f"{mode!r} is none of ept, npt, none, shadow")
    return text


def guest_machine(args: argparse.Namespace, source: str | None) -> Machine | None:
    """The dump of the guest's registers; None where none is given (then the guest is as KVM creates it)."""
    if source is None and (args.mtrr is not None or (getattr(args, "read", None) is None and not _piped())):
        return None
    return input.read_machine(source, args)


def _piped() -> bool:
    """Whether something waits on standard input; an empty pipe is no input."""
    if not input.piped():
        return False
    return bool(sys.stdin.buffer.peek(1))  # type: ignore[union-attr]


def make_vm(
    args: argparse.Namespace, release: str | Profile, machine: Machine | None, states: States, kinds: Sequence[int]
) -> Vm:
    """The VM that the options and the dump describe, under one release.

    `states`: the registers of each kind of vCPU; `kinds`: of which kind each vCPU is. Those of one are one object.
    """
    tdp, vendor = args.tdp, args.vendor
    if tdp is not None and "," in tdp:
        raise InputError(f"--tdp {tdp}: one paging mode at a time")
    vendor = vendor or {"ept": "intel", "npt": "amd"}.get(tdp or "") or (machine and machine.vendor) or "intel"
    return Vm(
        release, vendor=vendor, tdp=tdp, noncoherent_dma=args.noncoherent_dma,
        vcpus=_vcpus(args, cpus(args, machine), states, kinds),
        vm_type=args.vm_type, self_snoop=not args.no_self_snoop, disabled_quirks=args.no_quirk,
        memory=ram.memory(getattr(args, "memory", None)), load_pat=not args.no_load_pat,
        host_pat=None if args.host_pat is None else Pat(args.host_pat), ignore_msrs=args.ignore_msrs,
    )  # fmt: skip


def cpus(args: argparse.Namespace, machine: Machine | None) -> tuple[Cpu, ...]:
    """The processors of the dump, as many as there are vCPUs."""
    cpus = machine.cpus if machine is not None else (Cpu(),)
    if args.vcpus is not None:
        if not 1 <= args.vcpus <= 4096:
            raise InputError(f"--vcpus {args.vcpus}: not within 1 to 4096")
        if any((cpu.registers, cpu.pat) != (cpus[0].registers, cpus[0].pat) for cpu in cpus):
            raise InputError(f"--vcpus {args.vcpus}: the {len(cpus)} processors of the dump differ, and each is a vCPU")
        cpus = (cpus[0],) * args.vcpus
    return cpus


def registers(args: argparse.Namespace, machine: Machine | None) -> list[Registers]:
    """What is told of each vCPU's MTRRs, by the options or the dump; as KVM creates them where neither is given."""
    width = args.maxphyaddr or rules.DEFAULT_MAXPHYADDR
    created = Registers.of(MtrrState(maxphyaddr=width) if args.mtrr is None else _instead(args))
    if args.mtrr is not None or machine is None:
        return [created] * len(cpus(args, machine))
    found = [cpu.registers for cpu in cpus(args, machine)]
    if None in found:
        raise InputError(f"{machine.source or 'the dump'} does not tell the MTRRs; give --mtrr disabled or a type")
    return [told for told in found if told is not None]


def _vcpus(args: argparse.Namespace, held: Sequence[Cpu], states: States, kinds: Sequence[int]) -> list[Vcpu]:
    given = None if args.guest_pat is None else Pat(args.guest_pat)
    shown = args.mtrr is None or args.mtrr.lower() != "absent"
    made = [
        Vcpu(state, given or held[kinds.index(kind)].pat, cr0_cd=args.cd, cpuid_mtrr=shown)
        for kind, state in enumerate(states)
    ]
    return [made[kind] for kind in kinds]


def _instead(args: argparse.Namespace) -> MtrrState:
    """The MTRRs that --mtrr names: off (or not there at all), or one type for every address."""
    width = args.maxphyaddr or rules.DEFAULT_MAXPHYADDR
    if args.mtrr.lower() in ("disabled", "off", "absent"):
        return MtrrState(maxphyaddr=width)
    return MtrrState(rules.DEF_TYPE_E | MemoryType.parse(args.mtrr), maxphyaddr=width)


def notes(machine: Machine | None, given: bool, vm: Vm) -> list[str]:
    """What a reader should know: where the registers come from, what of the release is not certain."""
    found = [*vm.profile.notes]
    if machine is None and not given:
        found.append("no dump given: the MTRRs are as KVM creates them, all 0 (disabled)")
    pairs = max(len(vcpu.mtrrs.variable) for vcpu in vm.vcpus)
    if pairs > 8:
        found.append(f"the dump has {pairs} variable ranges, a KVM guest has 8: no write reaches the others")
    return found


def setting(vm: Vm) -> str:
    """``intel, EPT, non-coherent DMA``"""
    words = [vm.vendor, {"ept": "EPT", "npt": "NPT", "none": "shadow paging"}[vm.tdp]]
    words.append("non-coherent DMA" if vm.has_noncoherent_dma else "no non-coherent DMA")
    words += [vm.vm_type] if vm.vm_type != "normal" else []
    words += ["CR0.CD = 1"] if any(vcpu.cr0_cd for vcpu in vm.vcpus) else []
    return ", ".join([*words, *(f"{name} disabled" for name in sorted(vm.disabled_quirks))])


def setting_json(vm: Vm) -> dict[str, Any]:
    return {"kernel": vm.profile.release, "profile": vm.profile.name, "vendor": vm.vendor, "tdp": vm.tdp,
            "noncoherent_dma": vm.has_noncoherent_dma, "vm_type": vm.vm_type}  # fmt: skip


def rule_text(rule: str) -> str:
    """``text [id]``"""
    return f"{KVM_RULES[rule].text} [{rule}]"


def wrapped(text: str, indent: str = "") -> list[str]:
    """The text in lines that fit."""
    return layout.fit(indent + text)


def sources(rule_ids: Iterable[str]) -> list[str]:
    """Where the rules stand, a line each, for --why."""
    return [f"  {rule}: {KVM_RULES[rule].source}" for rule in dict.fromkeys(rule_ids)]


def leaf_text(vm: Vm, bits: int) -> str:
    """``WB IPAT=1``; without EPT the leaf says nothing: ``WB (entry 0)``."""
    leaf = leaves.decode(vm, bits)
    return f"{leaf.type} IPAT={int(leaf.ipat)}" if vm.tdp == "ept" else "PAT entry 0"


Deviation = tuple[MemoryType, MemoryType, str]


def deviation_text(found: Deviation) -> str:
    """``WB (the manual: UC; KVM 4.4 to 6.10 meets the higher base first [overlap-kvm])``"""
    kind, right, rule = found
    return f"{kind} (the manual: {right}; {DEVIATIONS[rule]} [{rule}])"


def deviation_lines(found: Iterable[Deviation | None]) -> list[str]:
    """Where the release's MTRR type is not the manual's: a line for each such pair."""
    told = dict.fromkeys(one for one in found if one is not None)
    return [line for one in told for line in wrapped(f"MTRR type {deviation_text(one)}", "  ")]


def deviation_json(found: Deviation | None) -> dict[str, Any]:
    if found is None:
        return {}
    kind, right, rule = found
    why = output.why([(rule, DEVIATIONS[rule], rules.RULES[rule].source)])
    return {"manual": {"kvm": kind, "type": right, "why": why}}


def leaf_json(vm: Vm, bits: int) -> dict[str, Any]:
    leaf = leaves.decode(vm, bits)
    return {"type": leaf.type, "ipat": leaf.ipat, "bits": f"0x{bits:x}"}


def range_json(first: int, end: int) -> dict[str, str]:
    """A gfn range in bytes."""
    end = min(end, rules.KVM_GFN_END)  # a CR0.CD toggle passes an end that is no gfn
    return addresses.span_json(first << rules.PAGE_SHIFT, (end - first) << rules.PAGE_SHIFT)


def range_text(first: int, end: int) -> str:
    if first == 0 and end >= rules.KVM_GFN_END:
        return "everything"
    return addresses.mem(first << rules.PAGE_SHIFT, (end - first) << rules.PAGE_SHIFT)


def find_profile(name: str | None) -> Profile:
    """The release that --kernel names, else the newest that was read."""
    return profile(name or NEWEST)
