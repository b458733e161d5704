"""``memtype pat``: decode IA32_PAT, or compare two."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from memtype import rules
from memtype.cli import input, output
from memtype.cli.entries import LAYOUTS, add_under, add_why, pat_text, under, used_rules, why_text
from memtype.errors import InputError
from memtype.pat import Pat, pte_bits
from memtype.types import MemoryType

EXAMPLE = "memtype pat diff linux xen --npt wb --mtrr wb"
Under = tuple[str, Callable[[MemoryType], MemoryType]] | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", metavar="PAT",
        help=f"a value (0x0007040600070406), eight types, a layout ({LAYOUTS}), or a dump (file or -); "
        "'diff A B' compares; nothing: a dump on standard input, else all layouts",
    )  # fmt: skip
    add_under(parser)
    add_why(parser)
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    words, where = args.words, under(args)
    if words and words[0] == "diff":
        if len(words) != 3:
            raise InputError("pat diff needs two PATs, e.g. 'memtype pat diff linux xen'")
        return _diff(args, where, *map(_read, words[1:]))
    if len(words) == 8:
        words = [" ".join(words)]  # eight types without quotes
    if not words:
        words = ["-"] if input.piped() else list(rules.PAT_LAYOUTS)
    pats = [_read(word) for word in words]
    if args.json:
        combined = {} if where is None else {"under": where[0]}
        output.print_json("pat", {**combined, "pats": [_payload(pat, where) for pat in pats], **_why_json(args)})
    else:
        output.say("\n\n".join(_text(pat, where) for pat in pats) + _why_text(args))
    return 0 if all(pat.valid for pat in pats) else 1


def _why_text(args: argparse.Namespace) -> str:
    return why_text(used_rules(args, args.vendor or "intel")) if args.why else ""


def _why_json(args: argparse.Namespace) -> dict[str, Any]:
    return {"why": output.why(used_rules(args, args.vendor or "intel"))} if args.why else {}


def _read(word: str) -> Pat:
    """A PAT from what names it, or from a dump: an existing file's name is no value."""
    if word == "-" or os.path.isfile(word):
        machine = input.read_machine(word)
        if machine.pat is None:
            raise InputError(f"{word}: the dump does not tell IA32_PAT")
        return machine.pat
    return Pat(word)


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


def _met(kind: MemoryType, where: Under) -> MemoryType | None:
    """What an access gets; a reserved entry gives what the manuals leave undefined."""
    return None if where is None else where[1](kind)


def _bits(index: int) -> tuple[str, str]:
    return f"0x{pte_bits(index, 1):02x}", f"0x{pte_bits(index, 2):04x}"


def _text(pat: Pat, where: Under) -> str:
    rows: list[tuple[Any, ...]] = [("entry", "type", "PAT PCD PWT", "4 KiB leaf", "larger leaf", "effective")]
    for index, kind in enumerate(pat.types):
        chosen = f" {index >> 2 & 1}   {index >> 1 & 1}   {index & 1}"
        rows.append((f"PA{index}", kind, chosen, *_bits(index), _met(kind, where)))
    if where is None:
        rows = [row[:-1] for row in rows]
    lines = [f"IA32_PAT {pat_text(pat)}", "", output.columns(rows, "  "), ""]
    lines += [] if where is None else [f"effective: under {where[0]}"]
    lines += [f"refused by hardware: {problem.text}" for problem in pat.problems()]
    lines += missing(pat)
    return "\n".join(lines).rstrip()


def _payload(pat: Pat, where: Under) -> dict[str, Any]:
    entries = []
    for index, kind in enumerate(pat.types):
        small, large = f"0x{pte_bits(index, 1):x}", f"0x{pte_bits(index, 2):x}"
        entries.append({"index": index, "type": kind, "bits_4k": small, "bits_large": large})
        if where is not None:
            entries[-1]["effective"] = _met(kind, where)
    return {
        "value": f"0x{pat.value:016x}",
        "name": pat.name,
        "valid": pat.valid,
        "entries": entries,
        "problems": [problem.text for problem in pat.problems()],
        "notes": missing(pat),
    }


def _diff(args: argparse.Namespace, where: Under, a: Pat, b: Pat) -> int:
    names = [pat.name or word for pat, word in zip((a, b), args.words[1:], strict=True)]
    differing = [index for index in range(8) if a[index] is not b[index]]
    effect = [index for index in range(8) if _met(a[index], where) is not _met(b[index], where)]
    if args.json:
        payload = {"a": _payload(a, where), "b": _payload(b, where), "same": a == b, "differing": differing}
        if where is not None:
            payload |= {"under": where[0], "differing_effect": effect}
        output.print_json("pat", payload | _why_json(args))
    else:
        output.say(output.columns([(names[0], f"0x{a.value:016x}"), (names[1], f"0x{b.value:016x}")]) + "\n")
        output.say(output.columns(_diff_rows(names, where, a, b), "  ") + "\n")
        output.say(f"the same entry bits choose another type in {len(differing)} of 8 entries")
        if where is not None:
            output.say(f"effective types, under {where[0]}, differ in {len(effect)}")
        if args.why:
            output.say(_why_text(args)[1:])
    return int(bool(differing) or a != b)


def _diff_rows(names: list[str], where: Under, a: Pat, b: Pat) -> list[tuple[Any, ...]]:
    combined = where is not None
    head = ("entry", "4 KiB leaf", "larger leaf", *names, "")
    rows: list[tuple[Any, ...]] = [head + (("gets", "gets", "") if combined else ())]
    for index in range(8):
        row: tuple[Any, ...] = (f"PA{index}", *_bits(index), a[index], b[index], _mark(a[index], b[index]))
        first, second = _met(a[index], where), _met(b[index], where)
        rows.append(row + ((first, second, _mark(first, second)) if combined else ()))
    return rows


def _mark(first: MemoryType | None, second: MemoryType | None) -> str:
    return "" if first is second else "differs"
