"""JSON from strangers: one line for what is wrong, no recursion of our own, no number taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from memtype.errors import ParseError
from memtype.reading import values
from memtype.reading.patterns import later

T = TypeVar("T")

_CPU_KEYS = ("cpu", "vcpu", "number", "vcpu_id", "cpu_id")
_SCALAR = later(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')
_SOLID = later(r"\S")
_CPU_KEY = later(r"(?:v?cpu[ _-]?)?([0-9]{1,6})", re.I)


def reading(text: str, source: str, make: Callable[[Any], T], several: bool = False) -> T:
    """What `make` makes of the value that the text holds; a refusal names the line of what it refuses.

    With `several`, JSON Lines are read too, as a list. Only a text that is refused is read with its lines.
    """
    value = load(text, source, several)
    try:
        return make(value)
    except ParseError as error:
        if re.match(rf"{re.escape(source)}:\d", str(error)):
            raise
        make(_Lines(text, source).value(several))
        raise


def load(text: str, source: str, several: bool = False) -> Any:
    """The value that the text holds; with `several`, JSON Lines are read too, as a list."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        if several and error.msg == "Extra data" and "\n" in text[: error.pos]:
            return [_line(line, number, source) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        raise ParseError(f"{source}:{error.lineno}: not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ParseError(f"{source}: JSON nested too deeply") from None
    except _TwiceError:
        return _Lines(text, source).value(several)  # which refuses it by its line
    except ValueError as error:
        raise ParseError(f"{source}: not JSON: {values.quoted(error)}") from None


def _line(line: str, number: int, source: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise values.refusal(source, number, f"not JSON: {values.quoted(error)}") from None


class _TwiceError(ValueError):
    """A member of an object that is there twice, with different values."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs) and any(made[key] != value for key, value in pairs):
        raise _TwiceError
    return made


class _Number(int):
    line: int


class _Word(str):
    line: int


class _Object(dict[str, Any]):
    line: int = 0


class _Lines:
    """JSON whose numbers, strings and objects know their lines (`values.line_of`).

    Every scalar is given its place among all by a mark, which is taken off again when the text was decoded.
    """

    def __init__(self, text: str, source: str) -> None:
        self._text, self._source = text, source
        self._lines: list[int] = []

    def value(self, several: bool) -> Any:
        line, at, parts = 1, 0, []
        for token in _SCALAR.finditer(self._text):
            line += self._text.count("\n", at, token.start())
            parts += [self._text[at : token.start()], self._marked(token[0])]
            at = token.end()
            self._lines.append(line)
        marked = "".join((*parts, self._text[at:]))
        try:
            return self._bare(json.loads(marked, object_pairs_hook=self._object))
        except json.JSONDecodeError:
            rows = [row for row in marked.split("\n") if row.strip()]
            return [self._bare(json.loads(row, object_pairs_hook=self._object)) for row in rows] if several else None

    def _marked(self, token: str) -> str:
        place = len(self._lines)
        return f'{token[:-1]}\\u0000{place}"' if token[0] == '"' else f'"\\u0000{token}\\u0000{place}"'

    def _object(self, pairs: list[tuple[str, Any]]) -> _Object:
        made = _Object()
        for marked, held in pairs:
            key, value = self._bare(marked), self._bare(held)
            if made and made.get(key, value) != value:
                told = f"{values.quoted(str(key))} again, with another value: which one counts is not told"
                raise values.refusal(self._source, key.line, told)
            made.line = made.line or key.line
            made[key] = value
        return made

    def _bare(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._bare(item) for item in value]
        if not isinstance(value, str) or isinstance(value, _Word) or "\0" not in value:
            return value
        rest, _, place = value.rpartition("\0")
        made: Any = _Word(rest)
        if rest[:1] == "\0":
            number = json.loads(rest[1:])
            if isinstance(number, float):
                return number
            made = _Number(number)
        made.line = self._lines[int(place)]
        return made


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
                item = _placed(json.loads(item), values.line_of(item))
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


def _placed(value: Any, line: int) -> Any:
    """What a string of JSON held, on the string's line; as it is where no lines are known."""
    if not line:
        return value
    if isinstance(value, dict):
        made = _Object({key: _placed(inner, line) for key, inner in value.items()})
        made.line = line
        return made
    if isinstance(value, list):
        return [_placed(inner, line) for inner in value]
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        scalar: Any = _Number(value) if isinstance(value, int) else _Word(value)
        scalar.line = line
        return scalar
    return value


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
        line = values.line_of(found) or values.line_of(value)
        raise values.refusal(source, line, f"{where}: no {kind.__name__} {key!r}")
    return found
