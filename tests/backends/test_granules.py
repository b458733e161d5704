"""Granules: the same answers from a table as deep as it must be, and the same speed for any number of segments."""

from __future__ import annotations

import gc
import random
from typing import Any

import numpy as np
import oracle
import pytest
from kernel_sets import STATES, nasty, native, refused_by, scattered, with_bad

from memtype import MemoryMap, MtrrState, rules

ffi, lib = native.ffi, native.lib


def build(bases: Any, kinds: Any, width: int, dirt: int = 0xEE) -> Any:
    """Granules in memory that held something else, or None."""
    made = ffi.new("memtype_granules *")
    ffi.memmove(made, bytes([dirt]) * ffi.sizeof("memtype_granules"), ffi.sizeof("memtype_granules"))
    status = lib.memtype_granules_build(native._in(bases), native._bytes(kinds), bases.size, width, made)
    assert status in (lib.MEMTYPE_OK, lib.MEMTYPE_ESHATTERED)
    return made if status == lib.MEMTYPE_OK else None


def ask(granules: Any, addresses: Any, out: Any = None) -> Any:
    out = np.full(addresses.size, 0xEE, np.uint8) if out is None else out
    given, written = native._in(addresses), native._out(out)
    assert lib.memtype_granules_types(granules, given, addresses.size, written, ffi.NULL) == lib.MEMTYPE_OK
    return out


def edges(bases: Any, width: int) -> Any:
    """Both sides of every edge, and both ends of the address space."""
    near = np.concatenate([bases, bases - np.uint64(1), bases + np.uint64(4095)])
    return np.append(near, np.uint64((1 << 64) - 1)) & np.uint64((1 << width) - 1)


@pytest.mark.parametrize("first", STATES[::40])
def test_states_of_any_kind(first: int) -> None:
    built = 0
    for seed in STATES[first : first + 40]:
        s = nasty(seed)
        try:
            bases, kinds = (np.array(part, kind) for part, kind in zip(native.resolve(s), (np.uint64, np.uint8)))
        except ValueError:  # shattered
            continue
        granules = build(bases, kinds, s.maxphyaddr)
        if granules:
            built += 1
            addresses = np.concatenate([scattered(s, seed, 5_000, low=0.2), edges(bases, s.maxphyaddr)])
            assert np.array_equal(ask(granules, addresses), oracle.types(s, addresses)), seed
    assert built > 8


@pytest.mark.parametrize("width", [20, 21, 29, 30, 31, 38, 39, 40, 46, 47, 48, 52])
def test_maps_of_any_grain(width: int) -> None:
    """Against a search, with edges that are multiples of any power of two from a page up, and all twelve types."""
    rng = random.Random(width)
    for grain in range(12, width):
        count = rng.choice((1, 2, 5, 60))
        edge = {rng.randrange(0, 1 << width) >> grain << grain for _ in range(count)} | {0}
        bases = np.array(sorted(edge), np.uint64)
        kinds = np.array([rng.randrange(12) for _ in bases], np.uint8)
        granules = build(bases, kinds, width, dirt=rng.randrange(256))
        if granules is None:
            assert grain < 30 and count == 60  # a block or more for every edge
            continue
        addresses = np.concatenate(
            [np.random.default_rng(width).integers(0, 1 << width, 500, np.uint64), edges(bases, width)]
        )
        assert np.array_equal(ask(granules, addresses), kinds[np.searchsorted(bases, addresses, "right") - 1])


def ask_tables(isa: str, granules: Any, width: int, addresses: Any) -> Any:
    """Tables that hold granules alone, as those of maps of many segments."""
    made, out = ffi.new("memtype_tables *"), np.full(addresses.size, 0xEE, np.uint8)
    made.isa, made.maxphyaddr, made.granules = native._ISAS[isa], width, granules
    assert lib.memtype_types(made, native._in(addresses), addresses.size, native._out(out), ffi.NULL) == lib.MEMTYPE_OK
    return out


@pytest.mark.parametrize("isa", native.isas())
def test_many_addresses_by_every_set(isa: str) -> None:
    """Few and many rows of 128 granules of several types; from no address to nearly all in mixed granules."""
    for seed, width in enumerate((32, 36, 37, 38, 44, 45, 46, 46, 46, 47, 52)):
        rng = np.random.default_rng(seed)
        for grain, count in ((37, 9), (37, 500), (30, 5), (30, 40), (30, 400), (27, 90), (21, 30), (12, 20)):
            top = min(width, grain + 9 if seed % 2 else width)
            bases = np.unique(rng.integers(0, 1 << max(top - grain, 1), count, np.uint64) << np.uint64(grain))
            bases = np.unique(np.append(bases[bases < 1 << width], np.uint64(0)))
            kinds = rng.integers(0, 12, bases.size).astype(np.uint8)
            granules = build(bases, kinds, width)
            if granules is None:
                continue
            given = rng.integers(0, 1 << (top if rng.integers(2) else width), 8192 + int(rng.integers(1100)), np.uint64)
            given[: 4 * bases.size] = np.resize(edges(bases, width), 4 * bases.size)[: given.size]
            want = kinds[np.searchsorted(bases, given, "right") - 1]
            assert np.array_equal(ask_tables(isa, granules, width, given), want), (width, grain, count)


