"""``python -m bench``: goal, figure and verdict side by side.

One process, the same pre-touched buffers, every candidate once a round, the first round discarded, the
minimum of each candidate, ratios of minima. Other load on the machine shifts figures; ratios hold to about 5 %.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
from pathlib import Path
from typing import Any

import memtype as mt
from bench.jobs import jobs
from bench.measure import Job, judge, measure


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()} x {max(len(names), 1)}"


def show(job: Job, times: dict[str, float], verdicts: list[dict[str, Any]]) -> None:
    print(f"\n{job.name}")
    for name, took in times.items():
        beside = f"{took / times[job.beside]:>9.2f}x {job.beside}" if job.beside in times else ""
        print(f"    {name:<24}{took:>12.3f} ns{beside}")
    for name, why in job.skipped.items():
        print(f"    {name:<24}     skipped: {why}")
    for verdict in verdicts:
        figure = "-" if verdict["figure"] is None else f"{verdict['figure']:.2f} {verdict['unit']}"
        print(f"  {verdict['goal']:<40}{figure:>12}   {verdict['verdict']}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer rounds")
    parser.add_argument("--json", action="store_true", help="one JSON document, to keep as history")
    parser.add_argument("--only", default="", metavar="TEXT", help="jobs whose name holds TEXT")
    options = parser.parse_args()
    rounds = 5 if options.quick else 20
    head = {
        "schema": "memtype/1", "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(), "isa": mt.isa, "python": platform.python_version(), "rounds": rounds,
    }  # fmt: skip
    if not options.json:
        print("\n".join(f"{key}: {value}" for key, value in head.items() if key != "schema"))
    results = []
    for job in jobs(options.quick, rounds):
        if options.only not in job.name:
            continue
        times = measure(job, rounds)
        verdicts = judge(job, times)
        results.append({"job": job.name, "ns": times, "beside": job.beside, "goals": verdicts, "skipped": job.skipped})
        if not options.json:
            show(job, times, verdicts)
    if options.json:
        print(json.dumps({**head, "jobs": results}, indent=1))
    return int(any(goal["verdict"] == "MISSED" for result in results for goal in result["goals"]))


if __name__ == "__main__":
    raise SystemExit(main())
