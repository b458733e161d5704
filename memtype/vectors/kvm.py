"""Cases of KVM's policy, release by release: the leaf, which MSR writes are taken, what is zapped, large pages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from memtype import rules
from memtype.kvm.events import DisableQuirks, InitVmcb, NoncoherentDma, SetCr0Cd, WriteMsr
from memtype.kvm.history import CD_NW_CLEARED, IGNORE_GUEST_PAT
from memtype.kvm.releases import PROFILES
from memtype.kvm.vcpu import Vcpu
from memtype.kvm.vm import Vm
from memtype.kvm.zap import Event
from memtype.mtrr import MtrrState
from memtype.types import MemoryType
from memtype.vectors.cited import row
from memtype.vectors.section import FLAG, NUMBER, TEXT, TYPE, VENDOR, VENDORS, WORD, Column, Section
from memtype.vectors.states import GIB, LEGAL, E, pair
from memtype.vectors.tables import writes

Row = tuple[Any, ...]
WIDTH: Final = 46
# One release of every group that decides alike, beside the group's name, and those that took changes over.
RELEASES: Final = (*PROFILES, "4.1", "5.19", "6.4", "6.10", "6.12.77", "6.12.78", "7.1")


def sections() -> Iterator[Section]:
    """All sections of this module."""
    yield Section(
        "kvm_leaf", "type and IPAT that KVM puts into an EPT leaf (Intel, EPT)",
        (Column("release", TEXT), Column("noncoherent_dma", FLAG), Column("cr0_cd", FLAG),
         Column("cd_nw_cleared", FLAG), Column("ignore_guest_pat", FLAG), Column("self_snoop", FLAG),
         Column("mmio", FLAG), Column("guest_mtrr", TYPE)),
        (Column("type", TYPE), Column("ipat", FLAG)), list(_leaves()),
    )  # fmt: skip
    yield Section(
        "kvm_msr", "does KVM take a guest's WRMSR, and what does the guest read back (0 where it is refused)",
        (Column("release", TEXT), Column("vendor", VENDOR), Column("maxphyaddr", NUMBER), Column("msr", WORD),
         Column("value", WORD)),
        (Column("taken", FLAG), Column("read", WORD)), list(_taken()),
    )  # fmt: skip
    yield Section(
        "kvm_type", "the guest's MTRR type as KVM computes it, after these MSR writes in this order",
        (Column("release", TEXT), Column("maxphyaddr", NUMBER), Column("writes", WORD, 0, 2), Column("gpa", WORD)),
        (Column("type", TYPE),), list(_types()),
    )  # fmt: skip
    yield Section(
        "kvm_zap", "the gfn ranges (half-open) that KVM zaps at the last of these MSR writes",
        (Column("release", TEXT), Column("tdp", TEXT), Column("noncoherent_dma", FLAG), Column("maxphyaddr", NUMBER),
         Column("writes", WORD, 0, 2)),
        (Column("zapped", WORD, 0, 2),), list(_zaps()),
    )  # fmt: skip
    yield Section(
        "kvm_needed", "the gfn ranges (half-open) whose leaves would come out differently after the last of these MSR "
        "writes: what must be zapped (EPT, one vCPU, a non-coherent device)",
        (Column("release", TEXT), Column("maxphyaddr", NUMBER), Column("writes", WORD, 0, 2)),
        (Column("needed", WORD, 0, 2),), list(_needed()),
    )  # fmt: skip
    yield Section(
        "kvm_event", "does KVM zap everything when CR0.CD toggles (0), a non-coherent device comes (1), userspace "
        "disables all quirks that it can (2), a VMCB is initialised again (3)",
        (Column("release", TEXT), Column("tdp", TEXT), Column("noncoherent_dma", FLAG),
         Column("cd_nw_cleared", FLAG), Column("ignore_guest_pat", FLAG), Column("event", NUMBER)),
        (Column("zaps", FLAG),), list(_events()),
    )  # fmt: skip


def _off(cd_nw_cleared: int, ignore_guest_pat: int) -> set[str]:
    """The quirks that userspace disables."""
    asked = {CD_NW_CLEARED: cd_nw_cleared, IGNORE_GUEST_PAT: ignore_guest_pat}
    return {name for name, kept in asked.items() if not kept}


def _quirks(release: str) -> Iterator[tuple[int, int]]:
    """Which of the two quirks are in force; disabled where the release can disable them."""
    can = Vm(release).profile.disable_quirks
    yield from product((1, 0) if can else (1,), repeat=2)


def _leaves() -> Iterator[Row]:
    states = {kind: MtrrState(E | kind, maxphyaddr=WIDTH) for kind in LEGAL}
    vcpus = {(kind, cd): Vcpu(states[kind], cr0_cd=bool(cd)) for kind, cd in product(LEGAL, (0, 1))}
    for release in RELEASES:
        for (cd_kept, pat_kept), (nc, cd, snoop, mmio) in product(_quirks(release), product((0, 1), repeat=4)):
            for kind in LEGAL if nc and not mmio else (0, 6):
                vm = Vm(release, noncoherent_dma=nc, self_snoop=bool(snoop), vcpus=vcpus[kind, cd],
                        disabled_quirks=_off(cd_kept, pat_kept))  # fmt: skip
                leaf = vm.leaf(GIB, mmio=bool(mmio))
                flags = (nc, cd, cd_kept, pat_kept, snoop, mmio)
                name = f"kvm-leaf-{release}-{''.join(map(str, flags))}-{MemoryType(kind)}"
                yield row(name, leaf.rule, release, *flags, kind, leaf.type, int(leaf.ipat))


def _taken() -> Iterator[Row]:
    """By both vendors' guests: KVM takes the same of them, but for IA32_PAT in the oldest releases."""
    chosen = [write[:3] for n, write in enumerate(dict.fromkeys(writes())) if n % 13 == 0 and write[3] == "intel"]
    chosen += [(msr, 0, 36) for msr in (0x210, 0x24F, 0x251, 0x270)]
    typed = [write for write in chosen if write[0] in (rules.PAT_MSR, *rules.FIXED_MSRS)]
    for release, (vendor, asked) in product(RELEASES, zip(VENDORS, (chosen, typed), strict=True)):
        fresh = {write[2]: Vm(release, vendor=vendor, vcpus=Vcpu(maxphyaddr=write[2])) for write in asked}
        for n, (msr, value, width) in enumerate(asked):
            after, zap = fresh[width].apply(WriteMsr(msr, value))
            read = after.msr(msr) if zap.accepted else 0
            rule = "kvm-refused" if not zap.accepted else zap.rules[0]
            name = f"kvm-msr-{release}-{n:03d}{'-amd' * (vendor == 'amd')}"
            given = (release, VENDORS.index(vendor), width, msr, value)
            yield row(name, rule, *given, int(zap.accepted), read)


