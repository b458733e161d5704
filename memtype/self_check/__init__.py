"""Self-check (`memtype verify`): the C core against the reference, and the rules against this host's KVM.

Whatever differs is a finding, and none is hidden: a KVM that takes a value which the manual refuses is one too, with
the kernel's name, since a report is about this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from memtype import arguments, backends
from memtype.embed.kvm import DEVICE, HostVm
from memtype.embed.kvm_guest import GuestVm
from memtype.errors import InputError
from memtype.self_check import core, host_kvm, kernels, report
from memtype.self_check.report import Finding, Part, Report, Tell

DEFAULT_SECONDS: Final = 10.0
Progress = Callable[[str], None]

__all__ = ["DEFAULT_SECONDS", "DEVICE", "Finding", "Part", "Progress", "Report", "verify"]


def verify(
    seconds: float = DEFAULT_SECONDS, seed: int = 0, progress: Progress | None = None, device: str = DEVICE
) -> Report:
    """Compare for about `seconds`, of which KVM gets at most a third.

    An interrupt (Ctrl-C) ends it: the report then holds what was compared so far.

    Parameters
    ----------
    seconds : float
        How long, from 0.1 to a day.
    seed : int
        Which random states and values.
    progress : function of one line, optional
        Called about once a second with what was compared so far.
    device : str
        The KVM device.

    Raises
    ------
    InputError
        For a time or a seed out of bounds.

    Examples
    --------
    >>> found = verify(0.1, device="/nonexistent")
    >>> [part.name for part in found.parts], found.differs
    (['tables', 'registers', 'addresses', 'arrays', 'kvm', 'guest'], False)
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0.1 <= seconds <= 86_400:
        raise InputError(f"seconds {arguments.shown(seconds)}: from 0.1 to 86400")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed {arguments.shown(seed)}: a number of 64 bits")
    date, jobs = report.now(), _jobs(seconds, seed, _once_a_second(progress), device)
    interrupted = False
    for part, compare in jobs:
        if interrupted:
            part.skipped = "interrupted before"
        else:
            interrupted = not _ended(part, compare)
    return Report(
        seed, date, report.program(), report.kernel(), report.kvm_modules(), report.processor(),
        backends.active.name, tuple(core.isas()), tuple(part for part, _ in jobs), interrupted,
    )  # fmt: skip


_Compare = Callable[[Part], None]


def _jobs(seconds: float, seed: int, tell: Tell, device: str) -> list[tuple[Part, _Compare]]:
    """The comparisons in their order, and how long each may take."""
    asked, sixth = backends.active, seconds / 6
    return [
        (Part("tables", "every cell of the tables of effective types"), lambda part: core.tables(part, asked)),
        (Part("registers", "WRMSR: which values are refused"),
         lambda part: core.writes(part, asked, seed, sixth / 2, tell)),
        (Part("addresses", "the types of 64 addresses of random register files, by each instruction set"),
         lambda part: core.addresses(part, seed, sixth * 2, tell)),
        (Part("arrays", "every array job of random register files and entries, by each instruction set"),
         lambda part: kernels.compare(part, seed, sixth * 1.5, tell)),
        (Part("kvm", "KVM_SET_MSRS and KVM_GET_MSRS of a virtual machine: what is taken, what is read back"),
         lambda part: host_kvm.compare(part, HostVm, seed, sixth, tell, device)),
        (Part("guest", "WRMSR by a guest that runs in it: what raises #GP, what is read back"),
         lambda part: host_kvm.compare(part, GuestVm, seed, sixth, tell, device)),
    ]  # fmt: skip


def _ended(part: Part, compare: _Compare) -> bool:
    """Run one comparison; False where an interrupt cut it short."""
    began = time.monotonic()
    try:
        compare(part)
    except KeyboardInterrupt:
        return False
    finally:
        part.seconds = time.monotonic() - began
    return True


def _once_a_second(progress: Progress | None) -> Tell:
    last = [time.monotonic()]

    def tell(part: Part, began: float) -> None:
        now = time.monotonic()
        if progress is not None and now - last[0] >= 1:
            last[0] = now
            found = sum(part.kinds.values())
            progress(f"{part.name}: {part.count:,} compared, {part.count / (now - began):,.0f}/s, {found} differ")

    return tell
