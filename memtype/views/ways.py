"""The ways of reading, by the rules' identifiers: which addresses a pair denotes, and what several that match make.

All agree on contiguous masks with aligned bases. Encodings go in raw, as registers hold them; what comes out is one
too, or one of the two in `encodings` that are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from memtype import rules
from memtype.views import bitvisor, bochs, edk2, exact, hvpp, kvm_list, linux, xen
from memtype.views.programs import EXACT

SPANS: Final[dict[str, Callable[[int, int, int], tuple[int, int]]]] = {
    "range-linux": linux.span,
    "range-proc": linux.proc_span,
    "range-edk2": edk2.span,
    "range-kvm": kvm_list.span,
    "range-hvpp": hvpp.span,
    "range-none": lambda base, mask, maxphyaddr: (0, 0),
}

OVERLAPS: Final[dict[str, Callable[[Sequence[int]], int]]] = {
    "mtrr-undefined": exact.combine,
    "overlap-linux": linux.combine,
    "overlap-kvm": kvm_list.combine,
    "overlap-xen": xen.combine,
    "overlap-bochs": bochs.combine,
    "overlap-edk2": edk2.combine,
    "overlap-edk2-dump": edk2.combine_in_dump,
    "overlap-patina": edk2.combine_in_patina,
    "overlap-bitvisor": bitvisor.combine,
    "overlap-min": min,
    "overlap-hvpp": hvpp.combine,
}


def spans(rule: str, pair: tuple[int, int], maxphyaddr: int) -> Iterable[tuple[int, int]]:
    """The (start, end) blocks of a valid pair by rising address: several only where a mask has holes."""
    if rule == EXACT:
        return exact.spans(*pair, maxphyaddr)
    start, end = SPANS[rule](*pair, maxphyaddr)
    return [(start, end)] if start < end else []


def covers(rule: str, pair: tuple[int, int], maxphyaddr: int, address: int) -> bool:
    """Whether a pair, valid or not, denotes `address` in that reading."""
    if not pair[1] & rules.MASK_VALID:
        return False
    if rule == EXACT:
        return exact.covers(*pair, maxphyaddr, address)
    start, end = SPANS[rule](*pair, maxphyaddr)
    return start <= address < end
