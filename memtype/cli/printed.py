"""States, machines, maps and differences as text, the way the verbs print them: what ``str()`` gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memtype.analysis.diff import Diff
from memtype.cli import diff, layout, show
from memtype.machine import Cpu, Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState


def text(thing: Any) -> str | None:
    """Lines of at most 80 columns; None where no verb prints such a thing."""
    made = next((lines for kind, lines in _LINES.items() if isinstance(thing, kind)), None)
    return None if made is None else "\n".join(part for line in made(thing) for part in layout.fit(line))


def _machine(machine: Machine) -> list[str]:
    """Of several states each below its heading, as `show` prints them; the notes last."""
    found: list[str] = []
    for number, state in enumerate(machine.states, 1):
        said = [*state.notes]
        found += show.state_lines(state, machine, number, said)
        found += [f"note: {note}" for note in said]
    return found


def _state(state: MtrrState) -> list[str]:
    return _machine(Machine((Cpu(0, state),), vendor=state.vendor, maxphyaddr=state.maxphyaddr))


_LINES: dict[type, Callable[[Any], list[str]]] = {
    Machine: _machine,
    MtrrState: _state,
    MemoryMap: show.lines_of_map,
    Diff: lambda difference: diff.lines(difference, []),
}
