"""Which tests run which line, how long each takes, and which lines already run when the package is imported.

Made once by coverage's contexts and kept in a folder, a file of the tests at a time: when only tests change, only they
are run again. A mutant then meets the tests that can see it, and no others.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
import pickle
import pkgutil
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPORT = "import"
EXAMPLES = "memtype"  # examples in docstrings are tests too
# Rooms whose tests answer for the modules that are mutated. The others (plots, jobs on files, packages) take minutes
# and see the rules only through these.
ROOMS = ("kvm", "formats", "reading", "effective", "views", "hypervisors", "mtrr", "vectors", "embed", "emit",
         "diagrams", "analysis", "backends", "cli")  # fmt: skip
# What is mutated. The map is made anew when one of these changes.
TARGETS = (
    "memtype/rules.py", "memtype/types.py", "memtype/backends/reference.py", "memtype/effective.py", "memtype/ept.py",
    "memtype/kvm", "memtype/views", "memtype/told", "memtype/reading", "memtype/formats",
)  # fmt: skip
TOO_LONG = 20.0  # seconds of one test, above which a mutant does not wait for it


@dataclass(slots=True)
class Covered:
    """What one file of tests covers.

    Attributes
    ----------
    seconds : by test, of the processor; only tests that passed
    lines : (module, line) -> its tests
    imported : (module, line) that run at import
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    imported: set[tuple[str, int]] = field(default_factory=set)

    def add(self, other: Covered) -> None:
        self.seconds |= other.seconds
        self.imported |= other.imported
        for line, tests in other.lines.items():
            self.lines[line] |= tests


def test_files() -> list[str]:
    """The files of tests of `ROOMS`, and modules of the package with examples."""
    tests = [path for room in ROOMS for path in sorted((ROOT / "tests" / room).glob("test_*.py"))]
    tests = [path for path in tests if path.name != "test_mutants.py"]
    examples = [path for path in sorted((ROOT / "memtype").rglob("*.py")) if ">>>" in path.read_text()]
    examples = [path for path in examples if not {"arrow.py", "scale", "plot", "report"} & set(path.parts)]
    return [str(path.relative_to(ROOT)) for path in [*examples, *tests]]


def room_of(name: str) -> str:
    """The folder of a file of tests; of a module with examples the package."""
    return EXAMPLES if name.startswith(EXAMPLES) else name.split("/")[1]


def modules(wanted: Iterable[str] = TARGETS) -> list[str]:
    """The files of these modules and folders."""
    found: list[Path] = []
    for name in wanted:
        path = ROOT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(ROOT)) for path in found]


def covering(folder: Path, rooms: Iterable[str] = ROOMS, jobs: int = 2, say: Any = print) -> Covered:
    """The map of the tree as it is; what `folder` does not hold yet is run, `jobs` rooms at a time."""
    package = _hash(ROOT / name for name in modules())
    helpers = _hash((ROOT / "tests").glob("*.py"))
    wanted = [name for name in test_files() if room_of(name) in {*rooms, EXAMPLES}]
    files = {name: folder / f"{_hash([ROOT / name])}-{package}-{helpers}.covered" for name in wanted}
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name, path in files.items() if not path.exists()]
    began = time.monotonic()

    def run(names: list[str]) -> None:
        command = [sys.executable, __file__, *(f"{name}={files[name]}" for name in names)]
        environment = os.environ | {"MEMTYPE_BACKEND": "python"}  # the C core has its own mutants
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if not all(files[name].exists() for name in names):
            raise SystemExit(f"{names}: no map\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
        say(f"map {time.monotonic() - began:6.0f} s  {' '.join(names)}")

    by_room = defaultdict[str, list[str]](list)
    for name in missing:
        by_room[room_of(name)].append(name)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, by_room.values()))
    found = Covered()
    for path in files.values():
        with path.open("rb") as file:
            found.add(Covered(*pickle.load(file)))
    return found


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def module_names() -> list[str]:
    """The modules of the package that import without an extra."""
    import memtype

    skipped = (".scale", ".plot", ".__main__", ".arrow", "_native")
    names = [one.name for one in pkgutil.walk_packages(memtype.__path__, "memtype.")]
    return [name for name in names if not any(part in name for part in skipped)]


