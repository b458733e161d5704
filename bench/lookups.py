"""Jobs that look addresses up: scattered ones in a state or a map, pages in a row."""

from __future__ import annotations

import numpy as np

import memtype as mt
from bench import peers
from bench.limits import Limits, aligned
from bench.measure import Call, Goal, Job, ratio
from bench.states import GIB, LOW, WIDTH, addresses, crowded, pair, state


def scatter(
    limits: Limits, count: int, ranges: int, goals: list[Goal], slow_peers: bool = True, threads: bool = False
) -> Job:
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
    if threads:
        candidates["memtype, 2 threads"] = lambda: s.types(given, out=out, threads=2), count
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


def low_share(count: int) -> Job:
    s, out = state(10), aligned(count)
    shares = {f"{share:.0%} low": addresses(count, share) for share in (0, 0.01, 1)}
    calls = {name: (lambda given=given: s.types(given, out=out), count) for name, given in shares.items()}
    spread = Goal("0, 1, 100 % low within 1.10x", 1.1, lambda t: max(t.values()) / min(t.values()))
    return Job(f"below 1 MiB, {count:,} addresses", calls, [spread], beside="0% low")


def many_ranges(count: int) -> Job:
    """From some number of ranges on granules answer, for all numbers alike; maps of many segments likewise."""
    given, out = addresses(count), aligned(count)
    calls: dict[str, tuple[Call, int]] = {}
    for ranges in (2, 8, 32, 56, 64, 128, 255):
        s = state(2) if ranges == 2 else crowded(ranges)
        calls[f"{ranges} ranges"] = (lambda s=s: s.types(given, out=out)), count
    m = s.map
    calls[f"map, {len(m.segments)} segments"] = (lambda: m.types(given, out=out)), count
    goals = [
        Goal("255 ranges <= 0.9 ns", 0.9, lambda t: t["255 ranges"], unit=" ns"),
        Goal("its map is not slower (1.1x)", 1.1, ratio(f"map, {len(m.segments)} segments", "255 ranges")),
    ]
    return Job(f"many ranges, {count:,} addresses", calls, goals, beside="2 ranges")


def maps(limits: Limits, count: int) -> Job:
    s, given, out = state(10), addresses(count), aligned(count)
    m, view = s.map, s.view("linux-6.5")
    calls: dict[str, tuple[Call, int]] = {
        "MemoryMap.types": (lambda: m.types(given, out=out), count),
        "View.types (linux-6.5)": (lambda: view.types(given, out=out), count),
        "np.searchsorted": (peers.searchsorted(s, given), count),
    }
    if not limits.missing:
        calls["limit"] = lambda: limits.read(given, out), count
    return Job(f"maps, {count:,} addresses", calls, [], {"limit": limits.missing} if limits.missing else {})


def pages(limits: Limits, count: int) -> Job:
    s, out = mt.MtrrState(0xC06, LOW, [pair(64 * GIB, GIB, 4)], WIDTH), aligned(count)
    calls: dict[str, tuple[Call, int]] = {
        "page_types": (lambda: s.page_types(256, count, out=out), count),
        "np fill": (lambda: out.fill(6), count),
    }
    if not limits.missing:
        calls["memset"] = lambda: limits.memset(out), count
    goal = Goal("page fill <= 1.05x memset", 1.05, ratio("page_types", "memset"))
    skipped = {"memset": limits.missing} if limits.missing else {}
    return Job(f"page fill, {count:,} pages", calls, [goal], skipped, beside="memset")
