"""Reading dumps: one module or package per family of formats, listed in `FAMILIES`.

A family has

``NAME``
    the format's name as `Machine.format` shows it, e.g. ``"linux-dmesg"``;
``sniff(text: str) -> bool``
    whether the text holds anything of this family: quick, strict, never raises;
``parse(text: str, source: str = "<text>") -> Machine``
    the family's reading of the text; other lines are passed over. Raises `ParseError` (``file:line: …``).

A family whose lines look like another's has ``owns(text) -> set of line numbers`` too: no other family sees those.

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

from memtype import arrays
from memtype.errors import MemtypeError, ParseError
from memtype.machine import Machine, Note
from memtype.reading.accounting import accounted
from memtype.reading.bytes import HEAD, checked_text, read_bytes, text_of
from memtype.reading.merge import merge
from memtype.reading.renumber import renumbered, renumbered_error
from memtype.reading.states import split, together
from memtype.reading.text import Text
from memtype.reading.transport import undo

__all__ = ["FAMILIES", "families", "load", "parse", "text_of"]

# Every family of dumps, by its module's name. A new family is one module, or package, and one word here.
FAMILIES = (
    "coreboot",
    "dbvm",
    "edk2",
    "freebsd",
    "fwts",
    "gdb_pt_dump",
    "guest_state",
    "inteltool",
    "kvm_msrs",
    "linux_dmesg",
    "linux_pat_conflicts",
    "msr_json",
    "msr_list",
    "own_json",
    "page_walk",
    "pat_memtype_list",
    "proc_mtrr",
    "proc_mtrr_commands",
    "qemu_json",
    "qemu_migration",
    "qemu_monitor",
    "seabios",
    "slim_bootloader",
    "structures",
    "uboot",
    "windbg",
    "xen",
)


@cache
def families() -> tuple[ModuleType, ...]:
    """The modules of `FAMILIES`."""
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in FAMILIES)


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
    source = source if isinstance(source, str) else arrays.shown(source)
    if isinstance(text, (bytes, bytearray, memoryview)):
        return _parse_bytes(bytes(text), source)
    if not isinstance(text, str):
        raise ParseError(f"{source}: a dump is text or bytes, not {type(text).__name__}")
    states = split(undo(checked_text(text, source)), source)
    if len(states) == 1:
        return _read(states[0].text, source)
    return together([replace(_read(s.text, source), label=s.label, line=s.line) for s in states])


def _seen(text: str) -> Iterator[tuple[ModuleType, str]]:
    """Each family with the text that it may read: the lines that another one owns are empty, so that numbers stay."""
    owned = {family: family.owns(text) for family in families() if hasattr(family, "owns") and family.sniff(text)}
    for family in families():
        hidden = {number for owner, numbers in owned.items() if owner is not family for number in numbers}
        rows = text.split("\n") if hidden else []
        yield family, "\n".join("" if n in hidden else row for n, row in enumerate(rows, 1)) if hidden else text


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
    for family in families():
        if hasattr(family, "sniff_bytes") and family.sniff_bytes(data[:HEAD]):
            machine: Machine = family.parse_bytes(data, source)
            return replace(machine, source=source)
    return parse(text_of(data, source), source)


def _read(undone: Text, source: str) -> Machine:
    """What every family that finds something says of one text; lines are numbered as in the user's own."""
    text = str(undone)
    machines, refusals = [], []
    for family, seen in _seen(text):
        if not family.sniff(seen):
            continue
        try:
            machines.append(family.parse(seen, source))
        except MemtypeError as error:
            refusals.append(renumbered_error(error, undone, source))
    if not machines:
        raise refusals[0] if refusals else _unknown(text, source)
    refused = tuple(Note(f"not used: {error}", "refused") for error in refusals)
    merged = renumbered(accounted(merge(machines), undone), undone)
    return replace(merged, source=source, notes=merged.notes + refused)


def _unknown(text: str, source: str) -> ParseError:
    if not text.strip():
        return ParseError(f"{source}: empty")
    names = ", ".join(dict.fromkeys(family.NAME for family in families()))
    return ParseError(f"{source}: none of the known formats ({names})")
