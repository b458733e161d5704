"""``memtype diff``: do two or more dumps, or the processors of one, mean the same?"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import pairwise
from typing import Any

from memtype import rules
from memtype.analysis.check import inconsistent
from memtype.analysis.diff import Change, Diff, PatChange, PeriodicChanges, RegisterChange, diff, diff_cpus
from memtype.analysis.ram import Span, spans_of, totals
from memtype.cli import addresses, input, output, ram
from memtype.errors import InputError
from memtype.machine import Machine, Note, note_on
from memtype.told import ALL
from memtype.types import MemoryType

EXAMPLE = "dmesg | memtype diff --cpus -"
_ONE = "the dump tells one processor: nothing to compare it with"
_GAPS = {"default", "enabled", "fixed", "pairs", "registers"}  # notes on what a difference may come from
DIFFERENT = "found-different"  # the note on processors that the kernel found different
_SHOWN = 40  # registers listed of each comparison; --json has them all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "two or more dumps, or one of several states: each against the next (- is standard input); with --cpus one"
    parser.add_argument("inputs", nargs="*", metavar="DUMP", help=words)
    parser.add_argument("--cpus", action="store_true", help="compare the processors of one dump with its first")
    ram.add_memory(parser, "default: what a dump's RAM map lists")
    input.add_supplied(parser)
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    named = _cpus(args) if args.cpus else _dumps(args)
    machines = [machine for _, machine in named]
    compared, said = _among(machines[0]) if args.cpus else _in_turn(named)
    memory = ram.known(args.memory, machines)
    said += [] if args.memory else _maps_differ(named)
    groups = cpu_groups(machines[0]) if args.cpus else []
    if args.json:
        same = not any(difference for _, _, difference in compared)
        listed = [_json(*item, memory) for item in compared]
        grouped = {"groups": groups} if args.cpus else {}
        output.print_json("diff", {"same_map": same, "comparisons": listed, **grouped, "notes": said})
    else:
        lines = [line for item in compared for line in _text(*item, memory)]
        output.say("\n".join([*_group_line(groups, machines[0]), *lines] if lines else [_alone(said)]))
        output.notes(note for note in said if note != _ONE)  # the answer says it
    return 1 if note_on(said, DIFFERENT) or any(difference for _, _, difference in compared) else 0


def _maps_differ(named: list[Named]) -> list[str]:
    """Of which dump the RAM is, where their maps list different RAM."""
    told = [(name, found) for name, machine in named if (found := spans_of(machine.e820))]
    if all(found == told[0][1] for _, found in told):
        return []
    return [f"the dumps list different RAM: sizes are told of what {told[0][0]} lists"]


def _alone(said: list[str]) -> str:
    one = "one processor, nothing to compare" if _ONE in said else "all processors hold the same"
    return note_on(said, DIFFERENT) or one


Comparison = tuple[str, str, Diff]
Named = tuple[str, Machine]


def _dumps(args: argparse.Namespace) -> list[Named]:
    """The dumps, or the states of one, each with its name."""
    names = args.inputs
    if len(names) < 2:
        return _states(args)
    if names.count("-") > 1:
        raise InputError("standard input can be one of the dumps only")
    return [(name, input.read_machine(name, args)) for name in names]


def _states(args: argparse.Namespace) -> list[Named]:
    need = "diff needs two dumps, one with several states, or --cpus and one"
    if not args.inputs:
        raise InputError(need)
    machine = input.read_machine(args.inputs[0], args, several=True)
    if len(machine.states) < 2:
        raise InputError(f"{need}: {machine.source} holds one state")
    return [(input.state_name(state), state) for state in machine.states]


def _cpus(args: argparse.Namespace) -> list[Named]:
    names = args.inputs
    if len(names) > 1:
        raise InputError(f"--cpus looks at one dump, not {len(names)}")
    machine = input.read_machine(names[0] if names else None, args)
    return [(machine.source, machine)]


def _in_turn(named: list[Named]) -> tuple[list[Comparison], list[str]]:
    """Each compared with the next."""
    compared = [(first, second, diff(a, b)) for (first, a), (second, b) in pairwise(named)]
    return compared, [*_assumed(named), *_notes(compared)]


def _among(machine: Machine) -> tuple[list[Comparison], list[str]]:
    """The processors of a dump, each compared with the first; alike ones in one comparison."""
    told = sum(cpu.registers is not None for cpu in machine.cpus)
    if told == 0 and inconsistent(machine) is None:
        raise InputError(f"{machine.source}: the dump does not tell the MTRRs")
    notes = list(machine.notes)
    if told < 2:
        found = inconsistent(machine)
        words = f"the kernel found the processors different: {found}"
        notes.append(_ONE if found is None else Note(words, DIFFERENT))
    groups: dict[int, tuple[str, list[int], Diff]] = {}
    for first, other, difference in diff_cpus(machine):
        groups.setdefault(id(difference), (f"CPU {first.number}", [], difference))[1].append(other.number)
    compared = [(first, _cpu_list(numbers), difference) for first, numbers, difference in groups.values()]
    return compared, notes + _notes(compared)


def cpu_groups(machine: Machine) -> list[list[int]]:
    """The numbers of processors that hold the same MTRRs and PAT, together."""
    found: dict[Any, list[int]] = {}
    for cpu in machine.cpus:
        if cpu.registers is not None:
            found.setdefault((cpu.registers, cpu.pat), []).append(cpu.number)
    return list(found.values())


def _group_line(groups: list[list[int]], machine: Machine) -> list[str]:
    if not groups:
        return []
    some = any(cpu.registers is not None and cpu.registers.untold for cpu in machine.cpus)
    alike = "processors that tell the same" if some else "identical processors"
    return [f"{len(groups)} group{'s' * (len(groups) > 1)} of {alike}: {'; '.join(map(_cpu_list, groups))}"]


def _cpu_list(numbers: list[int]) -> str:
    """``_cpu_list([1, 2, 3, 7]) == 'CPU 1-3,7'``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return "CPU " + ",".join("-".join(map(str, run)) for run in runs)


