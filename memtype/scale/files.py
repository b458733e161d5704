"""Files of addresses, cut into units: what is read, answered and, when it was lost, done again as one piece.

A kind of file is one class: how it is cut, how a unit is read in batches of bounded size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from memtype import rules
from memtype.arguments import shown
from memtype.arrow import pyarrow
from memtype.errors import InputError, MissingExtra

BATCH: Final = 1 << 17  # rows read at once: 1 MiB of addresses
UNIT: Final = 1 << 20  # rows that a unit has at least, where the file can be cut so
Columns = Mapping[str, str]  # names, and what each holds: "number", "name" or "any"
_BUFFER: Final = 1 << 18  # bytes of a Parquet column read ahead: a row group may be larger than memory


@dataclass(frozen=True)
class Unit:
    """Part of one file, cut at the file's own borders: rows [first, first + rows) of it.

    `start` and `stop` are in what the kind counts: row groups, record batches, rows. `rows` is -1 where only reading
    tells.
    """

    path: str
    kind: str
    start: int
    stop: int
    first: int = 0
    rows: int = -1

    def batches(self, columns: Columns) -> Iterator[Any]:
        """Its rows as record batches of those columns."""
        return KINDS[self.kind].batches(self, columns)


def units(paths: Sequence[str], kind: str | None = None) -> list[Unit]:
    """All units of files and folders, in order.

    Raises
    ------
    InputError
        For what is no file of a known kind, with its name.
    """
    made: list[Unit] = []
    for path in paths:
        for file in _inside(path):
            made += _of_file(file, kind)
    return made


def _of_file(path: str, kind: str | None) -> list[Unit]:
    with reading(path):
        found = kind or kind_of(path)
        return list(KINDS[found].cut(path))


def _inside(path: str) -> list[str]:
    """A file, or the files of known kinds under a folder."""
    if "://" in path:
        fs, place = _filesystem(path)
        if not fs.isdir(place):
            return [path]
        found = sorted(fs.unstrip_protocol(name) for name in fs.find(place))
    elif os.path.isdir(path):
        found = sorted(str(name) for name in Path(path).rglob("*") if name.is_file())
    else:
        return [path]
    kept = [name for name in found if not _hidden(name, path) and Path(name).suffix.lower() in _SUFFIXES]
    if not kept:
        raise InputError(f"{path}: no file of addresses in that folder ({' '.join(_SUFFIXES)})")
    return kept


def _hidden(name: str, folder: str) -> bool:
    """Names that begin with a dot or an underscore are notes of programs, as every reader of folders has it."""
    return any(part[0] in "._" for part in Path(name[len(folder) :].lstrip("/")).parts)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Whatever goes wrong with a file is one line that names it."""
    pa = pyarrow()
    try:
        yield
    except InputError as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise type(error)(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or _line(error)}") from None
    except (pa.ArrowException, ValueError, EOFError) as error:
        raise InputError(f"{path}: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def opened(path: str) -> Any:
    """The file, to be read and searched; on whatever fsspec reaches where the path is a URL."""
    if "://" not in path:
        return open(path, "rb")
    fs, place = _filesystem(path)
    return fs.open(place, "rb")


def size_of(path: str) -> tuple[int, int]:
    """Bytes, and when it was last written: what tells one version of a file from another."""
    if "://" not in path:
        told = os.stat(path)
        return told.st_size, told.st_mtime_ns
    fs, place = _filesystem(path)
    return int(fs.size(place)), 0


def _filesystem(path: str) -> Any:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtra(f"{path}: a URL needs fsspec: pip install 'memtype[dask]'") from None
    try:
        return url_to_fs(path)
    except ImportError as error:  # the store's own package
        raise MissingExtra(f"{path}: {_line(error)}") from None
    except ValueError as error:
        raise InputError(f"{path}: {_line(error)}") from None


def kind_of(path: str) -> str:
    """The kind of a file by its first bytes, else by its name."""
    with opened(path) as file:
        head = file.read(8)
    for name, kind in KINDS.items():
        if kind.magic and head.startswith(kind.magic):
            return name
    found = next((name for name, kind in KINDS.items() if Path(path).suffix.lower() in kind.suffixes), None)
    if found is None or KINDS[found].magic:
        words = f"a file of addresses is one of {', '.join(FORMATS)}; --format says which"
        raise InputError(f"{path}: {'not ' + found if found else 'what it holds is not known'}: {words}")
    return found


def is_addresses(path: str) -> bool:
    """Whether it is a folder, a URL, or a file that `kind_of` knows."""
    if "://" in path or os.path.isdir(path):
        return True
    try:
        return bool(kind_of(path))
    except (InputError, OSError):
        return False


def named(columns: Iterable[str], held: Sequence[str]) -> None:
    """Refuse the first column that a file does not have."""
    for name in columns:
        if name not in held:
            raise InputError(f"no column {name!r}; it has {', '.join(map(repr, held)) or 'none'}")


def _runs(sizes: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """(start, stop, first row, rows) of neighbours that have `UNIT` rows together; the last run may have fewer. An
    empty file is one run: its columns are looked at too."""
    start = first = rows = 0
    for stop, size in enumerate(sizes, 1):
        rows += size
        if rows >= UNIT:
            yield start, stop, first, rows
            start, first, rows = stop, first + rows, 0
    if start < len(sizes) or not sizes:
        yield start, len(sizes), first, rows


class Kind:
    """One kind of file."""

    magic: ClassVar[bytes] = b""
    suffixes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def cut(cls, path: str) -> Iterator[Unit]:
        raise NotImplementedError

    @classmethod
    def batches(cls, unit: Unit, columns: Columns) -> Iterator[Any]:
        raise NotImplementedError

    @classmethod
    def schema(cls, path: str, columns: Columns | None = None) -> Any:
        """As `batches` reads those columns; without `columns` all of them, None where they have no names."""
        raise NotImplementedError


class Parquet(Kind):
    magic = b"PAR1"
    suffixes = (".parquet", ".pq")

    @classmethod
    def _file(cls, file: Any, dictionaries: Sequence[str] = ()) -> Any:
        pyarrow()
        import pyarrow.parquet as pq

        # Read-ahead of whole row groups takes 0.7 to 1.4 GB for 10^8 rows, and saves no processor time.
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER, read_dictionary=list(dictionaries))

    @classmethod
    def schema(cls, path: str, columns: Columns | None = None) -> Any:
        with opened(path) as file:
            return cls._file(file).schema_arrow

    @classmethod
    def cut(cls, path: str) -> Iterator[Unit]:
        with opened(path) as file:
            told = cls._file(file).metadata
            sizes = [told.row_group(place).num_rows for place in range(told.num_row_groups)]
        for start, stop, first, rows in _runs(sizes):
            yield Unit(path, "parquet", start, stop, first, rows)

    @classmethod
    def batches(cls, unit: Unit, columns: Columns) -> Iterator[Any]:
        with opened(unit.path) as stream:
            schema = cls._file(stream).schema_arrow
            named(columns, schema.names)
            names = [name for name, holds in columns.items() if holds == "name" and _is_text(schema.field(name).type)]
            file = cls._file(stream, names)
            groups = list(range(unit.start, unit.stop))
            yield from file.iter_batches(BATCH, row_groups=groups, columns=list(columns), use_threads=False)


def _is_text(kind: Any) -> bool:
    types = pyarrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind))


