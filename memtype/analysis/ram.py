"""Ranges in terms of RAM: how much of them is RAM, and how much is not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

from memtype import rules
from memtype.machine import RamRange

Span = tuple[int, int]  # (base, size)
Key = TypeVar("Key", bound=Hashable)


def spans_of(e820: Iterable[RamRange]) -> list[Span]:
    """The RAM of a firmware map: rising, touching and overlapping lines as one."""
    return joined((r.base, r.size) for r in e820 if r.kind.lower() in rules.E820_RAM)


def joined(spans: Iterable[Span]) -> list[Span]:
    """The spans rising, touching and overlapping ones as one: ``joined([(4, 2), (0, 4)]) == [(0, 6)]``."""
    found: list[Span] = []
    for base, size in sorted(spans):
        if found and base <= found[-1][0] + found[-1][1]:
            first = found[-1][0]
            found[-1] = first, max(found[-1][1], base + size - first)
        else:
            found.append((base, size))
    return found


def bytes_in(base: int, size: int, ram: Iterable[Span]) -> int:
    """How many bytes of [base, base + size) lie in spans that `joined` made.

    Examples
    --------
    >>> bytes_in(0x1000, 0x3000, [(0, 0x2000), (0x3000, 0x800)])
    6144
    """
    end = base + size
    return sum(max(0, min(end, first + length) - max(base, first)) for first, length in ram)


def totals(parts: Iterable[tuple[int, int, Key]], ram: list[Span]) -> dict[Key, tuple[int, int]]:
    """(bytes of RAM, other bytes) of each key, from (base, size, key) of disjoint parts.

    Examples
    --------
    >>> totals([(0, 4096, "UC"), (8192, 8192, "UC")], [(0, 12288)])
    {'UC': (8192, 4096)}
    """
    found: dict[Key, tuple[int, int]] = {}
    for base, size, key in parts:
        inside = bytes_in(base, size, ram)
        held = found.get(key, (0, 0))
        found[key] = held[0] + inside, held[1] + size - inside
    return found
