"""Which MSR writes each KVM takes, what the guest gets otherwise, and what it reads back."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from memtype import rules
from memtype.arguments import integer, shown
from memtype.errors import InputError
from memtype.kvm import policies
from memtype.kvm.releases import Profile
from memtype.kvm.vcpu import Vcpu

_INDEXES: Final = {
    rules.DEF_TYPE_MSR: "def_type",
    rules.PAT_MSR: "pat",
    **dict.fromkeys(rules.FIXED_MSRS, "fixed"),
    **{rules.PHYSBASE0 + 2 * n: "base" for n in range(rules.KVM_PAIRS)},
    **{rules.PHYSMASK0 + 2 * n: "mask" for n in range(rules.KVM_PAIRS)},
}
_LEGAL: Final = {"pat": bytes(sorted(rules.PAT_TYPES)), "fixed": bytes(sorted(rules.MTRR_TYPES))}


def kind_of(index: int) -> str:
    """ "def_type", "fixed", "base", "mask", "pat", or "unknown" (MTRRcap too: a write of it reaches no MTRR code)."""
    return _INDEXES.get(index, "unknown")


class Fault(Enum):
    """Why an event is refused."""

    TYPE = "a type is reserved"
    BIT = "a reserved bit is set"
    NO_MTRR = "the index reaches the MTRR code, which has no such register"
    UNKNOWN_MSR = "no code knows the index"
    TDX_CD = "CR0.CD stays 0 in a TDX guest"
    NO_CAPABILITY = "the release does not have the capability"
    QUIRK = "the quirk cannot be disabled"


class Refusal(NamedTuple):
    """Why a release refuses an event, as data; `str` makes the text.

    Attributes
    ----------
    fault : what is wrong; `ignore_msrs` lets UNKNOWN_MSR pass
    detail : which bit, which register, in words
    twice : the reserved bit raises #GP inside the validator and again in the caller
    host : userspace writes: KVM_SET_MSRS stops, and of two faults one reaches the guest
    register : which register, where the event writes several
    """

    fault: Fault
    detail: str
    twice: bool = False
    host: bool = False
    register: str = ""

    def __str__(self) -> str:
        where = f"{self.register}: " if self.register else ""
        if self.fault in (Fault.TDX_CD, Fault.NO_CAPABILITY, Fault.QUIRK):
            return where + self.detail
        if self.host:
            return f"{where}KVM_SET_MSRS stops{', and the guest gets a spurious #GP' * self.twice}: {self.detail}"
        if self.fault is Fault.UNKNOWN_MSR:
            return f"{where}unknown MSR {self.detail}: #GP unless ignore_msrs"
        return f"{where}#GP{' twice' * self.twice}: {self.detail}"


def refusal(profile: Profile, index: int, value: int, maxphyaddr: int, vendor: str, load_pat: bool) -> Refusal | None:
    """Why this release refuses the write, None where it takes it."""
    kind = _INDEXES.get(index, "unknown")
    if kind == "unknown":
        if index == rules.KVM_MSR_2F8 and profile.msr_2f8:
            return value_refusal(profile, "base", value, maxphyaddr)
        if policies.MSR_DISPATCH[profile.msr_dispatch](index):
            return Refusal(Fault.NO_MTRR, f"{rules.msr_name(index)} is no MTRR of KVM's")
        return Refusal(Fault.UNKNOWN_MSR, f"0x{index:x}")
    if kind == "pat" and profile.pat_checked == "vmx-unchecked" and vendor == "intel" and load_pat:
        return None
    return value_refusal(profile, kind, value, maxphyaddr)


def value_refusal(profile: Profile, kind: str, value: int, maxphyaddr: int) -> Refusal | None:
    """The rules of the values themselves."""
    if kind in _LEGAL:
        return _bytes_refusal(value, _LEGAL[kind])
    typed = profile.variable_check == "type" and kind != "def_type"
    if (kind != "mask" or typed) and value & 0xFF not in rules.MTRR_TYPES:
        return Refusal(Fault.TYPE, f"type {value & 0xFF} in bits 7:0 is reserved")
    if typed:
        return None
    if kind == "def_type":
        hit = value & ~rules.DEF_TYPE_WRITABLE
    else:
        below = rules.BASE_RESERVED if kind == "base" else rules.MASK_RESERVED
        hit = value & below | value >> maxphyaddr << maxphyaddr
    if not hit:
        return None
    bit = (hit & -hit).bit_length() - 1
    limit = f" (MAXPHYADDR = {maxphyaddr})" if kind != "def_type" and bit >= maxphyaddr else ""
    return Refusal(Fault.BIT, f"reserved bit {bit} set{limit}", twice=profile.double_fault and kind != "def_type")


def _bytes_refusal(value: int, legal: bytes) -> Refusal | None:
    entries = value.to_bytes(8, "little")
    if not entries.translate(None, legal):
        return None
    byte = next(n for n, entry in enumerate(entries) if entry not in legal)
    return Refusal(Fault.TYPE, f"type {entries[byte]} in bits {8 * byte + 7}:{8 * byte} is reserved")


def read(profile: Profile, vcpu: Vcpu, index: int) -> int:
    """What the guest reads. A mask's extension bits (4.4 to 6.10) are hidden, so it is what was written.

    Raises
    ------
    InputError
        For an MSR that is no MTRR of KVM's (#GP), and for 0x2f8 where it lies outside the array.
    """
    if isinstance(index, bool) or not hasattr(index, "__index__"):
        raise InputError(f"RDMSR {shown(index)}: an MSR is named by its number")
    index = integer(index, "RDMSR")
    if index == rules.MTRRCAP:
        return rules.KVM_MTRRCAP
    kind = kind_of(index)
    if kind == "def_type":
        return vcpu._def_type
    if kind == "pat":
        assert vcpu.pat is not None  # a Vm fills it in
        return vcpu.pat.value
    if kind == "fixed":
        return vcpu._fixed[rules.FIXED_MSRS.index(index)]
    if kind == "unknown":
        if index == rules.KVM_MSR_2F8 and profile.msr_2f8:
            raise InputError(f"RDMSR 0x{index:x}: {profile} reads outside its array: what, is not told")
        raise InputError(f"RDMSR 0x{index:x}: no MTRR of KVM's and not IA32_PAT (#GP)")
    n, is_mask = divmod(index - rules.PHYSBASE0, 2)
    return vcpu._variable[n][is_mask]


def check_state(profile: Profile, vcpu: Vcpu) -> str | None:
    """Why a guest of this release cannot hold these MTRRs, or None."""
    for index, value in vcpu.mtrrs.msrs().items():
        kind = kind_of(index)
        if kind == "unknown":  # pairs from 8 on, in dumps of real machines: held, and no write reaches them
            kind = "mask" if index % 2 else "base"
        found = value_refusal(profile, kind, value, vcpu.maxphyaddr)
        if found and not (kind == "mask" and value == 0):
            return f"{rules.msr_name(index)} = 0x{value:x}: {found.detail}"
    return None


FIXED_BLOCKS: Final = {
    index: (span.base >> rules.PAGE_SHIFT, (span.base + 8 * span.size) >> rules.PAGE_SHIFT)
    for index in rules.FIXED_MSRS
    for span in [next(s for s in rules.FIXED_RANGES if rules.FIXED_MSRS[s.register] == index)]
}
