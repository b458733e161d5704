"""Sets of gfns and functions of a gfn: half-open ranges, pieces, and what repeats too often to be listed."""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice
from math import inf
from typing import Any, Generic, TypeVar

from memtype import rules
from memtype.diagrams import Diagram
from memtype.diagrams import overlay as overlay_diagrams
from memtype.errors import ShatteredMapError
from memtype.readable import words

Range = tuple[int, int]  # [first gfn, first gfn behind it)
T = TypeVar("T")


# --- listed ranges ----------------------------------------------------------------------------------------------


def union(ranges: Iterable[Range]) -> Ranges:
    """Sorted, disjoint, neighbours joined: ``union([(4, 6), (0, 4)]) == [(0, 6)]``."""
    joined = Ranges()
    for first, end in sorted(r for r in ranges if r[0] < r[1]):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((first, end))
    return joined


def subtract(ranges: Iterable[Range], taken: Iterable[Range]) -> Ranges:
    """What of `ranges` is not in `taken`: ``subtract([(0, 6)], [(2, 3)]) == [(0, 2), (3, 6)]``."""
    return union(_between(_disjoint(ranges), _disjoint(taken)))


def _between(ranges: Ranges, holes: Ranges) -> Iterator[Range]:
    for first, end in ranges:
        for low, high in holes.within(first, end):
            yield first, low
            first = high
        yield first, end


def _disjoint(ranges: Iterable[Range]) -> Ranges:
    return ranges if isinstance(ranges, Ranges) else union(ranges)


def intersect(ranges: Iterable[Range], others: Iterable[Range]) -> Ranges:
    """What is in both: ``intersect([(0, 6)], [(2, 3), (5, 9)]) == [(2, 3), (5, 6)]``."""
    kept = list(others)
    return union((max(a, low), min(b, high)) for a, b in ranges for low, high in kept)


def pages(ranges: Iterable[Range] | GfnSet) -> int:
    """How many 4 KiB pages."""
    return ranges.count() if isinstance(ranges, GfnSet) else sum(end - first for first, end in ranges)


def contains(ranges: Iterable[Range], gfn: int) -> bool:
    return any(first <= gfn < end for first, end in ranges)


