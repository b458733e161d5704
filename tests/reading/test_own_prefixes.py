"""What a program's own rows begin with is no front that a way put there: a range's number, a processor's, a sign.

Any run of rows, of any printer's list, stays as it is, however little of the text is there.
"""

from __future__ import annotations

import random

import dump_samples as dumps
import pytest
from printers import PRINTERS

import memtype as mt
from memtype.reading.lines import bare
from memtype.reading.transport import undo

STATE = mt.MtrrState(
    0xC06,
    (0x0606060606060606, 0, 0x0505050505050505) * 3 + (0x0505050505050505, 0),
    tuple(mt.range_registers(n << 30, 1 << 28, n % 2 * 6, 39) for n in range(6)) + ((0, 0),) * 2,
    39,
)  # fmt: skip
NONE = ("{", "}", '"', "#")  # a string of a document is what it holds, a remark no row
TEXTS = {name: text for name, (_, text) in dumps.TEXTS.items()} | {
    name: text for name, printer in PRINTERS.items() if isinstance(text := printer(STATE), str)
}


def windows(text: str, rng: random.Random) -> list[str]:
    """Some runs of neighbouring rows, and rows that begin alike, wherever they stand."""
    rows = [line for line in text.replace("\t", " ").split("\n") if line and line.lstrip()[0] not in NONE]
    begins = [rng.randrange(len(rows)) for _ in range(6 if rows else 0)]
    found = [rows[at : at + size] for size in (2, 3, 5) for at in begins]
    for row in rng.sample(rows, min(4, len(rows))):
        found.append([other for other in rows if alike(other) == alike(row)][:6])
    return ["\n".join(rows) for rows in found]


def alike(row: str) -> tuple[bool, int]:
    word = row.split()[0]
    return word.rstrip(".:").isdigit(), len(row) - len(row.lstrip())


def said(text: str) -> list[str]:
    """The lines without what a logger put in front, blanks and capitals apart."""
    return [" ".join(bare(line).lower().split()) for line in text.split("\n") if bare(line).strip()]


@pytest.mark.parametrize("name", TEXTS)
def test_rows_keep_what_they_begin_with(name):
    for window in windows(TEXTS[name], random.Random(name)):
        assert said(str(undo(window))) == said(window), window
