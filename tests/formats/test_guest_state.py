"""VMCS and VMCB dumps of KVM and Xen: whose PAT is whose, the nested tables, several processors, hosts' logs."""

from __future__ import annotations

import pytest

import memtype as mt
from memtype.cli import main
from memtype.formats import guest_state

GUEST, HOST = 0x0407050600070106, 0x0007010600070106
VMCS = f"""kvm_intel: VMCS 00000000abcdef01, last attempted VM-entry on CPU 3
*** Guest State ***
CR0: actual=0x0000000080050033, shadow=0x0000000080050033, gh_mask=fffffffffffffff7
CR3 = 0x0000000002a0a000
EFER= 0x0000000000000d01
PAT = 0x{GUEST:016x}
*** Host State ***
CR0=0000000080050033 CR3=0000000104a52002 CR4=00000000003726e0
EFER= 0x0000000000000d01
PAT = 0x{HOST:016x}
*** Control State ***
EPT pointer = 0x000000010a2b305e
Virtual processor ID = 0x0001
"""
XEN = f"""(XEN) *** Domain 3 ***
(XEN) \tVCPU 1
(XEN) *** Guest State ***
(XEN) CR0: actual=0x00000000c0050033, shadow=0x00000000c0050033, gh_mask=ffffffffffffffff
(XEN) EFER(VMCS) = 0x0000000000000d01  PAT = 0x{GUEST:016x}
(XEN) *** Host State ***
(XEN) CR0=0000000080050033 CR3=0000000104a52002 CR4=00000000003726e0
(XEN) EFER = 0x0000000000000d01  PAT = 0x0000050100070406
(XEN) *** Control State ***
(XEN) EPT pointer = 0x0000000847a8c01e  EPTP index = 0x0000
"""
VMCB = f"""kvm_amd: VMCB 000000007e0e1f2c, last attempted VMRUN on CPU 5
kvm_amd: VMCB Control Area:
kvm_amd: cr_read:            0010
kvm_amd: nested_ctl:         1
kvm_amd: nested_cr3:         0000000109c3a000
kvm_amd: VMCB State Save Area:
kvm_amd: cr0:            0000000080050033 cr2:          00007f0000001000
kvm_amd: gpat:           {GUEST:016x} dbgctl:       0000000000000000
"""
XEN_VMCB = f"""(XEN) Dumping guest's current state at show...
(XEN) np_ctrl = 0x1 guest_asid = 0x2
(XEN) CR0 = 0x000000008005003b CR2 = 0x00007f0000001000
(XEN) KernGSBase = 0x0000000000000000 PAT = 0x{GUEST:016x}
(XEN) H_CR3 = 0x00000008476c2000 CleanBits = 0xfffffff7
"""


@pytest.mark.parametrize(
    ("text", "kind", "vendor", "table"),
    [(VMCS, "vmcs", "intel", "0x10a2b305e"), (XEN, "vmcs", "intel", "0x847a8c01e"),
     (VMCB, "vmcb", "amd", "0x109c3a000"), (XEN_VMCB, "vmcb", "amd", "0x8476c2000")],
)  # fmt: skip
def test_the_machine_is_the_guest(text, kind, vendor, table):
    machine = mt.parse(text)
    assert machine.format == "guest-state" and machine.vendor == vendor and machine.mtrrs is None
    assert machine.pat == mt.Pat(GUEST)
    (guest,) = machine.facts["guests"]
    assert guest["kind"] == kind and guest["guest_pat"] == f"0x{GUEST:x}"
    assert guest["eptp" if kind == "vmcs" else "nested_cr3"] == table


def test_the_hosts_pat_is_told_apart():
    assert mt.parse(VMCS).facts["guests"][0]["host_pat"] == f"0x{HOST:x}"
    assert mt.parse(XEN).facts["guests"][0]["host_pat"] == "0x50100070406"
    # a host section alone: its PAT is nobody's guest's
    only_host = VMCS[VMCS.index("*** Host") :].replace("*** Host", "*** Guest State ***\n*** Host")
    assert mt.parse(only_host).pat is None


def test_the_old_line_with_both_registers():
    old = VMCS.replace(f"EFER= 0x0000000000000d01\nPAT = 0x{GUEST:016x}", f"EFER =     0xd01  PAT = 0x{GUEST:016x}")
    assert mt.parse(old).pat == mt.Pat(GUEST) and mt.parse(old).facts == mt.parse(VMCS).facts | {
        "guests": [mt.parse(VMCS).facts["guests"][0]]
    }


def test_several_processors_are_numbered_as_printed():
    two = XEN + XEN.replace("VCPU 1", "VCPU 4").replace(f"{GUEST:016x}", "0007040600070406").replace("Domain 3", "")
    machine = mt.parse(two)
    assert [(cpu.number, cpu.pat) for cpu in machine.cpus] == [(1, mt.Pat(GUEST)), (4, mt.Pat())]
    assert len(mt.parse(VMCB + VMCB).states) == 1  # a copy
    old, new = mt.parse(VMCB + VMCB.replace(f"{GUEST:016x}", "0007040600070406")).states
    assert (old.pat, new.pat) == (mt.Pat(GUEST), mt.Pat())


def test_guests_are_counted_where_a_number_comes_twice_and_their_vendor_is_what_all_say():
    machine = guest_state.parse("VCPU 7\n" + VMCS + "VCPU 7\n" + VMCS)
    assert [(guest["kind"], guest["vcpu"]) for guest in machine.facts["guests"]] == [("vmcs", 0), ("vmcs", 1)]
    assert [cpu.number for cpu in machine.cpus] == [0, 1] and machine.vendor == "intel"
    assert guest_state.parse(VMCS + VMCB).vendor is guest_state.parse(VMCB + VMCS).vendor is None


def test_a_hosts_log_keeps_the_hosts_pat():
    log = "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WC  UC- UC\n" + VMCS
    machine = mt.parse(log)
    assert machine.pat == mt.Pat(HOST) and machine.facts["guests"][0]["guest_pat"] == f"0x{GUEST:x}"
    assert not any("disagree" in str(note) for note in machine.notes)


def test_registers_pasted_beside_it_are_read_and_its_lines_left_alone():
    machine = mt.parse("0x2ff 0xc06\n0x277 0x0007040600070406\n" + VMCS.replace(f"PAT = 0x{GUEST:016x}\n", ""))
    assert machine.registers.held[0x2FF].value == 0xC06 and machine.pat == mt.Pat()


def test_two_values_for_one_structure_are_refused_by_line():
    with pytest.raises(mt.ParseError, match=r"^<text>:9: guest_pat again"):
        mt.parse(VMCB + "kvm_amd: gpat:           0007040600070406 dbgctl: 0\n")
    with pytest.raises(mt.ParseError, match="64-bit"):
        mt.parse(VMCS.replace(f"0x{GUEST:016x}", "0x" + "4" * 30))


def test_show_names_the_tables(tmp_path, capsys):
    path = tmp_path / "vmcs"
    path.write_text(VMCS)
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "guest PAT 0x0407050600070106: WB WC UC- UC WB WP UC- WT" in out
    assert "EPT pointer 0x10a2b305e: 4 levels, tables read as WB, A/D on" in out and "CR0.CD 0" in out
    path.write_text(XEN.replace("1e  EPTP", "1c  EPTP"))
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "bits 2:0 = 4: VM entry fails" in out and "CR0.CD 1: the guest's accesses are UC" in out
    path.write_text(VMCB.replace("nested_ctl:         1", "nested_ctl:         0"))
    assert main(["show", str(path)]) == 0 and "nested paging is off" in capsys.readouterr().out
