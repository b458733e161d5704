"""The register files: every rule, every boundary and every meeting of ranges, family by family.

A family yields `Case`s; its name begins theirs. What a case asks for is in its rule; `near` are addresses that it
wants asked before all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from memtype import rules
from memtype.mtrr import MtrrState
from memtype.types import MemoryType
from memtype.vectors.addresses import around
from memtype.vectors.draw import Draw

LEGAL: Final = tuple(sorted(rules.MTRR_TYPES))
RESERVED: Final = (2, 3, 7, 8, 0x16, 0xFF)
UC, WC, WT, WP, WB = LEGAL
E: Final = rules.DEF_TYPE_E
E_FE: Final = rules.DEF_TYPE_E | rules.DEF_TYPE_FE
CAP: Final = rules.MTRRCAP_FIX | rules.MTRRCAP_WC
WIDTHS: Final = tuple(range(rules.MIN_MAXPHYADDR, rules.MAX_MAXPHYADDR + 1))
TOM2_ON: Final = rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
GIB: Final = 1 << 30

Pair = tuple[int, int]


class Case(NamedTuple):
    """One register file: its name, the rule that it is made for, and addresses that must be among the 64."""

    id: str
    rule: str
    state: MtrrState
    near: tuple[int, ...] = ()


def each(byte: int) -> int:
    """A fixed-range register whose eight bytes are all `byte`."""
    return byte * 0x0101_0101_0101_0101


FIRMWARE: Final = (*[each(WB)] * 2, 0, *[each(WP)] * 8)  # RAM, the VGA window, ROM


def registers(def_type: int, pairs: Sequence[Pair] = (), maxphyaddr: int = 46, **more: Any) -> MtrrState:
    """A register file whose MTRRCAP counts its pairs."""
    more.setdefault("cap", CAP | len(pairs))
    return MtrrState(def_type, variable=tuple(pairs), maxphyaddr=maxphyaddr, **more)


def pair(base: int, size: int, kind: int, maxphyaddr: int = 46) -> Pair:
    """PHYSBASE and PHYSMASK of an aligned power of two; `kind` may be reserved."""
    return base | kind, rules.page_bits(maxphyaddr) & -size | rules.MASK_VALID


# --- E, FE, the default type ------------------------------------------------------------------------------------


def off() -> Iterator[Case]:
    """E = 0: UC, whatever else is set."""
    for kind, fe, vendor in product(LEGAL, (0, rules.DEF_TYPE_FE), ("intel", "amd")):
        pairs = [pair(0, 4 * GIB, WB), pair(3 * GIB, GIB, WC)]
        state = registers(
            fe | kind, pairs, 44, vendor=vendor, fixed=[each(WB)] * 11, syscfg=TOM2_ON, tom2=0x10_8000_0000
        )
        yield Case(f"off-{MemoryType(kind)}-{'FE' if fe else 'noFE'}-{vendor}", "mtrr-disabled", state)


def default() -> Iterator[Case]:
    """No range matches: the default type, at every width; a reserved one decides nothing."""
    for width, kind in product(WIDTHS, LEGAL):
        yield Case(f"default-{MemoryType(kind)}-{width}", "mtrr-default", registers(E | kind, (), width))
    for kind in RESERVED:
        yield Case(f"default-reserved-{kind}", "mtrr-reserved", registers(E | kind, (), 40))


# --- fixed ranges -----------------------------------------------------------------------------------------------


def _one_slot(slot: int, kind: int, others: int) -> list[int]:
    values = [each(others)] * 11
    span = rules.FIXED_RANGES[slot]
    values[span.register] ^= (kind ^ others) << 8 * span.byte
    return values


def fixed() -> Iterator[Case]:
    """One of the 88 sub-ranges differs from all others, of every type."""
    for slot, span in enumerate(rules.FIXED_RANGES):
        kind, others = LEGAL[slot % 5], LEGAL[(slot + 1 + slot // 5 % 4) % 5]
        near = tuple(around((span.base, span.base + span.size)))
        state = registers(E_FE | LEGAL[slot % 3], fixed=_one_slot(slot, kind, others))
        yield Case(f"fixed-slot-{slot:02d}", "mtrr-fixed", state, near)
    for kind in LEGAL:
        over = [pair(0, 1 << 20, kind), pair(0, 1 << 16, UC), pair(0xC_0000, 1 << 18, WT)]
        lasting = [each(LEGAL[(n + kind) % 5]) for n in range(11)]
        name = str(MemoryType(kind))
        yield Case(f"fixed-over-variable-{name}", "mtrr-fixed", registers(E_FE, over, fixed=lasting), _low())
        yield Case(f"fixed-FE-clear-{name}", "mtrr-default", registers(E | kind, fixed=lasting), _low())
        yield Case(f"fixed-FE-clear-variable-{name}", "mtrr-variable", registers(E, over, fixed=lasting), _low())
        absent = registers(E_FE | kind, over, fixed=lasting, cap=rules.MTRRCAP_WC | 3)
        yield Case(f"fixed-FIX-clear-{name}", "mtrr-variable", absent, _low())


def _low(step: int = 7) -> tuple[int, ...]:
    """Places over the whole first MiB, and its end."""
    bases = [span.base for span in rules.FIXED_RANGES[::step]]
    return (*around([*bases, 0xF_F000, rules.FIXED_END]), 0x5_1234, 0x9_F000)


def fixed_bytes() -> Iterator[Case]:
    """Every value of a byte, 32 registers' worth of slots at a time; AMD's RdMem and WrMem are no part of the type."""
    for vendor, first in product(("intel", "amd"), range(0, 256, 32)):
        held = [first + slot % 32 for slot in range(88)]
        values = [int.from_bytes(bytes(held[8 * n : 8 * n + 8]), "little") for n in range(11)]
        near = tuple(span.base + 0x321 for span in rules.FIXED_RANGES[24:56])
        rule = "mtrr-fixed-amd" if vendor == "amd" else "mtrr-reserved"
        yield Case(f"fixed-bytes-{vendor}-{first:02x}", rule, registers(E_FE, fixed=values, vendor=vendor), near)


# --- one variable range -----------------------------------------------------------------------------------------


def sizes() -> Iterator[Case]:
    """Every size at every width, from 4 KiB to all of the address space."""
    for width in WIDTHS:
        for bit in range(rules.PAGE_SHIFT, width + 1):
            name = f"size-2^{bit}-{width}"
            base = Draw(name).bits(width) & -(1 << bit)
            kind, rest = LEGAL[(bit + width) % 5], LEGAL[(bit + width + 2) % 5]
            yield Case(name, "mtrr-variable", registers(E | rest, [pair(base, 1 << bit, kind, width)], width))


def bases() -> Iterator[Case]:
    """Bits of the base that the mask leaves out do not count."""
    for width, bit in product((36, 39, 46, 52), range(14, 36, 2)):
        name = f"base-unaligned-2^{bit}-{width}"
        draw = Draw(name)
        base, mask = pair(draw.bits(width) & -(1 << bit), 1 << bit, WC, width)
        inside = draw.bits(bit) & -rules.PAGE_SIZE | 1 << draw.one_of((12, bit - 1))
        yield Case(name, "mtrr-variable", registers(E | WB, [(base | inside, mask)], width))


def holes() -> Iterator[Case]:
    """Masks with one hole, then with several: each doubles the number of blocks."""
    for width in (36, 39, 46, 52):
        for bit in range(rules.PAGE_SHIFT + 1, width):
            size = Draw(f"{width}-{bit}").below(bit - rules.PAGE_SHIFT) + rules.PAGE_SHIFT
            base, mask = pair(1 << width - 1 & -(1 << size), 1 << size, WP, width)
            yield Case(f"hole-{bit}-{width}", "mtrr-variable", registers(E, [(base, mask & ~(1 << bit))], width))
    for n in range(60):
        name = f"holes-{n:02d}"
        draw = Draw(name)
        width = draw.one_of(WIDTHS)
        base, mask = draw.bits(width) & -rules.PAGE_SIZE | WB, rules.page_bits(width) | rules.MASK_VALID
        for _ in range(3 + draw.below(12)):
            mask &= ~(1 << draw.below(width - rules.PAGE_SHIFT) + rules.PAGE_SHIFT)
        yield Case(name, "mtrr-variable", registers(E, [(base, mask)], width))


def widths() -> Iterator[Case]:
    """Bits at and above MAXPHYADDR count for nothing, in masks (emulators fill them) and in bases."""
    for width in WIDTHS:
        base, mask = pair(GIB, GIB, WB, width)
        above = rules.high_bits(width)
        filled = above & ~rules.high_bits(rules.MAX_MAXPHYADDR)
        for name, value in (("filled", (base, mask | filled)), ("all-ones", (base, mask | above))):
            yield Case(f"width-mask-{name}-{width}", "mtrr-variable", registers(E, [value], width))
        yield Case(f"width-base-above-{width}", "mtrr-variable", registers(E, [(base | above, mask | above)], width))


def rubbish() -> Iterator[Case]:
    """V = 0 is no range, whatever the rest says; reserved bits 10:0 of a mask and 11:8 of a base change nothing."""
    for n in range(10):
        draw = Draw(f"rubbish-{n}")
        base, mask = pair(2 * GIB, 1 << 30 - n, LEGAL[n % 5], 40)
        rest = LEGAL[(n + 3) % 5]
        dead = (draw.bits(64), draw.bits(64) & ~rules.MASK_VALID)
        yield Case(f"rubbish-V-clear-{n}", "mtrr-variable", registers(E | rest, [dead, (base, mask), dead], 40))
        noisy = (base | draw.bits(4) << 8, mask | draw.bits(11))
        yield Case(f"rubbish-reserved-bits-{n}", "mtrr-variable", registers(E | rest, [noisy], 40))


def everything() -> Iterator[Case]:
    """A mask whose field is 0 matches every address."""
    for width in WIDTHS:
        kind = LEGAL[width % 5]
        every = (kind, rules.MASK_VALID)
        yield Case(f"everything-{width}", "mtrr-variable", registers(E | LEGAL[(width + 1) % 5], [every], width))
    for kind in LEGAL:
        over = [(WB, rules.MASK_VALID), pair(3 * GIB, GIB, kind)]
        yield Case(f"everything-under-{MemoryType(kind)}", "mtrr-variable", registers(E, over))


# --- ranges that meet -------------------------------------------------------------------------------------------


def _meeting_rule(kinds: Sequence[int]) -> str:
    if UC in kinds:
        return "mtrr-uc-wins" if len(set(kinds)) > 1 else "mtrr-one"
    if set(kinds) - rules.MTRR_TYPES:
        return "mtrr-reserved"
    if len(set(kinds)) == 1:
        return "mtrr-one"
    return "mtrr-wt-wb" if set(kinds) == {WT, WB} else "mtrr-undefined"


def _word(kind: int) -> str:
    return str(MemoryType(kind)) if kind in LEGAL else f"x{kind:02x}"


def two() -> Iterator[Case]:
    """Every ordered pair of types, the one inside the other, and both over the same addresses, in either order."""
    for one, other in product((*LEGAL, *RESERVED[:3]), repeat=2):
        rule, name = _meeting_rule((one, other)), f"{_word(one)}-{_word(other)}"
        rest = next(kind for kind in LEGAL if kind not in (one, other))
        nested = [pair(0, 4 * GIB, one), pair(3 * GIB, GIB, other)]
        yield Case(f"two-nested-{name}", rule, registers(E | rest, nested))
        yield Case(f"two-nested-back-{name}", rule, registers(E | rest, nested[::-1]))
        same = [pair(GIB, GIB, one), pair(GIB, GIB, other)]
        yield Case(f"two-same-{name}", rule, registers(E | rest, same))


def three() -> Iterator[Case]:
    """Every triple of types, in every order."""
    for kinds in product(LEGAL, repeat=3):
        pairs = [pair(0, 4 * GIB, kinds[0]), pair(2 * GIB, 2 * GIB, kinds[1]), pair(3 * GIB, GIB // 2, kinds[2])]
        name = "-".join(map(_word, kinds))
        yield Case(f"three-{name}", _meeting_rule(kinds), registers(E | LEGAL[sum(kinds) % 5], pairs))


def many() -> Iterator[Case]:
    """More pairs than common processors have, and all five types at once."""
    for count in (8, 10, 16, 24, 32, 40):
        name = f"many-{count}"
        draw = Draw(name)
        pairs = [random_pair(draw, 46) for _ in range(count)]
        yield Case(name, "mtrr-variable", registers(E_FE | WB, pairs, fixed=FIRMWARE))
    for n in range(5):
        kinds = [*LEGAL[n:], *LEGAL[:n]]
        pairs = [pair(0, 1 << 36 - i, kind) for i, kind in enumerate(kinds)]
        yield Case(f"all-types-{n}", "mtrr-uc-wins", registers(E, pairs))


# --- AMD ---------------------------------------------------------------------------------------------------------

_TOM2: Final = (
    0, 0x8000_0000, rules.GIB4, rules.GIB4 + (8 << 20), 0x1_7F80_0000, 0x4_1F00_0000, 0x10_8000_0000,
    0x4_1F7F_FFFF, (1 << 64) - 1, 1 << 52,
)  # fmt: skip


def tom2() -> Iterator[Case]:
    """SYSCFG bits 21 and 22 make the default type of [4 GiB, TOP_MEM2) WB; ranges go before it; Intel has none."""
    bits = (0, rules.SYSCFG_TOM2_EN, rules.SYSCFG_TOM2_FORCE_WB, TOM2_ON)
    for limit, syscfg in product(_TOM2, bits):
        name = f"tom2-{limit:x}-syscfg-{syscfg:x}"
        rule = "mtrr-tom2" if syscfg == TOM2_ON else "mtrr-default"
        yield Case(name, rule, registers(E, (), 44, vendor="amd", syscfg=syscfg, tom2=limit))
    above = pair(5 * GIB, GIB, UC, 48), pair(8 * GIB, 8 * GIB, WT, 48), pair(1 << 36, 1 << 36, WP, 48)
    more = {"syscfg": TOM2_ON, "tom2": 0x18_4000_0000}
    for kind in (*LEGAL, 7):
        yield Case(f"tom2-default-{_word(kind)}", "mtrr-tom2", registers(E | kind, above, 48, vendor="amd", **more))
        yield Case(f"tom2-intel-{_word(kind)}", "mtrr-default", registers(E | kind, above, 48, **more))
    for width in (32, 33, 36, 38, 43, 52):
        more["tom2"] = 0x000F_FFFF_FF80_0000
        yield Case(f"tom2-width-{width}", "mtrr-tom2", registers(E, (), width, vendor="amd", **more))


# --- whole machines, and anything -------------------------------------------------------------------------------


def machines() -> Iterator[Case]:
    """What firmware leaves: RAM WB with a hole for devices below 4 GiB, by either default type."""
    for bit, (hole, vendor) in product(range(31, 43), ((GIB, "intel"), (GIB // 2, "amd"))):
        ram, low = 1 << bit, 4 * GIB - hole
        amd = {"syscfg": TOM2_ON, "tom2": ram + hole} if vendor == "amd" else {}
        by_uc = [pair(0, 4 * GIB, WB, 48), pair(low, hole, UC, 48)]
        if ram > 4 * GIB and not amd:
            by_uc += [pair(1 << n, 1 << n, WB, 48) for n in range(32, bit)] + [pair(ram, hole, WB, 48)]
        name = f"{ram >> 30}G-{vendor}"
        state = registers(E_FE, by_uc, 48, vendor=vendor, fixed=FIRMWARE, **amd)
        yield Case(f"machine-default-UC-{name}", "mtrr-uc-wins", state, tuple(around((ram + hole,))))
        by_wb = [pair(low, hole, UC, 48), pair(1 << 47, 1 << 47, UC, 48)]
        state = registers(E_FE | WB, by_wb, 48, vendor=vendor, fixed=FIRMWARE, **amd)
        yield Case(f"machine-default-WB-{name}", "mtrr-default", state, tuple(around((ram + hole,))))


def random_pair(draw: Draw, width: int) -> Pair:
    """Mostly what firmware writes; sometimes holes, bits outside the mask or the width, reserved types, V = 0."""
    mask = rules.page_bits(width) & -(1 << rules.PAGE_SHIFT + draw.below(width - rules.PAGE_SHIFT + 1))
    if draw.chance(20):
        mask &= ~(1 << draw.below(width - rules.PAGE_SHIFT) + rules.PAGE_SHIFT)
    base = draw.bits(width) & rules.page_bits(width)
    if draw.chance(75):
        base &= mask
    if draw.chance(40):  # where layouts meet
        base = draw.one_of((0, 1 << 20, 1 << 31, 3 * GIB)) & mask
    if draw.chance(10):
        mask |= rules.high_bits(width)
    base |= draw.one_of(RESERVED) if draw.chance(4) else draw.one_of(LEGAL)
    return base, mask | (rules.MASK_VALID if draw.chance(85) else 0) | (draw.bits(11) if draw.chance(5) else 0)


def anything() -> Iterator[Case]:
    """All of it at once."""
    for n in range(600):
        name = f"anything-{n:03d}"
        draw = Draw(name)
        width = draw.one_of(WIDTHS)
        pairs = [random_pair(draw, width) for _ in range(draw.below(11))]
        slots = bytes(draw.one_of((*LEGAL, *LEGAL, 0x1E, 0x15, 2)) for _ in range(88))
        values = [int.from_bytes(slots[8 * i : 8 * i + 8], "little") for i in range(11)]
        state = registers(
            draw.one_of((E_FE, E_FE, E, E, rules.DEF_TYPE_FE)) | draw.one_of((*LEGAL, WB, 3)), pairs, width,
            vendor=draw.one_of(("intel", "amd")), fixed=values, syscfg=draw.one_of((0, TOM2_ON, TOM2_ON, 0x7C_0000)),
            tom2=draw.one_of(_TOM2) if draw.chance(50) else draw.bits(draw.one_of((34, 40, 48))),
            cap=len(pairs) | rules.MTRRCAP_WC | (0 if draw.chance(10) else rules.MTRRCAP_FIX),
        )  # fmt: skip
        yield Case(name, "mtrr-variable", state)


FAMILIES: Final[tuple[Callable[[], Iterator[Case]], ...]] = (
    off, default, fixed, fixed_bytes, sizes, bases, holes, widths, rubbish, everything, two, three, many, tom2,
    machines, anything,
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All register files, in the order of the families."""
    for family in FAMILIES:
        yield from family()
