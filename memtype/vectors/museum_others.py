"""The rest of the bug museum: writes that should have been refused, a page, a range of SMRAM, zaps that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from memtype import rules
from memtype.analysis.page_type import page_type
from memtype.analysis.system_ranges import system_ranges
from memtype.backends import reference
from memtype.kvm.events import NoncoherentDma, WriteMsr
from memtype.kvm.vcpu import Vcpu
from memtype.kvm.vm import Vm
from memtype.machine import Machine
from memtype.types import MemoryType
from memtype.vectors.cited import CITED, row
from memtype.vectors.kvm import SEQUENCES, written
from memtype.vectors.museum import ABOUT, GITHUB, TWO_HALVES, UC, WB
from memtype.vectors.section import FLAG, NUMBER, ROW, TEXT, TYPE, VENDOR, VENDORS, WORD, Column, Section

Row = tuple[Any, ...]


class Write(NamedTuple):
    """A WRMSR that a program takes, and that hardware refuses; or the other way round."""

    id: str
    project: str
    report: str
    bug: str
    msr: int
    value: int
    wrong: int  # 1: it takes the value


WRITES: Final = (
    Write("kvm-2f8", "Linux KVM up to 4.6.0", "CVE-2016-3713",
          "MSR 0x2f8 is taken for pair 124 of 8: the write goes outside the array", rules.KVM_MSR_2F8, 6, 1),
    Write("kvm-pvm-pat", "kvm_pvm, Linux 6.18", "memtype verify, 2026-11-29", "IA32_PAT takes any value",
          rules.PAT_MSR, 0x0007_0406_0007_0402, 1),
    Write("qemu-tcg-pat", "QEMU 7.2 and 10.0, TCG", "a guest's WRMSR, read back in its migration stream",
          "no value of an MTRR or of IA32_PAT is refused", rules.PAT_MSR, 0x0202_0202_0202_0202, 1),
    Write("qemu-tcg-type", "QEMU 7.2 and 10.0, TCG", "a guest's WRMSR, read back in its migration stream",
          "no value of an MTRR or of IA32_PAT is refused", rules.PHYSBASE0, 0x8000_0002, 1),
    Write("acrn-749", "ACRN", GITHUB + "projectacrn/acrn-hypervisor/pull/749",
          "the numbers between two fixed-range registers count as such registers too", 0x251, 0, 1),
)  # fmt: skip
WIDTH: Final = 36  # that of `SEQUENCES`
_SMRR: Final = ((rules.SMRR_MSRS[0], 0x7C40_0006), (rules.SMRR_MSRS[1], 0xFFC0_0800))
# Which release, after which writes, and what it leaves.
_STALE: Final = (
    ("4.1", "mask-last", "Linux KVM 3.13 to 4.1", "an MTRR write zaps nothing"),
    ("6.4", "moved", "Linux KVM 4.4 to 6.6", "a range that moves is zapped where it is now, not where it was"),
    ("6.8", "moved", "Linux KVM 6.7 to 6.10", "a range that moves is zapped where it is now, not where it was"),
)  # fmt: skip


def sections(places: dict[str, int]) -> Iterator[Section]:
    """The sections; `places` are those of the register files in the section "mtrr"."""
    yield Section(
        "museum_write", "does WRMSR take the value (0: #GP), and a program that answers otherwise",
        (*ABOUT, Column("msr", WORD), Column("value", WORD), Column("maxphyaddr", NUMBER), Column("vendor", VENDOR),
         Column("wrong", FLAG)), (Column("taken", FLAG),), list(_writes()),
    )  # fmt: skip
    yield Section(
        "museum_page", "the MTRR type of all of a page, 11 where it holds several, and the wrong one",
        (*ABOUT, Column("state", ROW), Column("base", WORD), Column("size", WORD), Column("wrong", TYPE)),
        (Column("type", TYPE),), list(_pages(places)),
    )  # fmt: skip
    yield Section(
        "museum_range", "the type that a range of SMRR gives the system outside SMM, and the wrong one",
        (*ABOUT, Column("registers", WORD, 0, 2), Column("address", WORD), Column("wrong", TYPE)),
        (Column("type", TYPE),), list(_ranges()),
    )  # fmt: skip
    yield Section(
        "museum_zap", "the gfn ranges (half-open) whose leaves the last of these MSR writes, or without one the first "
        "non-coherent device, makes stale, and those that KVM zaps",
        (*ABOUT, Column("release", TEXT), Column("maxphyaddr", NUMBER), Column("writes", WORD, 0, 2),
         Column("wrong", WORD, 0, 2)), (Column("needed", WORD, 0, 2),), list(_zaps()),
    )  # fmt: skip


def _writes() -> Iterator[Row]:
    for e in WRITES:
        rule = "pat-entry" if e.msr == rules.PAT_MSR else "check-register"
        taken = reference.msr_fault(e.msr, e.value, 46, "intel") is None
        given = (e.project, e.report, e.bug, e.msr, e.value, 46, VENDORS.index("intel"), e.wrong)
        yield row(f"museum-{e.id}", rule, *given, int(taken))


def _pages(places: dict[str, int]) -> Iterator[Row]:
    bug = "types are merged from left to right, and only one that changes the result counts: UC, then WB is all UC"
    head = ("Linux from 6.5 on", "arch/x86/kernel/cpu/mtrr/generic.c mtrr_type_lookup()", bug)
    base, size = 0x8000_0000, 1 << 21
    kind = page_type(TWO_HALVES.state, base, size).type
    place = places[TWO_HALVES.id]
    yield row("museum-linux-uniform", "large-page-mixed", *head, place, base, size, UC, kind)


def _ranges() -> Iterator[Row]:
    bug = "the SMRR is one more variable range, with the type that it has inside SMM"
    head = ("HyperDbg", GITHUB + "HyperDbg/HyperDbg/pull/336", bug)
    told = {f"0x{index:x}": f"0x{value:x}" for index, value in _SMRR}
    (held,) = system_ranges(Machine(facts={"system_msrs": told}))
    for address in (held.base, held.base + 0x3F_F000):
        yield row(f"museum-hyperdbg-336-{address:x}", "smrr", *head, _SMRR, address, WB, held.type or MemoryType.UC)


def _zaps() -> Iterator[Row]:
    """By the one vCPU of a VM with EPT, which has a non-coherent device or (the last case) gets its first one."""
    for release, name, project, bug in _STALE:
        vm = Vm(release, noncoherent_dma=True, vcpus=Vcpu(maxphyaddr=WIDTH))
        _, zap = written(vm, SEQUENCES[name][:-1]).apply(WriteMsr(*SEQUENCES[name][-1]))
        head = (f"museum-stale-{release}-{name}", zap.rules[-1], project, CITED[zap.rules[-1]].source, bug)
        yield row(*head, release, WIDTH, tuple(SEQUENCES[name]), tuple(zap.done), tuple(zap.needed))
    _, zap = Vm("6.4", vcpus=Vcpu(maxphyaddr=WIDTH)).apply(NoncoherentDma(1))
    head = ("museum-stale-device", zap.rules[-1], "Linux KVM 3.13 to 6.6", "commit 539c103e2a13",
            "leaves made before the first device came stay WB with IPAT")  # fmt: skip
    yield row(*head, "6.4", WIDTH, (), tuple(zap.done), tuple(zap.needed))
