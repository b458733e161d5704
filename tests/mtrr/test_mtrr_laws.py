"""What holds for every register file, whatever it contains."""

from __future__ import annotations

import itertools
import pickle
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strategies import fields, interesting_addresses, states

from memtype import MemoryType, MtrrState, ShatteredMapError, range_registers, rules
from memtype.backends import reference

pytestmark = pytest.mark.usefixtures("backend")
LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_addresses(state: MtrrState, count: int = 12) -> list[int]:
    return interesting_addresses(state, random.Random(repr(state)), count)


def changed(state: MtrrState, **changes: Any) -> MtrrState:
    return MtrrState(**{**fields(state), **changes})  # type: ignore[arg-type]


def same_answers(one: MtrrState, two: MtrrState) -> bool:
    addresses = some_addresses(one)
    return one.types(addresses).tolist() == two.types(addresses).tolist()


@LAW
@given(state=states(most=6))
def test_bits_below_the_page_never_matter(state: MtrrState) -> None:
    for address in some_addresses(state):
        assert state.at(address) == state.at(address & ~0xFFF) == state.at(address | 0xFFF)


@LAW
@given(state=states(most=5), data=st.data())
def test_order_of_variable_registers_never_matters(state: MtrrState, data: Any) -> None:
    assert same_answers(state, changed(state, variable=data.draw(st.permutations(state.variable))))


@LAW
@given(state=states(most=6))
def test_uc_over_everything_wins_above_the_fixed_ranges(state: MtrrState) -> None:
    covered = changed(state, variable=(*state.variable, (0, rules.MASK_VALID)))
    assert {covered.at(a) for a in some_addresses(state) if a >= 1 << 20} <= {MemoryType.UC}


@LAW
@given(state=states(most=6))
def test_a_register_twice_says_what_it_says_once(state: MtrrState) -> None:
    assert same_answers(state, changed(state, variable=state.variable * 2))


@LAW
@given(state=states(holey=False, most=6))
def test_a_range_split_in_halves_is_the_same_range(state: MtrrState) -> None:
    halves = []
    for base, mask in state.variable:
        field = mask & rules.page_bits(state.maxphyaddr)
        half = (field & -field if field else 1 << state.maxphyaddr) >> 1
        if half < rules.PAGE_SIZE:
            halves.append((base, mask))
        else:
            halves += [(base & ~half, mask | half), (base | half, mask | half)]
    assert same_answers(state, changed(state, variable=halves))


@LAW
@given(state=states(most=6))
def test_while_mtrrs_are_off_the_whole_map_is_one_uc_segment(state: MtrrState) -> None:
    off = changed(state, def_type=state.def_type & ~0x800)
    assert [(part.base, part.last, part.type) for part in off.map] == [(0, 2**off.maxphyaddr - 1, MemoryType.UC)]


@LAW
@given(
    state=states(most=0),
    syscfg=st.sampled_from([0, 1 << 21, 1 << 22, 3 << 21, 2**32 - 1]),
    tom2=st.integers(0, 2**64 - 1),
    amd=st.booleans(),
)
def test_tom2_is_in_units_of_8_mib_below_the_width(state: MtrrState, syscfg: int, tom2: int, amd: bool) -> None:
    asked = changed(state, vendor="amd" if amd else "intel", syscfg=syscfg, tom2=tom2)
    forced = amd and syscfg >> 21 & 3 == 3
    expected = tom2 % 2 ** min(asked.maxphyaddr, 52) >> 23 << 23 if forced else 0
    assert reference.tom2_limit(asked) == expected


@LAW
@given(address=st.integers(0, 0xFFFFF), kind=st.sampled_from([0, 1, 4, 5, 6]), routing=st.sampled_from([8, 16, 24]))
def test_amd_routes_by_two_bits_of_a_fixed_byte_that_intel_reserves(address: int, kind: int, routing: int) -> None:
    fixed = (0x0101_0101_0101_0101 * (kind | routing),) * 11
    assert MtrrState(0xC06, fixed, vendor="amd").at(address) == kind
    assert MtrrState(0xC06, fixed, vendor="intel").at(address) == MemoryType.UNDEFINED


@pytest.mark.parametrize("holes", [0, 1, 3])
def test_the_limits_of_a_map_are_exact(monkeypatch: pytest.MonkeyPatch, holes: int) -> None:
    mask = 0x3FFF_FF00_0800 & ~((1 << holes) - 1 << 26)  # V, and the bits above 16 MiB but for the holes
    two_more = ((1 << 40, 0x3FFF_FF00_0800), (1 << 41, 0x3FFF_FF00_0800))
    state = MtrrState(0x806, variable=((1 << 45, mask), *two_more, (0, 0)), maxphyaddr=46)
    blocks, segments = 2**holes + 2, len(reference.resolve(state))
    assert segments == 2 * blocks + 1  # UC apart from each other in WB
    for name, needed in (("MAP_BLOCK_LIMIT", blocks), ("MAP_SEGMENT_LIMIT", segments)):
        with monkeypatch.context() as patch:
            patch.setattr(rules, name, needed)
            assert len(reference.resolve(state)) == segments
            patch.setattr(rules, name, needed - 1)
            with pytest.raises(ShatteredMapError, match="holey masks"):
                reference.resolve(state)
            patch.setattr(rules, name, 1)
            assert reference.resolve(changed(state, def_type=0x406)) == [(0, MemoryType.UC)]  # off: no block counts


