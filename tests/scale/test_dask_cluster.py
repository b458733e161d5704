"""The job on a real cluster of processes, one of which is killed in the middle of it. Some ten seconds: by command."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tables import STATE, table, types_in, write

import memtype as mt
from memtype import cli, scale
from memtype.scale import files

distributed = pytest.importorskip("distributed", reason="pip install memtype[dask]")
pytestmark = [
    pytest.mark.skipif(
        os.environ.get("MEMTYPE_TEST_DASK") != "1", reason="starts processes: set MEMTYPE_TEST_DASK=1"
    ),
    pytest.mark.filterwarnings("ignore"),
]  # fmt: skip
ROWS = 6_000_000
UNITS = 92  # of 65,536 rows: many more than are handed out at once


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "UNIT", 1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(table(ROWS), tmp_path_factory.mktemp("rows") / "in.parquet", 1 << 16)


def test_a_killed_worker_changes_nothing(client: Any, rows: Path, tmp_path: Path) -> None:
    alone = scale.classify(rows, STATE, tmp_path / "alone.parquet", keep=["gpa"], by="host")
    victims = list(client.run(os.getpid).values())
    killed: list[int] = []
    seen: list[int] = []

    def kill_one(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == UNITS // 3:
            os.kill(victims[0], signal.SIGKILL)
            killed.append(victims[0])

    found = scale.classify(
        rows, STATE, tmp_path / "o.parquet", keep=["gpa"], by="host", client=client, progress=kill_one
    )
    assert len(seen) == UNITS and killed and killed[0] not in client.run(os.getpid).values()
    assert (found.counts, found.groups, found.rows) == (alone.counts, alone.groups, ROWS)
    assert (tmp_path / "o.parquet").read_bytes() == (tmp_path / "alone.parquet").read_bytes()


def test_counts_alone(client: Any, rows: Path) -> None:
    assert scale.classify(rows, STATE, client=client) == scale.classify(rows, STATE)


def test_an_error_of_a_worker_is_the_error(client: Any, rows: Path, tmp_path: Path) -> None:
    small = mt.MtrrState(0x806, maxphyaddr=33)
    with pytest.raises(mt.AddressError, match=r"in.parquet: address 0x[0-9a-f]+ in row [0-9]+ is not below"):
        scale.classify(rows, small, tmp_path / "o.parquet", client=client)
    assert not list(tmp_path.iterdir())


def test_collections_on_processes(client: Any, rows: Path) -> None:
    dd = pytest.importorskip("dask.dataframe")
    column = dd.read_parquet(rows, columns=["gpa"], split_row_groups=True)["gpa"]
    values = table(ROWS)["gpa"].to_numpy()
    assert scale.histogram(column, STATE).compute().tolist() == STATE.histogram(values).tolist()


def test_the_verb_on_a_running_cluster(
    client: Any, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.json").write_text(mt.emit(STATE, "json"))
    where, out = client.scheduler.address, tmp_path / "o.npy"
    assert cli.main(["classify", str(tmp_path / "s.json"), str(rows), "-o", str(out), "--dask", where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == ROWS
    assert types_in(out) == STATE.types(table(ROWS)["gpa"].to_numpy()).tolist()


def test_the_verb_on_processes_of_its_own(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.json").write_text(mt.emit(STATE, "json"))
    assert cli.main(["classify", str(tmp_path / "s.json"), str(rows), "--dask", "local"]) == 0
    assert capsys.readouterr().out.startswith(f"{ROWS:,} rows")


def test_no_scheduler_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.json").write_text(mt.emit(STATE, "json"))
    for where in ("tcp://127.0.0.1:1", "nowhere"):
        assert cli.main(["classify", str(tmp_path / "s.json"), "--range", "0+4G", "--dask", where]) == 2
        said = capsys.readouterr()
        assert not said.out and f"--dask {where}: no scheduler answers" in said.err
