"""Loops over arrays of any length leave none of them: loop contracts, checked by CBMC.

Needs CBMC, and goto-cc and goto-instrument beside it; `.ci/cbmc` fetches them. ``MEMTYPE_CBMC`` starts CBMC.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
CBMC = shlex.split(os.environ.get("MEMTYPE_CBMC", ""))
CHECKS = ["--bounds-check", "--pointer-check", "--undefined-shift-check", "--signed-overflow-check"]


@dataclass(frozen=True)
class Harness:
    path: Path
    name: str
    loops: list[str]  # the functions whose loops have contracts; without any it is plain model checking
    calls: list[str]  # FUNCTION:STUB, what is called in its place
    define: str = ""  # of a file that says "each with -DONE -DTWO"


def harnesses() -> Iterator[Harness]:
    for path in sorted(HERE.glob("*.c")):
        text = path.read_text()
        each = re.search(r"^ \* each with (.*) \*/", text, re.M)
        for name, words in re.findall(r"^void (prove_\w+)\(void\) /\* loops ([\w :]+) \*/", text, re.M):
            loops, _, calls = words.partition(" calls ")
            for define in each[1].split() if each else [""]:
                yield Harness(path, name, loops.removeprefix("none").split(), calls.split(), define)


HARNESSES = [pytest.param(h, id=f"{h.path.stem}-{h.name}{h.define.replace('-D', '-')}") for h in harnesses()]

pytestmark = pytest.mark.skipif(not CBMC, reason="proofs need CBMC: set MEMTYPE_CBMC (see .ci/cbmc)")


def symbol(function: str, where: str) -> str:
    """A symbol as CBMC names it; of the file itself behind ``::``."""
    return where.removeprefix("::") if where.startswith("::") else f"{function}::{where}"


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
            "symbol_map": ";".join(f"{name.strip()},{symbol(function, where.strip())}" for name, where in pairs),
        }
        entry.update(zip(["decreases"], (text.removeprefix("decreases ") for text in more)))
        found.setdefault(function, []).append(entry)
    return found


def tool(name: str) -> list[str]:
    return [*CBMC[:-1], str(Path(CBMC[-1]).with_name(name))]


def done(*command: str) -> None:
    ran = subprocess.run(command, text=True, capture_output=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def verdict(place: Path, harness: Harness, *defines: str) -> str:
    first, second, third = (str(place / stage) for stage in ("first", "second", "third"))
    defines = (*defines, harness.define) if harness.define else defines
    vectors = f"-I{harness.path.parent / 'vectors'}"
    done(
        *tool("goto-cc"),
        "-DMEMTYPE_PLAIN",
        vectors,
        *defines,
        "--function",
        harness.name,
        str(harness.path),
        "-o",
        first,
    )
    replaced = [word for call in harness.calls for word in ("--replace-calls", call)]
    done(*tool("goto-instrument"), *replaced, first, second)
    if harness.loops:
        known: Any = contracts()
        told = {"functions": [{function: known[function]} for function in harness.loops]}
        (place / "contracts.json").write_text(json.dumps(told))
        told_in = ["--loop-contracts-file", str(place / "contracts.json")]
        done(*tool("goto-instrument"), "--dfcc", harness.name, "--apply-loop-contracts", *told_in, second, third)
    else:
        third = second
    bounds = ["--unwind", "260", "--object-bits", "12"]
    ran = subprocess.run([*CBMC, third, *CHECKS, *bounds], text=True, capture_output=True, check=False, timeout=300)
    found = re.search(r"^VERIFICATION (\w+)", ran.stdout, re.M)
    assert found, ran.stdout[-3000:] + ran.stderr[-3000:]
    return found[1]


@pytest.mark.parametrize("harness", HARNESSES)
def test_holds(tmp_path: Path, harness: Harness) -> None:
    assert verdict(tmp_path, harness) == "SUCCESSFUL"


@pytest.mark.parametrize("fault", ["VACUITY", "PLANTED"])
@pytest.mark.parametrize("harness", HARNESSES)
def test_can_fail(tmp_path: Path, harness: Harness, fault: str) -> None:
    """VACUITY ends the harness in a false claim that must be reached; PLANTED makes an array one element short."""
    assert verdict(tmp_path, harness, f"-D{fault}") == "FAILED"


# A block too many, a step too wide, a line missed: file, what stands there, the fault, the harness that refutes it.
FAULTS = [
    ("bulk_nibble.h", "i + VEC <= n ? i : n - VEC;\n\n\t\tv_store", "i;\n\n\t\tv_store", "nibble-prove_run-AVX2"),
    ("bulk_nibble.h", "-(uintptr_t)out % VEC", "-(uintptr_t)out % (VEC / 2)", "nibble-prove_run-AVX2"),
    ("bulk_nibble.h", "i + VEC <= n ? i : n - VEC;\n\t\tvec seen", "i;\n\t\tvec seen", "nibble-prove_run_fill-AVX2"),
    ("bulk_nibble.h", "for (; i + VEC <= n; i += VEC)\n\t\tseen = see", "for (; i < n; i += VEC)\n\t\tseen = see",
     "nibble-prove_or_words-SSSE3"),
    ("bulk_nibble.h", "v_load(from + VEC - 4)", "v_load(from + VEC + 4)", "nibble-prove_cut-AVX2"),
    ("bulk_avx512.c", "size_t blocks = (n - head) / KERNEL_BLOCK;", "size_t blocks = n / KERNEL_BLOCK;",
     "avx512-prove_run_any"),
    ("bulk_avx512.c", "i++, gfns += 64, words += 64", "i++, gfns += 64, words += 128", "avx512-prove_run_fill"),
    ("bulk_avx512.c", "for (; i + 16 <= n; i += 16)", "for (; i + 8 <= n; i += 16)", "avx512-prove_or_words"),
    ("fleet_avx512.c", "for (; i + 64 <= n; i += 64)", "for (; i + 32 <= n; i += 64)", "fleet_avx512-prove_match_row"),
    ("lookup.c", "size_t part = n < 512 ? n : 512;", "size_t part = 512;", "pages-prove_page_types"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "before", "after", "name"), FAULTS)
def test_a_fault_is_refuted(tmp_path: Path, file: str, before: str, after: str, name: str) -> None:
    """The core with one fault in it, in a copy of the tree."""
    core, here = tmp_path / "csrc", tmp_path / "tests" / "proofs" / "loops"
    shutil.copytree(HERE.parent.parent.parent / "csrc", core, ignore=shutil.ignore_patterns("_native*"))
    shutil.copytree(HERE, here, ignore=shutil.ignore_patterns("__pycache__"))
    text = (core / file).read_text()
    assert text.count(before) == 1
    (core / file).write_text(text.replace(before, after))
    harness: Any = next(param.values[0] for param in HARNESSES if param.id == name)
    assert verdict(tmp_path, replace(harness, path=here / harness.path.name)) == "FAILED"
