"""Dumps of VMCS and VMCB that KVM and Xen print when a VM entry fails or a debug key asks: a guest's PAT and tables.

KVM (`dump_vmcs`, with ``kvm_intel.dump_invalid_vmcs=1``) and Xen (`vmcs_dump_vcpu`) name sections and print, of all,

    *** Guest State ***
    CR0: actual=0x0000000080050033, shadow=0x0000000080050033, gh_mask=fffffffffffffff7
    EFER = 0x0000000000000d01  PAT = 0x0407050600070106
    *** Host State ***
    EFER = 0x0000000000000d01  PAT = 0x0407050600070106
    *** Control State ***
    EPT pointer = 0x000000010a2b301e

KVM on AMD (`dump_vmcb`) prints ``nested_ctl: 1``, ``nested_cr3: 0000000109c3a000``, ``gpat: 0007040600070406``,
and Xen (`svm_vmcb_dump`) ``np_ctrl = 0x1``, ``KernGSBase = … PAT = …``, ``H_CR3 = …``.

The machine is the guest: its PAT, no MTRR. Where the log is a host's own, with its PAT in it, the machine is the host,
and the guests' PATs stand in the facts alone. `Machine.facts["guests"]` lists ``{"kind": "vmcs" | "vmcb", "vcpu",
"line"}`` and of ``"guest_pat", "host_pat", "guest_cr0", "eptp", "nested_cr3", "nested_paging"`` what is printed,
values in hexadecimal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from memtype.errors import ParseError
from memtype.machine import Cpu, Machine
from memtype.pat import Pat
from memtype.reading import values
from memtype.reading.lines import holds, squeezed
from memtype.reading.notes import not_told
from memtype.reading.patterns import later
from memtype.reading.tellings import tells

NAME = "guest-state"

_HEX = r"(?:0x)?([0-9a-f]{1,40})\b"
_SNIFF = later(r"\*\*\* Guest State \*\*\*|VMCB (?:Control|State Save) Area:|\bKernGSBase ?= ?0x", re.I)
_HOST = ("configuration [0-7]", "pat enabled: cpu")  # a kernel's own PAT: this log is a host's
_OWN = later(rf"\bCR[0-4] ?[:=]|\b(?<!x86/)g?PAT ?[:=] ?{_HEX}", re.I)
_SECTION = later(r"\*\*\* (?P<name>Guest|Host|Control) State \*\*\*", re.I)
_VMCB_START = later(r"VMCB Control Area:|Dumping guest's current state|np_ctrl ?=", re.I)
_VMCB_SAVE = later(r"VMCB State Save Area:", re.I)
_VCPU = later(r"\W*VCPU ?[#:]? ?(\d{1,5})\b", re.I)
TELLS = tells(
    NAME, "guest state ***", "vmcb control area", by_cpu=True,
    pattern=r"\*\*\* (?P<head1>Guest) State \*\*\*|(?P<head2>VMCB Control Area):|(?P<head3>np_ctrl) =",
)  # fmt: skip
_VMCS_PAT = later(rf"\bPAT ?= ?{_HEX}", re.I)
_VMCS_CR0 = later(rf"CR0: actual={_HEX}", re.I)
_VMCS_EPTP = later(rf"EPT pointer ?= ?{_HEX}", re.I)
_VMCB = {
    "guest_pat": later(rf"\bgpat: ?{_HEX}|KernGSBase ?= ?0x[0-9a-f]+ PAT ?= ?{_HEX}", re.I),
    "guest_cr0": later(rf"\bcr0: ?{_HEX}|\bCR0 = {_HEX} CR2 =", re.I),
    "nested_cr3": later(rf"nested_cr3: ?{_HEX}|H_CR3 ?= ?{_HEX}", re.I),
    "nested_paging": later(rf"(?:nested_ctl|misc_ctl): ?(\d{{1,20}})\b|np_ctrl ?= ?{_HEX}", re.I),
}  # fmt: skip


@dataclass(slots=True)
class _Guest:
    """One control structure, as far as it is printed."""

    kind: str
    vcpu: int
    line: int
    values: dict[str, int] = field(default_factory=dict)
    section: str = ""

    def put(self, name: str, text: str, where: str) -> None:
        value = values.number(text, where, 0, name)
        if self.values.setdefault(name, value) != value:
            raise ParseError(f"{where}: {name} again, with another value")

    @property
    def pat(self) -> Pat | None:
        """The guest's IA32_PAT, None where it is not printed."""
        return Pat(self.values["guest_pat"]) if "guest_pat" in self.values else None

    def facts(self) -> dict[str, object]:
        told = {name: f"0x{value:x}" for name, value in self.values.items()}
        flags = {"nested_paging": bool(self.values["nested_paging"] & 1)} if "nested_paging" in self.values else {}
        return {"kind": self.kind, "vcpu": self.vcpu, "line": self.line, **told, **flags}


