"""The C core without Python: the C programs beside this file, and `alone.c` as for a compiler that has no builtins.

CI builds alone.c for arm64, 32-bit x86 and big-endian PowerPC too and runs it emulated (.ci/run). c_mutants.py tells
how much the programs see.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

COMPILER = next((name for name in ("gcc", "clang") if shutil.which(name)), "")
SOURCES = [path for path in sorted((ROOT / "csrc").glob("*.c")) if path.name != "_native.c"]
FOLDERS = [f"-I{ROOT / folder}" for folder in ("csrc", "tests/proofs")]

pytestmark = pytest.mark.skipif(not COMPILER, reason="needs a C compiler")


def objects(into: Path, *flags: str, sources: list[Path] = SOURCES) -> list[Path]:
    into.mkdir(exist_ok=True)
    subprocess.run([COMPILER, "-std=c11", "-O1", *flags, *FOLDERS, "-c", *map(str, sources)], cwd=into, check=True)
    return [into / f"{path.stem}.o" for path in sources]


def program(name: str, into: Path, core: list[Path], *flags: str) -> Path:
    command = [COMPILER, "-std=c11", "-O1", *flags, *FOLDERS, str(ROOT / "tests/csrc" / f"{name}.c"), *map(str, core)]
    subprocess.run([*command, "-o", str(into / name)], check=True)
    return into / name


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return objects(tmp_path_factory.mktemp("core"))


PLAIN = ("-DMEMTYPE_PLAIN", "-pedantic-errors")


@pytest.mark.parametrize("flags", [(), PLAIN], ids=["as it is", "no builtins"])
def test_every_kernel_answers_as_the_rule_for_one_address(
    flags: tuple[str, ...], core: list[Path], tmp_path: Path
) -> None:
    made = program("alone", tmp_path, objects(tmp_path / "plain", *flags) if flags else core, *flags)
    ran = subprocess.run([made, "60"], text=True, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout
    answers, _, best = ran.stdout.partition(" answers, best set ")
    assert int(answers) > 50_000 and (not flags or best == "0\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs mmap")
@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("rules_check", 100_000),
        ("tables_check", 100_000),
        ("fleet_check", 100_000),
        ("limits_check", 7),
        ("arrays_check", 100_000),
    ],
)
def test_the_core_keeps_its_contract(name: str, claims: int, core: list[Path], tmp_path: Path) -> None:
    """Every function against the manuals' text; every array between walls, by every set."""
    ran = subprocess.run([program(name, tmp_path, core)], text=True, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert int(ran.stdout.split()[0]) >= claims


def test_every_processor_has_its_set(core: list[Path], tmp_path: Path) -> None:
    others = [path for path in core if path.stem != "dispatch"]
    subprocess.run([program("dispatch_check", tmp_path, others)], check=True)


def test_a_wrong_kernel_is_found(tmp_path: Path) -> None:
    """The portable kernel with one compare changed."""
    wrong = tmp_path / "wrong.c"
    text = (ROOT / "csrc" / "bulk_portable.c").read_text()
    assert "address < fixed_end" in text
    wrong.write_text(text.replace("address < fixed_end", "address + 4096 < fixed_end"))
    sources = [path for path in SOURCES if path.name != "bulk_portable.c"] + [wrong]
    made = program(
        "alone", tmp_path, objects(tmp_path / "wrong", "-DMEMTYPE_PLAIN", sources=sources), "-DMEMTYPE_PLAIN"
    )
    ran = subprocess.run([made, "60"], text=True, capture_output=True, check=False)
    assert ran.returncode == 1 and "types: wrong with set 0" in ran.stdout
