"""One address, decided as a program reads it: the answer and which rule gave it. Maps, lookups and reasons share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from memtype import rules
from memtype.backends import reference
from memtype.backends.reference import Registers
from memtype.types import MemoryType
from memtype.views import kvm_list, ways
from memtype.views.encodings import DEFAULT
from memtype.views.programs import Program


class Decision(NamedTuple):
    """`pairs` are the variable ranges that decided together, in the order they were met; empty where none did."""

    type: MemoryType
    rule: str
    pairs: tuple[int, ...] = ()


def decide(program: Program, s: Registers, address: int) -> Decision:
    """What the program makes of one address below 2**MAXPHYADDR."""
    return decide_matching(program, s, address, matching(program, s, address))


def matching(program: Program, s: Registers, address: int) -> tuple[int, ...]:
    """The pairs that denote `address` in this reading, by index."""
    return tuple(n for n, pair in enumerate(s.variable) if ways.covers(program.ranges, pair, s.maxphyaddr, address))


def decide_matching(program: Program, s: Registers, address: int, pairs: tuple[int, ...]) -> Decision:
    return (
        _disabled(program, s, address)
        or _low(program, s, address)
        or _forced(program, s, address)
        or _variable(program, s, pairs)
        or _default(program, s, address)
    )


def _disabled(program: Program, s: Registers, address: int) -> Decision | None:
    rule = program.disabled
    if s.def_type & rules.DEF_TYPE_E or rule in ("disabled-ignored", "disabled-acrn"):
        return None
    if rule == "disabled-invalid":
        return Decision(MemoryType.UNDEFINED, rule)
    if rule == "mtrr-disabled":
        return Decision(rules.TYPE_WHILE_OFF, rule)
    # KVM 3.13 to 4.1
    if not s.def_type & rules.DEF_TYPE_FE:
        return Decision(MemoryType.WB, rule)
    return None if address < rules.FIXED_END else Decision(_default_field(s), rule)


def _low(program: Program, s: Registers, address: int) -> Decision | None:
    rule = program.low
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


def tom2_end(program: Program, s: Registers) -> int:
    """Where TOP_MEM2 ends its range above 4 GiB in this reading; 0 where it has none."""
    if program.tom2 == "tom2-none":
        return 0
    kept = rules.LINUX_TOM2_FIELD if program.tom2 == "tom2-forced" else rules.TOM2_FIELD
    return reference.tom2_limit(s) & kept


def _forced(program: Program, s: Registers, address: int) -> Decision | None:
    if program.tom2 == "tom2-forced" and rules.GIB4 <= address < tom2_end(program, s):
        return Decision(MemoryType.WB, program.tom2)
    return None


def _variable(program: Program, s: Registers, pairs: tuple[int, ...]) -> Decision | None:
    if not pairs:
        return None
    met = in_order(program, s, pairs)
    encoding = ways.OVERLAPS[program.overlap]([s.variable[n][0] & rules.BASE_TYPE for n in met])
    if encoding == DEFAULT:
        return Decision(_default_field(s), program.overlap, tuple(met))
    return Decision(rules.type_of(encoding), program.overlap, tuple(met))


def in_order(program: Program, s: Registers, pairs: Sequence[int]) -> list[int]:
    """The matching pairs in the order in which the program meets them."""
    if program.overlap != "overlap-kvm":
        return list(pairs)
    return [pairs[place] for place in kvm_list.order([s.variable[n] for n in pairs])]


def _default(program: Program, s: Registers, address: int) -> Decision:
    if program.default == "default-wb":
        return Decision(MemoryType.WB, program.default)
    if rules.GIB4 <= address < tom2_end(program, s):
        return Decision(MemoryType.WB, program.tom2)
    return Decision(_default_field(s), program.default)


def _default_field(s: Registers) -> MemoryType:
    return rules.type_of(s.def_type & rules.DEF_TYPE_TYPE)
