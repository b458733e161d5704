"""Which tests run which line, how long each takes, and which lines already run when the package is imported.

Made once by coverage's contexts and kept in a folder, a file of the tests at a time: it is run again when it changes,
or a module of which it runs a line. A mutant then meets the tests that can see it, and no others.
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
from collections import Counter, defaultdict
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
         "diagrams", "analysis", "backends", "host", "cli",
         EXAMPLES)  # fmt: skip
# What is mutated.
TARGETS = (
    "memtype/rules.py", "memtype/types.py", "memtype/backends/reference.py", "memtype/effective.py", "memtype/ept.py",
    "memtype/kvm", "memtype/views", "memtype/told", "memtype/reading", "memtype/formats",
)  # fmt: skip
# No assertion is rewritten (red is enough); of the project's options only the doctests, where there are any.
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:unraisableexception", "--assert=plain", "-o", "addopts=")
# The C core has its own mutants; and options for the suite that asks (two processes, say) are none of these runs.
ENVIRONMENT = {"MEMTYPE_BACKEND": "python", "PYTEST_ADDOPTS": ""}
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
        for line, tests in other.lines.items():
            self.lines[line] |= tests

    def telling(self, module: str) -> dict[str, int]:
        """How many lines of the module each test runs: the more, the more it is about the module."""
        return Counter(test for (file, _), tests in self.lines.items() if file == module for test in tests)

    @property
    def modules(self) -> set[str]:
        return {module for module, _ in self.lines}

    def write(self, path: Path) -> None:
        scratch = path.with_suffix(".part")
        scratch.write_bytes(pickle.dumps((self.seconds, dict(self.lines), self.imported, _hashes(self.modules))))
        scratch.rename(path)


def _read(path: Path) -> Covered | None:
    """What is kept, if every module in it still is as it was."""
    if not path.exists():
        return None
    seconds, lines, imported, hashes = pickle.loads(path.read_bytes())
    return Covered(seconds, lines, imported) if hashes == _hashes(hashes) else None


def _hashes(modules: Iterable[str]) -> dict[str, str]:
    return {module: _hash([ROOT / module]) for module in sorted(modules) if (ROOT / module).is_file()}


def test_files() -> list[str]:
    """The files of tests of `ROOMS`, and modules of the package with examples."""
    tests = [path for room in ROOMS for path in sorted((ROOT / "tests" / room).glob("test_*.py"))]
    tests = [path for path in tests if path.name != "test_mutants.py"]
    examples = [path for path in sorted((ROOT / "memtype").rglob("*.py")) if ">>>" in path.read_text()]
    examples = [path for path in examples if not {"arrow.py", "scale", "plot", "report"} & set(path.parts)]
    return [str(path.relative_to(ROOT)) for path in [*examples, *tests]]


def room_of(name: str) -> str:
    """The folder of a file of tests; of a module with examples the package; of the import itself."""
    return EXAMPLES if name.startswith(EXAMPLES) else name.split("/")[1] if "/" in name else name


def with_examples(files: list[str]) -> list[str]:
    """Files of tests as arguments: examples are collected where there are any."""
    examples = any(room_of(name) == EXAMPLES for name in files)
    return [*files, "--doctest-modules", "--doctest-ignore-import-errors"] if examples else files


def by_file(tests: Iterable[str]) -> dict[str, list[str]]:
    """Tests by their file, in the order in which they are given."""
    found: dict[str, list[str]] = {}
    for test in tests:
        found.setdefault(test.partition("::")[0], []).append(test)
    return found


def modules(wanted: Iterable[str] = TARGETS) -> list[str]:
    """The files of these modules and folders."""
    found: list[Path] = []
    for name in wanted:
        path = ROOT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(ROOT)) for path in found]


def covering(folder: Path, rooms: Iterable[str] = ROOMS, jobs: int = 2) -> Covered:
    """The map of the tree as it is, by tests of rooms or files; what `folder` lacks is run, `jobs` rooms at a time."""
    helpers = _hash(path for path in (ROOT / "tests").glob("*.py") if path.name != "mutants.py")
    wanted = [name for name in test_files() if not {name, room_of(name)}.isdisjoint(rooms)]
    files = {name: folder / f"{_hash([ROOT / name])}-{helpers}.covered" for name in wanted}
    files[IMPORT] = folder / f"{_hash((ROOT / 'memtype').rglob('*.py'))}.imported"
    folder.mkdir(parents=True, exist_ok=True)
    held = {name: _read(path) for name, path in files.items()}
    by_room = defaultdict[str, list[str]](list)
    for name in [name for name, covered in held.items() if covered is None]:
        by_room[room_of(name)].append(name)
    began = time.monotonic()

    def run(names: list[str]) -> None:
        _ran({name: files[name] for name in names})
        print(f"map {time.monotonic() - began:6.0f} s  {' '.join(names)}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, by_room.values()))
    found = Covered()
    for name, path in files.items():
        covered = held[name] or _read(path)
        if covered is None:
            raise SystemExit(f"{name}: the source changed under the run")
        found.add(covered)
        found.imported |= covered.imported
    return found


def _ran(targets: dict[str, Path]) -> None:
    """Map these files of tests in a process of their own."""
    command = [sys.executable, __file__, *(f"{name}={path}" for name, path in targets.items())]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True)
    if not all(path.exists() for path in targets.values()):
        raise SystemExit(f"{list(targets)}: no map\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")


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
    try:
        import coverage
    except ImportError:
        raise SystemExit("mutants: coverage is not installed (extra mutants)") from None

    cov = coverage.Coverage(data_file=None, include=[str(ROOT / "memtype" / "*")])
    cov.start()
    cov.switch_context(IMPORT)
    for module in module_names():
        importlib.import_module(module)
    cov.switch_context("collection")
    contexts = _Contexts(cov)
    if tests := [name for name in targets if name != IMPORT]:
        pytest.main([*with_examples(tests), *OPTIONS], plugins=[contexts])
    cov.stop()
    for name, covered in _sorted(cov.get_data(), contexts, targets).items():
        covered.write(targets[name])


def _sorted(data: Any, contexts: _Contexts, names: Iterable[str]) -> dict[str, Covered]:
    """What coverage saw, by file of tests."""
    found = {name: Covered() for name in names}
    for test, took in contexts.seconds.items():
        if test not in contexts.failed:
            found[test.partition("::")[0]].seconds[test] = took
    for path in data.measured_files():
        file = str(Path(path).relative_to(ROOT))
        for line, tests in data.contexts_by_lineno(path).items():
            if IMPORT in tests and IMPORT in found:
                found[IMPORT].imported.add((file, line))
            for test in tests:
                covered = found.get(test.partition("::")[0])
                if covered and test in covered.seconds:
                    covered.lines[file, line].add(test)
    return found


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
        self.words = {name: set(re.findall(r"\w+", (ROOT / name).read_text()))
                      for name in test_files() if name.startswith("tests")}  # fmt: skip
        self.by_file = by_file(covered.seconds)
        self.made = dict[frozenset[str], set[str]]()
        self.names = dict[tuple[str, int], set[str]]()

    def bound(self, file: str, line: int) -> set[str]:
        """`bound_names`, remembered."""
        if (file, line) not in self.names:
            self.names[file, line] = bound_names(self.trees[file], line)
        return self.names[file, line]

    def naming(self, names: Iterable[str]) -> frozenset[str]:
        """The tests of files that write one of `names`."""
        files = [file for file, words in self.words.items() if not words.isdisjoint(names)]
        return frozenset(test for file in files for test in self.by_file.get(file, ()))

    def made_of(self, file: str, names: Iterable[str]) -> set[str]:
        """The names of the same module that are made of private ones of `names`: a table that a function makes."""
        lines = [line for name in names if name.startswith("_") for at, line in self.uses[name] if at == file]
        return {name for line in lines for name in self.bound(file, line)}

    def tests(self, names: Iterable[str]) -> set[str]:
        """The tests of all lines that read one of `names`, and of files of tests that write one."""
        key = frozenset(names)
        if key in self.made:
            return self.made[key]
        found, todo, seen = set[str](), list(names), set(names)
        while todo:
            name = todo.pop()
            found |= self.naming([name])
            for place in self.uses[name]:
                found |= self.covered.lines.get(place, set())
                if place in self.covered.imported:
                    for other in self.bound(*place) - seen:
                        seen.add(other)
                        todo.append(other)
        self.made[key] = found
        return found


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    _main({name: Path(target) for name, _, target in (given.partition("=") for given in sys.argv[1:])})
