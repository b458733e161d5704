"""The goal table: every row as a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench import calls, lookups, pipelines
from bench.limits import Limits
from bench.measure import Goal, Job, ratio


def jobs(quick: bool, rounds: int) -> Iterator[Job]:
    """One at a time, since the large ones take memory."""
    limits = Limits()
    large, million, states = (4 * 10**7, 10**6, 10**4) if quick else (10**8, 10**6, 10**6)
    best: dict[str, Any] = {"isa": "avx512"}
    avx2: dict[str, Any] = {"isa": "avx2"}
    ours = ratio("memtype", "limit")
    yield lookups.scatter(limits, 65536, 2, [
        Goal("65,536 <= 1.25x limit", 1.25, ours, **best),
        Goal("65,536 >= 60x np.searchsorted", 60, ratio("np.searchsorted", "memtype"), least=True, **best),
    ])  # fmt: skip
    for ranges in (2, 8, 10, 32):
        goals = [Goal("10^6 <= 1.3x limit", 1.3, ours, **best), Goal("AVX2, 10^6 <= 3.5x limit", 3.5, ours, **avx2)]
        yield lookups.scatter(limits, million, ranges, goals if ranges <= 10 else [], threads=ranges == 10)
    yield lookups.scatter(limits, large, 10, [
        Goal(f"{large:.0e} <= 1.10x limit", 1.1, ours, **best),
        Goal(f"{large:.0e} <= np.copyto", 1.0, ratio("memtype", "np.copyto(u1, u8)")),
        Goal(f"AVX2, {large:.0e} <= 1.7x limit", 1.7, ours, **avx2),
    ], slow_peers=False, threads=True)  # fmt: skip
    yield lookups.low_share(65536)
    yield lookups.many_ranges(million)
    yield lookups.maps(limits, million)
    yield pipelines.effective(limits, million)
    yield lookups.pages(limits, million)
    yield calls.whole_map(rounds)
    yield pipelines.ept_fill(limits, million)
    yield calls.scalars()
    yield pipelines.fleet(limits, states)
