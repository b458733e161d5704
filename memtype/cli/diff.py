"""``memtype diff``: do two or more dumps, or the processors of one, mean the same?"""

from __future__ import annotations

import argparse
from typing import Any

from memtype import rules
from memtype.analysis.check import inconsistent
from memtype.analysis.diff import Change, Diff, PatChange, RegisterChange, diff, diff_cpus
from memtype.cli import addresses, input, output
from memtype.errors import InputError
from memtype.machine import Machine, Note

EXAMPLE = "dmesg | memtype diff --cpus -"
_ONE = "the dump tells one processor: nothing to compare it with"
_GAPS = {"default", "enabled", "fixed", "pairs", "registers"}  # notes on what a difference may come from
FOUND = "the kernel found the processors different:"
_SHOWN = 40  # registers listed of each comparison; --json has them all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "two or more dumps, or one of several states: each against the next (- is standard input); with --cpus one"
    parser.add_argument("inputs", nargs="*", metavar="DUMP", help=words)
    parser.add_argument("--cpus", action="store_true", help="compare the processors of one dump with its first")
    input.add_supplied(parser)
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    compared, said = _cpus(args) if args.cpus else _dumps(args)
    if args.json:
        same = not any(difference for _, _, difference in compared)
        listed = [_json(*item) for item in compared]
        output.print_json("diff", {"same_map": same, "comparisons": listed, "notes": said})
    else:
        output.say("\n".join(line for item in compared for line in _text(*item)) or _alone(said))
        output.notes(said)
    found = any(note.startswith(FOUND) for note in said)
    return 1 if found or any(difference for _, _, difference in compared) else 0


def _alone(said: list[str]) -> str:
    found = next((note for note in said if note.startswith(FOUND)), None)
    return found or ("one processor, nothing to compare" if _ONE in said else "all processors hold the same")


Comparison = tuple[str, str, Diff]


def _dumps(args: argparse.Namespace) -> tuple[list[Comparison], list[str]]:
    names = args.inputs
    if len(names) < 2:
        return _states(args)
    if names.count("-") > 1:
        raise InputError("standard input can be one of the dumps only")
    machines = [input.read_machine(name, args) for name in names]
    compared = [
        (first, second, diff(a, b))
        for first, second, a, b in zip(names, names[1:], machines, machines[1:], strict=False)
    ]
    return compared, [*_assumed(names, machines), *_notes(compared)]


def _states(args: argparse.Namespace) -> tuple[list[Comparison], list[str]]:
    """The states of one dump, each compared with the next."""
    need = "diff needs two dumps, one with several states, or --cpus and one"
    if not args.inputs:
        raise InputError(need)
    machine = input.read_machine(args.inputs[0], args, several=True)
    if len(machine.states) < 2:
        raise InputError(f"{need}: {machine.source} holds one state")
    names = [input.state_name(state) for state in machine.states]
    found = zip(names, names[1:], machine.states, machine.states[1:], strict=False)
    compared = [(first, second, diff(a, b)) for first, second, a, b in found]
    return compared, [*_assumed(names, list(machine.states)), *_notes(compared)]


def _cpus(args: argparse.Namespace) -> tuple[list[Comparison], list[str]]:
    names = args.inputs
    if len(names) > 1:
        raise InputError(f"--cpus looks at one dump, not {len(names)}")
    machine = input.read_machine(names[0] if names else None, args)
    told = sum(cpu.registers is not None for cpu in machine.cpus)
    if told == 0 and inconsistent(machine) is None:
        raise InputError(f"{machine.source}: the dump does not tell the MTRRs")
    notes = list(machine.notes)
    if told < 2:
        notes.append(_ONE if inconsistent(machine) is None else f"{FOUND} {inconsistent(machine)}")
    groups: dict[int, tuple[str, list[int], Diff]] = {}
    for first, other, difference in diff_cpus(machine):
        groups.setdefault(id(difference), (f"CPU {first.number}", [], difference))[1].append(other.number)
    compared = [(first, _cpu_list(numbers), difference) for first, numbers, difference in groups.values()]
    return compared, notes + _notes(compared)


def _cpu_list(numbers: list[int]) -> str:
    """``_cpu_list([1, 2, 3, 7]) == 'CPU 1-3,7'``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return "CPU " + ",".join("-".join(map(str, run)) for run in runs)


def _assumed(names: list[str], machines: list[Machine]) -> list[str]:
    """What was not told, so that a difference may be the dump's and not the machine's."""
    return [
        f"{name}: {note}"
        for name, machine in zip(names, machines, strict=True)
        for note in machine.notes
        if isinstance(note, Note) and note.id in _GAPS
    ]


def _notes(compared: list[Comparison]) -> list[str]:
    return list(dict.fromkeys(note for _, _, difference in compared for note in difference.notes))


def _text(first: str, second: str, difference: Diff) -> list[str]:
    found = [f"{first} -> {second}: {difference.summary}"]
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
        found += [f"and {left} more ranges: masks with holes"] if left else []
    return found


def _register_lines(registers: tuple[RegisterChange, ...] | None) -> list[str]:
    if not registers:
        return []
    rows = [(r.name, _value(r.old), "->", _value(r.new)) for r in registers[:_SHOWN]]
    more = [f"  and {len(registers) - _SHOWN} more"] if len(registers) > _SHOWN else []
    return output.columns(rows, "  ").splitlines() + more


def _row(change: Change) -> tuple[Any, ...]:
    return addresses.mem(change.base, change.size), addresses.size_text(change.size), f"{change.old} -> {change.new}"


def _value(value: int | None) -> str:
    return "none" if value is None else addresses.hexadecimal(value, 16)


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json(first: str, second: str, difference: Diff) -> dict[str, Any]:
    left = len(difference.changes) - rules.MAP_SEGMENT_LIMIT
    return {
        "from": first,
        "to": second,
        "same_registers": None if difference.registers is None else not difference.registers,
        "same_map": not difference.changes,
        "same_pat": not difference.pat,
        "registers": [_register_json(register) for register in difference.registers or ()],
        "pat": [_pat_json(entry) for entry in difference.pat],
        "changes": [_change_json(change) for change in difference.changes[: rules.MAP_SEGMENT_LIMIT]],
        "not_told": [addresses.span_json(span.base, span.size) for span in difference.untold],
        **({"more": left} if left > 0 else {}),
    }


def _register_json(register: RegisterChange) -> dict[str, Any]:
    hexed = {key: None if value is None else _value(value) for key, value in
             (("old", register.old), ("new", register.new))}  # fmt: skip
    return {"name": register.name, **hexed}


def _pat_json(entry: PatChange) -> dict[str, Any]:
    return {"entry": entry.entry, "old": str(entry.old), "new": str(entry.new)}


def _change_json(change: Change) -> dict[str, Any]:
    return {**addresses.span_json(change.base, change.size), "old": str(change.old), "new": str(change.new)}
