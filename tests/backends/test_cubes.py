"""Cubes, made fewer before tables are filled (csrc/windows.c): all of small worlds answers as its registers do."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from kernel_sets import native

from memtype import MtrrState

WIDTH, PART = 34, 1 << 22  # 4,096 parts, most of them above 4 GiB, where TOM2 counts
FIXED = [0] * 11
FIELD = (1 << WIDTH) - PART
PLACES = np.arange(1 << WIDTH - 22, dtype=np.uint64) * np.uint64(PART)


def masks(rng: random.Random) -> list[int]:
    """Few, so that ranges swallow and join one another: blocks, and blocks with holes."""
    blocks = [FIELD & -(PART << rng.randrange(13)) for _ in range(rng.randint(1, 4))]
    return blocks + [FIELD & rng.getrandbits(WIDTH) for _ in range(rng.randint(0, 2))]


def crowded(seed: int, ranges: int) -> MtrrState:
    rng = random.Random(seed)
    kinds = rng.choices((0, 1, 4, 5, 6), k=rng.randint(1, 3))
    sizes = rng.choice(([FIELD], masks(rng)))
    field = FIELD & rng.choice((FIELD, rng.getrandbits(WIDTH), (PART << 9) - PART, (PART << 6) - PART))
    variable = [(rng.getrandbits(WIDTH) & field | rng.choice(kinds), rng.choice(sizes) | 0x800) for _ in range(ranges)]
    amd: dict[str, Any] = {"vendor": "amd", "syscfg": 3 << 21, "tom2": rng.getrandbits(WIDTH) & -PART * 2}
    default = rng.choice((0, 1, 4, 5, 6))
    return MtrrState(0x800 | default, FIXED, variable, WIDTH, **(amd if rng.random() < 0.2 else {}))


def check(s: MtrrState, told: object) -> None:
    registers, found = native.registers(s), np.empty(PLACES.size, np.uint8)
    native.types_by_set("portable", s, PLACES, found)
    assert found.tolist() == [native.lib.memtype_at(registers, place) for place in PLACES.tolist()], told


@pytest.mark.parametrize("ranges", [2, 3, 8, 40, 120, 255])
def test_fewer_cubes_give_the_same_answers(ranges: int) -> None:
    for seed in range(40):
        check(crowded(seed, ranges), seed)


@pytest.mark.parametrize("number", range(22, WIDTH))
def test_any_two_that_differ_in_one_bit_are_one(number: int) -> None:
    """In few slots: the new cube may be met in the slot of one that it was made of."""
    rng = random.Random(number)
    for _ in range(12):
        mask = FIELD & (rng.getrandbits(WIDTH) | 1 << number)
        base = rng.getrandbits(WIDTH) & mask
        variable = [(base | 6, mask | 0x800), (base ^ 1 << number | 6, mask | 0x800)]
        check(MtrrState(0x800, FIXED, variable, WIDTH), variable)
        assert cubes_of(variable, WIDTH) == 1


def cubes_of(variable: list[tuple[int, int]], width: int = 46, **more: Any) -> int:
    made = native.ffi.new("memtype_tables *")
    native.lib.memtype_tables_build(native.registers(MtrrState(0x800, FIXED, variable, width, **more)), 0, made)
    return int(made.cubes)


GIB = 1 << 30
BLOCK = (1 << 46) - GIB | 0x800


@pytest.mark.parametrize(
    ("variable", "cubes"),
    [
        ([(n * GIB | 6, BLOCK) for n in range(64)], 1),
        ([(n * GIB | 6, BLOCK) for n in reversed(range(64))], 1),
        ([(n * GIB | 6, BLOCK) for n in range(255)], 8),  # 128 + 64 + ... + 1
        ([(2 * n * GIB | (6, 4)[n % 2], BLOCK) for n in range(32)], 2),  # holes, too
        ([(8 * GIB | 4, BLOCK & -(8 * GIB) | 0x800), (9 * GIB | 6, BLOCK)], 1),  # WT around WB
        ([(8 * GIB | 6, BLOCK & -(8 * GIB) | 0x800), (9 * GIB | 4, BLOCK)], 2),  # WB around WT
        ([(0 | 0, 0x800), *((n * GIB | 1, BLOCK) for n in range(9))], 1),  # UC everywhere
        ([(GIB | kind, BLOCK) for kind in (1, 4, 5, 6)], 1),  # one place, whatever they make together
    ],
)  # fmt: skip
def test_ranges_become_as_few_cubes_as_they_can(variable: list[tuple[int, int]], cubes: int) -> None:
    assert cubes_of(variable) == cubes


def test_tom2_adds_no_cube_inside_a_range() -> None:
    wb = [(0x6, 0x800)]
    assert cubes_of(wb, vendor="amd", syscfg=3 << 21, tom2=(7 << 30) + (1 << 23)) == 1
