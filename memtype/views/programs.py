"""How each program reads the same registers: one record per view, every field a rule that `rules.RULES` cites.

The table is the whole difference between the views; `decide` and `ways` only carry it out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from memtype import arguments
from memtype.errors import InputError
from memtype.views import kvm_list


@dataclass(frozen=True, slots=True)
class Program:
    """One program's reading of the MTRRs. Fields are identifiers in `memtype.rules.RULES`.

    Attributes
    ----------
    name : what `MtrrState.view` calls it
    ranges : which addresses a pair with a misaligned base or a holey mask denotes
    overlap : what several matching pairs make
    disabled : what E = 0 gives
    low : what decides below 1 MiB
    default : what an address gets that no range matches
    tom2 : what AMD's TOP_MEM2 does
    """

    name: str
    ranges: str
    overlap: str
    disabled: str
    low: str
    default: str
    tom2: str


EXACT: Final = "mtrr-variable"

_TABLE: Final = (
    # name        ranges         overlap              disabled            low           default         tom2
    ("sdm",       EXACT,         "mtrr-undefined",    "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "mtrr-tom2"),
    ("linux-6.4", EXACT,         "overlap-linux",     "disabled-invalid", "mtrr-fixed", "mtrr-default", "tom2-forced"),
    ("linux-6.5", "range-linux", "overlap-linux",     "mtrr-disabled",    "low-linux",  "mtrr-default", "tom2-forced"),
    ("linux-forced", "range-none", "overlap-none",    "disabled-ignored", "low-none",   "default-wb",   "tom2-none"),
    ("proc",      "range-proc",  "overlap-linux",     "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "tom2-forced"),
    ("kvm-4.1",   EXACT,         "overlap-linux",     "disabled-kvm",     "low-kvm",    "mtrr-default", "tom2-none"),
    ("kvm-6.10",  "range-kvm",   "overlap-kvm",       "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "tom2-none"),
    ("kvm-6.11",  "range-none",  "overlap-none",      "disabled-ignored", "low-none",   "default-wb",   "tom2-none"),
    ("xen",       EXACT,         "overlap-xen",       "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "tom2-none"),
    ("bochs",     EXACT,         "overlap-bochs",     "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "tom2-none"),
    ("edk2",      "range-edk2",  "overlap-edk2",      "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "tom2-none"),
    ("edk2-dump", "range-edk2",  "overlap-edk2-dump", "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "tom2-none"),
    ("patina",    "range-edk2",  "overlap-patina",    "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "tom2-none"),
    ("bitvisor",  EXACT,         "overlap-bitvisor",  "mtrr-disabled",    "mtrr-fixed", "mtrr-default", "mtrr-tom2"),
    ("jonomango", EXACT,         "overlap-min",       "mtrr-disabled",    "low-uc",     "mtrr-default", "tom2-none"),
    ("hvpp",      "range-hvpp",  "overlap-hvpp",      "disabled-ignored", "mtrr-fixed", "mtrr-default", "tom2-none"),
    ("acrn",      "range-none",  "overlap-none",      "disabled-acrn",    "low-acrn",   "default-wb",   "tom2-none"),
)  # fmt: skip

PROGRAMS: Final = {row[0]: Program(*row) for row in _TABLE}

_ALIASES: Final = {
    "min": "jonomango",
    "linux-proc": "proc",
    "linux": "linux-6.5",
    "linux-snp": "linux-forced",  # guests of SNP and TDX from 6.15 on, of Hyper-V from 6.6 on: no register is looked at
    "linux-tdx": "linux-forced",
    "kvm": "kvm-6.10",
}

LINUX_MAP_SINCE: Final = (6, 5)  # the release whose lookups walk a map built once
KVM_LEGACY: Final = (3, 13), (4, 1)  # first and last release of each engine
KVM_LIST: Final = (4, 4), (6, 10)


def names() -> tuple[str, ...]:
    """Every name that `MtrrState.view` takes, aliases included; releases of Linux and KVM beside them."""
    return (*PROGRAMS, *_ALIASES)


def program(name: str) -> Program:
    """The record behind a name; ``linux-6.12`` and ``kvm-5.15`` resolve to the releases that behave alike.

    Raises
    ------
    InputError
        For an unknown name, and for a KVM release whose behaviour is not known.
    """
    if not isinstance(name, str):
        raise InputError(f"view {arguments.shown(name)} is not a name")
    word = name.strip().lower().replace("_", "-")
    word = _ALIASES.get(word, word)
    if word in PROGRAMS:
        return PROGRAMS[word]
    release = re.fullmatch(r"(linux|kvm)-v?(\d+)\.(\d+)(?:[.+-].*)?", word)
    if not release:
        raise InputError(f"no view is named {arguments.shown(name)}; one of {', '.join(names())}, linux-X.Y, kvm-X.Y")
    number = int(release[2]), int(release[3])
    return PROGRAMS[_linux_era(number) if release[1] == "linux" else _kvm_engine(number)]


def _linux_era(release: tuple[int, int]) -> str:
    return "linux-6.5" if release >= LINUX_MAP_SINCE else "linux-6.4"


def _kvm_engine(release: tuple[int, int]) -> str:
    if release < KVM_LEGACY[0]:
        raise InputError(f"view kvm-{release[0]}.{release[1]}: what KVM did before 3.13 is not known")
    if release <= KVM_LEGACY[1]:
        return "kvm-4.1"
    if release < KVM_LIST[0]:
        raise InputError(f"view kvm-{release[0]}.{release[1]}: {kvm_list.WHY_BROKEN}")
    return "kvm-6.10" if release <= KVM_LIST[1] else "kvm-6.11"
