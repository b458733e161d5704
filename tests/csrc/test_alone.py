"""The C core without Python: `alone.c` with every compiler at hand, and as for a compiler that has no builtins.

CI builds it for arm64, 32-bit x86 and big-endian PowerPC too and runs it emulated (.ci/run).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
SOURCES = [path for path in sorted((ROOT / "csrc").glob("*.c")) if path.name != "_native.c"]


def built(into: Path, compiler: str, *flags: str, sources: list[Path] = SOURCES) -> Path:
    program = into / "alone"
    command = [compiler, "-std=c11", "-O1", *flags, "-I", str(ROOT / "csrc"), str(ROOT / "tests/csrc/alone.c")]
    subprocess.run([*command, *map(str, sources), "-o", str(program)], check=True)
    return program


@pytest.mark.skipif(not COMPILERS, reason="needs a C compiler")
@pytest.mark.parametrize("flags", [(), ("-DMEMTYPE_PLAIN", "-pedantic-errors")], ids=["as it is", "no builtins"])
def test_every_kernel_answers_as_the_rule_for_one_address(flags: tuple[str, ...], tmp_path: Path) -> None:
    ran = subprocess.run([built(tmp_path, COMPILERS[0], *flags), "60"], text=True, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout
    answers, _, best = ran.stdout.partition(" answers, best set ")
    assert int(answers) > 50_000 and (not flags or best == "0\n")


@pytest.mark.skipif(not COMPILERS, reason="needs a C compiler")
def test_a_wrong_kernel_is_found(tmp_path: Path) -> None:
    """The portable kernel with one compare changed."""
    wrong = tmp_path / "wrong.c"
    text = (ROOT / "csrc" / "bulk_portable.c").read_text()
    assert "address < fixed_end" in text
    wrong.write_text(text.replace("address < fixed_end", "address + 4096 < fixed_end"))
    sources = [path for path in SOURCES if path.name != "bulk_portable.c"] + [wrong]
    program = built(tmp_path, COMPILERS[0], "-DMEMTYPE_PLAIN", sources=sources)
    ran = subprocess.run([program, "60"], text=True, capture_output=True, check=False)
    assert ran.returncode == 1 and "types: wrong with set 0" in ran.stdout
