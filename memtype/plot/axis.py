"""The axis of every picture of an address space: piecewise, since a linear one hides the first megabyte."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from memtype import rules
from memtype.errors import InputError
from memtype.memory_map import MemoryMap

# 0 to 1 MiB, 1 MiB to 4 GiB, 4 GiB to the top of RAM, the rest: their shares of the picture.
SHARES: Final = (0.22, 0.38, 0.25, 0.15)
_MOST_EDGES = 256  # of one piece: beyond that a segment is narrower than anything that can be drawn


@dataclass(frozen=True, slots=True)
class Axis:
    """Addresses on a line from 0 to 1: straight between neighbouring `edges`, each at its place.

    Attributes
    ----------
    edges : tuple of int
        Rising addresses; the first is 0, the last the first byte behind the address space.
    places : tuple of float
        Where each edge lies, from 0 to 1.
    borders : tuple of int
        The ends of the pieces: 0, 1 MiB, 4 GiB, the top of RAM, the end.

    Examples
    --------
    >>> axis = Axis.of(MemoryMap.from_segments([(0, 1 << 36, "WB")], 36), top=8 << 30)
    >>> [f"{border:#x}" for border in axis.borders]
    ['0x0', '0x100000', '0x100000000', '0x200000000', '0x1000000000']
    >>> round(axis.place(1 << 20), 2), round(axis.place(1 << 32), 2), hex(axis.address(0.22))
    (0.22, 0.6, '0x100000')
    """

    edges: tuple[int, ...]
    places: tuple[float, ...]
    borders: tuple[int, ...]

    @classmethod
    def of(cls, *maps: MemoryMap, top: int | None = None, least: float = 0.0) -> Axis:
        """An axis on which every segment of these maps is at least `least` wide, where that fits.

        Parameters
        ----------
        *maps : MemoryMap
            The maps to draw below each other.
        top : int, optional
            The top of RAM; without it the last change of type above 4 GiB stands for it.
        least : float
            The least width of a segment, as a share of the whole.

        Raises
        ------
        InputError
            Without a map.
        ShatteredMapError
            For a map that cannot be listed.
        """
        if not maps:
            raise InputError("an axis needs a map")
        end = 1 << max(memory.maxphyaddr for memory in maps)
        bases = sorted({segment.base for memory in maps for segment in memory.segments})
        borders = _borders(end, max(bases) if top is None else top)
        edges, places, at = [0], [0.0], 0.0
        whole = sum(SHARES[n] for n in range(len(borders) - 1))
        for n, (low, high) in enumerate(pairwise(borders)):
            share = SHARES[n] / whole
            inside = [base for base in bases if low < base < high]
            inner = [low, *(inside if len(inside) <= _MOST_EDGES else ()), high]
            for width, edge in zip(_widths([b - a for a, b in pairwise(inner)], share, least), inner[1:]):
                at += width
                edges.append(edge)
                places.append(at)
        places[-1] = 1.0
        return cls(tuple(edges), tuple(places), borders)

    @property
    def end(self) -> int:
        """The first byte behind the address space."""
        return self.edges[-1]

    def place(self, address: int) -> float:
        """Where an address lies, from 0 to 1; what is beyond the end lies at 1."""
        if address >= self.end:
            return 1.0
        n = bisect_right(self.edges, max(address, 0)) - 1
        part = (max(address, 0) - self.edges[n]) / (self.edges[n + 1] - self.edges[n])
        return self.places[n] + part * (self.places[n + 1] - self.places[n])

    def address(self, place: float) -> int:
        """The address at a place: the inverse of `place`."""
        n = min(max(bisect_right(self.places, place) - 1, 0), len(self.edges) - 2)
        width = self.places[n + 1] - self.places[n]
        part = 0.0 if width <= 0 else min(max((place - self.places[n]) / width, 0.0), 1.0)
        return self.edges[n] + int(part * (self.edges[n + 1] - self.edges[n]))

    def ticks(self, room: float, text: float, maps: Iterable[MemoryMap] = ()) -> list[tuple[float, str]]:
        """(place, label) of the edges that have room: the ends of pieces first, then borders of segments.

        Parameters
        ----------
        room : float
            Free space between two labels, as a share of the whole.
        text : float
            The width of one character.
        maps : iterable of MemoryMap
            Maps whose borders are labelled too; without them every edge is.
        """
        wanted = [*dict.fromkeys((*self.borders[:1], *self.borders[-1:], *self.borders[1:-1]))]
        inner = sorted({s.base for memory in maps for s in memory.segments}) or self.edges
        taken: list[tuple[float, float]] = []
        found = []
        for address in dict.fromkeys([*wanted, *inner[:_MOST_EDGES]]):
            label = short(address)
            low = min(self.place(address), 1.0 - text * len(label))
            high = low + text * len(label)
            if all(high + room <= a or b + room <= low for a, b in taken):
                taken.append((low, high))
                found.append((low, label))
        return sorted(found)


def _borders(end: int, top: int) -> tuple[int, ...]:
    """The ends of the pieces, rising; pieces beyond the end of the address space fall away."""
    if not rules.GIB4 < top < end:
        top = end
    return tuple(sorted({0, *(border for border in (rules.FIXED_END, rules.GIB4, top) if border < end), end}))


def _widths(sizes: Sequence[int], share: float, least: float) -> list[float]:
    """`share` parted by size, but nobody gets less than `least`, where that fits.

    >>> [round(width, 2) for width in _widths([1, 1, 98], 1.0, 0.1)]
    [0.1, 0.1, 0.8]
    """
    least = min(least, share / len(sizes))
    small: set[int] = set()
    while True:
        free, weight = share - least * len(small), sum(size for n, size in enumerate(sizes) if n not in small)
        more = {n for n, size in enumerate(sizes) if n not in small and free * size < least * weight}
        if not more:
            return [least if n in small else free * size / weight for n, size in enumerate(sizes)]
        small |= more


def short(address: int) -> str:
    """An address in as few characters as tell it exactly, else with a ``~``.

    >>> [short(address) for address in (0, 0xA0000, 1 << 20, 0xE0000000, 0x7F000000, 1 << 46, 0xFEE01000)]
    ['0', '640K', '1M', '3.5G', '2032M', '64T', '~3.98G']
    """
    if address == 0:
        return "0"
    units = ((50, "P"), (40, "T"), (30, "G"), (20, "M"), (10, "K"))
    for shift, unit in units:
        halves, rest = divmod(address, 1 << shift - 1)
        if not rest and 2 <= halves < 200_000:
            return f"{halves // 2}{'.5' * (halves & 1)}{unit}"
    shift, unit = next((each for each in units if address >= 1 << each[0]), (0, ""))
    return f"~{address * 100 // (1 << shift) / 100:g}{unit}"
