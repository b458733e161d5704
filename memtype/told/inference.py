"""What is inferred where a text does not tell it: the width, the default type, the fixed ranges. In one place.

Each is a named rule. The width is said with every answer beyond it; the other two are assumptions, which stand on the
answer's own line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from memtype import rules
from memtype.errors import ShatteredMapError
from memtype.memory_map import MemoryMap
from memtype.mtrr import infer_maxphyaddr
from memtype.told.register import Register, pair_numbers, pair_of
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype.told.registers import Registers

_MOST_SEGMENTS: Final = 4096  # of a map that is compared with RAM: no firmware leaves such holes
LEGACY: Final = range(0xA0000, rules.FIXED_END)  # video memory and ROMs: no rule says what the fixed ranges hold there


# --- the width ------------------------------------------------------------------------------------------------------


def width(told: Registers) -> tuple[int, str]:
    """Bits that address memory, less those that memory encryption uses; and how that is known, in words."""
    if told.width is None:
        return _inferred_width(told)
    bits, text = told.width.bits, f"told{f' by {told.width.by}' if told.width.by else ''}"
    taken, who = (0, "") if told.width.reduced else _encryption(told)
    if taken:
        text = f"{bits} {text}, less {taken} for {who}"
    return max(bits - taken, rules.MIN_MAXPHYADDR), text


def _encryption(told: Registers) -> tuple[int, str]:
    """How many address bits memory encryption uses, and whose (SDM 3A 1.4 of TME-MK; APM 2 7.10.5)."""
    tme = told.held.get(rules.TME_ACTIVATE)
    if tme is not None and tme.value & rules.TME_ENABLE and tme.tells(rules.TME_KEYID_BITS | rules.TME_ENABLE):
        keys = (tme.value & rules.TME_KEYID_BITS) >> rules.TME_KEYID_SHIFT
        return keys, "KeyIDs (IA32_TME_ACTIVATE)"
    if told.encrypted and told.bit(rules.SYSCFG_MSR, rules.SYSCFG_SMEE):
        return told.encrypted, "memory encryption (SYSCFG bit 23, CPUID 8000001F)"
    return 0, ""


def _inferred_width(told: Registers) -> tuple[int, str]:
    masks = [told.held[i].value for i in told.held if pair_of(i) is not None and i & 1 and told.held[i].told]
    reach = _reach(told)
    if not any(mask & rules.MASK_VALID for mask in masks):
        why = "sizes do not show it" if told.ranges else "no mask to infer it from"
        bits = max(rules.DEFAULT_MAXPHYADDR, reach)
        return bits, f"{why}: {bits} assumed"
    bits = infer_maxphyaddr(masks)
    filled = {filled_width(mask) for mask in masks if not mask & rules.MASK_VALID} - {None}
    if bits == rules.MAX_MAXPHYADDR and len(filled) == 1:
        bits = filled.pop() or bits
        return max(bits, reach), f"QEMU filled the masks from bit {bits} on, as an unused one shows"
    if bits == rules.MAX_MAXPHYADDR:
        return bits, "the masks reach bit 51, which QEMU fills: 52 taken, perhaps less"
    if reach > bits:
        return reach, f"the masks say {bits}, but RAM or a register needs {reach}"
    return bits, f"{bits} inferred from the masks"


def _reach(told: Registers) -> int:
    """Address bits that RAM, sizes and bases of valid pairs need."""
    tops = [r.base + r.size for r in told.ranges.values()]
    pairs = [tuple(map(told.register, pair_numbers(n))) for n in told.held_pairs]  # `pair` asks for the width
    bases = (low.value for low, high in pairs if high.value & rules.MASK_VALID)
    tops += [1 + (base & ~rules.high_bits(rules.MAX_MAXPHYADDR)) for base in bases]
    reach = max([told.reach, *((top - 1).bit_length() for top in tops)])
    return min(reach, rules.MAX_MAXPHYADDR)


def filled_width(mask: int) -> int | None:
    """MAXPHYADDR where QEMU filled an unused mask: bits 51:MAXPHYADDR set and no other (`fill-mtrr-mask`).

    >>> filled_width(0x000F_FFF0_0000_0000), filled_width(0)
    (36, None)
    """
    low = (mask & -mask).bit_length() - 1
    whole = mask and mask == (1 << rules.MAX_MAXPHYADDR) - (1 << low)
    return low if whole and low >= rules.MIN_MAXPHYADDR else None


# --- the default type -----------------------------------------------------------------------------------------------


def default(told: Registers) -> tuple[int, str]:
    """The default type behind a list that never prints one, and why: from the RAM map, else from the listed types."""
    return told.default or _default_of(told.valid_types)


def _default_of(kinds: Iterable[int]) -> tuple[MemoryType, str]:
    """The default type that makes sense of the listed ones: firmware that lists RAM as WB defaults to UC."""
    if MemoryType.WB in kinds:
        return MemoryType.UC, "RAM is listed as write-back"
    return MemoryType.WB, "no range is write-back"


def default_from_ram(told: Registers, ram: list[tuple[int, int]]) -> tuple[int, str] | None:
    """The default type that makes RAM WB, and why: UC where the listed ranges cover most of it.

    Parameters
    ----------
    ram : list of (base, size)
        RAM from 1 MiB on.
    """
    uc = Register(MemoryType.UC, rules.DEF_TYPE_TYPE)
    held = dict(told.held) | {rules.DEF_TYPE_MSR: told.register(rules.DEF_TYPE_MSR).joined(uc)}
    made = replace(told, held=held)
    try:
        if len(made.known.map.listed()) > _MOST_SEGMENTS:
            return None
        memory = made.map()
    except ShatteredMapError:
        return None
    covered = sum(_write_back(memory, base, size) for base, size in ram)
    total = sum(size for _, size in ram)
    kind = MemoryType.UC if 2 * covered > total else MemoryType.WB
    return int(kind), f"the listed ranges make {covered >> 20} of {total >> 20} MiB of RAM WB"


def _write_back(memory: MemoryMap, base: int, size: int) -> int:
    return sum(max(0, min(base + size, s.end) - max(base, s.base)) for s in memory.segments if s.type == MemoryType.WB)


# --- the fixed ranges -----------------------------------------------------------------------------------------------


def fixed_low(told: Registers) -> bool:
    """Whether the fixed ranges may be taken to say below 640 KiB what the variable ranges say there.

    Below 640 KiB lies RAM in every PC, and firmware gives it one type. Nothing speaks for what is above (`LEGACY`).
    """
    if any(index in told.held or index in told.lost for index in rules.FIXED_MSRS):
        return False
    enabled = told.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_E) is not None or bool(told.on)
    return enabled or told.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE) is not None
