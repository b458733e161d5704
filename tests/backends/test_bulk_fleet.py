"""Fleets of nasty states: every instruction set that runs here equals the fallback."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from kernel_sets import KERNELS, STATES, nasty, scattered

from memtype import StateArray


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
