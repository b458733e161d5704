"""What must hold for every release, state and event: the specification's invariants and the e-mail's two claims."""

from __future__ import annotations

import dataclasses
import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kvm_states import EVERYTHING, FIXED, MAXPHYADDR, guest

from memtype import MemoryType, MtrrState, Pat, effective_ept
from memtype.kvm import (
    PROFILES,
    DisableQuirks,
    NoncoherentDma,
    SetCr0Cd,
    SetMtrrs,
    Vcpu,
    Vm,
    WriteMsr,
    guest_mtrr,
    leaves,
    replay,
)
from memtype.kvm.gfns import Pieces, overlay

LEGAL = (0, 1, 4, 5, 6)
PAT_TYPES = ("UC", "WC", "WT", "WP", "WB", "UC-")
PATS = st.lists(st.sampled_from((0, 1, 4, 5, 6, 7)), min_size=8, max_size=8).map(bytes)
NONE_ENGINE = ("kvm-6.11", "kvm-6.11-rc", "kvm-6.16", "kvm-7.2")
QUICK = settings(max_examples=60, deadline=None)


def random_value(rng: random.Random, index: int) -> int:
    """A value that KVM takes for an MTRR."""
    if index == 0x2FF:
        return rng.choice((0, 0x400, 0x800, 0xC00, 0xC00, 0x800)) | rng.choice(LEGAL)
    if index in FIXED:
        return int.from_bytes(bytes(rng.choice(LEGAL) for _ in range(8)), "little")
    size = 1 << rng.choice((12, 13, 16, 20, 21, 28, 30, 30, 31, 32, 35))
    page_bits = (1 << MAXPHYADDR) - 0x1000
    if index % 2 == 0:
        return rng.randrange(0, 1 << MAXPHYADDR, 1 << rng.choice((12, 20, 28, 30))) | rng.choice(LEGAL)
    mask = page_bits & -size
    if rng.random() < 0.15:
        mask &= ~(1 << rng.randrange(13, 34))
    return mask | (0x800 if rng.random() < 0.8 else 0)


def random_msr(rng: random.Random) -> int:
    return rng.choice((0x2FF, 0x2FF, *FIXED, *range(0x200, 0x206), *range(0x200, 0x210)))


def random_event(rng: random.Random, vcpus: int):
    kind = rng.randrange(12)
    vcpu = rng.randrange(vcpus)
    if kind < 6:
        index = random_msr(rng)
        return WriteMsr(index, random_value(rng, index), vcpu)
    if kind == 6:
        return WriteMsr(0x277, rng.choice((0x0007040600070406, 0x0007010600070106, 0)), vcpu)
    if kind == 7:
        return SetCr0Cd(rng.random() < 0.5, vcpu)
    if kind == 8:
        return NoncoherentDma(rng.randrange(3))
    if kind == 9:
        return DisableQuirks(
            {rng.choice(("IGNORE_GUEST_PAT", "CD_NW_CLEARED"))}, checked=rng.choice((True, False, None))
        )
    if kind == 10:
        return SetMtrrs(random_mtrrs(rng), rng.choice((None, vcpu)))
    return WriteMsr(rng.choice((0x210, 0x2FF, 0x200, 0xFE)), rng.getrandbits(64), vcpu)


def random_mtrrs(rng: random.Random) -> MtrrState:
    pairs = [(random_value(rng, 0x200), random_value(rng, 0x201)) for _ in range(rng.randrange(5))]
    fixed = [random_value(rng, 0x250)] * 11
    return MtrrState(random_value(rng, 0x2FF), fixed, pairs, MAXPHYADDR)


def random_vm(rng: random.Random, name: str | None = None, vcpus: int | None = None) -> Vm:
    """Any VM that exists, its MTRRs programmed in any order."""
    name = name or rng.choice(list(PROFILES))
    vendor, tdp = rng.choice((("intel", "ept"), ("intel", "ept"), ("intel", "none"), ("amd", "npt"), ("amd", "none")))
    tdx = tdp == "ept" and bool(PROFILES[name].tdx) and rng.random() < 0.2
    able = PROFILES[name].disable_quirks
    quirks = [q for q in ("IGNORE_GUEST_PAT", "CD_NW_CLEARED") if able and rng.random() < 0.3]
    cpus = [
        Vcpu(None if rng.random() < 0.2 else random_mtrrs(rng), None, rng.random() < 0.3 and not tdx,
             cpuid_mtrr=rng.random() < 0.8, maxphyaddr=MAXPHYADDR)
        for _ in range(vcpus or rng.choice((1, 1, 2, 3)))
    ]  # fmt: skip
    kind, snoop = ("tdx", True) if tdx else ("normal", rng.random() < 0.8)
    return Vm(name, vendor, tdp, rng.random() < 0.7, cpus, kind, snoop, quirks)


