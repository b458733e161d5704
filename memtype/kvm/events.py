"""What happens to a VM, and the zap oracle: done, needed, stale, excess.

An event gives the VM after it and the ranges that the release passes to kvm_zap_gfn_range(). What would have to be
zapped follows from the leaves alone, so the oracle knows no policy of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from memtype import rules
from memtype.errors import InputError, RegisterError
from memtype.kvm import guest_mtrr, msrs, policies
from memtype.kvm.gfns import Pieces, Range, clip, contains, overlay, subtract, union
from memtype.kvm.rules import KVM_RULES
from memtype.kvm.vcpu import Vcpu, as_guest, with_msr
from memtype.kvm.vm import Vm, altered, device_count, quirk_names
from memtype.mtrr import MtrrState

EVERYTHING: Range = (0, rules.KVM_GFN_END)


class LeafChange(NamedTuple):
    """Pages whose freshly made leaf differs: bits before and after, for a fault of `vcpu`."""

    first: int
    end: int
    before: int
    after: int
    vcpu: int


@dataclass(frozen=True, slots=True)
class Zap:
    """What an event does to the leaves. Ranges are half-open gfn ranges, sorted and disjoint.

    Attributes
    ----------
    accepted : False where the release refuses (then `refusal` says why) and the VM is unchanged
    calls : the ranges as KVM issues them, one per call
    done : their union; "everything" is (0, 0xfffffffffffff)
    needed : pages whose leaf would come out differently for some vCPU (pages that are not host MMIO)
    stale : needed and not done
    excess : done and not needed, within the guest-physical address space
    changes : what changes to what, for which vCPU
    why : the rules that decided, with their sources: those of the leaves, then that of the zap
    reasons, rules : their identifiers
    warned : a WARN is raised (an inverted range)
    """

    accepted: bool
    calls: tuple[Range, ...]
    done: list[Range]
    needed: list[Range]
    stale: list[Range]
    excess: list[Range]
    changes: tuple[LeafChange, ...]
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    refusal: str | None = None
    warned: bool = False

    @property
    def why(self) -> str:
        text = "; ".join(str(KVM_RULES[rule]) for rule in self.reasons + self.rules)
        return f"{self.refusal}; {text}" if self.refusal else text


class Outcome(NamedTuple):
    """What an event does by itself: the VM after it, the zap calls, the rules, and a refusal.

    `reasons` are the rules why leaves change or not, where those of the leaves themselves do not say it.
    """

    vm: Vm
    calls: tuple[Range, ...]
    rules: tuple[str, ...]
    refusal: str | None = None
    warned: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteMsr:
    """WRMSR of an MTRR or of the PAT by one vCPU, or by userspace (KVM_SET_MSRS)."""

    index: int
    value: int
    vcpu: int = 0
    host_initiated: bool = False

    def __post_init__(self) -> None:
        for name, bits in (("index", 32), ("value", 64)):
            given = getattr(self, name)
            if not hasattr(given, "__index__") or not 0 <= given < 1 << bits:
                raise RegisterError(f"MSR {name} {given!r} is no {bits}-bit number")
            object.__setattr__(self, name, int(given))

    def perform(self, vm: Vm) -> Outcome:
        found, p = vm.vcpu(self.vcpu), vm.profile
        refusal = msrs.refusal(p, self.index, self.value, found.maxphyaddr, vm.vendor, vm.load_pat)
        kind = msrs.kind_of(self.index)
        if refusal and refusal.startswith("unknown") and vm.ignore_msrs:
            return Outcome(vm, (), ("kvm-ignored",))
        if refusal:
            return Outcome(vm, (), ("kvm-refused",), msrs.as_host(refusal) if self.host_initiated else refusal)
        if kind == "unknown":  # MSR 0x2f8 up to 4.1: a WARN and no register of the guest's
            return Outcome(vm, (), (f"kvm-zap-mtrr-{p.zap_mtrr}",), warned=True)
        after = _with_vcpu(vm, self.vcpu, with_msr(found, self.index, self.value))
        if kind == "pat":
            return Outcome(after, (), ("kvm-zap-pat",), reasons=(_pat_rule(vm, self.vcpu),))
        calls, inverted = _mtrr_calls(after, self.vcpu, self.index)
        told = (f"kvm-zap-mtrr-{p.zap_mtrr}", *(["kvm-zap-inverted"] if inverted else []))
        return Outcome(after, calls, told, warned=inverted and p.warns_inverted_zap)


def _pat_rule(vm: Vm, vcpu: int) -> str:
    """Why no leaf depends on the PAT."""
    if vm.tdp != "ept":
        return "kvm-pat-npt" if vm.tdp == "npt" else "kvm-pat-shadow"
    fixed, _ = vm.decide(vm.vcpu(vcpu), False)
    return "kvm-pat-ipat" if fixed is not None and fixed.ipat else "kvm-pat-ept"


def _mtrr_calls(vm: Vm, vcpu: int, index: int) -> tuple[tuple[Range, ...], bool]:
    """The zap calls of an accepted MTRR write, `vm` being the VM after it; and whether a range was inverted."""
    found, kind = vm.vcpu(vcpu), msrs.kind_of(index)
    if not policies.ZAP_MTRR[vm.profile.zap_mtrr](vm):
        return (), False
    if kind == "def_type":
        return (EVERYTHING,), False  # even if nothing changed, even with E = 0
    if not guest_mtrr.enabled(found):
        return (), False
    if kind == "fixed":
        return ((msrs.FIXED_BLOCKS[index],) if guest_mtrr.fixed_enabled(found) else ()), False
    # the pair as it is now, valid or not; where it was before is not zapped
    start, end = guest_mtrr.pair_range(found, (index - rules.PHYSBASE0) // 2)
    if end <= start:
        return (), True
    return ((start >> rules.PAGE_SHIFT, end >> rules.PAGE_SHIFT),), False


@dataclass(frozen=True, slots=True)
class SetMtrrs:
    """A whole new MTRR state, written register by register in index order: of one vCPU, or (None) of all."""

    mtrrs: MtrrState
    vcpu: int | None = None

    def perform(self, vm: Vm) -> Outcome:
        outcome = Outcome(vm, (), (f"kvm-zap-mtrr-{vm.profile.zap_mtrr}",))
        for number in range(len(vm.vcpus)) if self.vcpu is None else [self.vcpu]:
            width = vm.vcpu(number).maxphyaddr
            if self.mtrrs.maxphyaddr != width:
                raise RegisterError(f"the new MTRRs have MAXPHYADDR {self.mtrrs.maxphyaddr}, vCPU {number} has {width}")
            for index, value in as_guest(self.mtrrs).msrs().items():
                if not value and msrs.kind_of(index) == "mask" and not outcome.vm.msr(index, number):
                    continue  # a mask that is 0 and stays 0 counts as not written, as in `Vcpu`
                step = WriteMsr(index, value, number, host_initiated=True).perform(outcome.vm)
                if step.refusal:
                    return Outcome(vm, (), step.rules, f"{rules.msr_name(index)} = 0x{value:x}: {step.refusal}")
                outcome = Outcome(step.vm, outcome.calls + step.calls, outcome.rules)
        return outcome


@dataclass(frozen=True, slots=True)
class SetCr0Cd:
    """A vCPU sets or clears CR0.CD."""

    value: bool
    vcpu: int = 0

    def perform(self, vm: Vm) -> Outcome:
        found, p = vm.vcpu(self.vcpu), vm.profile
        rule = f"kvm-zap-cd-{p.zap_cd}"
        if vm.vm_type == "tdx" and self.value:
            return Outcome(vm, (), ("kvm-refused",), "CR0.CD stays 0 in a TDX guest: #VE")
        after = _with_vcpu(vm, self.vcpu, dataclasses.replace(found, cr0_cd=bool(self.value)))
        zaps = found.cr0_cd != self.value and policies.ZAP_CD[p.zap_cd](vm)
        return Outcome(after, (EVERYTHING,) if zaps else (), (rule,))


@dataclass(frozen=True, slots=True)
class NoncoherentDma:
    """The count of non-coherent DMA devices becomes `count` (True is 1, False is 0)."""

    count: int

    def perform(self, vm: Vm) -> Outcome:
        after = altered(vm, noncoherent_dma=device_count(self.count))
        if after.has_noncoherent_dma == vm.has_noncoherent_dma:
            return Outcome(after, (), ("kvm-zap-nc-count",))
        policy = vm.profile.zap_nc
        zaps = policies.ZAP_NC[policy](vm)
        return Outcome(after, (EVERYTHING,) if zaps else (), (f"kvm-zap-nc-{policy}",))


@dataclass(frozen=True, slots=True)
class DisableQuirks:
    """Userspace disables quirks: KVM_CAP_DISABLE_QUIRKS2, which refuses what cannot be disabled.

    With ``checked=False`` KVM_CAP_DISABLE_QUIRKS, which leaves that out silently.
    """

    quirks: Iterable[str]
    checked: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "quirks", quirk_names(self.quirks))

    def perform(self, vm: Vm) -> Outcome:
        asked = quirk_names(self.quirks)
        beyond = asked - vm.supported_quirks
        if beyond and self.checked:
            text = f"{', '.join(sorted(beyond))} cannot be disabled for this VM: KVM_CAP_DISABLE_QUIRKS2 gives -EINVAL"
            return Outcome(vm, (), ("kvm-refused",), text)
        kept = vm.disabled_quirks if vm.profile.quirk_semantics == "or" else frozenset()
        return Outcome(altered(vm, disabled_quirks=kept | asked), (), ("kvm-zap-quirk",))


Event = WriteMsr | SetMtrrs | SetCr0Cd | NoncoherentDma | DisableQuirks


def apply(vm: Vm, event: Event) -> tuple[Vm, Zap]:
    """The VM after the event and the oracle's answer; see `Zap`."""
    if not isinstance(event, Event):
        raise InputError(f"{event!r} is no event (WriteMsr, SetMtrrs, SetCr0Cd, NoncoherentDma, DisableQuirks)")
    outcome = event.perform(vm)
    changes = tuple(_changes(vm, outcome.vm))
    needed = union((change.first, change.end) for change in changes)
    done = union(outcome.calls)
    zap = Zap(
        outcome.refusal is None, outcome.calls, done, needed, subtract(needed, done),
        subtract(clip(done, vm.gfn_end), needed), changes, outcome.reasons or _leaf_rules(vm, outcome), outcome.rules,
        outcome.refusal, outcome.warned,
    )  # fmt: skip
    return altered(outcome.vm, _leaves=_surviving(vm, outcome.vm, done)), zap


