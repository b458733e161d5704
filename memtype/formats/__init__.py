"""Reading dumps: one module or package per family of formats, listed in `FAMILIES`.

A family has

``NAME``
    the format's name as `Machine.format` shows it, e.g. ``"linux-dmesg"``;
``sniff(text: str) -> bool``
    whether the text holds anything of this family: quick, strict, never raises;
``parse(text: str, source: str = "<text>") -> Machine``
    the family's reading of the text; other lines are passed over. Raises `ParseError` (``file:line: …``).

A family whose lines look like another's has ``owns(text) -> set of line numbers`` too: no other family sees those.

A family whose texts may hold a list twice, of two moments or two machines, has ``TELLS`` (`Tells`): which of its lines
tell something, so that each list becomes a state of its own.

A family of binary input has ``sniff_bytes(head: bytes) -> bool`` (the first 4 KiB) and
``parse_bytes(data: bytes, source: str) -> Machine`` too; it is asked before the bytes are taken for text.
`text_of` turns bytes that such a family unpacked into checked text.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Final

from memtype import arguments
from memtype.errors import MemtypeError, ParseError
from memtype.machine import Machine, Note
from memtype.reading import inside, values
from memtype.reading.accounting import accounted, lines_of
from memtype.reading.bytes import HEAD, checked_text, read_bytes, text_of
from memtype.reading.clues import Clues
from memtype.reading.merge import apart, merge
from memtype.reading.once import one_reading
from memtype.reading.renumber import renumbered, renumbered_error
from memtype.reading.states import split, together
from memtype.reading.tellings import Tells
from memtype.reading.text import Text
from memtype.reading.transport import undo

__all__ = ["FAMILIES", "families", "load", "parse", "text_of"]

EVERY: Final = {""}  # no word tells

# Every family of dumps, by its module's name, with words: a text that the family reads holds one of them, in any case.
# Families that a text cannot be of are neither loaded nor asked. A new family is one module, or package, and one row.
FAMILIES: Final[dict[str, set[str]]] = {
    "coreboot": {
        "physical address space:", "mtrr: fixed msr", " base 0x", "selected as default", "setting variable mtrr",
        "ia32_mtrrcap:", "ia32_mtrr_def_type:", "phybase",
    },
    "dbvm": {"ia32_mtrrcap"},
    "edk2": {"mtrr def", "mtrr["},
    "freebsd": {"/0x"},
    "fwts": {"reg "},
    "gdb_pt_dump": {" uc:"},
    "guest_state": {"*** guest state ***", "vmcb ", "kerngsbase"},
    "inteltool": {"msr 0x"},
    "kvm_msrs": EVERY,  # it may be a hex dump
    "linux_dmesg": {
        "mtrr", "bios-e820: ", "configuration [0-7]", "pat enabled: cpu", "address sizes", "total ram covered:",
        " mask ", "tom2: ",
    },
    "linux_pat_conflicts": {
        "conflicting memory", "map pfn ", "/dev/mem expected", "memtype", "reserve_ram_pages_type", "ioremap error",
    },
    "msr_json": {'"'},
    "msr_list": EVERY,  # it may be digits alone
    "own_json": {'"schema"'},
    "page_walk": {"pgd ", "*pde =", "*pdpt ="},
    "pat_memtype_list": {"pat memtype list", "pat: [mem", " @ 0x"},
    "proc_mtrr": {"base=0x", "base =", "base= "},
    "proc_mtrr_commands": {"/proc/mtrr"},
    "qemu_json": {'"env.'},
    "qemu_migration": set(),
    "qemu_monitor": {"cr0=", "phys-bits"},
    "seabios": {"seabios (version ", "e820 map has "},
    "slim_bootloader": {"mtrrs"},
    "structures": {"mtrr"},
    "uboot": {"write-type"},
    "windbg": {"mtrr:"},
    "xen": {"(xen)", "mtrr: pat 0x"},
}  # fmt: skip
BINARY: Final = ("kvm_msrs", "qemu_migration")  # families of bytes too
_GZIP: Final = b"\x1f\x8b"  # other bytes of them have a 0 among the first 8
DOCUMENTS: Final = frozenset({"msr_json", "own_json", "qemu_json"})  # families whose texts are JSON


@cache
def family(name: str) -> ModuleType:
    """The module of one of `FAMILIES`."""
    return importlib.import_module(f"{__name__}.{name}")


def families() -> tuple[ModuleType, ...]:
    """The modules of `FAMILIES`."""
    return tuple(map(family, FAMILIES))


def possible(text: str) -> Iterator[str]:
    """The families that the words of a text let it be of."""
    clues = Clues(text)
    for name, words in FAMILIES.items():
        if (clues.document or name not in DOCUMENTS) and any(map(clues.holds, words)):
            yield name


def parse(text: str | bytes, source: str = "<text>") -> Machine:
    """Read a dump, or several pasted one below the other, into one `Machine`.

    Parameters
    ----------
    text : the dump; bytes are decoded
    source : the name that error messages start with

    Raises
    ------
    ParseError
        When no known format is in the text, or what is there contradicts its own format.

    Examples
    --------
    >>> machine = parse("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable")
    >>> machine.format, str(machine.mtrrs.at(0x80000000))
    ('proc-mtrr', 'UC')
    """
    source = source if isinstance(source, str) else arguments.shown(source)
    if isinstance(text, (bytes, bytearray, memoryview)):
        return _parse_bytes(bytes(text), source)
    if not isinstance(text, str):
        raise ParseError(f"{source}: a dump is text or bytes, not {type(text).__name__}")
    with one_reading():
        return _parse_text(checked_text(text, source), source)


def _parse_text(text: str, source: str) -> Machine:
    undone = undo(text)
    found = _finders(str(undone))
    if not found and (document := inside.document(undone)) is not None:
        undone = document
        found = _finders(str(undone))
    owners = [(_tells([name]), lines) for name, lines in _owned(found, str(undone)).items()]
    tells = _tells(found) if found or Clues(str(undone)).document else None
    states = split(undone, source, tells, {line: own for own, lines in owners for line in lines})
    if len(states) == 1:
        return _read(states[0].text, source, found if states[0].text is undone else None)
    machines: list[Machine] = []
    for state in states:
        machine = _read(state.text, source, line=state.line)
        machines.append(replace(machine, label=state.label, line=state.line))
        if sum(len(each.cpus) for each in machines) > max(values.MOST_CPUS, len(machine.cpus)):
            raise ParseError(
                f"{source}:{state.line}: more than {values.MOST_CPUS} processors in all states of one text"
            )
    return together(machines)


def _finders(text: str) -> list[str]:
    """The families that find something in a text."""
    return [name for name in possible(text) if family(name).sniff(text)]


def _tells(names: list[str]) -> list[Tells]:
    return [family(name).TELLS for name in names if hasattr(family(name), "TELLS")]


def _owned(names: list[str], text: str) -> dict[str, set[int]]:
    """The lines that are a family's alone."""
    return {name: family(name).owns(text) for name in names if hasattr(family(name), "owns")}


