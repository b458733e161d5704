"""Half-open ranges of gfns, and maps that are constant by pieces: the arithmetic of zaps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

Range = tuple[int, int]  # [first gfn, first gfn behind it)
T = TypeVar("T")


def union(ranges: Iterable[Range]) -> list[Range]:
    """Sorted, disjoint, neighbours joined: ``union([(4, 6), (0, 4)]) == [(0, 6)]``."""
    joined: list[Range] = []
    for first, end in sorted(r for r in ranges if r[0] < r[1]):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((first, end))
    return joined


def subtract(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """What of `ranges` is not in `taken`: ``subtract([(0, 6)], [(2, 3)]) == [(0, 2), (3, 6)]``."""
    left = []
    holes = union(taken)
    for first, end in union(ranges):
        for low, high in holes:
            if high <= first or low >= end:
                continue
            if first < low:
                left.append((first, low))
            first = max(first, high)
        if first < end:
            left.append((first, end))
    return left


def clip(ranges: Iterable[Range], end: int) -> list[Range]:
    """The part below `end`."""
    return union((first, min(last, end)) for first, last in ranges)


def pages(ranges: Iterable[Range]) -> int:
    """How many 4 KiB pages."""
    return sum(end - first for first, end in ranges)


def contains(ranges: Iterable[Range], gfn: int) -> bool:
    return any(first <= gfn < end for first, end in ranges)


class Pieces(Generic[T]):
    """A value for every gfn of [0, end): piece i is [starts[i], starts[i + 1]), neighbours differ."""

    __slots__ = ("end", "starts", "values")

    def __init__(self, pieces: Iterable[tuple[int, T]], end: int) -> None:
        self.starts: list[int] = []
        self.values: list[T] = []
        self.end = end
        for start, value in pieces:
            if start < end and (not self.values or self.values[-1] != value):
                self.starts.append(start)
                self.values.append(value)

    def at(self, gfn: int) -> T:
        return self.values[bisect_right(self.starts, gfn) - 1]

    def __iter__(self) -> Iterator[tuple[int, int, T]]:
        """(first, end, value) of every piece."""
        return zip(self.starts, [*self.starts[1:], self.end], self.values, strict=True)

    def where(self, test: Any) -> list[Range]:
        """The gfns whose value passes `test`."""
        return union((first, end) for first, end, value in self if test(value))


def overlay(layers: Sequence[Pieces[Any]], end: int) -> Pieces[tuple[Any, ...]]:
    """All layers at once; a layer that ends early gives None behind its end."""
    cuts = sorted({start for layer in layers for start in (*layer.starts, layer.end) if start < end} | {0})
    return Pieces(zip(cuts, zip(*(_along(layer, cuts) for layer in layers), strict=True), strict=True), end)


def _along(layer: Pieces[T], cuts: Sequence[int]) -> Iterator[T | None]:
    """The layer's value at each of the ascending `cuts`, None behind its end: one pass over both."""
    value: T | None = None
    upcoming = iter([*zip(layer.starts, layer.values, strict=True), (layer.end, None), (1 << 64, None)])
    start, following = next(upcoming)
    for cut in cuts:
        while start <= cut:
            value = following
            start, following = next(upcoming)
        yield value
