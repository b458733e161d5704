"""Random events over all releases, against the restatement beside this file; run by hand, it goes on for a million.

python tests/kvm/test_kvm_random.py 1000000
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import pytest
import restatement as again

from memtype.kvm import DisableQuirks, NoncoherentDma, SetCr0Cd, Vcpu, Vm, WriteMsr
from memtype.kvm.matrix import releases

RELEASES = [*releases()]
TYPES = (0, 1, 4, 5, 6)
QUIRKS = ("IGNORE_GUEST_PAT", "CD_NW_CLEARED")
PLACES = ((0x200, 0x210), (0x200, 0x206))


def machine(rng: random.Random) -> tuple[Vm, again.Machine]:
    """The same VM twice."""
    name = rng.choice(RELEASES)
    number = tuple(int(part) for part in name.removesuffix("-rc").split("."))
    vendor, tdp = rng.choice((("intel", "ept"), ("intel", "ept"), ("intel", "none"), ("amd", "npt"), ("amd", "none")))
    widths = [rng.choice((36, 39, 40, 46, 48, 52))] * rng.choice((1, 1, 2, 3))
    shown = [rng.random() < 0.9 for _ in widths]
    snoop, devices = rng.random() < 0.8, rng.randrange(3)
    tdx = number >= (6, 16) and tdp == "ept" and snoop and rng.random() < 0.3
    vcpus = [Vcpu(maxphyaddr=width, cpuid_mtrr=known) for width, known in zip(widths, shown, strict=True)]
    vm = Vm(name, vendor, tdp, devices, vcpus, "tdx" if tdx else "normal", snoop)
    cpus = [again.Cpu(width, known) for width, known in zip(widths, shown, strict=True)]
    release = (*number, "rc") if name.endswith("rc") else number
    return vm, again.Machine(release, vendor, tdp, cpus, devices, snoop, tdx=tdx)


def value(rng: random.Random, index: int, width: int) -> int:
    """A value that is taken, in nine of ten cases; masks as holey as they come."""
    if rng.random() < 0.1:
        return rng.getrandbits(64)
    if index == 0x2FF:
        return rng.choice((0, 0x400, 0x800, 0x800, 0xC00, 0xC00)) | rng.choice(TYPES)
    if index == 0x277 or index in again.FIXED:
        kinds = [rng.choice(TYPES)] * 8 if rng.random() < 0.5 else [rng.choice(TYPES) for _ in range(8)]
        return int.from_bytes(bytes(kinds), "little")
    if index % 2 == 0:
        return rng.randrange(0, 1 << width, 1 << rng.choice((12, 20, 28, 30))) | rng.choice(TYPES)
    pages = (1 << width) - 0x1000
    mask = pages & -(1 << rng.choice((12, 13, 16, 20, 21, 28, 30, 31, 32, 35)))
    if rng.random() < 0.4:
        mask &= rng.getrandbits(64) | rng.choice((0, rng.getrandbits(64)))
    return mask | (0x800 if rng.random() < 0.8 else 0)


def happen(rng: random.Random, vm: Vm, other: again.Machine):
    """One event on both: the VM after it, its zap, and what the restatement says of it."""
    n = rng.randrange(len(other.cpus))
    cpu = other.cpus[n]
    kind = rng.randrange(20)
    if kind == 0:
        cd = rng.random() < 0.5
        return (*vm.apply(SetCr0Cd(cd, n)), again.toggle(other, cpu, cd))
    if kind == 1:
        devices = rng.randrange(3)
        return (*vm.apply(NoncoherentDma(devices)), again.count(other, devices))
    if kind == 2:
        names, checked = {rng.choice(QUIRKS)}, rng.random() < 0.5
        return (*vm.apply(DisableQuirks(names, checked)), again.disable(other, names, checked))
    index = rng.choice((0x2FF, 0x277, 0x2F8, *again.FIXED[:4], *range(0x200, 0x206), *range(0x200, 0x211)))
    held = value(rng, index, cpu.width)
    return (*vm.apply(WriteMsr(index, held, n)), again.write(other, cpu, index, held))


def places(rng: random.Random, other: again.Machine) -> Iterator[int]:
    """gfns where something may change: around ranges, where masks match, and anywhere."""
    width = other.cpus[0].width
    yield rng.choice((0, 0x9F, 0xA0, 0xFF, 0x100))
    yield rng.randrange(1 << width - 12)
    cpu = rng.choice(other.cpus)
    n = rng.randrange(8)
    base, mask = cpu.get(0x200 + 2 * n), cpu.get(0x201 + 2 * n)
    for edge in (*again.list_range(cpu, n), base & mask | rng.getrandbits(64) & ~mask):
        gfn = (edge >> 12) + rng.choice((-1, 0))
        if 0 <= gfn < 1 << width - 12:
            yield gfn


def contains(ranges, gfn: int) -> bool:
    return ranges.contains(gfn)


def compare(rng: random.Random, length: int) -> None:
    """One VM's life: every event on both, leaves, levels and zaps compared at a few pages each."""
    vm, other = machine(rng)
    existing: dict[int, set[tuple[int, int]]] = {}
    for _ in range(length):
        gfns = [*existing][-6:] + list(places(rng, other))
        before = {gfn: [again.leaf(other, cpu, gfn << 12) for cpu in other.cpus] for gfn in gfns}
        vm, zap, (taken, calls) = happen(rng, vm, other)
        assert zap.accepted is taken, zap.why
        assert list(zap.calls) == calls, zap.why
        for gfn in gfns:
            now = [again.leaf(other, cpu, gfn << 12) for cpu in other.cpus]
            changed, done = before[gfn] != now, any(first <= gfn < end for first, end in calls)
            found = [vm.leaf(gfn << 12, vcpu=n) for n in range(len(now))]
            assert [(int(one.type), int(one.ipat)) for one in found] == now, (vm, hex(gfn))
            assert contains(zap.needed, gfn) is changed and contains(zap.stale, gfn) is (changed and not done)
            assert contains(zap.excess, gfn) is (done and not changed)
            assert [vm.max_level(gfn, n) for n in range(len(now))] == [again.level(other, c, gfn) for c in other.cpus]
            vm.effective(gfn << 12, pat_index=rng.randrange(8))
        for gfn, leaves in existing.items():
            now = {again.leaf(other, cpu, gfn << 12) for cpu in other.cpus}
            gone = any(first <= gfn < end for first, end in calls)
            existing[gfn] = now if gone else leaves | now
        for gfn in gfns[-2:]:
            if len(existing) < 12 and _ == 0:
                existing[gfn] = {*before[gfn], *(again.leaf(other, cpu, gfn << 12) for cpu in other.cpus)}
                if any(first <= gfn < end for first, end in calls):
                    existing[gfn] = {again.leaf(other, cpu, gfn << 12) for cpu in other.cpus}
    for gfn, leaves in existing.items():
        assert {(int(kind), int(ipat)) for kind, ipat in vm.possible_leaves(gfn)} == leaves
        now = {again.leaf(other, cpu, gfn << 12) for cpu in other.cpus}
        assert contains(vm.stale(), gfn) is bool(leaves - now)


@pytest.mark.parametrize("seed", range(500))
def test_random_events(seed):
    compare(random.Random(seed), 20)


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for seed in range(wanted // 40):
        try:
            compare(random.Random(1_000_000 + seed), 40)
        except BaseException:
            print(f"seed {1_000_000 + seed}", file=sys.stderr)
            raise
        if seed % 500 == 499:
            print(f"{(seed + 1) * 40} events", flush=True)
    print(f"{wanted} events, no difference")
