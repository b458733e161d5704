"""Text inside JSON, and JSON inside text: a log in a string of an API's answer, a document between two paragraphs.

{"id": 7, "body": "MTRR default type: uncachable\\n…"}       an issue tracker's, a chat's
{"PRIORITY": "6", "MESSAGE": "MTRR default type: …"}         journalctl -o json, docker's logs: a line each
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from memtype.reading import characters
from memtype.reading.openings import opens_behind
from memtype.reading.patterns import later
from memtype.reading.text import Text

_WORDS = ("MESSAGE", "message", "msg", "log", "text", "line", "body")  # under which loggers keep a line
_BEGINS = later(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\"])")
_LINES = later(r"\s*\{\s*\"[^\n]*\}\s*(?:\n|$)")
_BEGIN = later(r"[ \t]*[{\[][ \t]*(?:[\"{\[]|$)")
_DEEPEST = 32
_MOST_TRIES = 16  # lines that begin no document: whether one does may take a look at all of the text below it


def shows(text: str) -> bool:
    """Whether the text is a document with a string of several lines, or such documents line by line."""
    if _BEGINS.match(text) is None:
        return False
    return "\\n" in text or (_LINES.match(text) is not None and any(f'"{word}"' in text for word in _WORDS))


def opened(text: Text) -> Text:
    """The lines that the strings of a document hold; the text itself where none of them opens as a dump's."""
    messages = _messages(text)
    if messages is not None:
        return messages
    try:
        document = json.loads(str(text))
    except (ValueError, RecursionError):
        return text
    held = [string for string in _strings(document) if "\n" in string and any(map(opens_behind, string.split("\n")))]
    lines = [line for string in held for line in ("", *string.split("\n"))][1:]
    begins = text.numbers[0]  # a document may be one line: nothing says better where its strings stand
    return Text([characters.clean(line) for line in lines], [begins] * len(lines)) if lines else text


def _messages(text: Text) -> Text | None:
    """What loggers' documents say, one on each line; None where the lines are no such documents."""
    found: list[str] = []
    for line in text.lines:
        said = "" if not line.strip() else _message(line)
        if said is None:
            return None
        found.append(characters.clean(said.rstrip("\n")))
    return text.changed(found) if any(map(opens_behind, found)) else None


def _message(line: str) -> str | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    return next((document[word] for word in _WORDS if isinstance(document.get(word), str)), None)


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    """Every string of a document, in its order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)) and depth < _DEEPEST:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item, depth + 1)


def document(text: Text) -> Text | None:
    """The one JSON document that stands between other lines, those empty; None where there is none, or several."""
    whole, decoder = str(text), json.JSONDecoder()
    found: tuple[int, int] | None = None
    at = failed = 0
    for line in text.lines:
        begin, at = at, at + len(line) + 1
        if (found is not None and begin < found[1]) or not _BEGIN.match(line):
            continue
        try:
            value, end = decoder.raw_decode(whole, begin + len(line) - len(line.lstrip()))
        except (ValueError, RecursionError):
            failed += 1
            if failed == _MOST_TRIES:
                return None
            continue
        if isinstance(value, (dict, list)) and value and "\n" in whole[begin:end]:
            if found is not None:
                return None
            found = begin, end
    if found is None:
        return None
    before, after = (whole[part].count("\n") for part in (slice(0, found[0]), slice(found[1], None)))
    return Text([*[""] * before, *whole[slice(*found)].split("\n"), *[""] * after], text.numbers)
