"""Pages against a look at every 4 KiB page; the tree of blocks against the map; what splits a page."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import corpus_files
import numpy as np
import pytest
from strategies import random_state

import memtype as mt
from memtype import rules
from memtype.analysis import pages
from memtype.types import MemoryType as T

PAGE, LARGE, HUGE = 1 << 12, 1 << 21, 1 << 30
PER = {2: LARGE // PAGE, 3: HUGE // PAGE}

STORY_30 = mt.MtrrState(
    0xC00,
    (0x0606060606060606, 0x0606060606060606, 0, *(0x0505050505050505,) * 8),
    (
        (0x6, 0xF00000800), (0x100000006, 0xF00000800), (0x200000006, 0xF00000800), (0x300000006, 0xFF0000800),
        (0x310000006, 0xFF8000800), (0x318000006, 0xFFC000800), (0x31C000006, 0xFFE000800), (0xE0000000, 0xFE0000800),
        (0x31E000006, 0xFFF000800),
    ),
    maxphyaddr=36,
)  # fmt: skip


def leaf_levels(kinds: Any, max_level: int) -> Any:
    """uint8 for each 4 KiB page: the level of the leaf that maps it, found by looking at every page."""
    levels = np.ones(kinds.size, np.uint8)
    for level in range(2, max_level + 1):
        per = PER[level]
        whole = kinds[: kinds.size // per * per].reshape(-1, per)
        same = (whole == whole[:, :1]).all(axis=1)
        levels[: whole.size].reshape(-1, per)[same] = level
    return levels


def check_against_every_page(state: mt.MtrrState, top: int, max_level: int) -> None:
    kinds = state.page_types(0, top >> 12)
    levels = leaf_levels(kinds, max_level)
    found = pages.pages(state, top, max_level)
    counts = {level: int((levels == level).sum()) // PER.get(level, 1) for level in (3, 2, 1)}
    assert found.counts == counts
    starts = np.flatnonzero(np.concatenate(([True], (np.diff(kinds) != 0) | (np.diff(levels) != 0))))
    assert [run.base >> 12 for run in found.runs] == starts.tolist()
    assert [run.type for run in found.runs] == [T(int(kinds[start])) for start in starts]
    assert [run.level for run in found.runs] == levels[starts].tolist()
    assert len(found.runs) == len(starts)
    tables = sum(len({int(p) // per for p in np.flatnonzero(levels < level)}) for level, per in PER.items()) if (
        top < 1 << 32
    ) else None  # fmt: skip
    if tables is not None:
        assert found.table_bytes == 4096 * (2 + tables)


def test_the_published_machine() -> None:
    found = mt.pages(STORY_30, top=0x31F000000)
    assert found.counts == {3: 10, 2: 1271, 1: 512}
    assert found.count == 10 + 1271 + 512
    assert found.table_bytes == found.table_bytes_x86_64 == 4096 * (1 + 1 + 3 + 1)
    assert [split.page for split in found.splits] == [0, 0, 0, 0xC0000000]
    last = found.splits[-1]
    assert (last.at, last.before, last.after, last.level) == (0xE0000000, T.WB, T.UC, 2)
    assert last.registers == ("PHYSBASE7/PHYSMASK7",)
    assert found.splits[0].registers == ("IA32_MTRR_FIX16K_A0000", "IA32_MTRR_FIX16K_80000")


@pytest.mark.every_page
def test_the_published_machine_page_by_page() -> None:
    check_against_every_page(STORY_30, 0x31F000000, 3)


@pytest.mark.every_page
@pytest.mark.parametrize("max_level", [1, 2, 3])
def test_random_states_against_every_page(max_level: int) -> None:
    rng = random.Random(max_level)
    for _ in range(25):
        state = random_state(rng, holey=rng.random() < 0.4)
        top = rng.choice([PAGE, 3 * PAGE, LARGE, 7 * LARGE + 5 * PAGE, HUGE, 4 * HUGE - LARGE, 3 << 32])
        if top <= 1 << state.maxphyaddr:
            check_against_every_page(state, top, max_level)


@pytest.mark.parametrize("max_level", [1, 2, 3])
def test_the_diagram_and_the_map_agree(max_level: int) -> None:
    rng = random.Random(17 + max_level)
    compared = 0
    for _ in range(150):
        state = random_state(rng, holey=rng.random() < 0.5, most=8)
        top = rng.choice([1 << state.maxphyaddr, rng.randrange(1, 1 << state.maxphyaddr) & -PAGE or PAGE])
        try:
            wanted = pages.pages(state, top, max_level)
            found = pages._counted_only(state, top, max_level)
        except mt.ShatteredMapError:
            continue
        if not isinstance(wanted.runs, tuple):
            continue
        compared += 1
        assert (found.counts, found.table_bytes) == (wanted.counts, wanted.table_bytes)
        assert found.table_bytes_x86_64 == wanted.table_bytes_x86_64
        assert (len(found.runs), len(found.splits)) == (len(wanted.runs), len(wanted.splits))
        assert tuple(found.runs) == wanted.runs
        if len(wanted.splits) < 500:
            assert tuple(found.splits) == wanted.splits
    assert compared > 80


def test_holey_masks_take_milliseconds_whatever_they_shatter() -> None:
    every_other = mt.MtrrState(0x806, variable=[(0x1000, 0x1800)], maxphyaddr=52)
    found = mt.pages(every_other)
    assert found.counts == {3: 0, 2: 0, 1: 1 << 40}
    assert len(found.runs) == 1 << 40
    assert found.runs[:2] == (pages.PageRun(0, PAGE, 1, 1, T.WB), pages.PageRun(PAGE, PAGE, 1, 1, T.UC))
    assert found.runs[12345].type is T.UC
    assert len(found.splits) == (1 << 40) - (1 << 22)  # every border but those of 1 GiB pages
    with pytest.raises(mt.InputError, match="at most"):
        found.leaf_blocks()


def test_the_registers_named_are_those_that_differ_at_the_split() -> None:
    rng = random.Random(3)
    named = 0
    for _ in range(60):
        state = random_state(rng, holey=False)
        for split in mt.pages(state).splits:
            assert split.before is state.at(split.at - 1)
            assert split.after is state.at(split.at)
            assert split.before is not split.after
            assert split.page <= split.at < split.page + split.size
            assert split.at % split.size
            assert split.level == (1 if split.at % LARGE else 2)
            assert split.registers
            for name in split.registers:
                if name.startswith("PHYSBASE"):
                    base, mask = state.variable[int(name[8 : name.index("/")])]
                    field = mask & rules.page_bits(state.maxphyaddr)
                    sides = [(a & field) == (base & field) for a in (split.at - 1, split.at)]
                    assert sides[0] is not sides[1] or split.at in (1 << 20, 1 << 32)
                    named += 1
    assert named > 50


def test_a_map_that_changes_inside_a_page_has_a_mixed_page() -> None:
    memory = mt.MemoryMap.from_segments(
        [(0, 0x1800, "WB"), (0x1800, 0x100, "UC"), (0x1900, 0x200700, "WT")], maxphyaddr=32, gap="UC"
    )
    found = mt.pages(memory, top=4 << 20)
    assert [(run.base, run.level, str(run.type)) for run in found.runs][:3] == [
        (0, 1, "WB"), (0x1000, 1, "mixed"), (0x2000, 1, "WT")]  # fmt: skip
    assert sum(run.size for run in found.runs) == 4 << 20
    assert found.splits[0].registers == ()
    with pytest.raises(mt.InputError, match="mixed"):
        found.leaves()
    assert mt.pages(memory, top=0x1801).runs[-1].type is T.MIXED


def test_leaves_map_every_page_once_with_its_type() -> None:
    rng = random.Random(5)
    for _ in range(20):
        state = random_state(rng, holey=False)
        found = mt.pages(state, top=min(4 * HUGE + 7 * LARGE, 1 << state.maxphyaddr))
        if any(run.type is T.UNDEFINED for run in found.runs):
            with pytest.raises(mt.InputError, match=r"\?\?"):
                found.leaves()
            continue
        rows = found.leaves(ipat=True)
        sizes = np.uint64(1) << np.array([0, 12, 21, 30], np.uint64)[rows[:, 2]]
        assert rows[0, 0] == 0
        assert (rows[1:, 0] == (rows[:, 0] + sizes)[:-1]).all()
        assert (rows[:, 1] & np.uint64(0x47) == 0x47).all()
        assert ((rows[:, 1] & np.uint64(0x80) != 0) == (rows[:, 2] > 1)).all()
        assert (rows[:, 1] >> np.uint64(12) << np.uint64(12) == rows[:, 0]).all()
        assert (mt.ept_types(rows[:, 1]) == state.types(rows[:, 0])).all()


@pytest.mark.parametrize("top", [0, -1, (1 << 36) + 1])
def test_a_top_outside_is_refused(top: int) -> None:
    with pytest.raises(mt.InputError):
        mt.pages(mt.MtrrState(maxphyaddr=36), top=top)


@pytest.mark.parametrize("level", [0, 4, True, "8K", None, 2.0])
def test_other_levels_are_refused(level: Any) -> None:
    with pytest.raises(mt.InputError):
        mt.pages(mt.MtrrState(maxphyaddr=36), max_level=level)


def test_table_levels_follow_the_top() -> None:
    state = mt.MtrrState(0x806, maxphyaddr=52)
    whole = mt.pages(state)
    assert whole.table_bytes == 4096 * (1 + 16 + 8192)
    half = mt.pages(state, top=1 << 48)
    assert half.table_bytes == 4096 * (1 + 512)
    assert half.table_bytes_x86_64 == 4096 * (1 + 1 + 512)


@pytest.mark.every_page
def test_every_real_machine_up_to_the_top_of_its_ram(corpus: Path) -> None:
    seen: set[Any] = set()
    for path in sorted(corpus.glob("*/*.txt")):
        try:
            machine = corpus_files.machine(path).states[-1]
        except mt.MemtypeError:
            continue
        ends = [r.base + r.size for r in machine.e820 if r.kind.lower() in rules.E820_RAM]
        state = machine.mtrrs
        if state is None or not ends or (state, max(ends)) in seen:
            continue
        seen.add((state, max(ends)))
        top = -(-max(ends) // PAGE) * PAGE
        if top <= 1 << state.maxphyaddr:
            check_against_every_page(state, top, 3)
    assert len(seen) > 60


# --- advice ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("vendor", "advice"), [("intel", "or map all of it WT"), ("amd", "or map all of it UC (CD)")])
def test_wp_beside_wt_is_cd_on_amd_so_wt_is_no_advice_there(vendor: str, advice: str) -> None:
    pairs = [mt.range_registers(0x40000000, LARGE // 2, "WP", 40), mt.range_registers(0x40100000, LARGE // 2, "WT", 40)]
    state = mt.MtrrState(0x806, variable=pairs, maxphyaddr=40, vendor=vendor)
    assert mt.page_type(state, 0x40000000).advice.endswith(advice)


@pytest.mark.parametrize("vendor", ["intel", "amd"])
def test_the_advised_type_makes_every_page_of_one_type(vendor: str) -> None:
    rng = random.Random(9)
    advised = 0
    for _ in range(300):
        kinds = rng.sample(["UC", "WC", "WT", "WP", "WB"], rng.randrange(2, 5))
        size = LARGE // 8
        segments = [(n * size, size, kind) for n, kind in enumerate(kinds)]
        memory = mt.MemoryMap.from_segments(segments, 36, gap=kinds[-1])
        advice = mt.page_type(memory, 0).advice
        word = advice.split("map all of it ")[1].split()[0]
        for maker in ("intel", "amd"):
            given = {mt.effective(kind, word, maker) for kind in kinds}
            assert len(given) == 1 or given <= {T.UC, T.CD}
            assert T.CD not in given or "(CD" in advice
        advised += 1
    assert advised == 300
