"""The 41 human-readable vectors on KVM, one named test each."""

from __future__ import annotations

import pytest
from kvm_states import (
    EVERYTHING,
    EVERYTHING_CD,
    FIRMWARE,
    GIB,
    MAXPHYADDR,
    accepted,
    guest,
    leaf,
    mask,
    no_quirk,
    pair,
    types,
    written,
)

from memtype.kvm import DisableQuirks, NoncoherentDma, SetCr0Cd, Vcpu, Vm, WriteMsr

CHECKED = ["3.18", "4.1", "4.4", "5.10", "6.4", "6.8", "6.11", "6.16", "7.3"]  # full checks of values
LIST = ["4.4", "5.4", "5.15", "6.4", "6.6", "6.8"]
ALL = ["3.13", *CHECKED, "6.11-rc1", "6.12.80"]
PAT = 0x0007040600070406


@pytest.mark.parametrize("release", CHECKED)
class TestMsrs:
    def test_01_def_type(self, release):
        vm = guest(release)
        assert all(accepted(vm, 0x2FF, value) for value in (0xC06, 0xC05, 0x400))
        assert not any(accepted(vm, 0x2FF, value) for value in (0xC02, 0xC03, 0xC07, 0xCFF, 0x1000, 0x302))

    def test_02_fixed(self, release):
        assert not accepted(guest(release), 0x250, 0x0706060606060606)
        assert accepted(guest(release), 0x250, 0x0506060104000006)

    def test_03_base(self, release):
        vm = guest(release)
        assert accepted(vm, 0x200, 0x6) and accepted(vm, 0x200, 1 << 35 | 6)
        assert not any(accepted(vm, 0x200, value) for value in (0x106, 0x7, 1 << 36 | 6))

    def test_04_mask(self, release):
        vm = guest(release)
        assert accepted(vm, 0x201, 0x800) and accepted(vm, 0x20F, 0xF00000800)
        assert not any(accepted(vm, 0x201, value) for value in (0x801, 0x400, 1 << 36 | 0x800))

    def test_05_absent_msrs_and_mtrrcap(self, release):
        vm = guest(release)
        assert not any(accepted(vm, index, 0) for index in (0x210, 0x24F, 0x251, 0x257, 0x25A, 0x267, 0xFE))
        assert vm.msr(0xFE) == 0x508
        with pytest.raises(ValueError, match="0x210"):
            vm.msr(0x210)

    def test_06_pat(self, release):
        vm = guest(release)
        assert accepted(vm, 0x277, PAT) and accepted(vm, 0x277, 0x0707070707070707)
        for byte in range(8):
            for entry in range(256):
                value = PAT & ~(0xFF << 8 * byte) | entry << 8 * byte
                assert accepted(vm, 0x277, value) is (entry in (0, 1, 4, 5, 6, 7))
        assert not accepted(vm, 0x277, (1 << 64) - 1)

    def test_07_readback_hides_the_extension(self, release):
        writes = [(0x201, 0xFC0000800), (0x200, 0xC0000001), (0x2FF, 0xC06), (0x259, 0x0102), (0x277, 0x07)]
        writes[3] = (0x259, 0x0104)
        vm = written(guest(release), writes)
        assert [vm.msr(index) for index, _ in writes] == [value for _, value in writes]


