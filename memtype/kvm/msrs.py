"""Which MSR writes each KVM takes, what the guest gets otherwise, and what it reads back."""

from __future__ import annotations

from memtype import rules
from memtype.errors import InputError
from memtype.kvm import policies
from memtype.kvm.releases import Profile
from memtype.kvm.vcpu import Vcpu

MSR_2F8 = 0x2F8  # taken for a variable range up to 4.1


def kind_of(index: int) -> str:
    """ "def_type", "fixed", "base", "mask", "pat", or "unknown" (MTRRcap too: a write of it reaches no MTRR code)."""
    if index == rules.DEF_TYPE_MSR:
        return "def_type"
    if index == rules.PAT_MSR:
        return "pat"
    if index in rules.FIXED_MSRS:
        return "fixed"
    if rules.PHYSBASE0 <= index < rules.PHYSBASE0 + 2 * rules.KVM_PAIRS:
        return "mask" if index % 2 else "base"
    return "unknown"


def refusal(
    profile: Profile, index: int, value: int, maxphyaddr: int, vendor: str, load_pat: bool = True
) -> str | None:
    """Why this release refuses the write, None where it takes it.

    The text begins with "#GP"; with "unknown MSR" where `ignore_msrs` would let it pass.
    """
    kind = kind_of(index)
    name = rules.msr_name(index)
    if kind == "unknown":
        if index == MSR_2F8 and profile.msr_2f8:
            return _value_refusal(profile, "base", value, maxphyaddr)
        if dispatched(profile, index):
            return f"#GP: {name} is no MTRR of KVM's"
        return f"unknown MSR 0x{index:x}: #GP unless ignore_msrs"
    if kind == "pat" and profile.pat_checked == "vmx-unchecked" and vendor == "intel" and load_pat:
        return None
    return _value_refusal(profile, kind, value, maxphyaddr)


def _value_refusal(profile: Profile, kind: str, value: int, maxphyaddr: int) -> str | None:
    """The rules of the values themselves."""
    if kind == "pat":
        return _bytes_refusal(value, rules.PAT_TYPES)
    if kind == "fixed":
        return _bytes_refusal(value, rules.MTRR_TYPES)
    if kind != "mask" or profile.variable_check == "type":
        if value & 0xFF not in rules.MTRR_TYPES:
            return f"#GP: type {value & 0xFF} in bits 7:0 is reserved"
        if kind != "def_type" and profile.variable_check == "type":
            return None
    reserved = {
        "def_type": ~rules.DEF_TYPE_WRITABLE,
        "base": rules.BASE_RESERVED | rules.high_bits(maxphyaddr),
        "mask": rules.MASK_RESERVED | rules.high_bits(maxphyaddr),
    }[kind]
    hit = value & reserved
    if not hit:
        return None
    bit = (hit & -hit).bit_length() - 1
    limit = f" (MAXPHYADDR = {maxphyaddr})" if kind != "def_type" and bit >= maxphyaddr else ""
    return f"#GP{' twice' if profile.double_fault and kind != 'def_type' else ''}: reserved bit {bit} set{limit}"


def _bytes_refusal(value: int, legal: frozenset[int]) -> str | None:
    for byte in range(8):
        encoding = value >> 8 * byte & 0xFF
        if encoding not in legal:
            return f"#GP: type {encoding} in bits {8 * byte + 7}:{8 * byte} is reserved"
    return None


def dispatched(profile: Profile, index: int) -> bool:
    """Whether the index reaches the MTRR code, which answers #GP; others are unknown MSRs."""
    return policies.MSR_DISPATCH[profile.msr_dispatch](index)


def as_host(text: str) -> str:
    """The same refusal where userspace writes: KVM_SET_MSRS stops; up to 5.10 the guest may get a stray #GP."""
    stray = ", and the guest gets a spurious #GP" if "twice" in text else ""
    return f"KVM_SET_MSRS stops{stray}: {text.partition(': ')[2] or text}"


def read(vcpu: Vcpu, index: int) -> int:
    """What the guest reads. A mask's extension bits (4.4 to 6.10) are hidden, so it is what was written.

    Raises
    ------
    InputError
        For an MSR that is no MTRR of KVM's (#GP).
    """
    if not hasattr(index, "__index__"):
        raise InputError(f"RDMSR {index!r}: an MSR is named by its number")
    if index == rules.MTRRCAP:
        return rules.KVM_MTRRCAP
    kind = kind_of(index)
    s = vcpu.mtrrs
    if kind == "def_type":
        return s.def_type
    if kind == "pat":
        assert vcpu.pat is not None  # a Vm fills it in
        return vcpu.pat.value
    if kind == "fixed":
        return s.fixed[rules.FIXED_MSRS.index(index)]
    if kind == "unknown":
        raise InputError(f"RDMSR 0x{index:x}: no MTRR of KVM's and not IA32_PAT (#GP)")
    n, is_mask = divmod(index - rules.PHYSBASE0, 2)
    return s.variable[n][is_mask]


def check_state(profile: Profile, vcpu: Vcpu) -> str | None:
    """Why a guest of this release cannot hold these MTRRs, or None."""
    for index, value in vcpu.mtrrs.msrs().items():
        kind = kind_of(index)
        if kind == "unknown":  # pairs from 8 on, in dumps of real machines: held, and no write reaches them
            kind = "mask" if index % 2 else "base"
        text = _value_refusal(profile, kind, value, vcpu.maxphyaddr)
        if text and not (kind == "mask" and value == 0):
            return f"{rules.msr_name(index)} = 0x{value:x}: {text.partition(': ')[2]}"
    return None


FIXED_BLOCKS = {
    index: (span.base >> rules.PAGE_SHIFT, (span.base + 8 * span.size) >> rules.PAGE_SHIFT)
    for index in rules.FIXED_MSRS
    for span in [next(s for s in rules.FIXED_RANGES if rules.FIXED_MSRS[s.register] == index)]
}
