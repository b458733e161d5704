"""A policy: rules that are asked in order, and the leaf that the first one which fits makes of a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memtype import arguments
from memtype.ept import ept_leaf
from memtype.errors import InputError
from memtype.readable import readable
from memtype.rules import EPT_TYPES, Rule
from memtype.types import MemoryType

PARTS = ("all", "some", "none")


@readable
@dataclass(frozen=True, slots=True)
class Page:
    """What a hypervisor knows of the page that it maps; of a large page, of all of it.

    Attributes
    ----------
    guest, host : the guest's MTRR type of the guest address, the host's of the memory behind it; MIXED where a large
        page spans several
    mmio : the memory behind it is a device's, given to the guest
    noncoherent_dma : the guest has a device whose DMA does not probe caches (Xen: it has an IOMMU or I/O memory,
        which is its right to flush caches)
    read_only, special : "all", "some" or "none" of the page is MMIO that the guest may only read; is a page of the
        hypervisor's own
    foreign : another domain's memory, by grant or foreign mapping
    pinned : the type that the tool stack pinned for all of it, MIXED for a part, None where it pinned none
    """

    guest: MemoryType = MemoryType.WB
    host: MemoryType = MemoryType.WB
    mmio: bool = False
    noncoherent_dma: bool = False
    read_only: str = "none"
    special: str = "none"
    foreign: bool = False
    pinned: MemoryType | None = None


@readable
@dataclass(frozen=True, slots=True)
class EptLeaf:
    """Type and IPAT of the leaf, and the rule that decided. `type` is None where the page must be split first."""

    type: MemoryType | None
    ipat: bool
    rule: Rule

    @property
    def split(self) -> bool:
        """Whether the hypervisor maps this page by smaller ones."""
        return self.type is None

    @property
    def bits(self) -> int | None:
        """Bits 6:3 of the leaf."""
        return None if self.type is None else ept_leaf(self.type, self.ipat).bits

    @property
    def why(self) -> str:
        return self.rule.text

    @property
    def source(self) -> str:
        return self.rule.source

    def __str__(self) -> str:
        return f"{'split' if self.type is None else f'{self.type} IPAT={int(self.ipat)}'}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One rule: the pages that it is for, and what it gives. MIXED means: split the page."""

    rule: Rule
    fits: Callable[[Page], bool]
    gives: Callable[[Page], MemoryType]
    ipat: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What one hypervisor puts into EPT leaves. The last choice fits every page.

    `view` names how it reads the guest's MTRRs (`MtrrState.view`), None where it does not look at them.
    """

    name: str
    view: str | None
    choices: tuple[Choice, ...]

    def leaf(
        self,
        *,
        guest: MemoryType | str | int = MemoryType.WB,
        host: MemoryType | str | int = MemoryType.WB,
        mmio: bool = False,
        noncoherent_dma: bool = False,
        read_only: str = "none",
        special: str = "none",
        foreign: bool = False,
        pinned: MemoryType | str | int | None = None,
    ) -> EptLeaf:
        """The leaf of one page; the parameters are those of `Page`.

        Raises
        ------
        InputError
            For a type that no MTRR has (MIXED may stand for several), or a word that is not in `PARTS`.
        """
        for name, part in (("read_only", read_only), ("special", special)):
            if part not in PARTS:
                raise InputError(f"{name} {part!r:.40}: one of {', '.join(PARTS)}")
        types = {"guest": _held(guest, "guest"), "host": _held(host, "host")}
        fixed = None if pinned is None else _pinned(pinned)
        page = Page(**types, mmio=bool(mmio), noncoherent_dma=bool(noncoherent_dma), read_only=read_only,
                    special=special, foreign=bool(foreign), pinned=fixed)  # fmt: skip
        return self.of(page)

    def of(self, page: Page) -> EptLeaf:
        """The leaf of a page that is described already."""
        choice = next(choice for choice in self.choices if choice.fits(page))
        kind = choice.gives(page)
        if kind is MemoryType.MIXED:
            return EptLeaf(None, False, choice.rule)
        return EptLeaf(kind, choice.ipat, choice.rule)


def _held(kind: Any, name: str) -> MemoryType:
    found = MemoryType.MIXED if kind in (MemoryType.MIXED, "mixed") else arguments.memory_type(kind, name)
    if found is not MemoryType.MIXED and found not in EPT_TYPES:
        raise InputError(f"{name} {found}: no MTRR has that type")
    return found


def _pinned(kind: Any) -> MemoryType:
    return MemoryType.MIXED if kind in (MemoryType.MIXED, "mixed") else arguments.memory_type(kind, "pinned")
