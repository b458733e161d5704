"""Other ways to the same answers: walks in C, a sorted search, a table compiled by numba, plain loops."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import memtype as mt
from bench.library import NotCompiledError, compiled
from memtype import rules
from memtype.backends import reference

try:
    import numba
except ImportError:
    numba = None


_CDEF = """
struct registers {
    uint64_t base[255], mask[255], width_mask, first[255], length[255];
    size_t pairs;
    uint8_t fixed[88], plain;
};
void prepare(struct registers *r);
void types_by_masks(const struct registers *r, const uint64_t *a, size_t n, uint8_t *types);
void types_by_intervals(const struct registers *r, const uint64_t *a, size_t n, uint8_t *types);
"""
WALKS = {"Bochs' walk": ("types_by_masks", "bochs"), "edk2's walk": ("types_by_intervals", "edk2")}
_library = functools.cache(lambda: compiled("peers.c", _CDEF))


def walks(s: mt.MtrrState, addresses: Any, out: Any) -> tuple[dict[str, tuple[Callable[[], Any], int]], dict[str, str]]:
    """Other programs' ways in C (peers.c), as candidates; and why there are none. Each answers as its view does."""
    try:
        ffi, lib = _library()
    except NotCompiledError as error:
        return {}, dict.fromkeys(WALKS, str(error))
    held = ffi.new("struct registers *")
    held.pairs, held.width_mask = len(s.variable), rules.page_bits(s.maxphyaddr)
    for k, (base, mask) in enumerate(s.variable):
        held.base[k], held.mask[k] = base, mask
    held.fixed, held.plain = b"".join(value.to_bytes(8, "little") for value in s.fixed), s.def_type & 7
    lib.prepare(held)
    given, written, found = ffi.from_buffer("uint64_t[]", addresses), ffi.from_buffer("uint8_t[]", out), {}
    for name, (function, view) in WALKS.items():
        walk = getattr(lib, function)
        walk(held, given, 10_000, written)
        if (s.view(view).types(addresses[:10_000]) != out[:10_000]).any():
            raise AssertionError(f"{name} is not what the view {view!r} says")
        found[name] = (lambda walk=walk: walk(held, given, addresses.size, written)), addresses.size
    return found, {}


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
