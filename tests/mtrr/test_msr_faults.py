"""Why WRMSR refuses a value: the reference against the registers' layouts, written down here bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

import memtype as mt
from memtype.backends import reference

FIXED = {0x250, 0x258, 0x259, *range(0x268, 0x270)}
TYPES, PAT_TYPES = {0, 1, 4, 5, 6}, {0, 1, 4, 5, 6, 7}
INDEXES = (*range(0x1F0, 0x310), 0xFE, 0x10, 0xC001_0010, 0xC001_001D)


def fields(index: int, width: int, vendor: str) -> Iterator[tuple[str, int, int, set[int]]]:
    """Kind of fault, lowest bit, bits and what they may hold, in the order in which they are looked at."""
    if index == 0x277 or index in FIXED:
        routing = (0, 8, 16, 24) if index in FIXED and vendor == "amd" else (0,)  # WrMem, RdMem
        legal = {kind | way for kind in (PAT_TYPES if index == 0x277 else TYPES) for way in routing}
        yield from (("type", bit, 8, legal) for bit in range(0, 64, 8))
        return
    if index == 0x2FF or index % 2 == 0:
        yield "type", 0, 8, TYPES
    reserved = {0x2FF: (8, 9, *range(12, 64))}.get(index, (8, 9, 10, 11) if index % 2 == 0 else tuple(range(11)))
    above = () if index == 0x2FF else range(width, 64)
    yield from (("reserved", bit, 1, {0}) for bit in (*reserved, *above))


def fault(index: int, value: int, width: int, vendor: str) -> tuple[str, int] | None:
    if index == 0xFE:
        return "read-only", 0
    if not (0x200 <= index < 0x250 or index in FIXED or index in (0x277, 0x2FF)):
        return "unknown", 0
    wrong = (
        (kind, bit)
        for kind, bit, size, legal in fields(index, width, vendor)
        if value >> bit & (1 << size) - 1 not in legal
    )
    return next(wrong, None)


@pytest.mark.parametrize("vendor", ["intel", "amd"])
@pytest.mark.parametrize("width", [32, 39, 52])
def test_a_fault_is_the_lowest_bit_that_the_layout_forbids(vendor: str, width: int) -> None:
    random = Random(width)
    for index in INDEXES:
        values = [0, 0x0606_0606_0606_0606, 2**64 - 1]
        if fault(index, 6, width, vendor) is None:
            values += [kind | 1 << bit for kind in (0, 6) for bit in range(64)]
            values += [random.getrandbits(64) & random.getrandbits(64) & random.getrandbits(64) for _ in range(20)]
        for value in values:
            found = reference.msr_fault(index, value, width, vendor)
            assert found == fault(index, value, width, vendor), (hex(index), hex(value))
            assert mt.msr_valid(index, value, width, vendor) is (found is None)
