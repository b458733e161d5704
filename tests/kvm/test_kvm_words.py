"""What refusals name, bit by bit; what tables list, row by row; which names of releases there are, at their edges."""

from __future__ import annotations

import dataclasses
import pickle
import re

import pytest
from kvm_states import EVERYTHING, FIRMWARE, GIB, guest, pair

import memtype as mt
from memtype import MtrrState, Pat
from memtype.kvm import PROFILES, SetMtrrs, Vcpu, Vm, Vmcs12, WriteMsr, history, nested_round_trip, profile, replay
from memtype.kvm.matrix import COLUMNS, knobs, matrix, releases
from memtype.kvm.msrs import Fault
from memtype.kvm.rules import DEVIATIONS

# --- values that a release refuses ------------------------------------------------------------------------------------


def detail(vm: Vm, index: int, value: int) -> str | None:
    refused = vm.apply(WriteMsr(index, value))[1].refused
    return None if refused is None else refused.detail


@pytest.mark.parametrize("index", [0x277, 0x250, 0x26F])
@pytest.mark.parametrize("byte", range(8))
def test_a_reserved_type_is_named_with_its_bits(index: int, byte: int) -> None:
    vm = guest("6.4")
    for kind in (2, 3, 8, 0xFF):
        said = f"type {kind} in bits {8 * byte + 7}:{8 * byte} is reserved"
        assert detail(vm, index, 0x0606060606060606 & ~(0xFF << 8 * byte) | kind << 8 * byte) == said
    above = 0xFF << 8 * byte & (1 << 64) - 1
    assert detail(vm, index, above | (1 << 64) - (1 << 8 * byte)) == (
        f"type 255 in bits {8 * byte + 7}:{8 * byte} is reserved")  # the lowest is named  # fmt: skip


@pytest.mark.parametrize("width", [32, 36, 52])
def test_a_reserved_bit_is_named(width: int) -> None:
    vm = Vm("6.4", vcpus=[Vcpu(maxphyaddr=width)])
    reserved = {0x2FF: {8, 9, *range(12, 64)}, 0x200: {*range(8, 12), *range(width, 64)},
                0x201: {*range(11), *range(width, 64)}, 0x20E: {*range(8, 12), *range(width, 64)},
                0x20F: {*range(11), *range(width, 64)}}  # fmt: skip
    for index, bits in reserved.items():
        for bit in range(8 if index != 0x201 else 0, 64):
            limit = f" (MAXPHYADDR = {width})" if bit >= width and index != 0x2FF else ""
            wanted = f"reserved bit {bit} set{limit}" if bit in bits else None
            assert detail(vm, index, 1 << bit) == wanted, (hex(index), bit)
    assert detail(vm, 0x201, 1 << 63 | 1 << 2) == "reserved bit 2 set"
    assert detail(vm, 0x2FF, 7) == detail(vm, 0x200, 7) == "type 7 in bits 7:0 is reserved"
    assert detail(Vm("3.13"), 0x201, 0x802) == "type 2 in bits 7:0 is reserved" and not detail(Vm("3.13"), 0x201, 0x806)


@pytest.mark.parametrize(("release", "index", "fault", "said"), [
    ("6.4", 0x210, Fault.NO_MTRR, "#GP: IA32_MTRR_PHYSBASE8 is no MTRR of KVM's"),
    ("6.4", 0x10, Fault.UNKNOWN_MSR, "unknown MSR 0x10: #GP unless ignore_msrs"),
    ("6.4", 0x2F8, Fault.NO_MTRR, "#GP: MSR 0x2f8 is no MTRR of KVM's"),
    ("6.5", 0x2F8, Fault.UNKNOWN_MSR, "unknown MSR 0x2f8: #GP unless ignore_msrs"),
    ("4.4", 0x2F8, Fault.BIT, "#GP twice: reserved bit 8 set"),
])  # fmt: skip
def test_an_index_is_refused_in_words(release: str, index: int, fault: Fault, said: str) -> None:
    vm = guest(release)
    refused = vm.apply(WriteMsr(index, 0x100))[1].refused
    assert refused is not None and (refused.fault, refused.twice, refused.host, refused.register) == (
        fault, "twice" in said, False, "")  # fmt: skip
    assert str(refused) == said
    host = vm.apply(WriteMsr(index, 0x100, host_initiated=True))[1].refused
    spurious = ", and the guest gets a spurious #GP" if refused.twice else ""
    assert host is not None and host.host and str(host) == f"KVM_SET_MSRS stops{spurious}: {refused.detail}"


