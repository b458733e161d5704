"""``memtype report``: one HTML page about a dump, or about two, before and after."""

from __future__ import annotations

import argparse

from memtype.cli import files, input, output
from memtype.errors import InputError

EXAMPLE = "memtype sample | memtype report - --kernel 6.8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="*", metavar="DUMP", help="one dump, or two: before and after (-: stdin)")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where to write (default: standard output)")
    parser.add_argument("--kernel", metavar="RELEASE", help="KVM's view too: these registers in a guest")
    parser.add_argument("--coherent", action="store_true", help="with --kernel: the VM has no non-coherent DMA")
    input.add_supplied(parser)
    output.add_json(parser, without=["--format", "--exact", "--long", "--plain"])


def run(args: argparse.Namespace) -> int:
    from memtype.report import page

    if len(args.inputs) > 2:
        raise InputError(f"a report is about one or two dumps, not {len(args.inputs)}")
    names = args.inputs or [None]
    machines = [input.read_machine(name, args) for name in names]
    made = page(machines, [_text_of(name) for name in args.inputs], args.kernel, not args.coherent)
    if args.output == "-":
        print(made, end="")
        return 0
    with files.written(args.output) as file:
        file.write(made.encode())
    if args.json:
        output.print_json("report", {"file": args.output, "sources": [machine.source for machine in machines]})
    else:
        output.say(f"{args.output}: {len(made.encode()) / 1024:.0f} KiB, no scripts, no network")
    return 0


def _text_of(name: str) -> str:
    """The text to quote; a stream is read once, and what holds bytes is not quoted."""
    if name == "-":
        return ""
    try:
        with open(name, "rb") as file:
            raw = file.read(1 << 20)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}") from None
    return "" if b"\0" in raw else raw.decode("utf-8", "replace")
