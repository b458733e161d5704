"""What a document of vectors is made of: sections of rows, whose columns are typed. The printers know no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

SCHEMA: Final = "memtype-vectors/1"
ANSWERS: Final = "memtype-answers/1"

TEXT: Final = "text"
WORD: Final = "word"  # a register or an address: 64 bits, in hexadecimal
NUMBER: Final = "number"  # a width, an index, a level
FLAG: Final = "flag"  # 0 or 1
TYPE: Final = "type"  # a memory type, or for an input also a reserved encoding
VENDOR: Final = "vendor"  # 0 Intel, 1 AMD
ROW: Final = "row"  # the place of a row of the section "mtrr"
VENDORS: Final = ("intel", "amd")


class Column(NamedTuple):
    """A value of every row. `length` values where that is not 1; as many as each row has where it is 0."""

    name: str
    kind: str
    length: int = 1
    width: int = 1  # of a list that each row has as long as it likes: values in an element (a pair has two)


class Section(NamedTuple):
    """Cases of one kind: what is given, what is answered. A row holds id, rule, source, then all columns in order."""

    name: str
    text: str
    given: tuple[Column, ...]
    answer: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*HEAD, *self.given, *self.answer)

    def answered(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """The right answer of a row."""
        return row[len(HEAD) + len(self.given) :]


HEAD: Final = (Column("id", TEXT), Column("rule", TEXT), Column("source", TEXT))
