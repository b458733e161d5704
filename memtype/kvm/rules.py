"""Why KVM makes a leaf, zaps or refuses, in words: the rules that `why` cites. Commits are those of `history`."""

from __future__ import annotations

from typing import Final

from memtype.kvm import history as h
from memtype.rules import Rule

# How a release's MTRR code departs from the manual, in few words, by the rule in `memtype.rules.RULES`.
DEVIATIONS: Final = {
    "overlap-kvm": "KVM 4.4 to 6.10 meets the higher base first",
    "range-kvm": "KVM 4.4 to 6.10 takes a range from its base to its last match",
    "disabled-kvm": "KVM 3.13 to 4.1 gives WB while E = FE = 0, and looks registers up while E = 0, FE = 1",
    "low-kvm": "KVM 3.13 to 4.1 uses the fixed ranges whatever FE says",
}

KVM_RULES: Final = {
    rule.id: rule
    for rule in (
        # --- the leaf (vmx_get_mt_mask and its kin) ---
        Rule("kvm-leaf-mmio", "host MMIO: UC, the guest's PAT applies", "vmx_get_mt_mask(), every release"),
        Rule("kvm-leaf-coherent-always", "no non-coherent DMA: WB with IPAT = 1, the guest's PAT is ignored",
             "vmx_get_mt_mask(), 3.13 to 6.15"),
        Rule("kvm-leaf-coherent-quirk", "no non-coherent DMA: WB, with IPAT = 1 while IGNORE_GUEST_PAT is in force",
             f"commit {h.PAT_QUIRK.id}, 6.16"),
        Rule("kvm-leaf-coherent-no-self-snoop", "no non-coherent DMA: WB, with IPAT = 1 only without self-snoop",
             f"commit {h.SELF_SNOOP_PAT.id}, 6.11-rc1 to rc7"),
        Rule("kvm-leaf-mtrr", "non-coherent DMA: the guest's MTRR type, its PAT applies",
             "vmx_get_mt_mask(), 3.13 to 6.10"),
        Rule("kvm-leaf-cd-on", "CR0.CD = 1, non-coherent DMA, quirk CD_NW_CLEARED in force: WB",
             f"commit {h.CD_QUIRK.id}, 4.4 (IPAT = 1); commit {h.CD_WITHOUT_IPAT.id}, 6.7 (IPAT = 0)"),
        Rule("kvm-leaf-cd-off", "CR0.CD = 1, non-coherent DMA, quirk CD_NW_CLEARED disabled: UC with IPAT = 1",
             f"commit {h.CD_EMULATED.id}, 4.4 to 6.10"),
        Rule("kvm-leaf-wb", "non-coherent DMA: WB, the guest's PAT applies, its MTRRs do not",
             f"commit {h.MTRRS_REMOVED.id}, 6.11"),
        Rule("kvm-leaf-npt", "nested paging: PAT entry 0 of the host, WB; hardware applies the guest's PAT",
             "svm_get_mt_mask() returns 0 or is not there, every release"),
        Rule("kvm-leaf-shadow", "shadow paging: shadow_memtype_mask is 0, PAT entry 0 decides every page",
             f"commit {h.MEMTYPE_MASK.id}, 6.0; no call without TDP before"),
        Rule("kvm-leaf-tdx-private", "a TDX guest's private page: the TDX module maps it WB, whatever the PAT says",
             "TDX module; KVM >= 6.16 vmx/tdx.c"),
        Rule("kvm-leaf-nested-npt", "nested paging inside: L1's PWT, PCD and PAT bits are dropped, the leaf is WB",
             "make_spte(), deduced from 7.1.5"),
        # --- guests of guests ---
        Rule("kvm-nested-vmx-restored", "the VM exit loads IA32_PAT: L1 runs on vmcs12.host_ia32_pat",
             "load_vmcs12_host_state(), 4.4 to 7.1"),
        Rule("kvm-nested-vmx-kept", "the VM exit does not load IA32_PAT: L1 keeps L2's PAT",
             "load_vmcs12_host_state(), 4.4 to 7.1"),
        Rule("kvm-nested-vmx-checks", "an invalid guest or host PAT fails the entry when its control is set",
             f"commit {h.PAT_TRICK.id}, 5.2"),
        # --- why a PAT write changes no leaf ---
        Rule("kvm-pat-ept", "EPT bits 5:3 replace MTRRs; the CPU applies GUEST_IA32_PAT",
             "SDM 3C 29.3.7; LKML 2023-05-05 (Huang)"),
        Rule("kvm-pat-ipat", "IPAT = 1: the guest's PAT is ignored, whatever it holds", "SDM 3C 29.3.7"),
        Rule("kvm-pat-npt", "nested paging: the PAT in VMCB g_pat applies, not the leaf",
             "APM 2 15.25.8"),
        Rule("kvm-pat-shadow", "shadow_memtype_mask is 0: a shadow leaf holds no PAT bits",
             f"commit {h.MEMTYPE_MASK.id}, 6.0; LKML 2023-05-05 (Huang)"),
        # --- zaps ---
        Rule("kvm-zap-pat", "a PAT write never zaps",
             f"update_mtrr() skips MSR 0x277, 4.4 to 6.4; commit {h.PAT_MOVED.id}, 6.5"),
        Rule("kvm-zap-mtrr-root-reset", "an MTRR write resets the MMU root only, old leaves persist",
             "set_msr_mtrr(), 3.13 to 4.1"),
        Rule("kvm-zap-mtrr-tdp+nc", "an MTRR write zaps its range with TDP and non-coherent DMA",
             "update_mtrr(), 4.4 to 6.6"),
        Rule("kvm-zap-mtrr-ept+nc", "an MTRR write zaps its range with EPT and non-coherent DMA",
             f"commit {h.MTRR_ZAP_IFF_USED.id}, 6.7"),
        Rule("kvm-zap-mtrr-removed", "an MTRR write is plain storage, it zaps nothing",
             f"commit {h.MTRRS_REMOVED.id}, 6.11"),
        Rule("kvm-zap-inverted", "the mask was never written: the range wraps to gfn 0, nothing is zapped",
             f"update_mtrr(), 4.4 to 6.10; a WARN since 5.17 (commit {h.INVERTED_WARNS.id})"),
        Rule("kvm-zap-cd-context-reset", "a CR0.CD toggle resets the MMU context only, old leaves persist",
             "kvm_set_cr0(), 3.13 to 4.1"),
        Rule("kvm-zap-cd-nc+quirk-off", "a CR0.CD toggle zaps all with non-coherent DMA and CD_NW_CLEARED disabled",
             f"commit {h.CD_QUIRK_ZAP.id}, 4.4 to 6.6"),
        Rule("kvm-zap-cd-ept+nc+quirk-off",
             "a CR0.CD toggle zaps all with EPT, non-coherent DMA and CD_NW_CLEARED disabled",
             f"commit {h.CD_ZAP_IFF_USED.id}, 6.7"),
        Rule("kvm-zap-cd-removed", "a CR0.CD toggle zaps nothing", f"commit {h.CD_REMOVED.id}, 6.11"),
        Rule("kvm-zap-nc-no", "the first and the last non-coherent device zap nothing, old leaves persist",
             "kvm_arch_register_noncoherent_dma(), 3.13 to 6.6"),
        Rule("kvm-zap-nc-ept", "the first and the last non-coherent device zap all with EPT",
             f"commit {h.NC_ZAP.id}, 6.7"),
        Rule("kvm-zap-nc-ept+no-self-snoop",
             "the first and the last non-coherent device zap all with EPT and no self-snoop",
             f"commit {h.SELF_SNOOP_PAT.id}, 6.11-rc1 to rc7"),
        Rule("kvm-zap-nc-quirk",
             "the first and the last non-coherent device zap all while IGNORE_GUEST_PAT is in force",
             f"commit {h.PAT_QUIRK.id}, 6.16"),
        Rule("kvm-zap-nc-count", "only the first and the last non-coherent device matter",
             "kvm_arch_register_noncoherent_dma(), every release"),
        Rule("kvm-zap-quirk", "disabling a quirk zaps nothing", "KVM_CAP_DISABLE_QUIRKS, every release"),
        Rule("kvm-zap-vmcb", "a VMCB that is initialised again zaps nothing", "init_vmcb(), every release"),
        Rule("kvm-vmcb-init", "initialising a VMCB copies the vCPU's PAT into g_pat: hardware follows it from then on",
             "init_vmcb(), 4.2.8 to 4.14.2; deduced, the call sites were not traced"),
        Rule("kvm-wbinvd-executed", "non-coherent DMA: the guest's WBINVD is executed on the host",
             "kvm_emulate_wbinvd(), 3.13 to 7.1"),
        Rule("kvm-wbinvd-skipped", "no non-coherent DMA: the guest's WBINVD does nothing, honoured PAT or not; data "
             "written through UC or WC mappings is not flushed by it", "kvm_emulate_wbinvd(), 3.13 to 7.1"),
        Rule("kvm-2f8-outside", "MSR 0x2f8 is taken for pair 124 of 8: it writes outside the array (CVE-2016-3713), "
             "what that changes is not told", "mtrr.c, 4.2.8 to 4.6.0"),
        Rule("kvm-2f8-warn", "MSR 0x2f8 is taken for a variable range: a WARN, no register changes", "3.13 to 4.1"),
        Rule("kvm-quirks", "KVM_CAP_DISABLE_QUIRKS takes any set and leaves out silently what it does not support; the "
             "set replaces the one before, from 6.16 on it adds up", f"4.2; commit {h.QUIRKS_ADD_UP.id}, 6.16"),
        Rule("kvm-quirks2", "KVM_CAP_DISABLE_QUIRKS2 refuses a set with quirks that are not supported (-EINVAL), else "
             "as KVM_CAP_DISABLE_QUIRKS",
             f"5.19; what a VM supports: commits {h.QUIRKS_SUPPORTED.id} and {h.QUIRKS_INAPPLICABLE.id}, 6.16"),
        Rule("kvm-tdx-self-snoop", "TDX is enabled only on hosts with self-snoop",
             f"KVM tdx.c, 6.16 to 7.0; commit {h.TDX_BRING_UP.id}, 7.1"),
        Rule("kvm-ignored", "ignore_msrs is set: a write of an unknown MSR is dropped",
             "module parameter ignore_msrs, every release"),
        Rule("kvm-refused", "a refused write changes nothing", "kvm_set_msr_common(), every release"),
    )
}  # fmt: skip
