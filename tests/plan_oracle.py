"""The planner's exact peer: the smallest set of ranges by MaxSAT, from the manual's sentence on overlaps.

``python tests/plan_oracle.py 5000`` compares so many random targets; the suite does some hundreds.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import memtype as mt
from memtype.types import MemoryType as T

WIDTH = 32
KINDS = (T.UC, T.WC, T.WT, T.WP, T.WB)
Cells = list[T | None]  # the types wanted of equal parts of the address space; None: any will do


def random_cells(rng: random.Random, count: int) -> Cells:
    """A target with runs, since real ones have them, and with every type and every gap."""
    kinds: list[T | None] = [T.UC, T.WB, *rng.sample([T.WC, T.WT, T.WP, T.UC, T.WB, None], rng.randrange(4))]
    cells: Cells = []
    while len(cells) < count:
        cells += [rng.choice(kinds)] * rng.choice([1, 1, 1, 2, 2, 3, 4, 6, 8])
    return cells[:count]


def target_of(cells: Cells) -> mt.MemoryMap:
    size = (1 << WIDTH) // len(cells)
    segments = [(n * size, size, kind) for n, kind in enumerate(cells) if kind is not None]
    return mt.MemoryMap.from_segments(segments, WIDTH)


def blocks(count: int) -> Iterator[tuple[int, int]]:
    """Every place of a range over `count` cells: (first cell, number of cells)."""
    size = count
    while size:
        yield from ((first, size) for first in range(0, count, size))
        size //= 2


def fewest(cells: Cells, default: T, pinned: dict[tuple[int, int], set[T]] | None = None) -> int | None:
    """The least number of ranges, by MaxSAT; `pinned` ones are there for nothing. None where there is no such set."""
    from pysat.examples.rc2 import RC2
    from pysat.formula import WCNF

    formula = WCNF()
    number = {(block, kind): n for n, (block, kind) in enumerate(
        ((block, kind) for block in blocks(len(cells)) for kind in KINDS), 1)}  # fmt: skip
    pins = {(block, kind) for block, kinds in (pinned or {}).items() for kind in kinds}
    for (block, kind), variable in number.items():
        if (block, kind) in pins:
            formula.append([variable])
        else:
            formula.append([-variable], weight=1)
    for cell, wanted in enumerate(cells):
        if wanted is not None:
            for clause in _clauses(number, cell, wanted, default, len(cells)):
                formula.append(clause)
    with RC2(formula) as solver:
        return None if solver.compute() is None else int(solver.cost)


def _clauses(
    number: dict[tuple[tuple[int, int], T], int], cell: int, wanted: T, default: T, count: int
) -> Iterator[list[int]]:
    """SDM 3A 12.11.4.1 for one cell: what must and must not lie over it."""
    over = {kind: [number[block, kind] for block in blocks(count) if block[0] <= cell < sum(block)] for kind in KINDS}
    if wanted is T.UC:
        if default is not T.UC:
            yield over[T.UC]  # one UC range wins over all
        else:
            for kind in KINDS:  # any other range takes the default's place: then a UC one must be there
                yield from ([-variable, *over[T.UC]] for variable in over[kind] if kind is not T.UC)
        return
    allowed = {wanted, T.WB} if wanted is T.WT else {wanted}
    for kind in KINDS:
        if kind not in allowed:
            yield from ([-variable] for variable in over[kind])
    if default is not wanted:
        yield over[wanted]
    elif wanted is T.WT:  # the default is WT: a WB range needs a WT one beside it
        yield from ([-variable, *over[T.WT]] for variable in over[T.WB])


def compare(seed: int, count: int, sizes: tuple[int, ...] = (8, 16, 16, 32)) -> int:
    """How many of `count` targets were compared, each under one default type; raises where the planner differs."""
    rng = random.Random(seed)
    for _ in range(count):
        cells, default = random_cells(rng, rng.choice(sizes)), rng.choice(KINDS)
        made = mt.plan(target_of(cells), registers=64, default_type=default, fixed=False)
        wanted = fewest(cells, default)
        if (made.used, made.lost) != (wanted, 0):
            raise AssertionError(f"{cells} under {default}: {made.used} ranges planned, {wanted} are the fewest")
    return count


if __name__ == "__main__":
    print(compare(1, int(sys.argv[1])), "targets: as many ranges as MaxSAT needs, each time")
