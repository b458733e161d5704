"""``memtype show``: the registers in use, the PAT, the map and who decides it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from memtype import rules
from memtype.cli import facts, picture, registers
from memtype.cli.addresses import hexadecimal, mem, size_text, span_json
from memtype.cli.input import add_input, read_machine, state_name
from memtype.cli.output import add_json, columns, notes, print_json, say
from memtype.emit import FORMS, emit
from memtype.errors import ShatteredMapError
from memtype.formats import own_json
from memtype.machine import Machine
from memtype.memory_map import MemoryMap, Segment
from memtype.plot.ram import overlap, usable
from memtype.report.summary import header
from memtype.told import Registers, named, pair_of
from memtype.types import MemoryType

EXAMPLE = "dmesg | memtype show -"
_MOST_ROWS = 512  # of a map: what holey masks shatter is nothing to read
_MOST_REPEATED = 16  # of one that repeats too often to be listed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    add_json(parser)
    parser.add_argument(
        "--raw", action="store_true", help="print base and mask of the ranges as the registers hold them"
    )
    words = f"print the first processor's registers for another tool (json, kvm: every one's): {', '.join(FORMS)}"
    parser.add_argument("--emit", metavar="FORM", choices=FORMS, help=words)


def run(args: argparse.Namespace) -> int:
    machine = read_machine(args.input, args, several=not args.emit)
    if args.emit:
        return _emit(machine, args.emit)
    if args.json:
        parts = [{"label": part.label, "line": part.line, **as_json(part)} for part in machine.parts]
        print_json("show", as_json(machine) | ({"states": parts} if parts else {}))
        return 0
    for number, state in enumerate(machine.states, 1):
        said = [*state.notes]
        say("\n".join(state_lines(state, machine, number, said, args.raw)))
        notes(said)
    return 0


def state_lines(state: Machine, machine: Machine, number: int, said: list[str], raw: bool = False) -> list[str]:
    """One state's lines; of several states of a machine, each below its heading."""
    heading = [f"state {number}: {state_name(state)}"] if machine.parts else []
    return [*([""] if number > 1 else []), *heading, *text(state, said, raw)]


