"""Functions of a page number as decision diagrams: what masks with holes make, without a list of it.

A mask of MAXPHYADDR 52 with ten holes repeats its range 1,024 times; listing that is slow, and useless. A diagram
looks at the bits of the number from the highest down and shares equal halves: a range that repeats is stored once,
and still counted, searched and cut exactly.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from memtype.errors import ShatteredMapError
from memtype.late import Late
from memtype.rules import DIAGRAM_NODE_LIMIT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = Late("numpy")

T = TypeVar("T")
Run = tuple[int, int, int]  # first number, the number behind the last, value


class Node:
    """A choice by one bit: `low` where it is clear, `high` where it is set. Equal nodes of a diagram are one."""

    __slots__ = ("bit", "high", "low")

    def __init__(self, bit: int, low: Tree, high: Tree) -> None:
        self.bit, self.low, self.high = bit, low, high


Tree = int | Node  # an int where no bit matters any more


class Cube(NamedTuple):
    """The numbers n with ``n & field == want``; `tag` is a bit that says it of a number."""

    field: int
    want: int
    tag: int


class _Table:
    """Makes nodes, each once."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, Tree, Tree], Node] = {}

    def node(self, bit: int, low: Tree, high: Tree) -> Tree:
        if low is high or (isinstance(low, int) and low == high):
            return low
        key = bit, low, high
        found = self.nodes.get(key)
        if found is None:
            if len(self.nodes) >= DIAGRAM_NODE_LIMIT:
                raise ShatteredMapError(
                    f"holey masks make more than {DIAGRAM_NODE_LIMIT} cases; ask for single addresses instead"
                )
            found = self.nodes[key] = Node(*key)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Diagram:
    """A small int for every number of [0, 2**width).

    Examples
    --------
    >>> odd = Diagram.of_cubes([Cube(1, 1, 1)], 40, lambda tags: 6 if tags else 0)
    >>> odd.at(2**40 - 1), odd.count_runs(), list(odd.runs(4, 7)), odd.members({6}, 0, 1001)
    (6, 1099511627776, [(4, 5, 0), (5, 6, 6), (6, 7, 0)], 500)
    """

    root: Tree
    width: int

    # --- making one ---------------------------------------------------------------------------------------------

    @classmethod
    def of_cubes(cls, cubes: Sequence[Cube], width: int, value: Callable[[int], int], final: int = 0) -> Diagram:
        """``value(tags)`` of each number, `tags` being those of all cubes that hold it; one of `final` is enough.

        Raises
        ------
        ShatteredMapError
            When there are too many cases to store.
        """
        return cls(_Cubes(cubes, value, final).build(range(len(cubes)), 0, width), width)

    @classmethod
    def of_steps(cls, starts: Sequence[int], values: Sequence[int], width: int) -> Diagram:
        """From ascending numbers (the first is 0) at which the value changes."""
        table = _Table()

        def build(bit: int, base: int) -> Tree:
            here = bisect_right(starts, base) - 1
            if bisect_left(starts, base + (1 << bit)) <= here + 1:  # no step begins inside
                return values[here]
            return table.node(bit - 1, build(bit - 1, base), build(bit - 1, base + (1 << bit - 1)))

        return cls(build(width, 0), width)

    def lower(self, width: int) -> Diagram:
        """The same below 2**width."""
        tree = self.root
        while isinstance(tree, Node) and tree.bit >= width:
            tree = tree.low
        return Diagram(tree, width)

    # --- asking -------------------------------------------------------------------------------------------------

    @property
    def key(self) -> tuple[int, int, tuple[tuple[int, int, int], ...]]:
        """Equal for diagrams that are equal at every number: nodes are shared, so each function has one form.

        Examples
        --------
        >>> one = Diagram.of_steps([0, 4, 8], [6, 0, 6], 40)
        >>> one.key == Diagram.of_cubes([Cube(~3 & (1 << 40) - 1, 4, 1)], 40, lambda tags: 0 if tags else 6).key
        True
        """
        first, rows = _flattened(self.root)
        return self.width, first, tuple(rows)

    def at(self, number: int) -> int:
        tree = self.root
        while type(tree) is Node:
            tree = tree.high if number >> tree.bit & 1 else tree.low
        assert isinstance(tree, int)
        return tree

    def runs(self, first: int = 0, end: int | None = None) -> Iterator[Run]:
        """(first, end, value) of each run in the window, one after the other; neighbours differ."""
        end = 1 << self.width if end is None else min(end, 1 << self.width)
        held: Run | None = None
        for base, behind, value in _walk(self.root, self.width, 0, first, end):
            if held and held[2] == value:
                held = held[0], behind, value
                continue
            if held:
                yield held
            held = base, behind, value
        if held:
            yield held

    def members(self, values: frozenset[int] | set[int], first: int = 0, end: int | None = None) -> int:
        """How many numbers of the window have one of these values."""
        return self.total(lambda value, bit: (1 << bit) * (value in values), operator.add, first, end) or 0

    def values(self, first: int = 0, end: int | None = None) -> frozenset[int]:
        """The values in the window."""
        return self.total(_only, operator.or_, first, end) or frozenset()

    def count_runs(self, first: int = 0, end: int | None = None) -> int:
        """How many runs `runs` gives, without giving them."""
        return (self.total(lambda value, bit: (1, value, value), _joined, first, end) or (0,))[0]

    def total(
        self, leaf: Callable[[int, int], T], join: Callable[[T, T], T], first: int = 0, end: int | None = None
    ) -> T | None:
        """What the window adds up to: ``leaf(value, bit)`` of 2**bit numbers of one value, neighbours joined.

        The window is taken as its largest aligned blocks, and each half of one as a block; equal ones are looked at
        once. None where it is empty.
        """
        end = 1 << self.width if end is None else min(end, 1 << self.width)
        known: dict[tuple[Tree, int], T] = {}

        def whole(tree: Tree, bit: int) -> T:
            if isinstance(tree, int):
                return leaf(tree, bit)
            key = tree, bit
            if key not in known:
                low, high = _halves(tree, bit)
                known[key] = join(whole(low, bit - 1), whole(high, bit - 1))
            return known[key]

        blocks = [whole(tree, bit) for tree, bit in _blocks(self.root, self.width, 0, first, end)]
        return reduce(join, blocks) if blocks else None

    def several(self, bit: int) -> Diagram:
        """By the number of a block of 2**bit numbers: 1 where it has several values, 0 where it has one."""
        table = _Table()
        known: dict[Tree, Tree] = {}

        def build(tree: Tree) -> Tree:
            if type(tree) is not Node or tree.bit < bit:
                return int(type(tree) is Node)
            if tree not in known:
                known[tree] = table.node(tree.bit - bit, build(tree.low), build(tree.high))
            return known[tree]

        return Diagram(build(self.root), self.width - bit)

    def lookup(self, numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
        """`at` of each number, all of them one step down at a time."""
        first, rows = _flattened(self.root)
        bits = np.array([bit for bit, _, _ in rows], np.uint64)
        branches = np.array([(low, high) for _, low, high in rows], np.int64).reshape(-1, 2)
        found = np.full(numbers.shape, first, np.int64)
        going = np.flatnonzero(found >= 0)
        while going.size:
            here = found[going]
            found[going] = branches[here, (numbers[going] >> bits[here] & np.uint64(1)).astype(np.intp)]
            going = going[found[going] >= 0]
        return ~found


def _flattened(root: Tree) -> tuple[int, list[tuple[int, int, int]]]:
    """Nodes as rows: the row of the root, and of each row its bit and the two rows that follow; ``~value`` ends."""
    places: dict[Tree, int] = {}
    nodes: list[Node] = []
    waiting = [root]
    while waiting:
        tree = waiting.pop()
        if tree in places:
            continue
        if isinstance(tree, int):
            places[tree] = ~tree
            continue
        places[tree] = len(nodes)
        nodes.append(tree)
        waiting += (tree.low, tree.high)
    return places[root], [(node.bit, places[node.low], places[node.high]) for node in nodes]


def _halves(tree: Tree, bit: int) -> tuple[Tree, Tree]:
    """The halves of 2**bit numbers: the same one twice where their highest bit does not matter."""
    return (tree.low, tree.high) if type(tree) is Node and tree.bit == bit - 1 else (tree, tree)


def _only(value: int, bit: int) -> frozenset[int]:
    return frozenset((value,))


def _joined(low: tuple[int, int, int], high: tuple[int, int, int]) -> tuple[int, int, int]:
    """(runs, first value, last value) of two neighbours."""
    return low[0] + high[0] - (low[2] == high[1]), low[1], high[2]


def _blocks(tree: Tree, bit: int, base: int, first: int, end: int) -> Iterator[tuple[Tree, int]]:
    """The largest aligned blocks within [first, end), and an int's as one of any size."""
    if base >= end or base + (1 << bit) <= first or first >= end:
        return
    if first <= base and base + (1 << bit) <= end:
        yield tree, bit
        return
    low, high = _halves(tree, bit)
    yield from _blocks(low, bit - 1, base, first, end)
    yield from _blocks(high, bit - 1, base + (1 << bit - 1), first, end)


def _walk(tree: Tree, bit: int, base: int, first: int, end: int) -> Iterator[Run]:
    """Every block of the window that one int decides, in order; neighbours may be equal."""
    waiting = [(tree, bit, base)]
    while waiting:
        tree, bit, base = waiting.pop()
        behind = base + (1 << bit)
        if base >= end or behind <= first or first >= end:
            continue
        if isinstance(tree, int):
            yield max(base, first), min(behind, end), tree
            continue
        low, high = _halves(tree, bit)
        waiting += ((high, bit - 1, base + (1 << bit - 1)), (low, bit - 1, base))


class _Cubes:
    """The diagram of many cubes, from the highest bit down: which are still possible, and which hold already."""

    def __init__(self, cubes: Sequence[Cube], value: Callable[[int], int], final: int) -> None:
        self.cubes, self.value, self.final = cubes, value, final
        self.table = _Table()
        self.known: dict[tuple[tuple[int, ...], int, int], Tree] = {}

    def build(self, possible: Iterable[int], tags: int, bit: int) -> Tree:
        """Of numbers whose bits from `bit` up fit the `possible` cubes, and wholly those of `tags`."""
        below = (1 << bit) - 1
        left = []
        for n in possible:
            if self.cubes[n].field & below:
                left.append(n)
            else:
                tags |= self.cubes[n].tag
        if not left or tags & self.final:
            return self.value(tags)
        left = [n for n in left if self.cubes[n].tag & ~tags]  # another of the same tag adds nothing
        if not left:
            return self.value(tags)
        top = max((self.cubes[n].field & below).bit_length() for n in left) - 1
        key = tuple(left), tags, top
        if key not in self.known:
            fits = [n for n in left if not self.cubes[n].field & 1 << top]
            low = fits + [n for n in left if self.cubes[n].field & 1 << top and not self.cubes[n].want & 1 << top]
            high = fits + [n for n in left if self.cubes[n].want & self.cubes[n].field & 1 << top]
            if len(self.known) >= DIAGRAM_NODE_LIMIT:
                raise ShatteredMapError(
                    f"holey masks make more than {DIAGRAM_NODE_LIMIT} cases; ask for single addresses instead"
                )
            self.known[key] = self.table.node(
                top, self.build(sorted(low), tags, top), self.build(sorted(high), tags, top)
            )
        return self.known[key]


def overlay(diagrams: Sequence[Diagram], value: Callable[..., int]) -> Diagram:
    """``value(one, other, ...)`` of all diagrams at each number; they have one width.

    Raises
    ------
    ShatteredMapError
        When there are too many cases to store.
    """
    table = _Table()
    known: dict[tuple[Tree, ...], Tree] = {}

    def build(trees: tuple[Tree, ...]) -> Tree:
        bits = [tree.bit for tree in trees if type(tree) is Node]
        if not bits:
            return value(*trees)
        if trees not in known:
            top = max(bits)
            pairs = [_halves(tree, top + 1) for tree in trees]
            known[trees] = table.node(top, build(tuple(p[0] for p in pairs)), build(tuple(p[1] for p in pairs)))
        return known[trees]

    return Diagram(build(tuple(diagram.root for diagram in diagrams)), diagrams[0].width)
