"""EPT entries against a look at every page of every leaf; what `pages` writes is clean; planted faults are found."""

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
from memtype.analysis import verify
from memtype.types import MemoryType as T

SHIFTS = {1: 12, 2: 21, 3: 30}


def page_kind(state: mt.MtrrState, gpa: int, level: int) -> T:
    kinds = {int(kind) for kind in state.page_types(gpa >> 12, 1 << (SHIFTS[level] - 12))}
    return T(kinds.pop()) if len(kinds) == 1 else T.MIXED


def oracle(state: mt.MtrrState, gpa: int, entry: int, level: int) -> set[str]:
    """The faults of one row, by the manual's text."""
    if entry & 7 == 0:
        return set()
    address = entry >> 12 & (1 << 40) - 1
    leaf = level == 1 or entry >> 7 & 1
    misconfigured = entry & 3 == 2 or address >> (state.maxphyaddr - 12)
    if not leaf:
        return {"misconfigured"} if misconfigured or entry >> 3 & 15 else set()
    misconfigured = misconfigured or entry >> 3 & 7 in (2, 3, 7) or address & (1 << SHIFTS[level] - 12) - 1
    if misconfigured:
        return {"misconfigured"}
    kind = page_kind(state, gpa, level)
    found = {"spanning"} if kind is T.MIXED else {"wrong"} if kind != entry >> 3 & 7 else set()
    return found | ({"ipat"} if entry >> 6 & 1 else set())


def random_rows(rng: random.Random, state: mt.MtrrState, count: int) -> list[tuple[int, int, int]]:
    rows = []
    for _ in range(count):
        level = rng.choice([1, 1, 2, 2, 2, 3]) if rng.random() < 0.9 else 1
        gpa = rng.getrandbits(state.maxphyaddr)
        if rng.random() < 0.6 and state.variable:
            gpa = rng.choice(state.variable)[0] + rng.choice([-(1 << 21), -4096, 0, 4096, 1 << 21, 1 << 30])
        gpa = (gpa & rng.choice([-1, 0xFFFFFFFF, 0x3FFFFF])) % (1 << state.maxphyaddr) >> SHIFTS[level] << SHIFTS[level]
        entry = gpa | rng.choice([7, 7, 7, 1, 5, 2, 6, 0]) | (rng.choice([0x80, 0x80, 0]) if level > 1 else 0)
        kind = int(state.at(gpa)) if rng.random() < 0.7 else rng.randrange(8)
        entry |= (kind & 7) << 3 | (0x40 if rng.random() < 0.1 else 0)
        if rng.random() < 0.1:
            entry |= 1 << rng.randrange(12, 52)
        if rng.random() < 0.1:
            entry |= 1 << rng.randrange(52, 64)
        rows.append((gpa, entry, level))
    return rows


def by_row(found: mt.Verification, rows: list[tuple[int, int, int]]) -> list[set[str]]:
    """Faults are ranges of leaves; rows of the same page are told apart by their entry."""
    sets: list[set[str]] = [set() for _ in rows]
    for fault in found:
        for index, (gpa, entry, level) in enumerate(rows):
            if level == fault.level and fault.base <= gpa <= fault.last and gpa not in sets[index]:
                del entry
                sets[index].add(fault.kind)
    return sets


@pytest.mark.every_page
def test_random_entries_have_the_faults_that_the_manual_gives_them() -> None:
    rng = random.Random(1)
    seen: set[str] = set()
    for _ in range(60):
        state = random_state(rng, holey=rng.random() < 0.4)
        unique = {(gpa, level): (gpa, entry, level) for gpa, entry, level in random_rows(rng, state, 30)}
        rows = list(unique.values())
        rng.shuffle(rows)
        found = mt.verify(np.array(rows, np.uint64), state)
        wanted = [oracle(state, *row) for row in rows]
        assert by_row(found, rows) == wanted
        assert bool(found) is not any(wanted)
        for fault in found:
            assert rows[fault.index][0] == fault.base
            assert fault.size == fault.count << SHIFTS[fault.level]
            assert fault in found.of(fault.kind)
            seen.add(fault.kind)
        present = [row for row in rows if row[1] & 7]
        tables = [row for row in present if row[2] > 1 and not row[1] & 0x80]
        counts = len(present) - len(tables), len(tables), len(rows) - len(present)
        assert (found.leaves, found.tables, found.absent) == counts
    assert seen == set(verify.KINDS)


