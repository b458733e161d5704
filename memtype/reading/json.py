"""JSON from strangers: one line for what is wrong, no recursion of our own, no number taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from memtype.errors import ParseError
from memtype.reading import values
from memtype.reading.patterns import later

_CPU_KEYS = ("cpu", "vcpu", "number", "vcpu_id", "cpu_id")
_SOLID = later(r"\S")
_CPU_KEY = later(r"(?:v?cpu[ _-]?)?([0-9]{1,6})", re.I)


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
        raise ParseError(f"{source}: not JSON: {values.quoted(error)}") from None


def _line(line: str, number: int, source: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise values.refusal(source, number, f"not JSON: {values.quoted(error)}") from None


def documents(text: str) -> list[tuple[int, int]]:
    """Where each of several JSON values begins and ends that stand one behind the other.

    Nothing where there is one, where a piece is no JSON, and where they are parts of one: a monitor's session, or
    objects that name the processors that they are about.

    Examples
    --------
    >>> documents('{"0x2ff": "0xc06"} {"0x2ff": "0xc00"}')
    [(0, 18), (19, 37)]
    >>> documents('{"cpu": 0, "0x2ff": "0xc06"} {"cpu": 1, "0x2ff": "0xc00"}')
    []
    """
    if text.lstrip()[:1] not in ("{", "["):
        return []
    decoder = json.JSONDecoder()
    spans: list[tuple[int, int]] = []
    found: list[Any] = []
    begun = _SOLID.search(text)
    while begun:
        try:
            value, end = decoder.raw_decode(text, begun.start())
        except (ValueError, RecursionError):
            return []
        spans.append((begun.start(), end))
        found.append(value)
        begun = _SOLID.search(text, end)
    return [] if len(spans) < 2 or _session(found) or _processors(found) else spans


def _session(found: list[Any]) -> bool:
    return any(isinstance(value, dict) and value.keys() & {"QMP", "return", "execute", "event"} for value in found)


def _processors(found: list[Any]) -> bool:
    numbers = [next((value[key] for key in _CPU_KEYS if _is_cpu(value.get(key))), None) if isinstance(value, dict)
               else None for value in found]  # fmt: skip
    return None not in numbers and len(set(numbers)) == len(numbers)


def objects(value: Any) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Every object and, as ``{"": [...]}``, every list in it, in the text's order, with the processor it is about.

    The processor is that of the nearest member ``"cpu": N`` (or ``vcpu``, ``number``), or key ``"N"`` or ``"cpuN"``
    around it; None without one. JSON inside strings, and inside lists of bytes, is opened.
    """
    todo: list[tuple[int | None, Any]] = [(None, value)]
    while todo:
        cpu, item = todo.pop()
        if isinstance(item, list) and item[:1] == [ord("{")]:
            item = _characters(item)
        if isinstance(item, str) and item.lstrip()[:1] in ("{", "["):
            try:
                item = json.loads(item)
            except (ValueError, RecursionError):
                continue
        if isinstance(item, dict):
            cpu = next((item[key] for key in _CPU_KEYS if _is_cpu(item.get(key))), cpu)
            yield cpu, item
            found = [(_cpu_of(key, cpu), inner) for key, inner in item.items()]
            todo.extend(reversed(found))
        elif isinstance(item, list):
            yield cpu, {"": item}
            todo.extend((cpu, inner) for inner in reversed(item))


def _is_cpu(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < values.MAX_CPUS


def _cpu_of(key: str, cpu: int | None) -> int | None:
    match = _CPU_KEY.fullmatch(key)
    return int(match[1]) if match and _is_cpu(int(match[1])) else cpu


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
