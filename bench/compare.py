"""Two documents of ``python -m bench --json`` side by side: ``python -m bench --compare A.json B.json``.

Exit 1 where B misses a goal that A met, 2 where a file is no such document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOISE = 1.10  # what two runs of the same code differ by


def main(first: str, second: str) -> int:
    try:
        a, b = _load(first), _load(second)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 2
    for key in ("date", "processor", "isa", "python", "rounds"):
        print(f"{key}: {a.get(key)} -> {b.get(key)}")
    print("\n".join(_times(a["jobs"], b["jobs"])))
    lines, lost = _goals(a["jobs"], b["jobs"])
    print("\nGoals\n" + "\n".join(lines))
    return int(lost)


def _load(path: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("jobs"), list):
        raise ValueError(f"{path} is no document of python -m bench --json")
    return {**found, "jobs": {job["job"]: job for job in found["jobs"]}}


def _times(a: dict[str, Any], b: dict[str, Any]) -> Iterator[str]:
    """Each time of both, and how it changed; against the job's own yardstick too, since machines drift."""
    for name, job in a.items():
        if name not in b:
            yield f"\n{name}: only in the first"
            continue
        yield f"\n{name}"
        before, after = job["ns"], b[name]["ns"]
        yardstick = next((other for other in job["beside"] if other in before and other in after), None)
        for candidate in before:
            if candidate in after:
                yield _line(candidate, before, after, yardstick)
    yield from (f"\n{name}: only in the second" for name in b if name not in a)


def _line(candidate: str, before: dict[str, float], after: dict[str, float], yardstick: str | None) -> str:
    change = after[candidate] / before[candidate]
    text = f"    {candidate:<28}{before[candidate]:>12.3f}{after[candidate]:>12.3f} ns{change:>8.2f}x"
    if yardstick is None or yardstick == candidate:
        return text
    ratios = [times[candidate] / times[yardstick] for times in (before, after)]
    moved = ratios[1] / ratios[0]
    mark = "  slower" if moved > NOISE else "  faster" if moved < 1 / NOISE else ""
    return f"{text}   {ratios[0]:.2f} -> {ratios[1]:.2f}x {yardstick}{mark}"


def _goals(a: dict[str, Any], b: dict[str, Any]) -> tuple[list[str], bool]:
    lines, lost = [], False
    before = {(name, goal["goal"]): goal for name, job in a.items() for goal in job["goals"]}
    after = {(name, goal["goal"]): goal for name, job in b.items() for goal in job["goals"]}
    for key, goal in after.items():
        old = before.get(key, {"figure": None, "verdict": "-"})
        verdicts = f"{_figure(old):>10} {old['verdict']:<24}{_figure(goal):>10} {goal['verdict']}"
        lines.append(f"  {key[1]:<56}{verdicts}")
        lost |= old["verdict"] == "met" and goal["verdict"] == "MISSED"
    return lines, lost


def _figure(goal: dict[str, Any]) -> str:
    return "-" if goal["figure"] is None else f"{goal['figure']:.2f}"
