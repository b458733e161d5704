"""Files of types: one class for each kind, all written batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from memtype.arrow import plain, pyarrow
from memtype.errors import InputError
from memtype.scale.files import UNIT

TYPE: Final = "type"  # the name of the column


class Output:
    """A file that is being written."""

    keeps: ClassVar[bool] = True  # other columns, and nulls

    def __init__(self, path: Path, schema: Any, rows: int) -> None:
        raise NotImplementedError

    def write(self, batch: Any) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Parquet(Output):
    def __init__(self, path: Path, schema: Any, rows: int) -> None:
        import pyarrow.parquet as pq

        # A dictionary of millions of different addresses is given up half way: cheaper not to begin.
        few = [field.name for field in schema if field.name == TYPE or not pyarrow().types.is_integer(field.type)]
        self._file = pq.ParquetWriter(path, schema, use_dictionary=few)

    def write(self, batch: Any) -> None:
        self._file.write_batch(batch, row_group_size=UNIT)

    def close(self) -> None:
        self._file.close()


class Arrow(Output):
    def __init__(self, path: Path, schema: Any, rows: int) -> None:
        import pyarrow.ipc as ipc

        self._file = ipc.new_file(str(path), schema)

    def write(self, batch: Any) -> None:
        self._file.write_batch(batch)

    def close(self) -> None:
        self._file.close()


class Csv(Output):
    def __init__(self, path: Path, schema: Any, rows: int) -> None:
        import pyarrow.csv as csv

        types = pyarrow().types
        self._schema = pyarrow().schema(
            [f.with_type(f.type.value_type) if types.is_dictionary(f.type) else f for f in schema]
        )
        self._file = csv.CSVWriter(str(path), self._schema, write_options=csv.WriteOptions(quoting_style="needed"))

    def write(self, batch: Any) -> None:
        columns = [plain(column) for column in batch.columns]
        self._file.write_batch(pyarrow().record_batch(columns, schema=self._schema))

    def close(self) -> None:
        self._file.close()


class Raw(Output):
    """A byte for each row, nothing else."""

    keeps = False

    def __init__(self, path: Path, schema: Any, rows: int) -> None:
        self._rows = 0
        self._file = path.open("wb")

    def write(self, batch: Any) -> None:
        column = batch.column(TYPE)
        if column.null_count:
            place = self._rows + column.is_null().index(True).as_py()
            raise InputError(f"row {place} has no type, and a file of bytes alone holds no null: write .parquet")
        self._file.write(column.to_numpy(zero_copy_only=True).tobytes())
        self._rows += len(column)

    def close(self) -> None:
        self._file.close()


class Npy(Raw):
    def __init__(self, path: Path, schema: Any, rows: int) -> None:
        super().__init__(path, schema, rows)
        about = {"descr": "|u1", "fortran_order": False, "shape": (rows,)}
        np.lib.format.write_array_header_1_0(self._file, about)


_KINDS: Final[dict[str, type[Output]]] = {
    ".parquet": Parquet, ".pq": Parquet, ".arrow": Arrow, ".feather": Arrow, ".ipc": Arrow, ".csv": Csv,
    ".npy": Npy, ".raw": Raw, ".bin": Raw, ".u8": Raw,
}  # fmt: skip


def kind_for(path: str, keep: Iterable[str], names: bool) -> type[Output]:
    """The class that writes a file of that name; refused is what it could not hold."""
    found = _KINDS.get(Path(path).suffix.lower())
    if found is None:
        raise InputError(f"{path}: the name of the output says its kind: {' '.join(_KINDS)}")
    if not found.keeps and (names or list(keep)):
        raise InputError(f"{path}: a file of bytes alone holds neither names nor other columns: write .parquet")
    return found


def regrouped(batches: Iterable[Any]) -> Iterator[Any]:
    """The same rows in batches of `UNIT` rows, the last one smaller: row groups do not show how the input was cut."""
    waiting: list[Any] = []
    rows = 0
    for batch in batches:
        start = 0
        while rows + batch.num_rows - start >= UNIT:
            wanted = UNIT - rows
            yield _joined([*waiting, batch.slice(start, wanted)])
            waiting, rows, start = [], 0, start + wanted
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            rows += batch.num_rows - start
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[Any]) -> Any:
    return batches[0] if len(batches) == 1 else pyarrow().concat_batches(batches)


def sync(path: Path) -> None:
    """What was written is on the disk before its new name says that it is whole."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
