"""Fleets of nasty states: every instruction set that runs here equals the fallback."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from kernel_sets import KERNELS, STATES, nasty, scattered

from memtype import MtrrState, StateArray, types_by


@pytest.mark.parametrize("through", KERNELS, indirect=True)
@pytest.mark.parametrize("count", [1, 31, 63, 64, 65, 200])
def test_fleets(through: Any, count: int) -> None:
    seeds = STATES[::5]
    states = [nasty(seed) for seed in seeds]
    shares = (0, 0.02, 1)
    rows = [scattered(s, seed, count, low=shares[seed % 3]) for seed, s in zip(seeds, states, strict=True)]
    out = np.full((len(states), count), 0xEE, np.uint8)
    through.fleet_types(StateArray.of(states), np.array(rows), out)
    for s, row, found in zip(states, rows, out, strict=True):
        assert np.array_equal(found, oracle.types(s, row))


@pytest.mark.parametrize("most", [1, 2, 15, 16, 17, 32, 33, 63, 64, 65])
def test_searches_of_every_length(most: int) -> None:
    """Maps of one fleet are searched alike, in as many steps as the longest needs: from two segments on to too many."""
    rng = np.random.default_rng(most)
    states = [
        MtrrState(0x800, (0,) * 11, [((2 * n + k % 2) << 30 | 6, 0x3FFFC0000800) for n in range(k // 2)], 46)
        for k in (1, most, most // 2)
    ]
    assert max(len(s.map.segments) for s in states) == most
    edges = np.arange(2 * most + 2, dtype=np.uint64) << np.uint64(30)
    addresses = np.concatenate([edges[:-1], edges[1:] - np.uint64(1), rng.integers(0, 1 << 46, 50, np.uint64)])
    for s in states:
        ids = rng.integers(0, 3, addresses.size).astype(np.uint32)
        ids[rng.random(ids.size) < 0.7] = states.index(s)
        each = [oracle.types(state, addresses) for state in states]
        want = [each[n][place] for place, n in enumerate(ids)]
        assert types_by(states, ids, addresses).tolist() == want
