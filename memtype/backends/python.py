"""The fallback: arrays on top of the reference, one element at a time where nothing better is plain.

The functions here are what every backend has. Arrays arrive C-contiguous and of the right dtype; `out` is
written only when no error is raised.
"""

from __future__ import annotations

import numpy as np

from memtype import arrays, rules
from memtype.backends import reference
from memtype.backends.reference import Registers, msr_fault

__all__ = ["at", "map_types", "msr_fault", "name", "page_types", "resolve", "types"]

name = "python"


def at(s: Registers, address: int) -> int:
    if not 0 <= address < 1 << s.maxphyaddr:
        raise arrays.address_beyond(address, s.maxphyaddr)
    return reference.at(s, address)


def types(s: Registers, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """Each page asked of the reference once: bits 11:0 never matter."""
    arrays.refuse_addresses(addresses, s.maxphyaddr)
    pages, places = np.unique(addresses.reshape(-1) >> np.uint64(rules.PAGE_SHIFT), return_inverse=True)
    answers = [reference.at(s, int(page) << rules.PAGE_SHIFT) for page in pages]
    out.reshape(-1)[:] = np.array(answers, arrays.U8)[places] if answers else 0


def page_types(s: Registers, first_gfn: int, out: arrays.U8Array) -> None:
    """One type per 4 KiB page from `first_gfn` on."""
    end = first_gfn + out.size
    if out.size and (first_gfn < 0 or end > 1 << (s.maxphyaddr - rules.PAGE_SHIFT)):
        bad = first_gfn if first_gfn < 0 else max(first_gfn, 1 << (s.maxphyaddr - rules.PAGE_SHIFT))
        raise arrays.address_beyond(bad << rules.PAGE_SHIFT, s.maxphyaddr, bad - first_gfn)
    out[:] = [reference.at(s, gfn << rules.PAGE_SHIFT) for gfn in range(first_gfn, end)]


def resolve(s: Registers) -> tuple[list[int], list[int]]:
    """The map as parallel lists: bases, types."""
    segments = reference.resolve(s)
    return [base for base, _ in segments], [int(kind) for _, kind in segments]


def map_types(
    bases: arrays.U64Array, kinds: arrays.U8Array, maxphyaddr: int, addresses: arrays.U64Array, out: arrays.U8Array
) -> None:
    """Look addresses up in a resolved map."""
    arrays.refuse_addresses(addresses, maxphyaddr)
    out[...] = kinds[np.searchsorted(bases, addresses, "right") - 1]
