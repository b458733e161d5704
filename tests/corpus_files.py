"""Dumps in files, each read once for all tests of a process: a machine does not change."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import memtype as mt


@cache
def machine(path: Path) -> mt.Machine:
    """What `memtype.load` gives; an error is raised each time."""
    return mt.load(path)
