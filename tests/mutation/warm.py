"""A warm interpreter that has collected the tests once; each mutant is a fork of it.

In a fork the mutated function's code is put in place of the function's own, and the tests that run the line are run,
those that killed a neighbour first, until one is red. What runs at import (tables, defaults, decorators) cannot be
put in place afterwards: for it the fork is made before the package is imported, and the module is loaded from the
mutated source; the other packages are loaded by then.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib.abc
import importlib.util
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest import runner
from covering import OPTIONS, ROOT, by_file, quiet_hypothesis, with_examples
from operators import Change, changes

KILLED, SURVIVED, HUNG, UNSEEN, BROKEN = "killed", "survived", "hung", "unseen", "broken"
COLLECTION = 0.5  # seconds of a file of tests, at import
LOADED_BEFORE = ("numpy", "hypothesis.strategies", "cffi", "decimal", "json", "subprocess")


@dataclass(slots=True)
class Mutant:
    """One change of one module, the tests that can see it, and what became of it."""

    module: str
    number: int | None  # in the module's list of changes; None: the module as it is
    change: Change
    tests: list[str]
    at_import: bool  # the module is loaded anew
    naming: frozenset[str] = frozenset()  # tests of files that write the function's name, or one that it binds
    verdict: str = ""
    killer: str = ""

    @property
    def of_function(self) -> bool:
        """Whether only tests that run its line can see it."""
        return not self.at_import and self.change.start > 0

    @property
    def key(self) -> str:
        return f"{self.module}:{self.change.scope}: {self.change.text}"


def subject_of(module: str) -> str:
    """What a module is about: a family of texts, or what its file is called.

    Examples
    --------
    >>> subject_of("memtype/formats/linux_dmesg/boots.py"), subject_of("memtype/kvm/leaf.py")
    ('linux_dmesg', 'leaf')
    """
    parts = module.removesuffix(".py").split("/")
    return parts[2] if parts[1:2] == ["formats"] and len(parts) > 2 else parts[-1]


def is_about(test: str, subject: str) -> bool:
    """Whether a test's file, name or example names the subject."""
    return subject in test.replace("-", "_").lower()


@dataclass(slots=True)
class _Run:
    """A fork that judges a mutant."""

    mutant: Mutant
    pipe: int
    began: float
    said: bytes = b""


