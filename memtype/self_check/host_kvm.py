"""The KVM of this host and the rules: which values of every register it takes, from user space and from a guest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, count, islice

from memtype import rules
from memtype.backends import reference
from memtype.embed.kvm import HostVm
from memtype.embed.kvm_guest import GuestVm
from memtype.errors import LiveReadRefused
from memtype.self_check.core import AT_ONCE, values_of
from memtype.self_check.report import Part, Tell
from memtype.vectors.states import WIDTHS


def compare(part: Part, kind: type[HostVm], seed: int, seconds: float, tell: Tell, device: str) -> None:
    """Every register once, then random values, at several widths. The guest's registers are KVM's: 8 pairs, no AMD
    extensions."""
    began = time.monotonic()
    values = chain(each_register(), (value[:2] for value in values_of(seed)))
    try:
        for number in count():
            with kind(WIDTHS[(number * 5 + seed) % len(WIDTHS)], device) as vm:
                for index, value in islice(values, AT_ONCE):
                    _ask(part, vm, index, value)
            tell(part, began)
            if time.monotonic() - began >= seconds:
                return
    except LiveReadRefused as error:
        part.skipped = str(error)


def each_register() -> Iterator[tuple[int, int]]:
    """(MSR, value): for every MTRR and IA32_PAT one value that is taken and one that is not."""
    yield rules.MTRRCAP, rules.KVM_MTRRCAP
    for index in sorted({*rules.saved_msrs(rules.KVM_PAIRS)} - {rules.MTRRCAP}):
        legal = rules.DEF_TYPE_E | 6 if index == rules.DEF_TYPE_MSR else 0x0606_0606_0606_0606
        is_mask = index in range(rules.PHYSMASK0, rules.FIXED_MSRS[0], 2)
        if index < rules.FIXED_MSRS[0]:
            legal = rules.MASK_VALID | 0x8000_0000 if is_mask else 0x8000_0006
        yield index, legal
        yield index, legal | 1 if is_mask else legal & ~0xFF | 2  # a reserved bit, a reserved type


def _ask(part: Part, vm: HostVm, index: int, value: int) -> None:
    """One write, by the guest where it runs, else by user space. MTRRCAP is constant: KVM may take it from user space
    as a feature, so only its value is asked there."""
    part.count += 1
    name, where = rules.msr_name(index), f"MSR 0x{index:x} = 0x{value:x} at {vm.maxphyaddr} bits"
    write = vm.wrmsr if isinstance(vm, GuestVm) else vm.set_msr
    if index == rules.MTRRCAP and not isinstance(vm, GuestVm):
        if vm.get_msr(index) != rules.KVM_MTRRCAP:
            part.differ(f"{name} reads", f"{name} is {vm.get_msr(index)}, not 0x{rules.KVM_MTRRCAP:x}")
        return
    taken, right = (
        write(index, value),
        _has(index) and reference.msr_fault(index, value, vm.maxphyaddr, "intel") is None,
    )
    if taken != right:
        part.differ(f"{name} {'taken' if taken else 'refused'}", f"{where}: {'taken' if taken else 'refused'}, "
                    f"by the manual {'taken' if right else 'refused'}")  # fmt: skip
    if taken and vm.get_msr(index) != value:
        read = vm.get_msr(index)
        part.differ(f"{name} reads", f"{where}: reads back as {'nothing' if read is None else hex(read)}")


def _has(index: int) -> bool:
    """Whether KVM has the register: 8 pairs."""
    return not rules.PHYSBASE0 + 2 * rules.KVM_PAIRS <= index < rules.FIXED_MSRS[0]
