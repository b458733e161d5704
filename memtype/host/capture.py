"""A capture of this host: what `live` reads, and with privilege the CPUID leaves and registers beside the MTRRs.

Devices are opened for reading only. What was refused is in the notes.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from memtype import rules
from memtype.errors import LiveReadRefused
from memtype.host import live
from memtype.machine import Machine

_RELEASE = re.compile(r"\d+(?:\.\d+)*(?:-rc\d+)?")
_CPUID_BYTES = 16  # EAX, EBX, ECX, EDX


def capture(anonymise: bool = False, root: Path = Path("/")) -> Machine:
    """This host as one machine.

    Parameters
    ----------
    anonymise : bool
        Keep of the kernel's release the version alone, and put "…" for the names of host and user.
    root : Path
        Where ``proc``, ``sys`` and ``dev`` lie.

    Raises
    ------
    LiveReadRefused
        When nothing could be read: no register, no PAT, no map, no RAM map.
    """
    machine = live.read(root)
    if not (machine.mtrrs or machine.pat or machine.printed_map or machine.e820):
        raise LiveReadRefused("nothing could be read: " + "; ".join(machine.notes or ("no source told anything",)))
    refused: list[str] = []
    facts: dict[str, object] = dict(machine.facts or {})
    cpus = [cpu.number for cpu in machine.cpus]
    for name, found in (
        ("cpuid", _cpuid(root, cpus[0], refused)),
        ("other_msrs", _other_msrs(root, machine, cpus, refused)),
    ):
        if found:
            facts[name] = found
    notes = (*machine.notes, *_told(machine), *refused)
    machine = replace(machine, facts=facts or None, notes=tuple(dict.fromkeys(notes)))
    return _anonymous(machine) if anonymise else machine


def _told(machine: Machine) -> list[str]:
    """What a whole capture holds and this one does not."""
    missing = [] if machine.e820 else ["the RAM map was not read: neither the kernel log nor /sys/firmware/memmap"]
    return missing + ([] if machine.pat else ["IA32_PAT was not read: neither MSRs nor the kernel log tell it"])


def _cpuid(root: Path, cpu: int, refused: list[str]) -> dict[str, list[str]]:
    """CPUID leaves as the processor gives them: the kernel may use a smaller width (memory encryption)."""
    path = root / f"dev/cpu/{cpu}/cpuid"
    found = {}
    try:
        device = os.open(path, os.O_RDONLY)
    except OSError as error:
        refused.append(f"CPUID was not read: /dev/cpu/{cpu}/cpuid ({error.strerror}); the width is the kernel's")
        return {}
    try:
        for leaf in rules.CAPTURED_CPUID:
            data = os.pread(device, _CPUID_BYTES, leaf)
            words = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
            found[f"0x{leaf:x}"] = [f"0x{word:08x}" for word in words]
    except OSError as error:
        refused.append(f"CPUID was not read beyond {len(found)} leaves ({error.strerror})")
    finally:
        os.close(device)
    return found


def _other_msrs(root: Path, machine: Machine, cpus: Iterable[int], refused: list[str]) -> dict[str, dict[str, str]]:
    """Registers that the MTRRs' meaning hangs on: SMRR and memory encryption, TOP_MEM and the I/O ranges."""
    found: dict[str, dict[str, str]] = {}
    if machine.mtrrs is None:
        return found
    for cpu in cpus:
        try:
            device = os.open(root / f"dev/cpu/{cpu}/msr", os.O_RDONLY)
        except OSError:
            return found  # `live` has said why
        try:
            read = {}
            for index in rules.CAPTURED_MSRS[machine.mtrrs.vendor]:
                value = _msr(device, index)
                if value is None:
                    name = f"{rules.msr_name(index)} (0x{index:x})"
                    note = f"{name} was not read: the processor does not have it, or does not show it"
                    refused.append(note)
                else:
                    read[f"0x{index:x}"] = f"0x{value:016x}"
            found[str(cpu)] = read
        finally:
            os.close(device)
    return found


def _msr(device: int, index: int) -> int | None:
    try:
        data = os.pread(device, 8, index)
    except OSError:
        return None
    return int.from_bytes(data, "little") if len(data) == 8 else None


# --- names --------------------------------------------------------------------------------------------------------


def _anonymous(machine: Machine) -> Machine:
    release = _RELEASE.match(machine.kernel or "")
    names = _names()
    return replace(
        machine,
        kernel=release[0] if release else None,
        facts=_without(machine.facts, names),
        notes=tuple(_without(note, names) for note in machine.notes),
        e820=tuple(replace(entry, kind=_without(entry.kind, names)) for entry in machine.e820),
    )


def _names() -> list[str]:
    """The names of host and user, longest first; such that are part of everybody's output stay."""
    found = {socket.gethostname(), socket.gethostname().split(".")[0], Path.home().name}
    with contextlib.suppress(KeyError, OSError):
        found.add(getpass.getuser())
    return sorted((name for name in found - {"root", "localhost"} if len(name) > 2), key=len, reverse=True)


def _without(value: Any, names: list[str]) -> Any:
    """The value with every name replaced, inside lists and dictionaries too."""
    if isinstance(value, str):
        for name in names:
            value = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", value)
        return value
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without(item, names) for item in value]
    return value
