"""Xen, HVM and PVH guests under EPT: `epte_get_entry_emt()`, the order of its questions (4.14 and later)."""

from __future__ import annotations

from memtype.hypervisors.policy import Choice, Page, Policy
from memtype.rules import XEN_GUEST_HOST, Rule
from memtype.types import MemoryType

_SOURCE = "Xen epte_get_entry_emt()"
_UC, _WB, _MIXED = MemoryType.UC, MemoryType.WB, MemoryType.MIXED


def _whole(part: str, kind: MemoryType) -> MemoryType:
    return kind if part == "all" else _MIXED


def _pinned(page: Page) -> MemoryType:
    """EPT has no UC-: Xen takes UC for it."""
    return _UC if page.pinned is MemoryType.UC_MINUS else page.pinned or _UC


def _combined(page: Page) -> MemoryType:
    """Both types must be told for the whole page, else it is mapped by smaller ones."""
    if _MIXED in (page.guest, page.host):
        return _MIXED
    return XEN_GUEST_HOST[page.guest][page.host]


POLICY = Policy(
    "xen",
    "xen",
    (
        Choice(Rule("xen-read-only", "MMIO that the guest may only read: UC with IPAT; of a part: split", _SOURCE),
               lambda page: page.read_only != "none", lambda page: _whole(page.read_only, _UC), True),
        Choice(Rule("xen-coherent", "no IOMMU and no right to flush caches, no direct MMIO: WB with IPAT", _SOURCE),
               lambda page: not page.noncoherent_dma and not page.mmio, lambda page: _WB, True),
        Choice(Rule("xen-special", "a page of Xen's own: WB with IPAT; a part of the page: split", _SOURCE),
               lambda page: page.special != "none", lambda page: _whole(page.special, _WB), True),
        Choice(Rule("xen-direct-mmio", "direct MMIO: UC, the guest's PAT applies", _SOURCE),
               lambda page: page.mmio, lambda page: _UC, False),
        Choice(Rule("xen-foreign", "a grant or foreign mapping: WB with IPAT", _SOURCE),
               lambda page: page.foreign, lambda page: _WB, True),
        Choice(Rule("xen-pinned", "a pinned range: its type with IPAT, UC for UC-; a part of the page: split", _SOURCE),
               lambda page: page.pinned is not None, _pinned, True),
        Choice(Rule("xen-combine", "guest and host MTRR types combined", _SOURCE),
               lambda page: True, _combined, False),
    ),
)  # fmt: skip
