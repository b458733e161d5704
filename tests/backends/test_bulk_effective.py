"""Registers and page-table entries to effective types: every instruction set that runs here equals the reference."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import oracle
import pytest
from kernel_sets import KERNELS, nasty, refused_by, scattered, variants, with_bad

from memtype import MtrrState, rules
from memtype.backends import python

pytestmark = pytest.mark.parametrize("through", KERNELS, indirect=True)

RESERVED = 0x0407_0503_02FF_0106  # entries that no type has among those that one has
PATS = (rules.PAT_RESET, 0x0407_0506_0007_0106, RESERVED)
SIZES = [*range(301), *range(509, 516), *range(1020, 1030), *range(4090, 4100), 4160, 5001]
MOST = SIZES[-1]


def leaves(s: MtrrState, seed: int, count: int) -> Any:
    """Leaves that map addresses as `scattered` has them, every other bit at random, those past MAXPHYADDR too."""
    other = np.random.default_rng(seed).integers(0, 1 << 64, count, np.uint64)
    kept = np.uint64(rules.page_bits(s.maxphyaddr))
    return scattered(s, seed, count, low=0.2) & kept | other & ~kept


def mtrr_types(s: MtrrState, level: int, addresses: Any, ptes: Any) -> Any:
    if addresses is None:
        addresses = ptes & np.uint64(rules.page_bits(s.maxphyaddr) & -1 << rules.LEAF_SHIFTS[level])
    return oracle.types(s, addresses)


def expected(s: MtrrState, pat: int, level: int, mtrr: Any, ptes: Any) -> Any:
    chosen, out = np.empty(ptes.size, np.uint8), np.empty(ptes.size, np.uint8)
    python.pat_types(pat, level, ptes, chosen)
    python.effective_array(s.vendor, False, mtrr, chosen, out)
    return out


def check_sizes(write: Any, want: Any, sizes: Any = SIZES) -> None:
    """``write(part, out)`` gives that part of `want`, however long it is and wherever `out` lies, nothing around it."""
    for n in sizes:
        part, place, room = slice(n % 8, n % 8 + n), n * 5 % 64, np.full(n + 128, 0xEE, np.uint8)
        write(part, room[place : place + n])
        assert np.array_equal(room[place : place + n], want[part]), n
        assert (room[:place] == 0xEE).all()
        assert (room[place + n :] == 0xEE).all()


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_kind_of_state(through: Any, level: int) -> None:
    for seed in variants(through):
        s, count = nasty(seed), 1200 + seed % 131
        ptes = leaves(s, seed, count)
        for addresses in (scattered(s, seed, count, low=0.3), None):
            mtrr = mtrr_types(s, level, addresses, ptes)
            for pat in PATS:
                room = np.full(count + 64, 0xEE, np.uint8)
                out = room[seed % 64 : seed % 64 + count]
                through.effective_types(s, pat, level, addresses, ptes, out)
                assert np.array_equal(out, expected(s, pat, level, mtrr, ptes)), (seed, hex(pat), addresses is None)


@pytest.mark.parametrize("alone", [False, True], ids=["address", "leaf alone"])
@pytest.mark.parametrize("level", [1, 3])
def test_sizes_and_any_place_of_the_output(through: Any, level: int, alone: bool) -> None:
    for seed in (3, 10, 218):
        s = nasty(seed)
        ptes = leaves(s, seed, MOST + 8)
        addresses = None if alone else scattered(s, seed, MOST + 8, low=0.3)
        mtrr = mtrr_types(s, level, addresses, ptes)

        def write(part: slice, out: Any, s: Any = s, given: Any = addresses, ptes: Any = ptes) -> None:
            through.effective_types(s, PATS[1], level, None if given is None else given[part], ptes[part], out)

        check_sizes(write, expected(s, PATS[1], level, mtrr, ptes))


@pytest.mark.parametrize("n", [1, 31, 33, 64, 300, 1024, 4096, 4097, 5001])
def test_the_first_refused_address_is_named(through: Any, n: int) -> None:
    for seed in (2, 3):
        s = nasty(seed)
        ptes = leaves(s, seed, n)
        given = scattered(s, seed, n)
        for place, bad, last_too in itertools.product({0, n // 2, n - 1}, range(s.maxphyaddr, 64, 2), (False, True)):
            addresses = with_bad(given, place, bad, last_too)
            out = np.full(n, 0xEE, np.uint8)
            assert refused_by(through.effective_types, s, PATS[0], 1, addresses, ptes, out) == place
            if n <= 4096:
                assert (out == 0xEE).all()


def ept_pairs(count: int) -> tuple[Any, Any]:
    """EPT and guest leaves: all of bits 6:3 with all of bits 3, 4, 7 and 12, other bits at random, any order."""
    rng = np.random.default_rng(count)
    every = rng.permutation(np.resize(np.arange(256, dtype=np.uint64), count))
    eptes, ptes = rng.integers(0, 1 << 64, (2, count), np.uint64)
    kinds, rest = every & np.uint64(15), every >> np.uint64(4)
    chosen = (rest & np.uint64(3)) << np.uint64(3) | (rest & np.uint64(4)) << np.uint64(5)
    chosen |= (rest & np.uint64(8)) << np.uint64(9)
    return eptes & ~np.uint64(0x78) | kinds << np.uint64(3), ptes & ~np.uint64(0x1098) | chosen


@pytest.mark.parametrize("cr0_cd", [False, True])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_ept_and_guest_leaves(through: Any, level: int, cr0_cd: bool) -> None:
    eptes, ptes = ept_pairs(MOST + 8)
    for pat in PATS:
        want = np.empty(eptes.size, np.uint8)
        python.effective_ept_types(pat, level, cr0_cd, eptes, ptes, want)

        def write(part: slice, out: Any, pat: int = pat) -> None:
            through.effective_ept_types(pat, level, cr0_cd, eptes[part], ptes[part], out)

        check_sizes(write, want, SIZES if pat == RESERVED else SIZES[::16])


@pytest.mark.parametrize("level", [1, 2, 3])
def test_entries_and_types_of_leaves(through: Any, level: int) -> None:
    eptes, ptes = ept_pairs(MOST + 8)
    want = np.empty(eptes.size, np.uint8)
    python.pat_indexes(level, ptes, want)
    check_sizes(lambda part, out: through.pat_indexes(level, ptes[part], out), want)
    for pat in PATS:
        python.pat_types(pat, level, ptes, want)
        check_sizes(lambda part, out, pat=pat: through.pat_types(pat, level, ptes[part], out), want, SIZES[::4])
    python.ept_types(eptes, want)
    check_sizes(lambda part, out: through.ept_types(eptes[part], out), want)
