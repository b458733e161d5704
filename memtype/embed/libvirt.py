"""libvirt: a QEMU domain by the monitor that libvirt holds."""

from __future__ import annotations

import json
import os
from typing import Any

from memtype.embed import qemu
from memtype.errors import MissingExtra
from memtype.machine import Machine


def machine(domain: Any, stream: bytes | str | os.PathLike[str] | None = None) -> Machine:
    """A running domain (``libvirt.virDomain``); `stream` as for `memtype.embed.qemu.machine`.

    Raises
    ------
    MissingExtra
        Without the libvirt-python package.
    InputError
        When QEMU answers with an error.

    Examples
    --------
    ::

        guest = memtypes.machine(libvirt.open("qemu:///system").lookupByName("vm1"), "vm1.stream")
    """
    return qemu.machine(execute(domain), stream)


def execute(domain: Any) -> qemu.Execute:
    """QMP's ``execute`` by way of libvirt."""
    try:
        import libvirt_qemu
    except ImportError:
        raise MissingExtra("libvirt-python is missing: pip install libvirt-python") from None

    def ask(command: str, arguments: dict[str, Any]) -> Any:
        request = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(libvirt_qemu.qemuMonitorCommand(domain, request, 0))

    return ask
