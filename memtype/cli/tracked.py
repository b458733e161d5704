"""What Linux' list of tracked ranges (pat_memtype_list) says of an address: beside the MTRRs' answer, or alone."""

from __future__ import annotations

import heapq
import itertools
from typing import Any

from memtype.analysis.reserve import tracked_entries
from memtype.cli.addresses import hexadecimal, mem, span_json
from memtype.cli.output import columns
from memtype.effective import effective
from memtype.machine import Machine
from memtype.types import MemoryType

ABSENT = "not in the list"
NOTE = (
    "answered from pat_memtype_list: the PAT types that Linux tracks; "
    "RAM is not listed, the MTRRs are not told, so the effective types are not either"
)

Entries = list[tuple[int, int, MemoryType]]


def alone(machine: Machine) -> bool:
    """Whether the list is all that the dump tells of types."""
    listed = (machine.facts or {}).get("pat_memtype_list") is not None
    return listed and machine.registers is None and machine.printed_map is None


def text(machine: Machine, base: int, size: int) -> list[str]:
    """The answer from the list alone: the type, or every part of a range with its type."""
    entries = tracked_entries(machine, base, size) or []
    head = hexadecimal(base) if size == 1 else mem(base, size)
    parts = _parts(entries, base, base + size)
    if len(parts) == 1:
        kind = parts[0][2]
        return [f"{head}  {ABSENT}" if kind is None else f"{head}  {kind}  {_source(entries)}"]
    rows = [(mem(first, behind - first), ABSENT if kind is None else kind) for first, behind, kind in parts]
    return [f"{head}  {len(parts)} parts", *columns(rows, "  ").splitlines()]


def answer_json(machine: Machine, base: int, size: int) -> dict[str, Any]:
    """The answer from the list alone; "type" is null where it is not in the list, "mixed" where parts differ."""
    parts = _parts(tracked_entries(machine, base, size) or [], base, base + size)
    kind = parts[0][2] if len(parts) == 1 else MemoryType.MIXED
    return {**span_json(base, size), "type": kind, "tracked": as_json(machine, base, size)}


def beside(machine: Machine, base: int, size: int, mtrr: MemoryType, vendor: str) -> list[str]:
    """A line for below the MTRRs' answer; none where the dump holds no list."""
    entries = tracked_entries(machine, base, size)
    if entries is None:
        return []
    if not entries:
        return [f"  Linux: {ABSENT}"]
    kinds = list(dict.fromkeys(kind for _, _, kind in entries))
    met = "" if len(kinds) > 1 else f"; with MTRR {mtrr} effective {effective(mtrr, kinds[0], vendor)}"
    return [f"  Linux tracks {', '.join(map(str, kinds))}  {_source(entries)}{met}"]


def as_json(machine: Machine, base: int, size: int) -> list[dict[str, Any]] | None:
    """The entries that overlap, as the list holds them; None where the dump holds no list."""
    entries = tracked_entries(machine, base, size)
    if entries is None:
        return None
    return [{**span_json(first, behind - first), "type": kind} for first, behind, kind in entries]


def _source(entries: Entries) -> str:
    first, behind, _ = entries[0]
    more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
    return f"Linux' entry {mem(first, behind - first)}{more}"


def _parts(entries: Entries, base: int, end: int) -> list[tuple[int, int, MemoryType | None]]:
    """[base, end) cut where types change; of several entries the first decides, as in Linux, None where there is none.

    One sweep from low to high: `open_here` holds (place in the list, end) of the entries that have begun.
    """
    cuts = sorted({base, end, *(cut for entry in entries for cut in entry[:2] if base < cut < end)})
    found: list[tuple[int, int, MemoryType | None]] = []
    open_here: list[tuple[int, int]] = []
    begun = 0
    for first, behind in itertools.pairwise(cuts):
        while begun < len(entries) and entries[begun][0] <= first:
            heapq.heappush(open_here, (begun, entries[begun][1]))
            begun += 1
        while open_here and open_here[0][1] <= first:
            heapq.heappop(open_here)
        kind = entries[open_here[0][0]][2] if open_here else None
        if found and found[-1][2] is kind:
            found[-1] = found[-1][0], behind, kind
        else:
            found.append((first, behind, kind))
    return found
