"""``--format csv`` and ``--format md``: the table in a verb's answer, one row for each of its parts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

from memtype.errors import InputError

FORMS: Final = ("csv", "md")

# Where the table stands in the JSON of each verb, as a way from key to key: a list on it gives a row for each item.
WAYS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "show": (("states", "map"), ("map",)),
    "at": (("answers",),),
    "check": (("findings",),),
    "alias": (("conflicts",),),
    "pages": (("runs",),),
    "plan": (("ranges",),),
    "verify-ept": (("faults",),),
    "diff": (("comparisons", "changes"),),
    "kvm": (
        ("matrix", "honored"), ("knobs",), ("leaves",), ("modes", "map"), ("profiles", "map"), ("entries",), ("map",),
    ),
    "zap": (("releases",), ("events", "changes"), ("changes",)),
    "msrs": (("msrs",),),
    "pat": (("pats", "entries"),),
    "pte": (("readings",), ("ept",)),
    "rules": (("rules",),),
    "table": (("tables", "cells"),),
}  # fmt: skip

Row = dict[str, str]


def text(verb: str, payload: dict[str, Any], form: str) -> str:
    """The table of an answer as CSV or Markdown.

    Raises
    ------
    InputError
        For an answer that holds no table.

    Examples
    --------
    >>> print(text("rules", {"rules": [{"id": "a", "text": "b | c"}]}, "md"), end="")
    | id | text |
    |---|---|
    | a | b \\| c |
    >>> print(text("rules", {"rules": [{"id": "a", "text": "b, c"}]}, "csv"), end="")
    id,text
    a,"b, c"
    """
    way = next((way for way in WAYS.get(verb, ()) if isinstance(payload.get(way[0]), (list, dict))), None)
    if way is None:
        raise InputError(f"--format {form}: this answer of {verb} holds no table; --json has all of it")
    rows = list(_rows(payload, way, {}))
    names = list(dict.fromkeys(name for row in rows for name in row))
    return _csv(names, rows) if form == "csv" else _markdown(names, rows)


def _rows(holder: dict[str, Any], way: tuple[str, ...], above: Row) -> Iterable[Row]:
    """A row for each item at the end of the way, with what stands beside the lists that lead there."""
    parts = holder.get(way[0]) or []
    if isinstance(parts, dict):  # a grid: its rows by name
        parts = [{"row": name, **cells} for name, cells in parts.items()]
    for part in parts:
        row = above | _scalars(part)
        if len(way) > 1:
            yield from _rows(part, way[1:], row)
        else:
            yield row


def _scalars(part: dict[str, Any]) -> Row:
    """What fits into cells; a list of reasons by identifier, a list of words as words, an object by its own keys."""
    found: Row = {}
    for key, value in part.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": _cell(v) for inner, v in value.items() if not isinstance(v, (dict, list))}
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found |= {key: " ".join(str(item["id"]) for item in value)} if "id" in value[0] else {}
        elif isinstance(value, list) and not (value and isinstance(value[0], list)):
            found[key] = " ".join(map(_cell, value))
        elif not isinstance(value, list):
            found[key] = _cell(value)
    return found


def _cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _csv(names: list[str], rows: list[Row]) -> str:
    made = io.StringIO()
    writer = csv.DictWriter(made, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue()


def _markdown(names: list[str], rows: list[Row]) -> str:
    cells = [names, *([row.get(name, "") for name in names] for row in rows)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(names), *lines[1:]]) + "\n" if names else ""