@dataclass(slots=True)
class Judge:
    """Gives each mutant its verdict, `jobs` at a time.

    Attributes
    ----------
    seconds : of the processor that each test takes without a mutant
    budget : seconds of the tests that one mutant meets at most
    telling : how many lines of a module each test runs
    patience, grace : a test that takes this many times as long, and so many seconds, hangs
    """

    seconds: dict[str, float]
    budget: float = 30.0
    patience: float = 10.0
    grace: float = 3.0
    jobs: int = 2
    say: Callable[[Mutant], None] = lambda mutant: None
    telling: Callable[[str], dict[str, int]] = lambda module: {}
    killers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    lines: dict[str, dict[str, int]] = field(default_factory=dict)

    def chosen(self, mutant: Mutant) -> list[str]:
        """The tests in the order in which they run: recent killers of this function, those that name what its module is
        about, then others; of each the quick before the slow, and those that name the function before others that take
        a tenth of their time.

        At import each file of tests costs its collection, and hundreds of tests may see a change: recent killers of the
        module come first, then tests that name what is changed or run many lines of the module, for their time.
        """
        first = self.killers.get((mutant.module, mutant.change.scope), [])
        if not mutant.of_function:
            first = [*self.killers.get((mutant.module, ""), []), *first]
        able = set(mutant.tests)
        order = list(dict.fromkeys(test for test in reversed(first) if test in able))[:8]
        subject = subject_of(mutant.module)
        order += sorted(
            able.difference(order), key=lambda test: (not is_about(test, subject), self._cost(mutant, test))
        )
        spent, found, files = 0.0, [], set[str]()
        for test in order:
            file = test.partition("::")[0]
            spent += self.seconds[test] + (COLLECTION if mutant.at_import and file not in files else 0)
            files.add(file)
            if spent > self.budget and found:
                break
            found.append(test)
        return found

    def _cost(self, mutant: Mutant, test: str) -> float:
        if mutant.of_function:
            return self.seconds[test] / (10 if test in mutant.naming else 1)
        if mutant.module not in self.lines:
            self.lines[mutant.module] = self.telling(mutant.module)
        told = self.lines[mutant.module].get(test, 0) + (500 if test in mutant.naming else 0.1)
        return (self.seconds[test] + 0.05) / told

    def judge(self, mutants: list[Mutant], start: Callable[[Mutant, list[str], int], None]) -> None:
        """A verdict for each; what hangs is looked at twice, the second time with ten times the patience."""
        self._judge(mutants, start)
        hung = [mutant for mutant in mutants if mutant.verdict == HUNG]
        self.patience *= 10
        self._judge(hung, start)
        self.patience /= 10

    def _judge(self, mutants: list[Mutant], start: Callable[[Mutant, list[str], int], None]) -> None:
        """Fork for each; `start` runs in the fork and writes the killer's name to the pipe."""
        running: dict[int, _Run] = {}
        todo = iter(mutants)
        while True:
            while len(running) < self.jobs and (mutant := next(todo, None)):
                if mutant.tests:
                    pid, run = self._forked(mutant, start)
                    running[pid] = run
                else:
                    mutant.verdict = UNSEEN
                    self.say(mutant)
            if not running:
                return
            self._wait(running)

    def _forked(self, mutant: Mutant, start: Callable[[Mutant, list[str], int], None]) -> tuple[int, _Run]:
        tests = self.chosen(mutant)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(read)
                os.setpgid(0, 0)
                silent = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1, 2):
                    os.dup2(silent, stream)
                soft = 6 << 30
                resource.setrlimit(resource.RLIMIT_AS, (soft, soft))
                signal.signal(signal.SIGPROF, signal.SIG_DFL)
                start(mutant, tests, write)
            except BaseException as error:
                os.write(write, f"error {mutant.key}: {type(error).__name__}: {error}"[:300].encode())
            finally:
                os._exit(0)
        os.close(write)
        return pid, _Run(mutant, read, time.monotonic())

    def _wait(self, running: dict[int, _Run]) -> None:
        pipes = {run.pipe: pid for pid, run in running.items()}
        ready, _, _ = select.select(list(pipes), [], [], 1.0)
        for pipe in ready:
            run = running[pipes[pipe]]
            piece = os.read(pipe, 4096)
            run.said += piece
            if not piece:
                self._ended(running, pipes[pipe])
        for pid, run in running.items():
            if time.monotonic() - run.began > 60 + 40 * self.budget:  # sleeps: no time of the processor goes by
                os.killpg(pid, signal.SIGKILL)

    def _ended(self, running: dict[int, _Run], pid: int) -> None:
        run = running.pop(pid)
        os.close(run.pipe)
        _, status = os.waitpid(pid, 0)
        mutant, said = run.mutant, run.said.decode()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGKILL):
            mutant.verdict, mutant.killer = HUNG, said.rpartition("\n")[2]
        elif said.startswith("error"):  # of this tool: no test has spoken
            mutant.verdict, mutant.killer = BROKEN, said
        elif os.WIFSIGNALED(status) or "killer " in said:
            mutant.verdict, mutant.killer = KILLED, said.partition("killer ")[2].strip()
            for scope in (mutant.change.scope, ""):
                known = self.killers.setdefault((mutant.module, scope), [])
                if mutant.killer in known:
                    known.remove(mutant.killer)
                known.append(mutant.killer)
        else:
            mutant.verdict = SURVIVED
        self.say(mutant)

    def limit(self, test: str) -> None:
        """From now on the fork may use so much time of the processor."""
        signal.setitimer(signal.ITIMER_PROF, self.grace + self.patience * self.seconds.get(test, 1.0))


# --- code in place -------------------------------------------------------------------------------------------------


class Collected:
    """A pytest plugin: when all is collected, judge the mutants of functions."""

    def __init__(self, judge: Judge, mutants: list[Mutant]) -> None:
        self.judge, self.mutants = judge, mutants
        self.items: dict[str, pytest.Item] = {}

    def pytest_configure(self) -> None:
        quiet_hypothesis()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        for mutant in self.mutants:
            mutant.tests = [test for test in mutant.tests if test in self.items]
        trees = {mutant.module: ast.parse((ROOT / mutant.module).read_text()) for mutant in self.mutants}
        made = {module: changes(tree) for module, tree in trees.items()}
        for module in trees:  # families are loaded when a text needs them: now, so that their functions are there
            importlib.import_module(_name(module))
        functions, caches = _functions(), _caches()
        gc.collect()
        gc.freeze()

        def start(mutant: Mutant, tests: list[str], pipe: int) -> None:
            if mutant.number is not None:
                change = made[mutant.module][mutant.number]
                assert change.text == mutant.change.text, "the source changed under the run"
                change.make()
                code = compile(trees[mutant.module], str(ROOT / mutant.module), "exec")
                if change.start:
                    _put(code, change, str(ROOT / mutant.module), functions)
                else:
                    _renew(sys.modules[_name(mutant.module)], trees[mutant.module], change.line)
            for cache in caches:
                cache.cache_clear()
            self._run(tests, pipe)

        self.judge.judge(self.mutants, start)
        return True

    def _run(self, tests: list[str], pipe: int) -> None:
        for test, after in zip(tests, [*tests[1:], None]):
            self.judge.limit(test)
            item = self.items[test]
            try:
                reports = runner.runtestprotocol(item, log=False, nextitem=self.items[after] if after else None)
                red = any(report.failed for report in reports)
            except BaseException:  # out of pytest itself: an exit, an interrupt
                red = True
            if red:
                os.write(pipe, f"killer {test}".encode())
                return


