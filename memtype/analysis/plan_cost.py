"""The fewest variable ranges for a map: exact, by a dynamic programme on the tree of power-of-two blocks.

A range with a contiguous mask is a block of that tree, so two ranges are nested or apart. What overlaps mean depends on
the type that the ranges around a block make together, and on nothing else: UC wins, WT over WB is WT, any other pair is
undefined (SDM 3A 12.11.4.1). So the cost of a block under each such type is the least of: no range here, or a range of
one type here, and then both halves. Blocks in which at most one type is wanted end it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from memtype import rules
from memtype.types import MemoryType

UC, WC, WT, WP, WB = (int(kind) for kind in (MemoryType.UC, MemoryType.WC, MemoryType.WT, MemoryType.WP, MemoryType.WB))
TYPES = (UC, WB, WT, WP, WC)  # in the order of preference where nothing else decides
NONE, UNDEFINED = 8, 9  # under a block: no range, so the default type; an undefined overlap
ANY = -1  # an address where any type will do
IMPOSSIBLE = 1 << 400
RANGE_PRICE = 1 << 40  # of one range
CHANGE_PRICE = 1 << 20  # ... and of one that the present registers lack; below that, the smaller range is the better

Block = tuple[int, int]  # base, bits: 2**bits bytes
Range = tuple[int, int, int]  # base, bits, type


def overlap(under: int, kind: int) -> int:
    """The type that a range of `kind` makes over ranges that make `under` together."""
    if under in (NONE, kind):
        return kind
    if UC in (under, kind):
        return UC
    return WT if {under, kind} == {WT, WB} else UNDEFINED


# The types of a range that changes something, and to something defined: by what lies under it.
OVER = {
    under: tuple(kind for kind in TYPES if overlap(under, kind) not in (under, UNDEFINED))
    for under in (NONE, UNDEFINED, *TYPES)
}


@dataclass(frozen=True)
class Target:
    """What is wanted: parallel lists of rising first addresses and types (ANY where all will do), and what is given.

    default, tom2 : the default type, and where AMD's WB default of [4 GiB, tom2) ends (0: nowhere)
    pinned : ranges that stay, types by block
    present : ranges that are there now and are kept for choice
    """

    starts: list[int]
    kinds: list[int]
    bits: int
    default: int
    tom2: int = 0
    pinned: Mapping[Block, frozenset[int]] = field(default_factory=dict)
    present: frozenset[Range] = frozenset()

    def wanted(self, base: int, bits: int) -> int:
        """The types wanted in a block, a bit each."""
        first = bisect_right(self.starts, base) - 1
        found = 0
        for kind in self.kinds[first : bisect_left(self.starts, base + (1 << bits))]:
            found |= 1 << kind if kind != ANY else 0
        return found

    def everywhere(self, base: int, bits: int) -> bool:
        """Whether one wanted type fills the block, without a gap."""
        return bisect_right(self.starts, base) == bisect_left(self.starts, base + (1 << bits))

    def bytes_of(self, base: int, bits: int) -> Iterator[tuple[int, int]]:
        """(type, bytes) of the pieces of a block."""
        end = base + (1 << bits)
        first = bisect_right(self.starts, base) - 1
        for place in range(first, bisect_left(self.starts, end)):
            stop = self.starts[place + 1] if place + 1 < len(self.starts) else end
            if self.kinds[place] != ANY:
                yield self.kinds[place], min(stop, end) - max(self.starts[place], base)

    def without_ranges(self, base: int, bits: int) -> int | None:
        """The default type of a block; None where TOM2 gives it two."""
        low, high = rules.GIB4, self.tom2
        if low >= high or base >= high or base + (1 << bits) <= low or self.default == WB:
            return self.default
        return WB if low <= base and base + (1 << bits) <= high else None


class Solver:
    """One target, and the blocks that are solved."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._above_pinned = _ancestors(target.pinned)
        self._known: dict[tuple[int, int, int], tuple[int, int | None]] = {}

    def fewest(self) -> int | None:
        """How many ranges are needed; None where no number of them gives the target."""
        cost = self.cost()
        return None if cost is None else cost // RANGE_PRICE

    def cost(self) -> int | None:
        """RANGE_PRICE for each range, CHANGE_PRICE for each that is not there now, and the bits of its size."""
        cost = self._solve(0, self.target.bits, NONE)[0]
        return None if cost >= IMPOSSIBLE else cost

    def ranges(self) -> list[Range]:
        """The ranges of one cheapest plan, rising."""
        return sorted(self._chosen(0, self.target.bits, NONE))

    def _solve(self, base: int, bits: int, under: int) -> tuple[int, int | None]:
        """(cost, the type of the range of this block or None) where the ranges around the block make `under`."""
        key = base, bits, under
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._best(base, bits, self._pinned(base, bits, under))
        return found

    def _pinned(self, base: int, bits: int, under: int) -> int:
        for kind in self.target.pinned.get((base, bits), ()):
            under = overlap(under, kind)
        return under

    def _best(self, base: int, bits: int, under: int) -> tuple[int, int | None]:
        wanted = self.target.wanted(base, bits)
        alone = (base, bits) not in self._above_pinned  # no pinned range further down
        if not wanted or (alone and self._gives(base, bits, under) == wanted):
            return 0, None
        best: tuple[int, int | None] = (IMPOSSIBLE, None)
        for kind in OVER[under]:
            if wanted >> kind & 1:
                cost = self._price(base, bits, kind)
                over = overlap(under, kind)
                if not alone or wanted != 1 << over:
                    cost += self._halves(base, bits, over)
                best = min(best, (cost, kind), key=_cheaper)
        if alone and wanted & (wanted - 1) == 0 and self._settled(base, bits, under):
            return best
        return min(best, (self._halves(base, bits, under), None), key=_cheaper)

    def _price(self, base: int, bits: int, kind: int) -> int:
        new = (base, bits, kind) not in self.target.present
        return RANGE_PRICE + CHANGE_PRICE * new + bits

    def _gives(self, base: int, bits: int, under: int) -> int:
        """The types that a block has without more ranges, a bit each; 0 where there is no one type."""
        kind = self.target.without_ranges(base, bits) if under == NONE else under
        return 0 if kind is None or kind == UNDEFINED else 1 << kind

    def _two_defaults(self, base: int, bits: int, under: int) -> bool:
        return under == NONE and self.target.without_ranges(base, bits) is None

    def _settled(self, base: int, bits: int, under: int) -> bool:
        """Whether one range of this very block is as good as any plan for it; one type is wanted.

        Not where half of it needs none (TOM2), nor where a smaller one would do.
        """
        return not self._two_defaults(base, bits, under) and self.target.everywhere(base, bits)

    def _halves(self, base: int, bits: int, under: int) -> int:
        if bits == rules.PAGE_SHIFT:
            return IMPOSSIBLE
        left = self._solve(base, bits - 1, under)[0]
        if left >= IMPOSSIBLE:
            return IMPOSSIBLE
        return left + self._solve(base + (1 << bits - 1), bits - 1, under)[0]

    def _chosen(self, base: int, bits: int, under: int) -> Iterator[Range]:
        cost, kind = self._solve(base, bits, under)
        under = self._pinned(base, bits, under)
        if cost == 0 or cost >= IMPOSSIBLE:
            return
        if kind is not None:
            yield base, bits, kind
            under = overlap(under, kind)
            cost -= self._price(base, bits, kind)
            if cost == 0:
                return
        for start in (base, base + (1 << bits - 1)):
            yield from self._chosen(start, bits - 1, under)


