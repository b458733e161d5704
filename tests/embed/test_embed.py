"""Readers, chipsec, QMP clients, libvirt and snapshots become machines."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from strategies import random_state

from memtype import InputError, LiveReadRefused, MissingExtra, MtrrState, RegisterError, rules
from memtype.embed import chipsec, cloud_hypervisor, libvirt, msr, qemu

QEMU = {
    0xFE: 0x508, 0x277: 0x0407050600070106, 0x2FF: 0xC06, 0x200: 0x80000000, 0x201: 0xFF80000800,
    **dict.fromkeys(range(0x202, 0x210), 0), 0x250: 0x0606060606060606, 0x258: 0x0606060606060606, 0x259: 0,
    **dict.fromkeys(range(0x268, 0x270), 0x0505050505050505),
}  # fmt: skip


# --- readers -----------------------------------------------------------------------------------------------------


def test_a_reader_is_asked_for_what_exists() -> None:
    asked: list[int] = []

    def read(index: int) -> int:
        asked.append(index)
        return {**QEMU, 0xFE: 0x002}.get(index, 0)  # two pairs, no fixed ranges

    machine = msr.machine(read, maxphyaddr=40)
    assert set(asked) == {0xFE, 0x2FF, 0x200, 0x201, 0x202, 0x203, 0x277}
    assert machine.mtrrs is not None and machine.mtrrs.cap == 2 and len(machine.mtrrs.variable) == 2
    assert machine.notes == () and machine.inferred == ()


def test_every_form_of_readers() -> None:
    for readers in (QEMU.__getitem__, [QEMU.__getitem__], {0: QEMU.__getitem__}, {0: QEMU}, iter([QEMU.__getitem__])):
        machine = msr.machine(readers)  # type: ignore[arg-type]
        assert machine.cpus[0].number == 0 and machine.maxphyaddr == 40 and machine.inferred == ("maxphyaddr",)
        assert machine.mtrrs == MtrrState.from_msrs(QEMU) and str(machine.pat) == "WB WC UC- UC WB WP UC- WT"
        assert "40 inferred" in machine.notes[0]


def test_processors_that_differ_are_named() -> None:
    other = {**QEMU, 0x201: 0xFFC0000800, 0x277: 0x0007040600070406}
    machine = msr.machine({0: QEMU, 3: other, 5: QEMU}, maxphyaddr=40)
    assert [cpu.number for cpu in machine.cpus] == [0, 3, 5]
    assert machine.notes == ("the 3 processors differ in 2 registers: IA32_MTRR_PHYSMASK0, IA32_PAT",)


def test_a_missing_pat_is_no_error_and_other_failures_pass() -> None:
    def read(index: int) -> int:
        if index == 0x277:
            raise OSError(5, "no")
        return QEMU[index]

    assert msr.machine(read).pat is None
    with pytest.raises(RegisterError, match="DEF_TYPE"):  # a reader may lack registers, but not all
        msr.machine(lambda index: {}[index])
    with pytest.raises(RegisterError, match="processor"):
        msr.machine([])
    with pytest.raises(RegisterError, match="function"):
        msr.machine(5)  # type: ignore[arg-type]
    with pytest.raises(RegisterError, match="64-bit"):
        msr.machine(lambda index: -1 if index == 0x200 else QEMU[index])


def test_amd_readers_are_asked_for_tom2() -> None:
    amd = {**QEMU, 0x2FF: 0xC00, rules.SYSCFG_MSR: 0x600000, rules.TOP_MEM2_MSR: 1 << 33}
    machine = msr.machine(amd.__getitem__, maxphyaddr=48, vendor="AuthenticAMD")
    assert machine.vendor == "amd" and machine.mtrrs is not None
    assert str(machine.mtrrs.at(0x100000000)) == "WB" and str(machine.mtrrs.at(1 << 33)) == "UC"


# --- chipsec -----------------------------------------------------------------------------------------------------


class FakeHelper:
    """What chipsec's drivers answer: registers of two processors, CPUID of an AMD part with 48 bits."""

    failing = -1

    def read_msr(self, cpu: int, index: int) -> tuple[int, int]:
        value = {**QEMU, rules.SYSCFG_MSR: 0, rules.TOP_MEM2_MSR: 0}[index]
        return (-1, -1) if index == self.failing else (value & 0xFFFFFFFF, value >> 32)

    def cpuid(self, eax: int, ecx: int) -> tuple[int, int, int, int]:
        words = [int.from_bytes(b"AuthenticAMD"[n : n + 4], "little") for n in (0, 4, 8)]
        return (0x10, words[0], words[2], words[1]) if eax == 0 else (0x3030, 0, 0, 0)

    def get_threads_count(self) -> int:
        return 2


def chipset(helper: FakeHelper, nested: bool) -> Any:
    """A chipset with chipsec's own HALs over that driver."""
    pytest.importorskip("chipsec", reason="chipsec is not installed")
    from chipsec.hal.cpu import CPU
    from chipsec.hal.msr import Msr

    cs = SimpleNamespace(helper=helper)
    hals = SimpleNamespace(msr=Msr(cs), cpu=CPU(cs))
    cs.__dict__.update({"hals": hals} if nested else vars(hals))
    return cs


@pytest.mark.parametrize("nested", [True, False], ids=["cs.hals.msr", "cs.msr"])
def test_chipsec(nested: bool) -> None:
    helper = FakeHelper()
    machine = chipsec.machine(chipset(helper, nested))
    assert [cpu.number for cpu in machine.cpus] == [0, 1]
    assert (machine.vendor, machine.maxphyaddr, machine.format) == ("amd", 48, "chipsec")
    state = MtrrState.from_msrs(chipsec.reader(chipset(helper, nested), 1), maxphyaddr=40)
    assert state == MtrrState.from_msrs(QEMU, maxphyaddr=40)
    only = chipsec.machine(chipset(helper, nested), cpus=[1], maxphyaddr=40, vendor="intel")
    assert [cpu.number for cpu in only.cpus] == [1] and only.maxphyaddr == 40 and only.vendor == "intel"


