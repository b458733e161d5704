"""A map as a ribbon of letters, for terminals and mails."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from memtype.memory_map import MemoryMap
from memtype.plot.axis import Axis
from memtype.plot.cells import SEVERAL
from memtype.plot.ram import Span


def ribbon(memory: MemoryMap, ram: Sequence[Span] = (), top: int | None = None, width: int = 80) -> list[str]:
    """Lines: addresses, types and, where `ram` tells it, RAM. Segments too narrow for their letters share a ``*``.

    Parameters
    ----------
    memory : MemoryMap
    ram : sequence of (base, size)
    top : int, optional
        The top of RAM (`Axis.of`).
    width : int
        Columns.

    Raises
    ------
    ShatteredMapError
        For a map that cannot be listed.

    Examples
    --------
    >>> memory = MemoryMap.from_segments([(0, 1 << 30, "WB"), (1 << 30, 3 << 30, "UC")], 32)
    >>> print("\\n".join(ribbon(memory, [(0, 1 << 30)], width=40)))
    0             1M    1G               4G
    |         WB        |        UC        |
    |###################|                  |
    """
    axis = Axis.of(memory, top=top, least=5 / width)
    cells = [*_cells(memory, axis, width)]
    lines = [_labels(axis, memory, width), "|" + "|".join(letters.center(room) for room, letters in cells) + "|"]
    if ram:
        lines.append(_ram(axis, memory, ram, width, lines[1]))
    return [line.rstrip() for line in lines]


def has_several(lines: Sequence[str]) -> bool:
    """Whether a cell of the ribbon stands for several types."""
    return SEVERAL in lines[1]


def _column(axis: Axis, address: int, width: int) -> int:
    return round(axis.place(address) * (width - 1))


def _cells(memory: MemoryMap, axis: Axis, width: int) -> list[tuple[int, str]]:
    """(columns, letters) of each cell; a border stands in the column before it."""
    starts = [(_column(axis, s.base, width), str(s.type)) for s in memory.segments]
    groups = [(column, {kind for _, kind in found}) for column, found in groupby(starts, key=lambda start: start[0])]
    ends = [column for column, _ in groups[1:]] + [width - 1]
    found = []
    for (column, kinds), end in zip(groups, ends):
        room = end - column - 1
        letters = next(iter(kinds)) if len(kinds) == 1 else SEVERAL
        found.append((room, letters if len(letters) <= room else SEVERAL if room else ""))
    return found


def _labels(axis: Axis, memory: MemoryMap, width: int) -> str:
    line = [" "] * width
    for place, label in axis.ticks(1 / width, 1 / width, [memory]):
        column = min(round(place * (width - 1)), width - len(label))
        line[column : column + len(label)] = label
    return "".join(line)


def _ram(axis: Axis, memory: MemoryMap, ram: Sequence[Span], width: int, types: str) -> str:
    """A # for each column of RAM, and at least one in the cell of each segment that holds some."""
    line = ["|" if char == "|" else " " for char in types]
    for base, size in ram:
        for part in memory.within(base, size):
            _, low, high = memory.around(part.base)
            left, right = _column(axis, low, width) + 1, _column(axis, high, width) - 1
            first = min(max(_column(axis, part.base, width), left), right)
            for n in range(first, min(max(_column(axis, part.end, width), first), right) + 1):
                line[n] = line[n].replace(" ", "#")
    return "".join(line)
