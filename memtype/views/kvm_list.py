"""The list that KVM 4.4 to 6.10 keeps of a guest's valid variable ranges; the one place that knows its order.

`ranges.kvm` says what a pair denotes, `overlaps.kvm` what the pairs met in this order make.
"""

from __future__ import annotations

from collections.abc import Sequence

from memtype import rules

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
