"""Bug reports and mails about KVM, replayed: what each release does, by the report's number in the specification."""

from __future__ import annotations

import pytest
from kvm_states import EVERYTHING, FIRMWARE, GIB, MAXPHYADDR, WB_ALL, accepted, guest, leaf, no_quirk, pair, written

from memtype import MtrrState
from memtype.kvm import (
    DisableQuirks,
    NoncoherentDma,
    SetCr0Cd,
    SetMtrrs,
    Vcpu,
    Vm,
    WriteMsr,
    is_mmio,
    nested_leaf,
    nested_pat,
    profile,
    replay,
)
from memtype.kvm.gfns import pages

RAM = 16 << 20
WITH_MTRRS = ("4.4", "5.10", "6.4", "6.6", "6.8", "6.10")


def test_b01_ovmf_crawls_before_mtrrs_are_enabled():
    with pytest.raises(ValueError, match="not modelled"):
        profile("4.2")
    for release in WITH_MTRRS:
        assert leaf(guest(release, noncoherent_dma=True), RAM) == ("UC", 0)
        assert leaf(guest(release, noncoherent_dma=True, cr0_cd=True), RAM)[0] == "WB"  # the quirk that cured it
        assert leaf(guest(release), RAM) == ("WB", 1)


@pytest.mark.parametrize("release", WITH_MTRRS)
def test_b02_clearing_cd_in_the_reset_vector_turns_memory_uc(release):
    vm = guest(release, noncoherent_dma=True, cr0_cd=True)
    assert str(vm.effective(RAM, "WB")) == "WB"
    after, zap = vm.apply(SetCr0Cd(False))
    assert leaf(after, RAM) == ("UC", 0) and str(after.effective(RAM, "WB")) == "UC"
    assert zap.done == [] and zap.stale == [(0, 1 << 24)]
    cured = written(after, [(0x2FF, 0xC06)])
    assert str(cured.effective(RAM, "WB")) == "WB"


def test_b03_a_td_cannot_set_cd():
    vm = guest("6.16", vm_type="tdx")
    after, zap = vm.apply(SetCr0Cd(True))
    assert not zap.accepted and "#VE" in zap.why and after == vm
    for wrong in ({"release": "6.15"}, {"release": "6.16", "tdp": "none"}, {"release": "6.16", "vendor": "amd"}):
        with pytest.raises(ValueError, match="TDX"):
            guest(vm_type="tdx", **wrong)


def test_b04_the_vmm_must_set_the_default_type():
    assert str(guest("4.15", noncoherent_dma=True).effective(RAM)) == "UC"
    assert str(guest("4.15", [(0x2FF, 0xC06)], noncoherent_dma=True).effective(RAM)) == "WB"


