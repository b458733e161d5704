"""The pictures that matplotlib draws. Each takes an `ax` or makes a figure, and gives the Axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from memtype import rules
from memtype.analysis.diff import Change, Diff
from memtype.analysis.pages import Pages
from memtype.errors import InputError, MissingExtra
from memtype.machine import Cpu, Machine
from memtype.memory_map import MemoryMap
from memtype.plot.axis import Axis
from memtype.plot.cells import cells
from memtype.plot.colours import COLOURS
from memtype.plot.ram import Span, top_of
from memtype.readable import binary_size
from memtype.types import MemoryType

_LEAST_CELL, _LEAST_TYPE = 0.012, 0.032  # shares of the width: of anything drawn, and of a cell with its letters
_OPEN: Final = {MemoryType.NOT_TOLD: "xx", MemoryType.UNDEFINED: "..", MemoryType.MIXED: "//"}
_WORD = 0.0075  # the width of a small letter, as a share of the axis
_RAM, _DIFFERS = "#009e73", "#d55e00"


def new_axes(width: float, height: float) -> Any:
    """Axes of a new figure; no window is opened."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib is missing: pip install 'memtype[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained").subplots()


def bare(ax: Any, title: str) -> None:
    ax.set_title(title, fontsize=11, loc="left")
    ax.set_yticks([])
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)


def _box(ax: Any, x: float, y: float, width: float, height: float, kind: MemoryType, letters: str) -> None:
    """An area of a type with its letters; turned where it is too narrow for them."""
    colour = COLOURS[kind]
    ax.broken_barh([(x, width)], (y, height), facecolor=colour.fill, edgecolor="white", hatch=_OPEN.get(kind))
    ax.text(
        x + width / 2, y + height / 2, letters, ha="center", va="center", color=colour.ink, fontsize=9, weight="bold",
        rotation=0 if width >= 0.011 * len(letters) else 90,
    )  # fmt: skip


def _address_ticks(ax: Any, axis: Axis, maps: Sequence[MemoryMap]) -> None:
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    for place, label in axis.ticks(0.008, 0.0095, maps):
        ax.text(place, -0.06, label, ha="left", va="top", fontsize=8, clip_on=True)


def _band(ax: Any, axis: Axis, memory: MemoryMap, y: float, height: float) -> None:
    for cell in cells(memory, axis, _LEAST_CELL):
        _box(ax, cell.left, y, cell.right - cell.left, height, cell.type, cell.letters)


def _ram(ax: Any, axis: Axis, ram: Iterable[Span], y: float) -> None:
    bars = [(left, max(axis.place(b + s) - left, 0.001)) for b, s in ram for left in [axis.place(b)]]
    ax.broken_barh(bars, (y, 0.12), facecolor=_RAM)
    ax.text(1.005, y + 0.06, "RAM", va="center", fontsize=8)


def ribbon(memory: MemoryMap, ram: Sequence[Span] = (), ax: Any = None, title: str = "memory types") -> Any:
    """The address space as one band, RAM above it.

    Parameters
    ----------
    memory : MemoryMap
    ram : sequence of (base, size)
    ax : matplotlib Axes, optional
    title : str

    Raises
    ------
    ShatteredMapError
        For a map that cannot be listed.
    MissingExtra
        Where matplotlib is not installed.
    """
    ax = new_axes(10, 1.7) if ax is None else ax
    axis = Axis.of(memory, top=top_of(list(ram), 1 << memory.maxphyaddr), least=_LEAST_TYPE)
    _band(ax, axis, memory, 0.0, 0.8)
    if ram:
        _ram(ax, axis, ram, 0.86)
    ax.set_ylim(-0.3, 1.05)
    _address_ticks(ax, axis, [memory])
    bare(ax, title)
    ax.spines["bottom"].set_visible(False)
    return ax


