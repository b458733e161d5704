"""What `show` opens and ends with: the ribbon with RAM beside types, and one line of what `check` finds."""

from __future__ import annotations

from collections import Counter

from memtype.analysis.check import check
from memtype.cli import layout
from memtype.cli.addresses import size_text
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.plot.letters import has_several, ribbon
from memtype.plot.ram import Span, top_of, usable

_MOST_SEGMENTS = 4096  # that are drawn, and counted beside RAM


def lines(machine: Machine, memory: MemoryMap) -> list[str]:
    """The ribbon, and which types RAM has; nothing where the map has more segments than anybody looks at."""
    if len(memory.segments) > _MOST_SEGMENTS or len(memory.segments) < 2:
        return []
    limit = 1 << memory.maxphyaddr
    ram = [span for span in usable(machine) if sum(span) <= limit]
    drawn = ribbon(memory, ram, top_of(ram, limit), layout.style.width)
    legend = ["*: several types, or one too narrow for its letters"] if has_several(drawn) else []
    return ["", *drawn, *_ram_types(memory, ram), *legend]


def _ram_types(memory: MemoryMap, ram: list[Span]) -> list[str]:
    """``RAM (#) 15.98 GiB: 15.98 GiB WB, 640 KiB …``"""
    if not ram:
        return []
    held: Counter[str] = Counter()
    for base, size in ram:
        for segment in memory.within(base, size):
            held[str(segment.type)] += segment.size
    parts = [f"all {kind}" if len(held) == 1 else f"{size_text(size)} {kind}" for kind, size in held.most_common()]
    return [f"RAM (#) {size_text(sum(size for _, size in ram))}: {', '.join(parts)}"]


def check_lines(machine: Machine) -> list[str]:
    """One line: how much `check` finds, and the worst of it; nothing where there is nothing to check."""
    try:
        report = check(machine)
    except InputError:
        return []
    bad = [finding for finding in report if finding.severity != "note"]
    if not bad:
        left = "" if usable(machine) or machine.e820 else "; RAM not told, not checked"
        return [f"check: nothing wrong found{left}"]
    counts = Counter(finding.severity for finding in bad)
    counted = ", ".join(f"{count} {word}{'s' * (count > 1)}" for word, count in counts.items())
    return [f"check: {counted}: {bad[0].text}{', …' * (len(bad) > 1)} (memtype check)"]
