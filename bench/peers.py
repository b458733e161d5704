"""Other ways to the same answers: a sorted search, a table compiled by numba, a plain loop, the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import memtype as mt
from memtype.backends import reference

try:
    import numba
except ImportError:
    numba = None


def searchsorted(s: mt.MtrrState, addresses: Any) -> Callable[[], Any]:
    bases, kinds = s.map.as_arrays()
    return lambda: kinds.take(np.searchsorted(bases, addresses, "right") - 1)


def plain_loop(s: mt.MtrrState, addresses: Any) -> Callable[[], Any]:
    """What a script would do: masks in Python, one address at a time; the first thousand."""
    some, pairs = addresses[:1000].tolist(), [(b, m & ~0xFFF) for b, m in s.variable if m & 0x800]
    return lambda: [[b & 7 for b, m in pairs if not (a ^ b) & m] for a in some]


def oracle(s: mt.MtrrState, addresses: Any) -> Callable[[], Any]:
    some = addresses[:300].tolist()
    return lambda: [reference.at(s, a) for a in some]


def numba_table(s: mt.MtrrState, addresses: Any, out: Any) -> Callable[[], Any] | None:
    """A look-up table of 1 GiB steps written for one state, as a user of numba would."""
    if numba is None:
        return None
    table = s.types(np.arange(1 << s.maxphyaddr - 30, dtype=np.uint64) << np.uint64(30))
    low = s.page_types(0, 256)

    @numba.njit(cache=False)
    def fill(addresses: Any, table: Any, low: Any, out: Any) -> None:
        for i in range(addresses.size):
            a = addresses[i]
            out[i] = low[a >> 12] if a < 1 << 20 else table[a >> 30]

    return lambda: fill(addresses, table, low, out)


def numba_fleet(fleet: mt.StateArray, addresses: Any, out: Any) -> Callable[[], Any] | None:
    """Mask matching compiled by numba, types combined as the manual says."""
    if numba is None:
        return None

    @numba.njit(cache=False)
    def fill(def_type: Any, base: Any, mask: Any, addresses: Any, out: Any) -> None:
        for i in range(def_type.size):
            for j in range(addresses.shape[1]):
                seen = 0
                for k in range(base.shape[1]):
                    if mask[i, k] & 0x800 and ((addresses[i, j] ^ base[i, k]) & mask[i, k]) >> 12 == 0:
                        seen |= 1 << (base[i, k] & 7)
                kind = def_type[i] & 7
                if seen & 1:
                    kind = 0
                elif seen == 0x50:
                    kind = 4
                elif seen & (seen - 1):
                    kind = 10
                elif seen:
                    kind = 0
                    while seen > 1:
                        seen >>= 1
                        kind += 1
                out[i, j] = kind

    return lambda: fill(fleet.def_type, fleet.base, fleet.mask, addresses, out)