@LAW
@example(lowest=40, holes=set(), base=0)  # a mask without an address bit matches every address
@given(st.integers(12, 40), st.sets(st.integers(13, 39), max_size=6), st.integers(0, 2**40 - 1))
def test_blocks_are_the_fewest_that_hold_what_a_mask_matches(lowest: int, holes: set[int], base: int) -> None:
    field = (2**40 - 1) >> lowest << lowest & ~sum(1 << bit for bit in holes - {lowest})
    found = list(reference.blocks(base, field | 0x800, 40))
    assert sum(size for _, size in found) == 2 ** (40 - field.bit_count())
    assert all(first + size <= behind for (first, size), (behind, _) in itertools.pairwise(found))
    assert all(edge & field == base & field for start, size in found for edge in (start, start + size - 1))
    above = {bit for bit in holes if bit > lowest and field >> lowest}
    assert len(found) == 2 ** len(above) == reference.block_count(MtrrState(0x800, variable=[(base, field | 0x800)],
                                                                            maxphyaddr=40))  # fmt: skip


@LAW
@given(state=states(most=5))
def test_the_map_says_what_lookups_say(state: MtrrState) -> None:
    try:
        segments = state.map.segments
    except ShatteredMapError:
        return
    assert segments[0].base == 0
    assert segments[-1].end == 1 << state.maxphyaddr
    for left, right in itertools.pairwise(segments):
        assert left.end == right.base
        assert left.type != right.type
    for segment in segments[:50]:
        inside = [segment.base, segment.last, segment.base + segment.size // 2]
        assert set(state.types(inside).tolist()) == {segment.type} == {state.at(a) for a in inside}
    addresses = some_addresses(state, 40)
    assert state.map.types(addresses).tolist() == state.types(addresses).tolist()


@LAW
@given(state=states(most=6), first=st.integers(0, 300))
def test_pages_are_addresses(state: MtrrState, first: int) -> None:
    pages = np.arange(first, first + 40, dtype=np.uint64)
    assert state.page_types(first, 40).tolist() == state.types(pages << np.uint64(12)).tolist()


@LAW
@given(state=states(most=8))
def test_bits_above_the_width_never_matter(state: MtrrState) -> None:
    high = rules.high_bits(state.maxphyaddr)
    bare = tuple((base & ~high, mask & ~high) for base, mask in state.variable)
    filled = tuple((base | high, mask | high) for base, mask in state.variable)
    assert same_answers(state, changed(state, variable=bare))
    assert same_answers(state, changed(state, variable=filled))


@LAW
@given(state=states(most=8))
def test_registers_survive_a_journey(state: MtrrState) -> None:
    assert pickle.loads(pickle.dumps(state)) == state
    again = MtrrState.from_msrs(state.msrs(), maxphyaddr=state.maxphyaddr, vendor=state.vendor)
    assert same_answers(state, again)
    read = MtrrState.from_msrs(
        {
            **dict.fromkeys(rules.FIXED_MSRS, 0),
            0xC0010010: 0,
            0xC001001D: 0,
            **state.msrs(),
            0xFE: 0x500 | len(state.variable),
        }.__getitem__,
        maxphyaddr=state.maxphyaddr,
        vendor=state.vendor,
    )
    assert same_answers(changed(state, cap=0x500 | len(state.variable)), read)


@LAW
@given(state=states(most=8))
def test_an_explanation_ends_in_the_answer_and_names_the_deciders(state: MtrrState) -> None:
    for address in some_addresses(state, 4):
        explained = state.explain(address)
        assert explained.type == state.at(address)
        assert all(step.rule in rules.RULES for step in explained.steps)
        named = {name for step in explained.steps for name in step.registers}
        kept = tuple(
            pair if f"PHYSBASE{n}/PHYSMASK{n}" in named else (pair[0], pair[1] & ~rules.MASK_VALID)
            for n, pair in enumerate(state.variable)
        )
        assert changed(state, variable=kept).at(address) == explained.type  # nobody unnamed had a say


@pytest.mark.parametrize("kind", [0, 1, 4, 5, 6])
@pytest.mark.parametrize("bits", range(12, 46))
def test_encode_and_decode_are_inverse(kind: int, bits: int) -> None:
    size = 1 << bits
    base = size * (3 if 4 * size <= 1 << 45 else 0)
    state = MtrrState(0x800 | (6 if kind != 6 else 0), variable=(range_registers(base, size, MemoryType(kind)),))
    assert [(s.base, s.size) for s in state.map.segments if s.type == kind] == [(base, size)]
    assert not state.problems()
