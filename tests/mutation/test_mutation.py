"""The mutation tool itself: what it changes, that a fork runs the change, that named survivors still are there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import operators
import pytest
import warm
from covering import ENVIRONMENT, ROOT, bound_names

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mutants

SOURCE = '''
"""A module."""
TABLE = {"first": 1, "second": 2}
GRID = """
    UC  WC  WT
    WB  WP  UC
"""
WORD = re.compile(r"^(\\d+)x?$")


def inside(base: int, size: int, address: int, on: bool = True) -> bool:
    """Whether it is inside."""
    def low(bits: int) -> int:
        return address & bits

    if not on:
        raise ValueError("it is off")
    return base <= address < base + size and (low(0xFFF) or True)
'''


def made(kind: str) -> list[operators.Change]:
    return [change for change in operators.changes(ast.parse(SOURCE)) if change.kind == kind]


def test_each_kind_is_made_and_prose_is_left_alone() -> None:
    kinds = {change.kind for change in operators.changes(ast.parse(SOURCE))}
    assert kinds == {"constant", "string", "cells", "cell", "pattern", "comparison", "operator", "and/or", "return",
                     "deleted"}  # fmt: skip
    texts = [change.text for change in operators.changes(ast.parse(SOURCE))]
    assert not any("Whether" in text or "A module" in text or "it is offX" in text for text in texts)
    assert len({(change.scope, change.text) for change in operators.changes(ast.parse(SOURCE))}) == len(texts)


def test_a_change_changes_what_the_function_says() -> None:
    found = []
    for number, change in enumerate(operators.changes(ast.parse(SOURCE))):
        if change.kind == "comparison":
            tree = ast.parse(SOURCE)
            operators.changes(tree)[number].make()
            space: dict[str, object] = {"re": __import__("re")}
            exec(compile(tree, "x", "exec"), space)
            function = space["inside"]
            assert isinstance(function, FunctionType)
            found.append([bool(function(4, 4, address)) for address in (3, 4, 7, 8)])
    assert found == [[False, False, True, False], [False, True, True, True]]


def test_a_function_inside_another_is_changed_with_it() -> None:
    inner = [change for change in operators.changes(ast.parse(SOURCE)) if "bits" in change.text]
    assert [(change.scope, change.text) for change in inner] == [
        ("inside", "return address & bits -> return None"), ("inside", "address & bits -> address | bits"),
    ]  # fmt: skip
    assert {change.start for change in inner} == {change.start for change in made("comparison")} != {0}


def test_patterns_stay_patterns() -> None:
    assert set(operators.patterns(r"^(\d+)x?$")) == {r"(\d+)x?$", r"^(\w+)x?$", r"^(\d*)x?$", r"^(\d+)x$", r"^(\d+)x?"}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ('later("a+")', {"a*"}),
        ('tells(NAME, "one", pattern="a+")', {"a*"}),
        ('later(rf"{_HEX}+ \\(")', {"* \\("}),  # a piece of one alone is none
        ('later("x", "a+")', {"a+X"}),
        ('ParseError(f"{source}: a+")', set[str]()),
    ],
)
def test_a_pattern_is_found_wherever_it_stands(source: str, made: set[str]) -> None:
    found = operators.changes(ast.parse(f"P = {source}"))
    assert {getattr(change.node, "value", None) for change in found if change.kind in ("pattern", "string")} >= made
    assert bool(made) == bool([change for change in found if change.kind in ("pattern", "string")])


def judged(tests: dict[str, bool]) -> warm.Mutant:
    """A verdict for a mutant whose tests pass or fail as told."""
    change = operators.changes(ast.parse(SOURCE))[0]
    mutant = warm.Mutant("m.py", 0, change, list(tests), False)

    def start(mutant: warm.Mutant, names: list[str], pipe: int) -> None:
        red = next((name for name in names if not tests[name]), None)
        if red == "hangs":
            judge.limit(red)
            while True:
                pass
        if red:
            warm.os.write(pipe, f"killer {red}".encode())

    judge = warm.Judge(dict.fromkeys(tests, 0.005), grace=0)
    judge.judge([mutant], start)
    return mutant


# A mutant of a function, of a function inside another, of one inside an expression, of a pattern, and of a table, each
# met by tests that see it and by a test that does not.
WHOLE_RUN = """
import ast, sys
sys.path[:0] = ["tests", "tests/mutation"]
import mutants, operators, warm
from covering import ROOT

