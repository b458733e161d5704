"""chipsec: the registers of a live machine through its driver, by the ``Chipset`` object that a module holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from memtype.embed import msr
from memtype.errors import InputError, LiveReadRefused
from memtype.machine import Machine
from memtype.mtrr import vendor_name
from memtype.rules import msr_name

_FAILED = -1, -1  # what chipsec returns where RDMSR did not succeed
_WIDTH_LEAF = 0x8000_0008  # CPUID.80000008H:EAX[7:0] is MAXPHYADDR


def machine(
    cs: Any, cpus: Iterable[int] | None = None, maxphyaddr: int | None = None, vendor: str | None = None
) -> Machine:
    """MTRRs and PAT of every processor of an initialised chipsec ``cs``.

    Parameters
    ----------
    cs : chipsec's chipset object, as a module has it in ``self.cs``; both ``cs.hals.msr`` and ``cs.msr`` do
    cpus : processor numbers; all that chipsec counts without it
    maxphyaddr, vendor : taken from CPUID through chipsec where not given

    Raises
    ------
    LiveReadRefused
        When chipsec could not read a register (it returns (-1, -1)).

    Examples
    --------
    In a chipsec module::

        from memtype.embed import chipsec as memtypes
        print(memtypes.machine(self.cs).mtrrs.explain(0xFEE00000))
    """
    hal = _hal(cs, "msr")
    numbers = range(hal.get_cpu_thread_count()) if cpus is None else cpus
    leaves = _cpuid(cs)
    if vendor is None:
        vendor = _vendor(leaves)
    if maxphyaddr is None and leaves is not None:
        maxphyaddr = leaves(_WIDTH_LEAF)[0] & 0xFF or None
    return msr.machine({number: reader(cs, number) for number in numbers}, maxphyaddr, vendor, "chipsec")


def reader(cs: Any, cpu: int = 0) -> Callable[[int], int]:
    """A function ``index -> value`` over one processor, fit for `MtrrState.from_msrs`."""
    hal = _hal(cs, "msr")

    def read(index: int) -> int:
        low, high = hal.read_msr(cpu, index)
        if (low, high) == _FAILED:
            raise LiveReadRefused(f"chipsec could not read {msr_name(index)} (0x{index:x}) of CPU {cpu}")
        return int(high) << 32 | int(low)

    return read


def _hal(cs: Any, name: str) -> Any:
    found = getattr(getattr(cs, "hals", cs), name, None)
    if found is None:
        raise InputError(f"{type(cs).__name__} object has neither hals.{name} nor {name}: no chipsec chipset")
    return found


def _cpuid(cs: Any) -> Callable[[int], tuple[int, int, int, int]] | None:
    """CPUID leaves by chipsec; None where this helper has none."""
    try:
        ask = _hal(cs, "cpu").cpuid
        ask(0, 0)
    except Exception:  # helpers without CPUID raise what they like
        return None
    return lambda leaf: tuple(ask(leaf, 0))


def _vendor(leaves: Callable[[int], tuple[int, int, int, int]] | None) -> str:
    if leaves is None:
        return "intel"
    _, ebx, ecx, edx = leaves(0)
    return vendor_name(b"".join(word.to_bytes(4, "little") for word in (ebx, edx, ecx)).decode("latin-1"))