seeds = st.integers(0, 2**63).map(random.Random)


def samples(rng: random.Random, vm: Vm, count: int = 40) -> list[int]:
    """gfns around every edge of the leaves, and random ones."""
    edges = {start for n in range(len(vm.vcpus)) for start in vm.leaf_pieces(n).starts}
    near = [gfn + d for gfn in edges for d in (-1, 0, 1)]
    far = [rng.randrange(vm.gfn_end) for _ in range(count)]
    return sorted({gfn for gfn in near + far if 0 <= gfn < vm.gfn_end})


def covers(ranges: list[tuple[int, int]], gfn: int) -> bool:
    return any(first <= gfn < end for first, end in ranges)


def is_minimal(ranges: list[tuple[int, int]]) -> bool:
    """Sorted, not empty, disjoint, and no two that touch."""
    return all(a < b for a, b in ranges) and all(x[1] < y[0] for x, y in itertools.pairwise(ranges))


# --- the e-mail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_no_leaf_depends_on_the_pat_exhaustively(name):
    """Every value of every PAT entry, against everything else that a leaf of this release is made of."""
    choices = itertools.product(
        (("intel", "ept"), ("intel", "none"), ("amd", "npt"), ("amd", "none")), (False, True), (False, True),
        (False, True), (set(), {"IGNORE_GUEST_PAT"}, {"CD_NW_CLEARED"}), LEGAL,
    )  # fmt: skip
    pats = [Pat(value << 8 * entry) for entry, value in itertools.product(range(8), (0, 1, 4, 5, 6, 7))]
    for (vendor, tdp), dma, cd, snoop, quirks, kind in choices:
        vcpu = Vcpu(MtrrState(0x800 | kind), cr0_cd=cd)
        if quirks and not PROFILES[name].disable_quirks:
            continue
        vm = Vm(name, vendor, tdp, dma, [vcpu], "normal", snoop, quirks)
        before = [leaf_inputs(vm, vcpu, mmio) for mmio in (False, True)]
        for pat in pats:
            other = dataclasses.replace(vcpu, pat=pat)
            assert [leaf_inputs(vm, other, mmio) for mmio in (False, True)] == before


def leaf_inputs(vm: Vm, vcpu: Vcpu, mmio: bool) -> tuple[object, object]:
    """All that `Vm.leaf` is made of, for one vCPU."""
    return leaves.decide(vm, vcpu, mmio), guest_mtrr.at(vm.profile.mtrr_engine, vcpu, 2 << 20)


@given(seeds, PATS)
@QUICK
def test_a_pat_write_changes_no_leaf_and_zaps_nothing(rng, value):
    vm = random_vm(rng)
    vcpu, host = rng.randrange(len(vm.vcpus)), rng.random() < 0.5
    after, zap = vm.apply(WriteMsr(0x277, int.from_bytes(value, "little"), vcpu, host))
    assert zap.accepted and zap.done == zap.needed == zap.stale == zap.excess == []
    assert [list(after.leaf_pieces(n)) for n in range(len(vm.vcpus))] == [
        list(vm.leaf_pieces(n)) for n in range(len(vm.vcpus))]  # fmt: skip
    assert after.stale() == vm.stale()


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("pte", PAT_TYPES)
def test_without_ept_the_guest_is_never_honoured(name, pte):
    for dma, kind, vendor in itertools.product((False, True), LEGAL, ("intel", "amd")):
        vm = Vm(name, vendor, "none", dma, [Vcpu(MtrrState(0x800 | kind))])
        assert vm.leaf(0).bits == 0
        assert vm.effective(0, pte) is MemoryType.WB


@pytest.mark.parametrize("name", PROFILES)
def test_the_exception_entry_0_of_the_guests_pat(name):
    """Intel without EPT runs on the guest's PAT; with the load control absent, and on AMD, on the host's."""
    for value in (0, 1, 4, 5, 7):
        vcpu = Vcpu(pat=0x0007040600070400 | value)
        expected = MemoryType.UC if value == 7 else MemoryType(value)
        assert Vm(name, tdp="none", vcpus=[vcpu]).effective(0, "WB") is expected
        assert Vm(name, tdp="none", vcpus=[vcpu], load_pat=False).effective(0, "WB") is MemoryType.WB
        assert Vm(name, "amd", "none", vcpus=[vcpu]).effective(0, "WB") is MemoryType.WB