def test_what_a_guest_reads_or_cannot_read() -> None:
    vm = guest("6.4", [*FIRMWARE, *pair(7, GIB | 4, GIB), (0x2FF, 0xC06), (0x277, 0x0606)])
    written = dict([*FIRMWARE, *pair(7, GIB | 4, GIB), (0x2FF, 0xC06), (0x277, 0x0606)])
    held = {index: vm.msr(index) for index in (*range(0x200, 0x210), 0x250, 0x258, 0x259, *range(0x268, 0x270),
                                               0x277, 0x2FF)}  # fmt: skip
    assert held == dict.fromkeys(held, 0) | written
    with pytest.raises(mt.InputError) as refused:
        guest("4.4").msr(0x2F8)
    assert str(refused.value).startswith("RDMSR 0x2f8: Linux 4.4 (kvm-4.4) reads outside its array")
    for index in (0x2F8, 0x210, 0x10):
        with pytest.raises(mt.InputError) as refused:
            vm.msr(index)
        assert str(refused.value) == f"RDMSR 0x{index:x}: no MTRR of KVM's and not IA32_PAT (#GP)"


# --- tables ---------------------------------------------------------------------------------------------------------


def test_the_history_as_rows() -> None:
    def dotted(numbers: tuple[int, ...]) -> str:
        return ".".join(str(number) for number in numbers)

    wanted = [(knob, row.value, dotted(row.release), row.commit.id, row.commit.subject)
              for knob, found in history.HISTORY.items() for row in found]  # fmt: skip
    names = [("6.11-rc", "candidate"), ("6.12.78", "stable"), ("ubuntu 6.8.0-136", "ubuntu"), ("4.4.12", "stable"),
             ("4.5.6", "stable"), ("4.4.262", "stable")]  # fmt: skip
    for port, (since, vendor) in zip(history.OVERLAYS, names, strict=True):
        wanted += [(knob, value, since, vendor, port.note) for knob, value in port.knobs.items()]
    assert [(row.knob, row.value, row.since, row.commit, row.subject) for row in knobs()] == wanted


def test_tables_are_listed_in_order() -> None:
    pagings = [("intel", "ept"), ("amd", "npt"), ("intel", "none"), ("amd", "none")]
    assert list(COLUMNS) == [(*paging, dma) for paging in pagings for dma in (False, True)]
    assert list(PROFILES) == ["kvm-3.13", "kvm-4.4", "kvm-6.0", "kvm-6.7", "kvm-6.11", "kvm-6.11-rc", "kvm-6.16",
                              "kvm-7.2"]  # fmt: skip
    found = list(releases())
    minors = {3: range(13, 20), 4: range(21), 5: range(20), 6: range(20), 7: range(4)}
    wanted = [f"{major}.{minor}" for major, held in minors.items() for minor in held]
    assert [name for name in found if name != "6.11-rc"] == [name for name in wanted if name not in ("4.2", "4.3")]
    assert found[found.index("6.11-rc") + 1] == "6.11"
    cells = {str(cell) for row in matrix() for cell in row.cells}
    assert cells == {"-", "MTRR PAT", "MTRR PAT CD*", "PAT", "PAT*", "CD*", "PAT CD*"}


