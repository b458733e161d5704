"""How many leaves, tables and changes of type a diagram of pages makes, without a list of them.

A block of 2**n pages has one type, or is two halves; blocks alike are counted once. A mask that alternates pages over
2**52 bytes makes 2**40 runs of leaves, and 41 blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memtype import rules
from memtype.diagrams import Diagram

_GIB, _TABLE = (1 << rules.LEAF_SHIFTS[level] - rules.PAGE_SHIFT for level in (3, 2))  # pages of a directory, a table


@dataclass(frozen=True, slots=True)
class Totals:
    """Of pages that begin at a multiple of their number, or at 0.

    Attributes
    ----------
    pages : how many
    counts : leaves of level 3, 2, 1
    directories, tables : page directories and page tables above leaves smaller than what one of them maps
    runs : of leaves alike
    changes : of type, but for those at a border of the largest leaves
    first, last : (level, type) of the leaves at the ends
    """

    pages: int
    counts: tuple[int, int, int]
    directories: int
    tables: int
    runs: int
    changes: int
    first: tuple[int, int]
    last: tuple[int, int]


def totals(diagram: Diagram, pages: int, max_level: int) -> Totals:
    """Of the first `pages` pages of a diagram of types, at least one, with leaves of at most `max_level`."""
    found = diagram.total(_leaves(max_level), _joined(_pages_of(max_level)), 0, pages)
    assert found is not None
    cut = (bool(pages % _GIB), bool(pages % _TABLE))  # the last directory and the last table map less than they could
    return Totals(
        found.pages, found.counts, found.directories + cut[0], found.tables + cut[1], found.runs, found.changes,
        found.first, found.last,
    )  # fmt: skip


def _pages_of(level: int) -> int:
    return 1 << rules.LEAF_SHIFTS[level] - rules.PAGE_SHIFT


def _leaves(max_level: int) -> Callable[[int, int], Totals]:
    def leaves(kind: int, bit: int) -> Totals:
        """2**bit pages of one type."""
        pages = 1 << bit
        level = next(level for level in range(max_level, 0, -1) if pages >= _pages_of(level))
        counts = [0, 0, 0]
        counts[3 - level] = pages // _pages_of(level)
        directories = pages // _GIB if level < 3 else 0
        tables = pages // _TABLE if level < 2 else 0
        shape = level, kind
        return Totals(pages, (counts[0], counts[1], counts[2]), directories, tables, 1, 0, shape, shape)

    return leaves


def _joined(largest: int) -> Callable[[Totals, Totals], Totals]:
    def joined(low: Totals, high: Totals) -> Totals:
        """One behind the other; two halves of a directory or a table make one, where they are not of one type."""
        pages = low.pages + high.pages
        whole = low.pages == high.pages
        inside = low.pages % largest != 0  # a leaf of the largest size, which cannot be
        return Totals(
            pages,
            (low.counts[0] + high.counts[0], low.counts[1] + high.counts[1], low.counts[2] + high.counts[2]),
            low.directories + high.directories + (whole and pages == _GIB),
            low.tables + high.tables + (whole and pages == _TABLE),
            low.runs + high.runs - (low.last == high.first),
            low.changes + high.changes + (inside and low.last[1] != high.first[1]),
            low.first,
            high.last,
        )

    return joined
