"""Any reader of MSRs: a function ``index -> value`` (or a mapping), one per processor, becomes a `Machine`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from memtype import rules
from memtype.errors import MemtypeError, RegisterError
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState, vendor_name
from memtype.pat import Pat
from memtype.reading.notes import settled
from memtype.reading.registers import differing
from memtype.told import Width

Reader = Callable[[int], int] | Mapping[int, int]


def machine(
    readers: Reader | Iterable[Callable[[int], int]] | Mapping[int, Callable[[int], int]],
    maxphyaddr: int | None = None,
    vendor: str = "intel",
    name: str = "msr",
) -> Machine:
    """Read MTRRs and PAT of every processor.

    Parameters
    ----------
    readers : function ``index -> value``; several of them; or ``{processor: function}``
        One function stands for processor 0. It is asked for MTRRCAP first and then for the registers that
        MTRRCAP says exist, the PAT, and on AMD for SYSCFG and TOP_MEM2. What it raises is passed on, except
        for the PAT: there an `OSError`, `LookupError` or `MemtypeError` means that the processor tells none.
    maxphyaddr : int, optional
        Without it the width is inferred from the masks, with a note.
    vendor : "intel" or "amd"
    name : what `Machine.format` says

    Raises
    ------
    RegisterError
        For a value that is no register's, or no processor at all.

    Examples
    --------
    >>> registers = {0xFE: 0x101, 0x2FF: 0x806, 0x200: 0x80000000, 0x201: 0xFF80000800, 0x277: 0x7040600070406}
    >>> m = machine(lambda index: registers.get(index, 0), maxphyaddr=40)
    >>> str(m.mtrrs.at(0x80000000)), str(m.mtrrs.at(0)), str(m.pat[1])
    ('UC', 'WB', 'WT')
    """
    cpus = tuple(cpu(number, read, maxphyaddr, vendor) for number, read in _numbered(readers).items())
    if not cpus:
        raise RegisterError("no processor: give one reader at least")
    notes = differences(cpus)
    if maxphyaddr is None:  # the registers are told, the width follows from their masks
        cpus = tuple(replace(one, registers=one.registers and replace(one.registers, width=None)) for one in cpus)
    told = None if maxphyaddr is None else Width(maxphyaddr, reduced=True)
    machine = Machine(cpus, name, vendor=vendor_name(vendor), maxphyaddr=maxphyaddr, notes=notes, width=told)
    return settled(machine.with_used_width())


def cpu(number: int, read: Reader, maxphyaddr: int | None = None, vendor: str = "intel") -> Cpu:
    """One processor from its reader."""
    return Cpu(number, MtrrState.from_msrs(read, maxphyaddr, vendor), _pat(read))


def differences(cpus: Iterable[Cpu]) -> tuple[str, ...]:
    """A note where processors differ: firmware should have made them equal."""
    registers = {}
    for one in cpus:
        held = dict(one.mtrrs.msrs()) if one.mtrrs else {}
        registers[one.number] = held | ({rules.PAT_MSR: one.pat.value} if one.pat else {})
    return tuple(differing(registers))


def _numbered(readers: object) -> dict[int, Reader]:
    if isinstance(readers, Mapping):
        return dict(readers)
    if callable(readers):
        return {0: readers}
    if isinstance(readers, Iterable):
        return dict(enumerate(readers))
    raise RegisterError(f"{readers!r} is neither a function index -> value nor several of them")


def _pat(read: Reader) -> Pat | None:
    try:
        return Pat(read[rules.PAT_MSR] if isinstance(read, Mapping) else read(rules.PAT_MSR))
    except (OSError, LookupError, MemtypeError):
        return None
