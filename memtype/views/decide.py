"""One address, decided as a profile says: the answer and which rule gave it. Maps, lookups and reasons share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from memtype import rules
from memtype.backends import reference
from memtype.backends.reference import Registers
from memtype.types import MemoryType
from memtype.views import kvm_list, overlaps, ranges
from memtype.views.profiles import Profile


class Decision(NamedTuple):
    """`pairs` are the variable ranges that decided together, in the order they were met; empty where none did."""

    type: MemoryType
    rule: str
    pairs: tuple[int, ...] = ()


def decide(profile: Profile, s: Registers, address: int) -> Decision:
    """What the program makes of one address below 2**MAXPHYADDR."""
    return decide_matching(profile, s, address, matching(profile, s, address))


def matching(profile: Profile, s: Registers, address: int) -> tuple[int, ...]:
    """The pairs that denote `address` in this reading, by index."""
    return tuple(n for n, pair in enumerate(s.variable) if ranges.covers(profile.ranges, pair, s.maxphyaddr, address))


def decide_matching(profile: Profile, s: Registers, address: int, pairs: tuple[int, ...]) -> Decision:
    return (
        _disabled(profile, s, address)
        or _low(profile, s, address)
        or _forced(profile, s, address)
        or _variable(profile, s, pairs)
        or _default(profile, s, address)
    )


def _disabled(profile: Profile, s: Registers, address: int) -> Decision | None:
    rule = profile.disabled
    if s.def_type & rules.DEF_TYPE_E or rule in ("disabled-ignored", "disabled-acrn"):
        return None
    if rule == "disabled-invalid":
        return Decision(MemoryType.UNDEFINED, rule)
    if rule == "mtrr-disabled":
        return Decision(MemoryType.UC, rule)
    # KVM 3.13 to 4.1
    if not s.def_type & rules.DEF_TYPE_FE:
        return Decision(MemoryType.WB, rule)
    return None if address < rules.FIXED_END else Decision(_default_field(s), rule)


def _low(profile: Profile, s: Registers, address: int) -> Decision | None:
    rule = profile.low
    if address >= rules.FIXED_END or rule == "low-none":
        return None
    if rule == "low-kvm":
        return Decision(reference.fixed_type(s, address), rule)
    if rule == "low-acrn":
        return Decision(_acrn(s, address), rule)
    if rule == "low-linux" and s.def_type & rules.DEF_TYPE_FE:
        # Without MTRRCAP.FIX the registers are never read and count as zero.
        return Decision(reference.fixed_type(s, address) if s.has_fixed else MemoryType.UC, rule)
    if not reference.fixed_decides(s, address):
        return None
    return Decision(MemoryType.UC if rule == "low-uc" else reference.fixed_type(s, address), rule)


def _acrn(s: Registers, address: int) -> MemoryType:
    if s.def_type & rules.DEF_TYPE_E and reference.fixed_decides(s, address):
        kind = reference.fixed_type(s, address)
    else:
        kind = _default_field(s)
    return MemoryType.UC if kind is MemoryType.UNDEFINED else kind


def tom2_end(profile: Profile, s: Registers) -> int:
    """Where TOP_MEM2 ends its area above 4 GiB in this reading; 0 where it has none."""
    if profile.tom2 == "tom2-none":
        return 0
    kept = rules.LINUX_TOM2_FIELD if profile.tom2 == "tom2-forced" else rules.TOM2_FIELD
    return reference.tom2_limit(s) & kept


def _forced(profile: Profile, s: Registers, address: int) -> Decision | None:
    if profile.tom2 == "tom2-forced" and rules.GIB4 <= address < tom2_end(profile, s):
        return Decision(MemoryType.WB, profile.tom2)
    return None


def _variable(profile: Profile, s: Registers, pairs: tuple[int, ...]) -> Decision | None:
    if not pairs:
        return None
    met = in_order(profile, s, pairs)
    encoding = overlaps.OVERLAPS[profile.overlap]([s.variable[n][0] & rules.BASE_TYPE for n in met])
    if encoding == overlaps.DEFAULT:
        return Decision(_default_field(s), profile.overlap, tuple(met))
    kind = MemoryType.UNDEFINED if encoding == overlaps.UNDEFINED else rules.type_of(encoding)
    return Decision(kind, profile.overlap, tuple(met))


def in_order(profile: Profile, s: Registers, pairs: Sequence[int]) -> list[int]:
    """The matching pairs in the order in which the program meets them."""
    if profile.overlap != "overlap-kvm":
        return list(pairs)
    return [pairs[place] for place in kvm_list.order([s.variable[n] for n in pairs])]


def _default(profile: Profile, s: Registers, address: int) -> Decision:
    if profile.default == "default-wb":
        return Decision(MemoryType.WB, profile.default)
    if rules.GIB4 <= address < tom2_end(profile, s):
        return Decision(MemoryType.WB, profile.tom2)
    return Decision(_default_field(s), profile.default)


def _default_field(s: Registers) -> MemoryType:
    return rules.type_of(s.def_type & rules.DEF_TYPE_TYPE)
