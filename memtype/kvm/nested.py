"""Guests of guests: the leaf of an L2 page under nested EPT, and the PAT that L2 runs on."""

from __future__ import annotations

from memtype import rules
from memtype.errors import InputError
from memtype.kvm.history import NESTED_SVM_SHARED_PAT
from memtype.kvm.vm import Leaf, Vm
from memtype.pat import Pat, as_pat


def nested_leaf(vm: Vm, l1_gpa: int, l1_entry: int, mmio: bool = False, vcpu: int = 0) -> Leaf:
    """The shadow EPT leaf of an L2 page that L1 maps to `l1_gpa` by `l1_entry`.

    KVM decides as for the L1 page, by the CR0.CD of whoever runs; type and IPAT of L1's entry are dropped.

    Raises
    ------
    InputError
        For a type of 2, 3 or 7 in L1's entry: an EPT misconfiguration, no leaf is made.
    """
    if vm.tdp != "ept":
        raise InputError(f"nested EPT needs tdp ept, not {vm.tdp}")
    encoding = l1_entry >> 3 & 7
    if encoding not in rules.MTRR_TYPES:
        raise InputError(f"L1's EPT entry 0x{l1_entry:x} has memory type {encoding}: an EPT misconfiguration")
    return vm.leaf(l1_gpa, mmio, vcpu)


def nested_pat(vm: Vm, l2_pat: Pat | int | str | None, nested_npt: bool = True, vcpu: int = 0) -> Pat:
    """The PAT in hardware while L2 runs.

    Parameters
    ----------
    l2_pat : vmcs12.guest_ia32_pat, None without the load control; or vmcb12.g_pat
    nested_npt : AMD: L1 uses nested paging for L2

    Raises
    ------
    InputError
        For a PAT that KVM refuses at VMRUN (AMD, 7.2 and later): VMEXIT_INVALID.
    """
    l1 = vm.hardware_pat(vcpu)
    asked = None if l2_pat is None else as_pat(l2_pat)
    if vm.vendor == "intel":
        return l1 if asked is None or not vm.load_pat else asked
    own = vm.profile.nested_svm_pat == "quirk" and not vm.quirk(NESTED_SVM_SHARED_PAT) and nested_npt
    if asked is None or not own:
        return l1
    if any(byte not in rules.PAT_TYPES for byte in asked.value.to_bytes(8, "little")):
        raise InputError(f"vmcb12.g_pat = 0x{asked.value:016x} holds a reserved type: VMEXIT_INVALID")
    return asked
