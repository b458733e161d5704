"""Decision diagrams against plain lists: made, laid over each other, counted, cut, and too large to be stored."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from memtype import ShatteredMapError
from memtype.diagrams import Cube, Diagram, overlay

ROUNDS = range(400)


def random_cubes(rng: random.Random, width: int) -> tuple[Diagram, list[int]]:
    """A diagram of some cubes, and the same by asking each number."""
    cubes = []
    for _ in range(rng.randint(0, 5)):
        field = rng.getrandbits(width)
        cubes.append(Cube(field, rng.getrandbits(width) & field, 1 << rng.randint(0, 3)))
    final = rng.choice((0, 1))

    def value(tags: int) -> int:
        return 99 if tags & final else tags

    def slow(number: int) -> int:
        tags = 0
        for cube in cubes:
            tags |= cube.tag if number & cube.field == cube.want else 0
        return value(tags)

    return Diagram.of_cubes(cubes, width, value, final), [slow(number) for number in range(1 << width)]


def random_steps(rng: random.Random, width: int) -> tuple[Diagram, list[int]]:
    starts = sorted({0, *(rng.randrange(1 << width) for _ in range(rng.randint(0, 4)))})
    values = [rng.randint(0, 2) for _ in starts]
    held = [values[sum(start <= n for start in starts) - 1] for n in range(1 << width)]
    return Diagram.of_steps(starts, values, width), held


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_diagram_is_the_list_that_it_stands_for(seed):
    rng = random.Random(seed)
    width = rng.randint(1, 7)
    (one, first), (other, second) = random_cubes(rng, width), random_steps(rng, width)
    both = overlay([one, other], lambda a, b: 3 * a + b)
    assert [one.at(n) for n in range(1 << width)] == first
    assert [other.at(n) for n in range(1 << width)] == second
    expected = [3 * a + b for a, b in zip(first, second, strict=True)]
    low, high = sorted((rng.randint(0, 1 << width), rng.randint(0, 1 << width)))
    runs = list(both.runs(low, high))
    assert [value for base, end, value in runs for _ in range(base, end)] == expected[low:high]
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in itertools.pairwise(runs))
    assert both.count_runs(low, high) == len(runs)
    wanted = {rng.choice(expected), 0}
    assert both.members(wanted, low, high) == sum(value in wanted for value in expected[low:high])
    assert both.values(low, high) == frozenset(expected[low:high])
    assert both.total(lambda value, bit: [value] * (1 << bit), lambda a, b: a + b, low, high) == (
        expected[low:high] or None
    )
    assert both.lookup(np.arange(1 << width, dtype=np.uint64)).tolist() == expected
    bit = rng.randint(0, width)
    blocks = [expected[n : n + (1 << bit)] for n in range(0, 1 << width, 1 << bit)]
    assert [both.several(bit).at(n) for n in range(len(blocks))] == [int(len(set(block)) > 1) for block in blocks]
    whole = list(both.runs())
    assert whole[0][0] == 0 and whole[-1][1] == 1 << width


def test_what_repeats_is_counted_not_listed():
    odd = Diagram.of_cubes([Cube(1, 1, 1)], 40, lambda tags: tags)
    assert odd.count_runs() == 1 << 40 and odd.members({1}) == 1 << 39
    assert list(itertools.islice(odd.runs(), 3)) == [(0, 1, 0), (1, 2, 1), (2, 3, 0)]
    assert odd.members({1}, 5, (1 << 39) + 1) == (1 << 38) - 2
    assert odd.values(7, 8) == {1} and odd.values(8, 8) == frozenset()


def test_too_many_cases_are_refused(monkeypatch):
    monkeypatch.setattr("memtype.diagrams.DIAGRAM_NODE_LIMIT", 1000)
    rng = random.Random(7)
    cubes = []
    for n in range(60):
        field = sum(1 << bit for bit in rng.sample(range(40), 6))
        cubes.append(Cube(field, rng.getrandbits(40) & field, 1 << n % 5))
    with pytest.raises(ShatteredMapError, match="1000"):
        Diagram.of_cubes(cubes, 40, lambda tags: tags)
