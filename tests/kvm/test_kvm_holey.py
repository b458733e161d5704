"""Masks as holey as a guest may write them: every question is answered, and what repeats is counted, not listed."""

from __future__ import annotations

import itertools
import random

import pytest
from kvm_states import guest

import memtype as mt
from memtype.kvm import NoncoherentDma, SetCr0Cd, SetMtrrs, Vcpu, Vm, WriteMsr, replay
from memtype.kvm.gfns import GfnSet, Ranges

MASK = 0x155555555800  # every other bit
HOLEY = mt.MtrrState(0x806, variable=[(0, MASK)], maxphyaddr=46)


def holey(release: str = "4.1", **options: object) -> Vm:
    return Vm(release, noncoherent_dma=True, vcpus=[Vcpu(HOLEY)], **options)


@pytest.mark.parametrize("release", ["3.13", "3.18", "4.1"])
def test_any_event_is_answered(release):
    vm = holey(release)
    events = [
        WriteMsr(0x200, 1),
        SetCr0Cd(True),
        NoncoherentDma(0),
        NoncoherentDma(1),
        WriteMsr(0x2FF, 0),
        WriteMsr(0x277, 6),
    ]
    for event in (*events, SetMtrrs(HOLEY)):
        vm, zap = vm.apply(event)
        assert zap.accepted
        for gfns in (zap.needed, zap.done, zap.stale, zap.excess, vm.stale()):
            assert gfns.count() >= 0 and isinstance(bool(gfns), bool)
        assert vm.leaf(0).bits >= 0 and vm.max_level(0) == 3 and vm.effective(0x1000) is not None


def test_what_changes_is_a_set_that_can_be_counted_and_searched():
    zap = holey().apply(WriteMsr(0x200, 1))[1]  # UC becomes WC wherever the mask matches, above 1 MiB
    found = zap.needed
    assert isinstance(found, GfnSet) and zap.stale == found and zap.excess == []
    compared = bin(MASK >> 12).count("1")
    below = sum(gfn & MASK >> 12 == 0 for gfn in range(256))
    assert found.count() == len(range(1 << 34 - compared)) - below
    assert found.contains(0x2000) and not found.contains(0x1000) and not found.contains(0)
    first = found.first(3)
    assert first == list(itertools.islice(found, 3)) and all(
        found.contains(a) and not found.contains(b) for a, b in first
    )
    assert found.pages(0, 0x4000) == sum(gfn & MASK >> 12 == 0 for gfn in range(256, 0x4000))
    assert sum(b - a for a, b in found.within(0, 0x4000)) == found.pages(0, 0x4000)
    assert found.ranges == len(found) > 65_536 and str(found.count()) in repr(found)
    assert next(zap.each_change())[2:] == (0, 8, 0) and len(zap.changes) == 65_536


def test_what_is_zapped_for_nothing_is_all_but_what_changes():
    """By the manual, in a release that zaps: everything is zapped, and every page that keeps its leaf is in excess."""
    state = mt.MtrrState(0x806, variable=[(0, MASK), (1, MASK | 1 << 13)], maxphyaddr=46)
    vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(state)], as_architected=True)
    after, zap = vm.apply(WriteMsr(0x2FF, 0x804))
    assert isinstance(zap.needed, GfnSet) and isinstance(zap.excess, GfnSet) and zap.stale == []
    assert zap.needed.count() + zap.excess.count() == 1 << 34 and not after.stale()
    for gfn in (*range(0x40), 0x1FF, 1 << 20, (1 << 34) - 1):
        changed = vm.leaf(gfn << 12).bits != after.leaf(gfn << 12).bits
        assert zap.needed.contains(gfn) is changed and zap.excess.contains(gfn) is not changed
    _, zap = vm.apply(WriteMsr(0x203, MASK))  # zaps from 0 to the last match
    end = zap.done[0][1]
    assert zap.done == [(0, end)] and end < 1 << 34 and zap.stale == []
    assert all(zap.excess.contains(gfn) is (not zap.needed.contains(gfn)) for gfn in range(0x100))
    assert not zap.excess.contains(end)


def test_with_the_guests_memory_the_same_is_a_list():
    vm = holey(memory=[(0, 64 << 20), (1 << 30, 1 << 20)])
    zap = vm.apply(WriteMsr(0x200, 1))[1]
    inside = [gfn for gfn in (*range(256, 0x4000), *range(0x40000, 0x40100)) if gfn & MASK >> 12 == 0]
    assert isinstance(zap.needed, Ranges) and [gfn for a, b in zap.needed for gfn in range(a, b)] == inside
    assert zap.stale == zap.needed and zap.needed.count() == zap.needed.pages() == len(inside)
    assert zap.needed.contains(inside[0]) and not zap.needed.contains(0)
    assert zap.needed.first(2) == zap.needed[:2] and zap.needed.ranges == len(zap.needed)


