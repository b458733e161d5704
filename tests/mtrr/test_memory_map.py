"""A map made of segments: what every address gets, what is refused, and that no way of making it shows."""

from __future__ import annotations

import copy
import pickle
import random
import re
from itertools import pairwise

import numpy as np
import pytest

import memtype as mt
from memtype.memory_map import MemoryMap

WIDTH = 36
KINDS = [mt.MemoryType(kind) for kind in (0, 1, 4, 5, 6)]


def disjoint(rng: random.Random) -> list[tuple[int, int, mt.MemoryType]]:
    """Segments that do not overlap, in any order; some touch, some begin at 0 or end with the map."""
    edges = sorted({0, 1 << WIDTH, *(rng.randrange(1, 1 << WIDTH) for _ in range(9))})
    found = [(a, b - a, rng.choice(KINDS)) for a, b in pairwise(edges) if rng.random() < 0.7]
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_every_address_has_its_segments_type_or_the_gaps(seed):
    rng = random.Random(seed)
    segments, gap = disjoint(rng), rng.choice(KINDS)
    made = MemoryMap.from_segments(segments, WIDTH, gap)
    edges = {0, (1 << WIDTH) - 1, *(each for base, size, _ in segments for each in (base, base + size - 1, base - 1))}
    asked = sorted(each for each in {*edges, *(edge + 1 for edge in edges)} if 0 <= each < 1 << WIDTH)
    right = [next((kind for b, size, kind in segments if b <= one < b + size), gap) for one in asked]
    assert [made.at(one) for one in asked] == right == list(map(mt.MemoryType, made.types(asked)))
    assert all(one.type != two.type and one.end == two.base for one, two in pairwise(made.segments))
    assert made.segments[0].base == 0 and made.segments[-1].last == (1 << WIDTH) - 1
    assert [made.around(one) for one in asked] == [
        next((s.type, s.base, s.end) for s in made if s.base <= one <= s.last) for one in asked
    ]


@pytest.mark.parametrize(("segments", "said"), [
    ([(0, 0, "WB")], "segment 0x0+0x0 is not within"),
    ([(4096, -1, "WB")], "segment 0x1000+0x-1 is not within"),
    ([(-1, 2, "WB")], "segment 0x-1+0x2 is not within"),
    ([((1 << WIDTH) - 1, 2, "WB")], "is not within [0, 2**36)"),
    ([(0, 4096, "WB"), (4095, 1, "WB")], "segment 0xfff+0x1 overlaps the one that ends at 0xfff"),
    ([(4096, 1, "WB"), (0, 4097, "UC")], "overlaps"),
    ([(0, 1)], "segment 0: (0, 1) is not"),
])  # fmt: skip
def test_segments_that_make_no_map_are_refused(segments, said):
    with pytest.raises(mt.InputError, match=re.escape(said)):
        MemoryMap.from_segments(segments, WIDTH)


def test_a_gap_without_a_name_is_undefined_and_none_is_no_segment():
    assert [str(s.type) for s in MemoryMap.from_segments([(4096, 4096, "WB")], WIDTH)] == ["??", "WB", "??"]
    assert len(MemoryMap.from_segments([], WIDTH, "UC")) == 1


@pytest.mark.parametrize(
    "way", [list, tuple, np.array, lambda n: np.array(n, np.uint64), lambda n: [np.uint64(x) for x in n]]
)
@pytest.mark.parametrize("kinds", [[6, 0, 1], [mt.MemoryType.WB, mt.MemoryType.UC, mt.MemoryType.WC]])
def test_lists_of_any_kind_make_the_same_map(way, kinds):
    plain = MemoryMap([0, 4096, 1 << 20], [6, 0, 1], WIDTH)
    made = MemoryMap(way([0, 4096, 1 << 20]), way(list(map(int, kinds))) if way is not list else kinds, WIDTH)
    assert made == plain and hash(made) == hash(plain) and repr(made) == repr(plain)
    assert all(type(each) is int for each in (*made._bases, *made._types))
    for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), eval(repr(made), {"MemoryMap": MemoryMap})):
        assert other == made and other.segments == plain.segments


@pytest.mark.parametrize(("bases", "kinds"), [
    ([0, 4096], [6]), ([4096], [6]), ([], []), ([1], [6]), ([0], [3]), ([0], [256]), ([0], [-1]),
    ([0, 1 << 64], [6, 0]),
    ([0, -1], [6, 0]), (0, 6), ([0], 6), (0, [6]), ([[0]], [[6]]), (["0"], [6]), ([0.5], [6]), (None, None),
])  # fmt: skip
def test_lists_that_make_no_map_are_refused(bases, kinds):
    with pytest.raises(mt.MemtypeError):
        MemoryMap(bases, kinds, WIDTH)


def test_the_highest_numbers_are_taken():
    assert MemoryMap([0, (1 << 64) - 1], [6, 12], 52)._bases[1] == (1 << 64) - 1


def test_a_map_has_no_other_names_and_keeps_its_own():
    made = MemoryMap([0], [6], WIDTH)
    assert not hasattr(made, "other") and made.map is made and made.vendor is None and made.listed() is made
    for change in (lambda: setattr(made, "maxphyaddr", 40), lambda: delattr(made, "_bases")):
        with pytest.raises(AttributeError, match="immutable"):
            change()
    assert made != MemoryMap([0], [6], WIDTH + 1) and made != MemoryMap([0], [0], WIDTH) and made != [0]
    with pytest.raises(mt.AddressError):
        made.at(1 << WIDTH)


@pytest.mark.parametrize("seed", range(10))
def test_parts_of_a_map_are_cut_to_what_is_asked(seed):
    rng = random.Random(seed)
    made = MemoryMap.from_segments(disjoint(rng), WIDTH)
    base = rng.choice([s.base for s in made] + [rng.randrange(1 << WIDTH)])
    size = rng.choice([1, rng.randrange(1, (1 << WIDTH) - base + 1), (1 << WIDTH) - base])
    parts = list(made.within(base, size))
    assert parts[0].base == base and sum(part.size for part in parts) == size
    assert all(made.around(part.base)[0] is part.type is made.at(part.last) for part in parts)
    assert all(one.end == two.base and one.type != two.type for one, two in pairwise(parts))
    assert made.uniform(base, size) is (parts[0].type if len(parts) == 1 else mt.MemoryType.MIXED)
    assert made.first(2) == list(made.segments[:2]) and made.first(0) == []


@pytest.mark.parametrize(("base", "size"), [(0, 0), (0, -1), (-1, 2), (0, (1 << WIDTH) + 1), (1 << WIDTH, 1)])
def test_a_range_that_leaves_the_map_is_refused(base, size):
    made = MemoryMap([0], [6], WIDTH)
    for ask in (made.uniform, made.bounds, lambda *a: list(made.within(*a))):
        with pytest.raises(mt.InputError, match="is not within"):
            ask(base, size)


def test_long_maps_are_counted_and_short_ones_spelled():
    for count in (64, 65):
        bases = [n << 12 for n in range(count)]
        made = MemoryMap(bases, [6 * (n % 2) for n in range(count)], WIDTH)
        assert repr(made).startswith("<MemoryMap of 65 segments" if count == 65 else "MemoryMap.from_segments([(0x0, ")
    with pytest.raises(mt.InputError, match="no number of segments"):
        made.first(-1)