def _assumed(named: list[Named]) -> list[str]:
    """What was not told, so that a difference may be the dump's and not the machine's."""
    return [
        f"{name}: {note}"
        for name, machine in named
        for note in machine.notes
        if isinstance(note, Note) and note.id in _GAPS
    ]


def _notes(compared: list[Comparison]) -> list[str]:
    return list(dict.fromkeys(note for _, _, difference in compared for note in difference.notes))


def _text(first: str, second: str, difference: Diff, memory: list[Span]) -> list[str]:
    head, *rest = lines(difference, memory)
    return [f"{first} -> {second}: {head}", *rest]


def lines(difference: Diff, memory: list[Span]) -> list[str]:
    """The summary, then registers, PAT and map; in terms of RAM where `memory` is known."""
    found = [difference.summary]
    found += _register_lines(difference.registers)
    if difference.pat:
        found += output.columns([(f"PA{p.entry}", p.old, "->", p.new) for p in difference.pat], "  ").splitlines()
    if difference.untold:
        rows = [(addresses.mem(span.base, span.size), addresses.size_text(span.size), "not told") for span in
                difference.untold[:_SHOWN]]  # fmt: skip
        found += output.columns(rows).splitlines()
    if difference.changes:
        shown = difference.changes[: rules.MAP_SEGMENT_LIMIT if isinstance(difference.changes, tuple) else _SHOWN]
        found += output.columns([_row(change) for change in shown]).splitlines()
        left = len(difference.changes) - len(shown)
        found += [f"and {left} more segments: masks with holes"] if left else []
    sizes = {f"{old} -> {new}": held for (old, new), held in _totals(difference, memory).items()}
    open_ = totals(((span.base, span.size, "not told") for span in difference.untold), memory)
    return found + (ram.lines(sizes | open_) if memory else [])


def _totals(difference: Diff, memory: list[Span]) -> dict[tuple[MemoryType, MemoryType], tuple[int, int]]:
    """(bytes of RAM, other bytes) that go from one type to another; of what holey masks repeat in whole pages."""
    changes = difference.changes
    if not isinstance(changes, PeriodicChanges):
        return totals(((c.base, c.size, (c.old, c.new)) for c in changes), memory)
    inside: Counter[tuple[MemoryType, MemoryType]] = Counter()
    for base, size in memory:
        inside.update(changes.pages(-(-base // rules.PAGE_SIZE), (base + size) // rules.PAGE_SIZE))
    scale = rules.PAGE_SIZE
    return {key: (inside[key] * scale, (pages - inside[key]) * scale) for key, pages in changes.pages().items()}


def _register_lines(registers: tuple[RegisterChange, ...] | None) -> list[str]:
    if not registers:
        return []
    rows = [(r.name, _value(r.name, r.old, r.old_known), "->", _value(r.name, r.new, r.new_known))
            for r in registers[:_SHOWN]]  # fmt: skip
    more = [f"  and {len(registers) - _SHOWN} more"] if len(registers) > _SHOWN else []
    return output.columns(rows, "  ").splitlines() + more


def _value(name: str, value: int, known: int) -> str:
    """``0x0000000000000806``; a point stands for four bits that are not all told; ``off``: V alone is told."""
    if known == rules.MASK_VALID and "PHYSMASK" in name:
        return "on" if value else "off"
    digits = addresses.hexadecimal(value, 16)
    hidden = [known >> 60 - 4 * place & 15 != 15 for place in range(16)]
    return "0x" + "".join("." if hide else digit for hide, digit in zip(hidden, digits[2:], strict=True))


def _row(change: Change) -> tuple[Any, ...]:
    return addresses.mem(change.base, change.size), addresses.size_text(change.size), f"{change.old} -> {change.new}"


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json(first: str, second: str, difference: Diff, memory: list[Span]) -> dict[str, Any]:
    sizes = _totals(difference, memory) if memory else {}
    left = len(difference.changes) - rules.MAP_SEGMENT_LIMIT
    return {
        "from": first,
        "to": second,
        "same_registers": None if difference.registers is None else not difference.registers,
        "order_only": difference.order_only,
        "same_map": not difference.changes,
        "same_pat": not difference.pat,
        "registers": [_register_json(register) for register in difference.registers or ()],
        "pat": [_pat_json(entry) for entry in difference.pat],
        "changes": [_change_json(change) for change in difference.changes[: rules.MAP_SEGMENT_LIMIT]],
        "not_told": [addresses.span_json(span.base, span.size) for span in difference.untold],
        **({"more": left} if left > 0 else {}),
        "totals": [{"old": str(old), "new": str(new), "ram": inside, "rest": rest}
                   for (old, new), (inside, rest) in sizes.items()],
    }  # fmt: skip


def _register_json(register: RegisterChange) -> dict[str, Any]:
    """Where a side tells some bits only, which."""
    sides = (("old", register.old, register.old_known), ("new", register.new, register.new_known))
    found = {name: addresses.hexadecimal(value, 16) for name, value, _ in sides}
    part = {f"{name}_known": addresses.hexadecimal(known, 16) for name, _, known in sides if known != ALL}
    return {"name": register.name, **found, **part}


def _pat_json(entry: PatChange) -> dict[str, Any]:
    return {"entry": entry.entry, "old": str(entry.old), "new": str(entry.new)}


def _change_json(change: Change) -> dict[str, Any]:
    return {**addresses.span_json(change.base, change.size), "old": str(change.old), "new": str(change.new)}