@pytest.mark.every_page
def test_shattered_maps_are_judged_page_by_page_too() -> None:
    rng = random.Random(4)
    holes = sum(1 << bit for bit in (*range(13, 30), 33, 36))
    faults = 0
    for _ in range(12):
        pairs = [(rng.choice([0, 1, 6]) | rng.getrandbits(36) << 12, 0x800 | rules.page_bits(40) & ~(holes & ~lost))
                 for lost in (rng.getrandbits(30) & -(1 << 18), 0)]  # fmt: skip
        state = mt.MtrrState(rng.choice([0x806, 0xC00]), variable=pairs, maxphyaddr=40)
        rows = list({(g, lvl): (g, e, lvl) for g, e, lvl in random_rows(rng, state, 25)}.values())
        found = mt.verify(np.array(rows, np.uint64), state)
        assert by_row(found, rows) == [oracle(state, *row) for row in rows]
        faults += len(found)
    assert faults > 50


def made(state: mt.MtrrState, top: int) -> Any:
    found = mt.pages(state, top)
    return None if any(run.type is T.UNDEFINED for run in found.runs) else found.leaves()


def test_what_pages_writes_is_clean_and_each_of_100_planted_faults_is_found() -> None:
    rng = random.Random(7)
    planted = 0
    while planted < 100:
        state = random_state(rng, holey=False)
        rows = made(state, min(16 << 30, 1 << state.maxphyaddr))
        if rows is None:
            continue
        assert mt.verify(rows, state)
        for kind in ("wrong", "misconfigured", "ipat", "access"):
            spoilt = rows.copy()
            place = rng.randrange(len(rows))
            entry, held = int(rows[place, 1]), int(rows[place, 1]) >> 3 & 7
            if kind == "wrong":
                entry = entry & ~0x38 | rng.choice([t for t in (0, 1, 4, 5, 6) if t != held]) << 3
            elif kind == "misconfigured":
                entry = entry & ~0x38 | rng.choice([2, 3, 7]) << 3
            elif kind == "ipat":
                entry |= 0x40
            else:
                entry &= ~1
            spoilt[place, 1] = entry
            found = mt.verify(spoilt, state)
            assert [(f.kind, f.base, f.count, f.index) for f in found] == [
                (kind if kind != "access" else "misconfigured", int(rows[place, 0]), 1, place)]  # fmt: skip
            planted += 1


def test_a_large_page_over_a_hole_spans_types() -> None:
    state = mt.MtrrState(0x806, variable=[mt.range_registers(0xE0100000, 1 << 20, "UC", 36)], maxphyaddr=36)
    found = mt.verify({2: (0xE0000000, [0xE00000B7, 0xE02000B7])}, state)
    assert [(f.kind, f.base, f.count, f.wanted) for f in found] == [("spanning", 0xE0000000, 1, T.MIXED)]
    assert "WB over a page of several types" in str(found.spanning[0])


