"""Register states to measure with: two holes (QEMU), a server's pieces, an overlapping mix, many ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

import memtype as mt

WIDTH = 46
GIB = 1 << 30
LOW = [0x0606060606060606] * 2 + [0] + [0x0505050505050505] * 8


def pair(base: int, size: int, kind: int) -> tuple[int, int]:
    return base | kind, (1 << WIDTH) - size | 0x800


VARIABLE: dict[int, list[tuple[int, int]]] = {
    2: [pair(3 * GIB, GIB, 0), pair(1 << 45, 1 << 45, 0)],
    8: [pair(64 * GIB, 64 * GIB, 6), pair(3 * GIB, GIB, 0)] + [pair(4 * n * GIB, 4 * GIB, 6) for n in range(6)],
    10: [pair(5 * n * GIB, GIB << n % 4, (6, 4, 6, 1, 0)[n % 5]) for n in range(10)],
    32: [pair(2 * n * GIB, GIB, (6, 4)[n % 2]) for n in range(32)],
}


def state(ranges: int) -> mt.MtrrState:
    return mt.MtrrState(0xC00 if ranges == 8 else 0xC06, LOW, VARIABLE[ranges], WIDTH)


def crowded(ranges: int) -> mt.MtrrState:
    """Ranges none of which can be merged: two that differ in one bit of their number differ in type."""
    apart = [pair(2 * n * GIB, GIB, (5, 4)[n.bit_count() % 2]) for n in range(ranges)]
    return mt.MtrrState(0xC06, LOW, apart, WIDTH)


def addresses(count: int, low: float = 0.01) -> Any:
    """Below 128 GiB, a share `low` of them below 1 MiB."""
    rng = np.random.default_rng(count)
    made = rng.integers(0, 128 * GIB, count, np.uint64)
    np.bitwise_and(made, np.uint64(0xFFFFF), out=made, where=rng.random(count) < low)
    return made