def _cheaper(option: tuple[int, int | None]) -> int:
    return option[0]


def _ancestors(blocks: Iterable[Block]) -> frozenset[Block]:
    """Every block that one of these lies in, itself not counted."""
    return frozenset(
        (base >> up << up, up) for base, bits in blocks for up in range(bits + 1, rules.MAX_MAXPHYADDR + 1)
    )


# --- fewer ranges than the target needs -----------------------------------------------------------------------------

# What is given up first: WC becomes UC, then WT and WP, then WB: a byte of the next outweighs all bytes of the last.
WEIGHTS = {UC: 0, WC: 1, WT: 1 << 56, WP: 1 << 56, WB: 1 << 112}


class LossSolver(Solver):
    """The least loss with a number of ranges that is too small: more addresses are UC than wanted."""

    def __init__(self, target: Target, budget: int) -> None:
        super().__init__(target)
        self.budget = budget
        self._losses: dict[tuple[int, int, int], list[int]] = {}

    def least(self) -> int | None:
        """The weight of what is lost; None where even that many ranges cannot make all that is wrong UC."""
        losses = self._loss(0, self.target.bits, NONE)
        return None if losses[-1] >= IMPOSSIBLE else losses[-1]

    def ranges(self) -> list[Range]:
        losses = self._loss(0, self.target.bits, NONE)
        return sorted(self._given(0, self.target.bits, NONE, losses.index(losses[-1])))

    def _loss(self, base: int, bits: int, under: int) -> list[int]:
        """Element n: the least loss with at most n ranges in this block. Cut where more of them gain nothing."""
        key = base, bits, under
        found = self._losses.get(key)
        if found is None:
            options = self._options(base, bits, self._pinned(base, bits, under))
            found = self._losses[key] = _least([losses for _, losses in options], self.budget)
        return found

    def _options(self, base: int, bits: int, under: int) -> list[tuple[int | None, list[int]]]:
        """(type of a range of this block or None, losses) for each choice."""
        wanted = self.target.wanted(base, bits)
        alone = (base, bits) not in self._above_pinned
        if not wanted:
            return [(None, [0])]
        options: list[tuple[int | None, list[int]]] = []
        if alone:
            options.append((None, [self._left_as_is(base, bits, under, wanted)]))
        one_type = alone and wanted & (wanted - 1) == 0
        for kind in OVER[under]:
            if wanted >> kind & 1 or kind == UC:
                over = overlap(under, kind)
                inner = [self._left_as_is(base, bits, over, wanted)] if one_type else self._both(base, bits, over)
                options.append((kind, [IMPOSSIBLE, *inner]))
        if not one_type or self._two_defaults(base, bits, under):
            options.append((None, self._both(base, bits, under)))
        return options

    def _left_as_is(self, base: int, bits: int, under: int, wanted: int) -> int:
        given = self._gives(base, bits, under)
        if given == wanted:
            return 0
        if given != 1 << UC:
            return IMPOSSIBLE
        return sum(WEIGHTS[kind] * size for kind, size in self.target.bytes_of(base, bits))

    def _both(self, base: int, bits: int, under: int) -> list[int]:
        if bits == rules.PAGE_SHIFT:
            return [IMPOSSIBLE]
        left = self._loss(base, bits - 1, under)
        right = self._loss(base + (1 << bits - 1), bits - 1, under)
        most = min(self.budget, len(left) + len(right) - 2)
        return [min(_share(left, right, n)[0]) for n in range(most + 1)]

    def _given(self, base: int, bits: int, under: int, budget: int) -> Iterator[Range]:
        losses = self._loss(base, bits, under)
        goal = losses[min(budget, len(losses) - 1)]
        under = self._pinned(base, bits, under)
        wanted = self.target.wanted(base, bits)
        if not wanted:
            return
        alone = (base, bits) not in self._above_pinned
        if alone and self._left_as_is(base, bits, under, wanted) == goal:
            return
        for kind, option in self._options(base, bits, under):
            if option[min(budget, len(option) - 1)] != goal or (kind is not None and not budget):
                continue
            if kind is not None:
                yield base, bits, kind
                under, budget = overlap(under, kind), budget - 1
                if alone and self._left_as_is(base, bits, under, wanted) == goal:
                    return
            left, right = (self._loss(start, bits - 1, under) for start in (base, base + (1 << bits - 1)))
            sums, first = _share(left, right, budget)
            share = first + sums.index(min(sums))
            yield from self._given(base, bits - 1, under, share)
            yield from self._given(base + (1 << bits - 1), bits - 1, under, budget - share)
            return


def _share(left: list[int], right: list[int], budget: int) -> tuple[list[int], int]:
    """The losses of two halves for each share of the left one, and the smallest share that is looked at."""
    first = max(0, budget - (len(right) - 1))
    last = min(budget, len(left) - 1)
    return [left[n] + right[min(budget - n, len(right) - 1)] for n in range(min(first, last), last + 1)], min(
        first, last
    )


def _least(options: list[list[int]], budget: int) -> list[int]:
    length = min(budget + 1, max(map(len, options)))
    made: list[int] = []
    for n in range(length):
        loss = min(option[min(n, len(option) - 1)] for option in options)
        made.append(min(loss, made[-1]) if made else loss)
    while len(made) > 1 and made[-1] == made[-2]:
        made.pop()
    return made
