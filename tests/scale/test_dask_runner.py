"""The runner hands out every unit once, however few workers there are; a runner that loses one is found out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tables import STATE, table, write

import memtype as mt
from memtype import scale
from memtype.scale import files, job
from memtype.scale.asked import Asked
from memtype.scale.bulk import Question
from memtype.scale.job import Job, Task

pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("units", [1, 3, 4, 5, 9, 60])
def test_every_unit_is_answered_once(units: int, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "UNIT", 1)
    path = write(table(units * 10), tmp_path / "in.parquet", 10)
    seen: list[int] = []
    found = scale.classify(path, STATE, client=client, progress=lambda done, rows: seen.append(done))
    assert found == scale.classify(path, STATE)
    assert seen == [10 * n for n in range(1, units + 1)]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="pip install memtype[dask]")
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None, set_as_default=False
    ) as made:
        yield made


@pytest.mark.parametrize("out", [None, "o.parquet"])
def test_a_runner_that_loses_a_unit_is_found_out(out: str | None, tmp_path: Path) -> None:
    path = write(table(50), tmp_path / "in.parquet", 10)

    def forgetful(task: Task, waiting: Sequence[tuple[int, files.Unit]]) -> job.Done:
        yield from list(job.here(task, waiting))[1:]

    cut = [files.Unit(str(path), "parquet", n, n + 1, 10 * n, 10) for n in range(5)]
    target = None if out is None else str(tmp_path / out)
    kind = None if out is None else scale.bulk.kind_for(str(target), [], False)
    with pytest.raises(mt.MemtypeError, match="1 of 5 units came back without an answer"):
        Job(cut, Question(Asked.of(STATE)), target).run(kind, forgetful)
    assert out is None or not (tmp_path / out).exists()