def sniff(text: str) -> bool:
    return _SNIFF.search(text) is not None


def owns(text: str) -> set[int]:
    """The lines behind the first head that name a control register or a PAT: the guest's or the host's, as it says."""
    found: set[int] = set()
    begun = False
    for number, line in squeezed(text):
        begun = begun or _SNIFF.search(line) is not None
        if begun and _OWN.search(line):
            found.add(number)
    return found


def parse(text: str, source: str = "<text>") -> Machine:
    """The guests' processors, in the order in which their structures are printed."""
    guests: list[_Guest] = []
    named: int | None = None
    for number, line in squeezed(text):
        if found := _VCPU.match(line):
            named = int(found[1])
        begun = _begins(line, number, guests, named)
        if begun is not None:
            guests.append(begun)
            named = None
        if guests:
            _take(guests[-1], line, f"{source}:{number}")
    guests = [guest for guest in guests if guest.values]
    if not guests:
        raise ParseError(f"{source}: a VMCS or VMCB without a PAT, CR0 or a pointer to nested tables")
    numbers = _numbers([guest.vcpu for guest in guests])
    for guest, number in zip(guests, numbers, strict=True):
        guest.vcpu = number
    cpus = (Cpu(),) if holds(text, *_HOST) else tuple(Cpu(guest.vcpu, None, guest.pat) for guest in guests)
    vendors = {{"vmcs": "intel", "vmcb": "amd"}[guest.kind] for guest in guests}
    notes = (not_told("registers", "a VMCS or VMCB holds the guest's PAT, no MTRR"),)
    facts: dict[str, object] = {"guests": [guest.facts() for guest in guests]}
    return Machine(cpus, NAME, vendor=vendors.pop() if len(vendors) == 1 else None, facts=facts, notes=notes)


def _begins(line: str, number: int, guests: list[_Guest], named: int | None) -> _Guest | None:
    """The guest that a line begins; None for a line inside the last one."""
    section = _SECTION.search(line)
    last = guests[-1] if guests else None
    vcpu = len(guests) if named is None else named
    if section and section["name"].lower() == "guest":
        return _Guest("vmcs", vcpu, number)
    if section and last is None:  # the head is cut off
        return _Guest("vmcs", vcpu, number)
    if _VMCB_START.search(line) and not (last and last.kind == "vmcb" and not last.values):
        return _Guest("vmcb", vcpu, number)
    if last is None and (_VMCB_SAVE.search(line) or _VMCB["guest_pat"].search(line)):
        return _Guest("vmcb", vcpu, number)
    return None


def _take(guest: _Guest, line: str, where: str) -> None:
    if guest.kind == "vmcb":
        for name, pattern in _VMCB.items():
            if found := pattern.search(line):
                guest.put(name, found[1] or found[2], where)
        return
    if section := _SECTION.search(line):
        guest.section = section["name"].lower()
    elif guest.section in ("guest", "host") and (found := _VMCS_PAT.search(line)):
        guest.put(f"{guest.section}_pat", found[1], where)
    elif guest.section == "guest" and (found := _VMCS_CR0.search(line)):
        guest.put("guest_cr0", found[1], where)
    elif guest.section == "control" and (found := _VMCS_EPTP.search(line)):
        guest.put("eptp", found[1], where)


def _numbers(wanted: list[int]) -> list[int]:
    """The processors' numbers as printed; counted through where one comes twice (two dumps, two domains)."""
    return wanted if len(set(wanted)) == len(wanted) else list(range(len(wanted)))