def test_each_deviation_in_few_words() -> None:
    told = {"overlap-kvm": ("4.4 to 6.10", "higher base"), "range-kvm": ("4.4 to 6.10", "last match"),
            "disabled-kvm": ("3.13 to 4.1", "E = FE = 0"), "low-kvm": ("3.13 to 4.1", "fixed ranges")}  # fmt: skip
    assert DEVIATIONS.keys() == told.keys()
    assert all(word in DEVIATIONS[rule] for rule, words in told.items() for word in words)


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "found"), [
    ("6.11-rc1", "6.11-rc1"), ("6.11-rc7", "6.11-rc7"), ("6.11-rc", "6.11-rc"), ("6.10-rc8", "6.10-rc8"),
    ("ubuntu 6.8.0-999", "Ubuntu 6.8.0-999"), ("6.8.0-999-generic", "Ubuntu 6.8.0-999"),
    ("ubuntu 6.11.0-1000", "Ubuntu 6.11.0-1000"), ("6.4.1-my.element1", "6.4.1"), ("6.4.1-my.fcx", "6.4.1"),
    ("V6.4", "6.4"), ("stable 6.4.1", "6.4.1"), ("6.4.0", "6.4.0"), ("6.12.78-rc3", "6.12.78"),
    ("6.8.0-140~22.04.1-generic", "Ubuntu 6.8.0-140"), ("6.8.0-140-lowlatency64k", "Ubuntu 6.8.0-140"),
    ("6.8.0-140-azure-fde", "Ubuntu 6.8.0-140"), ("6.8.0+", "6.8.0"),
    ("ubuntu 6.8.0-140.140", "Ubuntu 6.8.0-140"), ("ubuntu-6.8.0-140-lowlatency", "Ubuntu 6.8.0-140"),
    ("debian 6.8.0-140-generic", "6.8.0"), ("stable 6.8.0-140-generic", "6.8.0"), ("6.8.1-140-generic", "6.8.1"),
    ("6.8-140-generic", "6.8"), ("6.8.0-generic", "6.8.0"), ("  6.4 ", "6.4"),
])  # fmt: skip
def test_a_name_is_read_as_that_release(name: str, found: str) -> None:
    assert profile(name).release == found


@pytest.mark.parametrize(("name", "said"), [
    ("6.11-rc0", "there was no 6.11-rc0; 6.11 had rc1 to rc7"), ("6.11-rc8", "there was no 6.11-rc8"),
    ("ubuntu 6.8.0-1000", "cloud kernels"), ("5.14.0-1.EL9", "vendor"), ("5.14.0-1.fc38", "vendor"),
    ("5.14.0-1.amzn2", "vendor"), ("6.12-rc", "which release candidate"), ("kvm-6.11-rx", "which release candidate"),
    ("3.12", "3.12 is not modelled: the oldest release read is 3.13"),
    ("4.21", "there is no Linux 4.21: 4.20 was the last"), ("6.20", "there is no Linux 6.20: 6.19 was the last"),
    ("6.8.0-140", "-140 is a vendor's update: say 'ubuntu ...-140', or leave it away for upstream's"),
    ("ubuntu 6.8.0-x", "an Ubuntu kernel is named as in 'ubuntu 6.8.0-140'"),
    ("4.4-rc1", "4.4-rc1 is not modelled: the last fix"), ("x6.4", "'x6.4' names no KVM release (6.4, 6.12.80"),
])  # fmt: skip
def test_a_name_that_is_none_says_why(name: str, said: str) -> None:
    with pytest.raises(mt.InputError) as refused:
        profile(name)
    assert said in str(refused.value)


def test_profiles_are_equal_whatever_was_asked_for() -> None:
    assert profile("6.7") == profile("6.8") and profile("6.7").notes != profile("6.8").notes
    assert profile("6.8").release != profile("6.7").release and hash(profile("6.7")) == hash(profile("6.8"))
    assert (profile("6.8").first, profile("6.8").span) == ((6, 7), "6.7 to 6.10")
    assert PROFILES["kvm-6.7"] == profile("6.7") and PROFILES["kvm-6.7"].notes == ()
    assert repr(PROFILES["kvm-6.7"]) == "profile('kvm-6.7')" and PROFILES["kvm-6.7"].release == ""


# --- sequences, zaps within the memory, nested fields -----------------------------------------------------------------


@pytest.mark.parametrize(("memory", "pages"), [(0, 0), (1, 1), (4096, 1), (4097, 2), (GIB, 1 << 18), (None, 1 << 24),
                                               (1 << 40, 1 << 24)])  # fmt: skip
