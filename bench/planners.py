"""Variable ranges that other planners took on real machines, beside the fewest: ``python -m bench.planners DIR``.

Of each dump: coreboot's printed counts for its own ranges under both default types; mtrr_cleanup's optimal setting,
where it loses nothing; and the registers that firmware itself left, for the map that they make.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import memtype as mt
from memtype import rules
from memtype.analysis import plan_target
from memtype.backends import reference
from memtype.machine import Machine

Row = tuple[str, int, int]  # whose, their count, ours


def compared(path: Path) -> list[Row]:
    """What the dump tells of other planners."""
    try:
        states = mt.load(path).states
    except mt.MemtypeError:
        return []
    return [row for state in states for row in (*_coreboot(state), *_cleanup(state), *_firmware(state))]


def _coreboot(machine: Machine) -> Iterator[Row]:
    facts: dict[str, Any] = machine.facts or {}
    state = machine.mtrrs
    if not {"counts_wb_uc", "ranges"} <= facts.keys() or state is None or not facts["ranges"] or facts["ranges"][0][0]:
        return  # no count, or an excerpt that does not begin at 0
    target = plan_target.of_ranges(facts["ranges"], state.maxphyaddr, machine.vendor == "amd")
    for kind, theirs in zip(("WB", "UC"), facts["counts_wb_uc"], strict=True):
        yield f"coreboot {kind}", theirs, mt.plan(target, rules.MAX_VARIABLE, kind).used


def _cleanup(machine: Machine) -> Iterator[Row]:
    optimal: Any = (machine.facts or {}).get("cleanup_optimal")
    state = machine.mtrrs
    if state is not None and optimal and not optimal["lose"].strip("0GMK-"):
        fixed = mt.plan(_above_1_mib(state), rules.MAX_VARIABLE, "UC", current=state)
        yield "mtrr_cleanup", optimal["num_reg"], fixed.used


def _firmware(machine: Machine) -> Iterator[Row]:
    """The registers as they are, where each is one block: what the firmware's own planner made."""
    state = machine.mtrrs
    if state is None or not state.def_type & rules.DEF_TYPE_E:
        return
    valid = [pair for pair in state.variable if pair[1] & rules.MASK_VALID]
    if reference.block_count(state) == len(valid):
        default = rules.type_of(state.def_type & rules.DEF_TYPE_TYPE)
        yield "firmware", len(valid), mt.plan(state, rules.MAX_VARIABLE, default).used


def _above_1_mib(state: mt.MtrrState) -> mt.MemoryMap:
    return plan_target.changed(state.map, [(0, rules.FIXED_END, mt.MemoryType.UNDEFINED)])


def main(root: Path) -> None:
    totals: dict[str, list[int]] = {}
    for path in sorted(root.glob("*/*.txt")):
        for whose, theirs, ours in compared(path):
            total = totals.setdefault(whose, [0, 0, 0])
            for place, value in enumerate((1, theirs, ours)):
                total[place] += value
            if whose != "firmware" or ours < theirs:
                print(f"{path.parent.name}/{path.stem:<55} {whose:<14} {theirs:>3} -> {ours}")
    for whose, (count, theirs, ours) in totals.items():
        print(f"{whose:<14} {count:>4} dumps: {theirs} ranges, {ours} are enough")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
