"""This host: reading it as far as it lets itself be read, capturing it to send away, and a sample in its place."""

from __future__ import annotations

import os
from dataclasses import replace

from memtype.formats import load, parse
from memtype.machine import Machine

__all__ = ["load_or_host", "sample", "this_host"]


def load_or_host(source: str | os.PathLike[str] | None) -> Machine:
    """The dump that `source` names; without one this host, and where that tells no memory type the sample.

    `Machine.source` says which it was: "this host" or "the built-in sample".
    """
    if source is not None:
        return load(source)
    machine = this_host()
    if machine.mtrrs is not None or machine.printed_map is not None:
        return machine
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
