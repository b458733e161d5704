"""What each KVM does about memory types: one table *knob -> ((since, value, commit), ...)*.

A knob holds the value of the highest release that is not above the one asked for: `value` is that rule, the only one.
What a stable series, a distribution or a release candidate has beside its release is an `Overlay`. A new release is
a new row. Sources: whole trees of the releases named, commits, and the mailing list.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from memtype.readable import readable
from memtype.types import MemoryType
from memtype.views import kvm_list

Release = tuple[int, ...]  # (6, 4) or (4, 14, 5)


@dataclass(frozen=True, slots=True)
class Commit:
    """A change as it is cited. Where no commit is known `id` is the release whose source shows it."""

    id: str
    subject: str

    def __str__(self) -> str:
        return f'{self.id} ("{self.subject}")'


@readable
@dataclass(frozen=True, slots=True)
class Fixed:
    """A memory type and IPAT that do not depend on the guest's MTRRs."""

    type: MemoryType
    ipat: bool


class Since(NamedTuple):
    """From `release` on a knob holds `value`; releases from `unsure` on may have it already."""

    release: Release
    value: Any
    commit: Commit
    unsure: Release | None = None


WB_IPAT: Final = Fixed(MemoryType.WB, True)
WB_PAT: Final = Fixed(MemoryType.WB, False)
UC_IPAT: Final = Fixed(MemoryType.UC, True)
UC_PAT: Final = Fixed(MemoryType.UC, False)

CD_NW_CLEARED: Final = "CD_NW_CLEARED"
IGNORE_GUEST_PAT: Final = "IGNORE_GUEST_PAT"
NESTED_SVM_SHARED_PAT: Final = "NESTED_SVM_SHARED_PAT"
QUIRK_BITS: Final = {CD_NW_CLEARED: 1 << 1, IGNORE_GUEST_PAT: 1 << 9, NESTED_SVM_SHARED_PAT: 1 << 11}

# --- commits: each stands here and nowhere else -----------------------------------------------------------------

