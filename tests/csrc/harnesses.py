"""Which proofs speak of a function: the harnesses of tests/proofs that reach it, however far down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from c_mutations import Mutation, functions

ROOT = Path(__file__).resolve().parent.parent.parent
CSRC, PROOFS = ROOT / "csrc", ROOT / "tests" / "proofs"
CHECKS = ["--unwinding-assertions", "--bounds-check", "--pointer-check", "--undefined-shift-check",
          "--signed-overflow-check", "--conversion-check"]  # fmt: skip


@dataclass(frozen=True)
class Harness:
    path: Path
    function: str
    unwind: int

    @property
    def options(self) -> list[str]:
        return ["--function", self.function, "--unwind", str(self.unwind), *CHECKS]


def harnesses() -> list[Harness]:
    found = re.compile(r"^void (prove_\w+)\(void\) /\* unwind (\d+) \*/", re.M)
    return [
        Harness(path, function, int(unwind))
        for path in sorted(PROOFS.glob("*.c"))
        for function, unwind in found.findall(path.read_text())
    ]


@lru_cache
def _bodies(path: Path) -> dict[str, set[str]]:
    """Every function, table and macro of a file, with the names that stand in it."""
    text = path.read_text()
    return {name: set(re.findall(r"[A-Za-z_]\w*", text[start:end])) for start, end, name in functions(text) if name}


@lru_cache
def _reached(harness: Harness) -> frozenset[str]:
    files = [harness.path, *PROOFS.glob("*.h"), *CSRC.glob("*.h")]
    files += [CSRC / name for name in re.findall(r'#include "../../csrc/(\w+\.c)"', harness.path.read_text())]
    bodies: dict[str, set[str]] = {}
    for path in files:
        for name, names in _bodies(path).items():
            bodies.setdefault(name, set()).update(names)
    found, left = set(), [harness.function]
    while left:
        name = left.pop()
        if name not in found and name in bodies:
            found.add(name)
            left += bodies[name]
    return frozenset(found)


def harnesses_of(mutant: Mutation) -> list[Harness]:
    """Those that include the file and reach the function."""
    return [
        harness
        for harness in harnesses()
        if mutant.function in _reached(harness)
        and (mutant.file.endswith(".h") or f"csrc/{mutant.file}" in harness.path.read_text())
    ]