def _leaf_rules(before: Vm, outcome: Outcome) -> tuple[str, ...]:
    """The rules that make the leaves before and after, each once; none where the event was refused."""
    if outcome.refusal:
        return ()
    decided = [vm.decide(vcpu, False)[1] for vm in (before, outcome.vm) for vcpu in vm.vcpus]
    return tuple(dict.fromkeys(decided))


def _changes(before: Vm, after: Vm) -> Iterable[LeafChange]:
    seen: dict[tuple[Vcpu, Vcpu], list[tuple[int, int, int, int]]] = {}  # vCPUs alike are compared once
    shared = [(vm.noncoherent_dma, vm.disabled_quirks) for vm in (before, after)]
    for n, pair in enumerate(zip(before.vcpus, after.vcpus, strict=True)):
        if pair[0] is pair[1] and shared[0] == shared[1]:
            continue
        if pair not in seen:
            old, new = before.leaf_pieces(n), after.leaf_pieces(n)
            both = overlay([old, new], old.end)
            seen[pair] = [(first, end, was, now) for first, end, (was, now) in both if was != now]
        yield from (LeafChange(*change, n) for change in seen[pair])


def _surviving(before: Vm, after: Vm, done: list[Range]) -> Pieces[frozenset[int]]:
    """The leaves that may exist after the event: what was not zapped, and what faults may make from now on."""
    edges = {0, *(edge for span in done for edge in span)}
    zapped = Pieces(((edge, contains(done, edge)) for edge in sorted(edges)), before.gfn_end)
    layers = overlay([before.existing_leaves(), after.fresh_leaves(), zapped], before.gfn_end)
    return Pieces(((first, new if gone else old | new) for first, _, (old, new, gone) in layers), before.gfn_end)


def _with_vcpu(vm: Vm, number: int, vcpu: Vcpu) -> Vm:
    return altered(vm, vcpus=(*vm.vcpus[:number], vcpu, *vm.vcpus[number + 1 :]))
