"""QEMU: a running machine by its QMP client's ``execute``, registers from its migration stream.

No QMP or HMP command prints MTRRs or the PAT. A migration stream holds them, but not MAXPHYADDR, which QMP
tells: together they are whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from memtype import formats
from memtype.arguments import check_maxphyaddr
from memtype.errors import InputError
from memtype.machine import Cpu, Machine
from memtype.mtrr import vendor_name
from memtype.reading.notes import not_told, settled

Execute = Callable[[str, dict[str, Any]], Any]

_NOTE = not_told("registers", "no QMP command shows MTRRs or PAT; save a migration stream and give it as `stream`")


def machine(execute: Execute, stream: bytes | str | os.PathLike[str] | None = None) -> Machine:
    """A QEMU guest.

    Parameters
    ----------
    execute : function ``(command, arguments) -> reply`` of a QMP client
        The reply whole (``{"return": …}``) or what it returns. It is asked ``query-cpus-fast`` and ``qom-get``.
    stream : bytes or path, optional
        A migration stream (``migrate file:…``), or what ``analyze-migration.py -d state`` makes of one.

    Raises
    ------
    InputError
        When QEMU answers with an error, or the stream is none.

    Examples
    --------
    >>> told = {"phys-bits": 40, "vendor": "GenuineIntel"}
    >>> def execute(command, arguments):
    ...     if command == "query-cpus-fast":
    ...         return [{"cpu-index": 0, "qom-path": "/machine/unattached/device[0]"}]
    ...     return told[arguments["property"]]
    >>> machine(execute).maxphyaddr
    40
    """
    listed = _ask(execute, "query-cpus-fast")
    if not isinstance(listed, list) or not listed or "qom-path" not in listed[0]:
        raise InputError(f"query-cpus-fast lists no processor: {listed!r}")
    width, vendor = (_property(execute, listed[0]["qom-path"], name) for name in ("phys-bits", "vendor"))
    told = Machine(
        tuple(Cpu(one.get("cpu-index", n)) for n, one in enumerate(listed)),
        "qemu-qmp",
        vendor=vendor_name(vendor) if vendor else None,
        maxphyaddr=check_maxphyaddr(width) if width else None,
        notes=(_NOTE,),
    )
    return told if stream is None else _with_stream(told, _read(stream))


def _with_stream(told: Machine, held: Machine) -> Machine:
    """The stream's registers with the width and vendor that QMP told."""
    changes: dict[str, Any] = {"vendor": told.vendor, "maxphyaddr": told.maxphyaddr}
    known = {name: value for name, value in changes.items() if value is not None}
    width = known.pop("maxphyaddr", None)
    placed = held if width is None else held.with_width(width, "QMP")
    cpus = tuple(replace(c, registers=c.registers and replace(c.registers, **known)) for c in placed.cpus)
    notes = held.notes
    if len(cpus) != len(told.cpus):
        notes += (f"the stream holds {len(cpus)} processors, QEMU lists {len(told.cpus)}",)
    made = replace(placed, cpus=cpus, format=f"{told.format}+{held.format}", notes=notes, **known)
    return settled(made.with_used_width())


def _read(stream: bytes | str | os.PathLike[str]) -> Machine:
    return formats.parse(stream, "<stream>") if isinstance(stream, bytes) else formats.load(stream)


def _property(execute: Execute, path: str, name: str) -> Any:
    """A property of the processor object; None where this QEMU has none of that name."""
    try:
        return _ask(execute, "qom-get", path=path, property=name)
    except InputError:
        return None


def _ask(execute: Execute, command: str, **arguments: str) -> Any:
    reply = execute(command, arguments)
    if isinstance(reply, Mapping) and "error" in reply:
        raise InputError(f"QEMU refuses {command}: {reply['error'].get('desc', reply['error'])}")
    return reply["return"] if isinstance(reply, Mapping) and "return" in reply else reply
