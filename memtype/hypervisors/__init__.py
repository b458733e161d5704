"""What other hypervisors than KVM put into an EPT leaf: one file each, rules in their order, each with its source.

Hyper-V is missing: what Microsoft publishes (WDK, "Hypervisor Memory Cache Control") tells what its guest gets, by its
PAT, and nothing of leaf bits, IPAT or device pages. Small hypervisors that copy the MTRRs into their EPT are
views (`memtype.views`).
"""

from __future__ import annotations

from memtype import arguments
from memtype.errors import InputError
from memtype.hypervisors import bhyve, virtualbox, xen
from memtype.hypervisors.policy import EptLeaf, Page, Policy

POLICIES = {policy.name: policy for policy in (xen.POLICY, bhyve.POLICY, virtualbox.POLICY)}
RULES = {choice.rule.id: choice.rule for policy in POLICIES.values() for choice in policy.choices}

__all__ = ["POLICIES", "RULES", "EptLeaf", "Page", "Policy", "policy"]


def policy(name: str) -> Policy:
    """The policy of a hypervisor.

    Parameters
    ----------
    name : "xen", "bhyve" or "virtualbox"

    Raises
    ------
    InputError
        For another name.

    Examples
    --------
    >>> print(policy("xen").leaf(guest="WC", host="WB", noncoherent_dma=True))
    WC IPAT=0: guest and host MTRR types combined [xen-combine: Xen epte_get_entry_emt()]
    >>> policy("bhyve").leaf(mmio=True).ipat
    True
    """
    found = POLICIES.get(name.lower()) if isinstance(name, str) else None
    if found is None:
        raise InputError(f"hypervisor {arguments.shown(name)}: one of {', '.join(POLICIES)}")
    return found
