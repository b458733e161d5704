"""What is asked of each batch of rows, and the counts that batches add up to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memtype import arguments, arrays
from memtype.arrow import BEYOND, codes, filled, numbers, plain, pyarrow
from memtype.errors import AddressError, InputError
from memtype.mtrr import MtrrState
from memtype.scale.asked import Asked, Fleet

NULL: Final = 16  # the place of rows without a type in a row of counts, behind the 16 that types may have
PLACES: Final = 18  # ... and behind it the place of addresses beyond the address space

Counts = NDArray[np.int64]


class Tally:
    """How many rows have each type, by group; the group is None where nothing groups them.

    Adding is all that happens to it, so the order of batches makes no difference.
    """

    def __init__(self, groups: dict[Any, Counts] | None = None) -> None:
        self.groups: dict[Any, Counts] = {} if groups is None else groups

    def add(self, group: Any, counts: Any) -> None:
        held = self.groups.setdefault(group, np.zeros(PLACES, np.int64))
        held[: len(counts)] += np.asarray(counts, np.int64)

    def merge(self, other: Tally) -> None:
        for group, counts in other.groups.items():
            self.add(group, counts)

    @property
    def total(self) -> Counts:
        return sum(self.groups.values(), np.zeros(PLACES, np.int64))

    def as_json(self) -> list[list[Any]]:
        return [[group, counts.tolist()] for group, counts in self.groups.items()]

    @classmethod
    def from_json(cls, rows: Iterable[Any]) -> Tally:
        return cls({group: np.array(counts, np.int64) for group, counts in rows})


@dataclass(frozen=True)
class Question:
    """Which columns are asked about, and who answers.

    Attributes
    ----------
    asked : Asked or Fleet
        A `Fleet` has a machine for each value of the column `by`.
    gpa, pte, by : str
        Names of columns: addresses; page-table entries, for effective types; what groups the counts.
    level : int
        Of the page-table entries, as `Pat.index` takes it.
    beyond : {"raise", "null"}
    """

    asked: Asked | Fleet
    gpa: str = "gpa"
    pte: str | None = None
    by: str | None = None
    level: int = 1
    beyond: str = "raise"

    @property
    def columns(self) -> dict[str, str]:
        """What is to be read, and what each column holds."""
        named = {} if self.by is None else {self.by: "name"}
        return {self.gpa: "number"} | ({} if self.pte is None else {self.pte: "number"}) | named

    def token(self) -> str:
        """The same text for the same question, in every process."""
        about = (self.asked.token(), self.gpa, self.pte, self.by, self.level, self.beyond)
        return hashlib.sha256(repr(about).encode()).hexdigest()

    def count(self, batch: Any) -> Tally:
        """The counts of a batch, without an array of types where there is a way."""
        chunk = batch.column(self.gpa)
        source = self.asked.source if isinstance(self.asked, Asked) else None
        if self.pte is None and self.by is None and isinstance(source, MtrrState) and _whole(chunk):
            try:
                return _counted(source.histogram(numbers(chunk)))
            except AddressError:
                pass  # the other way names it, or makes it null
        return self.answer(batch)[1]

    def answer(self, batch: Any) -> tuple[Any, Tally]:
        """The types of a batch as a pyarrow uint8 array, null where there is none; and the counts.

        Raises
        ------
        AddressError
            With ``beyond="raise"``, for the first address beyond; `.index` is its place in the batch.
        """
        pa = pyarrow()
        groups, members = self._groups(batch)
        found = self._codes(batch, groups, members)
        outside = pa.compute.equal(found, pa.scalar(BEYOND, pa.uint8()))
        any_outside = pa.compute.any(outside, min_count=0).as_py()
        if any_outside and self.beyond == "raise":
            raise self._refusal(batch, outside.index(True).as_py(), groups, members)
        tally = _tally(found, groups, members)
        return (pa.compute.if_else(outside, pa.scalar(None, pa.uint8()), found) if any_outside else found), tally

    def _groups(self, batch: Any) -> tuple[list[Any], Any]:
        """The values of the column `by`, and for each row the place of its own."""
        if self.by is None:
            return [None], None
        encoded = _groups_of(batch.column(self.by), self.by)
        if not pyarrow().types.is_dictionary(encoded.type) or encoded.null_count or encoded.dictionary.null_count:
            encoded = plain(encoded).dictionary_encode(null_encoding="encode")
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)

    def _codes(self, batch: Any, groups: list[Any], members: Any) -> Any:
        """The codes as `arrow.codes` makes them."""
        pa = pyarrow()
        chunk = batch.column(self.gpa)
        if isinstance(self.asked, Asked) and self.pte is None:
            return codes(chunk, self.asked.source)
        addresses, nulls = _filled(chunk, self.gpa)
        places = None
        if isinstance(self.asked, Fleet):
            places = np.array([self.asked.place(name) for name in groups], np.uint64)[members]
            found = self.asked.codes(addresses, places)
        else:
            found = self.asked.codes(addresses)
        if self.pte is not None:
            ptes, empty = _filled(batch.column(self.pte), self.pte)
            nulls = empty if nulls is None else nulls if empty is None else nulls | empty
            rest = (ptes, self.level)
            found = self.asked.effective(found, *((*rest,) if places is None else (places, *rest)))
        return pa.array(found, mask=nulls)

    def _refusal(self, batch: Any, place: int, groups: list[Any], members: Any) -> AddressError:
        if isinstance(self.asked, Fleet):
            width = self.asked.width(self.asked.place(groups[members[place]]))
        else:
            width = self.asked.maxphyaddr
        return arguments.address_beyond(batch.column(self.gpa)[place].as_py(), width, place)


def _groups_of(chunk: Any, name: str) -> Any:
    """The column that groups, if its values can be told apart and printed."""
    types = pyarrow().types
    kind = chunk.type
    while types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        kind = kind.value_type
    if types.is_nested(kind) or types.is_floating(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        raise InputError(f"{name}: type {kind} groups nothing; integers or text are needed")
    return chunk


def _whole(chunk: Any) -> bool:
    """An integer array that is nothing but numbers."""
    return not chunk.null_count and bool(pyarrow().types.is_integer(chunk.type))


def _filled(chunk: Any, what: str) -> tuple[arrays.U64Array, Any]:
    pa = pyarrow()
    if pa.types.is_null(chunk.type):
        return np.zeros(len(chunk), np.uint64), np.ones(len(chunk), bool)
    return filled(plain(chunk), what)


def _counted(counts: Any) -> Tally:
    made = Tally()
    made.add(None, counts)
    return made


def _tally(found: Any, groups: list[Any], members: Any) -> Tally:
    """Rows by group and code, nulls and addresses beyond counted apart."""
    values = (found.fill_null(0) if found.null_count else found).to_numpy(zero_copy_only=True)
    if values.size and values.max() == BEYOND:
        values = np.where(values == BEYOND, np.uint8(PLACES - 1), values)
    if found.null_count:
        values = np.where(found.is_null().to_numpy(zero_copy_only=False), np.uint8(NULL), values)
    if members is None:
        return _counted(np.bincount(values, minlength=PLACES))
    both = np.bincount(members * PLACES + values, minlength=len(groups) * PLACES).reshape(-1, PLACES)
    made = Tally()
    for group, counts in zip(groups, both, strict=True):
        if counts.any():
            made.add(_plain_value(group), counts)
    return made


def _plain_value(group: Any) -> Any:
    """A group as JSON can hold it."""
    if group is None or isinstance(group, (str, int)):
        return group
    return str(group)