def _emit(machine: Machine, form: str) -> int:
    """The machine in another tool's form on standard output; nothing is run. Bytes go out as they are."""
    given = emit(machine, form)
    notes(machine.notes)
    if isinstance(given, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(given)
    else:
        print(given, end="")
    return 0


def text(machine: Machine, said: list[str], raw: bool = False) -> list[str]:
    """The lines to print; what belongs to the notes is appended to `said`."""
    told = machine.registers
    memory = _map(machine, said)
    found = [header(machine), *_origin(machine), *_pat(machine)]
    if memory is not None:
        found += picture.lines(machine, memory)
    found += picture.check_lines(machine)
    if told is not None:
        found += ["", *_register_lines(told, raw)]
        said += [f"problem: {problem}" for problem in told.problems()]
        said += _printed_differs(machine)
    if memory is not None:
        found += ["", *_map_lines(memory, machine)]
    return found + _cpu_lines(machine) + facts.lines(machine)


def _origin(machine: Machine) -> list[str]:
    """Where it was read; nothing of what a program made."""
    if not machine.format:
        return []
    kernel = f", Linux {machine.kernel}" if machine.kernel else ""
    return [f"{os.path.basename(machine.source)} ({machine.format}{kernel})"]


def _pat(machine: Machine) -> list[str]:
    if machine.pat is None:
        return []
    cells = "".join(f"{kind!s:<4}" for kind in machine.pat.types)
    return [f"PAT [0-7]: {cells.rstrip()}"]


def _register_lines(told: Registers, raw: bool) -> list[str]:
    shown = [pair for pair in registers.pairs(told.known) if pair.valid or pair.odd]
    rows = [
        (
            f"reg{pair.number}",
            mem(pair.first, pair.size) if pair.valid else "disabled",
            (f"{pair.blocks} x " if pair.blocks > 1 else "") + size_text(pair.size) if pair.valid else "",
            pair.type_name if pair.valid else "",
        )
        for pair in shown
    ]
    lines = []
    for row, pair in zip(columns(rows).splitlines() if rows else [], shown):
        lines += [row, *([f"      raw: {_raw(told, pair)}"] if raw or pair.odd else ())]
        lines += [f"      odd: {odd}" for odd in pair.odd]
    lines += [f"reg{n}  not told" for n in told.open_pairs[:_MOST_ROWS]]
    held = _held_lines(told) if told.state is None else []
    return held + (lines or [_none_in_use(told)])


def _held_lines(told: Registers) -> list[str]:
    """Registers beside the ranges, where not all are told; of those told in part, the bits that are."""
    rows = [
        (named(index), hexadecimal(index), hexadecimal(one.value), "" if one.told else f"bits told: 0x{one.known:x}")
        for index, one in sorted(told.held.items())
        if one.known and pair_of(index) is None
    ]
    return columns(rows).splitlines() if rows else []


def _none_in_use(told: Registers) -> str:
    gap = next((gap for gap in told.gaps if gap.what == "pairs"), None)
    return "no variable range in use" if gap is None else gap.text


def _raw(told: Registers, pair: registers.Pair) -> str:
    """PHYSBASE and PHYSMASK as read; a range that was printed by its size has none."""
    return "by its size" if pair.number in told.ranges else f"{hexadecimal(pair.base)}/{hexadecimal(pair.mask)}"


def _map(machine: Machine, said: list[str]) -> MemoryMap | None:
    told = machine.registers  # of the first processor, as the rest of the picture; the others are compared below it
    if told is None:
        return machine.printed_map
    try:
        return told.map()
    except ShatteredMapError as error:
        said.append(f"no map is drawn: {error}")
        return None


def _printed_differs(machine: Machine) -> list[str]:
    """Where the dump prints a map too: whether the registers make the same, read as that program reads them."""
    printed, view, state = machine.printed_map, machine.printed_view, machine.mtrrs
    if printed is None or view is None or state is None:
        return []
    mine = state.view(view).map
    edges = sorted({segment.base for memory in (mine, printed) for segment in memory})
    open_type = MemoryType.NOT_TOLD
    told = (edge for edge in edges if edge < 1 << printed.maxphyaddr and printed.at(edge) is not open_type)
    first = next((edge for edge in told if edge < 1 << mine.maxphyaddr and mine.at(edge) != printed.at(edge)), None)
    if first is None:
        return []
    return [f"the printed map has {printed.at(first)} at {hexadecimal(first)}; these registers make {mine.at(first)}"]


def _map_lines(memory: MemoryMap, machine: Machine) -> list[str]:
    segments, repeated = registers.without_repeats(memory)
    decided = _deciders(machine)
    rows = _segment_rows(segments[:_MOST_ROWS], len(segments) - _MOST_ROWS, decided)
    return [*rows, repeated] if repeated else rows


def lines_of_map(memory: MemoryMap) -> list[str]:
    """A map alone, without the registers that made it: the ribbon and the segments."""
    try:
        segments, repeated = registers.without_repeats(memory)
    except ShatteredMapError:
        return [f"{len(memory)} segments: masks have holes", *_segment_rows(memory.first(_MOST_REPEATED))]
    drawn = picture.lines(Machine(), memory)
    rows = _segment_rows(segments[:_MOST_ROWS], len(segments) - _MOST_ROWS)
    return [*(drawn[1:] + [""] if drawn else []), *rows, *([repeated] if repeated else [])]


Words = Callable[[Segment], str]


def _segment_rows(segments: Sequence[Segment], left: int = 0, decided: Words | None = None) -> list[str]:
    """One row each; with `decided` who decides it. `left` are not listed."""
    found = [(mem(s.base, s.size), size_text(s.size), s.type, *([decided(s)] if decided else [])) for s in segments]
    more = [f"and {left} more segments (--json lists them all)"] if left > 0 else []
    return columns(found).splitlines() + more


def _deciders(machine: Machine) -> Words:
    """Who decides a segment, in a few words."""
    told = machine.registers
    if told is None:
        return lambda segment: "not told" if segment.type is MemoryType.NOT_TOLD else "as printed"
    state, strict = told.known, told.map(strict=True)
    edges = registers.edges(state)

    def words(segment: Segment) -> str:
        if segment.type is MemoryType.NOT_TOLD:
            return "; ".join(told.at(segment.base).missing)
        sure = strict.uniform(segment.base, segment.size) is segment.type
        return registers.deciders(state, segment, edges) + ("" if sure else " (assumed)")

    return words


def _cpu_lines(machine: Machine) -> list[str]:
    """Whether the processors agree: in their registers, and in what these mean."""
    told = [cpu for cpu in machine.cpus if cpu.registers is not None]
    if len(told) < 2:
        return []
    first = told[0]
    differ = [cpu for cpu in told if (cpu.registers, cpu.pat) != (first.registers, first.pat)]
    if not differ:
        return ["", f"all {len(told)} processors hold the same"]
    return ["", *(f"CPU {cpu.number} differs from CPU {first.number}: {_difference(first, cpu)}" for cpu in differ)]


def _difference(first: Any, other: Any) -> str:
    if first.registers == other.registers:
        return "its PAT"
    try:
        same = first.registers.map() == other.registers.map()
    except ShatteredMapError:
        return "its registers"
    pat = ", and its PAT" if first.pat != other.pat else ""
    return ("registers, with the same map" if same else "registers and map") + pat


# --- JSON -----------------------------------------------------------------------------------------------------------


def as_json(machine: Machine) -> dict[str, Any]:
    """What `text` prints, for programs."""
    told = machine.registers
    said = [*machine.notes]
    found: dict[str, Any] = {
        "source": machine.source,
        "format": machine.format,
        "kernel": machine.kernel,
        "cpu": {"vendor": machine.vendor, "maxphyaddr": machine.maxphyaddr},
        "inferred": list(machine.inferred),
    }
    if told is not None:
        found |= _told_json(told, machine.vendor)
        said += _printed_differs(machine)
    memory = _map(machine, said)
    found["pat"] = None if machine.pat is None else [str(kind) for kind in machine.pat.types]
    found["map"] = None if memory is None else _map_json(memory, machine)
    found["cpus"] = _cpus_json(machine)
    found["e820"] = [{**span_json(r.base, r.size), "kind": r.kind} for r in machine.e820]
    return found | {"notes": said, "machine": own_json.dump(machine)}


def _msrs_json(told: Registers) -> dict[str, str] | None:
    """The registers that are told whole; None where there are more pairs than have MSR numbers."""
    if told.listed > rules.NUMBERED_PAIRS:
        return None
    held = {index: register.value for index, register in sorted(told.held.items()) if register.told}
    return {hexadecimal(index): hexadecimal(value, 16) for index, value in held.items()}


def _told_json(told: Registers, vendor: str | None) -> dict[str, Any]:
    """Registers and what is known of them; null where it is not told."""
    base = told.register(rules.DEF_TYPE_MSR)
    assumed = next((a for a in told.assumptions if a.what == "default"), None)
    kind = None if assumed is None else assumed.value
    if base.tells(rules.DEF_TYPE_TYPE):
        kind = base.value & rules.DEF_TYPE_TYPE
    fixed = told.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE)
    return {
        "cpu": {"vendor": vendor, "maxphyaddr": told.maxphyaddr, "width": told.width_text},
        "enabled": told.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_E),
        "default": None if kind is None else str(rules.type_of(kind)),
        "fixed_enabled": fixed and told.has_fixed,
        "msrs": _msrs_json(told),
        "variable": [_pair_json(pair) for pair in registers.pairs(told.known) if pair.number not in told.open_pairs],
        "problems": [str(problem) for problem in told.problems()],
        "assumed": [{"id": a.rule, "text": a.text} for a in told.assumptions],
        "not_told": [
            {"what": g.what, "registers": list(g.registers), "text": g.text, "hint": g.hint} for g in told.untold
        ],
    }


