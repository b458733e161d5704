"""RAM beside memory types."""

from __future__ import annotations

from memtype import rules
from memtype.machine import Machine

Span = tuple[int, int]  # (base, size)


def usable(machine: Machine) -> list[Span]:
    """(base, size) of the RAM in the dump's own map, rising and joined."""
    found: list[Span] = []
    for base, size in sorted((r.base, r.size) for r in machine.e820 if r.kind.lower() in rules.E820_RAM and r.size):
        end = sum(found[-1]) if found else -1
        if base <= end:
            found[-1] = found[-1][0], max(end, base + size) - found[-1][0]
        else:
            found.append((base, size))
    return found


def overlap(spans: list[Span], base: int, end: int) -> int:
    """How many bytes of [base, end) the spans cover; they do not overlap each other."""
    return sum(max(0, min(end, low + size) - max(base, low)) for low, size in spans)


def top_of(spans: list[Span], limit: int) -> int | None:
    """The top of RAM below `limit`; None without RAM."""
    ends = [base + size for base, size in spans if base + size <= limit]
    return max(ends) if ends else None
