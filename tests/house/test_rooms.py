"""A room imports only from rooms above it, and the oracle stands alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "memtype"

# From the top of the house down; rooms in one row may use each other.
FLOORS = [
    {"types", "errors"},
    {"rules"},
    {"diagrams"},
    {"arrays", "parallel"},
    {"backends"},
    {"mtrr", "pat", "memory_map", "effective", "explanation", "fleet", "views", "ept", "want", "pipelines"},
    {"told"},
    {"machine"},
    {"kvm", "analysis"},
    {"reading"},
    {"formats"},
    {"emit"},
    {"host", "embed", "scale", "plot"},
    {"cli"},
]
EXTRAS = {"rich", "matplotlib", "pyarrow", "dask", "chipsec", "drgn", "volatility3", "pytest", "hypothesis"}
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS) if name in rooms), None)


def at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported: not in functions, not for the type checker alone."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        statement = waiting.pop()
        yield statement
        if isinstance(statement, ast.If) and "TYPE_CHECKING" not in ast.unparse(statement.test):
            waiting += statement.body + statement.orelse
        elif isinstance(statement, (ast.Try, ast.With)):
            waiting += statement.body
        elif isinstance(statement, ast.ClassDef):
            waiting += [s for s in statement.body if isinstance(s, (ast.Import, ast.ImportFrom))]


def imported(path: Path, everywhere: bool) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else at_import(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_rooms(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("memtype.")} - {"_native"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_upwards(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    assert floor(here) is not None, f"{here} is in no row of the house"
    for other in own_rooms(imported(path, everywhere=False)) - {here}:
        assert floor(other) is not None, f"{path.name} imports {other}, which is in no row of the house"
        assert floor(other) <= floor(here), f"{here} imports {other} from below"  # type: ignore[operator]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_extras_are_imported_where_they_are_used(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path, everywhere=False)} & EXTRAS


def test_the_oracle_stands_alone() -> None:
    for path in FILES:
        if room(path) == "backends" and path.stem.startswith("reference"):
            names = imported(path, everywhere=True)
            assert not any(name.startswith("numpy") for name in names)
            assert own_rooms(names) <= {"types", "errors", "rules"}


def test_one_module_alone_imports_the_extension() -> None:
    users = {
        path.relative_to(PACKAGE).as_posix() for path in FILES if any("_native" in n for n in imported(path, True))
    }
    assert users == {"backends/native.py"}
