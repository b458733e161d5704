"""Branches and MC/DC of the C core under the C programs beside this file: ``python tests/csrc/mcdc.py``.

Needs clang and llvm, version 18 or later (Debian: clang-19 llvm-19). Builds the core as it is and as for a compiler
without builtins, runs the programs with every set of this machine, and adds up. Prints each file of csrc/, and every
condition that is never true, never false, or never alone decides (MC/DC). Those in uncovered_conditions.txt are
explained there; any other is a failure: exit status 1. 2 where there is no such compiler.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from c_mutations import functions
from reasons import Reasons

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CSRC = ROOT / "csrc"
PROGRAMS = [
    (HERE / "rules_check.c", "", ()),
    (HERE / "tables_check.c", "", ()),
    (HERE / "fleet_check.c", "", ()),
    (HERE / "limits_check.c", "", ()),
    (HERE / "arrays_check.c", "", ()),
    (HERE / "alone.c", "", ("60",)),
    (HERE / "dispatch_check.c", "dispatch.c", ()),
    (HERE.parent / "fuzz" / "differential.c", "", ("400000",)),
]
BUILDS = ((), ("-DMEMTYPE_PLAIN",))
FLAGS = ["-std=c11", "-w", "-O1", "-fprofile-instr-generate", "-fcoverage-mapping", "-fcoverage-mcdc"]
Place = tuple[str, int, int, int, int]  # file, first line and column, last line and column


def tools() -> tuple[str, str, str] | None:
    for version in range(25, 17, -1):
        found = tuple(shutil.which(f"{name}-{version}") for name in ("clang", "llvm-profdata", "llvm-cov"))
        if all(found):
            return found  # type: ignore[return-value]
    return None


def measured(clang: str, profdata: str, place: Path) -> tuple[list[Path], Path]:
    """The programs, run; and the profile of them all."""
    jobs = [
        (*program, flags, place / f"{program[0].stem}{n}") for program in PROGRAMS for n, flags in enumerate(BUILDS)
    ]

    def run(job: tuple[Path, str, tuple[str, ...], tuple[str, ...], Path]) -> None:
        source, without, arguments, flags, program = job
        core = [str(path) for path in sorted(CSRC.glob("*.c")) if path.name not in ("_native.c", without)]
        folders = ["-I", str(CSRC), "-I", str(ROOT / "tests" / "proofs")]
        subprocess.run([clang, *FLAGS, *flags, *folders, str(source), *core, "-o", str(program)], check=True)
        environment = os.environ | {"LLVM_PROFILE_FILE": f"{program}.profraw"}
        subprocess.run([program, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, jobs))
    subprocess.run([profdata, "merge", "-o", str(place / "all"), *map(str, place.glob("*.profraw"))], check=True)
    return [job[-1] for job in jobs], place / "all"


def exported(llvm_cov: str, programs: list[Path], profile: Path) -> list[dict[str, Any]]:
    objects = [word for program in programs[1:] for word in ("-object", str(program))]
    command = [llvm_cov, "export", str(programs[0]), *objects, f"-instr-profile={profile}", "-format=text"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [file for file in told["data"][0]["files"] if Path(os.path.realpath(file["filename"])).parent == CSRC]


class Conditions:
    """Every condition of the core; what is inlined into several files counts as one."""

    def __init__(self, files: list[dict[str, Any]]) -> None:
        self.branches: dict[Place, list[int]] = defaultdict(lambda: [0, 0])
        self.decided: dict[Place, list[bool]] = {}
        for file in files:
            name = Path(os.path.realpath(file["filename"])).name
            for line, column, last, end, true, false, *_ in file["branches"]:
                counts = self.branches[name, line, column, last, end]
                counts[0] += true
                counts[1] += false
            for line, column, last, end, *_, alone in file["mcdc_records"]:
                place = name, line, column, last, end
                before = self.decided.get(place, [False] * len(alone))
                self.decided[place] = [a or b for a, b in zip(before, alone)]

    def parts(self, whole: Place) -> list[Place]:
        """The conditions of a decision, from left to right."""
        inside = [p for p in self.branches if p[0] == whole[0] and p[1:3] >= whole[1:3] and p[3:] <= whole[3:]]
        return sorted(inside, key=lambda place: place[1:])

    def uncovered(self) -> list[tuple[Place, str]]:
        found = [(place, word) for place, counts in self.branches.items()
                 for word, count in zip(("never true", "never false"), counts) if not count]  # fmt: skip
        known = {place for place, _ in found}
        for whole, alone in self.decided.items():
            for part, decides in zip(self.parts(whole), alone):
                if not decides and part not in known:
                    found.append((part, "never decides alone"))
        return found

    def totals(self) -> list[tuple[str, int, int, int, int]]:
        """(file, branches, covered, conditions of decisions, covered)."""
        rows = []
        for name in sorted({place[0] for place in self.branches}):
            counts = [count for place, pair in self.branches.items() if place[0] == name for count in pair]
            alone = [one for place, each in self.decided.items() if place[0] == name for one in each]
            rows.append((name, len(counts), sum(count > 0 for count in counts), len(alone), sum(alone)))
        return rows


def key(place: Place, word: str) -> str:
    name, line, column, last, end = place
    source = (CSRC / name).read_text()
    lines = source.splitlines()[line - 1 : last]
    lines[-1] = lines[-1][: end - 1]
    lines[0] = lines[0][column - 1 :]
    at = sum(len(text) + 1 for text in source.splitlines()[: line - 1]) + column - 1
    function = next((found for first, until, found in functions(source) if first <= at < until and found), "")
    return f"{name} | {function} | {' '.join(' '.join(lines).split())} | {word}"


def main() -> int:
    found = tools()
    if found is None:
        print("MC/DC needs clang and llvm, version 18 or later: apt-get install clang-19 llvm-19", file=sys.stderr)
        return 2
    clang, profdata, llvm_cov = found
    with tempfile.TemporaryDirectory() as folder:
        conditions = Conditions(exported(llvm_cov, *measured(clang, profdata, Path(folder))))
    print(f"{'file':18} {'branches':>14} {'MC/DC':>14}")
    for name, branches, taken, parts, alone in conditions.totals():
        print(f"{name:18} {taken:6} of {branches:4} {alone:6} of {parts:4}")
    sums = [sum(row[n] for row in conditions.totals()) for n in range(1, 5)]
    print(f"{'all':18} {sums[1]:6} of {sums[0]:4} {sums[3]:6} of {sums[2]:4}")
    reasons = Reasons(HERE / "uncovered_conditions.txt")
    uncovered = sorted({key(place, word) for place, word in conditions.uncovered()})
    bad = 0
    for entry in uncovered:
        why = reasons.why(entry)
        bad += why is None
        print(f"{'explained' if why else 'UNCOVERED'}: {entry}" + (f": {why}" if why else ""))
    for entry in reasons.unused(uncovered):
        bad += 1
        print(f"uncovered_conditions.txt: covered now, or not there: {entry}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
