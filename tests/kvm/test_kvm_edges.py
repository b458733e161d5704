"""What KVM's model refuses or says in words, and where one release ends and the next begins."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kvm_states import FIRMWARE, guest, written

import memtype as mt
from memtype import MtrrState, Pat
from memtype.kvm import SetMtrrs, Vcpu, Vm, WriteMsr, history, policies, profile
from memtype.kvm.gfns import Ranges
from memtype.kvm.matrix import honored, knobs
from memtype.kvm.vcpu import as_guest

DISPATCHED = {
    "wide": {*range(0x200, 0x300)},
    "hole": {*range(0x200, 0x280), *range(0x2A0, 0x300)},
    "narrow": {*range(0x200, 0x270), 0x277, 0x2FF},
}


@pytest.mark.parametrize("name", policies.MSR_DISPATCH)
def test_every_index_reaches_the_mtrr_code_or_not(name: str) -> None:
    reaches = policies.MSR_DISPATCH[name]
    assert {index for index in range(0x400) if reaches(index)} == DISPATCHED[name]


@pytest.mark.parametrize("knob", [knob for knob, rows in history.HISTORY.items() if any(row.unsure for row in rows)])
def test_a_doubt_is_told_from_the_first_release_that_may_have_it_to_the_last_that_may_lack_it(knob: str) -> None:
    for row in history.HISTORY[knob]:
        if row.unsure is None:
            continue
        name = ".".join(map(str, row.unsure))
        before = ".".join(map(str, (*row.unsure[:-1], row.unsure[-1] - 1)))
        behind = ".".join(map(str, row.release))
        told = [any(row.commit.id in note for note in profile(one).notes) for one in (before, name, behind)]
        assert told == [False, True, False], (knob, before, name, behind)


@pytest.mark.parametrize("name", [".4", "6.", "v.4", "6..4", "kvm-.", "6.4.", "-6.4", "6.-4"])
def test_half_a_number_is_no_release(name: str) -> None:
    with pytest.raises(mt.InputError):
        profile(name)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=12), st.booleans(),
       st.integers(32, 52), st.integers(0, 2**64 - 1))  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_a_guest_has_the_registers_of_the_dump_within_its_width(
    pairs: list[tuple[int, int]], amd: bool, width: int, fixed: int
) -> None:
    state = MtrrState(0xC06, [fixed] * 11, pairs, width, "amd" if amd else "intel")
    found = as_guest(state)
    kept = [(base % 2**width, mask % 2**width) for base, mask in pairs]
    assert list(found.variable[: len(kept)]) == kept[: len(found.variable)]
    assert len(found.variable) >= 8 and not any(any(pair) for pair in kept[len(found.variable) :])
    assert (found.def_type, found.maxphyaddr, found.vendor) == (0xC06, width, "intel")
    routed = 0x1818_1818_1818_1818 if amd else 0
    assert set(found.fixed) == {fixed & ~routed}


def test_registers_of_another_width_or_that_the_release_refuses_leave_the_vm_alone() -> None:
    vm = guest("6.4", FIRMWARE, noncoherent_dma=True)
    with pytest.raises(mt.RegisterError, match=r"the new MTRRs have MAXPHYADDR 40, vCPU 0 has 36"):
        vm.apply(SetMtrrs(MtrrState(0x806, maxphyaddr=40)))
    after, zap = vm.apply(SetMtrrs(MtrrState(0x806, variable=[(2, 0x800)], maxphyaddr=36)))
    assert after == vm and not zap.accepted and zap.done == [] and zap.needed == []
    assert zap.refused is not None and zap.refused.host and zap.refused.register == "IA32_MTRR_PHYSBASE0 = 0x2"
    assert str(zap.refusal).startswith("IA32_MTRR_PHYSBASE0 = 0x2: KVM_SET_MSRS stops")
    assert repr(zap).startswith("<Zap refused: IA32_MTRR_PHYSBASE0 = 0x2: ")


def test_a_zap_in_words_and_its_first_changes() -> None:
    vm = guest("6.4", FIRMWARE, noncoherent_dma=True)
    zap = vm.apply(WriteMsr(0x2FF, 0xC06))[1]
    assert zap.accepted and zap.refused is None and repr(zap) == f"<Zap of {Ranges(zap.calls)!r}>"
    assert [change for change, _ in zap.first_changes(2)] == list(zap.each_change())[:2]
    assert zap.first_changes(0) == []
    for count in (-1, 65_537, True, "1"):
        with pytest.raises(mt.InputError):
            zap.first_changes(count)  # type: ignore[arg-type]
    assert len(zap.first_changes(65_536)) == len(list(zap.each_change()))


def test_leaves_and_profiles_in_words() -> None:
    vm = guest("6.4", [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)
    assert str(vm.leaf(0x100000)) == "(WB, IPAT = 0)" and str(vm.leaf(0xA0000)) == "(UC, IPAT = 0)"
    assert str(Vm("6.4").leaf(0)) == "(WB, IPAT = 1)"
    assert repr(profile("6.4")) == "profile('6.4')" and eval(repr(profile("6.4"))) == profile("6.4")
    assert repr(Ranges([(0, 2), (5, 6)])) == mt.kvm.gfns.words([(0, 2), (5, 6)])


@pytest.mark.parametrize(("kind", "first", "words"), [
    ("tdx", "6.16", "a TDX guest needs Intel and EPT"), ("sev-es", "5.11", "a SEV-ES guest needs AMD and NPT"),
    ("sev-snp", "6.11", "a SEV-SNP guest needs AMD and NPT"),
])  # fmt: skip
def test_guests_of_a_kind_need_a_release_and_a_paging(kind: str, first: str, words: str) -> None:
    paging = {"vendor": "intel", "tdp": "ept"} if kind == "tdx" else {"vendor": "amd", "tdp": "npt"}
    other = {"vendor": "amd", "tdp": "npt"} if kind == "tdx" else {"vendor": "intel", "tdp": "ept"}
    assert Vm(first, vm_type=kind, **paging).vm_type == kind
    with pytest.raises(mt.InputError, match=rf"needs {first} or later, not Linux 4.4"):
        Vm("4.4", vm_type=kind, **paging)
    with pytest.raises(mt.InputError, match=words):
        Vm(first, vm_type=kind, **other)
    with pytest.raises(mt.InputError, match="is not one of normal, tdx, sev-es, sev-snp"):
        Vm(first, vm_type=kind + "x", **paging)


@pytest.mark.parametrize("name", ["cr0_cd", "cr0_pg", "cpuid_mtrr"])
def test_a_flag_that_is_none_is_named(name: str) -> None:
    with pytest.raises(mt.InputError, match=rf"^{name}\b"):
        Vcpu(**{name: 2})  # type: ignore[arg-type]


def test_no_array_no_fill_and_no_such_range() -> None:
    with pytest.raises(mt.ArrayError, match="sptes: None is no array"):
        Vm("6.4").fill(None, np.arange(3))  # type: ignore[arg-type]
    for numbers in ([8], [-1], [0, 99]):
        with pytest.raises(mt.RegisterError, match=r"there is no variable range"):
            Vcpu(MtrrState(0x806, variable=[(0, 0)] * 8), masks_written=numbers)
    with pytest.raises(AttributeError, match="no attribute 'mtrr'"):
        Vcpu().mtrr  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("release", ["4.1", "6.4", "6.10", "6.11", "7.2"])
def test_a_release_without_the_check_allows_every_huge_page(release: str) -> None:
    vm = written(Vm(release, noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=36)]), [*FIRMWARE, (0x2FF, 0xC06)])
    checked = profile(release).huge_page_check != "no"
    assert vm.huge_page_consistent(0, 512) is not checked  # the fixed ranges differ below 1 MiB
    assert vm.huge_page_consistent(0x800, 512) is True
    for count in (0, -1):
        with pytest.raises(mt.InputError, match="is no count of pages"):
            vm.huge_page_consistent(0, count)


def test_the_pat_of_an_entry() -> None:
    off = Vm("6.4", vendor="amd", tdp="npt", vcpus=[Vcpu(MtrrState(0x806), Pat("linux"), cr0_pg=False)])
    assert off.effective(0, pat="UC") == off.effective(0, pat="WB")
    old = Vm("4.4", vendor="amd", tdp="npt", vcpus=[Vcpu(MtrrState(0x806), Pat("linux"), g_pat=Pat("reset"))])
    other = Vcpu(MtrrState(0x806), Pat("windows"), g_pat=Pat("reset"))
    with pytest.raises(mt.InputError, match=r"the guest's PAT \(0x0007010600070106\) has no WP entry"):
        Vm("4.4", vendor="amd", tdp="npt", vcpus=[other]).effective(0, pat="WP")
    assert old.effective(0, pat="WC") == old.effective(0, pat_index=1)
    for index in (-1, 8):
        with pytest.raises(mt.InputError, match="not within 0 to 7"):
            old.effective(0, pat_index=index)


def test_what_is_honoured_is_said_by_yes_no_and_quirk() -> None:
    said = {name: honored(name, "intel", "ept", True) for name in ("6.4", "6.12", "6.16", "4.1")}
    assert {name: (cell.mtrr, cell.pat, cell.cd) for name, cell in said.items()} == {
        "6.4": ("yes", "yes", "quirk"), "6.12": ("no", "yes", "no"), "6.16": ("no", "yes", "no"),
        "4.1": ("yes", "yes", "no"),
    }  # fmt: skip
    assert honored("6.16", "intel", "ept", False).pat == "quirk" and honored("6.4", "intel", "ept", False).pat == "no"


def test_the_history_row_by_row_and_the_overlays_behind_it() -> None:
    rows = knobs()
    count = sum(len(found) for found in history.HISTORY.values())
    written_out = [(knob, row.value, row.commit.id, row.commit.subject)
                   for knob, found in history.HISTORY.items() for row in found]  # fmt: skip
    assert [(row.knob, row.value, row.commit, row.subject) for row in rows[:count]] == written_out
    assert {row.since for row in rows[:count] if row.knob == "g_pat_follows"} == {"3.13", "4.14.5"}
    over = [(row.since, row.commit) for row in rows[count:]]
    assert {since for since, vendor in over if vendor == "ubuntu"} == {"ubuntu 6.8.0-136"}
    assert {since for since, vendor in over if vendor == "candidate"} == {"6.11-rc"}
    assert {since for since, vendor in over if vendor == "stable"} == {"6.12.78", "4.4.12", "4.5.6", "4.4.262"}
    assert len(over) == sum(len(port.knobs) for port in history.OVERLAYS)


def test_more_pairs_than_kvm_has_are_checked_as_bases_and_masks() -> None:
    for n, half in product((0, 7, 8, 9), (0, 1)):
        pairs = [[6, 0xFC000_0800] for _ in range(10)]
        pairs[n][half] |= 1 << (8 if half == 0 else 0)  # reserved in a base, in a mask
        vcpu = Vcpu(MtrrState(0x806, variable=[tuple(pair) for pair in pairs], maxphyaddr=36))
        with pytest.raises(mt.RegisterError, match=rf"cannot hold {mt.rules.msr_name(0x200 + 2 * n + half)} = "):
            Vm("6.4", noncoherent_dma=True, vcpus=[vcpu])


@pytest.mark.parametrize("release", ["4.1", "4.4", "6.4", "6.12"])
@pytest.mark.parametrize("noncoherent_dma", [False, True])
def test_the_pieces_of_leaves_are_the_whole_guest_from_gfn_0_on(release: str, noncoherent_dma: bool) -> None:
    for mmio in (False, True):
        vm = guest(release, FIRMWARE, noncoherent_dma=noncoherent_dma)
        found = list(vm.leaf_pieces(mmio=mmio))
        assert found[0][0] == 0 and found[-1][1] == vm.gfn_end
        assert all(end == start for (_, end, _), (start, _, _) in pairwise(found))