def test_pages_of_the_guests_memory_are_counted(memory: int | None, pages: int) -> None:
    done = replay(guest("6.4", noncoherent_dma=True), [WriteMsr(0x2FF, 0xC06), WriteMsr(0x277, 0)], memory)
    assert (done.zaps, done.pages, len(done.steps), done.refused) == (1, pages, 2, [])
    assert [step.vm for step in done.steps][-1] is done.vm and done.stale == done.vm.stale() == done.steps[-1].stale
    refused = replay(guest("6.4"), [WriteMsr(0x2FF, 7), WriteMsr(0x2FF, 6)])
    assert [step.event for step in refused.refused] == [WriteMsr(0x2FF, 7)]


def test_changes_are_those_within_the_memory() -> None:
    memory = [(0x1000, 0x3000), (GIB, GIB)]
    vm = guest("6.4", [(0x2FF, 0x806)], noncoherent_dma=True, memory=memory, vcpus=None)
    zap = vm.apply(WriteMsr(0x2FF, 0x800))[1]
    assert [tuple(change) for change in zap.each_change()] == [(1, 4, 0x30, 0, 0), (1 << 18, 1 << 19, 0x30, 0, 0)]
    assert zap.needed == [(1, 4), (1 << 18, 1 << 19)] and zap.excess == [] == zap.stale
    assert vm.apply(WriteMsr(0x2FF, 0x806))[1].excess == [(1, 4), (1 << 18, 1 << 19)]


def test_a_whole_state_is_written_register_by_register() -> None:
    """DEF_TYPE zaps even if nothing changes; a mask that is 0 and stays 0 is not written, one that becomes 0 is."""
    vm = guest("6.4", noncoherent_dma=True)
    same, zap = vm.apply(SetMtrrs(MtrrState(maxphyaddr=36)))
    assert zap.calls == (EVERYTHING,) and same.vcpus[0].masks_written == frozenset() and not zap.warned
    state = MtrrState(0x806, variable=[(6, 0xFC0000800), (0, 0), (GIB, 0xFC0000800)], maxphyaddr=36)
    held, zap = vm.apply(SetMtrrs(state))
    assert held.vcpus[0].masks_written == {0, 2} and held.vcpus[0].mtrrs.variable[:3] == state.variable
    gone, zap = held.apply(SetMtrrs(MtrrState(0x806, maxphyaddr=36)))
    assert gone.vcpus[0].masks_written == {0, 2} and not any(map(any, gone.vcpus[0].mtrrs.variable))
    assert zap.calls == ((0, 1 << 18), (0, 1 << 24), (0, 1 << 18), (0, 1 << 24), EVERYTHING) and zap.warned
    several = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(maxphyaddr=36), Vcpu(maxphyaddr=36, cr0_cd=True)])
    both, zap = several.apply(SetMtrrs(MtrrState(0x806, maxphyaddr=36)))
    assert [vcpu.mtrrs.def_type for vcpu in both.vcpus] == [0x806, 0x806] and zap.calls == (EVERYTHING, EVERYTHING)
    one, zap = several.apply(SetMtrrs(MtrrState(0x806, maxphyaddr=36), vcpu=1))
    assert [vcpu.mtrrs.def_type for vcpu in one.vcpus] == [0, 0x806] and zap.calls == (EVERYTHING,)


def test_paging_by_its_names() -> None:
    for name, found in (("shadow", "none"), ("None", "none"), ("EPT", "ept"), (None, "ept")):
        assert Vm("6.4", tdp=name).tdp == found
    assert Vm("6.4", "AMD", "NPT").tdp == Vm("6.4", "amd").tdp == "npt"


def test_vcpus_alike_and_one_that_is_not() -> None:
    same, other = Vcpu(maxphyaddr=36), Vcpu(pat="xen", maxphyaddr=40)
    vm = Vm("6.4", vcpus=[same, same, other])
    assert vm.vcpus[0] is vm.vcpus[1] and vm.vcpus[2] is other and vm.gfn_end == 1 << 28
    with pytest.raises(mt.InputError, match="int is no Vcpu"):
        Vm("6.4", vcpus=[same, same, 3])  # type: ignore[list-item]
    with pytest.raises(mt.RegisterError, match="cannot hold IA32_MTRR_DEF_TYPE = 0x802"):
        Vm("6.4", vcpus=[same, same, Vcpu(MtrrState(0x802))])


