"""Jobs that the call itself decides: single addresses, few addresses, one map."""

from __future__ import annotations

import timeit

import numpy as np

from bench.measure import Call, Goal, Job, ratio
from bench.states import addresses, state
from memtype.backends import reference


class Empty:
    __slots__ = ()

    def method(self, address: int) -> None:
        return None


def scalars() -> Job:
    s, nothing, given, out = state(10), Empty(), addresses(64, 0), np.empty(64, np.uint8)
    names = {"s": s, "nothing": nothing, "given": given, "out": out}

    def repeat(statement: str) -> tuple[Call, int]:
        timer = timeit.Timer(statement, globals=names)
        return lambda: timer.timeit(2000), 2000

    calls = {
        "empty method": repeat("nothing.method(0xE0000000)"),
        "s.at": repeat("s.at(0xE0000000)"),
        "64, out=": repeat("s.types(given, out=out)"),
        "64, allocating": repeat("s.types(given)"),
    }
    goals = [
        Goal("at <= 2.5x an empty method call", 2.5, ratio("s.at", "empty method")),
        Goal("64 addresses <= 450 ns with out=", 450, lambda t: t["64, out="], unit=" ns"),
        Goal("64 addresses <= 700 ns allocating", 700, lambda t: t["64, allocating"], unit=" ns"),
    ]
    return Job("scalars and small arrays", calls, goals, beside="empty method")


def whole_map(rounds: int) -> Job:
    s = state(10)
    fresh = iter([state(10) for _ in range(20 * (rounds + 2))])  # each map is asked for once

    def some_maps() -> None:
        for _ in range(20):
            next(fresh).map  # noqa: B018

    calls: dict[str, tuple[Call, int]] = {
        "map": (some_maps, 20),
        "reference": (lambda: reference.resolve(s), 1),
    }
    goals = [
        Goal("map <= 1.0 us", 1000, lambda t: t["map"], unit=" ns"),
        Goal("map >= 25x the reference", 25, ratio("reference", "map"), least=True),
    ]
    return Job("map of a fresh state, 10 ranges", calls, goals, beside="map")
