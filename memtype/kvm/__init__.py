"""KVM's policy on memory types, release by release: the leaf, the effective type, and what must be zapped."""

from memtype.kvm.events import (
    DisableQuirks,
    InitVmcb,
    NoncoherentDma,
    SetCr0Cd,
    SetMtrrs,
    WriteMsr,
)
from memtype.kvm.leaves import Leaf
from memtype.kvm.mmio import is_mmio
from memtype.kvm.nested import (
    RoundTrip,
    Vmcs12,
    nested_leaf,
    nested_pat,
    nested_pat_write,
    nested_round_trip,
    set_nested_state,
)
from memtype.kvm.releases import PROFILES, Profile, profile
from memtype.kvm.replay import Replay, replay
from memtype.kvm.rules import KVM_RULES
from memtype.kvm.vcpu import Vcpu
from memtype.kvm.vm import Vm
from memtype.kvm.zap import Zap

__all__ = [
    "KVM_RULES",
    "PROFILES",
    "DisableQuirks",
    "InitVmcb",
    "Leaf",
    "NoncoherentDma",
    "Profile",
    "Replay",
    "RoundTrip",
    "SetCr0Cd",
    "SetMtrrs",
    "Vcpu",
    "Vm",
    "Vmcs12",
    "WriteMsr",
    "Zap",
    "is_mmio",
    "nested_leaf",
    "nested_pat",
    "nested_pat_write",
    "nested_round_trip",
    "profile",
    "replay",
    "set_nested_state",
]
