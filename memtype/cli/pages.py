"""``memtype pages``: the fewest, largest pages of one memory type each, what splits them, and EPT entries."""

from __future__ import annotations

import argparse
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from memtype import rules
from memtype.analysis import ram
from memtype.analysis.page_type import page_type
from memtype.analysis.pages import LEVELS, PageRun, Pages, Split, pages
from memtype.analysis.plan_target import changed
from memtype.cli import addresses, files, input, output, progress
from memtype.errors import InputError
from memtype.late import Late
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.told import Assumption
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

EXAMPLE = "dmesg | memtype pages --max 1G -"
_MOST = 512  # runs and splits that are printed: what holey masks shatter is nothing to read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    input.add_input(parser)
    words = "the first address that needs no page (default: the end of RAM where the dump has an e820 map, else all)"
    parser.add_argument("--top", metavar="ADDR", help=words)
    parser.add_argument("--max", metavar="SIZE", default="1G", help="the largest pages: 1G (default), 2M or 4K")
    words = "write the EPT entries, rows of gpa, entry, level (uint64): .npy, or raw little-endian for other names"
    parser.add_argument("--leaves", metavar="FILE", help=words)
    parser.add_argument("--ipat", action="store_true", help="set IPAT (bit 6) in the entries")
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.max.upper() not in LEVELS:
        raise InputError(f"--max {args.max}: 1G, 2M or 4K")
    machine = input.read_machine(args.input, args, alike=True)
    source = source_of(machine)
    top = addresses.number(args.top) if args.top else end_of_ram(machine, source.maxphyaddr)
    made = pages(source, top, args.max, registers=machine.mtrrs)
    if args.leaves:
        write_leaves(made, args.leaves, args.ipat)
    if args.json:
        about = {"source": machine.source, "assumed": assumed(machine)}
        output.print_json("pages", {**about, **_json(made, source), "notes": list(machine.notes)})
    else:
        head, *rest = _text(made, source)
        output.say("\n".join([head + assumed_words(machine), *rest]))
        output.notes(machine.notes)
    return 0


def source_of(machine: Machine) -> MtrrState | MemoryMap:
    """The registers, or the map that a dump prints ready-made; the map with what is NOT_TOLD where something is."""
    told = machine.registers
    if told is None and machine.printed_map is None:
        raise InputError(f"{machine.source}: neither MTRRs nor a map in it")
    if told is None or told.untold or machine.mtrrs is None:
        low = [(0, rules.FIXED_END, MemoryType.NOT_TOLD)] if "fixed" in machine.inferred and told is not None else []
        return changed(machine.map, low)
    return machine.mtrrs


def assumed(machine: Machine) -> list[str]:
    """What types hang on and the dump does not tell."""
    told = machine.registers
    return [] if told is None else [_words(assumption) for assumption in told.assumptions]


def _words(assumption: Assumption) -> str:
    return f"default type {rules.type_of(assumption.value)}" if assumption.what == "default" else assumption.text


def assumed_words(machine: Machine) -> str:
    found = assumed(machine)
    return f"  (assumed: {', '.join(found)})" if found else ""


def end_of_ram(machine: Machine, maxphyaddr: int) -> int | None:
    """The first byte behind the last RAM of the dump's e820 map; None without one."""
    memory = ram.spans_of(machine.e820)
    return min(sum(memory[-1]), 1 << maxphyaddr) if memory else None


# --- EPT entries ----------------------------------------------------------------------------------------------------


def write_leaves(made: Pages, path: str, ipat: bool) -> None:
    blocks = made.leaf_blocks(ipat)  # refuses before the file is opened: nothing is written on failure
    with files.written(path) as file:
        if path.endswith(".npy"):
            _npy_header(file, made.count)
        for block in progress.watched(blocks, made.count, "leaves", len):
            file.write(block.astype("<u8", copy=False).tobytes())


def _npy_header(file: BinaryIO, rows: int) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "<u8", "fortran_order": False, "shape": (rows, 3)})


# --- text -----------------------------------------------------------------------------------------------------------


def _text(made: Pages, source: MtrrState | MemoryMap) -> list[str]:
    counted = ", ".join(f"{made.counts[level]:,} x {_short(level)}" for level in (3, 2, 1) if made.counts[level])
    frames = made.top >> rules.PAGE_SHIFT
    found = [f"{counted}  (instead of {frames:,} x 4K; tables {addresses.size_text(made.table_bytes)})", ""]
    found += output.columns([_row(run) for run in islice(made.runs, _MOST)]).splitlines()
    found += _left(len(made.runs), "runs")
    if len(made.splits):
        found += ["", f"splits ({_short(made.max_level)} pages that hold several types):"]
        found += _split_lines(list(islice(made.splits, _MOST)), source)
        found += _left(len(made.splits), "changes of type")
    size = 1 << rules.LEAF_SHIFTS[made.max_level]
    if made.top % size:
        found += ["", f"the top, {addresses.hexadecimal(made.top)}, is no multiple of {_short(made.max_level)}"]
    return found


def _left(count: int, what: str) -> list[str]:
    return [f"and {count - _MOST:,} more {what}"] if count > _MOST else []


def _short(level: int) -> str:
    return {3: "1G", 2: "2M", 1: "4K"}[level]


def _row(run: PageRun) -> tuple[Any, ...]:
    return addresses.mem(run.base, run.size), f"{run.count:,} x {_short(run.level)}", run.type


def _split_lines(splits: list[Split], source: MtrrState | MemoryMap) -> list[str]:
    """One paragraph for each page, a line for each change inside it, and what could be done instead."""
    found: list[str] = []
    for number, split in enumerate(splits):
        if not number or splits[number - 1].page != split.page:
            found.append(f"  {addresses.hexadecimal(split.page)}: {advice(source, split)}")
        by = f"  ({', '.join(split.registers)})" if split.registers else ""
        found.append(f"    {split.after} from {addresses.hexadecimal(split.at)}, {split.before} before{by}")
    return found


def advice(source: MtrrState | MemoryMap, split: Split) -> str:
    """What to do with the page that the split breaks; of pages beyond the map's end only the start exists."""
    if split.page + split.size > 1 << source.maxphyaddr:
        return "split it"
    return page_type(source, split.page, split.size).advice


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json(made: Pages, source: MtrrState | MemoryMap) -> dict[str, Any]:
    return {
        "top": addresses.hexadecimal(made.top),
        "max_level": made.max_level,
        "counts": {str(level): count for level, count in made.counts.items()},
        "table_bytes": {"ept": made.table_bytes, "x86_64": made.table_bytes_x86_64},
        "run_count": len(made.runs),
        "runs": [_run_json(run) for run in islice(made.runs, _MOST)],
        "split_count": len(made.splits),
        "splits": [_split_json(split, source) for split in islice(made.splits, _MOST)],
    }


def _run_json(run: PageRun) -> dict[str, Any]:
    return {**addresses.span_json(run.base, run.size), "level": run.level, "count": run.count, "type": run.type}


def _split_json(split: Split, source: MtrrState | MemoryMap) -> dict[str, Any]:
    return {
        "at": addresses.hexadecimal(split.at),
        "before": split.before,
        "after": split.after,
        "page": addresses.span_json(split.page, split.size),
        "level": split.level,
        "registers": list(split.registers),
        "advice": advice(source, split),
    }