def test_b05_mtrrs_lost_in_a_snapshot():
    saved = guest("6.4", [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)
    restored, zap = saved.apply(SetMtrrs(MtrrState(maxphyaddr=MAXPHYADDR)))
    assert str(restored.guest_type(RAM)) == "UC"
    assert [restored.msr(index) for index in (0x2FF, 0x200, 0x201, 0x250)] == [0, 0, 0, 0]
    assert zap.needed == [(0, 0xA0), (0xC0, 0xC0000), (0x100000, 1 << 24)]  # what was not UC before
    assert zap.done == [EVERYTHING] and zap.stale == []


def test_b06_bochs_drm_on_sapphire_rapids():
    vram = 0xFD000000
    after_patch, reverted = guest("6.11-rc5"), guest("6.11")
    assert str(after_patch.effective(vram, "UC-")) == "UC" and str(reverted.effective(vram, "UC-")) == "WB"
    assert str(after_patch.effective(vram, "WC")) == "WC"
    assert str(guest("6.11-rc5", self_snoop=False).effective(vram, "UC-")) == "WB"


def test_b08_dosemu_maps_the_vga_hole():
    for release in ("6.4", "6.12.77", "6.12.78", "6.16"):
        assert is_mmio(release, pfn_valid=True, reserved=True, host_pat="WB") is False
        vm = guest(release)
        assert leaf(vm, 0xA0000) == ("WB", 1) and str(vm.effective(0xA0000, "UC")) == "WB"
        asked = vm.apply(DisableQuirks({"IGNORE_GUEST_PAT"}))
        assert asked[1].accepted is (release in ("6.12.78", "6.16"))
        assert str(asked[0].effective(0xA0000, "UC")) == ("UC" if asked[1].accepted else "WB")


def test_b09_venus_needs_the_quirk_disabled():
    assert str(guest("6.16").effective(RAM, "WC")) == "WB"
    assert str(no_quirk(guest("6.16"), "IGNORE_GUEST_PAT").effective(RAM, "WC")) == "WC"
    assert str(no_quirk(guest("6.11"), "IGNORE_GUEST_PAT").effective(RAM, "WC")) == "WB"


def test_b10_the_guest_itself_follows_its_mtrrs():
    bar = 3 * GIB
    vm = guest("6.11", [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)
    assert str(vm.guest_type(bar, as_architected=True)) == "UC"  # what the guest's kernel reads, and so picks UC-
    assert str(vm.effective(bar, "UC-")) == "UC" and str(vm.effective(bar, "WB")) == "WB"


@pytest.mark.parametrize("release", ["6.11", "6.12.80", "6.16", "7.2", "ubuntu 6.8.0-136"])
def test_b11_mtrrs_have_no_effect_on_the_leaf(release):
    before = guest(release, noncoherent_dma=True)
    after, zap = before.apply(SetMtrrs(MtrrState(0xC06, maxphyaddr=MAXPHYADDR)))
    assert zap.done == zap.needed == [] and after.msr(0x2FF) == 0xC06
    assert leaf(before, RAM) == leaf(after, RAM) == ("WB", 0)


def test_b12_amd_passthrough_was_slow():
    wanted = 0x0007040600070106  # entry 1 is WC, as Linux of that time had it
    for release, found in (
        ("3.13", "WT"), ("4.4", "WT"), ("4.13", "WT"), ("4.14.2", "WT"), ("4.14.5", "WC+"), ("4.15", "WC+"),
        ("4.4.262", "WC+"),
    ):  # fmt: skip
        vm = written(guest(release, vendor="amd"), [(0x277, wanted)])
        assert vm.msr(0x277) == wanted and str(vm.effective(RAM, pat_index=1)) == found, release


@pytest.mark.parametrize("release", ["3.13", "4.4", "6.6", "6.7", "6.12"])
def test_b13_hot_plug_leaves_stale_leaves(release):
    stale = release in ("3.13", "4.4", "6.6")
    vm, zap = guest(release, [(0x2FF, 0x800)]).apply(NoncoherentDma(1))
    assert bool(zap.needed) and bool(zap.stale) is stale
    assert vm.stale() == zap.stale == ([(0, 1 << 24)] if stale else [])
    if release in ("4.4", "6.6"):
        assert written(vm, [(0x2FF, 0x800)]).stale() == []  # until an MTRR write zaps them


def test_b14_nvdimm_was_taken_for_mmio():
    dax = {"pfn_valid": True, "reserved": True, "host_pat": "WB"}
    assert [is_mmio(r, **dax) for r in ("3.13", "4.4", "4.15", "4.16", "6.4")] == [True, True, True, False, False]
    for kind, found in (("UC", True), ("UC-", True), ("WC", True), ("WT", False), ("WB", False)):
        assert is_mmio("6.4", True, reserved=True, host_pat=kind) is found
    assert is_mmio("6.4", True, reserved=True, host_pat="WB", host_pat_enabled=False)
    zero = {"pfn_valid": True, "reserved": True, "zero_page": True, "host_pat": "UC"}
    assert is_mmio("4.1", **zero) and not is_mmio("4.4", **zero) and not is_mmio("6.4", **zero)
    assert not is_mmio("4.1", pfn_valid=True)
    assert is_mmio("5.0", pfn_valid=False, e820_ram=True) and not is_mmio("5.2", pfn_valid=False, e820_ram=True)
    assert is_mmio("7.3", pfn_valid=False)


def test_b16_two_faults_for_one_reserved_bit():
    for release, twice in (("3.18", True), ("4.4", True), ("5.10", True), ("5.11", False), ("6.4", False)):
        for event in (WriteMsr(0x200, 0x106), WriteMsr(0x201, 1)):
            assert ("twice" in guest(release).apply(event)[1].refusal) is twice
        host = guest(release).apply(WriteMsr(0x201, 1, host_initiated=True))[1].refusal
        assert host.startswith("KVM_SET_MSRS stops") and ("spurious #GP" in host) is twice
        assert "twice" not in guest(release).apply(WriteMsr(0x200, 7))[1].refusal  # a reserved type was one fault


def test_b17_the_view_of_one_vcpu_is_not_the_vms():
    vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=MAXPHYADDR)] * 3)
    vm = written(vm, [*pair(0, 2 * GIB | 6, GIB), (0x2FF, 0x800)], vcpu=1)
    assert vm.order_dependent() == [(0x80000, 0xC0000)]
    assert vm.possible_leaves(0x80000) >= {(0, False), (6, False)}
    for n in (0, 2):
        vm = written(vm, [*pair(0, 2 * GIB | 6, GIB), (0x2FF, 0x800)], vcpu=n)
    assert vm.order_dependent() == [] and vm.stale() == []