class Ranges(list[Range]):
    """Sorted, disjoint half-open gfn ranges: a list, with the questions that a `GfnSet` answers too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return words(list(self))

    def contains(self, gfn: int) -> bool:
        """Whether the page is in the set."""
        place = bisect_right(self, (gfn, inf)) - 1
        return place >= 0 and gfn < self[place][1]

    def pages(self, first: int = 0, end: int = rules.KVM_GFN_END_CD) -> int:
        """How many pages of [first, end) are in the set."""
        return sum(high - low for low, high in self.within(first, end))

    def within(self, first: int, end: int) -> Ranges:
        """The part of the set in [first, end)."""
        near = self[bisect_right(self, first, key=operator.itemgetter(1)) : bisect_left(self, (end,))]
        cut = ((max(low, first), min(high, end)) for low, high in near)
        return Ranges((low, high) for low, high in cut if low < high)

    def first(self, count: int) -> list[Range]:
        """The first ranges, at most `count`."""
        return list(self[:count])

    def count(self, value: Any = None) -> int:
        """How many pages; of a range given, how often it is listed."""
        return self.pages() if value is None else super().count(value)

    @property
    def ranges(self) -> int:
        """How many ranges."""
        return len(self)


class GfnSet:
    """A set of gfns that is too long to be listed, as masks with holes make it: exact, and lazy.

    Iterating gives its half-open ranges by rising gfn, one after the other; there may be millions.
    """

    __slots__ = ("_diagram", "_window")

    def __init__(self, diagram: Diagram, window: Sequence[Range] | None = None) -> None:
        """The gfns at which the diagram is 1, within the window."""
        self._diagram = diagram
        self._window = union([(0, 1 << diagram.width)] if window is None else window)

    def __repr__(self) -> str:
        return f"<GfnSet of {self.ranges} ranges, {self.count()} pages>"

    def __bool__(self) -> bool:
        return any(1 in self._diagram.values(*window) for window in self._window)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, GfnSet):
            pair = [self._diagram, other._diagram]
            same = self._window == other._window and self._diagram.width == other._diagram.width
            return same and 1 not in overlay_diagrams(pair, lambda a, b: int(a != b)).values()
        return NotImplemented if not isinstance(other, list) else len(other) == self.ranges and list(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Range]:
        for window in self._window:
            yield from ((first, end) for first, end, held in self._diagram.runs(*window) if held)

    def __len__(self) -> int:
        return self.ranges

    def __contains__(self, item: object) -> bool:
        if isinstance(item, tuple):
            return item in self.within(*item)
        return isinstance(item, int) and self.contains(item)

    @property
    def key(self) -> Hashable:
        """Equal for equal sets within the same window."""
        return tuple(self._window), self._diagram.key

    @property
    def ranges(self) -> int:
        """How many ranges."""
        total = 0
        for first, end in self._window:
            runs = self._diagram.count_runs(first, end)
            total += (runs + self._diagram.at(first)) // 2  # they alternate
        return total

    def contains(self, gfn: int) -> bool:
        """Whether the page is in the set."""
        return contains(self._window, gfn) and bool(self._diagram.at(gfn))

    def count(self) -> int:
        """How many pages."""
        return self.pages()

    def pages(self, first: int = 0, end: int = rules.KVM_GFN_END_CD) -> int:
        """How many pages of [first, end) are in the set."""
        return sum(self._diagram.members({1}, *window) for window in self._cut(first, end))

    def within(self, first: int, end: int) -> Ranges | GfnSet:
        """The part of the set in [first, end)."""
        return listed(GfnSet(self._diagram, self._cut(first, end)))

    def _cut(self, first: int, end: int) -> Ranges:
        return self._window.within(first, end)

    def first(self, count: int) -> list[Range]:
        """The first ranges, at most `count`."""
        return list(islice(self, count))


Gfns = Ranges | GfnSet


def listed(found: GfnSet) -> Gfns:
    """The ranges as a list, where it is short enough."""
    return Ranges(found) if found.ranges <= rules.MAP_SEGMENT_LIMIT else found


# --- functions of a gfn -----------------------------------------------------------------------------------------


_NONE = object()  # equal to no value


class Pieces(Generic[T]):
    """A value for every gfn of [0, end): piece i is [starts[i], starts[i + 1]), neighbours differ."""

    __slots__ = ("end", "starts", "values")

    def __init__(self, pieces: Iterable[tuple[int, T]], end: int) -> None:
        starts: list[int] = []
        values: list[T] = []
        last: Any = _NONE
        for start, value in pieces:
            if value != last and start < end:
                starts.append(start)
                values.append(value)
                last = value
        self.starts, self.values, self.end = starts, values, end

    def renamed(self, names: Mapping[T, T]) -> Pieces[T]:
        """The same pieces with another name for each value; no two values have one name."""
        made: Pieces[T] = Pieces((), self.end)
        made.starts, made.values = self.starts, [names[value] for value in self.values]
        return made

    def at(self, gfn: int) -> T:
        return self.values[bisect_right(self.starts, gfn) - 1]

    def __iter__(self) -> Iterator[tuple[int, int, T]]:
        """(first, end, value) of every piece."""
        return zip(self.starts, [*self.starts[1:], self.end], self.values)

    def within(self, first: int, end: int) -> Iterator[tuple[int, int, T]]:
        """The pieces of a window, cut to it."""
        cut = ((max(low, first), min(high, end), value) for low, high, value in self)
        return ((low, high, value) for low, high, value in cut if low < high)

    def count(self, first: int = 0, end: int = rules.KVM_GFN_END_CD) -> int:
        """How many pieces the window has."""
        if first <= 0 and end >= self.end:
            return len(self.starts)
        return sum(1 for _ in self.within(first, end))

    def where(self, test: Callable[[T], bool]) -> Ranges:
        """The gfns whose value passes `test`."""
        return union((first, end) for first, end, value in self if test(value))


class Periodic:
    """`Pieces` of small ints that repeat too often to be listed."""

    __slots__ = ("diagram", "end")

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.end = 1 << diagram.width

    def at(self, gfn: int) -> int:
        return self.diagram.at(gfn)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        return self.diagram.runs()

    def within(self, first: int, end: int) -> Iterator[tuple[int, int, int]]:
        return self.diagram.runs(first, end)

    def count(self, first: int = 0, end: int = rules.KVM_GFN_END_CD) -> int:
        """How many pieces the window has."""
        return self.diagram.count_runs(first, end)

    @property
    def starts(self) -> list[int]:
        return [first for first, _, _ in self._listed()]

    @property
    def values(self) -> list[int]:
        return [value for _, _, value in self._listed()]

    def _listed(self) -> Iterator[tuple[int, int, int]]:
        count = self.count()
        if count > rules.MAP_SEGMENT_LIMIT:
            raise ShatteredMapError(f"holey masks make {count} pieces; ask for a part, or for single pages")
        return iter(self)

    def where(self, test: Callable[[int], bool]) -> Gfns:
        return listed(GfnSet(overlay_diagrams([self.diagram], lambda value: int(test(value)))))


Ints = Pieces[int] | Periodic


def key(layer: Ints, width: int) -> Hashable:
    """Equal for layers that are equal below 2**width, and 0 behind their ends, listed or not."""
    return _diagram(layer, width, 0).key


def set_key(found: Gfns) -> Hashable:
    """Equal for equal sets of one window: a set is a list wherever it is short enough."""
    return tuple(found) if isinstance(found, Ranges) else found.key


def combine(layers: Sequence[Ints], end: int, value: Callable[..., int], absent: int = 0) -> Ints:
    """``value(one, other, ...)`` of all layers at each gfn below `end`; a layer that ends early is `absent` behind.

    Where a layer is `Periodic`, `end` is a power of two.
    """
    if any(isinstance(layer, Periodic) for layer in layers):
        width = end.bit_length() - 1
        return Periodic(overlay_diagrams([_diagram(layer, width, absent) for layer in layers], value))
    pieces = [layer for layer in layers if isinstance(layer, Pieces)]
    if len(pieces) == 2:
        return Pieces(_pairs(pieces[0], pieces[1], end, value, absent), end)
    both = overlay(pieces, end, absent)
    return Pieces(zip(both.starts, (value(*held) for held in both.values)), end)


def _pairs(
    one: Pieces[int], other: Pieces[int], end: int, value: Callable[[int, int], int], absent: int
) -> Iterator[tuple[int, int]]:
    """(start, value) of two layers, in one pass over both."""
    lefts, rights = [*one.starts[1:], one.end], [*other.starts[1:], other.end]
    lasts = len(lefts) - 1, len(rights) - 1
    n = m = start = 0
    left, right = one.values[0], other.values[0]
    while start < end:
        yield start, value(left, right)
        a, b = lefts[n] if n <= lasts[0] else end, rights[m] if m <= lasts[1] else end
        start = a if a < b else b
        if a == start:
            n += 1
            left = one.values[n] if n <= lasts[0] else absent
        if b == start:
            m += 1
            right = other.values[m] if m <= lasts[1] else absent


def unequal(one: Pieces[int], other: Pieces[int]) -> Ranges:
    """The gfns at which two layers with one end differ, in one pass over both."""
    end, n, m, start = one.end, 0, 0, 0
    lefts, rights, kinds, others = [*one.starts[1:], end], [*other.starts[1:], end], one.values, other.values
    found = Ranges()
    begun: int | None = None
    while start < end:
        if kinds[n] == others[m]:
            if begun is not None:
                found.append((begun, start))
                begun = None
        elif begun is None:
            begun = start
        left, right = lefts[n], rights[m]
        start = left if left < right else right
        n += left == start
        m += right == start
    if begun is not None:
        found.append((begun, end))
    return found


def merge_sets(layers: Sequence[Ints], end: int) -> Ints:
    """All layers, whose values are sets of bits, united; behind its end a layer has the empty set."""
    if len(layers) == 1 and layers[0].end == end:
        return layers[0]
    held: dict[int, list[Range]] = {}
    periodic: list[Ints] = []
    for layer in layers:
        if isinstance(layer, Periodic):
            periodic.append(layer)
            continue
        for first, behind, bits in layer:
            held.setdefault(bits, []).append((first, behind))
    found = [Pieces(_steps(union(ranges), bits), end) for bits, ranges in held.items() if bits]
    parts = [*periodic, *found] or [marked((), end)]
    return reduce(lambda one, other: combine([one, other], end, operator.or_), parts)


def _steps(ranges: Sequence[Range], value: int) -> Iterator[tuple[int, int]]:
    """(start, value) of pieces that have the value within the sorted ranges, 0 elsewhere."""
    if not ranges or ranges[0][0]:
        yield 0, 0
    for first, end in ranges:
        yield first, value
        yield end, 0


def marked(ranges: Sequence[Range], end: int) -> Pieces[int]:
    """1 within the sorted ranges, 0 elsewhere below `end`."""
    return Pieces(_steps(ranges, 1), end)


def _diagram(layer: Ints, width: int, absent: int) -> Diagram:
    if isinstance(layer, Pieces):
        behind = layer.end < 1 << width
        starts = [*layer.starts, layer.end] if behind else layer.starts
        return Diagram.of_steps(starts, [*layer.values, absent] if behind else layer.values, width)
    own = layer.diagram
    if own.width == width:
        return own
    inside = Diagram.of_steps([0, layer.end], [True, False], width)
    wider = Diagram(own.root, width)  # repeats itself above its own width
    return overlay_diagrams([wider, inside], lambda value, held: value if held else absent)


def overlay(layers: Sequence[Pieces[Any]], end: int, absent: Any = None) -> Pieces[tuple[Any, ...]]:
    """All layers at once; a layer that ends early gives `absent` behind its end."""
    cuts = sorted({start for layer in layers for start in (*layer.starts, layer.end) if start < end} | {0})
    return Pieces(zip(cuts, zip(*(_along(layer, cuts, absent) for layer in layers))), end)


def _along(layer: Pieces[T], cuts: Sequence[int], absent: T) -> Iterator[T]:
    """The layer's value at each of the ascending `cuts`, `absent` behind its end: one pass over both."""
    value = absent
    upcoming = iter([*zip(layer.starts, layer.values), (layer.end, absent), (inf, absent)])
    start, following = next(upcoming)
    for cut in cuts:
        while start <= cut:
            value = following
            start, following = next(upcoming)
        yield value
