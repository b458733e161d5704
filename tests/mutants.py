"""Mutation of the Python rules: change the source a little, and see some test go red.

    python tests/mutants.py                                     every module (hours)
    python tests/mutants.py --module memtype/rules.py           one module; a folder is all of its modules
    python tests/mutants.py --module memtype/formats --sample 600 --seed 1
    python tests/mutants.py --again                             what the last run did not kill, after new tests
    python tests/mutants.py --unchanged                         no change at all: every test must be green, both ways

Needs the extra `mutants`. Which tests run a line is found once and kept (`--map`). A mutant that hangs is looked at
twice, with ten times the patience, and is never counted as killed. Survivors are named with their reason in
tests/mutation/equivalent.txt; the run ends with 1 when one is not, or when a name there fits nothing any more.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this tree, whichever is installed
sys.path.insert(0, str(Path(__file__).resolve().parent / "mutation"))

import pytest
from covering import (
    OPTIONS,
    ROOMS,
    ROOT,
    TARGETS,
    TOO_LONG,
    Covered,
    Readers,
    by_file,
    covering,
    modules,
    with_examples,
)  # fmt: skip
from operators import Change, changes
from warm import BROKEN, HUNG, KILLED, SURVIVED, UNSEEN, Collected, Judge, Mutant, anew, of_pattern

NAMED = ROOT / "tests" / "mutation" / "equivalent.txt"


def named() -> dict[str, str]:
    """Survivors that are known, with the reason: ``module:function: before -> after  # reason``."""
    lines = NAMED.read_text().splitlines() if NAMED.is_file() else []
    split = [line.rpartition("  # ") for line in lines if line and not line.startswith("#")]
    return {key.strip(): reason.strip() for key, _, reason in split}


def made(files: list[str], covered: Covered) -> list[Mutant]:
    """Every mutant of the files."""
    found = []
    for file in files:
        tree = ast.parse((ROOT / file).read_text())
        at_import = _runs_at_import(tree, file, covered)
        for number, change in enumerate(changes(tree)):
            again = change.start in at_import or (change.start == 0 and not _in_place(tree, change))
            found.append(Mutant(file, number, change, [], again))
    return found


def meet(mutants: list[Mutant], covered: Covered) -> None:
    """Give each mutant the tests that can see it."""
    readers = Readers(covered)
    quick = {test for test, took in covered.seconds.items() if took <= TOO_LONG}
    for mutant in mutants:
        tests = set(covered.lines.get((mutant.module, mutant.change.line), ()))
        if mutant.of_function:
            mutant.naming = readers.naming([mutant.change.scope.rpartition(".")[2]])
        else:
            names = readers.bound(mutant.module, mutant.change.line)
            mutant.naming = readers.naming(names | readers.made_of(mutant.module, names))
            tests |= readers.tests(names)
        mutant.tests = sorted(tests & quick)


def _in_place(tree: ast.Module, change: Change) -> bool:
    return change.kind == "pattern" and of_pattern(tree, change.line) is not None


def _runs_at_import(tree: ast.Module, file: str, covered: Covered) -> set[int]:
    """The first lines of functions whose body runs when the module is loaded."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            body = range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
            if any((file, line) in covered.imported for line in body):
                found.add(first)
    return found


def unchanged(files: list[str], covered: Covered) -> list[Mutant]:
    """Mutants that are none, one for each file of tests and each way of judging: what is red here proves nothing."""
    file, change = next((file, one) for file in files for one in changes(ast.parse((ROOT / file).read_text())))
    quick = by_file(test for test, took in covered.seconds.items() if took <= TOO_LONG)
    return [
        Mutant(file, None, dataclasses.replace(change, scope="no change", text=name), tests, at_import)
        for name, tests in quick.items()
        for at_import in (True, False)
    ]


def run(mutants: list[Mutant], judge: Judge) -> None:
    """Judge the mutants: tables first, before the package is imported here."""
    tables = [mutant for mutant in mutants if mutant.at_import]
    functions = [mutant for mutant in mutants if not mutant.at_import]
    start = anew(judge, tables, lambda mutant: mutant.module == "memtype/rules.py")  # the C core has a copy of them
    judge.judge(tables, start)
    if functions:
        files = list(dict.fromkeys(test.partition("::")[0] for mutant in functions for test in judge.chosen(mutant)))
        pytest.main([*with_examples(files), *OPTIONS], plugins=[Collected(judge, functions)])


def interval(part: int, whole: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a share."""
    if not whole:
        return 0.0, 1.0
    share, z = part / whole, 1.96
    middle, half = share + z * z / 2 / whole, z * math.sqrt(share * (1 - share) / whole + z * z / 4 / whole**2)
    return (middle - half) / (1 + z * z / whole), (middle + half) / (1 + z * z / whole)