def test_b18_every_ap_zaps_again():
    vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=MAXPHYADDR)] * 4)
    events = [WriteMsr(index, value, n) for n in range(4) for index, value in ((0x2FF, 0), *FIRMWARE, (0x2FF, 0xC06))]
    assert replay(vm, events).zaps == 4 * 2


def test_b19_svm_honours_cd_in_hardware_vmx_does_not():
    amd, intel = guest("6.4", vendor="amd", cr0_cd=True), guest("6.4", [(0x2FF, 0xC06)], cr0_cd=True)
    assert str(amd.effective(RAM)) == str(intel.effective(RAM)) == "WB"
    amd, intel = no_quirk(amd, "CD_NW_CLEARED"), no_quirk(intel, "CD_NW_CLEARED")
    assert str(amd.effective(RAM)) == "CD" and str(intel.effective(RAM)) == "WB"
    assert str(no_quirk(guest("4.1", vendor="amd", cr0_cd=True), "CD_NW_CLEARED").effective(RAM)) == "WB"


def test_b20_eight_variable_ranges():
    for release in ("3.13", "4.4", "6.4", "7.2"):
        vm = guest(release)
        assert vm.msr(0xFE) == 0x508 and not accepted(vm, 0x210, 0) and accepted(vm, 0x20F, 0)


# --- a boot, from reset to the operating system -------------------------------------------------------------------

VCPUS = 2
MEMORY = 4 * GIB


def boot() -> list[object]:
    """A firmware of our own making on two processors, with a device passed through.

    Each processor follows the manual (12.11.8): CD = 1, MTRRs off, program, MTRRs on, CD = 0. Then the first one
    moves a range with MTRRs on, as a late firmware phase does, and the operating system loads its PAT.
    """
    events: list[object] = [NoncoherentDma(1)]
    for cpu in range(VCPUS):
        events += [SetCr0Cd(True, cpu), WriteMsr(0x2FF, 0x0, cpu)]
        events += [WriteMsr(index, value, cpu) for index, value in FIRMWARE]
        events += [WriteMsr(0x2FF, 0xC06, cpu), SetCr0Cd(False, cpu)]
    events += [WriteMsr(0x202, 2 * GIB | 1, 0), WriteMsr(0x203, 0xFF0000800, 0)]  # WC 256 MiB at 2 GiB
    events += [WriteMsr(0x26F, WB_ALL, 0)]
    events += [WriteMsr(0x277, 0x0407050600070106, cpu) for cpu in range(VCPUS)]
    return [*events, NoncoherentDma(0)]


def booted(release: str, **options: object):
    vm = Vm(release, vcpus=[Vcpu(maxphyaddr=MAXPHYADDR)] * VCPUS, **options)
    return replay(vm, boot(), MEMORY)


