"""Double entry: when each knob of KVM changes, once more, as the releases were read - and what a vendor took over."""

from __future__ import annotations

from typing import Any

import memtype as mt
from memtype.kvm import history, profile

# A knob, what the oldest release does, then "release value" for each change; "release? " from where on it may be there.
TOLD = """
    mtrr_engine: legacy, 4.4 list, 6.11 none
    honors_guest_mtrr: yes, 6.11 no
    cd_quirk_on: -, 4.4 WB+IPAT, 6.7 WB, 6.11 -
    cd_quirk_off: -, 4.4 UC+IPAT, 6.11 -
    coherent_ipat: always, 6.16 quirk
    huge_page_check: no!, 4.4 tdp, 6.0 ept+nc, 6.11 no!
    zap_mtrr: root-reset, 4.4 tdp+nc, 6.7 ept+nc, 6.11 removed
    zap_cd: context-reset, 4.4 nc+quirk-off, 6.7 ept+nc+quirk-off, 6.11 removed
    zap_nc: no!, 6.7 ept, 6.16 quirk
    warns_inverted_zap: no, 5.16? 5.17 yes
    g_pat_follows: no, 4.14.3? 4.14.5 yes
    vmcb_copies_pat: no, 4.4 yes, 4.14.3? 4.14.5 no
    cd_reaches_vmcb: no, 4.4 yes
    nested_svm_pat: shared, 7.2 quirk
    host_pat_check: no, 6.0 yes
    disable_quirks: no, 4.2 yes
    disable_quirks2: no, 5.18? 5.19 yes
    quirk_semantics: none, 4.4 assign, 6.16 or
    quirks: {}, 4.4 {1}, 6.16 {1 9}, 7.2 {1 9 11}
    pat_checked: vmx-unchecked, 3.18 always
    variable_check: type, 3.14? 3.18 full
    double_fault: no, 3.18 yes, 5.11 no
    msr_dispatch: wide, 6.0 hole, 6.5 narrow
    msr_2f8: yes, 4.6.1 no
    extended_mask: no, 4.4 yes, 6.11 no
    initial_pat: host, 4.4 reset
    has_memtype_mask: no, 6.0 yes, 6.16 no
    mmio_zero_page: no, 4.4 yes
    mmio_host_pat: no, 4.16 yes
    mmio_e820: no, 5.1? 5.2 yes
    sev_es: no, 5.11 yes
    sev_snp: no, 6.9? 6.11 yes
    nested_vmx_checks_pat: no, 5.1? 5.2 yes
    tdx: no, 6.16 yes
"""
QUIRK_BITS = {"CD_NW_CLEARED": 1, "IGNORE_GUEST_PAT": 9, "NESTED_SVM_SHARED_PAT": 11}


def said(value: Any) -> str:
    """A value as the text above has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return "{" + " ".join(str(bit) for name, bit in QUIRK_BITS.items() if name in value) + "}"
    if isinstance(value, history.Fixed):
        return f"{mt.MemoryType(value.type)}{'+IPAT' if value.ipat else ''}"
    return {None: "-", "no": "no!"}.get(value, value)


def release(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def test_every_knob_changes_when_the_releases_that_were_read_say() -> None:
    lines = {}
    for knob, (oldest, *rows) in history.HISTORY.items():
        doubts = [f"{release(row.unsure)}? " if row.unsure else "" for row in rows]
        changes = [f"{doubt}{release(row.release)} {said(row.value)}" for doubt, row in zip(doubts, rows)]
        assert oldest.release == (3, 13) and not oldest.unsure
        lines[knob] = ", ".join([said(oldest.value), *changes])
    told = dict(line.strip().split(": ") for line in TOLD.strip().splitlines())
    assert lines == told
    assert {name: 1 << bit for name, bit in QUIRK_BITS.items()} == history.QUIRK_BITS


def differing(one: str, other: str) -> dict[str, str]:
    """The knobs of `other` that `one` does not have."""
    first, second = profile(one), profile(other)
    return {knob: said(getattr(second, knob)) for knob in history.HISTORY
            if getattr(first, knob) != getattr(second, knob)}  # fmt: skip


def test_what_a_stable_series_or_a_vendor_took_over() -> None:
    pat_quirk = {"coherent_ipat": "quirk", "zap_nc": "quirk", "quirks": "{1 9}", "quirk_semantics": "or"}
    assert differing("6.12.77", "6.12.78") == pat_quirk
    no_mtrrs = {"mtrr_engine": "none", "honors_guest_mtrr": "no", "huge_page_check": "no!", "zap_mtrr": "removed",
                "extended_mask": "no", "cd_quirk_on": "-", "cd_quirk_off": "-", "zap_cd": "removed"}  # fmt: skip
    assert differing("ubuntu 6.8.0-135", "ubuntu 6.8.0-136") == pat_quirk | no_mtrrs
    assert differing("4.4.11", "4.4.12") == differing("4.5.5", "4.5.6") == {"msr_2f8": "no"}
    assert differing("4.4.261", "4.4.262") == {"g_pat_follows": "yes", "vmcb_copies_pat": "no"}
    assert differing("6.11", "6.11-rc1") == {"coherent_ipat": "no-self-snoop", "zap_nc": "ept+no-self-snoop"}


def test_releases_that_decide_alike_and_which_were_read() -> None:
    spans = {found.name: (release(found.first), found.span) for found in history.GROUPS}
    assert spans == {
        "kvm-3.13": ("3.13", "3.13 to 4.1"), "kvm-4.4": ("4.4", "4.4 to 5.19"), "kvm-6.0": ("6.0", "6.0 to 6.6"),
        "kvm-6.7": ("6.7", "6.7 to 6.10"), "kvm-6.11": ("6.11", "6.11 to 6.15"), "kvm-6.16": ("6.16", "6.16 to 7.1"),
        "kvm-7.2": ("7.2", "7.2 and later"),
    }  # fmt: skip
    assert (history.CANDIDATES.name, history.CANDIDATES.first) == ("kvm-6.11-rc", (6, 11))
    assert {release(one) for one in history.NOT_READ} == {"6.0", "6.3", "6.7", "6.10", "6.13", "6.15"}
    assert (history.NEWEST_READ, history.LAST_MINOR) == ((7, 3), {3: 19, 4: 20, 5: 19, 6: 19})
    groups = {found.series: found.group for found in history.OVERLAYS if found.group}
    assert groups == {(6, 11): "kvm-6.11-rc", (6, 12): "kvm-6.16", (6, 8): "kvm-6.16"}
