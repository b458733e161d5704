"""Who honours guest MTRRs, guest PAT and CR0.CD, by release, paging and DMA: asked of the model, not written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from memtype.kvm import history
from memtype.kvm.vcpu import Vcpu
from memtype.kvm.vm import Vm
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.types import MemoryType

_PAGING = (("intel", "ept"), ("amd", "npt"), ("intel", "none"), ("amd", "none"))
COLUMNS = tuple((vendor, tdp, dma) for vendor, tdp in _PAGING for dma in (False, True))
YES, NO, QUIRK = "yes", "no", "quirk"  # QUIRK: only once its quirk is disabled


_PLACE = 2 << 20  # above the fixed ranges


@dataclass(frozen=True, slots=True)
class Cell:
    """What one VM honours: "yes", "no", or "quirk" (only once userspace disables the quirk)."""

    mtrr: str
    pat: str
    cd: str

    def __str__(self) -> str:
        named = (("MTRR", self.mtrr), ("PAT", self.pat), ("CD", self.cd))
        return " ".join(word + "*" * (value == QUIRK) for word, value in named if value != NO) or "-"


@dataclass(frozen=True, slots=True)
class Row:
    """Releases that honour the same things; one `Cell` per entry of `COLUMNS`."""

    first: str
    last: str
    cells: tuple[Cell, ...]

    def __str__(self) -> str:
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


def honored(release: str, vendor: str, tdp: str, noncoherent_dma: bool) -> Cell:
    """What a VM of that kind honours."""

    def vm(quirks_off: bool, kind: int = MemoryType.WB, pat: int = MemoryType.WB, cd: bool = False) -> Vm:
        off = history.QUIRK_BITS if quirks_off else ()
        vcpu = Vcpu(MtrrState(0x800 | kind), Pat(0x06 | pat << 8), cr0_cd=cd)
        return Vm(release, vendor, tdp, noncoherent_dma, [vcpu], disabled_quirks=off)

    def uncached(**changed: Any) -> Callable[[bool], bool]:
        # through PAT entry 1: entry 0 is what shadow and nested leaves use
        return lambda off: vm(off, **changed).effective(_PLACE, pat_index=1) in (MemoryType.UC, MemoryType.CD)

    return Cell(_answer(uncached(kind=MemoryType.UC)), _answer(uncached(pat=MemoryType.UC)), _answer(uncached(cd=True)))


def _answer(honors: Callable[[bool], bool]) -> str:
    return YES if honors(False) else QUIRK if honors(True) else NO


def releases() -> Iterator[str]:
    """Every upstream release from 3.13 to the newest read that is modelled, and 6.11-rc."""
    major, minor = history.FIRST_READ
    while (major, minor) <= history.NEWEST_READ:
        if (major, minor) == (6, 11):
            yield "6.11-rc"
        if (major, minor) not in history.NOT_MODELLED:
            yield f"{major}.{minor}"
        major, minor = (major + 1, 0) if history.LAST_MINOR.get(major) == minor else (major, minor + 1)


def matrix() -> list[Row]:
    """The whole table; neighbouring releases that honour the same stand in one row."""
    rows: list[Row] = []
    for name in releases():
        cells = tuple(honored(name, *column) for column in COLUMNS)
        if rows and rows[-1].cells == cells and not name.endswith("rc") and not rows[-1].last.endswith("rc"):
            rows[-1] = Row(rows[-1].first, name, cells)
        else:
            rows.append(Row(name, name, cells))
    return rows
