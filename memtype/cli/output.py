"""Answers on standard output as text or JSON, notes on standard error."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Collection, Iterable
from typing import Any, TextIO

from memtype.cli import layout, tables
from memtype.cli.layout import columns as columns
from memtype.types import MemoryType

SCHEMA = "memtype/1"


_OPTIONS: dict[str, dict[str, Any]] = {
    "--json": {"action": "store_true", "help": "print JSON (schema memtype/1: memtype schema)"},
    "--format": {"dest": "table_form", "choices": tables.FORMS, "help": "print the answer's table as CSV or Markdown"},
    "--exact": {"action": "store_true", "help": "sizes in bytes"},
    "--plain": {"action": "store_true", "help": "for mails: 75 columns, no colour"},
    "--long": {"dest": "long_names", "action": "store_true", "help": "memory types by the names that Linux prints"},
}


def add_json(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """The options about printing, that every verb has; those of `without` mean something else in this one."""
    for name, settings in _OPTIONS.items():
        if name not in without:
            parser.add_argument(name, **settings)


def say(text: str) -> None:
    """Print an answer, its lines cut to fit. On a terminal, with the ``cli`` extra, memory types stand out in colour,
    but for NO_COLOR and ``--plain``."""
    text = "\n".join(part for line in layout.worded(text).split("\n") for part in layout.fit(line))
    if layout.style.plain or not sys.stdout.isatty():
        print(text)
        return
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        print(text)
        return
    from memtype.plot.colours import COLOURS

    shown = Text(text)
    for kind, colour in COLOURS.items():
        names = "|".join(re.escape(name) for name in dict.fromkeys((str(kind), kind.linux_name)) if name != "?")
        if names:
            shown.highlight_regex(layout.TYPE_WORD.format(names), colour.word)
    Console(highlight=False).print(shown, soft_wrap=True)


def print_json(verb: str, payload: dict[str, Any]) -> None:
    """Addresses and MSR values in `payload` are hex strings already; types become their short names. With ``--format``
    the table in it is printed instead."""
    if layout.style.form is not None:
        print(tables.text(verb, _plain(payload), layout.style.form), end="")
        return
    json.dump(_plain({"schema": SCHEMA, "verb": verb, **payload}), sys.stdout, indent=2)
    print()


def why(cited: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """The one shape that reasons have in JSON, from (id, text, source) of each."""
    return [{"id": rule, "text": text, "source": source} for rule, text, source in cited]


def _plain(value: Any) -> Any:
    if isinstance(value, MemoryType):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def notes(lines: Iterable[object]) -> None:
    """Notes go to standard error, one line each; on a terminal cut to fit."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    for line in lines:
        note = layout.worded(f"note: {line}")
        _to_stderr("\n".join(layout.fit(note)) if on_terminal else note)


def complain(error: object) -> None:
    """The one line that a command ends with when it fails."""
    _to_stderr(f"memtype: error: {short(str(error))}")


_LONGEST_WORD, _LONGEST_LINE = 200, 500


def short(text: str) -> str:
    """One line of printable characters; of a word that is too long to be read, its ends.

    >>> short("'" + 5000 * "x" + "' is no address")[100:]
    "xxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxx' is no address"
    """
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    words = (f"{word[:120]}...{word[-20:]}" if len(word) > _LONGEST_WORD else word for word in line.split(" "))
    line = " ".join(words)
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 3]}..."


def _to_stderr(line: str) -> None:
    """A full disk behind standard error, or nobody there, changes no answer and no exit status."""
    if sys.stderr is None:  # closed from the start
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


def drop(stream: TextIO) -> None:
    """Nobody takes the rest: leave nothing for the interpreter to flush, and complain of, at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
