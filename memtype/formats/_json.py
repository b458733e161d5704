"""JSON from strangers: one line for what is wrong, no recursion of our own, no number taken on trust."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from memtype.errors import ParseError
from memtype.formats import _registers as reg


def load(text: str, source: str, several: bool = False) -> Any:
    """The value that the text holds; with `several`, JSON Lines are read too, as a list."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if several and error.msg == "Extra data" and "\n" in text[: error.pos]:
            return [_line(line, number, source) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        raise ParseError(f"{source}:{error.lineno}: not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ParseError(f"{source}: JSON nested too deeply") from None
    except ValueError as error:
        raise ParseError(f"{source}: not JSON: {reg.quoted(error)}") from None


def _line(line: str, number: int, source: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise reg.refusal(source, number, f"not JSON: {reg.quoted(error)}") from None


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object and, as ``{"": [...]}``, every list in it, in the text's order.

    JSON inside strings, and inside lists of bytes, is opened.
    """
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list) and item[:1] == [ord("{")]:
            item = _characters(item)
        if isinstance(item, str) and item.lstrip()[:1] in ("{", "["):
            try:
                item = json.loads(item)
            except (ValueError, RecursionError):
                continue
        if isinstance(item, dict):
            yield item
            todo.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            yield {"": item}
            todo.extend(reversed(item))


def _characters(items: list[Any]) -> Any:
    """A list of bytes as the text that it spells; any other list as it is."""
    if all(isinstance(item, int) and 0 <= item < 256 for item in items):
        return bytes(items).decode("utf-8", "replace")
    return items


def member(value: Any, key: str, kind: type, source: str, where: str) -> Any:
    """A member that must be there and of that type."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise ParseError(f"{source}: {where}: no {kind.__name__} {key!r}")
    return found
