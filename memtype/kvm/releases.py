"""From a release's name to the record of what it does: ``profile("ubuntu 6.8.0-140")``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from memtype.arguments import shown
from memtype.errors import InputError
from memtype.kvm import history, policies
from memtype.kvm.history import CANDIDATES, HISTORY, OVERLAYS, Fixed, Group, Overlay, Release

_NAME = re.compile(
    r"(?:(?P<word>linux|kvm|v|stable|debian|ubuntu)[ -]?)?"
    r"(?P<major>\d+)\.(?P<minor>\d+)(?:\.(?P<patch>\d+))?"
    r"(?:-(?P<rest>[\w+~][\w.+~-]*))?(?:\+[\w.+~-]*)?",
    re.IGNORECASE,
)
_UBUNTU_FLAVOUR = re.compile(
    r"(\d+)(?:\.[\d.]+)?(?:~[\w.]+)?(?:[-+.](?:generic|lowlatency|aws|azure|gcp|oracle|oem|kvm|virtual)[\w-]*)?"
)
_FLAVOURS_FROM = 1000  # Ubuntu's aws, azure, gcp, ... begin at 1001; generic and lowlatency stay far below
_RHEL_OR_SLES = re.compile(r"\.el\d|\.fc\d|-default|\.amzn", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one release behaves: every knob of `history.HISTORY`, resolved.

    Raises
    ------
    InputError
        For a policy that is none: ``dataclasses.replace(profile("6.4"), zap_mtrr="tdp-nc")``.

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
    zap_mtrr, zap_cd, zap_nc : the condition for zapping (`policies`), a rule behind "kvm-zap-…-"
    warns_inverted_zap : a zap range that ends before it begins is a WARN
    g_pat_follows : AMD: a guest's PAT write reaches VMCB g_pat
    vmcb_copies_pat : AMD: initialising a VMCB copies the vCPU's PAT into g_pat
    cd_reaches_vmcb : AMD: with CD_NW_CLEARED disabled CR0.CD is set in hardware too
    nested_svm_pat : "shared" (L2 runs on L1's PAT) or "quirk" (NESTED_SVM_SHARED_PAT decides)
    host_pat_check : KVM does not load unless host PAT entry 0 is WB
    disable_quirks, disable_quirks2 : the capabilities KVM_CAP_DISABLE_QUIRKS and KVM_CAP_DISABLE_QUIRKS2
    quirk_semantics : disabling quirks "assign"s the set, or "or"s in what is supported
    quirks : the quirks about memory types that the release knows
    pat_checked : "vmx-unchecked" where VMX takes any PAT value, else "always"
    variable_check : "type" (only bits 7:0, masks too) or "full"
    double_fault : a reserved bit in a variable range raises #GP inside the validator and again in the caller
    msr_dispatch : which indexes reach the MTRR code: "wide" 0x200-0x2ff, "hole" without 0x280-0x29f, "narrow"
        0x200-0x26f and 0x2ff
    msr_2f8 : MSR 0x2f8 is taken as a variable range (a WARN up to 4.1, then a write outside the array)
    extended_mask : PHYSMASK is stored with bits 63:MAXPHYADDR set
    initial_pat : "host" (Intel) or "reset"
    has_memtype_mask : the release has the variable shadow_memtype_mask
    mmio_zero_page, mmio_host_pat, mmio_e820 : clauses of the host-MMIO test
    sev_es, sev_snp, tdx : whether such guests exist; TDX only on hosts that have self-snoop
    nested_vmx_checks_pat : an invalid PAT in vmcs12 fails the entry when its control is set
    notes : what is interpolated or not known
    """

    name: str
    span: str
    first: Release
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
    vmcb_copies_pat: bool
    cd_reaches_vmcb: bool
    nested_svm_pat: str
    host_pat_check: bool
    disable_quirks: bool
    disable_quirks2: bool
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
    sev_es: bool
    sev_snp: bool
    nested_vmx_checks_pat: bool
    tdx: bool
    notes: tuple[str, ...] = field(default=(), compare=False)
    release: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for knob, names in policies.NAMES.items():
            if getattr(self, knob) not in names:
                raise InputError(f"{knob} {getattr(self, knob)!r} is no policy ({', '.join(sorted(names))})")

    def __repr__(self) -> str:
        return f"profile({self.release or self.name!r})"

    def __str__(self) -> str:
        vendor = "Linux " if self.release[:1].isdigit() else ""
        return f"{vendor}{self.release} ({self.name})" if self.release else self.name


def profile(name: str | Profile) -> Profile:
    """What that release of KVM does.

    Takes ``"6.4"``, ``"6.12.80"``, ``"v6.11-rc3"``, ``"ubuntu 6.8.0-140"``, ``"6.8.0-140-generic"``, ``"kvm-6.7"``.

    Raises
    ------
    InputError
        For a release that is not modelled, with the reason, and for a name that is none.

    Examples
    --------
    >>> profile("6.4").name, profile("6.12.80").name, profile("ubuntu 6.8.0-140").name
    ('kvm-6.0', 'kvm-6.16', 'kvm-6.16')
    """
    if isinstance(name, Profile):
        return name
    if not isinstance(name, str):
        raise _no_name(name)
    return _profile(name)


def _no_name(name: object) -> InputError:
    return InputError(f"{shown(name)} names no KVM release (6.4, 6.12.80, 6.11-rc3, ubuntu 6.8.0-140, kvm-6.7)")


