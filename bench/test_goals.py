"""Every candidate of every job of the goal table for pytest-benchmark: ``python -m pytest bench``.

Small inputs: the goals, which are ratios, are judged by ``python -m bench``.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.jobs import jobs
from bench.measure import Job

pytest.importorskip("pytest_benchmark", reason="pip install memtype[bench]")

ROUNDS = 10
CASES = [pytest.param(job, name, id=f"{job.name}: {name}") for job in jobs(quick=True) for name in job.candidates]


@pytest.mark.parametrize(("job", "name"), CASES)
def test_speed(benchmark: Any, job: Job, name: str) -> None:
    call, elements = job.candidates[name]
    benchmark.group = job.name
    benchmark.extra_info["elements"] = elements
    benchmark.pedantic(call, rounds=ROUNDS, warmup_rounds=1)
