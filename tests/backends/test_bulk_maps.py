"""Maps and pages in a row: every instruction set that runs here finds the segment that a search finds."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import oracle
import pytest
from kernel_sets import KERNELS, nasty, scattered

import memtype as mt
from memtype import MtrrState
from memtype.backends import python

pytestmark = pytest.mark.parametrize("through", KERNELS, indirect=True)

COUNT = 1237  # tables pay from 512 on; no multiple of a block


def test_maps_answer_as_their_state_does(through: Any) -> None:
    for seed in range(60):
        s = nasty(seed)
        try:
            m = s.map
        except mt.ShatteredMapError:
            continue
        addresses = scattered(s, seed, COUNT, low=seed % 3 / 2)
        assert np.array_equal(m.types(addresses), oracle.types(s, addresses))


def test_maps_of_any_shape(through: Any) -> None:
    """Edges inside pages, odd layouts below 1 MiB, all twelve types and more values than tables hold."""
    rng = random.Random(5)
    for seed in range(80):
        grain = rng.choice((1, 0x800, 0x1000, 0x4000, 1 << 30))
        tops = (1 << rng.choice((18, 20, 21, 33, 40)) for _ in range(seed))
        cuts = sorted({rng.randrange(top) // grain * grain for top in tops} | {0})
        kinds = [rng.randrange(12 if seed % 2 else 40) for _ in cuts]
        bases, values = np.array(cuts, np.uint64), np.array(kinds, np.uint8)
        steps = np.arange(COUNT, dtype=np.uint64)
        near = bases[steps % np.uint64(bases.size)] + steps % np.uint64(3)
        addresses = np.where(steps % np.uint64(2), near - (near > 0), steps << np.uint64(10))
        out, want = np.empty(COUNT, np.uint8), np.empty(COUNT, np.uint8)
        through.map_types(bases, values, 40, addresses, out)
        python.map_types(bases, values, 40, addresses, want)
        assert np.array_equal(out, want), seed


def test_pages_in_a_row_with_and_without_a_map(through: Any) -> None:
    shattered = MtrrState(0xC06, variable=[(0, 0x1_0000_0000_1800)], maxphyaddr=52)
    with pytest.raises(mt.ShatteredMapError):
        _ = shattered.map.segments
    for s in (shattered, *(nasty(seed) for seed in range(10))):
        for first in (0, 0x9F, 0xFF, (1 << s.maxphyaddr - 12) - 700):
            pages = np.arange(first, first + 700, dtype=np.uint64) << np.uint64(12)
            want = oracle.types(s, pages).tolist()
            assert s.page_types(first, 700).tolist() == want
            assert s.page_types(first, 700, out=np.full(700, 0xEE, np.uint8)).tolist() == want
