"""``memtype classify``: the types of the addresses in files: counted, and written."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from memtype import scale
from memtype.arrow import WAYS
from memtype.cli import addresses, input, output
from memtype.cli.pages import assumed, assumed_words
from memtype.errors import AddressError, InputError
from memtype.machine import Machine
from memtype.scale.cluster import connected
from memtype.scale.files import FORMATS, is_addresses
from memtype.types import MemoryType

EXAMPLE = "memtype sample | memtype classify - --range 0+4G"
_LEVELS = {"4K": 1, "2M": 2, "1G": 3}
_MOST = 512  # groups that are printed; --json has them all
_NAMED = 8  # groups without a dump that a note names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    words = "STATE, a dump (- is standard input), then files of addresses: Parquet, Arrow IPC, CSV, .npy, raw uint64, "
    words += "folders of them, URLs"
    add("files", nargs="+", metavar="FILE", help=words)
    add("-o", "--out", metavar="OUT", help="write the types: .parquet, .arrow, .csv, .npy, .raw")
    words = "the 4 KiB pages of this range, instead of files (more than one may be given)"
    add("--range", action="append", default=[], metavar="A+SIZE", dest="ranges", help=words)
    add("--column", metavar="NAME", help="the column of addresses (default: gpa, or the only one)")
    add("--pte", metavar="NAME", help="a column of page-table entries: the effective type")
    add("--pat", metavar="PAT", help="IA32_PAT for --pte (default: the dump's)")
    add("--page", choices=sorted(_LEVELS, key=_LEVELS.__getitem__), default="4K", help="what the entries map")
    add("--by", metavar="NAME", help="count by the values of this column")
    words = "a dump for each value of --by: DIR/VALUE.txt, any ending; no STATE is needed then, one that is given "
    add("--states", metavar="DIR", help=words + "answers for values without a dump")
    add("--keep", action="append", default=[], metavar="NAME", help="keep a column beside the type (a,b: both)")
    add("--names", action="store_true", help="write types as a dictionary of names, not as numbers")
    add("--beyond", choices=WAYS, default="raise", help="addresses beyond MAXPHYADDR: refuse (default), or no type")
    add("--format", choices=FORMATS, help="the kind of the files, where their names do not tell")
    add("--restart", action="store_true", help="begin anew: forget what an earlier run finished (OUT.parts)")
    add("--dask", metavar="WHERE", help="on workers of Dask: local (a process for each processor), or tcp://HOST:PORT")
    input.add_supplied(parser)
    output.add_json(parser, without=["--format"])


def run(args: argparse.Namespace) -> int:
    source, files = _arguments(args)
    machine = None if source is None else input.read_machine(source, args)
    states = None if args.states is None else read_states(args.states, args)
    if args.pte and machine is not None and args.pat is None and machine.pat is None:
        raise InputError(
            f"{machine.source}: the PAT is not told; --pat says what the entries of {args.pte} choose from"
        )
    keep = [name for word in args.keep for name in word.split(",")]
    with nullcontext() if args.dask is None else connected(args.dask) as client, Meter() as meter:
        try:
            found = scale.classify(
                files, machine, args.out, ranges=[addresses.span(word) for word in args.ranges], column=args.column,
                pte=args.pte, by=args.by, states=states, pat=args.pat, level=_LEVELS[args.page], keep=keep,
                names=args.names, beyond=args.beyond, format=args.format, restart=args.restart, client=client,
                progress=meter,
            )  # fmt: skip
        except AddressError as error:
            raise InputError(f"{error}{_width(machine, states)}") from None
    _say(args, found, machine, states)
    return 0


def _arguments(args: argparse.Namespace) -> tuple[str | None, list[str]]:
    """STATE, and the files. With --states the first argument is a file too, unless it is none of addresses."""
    if args.states is not None and not args.by:
        raise InputError("--states: --by names the column that tells whose row it is")
    if args.states is not None and (args.format is not None or is_addresses(args.files[0])):
        source, files = None, args.files
    else:
        source, files = args.files[0], args.files[1:]
    if not files and not args.ranges:
        raise InputError("STATE, then files of addresses, or --range")
    if files and args.ranges:
        raise InputError("--range stands instead of files")
    return source, files


def read_states(folder: str, args: argparse.Namespace) -> dict[str, Machine]:
    """The dumps of a folder, each under its name without the ending."""
    found: dict[str, Path] = {}
    try:
        paths = sorted(path for path in Path(folder).iterdir() if path.is_file() and path.name[0] != ".")
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from None
    for path in paths:
        if path.stem in found:
            raise InputError(f"{folder}: {found[path.stem].name} and {path.name} are both of {path.stem!r}")
        found[path.stem] = path
    if not found:
        raise InputError(f"{folder}: no dump in that folder")
    return {name: input.read_machine(str(path), args) for name, path in found.items()}


def _width(machine: Machine | None, states: Any) -> str:
    """Where the limit comes from, if one dump tells it."""
    told = None if machine is None or states is not None else machine.registers
    return "" if told is None else f" (MAXPHYADDR {told.width_text})"


class Meter:
    """Progress with its rate on standard error, where somebody looks and it takes longer than two seconds."""

    def __init__(self) -> None:
        self._shown = False

    def __enter__(self) -> Meter:
        self._began = self._last = time.monotonic()
        self._first: int | None = None
        return self

    def __call__(self, done: int, rows: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done  # what an earlier run finished is no work of this one
        if now - self._began < 2 or now - self._last < 0.2 or sys.stderr is None or not sys.stderr.isatty():
            return
        self._last, self._shown = now, True
        rate = (done - self._first) / (now - self._began)
        share = f" of {rows:,} ({done / rows:.0%})" if rows > 0 else ""
        left = f", {(rows - done) / rate:,.0f} s left" if rows > 0 and rate else ""
        self._print(f"\r{done:,}{share} rows, {rate / 1e6:.1f} M rows/s{left}\x1b[K")

    def __exit__(self, *error: object) -> None:
        if self._shown:
            self._print("\r\x1b[K")

    @staticmethod
    def _print(text: str) -> None:
        try:
            print(text, end="", file=sys.stderr, flush=True)
        except OSError:
            output.drop(sys.stderr)


# --- text and JSON --------------------------------------------------------------------------------------------------


def _say(args: argparse.Namespace, found: scale.Result, machine: Machine | None, states: Any) -> None:
    notes = [*(machine.notes if machine is not None else ()), *_without_dump(found, machine, states)]
    if args.json:
        about = {"source": None if machine is None else machine.source, "out": found.out}
        told = {"assumed": [] if machine is None else assumed(machine), "notes": notes}
        groups = [{"group": group, **_json(one)} for group, one in found.groups.items()]
        output.print_json("classify", {**about, **_json(found), "by": args.by, "groups": groups, **told})
        return
    output.say("\n".join(_text(args, found, machine)))
    output.notes(notes)


def _without_dump(found: scale.Result, machine: Machine | None, states: Any) -> list[str]:
    missing = [] if states is None else [group for group in found.groups if str(group) not in states or group is None]
    if not missing:
        return []
    named = ", ".join(map(str, missing[:_NAMED])) + (", …" if len(missing) > _NAMED else "")
    answer = "their rows are ?" if machine is None else f"{machine.source} answers for them"
    return [f"no dump of {named} ({len(missing)} in all): {answer}"]


def _json(found: scale.Result) -> dict[str, Any]:
    counts = {str(kind): count for kind, count in found.counts.items()}
    return {"rows": found.rows, "counts": counts, "null": found.null, "beyond": found.beyond}


def _text(args: argparse.Namespace, found: scale.Result, machine: Machine | None) -> list[str]:
    written = f", types in {found.out}" if found.out else ""
    assuming = "" if machine is None else assumed_words(machine)
    lines = [f"{found.rows:,} {'row' if found.rows == 1 else 'rows'}{written}{assuming}"]
    if args.by is None:
        rows: list[tuple[str, ...]] = [
            (name, f"{count:,}", f"{count / found.rows:.2%}") for name, count in _counts(found).items()
        ]
        return [*lines, *_right(rows)]
    heads = list(_counts(found))
    table: list[tuple[str, ...]] = [(args.by, *heads, "rows")]
    for group, one in list(found.groups.items())[:_MOST]:
        counts = _counts(one)
        name = "null" if group is None else str(group)
        table.append((name, *(f"{counts.get(head, 0):,}" for head in heads), f"{one.rows:,}"))
    if len(found.groups) > _MOST:
        lines.append(f"{len(found.groups):,} values of {args.by}, the first {_MOST}:")
    return [*lines, *_right(table)]


def _counts(found: scale.Result) -> dict[str, int]:
    counts = {str(kind): count for kind, count in found.counts.items() if kind is not MemoryType.NOT_TOLD}
    rest = {str(MemoryType.NOT_TOLD): found.counts.get(MemoryType.NOT_TOLD, 0)}
    rest |= {"null": found.null, "beyond": found.beyond}
    return counts | {name: count for name, count in rest.items() if count}


def _right(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns of numbers behind one of names."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return ["  ".join([row[0].ljust(widths[0]), *cells[1:]]) for row, cells in zip(rows, padded, strict=True)]
