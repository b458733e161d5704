"""Line numbers of an undone text, as families know them, into those of the user's own text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from memtype.errors import MemtypeError, ParseError
from memtype.machine import Machine, Note, changed
from memtype.reading.patterns import later
from memtype.reading.text import Text
from memtype.told import Registers, Width

_LINE = later(r"\bline (\d{1,9})\b")


def renumbered(machine: Machine, text: Text) -> Machine:
    """The machine, everything in it that names a line naming the user's."""
    if not text.moved:
        return machine
    return replace(
        machine,
        cpus=changed(machine.cpus, lambda told: _registers(told, text)),
        notes=tuple(_note(note, text) for note in machine.notes),
        facts=_moved(machine.facts, text) if machine.facts else None,
        taken=frozenset(text.original(line) for line in machine.taken),
        width=_width(machine.width, text),
    )


def _registers(told: Registers, text: Text) -> Registers:
    held = {
        index: replace(register, line=text.original(register.line), against=text.original(register.against))
        for index, register in told.held.items()
    }
    ranges = {
        n: replace(span, kind=replace(span.kind, line=text.original(span.kind.line))) for n, span in told.ranges.items()
    }
    return replace(told, held=held, ranges=ranges, width=_width(told.width, text))


def _width(width: Width | None, text: Text) -> Width | None:
    return None if width is None else replace(width, by=_words(width.by, text))


def _note(note: str, text: Text) -> str:
    words = _words(note, text)
    return Note(words, note.id, map(text.original, note.lines)) if isinstance(note, Note) else words


def _words(words: str, text: Text) -> str:
    return _LINE.sub(lambda found: f"line {text.original(int(found[1]))}", words)


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