OLDEST: Final = Commit("3.13", "the oldest release read")
PAT_CHECKED: Final = Commit("4566654bb9be", "KVM: vmx: Inject #GP on invalid PAT CR")
RESERVED_CHECKED: Final = Commit("3.18", "reserved bits of variable ranges are checked (3.13 against 3.18.9)")
MTRR_LIST: Final = Commit("4.4", "MTRR code rewritten (4.1 against 4.4)")
CD_EMULATED: Final = Commit("b18d5431acc7", "KVM: x86: fix CR0.CD virtualization")
CD_QUIRK: Final = Commit("fb279950ba02", "KVM: vmx: obey KVM_QUIRK_CD_NW_CLEARED")
CD_QUIRK_ZAP: Final = Commit("879ae1880449", "KVM: x86: obey KVM_X86_QUIRK_CD_NW_CLEARED in kvm_set_cr0()")
SINCE_4_4: Final = Commit("4.4", "other differences in the source (4.1 against 4.4)")
REMOVED_2F8: Final = Commit("4.6.1", "KVM: MTRR: remove MSR 0x2f8")
QUIRKS: Final = Commit("4.2", "KVM_CAP_DISABLE_QUIRKS (4.1 against 4.2.8)")
QUIRKS2: Final = Commit("5.19", "KVM_CAP_DISABLE_QUIRKS2 (5.17 against 5.19)")
SEV_ES: Final = Commit("5.11", "SEV-ES guests (5.10 against 5.11)")
SEV_SNP: Final = Commit("6.11", "SEV-SNP hosts (6.8.1 against 6.12.0)")
PAT_TRICK: Final = Commit("674ea351cdeb", "kvm_pat_valid(), for vmcs12's PATs too (5.0.1 against 5.2.1)")
GUEST_PAT_OBEYED: Final = Commit("15038e147247", "KVM: SVM: obey guest PAT")
MMIO_HOST_PAT: Final = Commit("4.16", "host PAT clause in kvm_is_mmio_pfn() (4.15.15 against 4.16)")
MMIO_E820: Final = Commit("0c55671f84ff", "E820 clause in kvm_is_mmio_pfn() (5.0.1 against 5.2)")
ONE_FAULT: Final = Commit("5.11", "the MTRR validator only returns false (5.10 against 5.11)")
INVERTED_WARNS: Final = Commit("f4209439b522", "kvm_zap_gfn_range() warns on end <= start (5.15.16 against 5.17)")
LEVEL_IFF_USED: Final = Commit(
    "d5e90a699875", "KVM: x86/mmu: Restrict mapping level based on guest MTRR iff they're used"
)
MEMTYPE_MASK: Final = Commit("38bf9d7bf277", "KVM: x86/mmu: Add shadow mask for effective host MTRR memtype")
HOST_PAT_WB: Final = Commit("94bda2f4cd86", "KVM: x86: Reject loading KVM if host.PAT[0] != WB")
MCI_HOLE: Final = Commit("6.0", "MSRs 0x280 to 0x29f leave the MTRR code (5.19 against 6.1)")
MTRR_MACROS: Final = Commit("34a83deac31c", "KVM: x86: Use MTRR macros to define possible MTRR MSR ranges")
PAT_MOVED: Final = Commit("bc7fe2f0b751", "KVM: x86: Move PAT MSR handling out of mtrr.c")
CD_ZAP_IFF_USED: Final = Commit(
    "c0ad4a14c5af", "KVM: x86/mmu: Zap SPTEs when CR0.CD is toggled iff guest MTRRs are honored"
)
MTRR_ZAP_IFF_USED: Final = Commit("a1596812cce1", "KVM: x86/mmu: Zap SPTEs on MTRR update iff guest MTRRs are honored")
NC_ZAP: Final = Commit("539c103e2a13", "KVM: x86/mmu: Zap KVM TDP when noncoherent DMA assignment starts/stops")
CD_WITHOUT_IPAT: Final = Commit(
    "10ed442fefdd", "KVM: VMX: drop IPAT in memtype when CD=1 for KVM_X86_QUIRK_CD_NW_CLEARED"
)
MTRRS_REMOVED: Final = Commit("0a7b73559b39", "KVM: x86: Remove VMX support for virtualizing guest MTRR memtypes")
CD_REMOVED: Final = Commit("e1548088ff54", "KVM: VMX: Drop support for forcing UC memory when guest CR0.CD=1")
SELF_SNOOP_PAT: Final = Commit("377b2f359d1f", "KVM: VMX: Always honor guest PAT on CPUs that support self-snoop")
SELF_SNOOP_REVERTED: Final = Commit(
    "9d70f3fec144", 'Revert "KVM: VMX: Always honor guest PAT on CPUs that support self-snoop"'
)
PAT_QUIRK: Final = Commit("c9c1e20b4c7d", "KVM: x86: Introduce Intel specific quirk KVM_X86_QUIRK_IGNORE_GUEST_PAT")
MASK_REMOVED: Final = Commit("3fee4837ef40", "KVM: x86: remove shadow_memtype_mask")
TDX_PAT: Final = Commit("90fe64a94d54", "KVM: TDX: KVM: TDX: Always honor guest PAT on TDX enabled guests")
QUIRKS_ADD_UP: Final = Commit("9966b7822b3f", "KVM: x86: do not allow re-enabling quirks")
QUIRKS_SUPPORTED: Final = Commit("a4dae7c7a41d", "quirks that a VM supports (6.14 against 6.16)")
QUIRKS_INAPPLICABLE: Final = Commit("bd7d5362b4c4", "quirks that do not apply to a vendor (6.14 against 6.16)")
OWN_GPAT: Final = Commit("20260407, v8", "series: own gPAT for L2, KVM_X86_QUIRK_NESTED_SVM_SHARED_PAT")
TDX_BRING_UP: Final = Commit("165e77353831", "TDX bring-up refuses a host without self-snoop (KVM did up to 7.0)")

# --- knobs: what each means is told at `releases.Profile` -------------------------------------------------------

FIRST_READ: Final = (3, 13)


def _oldest(value: Any) -> Since:
    """What the first release read does."""
    return Since(FIRST_READ, value, OLDEST)