def test_every_way_to_give_leaves_says_the_same() -> None:
    state = mt.MtrrState(0x806, variable=[mt.range_registers(1 << 30, 1 << 30, "UC", 36)], maxphyaddr=36)
    gpas = np.arange(0x3FE00000, 0x40200000, 0x1000, dtype=np.uint64)
    entries = gpas | np.uint64(0x37)
    pairs = np.stack([gpas, entries], 1)
    triples = np.concatenate([pairs, np.ones((len(pairs), 1), np.uint64)], 1)
    first = mt.verify(entries, state, base=0x3FE00000)
    assert [(f.base, f.count) for f in first.wrong] == [(0x40000000, 512)]
    for given, words in (
        (entries.tolist(), {"base": 0x3FE00000}), (pairs, {}), (triples, {}), (pairs.astype(np.int64), {"level": 1}),
        ({1: (0x3FE00000, entries)}, {}), ({1: pairs}, {}), ({1: entries}, {"base": 0x3FE00000}),
    ):  # fmt: skip
        assert mt.verify(given, state, **words) == first
    shuffled = np.random.default_rng(1).permutation(triples)
    assert [(f.base, f.count) for f in mt.verify(shuffled, state)] == [(0x40000000, 512)]
    assert mt.verify(entries, state.map, base=0x3FE00000) == first
    assert mt.verify(pairs[:512], state)
    assert [f.count for f in mt.verify(entries | np.uint64(0x40), state, base=0x3FE00000).ipat] == [512, 512]
    assert len(mt.verify(entries[:8] | np.uint64(0x40), state, base=0x3FE00000, allow_ipat=True)) == 0


def test_faults_join_over_the_borders_of_chunks() -> None:
    state = mt.MtrrState(0x806, maxphyaddr=40)
    count = 3 * verify._AT_ONCE + 5
    entries = np.arange(count, dtype=np.uint64) << np.uint64(12) | np.uint64(0x07)
    found = mt.verify(entries, state)
    assert [(f.kind, f.base, f.count) for f in found] == [("wrong", 0, count)]


@pytest.mark.parametrize(
    ("given", "words", "part"),
    [
        ([[[7]]], {}, "shape"), ([[1, 2, 3, 4]], {}, "shape"), ([7], {"level": 4}, "level 4"),
        ([[0x1000, 0xB7, 2]], {}, "row 0: gpa 0x1000 is not aligned to 2 MiB"), ([[0, 0xB7]], {}, "bit 7"),
        ([[1 << 36, 7]], {}, "0x1000000000"), ([[0, 7, 9]], {}, "level 9"), ({"x": [7]}, {}, "level 'x'"),
        ([7], {"base": -4096}, "base"), ([7.5], {}, "integer"), ([7], {"base": 100}, "row 0: gpa 0x64"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(given: Any, words: dict[str, Any], part: str) -> None:
    with pytest.raises(mt.InputError) as caught:
        mt.verify(given, mt.MtrrState(0x806, maxphyaddr=36), **words)
    assert part in str(caught.value)


def test_no_leaves_have_no_fault() -> None:
    for nothing in ([], np.empty((0, 2), np.uint64), np.empty((0, 3), np.uint64), {}):
        assert mt.verify(nothing, mt.MtrrState(maxphyaddr=36)).leaves == 0


def test_an_ept_of_every_real_machine_is_clean(corpus: Path) -> None:
    checked = 0
    for path in sorted(corpus.glob("dmesg-classic/*.txt")):
        machine = corpus_files.machine(path)
        if machine.mtrrs is not None and (rows := made(machine.mtrrs, 8 << 30)) is not None:
            assert mt.verify(rows, machine.mtrrs)
            checked += 1
    assert checked > 60


def test_where_the_type_is_not_told_only_what_is_wrong_for_sure_is_told() -> None:
    untold = T.NOT_TOLD
    memory = mt.MemoryMap.from_segments(
        [(0, 1 << 20, untold), (1 << 20, 1 << 30, "WB"), (3 << 30, 1 << 20, untold), (0xC0100000, 0x80000, "UC")],
        36, gap="WB",
    )  # fmt: skip
    for page, kind, fault in (
        (0, T.WB, None), (0, T.UC, "wrong"), (1 << 21, T.WB, None), (3 << 30, T.WB, "spanning"),
    ):  # fmt: skip
        found = mt.verify([[page, page | 0x87 | kind << 3]], memory, level=2)
        assert [f.kind for f in found] == ([fault] if fault else [])
        assert found.not_told == (page == 0 and fault is None)
    small = mt.verify({1: (0, [0x07, 0x1037])}, memory)
    assert (bool(small), small.not_told) == (True, 2)
    assert mt.verify({1: (0, [0x77])}, memory).ipat
    assert mt.verify({1: (0, [0x1F])}, memory).misconfigured
