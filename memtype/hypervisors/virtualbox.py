"""VirtualBox under EPT: every leaf is the same. A device's registers are not mapped, their accesses exit."""

from __future__ import annotations

from memtype.hypervisors.policy import Choice, Policy
from memtype.rules import Rule
from memtype.types import MemoryType

POLICY = Policy(
    "virtualbox",
    None,
    (
        Choice(Rule("virtualbox-leaf", "every page that is mapped: WB with IPAT",
                    "VirtualBox PGMAllBth.h, PGM_TYPE_EPT: EPT_E_MEMTYPE_WB and EPT_E_IGNORE_PAT"),
               lambda page: True, lambda page: MemoryType.WB, True),
    ),
)  # fmt: skip
