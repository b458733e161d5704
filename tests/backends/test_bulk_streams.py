"""Outputs beyond any cache: from STREAM_MIN (csrc/kernels.h) on, kernels write past the caches. Same answers.

The C core is rebuilt with a small STREAM_MIN for this; the real one is met by one test.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import oracle
import pytest
from kernel_sets import ISAS, STREAM_MIN, nasty, refused_by, scattered, variants, with_bad

from memtype import rules
from memtype.backends import python

REBUILT = [*(f"rebuilt {isa}" for isa in ISAS), *(["emulated"] if "avx512" not in ISAS else [])]
rebuilt = pytest.mark.parametrize("through", REBUILT, indirect=True)

MOST = STREAM_MIN + 200
HALF = STREAM_MIN // 2  # where two words are read for each
SIZES = (HALF - 1, HALF, HALF + 65, STREAM_MIN - 1, STREAM_MIN, STREAM_MIN + 1, STREAM_MIN + 31, STREAM_MIN + 63, MOST)
PLACES = (0, 1, 31, 32, 33, 63)


def check_places(write: Any, want: Any) -> None:
    """``write(n, out)`` gives the first n of `want`, wherever `out` lies, and nothing around it."""
    for n in SIZES:
        for place in PLACES:
            room = np.full(n + 192, 0xEE, np.uint8)
            start = -room.ctypes.data % 64 + place
            write(n, room[start : start + n])
            assert np.array_equal(room[start : start + n], want[:n]), (n, place)
            assert (room[:start] == 0xEE).all()
            assert (room[start + n :] == 0xEE).all()


@rebuilt
def test_types(through: Any) -> None:
    for seed in variants(through)[::4]:
        s = nasty(seed)
        addresses = scattered(s, seed, MOST, low=0.2)
        check_places(lambda n, out, s=s, a=addresses: through.types(s, a[:n], out), oracle.types(s, addresses))


@rebuilt
def test_refused_addresses(through: Any) -> None:
    s, out = nasty(3), np.empty(MOST + 64, np.uint8)
    given = scattered(s, 3, MOST)
    for place, last_too in itertools.product((0, 5, 70, MOST // 2, MOST - 1), (False, True)):
        addresses = with_bad(given, place, 63, last_too)
        for start in PLACES[1::2]:
            assert refused_by(through.types, s, addresses, out[start : start + MOST]) == place


@rebuilt
@pytest.mark.parametrize("alone", [False, True], ids=["address", "leaf alone"])
def test_effective_types(through: Any, alone: bool) -> None:
    for seed in (3, 10, 218):
        s = nasty(seed)
        addresses = scattered(s, seed, MOST, low=0.2)
        ptes = addresses if alone else np.random.default_rng(seed).integers(0, 1 << 64, MOST, np.uint64)
        chosen, want = np.empty((2, MOST), np.uint8)
        python.pat_types(rules.PAT_RESET, 1, ptes, chosen)
        python.effective_array(s.vendor, False, oracle.types(s, addresses), chosen, want)

        def write(n: int, out: Any, s: Any = s, given: Any = None if alone else addresses, ptes: Any = ptes) -> None:
            through.effective_types(s, rules.PAT_RESET, 1, None if given is None else given[:n], ptes[:n], out)

        check_places(write, want)


@rebuilt
def test_effective_types_of_ept_leaves(through: Any) -> None:
    eptes, ptes = np.random.default_rng(7).integers(0, 1 << 64, (2, MOST), np.uint64)
    want = np.empty(MOST, np.uint8)
    python.effective_ept_types(rules.PAT_RESET, 1, False, eptes, ptes, want)
    pat = rules.PAT_RESET
    check_places(lambda n, out: through.effective_ept_types(pat, 1, False, eptes[:n], ptes[:n], out), want)


@rebuilt
def test_leaf_bits_in_place(through: Any) -> None:
    rng = np.random.default_rng(8)
    bases = np.array([0, 0xA0, 0xC0, 0x100, 3 << 18, 1 << 20], np.uint64)
    bits = np.array([0x30, 0, 0x70, 0x30, 8, 0x28], np.uint64)
    gfns, sptes = rng.integers(0, 1 << 22, MOST, np.uint64), rng.integers(0, 1 << 64, MOST, np.uint64)
    wanted = bits[np.searchsorted(bases, gfns, "right") - 1]
    for n in SIZES:
        for place in range(8):
            words = sptes.copy()
            part = words[place : place + n]
            through.leaf_fill(bases, bits, 0x78, 46, gfns[: part.size], part)
            assert np.array_equal(part, sptes[place : place + n] & ~np.uint64(0x78) | wanted[: part.size])
            assert np.array_equal(words[:place], sptes[:place])
            assert np.array_equal(words[place + n :], sptes[place + n :])


COUNT = (1 << 25) + 165  # the extension's STREAM_MIN, and a head and a tail
PERIOD = 4093  # a prime: every address comes to stand in every lane


@pytest.fixture(scope="module")
def large() -> tuple[Any, Any]:
    """Addresses, the same few again and again, and room for their types."""
    if os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 1 << 30:
        pytest.skip("less than 1 GiB of free memory")
    return np.resize(scattered(nasty(3), 3, PERIOD, low=0.1), COUNT), np.full(COUNT + 37, 0xEE, np.uint8)


@pytest.mark.parametrize("through", ISAS, indirect=True)
def test_the_extension_with_a_quarter_of_a_gibibyte(through: Any, large: tuple[Any, Any]) -> None:
    s, addresses, out = nasty(3), large[0], large[1][37:]
    through.types(s, addresses, out)
    want, whole = oracle.types(s, addresses[:PERIOD]), COUNT // PERIOD * PERIOD
    assert (out[:whole].reshape(-1, PERIOD) == want).all()
    assert np.array_equal(out[whole:], want[: COUNT - whole])
    assert (large[1][:37] == 0xEE).all()