@lru_cache(maxsize=512)
def _profile(name: str) -> Profile:
    found = _NAME.fullmatch(name.strip())
    if found is None:
        raise _no_name(name)
    word = (found["word"] or "").lower()
    rest = found["rest"] or ""
    release = int(found["major"]), int(found["minor"])
    if rest.lower() == "rc" or (word == "kvm" and rest and not rest.lower().startswith("rc")):
        if (release, rest.lower()) != (CANDIDATES.first, "rc"):
            raise InputError(f"{name!r:.60} names no KVM release: which release candidate?")
        return _resolve(release, "candidate", 0, "6.11-rc")
    if _RHEL_OR_SLES.search(name):
        raise InputError(f"{name}: what this vendor took over early is not known; ask for an upstream release")
    candidate = re.match(r"rc(\d+)(?![\w.])", rest.lower())
    if candidate and not int(found["patch"] or 0):  # 6.12.78-rc1 has what 6.12.78 got
        return _candidate(release, int(candidate[1]))
    update = _ubuntu_update(word, found["patch"], rest)
    if update is not None:
        return _ubuntu(release, update)
    text = f"{release[0]}.{release[1]}" + (f".{found['patch']}" if found["patch"] is not None else "")
    return _resolve(release, "stable", int(found["patch"] or 0), text)


def _ubuntu_update(word: str, patch: str | None, rest: str) -> int | None:
    """The update number of an Ubuntu kernel: its name says ubuntu, or ends like ``-140-generic``."""
    found = _UBUNTU_FLAVOUR.fullmatch(rest) if rest else None
    if word == "ubuntu":
        if found is None:
            raise InputError("an Ubuntu kernel is named as in 'ubuntu 6.8.0-140'")
        return int(found[1])
    if found is None or patch != "0" or word in ("debian", "stable"):
        return None
    if not re.search("[a-z]", rest):
        raise InputError(f"-{rest} is a vendor's update: say 'ubuntu ...-{rest}', or leave it away for upstream's")
    return int(found[1])


def _ubuntu(release: Release, update: int) -> Profile:
    text = f"Ubuntu {release[0]}.{release[1]}.0-{update}"
    if update >= _FLAVOURS_FROM and _overlays("ubuntu", release, _FLAVOURS_FROM):
        raise InputError(f"{text}: cloud kernels count their updates apart; name the generic kernel instead")
    return _resolve(release, "ubuntu", update, text)


def _candidate(release: Release, number: int) -> Profile:
    text = f"{release[0]}.{release[1]}-rc{number}"
    if release == CANDIDATES.first and not 1 <= number <= 7:
        raise InputError(f"there was no {text}; 6.11 had rc1 to rc7")
    if release == (4, 4):
        raise InputError(f"{text} is not modelled: the last fix of the new MTRR code came during 4.4-rc; ask for 4.4")
    return _resolve(release, "candidate", number, text)  # features arrive before rc1


def _overlays(vendor: str, release: Release, update: int) -> list[Overlay]:
    return [o for o in OVERLAYS if (o.vendor, o.series) == (vendor, release) and update >= o.since]


def _resolve(release: Release, vendor: str, update: int, text: str) -> Profile:
    """Every knob by the table's rule, then what the vendor has beside it."""
    _refuse(release, text)
    asked = (*release, update) if vendor == "stable" else release
    rows = {knob: history.row(knob, asked) for knob in HISTORY}
    knobs = {knob: found.value for knob, found in rows.items()}
    over = _overlays(vendor, release, update)
    for overlay in over:
        knobs |= overlay.knobs
    group = _group(release, over)
    notes = [*_doubts(asked, text, over), *(overlay.note for overlay in over), *_not_read(release, vendor, text)]
    return Profile(group.name, group.span, group.first, notes=tuple(notes), release=text, **knobs)


def _group(release: Release, over: list[Overlay]) -> Group:
    named = [overlay.group for overlay in over if overlay.group]
    if named == [CANDIDATES.name]:
        return CANDIDATES
    return next(g for g in reversed(history.GROUPS) if (g.name in named if named else g.first <= release))


def _doubts(asked: Release, text: str, over: list[Overlay]) -> list[str]:
    """The changes of which it is not known whether the release has them already."""
    if any(overlay.group for overlay in over):
        return []
    unsure = [
        found.commit
        for rows in HISTORY.values()
        for found in rows
        if found.unsure and found.unsure <= asked < found.release
    ]
    return [f"whether {text} has this is not known for certain: {commit}" for commit in dict.fromkeys(unsure)]


def _not_read(release: Release, vendor: str, text: str) -> list[str]:
    notes = []
    if release in history.NOT_READ:
        notes.append(f"{text} was not read: taken to behave like its neighbours")
    if release > history.NEWEST_READ:
        notes.append(f"{text} is newer than the newest release read: taken to behave like {NEWEST}")
    if vendor == "ubuntu" and not _overlays("ubuntu", release, _FLAVOURS_FROM):
        notes.append("what Ubuntu took over early in this series is not known: taken as the upstream release")
    return notes


def _refuse(release: Release, text: str) -> None:
    if release < history.FIRST_READ:
        raise InputError(f"{text} is not modelled: the oldest release read is 3.13")
    last = history.LAST_MINOR.get(release[0], release[1])
    if release[1] > last:
        raise InputError(f"there is no Linux {release[0]}.{release[1]}: {release[0]}.{last} was the last")
    if release in history.NOT_MODELLED:
        raise InputError(f"{text}: {history.NOT_MODELLED[release]}")


def _first_of(group: Group) -> Profile:
    """The group's first release, by the group's name."""
    vendor = "candidate" if group is CANDIDATES else "stable"
    return replace(_resolve(group.first, vendor, 0, ""), notes=(), release="")


NEWEST: Final = ".".join(map(str, history.NEWEST_READ))
PROFILES: Final = {
    group.name: _first_of(group)
    for group in sorted({*history.GROUPS, CANDIDATES}, key=lambda group: (group.first, group.name))
}
