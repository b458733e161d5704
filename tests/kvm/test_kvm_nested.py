"""Section 11: guests of guests, WBINVD, VMCBs initialised again, TDX pages; and what the manual says beside KVM."""

from __future__ import annotations

import itertools
import random

import pytest
from kvm_states import GIB, guest, pair, types, written
from test_kvm_laws import random_vm

import memtype as mt
from memtype.kvm import (
    InitVmcb,
    SetCr0Cd,
    Vcpu,
    Vm,
    Vmcs12,
    WriteMsr,
    nested_leaf,
    nested_pat,
    nested_pat_write,
    nested_round_trip,
    set_nested_state,
)
from memtype.kvm.rules import DEVIATIONS

L1, GUEST, HOST, WRITTEN = 0x0007040600070406, 0x0606060606060606, 0x0101010101010101, 0x0404040404040404
BAD = 0x0200000000000000
OWN = {"disabled_quirks": {"NESTED_SVM_SHARED_PAT"}}


# --- Intel: four controls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["4.4", "5.0", "5.2", "6.4", "7.1"])
@pytest.mark.parametrize("controls", list(itertools.product((False, True), repeat=4)))
def test_the_round_trip_of_the_pat(release, controls):
    load, save, load_host, host_loads = controls
    vm = guest(release, pat=L1, load_pat=host_loads)
    for writes in ((), (WRITTEN,)):
        trip = nested_round_trip(vm, Vmcs12(GUEST, HOST, load, save, load_host), writes)
        l2 = (*((GUEST,) if load else (L1,)), *writes)[-1]
        assert trip.entered and trip.l2_pat.value == l2
        assert trip.hardware_pat.value == (l2 if host_loads else vm.host_pat.value)
        assert trip.vm.msr(0x277) == (HOST if load_host else l2)  # without it L1 keeps L2's PAT
        assert trip.vmcs12.guest_pat.value == (l2 if save else GUEST) and trip.vmcs12.host_pat.value == HOST
        assert ("keeps" in trip.why) is not load_host


def test_an_invalid_pat_fails_the_entry_from_5_2_on():
    for release, checked in (("5.0", False), ("5.2", True), ("7.1", True)):
        vm = guest(release, pat=L1)
        for field, control in (("guest_pat", "load"), ("host_pat", "load_host")):
            trip = nested_round_trip(vm, Vmcs12(**{field: BAD}))
            assert trip.entered is not checked and (
                not checked or (trip.vm is vm and f"vmcs12.{field.replace('_', '_ia32_')} = " in trip.why)
            )
            assert nested_round_trip(vm, Vmcs12(**{field: BAD, control: False})).entered
    with pytest.raises(mt.InputError, match="VM entry fails"):
        nested_pat(guest("5.2"), BAD)
    with pytest.raises(mt.InputError, match="L2 gets #GP"):
        nested_round_trip(guest("6.4"), Vmcs12(), [BAD])
    with pytest.raises(mt.InputError, match="Intel"):
        nested_round_trip(guest("6.4", vendor="amd"), Vmcs12())


# --- AMD ----------------------------------------------------------------------------------------------------------


def test_a_nested_amd_leaf_is_wb_whatever_l1_says():
    vm = guest("7.1", [(0x2FF, 0x800)], vendor="amd", noncoherent_dma=True)
    for entry in (0x7, 0x1F, 0x9F, 1 << 12 | 0x98):
        leaf = nested_leaf(vm, GIB, entry)
        assert (str(leaf.type), leaf.ipat, leaf.bits) == ("WB", False, 0) and "dropped" in leaf.why
    with pytest.raises(mt.InputError, match="ept or npt"):
        nested_leaf(guest("7.1", tdp="none"), 0, 0)
    with pytest.raises(mt.AddressError):
        nested_leaf(vm, 1 << 36, 0)


def test_writes_of_the_pat_while_l2_runs():
    shared, own = guest("7.1", vendor="amd", pat=L1), guest("7.2", vendor="amd", pat=L1, **OWN)
    for host in (False, True):
        after, l2 = nested_pat_write(shared, GUEST, WRITTEN, host)
        assert after.msr(0x277) == l2.value == WRITTEN  # vmcb01 and vmcb02
    after, l2 = nested_pat_write(own, GUEST, WRITTEN)
    assert after.msr(0x277) == L1 and l2.value == WRITTEN
    after, l2 = nested_pat_write(own, GUEST, WRITTEN, host_initiated=True)
    assert after.msr(0x277) == WRITTEN and l2.value == GUEST
    assert nested_pat_write(own, GUEST, WRITTEN, nested_npt=False)[0].msr(0x277) == WRITTEN
    with pytest.raises(mt.InputError, match="#GP"):
        nested_pat_write(own, GUEST, BAD)
    with pytest.raises(mt.InputError, match="AMD"):
        nested_pat_write(guest("7.2"), GUEST, WRITTEN)


