"""From names of releases to profiles, and the table of profiles as data."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from kvm_states import accepted, guest, types

import memtype as mt
from memtype.kvm import KVM_RULES, PROFILES, DisableQuirks, Profile, Vcpu, Vm, WriteMsr, history, profile
from memtype.kvm import rules as texts
from memtype.kvm.matrix import COLUMNS, matrix, releases


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("3.13", "kvm-3.13"), ("4.1", "kvm-3.13"), ("4.1.52", "kvm-3.13"), ("4.4", "kvm-4.4"), ("5.19", "kvm-4.4"),
        ("6.0", "kvm-6.0"), ("6.4", "kvm-6.0"), ("6.6.99", "kvm-6.0"), ("6.7", "kvm-6.7"), ("6.8", "kvm-6.7"),
        ("6.10", "kvm-6.7"), ("6.11", "kvm-6.11"), ("6.14", "kvm-6.11"), ("6.15", "kvm-6.11"), ("6.16", "kvm-6.16"),
        ("7.1", "kvm-6.16"), ("7.2", "kvm-7.2"), ("7.3", "kvm-7.2"), ("8.0", "kvm-7.2"),
        ("6.12", "kvm-6.11"), ("6.12.77", "kvm-6.11"), ("6.12.78", "kvm-6.16"), ("6.12.80", "kvm-6.16"),
        ("debian 6.12.86-1", "kvm-6.16"), ("6.12.90+deb13-amd64", "kvm-6.16"),
        ("ubuntu 6.8.0-135", "kvm-6.7"), ("ubuntu 6.8.0-136", "kvm-6.16"), ("ubuntu 6.8.0-140", "kvm-6.16"),
        ("Ubuntu 6.8.0-140-generic", "kvm-6.16"), ("6.8.0-140-generic", "kvm-6.16"), ("6.8.0-31-generic", "kvm-6.7"),
        ("ubuntu 6.8.0-136.136", "kvm-6.16"), ("ubuntu 5.15.0-91", "kvm-4.4"),
        ("6.11-rc", "kvm-6.11-rc"), ("6.12.78-rc1", "kvm-6.16"),
        ("6.11-rc1", "kvm-6.11-rc"), ("6.11-rc3", "kvm-6.11-rc"), ("6.11.0-rc7", "kvm-6.11-rc"),
        ("6.10-rc7", "kvm-6.7"),
        ("6.12-rc1", "kvm-6.11"), ("6.16-rc1", "kvm-6.16"), ("v6.4", "kvm-6.0"), ("linux-6.4", "kvm-6.0"),
        ("6.4.0-rc1+", "kvm-6.0"),
        ("kvm-6.4", "kvm-6.0"), ("kvm-6.8", "kvm-6.7"), ("kvm-6.14", "kvm-6.11"), *((name, name) for name in PROFILES),
    ],
)  # fmt: skip
def test_names(name, found):
    resolved = profile(name)
    assert resolved.name == found
    assert profile(resolved) is resolved
    assert Vm(name).profile == resolved


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("4.2", "wrong way round"), ("4.3.6", "not modelled"), ("4.2-rc5", "not modelled"),
        ("4.4-rc3", "during 4.4-rc"),
        ("3.12", "oldest release read is 3.13"), ("2.6.32", "oldest"), ("5.20", "no Linux 5.20"), ("3.20", "no Linux"),
        ("6.11-rc8", "rc1 to rc7"), ("6.8.0-140", "ubuntu"), ("ubuntu 6.8", "ubuntu 6.8.0-140"),
        ("5.14.0-362.el9.x86_64", "vendor"), ("6.4.0-150600.23-default", "vendor"), ("banana", "no KVM release"),
        ("6.8.0-1030-aws", "count their updates apart"), ("ubuntu 6.8.0-1008", "count their updates apart"),
        ("", "no KVM release"), ("6", "no KVM release"), ("kvm-6.4-rc", "which release candidate"),
    ],
)  # fmt: skip
def test_names_that_are_refused_say_why(name, reason):
    with pytest.raises(mt.InputError, match=reason) as refused:
        profile(name)
    assert "\n" not in str(refused.value)


def test_names_in_words():
    assert str(profile("6.4")) == "Linux 6.4 (kvm-6.0)" and str(profile("kvm-6.8")) == "Linux 6.8 (kvm-6.7)"
    assert str(profile("ubuntu 6.8.0-140")) == "Ubuntu 6.8.0-140 (kvm-6.16)"
    assert str(PROFILES["kvm-4.4"]) == "kvm-4.4"


def test_not_a_string():
    with pytest.raises(mt.InputError):
        profile(6.4)  # type: ignore[arg-type]


def test_profiles_are_frozen_data():
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile("6.4").zap_nc = "ept"  # type: ignore[misc]
    spans = [found.span for name, found in PROFILES.items() if name != "kvm-6.11-rc"]
    assert len(set(spans)) == len(spans) == 7
    for name, found in PROFILES.items():
        assert found.name == name
        for knob, rule in (("zap_mtrr", "mtrr"), ("zap_cd", "cd"), ("zap_nc", "nc"), ("coherent_ipat", "leaf")):
            prefix = "kvm-leaf-coherent" if rule == "leaf" else f"kvm-zap-{rule}"
            assert f"{prefix}-{getattr(found, knob)}" in KVM_RULES
    assert all(rule.text and rule.source for rule in KVM_RULES.values())


def test_a_slip_in_a_policy_is_an_error():
    for knob, slip in (("zap_mtrr", "tdp-nc"), ("zap_cd", "never"), ("msr_dispatch", "Wide"), ("initial_pat", None)):
        with pytest.raises(mt.InputError, match=f"{knob} .* is no policy"):
            dataclasses.replace(profile("6.4"), **{knob: slip})


def test_history_is_a_table_that_can_be_reviewed():
    """Rows rise, each changes the value, every knob of a profile has rows, and no commit is written twice."""
    about = {"name", "span", "first", "notes", "release"}
    assert {field.name for field in dataclasses.fields(Profile)} - about == history.HISTORY.keys()
    for knob, rows in history.HISTORY.items():
        assert rows[0].release == (3, 13) and rows[0].commit is history.OLDEST
        for before, after in itertools.pairwise(rows):
            assert before.release < after.release and before.value != after.value, knob
            assert not after.unsure or before.release < after.unsure < after.release, knob
            assert after.commit.id and after.commit.subject
    text = Path(history.__file__).read_text() + Path(texts.__file__).read_text()
    ids = re.findall(r"\b[0-9a-f]{12}\b", text)
    assert len(ids) > 15 and len(ids) == len(set(ids))


def test_the_highest_release_not_above_the_one_asked_for():
    for knob, rows in history.HISTORY.items():
        for found in rows:
            name = ".".join(map(str, found.release))
            if found.release in history.NOT_MODELLED:
                continue
            assert getattr(profile(name), knob) == found.value, (knob, name)
    for name in releases():
        if not name.endswith("rc"):
            asked = tuple(map(int, name.split(".")))
            for knob, rows in history.HISTORY.items():
                assert getattr(profile(name), knob) == [r.value for r in rows if r.release <= asked][-1]


def test_every_overlay_changes_a_knob():
    for port in history.OVERLAYS:
        if port.vendor == "candidate":
            continue
        name = f"{port.series[0]}.{port.series[1]}{'.0-' if port.vendor == 'ubuntu' else '.'}{port.since}"
        before = name.replace(str(port.since), str(port.since - 1))
        words = "ubuntu " if port.vendor == "ubuntu" else ""
        assert profile(words + name) != profile(words + before)


def test_doubts_are_named():
    assert "not known for certain" in profile("4.14.4").notes[0] and not profile("4.14.2").notes
    assert not profile("4.15").notes and not profile("5.17").notes and "4.5.y" in profile("4.5.7").notes[0]
    assert "not read" in profile("6.7").notes[0] and not profile("6.8").notes
    assert "newer" in profile("7.4").notes[0] and "deduced" not in profile("6.11-rc1").notes[0]
    assert "Ubuntu" in profile("ubuntu 6.11.0-9").notes[-1]


# --- MSRs by release ----------------------------------------------------------------------------------------------


def test_pat_was_not_checked_on_intel_before_3_18():
    bad = 0x0200000000000000
    assert accepted(guest("3.13"), 0x277, bad) and not accepted(guest("3.13", vendor="amd"), 0x277, bad)
    assert not accepted(guest("3.13", load_pat=False), 0x277, bad) and not accepted(guest("3.18"), 0x277, bad)


def test_3_13_checks_types_of_variable_ranges_alone():
    vm = guest("3.13")
    assert accepted(vm, 0x200, 1 << 60 | 0x106) and accepted(vm, 0x201, 1 << 60 | 0x806)
    assert not accepted(vm, 0x200, 7) and not accepted(vm, 0x201, 0x802)  # the mask's low byte counts as a type
    assert not accepted(vm, 0x2FF, 0x1000) and not accepted(vm, 0x250, 2)


def test_a_range_that_3_13_let_out_of_the_address_space_matches_nothing():
    writes = [(0x2FF, 0x806), (0x200, 1 << 40 | 0x80000000), (0x201, 0xFFFFFFFF80000800)]
    vm = guest("3.13", writes)
    assert types(vm, 0x80000000) == "WB" and vm.msr(0x200) == 1 << 40 | 0x80000000
    assert types(guest("3.13", [writes[0], (0x200, 0x80000000), writes[2]]), 0x80000000) == "UC"


def test_msr_2f8_was_a_variable_range_up_to_4_6_0():
    """A WARN with the old code, a write outside the array with the list: neither is a register of the guest's."""
    for release, taken, warned in (
        ("3.13", True, True), ("4.1", True, True), ("4.4", True, False), ("4.4.11", True, False), ("4.6", True, False),
        ("4.6.0", True, False), ("4.6.1", False, False), ("4.7", False, False), ("6.4", False, False),
    ):  # fmt: skip
        before = guest(release, [(0x2FF, 0xC06)], noncoherent_dma=True)
        after, zap = before.apply(WriteMsr(0x2F8, 0))
        assert (zap.accepted, zap.warned) == (taken, warned) and after == before, release
        assert ("outside" in zap.why) is (taken and not warned)
        assert not before.apply(WriteMsr(0x2F9, 0x800))[1].accepted and not accepted(before, 0x2F8, 7)
        with pytest.raises(mt.InputError, match="0x2f8"):
            before.msr(0x2F8)


