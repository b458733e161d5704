"""drgn: the host's MTRRs and those of KVM's virtual processors, from a running kernel or a crash dump.

The layout is chosen by the members that are there, not by a release: vendors backport.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memtype import rules
from memtype.embed.msr import differences
from memtype.errors import InputError
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState
from memtype.pat import Pat

_ENABLED_SHIFT = 10  # Linux keeps DEF_TYPE bits 11:10 as `enabled` (E is bit 1, FE bit 0)


def host(prog: Any) -> Machine:
    """The MTRRs as the kernel keeps them (those of the boot processor), with MAXPHYADDR, vendor, TOP_MEM2, PAT.

    Parameters
    ----------
    prog : drgn.Program of a Linux kernel with its types

    Raises
    ------
    InputError
        When the kernel has no MTRR state.

    Examples
    --------
    In ``drgn`` (``prog`` is there)::

        from memtype.embed import drgn as memtypes
        print(memtypes.host(prog).mtrrs.view("linux-6.12").explain(0xFEE00000))
    """
    mtrrs = _find(prog, "mtrr_state")
    if mtrrs is None:
        raise InputError("this kernel has no mtrr_state: no MTRR support, or no debugging information")
    cpu = _find(prog, "boot_cpu_data")
    width = None if cpu is None else int(cpu.x86_phys_bits)
    vendor = "intel" if cpu is None else cpu.x86_vendor_id.string_().decode("ascii", "replace")
    count, tom2 = _find(prog, "num_var_ranges"), _find(prog, "mtrr_tom2")
    registers = _linux_registers(mtrrs, None if count is None else int(count))
    if tom2 is not None and int(tom2):
        registers |= {
            rules.TOP_MEM2_MSR: int(tom2),
            rules.SYSCFG_MSR: rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB,
        }
    state = MtrrState.from_msrs(registers, width, vendor)
    pat = _find(prog, "pat_msr_val")
    known = Cpu(0, state, None if pat is None else Pat(int(pat)))
    notes = ("mtrr_state is what Linux read of the boot processor",)
    return Machine((known,), "drgn", vendor=state.vendor, maxphyaddr=state.maxphyaddr, notes=notes)


def vms(prog: Any) -> Iterator[Machine]:
    """One `Machine` for each KVM virtual machine of the host.

    Raises
    ------
    InputError
        When the kernel has no KVM.
    """
    from drgn.helpers.linux.list import list_for_each_entry

    head = _find(prog, "vm_list")
    if head is None:
        raise InputError("this kernel has no vm_list: KVM is not loaded, or its types are not")
    for kvm in list_for_each_entry("struct kvm", head.address_of_(), "vm_list"):
        yield vm(kvm)


def vm(kvm: Any, vendor: str = "intel") -> Machine:
    """The virtual processors of one ``struct kvm *``.

    Examples
    --------
    ::

        >>> for guest in memtypes.vms(prog):                            # doctest: +SKIP
        ...     print(guest.mtrrs.view("kvm-6.4").at(0xC0000000))
    """
    cpus = tuple(vcpu(one, vendor) for one in _vcpus(kvm))
    if not cpus:
        raise InputError("this virtual machine has no virtual processor yet")
    width = cpus[0].mtrrs.maxphyaddr if cpus[0].mtrrs else None
    return Machine(cpus, "drgn-kvm", vendor=vendor, maxphyaddr=width, notes=differences(cpus))


def vcpu(vcpu: Any, vendor: str = "intel") -> Cpu:
    """One ``struct kvm_vcpu *``: kernels up to 6.10 keep ranges, from 6.11 on plain MSR values."""
    arch = vcpu.arch
    width = int(arch.maxphyaddr) if _has(arch, "maxphyaddr") else 0
    width = width or rules.CPUID_ABSENT_MAXPHYADDR
    state = MtrrState.from_msrs(kvm_registers(arch.mtrr_state, width), width, vendor)
    return Cpu(int(vcpu.vcpu_id), state, Pat(int(arch.pat)))


def kvm_registers(mtrrs: Any, maxphyaddr: int) -> dict[int, int]:
    """``{index: value}`` of a vCPU's ``arch.mtrr_state`` in any layout.

    Raises
    ------
    InputError
        When its members are those of no known layout.
    """
    if _has(mtrrs, "fixed_64k"):  # 6.11 on
        pairs = [int(word) for word in mtrrs.var]
        fixed = [int(mtrrs.fixed_64k), *map(int, mtrrs.fixed_16k), *map(int, mtrrs.fixed_4k)]
        return _registers(int(mtrrs.deftype), fixed, pairs)
    if _has(mtrrs, "deftype"):  # 4.2 to 6.10; masks are kept with bits 63:MAXPHYADDR set
        above = rules.high_bits(maxphyaddr)
        pairs = [word for one in mtrrs.var_ranges for word in (int(one.base), int(one.mask) & ~above)]
        return _registers(int(mtrrs.deftype), _fixed(mtrrs.fixed_ranges), pairs)
    if _has(mtrrs, "enabled"):  # up to 4.1 KVM used the host's structure, with its 8 pairs
        return _linux_registers(mtrrs, _KVM_PAIRS)
    raise InputError(f"{mtrrs.type_.type_name()} has neither fixed_64k nor deftype nor enabled: an unknown layout")


_KVM_PAIRS = 8


def _linux_registers(mtrrs: Any, count: int | None) -> dict[int, int]:
    """``struct mtrr_state_type``: 32-bit halves, a byte per fixed sub-range, DEF_TYPE in two members."""
    pairs = []
    for n in range(len(mtrrs.var_ranges) if count is None else count):
        one = mtrrs.var_ranges[n]
        pairs += [int(one.base_hi) << 32 | int(one.base_lo), int(one.mask_hi) << 32 | int(one.mask_lo)]
    while count is None and pairs and not pairs[-1] and not pairs[-2]:
        del pairs[-2:]
    def_type = int(mtrrs.enabled) << _ENABLED_SHIFT | int(mtrrs.def_type)
    registers = _registers(def_type, _fixed(mtrrs.fixed_ranges), pairs)
    if not int(mtrrs.have_fixed):
        registers[rules.MTRRCAP] = len(pairs) // 2
    return registers


def _registers(def_type: int, fixed: list[int], pairs: list[int]) -> dict[int, int]:
    numbered = pairs[: 2 * rules.NUMBERED_PAIRS]
    return {
        rules.DEF_TYPE_MSR: def_type,
        **dict(zip(rules.FIXED_MSRS, fixed, strict=True)),
        **{rules.PHYSBASE0 + n: word for n, word in enumerate(numbered)},
    }


def _fixed(ranges: Any) -> list[int]:
    """88 bytes, lowest address first, as the 11 registers."""
    whole = bytes(int(kind) for kind in ranges)
    return [int.from_bytes(whole[n : n + 8], "little") for n in range(0, len(whole), 8)]


def _vcpus(kvm: Any) -> Iterator[Any]:
    if _has(kvm, "vcpu_array"):  # 5.17 on
        from drgn import cast
        from drgn.helpers.linux.xarray import xa_for_each

        for _, entry in xa_for_each(kvm.vcpu_array.address_of_()):
            yield cast("struct kvm_vcpu *", entry)
        return
    for n in range(int(kvm.online_vcpus.counter)):
        yield kvm.vcpus[n]


def _has(thing: Any, member: str) -> bool:
    kind = thing.type_
    while not hasattr(kind, "members"):  # pointers and typedefs
        kind = kind.type
    return any(one.name == member for one in kind.members)


def _find(prog: Any, name: str) -> Any:
    try:
        return prog[name]
    except KeyError:
        return None
