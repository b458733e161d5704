"""bhyve under EPT: the guest's MTRRs play no role, and its PAT is ignored."""

from __future__ import annotations

from memtype.hypervisors.policy import Choice, Policy
from memtype.rules import Rule
from memtype.types import MemoryType

POLICY = Policy(
    "bhyve",
    None,
    (
        Choice(Rule("bhyve-mmio", "a passed-through device's memory: UC with IPAT",
                    "FreeBSD vmm_mmio_alloc(), pmap_cache_bits()"),
               lambda page: page.mmio, lambda page: MemoryType.UC, True),
        Choice(Rule("bhyve-ram", "everything else: WB with IPAT", "FreeBSD pmap_cache_bits(), case PT_EPT"),
               lambda page: True, lambda page: MemoryType.WB, True),
    ),
)  # fmt: skip