def _name(module: str) -> str:
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _functions() -> dict[tuple[str, int, str], list[FunctionType]]:
    found: dict[tuple[str, int, str], list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and "memtype" in one.__code__.co_filename:
            code = one.__code__
            found.setdefault((os.path.abspath(code.co_filename), code.co_firstlineno, code.co_name), []).append(one)
    return found


def _caches() -> list[Any]:
    """What the package remembers of its answers."""
    kind = type(functools.lru_cache(len))
    return [one for one in gc.get_objects() if isinstance(one, kind) and (one.__module__ or "").startswith("memtype")]


def _put(code: CodeType, change: Change, file: str, functions: dict[tuple[str, int, str], list[FunctionType]]) -> None:
    for inner in _codes(code):
        if inner.co_firstlineno == change.start and inner.co_name == change.scope.rpartition(".")[2]:
            targets = functions.get((file, inner.co_firstlineno, inner.co_name), [])
            assert targets, f"no function {change.scope} is loaded"
            for target in targets:
                target.__code__ = inner
            return
    raise AssertionError(f"no code of {change.scope}")


def of_pattern(tree: ast.Module, line: int) -> ast.Assign | None:
    """The statement at module level that names a pattern, or the words and patterns of a family."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.lineno <= line <= (node.end_lineno or node.lineno):
            called = node.value.func if isinstance(node.value, ast.Call) else None
            return node if isinstance(called, ast.Name) and called.id in ("later", "tells", "words") else None
    return None


def _renew(module: ModuleType, tree: ast.Module, line: int) -> None:
    """Give the object that a statement names what the statement makes now: whoever holds it sees the change."""
    statement = of_pattern(tree, line)
    assert statement is not None
    old = vars(module)[ast.unparse(statement.targets[0])]
    new = eval(compile(ast.Expression(statement.value), module.__name__, "eval"), vars(module))
    for name in getattr(type(old), "__slots__", ()):
        object.__setattr__(old, name, getattr(new, name))
    if hasattr(old, "__dict__"):  # methods that were asked for stay there
        vars(old).clear()
        vars(old).update(vars(new))


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


# --- the module anew -----------------------------------------------------------------------------------------------


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree."""

    def __init__(self, name: str, file: Path, tree: ast.Module) -> None:
        self.name, self.file, self.tree = name, file, tree

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        package = self.file.name == "__init__.py"
        locations = [str(self.file.parent)] if package else None
        return importlib.util.spec_from_file_location(
            name, self.file, loader=self, submodule_search_locations=locations
        )

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(compile(self.tree, str(self.file), "exec"), module.__dict__)


class _Only:
    """A pytest plugin: run these tests in this order, stop at the first that is red."""

    def __init__(self, judge: Judge, tests: list[str], pipe: int) -> None:
        self.judge, self.pipe = judge, pipe
        self.order = {test: place for place, test in enumerate(tests)}

    def killed(self, by: str) -> None:
        os.write(self.pipe, f"killer {by}".encode())
        os._exit(0)

    def pytest_configure(self) -> None:
        quiet_hypothesis()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = [item for item in items if item.nodeid in self.order]
        items[:] = sorted(found, key=lambda item: self.order[item.nodeid])
        if not found:  # all names of parameters come from what was mutated
            self.killed("collection")

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.judge.limit(item.nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.killed(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.killed("import")


def anew(
    judge: Judge, mutants: list[Mutant], hide_native: Callable[[Mutant], bool]
) -> Callable[[Mutant, list[str], int], None]:
    """What a fork does whose module is loaded from the mutated source: a file of tests after the other, those that
    killed a neighbour first."""
    for name in LOADED_BEFORE:
        importlib.import_module(name)
    trees = {mutant.module: ast.parse((ROOT / mutant.module).read_text()) for mutant in mutants}
    made = {module: changes(tree) for module, tree in trees.items()}
    gc.collect()
    gc.freeze()

    def start(mutant: Mutant, tests: list[str], pipe: int) -> None:
        if mutant.number is not None:
            made[mutant.module][mutant.number].make()
        sys.meta_path.insert(0, _Mutated(_name(mutant.module), ROOT / mutant.module, trees[mutant.module]))
        if hide_native(mutant):
            sys.modules["memtype._native"] = None  # type: ignore[assignment]
        for path, own in by_file(tests).items():
            signal.setitimer(signal.ITIMER_PROF, 60)
            only = _Only(judge, own, pipe)
            try:
                code = pytest.main([*with_examples([path]), *OPTIONS], plugins=[only])
            except BaseException as error:
                only.killed(f"{type(error).__name__} in {path}")
            if code not in (0, 5):
                only.killed(f"pytest ended with {code} in {path}")

    return start
