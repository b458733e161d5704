"""The counters of each instruction set: every length around their vectors and parts, every type, refusals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_sets import KERNELS, native, rebuilt_core

WIDTH = 36
SIZES = [*range(300), 4079, 4080, 4081, 4096, 4097, 8159, 8160, 8161, 8191, 8192, 8193, 16_320, 16_384, 20_003]
OF_REGISTERS, OTHERS = (0, 1, 4, 5, 6, 10), (2, 7, 12, 15)


class Counter:
    """`memtype_histogram` of a map of 2 GiB segments with one instruction set."""

    def __init__(self, name: str, kinds: tuple[int, ...]) -> None:
        core: Any = rebuilt_core() if name == "emulated" else SimpleNamespace(ffi=native.ffi, lib=native.lib)
        self.ffi, self.lib = core.ffi, core.lib
        isa = native._ISAS.get(name, native.lib.MEMTYPE_AVX512)
        bases = [n << 31 for n in range(len(kinds))]
        found = self.ffi.new("memtype_map *", {"count": len(kinds), "bases": bases, "types": kinds})
        self.tables = self.ffi.new("memtype_tables *")
        assert self.lib.memtype_map_tables(found, WIDTH, 0, isa, self.tables) == 0

    def __call__(self, addresses: Any) -> tuple[int, int, list[int]]:
        counts, index = np.full(16, 7, np.uint64), self.ffi.new("size_t *", 1 << 40)
        given, made = self.ffi.from_buffer("uint64_t[]", addresses), self.ffi.from_buffer("uint64_t[]", counts)
        status = self.lib.memtype_histogram(self.tables, given, addresses.size, made, index)
        return status, index[0], counts.tolist()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("kinds", [OF_REGISTERS, OF_REGISTERS + OTHERS], ids=["of registers", "of any map"])
def test_every_type_is_counted_at_every_length(name: str, kinds: tuple[int, ...]) -> None:
    rng, count = np.random.default_rng(1), Counter(name, kinds)
    places = rng.integers(0, len(kinds), max(SIZES))
    places[4000:9000] = rng.integers(0, len(OF_REGISTERS), 5000)  # a part without the others
    addresses = (places << 31 | rng.integers(0, 1 << 31, places.size)).astype(np.uint64)
    types = np.array(kinds)[places]
    for n in SIZES:
        assert count(addresses[:n]) == (0, 1 << 40, np.bincount(types[:n], minlength=16).tolist())


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("kind", range(len(OF_REGISTERS)))
def test_one_type_many_times_over(name: str, kind: int) -> None:
    """A byte of a vector counts to 255."""
    addresses = np.full(3 * 8192 + 4081, kind << 31, np.uint64)
    want = [0] * 16
    want[OF_REGISTERS[kind]] = addresses.size
    assert Counter(name, OF_REGISTERS)(addresses)[2] == want


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("place", [0, 4095, 4096, 8191, 8192, 19_999])
def test_a_refused_address_leaves_the_counts(name: str, place: int) -> None:
    addresses = np.zeros(20_000, np.uint64)
    addresses[[place, -1]] = 1 << WIDTH
    assert Counter(name, OF_REGISTERS)(addresses) == (native.lib.MEMTYPE_EADDRESS, place, [7] * 16)
