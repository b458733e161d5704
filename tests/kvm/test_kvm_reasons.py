"""The rules that a leaf, a zap and a refusal cite, in every release, against the specification's sections restated."""

from __future__ import annotations

import random

import pytest
import restatement as again
from test_kvm_random import RELEASES, machine, value

from memtype import InputError, MtrrState
from memtype.kvm import (
    KVM_RULES,
    DisableQuirks,
    InitVmcb,
    NoncoherentDma,
    SetCr0Cd,
    SetMtrrs,
    Vcpu,
    Vm,
    WriteMsr,
    Zap,
)
from memtype.kvm.zap import Event

Rules = tuple[str, ...]
REFUSED = "kvm-refused"


def since(vm: again.Machine, *names: tuple[str, tuple[int, int]]) -> str:
    """The last name whose release is not above the VM's."""
    return next(name for name, first in reversed(names) if vm.since(*first))


def leaf_rule(vm: again.Machine, cpu: again.Cpu) -> str:
    """Sections 3 to 5."""
    if vm.tdp != "ept":
        return "kvm-leaf-npt" if vm.tdp == "npt" else "kvm-leaf-shadow"
    if not vm.devices:
        name = "no-self-snoop" if vm.rc else since(vm, ("always", (3, 13)), ("quirk", (6, 16)))
        return f"kvm-leaf-coherent-{name}"
    if vm.since(6, 11):
        return "kvm-leaf-wb"
    if cpu.cd and vm.since(4, 4):
        return "kvm-leaf-cd-on" if again.quirk(vm, "CD_NW_CLEARED") else "kvm-leaf-cd-off"
    return "kvm-leaf-mtrr"


def pat_rule(vm: again.Machine, cpu: again.Cpu) -> str:
    """Section 6: why a PAT write changes no leaf."""
    if vm.tdp != "ept":
        return "kvm-pat-npt" if vm.tdp == "npt" else "kvm-pat-shadow"
    return "kvm-pat-ipat" if again.leaf(vm, cpu, 0)[1] else "kvm-pat-ept"


def mtrr_rule(vm: again.Machine) -> str:
    return "kvm-zap-mtrr-" + since(
        vm, ("root-reset", (3, 13)), ("tdp+nc", (4, 4)), ("ept+nc", (6, 7)), ("removed", (6, 11))
    )


def write_rules(vm: again.Machine, cpu: again.Cpu, event: WriteMsr, ignore: bool) -> Rules:
    taken, calls = again.write(vm, cpu, event.index, event.value)
    if not taken:
        dispatched = 0x200 <= event.index <= (0x2FF if not vm.since(6, 5) else 0x26F)
        known = dispatched or event.index in (0x277, 0x2FF)
        return ("kvm-ignored",) if ignore and not known else (REFUSED,)
    if event.index == 0x2F8:
        return ("kvm-2f8-outside" if vm.since(4, 4) else "kvm-2f8-warn",)
    if event.index == 0x277:
        return ("kvm-zap-pat",)
    asked = 0x200 <= event.index <= 0x20F and again.mtrr_gate(vm) and bool(cpu.get(0x2FF) & 0x800)
    return (mtrr_rule(vm), "kvm-zap-inverted") if asked and not calls else (mtrr_rule(vm),)


def cd_rules(vm: again.Machine, cpu: again.Cpu, event: SetCr0Cd) -> Rules:
    taken, _ = again.toggle(vm, cpu, event.value)
    names = ("context-reset", (3, 13)), ("nc+quirk-off", (4, 4)), ("ept+nc+quirk-off", (6, 7)), ("removed", (6, 11))
    return (f"kvm-zap-cd-{since(vm, *names)}",) if taken else (REFUSED,)


def device_rules(vm: again.Machine, event: NoncoherentDma) -> Rules:
    changes = bool(vm.devices) != bool(event.count)
    again.count(vm, event.count)
    if not changes:
        return ("kvm-zap-nc-count",)
    name = "ept+no-self-snoop" if vm.rc else since(vm, ("no", (3, 13)), ("ept", (6, 7)), ("quirk", (6, 16)))
    return (f"kvm-zap-nc-{name}",)


def quirk_rules(vm: again.Machine, event: DisableQuirks) -> Rules:
    names, checked = set(event.quirks), vm.since(5, 19) if event.checked is None else event.checked
    beyond = names - again.supported(vm)
    taken, _ = again.disable(vm, names, checked)
    if taken:
        return "kvm-zap-quirk", "kvm-quirks2" if checked else "kvm-quirks"
    return (REFUSED, "kvm-quirks2") if vm.since(5, 19) and beyond else (REFUSED,)


