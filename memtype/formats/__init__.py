"""Reading dumps: one module per family of formats, found by itself.

A family is a module of this package whose name does not start with ``_``. It has

``NAME``
    the format's name as `Machine.format` shows it, e.g. ``"linux-dmesg"``;
``sniff(text: str) -> bool``
    whether the text holds anything of this family: quick, strict, never raises;
``parse(text: str, source: str = "<text>") -> Machine``
    the family's reading of the text; other lines are passed over. Raises `ParseError` (``file:line: …``).

A family of binary input has ``sniff_bytes(head: bytes) -> bool`` (the first 4 KiB) and
``parse_bytes(data: bytes, source: str) -> Machine`` too; it is asked before the bytes are taken for text.
`text_of` turns bytes that such a family unpacked into checked text.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from dataclasses import replace
from functools import cache
from types import ModuleType

from memtype.errors import MemtypeError, ParseError
from memtype.formats._merge import merge
from memtype.formats._read import HEAD, checked_text, read_bytes, text_of
from memtype.machine import Machine

__all__ = ["families", "host", "load", "load_or_host", "parse", "sample", "text_of"]


@cache
def families() -> tuple[ModuleType, ...]:
    """The format modules, by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


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
    if isinstance(text, (bytes, bytearray, memoryview)):
        return _parse_bytes(bytes(text), source)
    if not isinstance(text, str):
        raise ParseError(f"{source}: a dump is text or bytes, not {type(text).__name__}")
    text = checked_text(text, source)
    machines, refusals = [], []
    for family in families():
        if not family.sniff(text):
            continue
        try:
            machines.append(family.parse(text, source))
        except MemtypeError as error:
            refusals.append(error)
    if not machines:
        raise refusals[0] if refusals else _unknown(text, source)
    merged = merge(machines)
    return replace(merged, source=source, notes=merged.notes + tuple(f"not used: {error}" for error in refusals))


def load(path: str | os.PathLike[str]) -> Machine:
    """Read a dump from a file, or from standard input for "-".

    Raises
    ------
    ParseError
        Unreadable, larger than 64 MiB, binary, or no known format. Memory stays bounded.
    """
    source, data = read_bytes(path)
    return _parse_bytes(data, source)


def load_or_host(source: str | os.PathLike[str] | None) -> Machine:
    """The dump that `source` names; without one this host, and where that tells no memory type the sample.

    `Machine.source` says which it was: "this host" or "the built-in sample".
    """
    if source is not None:
        return load(source)
    machine = host()
    if machine.mtrrs is not None or machine.printed_map is not None:
        return machine
    built_in = sample()
    return replace(built_in, notes=(*(f"this host: {note}" for note in machine.notes), *built_in.notes))


def host() -> Machine:
    """This host, as far as it lets itself be read. `Machine.notes` says what it did not tell."""
    from memtype.formats import _host

    return replace(_host.read(), source="this host")


def sample() -> Machine:
    """The built-in sample: a server with 16 GiB, 10 variable ranges and a UC hole below 4 GiB."""
    from memtype.formats import _sample

    return replace(parse(_sample.TEXT, "the built-in sample"), source="the built-in sample")


def _parse_bytes(data: bytes, source: str) -> Machine:
    for family in families():
        if hasattr(family, "sniff_bytes") and family.sniff_bytes(data[:HEAD]):
            machine: Machine = family.parse_bytes(data, source)
            return replace(machine, source=source)
    return parse(text_of(data, source), source)


def _unknown(text: str, source: str) -> ParseError:
    if not text.strip():
        return ParseError(f"{source}: empty")
    names = ", ".join(dict.fromkeys(family.NAME for family in families()))
    return ParseError(f"{source}: none of the known formats ({names})")