def report(mutants: list[Mutant], known: dict[str, str]) -> int:
    """Print the scores by room and every survivor; how many of them nobody named."""
    rooms: dict[str, Counter[str]] = {}
    unnamed = 0
    for mutant in mutants:
        room = rooms.setdefault("/".join(mutant.module.split("/")[:2]), Counter())
        verdict = "equivalent" if mutant.verdict != KILLED and mutant.key in known else mutant.verdict
        room[verdict] += 1
        if verdict not in (KILLED, "equivalent"):
            unnamed += 1
            print(f"{verdict:9} {mutant.module}:{mutant.change.line} {mutant.change.scope}: {mutant.change.text}")
    for name, found in sorted(rooms.items()):
        whole = sum(found.values()) - found["equivalent"]
        low, high = interval(found[KILLED], whole)
        share = found[KILLED] / whole if whole else 1.0
        left = f"{found[SURVIVED]} survived, {found[UNSEEN]} that no test runs, {found[HUNG]} hang, "
        left += f"{found[BROKEN]} that this tool cannot make"
        print(f"{name}: {found[KILLED]} of {whole} killed, {share:.1%} ({low:.1%} to {high:.1%}); {left}; "
              f"{found['equivalent']} more are named")  # fmt: skip
    return unnamed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--module", action="append", default=[], metavar="PATH", help="a module or a folder; may be given several times"
    )
    add("--sample", type=int, metavar="N", help="this many mutants, chosen at random")
    add("--seed", type=int, default=0, metavar="N", help="of the sample")
    add("--scope", metavar="NAME", help="only functions whose name has this")
    add("--kind", metavar="NAME", help="only changes of this kind: pattern, comparison, constant, ...")
    add("--tests", action="append", metavar="ROOM", help=f"tests of this room, or file; all: {' '.join(ROOMS)}")
    add("--unchanged", action="store_true", help="change nothing, and see that no test is red")
    add("--again", action="store_true", help="only what the last run left")
    add("--jobs", type=int, default=2, metavar="N")
    add("--budget", type=float, default=30.0, metavar="SECONDS", help="of tests that one mutant meets (default: 30)")
    add("--map", type=Path, default=Path(tempfile.gettempdir()) / "memtype-mutants", metavar="FOLDER")
    args = parser.parse_args()
    os.environ["MEMTYPE_BACKEND"] = "python"  # the C core has its own mutants
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(args.map / "bytecode")  # a fork shall not compile
    os.environ["PYTHONDONTWRITEBYTECODE"], sys.dont_write_bytecode = "", False
    covered = covering(args.map, args.tests or ROOMS, args.jobs)
    files = modules(args.module or TARGETS)
    mutants = unchanged(files, covered) if args.unchanged else made(files, covered)
    last = args.map / "last.json"
    if args.again:
        left = set(json.loads(last.read_text()))
        mutants = [mutant for mutant in mutants if mutant.key in left]
    if args.scope:
        mutants = [mutant for mutant in mutants if args.scope in mutant.change.scope]
    if args.kind:
        mutants = [mutant for mutant in mutants if mutant.change.kind == args.kind]
    if args.sample and args.sample < len(mutants):
        mutants = sorted(
            random.Random(args.seed).sample(mutants, args.sample), key=lambda one: (one.module, one.number)
        )
    if not args.unchanged:
        meet(mutants, covered)
    known, began, count = named(), time.monotonic(), Counter[str]()

    def say(mutant: Mutant) -> None:
        count[mutant.verdict] += 1
        expected = SURVIVED if args.unchanged else KILLED
        if mutant.verdict != expected and mutant.key not in known:
            print(f"  {mutant.verdict} {mutant.key}", flush=True)
        if sum(count.values()) % 50 == 0:
            rate = sum(count.values()) / (time.monotonic() - began)
            print(f"{sum(count.values())} of {len(mutants)}, {rate:.1f}/s: {dict(count)}", flush=True)

    judge = Judge(covered.seconds, args.budget, jobs=args.jobs, say=say, telling=covered.telling)
    run(mutants, judge)
    print(f"\n{len(mutants)} mutants in {time.monotonic() - began:.0f} s")
    if args.unchanged:
        return 0 if set(count) == {SURVIVED} else 1
    unnamed = report(mutants, known)
    last.write_text(json.dumps([mutant.key for mutant in mutants if mutant.verdict != KILLED]))
    return 1 if unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