@pytest.mark.parametrize(
    ("release", "index", "unknown"),
    [
        ("5.19", 0x278, False), ("5.19", 0x280, False), ("6.0", 0x280, True), ("6.0", 0x278, False),
        ("6.4", 0x29F, True),
        ("6.4", 0x2A0, False), ("6.5", 0x270, True), ("6.5", 0x26F + 1, True), ("6.5", 0x260, False),
        ("6.5", 0x2A0, True), ("6.5", 0x2FE, True), ("7.2", 0x24F, False), ("6.4", 0xFE, True), ("4.4", 0x10, True),
    ],
)  # fmt: skip
def test_which_error_an_odd_index_gives(release, index, unknown):
    zap = guest(release).apply(WriteMsr(index, 0))[1]
    assert not zap.accepted and zap.refusal.startswith("unknown MSR") is unknown
    ignoring = guest(release, ignore_msrs=True).apply(WriteMsr(index, 0))[1]
    assert ignoring.accepted is unknown  # it rescues unknown MSRs alone
    assert not guest(release, ignore_msrs=True).apply(WriteMsr(0x277, 2))[1].accepted


def test_the_pat_that_a_vcpu_starts_with():
    for release, vendor, value in (
        ("4.1", "intel", 0x0007010600070106), ("4.1", "amd", 0x0007040600070406), ("4.4", "intel", 0x0007040600070406),
        ("7.2", "amd", 0x0007040600070406),
    ):  # fmt: skip
        assert Vm(release, vendor).msr(0x277) == value
    assert Vm("4.1", host_pat="xen").msr(0x277) == mt.Pat("xen").value


