"""Sizes in terms of RAM: ``--memory``, what of a dump is RAM, and how much of what is told of is RAM."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import Any

from memtype.analysis.ram import Span, joined, spans_of
from memtype.cli import addresses, output
from memtype.errors import InputError
from memtype.machine import Machine

Totals = dict[Any, tuple[int, int]]  # (bytes of RAM, other bytes) of each kind


def add_memory(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--memory", metavar="SIZE", help=f"what is RAM: 4G, or BASE+SIZE,...; {words}")


def memory(given: str | None) -> list[Span] | None:
    """``4G``, or ``BASE+SIZE`` and ``A-B``, several with commas between."""
    if given is None:
        return None
    parts = [part.strip() for part in given.split(",")]
    found = [(0, addresses.number(part)) if re.fullmatch(r"\w+", part) else addresses.span(part) for part in parts]
    if any(size < 1 for _, size in found):
        raise InputError(f"--memory {given}: a range of no bytes")
    return found


def known(given: str | None, machines: Iterable[Machine]) -> list[Span]:
    """The RAM that is known: what --memory says, else that of the first dump that has a RAM map."""
    named = memory(given)
    if named is not None:
        return joined(named)
    return next((found for machine in machines if (found := spans_of(machine.e820))), [])


def lines(totals: Totals) -> list[str]:
    """``RAM: 3.999 GiB WB -> UC``; what is no RAM; the total last."""
    rows = [
        (where, addresses.size_text(sizes[place]), key)
        for place, where in enumerate(("RAM:", "no RAM:"))
        for key, sizes in totals.items()
        if sizes[place]
    ]
    total = addresses.size_text(sum(map(sum, totals.values())))
    return output.columns([*rows, ("total:", total, "")], "  ").splitlines() if rows else []
