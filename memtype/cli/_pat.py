"""What the verbs on page-table entries share: the PAT they ask, bits in words, types that a processor can give."""

from __future__ import annotations

import argparse

from memtype import rules
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.pat import Pat, pte_bits

LAYOUTS = ", ".join([*rules.PAT_LAYOUTS, *rules.PAT_ALIASES])


def add_pat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pat", metavar="PAT", help=f"IA32_PAT: a value, eight types, or a layout ({LAYOUTS}); default: the dump's"
    )


def choose_pat(given: str | None, machine: Machine | None) -> tuple[Pat, str]:
    """The PAT to ask and where it comes from: the option, the dump, else the reset value."""
    if given is not None:
        return Pat(given), "given"
    if machine is not None and machine.pat is not None:
        return machine.pat, machine.source or "the dump"
    return Pat(), "no PAT given: the reset value"


def pat_text(pat: Pat) -> str:
    """``0x0407050600070106 (linux): WB WC UC- UC WB WP UC- WT``"""
    name = f" ({pat.name})" if pat.name else ""
    return f"0x{pat.value:016x}{name}: {pat}"


def bits_text(index: int, level: int) -> str:
    """How a leaf of `level` chooses entry `index`: ``PAT (bit 7) 1, PCD (bit 4) 0, PWT (bit 3) 1``."""
    bits, pat_bit = pte_bits(index, level), 7 if level == 1 else 12
    return f"PAT (bit {pat_bit}) {bits >> pat_bit & 1}, PCD (bit 4) {bits >> 4 & 1}, PWT (bit 3) {bits >> 3 & 1}"


def entry(text: str) -> int:
    """A page-table entry: 64 bits, hexadecimal with 0x (as every tool prints entries), or with h behind."""
    from memtype.cli._common import number

    value = number(text)
    if value >= 1 << 64:
        raise InputError(f"{text}: a page-table entry has 64 bits")
    return value
