"""This host: reading it as far as it lets itself be read, capturing it to send away, and a sample in its place."""

from __future__ import annotations

import os
from dataclasses import replace

from memtype.errors import LiveReadRefused
from memtype.formats import load, parse
from memtype.machine import Machine, note_on

HOW_TO_TELL = "(dmesg; cat /proc/mtrr) | memtype"

__all__ = ["HOW_TO_TELL", "load_or_host", "sample", "this_host"]


def load_or_host(source: str | os.PathLike[str] | None, bare: bool = False) -> Machine:
    """The dump that `source` names; without one this host.

    Parameters
    ----------
    source : a file's name, "-" for standard input, or None
    bare : bool
        Nobody asked for anything in particular: a host that tells no memory type is shown as far as it tells
        anything, and where it tells nothing the built-in sample stands in. `Machine.source` says which it was.

    Raises
    ------
    LiveReadRefused
        Where this host does not tell its memory types and `bare` is not set.
    """
    if source is not None:
        return load(source)
    machine = this_host()
    if machine.registers is not None or machine.printed_map is not None:
        return machine
    hint = f"paste what tells them: {HOW_TO_TELL}"
    if not bare:
        refused = note_on(machine.notes, "refused-by-host") or "neither its log nor /proc/mtrr"
        raise LiveReadRefused(f"no input, and this host does not tell its memory types ({refused}); {hint}")
    if machine.pat is not None or machine.e820 or machine.facts:
        return replace(machine, notes=(*machine.notes, hint))
    built_in = sample()
    return replace(built_in, notes=(*(f"this host: {note}" for note in machine.notes), *built_in.notes))


def this_host() -> Machine:
    """This host, as far as it lets itself be read. `Machine.notes` says what it did not tell."""
    from memtype.host import live

    return replace(live.read(), source="this host")


def sample() -> Machine:
    """The built-in sample: a server with 16 GiB, 10 variable ranges and a UC hole below 4 GiB."""
    from memtype.host.sample_machine import TEXT

    return replace(parse(TEXT, "the built-in sample"), source="the built-in sample")