@pytest.mark.parametrize("memory", [[(1 << 40, GIB)], [(1 << 35, 1 << 40)], [(0, 1 << 52)], [((1 << 36) - 4096, 8192)]])
def test_memory_beyond_what_a_vcpu_can_address_is_none(memory: list[tuple[int, int]]) -> None:
    """Masks without holes, and with: what is listed and what is not are cut alike."""
    base, size = memory[0]
    pages = len(range(base >> 12, min(base + size, 1 << 36) >> 12))
    for mask in (0xFC0000800, 0x555555800):
        vcpu = Vcpu(MtrrState(0x806, variable=[(0, mask)], maxphyaddr=36))
        vm = Vm("6.4", noncoherent_dma=True, vcpus=[vcpu], memory=memory, as_architected=True)
        zap = vm.apply(WriteMsr(0x2FF, 0x804))[1]
        assert zap.needed.count() + zap.excess.count() == pages and zap.stale.count() == 0
        assert replay(vm, [WriteMsr(0x2FF, 0x804)]).pages == pages
        assert bool(zap.first_changes(1)) is bool(zap.needed)


def test_a_vcpu_is_a_value() -> None:
    state = MtrrState(0xC06, [0x0606060606060606] * 11, [(GIB, 0xFC0000800), (0, 0x800)] + [(0, 0)] * 6, 36)
    fields = {"mtrrs": state, "pat": Pat("xen"), "cr0_cd": True, "cr0_pg": False, "cpuid_mtrr": False,
              "order": (1, 0), "masks_written": frozenset({0, 1, 4}), "g_pat": Pat("linux")}  # fmt: skip
    plain = Vcpu(maxphyaddr=36)
    for name, value in fields.items():
        other = dataclasses.replace(plain, **{name: value})
        assert (other == plain) is (getattr(other, name) == getattr(plain, name)) is False, name
        assert hash(other) == hash(dataclasses.replace(plain, **{name: value}))
        for copied in (pickle.loads(pickle.dumps(other)), dataclasses.replace(other), eval(repr(other))):
            assert copied == other and hash(copied) == hash(other) and copied != plain
    whole = Vcpu(**fields)  # type: ignore[arg-type]
    assert eval(repr(whole)) == whole == pickle.loads(pickle.dumps(whole)) and whole != 3
    assert {name: getattr(whole, name) for name in fields} == fields and whole.maxphyaddr == 36
    assert not re.search(r"\b_\w", repr(whole))  # nothing that is private


@pytest.mark.parametrize(("memory", "windows"), [
    ([(0, 1)], [(0, 1)]), ([(0, 4096)], [(0, 1)]), ([(0, 4097)], [(0, 2)]), ([(4095, 2)], [(0, 2)]),
    ([(4096, 4096)], [(1, 2)]), ([(8192, 1), (0, 4096), (4096, 4096)], [(0, 3)]), ([], []),
])  # fmt: skip
def test_memory_in_pages(memory: list[tuple[int, int]], windows: list[tuple[int, int]]) -> None:
    vm = guest("6.4", [(0x2FF, 0x806)], noncoherent_dma=True, memory=memory)
    assert list(vm.memory) == memory
    needed = vm.apply(WriteMsr(0x2FF, 0x800))[1].needed
    assert needed == (windows or [(0, 1 << 24)])


def test_fields_of_a_vmcs_are_held_as_what_they_are() -> None:
    fields = Vmcs12("linux", 0x06, 1, 0, 1)  # type: ignore[arg-type]
    assert (fields.guest_pat, fields.host_pat) == (Pat("linux"), Pat(0x06))
    assert [fields.load, fields.save, fields.load_host] == [True, False, True]
    assert all(type(one) is bool for one in (fields.load, fields.save, fields.load_host))
    vcpus = [Vcpu(MtrrState(0x806, maxphyaddr=36), Pat("xen")) for _ in range(3)]
    trip = nested_round_trip(Vm("6.4", vcpus=vcpus), Vmcs12("linux", 0x06), vcpu=1)
    assert [vcpu.pat for vcpu in trip.vm.vcpus] == [Pat("xen"), Pat(0x06), Pat("xen")]
