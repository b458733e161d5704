"""Where the space is finite, all of it: every byte, every sub-range, every mask at a reduced width."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from memtype import MemoryType, MtrrState, ShatteredMapError, rules

pytestmark = pytest.mark.usefixtures("backend")

LEGAL = (0, 1, 4, 5, 6)


@pytest.mark.parametrize("vendor", ["intel", "amd"])
def test_every_byte_in_every_fixed_slot(vendor: str) -> None:
    starts = np.array([span.base for span in rules.FIXED_RANGES], np.uint64)
    for byte in range(256):
        state = MtrrState(0xC06, fixed=[byte * 0x0101010101010101] * 11, vendor=vendor)
        kept = byte & ~0x18 if vendor == "amd" else byte
        assert set(state.types(starts).tolist()) == {kept if kept in LEGAL else MemoryType.UNDEFINED}


def test_every_fixed_slot_is_one_byte_of_one_register() -> None:
    """88 sub-ranges: 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB (SDM table 12-9), counted by hand here."""
    base = 0
    for slot in range(88):
        size = 0x10000 if slot < 8 else 0x4000 if slot < 24 else 0x1000
        values = [0x0606060606060606] * 11
        values[slot // 8] &= ~(0xFF << 8 * (slot % 8))
        state = MtrrState(0xC06, fixed=values)
        assert [(s.base, s.size) for s in state.map.segments if s.type == 0] == [(base, size)]
        base += size
    assert base == 1 << 20


def test_every_default_type() -> None:
    for def_type in [*range(256), 0x400, 0x406, 0x800, 0xC00, 0x1C06]:
        off = MtrrState(def_type & ~0x800)
        on = MtrrState(def_type & ~0x400 | 0x800)
        kind = def_type & 0xFF
        assert off.at(0x12345678) == MemoryType.UC
        assert on.at(0) == on.at(0x12345678) == (kind if kind in LEGAL else MemoryType.UNDEFINED)


def literal(pairs: Any, default: int, frame: int) -> int:
    """The rule over small frame numbers, written out once more."""
    hits = {kind for base, mask, kind in pairs if frame & mask == base & mask}
    if not hits:
        return default
    if 0 in hits:
        return 0
    if hits == {4, 6}:
        return 4
    return hits.pop() if len(hits) == 1 else 10


SHIFT, WIDTH = 29, 3  # the top three bits of a 32-bit space: every base, every mask, holey ones too
PAIRS = list(itertools.product(range(1 << WIDTH), repeat=2))


def register(base: int, mask: int, kind: int) -> tuple[int, int]:
    return base << SHIFT | kind, mask << SHIFT | rules.MASK_VALID


@pytest.mark.parametrize("kinds", list(itertools.combinations_with_replacement(LEGAL, 2)))
def test_every_two_registers_with_every_mask(kinds: tuple[int, int], backend: Any) -> None:
    addresses = np.arange(1 << WIDTH, dtype=np.uint64) << np.uint64(SHIFT)
    step = 1 if backend.name == "native" else 29
    for one, two in list(itertools.product(PAIRS, repeat=2))[::step]:
        pairs = [(*one, kinds[0]), (*two, kinds[1])]
        state = MtrrState(0x805, variable=[register(*pair) for pair in pairs], maxphyaddr=32)
        expected = [literal(pairs, 5, frame) for frame in range(1 << WIDTH)]
        assert state.types(addresses).tolist() == expected, state
        assert [state.at(int(a)) for a in addresses] == expected


def test_every_set_of_overlapping_types() -> None:
    """All sets of the encodings 0..7 over one address: UC wins, {WT, WB} is WT, one legal type is itself."""
    for members in range(1, 256):
        kinds = [t for t in range(8) if members >> t & 1]
        state = MtrrState(0x806, variable=[(t, rules.MASK_VALID) for t in kinds])
        if 0 in kinds:
            expected = 0
        elif kinds == [4, 6]:
            expected = 4
        elif len(kinds) == 1 and kinds[0] in LEGAL:
            expected = kinds[0]
        else:
            expected = 10
        assert state.at(1 << 30) == state.types([1 << 30])[0] == expected, kinds


@pytest.mark.parametrize("width", range(32, 53))
def test_every_width(width: int) -> None:
    state = MtrrState(
        0x800, variable=[(6, rules.MASK_VALID | rules.high_bits(width - 1) % (1 << 64))], maxphyaddr=width
    )
    assert [str(s.type) for s in state.map.segments] == ["WB", "UC"]
    assert state.map.segments[1].base == 1 << (width - 1)
    assert state.map.segments[1].last == (1 << width) - 1 == state.map.segments[-1].last


def test_tom2_decides_the_default_alone() -> None:
    """APM 7.9.4: WB from 4 GiB to TOP_MEM2, where no variable range matches, if both SYSCFG bits are set."""
    for vendor, syscfg, e, expected in itertools.product(
        ("amd", "intel"), (0, 1 << 21, 1 << 22, 3 << 21), (0, 0x800), ((6, 5, 6, 0, 0),)
    ):
        state = MtrrState(
            e,
            variable=[(0x140000005, 0xFFFC0000800)],
            maxphyaddr=44,
            vendor=vendor,
            syscfg=syscfg,
            tom2=0x240000000 | 0x7FFFFF,
        )
        got = [int(state.at(a)) for a in (0x100000000, 0x140000000, 0x23FFFFFFF, 0x240000000, 0xFFFFFFFF)]
        if not e:
            assert got == [0] * 5
        elif vendor == "amd" and syscfg == 3 << 21:
            assert got == list(expected)
        else:
            assert got == [0, 5, 0, 0, 0]


def test_a_map_holds_65536_segments_and_no_more() -> None:
    """Fifteen holes above bit 12: every other page below 256 MiB, 32,768 of them."""
    mask = rules.page_bits(36) & ~0xFFFE000 | rules.MASK_VALID
    even = MtrrState(0x800, variable=[(0x0006, mask)], maxphyaddr=36)
    odd = MtrrState(0x800, variable=[(0x1006, mask)], maxphyaddr=36)
    assert len(even.map) == 65_536
    assert [str(s.type) for s in even.map.segments[:2]] == ["WB", "UC"]
    with pytest.raises(ShatteredMapError, match="more than 65536 segments"):
        odd.map.segments  # noqa: B018
    assert len(odd.map) == 65_537
    assert [odd.at(a) for a in (0, 0x1000, 0x2000, 0xFFFF000, 0x10000000)] == [0, 6, 0, 6, 0]
    assert odd.types([0, 0x1000, 0x2000, 0xFFFF000, 0x10000000]).tolist() == [0, 6, 0, 6, 0]
