"""Jobs of reading: texts of many lines beside a plain loop over them, and what is asked of many processors."""

from __future__ import annotations

from dataclasses import replace

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
_ROWS = ("usb 1-{}: new high-speed USB device number {} using xhci_hcd", "pci 0000:{:02x}:00.0: reg 0x10: [mem {:#x}]")


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


def processors() -> Job:
    """`check` of 256 processors that hold the same; the registers are new, so nothing was worked out before."""
    read = mt.parse(_msrs(16 * 256))
    held = read.registers
    assert held is not None

    def check() -> None:
        new = replace(held)
        mt.check(replace(read, cpus=tuple(mt.Cpu(cpu.number, new, cpu.pat) for cpu in read.cpus)))

    goal = Goal("check of 256 processors <= 3 ms", 3, lambda times: times["check"] / 1e6, unit=" ms")
    return Job("check of 256 processors", {"check": (check, 1)}, [goal])
