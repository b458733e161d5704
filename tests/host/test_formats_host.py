"""Reading a host: every source it may have, each of them absent or refused."""

from __future__ import annotations

import os

import pytest
from linux_log import register_lines

import memtype as mt
from memtype import host, rules
from memtype.host import live

STATE = mt.MtrrState(0xC06, (0x0606060606060606,) * 11, ((0x80000000, 0xFFFF80000800), (0, 0)), 48, "amd")
CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 7763
address sizes\t: 48 bits physical, 48 bits virtual

processor\t: 1
vendor_id\t: AuthenticAMD
"""
PAT = "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT"


@pytest.fixture
def root(tmp_path):
    """A host's files by path below a directory."""

    def write(**files: str):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def kmsg(lines: list[str]) -> str:
    """As /dev/kmsg frames records, one with a continuation."""
    framed = [f"6,{n},{n * 1000},-;{line}" for n, line in enumerate(lines)]
    return "\n".join([*framed, " SUBSYSTEM=pci", " DEVICE=+pci:0000:00:00.0"])


def test_nothing_at_all(tmp_path):
    machine = live.read(tmp_path)
    assert machine.mtrrs is None and machine.pat is None
    assert any(note.startswith("registers not told") for note in machine.notes)
    assert any(note.startswith("not read on this host: ") for note in machine.notes)


def test_proc_mtrr_and_cpuinfo_without_root(root):
    listing = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable"
    machine = live.read(root(proc__mtrr=listing, proc__cpuinfo=CPUINFO))
    assert (machine.vendor, machine.maxphyaddr) == ("amd", 48)
    assert machine.mtrrs.variable == ((0x80000000, 0xFFFF80000800),) and machine.mtrrs.vendor == "amd"
    assert machine.mtrrs.at(0) == mt.MemoryType.WB and "default" in machine.inferred


def test_the_kernel_log_where_it_may_be_read(root):
    log = kmsg(["Linux version 6.1 (x)", *register_lines(STATE), PAT])
    machine = live.read(root(dev__kmsg=log, proc__cpuinfo=CPUINFO))
    assert machine.mtrrs == STATE and machine.kernel == "6.1"
    assert machine.pat == mt.Pat(0x0407050600070106)


def test_the_firmwares_ram_map_from_sysfs(root):
    files = {"start": "0x100000", "end": "0x3fffffff", "type": "System RAM"}
    files = {f"sys__firmware__memmap__{n}__{name}": text for n in (0, 10) for name, text in files.items()}
    found = live.read(root(**files)).e820
    assert [(r.base, r.last, r.kind) for r in found] == [(0x100000, 0x3FFFFFFF, "usable")] * 2


def registers(number: int, state: mt.MtrrState) -> dict[int, int]:
    return {**state.msrs(), rules.PAT_MSR: 0x0007040600070406, rules.MTRRCAP: 0x500 + len(state.variable)}


def test_msr_devices_of_every_processor(root, monkeypatch):
    """With root the registers themselves: they go before the log, per processor; a guest without SYSCFG is no error."""
    other = mt.MtrrState(0xC00, STATE.fixed, STATE.variable, 48, "amd")
    held = {0: registers(0, STATE), 1: registers(1, other)}
    place = root(dev__cpu__0__msr="", dev__cpu__1__msr="", dev__cpu__microcode="", proc__cpuinfo=CPUINFO,
                 dev__kmsg=kmsg(register_lines(STATE)))  # fmt: skip
    names = {}
    real_open = os.open

    def opened(path, flags, *more, **named):
        device = real_open(path, flags, *more, **named)
        names[device] = str(path)
        assert flags & os.O_ACCMODE == os.O_RDONLY
        return device

    def pread(device, count, index):
        value = held[int(names[device].split("/")[-2])].get(index)
        if value is None:
            raise OSError(5, "Input/output error")
        return value.to_bytes(count, "little")

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "pread", pread)
    machine = live.read(place)
    assert [cpu.number for cpu in machine.cpus] == [0, 1]
    assert [cpu.mtrrs.def_type for cpu in machine.cpus] == [0xC06, 0xC00]
    assert machine.mtrrs.map == STATE.map and machine.mtrrs.cap == 0x502
    assert machine.pat == mt.Pat() and machine.format.startswith("host-msr")
    del held[1][0x200]
    again = live.read(place)
    assert [cpu.number for cpu in again.cpus] == [0]
    assert any("/dev/cpu/1/msr (Input/output error)" in note for note in again.notes)


def test_broken_files_of_a_host_are_notes_not_errors(root):
    machine = live.read(root(proc__mtrr="\0\0", dev__kmsg="\0", proc__cpuinfo="x" * 5000))
    assert machine.mtrrs is None
    assert any("/proc/mtrr" in note for note in machine.notes)
    huge = f"reg00: base=0x{1 << 70:x} ( 1MB), size= 1MB, count=1: uncachable"
    log = kmsg(["MTRR variable ranges enabled:", f"  0 base {1 << 70:X} mask FF80000000 write-back"])
    machine = live.read(root(proc__mtrr=huge, dev__kmsg=log, proc__cpuinfo=CPUINFO))
    assert machine.mtrrs is None
    assert any("/proc/mtrr:1: " in note and "/dev/kmsg:" in note for note in machine.notes)


def test_this_host_is_a_machine_whatever_it_lets_be_read():
    machine = host.this_host()
    assert machine.source == "this host" and machine.cpus


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({}, "/proc/cpuinfo (No such file or directory)"), ({}, "/proc/mtrr (No such file or directory)"),
        ({}, "the kernel log (No such file or directory)"),
        ({}, "/sys/kernel/debug/x86/pat_memtype_list (No such file or directory)"),
        ({"proc__mtrr": "\0\0"}, "/proc/mtrr:1: NUL byte at offset 0"),
        ({"proc__mtrr": "reg00: base=0x0 ( 0MB), size= 3MB, count=1: write-back"}, "/proc/mtrr:1: "),
        ({"dev__cpu__0__msr": ""}, "/dev/cpu/0/msr (IA32_MTRRCAP gave 0 bytes)"),
        ({"sys__firmware__memmap__0__start": "0x0"}, "/sys/firmware/memmap"),
        ({"sys__firmware__memmap__0__start": "x", "sys__firmware__memmap__0__end": "0x1",
          "sys__firmware__memmap__0__type": "System RAM"}, "/sys/firmware/memmap"),
    ],
)  # fmt: skip
def test_what_this_host_refused_is_named_once(files, named, root):
    (refused,) = [note for note in live.read(root(**files)).notes if getattr(note, "id", "") == "refused-by-host"]
    assert refused.count(named) == 1, refused


def test_nothing_is_called_refused_that_was_read(root):
    listing = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable"
    place = root(proc__mtrr=listing, proc__cpuinfo=CPUINFO, dev__kmsg=kmsg(register_lines(STATE)))
    (refused,) = [note for note in live.read(place).notes if getattr(note, "id", "") == "refused-by-host"]
    assert refused == "not read on this host: /sys/kernel/debug/x86/pat_memtype_list (No such file or directory)"
