"""``memtype verify-ept``: is every leaf of a dumped EPT of the type that the MTRRs give its page?"""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np

from memtype import arrays
from memtype.analysis.verify import KINDS, LeafFault, Verification, verify
from memtype.cli import addresses, input, output
from memtype.cli.pages import assumed, assumed_words, source_of
from memtype.errors import InputError

EXAMPLE = """memtype sample > /tmp/s.txt
  memtype pages --top 4G --leaves /tmp/e.npy /tmp/s.txt
  memtype verify-ept /tmp/e.npy /tmp/s.txt"""
_LEVELS = {"4K": 1, "2M": 2, "1G": 3}
_MOST = 512  # ranges that are printed; --json has them all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "the EPT: a .npy of uint64 (entries; rows gpa, entry; rows gpa, entry, level), or raw with --columns"
    parser.add_argument("leaves", help=words)
    input.add_input(parser)
    words = "raw little-endian uint64 instead of .npy: 1: entries, 2: gpa, entry, 3: gpa, entry, level"
    parser.add_argument("--columns", type=int, choices=(1, 2, 3), help=words)
    words = "the page size of the entries of one or two columns (default: 4K)"
    parser.add_argument("--page", choices=sorted(_LEVELS, key=_LEVELS.__getitem__), help=words)
    parser.add_argument("--base", metavar="GPA", default="0", help="one column: what the first entry maps (default: 0)")
    parser.add_argument("--allow-ipat", action="store_true", help="IPAT (bit 6) is no finding")
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.leaves == "-":
        raise InputError("the EPT is a file; - can be the dump")
    leaves = read_leaves(args.leaves, args.columns)
    level = None if args.page is None else _LEVELS[args.page]
    if leaves.ndim == 2 and leaves.shape[1] == 3 and level is not None:
        raise InputError("--page: the third column tells the level already")
    machine = input.read_machine(args.input, args, alike=True)
    try:
        found = verify(leaves, source_of(machine), addresses.number(args.base), level, allow_ipat=args.allow_ipat)
    except InputError as error:
        raise InputError(f"{args.leaves}: {error}") from None
    if args.json:
        counts = {name: getattr(found, name) for name in ("leaves", "tables", "absent", "not_told")}
        payload = {"ok": bool(found), "assumed": assumed(machine), **counts}
        listed = {"faults": [_json(fault) for fault in found], "notes": list(machine.notes)}
        output.print_json("verify-ept", {"source": machine.source, **payload, **listed})
    else:
        head, *rest = _text(found)
        output.say("\n".join([head + assumed_words(machine), *rest]))
        output.notes(machine.notes)
    return 0 if found else 1


def read_leaves(path: str, columns: int | None) -> arrays.U64Array:
    """The array in a file. Raw numbers do not tell how many there are in a row: `columns` does."""
    try:
        if columns is None:
            return _npy(path)
        if os.path.getsize(path) % (8 * columns):
            raise InputError(f"{path}: {os.path.getsize(path)} bytes are not rows of {columns} x 8")
        made = np.fromfile(path, "<u8").astype(arrays.U64, copy=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return made if columns == 1 else made.reshape(-1, columns)


def _npy(path: str) -> arrays.U64Array:
    with open(path, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise InputError(f"{path}: no .npy file; for raw uint64 give --columns 1, 2 or 3")
        file.seek(0)
        try:
            return arrays.uint64(np.load(file, allow_pickle=False), path)
        except (ValueError, EOFError) as error:
            raise InputError(f"{path}: {str(error).splitlines()[0]}") from None


def _text(found: Verification) -> list[str]:
    passed_over = [f"{found.tables:,} that point to tables"] if found.tables else []
    passed_over += [f"{found.absent:,} not present"] if found.absent else []
    passed_over += [f"{found.not_told:,} whose type is not told"] if found.not_told else []
    head = f"{found.leaves:,} leaves" + (f" (and {', '.join(passed_over)})" if passed_over else "")
    if found:
        return [f"{head}: {'no fault' if found.not_told else 'every one has the type of its page'}"]
    counted = [(kind, sum(f.count for f in found.of(kind))) for kind in KINDS]
    words = ", ".join(f"{count:,} {'with IPAT' if kind == 'ipat' else kind}" for kind, count in counted if count)
    lines = [f"{head}: {words}", *map(str, found.faults[:_MOST])]
    return lines + ([f"and {len(found) - _MOST:,} more ranges"] if len(found) > _MOST else [])


def _json(fault: LeafFault) -> dict[str, Any]:
    place = {name: addresses.hexadecimal(getattr(fault, name)) for name in ("base", "size", "last")}
    about = {name: getattr(fault, name) for name in ("level", "count", "found", "wanted", "index", "reason")}
    return {"kind": fault.kind, **place, **about}