def test_chipsec_failures_are_refusals() -> None:
    helper = FakeHelper()
    helper.failing = 0x201
    with pytest.raises(LiveReadRefused, match=r"IA32_MTRR_PHYSMASK0 \(0x201\) of CPU 0"):
        chipsec.machine(chipset(helper, True))
    helper.failing = 0x277
    assert chipsec.machine(chipset(helper, True)).pat is None
    with pytest.raises(InputError, match="no chipsec"):
        chipsec.machine(object())


def test_chipsec_without_cpuid() -> None:
    class Bare(FakeHelper):
        def cpuid(self, eax: int, ecx: int) -> tuple[int, int, int, int]:
            raise NotImplementedError

    machine = chipsec.machine(chipset(Bare(), True))
    assert machine.vendor == "intel" and machine.maxphyaddr == 40 and "inferred" in machine.notes[0]


# --- QEMU --------------------------------------------------------------------------------------------------------


def qmp(whole: bool, **properties: Any) -> qemu.Execute:
    """A QMP client that answers whole replies, or what they return."""
    replies = {"phys-bits": 36, "vendor": "GenuineIntel", **properties}

    def execute(command: str, arguments: dict[str, Any]) -> Any:
        if command == "query-cpus-fast":
            found: Any = [{"cpu-index": n, "qom-path": f"/machine/unattached/device[{n}]"} for n in range(2)]
        else:
            assert command == "qom-get" and arguments["path"] == "/machine/unattached/device[0]"
            found = replies[arguments["property"]]
            if found is None:
                return {"error": {"class": "GenericError", "desc": "Property not found"}}
        return {"return": found, "id": "x"} if whole else found

    return execute


@pytest.mark.parametrize("whole", [True, False])
def test_qemu_without_a_stream_tells_what_qmp_tells(whole: bool) -> None:
    machine = qemu.machine(qmp(whole))
    assert [cpu.number for cpu in machine.cpus] == [0, 1] and machine.mtrrs is None
    assert (machine.maxphyaddr, machine.vendor) == (36, "intel")
    assert "migration stream" in machine.notes[0]
    bare = qemu.machine(qmp(whole, **{"phys-bits": None, "vendor": None}))
    assert (bare.maxphyaddr, bare.vendor) == (None, None)
    assert qemu.machine(qmp(whole, **{"phys-bits": 0})).maxphyaddr is None  # not realized yet


def test_qemu_errors() -> None:
    with pytest.raises(InputError, match="refuses query-cpus-fast: not now"):
        qemu.machine(lambda command, arguments: {"error": {"desc": "not now"}})
    with pytest.raises(InputError, match="no processor"):
        qemu.machine(lambda command, arguments: [])


def test_qemu_with_its_own_stream(corpus: Path) -> None:
    data = gzip.decompress((corpus / "qemu" / "kvm-fw-pc-seabios-2G-phys36.migration.bin.gz").read_bytes())
    machine = qemu.machine(qmp(True), data)
    assert machine.mtrrs is not None and machine.mtrrs.maxphyaddr == 36
    assert str(machine.mtrrs.at(0x80000000)) == "UC" and str(machine.mtrrs.at(0)) == "WB"
    assert not any("MAXPHYADDR" in note for note in machine.notes) and machine.inferred == ()
    assert any("QEMU lists 2" in note for note in machine.notes)


def test_libvirt(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("libvirt_qemu")
    client = qmp(True)

    def command(domain: str, request: str, flags: int) -> str:
        assert (domain, flags) == ("domain", 0)
        asked = json.loads(request)
        return json.dumps(client(asked["execute"], asked["arguments"]))

    fake.qemuMonitorCommand = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "libvirt_qemu", fake)
    assert libvirt.machine("domain").maxphyaddr == 36
    monkeypatch.setitem(sys.modules, "libvirt_qemu", None)
    with pytest.raises(MissingExtra, match="pip install libvirt-python"):
        libvirt.machine("domain")


# --- cloud-hypervisor --------------------------------------------------------------------------------------------


def test_cloud_hypervisor_snapshots() -> None:
    msrs = [{"index": index, "data": value} for index, value in QEMU.items()]
    vcpus = {str(n): {"snapshot_data": {"state": {"msrs": msrs}}} for n in range(2)}
    snapshot = {"id": "vm", "snapshots": {"cpu-manager": {"snapshots": vcpus}}}
    for given in (snapshot, json.dumps(snapshot)):
        machine = cloud_hypervisor.machine(given)
        assert machine.mtrrs is not None and str(machine.mtrrs.at(0x80000000)) == "UC"
        assert len(machine.cpus) == 2
    for bad in ({"id": "vm"}, {1: object()}, "{", []):
        with pytest.raises(InputError):
            cloud_hypervisor.machine(bad)


def test_a_reader_takes_any_state_back() -> None:
    import random

    rng = random.Random(8)
    for _ in range(20):
        state = random_state(rng)
        registers = {0xFE: 0x500 | len(state.variable), rules.SYSCFG_MSR: state.syscfg, rules.TOP_MEM2_MSR: state.tom2}
        registers |= {i: v for i, v in state.msrs().items() if i != 0xFE}
        found = msr.machine(registers.__getitem__, state.maxphyaddr, state.vendor).mtrrs
        assert found is not None and found.msrs() | {0xFE: 0} == state.msrs() | {0xFE: 0}
