"""Ribbons as SVG, written by hand: no library, no script; a tooltip on every cell."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from memtype.memory_map import MemoryMap
from memtype.plot.axis import Axis
from memtype.plot.cells import Cell, cells
from memtype.plot.colours import COLOURS
from memtype.plot.ram import Span
from memtype.types import MemoryType

WIDTH, BAND, LABELS, GAP = 760, 34, 18, 6
_CHARACTER = 7.4  # of 12 px type
_LEAST_CELL, _LEAST_TYPE = 10.0, 26.0  # pixels: of anything drawn, and of a cell with upright letters

Change = tuple[int, int]  # (base, end) of what differs


def ribbons(
    rows: Sequence[tuple[str, MemoryMap]],
    ram: Sequence[Span] = (),
    top: int | None = None,
    changed: Sequence[Change] = (),
) -> str:
    """Maps below each other on one axis.

    Parameters
    ----------
    rows : sequence of (label, MemoryMap)
    ram : sequence of (base, size)
        RAM, drawn as a bar below.
    top : int, optional
        The top of RAM (`Axis.of`).
    changed : sequence of (base, end)
        What differs between the maps: marked below them.

    Returns
    -------
    str
        One ``<svg>`` element. Text takes the colour of the page around it.

    Examples
    --------
    >>> memory = MemoryMap.from_segments([(0, 1 << 31, "WB")], 36, gap="UC")
    >>> text = ribbons([("before", memory)])
    >>> text.count("<rect"), "[mem 0x0000000080000000-0x0000000fffffffff] UC" in text
    (2, True)
    """
    axis = Axis.of(*(memory for _, memory in rows), top=top, least=_LEAST_TYPE / WIDTH)
    parts, y = [_labels(axis, [memory for _, memory in rows])], LABELS
    for label, memory in rows:
        if label:
            parts.append(f'<text x="0" y="{y + 12}" font-weight="bold">{escape(label)}</text>')
            y += LABELS
        parts += [_cell(cell, y) for cell in cells(memory, axis, _LEAST_CELL / WIDTH)]
        y += BAND + GAP
    if changed:
        parts += [_bar(axis, base, end, y, 8, "#d55e00", "differs") for base, end in changed]
        y += 8 + GAP
    if ram:
        parts += [_bar(axis, base, base + size, y, 10, "#009e73", "RAM") for base, size in ram]
        parts.append(f'<text x="0" y="{y + 24}">RAM</text>')
        y += 28
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="100%" role="img" '
        f'style="max-width:{WIDTH * 5 // 4}px;font:12px ui-monospace,monospace" fill="currentColor">'
    )
    return "\n".join([head, _HATCH, *parts, "</svg>"])


# What is not told, undefined or of several types is hatched: it has no colour of its own.
_HATCH = (
    '<defs><pattern id="mt-open" width="6" height="6" patternTransform="rotate(45)" patternUnits="userSpaceOnUse">'
    '<path d="M0 0v6" stroke="#888" stroke-width="2"/></pattern></defs>'
)
_OPEN = frozenset({MemoryType.NOT_TOLD, MemoryType.UNDEFINED, MemoryType.MIXED})


def _x(place: float) -> float:
    return round(place * WIDTH, 1)


def _labels(axis: Axis, maps: Sequence[MemoryMap]) -> str:
    ticks = axis.ticks(_CHARACTER / WIDTH, _CHARACTER / WIDTH, maps)
    return "".join(f'<text x="{_x(place)}" y="12">{escape(label)}</text>' for place, label in ticks)


def _cell(cell: Cell, y: int) -> str:
    colour, left, width = COLOURS[cell.type], _x(cell.left), round((cell.right - cell.left) * WIDTH, 1)
    middle, centre = round(left + width / 2, 1), y + BAND / 2
    room = len(cell.letters) * _CHARACTER + 2
    turned = f' transform="rotate(-90 {middle} {centre})"' if width < room else ""
    shape = f'x="{left}" y="{y}" width="{width}" height="{BAND}"'
    hatch = f'<path d="M{left} {y}h{width}v{BAND}h-{width}z" fill="url(#mt-open)"/>' if cell.type in _OPEN else ""
    return (
        f"<g><title>{escape(cell.words)}</title>"
        f'<rect {shape} fill="{colour.fill}" stroke="#fff" stroke-width="1"/>{hatch}'
        f'<text x="{middle}" y="{centre + 4}" text-anchor="middle" font-weight="bold" fill="{colour.ink}"{turned}>'
        f"{escape(cell.letters)}</text></g>"
    )


def _bar(axis: Axis, base: int, end: int, y: int, height: int, fill: str, word: str) -> str:
    left = _x(axis.place(base))
    width = max(round(_x(axis.place(end)) - left, 1), 1.0)
    return (
        f'<path d="M{left} {y}h{width}v{height}h-{width}z" fill="{fill}">'
        f"<title>[mem 0x{base:016x}-0x{end - 1:016x}] {word}</title></path>"
    )
