"""Guest states that the KVM tests share, built by MSR writes as firmware would."""

from __future__ import annotations

import memtype as mt
from memtype.kvm import DisableQuirks, Vcpu, Vm, WriteMsr

MAXPHYADDR = 36
GIB = 1 << 30
FIXED = (0x250, 0x258, 0x259, *range(0x268, 0x270))
WB_ALL = 0x0606060606060606
WP_ALL = 0x0505050505050505
EVERYTHING = (0, 0xFFFFFFFFFFFFF)
EVERYTHING_CD = (0, 0xFFFFFFFFFFFFFFFF)  # what a CR0.CD toggle passes


def mask(size: int) -> int:
    """PHYSMASK with V for a power of two, MAXPHYADDR 36."""
    return (1 << MAXPHYADDR) - size | 0x800


def pair(n: int, base: int, size: int) -> list[tuple[int, int]]:
    return [(0x200 + 2 * n, base), (0x201 + 2 * n, mask(size))]


FIRMWARE = [
    (0x250, WB_ALL), (0x258, WB_ALL), (0x259, 0), *((0x268 + i, WP_ALL) for i in range(8)),
    *pair(0, 3 * GIB, GIB),
]  # fmt: skip


def guest(release: str, writes: list[tuple[int, int]] = [], **options: object) -> Vm:  # noqa: B006
    """A VM of one vCPU (or of `vcpus`), MAXPHYADDR 36, after the writes, which must all be taken."""
    vcpu_options = {key: options.pop(key) for key in ("cpuid_mtrr", "cr0_cd", "cr0_pg", "pat") if key in options}
    vcpus = options.pop("vcpus", None) or [Vcpu(maxphyaddr=MAXPHYADDR, **vcpu_options)]
    vm = Vm(release, vcpus=vcpus, **options)
    return written(vm, writes)


def written(vm: Vm, writes: list[tuple[int, int]], vcpu: int = 0) -> Vm:
    for index, value in writes:
        vm, zap = vm.apply(WriteMsr(index, value, vcpu))
        assert zap.accepted, (hex(index), hex(value), zap.why)
    return vm


def accepted(vm: Vm, index: int, value: int) -> bool:
    """Whether the write is taken; a refused one leaves the VM as it was."""
    after, zap = vm.apply(WriteMsr(index, value))
    if not zap.accepted:
        assert after == vm and zap.done == [] and zap.needed == [] and zap.refusal
    return zap.accepted


def types(vm: Vm, *addresses: int) -> str:
    """The guest's MTRR types as this release computes them, as words."""
    return " ".join(str(vm.guest_type(address)) for address in addresses)


def leaf(vm: Vm, gpa: int = 0, **options: object) -> tuple[str, int]:
    found = vm.leaf(gpa, **options)
    assert found.bits == (found.type << 3 | found.ipat << 6) & vm.leaf_field
    return str(found.type), int(found.ipat)


def no_quirk(vm: Vm, name: str) -> Vm:
    return vm.apply(DisableQuirks({name}))[0]


def T(text: str) -> mt.MemoryType:
    return mt.MemoryType.parse(text)
