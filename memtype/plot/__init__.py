"""Pictures: one axis and one table of colours, drawn in letters, in SVG and, with the ``plot`` extra, by matplotlib."""

from __future__ import annotations

from typing import Any

from memtype import arguments
from memtype.errors import InputError


def draw(thing: Any, ax: Any = None) -> Any:
    """Draw a map, a state, a machine, a diff or a page plan with matplotlib; its ``.plot()`` leads here.

    Raises
    ------
    InputError
        For anything else, or an `ax` that is none.
    MissingExtra
        Where matplotlib is not installed.
    """
    from memtype.analysis.diff import Diff
    from memtype.analysis.pages import Pages
    from memtype.machine import Machine
    from memtype.memory_map import MemoryMap
    from memtype.plot import figures

    if ax is not None and not hasattr(ax, "broken_barh"):
        raise InputError(f"ax = {arguments.shown(ax)}: give matplotlib Axes, or none")
    if isinstance(thing, Diff):
        return figures.changes(thing, ax)
    if isinstance(thing, Pages):
        return figures.page_plan(thing, ax)
    if isinstance(thing, Machine):
        from memtype.plot.ram import usable

        return figures.ribbon(thing.map, usable(thing), ax)
    if isinstance(thing, MemoryMap):
        return figures.ribbon(thing, (), ax)
    if isinstance(getattr(thing, "map", None), MemoryMap):
        return figures.ribbon(thing.map, (), ax)
    raise InputError(f"{type(thing).__name__}: no picture is known of it")


def html(thing: Any) -> str:
    """A map, a state, a machine, a diff or an explanation as HTML with SVG, without matplotlib and without scripts."""
    from memtype.plot import notebook

    return notebook.html(thing)