@pytest.mark.parametrize("release", LIST)
class TestGuestMtrrType:
    def test_08_disabled(self, release):
        anywhere = (0, 0xA0000, 0x100000, 4 * GIB, (1 << MAXPHYADDR) - 1)
        assert set(types(guest(release), *anywhere).split()) == {"UC"}
        assert set(types(guest(release, cpuid_mtrr=False), *anywhere).split()) == {"WB"}
        for cpuid in (False, True):
            assert set(types(guest("4.1", cpuid_mtrr=cpuid), *anywhere).split()) == {"WB"}

    def test_09_fixed_enable_alone(self, release):
        writes = [*FIRMWARE, (0x2FF, 0x406)]
        assert types(guest(release, writes), 0, 0xA0000, 0xC0000, 0x100000, 3 * GIB) == "UC UC UC UC UC"
        assert types(guest("3.13", writes), 0, 0xA0000, 0xC0000, 0x100000, 3 * GIB) == "WB UC WP WB WB"

    def test_10_like_firmware(self, release):
        vm = guest(release, [*FIRMWARE, (0x2FF, 0xC06)])
        assert types(vm, 0x9F000, 0xA0000, 0xBF000, 0xC0000, 0xFF000) == "WB UC UC WP WP"
        assert types(vm, 0x100000, 0xBFFFF000, 0xC0000000, 0xFFFFF000, 4 * GIB) == "WB WB UC UC WB"

    def test_11_fixed_disabled(self, release):
        writes = [*FIRMWARE, (0x2FF, 0x806)]
        assert types(guest(release, writes), 0xA0000, 0xC0000, 0xC0000000) == "WB WB UC"
        assert types(guest("4.1", writes), 0xA0000, 0xC0000, 0xC0000000) == "UC WP UC"

    def test_12_uc_above_wb_is_lost(self, release):
        writes = [*pair(0, 6, 4 * GIB), *pair(1, 3 * GIB, GIB), (0x2FF, 0x800)]
        vm = guest(release, writes)
        assert types(vm, GIB, 3 * GIB, 4 * GIB) == "WB WB UC"
        assert str(vm.guest_type(3 * GIB, as_architected=True)) == "UC"
        assert types(guest("3.13", writes), GIB, 3 * GIB, 4 * GIB) == "WB UC UC"

    def test_13_uc_below_wb_wins(self, release):
        writes = [*pair(0, 0, 4 * GIB), *pair(1, GIB | 6, GIB), (0x2FF, 0x806)]
        assert types(guest(release, writes), GIB, 4 * GIB) == "UC WB"

    def test_14_wt_with_wb(self, release):
        assert types(guest(release, [*pair(0, 4, 4 * GIB), *pair(1, GIB | 6, GIB), (0x2FF, 0x800)]), GIB) == "WT"

    def test_15_wc_with_wb(self, release):
        writes = [*pair(0, 1, 4 * GIB), *pair(1, GIB | 6, GIB), (0x2FF, 0x800)]
        assert types(guest(release, writes), GIB, 2 * GIB) == "WB WC"
        assert types(guest("3.13", writes), GIB, 2 * GIB) == "UC WC"

    def test_16_equal_bases(self, release):
        for order in ((0, 1), (1, 0)):
            writes = {0: pair(0, 0, GIB), 1: pair(1, 6, 4 * GIB)}
            vm = guest(release, [*writes[order[0]], *writes[order[1]], (0x2FF, 0x800)])
            assert types(vm, 16 << 20, GIB) == "UC WB"

    def test_17_unaligned_base(self, release):
        writes = [*pair(0, 0x80100001, GIB), (0x2FF, 0x806)]
        where = (0x80000000, 0x80100000, 0xBFFFF000, 0xC0000000)
        assert types(guest(release, writes), *where) == "WB WC WC WB"
        assert types(guest("3.13", writes), *where) == "WC WC WC WB"
        assert str(guest(release, writes).guest_type(0x80000000, as_architected=True)) == "WC"

    def test_18_mask_with_a_hole(self, release):
        writes = [(0x200, 0x80000001), (0x201, 0xFBFFFF800), (0x2FF, 0x806)]
        where = (0x80000000, 0x80001000, 0xA0000000, 0xC0000000, 0xC0001000)
        assert types(guest(release, writes), *where) == "WC WC WC WC WB"
        assert types(guest("3.13", writes), *where) == "WC WB WB WC WB"
        architected = guest(release, writes)
        assert [str(architected.guest_type(a, as_architected=True)) for a in where] == ["WC", "WB", "WB", "WC", "WB"]

    def test_19_invalid_pair(self, release):
        writes = [(0x200, 0x80000001), (0x201, mask(GIB) & ~0x800), (0x2FF, 0x806)]
        assert types(guest(release, writes), 0x80000000) == "WB"