def test_memory_bounds_needed_stale_and_excess():
    vm = guest("6.4", [(0x2FF, 0xC06)], noncoherent_dma=True, memory=[(0, 1 << 30)])
    after, zap = vm.apply(WriteMsr(0x2FF, 0xC00))
    assert zap.done == [(0, (1 << 52) - 1)] and zap.needed == [(0x100, 1 << 18)] and zap.excess == [(0, 0x100)]
    after, zap = guest("4.1", [(0x2FF, 0xC06)], noncoherent_dma=True, memory=[(0, 1 << 30)]).apply(
        WriteMsr(0x2FF, 0xC00)
    )
    assert zap.stale == [(0x100, 1 << 18)] and zap.excess == []
    assert after.stale() == [(0, 1 << 18)]  # below 1 MiB leaves are left from before DEF_TYPE was written first
    assert replay(vm, [WriteMsr(0x2FF, 0xC00)]).pages == 1 << 18
    assert Vm("6.4", memory=[(0x1800, 0x1000)])._windows == [(1, 3)]  # a page that is partly memory counts
    for bad in (5, "4G", [(0, 0)], [(-1, 4096)], [(0, 1 << 60)], [3], [(0, "x")], [(1, 2, 3)]):
        with pytest.raises(mt.InputError, match="memory"):
            Vm("6.4", memory=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [36, 40, 46, 52])
def test_sets_agree_with_every_page_of_a_window(width):
    rng = random.Random(width)
    for _ in range(12):
        pages = (1 << width) - 0x1000
        state = [(0x2FF, 0x800 | rng.choice((0, 1, 4, 5, 6)))]
        for n in range(3):
            state += [(0x200 + 2 * n, rng.getrandbits(64) & pages | rng.choice((0, 1, 4, 5, 6)))]
            state += [(0x201 + 2 * n, rng.getrandbits(64) & rng.getrandbits(64) & pages | 0x800)]
        vm = Vm("4.1", noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=width)])
        for index, value in state:
            vm, _ = vm.apply(WriteMsr(index, value))
        after, zap = vm.apply(WriteMsr(0x201, rng.getrandbits(64) & pages | 0x800))
        first = rng.randrange(0x200, (1 << width - 12) - 400)
        for gfn in (*range(0x180), *range(first, first + 300)):
            changed = vm.leaf(gfn << 12).bits != after.leaf(gfn << 12).bits
            assert zap.needed.contains(gfn) is changed
        window = first, first + 300
        listed = sum(b - a for a, b in zap.needed.within(*window))
        assert listed == zap.needed.pages(*window) == sum(zap.needed.contains(gfn) for gfn in range(*window))
        assert vm.leaf_bits(range(*window)).tolist() == [vm.leaf(gfn << 12).bits for gfn in range(*window)]


def test_sets_compare():
    one, other = (holey().apply(WriteMsr(0x200, kind))[1].needed for kind in (1, 4))
    assert one == other and one != [] and one != 3 and bool(one)
    small = GfnSet(one._diagram, [(0, 0x2000)])
    assert small != one and small.ranges < 65_536 and list(small) == small and (0x100, 0x101) not in small
    assert next(iter(small)) in small and 0x1000 not in small


def test_the_map_of_a_guest_says_how_many_pieces_it_has():
    with pytest.raises(mt.ShatteredMapError, match=r"\d+ pieces"):
        holey().guest_map()
    assert len(holey("4.4").guest_map()) == 2  # later releases see one interval


def told(zap: mt.kvm.Zap) -> tuple[object, ...]:
    """All that a zap says, its sets as lists."""
    verdict = zap.accepted, zap.refusal, zap.warned, zap.reasons, zap.rules, tuple(zap.done)
    return (*verdict, tuple(zap.needed), tuple(zap.excess), frozenset(zap.each_change()))


@pytest.mark.parametrize("release", ["4.1", "6.4"])
def test_keys_are_equal_exactly_where_zaps_are_told_alike(release):
    """Registers that differ where it does not show, masks with few holes and with many, one and two processors."""
    rng = random.Random(31)
    masks = [0xFF80000800, 0xFFC0000800, 0xFF55500800, 0xFFFF000800, 0]
    zaps = []
    for _ in range(40):
        pairs = [(rng.choice((0, 0x40000000)) | rng.choice((0, 1, 6)), rng.choice(masks)) for _ in range(2)]
        state = mt.MtrrState(0x800 | rng.choice((0, 6)), variable=pairs, maxphyaddr=40)
        vcpus = [Vcpu(state)] * rng.choice((1, 2))
        vm = Vm(release, noncoherent_dma=True, vcpus=vcpus, memory=rng.choice((None, [(0, 1 << 31)])))
        event = WriteMsr(0x200, rng.choice((0, 1, 6)), vcpu=rng.randrange(len(vcpus)))
        zaps.append(vm.apply(event)[1])
    pairs = list(itertools.combinations(zaps, 2))
    alike = [told(one) == told(other) for one, other in pairs]
    assert [one.key == other.key for one, other in pairs] == alike and True in alike and False in alike


def test_the_first_changes_are_those_that_are_gone_through_first():
    zap = holey().apply(WriteMsr(0x200, 1))[1]
    first = zap.first_changes(5)
    assert [change for change, _ in first] == list(itertools.islice(zap.each_change(), 5))
    assert all(vcpus == [0] for _, vcpus in first)
