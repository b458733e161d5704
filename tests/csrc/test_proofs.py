"""Bounded model checking of the C core: every harness holds, is not empty, and catches a planted fault.

Needs CBMC; `.ci/cbmc` fetches it. ``MEMTYPE_CBMC`` is the command that starts it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import c_mutants
import pytest
from c_mutations import mutations
from conftest import ROOT
from harnesses import harnesses_of

PROOFS = ROOT / "tests" / "proofs"
CBMC = shlex.split(os.environ.get("MEMTYPE_CBMC", ""))
CHECKS = [
    "--unwinding-assertions",
    "--bounds-check",
    "--pointer-check",
    "--undefined-shift-check",
    "--signed-overflow-check",
    "--conversion-check",
]
HARNESSES = [
    pytest.param(path, function, int(unwind), id=f"{path.stem}-{function}")
    for path in sorted(PROOFS.glob("*.c"))
    for function, unwind in re.findall(r"^void (prove_\w+)\(void\) /\* unwind (\d+) \*/", path.read_text(), re.M)
]

pytestmark = pytest.mark.skipif(not CBMC, reason="proofs need CBMC: set MEMTYPE_CBMC (see .ci/cbmc)")


def said_of(path: Path, function: str, unwind: int, *words: str) -> str:
    command = [
        *CBMC,
        str(path),
        "-I",
        str(ROOT / "csrc"),
        "--function",
        function,
        "--unwind",
        str(unwind),
        *CHECKS,
        *words,
    ]
    ran = subprocess.run(command, text=True, capture_output=True, check=False, timeout=600)
    assert re.search(r"^VERIFICATION ", ran.stdout, re.M), ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.parametrize(("path", "function", "unwind"), HARNESSES)
def test_holds(path: Path, function: str, unwind: int) -> None:
    """Nothing fails but VACUITY, a false claim at the end of the harness, which so is reached."""
    said = said_of(path, function, unwind, "-DVACUITY")
    failed = re.findall(r"^\[\S+\] (?:file \S+ )?line \d+ (.*): (?:FAILURE|UNKNOWN|ERROR)$", said, re.M)
    assert set(failed) == {"assertion 0"}, said[-3000:]


@pytest.mark.parametrize(("path", "function", "unwind"), HARNESSES)
def test_can_fail(path: Path, function: str, unwind: int) -> None:
    """PLANTED claims a wrong rule."""
    assert "\nVERIFICATION FAILED" in said_of(path, function, unwind, "-DPLANTED", "--stop-on-fail")


def test_a_proof_is_the_last_judge_of_a_mutant(tmp_path: Path) -> None:
    """c_mutants.py asks the harnesses of a changed function: they hold as it is, and are refuted where it matters."""
    tree = c_mutants.Tree(tmp_path / "tree")
    source = (ROOT / "csrc" / "leaf.c").read_text()
    one = next(m for m in mutations("leaf.c", source) if m.after == "uint64_t above = pat & 0xf7 * EACH_BYTE;")
    assert [harness.function for harness in harnesses_of(one)] == ["prove_pat_valid"]
    assert not c_mutants.refuted(tree, *harnesses_of(one))
    tree.put("leaf.c", one.applied(source))
    assert c_mutants.refuted(tree, *harnesses_of(one))
