"""What each KVM does about memory types: data only, one frozen record of knobs per profile.

A profile groups the releases that decide alike. What differs inside a span (`REFINEMENTS`) and what vendors took
over early (`BACKPORTS`) are rows of their own; `releases.py` turns a release's name into one resolved `Profile`.
Sources: the source of the releases named, commits, and the mailing list. "by interpolation" and "not read" mean
what they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from memtype.rules import Rule
from memtype.types import MemoryType


@dataclass(frozen=True, slots=True)
class Commit:
    """A change as it is cited, and the knobs of its profile that it set.

    Where no commit is known `id` is the release whose source shows the change.
    """

    id: str
    subject: str
    knobs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f'{self.id} ("{self.subject}")'


@dataclass(frozen=True, slots=True)
class Fixed:
    """A memory type and IPAT that do not depend on the guest's MTRRs."""

    type: MemoryType
    ipat: bool


WB_IPAT: Final = Fixed(MemoryType.WB, True)
WB_PAT: Final = Fixed(MemoryType.WB, False)
UC_IPAT: Final = Fixed(MemoryType.UC, True)
UC_PAT: Final = Fixed(MemoryType.UC, False)


@dataclass(frozen=True, slots=True)
class Profile:
    """How a group of releases behaves.

    Attributes
    ----------
    name, span : "kvm-6.7", "6.7 to 6.10"
    first : the first release of the span
    release : the release that was asked for; two profiles are equal whatever was asked for
    mtrr_engine : who computes the guest's MTRR type: "legacy" (to 4.1), "list" (4.4 to 6.10), "none" (always WB)
    honors_guest_mtrr : with EPT and non-coherent DMA the leaf takes the guest's MTRR type
    cd_quirk_on, cd_quirk_off : the leaf while CR0.CD = 1, by CD_NW_CLEARED; None where CR0.CD is not looked at
    coherent_ipat : IPAT of a VM without non-coherent DMA: "always", "quirk" (while IGNORE_GUEST_PAT is in force),
        "no-self-snoop" (where the host lacks it)
    huge_page_check : who limits the mapping level by guest MTRRs: "no", "tdp", "ept+nc"
    zap_mtrr, zap_cd, zap_nc : the condition for zapping, a key of `RULES` behind "kvm-zap-…-"
    warns_inverted_zap : a zap range that ends before it begins is a WARN
    g_pat_follows : AMD: a guest's PAT write reaches VMCB g_pat
    cd_reaches_vmcb : AMD: with CD_NW_CLEARED disabled CR0.CD is set in hardware too
    nested_svm_pat : "shared" (L2 runs on L1's PAT) or "quirk" (NESTED_SVM_SHARED_PAT decides)
    host_pat_check : KVM does not load unless host PAT entry 0 is WB
    quirk_semantics : disabling quirks "assign"s the set, or "or"s in what is supported
    quirks : the quirks about memory types that the release knows
    pat_checked : "vmx-unchecked" where VMX takes any PAT value, else "always"
    variable_check : "type" (only bits 7:0, masks too) or "full"
    double_fault : a reserved bit in a variable range raises #GP inside the validator and again in the caller
    msr_dispatch : which indexes reach the MTRR code: "wide" 0x200-0x2ff, "hole" without 0x280-0x29f, "narrow"
        0x200-0x26f and 0x2ff
    msr_2f8 : MSR 0x2f8 is taken as a variable range
    extended_mask : PHYSMASK is stored with bits 63:MAXPHYADDR set
    initial_pat : "host" (Intel) or "reset"
    has_memtype_mask : the release has the variable shadow_memtype_mask
    mmio_zero_page, mmio_host_pat, mmio_e820 : clauses of the host-MMIO test
    tdx : whether TDX guests exist: "", "self-snoop" (only on hosts that have it), "yes"
    changes : what made this profile differ from the one before
    notes : what is interpolated or not known
    """

    name: str
    span: str
    first: tuple[int, int]
    mtrr_engine: str
    honors_guest_mtrr: bool
    cd_quirk_on: Fixed | None
    cd_quirk_off: Fixed | None
    coherent_ipat: str
    huge_page_check: str
    zap_mtrr: str
    zap_cd: str
    zap_nc: str
    warns_inverted_zap: bool
    g_pat_follows: bool
    cd_reaches_vmcb: bool
    nested_svm_pat: str
    host_pat_check: bool
    quirk_semantics: str
    quirks: frozenset[str]
    pat_checked: str
    variable_check: str
    double_fault: bool
    msr_dispatch: str
    msr_2f8: bool
    extended_mask: bool
    initial_pat: str
    has_memtype_mask: bool
    mmio_zero_page: bool
    mmio_host_pat: bool
    mmio_e820: bool
    tdx: str
    changes: tuple[Commit, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    release: str = field(default="", compare=False)

    def __str__(self) -> str:
        vendor = "Linux " if self.release[:1].isdigit() else ""
        return f"{vendor}{self.release} ({self.name})" if self.release else self.name


CD_NW_CLEARED: Final = "CD_NW_CLEARED"
IGNORE_GUEST_PAT: Final = "IGNORE_GUEST_PAT"
NESTED_SVM_SHARED_PAT: Final = "NESTED_SVM_SHARED_PAT"
QUIRK_BITS: Final = {CD_NW_CLEARED: 1 << 1, IGNORE_GUEST_PAT: 1 << 9, NESTED_SVM_SHARED_PAT: 1 << 11}

MTRRCAP: Final = 0x508  # VCNT 8, FIX, WC; KVM_NR_VAR_MTRR is 8 in every release read (10 was reverted: 0d234daf7e0a)
VARIABLE_PAIRS: Final = 8
GFN_ALL: Final = (1 << 52) - 1  # the end of "everything" as KVM passes it: ~0 >> 12

_KVM_3_13: Final[dict[str, Any]] = {
    "mtrr_engine": "legacy",
    "honors_guest_mtrr": True,
    "cd_quirk_on": None,
    "cd_quirk_off": None,
    "coherent_ipat": "always",
    "huge_page_check": "no",
    "zap_mtrr": "root-reset",
    "zap_cd": "context-reset",
    "zap_nc": "no",
    "warns_inverted_zap": False,
    "g_pat_follows": False,
    "cd_reaches_vmcb": False,
    "nested_svm_pat": "shared",
    "host_pat_check": False,
    "quirk_semantics": "none",
    "quirks": frozenset(),
    "pat_checked": "vmx-unchecked",
    "variable_check": "type",
    "double_fault": False,
    "msr_dispatch": "wide",
    "msr_2f8": True,
    "extended_mask": False,
    "initial_pat": "host",
    "has_memtype_mask": False,
    "mmio_zero_page": False,
    "mmio_host_pat": False,
    "mmio_e820": False,
    "tdx": "",
}
_KVM_4_4: Final[dict[str, Any]] = {
    **_KVM_3_13,
    "mtrr_engine": "list",
    "cd_quirk_on": WB_IPAT,
    "cd_quirk_off": UC_IPAT,
    "huge_page_check": "tdp",
    "zap_mtrr": "tdp+nc",
    "zap_cd": "nc+quirk-off",
    "cd_reaches_vmcb": True,
    "quirk_semantics": "assign",
    "quirks": frozenset({CD_NW_CLEARED}),
    "pat_checked": "always",
    "variable_check": "full",
    "double_fault": True,
    "msr_2f8": False,
    "extended_mask": True,
    "initial_pat": "reset",
    "mmio_zero_page": True,
}
_KVM_6_0: Final[dict[str, Any]] = {
    **_KVM_4_4,
    "huge_page_check": "ept+nc",
    "warns_inverted_zap": True,
    "g_pat_follows": True,
    "host_pat_check": True,
    "double_fault": False,
    "msr_dispatch": "hole",
    "has_memtype_mask": True,
    "mmio_host_pat": True,
    "mmio_e820": True,
}
_KVM_6_7: Final[dict[str, Any]] = {
    **_KVM_6_0,
    "cd_quirk_on": WB_PAT,
    "zap_mtrr": "ept+nc",
    "zap_cd": "ept+nc+quirk-off",
    "zap_nc": "ept",
    "msr_dispatch": "narrow",
}
_KVM_6_11: Final[dict[str, Any]] = {
    **_KVM_6_7,
    "mtrr_engine": "none",
    "honors_guest_mtrr": False,
    "cd_quirk_on": None,
    "cd_quirk_off": None,
    "huge_page_check": "no",
    "zap_mtrr": "removed",
    "zap_cd": "removed",
    "extended_mask": False,
}
_KVM_6_11_RC: Final[dict[str, Any]] = {**_KVM_6_11, "coherent_ipat": "no-self-snoop", "zap_nc": "ept+no-self-snoop"}
_KVM_6_16: Final[dict[str, Any]] = {
    **_KVM_6_11,
    "coherent_ipat": "quirk",
    "zap_nc": "quirk",
    "quirk_semantics": "or",
    "quirks": frozenset({CD_NW_CLEARED, IGNORE_GUEST_PAT}),
    "has_memtype_mask": False,
    "tdx": "self-snoop",
}
_KVM_7_2: Final[dict[str, Any]] = {
    **_KVM_6_16,
    "tdx": "yes",
    "nested_svm_pat": "quirk",
    "quirks": frozenset(QUIRK_BITS),
}

PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile("kvm-3.13", "3.13 to 4.1", (3, 13), **_KVM_3_13),
        Profile(
            "kvm-4.4", "4.4 to 5.19", (4, 4), **_KVM_4_4,
            changes=(
                Commit("b18d5431acc7", "KVM: x86: fix CR0.CD virtualization", ("cd_quirk_off", "zap_cd")),
                Commit("fb279950ba02", "KVM: vmx: obey KVM_QUIRK_CD_NW_CLEARED", ("cd_quirk_on", "quirks")),
                Commit("879ae1880449", "KVM: x86: obey KVM_X86_QUIRK_CD_NW_CLEARED in kvm_set_cr0()", ("zap_cd",)),
                Commit("10dc331ff5e7", "KVM: MTRR: fix memory type handling if MTRR is completely disabled",
                       ("mtrr_engine",)),
                Commit("e24dea2afc6a", "KVM: MTRR: treat memory as writeback if MTRR is disabled in guest CPUID",
                       ("mtrr_engine",)),
                Commit("by 4.2.8", "KVM: MTRR: remove MSR 0x2f8", ("msr_2f8",)),
                Commit("4.4", "MTRR code rewritten (4.1 against 4.4)",
                       ("mtrr_engine", "huge_page_check", "zap_mtrr", "extended_mask")),
                Commit("4.4", "other differences in the source (4.1 against 4.4)",
                       ("cd_reaches_vmcb", "quirk_semantics", "initial_pat", "mmio_zero_page")),
            ),
        ),
        Profile(
            "kvm-6.0", "6.0 to 6.6", (6, 0), **_KVM_6_0,
            changes=(
                Commit("d5e90a699875",
                       "KVM: x86/mmu: Restrict mapping level based on guest MTRR iff they're used",
                       ("huge_page_check",)),
                Commit("38bf9d7bf277", "KVM: x86/mmu: Add shadow mask for effective host MTRR memtype",
                       ("has_memtype_mask",)),
                Commit("6.0", "host PAT entry 0 must be WB (series 20220715230016.3762909; 5.19 against 6.1)",
                       ("host_pat_check",)),
                Commit("6.0", "MSRs 0x280 to 0x29f leave the MTRR code (5.19 against 6.1)", ("msr_dispatch",)),
            ),
        ),
        Profile(
            "kvm-6.7", "6.7 to 6.10", (6, 7), **_KVM_6_7,
            changes=(
                Commit("6590a37e7ec6", "KVM: x86/mmu: Add helpers to return if KVM honors guest MTRRs"),
                Commit("c0ad4a14c5af",
                       "KVM: x86/mmu: Zap SPTEs when CR0.CD is toggled iff guest MTRRs are honored", ("zap_cd",)),
                Commit("a1596812cce1", "KVM: x86/mmu: Zap SPTEs on MTRR update iff guest MTRRs are honored",
                       ("zap_mtrr",)),
                Commit("539c103e2a13",
                       "KVM: x86/mmu: Zap KVM TDP when noncoherent DMA assignment starts/stops", ("zap_nc",)),
                Commit("10ed442fefdd",
                       "KVM: VMX: drop IPAT in memtype when CD=1 for KVM_X86_QUIRK_CD_NW_CLEARED", ("cd_quirk_on",)),
            ),
        ),
        Profile(
            "kvm-6.11", "6.11 to 6.15", (6, 11), **_KVM_6_11,
            changes=(
                Commit("0a7b73559b39", "KVM: x86: Remove VMX support for virtualizing guest MTRR memtypes",
                       ("mtrr_engine", "honors_guest_mtrr", "huge_page_check", "zap_mtrr", "extended_mask")),
                Commit("e1548088ff54", "KVM: VMX: Drop support for forcing UC memory when guest CR0.CD=1",
                       ("cd_quirk_on", "cd_quirk_off", "zap_cd")),
                Commit("9d70f3fec144",
                       'Revert "KVM: VMX: Always honor guest PAT on CPUs that support self-snoop"'),
            ),
        ),
        Profile(
            "kvm-6.11-rc", "6.11-rc1 to 6.11-rc7", (6, 11), **_KVM_6_11_RC,
            changes=(
                Commit("377b2f359d1f", "KVM: VMX: Always honor guest PAT on CPUs that support self-snoop",
                       ("coherent_ipat", "zap_nc")),
            ),
            notes=("never in a final release; the reverted code was deduced from its series, not read",),
        ),
        Profile(
            "kvm-6.16", "6.16 to 7.1", (6, 16), **_KVM_6_16,
            changes=(
                Commit("c9c1e20b4c7d",
                       "KVM: x86: Introduce Intel specific quirk KVM_X86_QUIRK_IGNORE_GUEST_PAT",
                       ("coherent_ipat", "zap_nc", "quirks")),
                Commit("3fee4837ef40", "KVM: x86: remove shadow_memtype_mask", ("has_memtype_mask",)),
                Commit("90fe64a94d54", "KVM: TDX: Always honor guest PAT on TDX enabled guests", ("tdx",)),
                Commit("6.16", "disabling quirks adds up, within what is supported (6.14 against 6.16)",
                       ("quirk_semantics",)),
            ),
        ),
        Profile(
            "kvm-7.2", "7.2 and later", (7, 2), **_KVM_7_2,
            changes=(
                Commit("20260407, v8", "series: own gPAT for L2, KVM_X86_QUIRK_NESTED_SVM_SHARED_PAT",
                       ("nested_svm_pat", "quirks")),
                Commit("7.2", "the check of self-snoop is gone from tdx.c (7.0 against 7.2)", ("tdx",)),
            ),
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refinement:
    """Inside a span, from a release on: knobs that change, and why."""

    profile: str
    since: tuple[int, int]
    knobs: dict[str, Any]
    commit: Commit
    unsure: tuple[tuple[int, int], tuple[int, int]] | None = None  # releases for which it is not known


REFINEMENTS: Final = (
    Refinement("kvm-3.13", (3, 19), {"pat_checked": "always"},
               Commit("4566654bb9be", "KVM: vmx: Inject #GP on invalid PAT CR"), ((3, 14), (3, 18))),
    Refinement("kvm-3.13", (3, 19), {"variable_check": "full", "double_fault": True},
               Commit("3.19", "reserved bits of variable ranges are checked (3.13 against 3.19)"), ((3, 14), (3, 18))),
    Refinement("kvm-4.4", (4, 14), {"g_pat_follows": True},
               Commit("15038e147247", "KVM: SVM: obey guest PAT"), ((4, 14), (4, 14))),
    Refinement("kvm-4.4", (4, 15), {"mmio_host_pat": True},
               Commit("4.15", "host PAT clause in kvm_is_mmio_pfn() (4.4 against 4.15)"), ((4, 5), (4, 14))),
    Refinement("kvm-4.4", (5, 4), {"mmio_e820": True},
               Commit("5.4", "E820 clause in kvm_is_mmio_pfn() (4.15 against 5.4)"), ((4, 16), (5, 3))),
    Refinement("kvm-4.4", (5, 11), {"double_fault": False},
               Commit("5.11", "the MTRR validator only returns false (5.10 against 5.11)")),
    Refinement("kvm-4.4", (5, 19), {"warns_inverted_zap": True},
               Commit("5.19", "kvm_zap_gfn_range() warns on end <= start (5.15 against 5.19)"), ((5, 16), (5, 18))),
    Refinement("kvm-6.0", (6, 5), {"msr_dispatch": "narrow"},
               Commit("34a83deac31c", "KVM: x86: Use MTRR macros to define possible MTRR MSR ranges")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backport:
    """From update `since` of a vendor's series on: another profile, or other knobs of its own one."""

    vendor: str
    series: tuple[int, int]
    since: int
    profile: str | None
    knobs: dict[str, Any]
    source: str


BACKPORTS: Final = (
    Backport("stable", (6, 12), 78, "kvm-6.16", {"has_memtype_mask": True, "tdx": ""},
             "6.12.78 took c9c1e20b4c7d; shadow_memtype_mask still gates it, which nobody can observe"),
    Backport("ubuntu", (6, 8), 136, "kvm-6.16", {"has_memtype_mask": True, "tdx": ""},
             "Ubuntu 6.8.0-136.136 took c9c1e20b4c7d, 0a7b73559b39 and e1548088ff54"),
    Backport("stable", (4, 4), 262, None, {"g_pat_follows": True},
             "4.4.262 has 15038e147247; an earlier 4.4.y may have it too"),
)  # fmt: skip

NOT_READ: Final = frozenset({(6, 0), (6, 3), (6, 7), (6, 10), (6, 13), (6, 15)})  # bracketed by their neighbours
FIRST_READ: Final = (3, 13)
NEWEST_READ: Final = (7, 3)
LAST_MINOR: Final = {3: 19, 4: 20, 5: 19, 6: 19}  # 3.19 was followed by 4.0, and so on
NOT_MODELLED: Final = {
    (4, 2): "4.2 to 4.3 are not modelled: their new MTRR code looks fixed ranges up the wrong way round and gives the "
    "default type while MTRRs are disabled (fixed by 10dc331ff5e7 and in 4.4); ask for 4.1 or 4.4",
}
NOT_MODELLED[(4, 3)] = NOT_MODELLED[(4, 2)]

RULES: Final = {
    rule.id: rule
    for rule in (
        # --- the leaf (vmx_get_mt_mask and its kin) ---
        Rule("kvm-leaf-mmio", "host MMIO: UC, the guest's PAT applies", "vmx_get_mt_mask(), every release"),
        Rule("kvm-leaf-coherent-always", "no non-coherent DMA: WB with IPAT = 1, the guest's PAT is ignored",
             "vmx_get_mt_mask(), 3.13 to 6.15"),
        Rule("kvm-leaf-coherent-quirk", "no non-coherent DMA: WB, with IPAT = 1 while IGNORE_GUEST_PAT is in force",
             "commit c9c1e20b4c7d, 6.16"),
        Rule("kvm-leaf-coherent-no-self-snoop", "no non-coherent DMA: WB, with IPAT = 1 only without self-snoop",
             "commit 377b2f359d1f, 6.11-rc1 to rc7"),
        Rule("kvm-leaf-mtrr", "non-coherent DMA: the guest's MTRR type, its PAT applies",
             "vmx_get_mt_mask(), 3.13 to 6.10"),
        Rule("kvm-leaf-cd-on", "CR0.CD = 1, non-coherent DMA, quirk CD_NW_CLEARED in force: WB",
             "commit fb279950ba02, 4.4 (IPAT = 1); commit 10ed442fefdd, 6.7 (IPAT = 0)"),
        Rule("kvm-leaf-cd-off", "CR0.CD = 1, non-coherent DMA, quirk CD_NW_CLEARED disabled: UC with IPAT = 1",
             "commit b18d5431acc7, 4.4 to 6.10"),
        Rule("kvm-leaf-wb", "non-coherent DMA: WB, the guest's PAT applies, its MTRRs do not",
             "commit 0a7b73559b39, 6.11"),
        Rule("kvm-leaf-npt", "nested paging: PAT entry 0 of the host, WB; hardware applies the guest's PAT",
             "svm_get_mt_mask() returns 0 or is not there, every release"),
        Rule("kvm-leaf-shadow", "shadow paging: shadow_memtype_mask is 0, PAT entry 0 decides every page",
             "commit 38bf9d7bf277, 6.0; no call without TDP before"),
        # --- why a PAT write changes no leaf ---
        Rule("kvm-pat-ept", "EPT bits 5:3 replace only the guest's MTRRs; the CPU applies GUEST_IA32_PAT",
             "SDM 3C 29.3.7; LKML 2023-05-05 (Huang)"),
        Rule("kvm-pat-ipat", "IPAT = 1: the guest's PAT is ignored, whatever it holds", "SDM 3C 29.3.7"),
        Rule("kvm-pat-npt", "nested paging: the CPU applies the PAT in VMCB g_pat, the leaf has no part in it",
             "APM 2 15.25.8"),
        Rule("kvm-pat-shadow", "shadow_memtype_mask is 0: a shadow leaf holds no PAT bits",
             "commit 38bf9d7bf277, 6.0; LKML 2023-05-05 (Huang)"),
        # --- zaps ---
        Rule("kvm-zap-pat", "a PAT write never zaps",
             "update_mtrr() skips MSR 0x277, 4.4 to 6.4; commit bc7fe2f0b751, 6.5"),
        Rule("kvm-zap-mtrr-root-reset", "an MTRR write resets the MMU root only, old leaves persist",
             "set_msr_mtrr(), 3.13 to 4.1"),
        Rule("kvm-zap-mtrr-tdp+nc", "an MTRR write zaps its range with TDP and non-coherent DMA",
             "update_mtrr(), 4.4 to 6.6"),
        Rule("kvm-zap-mtrr-ept+nc", "an MTRR write zaps its range with EPT and non-coherent DMA",
             "commit a1596812cce1, 6.7"),
        Rule("kvm-zap-mtrr-removed", "an MTRR write is plain storage, it zaps nothing", "commit 0a7b73559b39, 6.11"),
        Rule("kvm-zap-inverted", "the mask was never written: the range wraps to gfn 0, nothing is zapped",
             "update_mtrr(), 4.4 to 6.10; a WARN since 5.19"),
        Rule("kvm-zap-cd-context-reset", "a CR0.CD toggle resets the MMU context only, old leaves persist",
             "kvm_set_cr0(), 3.13 to 4.1"),
        Rule("kvm-zap-cd-nc+quirk-off", "a CR0.CD toggle zaps all with non-coherent DMA and CD_NW_CLEARED disabled",
             "commit 879ae1880449, 4.4 to 6.6"),
        Rule("kvm-zap-cd-ept+nc+quirk-off",
             "a CR0.CD toggle zaps all with EPT, non-coherent DMA and CD_NW_CLEARED disabled",
             "commit c0ad4a14c5af, 6.7"),
        Rule("kvm-zap-cd-removed", "a CR0.CD toggle zaps nothing", "commit e1548088ff54, 6.11"),
        Rule("kvm-zap-nc-no", "the first and the last non-coherent device zap nothing, old leaves persist",
             "kvm_arch_register_noncoherent_dma(), 3.13 to 6.6"),
        Rule("kvm-zap-nc-ept", "the first and the last non-coherent device zap all with EPT",
             "commit 539c103e2a13, 6.7"),
        Rule("kvm-zap-nc-ept+no-self-snoop",
             "the first and the last non-coherent device zap all with EPT and no self-snoop",
             "commit 377b2f359d1f, 6.11-rc1 to rc7"),
        Rule("kvm-zap-nc-quirk",
             "the first and the last non-coherent device zap all while IGNORE_GUEST_PAT is in force",
             "commit c9c1e20b4c7d, 6.16"),
        Rule("kvm-zap-nc-count", "only the first and the last non-coherent device matter",
             "kvm_arch_register_noncoherent_dma(), every release"),
        Rule("kvm-zap-quirk", "disabling a quirk zaps nothing", "KVM_CAP_DISABLE_QUIRKS, every release"),
        Rule("kvm-ignored", "ignore_msrs is set: a write of an unknown MSR is dropped",
             "module parameter ignore_msrs, every release"),
        Rule("kvm-refused", "a refused write changes nothing", "kvm_set_msr_common(), every release"),
    )
}  # fmt: skip