@pytest.mark.parametrize("release", LIST)
class TestHugePages:
    def levels(self, vm: Vm, *places: tuple[int, int]) -> list[bool]:
        return [vm.huge_page_consistent(address >> 12, size >> 12) for address, size in places]

    def test_20_like_firmware(self, release):
        vm = guest(release, [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)
        m2 = 2 << 20
        places = [(0, m2), (0, GIB), (2 * GIB, GIB), (3 * GIB, m2), (3 * GIB, GIB), (4 * GIB, GIB)]
        assert self.levels(vm, *places) == [False, False, True, True, True, True]
        assert [vm.max_level(gfn) for gfn in (0, 0x300, 2 * GIB >> 12, (3 * GIB >> 12) + 5)] == [1, 2, 3, 3]

    def test_20_inside_the_fixed_ranges(self, release):
        """Slots are walked up to the end of the range: what lies behind it does not matter."""
        vm = guest(release, [*FIRMWARE, (0x2FF, 0xC06)])
        assert vm.huge_page_consistent(0x9C, 4) and vm.huge_page_consistent(0x80, 32)
        assert not vm.huge_page_consistent(0x9C, 5) and vm.huge_page_consistent(0xC0, 64)
        assert not vm.huge_page_consistent(0xC0, 65)  # WP, then nothing but the default behind 1 MiB
        assert vm.huge_page_consistent(0, 0x80)

    def test_21_raw_types_differ(self, release):
        vm = guest(release, [*pair(0, 6, 4 * GIB), *pair(1, 3 * GIB, GIB), (0x2FF, 0x800)])
        assert self.levels(vm, (3 * GIB, 2 << 20)) == [False]
        vm = guest(release, [*FIRMWARE, *pair(1, 2 * GIB | 1, 256 << 20), (0x2FF, 0xC06)])
        assert self.levels(vm, (2 * GIB, GIB), (2 * GIB, 2 << 20)) == [False, True]

    def test_22_needless_split(self, release):
        halves = [*pair(0, GIB | 6, 512 << 20), *pair(1, GIB + (512 << 20) | 6, 512 << 20)]
        vm = guest(release, [*halves, (0x2FF, 0x800)], noncoherent_dma=True)
        assert types(vm, GIB, GIB + (512 << 20)) == "WB WB"
        assert self.levels(vm, (GIB, GIB), (GIB, 2 << 20)) == [False, True]
        assert vm.max_level(GIB >> 12) == 2
        assert self.levels(guest(release, [*pair(0, GIB | 6, GIB), (0x2FF, 0x800)]), (GIB, GIB)) == [True]
        assert self.levels(guest(release, [*halves[:2], (0x2FF, 0x806)]), (GIB, GIB)) == [True]


class TestLeaf:
    def test_23_coherent(self):
        for kind in (0, 1, 4, 5, 6):
            for cd in (False, True):
                vm = guest("6.4", [(0x2FF, 0x800 | kind)], cr0_cd=cd)
                assert leaf(vm) == ("WB", 1)
                assert str(vm.effective(0, pat="UC")) == "WB"

    def test_24_mtrr_type(self):
        vm = guest("6.4", [(0x2FF, 0x800)], noncoherent_dma=True)
        assert leaf(vm) == ("UC", 0)
        assert str(vm.effective(0, pat="WC")) == "WC" and str(vm.effective(0, pat="WB")) == "UC"

    def test_25_cd(self):
        vm = guest("6.4", noncoherent_dma=True, cr0_cd=True)
        assert leaf(vm) == ("WB", 1)
        vm = no_quirk(vm, "CD_NW_CLEARED")
        assert leaf(vm) == ("UC", 1) and str(vm.effective(0, pat="WC")) == "UC"

    def test_26_cd_6_8(self):
        vm = guest("6.8", noncoherent_dma=True, cr0_cd=True)
        assert leaf(vm) == ("WB", 0) and str(vm.effective(0, pat="UC")) == "UC"
        assert str(guest("6.6", noncoherent_dma=True, cr0_cd=True).effective(0, pat="UC")) == "WB"

    def test_27_nothing_but_wb(self):
        assert leaf(guest("6.11", [(0x2FF, 0x800)], noncoherent_dma=True, cr0_cd=True)) == ("WB", 0)

    def test_28_self_snoop(self):
        assert leaf(guest("6.11-rc1")) == ("WB", 0)
        assert leaf(guest("6.11-rc1", self_snoop=False)) == ("WB", 1)

    def test_29_quirk(self):
        vm = guest("6.16")
        assert leaf(vm) == ("WB", 1)
        after, zap = vm.apply(DisableQuirks({"IGNORE_GUEST_PAT"}))
        assert zap.accepted and leaf(after) == ("WB", 0)
        vm = guest("6.16", self_snoop=False)
        after, zap = vm.apply(DisableQuirks({"IGNORE_GUEST_PAT"}))
        assert not zap.accepted and "EINVAL" in zap.why and leaf(after) == ("WB", 1)
        after, zap = vm.apply(DisableQuirks({"IGNORE_GUEST_PAT"}, checked=False))
        assert zap.accepted and leaf(after) == ("WB", 1)

    def test_29_quirks_are_assigned_up_to_6_15_and_added_from_6_16_on(self):
        vm = guest("6.4", noncoherent_dma=True, cr0_cd=True, disabled_quirks={"CD_NW_CLEARED"})
        assert leaf(vm) == ("UC", 1) and leaf(vm.apply(DisableQuirks(set()))[0]) == ("WB", 1)
        vm = no_quirk(no_quirk(guest("6.16"), "IGNORE_GUEST_PAT"), "CD_NW_CLEARED")
        assert leaf(vm) == leaf(vm.apply(DisableQuirks(set()))[0]) == ("WB", 0)

    def test_29_disabling_the_quirk_zaps_nothing(self):
        after, zap = guest("6.16").apply(DisableQuirks({"IGNORE_GUEST_PAT"}))
        assert zap.done == [] and zap.stale == after.stale() == [(0, 1 << 24)]

    def test_30_tdx(self):
        assert leaf(guest("6.16", vm_type="tdx")) == ("WB", 0)

    @pytest.mark.parametrize("release", ALL)
    def test_31_mmio(self, release):
        for dma in (False, True):
            vm = guest(release, [(0x2FF, 0x806)], noncoherent_dma=dma)
            assert leaf(vm, mmio=True) == ("UC", 0)
            assert str(vm.effective(0, pat="WC", mmio=True)) == "WC"
            assert {str(vm.effective(0, pat=p, mmio=True)) for p in ("WB", "WT", "WP", "UC-", "UC")} == {"UC"}

    @pytest.mark.parametrize("release", ALL)
    def test_32_amd(self, release):
        vm = guest(release, [(0x2FF, 0x800)], noncoherent_dma=True, vendor="amd", pat=0x0007040600070106)
        assert vm.leaf(0).bits == 0 and str(vm.effective(0, pat_index=0)) == "WB"
        # uncached either way: the APM's table gives CD for UC over a WB host MTRR
        assert str(vm.effective(0, pat_index=3)) == "CD" and str(vm.effective(0, pat_index=3, host_mtrr="UC")) == "UC"

    def test_32_amd_g_pat_did_not_follow(self):
        old, new = (guest(r, vendor="amd", pat=0x0007040600070106) for r in ("4.13", "4.15"))
        assert str(old.effective(0, pat_index=1)) == "WT" and str(old.effective(0, pat="WC")) == "WT"
        assert str(new.effective(0, pat_index=1)) == "WC+"

    def test_33_shadow_paging(self):
        vm = guest("6.4", [(0x2FF, 0x800)], tdp="none", noncoherent_dma=True)
        assert vm.leaf(0).bits == 0 and vm.shadow_memtype_mask == 0
        assert str(vm.effective(0, pat="UC")) == "WB"
        assert vm.apply(WriteMsr(0x277, PAT & ~0xFF))[1].needed == []
        vm = written(vm, [(0x277, PAT & ~0xFF)])
        assert {str(vm.effective(0, pat=p)) for p in ("WB", "WT", "UC-")} == {"UC"}


class TestZaps:
    def test_34_ranges(self):
        vm = guest("6.4", [(0x2FF, 0xC06), *pair(0, 0, GIB)], noncoherent_dma=True)
        assert vm.apply(WriteMsr(0x259, 0))[1].done == [(0xA0, 0xC0)]
        assert vm.apply(WriteMsr(0x26F, 0))[1].done == [(0xF8, 0x100)]
        assert vm.apply(WriteMsr(0x250, 0))[1].done == [(0, 0x80)]
        assert vm.apply(WriteMsr(0x200, 0xC0000000))[1].done == [(0xC0000, 0x100000)]
        assert vm.apply(WriteMsr(0x2FF, 0xC06))[1].done == [EVERYTHING]
        assert vm.apply(WriteMsr(0x277, 0x0007010600070106))[1].done == []

    def test_35_gates(self):
        off = guest("6.4", noncoherent_dma=True)
        assert off.apply(WriteMsr(0x259, 0))[1].done == [] and off.apply(WriteMsr(0x201, 0x800))[1].done == []
        assert off.apply(WriteMsr(0x2FF, 0))[1].done == [EVERYTHING]
        no_fixed = guest("6.4", [(0x2FF, 0x806)], noncoherent_dma=True)
        assert no_fixed.apply(WriteMsr(0x259, 0))[1].done == []
        coherent = guest("6.4", [(0x2FF, 0xC06)])
        assert coherent.apply(WriteMsr(0x2FF, 0xC00))[1].done == []

    def test_36_moved_pair_leaves_stale_leaves(self):
        vm = guest("6.4", [*pair(0, 3 * GIB, GIB), (0x2FF, 0x806)], noncoherent_dma=True)
        after, zap = vm.apply(WriteMsr(0x200, 2 * GIB))
        assert zap.done == [(0x80000, 0xC0000)]
        assert zap.needed == [(0x80000, 0x100000)]
        assert zap.stale == after.stale() == [(0xC0000, 0x100000)] and zap.excess == []

    def test_37_inverted_range(self):
        for release, warned in (("4.4", False), ("5.15", False), ("5.17", True), ("6.4", True), ("6.10", True)):
            zap = guest(release, [(0x2FF, 0x806)], noncoherent_dma=True).apply(WriteMsr(0x202, GIB | 1))[1]
            assert zap.done == [] and zap.warned is warned, release
        zap = guest("6.4", [(0x2FF, 0x806)], noncoherent_dma=True).apply(WriteMsr(0x202, 1))[1]
        assert zap.calls == () and zap.warned  # from gfn 0 to gfn 0 is inverted too
        vm = guest("6.4", [(0x2FF, 0x806), (0x203, 0)], noncoherent_dma=True)
        zap = vm.apply(WriteMsr(0x202, GIB | 1))[1]
        assert zap.done == [(0x40000, 1 << 24)] and not zap.warned  # a mask of 0 that was written has its extension

    def test_38_amd(self):
        for release, done in (("6.4", [EVERYTHING]), ("6.7", []), ("6.11", [])):
            zap = guest(release, noncoherent_dma=True, vendor="amd").apply(WriteMsr(0x2FF, 0x806))[1]
            assert zap.done == done and zap.needed == []
            assert zap.excess == ([(0, 1 << 24)] if done else [])
        assert guest("6.11", noncoherent_dma=True).apply(WriteMsr(0x2FF, 0x806))[1].done == []

    def test_39_cd(self):
        vm = guest("6.4", noncoherent_dma=True)
        assert vm.apply(SetCr0Cd(True))[1].done == []
        assert no_quirk(vm, "CD_NW_CLEARED").apply(SetCr0Cd(True))[1].done == [EVERYTHING_CD]
        assert no_quirk(vm, "CD_NW_CLEARED").apply(SetCr0Cd(False))[1].done == []  # no change, no zap
        for release in ("6.11", "6.16"):
            newer = no_quirk(guest(release, noncoherent_dma=True), "CD_NW_CLEARED")
            assert newer.apply(SetCr0Cd(True))[1].done == []

    @pytest.mark.parametrize(
        ("release", "zapping"),
        [
            ("4.1", set()), ("4.4", {"ept", "npt", "none"}), ("6.6", {"ept", "npt", "none"}), ("6.7", {"ept"}),
            ("6.10", {"ept"}), ("6.11", set()), ("6.16", set()), ("7.2", set()),
        ],
    )  # fmt: skip
    def test_39_cd_by_paging(self, release, zapping):
        for vendor, tdp in (("intel", "ept"), ("amd", "npt"), ("intel", "none"), ("amd", "none")):
            for dma in (False, True):
                vm = no_quirk(guest(release, vendor=vendor, tdp=tdp, noncoherent_dma=dma), "CD_NW_CLEARED")
                done = vm.apply(SetCr0Cd(True))[1].done
                assert done == ([EVERYTHING_CD] if dma and tdp in zapping else []), (vendor, tdp, dma)

    @pytest.mark.parametrize(
        ("release", "zapping"),
        [
            ("4.1", set()), ("4.4", {"ept", "npt"}), ("6.6", {"ept", "npt"}), ("6.7", {"ept"}), ("6.10", {"ept"}),
            ("6.11", set()), ("6.11-rc1", set()), ("6.12.80", set()), ("7.2", set()),
        ],
    )  # fmt: skip
    def test_38_mtrr_write_by_paging(self, release, zapping):
        for vendor, tdp in (("intel", "ept"), ("amd", "npt"), ("intel", "none"), ("amd", "none")):
            for dma in (False, True):
                vm = guest(release, vendor=vendor, tdp=tdp, noncoherent_dma=dma)
                done = vm.apply(WriteMsr(0x2FF, 0x806, host_initiated=dma))[1].done
                assert done == ([EVERYTHING] if dma and tdp in zapping else []), (vendor, tdp, dma)

    @pytest.mark.parametrize(
        ("release", "zapping"),
        [
            ("4.1", set()), ("6.6", set()), ("6.7", {("intel", "ept")}), ("6.11", {("intel", "ept")}),
            ("6.11-rc1", set()), ("6.15", {("intel", "ept")}),
            ("6.16", {("intel", "ept"), ("intel", "none"), ("amd", "none")}),
            ("6.12.80", {("intel", "ept"), ("intel", "none"), ("amd", "none")}),
        ],
    )  # fmt: skip
    def test_40_noncoherent_dma_by_paging(self, release, zapping):
        for vendor, tdp in (("intel", "ept"), ("amd", "npt"), ("intel", "none"), ("amd", "none")):
            for count in (0, 1, 2):
                vm = guest(release, vendor=vendor, tdp=tdp, noncoherent_dma=count)
                toggled = vm.apply(NoncoherentDma(0 if count else 1))[1].done
                assert toggled == ([EVERYTHING] if (vendor, tdp) in zapping else []), (vendor, tdp, count)
        without = guest(release, self_snoop=False).apply(NoncoherentDma(True))[1].done
        assert bool(without) is (("intel", "ept") in zapping or release == "6.11-rc1")

    def test_40_noncoherent_dma(self):
        after, zap = guest("6.4", [(0x2FF, 0x800)]).apply(NoncoherentDma(1))
        assert zap.done == [] and zap.stale == zap.needed == [(0, 1 << 24)]
        assert {str(kind) for kind, _ in after.possible_leaves(0)} == {"WB", "UC"}
        quirk_off = guest("6.16", disabled_quirks={"IGNORE_GUEST_PAT"})
        for vm, done in (
            (guest("6.8"), [EVERYTHING]), (guest("6.16"), [EVERYTHING]), (quirk_off, []),
            (guest("6.16", vendor="amd"), []), (guest("6.16", tdp="none"), [EVERYTHING]),
            (guest("6.16", vm_type="tdx"), []),
        ):  # fmt: skip
            one, zap = vm.apply(NoncoherentDma(1))
            assert zap.done == done
            two, zap = one.apply(NoncoherentDma(2))
            assert zap.done == zap.needed == []
            assert two.apply(NoncoherentDma(0))[1].done == done

    def test_41_first_fault_wins(self):
        vcpus = [Vcpu(maxphyaddr=MAXPHYADDR) for _ in range(2)]
        vm = Vm("6.4", noncoherent_dma=True, vcpus=vcpus)
        vm = written(vm, [(0x2FF, 0x806)], vcpu=0)
        vm = written(vm, [(0x2FF, 0x800)], vcpu=1)
        assert vm.order_dependent() == [(0, 1 << 24)]
        assert {str(kind) for kind, _ in vm.possible_leaves(7)} == {"WB", "UC"}
        assert vm.stale() == []  # both are what a fault of some vCPU makes now
        vm, zap = vm.apply(WriteMsr(0x2FF, 0x800, vcpu=0))
        assert zap.done == [EVERYTHING] and vm.order_dependent() == []
        assert {str(kind) for kind, _ in vm.possible_leaves(7)} == {"UC"}
