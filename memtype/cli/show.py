"""``memtype show``: the registers in use, the PAT, the map and who decides it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from memtype import rules
from memtype.cli import facts, registers
from memtype.cli.addresses import hexadecimal, mem, size_text, span_json
from memtype.cli.input import add_input, read_machine
from memtype.cli.output import add_json, columns, notes, print_json, say
from memtype.emit import FORMS, emit
from memtype.errors import RegisterError, ShatteredMapError
from memtype.formats import own_json
from memtype.machine import Machine
from memtype.memory_map import MemoryMap, Segment
from memtype.mtrr import MtrrState
from memtype.told import Registers, named, pair_of
from memtype.types import MemoryType

EXAMPLE = "dmesg | memtype show -"
_MOST_ROWS = 512  # of a map: what holey masks shatter is nothing to read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input(parser)
    add_json(parser)
    words = f"print the first processor's registers for another tool (json, kvm: every one's): {', '.join(FORMS)}"
    parser.add_argument("--emit", metavar="FORM", choices=FORMS, help=words)


def run(args: argparse.Namespace) -> int:
    machine = read_machine(args.input)
    if args.emit:
        return _emit(machine, args.emit)
    if args.json:
        print_json("show", as_json(machine))
        return 0
    said = [*machine.notes]
    say("\n".join(text(machine, said)))
    notes(said)
    return 0


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


def text(machine: Machine, said: list[str]) -> list[str]:
    """The lines to print; what belongs to the notes is appended to `said`."""
    state = machine.mtrrs
    found = [header(machine), *_origin(machine), *_pat(machine)]
    memory = machine.printed_map
    if state is not None:
        found += ["", *_register_lines(state)]
        said += [f"problem: {problem}" for problem in _problems(state)]
        memory = _map(state, said)
        said += _printed_differs(machine, state)
    elif machine.registers is not None:
        found += ["", *_held_lines(machine.registers)]
        memory = _partial_map(machine, said)
    if memory is not None:
        found += ["", *_map_lines(memory, state, "as printed" if memory is machine.printed_map else "told")]
    return found + _cpu_lines(machine) + facts.lines(machine)


def header(machine: Machine) -> str:
    """One line: on or off, default type, fixed ranges, how many variable ones, width, vendor."""
    state = machine.mtrrs
    if state is None:
        return _partial_header(machine)
    on = state.def_type & rules.DEF_TYPE_E
    fixed = "on" if state.def_type & rules.DEF_TYPE_FE and state.has_fixed else "off"
    used = sum(bool(mask & rules.MASK_VALID) for _, mask in state.variable)
    return (
        f"MTRR {'on' if on else 'off'}   default {rules.type_of(state.def_type & rules.DEF_TYPE_TYPE)}"
        f"{' (inferred)' if 'default' in machine.inferred else ''}"
        f"   fixed {'not told' if 'fixed' in machine.inferred else fixed}   {used}/{len(state.variable)} variable used"
        f"{_width(state.maxphyaddr, machine.vendor)}"
    )


def _partial_header(machine: Machine) -> str:
    """What is told of a machine whose registers are not all told."""
    held, width = machine.registers, _width(machine.maxphyaddr, machine.vendor)
    if held is None:
        return f"MTRRs not told{width}"
    words = {True: "on", False: "off", None: "not told"}
    on, fixed = (words[held.bit(rules.DEF_TYPE_MSR, bit)] for bit in (rules.DEF_TYPE_E, rules.DEF_TYPE_FE))
    default = held.register(rules.DEF_TYPE_MSR)
    told = default.tells(rules.DEF_TYPE_TYPE)
    kind = str(rules.type_of(default.value & rules.DEF_TYPE_TYPE)) if told else "not told"
    return f"MTRR {on}   default {kind}   fixed {fixed}   {_ranges_told(held)}{width}"


def _ranges_told(held: Registers) -> str:
    masks = [one for index, one in held.held.items() if pair_of(index) is not None and index & 1]
    pairs = len(held.ranges) + sum(one.told for one in masks)
    return f"variable ranges {pairs} told, others open" if pairs else "variable ranges not told"


def _held_lines(held: Registers) -> list[str]:
    """The registers that are told, one a line; of those told in part, the bits that are."""
    rows = [
        (named(index), f"0x{index:x}", f"0x{one.value:x}", "" if one.told else f"bits told: 0x{one.known:x}")
        for index, one in sorted(held.held.items())
        if one.known
    ]
    return columns(rows).splitlines() if rows else ["no register is told"]


def _partial_map(machine: Machine, said: list[str]) -> MemoryMap | None:
    try:
        return machine.map.listed()
    except ShatteredMapError as error:
        said.append(f"no map is drawn: {error}")
        return None


def _width(maxphyaddr: int | None, vendor: str | None) -> str:
    return (f"   MAXPHYADDR {maxphyaddr}" if maxphyaddr else "") + (f"   {vendor}" if vendor else "")


def _origin(machine: Machine) -> list[str]:
    kernel = f", Linux {machine.kernel}" if machine.kernel else ""
    return [f"{os.path.basename(machine.source)} ({machine.format}{kernel})"]


def _pat(machine: Machine) -> list[str]:
    if machine.pat is None:
        return []
    cells = "".join(f"{kind!s:<4}" for kind in machine.pat.types)
    return [f"PAT [0-7]: {cells.rstrip()}"]


def _register_lines(state: MtrrState) -> list[str]:
    shown = [pair for pair in registers.pairs(state) if pair.valid or pair.odd]
    if not shown:
        return ["no variable range in use"]
    rows = [
        (
            f"reg{pair.number}",
            mem(pair.first, pair.size) if pair.valid else "disabled",
            (f"{pair.blocks} x " if pair.blocks > 1 else "") + size_text(pair.size) if pair.valid else "",
            pair.type_name if pair.valid else "",
            f"{hexadecimal(pair.base)}/{hexadecimal(pair.mask)}",
        )
        for pair in shown
    ]
    table = columns(rows).splitlines()
    return [line for row, pair in zip(table, shown) for line in (row, *(f"      odd: {odd}" for odd in pair.odd))]


def _map(state: MtrrState, said: list[str]) -> MemoryMap | None:
    try:
        return state.map.listed()
    except ShatteredMapError as error:
        said.append(f"no map is drawn: {error}")
        return None


def _printed_differs(machine: Machine, state: MtrrState) -> list[str]:
    """Where the dump prints a map too: whether the registers make the same, read as that program reads them."""
    printed, view = machine.printed_map, machine.printed_view
    if printed is None or view is None:
        return []
    mine = state.view(view).map
    edges = sorted({segment.base for memory in (mine, printed) for segment in memory})
    first = next((edge for edge in edges if mine.at(edge) != printed.at(edge)), None)
    if first is None:
        return []
    return [f"the printed map has {printed.at(first)} at {hexadecimal(first)}; these registers make {mine.at(first)}"]


def _origin_of(segment: Segment, origin: str) -> str:
    return "" if segment.type is MemoryType.NOT_TOLD else origin


def _map_lines(memory: MemoryMap, state: MtrrState | None, origin: str) -> list[str]:
    edges = [] if state is None else registers.edges(state)
    rows = columns(
        [
            (
                mem(segment.base, segment.size),
                size_text(segment.size),
                segment.type,
                (origin if segment.type is not MemoryType.NOT_TOLD else "")
                if state is None
                else registers.deciders(state, segment, edges),
            )
            for segment in memory.segments[:_MOST_ROWS]
        ]
    ).splitlines()
    left = len(memory) - _MOST_ROWS
    return [*rows, f"and {left} more segments (--json lists them all)"] if left > 0 else rows


def _cpu_lines(machine: Machine) -> list[str]:
    """Whether the processors agree: in their registers, and in what these mean."""
    told = [cpu for cpu in machine.cpus if cpu.mtrrs is not None]
    if len(told) < 2:
        return []
    first = told[0]
    differ = [cpu for cpu in told if (cpu.mtrrs, cpu.pat) != (first.mtrrs, first.pat)]
    if not differ:
        return ["", f"all {len(told)} processors hold the same"]
    return ["", *(f"CPU {cpu.number} differs from CPU {first.number}: {_difference(first, cpu)}" for cpu in differ)]


def _difference(first: Any, other: Any) -> str:
    if first.mtrrs == other.mtrrs:
        return "its PAT"
    try:
        same = first.mtrrs.map == other.mtrrs.map
    except ShatteredMapError:
        return "its registers"
    pat = ", and its PAT" if first.pat != other.pat else ""
    return ("registers, with the same map" if same else "registers and map") + pat


def _problems(state: MtrrState) -> list[Any]:
    try:
        return list(state.problems())
    except RegisterError as error:  # more pairs than have MSR numbers
        return [error]


# --- JSON -----------------------------------------------------------------------------------------------------------


def as_json(machine: Machine) -> dict[str, Any]:
    """What `text` prints, for programs."""
    state = machine.mtrrs
    said = [*machine.notes]
    found: dict[str, Any] = {
        "source": machine.source,
        "format": machine.format,
        "kernel": machine.kernel,
        "cpu": {"vendor": machine.vendor, "maxphyaddr": machine.maxphyaddr},
        "inferred": list(machine.inferred),
    }
    memory = machine.printed_map
    if state is not None:
        found |= _state_json(state)
        memory = _map(state, said)
        said += _printed_differs(machine, state)
    found["pat"] = None if machine.pat is None else [str(kind) for kind in machine.pat.types]
    found["map"] = None if memory is None else _map_json(memory, state)
    found["cpus"] = _cpus_json(machine)
    found["e820"] = [{**span_json(r.base, r.size), "kind": r.kind} for r in machine.e820]
    return found | {"notes": said, "machine": own_json.dump(machine)}


def _msrs_json(state: MtrrState) -> dict[str, str] | None:
    """None where there are more pairs than have MSR numbers."""
    try:
        return {hexadecimal(index): hexadecimal(value, 16) for index, value in state.msrs().items()}
    except RegisterError:
        return None


def _state_json(state: MtrrState) -> dict[str, Any]:
    return {
        "cpu": {"vendor": state.vendor, "maxphyaddr": state.maxphyaddr},
        "enabled": bool(state.def_type & rules.DEF_TYPE_E),
        "default": str(rules.type_of(state.def_type & rules.DEF_TYPE_TYPE)),
        "fixed_enabled": bool(state.def_type & rules.DEF_TYPE_FE) and state.has_fixed,
        "msrs": _msrs_json(state),
        "variable": [_pair_json(pair) for pair in registers.pairs(state)],
        "problems": [str(problem) for problem in _problems(state)],
    }


def _pair_json(pair: registers.Pair) -> dict[str, Any]:
    raw = {"reg": pair.number, "physbase": hexadecimal(pair.base, 16), "physmask": hexadecimal(pair.mask, 16)}
    if not pair.valid:
        return {**raw, "valid": False, "odd": list(pair.odd)}
    covered = {**span_json(pair.first, pair.size), "blocks": pair.blocks, "type": pair.type_name}
    return {**raw, "valid": True, **covered, "odd": list(pair.odd)}


def _map_json(memory: MemoryMap, state: MtrrState | None) -> list[dict[str, Any]]:
    edges = [] if state is None else registers.edges(state)
    return [
        {
            **span_json(segment.base, segment.size),
            "type": str(segment.type),
            "type_id": int(segment.type),
            "decided_by": "as printed" if state is None else registers.deciders(state, segment, edges),
        }
        for segment in memory
    ]


def _cpus_json(machine: Machine) -> list[dict[str, Any]]:
    told = [cpu for cpu in machine.cpus if cpu.mtrrs is not None]
    found = []
    for cpu in told:
        same = cpu.mtrrs == told[0].mtrrs
        flags = {"cpu": cpu.number, "same_registers": same, "same_pat": cpu.pat == told[0].pat}
        found.append(flags if same or cpu.mtrrs is None else {**flags, "msrs": _msrs_json(cpu.mtrrs)})
    return found
