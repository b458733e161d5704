"""Guests of guests: the leaf of an L2 page, the PAT that L2 runs on, and what is left of it when L1 runs again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from memtype import rules
from memtype.arguments import flag, given, items, word
from memtype.errors import InputError
from memtype.kvm.history import NESTED_SVM_SHARED_PAT
from memtype.kvm.leaves import Leaf
from memtype.kvm.rules import KVM_RULES
from memtype.kvm.vcpu import with_pat
from memtype.kvm.vm import Vm
from memtype.pat import Pat, as_pat
from memtype.readable import readable
from memtype.types import MemoryType


def nested_leaf(vm: Vm, l1_gpa: int, l1_entry: int, mmio: bool = False, vcpu: int = 0) -> Leaf:
    """The leaf that hardware walks for an L2 page that L1 maps to `l1_gpa` by `l1_entry`.

    With EPT KVM decides as for the L1 page, by the CR0.CD of whoever runs; type and IPAT of L1's entry are dropped.
    With nested paging L1's PWT, PCD and PAT bits are dropped and the leaf is WB.

    Raises
    ------
    InputError
        For a type of 2, 3 or 7 in L1's EPT entry: an EPT misconfiguration, no leaf is made. Without EPT and NPT.
    """
    given(vm, Vm, "vm")
    entry = word(l1_entry, "L1's entry")
    if vm.tdp == "none":
        raise InputError("nested paging needs tdp ept or npt, not none")
    if vm.tdp == "npt":
        vm.leaf(l1_gpa, mmio, vcpu)  # refuses what is no address
        return Leaf(MemoryType.WB, False, 0, str(KVM_RULES["kvm-leaf-nested-npt"]), "kvm-leaf-nested-npt")
    encoding = (entry & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT
    if encoding not in rules.EPT_TYPES:
        raise InputError(f"L1's EPT entry 0x{entry:x} has memory type {encoding}: an EPT misconfiguration")
    return vm.leaf(l1_gpa, mmio, vcpu)


# --- Intel ------------------------------------------------------------------------------------------------------


@readable
@dataclass(frozen=True, slots=True)
class Vmcs12:
    """What L1 tells about the PAT in the VMCS that it runs L2 with.

    Attributes
    ----------
    guest_pat, host_pat : the fields guest_ia32_pat and host_ia32_pat
    load : VM-entry control "load IA32_PAT"
    save : VM-exit control "save IA32_PAT"
    load_host : VM-exit control "load IA32_PAT"
    """

    guest_pat: Pat | int | str = rules.PAT_RESET
    host_pat: Pat | int | str = rules.PAT_RESET
    load: bool = True
    save: bool = True
    load_host: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "guest_pat", as_pat(self.guest_pat))
        object.__setattr__(self, "host_pat", as_pat(self.host_pat))
        for name in ("load", "save", "load_host"):
            object.__setattr__(self, name, flag(getattr(self, name), name))


@readable
@dataclass(frozen=True, slots=True)
class RoundTrip:
    """L1 enters L2 and comes back.

    Attributes
    ----------
    entered : False where the entry fails; then nothing changed
    l2_pat : IA32_PAT as L2 had it in the end
    hardware_pat : what the processor ran L2 on: the host's, without its own "load IA32_PAT" (`Vm.load_pat`)
    vm : the VM when L1 runs again; its vCPU holds L1's PAT
    vmcs12 : the fields after the exit
    why : the rule
    """

    entered: bool
    l2_pat: Pat | None
    hardware_pat: Pat | None
    vm: Vm
    vmcs12: Vmcs12
    why: str


def nested_round_trip(vm: Vm, vmcs12: Vmcs12, writes: Iterable[Pat | int | str] = (), vcpu: int = 0) -> RoundTrip:
    """L1 enters L2, L2 writes its PAT (`writes`), and exits.

    Four controls decide: the three of `Vmcs12` and, for hardware, that of the host (`Vm.load_pat`).

    Raises
    ------
    InputError
        On AMD, and for a write that L2 gets #GP for.

    Examples
    --------
    >>> trip = nested_round_trip(Vm("6.4"), Vmcs12(0x0606060606060606, load_host=False))
    >>> hex(trip.vm.msr(0x277))  # L1 keeps L2's PAT
    '0x606060606060606'
    """
    given(vmcs12, Vmcs12, "vmcs12")
    if given(vm, Vm, "vm").vendor != "intel":
        raise InputError("a VMCS is Intel's; ask nested_pat for AMD")
    found = vm.vcpu(vcpu)
    l1 = found.pat
    assert l1 is not None  # a Vm fills it in
    guest, host = as_pat(vmcs12.guest_pat), as_pat(vmcs12.host_pat)
    for name, pat, control in (("guest", guest, vmcs12.load), ("host", host, vmcs12.load_host)):
        if control and vm.profile.nested_vmx_checks_pat and not _legal(pat):
            text = f"vmcs12.{name}_ia32_pat = 0x{pat.value:016x} holds a reserved type: the VM entry fails"
            return RoundTrip(False, None, None, vm, vmcs12, f"{text}; {KVM_RULES['kvm-nested-vmx-checks']}")
    current = guest if vmcs12.load else l1
    for value in items(writes, "writes", "PAT values"):
        written = as_pat(value)
        if not _legal(written) and vm.profile.pat_checked == "always":
            raise InputError(f"L2 gets #GP: 0x{written.value:016x} holds a reserved type")
        current = written
    left = host if vmcs12.load_host else current
    saved = Vmcs12(current if vmcs12.save else guest, host, vmcs12.load, vmcs12.save, vmcs12.load_host)
    hardware = current if vm.load_pat else vm.host_pat
    rule = "kvm-nested-vmx-restored" if vmcs12.load_host else "kvm-nested-vmx-kept"
    return RoundTrip(True, current, hardware, vm._with_vcpu(vcpu, with_pat(found, left)), saved, str(KVM_RULES[rule]))


# --- both -------------------------------------------------------------------------------------------------------


def nested_pat(vm: Vm, l2_pat: Pat | int | str | None, nested_npt: bool = True, vcpu: int = 0) -> Pat:
    """The PAT in hardware while L2 runs.

    Parameters
    ----------
    l2_pat : vmcs12.guest_ia32_pat, None without the load control; or vmcb12.g_pat
    nested_npt : AMD: L1 uses nested paging for L2

    Raises
    ------
    InputError
        For a PAT that KVM refuses at VMRUN (AMD, 7.2 and later): VMEXIT_INVALID; at VM entry (Intel, 5.2 and later).
    """
    l1, nested_npt = given(vm, Vm, "vm").hardware_pat(vcpu), flag(nested_npt, "nested_npt")
    asked = None if l2_pat is None else as_pat(l2_pat)
    if vm.vendor == "intel":
        if asked is not None and vm.profile.nested_vmx_checks_pat and not _legal(asked):
            raise InputError(f"vmcs12.guest_ia32_pat = 0x{asked.value:016x} holds a reserved type: the VM entry fails")
        return l1 if asked is None or not vm.load_pat else asked
    if asked is None or not own_gpat(vm, nested_npt):
        return l1
    if not _legal(asked):
        raise InputError(f"vmcb12.g_pat = 0x{asked.value:016x} holds a reserved type: VMEXIT_INVALID")
    return asked


# --- AMD --------------------------------------------------------------------------------------------------------


def own_gpat(vm: Vm, nested_npt: bool = True) -> bool:
    """Whether L2 has a PAT of its own: from 7.2 on, with NESTED_SVM_SHARED_PAT disabled and nested paging in L1."""
    possible = vm.vendor == "amd" and vm.tdp == "npt" and vm.profile.nested_svm_pat == "quirk"
    return possible and nested_npt and not vm.quirk(NESTED_SVM_SHARED_PAT)


def nested_pat_write(
    vm: Vm, l2_pat: Pat | int | str, value: int, host_initiated: bool = False, nested_npt: bool = True, vcpu: int = 0
) -> tuple[Vm, Pat]:
    """IA32_PAT is written while L2 runs on AMD: the VM after it (its vCPU holds L1's PAT), and what L2 runs on.

    Without a PAT of its own L2 shares L1's: the write goes to vmcb01 and vmcb02. With one the guest's write goes to
    gPAT; one by userspace always reaches L1's.

    Raises
    ------
    InputError
        For a reserved type: #GP; and on Intel.
    """
    if given(vm, Vm, "vm").vendor != "amd":
        raise InputError("a gPAT is AMD's; ask nested_round_trip for Intel")
    written, l2 = Pat(word(value, "IA32_PAT")), as_pat(l2_pat)
    if not _legal(written):
        raise InputError(f"IA32_PAT = 0x{written.value:016x} holds a reserved type: #GP")
    own, found = own_gpat(vm, flag(nested_npt, "nested_npt")), vm.vcpu(vcpu)
    if not flag(host_initiated, "host_initiated") and own:
        return vm, written
    after = vm._with_vcpu(vcpu, with_pat(found, written))
    return after, l2 if own else after.hardware_pat(vcpu)


def set_nested_state(vm: Vm, gpat: Pat | int | str, nested_npt: bool = True, vcpu: int = 0) -> Pat:
    """The PAT in hardware after KVM_SET_NESTED_STATE restores an AMD guest that runs L2 with vmcb12.g_pat `gpat`.

    Raises
    ------
    InputError
        For an invalid gPAT where L2 has its own (7.2 and later): the ioctl fails; and on Intel.
    """
    if given(vm, Vm, "vm").vendor != "amd":
        raise InputError("a gPAT is AMD's; Intel's nested state holds vmcs12, ask nested_round_trip")
    asked = as_pat(gpat)
    if not own_gpat(vm, flag(nested_npt, "nested_npt")):
        return vm.hardware_pat(vcpu)
    if not _legal(asked):
        raise InputError(f"KVM_SET_NESTED_STATE fails: gPAT 0x{asked.value:016x} holds a reserved type")
    return asked


def _legal(pat: Pat) -> bool:
    return all(entry in rules.PAT_TYPES for entry in pat.value.to_bytes(8, "little"))
