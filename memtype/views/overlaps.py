"""What several matching ranges make, in each reading. Encodings in, raw as registers hold them.

A result is an encoding, or one of the two constants: no answer (`UNDEFINED`), or the default type decides
(`DEFAULT`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final

from memtype.backends import reference
from memtype.types import MemoryType
from memtype.views import kvm_list

UC: Final = int(MemoryType.UC)
WT: Final = int(MemoryType.WT)
WB: Final = int(MemoryType.WB)
UNDEFINED: Final = -1
DEFAULT: Final = -2


def sdm(encodings: Sequence[int]) -> int:
    kind = reference.combine(encodings)
    return UNDEFINED if kind is MemoryType.UNDEFINED else int(kind)


def linux_pair(first: int, second: int) -> int:
    if UC in (first, second):
        return UC
    if {first, second} == {WT, WB}:
        return WT
    return first if first == second else UC


def linux(encodings: Sequence[int]) -> int:
    return reduce(linux_pair, encodings)


def xen(encodings: Sequence[int]) -> int:
    kinds = set(encodings)
    if UC in kinds:
        return UC
    return WT if kinds == {WT, WB} else encodings[-1]


def bochs(encodings: Sequence[int]) -> int:
    kinds = set(encodings)
    if UC in kinds or len(kinds) == 1:
        return min(kinds)
    return WT if kinds == {WT, WB} else WB


def edk2(encodings: Sequence[int]) -> int:
    return reduce(lambda first, second: first if _precedes(first, second) else second, encodings)


def patina(encodings: Sequence[int]) -> int:
    met = encodings[0]
    for encoding in encodings[1:]:
        if met != encoding and not _precedes(met, encoding) and not _precedes(encoding, met):
            return UNDEFINED
        met = met if _precedes(met, encoding) else encoding
    return met


def _precedes(left: int, right: int) -> bool:
    return left == UC or (left, right) == (WT, WB)


def edk2_dump(encodings: Sequence[int]) -> int:
    if UC in encodings:
        return UC
    return next((encoding for encoding in reversed(encodings) if encoding != WB), WB)


def bitvisor(encodings: Sequence[int]) -> int:
    return next((encoding for encoding in (UC, WT) if encoding in encodings), encodings[0])


def hvpp(encodings: Sequence[int]) -> int:
    return UC if UC in encodings else DEFAULT


OVERLAPS: Final[dict[str, Callable[[Sequence[int]], int]]] = {
    "mtrr-undefined": sdm,
    "overlap-linux": linux,
    "overlap-kvm": kvm_list.combine,
    "overlap-xen": xen,
    "overlap-bochs": bochs,
    "overlap-edk2": edk2,
    "overlap-edk2-dump": edk2_dump,
    "overlap-patina": patina,
    "overlap-bitvisor": bitvisor,
    "overlap-min": min,
    "overlap-hvpp": hvpp,
}
