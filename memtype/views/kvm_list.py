"""The list that KVM 4.4 to 6.10 keeps of a guest's valid variable ranges; the one place that knows its order.

`ranges.kvm` says what a pair denotes, `overlaps.kvm` what the pairs met in this order make.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memtype import rules


def order(variable: Sequence[tuple[int, int]], written: Iterable[int] | None = None) -> list[int]:
    """The valid pairs' indexes as the list holds them: by falling PHYSBASE, type byte included.

    Among equal PHYSBASE the pair written last comes first. `written` gives the indexes in the order of their
    last write; without it they count as written in index order.

    Examples
    --------
    >>> order([(0x6, 0xF00000800), (0xC0000000, 0xFC0000800)])
    [1, 0]
    """
    listed: list[int] = []
    for n in range(len(variable)) if written is None else written:
        base, mask = variable[n]
        if mask & rules.MASK_VALID:
            place = next((i for i, m in enumerate(listed) if variable[m][0] <= base), len(listed))
            listed.insert(place, n)
    return listed
