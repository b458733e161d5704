"""Jobs of reading: texts of many lines beside a plain loop over them, and what is asked of many processors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import memtype as mt
from bench.limits import Candidates
from bench.measure import Goal, Job, ratio

SHORT = 20_000  # lines
LOG, MSRS, LOOP = "a log of 20,000 lines", "20,000 MSRs", "a loop over its lines"
_MTRRS = """\
[    0.000000] MTRR default type: uncachable
[    0.000000] MTRR variable ranges enabled:
[    0.000000]   0 base 000000000 mask F80000000 write-back
[    0.000000]   1 disabled
[    0.000000] x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT
"""
_ROWS = ("usb 1-{}: new USB device, number {}", "pci 0000:{:02x}:00.0: reg 0x10: [mem {:#x}]")


def _log(lines: int) -> str:
    """A kernel's log: its MTRRs, and what the rest of it is."""
    rest = (f"[{n / 1000:12.6f}] {_ROWS[n % 8 == 0].format(n % 9, n)}\n" for n in range(lines))
    return _MTRRS + "".join(rest)


def _msrs(lines: int) -> str:
    """Every processor holds the same: 16 registers of variable ranges."""
    rows = ((n // 16, 0x200 + n % 16, 0x800 if n % 2 else n % 16 << 31) for n in range(lines))
    return "".join(f"cpu {cpu} 0x{index:x} = 0x{value:x}\n" for cpu, index, value in rows)


def texts(long: int) -> Job:
    """Nanoseconds a line, and whether a log of `long` lines takes more of them."""
    log, longer, registers = _log(SHORT), _log(long), _msrs(SHORT)
    name = f"a log of {long:,} lines"
    calls: Candidates = {
        LOG: (lambda: mt.parse(log), SHORT),
        name: (lambda: mt.parse(longer), long),
        MSRS: (lambda: mt.parse(registers), SHORT),
        LOOP: (lambda: [line.strip() for line in log.split("\n")], SHORT),
    }
    goals = [
        Goal(f"{LOG} <= 100 ms", 100, lambda times: times[LOG] * SHORT / 1e6, unit=" ms"),
        Goal(f"{name} <= 1.3x as long a line", 1.3, ratio(name, LOG)),
    ]
    return Job("reading texts", calls, goals, beside=(LOOP,))


MEGABYTE = 1 << 20
_KINDS: dict[str, tuple[str, Callable[[int], str]]] = {  # the first line, the others
    "one sign a line": ("", lambda n: "."),
    "marks": ("", lambda n: "#"),
    "numbers": ("", lambda n: f"{n:x}"),
    "names": ("", lambda n: "mtrr[0]"),
    "RAM map": ("", lambda n: f" BIOS-e820: {n * 0x2000:016x} - {n * 0x2000 + 0x1000:016x} (usable)"),
    "MSRs of processors": ("", lambda n: f"cpu {n // 16} 0x{0x200 + n % 16:x} = 0x{n:x}"),
    "rdmsr -a": ("# rdmsr -a 0x2ff", lambda n: f"c0{n % 7}"),
    "rdmsr -p": ("", lambda n: f"# rdmsr -p {n} 0x2ff\nc06"),
    "a register again": ("", lambda n: "0x200=6"),
    "states": ("", lambda n: f"0x{0x200 + n % 16:x}={n:x}"),
    "unknown MSRs": ("0x2ff = 0xc06", lambda n: f"0x{0x400 + n:x} = 0x{n:x}"),
    "more processors than can be": ("", lambda n: f"{n} 0x{0x200 + n % 16:x} 0x{n:x}"),
    "named registers": ("", lambda n: f"IA32_PAT 0x{n:x}"),
    "prose": ("", lambda n: f"mtrr.c:{n}"),
}


def _megabyte(head: str, row: Callable[[int], str]) -> str:
    lines, size = [head], 0
    while size < MEGABYTE:
        lines.append(row(len(lines)))
        size += len(lines[-1]) + 1
    return "\n".join(lines)[:MEGABYTE]


def _read(text: str) -> None:
    with contextlib.suppress(mt.MemtypeError):
        mt.parse(text)


def megabytes() -> Job:
    """1 MB of short lines of a kind, read or refused, beside a loop over as many lines of one sign."""
    texts_of = {kind: _megabyte(*row) for kind, row in _KINDS.items()}
    calls: Candidates = {kind: (lambda text=text: _read(text), 1) for kind, text in texts_of.items()}  # type: ignore[misc]
    shortest = texts_of["one sign a line"]
    calls[LOOP] = (lambda: [line.strip() for line in shortest.split("\n")], 1)
    goals = [
        Goal(f"1 MB, {kind} <= 120x as much of one sign a line, stripped", 120, ratio(kind, LOOP)) for kind in texts_of
    ]
    return Job("reading 1 MB", calls, goals, beside=(LOOP,))


def starts() -> Job:
    """Whole processes, beside one that imports numpy alone; all with bytecode, which the untimed call writes."""
    dump = Path(tempfile.mkdtemp()) / "dump.txt"
    dump.write_text(_MTRRS)
    commands = {
        "import numpy": ("-c", "import numpy"),
        "memtype --version": ("-m", "memtype", "--version"),
        "memtype at": ("-m", "memtype", "at", "2G", str(dump)),
    }

    told = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run(words: tuple[str, ...]) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True, env=told)

    goals = [
        Goal(f"{name} <= {most}x import numpy", most, ratio(name, "import numpy"))
        for name, most in (("memtype --version", 1.25), ("memtype at", 1.6))
    ]
    return Job("start-up", {name: (run(words), 1) for name, words in commands.items()}, goals, beside=("import numpy",))


def processors() -> Job:
    """`check` of 256 processors that hold the same, or each its own; nothing was worked out before."""
    read = mt.parse(_msrs(16 * 256))
    held = read.registers
    assert held is not None
    rows = (f"cpu {n} 0x200 = 0x{n << 31:x}\ncpu {n} 0x201 = 0xff80000800\ncpu {n} 0x2ff = 0xc06\n" for n in range(256))
    apart = mt.parse("".join(rows))

    def check() -> None:
        new = replace(held)
        mt.check(replace(read, cpus=tuple(mt.Cpu(cpu.number, new, cpu.pat) for cpu in read.cpus)))

    def check_apart() -> None:
        cpus = (mt.Cpu(cpu.number, cpu.registers and replace(cpu.registers), cpu.pat) for cpu in apart.cpus)
        mt.check(replace(apart, cpus=tuple(cpus)))

    goal = Goal("check of 256 processors <= 3 ms", 3, lambda times: times["check"] / 1e6, unit=" ms")
    calls: Candidates = {"check": (check, 1), "check of 256 different ones": (check_apart, 1)}
    return Job("check of 256 processors", calls, [goal])