def _readers(text: str, found: list[str]) -> Iterator[tuple[ModuleType, str]]:
    """Each family that finds something, with what it may read: lines that another owns are empty, so numbers stay."""
    owned = _owned(found, text)
    if not any(owned.values()):
        yield from ((family(name), text) for name in found)
        return
    rows = text.split("\n")
    seen = {name: _without(rows, [lines for owner, lines in owned.items() if owner != name]) for name in ("", *owned)}
    able = {name: frozenset(possible(view)) for name, view in seen.items()}
    for name in FAMILIES:
        own = name if name in owned else ""
        if name in able[own] and family(name).sniff(seen[own]):
            yield family(name), seen[own]


def _without(rows: list[str], owned: list[set[int]]) -> str:
    hidden = set().union(*owned)
    return "\n".join("" if number in hidden else row for number, row in enumerate(rows, 1))


def load(path: str | os.PathLike[str]) -> Machine:
    """Read a dump from a file, or from standard input for "-".

    Raises
    ------
    ParseError
        Unreadable, larger than 64 MiB, binary, or no known format. Memory stays bounded.
    """
    source, data = read_bytes(path)
    return _parse_bytes(data, source)


def _parse_bytes(data: bytes, source: str) -> Machine:
    for name in BINARY if data.startswith(_GZIP) or b"\0" in data[:8] else ():
        if family(name).sniff_bytes(data[:HEAD]):
            machine: Machine = family(name).parse_bytes(data, source)
            return replace(machine, source=source)
    return parse(text_of(data, source), source)


def _read(undone: Text, source: str, found: list[str] | None = None, line: int = 0) -> Machine:
    """What every family that finds something says of one text; lines are numbered as in the user's own.

    `line` is where it begins, of one of several states.
    """
    text = str(undone)
    machines, refusals = [], []
    for reader, seen in _readers(text, _finders(text) if found is None else found):
        try:
            machines.append(reader.parse(seen, source))
        except MemtypeError as error:
            refusals.append(renumbered_error(error, undone, source))
    if not machines:
        where = f"{source}:{line}: the state from here on" if line else source
        raise refusals[0] if refusals else _unknown(text, where)
    refused = tuple(Note(f"not used: {error}", "refused") for error in refusals)
    groups = apart(machines)
    if len(groups) == 1:
        return _merged(machines, undone, source, refused)
    lines = [set().union(*map(lines_of, group)) for group in groups]  # where each is told
    states: list[Machine] = []
    for group, own in zip(groups, lines):
        state = _merged(group, undone, source, refused, frozenset().union(*lines) - own)
        begins = undone.original(min(own - {0}, default=1))
        states.append(replace(state, label=state.format, line=begins))
    return together(sorted(states, key=lambda state: state.line))


def _merged(
    machines: list[Machine], undone: Text, source: str, refused: tuple[Note, ...], others: frozenset[int] = frozenset()
) -> Machine:
    """Readings of one machine as one; the lines of `others` are told of another."""
    merged = merge(machines)
    made = renumbered(accounted(replace(merged, taken=merged.taken | others), undone), undone)
    return replace(made, source=source, notes=made.notes + refused)


def _unknown(text: str, source: str) -> ParseError:
    if not text.strip():
        return ParseError(f"{source}: empty")
    names = ", ".join(dict.fromkeys(each.NAME for each in families()))
    return ParseError(f"{source}: none of the known formats ({names})")
