"""Loops over arrays of any length leave none of them: loop contracts, checked by CBMC.

Needs CBMC, and goto-cc and goto-instrument beside it; `.ci/cbmc` fetches them. ``MEMTYPE_CBMC`` starts CBMC.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
CBMC = shlex.split(os.environ.get("MEMTYPE_CBMC", ""))
CHECKS = ["--bounds-check", "--pointer-check", "--undefined-shift-check", "--signed-overflow-check"]
HARNESSES = [
    pytest.param(path, name, words, id=f"{path.stem}-{name}")
    for path in sorted(HERE.glob("*.c"))
    for name, words in re.findall(r"^void (prove_\w+)\(void\) /\* loops ([\w :]+) \*/", path.read_text(), re.M)
]

pytestmark = pytest.mark.skipif(not CBMC, reason="proofs need CBMC: set MEMTYPE_CBMC (see .ci/cbmc)")


def contracts() -> dict[str, list[dict[str, str]]]:
    """The contracts that the comment of loops.h gives, by function."""
    comment = (HERE / "loops.h").read_text().split("*/")[0].replace("\n *     ", " ")
    found: dict[str, list[dict[str, str]]] = {}
    for function, number, rest in re.findall(r"^ \* loop (\w+)\.(\d): (.*)$", comment, re.M):
        invariant, assigns, *more, symbols = (part.strip() for part in rest.split(";"))
        pairs = (pair.split("=") for pair in symbols.split(","))
        entry = {
            "loop_id": number,
            "invariants": invariant,
            "assigns": assigns.removeprefix("assigns "),
            "symbol_map": ";".join(f"{name.strip()},{function}::{where.strip()}" for name, where in pairs),
        }
        entry.update(zip(["decreases"], (text.removeprefix("decreases ") for text in more)))
        found.setdefault(function, []).append(entry)
    return found


def tool(name: str) -> list[str]:
    return [*CBMC[:-1], str(Path(CBMC[-1]).with_name(name))]


def done(*command: str) -> None:
    ran = subprocess.run(command, text=True, capture_output=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def verdict(place: Path, path: Path, name: str, words: str, *defines: str) -> str:
    wanted, _, calls = words.partition(" calls ")  # a function that is called, and what is called in its place
    known: Any = contracts()
    told = {"functions": [{function: known[function]} for function in wanted.split()]}
    (place / "contracts.json").write_text(json.dumps(told))
    first, second, third = (str(place / stage) for stage in ("first", "second", "third"))
    done(*tool("goto-cc"), "-DMEMTYPE_PLAIN", *defines, "--function", name, str(path), "-o", first)
    replaced = [word for call in calls.split() for word in ("--replace-calls", call)]
    done(*tool("goto-instrument"), *replaced, first, second)
    told_in = ["--loop-contracts-file", str(place / "contracts.json")]
    done(*tool("goto-instrument"), "--dfcc", name, "--apply-loop-contracts", *told_in, second, third)
    ran = subprocess.run(
        [*CBMC, third, *CHECKS, "--unwind", "260"], text=True, capture_output=True, check=False, timeout=300
    )
    found = re.search(r"^VERIFICATION (\w+)", ran.stdout, re.M)
    assert found, ran.stdout[-3000:] + ran.stderr[-3000:]
    return found[1]


@pytest.mark.parametrize(("path", "name", "words"), HARNESSES)
def test_holds(tmp_path: Path, path: Path, name: str, words: str) -> None:
    assert verdict(tmp_path, path, name, words) == "SUCCESSFUL"


@pytest.mark.parametrize("fault", ["VACUITY", "PLANTED"])
@pytest.mark.parametrize(("path", "name", "words"), HARNESSES)
def test_can_fail(tmp_path: Path, path: Path, name: str, words: str, fault: str) -> None:
    """VACUITY ends the harness in a false claim that must be reached; PLANTED makes an array one element short."""
    assert verdict(tmp_path, path, name, words, f"-D{fault}") == "FAILED"
