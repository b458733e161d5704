"""Jobs over files: what it costs to count and to write types, beside a scan that does nothing."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Any

from bench.measure import Call, Goal, Job, ratio
from bench.states import addresses, state
from memtype import scale
from memtype.scale.files import units


@functools.cache
def parquet(count: int) -> Path:
    """A file of so many addresses, in row groups of 2^20; it goes with the process."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(tempfile.mkdtemp(prefix="memtype-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    table = pa.table({"gpa": addresses(count)})
    pq.write_table(table, folder / "in.parquet", row_group_size=1 << 20, use_dictionary=False)
    return folder / "in.parquet"


@functools.cache
def workers() -> Any:
    """A client of two processes, which end with this one."""
    import distributed

    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    client = distributed.Client(cluster)
    atexit.register(cluster.close)
    atexit.register(client.close)
    return client


def scan(path: Path) -> int:
    return sum(batch.num_rows for unit in units([str(path)]) for batch in unit.batches({"gpa": "number"}))


def classified(count: int) -> Job:
    name, s = f"Parquet, {count:,} addresses", state(10)
    if importlib.util.find_spec("pyarrow") is None:
        return Job(name, {}, [], {"memtype classify": "pip install memtype[arrow]"})
    path = parquet(count)
    calls: dict[str, tuple[Call, int]] = {
        "scan": (lambda: scan(path), count),
        "counted": (lambda: scale.classify(path, s), count),
        "written": (lambda: scale.classify(path, s, path.with_name("out.parquet")), count),
    }
    skipped = {}
    if importlib.util.find_spec("distributed") is None:
        skipped["counted by Dask"] = "pip install memtype[dask]"
    else:
        calls["counted by Dask"] = lambda: scale.classify(path, s, client=workers()), count
    goal = Goal("counted <= 1.15x a scan that does nothing", 1.15, ratio("counted", "scan"))
    return Job(name, calls, [goal], skipped, beside=("scan",))