@pytest.mark.parametrize(
    ("release", "zaps", "covered"),
    [
        # two writes of DEF_TYPE per processor zap all; of the late writes the base, whose mask was never written,
        # zaps nothing, the mask 256 MiB and the fixed register 8 pages
        ("6.4", 6, 4 * (MEMORY >> 12) + 0x10000 + 8),
        # and the device's coming and going
        ("6.8", 8, 6 * (MEMORY >> 12) + 0x10000 + 8),
        ("6.12", 2, 2 * (MEMORY >> 12)),
        ("6.16", 2, 2 * (MEMORY >> 12)),
    ],
)
def test_b15_boot_trace_zap_count(release, zaps, covered):
    done = booted(release)
    assert done.refused == [] and (done.zaps, done.pages) == (zaps, covered)
    assert [step.zap.done for step in done.steps if getattr(step.event, "index", 0) == 0x277] == [[], []]
    assert [step.zap.warned for step in done.steps].count(True) == (1 if release in ("6.4", "6.8") else 0)


def test_b15_boot_trace_what_stays_stale():
    """6.4 forgets leaves made while CD = 1 and while the device was there; 6.8 zaps when it goes; then all is well."""
    before_detach = {release: booted(release).steps[-2].stale for release in ("6.4", "6.8", "6.12", "6.16")}
    # CD = 1 gave (WB, IPAT) on 6.4 and (WB, no IPAT) on 6.8; clearing CD zaps neither
    end = 1 << 24
    assert before_detach["6.4"] == [(0, 0xF8), (0x100, 0x80000), (0x90000, end)]
    assert before_detach["6.8"] == [(0xA0, 0xF8), (0xC0000, 0x100000)]
    assert before_detach["6.12"] == before_detach["6.16"] == []
    assert booted("6.4").stale == [(0, end)]
    assert [booted(release).stale for release in ("6.8", "6.12", "6.16")] == [[], [], []]


def test_b15_boot_trace_depends_on_who_faults():
    steps = booted("6.8").steps
    vm = Vm("6.8", vcpus=[Vcpu(maxphyaddr=MAXPHYADDR)] * VCPUS)
    late = replay(vm, [step.event for step in steps[:-1]]).vm
    assert late.order_dependent() == [(0xF8, 0x100), (0x80000, 0x90000)]  # what only the first processor wrote


def test_b15_amd_zaps_for_nothing_up_to_6_6():
    for release, zaps in (("6.4", 6), ("6.8", 0), ("6.12", 0), ("6.16", 0)):
        done = booted(release, vendor="amd")
        assert done.zaps == zaps and done.stale == []
        assert all(step.zap.needed == [] for step in done.steps)


def test_shadow_paging_zaps_for_nothing_from_6_16_on():
    for release, excess in (("6.12", 0), ("6.16", 1 << 24)):
        zap = guest(release, tdp="none").apply(NoncoherentDma(1))[1]
        assert zap.needed == [] and pages(zap.excess) == excess


# --- guests of guests ---------------------------------------------------------------------------------------------


def test_nested_ept_drops_what_l1_says():
    vm = guest("6.4", [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)
    for kind in (0, 1, 4, 5, 6):
        assert nested_leaf(vm, 3 * GIB, kind << 3 | 0x40).bits == vm.leaf(3 * GIB).bits == 0
        assert nested_leaf(vm, 0, kind << 3).bits == 0x30
    for kind in (2, 3, 7):
        with pytest.raises(ValueError, match="misconfiguration"):
            nested_leaf(vm, 0, kind << 3)


def test_nested_pat():
    l1, l2 = 0x0007040600070406, 0x0407050600070106
    intel = guest("6.4", pat=l1)
    assert nested_pat(intel, l2).value == l2 and nested_pat(intel, None).value == l1
    for release, quirks, npt, found in (
        ("6.4", (), True, l1), ("7.1", ("NESTED_SVM_SHARED_PAT",), True, l1), ("7.2", (), True, l1),
        ("7.2", ("NESTED_SVM_SHARED_PAT",), True, l2), ("7.2", ("NESTED_SVM_SHARED_PAT",), False, l1),
    ):  # fmt: skip
        vm = guest(release, vendor="amd", pat=l1, disabled_quirks=quirks)
        assert nested_pat(vm, l2, nested_npt=npt).value == found, (release, quirks, npt)
    with pytest.raises(ValueError, match="VMEXIT_INVALID"):
        nested_pat(guest("7.2", vendor="amd", disabled_quirks={"NESTED_SVM_SHARED_PAT"}), 0x02)