# --- sequences of writes ----------------------------------------------------------------------------------------


def _pair(n: int, base: int, size: int, kind: int) -> list[tuple[int, int]]:
    first, second = pair(base, size, kind, 36)
    return [(rules.PHYSBASE0 + 2 * n, first), (rules.PHYSMASK0 + 2 * n, second)]


_ON: Final = (rules.DEF_TYPE_MSR, 0x806)
_FIXED_ON: Final = (rules.DEF_TYPE_MSR, 0xC06)
_UC_ON: Final = (rules.DEF_TYPE_MSR, 0x800)
_FIXED: Final = [(0x250, 0x0506_0001_0405_0600), (0x259, 0), (0x268, 0x0506_0001_0405_0605)]
SEQUENCES: Final[dict[str, list[tuple[int, int]]]] = {
    "disabled": [(rules.DEF_TYPE_MSR, 0x406)],
    "enable": [_ON],
    "enable-again": [_ON, _ON],
    "fixed": [_FIXED_ON, (0x259, 0x0606_0606_0606_0606)],
    "fixed-last": [_FIXED_ON, (0x26F, 0)],
    "fixed-while-off": [(rules.DEF_TYPE_MSR, 0x406), (0x259, 0)],
    "fixed-FE-clear": [_ON, (0x250, 0x0606_0606_0606_0606)],
    "uc-above-wb": [*_pair(0, 0, 4 * GIB, 6), *_pair(1, 3 * GIB, GIB, 0), _UC_ON],
    "uc-below-wb": [*_pair(0, 0, 4 * GIB, 0), *_pair(1, GIB, GIB, 6), _ON],
    "uc-and-wb-at-one-base": [*_pair(0, 0, GIB, 0), *_pair(1, 0, 4 * GIB, 6), _UC_ON],
    "wt-over-wb": [*_pair(0, 0, 4 * GIB, 4), *_pair(1, GIB, GIB, 6), _UC_ON],
    "wc-over-wb": [*_pair(0, 0, 4 * GIB, 1), *_pair(1, GIB, GIB, 6), _ON],
    "written-back-to-front": [*_pair(1, 3 * GIB, GIB, 6), *_pair(0, 3 * GIB, GIB, 5), _UC_ON],
    "unaligned-base": [(0x200, 0x8010_0001), (0x201, 0xF_C000_0800), _ON],
    "hole-in-mask": [(0x200, 0x8000_0001), (0x201, 0xF_BFFF_F800), _ON],
    "base-alone": [_ON, (0x202, 0x8000_0000)],
    "mask-last": [_ON, *_pair(0, 3 * GIB, GIB, 0)],
    "moved": [_ON, *_pair(0, 3 * GIB, GIB, 0), (0x200, 0x8000_0000)],
    "cleared": [_ON, *_pair(0, 3 * GIB, GIB, 0), (0x201, 0)],
    "pat": [_ON, (rules.PAT_MSR, rules.PAT_LAYOUTS["linux"])],
    "pair-while-off": _pair(0, 3 * GIB, GIB, 0),
    "turned-off": [*_FIXED, _FIXED_ON, (rules.DEF_TYPE_MSR, 0)],
}
_ASKED: Final = (0, 0x9_F000, 0xA_0000, 0xF_F000, 1 << 20, GIB, 0x8000_0000, 0x8000_1000, 0x8010_0000, 0xBFFF_F000,
                 3 * GIB, 0xC000_1000, 4 * GIB, (1 << 36) - rules.PAGE_SIZE)  # fmt: skip


