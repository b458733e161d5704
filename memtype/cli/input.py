"""The dump that a verb reads: its argument, and the machine that it names."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace

from memtype.cli import output
from memtype.cli.shared import SeveralStatesError
from memtype.errors import InputError, ShatteredMapError
from memtype.machine import Machine
from memtype.reading.notes import settled
from memtype.told import Registers

_NAMED = 8  # states of a text that a line names


def add_input(parser: argparse.ArgumentParser, nargs: str = "?") -> None:
    words = "a dump: file, or - for standard input (default: a pipe, else this host)"
    parser.add_argument("input", nargs=nargs, help=words)
    add_supplied(parser)


def add_supplied(parser: argparse.ArgumentParser, width: bool = True) -> None:
    """What a user says of things that a dump does not tell; `width`: --maxphyaddr too."""
    add = parser.add_argument
    names = "default=UC|WB|…, fixed=absent, pairs=all, vendor=intel|amd, enabled=yes|no"
    add("--assume", metavar="NAME=VALUE", action="append", default=[], help=f"what the dump does not tell: {names}")
    add("--strict", action="store_true", help="assume nothing: what the dump does not tell is ?")
    add("--state", type=int, metavar="N", dest="chosen", help="of a text with several states (boots, dumps): the Nth")
    add("--cpu", type=int, metavar="N", dest="processor", help="of a dump of several processors: number N alone")
    add("--cbit", type=int, metavar="N", help="the C-bit of AMD's memory encryption: addresses end below it")
    if width:
        add("--maxphyaddr", type=int, metavar="N", help="the processor's width (CPUID 80000008)")


def supplied(machine: Machine, args: argparse.Namespace) -> Machine:
    """The machine with what the options of `add_supplied` say."""
    given = dict(_assumed(word) for word in getattr(args, "assume", ()))
    made = machine.assume(**given) if given else machine
    if getattr(args, "maxphyaddr", None) is not None:
        made = made.with_width(args.maxphyaddr)
    if getattr(args, "cbit", None) is not None:
        made = made.cbit(args.cbit)
    if getattr(args, "strict", False):
        made = made.strict()
    return machine if made is machine else settled(made)


def _assumed(word: str) -> tuple[str, str]:
    name, found, value = word.partition("=")
    if not found or name not in ("default", "fixed", "pairs", "vendor", "enabled"):
        words = "default=TYPE, fixed=absent, pairs=all, vendor=NAME or enabled=yes|no"
        raise InputError(f"--assume {word:.40}: {words}")
    return name, value


def read_machine(
    source: str | None, args: argparse.Namespace | None = None, several: bool = False, alike: bool = False
) -> Machine:
    """The machine that `source` names: a file, "-" or a pipe, else this host, with what the options in `args` supply.

    Without input, bare ``memtype`` shows what the host tells, and the built-in sample where that is nothing. With
    `several`, a text of several states is given whole (`Machine.states`), unless ``--state`` chose one. With `alike`,
    the verb asks one processor: all must make the same map, unless ``--cpu`` chose one.

    Raises
    ------
    SeveralStatesError
        For a text of several states, or processors, where none was chosen.
    InputError
        For a choice that it does not have.
    LiveReadRefused
        Without input, where this host does not tell its memory types.
    """
    from memtype import host

    read = getattr(args, "read", None)
    if source is None and piped():
        source = "-"
    machine = host.load_or_host(source, getattr(args, "bare", False)) if read is None else read
    if source is None and read is None:
        output.notes([f"no input: shown is {machine.source}"])
    return machine if args is None else supplied(_of_cpu(_chosen(machine, args, several), args, alike), args)


def _of_cpu(machine: Machine, args: argparse.Namespace, alike: bool) -> Machine:
    """The machine with the processor alone that ``--cpu`` names."""
    number = getattr(args, "processor", None)
    if number is None:
        first = _differing(machine) if alike else []
        if first:
            text = f"{machine.source}: its processors differ ({', '.join(f'CPU {n}' for n in first[:_NAMED])})"
            raise SeveralStatesError(f"{text}: --cpu chooses one", machine, "processor", first)
        return machine
    if machine.parts:
        raise InputError(f"--cpu {number}: {machine.source} has {len(machine.parts)} states: --state chooses one")
    machine.registers_of(number)  # refuses a number that the dump does not have
    return replace(machine, cpus=tuple(one for one in machine.cpus if one.number == number))


def _differing(machine: Machine) -> list[int]:
    """The first processor of each kind, where they make different maps; none where all make the same."""
    kinds = machine.kinds()
    try:
        if all(each.map() == kinds[0].map() for each in kinds[1:]):
            return []
    except ShatteredMapError:
        pass
    found: dict[int, Registers] = {}
    for one in machine.cpus:
        if one.registers is not None and one.registers not in found.values():
            found[one.number] = one.registers
    return list(found)


def _chosen(machine: Machine, args: argparse.Namespace, several: bool) -> Machine:
    """The state that ``--state`` names; without it the only one, or all of them where the verb takes `several`."""
    number = getattr(args, "chosen", None)
    if number is None:
        if several or len(machine.states) == 1:
            return machine
        text = f"{machine.source}: {states_text(machine)}: --state chooses one"
        raise SeveralStatesError(text, machine, "chosen", range(1, len(machine.states) + 1))
    if not 1 <= number <= len(machine.states):
        raise InputError(f"--state {number}: {machine.source} has states 1 to {len(machine.states)}")
    chosen: Machine = replace(machine.states[number - 1], source=machine.source)
    return chosen


def states_text(machine: Machine) -> str:
    """``2 states (1: before, line 1; 2: after, line 4)``; of many the first eight."""
    named = [f"{n}: {state_name(part)}" for n, part in enumerate(machine.states[:_NAMED], 1)]
    return f"{len(machine.states)} states ({'; '.join(named)}{'; …' if len(machine.states) > _NAMED else ''})"


def state_name(state: Machine) -> str:
    """``before, line 1``"""
    begins = f"line {state.line}"
    return begins if state.label in ("", begins) else f"{state.label}, {begins}"


def piped() -> bool:
    """Whether standard input was given on purpose: not closed, not a terminal, not /dev/null."""
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed from the start, or no real file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
