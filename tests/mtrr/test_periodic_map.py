"""Maps that cannot be listed: look-ups, ranges, counts, comparing and diff, against the registers page by page."""

from __future__ import annotations

import itertools
import pickle
import random

import pytest

import memtype as mt
from memtype import MemoryMap, MemoryType, MtrrState, ShatteredMapError
from memtype.analysis.diff import PeriodicChanges
from memtype.periodic_map import PeriodicMap, exact

HOLEY = MtrrState(0x806, variable=[(0, 0x155555555800)], maxphyaddr=46)
PAGE = 4096


def random_holey(rng: random.Random, width: int, few: bool = False) -> MtrrState:
    """Masks with holes everywhere or, so that the map's segments can be listed, in some three bits."""
    holes = (
        (lambda: rng.getrandbits(64) | rng.getrandbits(64) | rng.getrandbits(64))
        if few
        else (lambda: rng.getrandbits(64) & rng.getrandbits(64))
    )
    pages = (1 << width) - PAGE
    pairs = [
        (
            rng.getrandbits(64) & pages | rng.choice((0, 1, 4, 5, 6, 6)),
            holes() & pages | 0x800,
        )
        for _ in range(rng.randint(1, 6))
    ]
    fixed = [int.from_bytes(bytes(rng.choice((0, 1, 4, 5, 6)) for _ in range(8)), "little") for _ in range(11)]
    vendor, syscfg = rng.choice((("intel", 0), ("amd", 0x600000)))
    return MtrrState(rng.choice((0x800, 0xC00)) | 6, fixed, pairs, width, vendor, syscfg, 9 << 30)


def test_every_question_but_the_list_is_answered():
    found = HOLEY.map
    assert isinstance(found, PeriodicMap) and isinstance(found, MemoryMap) and found is HOLEY.map
    assert len(found) == 262_144 and found.at(0x1000) is MemoryType.WB and found.at(0) is MemoryType.UC
    assert found.types([0, 0x1000, 0x2000]).tolist() == [0, 6, 0] and found.types(0x1000) is MemoryType.WB
    assert found.uniform(0x1000, PAGE) is MemoryType.WB and found.uniform(0, 2 * PAGE) is MemoryType.MIXED
    assert [(s.base, s.size, int(s.type)) for s in found.within(0x800, 0x1000)] == [
        (0x800, 0x800, 0),
        (0x1000, 0x800, 6),
    ]
    assert [s.base for s in found.first(3)] == [0, 0x1000, 0x2000]
    for listing in (lambda: found.segments, lambda: list(found), found.as_arrays, found.listed, lambda: found._kinds):
        with pytest.raises(ShatteredMapError, match="more than 65536 segments, 262144 of them"):
            listing()
    assert pickle.loads(pickle.dumps(found)) == found and hash(found) == hash(pickle.loads(pickle.dumps(found)))
    assert found != MtrrState(0x806, maxphyaddr=46).map != found and found != 3 and "262144" in repr(found)
    for base, size in ((-1, 5), (0, 0), (1 << 46, 1), (0, (1 << 46) + 1)):
        with pytest.raises(mt.InputError, match="not within"):
            found.uniform(base, size)


@pytest.mark.every_page
@pytest.mark.parametrize("seed", range(30))
def test_the_diagram_is_the_registers(seed):
    rng = random.Random(seed)
    state = random_holey(rng, rng.choice((36, 40, 46, 52)))
    found = exact(state)
    starts = [0, 250, (1 << 20) - 20, *(rng.randrange((1 << state.maxphyaddr - 12) - 64) for _ in range(8))]
    for start in starts:
        window = range(start, start + 64)
        wanted = [state.at(page << 12) for page in window]
        assert [found.at(page) for page in window] == wanted
        assert [kind for a, b, kind in found.runs(start, start + 64) for _ in range(a, b)] == wanted
    memory = state.map
    if not isinstance(memory, PeriodicMap):
        assert found.count_runs() == len(memory) and memory.diagram.count_runs() == len(memory)
        assert list(memory.within(0, 1 << state.maxphyaddr)) == list(memory.segments)


@pytest.mark.parametrize("width", [46, 52])
def test_diff_of_maps_that_cannot_be_listed(width):
    rng = random.Random(width)
    one, other = random_holey(rng, width), random_holey(rng, width)
    while not (isinstance(one.map, PeriodicMap) and isinstance(other.map, PeriodicMap)):
        one, other = random_holey(rng, width), random_holey(rng, width)
    found = mt.diff(one, other)
    assert found and isinstance(found.changes, PeriodicChanges) and len(found) == len(found.changes)
    first = list(itertools.islice(found, 200))
    assert list(found.changes[:200]) == first and all(a.base + a.size <= b.base for a, b in itertools.pairwise(first))
    for change in first[:40]:
        assert (one.at(change.base), other.at(change.base)) == (change.old, change.new)
        assert (one.at(change.last), other.at(change.last)) == (change.old, change.new) and change.old != change.new
    places = [rng.randrange(first[-1].base + 1) & -PAGE for _ in range(200)]
    for place in places:
        held = any(change.base <= place <= change.last for change in first)
        assert held is (one.at(place) != other.at(place))
    assert not mt.diff(one, one) and not mt.diff(one.map, one.map) and "map differs in" in found.summary


def test_the_number_of_changes_is_that_of_the_list():
    rng = random.Random(3)
    compared = 0
    for _ in range(40):
        one, other = random_holey(rng, 36, few=True), random_holey(rng, 36, few=True)
        if len(one.map) < 3000 and len(other.map) < 3000:
            listed = list(mt.diff(one, other))
            counted = PeriodicChanges(one.map, other.map)
            assert list(counted) == listed and len(counted) == len(listed) and bool(counted) is bool(listed)
            compared += 1
    assert compared > 4


def test_maps_of_different_widths():
    wide = MtrrState(0x806, variable=[(0, 0x155555555800)], maxphyaddr=48)
    found = mt.diff(HOLEY, wide)
    assert not found and any("compared below" in note for note in found.notes)


def test_pages_and_page_types_of_such_maps():
    by_state, by_map = mt.pages(HOLEY, top=1 << 30), mt.pages(HOLEY.map, top=1 << 30)
    assert by_state.counts == by_map.counts and by_map.counts[1] > 0
    page = mt.page_type(HOLEY, 0, 1 << 21)
    assert str(page.type) == "mixed" and page.segments[0].size == PAGE
