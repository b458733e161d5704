"""The goal table: every row as a job."""

from __future__ import annotations

from collections.abc import Iterator

from bench import calls, files, instructions, lookups, pipelines, reading
from bench.limits import Limits
from bench.measure import Goal, Job, ratio

OURS, FLOOR = ratio("memtype", "limit"), ratio("floor", "limit")


def jobs(quick: bool) -> Iterator[Job]:
    """One at a time, since the large ones take memory."""
    limits = Limits()
    million, states = 10**6, 10**4 if quick else 10**6
    yield from warm(limits)
    for ranges in (2, 8, 10, 32):
        goals = (
            [Goal(f"10^6, {ranges} ranges <= 1.15x limit", 1.15, OURS, floor=FLOOR, isa="avx512")]
            if ranges <= 10
            else []
        )
        goals += _against_walks(ranges) if ranges >= 8 else []
        yield lookups.scatter(limits, million, ranges, goals, threads=ranges == 10)
    yield from memory_bound(limits, (4 * 10**6,) if quick else (2 * 10**7, 10**8))
    yield lookups.low_share(65536)
    yield lookups.many_ranges(million)
    yield lookups.segments(million)
    yield lookups.maps(limits, million)
    for count in (64, 131_072, million):
        yield lookups.counted(count)
    yield lookups.ragged(10**5 if quick else million, 1000)
    yield pipelines.effective(limits, million)
    yield lookups.pages(limits, million)
    yield calls.whole_map()
    for count in (million,) if quick else (million, 2 * 10**7):
        yield pipelines.ept_fill(limits, count)
    yield calls.scalars()
    yield calls.few()
    yield calls.building()
    yield calls.events()
    yield pipelines.fleet(limits, states)
    yield files.classified(million if quick else 4 * million)
    yield reading.texts(60_000 if quick else million)
    yield reading.megabytes()
    yield reading.starts()
    yield reading.processors()
    yield instructions.neon()


def _against_walks(ranges: int) -> list[Goal]:
    """Other programs in C; what they take beside a pass that does nothing is the most."""
    return [
        Goal(f"10^6, {ranges} ranges >= {least}x {name}", least, ratio(name, "memtype"), least=True,
             floor=ratio(name, "limit"), isa="avx512")
        for name, least in (("Bochs' walk", 30), ("edk2's walk", 60))
    ]  # fmt: skip


def warm(limits: Limits) -> Iterator[Job]:
    """In the second-level cache."""
    for ranges, limit in ((2, 1.35), (10, 1.95)):
        yield lookups.scatter(limits, 65536, ranges, [
            Goal(f"65,536, {ranges} ranges <= {limit}x limit", limit, OURS, floor=FLOOR, isa="avx512"),
            Goal(f"65,536, {ranges} ranges >= 60x np.searchsorted", 60, ratio("np.searchsorted", "memtype"), least=True,
                 floor=ratio("np.searchsorted", "floor"), isa="avx512"),
        ])  # fmt: skip


def memory_bound(limits: Limits, counts: tuple[int, ...]) -> Iterator[Job]:
    for count in counts:
        copied, least = ratio("memtype", lookups.COPY), ratio("limit", lookups.COPY)
        yield lookups.scatter(limits, count, 10, [
            Goal(f"{count:.0e}, 10 ranges <= 1.25x limit", 1.25, OURS, floor=FLOOR, isa="avx512"),
            Goal(f"{count:.0e}, 10 ranges <= 0.90x np.copyto", 0.9, copied, floor=least, isa="avx512"),
            Goal(f"{count:.0e}, 10 ranges, AVX2 <= 1.0x np.copyto", 1.0, copied, floor=least, isa="avx2"),
        ], slow_peers=False, threads=True)  # fmt: skip
