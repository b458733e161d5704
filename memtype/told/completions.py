"""Completions: whole register files that fill what a text leaves open, few but enough.

For each address the answer hangs on one open thing at a time, so a diagonal does instead of the product of all values:
unknown default, unknown fixed bytes and unknown ranges all go through the five types, side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Final

from memtype import backends, rules
from memtype.mtrr import MtrrState
from memtype.told import gaps
from memtype.told.inference import LEGACY
from memtype.told.register import ALL, NOTHING
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype.told.registers import Registers

TYPES: Final = tuple(sorted(rules.MTRR_TYPES))
RESERVED: Final = 2  # completes a type that is printed as "?": some reserved encoding
REST: Final = "fixed from 640 KiB on"  # what the assumption on the fixed ranges leaves open
_EVERY_BYTE: Final = 0x0101_0101_0101_0101
_LOW_STEP: Final = 16 << 10  # of the fixed ranges below 640 KiB, the smallest
_LOW: Final = 2  # of the fixed registers, those below 640 KiB: FIX64K_00000 and FIX16K_80000


def varied(told: Registers, strict: bool) -> frozenset[str]:
    """The open things that take every value: what no assumption covers; all of them where `strict`."""
    covered = {} if strict else told.covered
    rest = {REST} if "fixed" in covered and _says_the_same(told) else set()
    return frozenset(what for what in told.open if what not in covered) | rest


def complete(told: Registers, vary: frozenset[str]) -> list[MtrrState]:
    """Completions in which the open things named in `vary` take every value, and the others one."""
    kinds = TYPES if vary & {"default", "fixed"} else TYPES[:1]
    decide = _fixed_decide(told, vary)
    made = [_filled(told, vary, kind, None, fixed) for kind in kinds for fixed in decide]
    if "pairs" in vary:
        made += [_filled(told, vary, TYPES[0], cover, fixed) for cover in _pair_types(told) for fixed in decide]
    if "tom2" in vary:
        made += [_forced(told, state) for state in made]
    if "enabled" in vary:
        made.append(replace(made[0], def_type=made[0].def_type & ~rules.DEF_TYPE_E))
    if REST in vary and "fixed" not in vary:
        made += [state for one in made if one.def_type & rules.DEF_TYPE_E for state in _with_rest(one, vary)]
    return list(dict.fromkeys(made))


def _fixed_decide(told: Registers, vary: frozenset[str]) -> tuple[bool, ...]:
    """Whether the fixed ranges decide below 1 MiB, as far as it is told or assumed."""
    fe = told.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE)
    if not told.has_fixed or fe is False or (told.off and fe is None):
        return (False,)
    if "fixed" not in told.open:
        return (True,)
    if "fixed" not in vary:
        return (not _says_the_same(told),)
    return (True, False) if fe is None else (True,)


def _says_the_same(told: Registers) -> bool:
    """Whether the fixed ranges are assumed not to differ from the variable ones, which holds below 640 KiB."""
    assumed = told.covered.get("fixed")
    return assumed is not None and assumed.rule != gaps.RESTORED


def _with_rest(state: MtrrState, vary: frozenset[str]) -> list[MtrrState]:
    """The state with fixed ranges that say what the variable ones say below 640 KiB, and above it each type.

    Where a range that is not told overlaps the told ones without a defined type, each type stands below too.
    """
    low = _low_type(state)
    if low is MemoryType.UNDEFINED and "pairs" in vary:
        low = MemoryType.MIXED
    cap = None if state.cap is None else state.cap | rules.MTRRCAP_FIX
    return [
        replace(state, def_type=state.def_type | rules.DEF_TYPE_FE, fixed=_fixed_bytes(low, kind), cap=cap)
        for kind in TYPES
    ]


def _low_type(state: MtrrState) -> MemoryType:
    """The one type below 640 KiB, or MIXED. Asked of places: a map of holey masks takes a thousand times longer."""
    masks = rules.page_bits(state.maxphyaddr) & reduce(or_, (mask for _, mask in state.variable), 0)
    step = min(masks & -masks or _LOW_STEP, _LOW_STEP)  # no mask tells addresses of one block apart
    kinds = {backends.active.at(state, address) for address in range(0, LEGACY.start, step)}
    return MemoryType(kinds.pop()) if len(kinds) == 1 else MemoryType.MIXED


def _fixed_bytes(low: MemoryType, kind: int) -> tuple[int, ...]:
    """Eleven values: `low` below 640 KiB, `kind` from there on. Where no one type stands below, `kind` everywhere."""
    if low is MemoryType.MIXED:
        return (kind * _EVERY_BYTE,) * len(rules.FIXED_MSRS)
    below = low if low in rules.MTRR_TYPES else RESERVED  # an overlap without a defined type has none
    return (below * _EVERY_BYTE,) * _LOW + (kind * _EVERY_BYTE,) * (len(rules.FIXED_MSRS) - _LOW)


def _pair_types(told: Registers) -> Iterable[int]:
    """The types that a range which is not told may have."""
    lacking = told.open_pairs
    bases = [told.pair(n)[0] for n in lacking]
    whole = lacking and not told.cut and (gaps.counted(told) is not None or (told.whole and not told.uncounted))
    if whole and all(base.tells(rules.BASE_TYPE) for base in bases):
        return sorted({base.value & rules.BASE_TYPE for base in bases})
    return TYPES


def _filled(told: Registers, vary: frozenset[str], kind: int, cover: int | None, fixed: bool) -> MtrrState:
    """One completion: `kind` for an unknown default type and unknown fixed bytes.

    With `cover`, one more range, of that type, covers every address: wherever the range that is not told lies.
    """
    default = told.covered.get("default") if "default" not in vary else None
    def_type = _def_type(told, kind if default is None else default.value, fixed, vary)
    pairs = [_known_pair(told, n) for n in range(told.listed)]
    pairs += [] if cover is None else [(cover, rules.MASK_VALID)]
    cap = _cap(told)
    if not fixed and def_type & rules.DEF_TYPE_FE:
        cap = (rules.MTRRCAP_WC | min(len(pairs), rules.MTRRCAP_VCNT) if cap is None else cap) & ~rules.MTRRCAP_FIX
    syscfg, tom2 = (told.register(i).value for i in (rules.SYSCFG_MSR, rules.TOP_MEM2_MSR))
    return MtrrState(
        def_type, _fixed_values(told, _filler(told, kind, vary)), tuple(pairs[-rules.MAX_VARIABLE :]),
        told.maxphyaddr, told.vendor or "intel", syscfg, tom2, cap,
    )  # fmt: skip


def _cap(told: Registers) -> int | None:
    """MTRRCAP where it is told; fixed ranges are there where two lines differ in that bit, as `has_fixed` has it."""
    held = told.held.get(rules.MTRRCAP)
    if held is None:
        return None
    return held.value if held.tells(rules.MTRRCAP_FIX) else held.value | rules.MTRRCAP_FIX


def _filler(told: Registers, kind: int, vary: frozenset[str]) -> int:
    """What stands for a byte of the fixed ranges that is not told: beside things that vary, a type as any other."""
    if "fixed" in vary:
        return kind
    return RESERVED if not vary and "fixed" in told.open and "fixed" not in told.covered else 0


def _def_type(told: Registers, kind: int, fixed: bool, vary: frozenset[str]) -> int:
    found = told.register(rules.DEF_TYPE_MSR)
    value = found.value
    if found.hidden & rules.DEF_TYPE_TYPE:
        value |= RESERVED
    elif not found.tells(rules.DEF_TYPE_TYPE):
        value |= kind
    zeroed = told.restored and "enabled" in told.covered and "enabled" not in vary
    value |= 0 if found.tells(rules.DEF_TYPE_E) or zeroed else rules.DEF_TYPE_E
    return value | (0 if found.tells(rules.DEF_TYPE_FE) or not fixed else rules.DEF_TYPE_FE)


def _fixed_values(told: Registers, kind: int) -> tuple[int, ...]:
    fill, hide = (each * _EVERY_BYTE for each in (kind, RESERVED))
    held = [told.register(index) for index in rules.FIXED_MSRS]
    return tuple(r.value | fill & ~(r.known | r.hidden) & ALL | hide & r.hidden for r in held)


def _known_pair(told: Registers, n: int) -> tuple[int, int]:
    """The pair where it is whole; one that is not told is off, and `cover` stands for what it may be."""
    low, high = told.pair(n)
    if gaps.pair_open(told, n) or (n not in told.ranges and low is NOTHING):
        return 0, 0
    return low.value | (RESERVED & low.hidden), high.value


def _forced(told: Registers, state: MtrrState) -> MtrrState:
    """The same on an AMD processor that forces WB up to TOP_MEM2, as told or as high as it can be.

    With MAXPHYADDR 48 that is 2**48 - 8 MiB: the register holds bits 47:23 (APM 2 7.9.4).
    """
    tom2 = told.register(rules.TOP_MEM2_MSR)
    top = tom2.value if tom2.tells(rules.TOM2_FIELD) else rules.TOM2_FIELD & ~rules.high_bits(told.maxphyaddr)
    syscfg = state.syscfg | rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
    return replace(state, vendor="amd", syscfg=syscfg, tom2=top)
