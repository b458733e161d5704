"""Files of addresses in every format, and the answer that is worked out in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import memtype as mt

STATE = mt.MtrrState(
    0xC06, [0x0606060606060606] * 2 + [0x0001040506000104] * 9,
    [(0x80000000, 0x3FFF80000800), (0x100000001, 0x3FFFF0000800)], maxphyaddr=46,
)  # fmt: skip
AMD = mt.MtrrState(0x800, variable=[(0x6, 0xFFF80000800)], maxphyaddr=44, vendor="amd")
KINDS = ("parquet", "arrow", "csv", "npy", "raw")


def addresses(rows: int, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < 0.2, rng.integers(0, 1 << 20, rows), rng.integers(0, 1 << 34, rows)).astype("u8")


def table(rows: int, seed: int = 1) -> Any:
    """gpa, pte, host: all without nulls."""
    import pyarrow as pa

    rng = np.random.default_rng(seed + 1)
    hosts = np.array(["a", "b", "c"])[rng.integers(0, 3, rows)]
    ptes = rng.integers(0, 256, rows).astype("u8")
    return pa.table({"gpa": addresses(rows, seed), "pte": ptes, "host": pa.array(hosts.tolist(), pa.string())})


def write(held: Any, path: Path, group: int = 700) -> Path:
    """A table in the format of the file's name, in groups of so many rows."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if path.suffix == ".parquet":
        pa.parquet.write_table(held, path, row_group_size=group)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(str(path), held.schema) as file:
            file.write_table(held, max_chunksize=group)
    elif path.suffix == ".csv":
        pa.csv.write_csv(held, path)
    elif path.suffix == ".npy":
        np.save(path, held["gpa"].to_numpy())
    else:
        held["gpa"].to_numpy().astype("<u8").tofile(path)
    return path


def types_in(path: Path) -> Any:
    """The types that a file holds, as a list."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if path.suffix == ".parquet":
        return pa.parquet.read_table(path)["type"].to_pylist()
    if path.suffix == ".arrow":
        return pa.ipc.open_file(str(path)).read_all()["type"].to_pylist()
    if path.suffix == ".csv":
        return pa.csv.read_csv(path)["type"].to_pylist()
    return (np.load(path) if path.suffix == ".npy" else np.fromfile(path, np.uint8)).tolist()