class Arrow(Kind):
    magic = b"ARROW1"
    suffixes = (".arrow", ".feather", ".ipc")

    @classmethod
    def _file(cls, file: Any, fields: Sequence[int] = ()) -> Any:
        """Reads those fields alone; without any, all."""
        pyarrow()
        import pyarrow.ipc as ipc

        return ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=list(fields), use_threads=False))

    @classmethod
    def schema(cls, path: str, columns: Columns | None = None) -> Any:
        with opened(path) as file:
            return cls._file(file).schema

    @classmethod
    def cut(cls, path: str) -> Iterator[Unit]:
        with opened(path) as file:
            reader = cls._file(file, [0])  # rows are counted in batches alone
            sizes = [reader.get_batch(place).num_rows for place in range(reader.num_record_batches)]
        for start, stop, first, rows in _runs(sizes):
            yield Unit(path, "arrow", start, stop, first, rows)

    @classmethod
    def batches(cls, unit: Unit, columns: Columns) -> Iterator[Any]:
        with opened(unit.path) as file:
            held = cls._file(file).schema.names
            named(columns, held)
            reader = cls._file(file, sorted(held.index(name) for name in columns))
            for place in range(unit.start, unit.stop):
                batch = reader.get_batch(place).select(list(columns))
                for start in range(0, batch.num_rows, BATCH):
                    yield batch.slice(start, BATCH)


