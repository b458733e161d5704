"""``memtype plot``: pictures as SVG or PNG (the ``plot`` extra: matplotlib)."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Final

from memtype.cli import files, input, output
from memtype.errors import InputError

EXAMPLE = "memtype sample | memtype plot ribbon -"

PICTURES: Final = {
    "ribbon": "the address space of a dump, RAM beside types",
    "diff": "before and after: two dumps, or the first two states of one",
    "pages": "the page plan: runs of 1 GiB, 2 MiB, 4 KiB pages, and what splits them",
    "cpus": "processors by registers, coloured by the effect of what differs",
    "table": "MTRR with PAT, Intel beside AMD, differing cells boxed",
    "kvm": "what changed in KVM, release by release",
    "zap": "event by event: what a release (--kernel) zaps, what goes stale",
}
_NEEDS: Final = {"ribbon": (0, 1), "diff": (1, 2), "pages": (0, 1), "cpus": (0, 1)}  # dumps, at least and at most
_FORMS: Final = ("svg", "png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    listed = "\n".join(f"  {name:<8}{text}" for name, text in PICTURES.items())
    parser.description = f"{parser.description}\n\n{listed}"
    parser.add_argument("picture", choices=list(PICTURES), metavar="PICTURE", help="one of those above")
    parser.add_argument("inputs", nargs="*", metavar="DUMP", help="file, or - for standard input")
    words = "where to write: .svg or .png (default: SVG on standard output)"
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help=words)
    parser.add_argument("--kernel", default="6.8", metavar="RELEASE", help="zap: the release (default: 6.8)")
    parser.add_argument("--top", metavar="ADDR", help="pages: the first address without a page (default: end of RAM)")
    input.add_supplied(parser)
    output.add_json(parser, without=["--format", "--exact", "--long", "--plain"])


def run(args: argparse.Namespace) -> int:
    least, most = _NEEDS.get(args.picture, (0, 0))
    if not least <= len(args.inputs) <= most:
        wanted = f"{least} or {most} dumps" if most > 1 else "at most one dump" if most else "no dump"
        raise InputError(f"plot {args.picture} takes {wanted}, not {len(args.inputs)}")
    form = "svg" if args.output == "-" else os.path.splitext(args.output)[1].lstrip(".").lower()
    if form not in _FORMS:
        raise InputError(f"{args.output}: pictures are written as .svg or .png")
    save(_drawn(args), args.output, form)
    if args.json and args.output != "-":
        output.print_json("plot", {"picture": args.picture, "file": args.output})
    elif args.output != "-":
        output.say(f"{args.output}: {PICTURES[args.picture]}")
    return 0


def _drawn(args: argparse.Namespace) -> Any:
    from memtype.plot import figures, kvm

    if args.picture == "table":
        return figures.truth_table()
    if args.picture == "kvm":
        return kvm.timeline()
    if args.picture == "zap":
        return kvm.zap_matrix(args.kernel)
    if args.picture == "diff":
        return _compared(args)
    machine = input.read_machine(args.inputs[0] if args.inputs else None, args)
    output.notes(machine.notes)
    return _pages(machine, args.top) if args.picture == "pages" else (
        figures.cpu_matrix(machine) if args.picture == "cpus" else _ribbon(machine)
    )  # fmt: skip


def _ribbon(machine: Any) -> Any:
    from memtype.plot import figures, ram

    return figures.ribbon(machine.map, ram.usable(machine), title=os.path.basename(machine.source))


def _pages(machine: Any, top: str | None) -> Any:
    from memtype.analysis.pages import pages
    from memtype.cli import addresses
    from memtype.cli.pages import end_of_ram, source_of
    from memtype.plot import figures

    source = source_of(machine)
    end = addresses.number(top) if top else end_of_ram(machine, source.maxphyaddr)
    return figures.page_plan(pages(source, end, "1G", registers=machine.mtrrs))


def _compared(args: argparse.Namespace) -> Any:
    from memtype.plot import figures, ram

    several = len(args.inputs) == 1
    machines = [input.read_machine(name, args, several=several) for name in args.inputs]
    states = list(machines[0].states[:2]) if several else machines
    if len(states) < 2:
        raise InputError(f"plot diff needs two dumps, or one with several states: {args.inputs[0]} holds one")
    names = [input.state_name(s) for s in states] if several else [os.path.basename(n) for n in args.inputs]
    return figures.before_after(states[0].map, states[1].map, ram.usable(states[1]), names=names)


def save(axes: Any, path: str, form: str) -> None:
    """Write the figure. The same picture gives the same bytes."""
    import io

    import matplotlib

    made = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "memtype", "svg.fonttype": "none"}):
        axes.figure.savefig(made, format=form, dpi=144, metadata={"Date": None} if form == "svg" else None)
    if path == "-":
        sys.stdout.write(made.getvalue().decode("utf-8"))
        return
    with files.written(path) as file:
        file.write(made.getvalue())
