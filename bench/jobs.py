"""The goal table: each job with its candidates and the ratios that it promises."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import memtype as mt
from bench import peers
from bench.limits import Limits, aligned
from memtype import backends
from memtype.backends import reference

Call = Callable[[], Any]
WIDTH = 46


@dataclass(frozen=True)
class Goal:
    """`figure` of the candidates' times is to be at most (or, with `least`, at least) `limit`."""

    text: str
    limit: float
    figure: Callable[[dict[str, float]], float]
    least: bool = False
    isa: str = ""  # the goal is for this set alone
    unit: str = "x"

    def met(self, figure: float) -> bool:
        return figure >= self.limit if self.least else figure <= self.limit


@dataclass(frozen=True)
class Job:
    """Candidates as (calls, elements per call): times are ns per element. `skipped`: peer -> why."""

    name: str
    candidates: dict[str, tuple[Call, int]]
    goals: list[Goal]
    skipped: dict[str, str] = field(default_factory=dict)


def ratio(a: str, b: str) -> Callable[[dict[str, float]], float]:
    return lambda times: times[a] / times[b]


# --- states: two holes (QEMU), a server's pieces, an overlapping mix, many ranges -------------------------------


def pair(base: int, size: int, kind: int) -> tuple[int, int]:
    return base | kind, (1 << WIDTH) - size | 0x800


GIB = 1 << 30
LOW = [0x0606060606060606] * 2 + [0] + [0x0505050505050505] * 8
VARIABLE: dict[int, list[tuple[int, int]]] = {
    2: [pair(3 * GIB, GIB, 0), pair(1 << 45, 1 << 45, 0)],
    8: [pair(64 * GIB, 64 * GIB, 6), pair(3 * GIB, GIB, 0)] + [pair(4 * n * GIB, 4 * GIB, 6) for n in range(6)],
    10: [pair(5 * n * GIB, GIB << n % 4, (6, 4, 6, 1, 0)[n % 5]) for n in range(10)],
    32: [pair(2 * n * GIB, GIB, (6, 4)[n % 2]) for n in range(32)],
}


def state(ranges: int) -> mt.MtrrState:
    return mt.MtrrState(0xC00 if ranges == 8 else 0xC06, LOW, VARIABLE[ranges], WIDTH)


def addresses(count: int, low: float = 0.01) -> Any:
    rng = np.random.default_rng(count)
    made = rng.integers(0, 128 * GIB, count, np.uint64)
    np.bitwise_and(made, np.uint64(0xFFFFF), out=made, where=rng.random(count) < low)
    return made


# --- jobs -----------------------------------------------------------------------------------------------------------


def scatter(limits: Limits, count: int, ranges: int, goals: list[Goal], slow_peers: bool) -> Job:
    s, given, out = state(ranges), addresses(count), aligned(count)
    candidates: dict[str, tuple[Call, int]] = {
        "memtype": (lambda: s.types(given, out=out), count),
        "np.copyto(u1, u8)": (lambda: np.copyto(out, given, casting="unsafe"), count),
    }
    skipped = {}
    if limits.missing:
        skipped["limit"] = limits.missing
    else:
        candidates["limit"] = lambda: limits.read(given, out), count
    if slow_peers:
        candidates["np.searchsorted"] = peers.searchsorted(s, given), count
        candidates["plain loop"] = peers.plain_loop(s, given), 1000
        candidates["reference"] = peers.oracle(s, given), 300
    table = peers.numba_table(s, given, out)
    if table:
        candidates["numba table"] = table, count
    else:
        skipped["numba table"] = "numba is not installed"
    return Job(f"scatter, {count:,} addresses, {ranges} ranges", candidates, goals, skipped)


def low_share(limits: Limits, count: int) -> Job:
    s, out = state(10), aligned(count)
    shares = {f"{share:.0%} low": addresses(count, share) for share in (0, 0.01, 1)}
    calls = {name: (lambda given=given: s.types(given, out=out), count) for name, given in shares.items()}
    spread = Goal("0, 1, 100 % low within 1.10x", 1.1, lambda t: max(t.values()) / min(t.values()))
    return Job(f"below 1 MiB, {count:,} addresses", calls, [spread])


def effective(limits: Limits, count: int) -> Job:
    s, given, out = state(2), addresses(count), aligned(count)
    ptes = addresses(count + 1)[:count] & ~np.uint64(0xFFF) | np.arange(count, dtype=np.uint64) % np.uint64(256)
    pat = mt.Pat(mt.rules.PAT_RESET).value
    run = backends.active.effective_types
    calls: dict[str, tuple[Call, int]] = {
        "address + PTE": (lambda: run(s, pat, 1, given, ptes, out), count),
        "PTE only": (lambda: run(s, pat, 1, None, ptes, out), count),
    }
    if not limits.missing:
        calls["limit"] = lambda: limits.read(given, out, ptes), count
    goals = [
        Goal("address + PTE <= 1.25x its limit", 1.25, ratio("address + PTE", "limit"), isa="avx512"),
        Goal("PTE only <= 1.0x the two-array limit", 1.0, ratio("PTE only", "limit"), isa="avx512"),
    ]
    return Job(f"effective types, {count:,}", calls, goals, {"limit": limits.missing} if limits.missing else {})


