"""Line numbers of an undone text, as families know them, into those of the user's own text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from memtype.errors import MemtypeError, ParseError
from memtype.machine import Machine
from memtype.reading.text import Text

_LINE = re.compile(r"\bline (\d{1,9})\b")


def renumbered(machine: Machine, text: Text) -> Machine:
    """The machine, its notes and facts naming the user's lines."""
    if not text.moved:
        return machine
    notes = (_LINE.sub(lambda n: f"line {text.original(int(n[1]))}", note) for note in machine.notes)
    return replace(machine, notes=tuple(notes), facts=_moved(machine.facts, text) if machine.facts else None)


def _moved(fact: Any, text: Text) -> Any:
    """What was printed, the numbers under "line" and "lines" being the user's."""
    if isinstance(fact, dict):
        return {
            key: _own(value, text) if key in ("line", "lines") else _moved(value, text) for key, value in fact.items()
        }
    return [_moved(item, text) for item in fact] if isinstance(fact, list) else fact


def _own(value: Any, text: Text) -> Any:
    return [_own(item, text) for item in value] if isinstance(value, list) else text.original(value)


def renumbered_error(error: MemtypeError, text: Text, source: str) -> MemtypeError:
    """The refusal, naming the user's line."""
    found = re.match(rf"{re.escape(source)}:(\d{{1,9}}):", str(error))
    if not text.moved or found is None or not isinstance(error, ParseError):
        return error
    return ParseError(f"{source}:{text.original(int(found[1]))}:{str(error)[found.end() :]}")
