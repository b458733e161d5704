"""A room imports only from rooms above it, and the oracle stands alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "memtype"

# From the top of the house down, one room a row: a room imports only from rooms above it.
ORDER = (
    "errors", "types", "readable", "rules", "late", "drawn", "diagrams", "arguments", "arrays", "parallel", "backends",
    "explanation", "memory_map", "periodic_map", "mtrr", "pat", "fleet", "effective", "ept", "views", "told", "machine",
    "kvm", "hypervisors", "analysis", "reading", "formats", "emit", "host", "embed", "vectors", "self_check", "arrow",
    "scale", "plot", "report", "cli",
)  # fmt: skip
EXCEPTIONS: set[tuple[str, str]] = set()  # (room, room below it that it imports): there are none
# A method that leads down imports when it is called, never when the package is: `MtrrState.view` makes a `View`.
DOORS = {("mtrr", "views"), ("drawn", "plot"), ("drawn", "cli")}
EXTRAS = {"rich", "matplotlib", "pyarrow", "dask", "chipsec", "drgn", "volatility3", "pytest", "hypothesis"}
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


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


def downwards(here: str, names: set[str]) -> set[tuple[str, str]]:
    """The imports of a room that do not point upwards."""
    assert here in ORDER, f"{here} is in no row of the house"
    others = own_rooms(names) - {here}
    assert others <= set(ORDER), f"{here} imports {others - set(ORDER)}, in no row of the house"
    return {(here, other) for other in others if ORDER.index(other) > ORDER.index(here)}


def private(here: str, names: set[str]) -> set[str]:
    """Underscore modules of other rooms among what is imported; the extension is `backends.native`'s alone."""
    parts = {name: name.split(".")[1:] for name in names if name.startswith("memtype.")}
    return {
        name
        for name, (room_of, *inside) in parts.items()
        if room_of not in (here, "_native") and any(part.startswith("_") for part in inside[:1])
    }


ROOMS = [path for path in FILES if room(path) not in ("__init__", "__main__")]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_upwards(path: Path) -> None:
    here = room(path)
    assert downwards(here, imported(path, everywhere=False)) <= EXCEPTIONS
    assert downwards(here, imported(path, everywhere=True)) <= EXCEPTIONS | DOORS


def test_the_order_is_one_and_has_no_exceptions() -> None:
    assert len(set(ORDER)) == len(ORDER) and not EXCEPTIONS
    assert {room(path) for path in ROOMS} <= set(ORDER)


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_underscore_module_is_imported_across_rooms(path: Path) -> None:
    assert not private(room(path), imported(path, everywhere=True))


@pytest.mark.parametrize(
    ("where", "planted"),
    [
        ("views/xen.py", "from memtype.kvm import Vm"),
        ("memory_map.py", "import memtype.mtrr"),
        ("pat.py", "from memtype import effective"),
        ("machine.py", "from memtype.analysis.diff import diff"),
        ("formats/xen.py", "def late():\n    from memtype.cli import main"),
    ],
)
def test_a_planted_import_is_found(where: str, planted: str, tmp_path: Path) -> None:
    copy = tmp_path / "planted.py"
    copy.write_text((PACKAGE / where).read_text() + f"\n{planted}\n")
    assert downwards(room(PACKAGE / where), imported(copy, everywhere=True)) - DOORS


def test_a_planted_underscore_import_is_found(tmp_path: Path) -> None:
    copy = tmp_path / "planted.py"
    copy.write_text("from memtype.cli._common import emit\nfrom memtype.formats import _lines\n")
    assert private("plot", imported(copy, everywhere=True)) == {"memtype.cli._common.emit", "memtype.formats._lines"}


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
