"""The tree of power-of-two blocks of the address space, where holey masks cut it into more pieces than a map holds.

A block has one type or falls into two halves. What a block looks like depends on its size and on the ranges that still
may match in it, not on its address: blocks alike are resolved once. A mask that alternates pages over 2**52 bytes
makes 2**40 runs of pages, and 41 blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtype import rules
from memtype.backends import reference
from memtype.errors import ShatteredMapError
from memtype.mtrr import MtrrState
from memtype.types import MemoryType

MOST_BLOCKS = 200_000  # different ones that are resolved; beyond that masks are called irregular
Range = tuple[int, int, int]  # mask field, base field, encoding
Shape = tuple[int, MemoryType]  # level of the leaves, type


@dataclass(frozen=True, slots=True)
class Block:
    """A block of `size` bytes. `kind` is its one type; None where it has several, or lies partly beyond the top.

    counts : leaves of level 3, 2, 1; runs : of leaves alike; changes : of type, not at a border of the largest pages
    first, last : leaves at its ends, None where the block is empty
    """

    size: int
    kind: MemoryType | None
    counts: tuple[int, int, int] = (0, 0, 0)
    directories: int = 0
    tables: int = 0
    runs: int = 0
    changes: int = 0
    first: Shape | None = None
    last: Shape | None = None
    halves: tuple[Block, Block] | None = None


def resolve(state: MtrrState, top: int, max_level: int) -> Block:
    """The whole address space of a state below `top`, a multiple of 4 KiB."""
    return _Resolver(state, top, max_level).whole()


def runs(block: Block, max_level: int) -> Iterator[tuple[int, int, int, MemoryType]]:
    """(base, size, level, type) of each run of leaves alike, rising."""
    held: tuple[int, int, int, MemoryType] | None = None
    for base, part in _uniform(block, 0):
        assert part.kind is not None
        level = _level(part.size, max_level)
        if held and held[2:] == (level, part.kind):
            held = held[0], base + part.size - held[0], level, part.kind
            continue
        if held:
            yield held
        held = base, part.size, level, part.kind
    if held:
        yield held


def _uniform(block: Block, base: int) -> Iterator[tuple[int, Block]]:
    if block.kind is not None:
        yield base, block
    elif block.halves:
        yield from _uniform(block.halves[0], base)
        yield from _uniform(block.halves[1], base + block.size // 2)


def _level(size: int, max_level: int) -> int:
    """The level of the largest leaves inside a block of one type."""
    return next(level for level in range(max_level, 0, -1) if size >= 1 << rules.LEAF_SHIFTS[level])


class _Resolver:
    """What is fixed while one state is resolved, and the blocks that are known."""

    def __init__(self, state: MtrrState, top: int, max_level: int) -> None:
        field = rules.page_bits(state.maxphyaddr)
        self.state, self.top, self.max_level = state, top, max_level
        on = bool(state.def_type & rules.DEF_TYPE_E)
        self.low = rules.FIXED_END if on and reference.fixed_decides(state, 0) else 0
        self.cuts = [cut for cut in (self.low, rules.GIB4, reference.tom2_limit(state), top) if cut]
        self.known: dict[tuple[object, ...], Block] = {}
        self.ranges = tuple(
            (mask & field, base & mask & field, base & rules.BASE_TYPE)
            for base, mask in state.variable
            if on and mask & rules.MASK_VALID
        )
        self.default: Callable[[int], MemoryType] = (
            partial(reference.default_type, state) if on else lambda _: rules.TYPE_WHILE_OFF
        )

    def whole(self) -> Block:
        bits = self.state.maxphyaddr
        return self._leaves(self._block(0, bits, tuple(dict.fromkeys(self.ranges))))

    def kind(self, base: int, bits: int) -> MemoryType | None:
        """The one type of the block of 2**bits bytes at `base`, or None."""
        alive = tuple(dict.fromkeys(self.ranges))
        for bit in range(self.state.maxphyaddr - 1, bits - 1, -1):
            alive = _alive(alive, base & -(1 << bit), 1 << bit)
        return self._block(base, bits, alive).kind

    def _block(self, base: int, bits: int, alive: tuple[Range, ...]) -> Block:
        """The block of 2**bits bytes at `base`; `alive` are the ranges whose mask its upper address bits pass."""
        size = 1 << bits
        if base >= self.top:
            return Block(size, None)
        if any(base < cut < base + size for cut in self.cuts) or base + size <= self.low:
            return self._fresh(base, bits, alive)
        key = bits, alive, self.default(base)
        if key not in self.known:
            if len(self.known) >= MOST_BLOCKS:
                raise ShatteredMapError(f"masks too irregular: over {MOST_BLOCKS} different blocks of memory")
            self.known[key] = self._fresh(base, bits, alive)
        return self.known[key]

    def _fresh(self, base: int, bits: int, alive: tuple[Range, ...]) -> Block:
        size = 1 << bits
        whole = [kind for mask, _, kind in alive if not mask]
        cut = any(base < edge < base + size for edge in self.cuts)
        if base + size <= self.low:
            if size == rules.PAGE_SIZE:
                return Block(size, self.state.at(base))
        elif not cut and (len(whole) == len(alive) or MemoryType.UC in whole):
            return Block(size, reference.combine(whole) if whole else self.default(base))
        half = size // 2
        return self._joined(*(self._block(b, bits - 1, _alive(alive, b, half)) for b in (base, base + half)))

    def _joined(self, left: Block, right: Block) -> Block:
        size = 2 * left.size
        if left.kind is not None and left.kind is right.kind:
            return Block(size, left.kind)
        a, b = self._leaves(left), self._leaves(right)
        inside = left.size % (1 << rules.LEAF_SHIFTS[self.max_level]) != 0  # a page of the largest size
        changed = inside and a.last is not None and b.first is not None and a.last[1] is not b.first[1]
        return Block(
            size,
            None,
            (a.counts[0] + b.counts[0], a.counts[1] + b.counts[1], a.counts[2] + b.counts[2]),
            a.directories + b.directories + (size == 1 << rules.LEAF_SHIFTS[3]),
            a.tables + b.tables + (size == 1 << rules.LEAF_SHIFTS[2]),
            a.runs + b.runs - (a.last is not None and a.last == b.first),
            a.changes + b.changes + changed,
            a.first or b.first,
            b.last or a.last,
            (left, right),
        )

    def _leaves(self, block: Block) -> Block:
        """A block of one type with its leaves counted; others have been."""
        if block.kind is None:
            return block
        level = _level(block.size, self.max_level)
        counts = [0, 0, 0]
        counts[3 - level] = block.size >> rules.LEAF_SHIFTS[level]
        shape = level, block.kind
        directories = block.size >> rules.LEAF_SHIFTS[3] if level < 3 else 0
        tables = block.size >> rules.LEAF_SHIFTS[2] if level < 2 else 0
        made = counts[0], counts[1], counts[2]
        return replace(block, counts=made, directories=directories, tables=tables, runs=1, first=shape, last=shape)


def _alive(ranges: tuple[Range, ...], base: int, size: int) -> tuple[Range, ...]:
    """Those that may match in [base, base + size), as the block sees them: by their bits below its size."""
    below = size - 1
    met = ((mask & below, match & below, kind) for mask, match, kind in ranges if not (base ^ match) & mask & size)
    return tuple(dict.fromkeys(met))


# --- many blocks of one size ----------------------------------------------------------------------------------------


class Mixed:
    """Which of many blocks of 2**bits bytes hold several types."""

    def __init__(self, state: MtrrState, bits: int) -> None:
        self._resolver, self._bits = _Resolver(state, 1 << state.maxphyaddr, 1), bits

    def places(self, bases: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The places in `bases` of those that do, rising.

        Blocks that the same ranges may match in are alike, but for those around a fixed border: one of each is looked
        at.
        """
        resolver, below = self._resolver, np.uint64((1 << self._bits) - 1)
        classes = np.minimum(bases, np.uint64(resolver.low))
        for cut in resolver.cuts:  # the block around a border is like no other, and neither side like the other
            sides = np.array([cut & ~int(below), (cut | int(below)) + 1], np.uint64)
            classes = _numbered(classes, np.searchsorted(sides, bases, "right"))
        for mask, match, _ in resolver.ranges:
            upper = np.uint64(mask) & ~below
            classes = _numbered(classes, bases & upper == np.uint64(match) & ~below)
        _, firsts, alike = np.unique(classes, return_index=True, return_inverse=True)
        several = np.array([resolver.kind(int(bases[first]), self._bits) is None for first in firsts], np.bool_)
        return np.flatnonzero(several[alike])


def _numbered(classes: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """Classes cut finer by `more`, numbered anew from 0 so that they stay small."""
    _, numbers = np.unique(classes, return_inverse=True)
    return np.asarray(numbers.astype(np.uint64) * np.uint64(4) + more.astype(np.uint64))
