"""The list that KVM 4.4 to 6.10 keeps of a guest's valid variable ranges: its order, what a pair denotes, and what
the pairs met in that order make. The one place that knows; views and `memtype.kvm` use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from memtype import rules
from memtype.views.encodings import UC, WB, WT

# The releases that had the list first, and why nobody models them: KVM's profiles and views refuse them alike.
BROKEN: Final = frozenset({(4, 2), (4, 3)})
WHY_BROKEN: Final = (
    "not modelled: the new MTRR code of 4.2 and 4.3 is broken: fixed ranges looked up the wrong way round, the host's "
    "width taken for the guest's, no guest without MTRRs; ask for 4.1 or 4.4 (MTRRs disabled: UC in 4.3 as in 4.4)"
)

Pairs = Sequence[tuple[int, int]]


def order(variable: Pairs) -> tuple[int, ...]:
    """The valid pairs' indexes as the list holds them after they were written in index order.

    Examples
    --------
    >>> order([(0x6, 0xF00000800), (0xC0000000, 0xFC0000800)])
    (1, 0)
    """
    listed: tuple[int, ...] = ()
    for n in range(len(variable)):
        listed = rewritten(listed, n, variable)
    return listed


def rewritten(listed: Sequence[int], n: int, variable: Pairs) -> tuple[int, ...]:
    """The list after a write to pair `n`: taken out, and if valid put before the first base that is not larger.

    So it descends by raw PHYSBASE, type byte included, and among equals the pair written last comes first.
    """
    rest = [m for m in listed if m != n]
    base, mask = variable[n]
    if mask & rules.MASK_VALID:
        rest.insert(next((place for place, m in enumerate(rest) if variable[m][0] <= base), len(rest)), n)
    return tuple(rest)


def span(base: int, mask: int, maxphyaddr: int) -> tuple[int, int]:
    """The bytes [start, end) of a pair; the base is not masked, and a hole becomes part of the range.

    Examples
    --------
    >>> [hex(edge) for edge in span(0x80000001, 0xFBFFFF800, 36)]
    ['0x80000000', '0xc0001000']
    """
    valid = rules.page_bits(maxphyaddr)
    start = base & valid
    return start, (start | ~mask & valid | rules.PAGE_SIZE - 1) + 1


def combine(encodings: Sequence[int]) -> int:
    """What ranges of these raw types make, in the order of the list, not of the registers.

    UC counts only when it is met second: a UC range with a higher base than the WB range under it is lost.

    Examples
    --------
    >>> combine([6, 0]), combine([0, 6]), combine([6, 4])
    (0, 6, 4)
    """
    met, *others = encodings
    for encoding in others:
        if encoding == met:
            continue
        if encoding == UC:
            return UC
        if {encoding, met} != {WT, WB}:
            return WB
        met = WT
    return met
