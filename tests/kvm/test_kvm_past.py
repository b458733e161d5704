"""What a VM keeps of its past: only leaves that may still exist and that no fault would make now."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kvm_states import FIRMWARE, GIB, guest, pair

from memtype import MtrrState
from memtype.kvm import DisableQuirks, NoncoherentDma, SetCr0Cd, SetMtrrs, Vcpu, Vm, WriteMsr, guest_mtrr, leaves
from memtype.kvm.zap import EVERYTHING, EVERYTHING_CD, Event

WRITES = [*FIRMWARE, *pair(1, GIB | 1, GIB), (0x2FF, 0xC06)]


def depth(vm: Vm) -> int:
    """How many events the VM has to look back at."""
    return 0 if vm._past is None else vm._past.depth


@pytest.mark.parametrize(("release", "writes", "event"), [
    ("6.4", WRITES, WriteMsr(0x277, 0)),
    ("6.4", WRITES, SetCr0Cd(False)),
    ("6.4", WRITES, NoncoherentDma(2)),
    ("6.4", WRITES, DisableQuirks(())),
    ("6.4", [(0x2FF, 0x400)], WriteMsr(0x250, 0x0606060606060606)),  # E = 0: no register decides
    ("6.4", [], WriteMsr(0x201, 0xFC0000800)),
    ("4.1", [(0x2FF, 0)], WriteMsr(0x250, 0x0606060606060606)),
    ("6.11", WRITES, WriteMsr(0x2FF, 0xC00)),
    ("6.11", WRITES, WriteMsr(0x250, 0)),
    ("6.4", WRITES, WriteMsr(0x250, 7)),  # refused
])  # fmt: skip
def test_what_changes_no_leaf_leaves_no_past(release: str, writes: list[tuple[int, int]], event: Event) -> None:
    vm = guest(release, writes, noncoherent_dma=True)
    vm.leaf_pieces()  # once a question was asked the registers behind it are known
    after, zap = vm.apply(event)
    assert zap.calls == () and zap.needed == []
    assert depth(after) == depth(vm) and after.stale() == vm.stale() == after.replace().stale()


@pytest.mark.parametrize(("release", "writes", "event"), [
    ("4.1", [(0x2FF, 0x400)], WriteMsr(0x250, 0x0606060606060606)),  # up to 4.1 FE alone decides below 1 MiB
    ("4.1", [(0x2FF, 0x800)], WriteMsr(0x2FF, 0x806)),
    ("4.1", [], WriteMsr(0x2FF, 0x806)),
    ("4.1", WRITES, WriteMsr(0x2FF, 0)),
    ("6.4", [], NoncoherentDma(0)),
    ("6.4", [], SetCr0Cd(True)),
])  # fmt: skip
def test_what_changes_leaves_unzapped_is_kept(release: str, writes: list[tuple[int, int]], event: Event) -> None:
    vm = guest(release, writes, noncoherent_dma=True)
    before = {vm.leaf(gpa).bits for gpa in (0, 2 * GIB)}
    after, zap = vm.apply(event)
    assert zap.calls == () and zap.stale and depth(after) == depth(vm) + 1
    assert {leaf << 3 | ipat << 6 for gpa in (0, 2 * GIB) for leaf, ipat in after.possible_leaves(gpa >> 12)} >= before
    assert after.stale() and after.replace().stale() == []


@pytest.mark.parametrize("event", [
    WriteMsr(0x2FF, 0xC00), WriteMsr(0x2FF, 0xC06), SetMtrrs(MtrrState(0x806, maxphyaddr=36)), SetCr0Cd(True),
])  # fmt: skip
def test_zapping_everything_forgets(event: Event) -> None:
    vm = guest("6.4", [(0x2FF, 0xC00)], noncoherent_dma=True)
    vm = vm.apply(DisableQuirks("CD_NW_CLEARED"))[0]
    vm = vm.apply(WriteMsr(0x250, 0x0101010101010101))[0]
    assert depth(vm)
    after, zap = vm.apply(event)
    assert EVERYTHING in zap.calls or EVERYTHING_CD in zap.calls
    assert depth(after) == 0 and after.stale() == []
    assert list(after.existing_leaves()) == list(after.fresh_leaves())


def test_zapping_all_that_a_vcpu_can_address_is_everything() -> None:
    """A range of the whole address space, and one page less at either end."""
    whole = guest("6.4", [(0x2FF, 0x800), (0x200, 6), (0x201, 0x800)], noncoherent_dma=True)
    assert (
        whole.apply(WriteMsr(0x200, 6))[1].calls == ((0, 1 << 24),) and depth(whole.apply(WriteMsr(0x200, 6))[0]) == 0
    )
    base, mask = 0x1000, (1 << 36) - 0x1000 | 0x800
    least = whole.apply(WriteMsr(0x200, base | 6))[0]
    assert least.apply(WriteMsr(0x201, 0x800))[1].calls == ((1, 1 << 24),)
    assert depth(least.apply(WriteMsr(0x201, 0x800))[0]) > 0
    low = whole.apply(WriteMsr(0x201, mask))[0]
    assert low.apply(WriteMsr(0x201, mask))[1].calls == ((0, 1),) and depth(low.apply(WriteMsr(0x201, mask))[0]) > 0


def test_the_past_is_worked_out_every_65_536_events() -> None:
    vm = guest("4.1", [(0x2FF, 0x800)], noncoherent_dma=True)
    vm = vm.apply(WriteMsr(0x2FF, 0x806))[0]
    assert vm._past is not None
    before = vm.stale()
    vm._past.depth = (1 << 16) - 2
    one = vm.apply(WriteMsr(0x2FF, 0x800))[0]
    two = one.apply(WriteMsr(0x2FF, 0x806))[0]
    assert one._past is not None and one._past.made is None and depth(one) == (1 << 16) - 1
    assert two._past is not None and two._past.made is not None and depth(two) == 1
    assert two.stale() == before and two.possible_leaves(0x100) == vm.possible_leaves(0x100)


@pytest.mark.parametrize("made", [
    lambda vm: vm.apply(WriteMsr(0x277, 0, 1))[0], lambda vm: vm.apply(SetCr0Cd(True, 1))[0],
    lambda vm: vm.apply(WriteMsr(0x250, 6, 1))[0],
])  # fmt: skip
def test_an_event_of_one_vcpu_leaves_the_others_alone(made: Callable[[Vm], Vm]) -> None:
    vm = Vm("4.4", "amd", noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=36), Vcpu(maxphyaddr=40), Vcpu(maxphyaddr=46)])
    after = made(vm)
    assert after.vcpus[0] is vm.vcpus[0] and after.vcpus[2] is vm.vcpus[2] and len(after.vcpus) == 3
    assert after != vm
    assert after.vcpus[1].maxphyaddr == 40 and after.gfn_end == vm.gfn_end


@pytest.mark.parametrize("release", ["4.1", "6.4", "6.12"])
def test_what_was_worked_out_once_is_kept(release: str) -> None:
    vm = guest(release, WRITES, noncoherent_dma=True).replace()
    vcpu = vm.vcpus[0]
    assert leaves.decide(vm, vcpu, False) is leaves.decide(vm, vcpu, False)
    assert vm.leaf_pieces() is vm.leaf_pieces() and guest_mtrr.pieces(vm.engine, vcpu) is vcpu._types[1]
    assert vm._past is None and vm.existing_leaves() is vm.fresh_leaves() is vm.fresh_leaves()
    other = vm.apply(WriteMsr(0x277, 0))[0]
    assert other._decided is vm._decided and other.vcpus[0]._types is vcpu._types
    assert other.fresh_leaves() is not None and list(other.fresh_leaves()) == list(vm.fresh_leaves())
