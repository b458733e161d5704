"""Guest MTRR types of the first 2 MiB page by page: fixed ranges, small pairs, masks with holes, masks of V alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import restatement as again

from memtype import MemoryType
from memtype.kvm import Vcpu, Vm, WriteMsr
from memtype.kvm.gfns import Periodic

WIDTH = 36
GFNS = range(512)
TYPES = (0, 1, 4, 5, 6)
RELEASES = {"3.13": (3, 13), "4.1": (4, 1), "4.4": (4, 4), "6.4": (6, 4), "6.12": (6, 12)}
LOW_MASK = (1 << WIDTH) - 0x1000


def pair(rng: random.Random) -> tuple[int, int]:
    """A base within 2 MiB, and a mask: of a block, with holes, of V alone, or not valid."""
    base = rng.randrange(0, 2 << 20, 1 << rng.choice((12, 13, 16, 19))) | rng.choice(TYPES)
    mask = LOW_MASK & -(1 << rng.choice((12, 13, 15, 17, 19, 20, 21)))
    kind = rng.random()
    if kind < 0.25:
        mask &= ~(1 << rng.randrange(12, 20) | 1 << rng.randrange(12, 20))
    elif kind < 0.35:
        mask = 0
    return base, mask | (0x800 if rng.random() < 0.9 else 0)


def low_guest(rng: random.Random, release: str) -> tuple[Vm, again.Machine]:
    """The same guest twice, after the same writes."""
    shows = rng.random() < 0.8
    vm = Vm(release, noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=WIDTH, cpuid_mtrr=shows)])
    other = again.Machine(RELEASES[release], "intel", "ept", [again.Cpu(WIDTH, shows)], 1)
    kinds = [rng.choice(TYPES) for _ in range(3)]
    writes = [(index, int.from_bytes(bytes(rng.choices(kinds, k=8)), "little")) for index in again.FIXED]
    for n in range(rng.randrange(4)):
        base, mask = pair(rng)
        writes += [(0x200 + 2 * n, base), (0x201 + 2 * n, mask)]
    writes.append((0x2FF, rng.choice((0, 0x400, 0x800, 0x800, 0xC00, 0xC00)) | rng.choice(TYPES)))
    for index, value in writes:
        vm, zap = vm.apply(WriteMsr(index, value))
        taken, _ = again.write(other, other.cpus[0], index, value)
        assert zap.accepted is taken
    return vm, other


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("seed", range(12))
def test_types_of_every_low_page_as_the_release_computes_them(release: str, seed: int) -> None:
    vm, other = low_guest(random.Random(seed), release)
    wanted = [again.mtrr_type(other, other.cpus[0], gfn << 12) for gfn in GFNS]
    whole = vm.guest_map()
    assert [vm.guest_type(gfn << 12) for gfn in GFNS] == wanted == [whole.at(gfn << 12) for gfn in GFNS]
    assert vm.leaf_bits(np.arange(512, dtype=np.uint64)).tolist() == [kind << 3 for kind in wanted]
    for gpa in (1 << 32, (1 << WIDTH) - 0x1000):
        assert vm.guest_type(gpa) == again.mtrr_type(other, other.cpus[0], gpa) == whole.at(gpa)


def holes(cpu: again.Cpu) -> bool:
    """Whether a valid mask repeats its range: a clear bit above a set one."""
    masks = [cpu.get(0x201 + 2 * n) for n in range(8)]
    pages = [mask >> 12 for mask in masks if mask & 0x800 and mask >> 12]
    return any(bin(field)[2:].rstrip("0").count("0") or field.bit_length() != WIDTH - 12 for field in pages)


@pytest.mark.parametrize("seed", range(30))
def test_only_masks_with_holes_make_what_is_not_listed(seed: int) -> None:
    for release in ("4.1", "6.4"):
        vm, other = low_guest(random.Random(seed), release)
        on = bool(other.cpus[0].get(0x2FF) & 0x800)
        assert isinstance(vm.leaf_pieces(), Periodic) is (release == "4.1" and on and holes(other.cpus[0]))
        manual = vm.replace(as_architected=True).leaf_pieces()
        shows = vm.vcpus[0].cpuid_mtrr
        assert isinstance(manual, Periodic) is (shows and on and holes(other.cpus[0]))


@pytest.mark.parametrize("seed", range(30))
def test_types_of_every_low_page_by_the_manual(seed: int) -> None:
    vm = low_guest(random.Random(seed), "6.4")[0].replace(as_architected=True)
    vcpu = vm.vcpus[0]
    wanted = [vcpu.mtrrs.at(gfn << 12) if vcpu.cpuid_mtrr else MemoryType.WB for gfn in GFNS]
    whole = vm.guest_map()
    assert [vm.guest_type(gfn << 12) for gfn in GFNS] == wanted == [whole.at(gfn << 12) for gfn in GFNS]
    rng = random.Random(seed)
    for _ in range(20):
        first = rng.randrange(500)
        count = rng.randrange(1, 13)
        assert vm.huge_page_consistent(first, count) is (len({*wanted[first : first + count]}) == 1)
    assert vm.engine == "manual" and vm.deviation(0) is None


def matching(cpu: again.Cpu, gpa: int) -> set[int]:
    """The valid pairs that the manual takes for the page (SDM 3A 12.11.3)."""
    found = set()
    for n in range(8):
        base, mask = cpu.get(0x200 + 2 * n), cpu.get(0x201 + 2 * n)
        if mask & 0x800 and gpa >> 12 & mask >> 12 == base >> 12 & mask >> 12:
            found.add(n)
    return found


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("seed", range(12))
def test_where_and_why_a_release_departs_from_the_manual(release: str, seed: int) -> None:
    vm, other = low_guest(random.Random(seed), release)
    cpu = other.cpus[0]
    for gfn in GFNS:
        gpa = gfn << 12
        kvm, manual = vm.guest_type(gpa), vm.guest_type(gpa, as_architected=True)
        if manual in (kvm, MemoryType.UNDEFINED) or other.since(6, 11):  # no leaf depends on them
            assert vm.deviation(gpa) is None
            continue
        if other.since(4, 4):
            met = {n for n in again.list_order(cpu) for start, end in [again.list_range(cpu, n)] if start <= gpa < end}
            rule = "overlap-kvm" if met == matching(cpu, gpa) else "range-kvm"
        else:
            rule = "low-kvm" if cpu.get(0x2FF) & 0x800 else "disabled-kvm"
        assert vm.deviation(gpa) == (kvm, manual, rule), hex(gpa)


@pytest.mark.parametrize("seed", range(20))
def test_low_pages_that_may_be_one_leaf(seed: int) -> None:
    rng = random.Random(seed)
    vm, other = low_guest(rng, rng.choice(("4.4", "6.4")))
    for _ in range(60):
        first = rng.choice((0, 0x80, 0xA0, 0xC0, 0xFF, 0x100, rng.randrange(500)))
        count = rng.choice((1, 2, 4, 8, 16, 0x20, 0x80, 0x100, 0x101, rng.randrange(1, 600)))
        wanted = again.consistent(other.cpus[0], first << 12, count << 12)
        assert vm.huge_page_consistent(first, count) is wanted, (hex(first), count)
    assert [vm.max_level(gfn) for gfn in (0, 0x1FF, 0x200)] == [
        again.level(other, other.cpus[0], gfn) for gfn in (0, 0x1FF, 0x200)]  # fmt: skip
