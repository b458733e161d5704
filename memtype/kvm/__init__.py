"""KVM's policy on memory types, release by release: the leaf, the effective type, and what must be zapped."""

from memtype.kvm.events import (
    DisableQuirks,
    NoncoherentDma,
    SetCr0Cd,
    SetMtrrs,
    WriteMsr,
    Zap,
)
from memtype.kvm.mmio import is_mmio
from memtype.kvm.nested import nested_leaf, nested_pat
from memtype.kvm.releases import PROFILES, Profile, profile
from memtype.kvm.replay import Replay, replay
from memtype.kvm.rules import KVM_RULES
from memtype.kvm.vcpu import Vcpu
from memtype.kvm.vm import Leaf, Vm

__all__ = [
    "KVM_RULES",
    "PROFILES",
    "DisableQuirks",
    "Leaf",
    "NoncoherentDma",
    "Profile",
    "Replay",
    "SetCr0Cd",
    "SetMtrrs",
    "Vcpu",
    "Vm",
    "WriteMsr",
    "Zap",
    "is_mmio",
    "nested_leaf",
    "nested_pat",
    "profile",
    "replay",
]