def before_after(
    before: MemoryMap,
    after: MemoryMap,
    ram: Sequence[Span] = (),
    ax: Any = None,
    names: Sequence[str] = ("before", "after"),
) -> Any:
    """Two maps on one axis; what differs is hatched between them, with its size."""
    from memtype.analysis.diff import map_changes

    ax = new_axes(10, 2.6) if ax is None else ax
    limit = 1 << min(before.maxphyaddr, after.maxphyaddr)
    axis = Axis.of(before, after, top=top_of(list(ram), limit), least=_LEAST_TYPE)
    _band(ax, axis, before, 1.15, 0.6)
    _band(ax, axis, after, 0.0, 0.6)
    _between(ax, axis, map_changes(before, after))
    for y, name in zip((1.45, 0.3), names):
        ax.text(-0.008, y, name, ha="right", va="center", fontsize=9)
    if ram:
        _ram(ax, axis, ram, 1.82)
    ax.set_ylim(-0.35, 2.0)
    _address_ticks(ax, axis, [before, after])
    bare(ax, "what changes")
    ax.spines["bottom"].set_visible(False)
    return ax


def _between(ax: Any, axis: Axis, listed: Iterable[Change]) -> None:
    """The marks of changes; of one where a side is not told a grey one, since it may be none.

    Words go upright, turned where another one's are too near, and are left out where not even these have room.
    """
    free = 0.0  # where the words before end
    for change in sorted(listed, key=lambda change: change.base):
        told = MemoryType.NOT_TOLD not in (change.old, change.new)
        left, right = axis.place(change.base), axis.place(change.base + change.size)
        colour = _DIFFERS if told else "#999999"
        ax.broken_barh([(left, right - left)], (0.66, 0.43), facecolor="none", edgecolor=colour, hatch="////")
        kinds, size = f"{change.old}→{change.new}", binary_size(change.size)
        middle, wide, narrow = (left + right) / 2, _WORD * max(len(kinds), len(size)), _WORD * 4
        turned = middle - wide / 2 < free or wide > right - left
        half = (narrow if turned else wide) / 2
        if middle - half < free:
            continue
        free = middle + half
        ax.text(
            middle, 0.875, f"{kinds}\n{size}", ha="center", va="center", fontsize=7 - turned, linespacing=1.0,
            rotation=90 if turned else 0, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def changes(found: Diff, ax: Any = None) -> Any:
    """The changes of a `Diff` as two bands: only what differs is drawn, since a diff holds nothing else."""
    listed = [*found.changes[:256], *found.untold[:256]]
    end = max([change.base + change.size for change in listed], default=1 << rules.MIN_MAXPHYADDR)
    width = max(rules.MIN_MAXPHYADDR, (end - 1).bit_length())
    ax = new_axes(10, 2.6) if ax is None else ax
    same = MemoryMap.from_segments([], width, gap=MemoryType.MIXED)
    edges = MemoryMap.from_segments(
        [(c.base, c.size, MemoryType(n % 2)) for n, c in enumerate(sorted(listed, key=lambda c: c.base))], width,
        gap=MemoryType.MIXED,
    ) if listed else same  # fmt: skip
    axis = Axis.of(edges, least=_LEAST_TYPE)
    for change in listed:
        left, right = axis.place(change.base), axis.place(change.base + change.size)
        _box(ax, left, 1.15, right - left, 0.6, change.old, str(change.old))
        _box(ax, left, 0.0, right - left, 0.6, change.new, str(change.new))
    _between(ax, axis, listed)
    for y, name in ((1.45, "before"), (0.3, "after")):
        ax.text(-0.008, y, name, ha="right", va="center", fontsize=9)
    ax.set_ylim(-0.35, 2.0)
    _address_ticks(ax, axis, [edges])
    bare(ax, found.summary)
    return ax


# --- pages ----------------------------------------------------------------------------------------------------------

_LEVELS = {3: "1 GiB", 2: "2 MiB", 1: "4 KiB"}
_MOST_RUNS = 512


def page_plan(made: Pages, ax: Any = None) -> Any:
    """Runs of pages, one row for each size; a red line where a change of type splits a larger page."""
    ax = new_axes(10, 2.6) if ax is None else ax
    runs = made.runs[:_MOST_RUNS]
    end = 1 << max(rules.MIN_MAXPHYADDR, (made.top - 1).bit_length())
    listed = [(run.base, run.size, run.type) for run in runs if run.type is not MemoryType.MIXED]
    width = end.bit_length() - 1
    memory = MemoryMap.from_segments(listed, width, gap=MemoryType.MIXED) if listed else None
    if memory is None:
        raise InputError("a plan without pages: nothing to draw")
    axis = Axis.of(memory, top=made.top, least=0.02)
    for run in runs:
        left, right = axis.place(run.base), axis.place(run.base + run.size)
        if right - left > _LEAST_CELL / 3:
            _run(ax, left, right - left, run.level - 1, run.type, run.count)
    for split in made.splits[:_MOST_RUNS]:
        ax.plot([axis.place(split.at)] * 2, [0, 3], color="#cc0000", linewidth=1.1, linestyle=":")
    counted = ", ".join(f"{made.counts[level]:,} × {_LEVELS[level]}" for level in (3, 2, 1) if made.counts[level])
    _address_ticks(ax, axis, [memory])
    ax.set_xlim(0, axis.place(made.top))
    ax.set_ylim(-0.45, 3)
    bare(ax, f"page plan: {counted}   (dotted: a type ends inside a larger page)")
    ax.spines["bottom"].set_visible(False)
    ax.set_yticks([0.5, 1.5, 2.5], [_LEVELS[level] for level in (1, 2, 3)])
    ax.tick_params(left=False)
    return ax


def _run(ax: Any, x: float, width: float, y: int, kind: MemoryType, count: int) -> None:
    colour = COLOURS[kind]
    ax.broken_barh([(x, width)], (y + 0.06, 0.88), facecolor=colour.fill, edgecolor="white", hatch=_OPEN.get(kind))
    text = f"{kind}\n×{count:,}"
    wide = width >= 0.0095 * len(f"×{count:,}")
    ax.text(
        x + width / 2, y + 0.5, text if wide else str(kind), ha="center", va="center", fontsize=8, color=colour.ink,
        rotation=0 if wide or width > 0.02 else 90,
    )  # fmt: skip


# --- tables ---------------------------------------------------------------------------------------------------------


def truth_table(ax: Any = None) -> Any:
    """MTRR type with PAT type, Intel beside AMD; cells that differ are boxed."""
    ax = new_axes(10, 3.4) if ax is None else ax
    rows, columns = list(rules.INTEL_MTRR_PAT), list(next(iter(rules.INTEL_MTRR_PAT.values())))
    tables = (("Intel  (SDM 3A table 12-7)", rules.INTEL_MTRR_PAT), ("AMD  (APM 2 table 7-11)", rules.AMD_MTRR_PAT))
    for n, (name, grid) in enumerate(tables):
        left = n * (len(columns) + 1.6)
        ax.text(left + len(columns) / 2, -0.95, name, ha="center", va="bottom", fontsize=10, weight="bold")
        for x, pat in enumerate(columns):
            ax.text(left + x + 0.5, -0.25, f"PAT {pat}", ha="center", va="bottom", fontsize=8)
        for y, mtrr in enumerate(rows):
            ax.text(left - 0.12, y + 0.5, f"MTRR {mtrr}", ha="right", va="center", fontsize=8)
            for x, pat in enumerate(columns):
                _square(ax, left + x, y, grid[mtrr][pat])
                if rules.INTEL_MTRR_PAT[mtrr][pat] is not rules.AMD_MTRR_PAT[mtrr][pat]:
                    _boxed(ax, left + x, y)
    ax.set_xlim(-1.3, 2 * len(columns) + 1.7)
    ax.set_ylim(len(rows) + 0.1, -1.5)
    ax.set_xticks([])
    bare(ax, "effective type: MTRR with PAT (boxed: the vendors differ)")
    ax.spines["bottom"].set_visible(False)
    return ax


def _boxed(ax: Any, x: float, y: float) -> None:
    low, high = 0.05, 0.95
    ax.plot(
        [x + d for d in (low, high, high, low, low)],
        [y + d for d in (low, low, high, high, low)],
        color="black",
        linewidth=2.2,
    )


def _square(ax: Any, x: float, y: float, kind: MemoryType) -> None:
    colour = COLOURS[kind]
    ax.broken_barh([(x, 1)], (y, 1), facecolor=colour.fill, edgecolor="white", hatch=_OPEN.get(kind))
    ax.text(x + 0.5, y + 0.5, str(kind), ha="center", va="center", color=colour.ink, fontsize=10, weight="bold")


# --- processors -----------------------------------------------------------------------------------------------------

_EFFECTS: Final = {
    "=": ("#dddddd", "black", "as the first"),
    "≠": ("#f0c75e", "black", "another value, the same map"),
    "!": ("#b83a00", "white", "another value, and the map differs"),
    "?": ("#ffffff", "black", "not told"),
}
_MOST_CPUS = 64


def cpu_matrix(machine: Machine, ax: Any = None) -> Any:
    """Processors by registers, coloured by the effect of what differs from the first, not by the value.

    Raises
    ------
    InputError
        For a dump that tells fewer than two processors.
    """
    told = [cpu for cpu in machine.cpus if cpu.registers is not None]
    if len(told) < 2:
        raise InputError(f"{machine.source}: {len(told)} processors are told; a matrix needs two")
    shown, names, table = told[:_MOST_CPUS], *effects(told[:_MOST_CPUS])
    ax = new_axes(max(6.0, 1.6 + 0.34 * len(names)), 1.6 + 0.24 * len(shown)) if ax is None else ax
    for y, line in enumerate(table):
        for x, mark in enumerate(line):
            fill, ink, _ = _EFFECTS[mark]
            ax.broken_barh([(x, 1)], (y, 1), facecolor=fill, edgecolor="#888888", linewidth=0.4)
            ax.text(x + 0.5, y + 0.5, mark, ha="center", va="center", color=ink, fontsize=8)
    ax.set_xlim(0, len(names))
    ax.set_ylim(len(shown), 0)
    left = len(told) - len(shown)
    bare(ax, "registers by processor" + (f" (the first {_MOST_CPUS}; {left} more)" if left else ""))
    ax.set_xticks([x + 0.5 for x in range(len(names))], names, rotation=90, fontsize=7)
    ax.set_yticks([y + 0.5 for y in range(len(shown))], [f"CPU {cpu.number}" for cpu in shown], fontsize=7)
    legend = "   ".join(f"{mark} {words}" for mark, (_, _, words) in _EFFECTS.items())
    ax.annotate(legend, (0, 0), (0, -6), xycoords="axes fraction", textcoords="offset points", va="top", fontsize=8)
    ax.xaxis.tick_top()
    return ax


def effects(told: Sequence[Cpu]) -> tuple[list[str], list[str]]:
    """Names of the registers that are told, and for each processor a string of marks, one a register."""
    from memtype.analysis.diff import diff, register_changes
    from memtype.told import named

    first = told[0].registers
    assert first is not None
    indexes = sorted({index for cpu in told if cpu.registers is not None for index in cpu.registers.held})
    lines = []
    for cpu in told:
        held = cpu.registers
        assert held is not None
        differing = {change.name for change in register_changes(first, held)}
        mark = "!" if differing and diff(_alone(told[0]), _alone(cpu)).changes else "≠"
        cells = ["?" if not held.register(i).told else mark if named(i) in differing else "=" for i in indexes]
        lines.append("".join(cells))
    return [named(i).removeprefix("IA32_").removeprefix("MTRR_") for i in indexes], lines


def _alone(cpu: Cpu) -> Machine:
    return Machine(cpus=(cpu,))