def _pair_json(pair: registers.Pair) -> dict[str, Any]:
    raw = {"reg": pair.number, "physbase": hexadecimal(pair.base, 16), "physmask": hexadecimal(pair.mask, 16)}
    if not pair.valid:
        return {**raw, "valid": False, "odd": list(pair.odd)}
    covered = {**span_json(pair.first, pair.size), "blocks": pair.blocks, "type": pair.type_name}
    return {**raw, "valid": True, **covered, "odd": list(pair.odd)}


def _map_json(memory: MemoryMap, machine: Machine) -> list[dict[str, Any]]:
    decided, ram = _deciders(machine), usable(machine)
    return [
        {
            **span_json(segment.base, segment.size),
            "type": str(segment.type),
            "type_id": int(segment.type),
            "decided_by": decided(segment),
            **({"ram": hexadecimal(overlap(ram, segment.base, segment.end))} if ram else {}),
        }
        for segment in memory
    ]


def _cpus_json(machine: Machine) -> list[dict[str, Any]]:
    told = [(cpu, cpu.registers) for cpu in machine.cpus if cpu.registers is not None]
    found = []
    for cpu, held in told:
        same = held == told[0][1]
        flags = {"cpu": cpu.number, "same_registers": same, "same_pat": cpu.pat == told[0][0].pat}
        found.append(flags if same else {**flags, "msrs": _msrs_json(held)})
    return found
