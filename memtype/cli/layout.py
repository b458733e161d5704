"""Lines that fit: every answer in 80 columns, continued lines indented, sources on a line of their own."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from memtype.types import MemoryType

WIDTH, PLAIN_WIDTH = 80, 75


@dataclass(slots=True)
class Style:
    """How answers are printed: what the options of `output.add_json` chose, for the command that runs."""

    width: int = WIDTH
    plain: bool = False
    exact: bool = False
    long: bool = False
    form: str | None = None  # "csv" or "md" in place of text


style = Style()


def choose(args: Any = None) -> None:
    """Print as the options in `args` say; without them, as if there were none."""
    plain = bool(getattr(args, "plain", False))
    style.width, style.plain = PLAIN_WIDTH if plain else WIDTH, plain
    style.exact, style.long = bool(getattr(args, "exact", False)), bool(getattr(args, "long_names", False))
    style.form = getattr(args, "table_form", None)


TYPE_WORD = r"(?<![\w.=+-])(?:{})(?![\w+-])"
_SHORT = {str(kind): kind.linux_name for kind in MemoryType if kind.linux_name != str(kind)}
_NAMES = re.compile(TYPE_WORD.format("UC-|" + "|".join(sorted(_SHORT, reverse=True))))


def worded(text: str) -> str:
    """Memory types by the names that Linux prints, where ``--long`` asks for them."""
    return _NAMES.sub(lambda found: _SHORT[found[0]], text) if style.long else text


def columns(rows: list[tuple[Any, ...]], indent: str = "") -> str:
    """Left-aligned columns, two blanks apart; what is too long for the last one goes on below it."""
    cells = [[worded(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(line for row in cells for line in _row(row, widths, indent))


_NARROW = 16  # columns that the last one needs, beside those of its longest word, to be continued below itself


def _row(row: list[str], widths: list[int], indent: str) -> list[str]:
    padded = [cell.ljust(width) for cell, width in zip(row, widths)]
    line = (indent + "  ".join(padded)).rstrip()
    if len(line) <= style.width:
        return [line]
    start = indent + "".join(f"{cell}  " for cell in padded[:-1])
    if len(start) + max([_NARROW, *map(len, row[-1].split())]) <= style.width:
        return _wrapped(row[-1], start, " " * len(start))
    ends = accumulate(len(cell) + 2 for cell in padded)
    kept = max(1, sum(len(indent) + end - 2 <= style.width for end in ends))
    below = "  ".join(cell for cell in row[kept:] if cell)
    return [(indent + "  ".join(padded[:kept])).rstrip(), *fit(f"{indent}      {below}")]


# Blanks at which no line ends: inside "[mem 0x…]" and "MAXPHYADDR 46", between a number and its unit.
_TIED = re.compile(r"(?<=\[mem) (?=0x)|(?<=MAXPHYADDR) (?=\d)|(?<=\d) (?=(?:[KMGTP]iB|B|bits?|bytes|pages?)\b)")
_CITED = re.compile(r"(\s*\S.*\S)\s+(\[(?!mem )[^\[\]]+\])")


def fit(line: str, width: int = 0) -> list[str]:
    """The line in as many as its width needs: a source goes first onto its own line, the rest is cut between words.

    >>> print("\\n".join(fit("the ranges overlap, UC wins over WB  [mtrr-uc-wins: SDM 3A 12.11.4.1]", 60)))
    the ranges overlap, UC wins over WB
        [mtrr-uc-wins: SDM 3A 12.11.4.1]
    """
    width = width or style.width
    if len(line) <= width:
        return [line]
    blanks = line[: len(line) - len(line.lstrip())]
    cited = _CITED.fullmatch(line)
    if cited:
        return [*fit(cited[1], width), *fit(f"{blanks}    {cited[2]}", width)]
    return _wrapped(line[len(blanks) :], blanks, f"{blanks}    ", width)


def _wrapped(text: str, first: str, hanging: str, width: int = 0) -> list[str]:
    tied = _TIED.sub("\0", text)
    lines = textwrap.wrap(
        tied, width or style.width, initial_indent=first, subsequent_indent=hanging,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\0", " ") for line in lines]