def some_event(rng: random.Random, other: again.Machine) -> tuple[Event, int]:
    n = rng.randrange(len(other.cpus))
    kind = rng.randrange(8)
    if kind == 0:
        return SetCr0Cd(rng.random() < 0.5, n), n
    if kind == 1:
        return NoncoherentDma(rng.randrange(3)), n
    if kind == 2:
        quirks = rng.sample(("IGNORE_GUEST_PAT", "CD_NW_CLEARED", "NESTED_SVM_SHARED_PAT"), rng.randrange(3))
        return DisableQuirks(quirks, rng.choice((True, False, None))), n
    index = rng.choice((0x2FF, 0x2FF, 0x277, 0x2F8, 0x250, *range(0x200, 0x204), 0x10, 0x270, 0x210))
    return WriteMsr(index, value(rng, index, other.cpus[n].width), n), n


def happened(other: again.Machine, event: Event, n: int, ignore: bool) -> Rules:
    """The rules of the event, once the restated machine went through it."""
    cpu = other.cpus[n]
    if isinstance(event, SetCr0Cd):
        return cd_rules(other, cpu, event)
    if isinstance(event, NoncoherentDma):
        return device_rules(other, event)
    if isinstance(event, DisableQuirks):
        return quirk_rules(other, event)
    assert isinstance(event, WriteMsr)
    return write_rules(other, cpu, event, ignore)


def says(zap: Zap) -> None:
    """The words are those of the rules, a refusal first."""
    text = "; ".join(str(KVM_RULES[rule]) for rule in (*zap.reasons, *zap.rules))
    assert zap.why == (f"{zap.refusal}; {text}" if zap.refusal else text)


@pytest.mark.parametrize("seed", range(150))
def test_rules_and_reasons_of_every_event(seed: int) -> None:
    rng = random.Random(seed)
    vm, other = machine(rng)
    ignore = rng.random() < 0.5
    vm = vm.replace(ignore_msrs=ignore)
    for _ in range(20):
        event, n = some_event(rng, other)
        before = [leaf_rule(other, cpu) for cpu in other.cpus]
        by_pat = pat_rule(other, other.cpus[n])
        rules = happened(other, event, n, ignore)
        vm, zap = vm.apply(event)
        reasons = tuple(dict.fromkeys([*before, *(leaf_rule(other, cpu) for cpu in other.cpus)]))
        if REFUSED in rules:
            reasons = ()
        elif rules == ("kvm-zap-pat",):
            reasons = (by_pat,)
        assert (zap.rules, zap.reasons) == (rules, reasons), (vm.profile, event)
        says(zap)
        assert [vm.leaf(0, vcpu=one).rule for one in range(len(other.cpus))] == [
            leaf_rule(other, cpu) for cpu in other.cpus]  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
def test_rules_of_whole_states_and_of_a_vmcb(release: str) -> None:
    number = tuple(int(part) for part in release.removesuffix("-rc").split("."))
    other = again.Machine(number, "amd", "npt", [])
    vcpu = Vcpu(maxphyaddr=36)
    vm = Vm(release, "amd", vcpus=[vcpu, vcpu], noncoherent_dma=True)
    zap = vm.apply(SetMtrrs(MtrrState(0x806, maxphyaddr=36)))[1]
    assert (zap.rules, zap.reasons) == ((mtrr_rule(other),), ("kvm-leaf-npt",))
    again_made = vm.apply(InitVmcb(1))[1]
    copied = (4, 4) <= number <= (4, 14)
    assert again_made.rules == (("kvm-zap-vmcb", "kvm-vmcb-init") if copied else ("kvm-zap-vmcb",))
    assert again_made.calls == () and again_made.reasons == ("kvm-leaf-npt",)
    with pytest.raises(InputError, match="a VMCB is AMD's"):
        Vm(release).apply(InitVmcb())
    refused = vm.apply(SetMtrrs(MtrrState(0x802, maxphyaddr=36)))[1]
    assert (refused.rules, refused.reasons) == ((REFUSED,), ())
    says(refused)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("vendor", "tdp"), [("intel", "ept"), ("intel", "none"), ("amd", "npt"), ("amd", "none")])
def test_the_rule_of_a_leaf_is_said_with_its_source(release: str, vendor: str, tdp: str) -> None:
    vm = Vm(release, vendor, tdp, noncoherent_dma=True)
    mmio, plain = vm.leaf(0, mmio=True), vm.leaf(0)
    assert mmio.rule == ("kvm-leaf-mmio" if tdp == "ept" else plain.rule)
    for leaf in (mmio, plain):
        rule = KVM_RULES[leaf.rule]
        kind = f" ({leaf.type})" if leaf.rule == "kvm-leaf-mtrr" else ""
        assert leaf.why == f"{rule.text}{kind} [{rule.id}: {rule.source}]"


def test_a_private_page_and_a_td_that_sets_cd() -> None:
    vm = Vm("6.16", vm_type="tdx", noncoherent_dma=True)
    assert vm.leaf(0, private=True).rule == "kvm-leaf-tdx-private" and vm.leaf(0).rule == "kvm-leaf-wb"
    zap = vm.apply(SetCr0Cd(True))[1]
    assert (zap.rules, zap.reasons) == ((REFUSED,), ()) and zap.why.startswith("CR0.CD stays 0")
