"""Every row of kvm.json: our own, and those of the specification where they are beside the project."""

from __future__ import annotations

import pytest
from conftest import load_vectors
from kvm_states import guest

from memtype.kvm import PROFILES, WriteMsr, profile

ROWS = load_vectors("kvm")
STATES = {row["name"]: row for row in ROWS["mtrr_type"]}
LIST_RELEASES = ("4.4", "5.4", "5.19", "6.4", "6.8", "6.10")
EPT_RELEASES = {
    "kvm-3.13": ("3.13", "4.1"), "kvm-4.4": ("4.4", "5.4", "6.0", "6.4", "6.6"), "kvm-6.7": ("6.7", "6.10"),
    "kvm-6.11": ("6.11", "6.12.77", "6.15"), "kvm-6.11-rc": ("6.11-rc1", "6.11-rc7"),
    "kvm-6.16": ("6.16", "6.12.78", "7.0", "7.2", "ubuntu 6.8.0-136"),
}  # fmt: skip


def number(text: str) -> int:
    return int(text, 16)


def state(name: str, release: str, **options: object):
    row = STATES[name]
    writes = [(number(index), number(value)) for index, value in row["writes"]]
    assert row["maxphyaddr"] == 36
    return guest(release, writes, cpuid_mtrr=bool(row["cpuid_mtrr"]), **options)


@pytest.mark.parametrize("row", ROWS["ept"], ids=lambda row: "-".join(map(str, row.values())))
def test_ept_leaf(row):
    for release in EPT_RELEASES[row["profile"]]:
        off = set() if row["quirk_cd_nw_cleared"] else {"CD_NW_CLEARED"}
        off |= set() if row["quirk_ignore_guest_pat_requested_on"] else {"IGNORE_GUEST_PAT"}
        vm = guest(
            release, [(0x2FF, 0x800 | row["guest_mtrr_type"])], noncoherent_dma=bool(row["noncoherent_dma"]),
            self_snoop=bool(row["host_self_snoop"]), disabled_quirks=off, cr0_cd=bool(row["cr0_cd"]),
        )  # fmt: skip
        leaf = vm.leaf(0x200000, mmio=bool(row["is_mmio"]))
        assert (leaf.type, leaf.ipat) == (row["ept_memtype"], bool(row["ipat"])), (release, leaf.why)


@pytest.mark.parametrize("row", ROWS["mtrr_valid"], ids=lambda row: f"{row['msr']}={row['value']}")
@pytest.mark.parametrize("release", ["3.18", "4.4", "4.7", "5.10", "5.11", "6.4", "6.5", "6.8", "6.11", "6.16", "7.2"])
def test_mtrr_write_is_taken(row, release):
    if row["msr"] == "0x2f8" and profile(release).msr_2f8:
        pytest.skip("MSR 0x2f8 is taken up to 4.6.0")
    _, zap = guest(release).apply(WriteMsr(number(row["msr"]), number(row["value"])))
    assert zap.accepted is row["accepted"], zap.why


@pytest.mark.parametrize("row", ROWS["pat_valid"], ids=lambda row: row["value"])
@pytest.mark.parametrize("release", ["3.18", *(name for name in PROFILES if name != "kvm-3.13")])
def test_pat_write_is_taken(row, release):
    _, zap = guest(release).apply(WriteMsr(0x277, number(row["value"])))
    assert zap.accepted is row["accepted"], zap.why


@pytest.mark.parametrize("release", LIST_RELEASES)
@pytest.mark.parametrize("name", STATES)
def test_guest_mtrr_type(name, release):
    vm = state(name, release)
    found = {address: int(vm.guest_type(number(address))) for address in STATES[name]["types"]}
    assert found == STATES[name]["types"]
    whole = vm.guest_map()
    assert {address: int(whole.at(number(address))) for address in found} == found


@pytest.mark.parametrize("release", ["4.4", "5.19", "6.4", "6.8"])
@pytest.mark.parametrize("row", ROWS["mtrr_zap"], ids=lambda row: row["name"])
def test_mtrr_zap(row, release):
    vm = guest(release, noncoherent_dma=bool(row["noncoherent_dma"]), tdp="ept" if row["tdp"] else "none")
    for index, value, span in row["writes_and_zap_gfn_ranges"]:
        vm, zap = vm.apply(WriteMsr(number(index), number(value)))
        assert zap.done == ([tuple(map(number, span))] if span else []), index


@pytest.mark.parametrize("release", LIST_RELEASES)
@pytest.mark.parametrize("row", ROWS["hugepage"], ids=lambda row: row["name"])
def test_huge_page_consistency(row, release):
    vm = state(row["name"], release)
    for place, wanted in row["consistent"].items():
        address, size = place.split("/")
        pages = {"2M": 512, "1G": 512 * 512}[size]
        assert vm.huge_page_consistent(number(address) >> 12, pages) is wanted, place
