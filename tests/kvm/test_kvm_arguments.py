"""Every argument of every public call: what it is if not given, and that a value of a wrong kind is refused by name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import memtype as mt
from memtype import kvm
from memtype.kvm import Vcpu, Vm, Vmcs12, WriteMsr

INTEL = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=36)] * 2)
AMD = Vm("7.2", "amd", vcpus=[Vcpu(maxphyaddr=36)] * 2)
ZAP = INTEL.apply(WriteMsr(0x2FF, 0xC06))[1]

# What each call needs, and what its other arguments are if they are not given.
CALLS: list[tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]] = [
    (Vm, {"profile": "6.4"}, {
        "vendor": "intel", "tdp": None, "noncoherent_dma": False, "vcpus": None, "vm_type": "normal",
        "self_snoop": True, "disabled_quirks": (), "load_pat": True, "host_pat": None, "ignore_msrs": False,
        "memory": None, "as_architected": False}),
    (Vcpu, {}, {"mtrrs": None, "pat": None, "cr0_cd": False, "cr0_pg": True, "cpuid_mtrr": True, "maxphyaddr": None,
                "order": None, "masks_written": None, "g_pat": None}),
    (WriteMsr, {"index": 0x277, "value": 0}, {"vcpu": 0, "host_initiated": False}),
    (kvm.SetMtrrs, {"mtrrs": mt.MtrrState()}, {"vcpu": None}),
    (kvm.SetCr0Cd, {"value": True}, {"vcpu": 0}),
    (kvm.NoncoherentDma, {"count": 1}, {}),
    (kvm.DisableQuirks, {"quirks": ()}, {"checked": None}),
    (Vmcs12, {}, {"guest_pat": 0x0007040600070406, "host_pat": 0x0007040600070406, "load": True, "save": True,
                  "load_host": True}),
    (kvm.is_mmio, {"profile": "6.4", "pfn_valid": True}, {
        "reserved": False, "zero_page": False, "host_pat": "WB", "host_pat_enabled": True, "e820_ram": False}),
    (kvm.profile, {"name": "6.4"}, {}),
    (kvm.replay, {"vm": INTEL, "events": ()}, {"memory": None}),
    (kvm.nested_leaf, {"vm": INTEL, "l1_gpa": 0, "l1_entry": 0x30}, {"mmio": False, "vcpu": 0}),
    (kvm.nested_round_trip, {"vm": INTEL, "vmcs12": Vmcs12()}, {"writes": (), "vcpu": 0}),
    (kvm.nested_pat, {"vm": INTEL, "l2_pat": None}, {"nested_npt": True, "vcpu": 0}),
    (kvm.nested_pat_write, {"vm": AMD, "l2_pat": 0, "value": 0}, {
        "host_initiated": False, "nested_npt": True, "vcpu": 0}),
    (kvm.set_nested_state, {"vm": AMD, "gpat": 0}, {"nested_npt": True, "vcpu": 0}),
    (kvm.nested.own_gpat, {"vm": AMD}, {"nested_npt": True}),
    (INTEL.quirk, {"name": "CD_NW_CLEARED"}, {}),
    (INTEL.vcpu, {"number": 0}, {}),
    (INTEL.leaf, {"gpa": 0}, {"mmio": False, "vcpu": 0, "private": False}),
    (INTEL.guest_type, {"gpa": 0}, {"vcpu": 0, "as_architected": False}),
    (INTEL.guest_map, {}, {"vcpu": 0}),
    (INTEL.deviation, {"gpa": 0}, {"vcpu": 0}),
    (INTEL.msr, {"index": 0x277}, {"vcpu": 0}),
    (INTEL.huge_page_consistent, {"gfn": 0, "pages": 1}, {"vcpu": 0}),
    (INTEL.max_level, {"gfn": 0}, {"vcpu": 0}),
    (INTEL.leaf_pieces, {}, {"vcpu": 0, "mmio": False}),
    (INTEL.leaf_bits, {"gfns": [0]}, {"mmio": False, "vcpu": 0, "out": None, "threads": 1}),
    (INTEL.fill, {"sptes": np.zeros(1, np.uint64), "gfns": [0]}, {"mmio": False, "vcpu": 0, "threads": 1}),
    (INTEL.hardware_pat, {}, {"vcpu": 0}),
    (INTEL.effective, {"gpa": 0}, {
        "pat": "WB", "vcpu": 0, "mmio": False, "host_mtrr": "WB", "pat_index": None, "private": False}),
    (INTEL.possible_leaves, {"gfn": 0}, {}),
    (INTEL.apply, {"event": kvm.SetCr0Cd(True)}, {}),
    (ZAP.first_changes, {"count": 1}, {}),
]  # fmt: skip
ASKED = [pytest.param(call, needed, name, id=f"{call.__qualname__}-{name}")
         for call, needed, others in CALLS if call is not kvm.nested.own_gpat  # its callers check
         for name in (*needed, *others)]  # fmt: skip

# What is said of a value that is of no kind at all ("…"): by call and argument, else by argument.
RELEASE = "… names no KVM release (6.4, 6.12.80, 6.11-rc3, ubuntu 6.8.0-140, kvm-6.7)"
SAID = {
    "vcpu": "vCPU … is not an integer", "number": "vCPU … is not an integer",
    "gpa": "address … is not an integer", "l1_gpa": "address … is not an integer", "gfn": "gfn … is not an integer",
    "profile": RELEASE, "profile.name": RELEASE,
    "vendor": "vendor … is neither intel nor amd", "tdp": "tdp …: intel has ept or none (shadow paging)",
    "noncoherent_dma": "noncoherent_dma … is not an integer", "vcpus": "vcpus = … is not a sequence of Vcpu",
    "vm_type": "vm_type … is not one of normal, tdx, sev-es, sev-snp",
    "disabled_quirks": "quirks = … is not a sequence of names", "quirks": "quirks = … is not a sequence of names",
    "Vm.memory": "memory = … is not a sequence of (base, size)", "replay.memory": "memory … is not an integer",
    "Vcpu.mtrrs": "mtrrs: object is no MtrrState", "SetMtrrs.mtrrs": "SetMtrrs: mtrrs = … is no MtrrState",
    "maxphyaddr": "MAXPHYADDR … is not an integer", "order": "order = … is not a sequence of integers",
    "masks_written": "masks_written = … is not a sequence of integers",
    "WriteMsr.index": "MSR index … is not an integer", "WriteMsr.value": "MSR value … is not an integer",
    "Vm.msr.index": "RDMSR …: an MSR is named by its number", "SetCr0Cd.value": "CR0.CD = … is neither 0 nor 1",
    "NoncoherentDma.count": "noncoherent_dma … is not an integer", "Zap.first_changes.count":
    "count … is not an integer", "is_mmio.host_pat": "host_pat = … is not a memory type",
    "Vm.effective.pat": "pat = … is not a memory type", "host_mtrr": "host_mtrr = … is not a memory type",
    "pat_index": "PAT index … is not an integer", "vm": "vm = … is no Vm", "vmcs12": "vmcs12 = … is no Vmcs12",
    "events": "events = … is not a sequence of events", "writes": "writes = … is not a sequence of PAT values",
    "l1_entry": "L1's entry = … is not an integer", "Vm.quirk.name": "quirk = … is no str",
    "pages": "count of pages … is not an integer", "gfns": "gfns[0] = … is not an integer",
    "Vm.leaf_bits.mmio": "mmio: dtype object is not bool; give bool, or 0 and 1",
    "Vm.fill.mmio": "mmio: dtype object is not bool; give bool, or 0 and 1",
    "out": "out: dtype object is not uint64", "sptes": "sptes: dtype object is not uint64",
    "threads": "threads = … is not a positive integer",
    "event": "… is no event (WriteMsr, SetMtrrs, SetCr0Cd, NoncoherentDma, DisableQuirks, InitVmcb)",
    **dict.fromkeys(("pat", "g_pat", "host_pat", "guest_pat", "l2_pat", "gpat", "nested_pat_write.value"),
                    "IA32_PAT = … is not an integer"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "needed", "others"), CALLS, ids=[call.__qualname__ for call, _, _ in CALLS])
def test_what_an_argument_is_if_it_is_not_given(
    call: Callable[..., Any], needed: dict[str, Any], others: dict[str, Any]
) -> None:
    found = {name: one.default for name, one in inspect.signature(call).parameters.items()}
    assert found == dict.fromkeys(needed, inspect.Parameter.empty) | others
    call(**needed)
    call(**needed, **others)


@pytest.mark.parametrize(("call", "needed", "name"), ASKED)
def test_a_value_of_no_kind_is_refused_by_the_arguments_name(
    call: Callable[..., Any], needed: dict[str, Any], name: str
) -> None:
    with pytest.raises(mt.InputError) as refused:
        made = call(**{**needed, name: object()})
        INTEL.apply(made)  # an event is refused when it happens
    said = re.sub(r"<object object at 0x[0-9a-f]+>", "…", str(refused.value))
    assert said == SAID.get(f"{call.__qualname__}.{name}", SAID.get(name, f"{name} = … is neither 0 nor 1"))


@pytest.mark.parametrize(("call", "said"), [
    (lambda: Vm("6.4", vcpus=[3]), "vcpus: int is no Vcpu"),
    (lambda: Vm("6.4", disabled_quirks=[3]), "quirk = 3 is no str"),
    (lambda: Vm("6.4", memory=[(0, 4096), (0, "x")]), "memory[1] 'x' is not an integer"),
    (lambda: Vm("6.4", memory=[(1, 2, 3)]), "memory[0] = (1, 2, 3) is not (base, size)"),
    (lambda: Vcpu(masks_written=["x"]), "masks_written 'x' is not an integer"),
    (lambda: Vcpu(order=["x"]), "order 'x' is not an integer"),
    (lambda: Vcpu(order=[8]), "order: there is no variable range 8"),
    (lambda: Vcpu(masks_written=[-1]), "masks_written: there is no variable range -1"),
    (lambda: kvm.replay(INTEL, [3]), "3 is no event (WriteMsr, SetMtrrs, SetCr0Cd, NoncoherentDma, DisableQuirks, "
     "InitVmcb)"),
    (lambda: INTEL.vcpu(2), "vCPU 2: the VM has vCPUs 0 to 1"),
    (lambda: INTEL.vcpu(-1), "vCPU -1: the VM has vCPUs 0 to 1"),
    (lambda: INTEL.quirk("cd"), None),
    (lambda: INTEL.leaf_bits([0, 1], mmio=[True, False, True]), "mmio: shape (3,) does not fit gfns (2,)"),
    (lambda: INTEL.leaf_bits([0], threads=0), "threads = 0 is not a positive integer"),
    (lambda: INTEL.leaf_bits(0, threads=0), "threads = 0 is not a positive integer"),
    (lambda: WriteMsr(1 << 32, 0), "MSR index 4294967296 is no 32-bit number"),
    (lambda: WriteMsr(-1, 0), "MSR index -1 is no 32-bit number"),
    (lambda: WriteMsr(0, 1 << 64), "MSR value 18446744073709551616 is no 64-bit number"),
    (lambda: WriteMsr(0, -1), "MSR value -1 is no 64-bit number"),
    (lambda: WriteMsr(0, (1 << 64) - 1), None),
    (lambda: WriteMsr((1 << 32) - 1, 0), None),
    (lambda: Vm("6.4", memory=[(-1, 4096)]), "memory[0]: 0x-1+0x1000 is not within [0, 2**52)"),
    (lambda: Vm("6.4", memory=[(0, 0)]), "memory[0]: 0x0+0x0 is not within [0, 2**52)"),
    (lambda: Vm("6.4", memory=[(1, 1 << 52)]), "memory[0]: 0x1+0x10000000000000 is not within [0, 2**52)"),
    (lambda: Vm("6.4", memory=[(0, 1 << 52), (0, 1), ((1 << 52) - 1, 1)]), None),
    (lambda: Vm("6.4", noncoherent_dma=-1), "noncoherent_dma -1 is no count of devices"),
    (lambda: Vm("6.4", noncoherent_dma=0), None),
    (lambda: ZAP.first_changes(65_537), "count = 65537: 0 to 65536 can be listed"),
    (lambda: INTEL.effective(0, pat_index=8), "PAT index 8 is not within 0 to 7"),
    (lambda: INTEL.effective(0, pat_index=-1), "PAT index -1 is not within 0 to 7"),
    (lambda: INTEL.effective(0, pat_index=7), None),
    (lambda: kvm.nested_leaf(INTEL, 0, 0x10), "L1's EPT entry 0x10 has memory type 2: an EPT misconfiguration"),
])  # fmt: skip
def test_what_is_inside_an_argument_and_where_bounds_lie(call: Callable[[], Any], said: str | None) -> None:
    if said is None:
        call()
        return
    with pytest.raises(mt.InputError) as refused:
        call()
    assert str(refused.value) == said
