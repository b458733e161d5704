"""The reference's answers for millions of addresses: numpy matches the masks, the reference decides once a class.

The type of an address depends on nothing but its page below 1 MiB (or that it lies above), the set of encodings of
the ranges that match it, and whether AMD's TOM2 reaches it. So `reference.at` is asked for one address of each class.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from memtype import MtrrState, rules
from memtype.backends import reference

LOW_PAGES = rules.FIXED_END >> rules.PAGE_SHIFT


def types(s: MtrrState, addresses: Any) -> Any:
    """uint8: the type of each address, all below 2**maxphyaddr, as `reference.at` gives it."""
    if not addresses.size:
        return np.empty(0, np.uint8)
    _, first, classes = np.unique(_classes(s, addresses), return_index=True, return_inverse=True)
    decided = np.array([reference.at(s, address) for address in addresses[first].tolist()], np.uint8)
    return decided[classes]


def _classes(s: MtrrState, addresses: Any) -> Any:
    """A number for each address; equal ones have equal answers."""
    found = np.minimum(addresses >> np.uint64(rules.PAGE_SHIFT), np.uint64(LOW_PAGES))
    reached = (addresses >= np.uint64(rules.GIB4)) & (addresses < np.uint64(reference.tom2_limit(s)))
    found |= reached.astype(np.uint64) << np.uint64(9)
    valid = [pair for pair in s.variable if pair[1] & rules.MASK_VALID]
    encodings = sorted({base & rules.BASE_TYPE for base, _ in valid})
    assert len(encodings) < 64 - 10
    for base, mask in valid:
        compared = mask & rules.page_bits(s.maxphyaddr)
        hits = addresses & np.uint64(compared) == np.uint64(base & compared)
        found |= hits.astype(np.uint64) << np.uint64(10 + encodings.index(base & rules.BASE_TYPE))
    return found