HISTORY: Final[Mapping[str, tuple[Since, ...]]] = {
    "mtrr_engine": (
        _oldest("legacy"),
        Since((4, 4), "list", MTRR_LIST),
        Since((6, 11), "none", MTRRS_REMOVED),
    ),
    "honors_guest_mtrr": (_oldest(True), Since((6, 11), False, MTRRS_REMOVED)),
    "cd_quirk_on": (
        _oldest(None),
        Since((4, 4), WB_IPAT, CD_QUIRK),
        Since((6, 7), WB_PAT, CD_WITHOUT_IPAT),
        Since((6, 11), None, CD_REMOVED),
    ),
    "cd_quirk_off": (
        _oldest(None),
        Since((4, 4), UC_IPAT, CD_EMULATED),
        Since((6, 11), None, CD_REMOVED),
    ),
    "coherent_ipat": (_oldest("always"), Since((6, 16), "quirk", PAT_QUIRK)),
    "huge_page_check": (
        _oldest("no"),
        Since((4, 4), "tdp", MTRR_LIST),
        Since((6, 0), "ept+nc", LEVEL_IFF_USED),
        Since((6, 11), "no", MTRRS_REMOVED),
    ),
    "zap_mtrr": (
        _oldest("root-reset"),
        Since((4, 4), "tdp+nc", MTRR_LIST),
        Since((6, 7), "ept+nc", MTRR_ZAP_IFF_USED),
        Since((6, 11), "removed", MTRRS_REMOVED),
    ),
    "zap_cd": (
        _oldest("context-reset"),
        Since((4, 4), "nc+quirk-off", CD_QUIRK_ZAP),
        Since((6, 7), "ept+nc+quirk-off", CD_ZAP_IFF_USED),
        Since((6, 11), "removed", CD_REMOVED),
    ),
    "zap_nc": (
        _oldest("no"),
        Since((6, 7), "ept", NC_ZAP),
        Since((6, 16), "quirk", PAT_QUIRK),
    ),
    "warns_inverted_zap": (_oldest(False), Since((5, 17), True, INVERTED_WARNS, unsure=(5, 16))),
    "g_pat_follows": (_oldest(False), Since((4, 14, 5), True, GUEST_PAT_OBEYED, unsure=(4, 14, 3))),
    "vmcb_copies_pat": (
        _oldest(False),
        Since((4, 4), True, SINCE_4_4),
        Since((4, 14, 5), False, GUEST_PAT_OBEYED, unsure=(4, 14, 3)),
    ),
    "cd_reaches_vmcb": (_oldest(False), Since((4, 4), True, SINCE_4_4)),
    "nested_svm_pat": (_oldest("shared"), Since((7, 2), "quirk", OWN_GPAT)),
    "host_pat_check": (_oldest(False), Since((6, 0), True, HOST_PAT_WB)),
    "disable_quirks": (_oldest(False), Since((4, 2), True, QUIRKS)),
    "disable_quirks2": (_oldest(False), Since((5, 19), True, QUIRKS2, unsure=(5, 18))),
    "quirk_semantics": (
        _oldest("none"),
        Since((4, 4), "assign", SINCE_4_4),
        Since((6, 16), "or", QUIRKS_ADD_UP),
    ),
    "quirks": (
        _oldest(frozenset()),
        Since((4, 4), frozenset({CD_NW_CLEARED}), CD_QUIRK),
        Since((6, 16), frozenset({CD_NW_CLEARED, IGNORE_GUEST_PAT}), PAT_QUIRK),
        Since((7, 2), frozenset(QUIRK_BITS), OWN_GPAT),
    ),
    "pat_checked": (
        _oldest("vmx-unchecked"),
        Since((3, 18), "always", PAT_CHECKED),
    ),
    "variable_check": (_oldest("type"), Since((3, 18), "full", RESERVED_CHECKED, unsure=(3, 14))),
    "double_fault": (
        _oldest(False),
        Since((3, 18), True, RESERVED_CHECKED),
        Since((5, 11), False, ONE_FAULT),
    ),
    "msr_dispatch": (
        _oldest("wide"),
        Since((6, 0), "hole", MCI_HOLE),
        Since((6, 5), "narrow", MTRR_MACROS),
    ),
    "msr_2f8": (_oldest(True), Since((4, 6, 1), False, REMOVED_2F8)),
    "extended_mask": (
        _oldest(False),
        Since((4, 4), True, MTRR_LIST),
        Since((6, 11), False, MTRRS_REMOVED),
    ),
    "initial_pat": (_oldest("host"), Since((4, 4), "reset", SINCE_4_4)),
    "has_memtype_mask": (
        _oldest(False),
        Since((6, 0), True, MEMTYPE_MASK),
        Since((6, 16), False, MASK_REMOVED),
    ),
    "mmio_zero_page": (_oldest(False), Since((4, 4), True, SINCE_4_4)),
    "mmio_host_pat": (_oldest(False), Since((4, 16), True, MMIO_HOST_PAT)),
    "mmio_e820": (_oldest(False), Since((5, 2), True, MMIO_E820, unsure=(5, 1))),
    "sev_es": (_oldest(False), Since((5, 11), True, SEV_ES)),
    "sev_snp": (_oldest(False), Since((6, 11), True, SEV_SNP, unsure=(6, 9))),
    "nested_vmx_checks_pat": (_oldest(False), Since((5, 2), True, PAT_TRICK, unsure=(5, 1))),
    "tdx": (_oldest(False), Since((6, 16), True, TDX_PAT)),
}


