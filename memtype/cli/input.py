"""The dump that a verb reads: its argument, and the machine that it names."""

from __future__ import annotations

import argparse
import os
import sys

from memtype.cli import output
from memtype.machine import Machine


def add_input(parser: argparse.ArgumentParser, nargs: str = "?") -> None:
    words = "a dump: file, or - for standard input (default: a pipe, else this host)"
    parser.add_argument("input", nargs=nargs, help=words)


def read_machine(source: str | None) -> Machine:
    """The machine that `source` names: a file, "-" or a pipe, else this host, else the built-in sample."""
    from memtype import host

    if source is None and piped():
        source = "-"
    machine = host.load_or_host(source)
    if source is None:
        output.notes([f"no input: shown is {machine.source}"])
    return machine


def piped() -> bool:
    """Whether standard input was given on purpose: not closed, not a terminal, not /dev/null."""
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed from the start, or no real file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