class Csv(Kind):
    """One unit: where a line of it begins only reading tells. Addresses are decimal, or hexadecimal with 0x."""

    suffixes = (".csv", ".tsv")

    @classmethod
    def schema(cls, path: str, columns: Columns | None = None) -> Any:
        with cls._reader(path, cls._types(columns or {}), list(columns or ())) as reader:
            return reader.schema

    @classmethod
    def cut(cls, path: str) -> Iterator[Unit]:
        with opened(path):
            yield Unit(path, "csv", 0, 1)

    @classmethod
    def batches(cls, unit: Unit, columns: Columns) -> Iterator[Any]:
        named(columns, cls.schema(unit.path).names)
        try:
            with cls._reader(unit.path, cls._types(columns), list(columns)) as reader:
                yield from reader
        except pyarrow().ArrowInvalid:
            cls._refuse_numbers(unit.path, [name for name, holds in columns.items() if holds == "number"])
            raise

    @staticmethod
    def _types(columns: Columns) -> dict[str, Any]:
        types = {"number": pyarrow().uint64(), "name": pyarrow().string()}
        return {name: types[holds] for name, holds in columns.items() if holds in types}

    @classmethod
    @contextmanager
    def _reader(cls, path: str, types: Mapping[str, Any], columns: Sequence[str]) -> Iterator[Any]:
        pyarrow()
        import pyarrow.csv as csv

        convert = csv.ConvertOptions(include_columns=columns, column_types=types)
        parse = csv.ParseOptions(delimiter="\t" if path.lower().endswith(".tsv") else ",")
        read = csv.ReadOptions(use_threads=False, block_size=1 << 20)
        # The reader has threads of its own. A file of Python's is none for them: they may still be at it when the
        # interpreter ends, which then aborts.
        with opened(path) as file:
            source = path if "://" not in path else file
            with csv.open_csv(source, read, parse, convert) as reader:
                yield reader

    @classmethod
    def _refuse_numbers(cls, path: str, columns: Sequence[str]) -> None:
        """Name the first text that is no number: the reader tells the column alone."""
        row = 0
        with cls._reader(path, dict.fromkeys(columns, pyarrow().string()), columns) as reader:
            for batch in reader:
                texts = [batch.column(name).to_pylist() for name in columns]
                for place, cells in enumerate(zip(*texts, strict=True), row):
                    for name, cell in zip(columns, cells, strict=True):
                        if not _is_number(cell):
                            raise InputError(f"row {place}: {name} = {shown(cell)} is no number of 64 bits")
                row += batch.num_rows


def _is_number(cell: str) -> bool:
    """As the reader of the file takes it: empty (null), decimal, or hexadecimal with 0x."""
    return bool(_NUMBER.fullmatch(cell)) and int(cell or "0", 16 if cell[:2] in ("0x", "0X") else 10) < 1 << 64


_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|\d*")