def written(vm: Vm, sequence: list[tuple[int, int]]) -> Vm:
    """The VM after these writes, which are all taken."""
    for index, value in sequence:
        vm, zap = vm.apply(WriteMsr(index, value))
        assert zap.accepted, zap.why
    return vm


def _types() -> Iterator[Row]:
    for release, (name, sequence) in product(("4.1", "4.4", "5.19", "6.4", "6.10", "6.11"), SEQUENCES.items()):
        vm = written(Vm(release, vcpus=Vcpu(maxphyaddr=36), noncoherent_dma=True), sequence)
        for gpa in _ASKED:
            rule = "kvm-leaf-mtrr" if vm.profile.honors_guest_mtrr else "kvm-leaf-wb"
            found = vm.guest_type(gpa)
            yield row(f"kvm-type-{release}-{name}-{gpa:x}", rule, release, 36, tuple(sequence), gpa, found)


def _zaps() -> Iterator[Row]:
    cases = product(("4.1", "4.4", "6.4", "6.8", "6.11", "7.2"), ("ept", "npt", "none"), (0, 1), SEQUENCES.items())
    for release, tdp, nc, (name, sequence) in cases:
        vendor = "amd" if tdp == "npt" else "intel"
        vm = Vm(release, vendor=vendor, tdp=tdp, noncoherent_dma=bool(nc), vcpus=Vcpu(maxphyaddr=36))
        before = written(vm, sequence[:-1])
        _, zap = before.apply(WriteMsr(*sequence[-1]))
        given = (release, tdp, nc, 36, tuple(sequence))
        yield row(f"kvm-zap-{release}-{tdp}-{nc}-{name}", zap.rules[-1], *given, tuple(zap.done))


def _needed() -> Iterator[Row]:
    for release, (name, sequence) in product(("4.1", "4.4", "6.4", "6.11"), SEQUENCES.items()):
        vm = Vm(release, noncoherent_dma=True, vcpus=Vcpu(maxphyaddr=36))
        _, zap = written(vm, sequence[:-1]).apply(WriteMsr(*sequence[-1]))
        given = (release, 36, tuple(sequence), tuple(zap.needed))
        yield row(f"kvm-needed-{release}-{name}", zap.reasons[0], *given)


def _happenings(vm: Vm, noncoherent: int) -> dict[str, Event | None]:
    """The events by their words, in the order of their numbers; None where this VM cannot have it."""
    return {
        "cd": SetCr0Cd(True),
        "device": NoncoherentDma(noncoherent + 1),
        "quirks": DisableQuirks(vm.supported_quirks) if vm.profile.disable_quirks else None,
        "vmcb": InitVmcb() if vm.vendor == "amd" else None,
    }


def _events() -> Iterator[Row]:
    for release, tdp in product(RELEASES, ("ept", "npt", "none")):
        for (cd_kept, pat_kept), nc in product(_quirks(release), (0, 1)):
            vendor = "amd" if tdp == "npt" else "intel"
            vm = Vm(release, vendor=vendor, tdp=tdp, noncoherent_dma=nc, disabled_quirks=_off(cd_kept, pat_kept))
            for number, (word, event) in enumerate(_happenings(vm, nc).items()):
                if event is None:
                    continue
                _, zap = vm.apply(event)
                name = f"kvm-event-{release}-{tdp}-{nc}{cd_kept}{pat_kept}-{word}"
                given = (release, tdp, nc, cd_kept, pat_kept, number)
                yield row(name, zap.rules[0], *given, int(bool(zap.done)))
