"""Instructions an address, counted under emulation: ``python -m bench.instructions``.

There is no arm64 processor to time the NEON kernels on, so they are held to the number of instructions that the
SSSE3 kernels take, which work on vectors of the same width. Each program runs twice, with N and with 2 N
addresses, under an emulator that writes a line for each instruction: the difference is the kernel's.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from bench.measure import Goal, Job

N = 5120  # more than are checked first
JOBS = {
    "types, 2 ranges": ("types", 2),
    "types, 32 ranges": ("types", 32),
    "types, ranges of pages": ("pages", 2),
    "effective types": ("effective", 2),
}
# the number of the set, its compiler, what runs its programs
MACHINES = {
    "ssse3": (1, ["gcc"], ["qemu-x86_64", "-cpu", "max"]),
    "neon": (4, ["aarch64-linux-gnu-gcc"], ["qemu-aarch64"]),
}
ROOT = Path(__file__).resolve().parent.parent


def missing() -> str:
    """What this machine lacks, "" where nothing is."""
    needed = [tool for _, *commands in MACHINES.values() for tool, *_ in commands]
    return next((f"{tool} is not installed" for tool in needed if not shutil.which(tool)), "")


def executed(emulator: list[str], log: Path, command: list[str]) -> int:
    """How many instructions a program executes, all of it."""
    subprocess.run([*emulator, "-singlestep", "-d", "exec,nochain", "-D", str(log), *command], check=True)
    with log.open() as lines:
        return sum(line.startswith("Trace") for line in lines)


@cache
def counts(name: str) -> dict[str, float]:
    """Instructions an address of each job with one set's kernels."""
    number, compiler, emulator = MACHINES[name]
    sources = [str(path) for path in sorted((ROOT / "csrc").glob("*.c")) if path.name != "_native.c"]
    with tempfile.TemporaryDirectory() as scratch:
        program, log = str(Path(scratch) / "program"), Path(scratch) / "log"
        flags = ["-std=c11", "-O2", "-static", "-I", str(ROOT / "csrc")]
        source = str(Path(__file__).with_suffix(".c"))
        subprocess.run([*compiler, *flags, source, *sources, "-o", program], check=True)

        def of(job: str, ranges: int, n: int) -> int:
            return executed(emulator, log, [program, str(number), job, str(ranges), str(n)])

        return {name: (of(*job, 2 * N) - of(*job, N)) / N for name, job in JOBS.items()}


def ratio_of(job: str) -> float:
    return counts("neon")[job] / counts("ssse3")[job]


def neon() -> Job:
    """No candidate to time: the goals count."""
    why, goals = missing(), []
    if not why:
        goals = [
            Goal(f"NEON, {job} <= 1.3x SSSE3's instructions", 1.3, lambda _, job=job: ratio_of(job)) for job in JOBS
        ]
    return Job("instructions an address, NEON", {}, goals, {"instructions": why} if why else {})


def main() -> int:
    if missing():
        print(missing())
        return 2
    for job in JOBS:
        took = ", ".join(f"{name} {counts(name)[job]:.2f}" for name in MACHINES)
        print(f"{job:<24} {took}: {ratio_of(job):.2f}x")
    return int(any(ratio_of(job) > 1.3 for job in JOBS))


if __name__ == "__main__":
    raise SystemExit(main())
