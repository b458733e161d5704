"""The type of a guest's access is what the tables of effective types give for what the release puts into them."""

from __future__ import annotations

import itertools

import pytest

from memtype import MemoryType, MtrrState, Pat, effective, effective_ept, effective_npt
from memtype.kvm import Vcpu, Vm

PAT_TYPES = ("UC", "WC", "WT", "WP", "WB", "UC-")
MTRR_TYPES = ("UC", "WC", "WT", "WP", "WB")
GUEST = Pat.from_types(["WB", "WC", "UC-", "UC", "WT", "WP", "WB", "WB"])
HOSTS = (Pat("linux"), Pat(0x0007010600070101), Pat(0x0007010600070100))


@pytest.mark.parametrize("release", ["4.1", "4.4", "6.4", "6.12", "6.16", "7.2"])
@pytest.mark.parametrize("tdp", ["npt", "none"])
def test_of_an_amd_guest(release: str, tdp: str) -> None:
    for pat, host, cd, off, outer in itertools.product(PAT_TYPES, MTRR_TYPES, (False, True), (False, True), HOSTS):
        if off and release == "4.1":
            continue
        quirks = ("CD_NW_CLEARED",) if off else ()
        kinds = ["normal", *["sev-es", "sev-snp"] * (release in ("6.12", "6.16", "7.2") and tdp == "npt")]
        vcpu = Vcpu(MtrrState(0x800), GUEST, cr0_cd=cd)
        really = cd and off  # the quirk keeps CR0.CD clear in hardware
        for kind in kinds:
            vm = Vm(release, "amd", tdp, vcpus=[vcpu], vm_type=kind, disabled_quirks=quirks, host_pat=outer)
            follows = release not in ("4.1", "4.4")
            chosen = MemoryType.parse(pat) if follows else Pat()[GUEST.types.index(MemoryType.parse(pat))]
            wanted = effective_npt(chosen, outer[0], host, kind == "sev-snp", cr0_cd=really)
            if tdp == "none":
                wanted = effective(host, outer[0], "amd", cr0_cd=really)
            found = vm.effective(0x200000, pat, host_mtrr=host)
            assert found is wanted, (vm, pat, host)
            assert vm.effective(0x200000, pat_index=GUEST.types.index(MemoryType.parse(pat)), host_mtrr=host) is wanted


@pytest.mark.parametrize("release", ["4.1", "4.4", "6.4", "6.12", "6.16"])
@pytest.mark.parametrize("load", [False, True])
def test_of_an_intel_guest(release: str, load: bool) -> None:
    for pat, kind, dma, cd in itertools.product(PAT_TYPES, (0, 1, 4, 5, 6), (False, True), (False, True)):
        vcpu = Vcpu(MtrrState(0x800 | kind), GUEST, cr0_cd=cd)
        index = GUEST.types.index(MemoryType.parse(pat))
        vm = Vm(release, noncoherent_dma=dma, vcpus=[vcpu], load_pat=load, host_pat="linux")
        for mmio in (False, True):
            leaf = vm.leaf(0x200000, mmio)
            chosen = (GUEST if load else Pat("linux"))[index]
            wanted = effective_ept(leaf.type, leaf.ipat, chosen)
            assert vm.effective(0x200000, pat_index=index, mmio=mmio) is wanted
            assert vm.effective(0x200000, pat, mmio=mmio) is wanted
        shadow = Vm(release, tdp="none", noncoherent_dma=dma, vcpus=[vcpu], load_pat=load, host_pat="linux")
        for host in MTRR_TYPES:
            assert shadow.effective(0, pat, host_mtrr=host) is effective(host, "WB", "intel")
            assert shadow.effective(0, "WP" if load else "UC", host_mtrr=host) is effective(host, "WB", "intel")


def test_without_paging_the_guest_gets_wb_of_its_own_pat() -> None:
    for vendor, tdp in (("intel", "ept"), ("amd", "npt")):
        vm = Vm("6.12", vendor, tdp, noncoherent_dma=True, vcpus=[Vcpu(pat=GUEST, cr0_pg=False)])
        assert {vm.effective(0, pat_index=n) for n in range(8)} == {MemoryType.WB}