class _Contexts:
    """Tells coverage which test runs, and notes its time and whether it passed."""

    def __init__(self, cov: Any) -> None:
        self.cov, self.seconds = cov, dict[str, float]()
        self.began, self.failed = 0.0, set[str]()

    def pytest_configure(self) -> None:
        quiet_hypothesis()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.cov.switch_context(item.nodeid)
        self.began = time.process_time()

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        self.seconds[item.nodeid] = time.process_time() - self.began

    def pytest_runtest_logreport(self, report: Any) -> None:
        if not report.passed:
            self.failed.add(report.nodeid)


def quiet_hypothesis() -> None:
    """The same examples each time, and no search for a smaller one: a red test is enough."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    settings.load_profile("mutants")


def _main(targets: dict[str, Path]) -> None:
    """Run the files of tests in one process, and write what each covers."""
    import coverage

    cov = coverage.Coverage(data_file=None, include=[str(ROOT / "memtype" / "*")])
    cov.start()
    cov.switch_context(IMPORT)
    for module in module_names():
        importlib.import_module(module)
    cov.switch_context("collection")
    contexts = _Contexts(cov)
    pytest.main([*targets, "-q", "-p", "no:cacheprovider"], plugins=[contexts])
    cov.stop()
    found = {name: Covered() for name in targets}
    for test, took in contexts.seconds.items():
        if test not in contexts.failed:
            found[test.partition("::")[0]].seconds[test] = took
    data = cov.get_data()
    for path in data.measured_files():
        file = str(Path(path).relative_to(ROOT))
        for line, names in data.contexts_by_lineno(path).items():
            for covered in found.values() if IMPORT in names else ():
                covered.imported.add((file, line))
            for test in names:
                covered = found.get(test.partition("::")[0])
                if covered and test in covered.seconds:
                    covered.lines[file, line].add(test)
    for name, target in targets.items():
        scratch = target.with_suffix(".part")
        held = found[name]
        scratch.write_bytes(pickle.dumps((held.seconds, dict(held.lines), held.imported)))
        scratch.rename(target)


# --- lines that run at import: who reads the names that they bind ---------------------------------------------------


def bound_names(tree: ast.Module, line: int) -> set[str]:
    """The names that the module-level statement on `line` binds (of a class: its own)."""
    for node in tree.body:
        if node.lineno - len(getattr(node, "decorator_list", ())) <= line <= (node.end_lineno or node.lineno):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                return {node.name}
            return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return set()


class Readers:
    """Which tests can see a name of a module: those that run a line which reads it, through other names too."""

    def __init__(self, covered: Covered) -> None:
        self.covered = covered
        self.trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text())
                      for path in sorted((ROOT / "memtype").rglob("*.py"))}  # fmt: skip
        self.uses = defaultdict[str, set[tuple[str, int]]](set)
        for file, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    self.uses[node.id].add((file, node.lineno))
                elif isinstance(node, ast.Attribute):
                    self.uses[node.attr].add((file, node.lineno))
        self.texts = {name: (ROOT / name).read_text() for name in test_files() if name.startswith("tests")}
        self.by_file = defaultdict[str, set[str]](set)
        for test in covered.seconds:
            self.by_file[test.partition("::")[0]].add(test)
        self.made = dict[frozenset[str], set[str]]()

    def tests(self, names: Iterable[str]) -> set[str]:
        """The tests of all lines that read one of `names`, and of files of tests that write one."""
        key = frozenset(names)
        if key in self.made:
            return self.made[key]
        found, todo, seen = set[str](), list(names), set(names)
        while todo:
            name = todo.pop()
            pattern = re.compile(rf"\b{re.escape(name)}\b")
            for file, text in self.texts.items():
                if pattern.search(text):
                    found |= self.by_file[file]
            for place in self.uses[name]:
                found |= self.covered.lines.get(place, set())
                if place in self.covered.imported:
                    for other in bound_names(self.trees[place[0]], place[1]) - seen:
                        seen.add(other)
                        todo.append(other)
        self.made[key] = found
        return found


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    _main({name: Path(target) for name, _, target in (given.partition("=") for given in sys.argv[1:])})