# --- the specification's invariants -------------------------------------------------------------------------------


@given(seeds)
@QUICK
def test_host_mmio_is_uc_everywhere(rng):
    vm = random_vm(rng)
    for gfn in samples(rng, vm, 5):
        leaf = vm.leaf(gfn << 12, mmio=True)
        assert (leaf.type, leaf.ipat, leaf.bits) == ((0, False, 0) if vm.tdp == "ept" else (6, False, 0))


@given(seeds)
@QUICK
def test_a_coherent_vm_gets_wb_with_ipat_up_to_6_11(rng):
    vm = random_vm(rng, rng.choice([name for name in PROFILES if name not in ("kvm-6.11-rc", "kvm-6.16", "kvm-7.2")]))
    if vm.tdp == "ept" and not vm.has_noncoherent_dma:
        assert {vm.leaf(gfn << 12).bits for gfn in samples(rng, vm, 10)} == {0x70}


@given(seeds, st.sampled_from(PAT_TYPES))
@QUICK
def test_ipat_decides_alone(rng, pte):
    vm = random_vm(rng)
    for gfn in samples(rng, vm, 5):
        leaf = vm.leaf(gfn << 12)
        if vm.tdp == "ept":
            assert vm.effective(gfn << 12, pte) is effective_ept(leaf.type, leaf.ipat, pte)
            assert not leaf.ipat or vm.effective(gfn << 12, pte) is leaf.type


@given(seeds)
@QUICK
def test_from_6_11_on_neither_mtrrs_nor_cd_matter(rng):
    vm = random_vm(rng, rng.choice(NONE_ENGINE), 1)
    leaves = list(vm.leaf_pieces())
    cd = vm.vcpus[0].cr0_cd if vm.vm_type == "tdx" else not vm.vcpus[0].cr0_cd
    other = [Vcpu(random_mtrrs(rng), vm.vcpus[0].pat, cd)]
    again = Vm(vm.profile, vm.vendor, vm.tdp, vm.noncoherent_dma, other, vm.vm_type, vm.self_snoop, vm.disabled_quirks)
    assert list(again.leaf_pieces()) == leaves and len(leaves) == 1
    for event in (WriteMsr(0x2FF, 0xC00), SetCr0Cd(cd)):
        assert vm.apply(event)[1].done == []


@given(seeds)
@QUICK
def test_amd_and_shadow_leaves_have_no_bits(rng):
    vm = random_vm(rng)
    if vm.tdp != "ept":
        assert list(vm.leaf_pieces()) == [(0, vm.gfn_end, 0)] and vm.shadow_memtype_mask in (0, None)


@given(seeds)
@QUICK
def test_after_zap_all_nothing_old_is_left(rng):
    vm = random_vm(rng, rng.choice(("kvm-4.4", "kvm-6.0", "kvm-6.7")))
    done = replay(vm, [random_event(rng, len(vm.vcpus)) for _ in range(6)])
    vm, zap = done.vm.apply(WriteMsr(0x2FF, random_value(rng, 0x2FF)))
    if zap.done == [EVERYTHING]:
        assert list(vm.existing_leaves()) == list(vm.fresh_leaves()) and vm.stale() == []


# --- the oracle ---------------------------------------------------------------------------------------------------


@given(seeds)
@QUICK
def test_the_oracle_agrees_with_page_by_page_comparison(rng):
    """needed is where a fresh leaf differs; stale and excess follow; all are minimal ranges."""
    vm = random_vm(rng)
    after, zap = vm.apply(random_event(rng, len(vm.vcpus)))
    for ranges in (zap.done, zap.needed, zap.stale, zap.excess):
        assert is_minimal(ranges)
    for gfn in {*samples(rng, vm, 20), *samples(rng, after, 20)}:
        changed = any(
            vm.leaf(gfn << 12, vcpu=n).bits != after.leaf(gfn << 12, vcpu=n).bits for n in range(len(vm.vcpus))
        )
        done = covers(zap.done, gfn)
        assert covers(zap.needed, gfn) is changed
        assert covers(zap.stale, gfn) is (changed and not done)
        assert covers(zap.excess, gfn) is (done and not changed)
    if not zap.accepted:
        assert after == vm and not zap.done and not zap.needed and zap.refusal