FILE = "tests/effective/test_pat.py::"
SEEING = [FILE + "test_every_combination_of_the_four_bits_at_every_level[python]"]
NESTED = ["tests/effective/test_effective_tables.py::test_nested_paging_is_both_steps"]
MAPS = ["tests/formats/test_seabios.py::test_seabios_prints_addresses_in_hexadecimal"]
BLIND = [FILE + "test_a_pat_is_a_value[python]"]
REFERENCE = "memtype/backends/reference.py"

def one(module, scope, text, tests):
    found = operators.changes(ast.parse((ROOT / module).read_text()))
    number, change = next((n, c) for n, c in enumerate(found) if c.scope == scope and text in c.text)
    return warm.Mutant(module, number, change, list(tests), change.start == 0 and change.kind != "pattern")

chosen = [
    one(module, scope, text, tests)
    for module, scope, text, seeing in (
        (REFERENCE, "walk_index", "entry & rules.PTE_PCD -> entry | rules.PTE_PCD", SEEING),
        (REFERENCE, "_effective_npt", "kind in rules.CACHEABLE -> kind not in rules.CACHEABLE", NESTED),
        (REFERENCE, "effective_npt", "told(g, h) -> told(h, g)", NESTED),
        ("memtype/formats/seabios.py", "_SNIFF", "]+(?:SeaBIOS", MAPS),
        ("memtype/rules.py", "PTE_PCD", "1 << 4: 4 -> 5", SEEING),
    )
    for tests in (seeing, BLIND)
]
mutants.run(chosen, warm.Judge(dict.fromkeys(SEEING + NESTED + MAPS + BLIND, 1.0)))
print(*(mutant.verdict for mutant in chosen))
"""


def test_a_change_of_a_function_and_of_a_table_meet_the_tests() -> None:
    """The whole way once: a fork with the code put in place, and one with the module loaded from the changed source."""
    command, environment = [sys.executable, "-c", WHOLE_RUN], os.environ | ENVIRONMENT
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert ran.stdout.splitlines()[-1:] == [" ".join(["killed survived"] * 5)], ran.stdout[-2000:] + ran.stderr[-2000:]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_verdict_is_what_the_tests_say() -> None:
    assert judged({"one": True, "two": True}).verdict == warm.SURVIVED
    red = judged({"one": True, "two": False})
    assert (red.verdict, red.killer) == (warm.KILLED, "two")
    assert judged({}).verdict == warm.UNSEEN
    assert judged({"hangs": False}).verdict == warm.HUNG


def test_a_change_at_module_level_knows_the_names_that_it_binds() -> None:
    tree = ast.parse(SOURCE)
    assert [bound_names(tree, line) for line in (3, 5, 8)] == [{"TABLE"}, {"GRID"}, {"WORD"}]


def test_every_named_survivor_is_there_with_a_reason() -> None:
    known = mutants.named()
    texts = dict[str, set[str]]()
    for key, reason in known.items():
        module = key.partition(":")[0]
        if module not in texts:
            found = operators.changes(ast.parse((ROOT / module).read_text()))
            texts[module] = {f"{module}:{change.scope}: {change.text}" for change in found}
        assert key in texts[module] and len(reason) > 10, key


@pytest.mark.parametrize("of_function", [True, False])
def test_tests_that_name_the_subject_are_asked_first(of_function):
    """One of half a second stands before thousands of quick ones that read other texts."""
    quick = [f"tests/formats/test_readings.py::test_reads[{n}]" for n in range(5000)]
    slow = ["tests/formats/test_near_rows.py::test_near[linux-pat-conflicts]", "tests/formats/test_fwts.py::test_lost"]
    seconds = dict.fromkeys(quick, 0.003) | dict.fromkeys(slow, 0.5)
    for family, first in (("linux_pat_conflicts", slow[0]), ("fwts", slow[1])):
        change = operators.Change("_ROW", 7, 7 * of_function, "pattern", "a -> b", ast.Pass(), "value", None, None)
        mutant = warm.Mutant(f"memtype/formats/{family}.py", 0, change, [*quick, *slow], at_import=False)
        assert warm.Judge(seconds, budget=5.0).chosen(mutant)[0] == first