def test_outputs_beyond_the_caches() -> None:
    bases, kinds = CROWDED.map.as_arrays()
    granules, given = build(bases, kinds, 46), scattered(CROWDED, 1, (1 << 21) + 100)
    want = kinds[np.searchsorted(bases, given, "right") - 1]
    for start in (0, 3):
        assert np.array_equal(ask_tables(native.isas()[-1], granules, 46, given[start:]), want[start:])


def test_what_does_not_fit_is_refused() -> None:
    kinds = np.zeros(2, np.uint8)
    assert build(np.array([0, 0x1800], np.uint64), kinds, 40) is None  # an edge inside a page
    assert build(np.array([0, 1 << 40], np.uint64), kinds, 39) is None  # ... beyond the width
    assert build(np.array([0, 0x1000], np.uint64), np.array([0, 16], np.uint8), 40) is None  # no type
    assert build(np.array([0, 0x1000], np.uint64), np.array([0, 15], np.uint8), 40) is not None
    many = np.arange(0, 122 << 30, (1 << 30) + 0x1000, dtype=np.uint64)  # two blocks an edge
    assert build(many[:121], np.arange(121, dtype=np.uint8) % 12, 46) is not None  # all 240
    assert build(many, np.arange(many.size, dtype=np.uint8) % 12, 46) is None


def test_sizes_and_any_place_of_the_output() -> None:
    s = nasty(3)
    bases, kinds = s.map.as_arrays()
    granules, addresses = build(bases, kinds, s.maxphyaddr), scattered(s, 1, 300)
    want = oracle.types(s, addresses)
    for n in range(1, 70):
        for place in (0, 1, 7):
            room = np.full(n + 16, 0xEE, np.uint8)
            ask(granules, addresses[:n], room[place : place + n])
            assert np.array_equal(room[place : place + n], want[:n])
            assert (room[:place] == 0xEE).all() and (room[place + n :] == 0xEE).all()


CROWDED = MtrrState(
    0xC06, [0x0605040106050401] * 11, [(n << 31 | (5, 4)[n.bit_count() % 2], (1 << 46) - (1 << 30) | 0x800)
                                        for n in range(255)], 46
)  # fmt: skip


@pytest.mark.parametrize("n", [1, 4096, 4097, 20_000])
@pytest.mark.parametrize("owner", [CROWDED, CROWDED.map], ids=["state", "map"])
def test_the_first_refused_address_is_named(owner: Any, n: int) -> None:
    for place in {0, n // 2, n - 1}:
        addresses, out = with_bad(np.zeros(n, np.uint64), place, 46, True), np.full(n, 0xEE, np.uint8)
        assert refused_by(owner.types, addresses, out) == place
        assert n > 4096 or (out == 0xEE).all()


def test_crowded_states_and_maps_use_them() -> None:
    addresses = np.concatenate([scattered(CROWDED, 5, 50_000, low=0.1), np.arange(0, 1 << 20, 0x800, np.uint64)])
    want = oracle.types(CROWDED, addresses)
    fresh = MtrrState(CROWDED.def_type, CROWDED.fixed, CROWDED.variable, 46)
    assert native.tables(fresh).granules != ffi.NULL
    assert native.tables(MtrrState(0xC06)).granules == ffi.NULL or native.isa == "portable"
    gc.collect()
    out = np.empty(addresses.size, np.uint8)
    native.types(fresh, addresses, out)
    assert np.array_equal(out, want)
    found = CROWDED.map
    assert len(found.segments) > 256
    assert np.array_equal(found.types(addresses), want)
    assert np.array_equal(found.types(addresses, threads=2), want)


def test_granules_live_as_long_as_their_tables() -> None:
    """Objects with registers that keep no handle get tables of their own each time."""
    addresses = scattered(CROWDED, 6, 2_000)
    want, kept = oracle.types(CROWDED, addresses), []
    for _ in range(20):
        fresh = MtrrState(CROWDED.def_type, CROWDED.fixed, CROWDED.variable, 46)
        kept.append(native.tables(fresh))
        del fresh
        gc.collect()
    for tables in kept:
        out = np.empty(addresses.size, np.uint8)
        assert lib.memtype_types(tables, native._in(addresses), addresses.size, native._out(out), ffi.NULL) == 0
        assert np.array_equal(out, want)


def test_a_map_with_edges_inside_pages_is_searched() -> None:
    parts = [(0, 0x1800, "UC"), *((n << 20, 1 << 19, "WC") for n in range(1, 300))]
    found = MemoryMap.from_segments(
        [*parts, *((base + size, (1 << 20) - size if base else (1 << 20) - 0x1800, "WB") for base, size, _ in parts),
         (300 << 20, (1 << 40) - (300 << 20), "UC")], maxphyaddr=40,
    )  # fmt: skip
    addresses = np.random.default_rng(4).integers(0, 400 << 20, 20_000, np.uint64)
    bases, kinds = found.as_arrays()
    assert np.array_equal(found.types(addresses), kinds[np.searchsorted(bases, addresses, "right") - 1])
    assert rules.PAGE_SIZE == 4096
