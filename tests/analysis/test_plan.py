"""The planner: published counts, MaxSAT and brute force as peers, and every plan resolved again."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import plan_oracle
import pytest
from conftest import rows
from strategies import random_state

import memtype as mt
from memtype import rules
from memtype.analysis import plan_cost
from memtype.analysis.plan_fixed import encode
from memtype.backends import reference
from memtype.types import MemoryType as T

KINDS = plan_oracle.KINDS


def gives(state: mt.MtrrState, target: mt.MemoryMap, losses: Any = ()) -> bool:
    """Whether the registers give the target at the edges of both, but for what is told as lost."""
    edges = {s.base for m in (target, state.map) for s in m} | {s.last for m in (target, state.map) for s in m}
    for edge in edges:
        wanted, got = target.at(edge), reference.at(state, edge)
        lost = any(change.base <= edge <= change.last for change in losses)
        if wanted is not T.UNDEFINED and got is not (T.UC if lost else wanted):
            return False
    return True


# --- published counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", rows("hardware", "planning"))
def test_published_targets(row: dict[str, Any]) -> None:
    segments = [(int(base, 16), int(end, 16) - int(base, 16), kind) for base, end, kind in row["ranges"]]
    target = mt.MemoryMap.from_segments(segments, row["phys_bits"])
    fixed = int(row["dont_care_below"], 16) > 0
    counts = {kind: row[f"min_{kind.lower()}_default"] for kind in ("UC", "WB")}
    for kind, count in counts.items():
        made = mt.plan(target, registers=40, default_type=kind, fixed=fixed)
        assert (made.used, made.needed, made.lost, made.proven_minimal) == (count, count, 0, True)
        assert gives(made.state, target)
    best = mt.plan(target, registers=40, fixed=fixed)
    assert best.used <= min(counts.values())
    assert {str(kind): count for kind, count in best.by_default.items() if str(kind) in counts} == counts
    example = [
        mt.range_registers(int(base, 16), int(size, 16), kind, row["phys_bits"]) for base, size, kind in row["example"]
    ]
    assert len(example) == counts[row["example_default"]]
    again = mt.plan(target, 40, row["example_default"], fixed=fixed, current=mt.MtrrState(
        0x800 | int(T.parse(row["example_default"])), variable=example, maxphyaddr=row["phys_bits"]))  # fmt: skip
    assert list(again.state.variable[: len(example)]) == example  # the present registers are as good: none changes


def test_the_budget_of_the_field_case() -> None:
    """UC [top, 4 GiB) with RAM below, default UC: block by block 2, 3 and 11."""
    for top, alone in ((2816, 3), (2815, 11), (2049, 2)):
        target = mt.MemoryMap.from_segments([(0, top << 20, "WB"), (top << 20, (4096 - top) << 20, "UC")], 36)
        made = mt.plan(target, default_type="UC")
        assert made.used <= alone
        assert made.proven_minimal
        assert gives(made.state, target)


# --- peers ----------------------------------------------------------------------------------------------------------


def test_maxsat_needs_as_many() -> None:
    pytest.importorskip("pysat")
    assert plan_oracle.compare(2, 250, (8, 8, 16)) == 250
    assert plan_oracle.compare(3, 12, (32,)) == 12


def test_maxsat_needs_as_many_beside_pinned_registers() -> None:
    pytest.importorskip("pysat")
    rng = random.Random(11)
    possible = 0
    for _ in range(80):
        cells, default = plan_oracle.random_cells(rng, 16), rng.choice(KINDS)
        size = (1 << 32) // 16
        pins: dict[tuple[int, int], set[T]] = {}
        for _ in range(rng.randrange(1, 4)):
            block, kind = rng.choice(list(plan_oracle.blocks(16))), rng.choice(KINDS)
            pins.setdefault(block, set()).add(kind)
        held = [mt.range_registers(first * size, count * size, kind, 32)
                for (first, count), kinds in pins.items() for kind in kinds]  # fmt: skip
        current = mt.MtrrState(0x800, variable=held, maxphyaddr=32)
        target = plan_oracle.target_of(cells)
        made = mt.plan(target, 64, default, pinned=range(len(held)), current=current, fixed=False)
        wanted = plan_oracle.fewest(cells, default, pins)
        assert made.needed == (None if wanted is None else wanted + len(held))
        assert list(made.state.variable[: len(held)]) == held
        assert bool(made) is (wanted is not None)
        assert gives(made.state, target, made.losses)
        possible += wanted is not None
    assert 15 < possible < 75


@pytest.fixture(scope="module")
def configurations() -> tuple[Any, Any]:
    """Every choice of at most three ranges over 16 cells: the types over each cell, a bit each; and how many ranges."""
    ranges = [(block, kind) for block in plan_oracle.blocks(16) for kind in KINDS]
    over = np.zeros((len(ranges), 16), np.uint8)
    for number, ((first, count), kind) in enumerate(ranges):
        over[number, first : first + count] = 1 << KINDS.index(kind)
    sets, counts = [np.zeros((1, 16), np.uint8)], [0]
    for many in (1, 2, 3):
        chosen = np.array(list(itertools.combinations(range(len(ranges)), many)))
        sets.append(np.bitwise_or.reduce(over[chosen], axis=1))
        counts += [many] * len(chosen)
    return np.concatenate(sets), np.array(counts)


def resolved(sets: Any, default: T) -> Any:
    met = [default if not bits else reference.combine([int(k) for n, k in enumerate(KINDS) if bits >> n & 1])
           for bits in range(32)]  # fmt: skip
    return np.array(met, np.uint8)[sets]


def test_brute_force_over_three_ranges_finds_neither_fewer_nor_less_loss(configurations: Any) -> None:
    sets, counts = configurations
    rng = random.Random(5)
    solved = 0
    for default in KINDS:
        types = resolved(sets, default)
        for _ in range(12):
            cells: plan_oracle.Cells = plan_oracle.random_cells(rng, 16)
            if rng.random() < 0.7:  # one that three ranges reach, with cells that do not matter
                drawn = [T(int(kind)) for kind in types[rng.randrange(len(types))]]
                cells = [None if kind is T.UNDEFINED or rng.random() < 0.2 else kind for kind in drawn]
            check_against(cells, default, types, counts)
            solved += 1
    assert solved == 60


def check_against(cells: plan_oracle.Cells, default: T, types: Any, counts: Any) -> None:
    target = plan_oracle.target_of(cells)
    asked = [n for n, kind in enumerate(cells) if kind is not None]
    wanted = np.array([int(cells[n] or 0) for n in asked], np.uint8)
    right = types[:, asked] == wanted
    reached = counts[right.all(axis=1)]
    full = mt.plan(target, 64, default, fixed=False)
    assert full.proven_minimal
    assert full.used == (int(reached.min()) if reached.size else full.used)
    assert reached.size or full.used > 3
    safe = (right | (types[:, asked] == int(T.UC))).all(axis=1)
    order = {T.UC: 0, T.WC: 1, T.WT: 100, T.WP: 100, T.WB: 10_000}  # cells: at most 16, so each step outweighs
    weights = np.array([order[T(int(kind))] for kind in wanted])
    for budget in range(4):
        usable = safe & (counts <= budget)
        if not usable.any():
            with pytest.raises(mt.InputError):
                mt.plan(target, budget, default, fixed=False)
            continue
        least = int((~right[usable] * weights).sum(axis=1).min())
        made = mt.plan(target, budget, default, fixed=False)
        size = (1 << 32) // 16
        assert sum(order[change.old] * change.size for change in made.losses) == least * size
        assert made.used <= budget
        assert bool(made) is (least == 0) is (made.lost == 0) is made.proven_minimal
        assert gives(made.state, target, made.losses)


# --- laws -----------------------------------------------------------------------------------------------------------


def random_target(rng: random.Random, width: int) -> mt.MemoryMap:
    """Segments of any size down to a page, some of no matter."""
    edges = sorted({rng.getrandbits(rng.randrange(20, width + 1)) & -(1 << rng.randrange(20, 34)) for _ in range(8)})
    ends = [*edges[1:], 1 << width]
    segments = [(a, b - a, rng.choice(KINDS)) for a, b in zip(edges, ends, strict=True) if a < b and rng.random() < 0.8]
    return mt.MemoryMap.from_segments(segments, width)


def test_every_plan_gives_its_target_and_no_default_type_does_with_fewer() -> None:
    rng = random.Random(8)
    for _ in range(60):
        target = random_target(rng, rng.choice([36, 39, 46, 52]))
        made = mt.plan(target, registers=255)
        assert made
        assert gives(made.state, target)
        assert made.state.problems() == []
        assert made.used == made.needed == min(n for n in made.by_default.values() if n is not None)
        for kind, count in made.by_default.items():
            alone = mt.plan(target, 255, kind)
            assert (alone.used, alone.default) == (count, kind)


def test_a_smaller_budget_never_loses_less() -> None:
    rng = random.Random(9)
    weight = plan_cost.WEIGHTS
    for _ in range(15):
        target = random_target(rng, 40)
        losses = []
        for budget in range(7):
            made = mt.plan(target, budget, "UC")
            assert made.used <= budget
            assert gives(made.state, target, made.losses)
            losses.append(sum(weight[int(c.old)] * c.size for c in made.losses))
        assert losses == sorted(losses, reverse=True)


def test_of_equal_plans_the_one_with_smaller_ranges_is_taken() -> None:
    alone = mt.plan(mt.MemoryMap.from_segments([(1 << 20, (1 << 30) - (1 << 20), "WB")], 46), default_type="UC")
    assert [(base, size) for _, base, size, _ in alone.ranges] == [(0, 1 << 30)]
    segments = [
        (0, 2 << 30, "WB"),
        (2 << 30, 0x60000000, "UC"),
        (0xE0000000, 1 << 28, "WC"),
        (0xF0000000, 1 << 28, "UC"),
    ]
    framed = mt.plan(mt.MemoryMap.from_segments(segments, 36), default_type="WB")
    assert (0xE0000000, 1 << 28, T.WC) in [entry[1:] for entry in framed.ranges]


def test_the_order_of_giving_up() -> None:
    target = mt.MemoryMap.from_segments(
        [(0, 1 << 30, "WB"), (1 << 30, 1 << 20, "WP"), (2 << 30, 1 << 29, "WC")], 36, gap="UC"
    )
    lost = [mt.plan(target, budget, "UC").lost for budget in range(4)]
    wp, wc = 1 << 20, 1 << 29
    assert lost == [(1 << 30) - rules.FIXED_END + wp + wc, wp + wc, wc, 0]
    assert [str(change) for change in mt.plan(target, 2, "UC").losses] == [
        "[mem 0x0000000080000000-0x000000009fffffff] WC -> UC"
    ]


def test_kept_registers_stay_free() -> None:
    target = mt.MemoryMap.from_segments([(0, 1 << 30, "WB"), (2 << 30, 1 << 30, "WB")], 36, gap="UC")
    assert mt.plan(target, 4, "UC", keep=2).used == 2
    tight = mt.plan(target, 4, "UC", keep=3)
    assert (tight.used, tight.lost, tight.needed) == (1, (1 << 30) - rules.FIXED_END, 2)
    assert not tight
    assert not tight.proven_minimal


def test_the_present_registers_stay_where_they_are_good() -> None:
    rng = random.Random(10)
    kept = 0
    for _ in range(40):
        target = random_target(rng, 40)
        first = mt.plan(target, 32, "UC")
        shuffled = [*first.state.variable]
        rng.shuffle(shuffled)
        current = mt.MtrrState(first.state.def_type, first.state.fixed, shuffled, 40)
        again = mt.plan(target, 32, "UC", current=current)
        assert again.state == current
        assert again.writes == again.steps == ()
        assert len(again.unchanged) == first.used
        spoilt = [pair for pair in shuffled if pair[1]][1:]
        third = mt.plan(target, 32, "UC", current=mt.MtrrState(0xC00, first.state.fixed, spoilt, 40))
        assert third.used == first.used
        assert len(third.unchanged) >= len(spoilt)
        kept += len(third.unchanged)
    assert kept > 50


def test_equal_counts_keep_the_present_default_type() -> None:
    target = mt.MemoryMap.from_segments([(0, 1 << 30, "WB"), (1 << 30, 1 << 30, "UC")], 36)
    assert mt.plan(target).default is T.UC
    for kind in ("WB", "UC"):
        current = mt.plan(target, default_type=kind).state
        assert mt.plan(target, current=current).state == current


def test_what_costs_nothing_leaves_the_default_type_alone() -> None:
    anything = mt.MemoryMap.from_segments([], 36)
    assert mt.plan(anything).default is T.UC
    assert mt.plan(anything, 1, current=mt.MtrrState(0x806, variable=[(0, 0)], maxphyaddr=36)).writes == ()


def test_new_ranges_take_the_registers_of_those_given_up() -> None:
    held = [mt.range_registers(n << 30, 1 << 30, "WB", 36) for n in (0, 2, 4)]
    current = mt.MtrrState(0x800, variable=[(0, 0), held[0], (0, 0), held[1], held[2], (0, 0)], maxphyaddr=36)
    target = mt.MemoryMap.from_segments([(0, 1 << 30, "WB"), (6 << 30, 1 << 30, "WC")], 36, gap="UC")
    made = mt.plan(target, 6, "UC", current=current, fixed=False)
    assert [number for number, *_ in made.ranges] == [1, 3]
    assert made.unchanged == (1,)
    assert len(made.writes) == 2 + 3  # off, on, a base (the mask stays), a pair given up


def test_a_state_stands_for_its_map_and_its_registers() -> None:
    rng = random.Random(12)
    planned = 0
    for _ in range(80):
        state = random_state(rng, holey=rng.random() < 0.3, most=6)
        if len(state.map) > 60:
            continue
        made = mt.plan(state, registers=255)
        assert made
        assert gives(made.state, state.map)
        used = sum(bool(mask & rules.MASK_VALID) for _, mask in state.variable)
        plain = all(reference.block_count(mt.MtrrState(0x800, variable=[pair], maxphyaddr=state.maxphyaddr)) <= 1
                    for pair in state.variable)  # fmt: skip
        if plain and state.def_type & 0xFF in (0, 1, 4, 5, 6):
            assert made.used <= used
        planned += 1
    assert planned > 50


def test_tom2_is_the_default_type_above_4_gib() -> None:
    current = mt.MtrrState(0xC00, maxphyaddr=40, vendor="amd", syscfg=0x600000, tom2=9 << 30)
    target = mt.MemoryMap.from_segments([(0, 2 << 30, "WB"), (4 << 30, 5 << 30, "WB")], 40, gap="UC")
    made = mt.plan(target, current=current)
    assert [(str(kind), base) for _, base, _, kind in made.ranges] == [("WB", 0)]
    assert made.state.tom2 == 9 << 30
    assert mt.plan(target, default_type="UC").used > 1
    longer = mt.MemoryMap.from_segments([(0, 2 << 30, "WB"), (4 << 30, 6 << 30, "WB")], 40, gap="UC")
    assert gives(mt.plan(longer, current=current).state, longer)
    without = mt.MemoryMap.from_segments([(0, 2 << 30, "WB")], 40, gap="UC")
    assert gives(mt.plan(without, current=current).state, without)


# --- the first MiB --------------------------------------------------------------------------------------------------


def test_the_first_mib_is_for_fixed_ranges() -> None:
    segments = [(0, 0xA0000, "WB"), (0xA0000, 0x20000, "UC"), (0xC0000, 0x30000, "WB"), (0xF0000, 0x4000, "WP"),
                (0xF4000, 0xC000, "UC"), (1 << 20, 1 << 30, "WB")]  # fmt: skip
    target = mt.MemoryMap.from_segments(segments, 36)
    made = mt.plan(target)
    assert made.state.def_type & rules.DEF_TYPE_FE
    assert made.state.fixed[9] == 0x05050505
    assert gives(made.state, target)
    assert made.used == 0  # all else is WB or of no matter
    by_variable = mt.plan(target, 40, fixed=False)
    assert not by_variable.state.def_type & rules.DEF_TYPE_FE
    assert by_variable.used > 2
    assert gives(by_variable.state, target)
    assert mt.plan(target, 40, current=mt.MtrrState(cap=0x40A, maxphyaddr=36)).used == by_variable.used


def test_random_first_mibs_survive_their_registers() -> None:
    rng = random.Random(13)
    for _ in range(40):
        state = random_state(rng)
        state = mt.MtrrState(0xC06, tuple(v & 0x0606060606060606 for v in state.fixed), maxphyaddr=36)
        target = state.map
        wanted = any(s.type not in rules.MTRR_TYPES for s in target)
        made = None if wanted else mt.plan(target)
        assert made is None or gives(made.state, target)


def test_a_type_that_ends_inside_a_fixed_range_is_refused() -> None:
    with pytest.raises(mt.InputError, match=r"0x9000.*FIX64K_00000 holds one type for 0x0-0xffff"):
        mt.plan(mt.MemoryMap.from_segments([(0, 0x9000, "WB"), (0x9000, 1 << 20, "UC")], 36))


def test_amd_routing_bits_stay() -> None:
    current = mt.MtrrState(0xC00, (0x1E1E1E1E1E1E1E1E,) * 11, maxphyaddr=36, vendor="amd")
    assert encode([(0, 0x80000, 6), (0x80000, 0x100000, -1)], current)[:2] == (0x1E1E1E1E1E1E1E1E,) * 2
    assert encode([(0, 0x100000, 5)], current)[0] == 0x1515151515151515
    assert encode([(0, 0x100000, 0)], current)[0] == 0x1818181818181818


# --- writing, refusing ----------------------------------------------------------------------------------------------


def test_writes_switch_off_first_and_on_last_and_lead_to_the_state() -> None:
    target = mt.MemoryMap.from_segments([(0, 3 << 30, "WB"), (3 << 30, 1 << 30, "UC")], 36)
    current = mt.MtrrState(0xC06, (0x0606060606060606,) * 11, [mt.range_registers(2 << 30, 2 << 30, "UC", 36)] * 3, 36)
    made = mt.plan(target, 8, current=current)
    assert made.writes[0] == (0x2FF, 0x406)
    assert made.writes[-1] == (0x2FF, made.state.def_type)
    held = current.msrs() | dict.fromkeys(range(0x200, 0x210), 0) | current.msrs()
    for index, value in made.writes:
        held[index] = value
    assert mt.MtrrState.from_msrs(held, 36).map == made.state.map
    assert any(step.startswith("wrmsr 0x2ff 0x0000000000000406") for step in made.steps)
    assert made.steps.index("set CR0.CD = 1 and CR0.NW = 0") < len(made.steps) - len(made.writes)


@pytest.mark.parametrize(
    ("target", "words", "part"),
    [
        ([(0, 0x1800, "WB"), (0x1800, 0x800, "UC")], {}, "inside a page"),
        ([(0, 1 << 30, "UC-")], {}, "no MTRR type"),
        ([(0, 1 << 30, "WB")], {"registers": 256}, "registers = 256"),
        ([(0, 1 << 30, "WB")], {"registers": 4, "keep": 5}, "keep = 5"),
        ([(0, 1 << 30, "WB")], {"default_type": "UC-"}, "default_type"),
        ([(0, 1 << 30, "WB")], {"pinned": [0]}, "no present registers"),
        (
            [(0, 1 << 30, "WB")],
            {"pinned": [3], "current": mt.MtrrState(variable=[(0, 0)], maxphyaddr=36)},
            "are 0 to 0",
        ),
        ([(0, 1 << 30, "WB")], {"current": mt.MtrrState(maxphyaddr=40)}, "MAXPHYADDR 36"),
        ([(0, 1 << 30, "UC")], {"registers": 0, "default_type": "WB", "fixed": False}, "0 variable ranges"),
    ],
)
def test_bad_input_is_refused(target: Any, words: dict[str, Any], part: str) -> None:
    with pytest.raises(mt.InputError) as caught:
        mt.plan(mt.MemoryMap.from_segments(target, 36), **words)
    assert part in str(caught.value)


def test_a_page_wanted_in_part_is_wanted() -> None:
    target = mt.MemoryMap.from_segments([(1 << 30, 0x1800, "UC"), (2 << 30, 1 << 30, "WB")], 36)
    made = mt.plan(target, default_type="WB")
    assert made.state.at((1 << 30) + 0x17FF) is T.UC
    assert made.used == 1


# --- other planners -------------------------------------------------------------------------------------------------


def test_no_planner_of_the_corpus_needs_fewer(corpus: Path) -> None:
    found = [entry for path in sorted(corpus.glob("*/*.txt")) for entry in planners_of(path)]
    assert {whose for whose, _, _ in found} == {"coreboot UC", "coreboot WB", "mtrr_cleanup", "firmware"}
    for whose, theirs, ours in found:
        assert ours <= theirs, (whose, theirs, ours)
    assert sum(theirs - ours for _, theirs, ours in found) > 0


def planners_of(path: Path) -> list[tuple[str, int, int]]:
    from bench.planners import compared

    return compared(path)