def test_restoring_a_nested_guest():
    own, shared = guest("7.2", vendor="amd", pat=L1, **OWN), guest("7.1", vendor="amd", pat=L1)
    assert set_nested_state(own, GUEST).value == GUEST and set_nested_state(shared, GUEST).value == L1
    assert set_nested_state(shared, BAD).value == L1 and set_nested_state(own, BAD, nested_npt=False).value == L1
    with pytest.raises(mt.InputError, match="KVM_SET_NESTED_STATE"):
        set_nested_state(own, BAD)
    with pytest.raises(mt.InputError, match="AMD"):
        set_nested_state(guest("7.2"), GUEST)


def test_a_vmcb_initialised_again_takes_the_guests_pat():
    wanted = 0x0007040600070106  # entry 1 is WC
    for release, copied in (("4.1", False), ("4.4", True), ("4.14.2", True), ("4.14.5", None), ("6.4", None)):
        vm = written(guest(release, vendor="amd"), [(0x277, wanted)])
        before = str(vm.effective(GIB, pat_index=1))
        after, zap = vm.apply(InitVmcb())
        assert before == ("WC+" if copied is None else "WT") and zap.needed == zap.done == []
        assert str(after.effective(GIB, pat_index=1)) == ("WT" if copied is False else "WC+"), release
        again = written(after, [(0x277, L1)])
        assert str(again.effective(GIB, pat_index=1)) == ("WC+" if copied else "WT")  # it follows no later write
    with pytest.raises(mt.InputError, match="AMD"):
        guest("6.4").apply(InitVmcb())


# --- WBINVD and TDX -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["3.13", "4.4", "6.4", "6.16", "7.1"])
def test_wbinvd_is_executed_with_noncoherent_dma_alone(release):
    for vendor, devices in itertools.product(("intel", "amd"), (0, 1, 2)):
        found = Vm(release, vendor, noncoherent_dma=devices).wbinvd()
        assert found.executed is (devices > 0) and found.rule in found.why
    assert not Vm("4.4", disabled_quirks={"CD_NW_CLEARED"}).wbinvd().executed
    assert "flushed" in Vm("6.16", disabled_quirks={"IGNORE_GUEST_PAT"}).wbinvd().why


def test_private_pages_of_a_tdx_guest_are_wb():
    vm = guest("6.16", vm_type="tdx", noncoherent_dma=True)
    for kind in ("UC", "WC", "WT", "WP", "WB", "UC-"):
        assert str(vm.effective(0, kind, private=True)) == "WB"
        assert str(vm.effective(0, kind)) == ("UC" if kind == "UC-" else kind)  # a shared page
    assert vm.leaf(0, private=True).ipat and not vm.leaf(0).ipat and "TDX module" in vm.leaf(0, private=True).why
    with pytest.raises(mt.InputError, match="TDX"):
        guest("6.16").leaf(0, private=True)


# --- the manual beside it -----------------------------------------------------------------------------------------


def test_as_architected_is_the_manual():
    writes = [*pair(0, 6, 4 * GIB), *pair(1, 3 * GIB, GIB), (0x2FF, 0x800)]
    kvm = guest("6.4", writes, noncoherent_dma=True)
    manual = kvm.replace(as_architected=True)
    assert types(kvm, 3 * GIB) == "WB" and types(manual, 3 * GIB) == "UC"
    assert (kvm.leaf(3 * GIB).bits, manual.leaf(3 * GIB).bits) == (0x30, 0)
    assert kvm.deviation(3 * GIB) == (6, 0, "overlap-kvm") and kvm.deviation(GIB) is None
    assert manual.deviation(3 * GIB) is None and guest("6.4", writes).deviation(3 * GIB) is None
    assert kvm.apply(WriteMsr(0x203, 0))[1].needed == []
    assert manual.apply(WriteMsr(0x203, 0))[1].needed == [(0xC0000, 0x100000)]
    assert manual.max_level(0xC0000) == 3 and kvm.max_level(0xC0000) == 1
    assert Vm("6.12", vcpus=kvm.vcpus, noncoherent_dma=True, as_architected=True).leaf(3 * GIB).bits == 0x30  # a policy


