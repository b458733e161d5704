"""A program's whole map by one pass over the addresses at which ranges begin or end."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby

from memtype import rules
from memtype.backends import reference
from memtype.backends.reference import Registers
from memtype.types import MemoryType
from memtype.views import ways
from memtype.views.decide import decide_matching, tom2_end
from memtype.views.programs import EXACT, Program


def resolve(program: Program, s: Registers) -> tuple[list[int], list[int]]:
    """Segments as parallel lists: bases, types; neighbours differ.

    Raises
    ------
    ShatteredMapError
        When holey masks make more than 65,536 segments.
    """
    bases: list[int] = []
    kinds: list[int] = []
    for cut, kind in _segments(program, s):
        if not kinds or kinds[-1] != kind:
            bases.append(cut)
            kinds.append(kind)
            if len(bases) > rules.MAP_SEGMENT_LIMIT:
                raise reference.shattered()
    return bases, kinds


def _segments(program: Program, s: Registers) -> Iterator[tuple[int, MemoryType]]:
    limit = tom2_end(program, s)
    known: dict[tuple[int, bool], MemoryType] = {}
    for cut, pairs in active_pairs(program, s):
        if cut >= 1 << s.maxphyaddr:
            return
        if cut < rules.FIXED_END:
            yield cut, decide_matching(program, s, cut, indexes(pairs)).type
            continue
        zone = pairs, rules.GIB4 <= cut < limit
        if zone not in known:
            known[zone] = decide_matching(program, s, cut, indexes(pairs)).type
        yield cut, known[zone]


def active_pairs(program: Program, s: Registers) -> Iterator[tuple[int, int]]:
    """(address, bit set of the pairs that match from there on), by rising address; not cut off at 2**MAXPHYADDR."""
    edges = [_edges(program, s, n) for n, (_, mask) in enumerate(s.variable) if mask & rules.MASK_VALID]
    places = ((cut, 0) for cut in sorted(_fixed_cuts(program, s)))
    pairs = 0
    for cut, here in groupby(heapq.merge(places, *edges), key=lambda edge: edge[0]):
        for _, changed in here:
            pairs ^= changed
        yield cut, pairs


def cuts(program: Program, s: Registers, base: int, end: int) -> Iterator[int]:
    """Addresses within (base, end) at which what decides may change, rising.

    Raises
    ------
    ShatteredMapError
        When holey masks make too many.
    """
    for cut, _ in active_pairs(program, s):
        if cut >= end:
            return
        if cut > base:
            yield cut


def _edges(program: Program, s: Registers, n: int) -> Iterator[tuple[int, int]]:
    """Where a pair's blocks begin and end, by rising address and no sooner than asked: a cube may have many."""
    for start, end in ways.spans(program.ranges, s.variable[n], s.maxphyaddr):
        yield start, 1 << n
        yield end, 1 << n


def _fixed_cuts(program: Program, s: Registers) -> set[int]:
    """Addresses at which something else than a variable range may change the answer."""
    if program.ranges == EXACT and reference.block_count(s) > rules.MAP_BLOCK_LIMIT:
        raise reference.shattered()
    low = {span.base for span in rules.FIXED_RANGES}
    return {rules.FIXED_END, rules.GIB4, tom2_end(program, s)} | low


def indexes(pairs: int) -> tuple[int, ...]:
    return tuple(n for n in range(pairs.bit_length()) if pairs >> n & 1)