def test_maxphyaddr_decides_what_is_reserved():
    for width in (32, 36, 46, 52):
        vm = Vm("6.4", vcpus=[Vcpu(maxphyaddr=width)])
        assert accepted(vm, 0x200, 1 << width - 1) and not accepted(vm, 0x200, 1 << width)
        assert accepted(vm, 0x201, 1 << width - 1) and not accepted(vm, 0x201, 1 << width)


# --- VMs that do not exist, states that no guest holds ------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tdp": "npt"}, "intel has ept"), ({"vendor": "amd", "tdp": "ept"}, "amd has npt"),
        ({"vendor": "via"}, "vendor"),
        ({"vm_type": "sev-es"}, "AMD"), ({"vm_type": "sgx"}, "vm_type"), ({"noncoherent_dma": -1}, "count"),
        ({"disabled_quirks": {"LINT0"}}, "no quirk"), ({"vcpus": []}, "at least one"), ({"vcpus": [3]}, "no Vcpu"),
    ],
)  # fmt: skip
def test_vms_that_do_not_exist(options, reason):
    with pytest.raises(mt.InputError, match=reason):
        Vm("6.16", **options)


def test_tdx_needs_self_snoop():
    for release in ("6.16", "7.0", "7.1", "7.2", "7.3"):
        assert Vm(release, vm_type="tdx").leaf(0).bits == 0x30
        with pytest.raises(mt.InputError, match="self-snoop"):
            Vm(release, vm_type="tdx", self_snoop=False)