def pages(limits: Limits, count: int) -> Job:
    s, out = mt.MtrrState(0xC06, LOW, [pair(64 * GIB, GIB, 4)], WIDTH), aligned(count)
    calls: dict[str, tuple[Call, int]] = {
        "page_types": (lambda: s.page_types(256, count, out=out), count),
        "np fill": (lambda: out.fill(6), count),
    }
    if not limits.missing:
        calls["memset"] = lambda: limits.memset(out), count
    goal = Goal("page fill <= 1.05x memset", 1.05, ratio("page_types", "memset"))
    return Job(f"page fill, {count:,} pages", calls, [goal], {"memset": limits.missing} if limits.missing else {})


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
    return Job("map of a fresh state, 10 ranges", calls, goals)


def ept_fill(count: int) -> Job:
    s = mt.MtrrState(0xC06, LOW, [pair(3 * GIB, GIB, 0)], WIDTH)
    vm = mt.kvm.Vm("6.4", vendor="intel", tdp="ept", noncoherent_dma=True, vcpus=[mt.kvm.Vcpu(mtrrs=s)])
    gfns = addresses(count) >> np.uint64(12)
    sptes, bits = addresses(count), vm.leaf_bits(gfns)
    calls: dict[str, tuple[Call, int]] = {
        "vm.fill": (lambda: vm.fill(sptes, gfns), count),
        "np.bitwise_or": (lambda: np.bitwise_or(sptes, bits, out=sptes), count),
    }
    goal = Goal("EPT fill <= 1.10x np.bitwise_or", 1.1, ratio("vm.fill", "np.bitwise_or"), isa="avx512")
    return Job(f"EPT bits into {count:,} SPTEs", calls, [goal])


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
        "s.at": repeat("s.at(0xE0000000)"),
        "empty method": repeat("nothing.method(0xE0000000)"),
        "64, out=": repeat("s.types(given, out=out)"),
        "64, allocating": repeat("s.types(given)"),
    }
    goals = [
        Goal("at <= 2.5x an empty method call", 2.5, ratio("s.at", "empty method")),
        Goal("64 addresses <= 450 ns with out=", 450, lambda t: t["64, out="], unit=" ns"),
        Goal("64 addresses <= 700 ns allocating", 700, lambda t: t["64, allocating"], unit=" ns"),
    ]
    return Job("scalars and small arrays", calls, goals)


def fleet(limits: Limits, count: int) -> Job:
    rng = np.random.default_rng(3)
    which = rng.integers(0, 2, count)
    kinds = [mt.StateArray.of([state(ranges)] * 2) for ranges in (8, 8)]
    columns = {name: np.repeat(getattr(kinds[0], name)[:1], count, 0) for name in ("def_type", "fixed", "base", "mask")}
    columns["def_type"] = np.where(which, 0x806, 0x800).astype(np.uint64)
    states = mt.StateArray(**columns, maxphyaddr=WIDTH)
    given, out = addresses(count * 64, 0).reshape(count, 64), aligned(count * 64).reshape(count, 64)
    calls: dict[str, tuple[Call, int]] = {}
    calls["types_of_states"] = lambda: mt.types_of_states(states, given, out=out), count
    skipped = {}
    if limits.missing:
        skipped["limit"] = limits.missing
    else:
        calls["limit"] = lambda: limits.read(given, out), count
    compiled = peers.numba_fleet(states, given, out)
    if compiled:
        calls["numba"] = compiled, count
    else:
        skipped["numba"] = "numba is not installed"
    goals = [
        Goal("fleet <= 1.75x the limit", 1.75, ratio("types_of_states", "limit"), isa="avx512"),
        Goal("fleet >= 15x numba", 15, ratio("numba", "types_of_states"), least=True, isa="avx512"),
    ]
    return Job(f"fleet, {count:,} states of 8 ranges x 64 addresses", calls, goals, skipped)


def jobs(quick: bool, rounds: int) -> Iterator[Job]:
    """Every row of the goal table; one at a time, since the large ones take memory."""
    limits = Limits()
    large, million, states = (10**7, 10**6, 10**4) if quick else (10**8, 10**6, 10**6)
    best, avx2 = {"isa": "avx512"}, {"isa": "avx2"}
    ours = ratio("memtype", "limit")
    yield scatter(limits, 65536, 2, [
        Goal("65,536 <= 1.25x limit", 1.25, ours, **best),
        Goal("65,536 >= 60x np.searchsorted", 60, ratio("np.searchsorted", "memtype"), least=True, **best),
    ], True)  # fmt: skip
    for ranges in (2, 8, 10, 32):
        goals = [Goal("10^6 <= 1.3x limit", 1.3, ours, **best), Goal("AVX2, 10^6 <= 3.5x limit", 3.5, ours, **avx2)]
        yield scatter(limits, million, ranges, goals if ranges <= 10 else [], True)
    yield scatter(limits, large, 10, [
        Goal(f"{large:.0e} <= 1.10x limit", 1.1, ours, **best),
        Goal(f"{large:.0e} <= np.copyto", 1.0, ratio("memtype", "np.copyto(u1, u8)")),
        Goal(f"AVX2, {large:.0e} <= 1.7x limit", 1.7, ours, **avx2),
    ], False)  # fmt: skip
    yield low_share(limits, 65536)
    yield effective(limits, million)
    yield pages(limits, million)
    yield whole_map(rounds)
    yield ept_fill(million)
    yield scalars()
    yield fleet(limits, states)
