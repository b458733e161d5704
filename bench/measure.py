"""Jobs, what they promise, and how both are measured: every candidate once a round, minima, ratios of minima."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import memtype as mt

Call = Callable[[], Any]


@dataclass(frozen=True)
class Goal:
    """`figure` of the candidates' times is to be at most (or, with `least`, at least) `limit`.

    `floor` is the figure of the least that a machine takes with nothing of ours in it: the same memory read and
    written, the same shuffles. A goal that the floor misses is out of reach there.
    """

    text: str
    limit: float
    figure: Callable[[dict[str, float]], float]
    least: bool = False
    floor: Callable[[dict[str, float]], float] | None = None
    isa: str = ""  # the goal is for these sets alone: "avx2", "portable ssse3"
    unit: str = "x"

    def met(self, figure: float) -> bool:
        return figure >= self.limit if self.least else figure <= self.limit


@dataclass(frozen=True)
class Job:
    """Candidates as (call, elements per call): times are ns per element. `skipped`: candidate -> why.

    Several candidates "limit: …" are ways to one limit: the best of them, found when it runs, is "limit"; and so with
    "floor: …". Times are also given as multiples of those candidates of `beside` that there are.
    """

    name: str
    candidates: dict[str, tuple[Call, int]]
    goals: list[Goal] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ("limit",)


def ratio(a: str, b: str) -> Callable[[dict[str, float]], float]:
    return lambda times: times[a] / times[b]


def measure(job: Job, rounds: int) -> dict[str, float]:
    """The least nanoseconds per element of each candidate; the first round does not count."""
    best: dict[str, float] = {}
    names = list(job.candidates)
    for number in range(rounds + 1):
        first = number % max(len(names), 1)  # nobody always runs behind the same neighbour
        for name in names[first:] + names[:first]:
            call, elements = job.candidates[name]
            call()  # not timed: the neighbour has left its own data in the caches
            start = time.perf_counter_ns()
            call()
            took = (time.perf_counter_ns() - start) / elements
            if number:
                best[name] = min(took, best.get(name, took))
    return with_limits({name: best[name] for name in names})


def with_limits(times: dict[str, float]) -> dict[str, float]:
    """The times, and the best of the passes "limit: …" as "limit"."""
    found = dict(times)
    for name, took in times.items():
        limit, colon, _ = name.partition(":")
        if colon:
            found[limit] = min(took, found.get(limit, took))
    return found


def judge(job: Job, times: dict[str, float]) -> list[dict[str, Any]]:
    """Goal, figure, floor and verdict of each promise."""
    found = []
    for goal in job.goals:
        try:
            figure = goal.figure(times)
        except KeyError as missing:
            found.append({"goal": goal.text, "figure": None, "floor": None, "verdict": f"no {missing.args[0]} here"})
            continue
        floor = _floor(goal, times)
        others = goal.isa and mt.isa not in goal.isa.split()
        verdict = f"not judged: a goal of {goal.isa}" if others else _verdict(goal, figure, floor)
        found.append({
            "goal": goal.text, "figure": round(figure, 3), "unit": goal.unit.strip(),
            "floor": None if floor is None else round(floor, 3), "verdict": verdict,
        })  # fmt: skip
    return found


def _floor(goal: Goal, times: dict[str, float]) -> float | None:
    try:
        return goal.floor(times) if goal.floor else None
    except KeyError:  # no compiler for the pass that shows it
        return None


def _verdict(goal: Goal, figure: float, floor: float | None) -> str:
    if goal.met(figure):
        return "met"
    return "MISSED" if floor is None or goal.met(floor) else "missed by the floor too"
