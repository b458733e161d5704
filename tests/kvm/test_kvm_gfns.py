"""Sets and functions of gfns, listed or as diagrams, against plain Python sets and lists of a small universe."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtype.diagrams import Diagram
from memtype.kvm import gfns
from memtype.kvm.gfns import GfnSet, Periodic, Pieces, Ranges

WIDTH = 5
END = 1 << WIDTH
SETS = st.integers(0, 2**END - 1).map(lambda bits: {gfn for gfn in range(END) if bits >> gfn & 1})
PLACES = st.integers(0, END)
# Long runs too: a start for each change of the value.
LAYERS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=8).map(
    lambda runs: [value for value, count in runs for _ in range(count)][:END]
)
LAW = settings(deadline=None, max_examples=80)


def ranges(members: Iterable[int]) -> list[tuple[int, int]]:
    """The shortest list of half-open ranges."""
    found: list[tuple[int, int]] = []
    for gfn in sorted(members):
        if found and found[-1][1] == gfn:
            found[-1] = found[-1][0], gfn + 1
        else:
            found.append((gfn, gfn + 1))
    return found


def members(found: Iterable[tuple[int, int]]) -> set[int]:
    return {gfn for first, end in found for gfn in range(first, end)}


def starts_of(values: list[int]) -> list[tuple[int, int]]:
    starts = [0, *(place for place in range(1, len(values)) if values[place] != values[place - 1])]
    return [(start, values[start]) for start in starts]


def pieces(values: list[int]) -> Pieces[int]:
    return Pieces(starts_of(values), len(values))


def periodic(values: list[int]) -> Periodic:
    held = starts_of(values + [0] * (END - len(values)))
    return Periodic(Diagram.of_steps([start for start, _ in held], [value for _, value in held], WIDTH))


def lazy(wanted: set[int]) -> GfnSet:
    return GfnSet(periodic([int(gfn in wanted) for gfn in range(END)]).diagram)


def runs(values: list[int], first: int, end: int) -> list[tuple[int, int, int]]:
    found, place = [], max(first, 0)
    for value, run in groupby(values[place : max(end, place)]):
        count = len(list(run))
        found.append((place, place + count, value))
        place += count
    return found


@LAW
@given(SETS, SETS)
def test_algebra_of_lists(one: set[int], other: set[int]) -> None:
    a, b = ranges(one), ranges(other)
    assert gfns.union([*a, *b]) == gfns.union([*b, *a]) == ranges(one | other)
    assert gfns.subtract(a, b) == gfns.subtract(Ranges(a), Ranges(b)) == ranges(one - other)
    assert gfns.intersect(a, b) == ranges(one & other)
    assert gfns.pages(a) == len(one) and all(gfns.contains(a, gfn) == (gfn in one) for gfn in range(-1, END + 1))
    assert gfns.union((first, end + 2) for first, end in a) == ranges(members((x, y + 2) for x, y in a))


@LAW
@given(SETS, PLACES, PLACES)
def test_questions_to_a_set_listed_or_not(wanted: set[int], first: int, end: int) -> None:
    part = {gfn for gfn in wanted if first <= gfn < end}
    for found in (Ranges(ranges(wanted)), lazy(wanted)):
        assert list(found) == ranges(wanted) and bool(found) == bool(wanted)
        assert found.count() == found.pages() == gfns.pages(found) == len(wanted)
        assert found.pages(first, end) == len(part) and found.pages(first) == len([g for g in wanted if g >= first])
        assert found.within(first, end) == ranges(part)
        assert found.ranges == len(found) == len(ranges(wanted))
        assert [found.contains(gfn) for gfn in range(END + 2)] == [gfn in wanted for gfn in range(END + 2)]
        assert found.first(2) == ranges(wanted)[:2] and found.first(0) == []
        assert all(pair in found for pair in ranges(wanted)) and (END, END + 1) not in found
        assert found == ranges(wanted)
    inside = GfnSet(lazy(wanted)._diagram, [(first, max(first, end))])
    assert list(inside) == ranges(part) and inside.count() == len(part) and inside.ranges == len(ranges(part))
    assert [inside.contains(gfn) for gfn in range(END)] == [gfn in part for gfn in range(END)]
    assert [gfn in inside for gfn in range(END)] == [gfn in part for gfn in range(END)]
    assert bool(inside) == bool(part) and (inside == lazy(wanted)) == ((first, max(first, end)) == (0, END))


@LAW
@given(SETS, SETS)
def test_keys_and_equality_are_those_of_the_sets(one: set[int], other: set[int]) -> None:
    for a, b in ((lazy(one), lazy(other)), (Ranges(ranges(one)), Ranges(ranges(other)))):
        assert (a == b) == (gfns.set_key(a) == gfns.set_key(b)) == (one == other)
        assert a == type(a)(*([a._diagram] if isinstance(a, GfnSet) else [a]))
    assert lazy(one) != ranges(one ^ {3}) and lazy(one) != "text" and gfns.listed(lazy(one)) == ranges(one)


@LAW
@given(LAYERS, PLACES, PLACES, st.integers(0, 3))
def test_a_function_listed_or_not(values: list[int], first: int, end: int, wanted: int) -> None:
    filled = values + [0] * (END - len(values))
    for layer, held in ((pieces(values), values), (periodic(values), filled)):
        assert layer.end == len(held) and [layer.at(gfn) for gfn in range(len(held))] == held
        assert list(layer) == runs(held, 0, len(held)) and layer.count() == len(runs(held, 0, len(held)))
        cut = runs(held, first, end)
        assert list(layer.within(first, end)) == cut and layer.count(first, end) == len(cut)
        assert layer.count(first) == len(runs(held, first, len(held)))
        assert layer.starts == [start for start, _ in starts_of(held)]
        assert layer.values == [value for _, value in starts_of(held)]
        assert layer.where(lambda value: value == wanted) == ranges(
            g for g, value in enumerate(held) if value == wanted
        )
    names = {0: 7, 1: 5, 2: 6, 3: 4}
    assert list(pieces(values).renamed(names)) == runs([names[value] for value in values], 0, len(values))


@LAW
@given(st.lists(LAYERS, min_size=1, max_size=3), st.integers(0, 3), st.booleans())
def test_layers_combine_gfn_by_gfn(layers: list[list[int]], absent: int, lazily: bool) -> None:
    def value(*held: int) -> int:
        return sum(one * 4**place for place, one in enumerate(held))

    filled = [values + [absent] * (END - len(values)) for values in layers]
    expected = [value(*held) for held in zip(*filled)]
    made = [pieces(values) for values in layers]
    if lazily:  # a diagram has no end of its own
        made = [periodic(filled[0]), *made[1:]]  # type: ignore[list-item]
    found = gfns.combine(made, END, value, absent)
    assert list(found) == runs(expected, 0, END)
    assert gfns.key(found, WIDTH) == gfns.key(periodic(expected), WIDTH) == gfns.key(pieces(expected), WIDTH)
    assert isinstance(found, Periodic) == lazily
    if absent == 0:
        assert list(gfns.combine(made, END, value)) == list(found)
    both = gfns.overlay([pieces(values) for values in layers], END, absent)
    assert [both.at(gfn) for gfn in range(END)] == list(zip(*filled))


@LAW
@given(LAYERS, LAYERS)
def test_a_narrow_diagram_has_nothing_behind_its_end(values: list[int], other: list[int]) -> None:
    narrow, wide = periodic(values), pieces(other)
    found = gfns.combine([narrow, wide], 4 * END, lambda a, b: 4 * a + b, 3)
    filled = values + [0] * (END - len(values)) + [3] * (3 * END)
    expected = [4 * a + b for a, b in zip(filled, other + [3] * (4 * END - len(other)))]
    assert list(found) == runs(expected, 0, 4 * END)


@LAW
@given(st.lists(LAYERS, min_size=1, max_size=3), st.booleans())
def test_sets_of_bits_merge(layers: list[list[int]], lazily: bool) -> None:
    filled = [values + [0] * (END - len(values)) for values in layers]
    made = [pieces(values) for values in layers]
    if lazily:
        made[0] = periodic(layers[0])  # type: ignore[call-overload]
    expected = [operator.or_(operator.or_(*held[:2]), held[2]) for held in zip(*(filled + [[0] * END] * 2))]
    found = gfns.merge_sets(made, END)
    assert [found.at(gfn) if gfn < found.end else 0 for gfn in range(END)] == expected
    assert gfns.merge_sets([found], found.end) is found


@LAW
@given(LAYERS, LAYERS, SETS)
def test_where_layers_differ_and_marks(values: list[int], other: list[int], wanted: set[int]) -> None:
    one, two = (held + [0] * (END - len(held)) for held in (values, other))
    assert gfns.unequal(pieces(one), pieces(two)) == ranges(gfn for gfn in range(END) if one[gfn] != two[gfn])
    assert gfns.unequal(pieces(one), pieces(one)) == []
    assert list(gfns.marked(ranges(wanted), END)) == runs([int(gfn in wanted) for gfn in range(END)], 0, END)


def test_what_is_too_long_is_counted_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memtype.rules.MAP_SEGMENT_LIMIT", 4)
    four, five = {1, 3, 5, 7}, {1, 3, 5, 7, 9}
    assert isinstance(gfns.listed(lazy(four)), Ranges) and isinstance(gfns.listed(lazy(five)), GfnSet)
    held = [int(gfn in {1, 3}) for gfn in range(END)]
    with pytest.raises(gfns.ShatteredMapError, match="make 5 pieces"):
        _ = periodic(held).starts
    assert periodic([1, 0, 1, 0]).values == [1, 0, 1, 0]
