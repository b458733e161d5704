"""Every candidate of every job of the goal table for pytest-benchmark: ``python -m pytest bench``.

Small inputs: the goals, which are ratios, are judged by ``python -m bench``.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.jobs import jobs

pytest.importorskip("pytest_benchmark", reason="pip install memtype[bench]")

CASES = [
    pytest.param(call, elements, id=f"{job.name}: {name}")
    for job in jobs(quick=True, rounds=400)
    for name, (call, elements) in job.candidates.items()
]


@pytest.mark.parametrize(("call", "elements"), CASES)
def test_speed(benchmark: Any, call: Any, elements: int) -> None:
    benchmark.extra_info["elements"] = elements
    benchmark.pedantic(call, rounds=10, warmup_rounds=1)
