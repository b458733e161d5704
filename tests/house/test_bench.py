"""The bench judges as it says, and what it measures beside us gives the answers that it should."""

from __future__ import annotations

import numpy as np
import pytest

import memtype as mt
from bench import peers
from bench.limits import aligned
from bench.measure import Goal, Job, judge, ratio, with_limits
from bench.states import addresses, state


@pytest.mark.parametrize(
    ("ours", "floor", "verdict"),
    [(1.2, 1.1, "met"), (1.4, 1.1, "MISSED"), (1.4, 1.35, "missed by the floor too"), (1.3, 1.5, "met")],
)
@pytest.mark.parametrize("least", [False, True], ids=["at most", "at least"])
def test_verdicts(ours: float, floor: float, verdict: str, least: bool) -> None:
    times = {"ours": ours, "floor: plain": floor, "floor: streamed": 9.0, "limit: plain": 1.0, "limit: fetched": 2.0}
    a, b = ("limit", "ours") if least else ("ours", "limit")
    goal = Goal(
        "", 1 / 1.3 if least else 1.3, ratio(a, b), least, ratio("limit", "floor") if least else ratio("floor", b)
    )
    (found,) = judge(Job("", {}, [goal]), with_limits(times))
    assert found["verdict"] == verdict
    assert found["figure"] == pytest.approx(1 / ours if least else ours, abs=1e-3)
    assert found["floor"] == pytest.approx(1 / floor if least else floor, abs=1e-3)


def test_a_goal_of_another_set_is_not_judged() -> None:
    goals = [Goal("", limit, ratio("ours", "limit"), isa=sets) for limit in (1, 3) for sets in ("other", f"x {mt.isa}")]
    found = [each["verdict"] for each in judge(Job("", {}, goals), {"ours": 2.0, "limit": 1.0})]
    assert found == ["not judged: a goal of other", "MISSED", "not judged: a goal of other", "met"]


def test_goals_without_what_they_need() -> None:
    job = Job(
        "",
        {},
        [Goal("a", 1, ratio("ours", "limit")), Goal("b", 1, ratio("ours", "ours"), floor=ratio("floor", "ours"))],
    )
    missing, met = judge(job, {"ours": 1.0})
    assert (missing["figure"], missing["verdict"]) == (None, "no limit here")
    assert (met["floor"], met["verdict"]) == (None, "met")


@pytest.mark.parametrize("ranges", [2, 8, 10, 32])
def test_other_programs_walks_answer_as_their_views(ranges: int) -> None:
    s, given, out = state(ranges), addresses(10_000, 0.2), aligned(10_000)
    walks, missing = peers.walks(s, given, out)
    if missing:
        pytest.skip(next(iter(missing.values())))
    for name, (walk, _) in walks.items():
        out[:] = 0xEE
        walk()
        assert np.array_equal(out, s.view(peers.WALKS[name][1]).types(given))