def row(knob: str, release: Release) -> Since:
    """The row in force: the highest release that is not above the one asked for.

    >>> row("zap_mtrr", (6, 8)).value, row("zap_mtrr", (6, 8)).commit is MTRR_ZAP_IFF_USED
    ('ept+nc', True)
    """
    return [found for found in HISTORY[knob] if found.release <= release][-1]


def first(knob: str) -> str:
    """The release that first had what the knob tells: ``first("sev_es") == "5.11"``."""
    return ".".join(map(str, next(found.release for found in HISTORY[knob] if found.value)))


def taken(commits: Set[Commit]) -> dict[str, Any]:
    """The knobs that these commits set, as whoever takes them over gets them."""
    return {knob: found.value for knob, rows in HISTORY.items() for found in rows if found.commit in commits}


# --- who decides alike ------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Releases that decide the leaf and the zaps alike: a name, the first release, the span in words."""

    name: str
    first: Release
    span: str


CANDIDATES: Final = Group("kvm-6.11-rc", (6, 11), "6.11-rc1 to 6.11-rc7")
GROUPS: Final = (
    Group("kvm-3.13", (3, 13), "3.13 to 4.1"),
    Group("kvm-4.4", (4, 4), "4.4 to 5.19"),
    Group("kvm-6.0", (6, 0), "6.0 to 6.6"),
    Group("kvm-6.7", (6, 7), "6.7 to 6.10"),
    Group("kvm-6.11", (6, 11), "6.11 to 6.15"),
    Group("kvm-6.16", (6, 16), "6.16 to 7.1"),
    Group("kvm-7.2", (7, 2), "7.2 and later"),
)


class Overlay(NamedTuple):
    """From update `since` of a vendor's series on: knobs of its own, and the group whose leaves it has."""

    vendor: str
    series: Release
    since: int
    knobs: dict[str, Any]
    note: str
    group: str | None = None


OVERLAYS: Final = (
    Overlay("candidate", (6, 11), 0, {"coherent_ipat": "no-self-snoop", "zap_nc": "ept+no-self-snoop"},
            f"never in a final release: {SELF_SNOOP_PAT.id}, reverted by {SELF_SNOOP_REVERTED.id}", CANDIDATES.name),
    Overlay("stable", (6, 12), 78, taken({PAT_QUIRK, QUIRKS_ADD_UP}),
            f"6.12.78 took {PAT_QUIRK.id}; shadow_memtype_mask still gates it, which nobody can observe", "kvm-6.16"),
    Overlay("ubuntu", (6, 8), 136, taken({PAT_QUIRK, QUIRKS_ADD_UP, MTRRS_REMOVED, CD_REMOVED}),
            f"Ubuntu 6.8.0-136.136 took {PAT_QUIRK.id}, {MTRRS_REMOVED.id} and {CD_REMOVED.id}", "kvm-6.16"),
    Overlay("stable", (4, 4), 12, taken({REMOVED_2F8}), "4.4.11 has MSR 0x2f8; which 4.4.y dropped it is not known"),
    Overlay("stable", (4, 5), 6, taken({REMOVED_2F8}), "whether a 4.5.y dropped MSR 0x2f8, as 4.6.1 did, is not known"),
    Overlay("stable", (4, 4), 262, taken({GUEST_PAT_OBEYED}),
            f"a distribution's 4.4.262 has {GUEST_PAT_OBEYED.id}; whether and when 4.4.y took it is not known"),
)  # fmt: skip

# --- which releases there are -----------------------------------------------------------------------------------

NEWEST_READ: Final = (7, 3)
NOT_READ: Final = frozenset({(6, 0), (6, 3), (6, 7), (6, 10), (6, 13), (6, 15)})  # bracketed by their neighbours
LAST_MINOR: Final = {3: 19, 4: 20, 5: 19, 6: 19}  # 3.19 was followed by 4.0, and so on
NOT_MODELLED: Final = dict.fromkeys(kvm_list.BROKEN, kvm_list.WHY_BROKEN)
