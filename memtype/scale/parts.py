"""What is done of a job, beside its output: a part for each unit, so that a job that was killed goes on where it was.

``OUT.parts/`` holds ``job.json`` (which job this is), and of each finished unit its rows (``000007.arrow``) and its
counts (``000007.json``). A part is there when its counts are: they get their name last.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memtype.arrow import pyarrow
from memtype.errors import InputError
from memtype.scale.files import Unit, size_of
from memtype.scale.outputs import Arrow, Output, regrouped, sync
from memtype.scale.question import Tally


class OtherJob(InputError):
    """The parts that lie beside the output belong to another job: they stay."""


@dataclass(frozen=True)
class Parts:
    """The folder of parts of the output `out`."""

    out: str

    @property
    def folder(self) -> Path:
        return Path(f"{self.out}.parts")

    @contextmanager
    def begun(self, job: dict[str, Any], restart: bool) -> Iterator[None]:
        """Hold the folder: made new, or as a job of the same inputs and question left it.

        Raises
        ------
        OtherJob
            Where it is another job's, or another process is at it.
        """
        with _locked(f"{self.out}.lock", self.folder):
            if restart:
                self.drop()
            self.folder.mkdir(exist_ok=True)
            self._check(job)
            yield

    def _check(self, job: dict[str, Any]) -> None:
        told = self.folder / "job.json"
        if not told.exists():
            _named(told, json.dumps(job))
        try:
            held = json.loads(told.read_text())
            other = [name for name in job if held[name] != job[name]]
        except (ValueError, TypeError, KeyError):
            other = ["everything"]
        if other:
            words = f"{self.folder} holds parts of another job (other {', '.join(other)})"
            raise OtherJob(f"{words}: --restart begins anew, or write to another file")

    def done(self, number: int) -> Tally | None:
        """The counts of a unit that is finished."""
        try:
            return Tally.from_json(json.loads(self._path(number, "json").read_text()))
        except FileNotFoundError:
            return None

    def write(self, number: int, schema: Any, batches: Iterable[Any], tally: Tally) -> None:
        """Keep the rows of a unit; `tally` is complete when the batches are through."""
        scratch = self.folder / f"{uuid.uuid4().hex}.tmp"  # two workers may do the same unit, and the same is in both
        try:
            with closing(Arrow(scratch, schema, -1)) as output:
                for batch in batches:
                    output.write(batch)
            sync(scratch)
            os.replace(scratch, self._path(number, "arrow"))
        finally:
            scratch.unlink(missing_ok=True)
        _named(self._path(number, "json"), json.dumps(tally.as_json()))

    def try_output(self, kind: type[Output], schema: Any) -> None:
        """Refuse columns that such a file cannot hold, before hours of work."""
        scratch = self.folder / f"{uuid.uuid4().hex}.tmp"
        try:
            with closing(kind(scratch, schema, 0)) as output:
                output.write(_no_rows(schema))
        except pyarrow().ArrowException as error:
            raise InputError(f"{self.out}: {' '.join(str(error).split())}") from None
        finally:
            scratch.unlink(missing_ok=True)

    def assemble(self, units: int, kind: type[Output], schema: Any, rows: int) -> None:
        """Write the output from its parts, beside it, and give it its name when it is whole."""
        scratch = Path(f"{self.out}.tmp")
        try:
            with closing(kind(scratch, schema, rows)) as output:
                for batch in regrouped(self._rows(units)):
                    output.write(batch)
            sync(scratch)
            os.replace(scratch, self.out)
        finally:
            scratch.unlink(missing_ok=True)
        self.drop()

    def _rows(self, units: int) -> Iterator[Any]:
        import pyarrow.ipc as ipc

        for number in range(units):
            with open(self._path(number, "arrow"), "rb") as file:
                reader = ipc.open_file(file)
                for place in range(reader.num_record_batches):
                    yield reader.get_batch(place)

    def drop(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:06d}.{suffix}"


def _no_rows(schema: Any) -> Any:
    pa = pyarrow()
    return pa.record_batch([pa.array([], field.type) for field in schema], schema=schema)


@contextmanager
def _locked(path: str, folder: Path) -> Iterator[None]:
    """Two processes on one output would take each other's parts away. A lock ends with the process that holds it."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OtherJob(f"{folder}: another process is writing it") from None
        try:
            yield
        finally:
            Path(path).unlink(missing_ok=True)


def described(units: list[Unit], token: str, keep: list[str], names: bool) -> dict[str, Any]:
    """What makes a job this one: inputs as they are now, how they are cut, what is asked and kept."""
    paths = dict.fromkeys(unit.path for unit in units if unit.kind != "pages")
    cut = [[unit.path, unit.kind, unit.start, unit.stop] for unit in units]
    inputs = [[path, *size_of(path)] for path in paths]
    return {"inputs": [inputs, cut], "question": token, "columns": [keep, names]}


def _named(path: Path, text: str) -> None:
    """A small file that is there whole or not at all."""
    scratch = path.with_name(f"{uuid.uuid4().hex}.tmp")
    scratch.write_text(text)
    sync(scratch)
    os.replace(scratch, path)