@pytest.mark.parametrize(
    ("release", "options", "since"),
    [
        ("6.15", {"vm_type": "tdx"}, "6.16"), ("6.12.80", {"vm_type": "tdx"}, "6.16"),
        ("5.10", {"vm_type": "sev-es", "vendor": "amd"}, "5.11"),
        ("6.10", {"vm_type": "sev-snp", "vendor": "amd"}, "6.11"),
        ("6.8.1", {"vm_type": "sev-snp", "vendor": "amd"}, "6.11"),
        ("4.1", {"disabled_quirks": {"CD_NW_CLEARED"}}, "4.2"),
    ],
)  # fmt: skip
def test_what_a_release_cannot_do_is_refused(release, options, since):
    with pytest.raises(mt.InputError, match=f"{since}.*{release}|{release}.*{since}"):
        Vm(release, **options)
    first = {"4.2": "4.4"}.get(since, since)
    assert Vm(first, **options).profile.release == first


def test_capabilities_to_disable_quirks():
    for release, one, two in (("4.1", False, False), ("4.4", True, False), ("5.17", True, False), ("5.19", True, True)):
        for checked, known in ((False, one), (True, two), (None, one)):
            after, zap = guest(release).apply(DisableQuirks({"CD_NW_CLEARED"}, checked))
            assert zap.accepted is known and after.quirk("CD_NW_CLEARED") is (not known and one), (release, checked)
            assert known or (release in zap.refusal and "KVM_CAP_DISABLE_QUIRKS" in zap.refusal)
    silent = guest("5.19").apply(DisableQuirks({"IGNORE_GUEST_PAT"}, checked=False))[1]
    refused = guest("5.19").apply(DisableQuirks({"IGNORE_GUEST_PAT"}, checked=True))[1]
    assert silent.accepted and "kvm-quirks" in silent.rules
    assert not refused.accepted and "EINVAL" in refused.refusal and "kvm-quirks2" in refused.rules


def test_a_vm_is_a_value():
    vm = guest("6.4", [(0x2FF, 0xC06)], noncoherent_dma=True)
    assert pickle.loads(pickle.dumps(vm)) == vm and hash(vm) == hash(pickle.loads(pickle.dumps(vm)))
    assert Vm("6.4", vcpus=Vcpu(maxphyaddr=36)) == Vm("6.4", vcpus=[Vcpu(maxphyaddr=36)]) != Vm("6.8")
    with pytest.raises(dataclasses.FrozenInstanceError):
        vm.vendor = "amd"  # type: ignore[misc]


def test_vcpus_and_addresses_out_of_bounds():
    vm = guest("6.4")
    for bad in (1, -1, True, "0"):
        with pytest.raises(mt.InputError, match="vCPU"):
            vm.leaf(0, vcpu=bad)
    for bad in (-1, 1 << 36, 1.5):
        with pytest.raises(mt.AddressError):
            vm.leaf(bad)
    with pytest.raises(mt.AddressError):
        vm.max_level(1 << 24)
    with pytest.raises(mt.InputError, match="no event"):
        vm.apply("pat")  # type: ignore[arg-type]
    for index, value in ((0x2FF, 1 << 64), (0x2FF, -1), (0x2FF, "0xc06"), (-1, 0), (1 << 32, 0), ("0x2ff", 0)):
        with pytest.raises(mt.RegisterError, match=r"bit number|not an integer"):
            WriteMsr(index, value)  # type: ignore[arg-type]
    with pytest.raises(mt.InputError, match="by its number"):
        vm.msr("0x277")  # type: ignore[arg-type]
    for pages in (0, -1, 1.5):
        with pytest.raises(mt.InputError, match="count of pages"):
            vm.huge_page_consistent(0, pages)  # type: ignore[arg-type]
    with pytest.raises(mt.AddressError):
        vm.huge_page_consistent((1 << 24) - 1, 2)


