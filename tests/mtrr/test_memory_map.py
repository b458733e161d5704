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
from memtype.memory_map import MemoryMap, answers, packed_map

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


@pytest.mark.parametrize("seed", range(12))
def test_a_page_has_its_type_or_is_mixed(seed):
    rng = random.Random(seed)
    first = rng.randrange(1, 1 << 20)
    inside = [(first << 12) + rng.randrange(0, 12 << 12, rng.choice((1, 1 << 12))) for _ in range(6)]
    edges = sorted({0, (first << 12) + 1, *inside})
    made = MemoryMap.from_segments([(a, b - a, rng.choice(KINDS)) for a, b in pairwise(edges)], WIDTH, "WB")
    right = [made.uniform(gfn << 12, 1 << 12) for gfn in range(first - 1, first + 11)]
    out = np.zeros(12, np.uint8)
    assert made.page_types(first - 1, 12).tolist() == right == made.page_types(first - 1, 12, out).tolist()
    assert out.tolist() == right and made.page_types(first, 0).size == 0
    assert made.page_types(first + 4, 5).tolist() == right[5:10]
    for gfn, count in ((-1, 1), ((1 << 24) - 1, 2), (1 << 24, 1), (0, -1)):
        with pytest.raises(mt.MemtypeError):
            made.page_types(gfn, count)


def test_whoever_answers_is_taken_and_no_other():
    made = MemoryMap([0], [6], WIDTH)
    assert answers(made, "the map") is made
    with pytest.raises(mt.InputError, match="the map = 3 answers for no address"):
        answers(3, "the map")


def test_a_map_in_a_backends_own_form_is_taken_apart_when_somebody_looks():
    asked = []
    made = packed_map((lambda held: asked.append(held[1]) or ([0, 4096], [6, 0]), "handle"), WIDTH)
    assert not asked and made.maxphyaddr == WIDTH
    assert packed_map((lambda held: ([0], [6]),), WIDTH)._types == (6,)
    assert made == MemoryMap([0, 4096], [6, 0], WIDTH) and asked == ["handle"]


def test_a_states_map_is_the_map_of_its_segments():
    state = mt.MtrrState(0x806, variable=[(0x80000000, 0xF80000800)], maxphyaddr=WIDTH)
    made = MemoryMap.from_segments([(s.base, s.size, s.type) for s in state.map], WIDTH)
    assert state.map == made and list(state.map._types) == [6, 0, 6]
    assert (
        made.__dask_tokenize__() == state.map.__dask_tokenize__() and made.__dask_tokenize__()[0] == "memtype.MemoryMap"
    )
    assert MemoryMap.__eq__(made, 1) is NotImplemented
    for bases, kinds in (made.as_arrays(), state.map.as_arrays()):
        assert (bases.dtype, kinds.dtype) == (np.uint64, np.uint8) and not (
            bases.flags.writeable or kinds.flags.writeable
        )


@pytest.mark.parametrize(("ask", "said"), [
    (lambda m: m.around(1 << WIDTH), "0x1000000000"), (lambda m: m.around(-1), "-1"),
    (lambda m: m.around("x"), "address"), (lambda m: m.at("x"), "address"),
    (lambda m: m.bounds("x", 1), "base 'x'"), (lambda m: m.bounds(0, "x"), "size 'x'"),
    (lambda m: m.first("x"), "count 'x'"), (lambda m: m.page_types("x", 1), "first_gfn 'x'"),
    (lambda m: m.page_types(0, "x"), "count 'x'"), (lambda m: m.types(0, threads=0), "threads"),
    (lambda m: MemoryMap("x", [6], WIDTH), "bases"), (lambda m: MemoryMap([0], [0.5], WIDTH), "types"),
    (lambda m: MemoryMap([0], ["x"], WIDTH), "'x' is not a memory type"),
    (lambda m: MemoryMap([0], [6], "x"), "MAXPHYADDR"),
    (lambda m: MemoryMap([0], [3], WIDTH), "types: 3 is no memory type"),
    (lambda m: MemoryMap([0], 6, WIDTH), "lists of one length"), (lambda m: MemoryMap(0, [6], WIDTH), "lists of one"),
    (lambda m: MemoryMap.from_segments([(0, "x", "WB")]), "segment 0: size"),
    (lambda m: MemoryMap.from_segments([(0, 1, "WB"), ("x", 1, "WB")]), "segment 1: base"),
    (lambda m: MemoryMap.from_segments([(0, 1, "XY")]), "type"),
    (lambda m: MemoryMap.from_segments(3), "segments = 3 is not a sequence of (base, size, type)"),
    (lambda m: MemoryMap([0, 1], [6, 0], WIDTH).diagram, "a segment begins at 0x1, inside a page"),
    (lambda m: m.other, "'MemoryMap' object has no attribute 'other'"),
])  # fmt: skip
def test_what_is_wrong_is_named(ask, said):
    with pytest.raises((mt.MemtypeError, AttributeError), match=re.escape(said)):
        ask(MemoryMap([0], [6], WIDTH))


def test_one_address_and_many_are_answered_alike():
    made = MemoryMap.from_segments([(0, 4096, "WB"), (4096, 4096, "UC")], WIDTH, "WT")
    asked, out = np.array([[0, 4096], [8192, 4095]], np.uint64), np.zeros((2, 2), np.uint8)
    right = [[6, 0], [4, 6]]
    assert made.types(asked).tolist() == right == made.types(asked, out, 2).tolist() == out.tolist()
    assert made.types(np.uint64(4096)) is mt.MemoryType.UC is made.at(np.uint64(4096)) and made.types(0, threads=2) == 6
    assert made.around(np.uint64(4097)) == (mt.MemoryType.UC, 4096, 8192)