@given(seeds)
@QUICK
def test_leaves_that_may_exist_are_those_that_faults_could_make(rng):
    """Against a plain simulation: after every event one set of leaves per page, emptied by zaps, fed by faults."""
    vm = random_vm(rng)
    gfns = samples(rng, vm, 6)
    sets = {gfn: {vm.leaf(gfn << 12, vcpu=n).bits for n in range(len(vm.vcpus))} for gfn in gfns}
    for _ in range(5):
        vm, zap = vm.apply(random_event(rng, len(vm.vcpus)))
        for gfn in gfns:
            fresh = {vm.leaf(gfn << 12, vcpu=n).bits for n in range(len(vm.vcpus))}
            sets[gfn] = fresh if covers(zap.done, gfn) else sets[gfn] | fresh
            assert vm.existing_leaves().at(gfn) == sum(1 << (bits >> 3) for bits in sets[gfn])
            assert covers(vm.stale(), gfn) is bool(sets[gfn] - fresh)
            assert covers(vm.order_dependent(), gfn) is (len(fresh) > 1)
            assert len(vm.possible_leaves(gfn)) == len(sets[gfn])


# --- the guest's MTRRs --------------------------------------------------------------------------------------------


def slow_list_type(vm: Vm, gpa: int, pairs: dict[int, list[int]], order: list[int], width: int) -> int:
    """The list algorithm once more, from the written values, by sorting instead of inserting."""
    def_type, fixed = vm.msr(0x2FF), [vm.msr(index) for index in FIXED]
    if not def_type & 0x800:
        return 0 if vm.vcpus[0].cpuid_mtrr else 6
    if def_type & 0x400 and gpa < 1 << 20:
        table = b"".join(value.to_bytes(8, "little") for value in fixed)
        if gpa < 0x80000:
            return table[gpa >> 16]
        return table[8 + ((gpa - 0x80000) >> 14)] if gpa < 0xC0000 else table[24 + ((gpa - 0xC0000) >> 12)]
    kind = None
    latest_first = [n for n in reversed(order) if pairs[n][1] & 0x800]
    for n in sorted(latest_first, key=lambda n: -pairs[n][0]):  # stable: of equal bases the latest written first
        base, mask = pairs[n]
        start = base >> 12 << 12
        end = (start | ((1 << width) - 1 & ~(mask >> 12 << 12))) + 1
        if not start <= gpa < end:
            continue
        here = base & 0xFF
        if kind is None or here == kind:
            kind = here
        elif here == 0:
            return 0
        elif {here, kind} == {4, 6}:
            kind = 4
        else:
            return 6
    return def_type & 0xFF if kind is None else kind


@given(seeds)
@QUICK
def test_list_types_follow_the_order_of_the_writes(rng):
    vm = guest(rng.choice(("4.4", "5.10", "6.4", "6.8")), cpuid_mtrr=rng.random() < 0.7)
    pairs, order = {n: [0, 0] for n in range(8)}, []
    for _ in range(rng.randrange(1, 25)):
        index = random_msr(rng)
        value = random_value(rng, index)
        if index % 2 == 0 and index < 0x210 and rng.random() < 0.3:
            value = pairs[0][0]  # equal bases, so that the order counts
        vm, zap = vm.apply(WriteMsr(index, value))
        assert zap.accepted and vm.msr(index) == value
        if index < 0x210:
            n = (index - 0x200) // 2
            pairs[n][index % 2] = value
            order = [k for k in order if k != n] + [n]
    whole = vm.guest_map()
    edges = {edge for n in range(8) for edge in vm_range(pairs[n])} | {0, 0xA0000, 0xFF000, 1 << 20}
    far = {rng.randrange(1 << MAXPHYADDR) for _ in range(9)}
    for gpa in {edge + d for edge in edges for d in (-0x1000, 0, 0x1000)} | far:
        if 0 <= gpa < 1 << MAXPHYADDR:
            expected = slow_list_type(vm, gpa & ~0xFFF, pairs, order, MAXPHYADDR)
            assert vm.guest_type(gpa) == expected == whole.at(gpa)


def vm_range(pair: list[int]) -> tuple[int, int]:
    start = pair[0] & ~0xFFF
    return start, (start | ((1 << MAXPHYADDR) - 1 & ~(pair[1] & ~0xFFF))) + 1


