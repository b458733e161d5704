"""Counts without types, and each address under its own state: the same answers as the plain ways."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from strategies import random_state

import memtype as mt
from memtype import AddressError, ArrayError, InputError, MtrrState, StateArray, rules
from memtype.backends import reference

SLOW = mt.backend == "python"
SIZES = [0, 1, 7, 8, 9, 300] if SLOW else [0, 1, 7, 8, 9, 4095, 4096, 4097, 20_003]


def any_addresses(s: MtrrState, seed: int, count: int) -> Any:
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 1 << s.maxphyaddr, count, np.uint64)
    return np.where(rng.random(count) < 0.3, made & np.uint64(0xFFFFF), made)


@pytest.mark.parametrize("n", SIZES)
def test_a_histogram_counts_the_types(n: int) -> None:
    rng = random.Random(n)
    for seed in range(3 if SLOW else 20):
        s = random_state(rng)
        addresses = any_addresses(s, seed, n)
        counts = s.histogram(addresses)
        assert counts.dtype == np.uint64 and counts.shape == (16,)
        assert counts.tolist() == np.bincount(s.types(addresses), minlength=16).tolist()
        assert int(counts.sum()) == n
        cut = n // 3
        assert np.array_equal(counts, s.histogram(addresses[:cut]) + s.histogram(addresses[cut:]))


def test_a_histogram_takes_what_types_takes() -> None:
    s = MtrrState(0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
    assert s.histogram([[0, 1 << 31], [1 << 31, 5]])[6] == 2
    assert s.histogram(np.arange(0, 1 << 33, 1 << 31, dtype=np.int64)[::2])[mt.MemoryType.WB] == 2
    assert not s.histogram([]).any()
    for place in (0, 1, 4095, 4096, 9_999):
        addresses = np.zeros(10_000, np.uint64)
        addresses[[place, -1]] = 1 << 40
        with pytest.raises(AddressError) as caught:
            s.histogram(addresses)
        assert caught.value.index == place
    with pytest.raises(ArrayError):
        s.histogram([0.5])


def fleet_of(count: int, seed: int) -> list[MtrrState]:
    rng = random.Random(seed)
    return [random_state(rng, most=rng.choice((0, 3, 12, 40))) for _ in range(count)]


def ragged(states: list[MtrrState], count: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, len(states), count)
    widths = np.array([s.maxphyaddr for s in states], np.uint64)[ids]
    addresses = rng.integers(0, 1 << 63, count, np.uint64) & ((np.uint64(1) << widths) - np.uint64(1))
    return ids, np.where(rng.random(count) < 0.2, addresses & np.uint64(0xFFFFF), addresses)


@pytest.mark.parametrize(("states", "count"), [(1, 1), (1, 50), (7, 20), (7, 400), (40, 100), (40, 1000)])
def test_each_address_under_its_own_state(states: int, count: int) -> None:
    """Few addresses a state, which are asked of the registers, and many, which are asked of maps."""
    found = fleet_of(states, states + count)
    ids, addresses = ragged(found, count, count)
    want = [reference.at(found[i], a) for i, a in zip(ids.tolist(), addresses.tolist(), strict=True)]
    assert mt.types_by(found, ids, addresses).tolist() == want
    fleet = StateArray.of(found)
    out = np.full(count, 0xEE, np.uint8)
    assert mt.types_by(fleet, ids.astype(np.uint8), addresses, out=out) is out and out.tolist() == want
    pairs = mt.types_by(fleet, ids.reshape(1, -1), addresses.reshape(1, -1))
    assert pairs.shape == (1, count) and pairs[0].tolist() == want
    strided = np.full(2 * count, 0xEE, np.uint8)
    mt.types_by(fleet, ids, addresses, out=strided[::2])
    assert strided[::2].tolist() == want and (strided[1::2] == 0xEE).all()


def test_a_state_whose_map_is_shattered_is_asked_of_its_registers() -> None:
    holes = sum(1 << bit for bit in range(13, 33, 2))
    holey = MtrrState(0x806, variable=[(1, rules.page_bits(46) & ~holes | 0x800)], maxphyaddr=46)
    plain = MtrrState(0x800, maxphyaddr=36)
    rng = np.random.default_rng(1)
    addresses = rng.integers(0, 1 << 34, 200, np.uint64) & np.uint64(holes | 0xFFF)
    ids = rng.integers(0, 2, 200)
    want = [reference.at((holey, plain)[i], a) for i, a in zip(ids.tolist(), addresses.tolist(), strict=True)]
    assert mt.types_by([holey, plain], ids, addresses).tolist() == want
    assert set(want) == {0, 1}


@pytest.mark.parametrize("count", [3, 5000])
def test_what_is_refused_is_named_and_nothing_is_written(count: int) -> None:
    states = [MtrrState(0x806, maxphyaddr=36), MtrrState(0x806, maxphyaddr=46)]
    for place in {0, count // 2, count - 1}:
        ids, addresses, out = np.ones(count, np.int64), np.full(count, 1 << 40), np.full(count, 0xEE, np.uint8)
        ids[[place, -1]] = 0
        with pytest.raises(AddressError, match=r"0x10000000000 at index .* .MAXPHYADDR = 36") as caught:
            mt.types_by(states, ids, addresses, out=out)
        assert caught.value.index == place and (out == 0xEE).all()
        ids[place] = 2
        with pytest.raises(InputError, match=rf"ids\[{place}\] = 2: there are 2 states"):
            mt.types_by(states, ids, addresses, out=out)
        assert (out == 0xEE).all()
    assert mt.types_by(states, [], []).shape == (0,)
    assert mt.types_by([], [], []).shape == (0,)
    for ids in ([0], [[0, 0]], [0.5, 1], [-1, 0]):
        with pytest.raises(InputError):
            mt.types_by(states, ids, [0, 0])
    both = np.zeros(8, np.uint64)
    with pytest.raises(ArrayError, match="overlaps"):
        mt.types_by(states, both, np.zeros(8, np.uint64), out=both.view(np.uint8)[:8])
