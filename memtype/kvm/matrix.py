"""Who honours guest MTRRs, guest PAT and CR0.CD, by release, paging and DMA: asked of the model, not written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from memtype import rules
from memtype.kvm import history
from memtype.kvm.history import QUIRK_BITS
from memtype.kvm.releases import Profile, profile
from memtype.kvm.vcpu import Vcpu
from memtype.kvm.vm import Vm
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.types import MemoryType

_PAGING = (("intel", "ept"), ("amd", "npt"), ("intel", "none"), ("amd", "none"))
COLUMNS = tuple((vendor, tdp, dma) for vendor, tdp in _PAGING for dma in (False, True))
YES, NO, QUIRK = "yes", "no", "quirk"  # QUIRK: only once its quirk is disabled
UC, WB = MemoryType.UC, MemoryType.WB


def _vcpu(mtrr: MemoryType, pat: MemoryType, cr0_cd: bool) -> Vcpu:
    """Its MTRRs and its PAT entry 1 say these types; entry 0, which shadow and nested leaves use, is WB."""
    return Vcpu(MtrrState(rules.DEF_TYPE_E | mtrr), Pat(WB | pat << 8), cr0_cd)


_UNCACHED = (_vcpu(UC, WB, False), _vcpu(WB, UC, False), _vcpu(WB, WB, True))  # by MTRR, by PAT, by CR0.CD


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


@lru_cache(maxsize=1024)
def honored(release: str | Profile, vendor: str, tdp: str, noncoherent_dma: bool) -> Cell:
    """What a VM of that kind honours."""
    known = profile(release)
    everything = tuple(QUIRK_BITS) if known.disable_quirks else ()
    vms = [Vm(known, vendor, tdp, noncoherent_dma, disabled_quirks=off) for off in ((), everything)]
    return Cell(*(_answer([_uncached(vm, vcpu) for vm in vms]) for vcpu in _UNCACHED))


def _uncached(vm: Vm, vcpu: Vcpu) -> bool:
    """Whether an access above the fixed ranges through PAT entry 1 is uncached for this vCPU."""
    return vm._with_vcpu(0, vcpu).effective(rules.FIXED_END, pat_index=1) in (UC, MemoryType.CD)


def _answer(uncached: list[bool]) -> str:
    return YES if uncached[0] else QUIRK if uncached[1] else NO


def releases() -> Iterator[str]:
    """Every upstream release from 3.13 to the newest read that is modelled, and 6.11-rc."""
    lasts = history.LAST_MINOR | dict([history.NEWEST_READ])
    for number in ((major, minor) for major, last in lasts.items() for minor in range(last + 1)):
        if number == history.CANDIDATES.first:
            yield f"{_release(number)}-rc"
        if number >= history.FIRST_READ and number not in history.NOT_MODELLED:
            yield _release(number)


def matrix() -> list[Row]:
    """The whole table; neighbouring releases that honour the same stand in one row."""
    rows: list[Row] = []
    for name in releases():
        cells = tuple(honored(profile(name), *column) for column in COLUMNS)
        if rows and rows[-1].cells == cells:
            rows[-1] = Row(rows[-1].first, name, cells)
        else:
            rows.append(Row(name, name, cells))
    return rows


@dataclass(frozen=True, slots=True)
class Knob:
    """One change of one knob, as a maintainer reviews it."""

    knob: str
    value: Any
    since: str
    commit: str
    subject: str


def knobs() -> list[Knob]:
    """The whole history, knob by knob, and the overlays behind it: what `history` says, row by row."""
    found = [
        Knob(knob, row.value, _release(row.release), row.commit.id, row.commit.subject)
        for knob, rows in history.HISTORY.items()
        for row in rows
    ]
    for port in history.OVERLAYS:
        series = _release(port.series)
        since = {"ubuntu": f"ubuntu {series}.0-{port.since}", "candidate": f"{series}-rc"}.get(port.vendor)
        found += [
            Knob(knob, value, since or f"{series}.{port.since}", port.vendor, port.note)
            for knob, value in port.knobs.items()
        ]
    return found


def _release(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))
