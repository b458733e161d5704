"""Leaf bits for arrays of gfns, fresh and in place: every instruction set that runs here equals a search."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from kernel_sets import KERNELS, refused_by, with_bad

from memtype.backends import python

pytestmark = pytest.mark.parametrize("through", KERNELS, indirect=True)

EPT, SHADOW, LARGE_SHADOW = 0x78, 0x98, 0x1098  # fields: EPT type and IPAT; PAT, PCD, PWT of 4 KiB and large leaves
SIZES = [*range(301), *range(508, 518), *range(1020, 1030), *range(4090, 4100), 5001]
MOST = SIZES[-1]


def pieces(rng: Any, count: int, width: int, bits_of: Any) -> tuple[Any, Any]:
    """A map of `count` pieces, half of them near 1 MiB, with bits out of `bits_of`."""
    tops = rng.choice([0x100, 0x180, 1 << 20, 1 << width - 12], 4 * count)
    edges = np.unique(rng.integers(0, tops).astype(np.uint64))
    edges = np.sort(rng.choice(edges, min(count, edges.size), replace=False))
    edges[0] = 0
    return edges, rng.choice(np.array(bits_of, np.uint64), edges.size)


def gfns_of(rng: Any, bases: Any, count: int, width: int) -> Any:
    """Edges and their neighbours, pages below 1 MiB, any."""
    near = rng.choice(bases, count) + rng.integers(-1, 2, count).astype(np.uint64)
    near = np.where(rng.random(count) < 0.5, near, rng.integers(0, 1 << width - 12, count, np.uint64))
    return np.where(rng.random(count) < 0.3, near & np.uint64(0xFF), near) & np.uint64((1 << width - 12) - 1)


BITS = {
    EPT: [0x30, 0x70, 0, 8, 0x20, 0x28, 0x78, 0x40],
    SHADOW: [0, 8, 0x10, 0x18, 0x80, 0x88, 0x90, 0x98],
    LARGE_SHADOW: [0, 8, 0x18, 0x1000, 0x1018],  # more than a byte
    (1 << 64) - 1: [0, 0x30, 1 << 12, 1 << 63, (1 << 64) - 1],
}


@pytest.mark.parametrize("field", BITS, ids=hex)
def test_maps_of_any_size(through: Any, field: int) -> None:
    """What SPTEs hold outside the field stays, whatever the map's bits outside it."""
    rng = np.random.default_rng(field & 0xFFFF)
    for count in (1, 2, 3, 5, 8, 9, 15, 16, 17, 40, 64, 128, 255, 256, 257, 300):
        for width in (36, 44, 45, 46, 48, 49, 52):
            bases, bits = pieces(rng, count, width, BITS[field])
            n = 700 + int(rng.integers(0, 131))
            gfns, sptes = gfns_of(rng, bases, n, width), rng.integers(0, 1 << 64, n, np.uint64)
            want = bits[np.searchsorted(bases, gfns, "right") - 1]
            out = np.empty(n, np.uint64)
            through.leaf_bits(bases, bits, width, gfns, out)
            assert np.array_equal(out, want), (count, width)
            for bits_beyond in (0, ~field & (1 << 64) - 1):
                out = sptes.copy()
                through.leaf_fill(bases, bits | np.uint64(bits_beyond), field, width, gfns, out)
                assert np.array_equal(out, sptes & ~np.uint64(field) | want), (count, width)


@pytest.mark.parametrize("fill", [True, False], ids=["fill", "bits"])
def test_sizes_and_any_place_of_the_words(through: Any, fill: bool) -> None:
    rng = np.random.default_rng(9)
    for width, field in itertools.product((40, 52), (EPT, LARGE_SHADOW)):
        bases, bits = pieces(rng, 12, width, BITS[field])
        gfns, sptes = gfns_of(rng, bases, MOST + 8, width), rng.integers(0, 1 << 64, MOST + 16, np.uint64)
        wanted = bits[np.searchsorted(bases, gfns, "right") - 1]
        for n in SIZES:
            skip, place = n % 5, n % 8
            words, want = sptes[: n + 16].copy(), sptes[: n + 16].copy()
            part, found = words[place : place + n], want[place : place + n]
            found &= np.uint64(~field & (1 << 64) - 1 if fill else 0)
            found |= wanted[skip : skip + n]
            if fill:
                through.leaf_fill(bases, bits, field, width, gfns[skip : skip + n], part)
            else:
                through.leaf_bits(bases, bits, width, gfns[skip : skip + n], part)
            assert np.array_equal(words, want), (width, n)


