"""From a release's name to the record of what it does: ``profile("ubuntu 6.8.0-140")``."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from memtype.errors import InputError
from memtype.kvm import profiles
from memtype.kvm.profiles import Profile

_NAME = re.compile(
    r"(?:(?P<word>linux|kvm|v|stable|debian|ubuntu)[ -]?)?"
    r"(?P<major>\d+)\.(?P<minor>\d+)(?:\.(?P<patch>\d+))?"
    r"(?:-(?P<rest>[\w+~][\w.+~-]*))?(?:\+[\w.+~-]*)?",
    re.IGNORECASE,
)
_UBUNTU_FLAVOUR = re.compile(
    r"(\d+)(?:\.[\d.]+)?(?:~[\w.]+)?(?:[-+.](?:generic|lowlatency|aws|azure|gcp|oracle|oem|kvm|virtual)\w*)?"
)
_FLAVOURS_FROM = 1000  # Ubuntu's aws, azure, gcp, ... begin at 1001; generic and lowlatency stay far below
_RHEL_OR_SLES = re.compile(r"\.el\d|\.fc\d|-default|\.amzn", re.IGNORECASE)


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
    found = _NAME.fullmatch(name.strip()) if isinstance(name, str) else None
    if found is None:
        raise InputError(f"{name!r} names no KVM release (6.4, 6.12.80, 6.11-rc3, ubuntu 6.8.0-140, kvm-6.7)")
    word = (found["word"] or "").lower()
    rest = found["rest"] or ""
    release = int(found["major"]), int(found["minor"])
    if rest.lower() == "rc" or (word == "kvm" and rest and not rest.lower().startswith("rc")):
        if (release, rest.lower()) != ((6, 11), "rc"):
            raise InputError(f"{name!r} names no KVM release: which release candidate?")
        return _named(profiles.PROFILES["kvm-6.11-rc"], "6.11-rc")
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


def _ubuntu(release: tuple[int, int], update: int) -> Profile:
    text = f"Ubuntu {release[0]}.{release[1]}.0-{update}"
    if update >= _FLAVOURS_FROM and ("ubuntu", release) in {(port.vendor, port.series) for port in profiles.BACKPORTS}:
        raise InputError(f"{text}: cloud kernels count their updates apart; name the generic kernel instead")
    return _resolve(release, "ubuntu", update, text)


def _candidate(release: tuple[int, int], number: int) -> Profile:
    text = f"{release[0]}.{release[1]}-rc{number}"
    if release == (6, 11):
        if not 1 <= number <= 7:
            raise InputError(f"there was no {text}; 6.11 had rc1 to rc7")
        return _named(profiles.PROFILES["kvm-6.11-rc"], text)
    if release == (4, 4):
        raise InputError(f"{text} is not modelled: the last fix of the new MTRR code came during 4.4-rc; ask for 4.4")
    return _resolve(release, "stable", 0, text)  # features arrive before rc1


def _resolve(release: tuple[int, int], vendor: str, update: int, text: str) -> Profile:
    _refuse(release, text)
    base = [p for p in profiles.PROFILES.values() if p.name != "kvm-6.11-rc" and p.first <= release][-1]
    knobs: dict[str, Any] = {}
    notes: list[str] = []
    for row in profiles.REFINEMENTS:
        if row.profile != base.name:
            continue
        if row.since <= release:
            knobs |= row.knobs
        if row.unsure and row.unsure[0] <= release <= row.unsure[1]:
            notes.append(f"whether {text} has this is not known for certain: {row.commit}")
    for port in profiles.BACKPORTS:
        if (port.vendor, port.series) == (vendor, release) and update >= port.since:
            if port.profile:
                base, knobs, notes = profiles.PROFILES[port.profile], {}, []
            knobs |= port.knobs
            notes.append(port.source)
    if release in profiles.NOT_READ:
        notes.append(f"{text} was not read: taken to behave like its neighbours")
    if release > profiles.NEWEST_READ:
        newest = ".".join(map(str, profiles.NEWEST_READ))
        notes.append(f"{text} is newer than the newest release read: taken to behave like {newest}")
    if vendor == "ubuntu" and ("ubuntu", release) not in {(port.vendor, port.series) for port in profiles.BACKPORTS}:
        notes.append("what Ubuntu took over early in this series is not known: taken as the upstream release")
    return dataclasses.replace(base, release=text, notes=(*base.notes, *notes), **knobs)


def _refuse(release: tuple[int, int], text: str) -> None:
    if release < profiles.FIRST_READ:
        raise InputError(f"{text} is not modelled: the oldest release read is 3.13")
    last = profiles.LAST_MINOR.get(release[0], release[1])
    if release[1] > last:
        raise InputError(f"there is no Linux {release[0]}.{release[1]}: {release[0]}.{last} was the last")
    if release in profiles.NOT_MODELLED:
        raise InputError(f"{text}: {profiles.NOT_MODELLED[release]}")


def _named(found: Profile, release: str) -> Profile:
    return dataclasses.replace(found, release=release)