class Numbers(Kind):
    """Files that are one array of integers: a header, then the numbers. Their one column has any name."""

    kind: ClassVar[str]

    @classmethod
    def layout(cls, path: str) -> tuple[np.dtype[Any], int, int]:
        """dtype, where the first number lies, how many there are."""
        raise NotImplementedError

    @classmethod
    def cut(cls, path: str) -> Iterator[Unit]:
        _, _, count = cls.layout(path)
        for first in range(0, max(count, 1), UNIT):
            rows = min(UNIT, count - first)
            yield Unit(path, cls.kind, first, first + rows, first, rows)

    @classmethod
    def batches(cls, unit: Unit, columns: Columns) -> Iterator[Any]:
        pa = pyarrow()
        if len(columns) != 1:
            raise InputError(f"the file has one column of numbers, not {len(columns)}")
        dtype, begin, _ = cls.layout(unit.path)
        with opened(unit.path) as file:
            file.seek(begin + unit.start * dtype.itemsize)
            for start in range(unit.start, unit.stop, BATCH):
                wanted = min(BATCH, unit.stop - start)
                read = file.read(wanted * dtype.itemsize)
                if len(read) != wanted * dtype.itemsize:
                    raise InputError(f"the file ends within row {start + len(read) // dtype.itemsize}")
                values = np.frombuffer(read, dtype)
                yield pa.record_batch([pa.array(values.astype(dtype.newbyteorder("="), copy=False))], list(columns))

    @classmethod
    def schema(cls, path: str, columns: Columns | None = None) -> Any:
        return None if columns is None else _one_column(columns, cls.layout(path)[0])


def _one_column(columns: Columns, dtype: np.dtype[Any]) -> Any:
    pa = pyarrow()
    return pa.schema([(next(iter(columns)), pa.from_numpy_dtype(dtype.newbyteorder("=")))])


class Npy(Numbers):
    kind = "npy"
    magic = b"\x93NUMPY"
    suffixes = (".npy",)

    @classmethod
    def layout(cls, path: str) -> tuple[np.dtype[Any], int, int]:
        with opened(path) as file:
            version = np.lib.format.read_magic(file)
            headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in headers:
                raise InputError(f".npy version {version[0]}.{version[1]} is none of numbers")
            shape, _, dtype = headers[version](file)
            begin = file.tell()
        if len(shape) != 1:
            raise InputError(f"shape {shape} is no column: one dimension is needed")
        if dtype.kind not in "iu":
            raise InputError(f"dtype {dtype} is not an integer type; give uint64")
        return dtype, begin, int(shape[0])


class Raw(Numbers):
    """Little-endian uint64 without a header."""

    kind = "raw"
    suffixes = (".raw", ".bin", ".u64")

    @classmethod
    def layout(cls, path: str) -> tuple[np.dtype[Any], int, int]:
        size, _ = size_of(path)
        if size % 8:
            raise InputError(f"{size} bytes are no whole number of uint64")
        return np.dtype("<u8"), 0, size // 8


class Pages(Kind):
    """Not a file: the 4 KiB pages of a range, `path` being how it was written; an address is that of a page."""

    @classmethod
    def of(cls, text: str, base: int, size: int) -> list[Unit]:
        first, stop = base >> rules.PAGE_SHIFT, (base + size - 1 >> rules.PAGE_SHIFT) + 1
        return [
            Unit(text, "pages", start, min(start + UNIT, stop), start - first, min(UNIT, stop - start))
            for start in range(first, stop, UNIT)
        ]

    @classmethod
    def batches(cls, unit: Unit, columns: Columns) -> Iterator[Any]:
        pa = pyarrow()
        if len(columns) != 1:
            raise InputError(f"a range has one column, its addresses, not {len(columns)}")
        for start in range(unit.start, unit.stop, BATCH):
            gfns = np.arange(start, min(start + BATCH, unit.stop), dtype=np.uint64)
            yield pa.record_batch([pa.array(gfns << np.uint64(rules.PAGE_SHIFT))], list(columns))

    @classmethod
    def schema(cls, path: str, columns: Columns | None = None) -> Any:
        return None if columns is None else _one_column(columns, np.dtype(np.uint64))


KINDS: Final[dict[str, type[Kind]]] = {
    "parquet": Parquet, "arrow": Arrow, "csv": Csv, "npy": Npy, "raw": Raw, "pages": Pages,
}  # fmt: skip
FORMATS: Final = ("parquet", "arrow", "csv", "npy", "raw")
_SUFFIXES: Final = tuple(suffix for kind in KINDS.values() for suffix in kind.suffixes)