@given(seeds)
@QUICK
def test_legacy_types_are_the_manuals_but_for_its_own_rules(rng):
    """3.13 matches as hardware does; it differs below 1 MiB, where nothing is enabled, and on undefined overlaps."""
    vm = guest("4.1", [], vcpus=[Vcpu(random_mtrrs(rng))])
    def_type = vm.msr(0x2FF)
    whole = vm.guest_map()
    for gfn in samples(rng, vm, 20):
        gpa = gfn << 12
        found, manual = vm.guest_type(gpa), vm.guest_type(gpa, as_architected=True)
        assert found is whole.at(gpa)
        if not def_type & 0xC00:
            assert found is MemoryType.WB
        elif gpa < 1 << 20:
            assert found in LEGAL
        elif not def_type & 0x800:
            assert found == def_type & 0xFF
        else:
            assert found is (MemoryType.UC if manual is MemoryType.UNDEFINED else manual)


@given(seeds)
@QUICK
def test_a_consistent_gib_has_consistent_halves(rng):
    """So the order in which releases try the sizes (2 MiB first up to 5.4) cannot be observed."""
    vm = Vm(rng.choice(("5.4", "6.4")), noncoherent_dma=True, vcpus=[Vcpu(random_mtrrs(rng))])
    for gfn in samples(rng, vm, 10):
        if vm.huge_page_consistent(gfn & -(512 * 512), 512 * 512):
            assert vm.huge_page_consistent(gfn & -512, 512)
            assert vm.max_level(gfn) == 3


@given(seeds)
@QUICK
def test_a_consistent_page_has_one_type(rng):
    vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(random_mtrrs(rng))])
    pieces = vm.leaf_pieces()
    for gfn in samples(rng, vm, 10):
        size = 512 ** (vm.max_level(gfn) - 1)
        first = gfn & -size
        inside = [start for start in pieces.starts if first < start < first + size]
        assert size == 1 or vm.vcpus[0].cr0_cd or not inside


# --- arrays -------------------------------------------------------------------------------------------------------


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_leaf_bits_and_fill_equal_the_leaf_page_by_page(rng):
    vm = random_vm(rng)
    vcpu = rng.randrange(len(vm.vcpus))
    gfns = np.array(samples(rng, vm, 20), np.uint64)
    rng.shuffle(gfns)
    mmio = np.array([rng.random() < 0.3 for _ in gfns])
    for flags in (False, True, mmio):
        each = np.broadcast_to(np.asarray(flags), gfns.shape)
        expected = [vm.leaf(int(g) << 12, bool(m), vcpu).bits for g, m in zip(gfns, each, strict=True)]
        assert vm.leaf_bits(gfns, flags, vcpu).tolist() == expected
        sptes = np.array([rng.getrandbits(64) for _ in gfns], np.uint64)
        kept = sptes.copy()
        assert vm.fill(sptes, gfns, flags, vcpu) is sptes
        assert np.array_equal(sptes & ~np.uint64(0x78), kept & ~np.uint64(0x78))
        assert (sptes & np.uint64(0x78)).tolist() == (
            expected if vm.tdp == "ept" else (kept & np.uint64(0x78)).tolist())  # fmt: skip


def test_overlaid_pieces_are_each_layers_own():
    rng = random.Random(1)
    for _ in range(200):
        layers = []
        for _ in range(rng.randint(1, 4)):
            end = rng.randint(1, 40)
            starts = {0, *(rng.randrange(end) for _ in range(rng.randint(0, 6)))}
            layers.append(Pieces([(start, rng.randint(0, 3)) for start in sorted(starts)], end))
        end = rng.randint(1, 45)
        both = overlay(layers, end)
        for gfn in range(end):
            assert both.at(gfn) == tuple(layer.at(gfn) if gfn < layer.end else None for layer in layers)


def test_events_do_not_check_registers_again(monkeypatch):
    """Each write of a trace would otherwise cost the checks of every register of every vCPU."""
    vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=36)] * 4)

    def never(*_: object) -> None:
        raise AssertionError("checked again")

    monkeypatch.setattr("memtype.kvm.msrs.check_state", never)
    everything = MtrrState(0xC06, maxphyaddr=36)
    events = [WriteMsr(0x2FF, 0xC06, vcpu=3), SetCr0Cd(True), NoncoherentDma(0), DisableQuirks("CD_NW_CLEARED")]
    done = replay(vm, [*events, SetMtrrs(everything)])
    assert not done.refused and done.vm.msr(0x2FF, vcpu=2) == 0xC06