def test_runs_of_gfns_below_and_above_16_tib(through: Any) -> None:
    """A run looks at fewer bits of its gfns where all are low: what differs in upper bits alone lies elsewhere."""
    rng = np.random.default_rng(16)
    for width, count, fine in itertools.product((44, 45, 46, 48, 49, 52), (1, 2, 2, 3, 3, 4, 9, 40), (1, 16)):
        first, low = np.arange(0, 0x100, fine, np.uint64), rng.integers(1, 128, 99, np.uint64) << np.uint64(18)
        high = low + (rng.integers(1, max(2, 1 << width - 44), 99, np.uint64) << np.uint64(32))
        any_edges = np.concatenate([low, high[high < 1 << width - 12]])
        bases = np.unique([0, *rng.choice(first, count // 2), *rng.choice(any_edges, count)]).astype(np.uint64)
        bits = rng.choice(np.array(BITS[EPT], np.uint64), bases.size)
        gfns = gfns_of(rng, np.append(bases, any_edges), 1500, width)
        lengths = rng.integers(1, 200, 1500)
        is_low = np.repeat(rng.random(1500) < 0.8, lengths)[:1500]
        gfns[is_low] &= np.uint64((1 << 32) - 1)
        sptes = rng.integers(0, 1 << 64, 1500, np.uint64)
        want = sptes & ~np.uint64(EPT) | bits[np.searchsorted(bases, gfns, "right") - 1]
        through.leaf_fill(bases, bits, EPT, width, gfns, sptes)
        assert np.array_equal(sptes, want), (width, count, fine)


@pytest.mark.parametrize("n", [1, 31, 64, 300, 511, 512, 1024, 5001])
def test_from_a_refused_gfn_on_every_word_stays(through: Any, n: int) -> None:
    """Of up to 4096 all others too; of more, those before it may have been written, with what is theirs."""
    rng = np.random.default_rng(n)
    for width in (36, 46, 52):
        bases, bits = pieces(rng, 9, width, BITS[EPT])
        sptes, keep = rng.integers(0, 1 << 64, n, np.uint64), ~np.uint64(EPT)
        given = gfns_of(rng, bases, n, width)
        wanted, bad_bits = bits[np.searchsorted(bases, given, "right") - 1], (*range(width - 12, 64, 5), 63)
        for place, bad, last_too in itertools.product({0, n // 2, n - 1}, bad_bits, (False, True)):
            gfns, filled, fresh = with_bad(given, place, bad, last_too), sptes.copy(), sptes.copy()
            assert refused_by(through.leaf_fill, bases, bits, EPT, width, gfns, filled) == place
            assert refused_by(through.leaf_bits, bases, bits, width, gfns, fresh) == place
            done = np.arange(n) < (place if n > 4096 else 0)
            for out, want in ((filled, sptes & keep | wanted), (fresh, wanted)):
                assert ((out == sptes) | (out == want) & done).all()


def test_the_fallback_agrees(through: Any) -> None:
    rng = np.random.default_rng(1)
    bases, bits = pieces(rng, 30, 46, BITS[EPT])
    gfns, sptes = gfns_of(rng, bases, MOST, 46), rng.integers(0, 1 << 64, MOST, np.uint64)
    out, want = sptes.copy(), sptes.copy()
    through.leaf_fill(bases, bits, EPT, 46, gfns, out)
    python.leaf_fill(bases, bits, EPT, 46, gfns, want)
    assert np.array_equal(out, want)
