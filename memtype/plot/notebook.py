"""What a notebook shows of a result: SVG for maps, tables for reasons, no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from memtype.analysis.diff import Diff
from memtype.errors import ShatteredMapError
from memtype.explanation import Explanation
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.plot.ram import top_of, usable
from memtype.plot.svg import ribbons

_MOST = 40  # changes and steps that are listed


def html(thing: Any) -> str:
    """HTML of a map, state, view, machine, diff, explanation; of anything else its text."""
    try:
        if isinstance(thing, Diff):
            return _diff(thing)
        if isinstance(thing, Explanation):
            return _explanation(thing)
        if isinstance(thing, Machine):
            ram = usable(thing)
            return ribbons([("", thing.map)], ram, top_of(ram, 1 << thing.map.maxphyaddr))
        memory = thing if isinstance(thing, MemoryMap) else getattr(thing, "map", None)
        if isinstance(memory, MemoryMap):
            return ribbons([("", memory)])
    except ShatteredMapError as error:
        return f"<p>no map is drawn: {escape(str(error))}</p>"
    return f"<pre>{escape(str(thing))}</pre>"


def _diff(found: Diff) -> str:
    rows = [(f"[mem 0x{c.base:016x}-0x{c.last:016x}]", str(c.old), str(c.new)) for c in found.changes[:_MOST]]
    left = len(found.changes) - len(rows)
    more = f"<p>and {left} more ranges</p>" if left > 0 else ""
    return f"<p>{escape(found.summary)}</p>" + _table(("range", "before", "after"), rows) + more


def _explanation(found: Explanation) -> str:
    rows = [(step.text, f"{step.rule}: {step.source}") for step in found.steps[:_MOST]]
    return f"<p><code>0x{found.address:x}</code>: <b>{escape(str(found.type))}</b></p>" + _table(("why", "rule"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