def test_every_kind_of_deviation_is_named():
    hole = [(0x200, 0x80000001), (0x201, 0xFBFFFF800), (0x2FF, 0x806)]
    overlay = [*pair(0, 6, 4 * GIB), *pair(1, 3 * GIB, GIB), (0x2FF, 0x800)]
    for release, writes, gpa, rule in (
        ("6.4", hole, 0xA0000000, "range-kvm"), ("6.4", overlay, 3 * GIB, "overlap-kvm"),
        ("4.1", [], GIB, "disabled-kvm"), ("4.1", [(0x2FF, 0x406)], GIB, "disabled-kvm"),
        ("4.1", [(0x2FF, 0x806)], 0, "low-kvm"),
    ):  # fmt: skip
        vm = guest(release, writes, noncoherent_dma=True)
        found = vm.deviation(gpa)
        assert found and found[2] == rule and rule in DEVIATIONS and found[0] is vm.guest_type(gpa)
        assert found[1] is vm.guest_type(gpa, as_architected=True) is not found[0]
    mixed = [*pair(0, 1, 4 * GIB), *pair(1, GIB | 6, GIB), (0x2FF, 0x800)]
    for release, kind in (("4.1", "UC"), ("6.4", "WB")):  # the manual says nothing: no answer departs from it
        vm = guest(release, mixed, noncoherent_dma=True)
        assert types(vm, GIB) == kind and vm.deviation(GIB) is None


def test_what_the_manual_leaves_open_is_undefined_and_its_bits_are_ucs():
    vm = guest("6.4", [*pair(0, 1, 4 * GIB), *pair(1, GIB | 6, GIB), (0x2FF, 0x800)], noncoherent_dma=True)
    manual = vm.replace(as_architected=True)
    assert str(manual.leaf(GIB).type) == "??" and manual.leaf(GIB).bits == 0 == manual.leaf_bits(GIB >> 12)
    assert manual.leaf_bits([GIB >> 12, 0]).tolist() == [0, 8] and str(manual.effective(GIB)) == "??"
    _, zap = manual.apply(WriteMsr(0x203, 0))
    assert zap.needed == [(0x40000, 0x80000)] and (mt.MemoryType.UNDEFINED, False) in manual.possible_leaves(0x40000)


def test_by_the_manual_means_by_the_state_itself():
    rng = random.Random(5)
    for _ in range(150):
        vm = random_vm(rng).replace(as_architected=True)
        for n, vcpu in enumerate(vm.vcpus):
            whole = vm.guest_map(n)
            for gpa in (0, 0xA0000, 1 << 20, *(rng.randrange(1 << 36) for _ in range(4))):
                wanted = vcpu.mtrrs.at(gpa) if vcpu.cpuid_mtrr else mt.MemoryType.WB
                assert vm.guest_type(gpa, n) is wanted is whole.at(gpa)


# --- arguments ----------------------------------------------------------------------------------------------------


def test_arguments_of_a_wrong_kind_are_refused_in_words():
    vm = Vm("6.4")
    for call in (
        lambda: Vm("6.4", vcpus=3), lambda: Vm("6.4", disabled_quirks=3), lambda: Vm("6.4", noncoherent_dma="1"),
        lambda: Vm(6.4), lambda: Vm(None), lambda: Vm("6.4", vendor=1), lambda: Vm("6.4", tdp=1),
        lambda: Vm("6.4", host_pat=[1]), lambda: Vm("6.4", vm_type=None), lambda: Vcpu(5), lambda: Vcpu(pat=[]),
        lambda: Vcpu(maxphyaddr="46"), lambda: vm.apply(1), lambda: vm.apply(None), lambda: mt.kvm.SetMtrrs(1),
        lambda: SetCr0Cd("on"), lambda: SetCr0Cd(2), lambda: mt.kvm.NoncoherentDma("x"),
        lambda: mt.kvm.NoncoherentDma(-1), lambda: mt.kvm.DisableQuirks(5), lambda: WriteMsr(True, 0),
        lambda: WriteMsr(0x2FF, None), lambda: vm.leaf("0"), lambda: vm.leaf(None), lambda: vm.leaf(1 << 70),
        lambda: vm.max_level("1"), lambda: vm.max_level(-1), lambda: vm.max_level(1 << 60),
        lambda: vm.leaf(0, vcpu=None),
        lambda: vm.effective(0, "XY"), lambda: vm.effective(0, 3.5), lambda: vm.effective(0, host_mtrr=None),
        lambda: vm.effective(0, pat_index=9), lambda: vm.effective(0, pat_index="1"), lambda: vm.msr(None),
        lambda: vm.huge_page_consistent("0", 1), lambda: vm.huge_page_consistent(0, None), lambda: vm.guest_type(1.5),
        lambda: vm.possible_leaves("0"), lambda: vm.leaf_pieces(7), lambda: vm.apply(SetCr0Cd(True, 9)),
        lambda: vm.apply(WriteMsr(0x2FF, 0, "0")), lambda: nested_leaf(vm, 0, None), lambda: nested_pat(vm, []),
        lambda: vm.apply(mt.kvm.SetMtrrs(mt.MtrrState(), vcpu="0")), lambda: mt.kvm.profile(None),
    ):  # fmt: skip
        with pytest.raises(mt.InputError) as refused:
            call()
        assert "\n" not in str(refused.value)
