"""Hypothesis strategies and seeded generators for register files that sit on the boundaries."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from memtype import MtrrState, rules

LEGAL = (0, 1, 4, 5, 6)
ANY_TYPE = (*LEGAL, *LEGAL, 6, 6, 0, 2, 3, 7, 8, 0x1E, 0xFF)
WIDTHS = (32, 36, 39, 40, 42, 44, 45, 46, 48, 49, 52)


def random_pair(rng: random.Random, maxphyaddr: int, holey: bool = True) -> tuple[int, int]:
    """A base and mask: mostly well formed, sometimes holey, unaligned, filled above MAXPHYADDR, or rubbish."""
    field = rules.page_bits(maxphyaddr)
    size_bit = rng.randrange(12, maxphyaddr + 1)
    mask = field & ~((1 << size_bit) - 1)
    if holey and rng.random() < 0.25:
        for _ in range(rng.randrange(1, 4)):
            mask &= ~(1 << rng.randrange(12, maxphyaddr))
    base = rng.getrandbits(64) & field
    if rng.random() < 0.8:
        base &= mask
    if rng.random() < 0.3:  # where layouts meet: near the low megabyte and 4 GiB
        base = rng.choice([0, 0x80000, 1 << 20, 1 << 31, 3 << 30, (1 << 32) & field]) & mask
    if rng.random() < 0.1:
        mask |= rules.high_bits(maxphyaddr)
    if rng.random() < 0.1:
        base |= rules.high_bits(maxphyaddr) & rng.getrandbits(64)
    base |= rng.choice(ANY_TYPE) if rng.random() < 0.3 else rng.choice(LEGAL)
    valid = rules.MASK_VALID if rng.random() < 0.85 else 0
    return base, mask | valid | (rng.getrandbits(11) if rng.random() < 0.1 else 0)


def random_state(rng: random.Random, holey: bool = True, most: int = 12) -> MtrrState:
    """A register file of any kind that a dump can hold."""
    maxphyaddr = rng.choice(WIDTHS)
    choices = LEGAL if rng.random() < 0.8 else ANY_TYPE
    uniform = rng.random() < 0.5
    fixed = []
    for _ in range(11):
        entries = [rng.choice(choices)] * 8 if uniform else [rng.choice(choices) for _ in range(8)]
        fixed.append(int.from_bytes(bytes(entries), "little"))
    return MtrrState(
        def_type=rng.choice([0xC00, 0xC06, 0xC06, 0x800, 0x806, 0x400, 0, 0xC04, 0xC02, 0xC07, 0xF0C06]),
        fixed=tuple(fixed),
        variable=tuple(random_pair(rng, maxphyaddr, holey) for _ in range(rng.randrange(most + 1))),
        maxphyaddr=maxphyaddr,
        vendor=rng.choice(["intel", "intel", "amd"]),
        syscfg=rng.choice([0, 0, 0x600000, 0x200000, 0x400000, 0x7C0000]),
        tom2=rng.choice([0, 1 << 32, 0x4_1F00_0000, 0x10_8000_0000, (1 << 52) - 1, rng.getrandbits(52)]),
        cap=rng.choice([None, None, None, 0x508, 0x408]),
    )


def interesting_addresses(s: MtrrState, rng: random.Random, count: int) -> list[int]:
    """Boundaries of the state with their neighbours, and random addresses, all below 2**MAXPHYADDR."""
    top = (1 << s.maxphyaddr) - 1
    edges = [0, 0x7FFFF, 0x80000, 0xBFFFF, 0xC0000, 0xFFFFF, 1 << 20, (1 << 32) - 1, 1 << 32, s.tom2, top]
    for base, mask in s.variable:
        field = mask & rules.page_bits(s.maxphyaddr)
        size = field & -field if field else 1 << s.maxphyaddr
        edges += [base & mask, (base & mask) + size]
    near = [edge + delta for edge in edges for delta in (-1, 0, 1)]
    far = [rng.getrandbits(s.maxphyaddr) for _ in range(count)] + [rng.getrandbits(20) for _ in range(count // 8)]
    return [address for address in near + far if 0 <= address <= top]


def fields(state: MtrrState) -> dict[str, object]:
    """The constructor's arguments, to make a changed copy."""
    names = ("def_type", "fixed", "variable", "maxphyaddr", "vendor", "syscfg", "tom2", "cap")
    return {name: getattr(state, name) for name in names}


def states(holey: bool = True, most: int = 12) -> st.SearchStrategy[MtrrState]:
    return st.integers(0, 2**64 - 1).map(lambda seed: random_state(random.Random(seed), holey, most))
