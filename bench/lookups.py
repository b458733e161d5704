"""Jobs that look addresses up: scattered ones in a state or a map, pages in a row."""

from __future__ import annotations

import random

import numpy as np

import memtype as mt
from bench import peers
from bench.limits import Candidates, Limits, aligned
from bench.measure import Call, Goal, Job, ratio
from bench.states import GIB, LOW, WIDTH, addresses, crowded, pair, state

COPY = "np.copyto(u1, u8)"


def scatter(
    limits: Limits, count: int, ranges: int, goals: list[Goal], slow_peers: bool = True, threads: bool = False
) -> Job:
    s, given, out = state(ranges), addresses(count), aligned(count)
    candidates: Candidates = {
        "memtype": (lambda: s.types(given, out=out), count),
        COPY: (lambda: np.copyto(out, given, casting="unsafe"), count),
        **limits.read(given, out),
        **limits.shuffles(given, out),
    }
    skipped = limits.skipped("limit")
    if threads:
        candidates["memtype, 2 threads"] = lambda: s.types(given, out=out, threads=2), count
    if slow_peers:
        walks, missing = peers.walks(s, given, out)
        candidates |= walks
        skipped |= missing
        candidates["np.searchsorted"] = peers.searchsorted(s, given), count
        candidates["plain loop"] = peers.plain_loop(s, given), 1000
        candidates["reference"] = peers.oracle(s, given), 300
    table = peers.numba_table(s, given, out)
    if table:
        candidates["numba table"] = table, count
    else:
        skipped["numba table"] = "numba is not installed"
    return Job(f"scatter, {count:,} addresses, {ranges} ranges", candidates, goals, skipped, ("limit", COPY))


def low_share(count: int) -> Job:
    s, out = state(10), aligned(count)
    shares = {f"{share:.0%} low": addresses(count, share) for share in (0, 0.01, 1)}
    calls = {name: (lambda given=given: s.types(given, out=out), count) for name, given in shares.items()}
    spread = Goal("0, 1, 100 % low within 1.10x", 1.1, lambda t: max(t.values()) / min(t.values()))
    return Job(f"below 1 MiB, {count:,} addresses", calls, [spread], beside=("0% low",))


def many_ranges(count: int) -> Job:
    """From some number of ranges on granules answer, for all numbers alike; maps of many segments likewise."""
    given, out = addresses(count), aligned(count)
    calls: Candidates = {}
    for ranges in (2, 8, 32, 56, 64, 128, 255):
        s = state(2) if ranges == 2 else crowded(ranges)
        calls[f"{ranges} ranges"] = (lambda s=s: s.types(given, out=out)), count
    m = s.map
    calls[f"map, {len(m.segments)} segments"] = (lambda: m.types(given, out=out)), count
    goals = [
        Goal("255 ranges, 10^6 <= 0.9 ns", 0.9, lambda t: t["255 ranges"], unit=" ns"),
        Goal("255 ranges, 10^6 <= 3x the two-range state", 3, ratio("255 ranges", "2 ranges")),
        Goal(
            "a map of > 256 segments <= 1.05x its state", 1.05, ratio(f"map, {len(m.segments)} segments", "255 ranges")
        ),
    ]
    return Job(f"many ranges, {count:,} addresses", calls, goals, beside=("2 ranges",))


def maps(limits: Limits, count: int) -> Job:
    s, given, out = state(10), addresses(count), aligned(count)
    m, view = s.map, s.view("linux-6.5")
    calls: Candidates = {
        "MemoryMap.types": (lambda: m.types(given, out=out), count),
        "View.types (linux-6.5)": (lambda: view.types(given, out=out), count),
        "np.searchsorted": (peers.searchsorted(s, given), count),
        **limits.read(given, out),
    }
    return Job(f"maps, {count:,} addresses", calls, [], limits.skipped("limit"))


def segments(count: int) -> Job:
    """Maps around the number of segments up to which tables are built for a call."""
    given, out = addresses(count), aligned(count)
    calls: Candidates = {}
    for number in (63, 65, 255, 257, 1023):
        pieces = [(n << 27, 1 << 27, (5, 4, 6)[n % 3]) for n in range(number - 1)]
        m = mt.MemoryMap.from_segments(pieces, WIDTH, gap="UC")
        calls[f"{len(m.segments)} segments"] = (lambda m=m: m.types(given, out=out)), count
    goal = Goal("257 segments <= 1.1x 255 segments", 1.1, ratio("257 segments", "255 segments"))
    return Job(f"maps of many segments, {count:,} addresses", calls, [goal], beside=("63 segments",))


def pages(limits: Limits, count: int) -> Job:
    s, out = mt.MtrrState(0xC06, LOW, [pair(64 * GIB, GIB, 4)], WIDTH), aligned(count)
    calls: Candidates = {
        "page_types": (lambda: s.page_types(256, count, out=out), count),
        "np fill": (lambda: out.fill(6), count),
        **limits.memset(out),
    }
    fill = ratio("np fill", "memset")
    goal = Goal("page fill <= 1.02x memset", 1.02, ratio("page_types", "memset"), floor=fill)
    return Job(f"page fill, {count:,} pages", calls, [goal], limits.skipped("memset"), ("memset", "np fill"))


def counted(count: int) -> Job:
    s, given, out = state(10), addresses(count), aligned(count)
    times = max(1, 2**17 // count)  # a call of few addresses takes as long as asking the clock

    def repeated(call: Call) -> tuple[Call, int]:
        return lambda: [call() for _ in range(times)], count * times

    calls: Candidates = {
        "s.histogram": repeated(lambda: s.histogram(given)),
        "types and bincount": repeated(lambda: np.bincount(s.types(given, out=out), minlength=16)),
    }
    goal = Goal(f"histogram of {count:,} <= 0.9x types and bincount", 0.9, ratio("s.histogram", "types and bincount"))
    return Job(f"types counted, {count:,} addresses", calls, [goal], beside=("types and bincount",))


ONE_LOAD, LINES = "one load from each map", 64  # words of a small map


def ragged(count: int, states: int) -> Job:
    rng = random.Random(1)
    fleets = {
        "8 ranges each": mt.StateArray.of([state(8)] * states),
        "2 to 32 ranges": mt.StateArray.of([state(rng.choice((2, 8, 10, 32))) for _ in range(states)]),
    }
    given, out = addresses(count), aligned(count)
    ids = np.random.default_rng(2).integers(0, states, count).astype(np.uint32)
    calls: Candidates = {
        name: ((lambda fleet=fleet: mt.types_by(fleet, ids, given, out=out)), count) for name, fleet in fleets.items()
    }
    lines = np.zeros(states * LINES, np.uint64)
    line = (ids.astype(np.intp) * LINES + (given % np.uint64(LINES)).astype(np.intp)).reshape(count)
    words = np.empty(count, np.uint64)
    calls[ONE_LOAD] = (lambda: lines.take(line, out=words, mode="clip")), count
    goals = [
        Goal(f"types_by of {count:,}, {name}, <= 8 ns", 8, lambda t, name=name: t[name],  # type: ignore[misc]
             floor=lambda t: t[ONE_LOAD], unit=" ns")
        for name in fleets
    ]  # fmt: skip
    return Job(f"each address under its own state of {states:,}, {count:,} addresses", calls, goals, beside=())
