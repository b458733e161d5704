"""``memtype pat``: decode IA32_PAT, or compare two."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from memtype import rules
from memtype.cli import _common
from memtype.cli._pat import LAYOUTS, pat_text
from memtype.errors import InputError, RegisterError
from memtype.pat import Pat, pte_bits
from memtype.types import MemoryType

HELP = "decode IA32_PAT and say what is missing in it; 'pat diff A B' compares two"
EXAMPLE = "memtype pat diff linux xen"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="PAT",
        help=f"a value (0x0007040600070406), eight types, a layout ({LAYOUTS}), or a dump (file or -); "
        "'diff A B' compares; nothing: a dump on standard input, else all layouts",
    )  # fmt: skip
    _common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.words and args.words[0] == "diff":
        if len(args.words) != 3:
            raise InputError("pat diff needs two PATs, e.g. 'memtype pat diff linux xen'")
        return _diff(args, *map(_read, args.words[1:]))
    words = args.words
    if len(words) == 8:
        words = [" ".join(words)]  # eight types without quotes
    if not words:
        words = ["-"] if not sys.stdin.isatty() and _common._is_pipe_or_file(sys.stdin) else list(rules.PAT_LAYOUTS)
    pats = [_read(word) for word in words]
    if args.json:
        _common.print_json("pat", {"pats": [_plain(pat) for pat in pats]})
    else:
        print("\n\n".join(_text(pat) for pat in pats))
    return 0 if all(pat.valid for pat in pats) else 1


def _read(word: str) -> Pat:
    """A PAT from what names it, or from a dump."""
    try:
        return Pat(word)
    except RegisterError:
        if word != "-" and not _is_file(word):
            raise
    machine = _common.read_machine(word)
    if machine.pat is None:
        raise InputError(f"{word}: the dump does not tell IA32_PAT")
    return machine.pat


def _is_file(word: str) -> bool:
    from pathlib import Path

    return Path(word).is_file()


def missing(pat: Pat) -> list[str]:
    """The types that no entry holds, and what that means."""
    absent = [kind for kind in (MemoryType.WC, MemoryType.WT, MemoryType.WP, MemoryType.UC_MINUS, MemoryType.UC,
                                MemoryType.WB) if not pat.slots(kind)]  # fmt: skip
    lines = []
    if MemoryType.WC in absent:
        lines.append("no WC slot: a write-combining mapping (Linux: ioremap_wc) falls back to UC-")
    others = [str(kind) for kind in absent if kind is not MemoryType.WC]
    if others:
        lines.append(f"no slot for {', '.join(others)}")
    return lines


def _text(pat: Pat) -> str:
    rows: list[tuple[Any, ...]] = [("entry", "type", "PAT PCD PWT", "4 KiB leaf", "larger leaf")]
    for index, kind in enumerate(pat.types):
        chosen = f" {index >> 2 & 1}   {index >> 1 & 1}   {index & 1}"
        rows.append((f"PA{index}", kind, chosen, f"0x{pte_bits(index, 1):02x}", f"0x{pte_bits(index, 2):04x}"))
    lines = [f"IA32_PAT {pat_text(pat)}", "", _common.columns(rows, "  "), ""]
    lines += [f"refused by hardware: {problem.text}" for problem in pat.problems()]
    lines += missing(pat)
    return "\n".join(lines).rstrip()


def _plain(pat: Pat) -> dict[str, Any]:
    return {
        "value": f"0x{pat.value:016x}",
        "name": pat.name,
        "valid": pat.valid,
        "entries": [
            {
                "index": index,
                "type": kind,
                "bits_4k": f"0x{pte_bits(index, 1):x}",
                "bits_large": f"0x{pte_bits(index, 2):x}",
            }
            for index, kind in enumerate(pat.types)
        ],
        "problems": [problem.text for problem in pat.problems()],
        "notes": missing(pat),
    }


def _diff(args: argparse.Namespace, a: Pat, b: Pat) -> int:
    names = [pat.name or word for pat, word in zip((a, b), args.words[1:], strict=True)]
    differing = [index for index in range(8) if a[index] != b[index]]
    if args.json:
        changed = [{"index": i, "a": a[i], "b": b[i], "bits_4k": f"0x{pte_bits(i, 1):x}",
                    "bits_large": f"0x{pte_bits(i, 2):x}"} for i in differing]  # fmt: skip
        _common.print_json("pat", {"a": _plain(a), "b": _plain(b), "same": a == b, "differing": changed})
        return int(bool(differing) or a != b)
    rows: list[tuple[Any, ...]] = [("entry", *names, "", "4 KiB leaf", "larger leaf")]
    for index in range(8):
        mark = "differs" if index in differing else ""
        bits = f"0x{pte_bits(index, 1):02x}", f"0x{pte_bits(index, 2):04x}"
        rows.append((f"PA{index}", a[index], b[index], mark, *bits))
    print(_common.columns([(names[0], f"0x{a.value:016x}"), (names[1], f"0x{b.value:016x}")]) + "\n")
    print(_common.columns(rows, "  "))
    if differing:
        print(f"\nthe same entry bits mean another type in {len(differing)} of 8 entries")
    else:
        print("\nthe same in every entry")
    return int(bool(differing) or a != b)
