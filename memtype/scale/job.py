"""A job over files: the units, one after the other here or side by side elsewhere, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from memtype.arrow import names as names_of
from memtype.arrow import pyarrow
from memtype.errors import AddressError, InputError, MemtypeError
from memtype.scale.files import KINDS, Unit, named, reading
from memtype.scale.outputs import TYPE, Output
from memtype.scale.parts import Parts, described
from memtype.scale.question import Question, Tally

Progress = Callable[[int, int], None]  # rows done, rows of all units (-1 where it is not known)
Done = Iterator[tuple[int, Tally]]  # number of a unit, its counts


@dataclass(frozen=True)
class Task:
    """What is done with one unit; it travels to where the work is done."""

    question: Question
    parts: Parts | None = None
    schema: Any = None
    keep: tuple[str, ...] = ()
    names: bool = False

    def __call__(self, number: int, unit: Unit) -> Tally:
        tally = Tally()
        if self.parts is not None:
            self.parts.write(number, self.schema, self._typed(unit, tally), tally)
            return tally
        with reading(unit.path):
            for batch, row in _numbered(unit, self.question.columns):
                with _at_row(row):
                    tally.merge(self.question.count(batch))
        return tally

    def _typed(self, unit: Unit, tally: Tally) -> Iterator[Any]:
        """Batches of the output; their counts go into `tally`."""
        with reading(unit.path):
            for batch, row in _numbered(unit, columns_of(self.question, self.keep)):
                with _at_row(row):
                    found, counted = self.question.answer(batch)
                tally.merge(counted)
                made = [*(batch.column(name) for name in self.keep), names_of(found) if self.names else found]
                kept = [c.cast(f.type) if c.type != f.type else c for c, f in zip(made, self.schema, strict=True)]
                yield pyarrow().record_batch(kept, schema=self.schema)


def columns_of(question: Question, keep: Sequence[str]) -> dict[str, str]:
    """What is to be read to answer, and to be kept."""
    return {**dict.fromkeys(keep, "any"), **question.columns}


def _numbered(unit: Unit, columns: dict[str, str]) -> Iterator[tuple[Any, int]]:
    """Batches with the number that their first row has in the file."""
    row = unit.first
    for batch in unit.batches(columns):
        yield batch, row
        row += batch.num_rows


class _at_row:
    """An error of a batch names its row of the file."""

    def __init__(self, row: int) -> None:
        self.row = row

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, AddressError) and error.index is not None:
            place = error.index + self.row
            raise AddressError(str(error).replace(f" at index {error.index} ", f" in row {place} "), place) from None


class Runner(Protocol):
    """Whoever does the work: yields units as they are finished, in any order."""

    def __call__(self, task: Task, waiting: Sequence[tuple[int, Unit]]) -> Done: ...


def here(task: Task, waiting: Sequence[tuple[int, Unit]]) -> Done:
    """One after the other, in this process."""
    for number, unit in waiting:
        yield number, task(number, unit)


@dataclass(frozen=True)
class Job:
    """Units to classify, and where the types go.

    Attributes
    ----------
    units : list of Unit
    question : Question
    out : str, optional
        The file of types; its name says its kind. Without it rows are only counted.
    keep : list of str
        Columns that stand beside the type.
    names : bool
        The type as a dictionary of names instead of a number.
    """

    units: list[Unit]
    question: Question
    out: str | None = None
    keep: list[str] = field(default_factory=list)
    names: bool = False

    def run(self, kind: type[Output] | None, run: Runner = here, progress: Progress | None = None,
            restart: bool = False) -> Tally:  # fmt: skip
        """Do what is not done yet, write the output, give the counts of all rows.

        Raises
        ------
        InputError
            For the first thing that is wrong; then there is no output, and no part of one.
        """
        if self.out is None or kind is None:
            numbered = list(enumerate(self.units))
            return self._counted(run(Task(self.question), numbered), numbered, Tally(), progress)
        parts = Parts(self.out)
        try:
            with parts.begun(described(self.units, self.question.token(), self.keep, self.names), restart):
                return self._written(parts, kind, run, progress)
        except OSError as error:  # reading wraps its own: what is done is kept
            raise InputError(f"{self.out}: cannot be written: {error.strerror or error}") from None

    def _written(self, parts: Parts, kind: type[Output], run: Runner, progress: Progress | None) -> Tally:
        tally, waiting = Tally(), []
        try:
            schema = self._schema()
            parts.try_output(kind, schema)
            task = Task(self.question, parts, schema, tuple(self.keep), self.names)
            for number, unit in enumerate(self.units):
                done = parts.done(number)
                if done is None:
                    waiting.append((number, unit))
                else:
                    tally.merge(done)
            self._counted(run(task, waiting), waiting, tally, progress)
            parts.assemble(len(self.units), kind, schema, int(tally.total.sum()))
        except InputError:  # no part of it is right
            parts.drop()
            raise
        return tally

    def _counted(
        self, finished: Done, waiting: Sequence[tuple[int, Unit]], tally: Tally, progress: Progress | None
    ) -> Tally:
        missing = {number for number, _ in waiting}
        rows = sum(unit.rows for unit in self.units) if all(unit.rows >= 0 for unit in self.units) else -1
        for number, counted in finished:
            missing.remove(number)
            tally.merge(counted)
            if progress is not None:
                progress(int(tally.total.sum()), rows)
        if missing:  # a runner that loses a unit must not pass for an answer
            raise MemtypeError(f"{len(missing)} of {len(self.units)} units came back without an answer")
        return tally

    def _schema(self) -> Any:
        """The columns of the output: those kept as the first file has them, and the type."""
        pa = pyarrow()
        kind = pa.dictionary(pa.int8(), pa.string()) if self.names else pa.uint8()
        fields = [pa.field(TYPE, kind)]
        if self.keep:
            first, wanted = self.units[0], columns_of(self.question, self.keep)
            with reading(first.path):
                kind_of_first = KINDS[first.kind]
                named(wanted, (kind_of_first.schema(first.path) or kind_of_first.schema(first.path, wanted)).names)
                held = kind_of_first.schema(first.path, wanted)
            fields = [_plain_field(held.field(name)) for name in self.keep] + fields
        return pa.schema(fields)


def _plain_field(field: Any) -> Any:
    """Dictionaries differ from batch to batch: the output holds the values."""
    types = pyarrow().types
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    return pyarrow().field(field.name, kind)
