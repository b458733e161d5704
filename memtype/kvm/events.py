"""What happens to a VM: register writes, CR0.CD, devices, quirks. Each gives the VM after it and KVM's zap calls."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from memtype import arguments, rules
from memtype.errors import InputError, RegisterError
from memtype.kvm import guest_mtrr, history, leaves, msrs, policies
from memtype.kvm.gfns import Range
from memtype.kvm.msrs import Fault, Refusal
from memtype.kvm.vcpu import Vcpu, as_guest, with_cd, with_g_pat, with_msr
from memtype.kvm.vm import Vm, device_count, quirk_names
from memtype.kvm.zap import EVERYTHING, EVERYTHING_CD, Event, Outcome
from memtype.mtrr import MtrrState
from memtype.readable import readable

_REFUSED = ("kvm-refused",)


@readable
@dataclass(frozen=True, slots=True)
class WriteMsr(Event):
    """WRMSR of an MTRR or of the PAT by one vCPU, or by userspace (KVM_SET_MSRS)."""

    index: int
    value: int
    vcpu: int = 0
    host_initiated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", _word(self.index, "index", 32))
        object.__setattr__(self, "value", _word(self.value, "value", 64))
        object.__setattr__(self, "host_initiated", arguments.flag(self.host_initiated, "host_initiated"))

    def perform(self, vm: Vm) -> Outcome:
        found, p = vm.vcpu(self.vcpu), vm.profile
        refusal = msrs.refusal(p, self.index, self.value, found.maxphyaddr, vm.vendor, vm.load_pat)
        if refusal is not None:
            if refusal.fault is Fault.UNKNOWN_MSR and vm.ignore_msrs:
                return Outcome(vm, (), ("kvm-ignored",))
            return Outcome(vm, (), _REFUSED, refusal._replace(host=True) if self.host_initiated else refusal)
        kind = msrs.kind_of(self.index)
        if kind == "unknown":  # MSR 0x2f8, no register of the guest's
            outside = p.mtrr_engine == "list"
            return Outcome(vm, (), ("kvm-2f8-outside" if outside else "kvm-2f8-warn",), warned=not outside)
        written = with_msr(found, self.index, self.value)
        after = vm._with_vcpu(self.vcpu, written)
        if kind == "pat":
            return Outcome(after, (), ("kvm-zap-pat",), reasons=(_pat_rule(vm, found),))
        calls, inverted = _mtrr_calls(vm, written, self.index, kind)
        rule = f"kvm-zap-mtrr-{p.zap_mtrr}"
        told = (rule, "kvm-zap-inverted") if inverted else (rule,)
        return Outcome(after, calls, told, warned=inverted and p.warns_inverted_zap)


def _word(given: Any, name: str, bits: int) -> int:
    number = arguments.integer(given, f"MSR {name}", RegisterError)
    if not 0 <= number < 1 << bits:
        raise RegisterError(f"MSR {name} {number} is no {bits}-bit number")
    return number


def _pat_rule(vm: Vm, vcpu: Vcpu) -> str:
    """Why no leaf depends on the PAT."""
    if vm.tdp != "ept":
        return "kvm-pat-npt" if vm.tdp == "npt" else "kvm-pat-shadow"
    fixed, _ = leaves.decide(vm, vcpu, False)
    return "kvm-pat-ipat" if fixed is not None and fixed.ipat else "kvm-pat-ept"


def _mtrr_calls(vm: Vm, vcpu: Vcpu, index: int, kind: str) -> tuple[tuple[Range, ...], bool]:
    """The zap calls of an accepted MTRR write, `vcpu` being as it is after it; and whether a range was inverted."""
    if not policies.ZAP_MTRR[vm.profile.zap_mtrr](vm):
        return (), False
    if kind == "def_type":
        return (EVERYTHING,), False  # even if nothing changed, even with E = 0
    if not guest_mtrr.enabled(vcpu):
        return (), False
    if kind == "fixed":
        return ((msrs.FIXED_BLOCKS[index],) if guest_mtrr.fixed_enabled(vcpu) else ()), False
    # the pair as it is now, valid or not; where it was before is not zapped
    n = (index - rules.PHYSBASE0) // 2
    if n not in vcpu.masks_written:  # the mask lacks the extension bits: the end wraps to 0
        return (), True
    start, end = guest_mtrr.pair_range(vcpu, n)
    return ((start >> rules.PAGE_SHIFT, end >> rules.PAGE_SHIFT),), False


@readable
@dataclass(frozen=True, slots=True)
class SetMtrrs(Event):
    """A whole new MTRR state, written register by register in index order: of one vCPU, or (None) of all."""

    mtrrs: MtrrState
    vcpu: int | None = None

    def __post_init__(self) -> None:
        arguments.given(self.mtrrs, MtrrState, "SetMtrrs: mtrrs")

    def perform(self, vm: Vm) -> Outcome:
        numbers = range(len(vm.vcpus)) if self.vcpu is None else [self.vcpu]
        registers = as_guest(self.mtrrs).msrs()
        done: dict[int, _Written | Refusal] = {}  # vCPUs alike are written alike
        vcpus = list(vm.vcpus)
        calls: tuple[Range, ...] = ()
        warned = False
        for number in numbers:
            found = vm.vcpu(number)
            if self.mtrrs.maxphyaddr != found.maxphyaddr:
                widths = f"MAXPHYADDR {self.mtrrs.maxphyaddr}, vCPU {number} has {found.maxphyaddr}"
                raise RegisterError(f"the new MTRRs have {widths}")
            if id(found) not in done:
                done[id(found)] = _write_all(vm, found, registers)
            written = done[id(found)]
            if isinstance(written, Refusal):
                return Outcome(vm, (), _REFUSED, written)
            vcpus[operator.index(number)] = written.vcpu
            calls, warned = (*calls, *written.calls), warned or written.warned
        rule = f"kvm-zap-mtrr-{vm.profile.zap_mtrr}"
        return Outcome(vm._with(vcpus=tuple(vcpus)), calls, (rule,), warned=warned)


class _Written(NamedTuple):
    vcpu: Vcpu
    calls: tuple[Range, ...]
    warned: bool


def _write_all(vm: Vm, vcpu: Vcpu, registers: Mapping[int, int]) -> _Written | Refusal:
    """One vCPU after userspace wrote every register, by rising index."""
    calls: list[Range] = []
    warned = False
    for index, value in registers.items():
        kind = msrs.kind_of(index)
        if kind == "mask" and not value and not msrs.read(vm.profile, vcpu, index):
            continue  # a mask that is 0 and stays 0 counts as not written, as in `Vcpu`
        refusal = msrs.refusal(vm.profile, index, value, vcpu.maxphyaddr, vm.vendor, vm.load_pat)
        if refusal is not None:
            return refusal._replace(host=True, register=f"{rules.msr_name(index)} = 0x{value:x}")
        vcpu = with_msr(vcpu, index, value)
        zapped, inverted = _mtrr_calls(vm, vcpu, index, kind)
        calls += zapped
        warned |= inverted and vm.profile.warns_inverted_zap
    return _Written(vcpu, tuple(calls), warned)


@readable
@dataclass(frozen=True, slots=True)
class SetCr0Cd(Event):
    """A vCPU sets or clears CR0.CD."""

    value: bool
    vcpu: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", arguments.flag(self.value, "CR0.CD"))

    def perform(self, vm: Vm) -> Outcome:
        found, p = vm.vcpu(self.vcpu), vm.profile
        if vm.vm_type == "tdx" and self.value:
            return Outcome(vm, (), _REFUSED, Refusal(Fault.TDX_CD, "CR0.CD stays 0 in a TDX guest: #VE"))
        rule = (f"kvm-zap-cd-{p.zap_cd}",)
        if found.cr0_cd == self.value:
            return Outcome(vm, (), rule)
        after = vm._with_vcpu(self.vcpu, with_cd(found, self.value))
        return Outcome(after, (EVERYTHING_CD,) if policies.ZAP_CD[p.zap_cd](vm) else (), rule)


@readable
@dataclass(frozen=True, slots=True)
class NoncoherentDma(Event):
    """The count of non-coherent DMA devices becomes `count` (True is 1, False is 0)."""

    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", device_count(self.count))

    def perform(self, vm: Vm) -> Outcome:
        after = vm if vm.noncoherent_dma == self.count else vm._with(noncoherent_dma=self.count, _decided=None)
        if after.has_noncoherent_dma == vm.has_noncoherent_dma:
            return Outcome(after, (), ("kvm-zap-nc-count",))
        policy = vm.profile.zap_nc
        zaps = policies.ZAP_NC[policy](vm)
        return Outcome(after, (EVERYTHING,) if zaps else (), (f"kvm-zap-nc-{policy}",))


@readable
@dataclass(frozen=True, slots=True)
class DisableQuirks(Event):
    """Userspace disables quirks.

    With ``checked=True`` by KVM_CAP_DISABLE_QUIRKS2, which refuses what cannot be disabled; with ``checked=False`` by
    KVM_CAP_DISABLE_QUIRKS, which leaves that out silently. If neither is said, by the newer one that the release has.
    """

    quirks: Iterable[str]
    checked: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "quirks", quirk_names(self.quirks))
        if self.checked is not None:
            object.__setattr__(self, "checked", arguments.flag(self.checked, "checked"))

    def perform(self, vm: Vm) -> Outcome:
        asked, p = frozenset(self.quirks), vm.profile
        checked = p.disable_quirks2 if self.checked is None else self.checked
        if not (p.disable_quirks2 if checked else p.disable_quirks):
            name = f"KVM_CAP_DISABLE_QUIRKS{'2' * checked}"
            since = history.first(f"disable_quirks{'2' * checked}")
            return Outcome(vm, (), _REFUSED, Refusal(Fault.NO_CAPABILITY, f"{p} has no {name}: it came with {since}"))
        beyond = asked - vm.supported_quirks
        if beyond and checked:
            text = f"{', '.join(sorted(beyond))} cannot be disabled for this VM: KVM_CAP_DISABLE_QUIRKS2 gives -EINVAL"
            return Outcome(vm, (), (*_REFUSED, "kvm-quirks2"), Refusal(Fault.QUIRK, text))
        kept = vm.disabled_quirks if p.quirk_semantics == "or" else frozenset()
        rule = "kvm-quirks2" if checked else "kvm-quirks"
        after = vm._with(disabled_quirks=kept | asked, _decided=None)
        return Outcome(after, (), ("kvm-zap-quirk", rule))


@readable
@dataclass(frozen=True, slots=True)
class InitVmcb(Event):
    """AMD: KVM initialises a vCPU's VMCB again, as at a reset; its registers stay."""

    vcpu: int = 0

    def perform(self, vm: Vm) -> Outcome:
        found = vm.vcpu(self.vcpu)
        if vm.vendor != "amd":
            raise InputError("a VMCB is AMD's; Intel has a VMCS, which takes the guest's PAT at every write")
        if not vm.profile.vmcb_copies_pat:
            return Outcome(vm, (), ("kvm-zap-vmcb",))
        return Outcome(vm._with_vcpu(self.vcpu, with_g_pat(found, found.pat)), (), ("kvm-zap-vmcb", "kvm-vmcb-init"))
