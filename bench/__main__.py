"""``python -m bench``: goal, figure and verdict side by side.

One process, the same pre-touched buffers, every candidate once a round behind a call that is not timed, the first
round discarded, the minimum of each candidate, ratios of minima. Other load on the machine shifts figures; ratios
hold to about 5 %.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
from pathlib import Path
from typing import Any

import memtype as mt
from bench import compare
from bench.jobs import jobs
from bench.measure import Job, judge, measure


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    said = {key: [line.split(":", 1)[1].strip() for line in lines if line.startswith(key)] for key in KEYS}
    if not said["model name"]:
        return platform.processor() or platform.machine()
    family = ", ".join(f"{key.split()[-1]} {said[key][0]}" for key in KEYS[1:] if said[key])
    return f"{said['model name'][0]} ({family}) x {len(said['model name'])}"


KEYS = ("model name", "cpu family", "model\t")


def caches() -> str:
    """ "32K + 1024K + 32768K", from the first level's data on."""
    places = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    kept = [place for place in places if (place / "type").read_text().strip() != "Instruction"]
    return " + ".join((place / "size").read_text().strip() for place in kept)


def show(job: Job, times: dict[str, float], verdicts: list[dict[str, Any]]) -> None:
    print(f"\n{job.name}")
    for name, took in times.items():
        beside = "".join(f"{took / times[other]:>9.2f}x {other}" for other in job.beside if other in times)
        print(f"    {name:<28}{took:>12.3f} ns{beside}")
    for name, why in job.skipped.items():
        print(f"    {name:<28}     skipped: {why}")
    for verdict in verdicts:
        print(goal_line(verdict))


def goal_line(verdict: dict[str, Any]) -> str:
    figure = "-" if verdict["figure"] is None else f"{verdict['figure']:.2f} {verdict['unit']}"
    floor = "" if verdict["floor"] is None else f"{verdict['floor']:.2f}"
    return f"  {verdict['goal']:<56}{figure:>12}{floor:>9}   {verdict['verdict']}"


def run(options: argparse.Namespace) -> int:
    rounds = options.rounds or (5 if options.quick else 20)
    head = {
        "schema": "memtype/1", "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "processor": processor(), "caches": caches(), "isa": mt.isa, "python": platform.python_version(),
        "rounds": rounds,
    }  # fmt: skip
    if not options.json:
        print("\n".join(f"{key}: {value}" for key, value in head.items() if key != "schema"))
    results = []
    for job in jobs(options.quick):
        if options.only not in job.name:
            continue
        times = measure(job, rounds)
        verdicts = judge(job, times)
        results.append({"job": job.name, "ns": times, "beside": job.beside, "goals": verdicts, "skipped": job.skipped})
        if not options.json:
            show(job, times, verdicts)
    if not results:
        print(f"bench: no job's name holds {options.only!r}", file=sys.stderr)
        return 2
    goals = [goal for result in results for goal in result["goals"]]
    if options.json:
        print(json.dumps({**head, "jobs": results}, indent=1))
    else:
        print(f"\n  {'Goals':<56}{'figure':>12}{'floor':>9}   verdict\n" + "\n".join(goal_line(goal) for goal in goals))
    return int(any(goal["verdict"] == "MISSED" for goal in goals))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer rounds")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="20, or 5 with --quick")
    parser.add_argument("--json", action="store_true", help="one JSON document, to keep as history")
    parser.add_argument("--only", default="", metavar="TEXT", help="jobs whose name holds TEXT")
    parser.add_argument("--compare", nargs=2, metavar=("A.json", "B.json"), help="two such documents; nothing is run")
    options = parser.parse_args()
    return compare.main(*options.compare) if options.compare else run(options)


if __name__ == "__main__":
    raise SystemExit(main())
