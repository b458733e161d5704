"""What a policy of a release means: one table *policy -> predicate* for each knob that names one.

A profile is checked against these tables when it is made, and they are indexed with []: a slip is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from memtype import rules
from memtype.kvm.history import CD_NW_CLEARED, IGNORE_GUEST_PAT

if TYPE_CHECKING:
    from memtype.kvm.vm import Vm

    Predicate = Callable[[Vm], bool]


def _never(vm: Vm) -> bool:
    return False


def _always(vm: Vm) -> bool:
    return True


def _ept(vm: Vm) -> bool:
    return vm.tdp == "ept"


def _tdp_nc(vm: Vm) -> bool:
    return vm.tdp != "none" and vm.has_noncoherent_dma


def _ept_nc(vm: Vm) -> bool:
    return vm.tdp == "ept" and vm.has_noncoherent_dma


def _nc_quirk_off(vm: Vm) -> bool:
    return vm.has_noncoherent_dma and not vm.quirk(CD_NW_CLEARED)


def _ept_nc_quirk_off(vm: Vm) -> bool:
    return vm.tdp == "ept" and _nc_quirk_off(vm)


def _ignores_pat(vm: Vm) -> bool:
    return vm.quirk(IGNORE_GUEST_PAT)


def _no_self_snoop(vm: Vm) -> bool:
    return not vm.self_snoop


def _ept_no_self_snoop(vm: Vm) -> bool:
    return vm.tdp == "ept" and not vm.self_snoop


# Of a VM: the IPAT of a VM without non-coherent DMA, who limits mapping levels, who zaps.
COHERENT_IPAT: Final[Mapping[str, Predicate]] = {
    "always": _always,
    "quirk": _ignores_pat,
    "no-self-snoop": _no_self_snoop,
}
HUGE_PAGE_CHECK: Final[Mapping[str, Predicate]] = {
    "no": _never,
    "tdp": lambda vm: vm.tdp != "none",
    "ept+nc": _ept_nc,
}
ZAP_MTRR: Final[Mapping[str, Predicate]] = {
    "root-reset": _never,
    "tdp+nc": _tdp_nc,
    "ept+nc": _ept_nc,
    "removed": _never,
}
ZAP_CD: Final[Mapping[str, Predicate]] = {
    "context-reset": _never,
    "nc+quirk-off": _nc_quirk_off,
    "ept+nc+quirk-off": _ept_nc_quirk_off,
    "removed": _never,
}
ZAP_NC: Final[Mapping[str, Predicate]] = {
    "no": _never,
    "ept": _ept,
    "ept+no-self-snoop": _ept_no_self_snoop,
    "quirk": _ignores_pat,
}

# Of an MSR's index: whether it reaches the MTRR code, which answers #GP; others are unknown MSRs.
MSR_DISPATCH: Final[Mapping[str, Callable[[int], bool]]] = {
    "wide": lambda index: 0x200 <= index <= 0x2FF,
    "hole": lambda index: 0x200 <= index <= 0x27F or 0x2A0 <= index <= 0x2FF,
    "narrow": lambda index: 0x200 <= index <= 0x26F or index in {rules.DEF_TYPE_MSR, rules.PAT_MSR},
}

NAMES: Final[Mapping[str, frozenset[str]]] = {
    "coherent_ipat": frozenset(COHERENT_IPAT),
    "huge_page_check": frozenset(HUGE_PAGE_CHECK),
    "zap_mtrr": frozenset(ZAP_MTRR),
    "zap_cd": frozenset(ZAP_CD),
    "zap_nc": frozenset(ZAP_NC),
    "msr_dispatch": frozenset(MSR_DISPATCH),
    "mtrr_engine": frozenset({"legacy", "list", "none"}),
    "nested_svm_pat": frozenset({"shared", "quirk"}),
    "quirk_semantics": frozenset({"none", "assign", "or"}),
    "pat_checked": frozenset({"vmx-unchecked", "always"}),
    "variable_check": frozenset({"type", "full"}),
    "initial_pat": frozenset({"host", "reset"}),
}
