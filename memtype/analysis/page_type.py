"""One large page: does it have one MTRR type, and if not, what to do? (SDM 3A 12.11.9, APM 2 7.7.4)"""

from __future__ import annotations

from dataclasses import dataclass

from memtype import arguments, rules
from memtype.effective import effective
from memtype.memory_map import Answers, Segment, answers
from memtype.readable import readable
from memtype.types import MemoryType

SIZES = (1 << 12, 1 << 21, 1 << 22, 1 << 30)
_SIZE_NAMES = {1 << 12: "4 KiB", 1 << 21: "2 MiB", 1 << 22: "4 MiB", 1 << 30: "1 GiB"}
_CONSERVATIVE = (
    MemoryType.UNDEFINED, MemoryType.NOT_TOLD, MemoryType.MIXED, MemoryType.UC, MemoryType.CD, MemoryType.UC_MINUS,
    MemoryType.WC, MemoryType.WC_PLUS, MemoryType.WT, MemoryType.WP, MemoryType.WB,
)  # fmt: skip


@readable
@dataclass(frozen=True, slots=True)
class PageType:
    """The MTRR types inside one page.

    Attributes
    ----------
    base, size : the page: bytes [base, base + size)
    segments : its segments, in order
    advice : what to do, in words; empty where the page is uniform
    """

    base: int
    size: int
    segments: tuple[Segment, ...]
    advice: str

    @property
    def uniform(self) -> bool:
        return len(self.segments) == 1

    @property
    def type(self) -> MemoryType:
        """The one type, or MIXED: an access then gets what the manuals leave undefined."""
        return self.segments[0].type if self.uniform else MemoryType.MIXED

    @property
    def types(self) -> frozenset[MemoryType]:
        return frozenset(segment.type for segment in self.segments)

    @property
    def conservative(self) -> MemoryType:
        """The most conservative of its types: UC before WC, WT, WP, WB. UNDEFINED if that is among them."""
        return min(self.types, key=_CONSERVATIVE.index)


def page_type(source: Answers, address: int, size: int = 1 << 21) -> PageType:
    """The MTRR types of the page of `size` bytes that holds `address`, and advice where it has several.

    Parameters
    ----------
    source : MtrrState, MemoryMap or View
    address : int
        Any address inside the page.
    size : int
        4 KiB, 2 MiB, 4 MiB or 1 GiB, in bytes.

    Raises
    ------
    InputError
        For another size, or an address outside the address space.

    Examples
    --------
    >>> from memtype import MtrrState
    >>> s = MtrrState(0x806, variable=((0x80100000, 0xFFFF00800),), maxphyaddr=36)
    >>> page = page_type(s, 0x80000000)
    >>> page.type, sorted(map(str, page.types)), page.advice
    (<MemoryType.MIXED: 11>, ['UC', 'WB'], 'split it into 4 KiB pages, or map all of it UC')
    """
    answers(source, "source")
    size = arguments.choice(size, SIZES, "page size", f"pages are of {', '.join(_SIZE_NAMES.values())}")
    address = arguments.address(address, source.maxphyaddr)
    base = address & ~(size - 1)
    segments = _segments(source, base, size)
    return PageType(base, size, segments, _advice(source, segments, size))


def _segments(source: Answers, base: int, size: int) -> tuple[Segment, ...]:
    return tuple(source.map.within(base, size))


def _advice(source: Answers, segments: tuple[Segment, ...], size: int) -> str:
    if len(segments) == 1:
        return ""
    kinds = {segment.type for segment in segments}
    advice = f"split it into {_parts(segments, size)}"
    makers = (source.vendor,) if source.vendor else ("intel", "amd")
    advice += _one_type(kinds, makers)
    if source.vendor == "intel" and segments[0].base < rules.FIXED_END:
        advice += " (Intel processors split it by themselves, at a cost)"
    return advice


def _one_type(kinds: set[MemoryType], makers: tuple[str, ...]) -> str:
    """The PAT type that gives the whole page one effective type on these processors, as words to append.

    The most conservative of the page's own types does, as a rule. Not so WT over {WP, WT} on AMD: WP with WT is CD
    there (APM 2 table 7-11), beside WT. UC always does; CD counts as UC, both are uncached.
    """
    if not kinds <= rules.MTRR_TYPES:
        return ""
    for pat in (min(kinds, key=_CONSERVATIVE.index), MemoryType.UC):
        given = {maker: {effective(kind, pat, maker) for kind in kinds} for maker in makers}
        if all(len(found) == 1 or found <= {MemoryType.UC, MemoryType.CD} for found in given.values()):
            where = "" if len(makers) == 1 else " on AMD"
            return f", or map all of it {pat}" + (
                f" (CD{where})" if any(MemoryType.CD in found for found in given.values()) else ""
            )
    raise AssertionError("UC makes every page uncached")


def _parts(segments: tuple[Segment, ...], size: int) -> str:
    """The smaller pages that have one type each. Below 1 GiB those are 4 KiB; 4 MiB pages have no 2 MiB ones."""
    broken = len({segment.base >> 21 for segment in segments if segment.base % (1 << 21)})  # 2 MiB of several types
    if size < 1 << 30 or broken == 512:
        return "4 KiB pages"
    return "2 MiB pages" if not broken else f"{512 - broken} pages of 2 MiB and {512 * broken} of 4 KiB"