def test_numbers_of_numpy_are_numbers():
    """A narrow gfn must not wrap when it becomes an address."""
    vm = guest("6.4", [(0x200, 0xC0000000), (0x201, 0xFC0000800), (0x2FF, 0x806)], noncoherent_dma=True)
    for gfn in (np.int32(0xC0000), np.uint32(0xC0000), np.uint64(0xC0000)):
        assert vm.leaf_bits(gfn, vcpu=np.int64(0)) == 0 and isinstance(vm.leaf_bits(gfn), int)
        assert vm.max_level(gfn) == 3 and vm.huge_page_consistent(gfn, np.int64(512))
        assert vm.possible_leaves(gfn) == {(mt.MemoryType.UC, False)}
    written, zap = vm.apply(WriteMsr(np.uint16(0x277), np.uint64(0x0606060606060606)))
    assert zap.accepted and written.msr(0x277) == 0x0606060606060606


def test_registers_that_no_guest_can_hold():
    for state in (mt.MtrrState(0x802), mt.MtrrState(fixed=[2] * 11), mt.MtrrState(variable=[(0x106, 0x800)])):
        with pytest.raises(mt.RegisterError, match="guest cannot hold"):
            Vm("6.4", vcpus=[Vcpu(state)])
    with pytest.raises(mt.RegisterError, match="MAXPHYADDR"):
        Vcpu(mt.MtrrState(maxphyaddr=40), maxphyaddr=36)


def test_dumps_of_real_machines_are_taken_as_a_guests():
    """AMD's routing bits, QEMU's filled masks and empty pairs from 8 on are not the guest's fault."""
    amd = mt.MtrrState(0xC00, [0x1E1E1E1E1E1E1E1E] * 11, [(6, 0xFFFF80000800)] + [(0, 0)] * 9, 40, "amd")
    vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(amd)])
    assert str(vm.leaf(0).type) == "WB" and vm.msr(0x201) == 0xFF80000800 and len(vm.vcpus[0].mtrrs.variable) == 8


# --- who honours what ---------------------------------------------------------------------------------------------


def test_matrix():
    rows = {str(row): dict(zip(COLUMNS, map(str, row.cells), strict=True)) for row in matrix()}
    assert list(rows) == ["3.13 to 4.1", "4.4 to 4.14", "4.15 to 6.10", "6.11-rc", "6.11 to 6.15", "6.16 to 7.3"]
    coherent, noncoherent = ("intel", "ept", False), ("intel", "ept", True)
    assert [row[coherent] for row in rows.values()] == ["-", "-", "-", "PAT", "-", "PAT*"]
    assert [row[noncoherent] for row in rows.values()] == ["MTRR PAT", *["MTRR PAT CD*"] * 2, *["PAT"] * 3]
    for (vendor, tdp, _), cells in ((column, [row[column] for row in rows.values()]) for column in COLUMNS):
        if vendor == "amd":
            assert cells == (["-", "CD*"] + ["PAT CD*"] * 4 if tdp == "npt" else ["-"] + ["CD*"] * 5)
        elif tdp == "none":
            assert cells == ["-"] * 6
    assert "4.2" not in releases() and len(list(releases())) == 71


def test_the_mask_variable():
    for release, ept in (("5.19", None), ("6.0", 0x78), ("6.15", 0x78), ("6.12.80", 0x78), ("6.16", None)):
        assert Vm(release).shadow_memtype_mask == ept
        assert Vm(release, tdp="none").shadow_memtype_mask == (None if ept is None else 0)
        assert Vm(release, "amd").shadow_memtype_mask == (None if ept is None else 0)


def test_gates_of_the_mapping_level():
    state = [(0x200, 3 << 30), (0x201, 0xFC0000800), (0x2FF, 0xC06)]
    for release, options, limited in (
        ("4.1", {"noncoherent_dma": True}, False), ("4.4", {}, True), ("5.19", {"vendor": "amd"}, True),
        ("5.19", {"tdp": "none"}, False), ("6.0", {}, False), ("6.0", {"noncoherent_dma": True}, True),
        ("6.0", {"noncoherent_dma": True, "vendor": "amd"}, False), ("6.10", {"noncoherent_dma": True}, True),
        ("6.11", {"noncoherent_dma": True}, False),
    ):  # fmt: skip
        assert guest(release, state, **options).max_level(0) == (1 if limited else 3), (release, options)
