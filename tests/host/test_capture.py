"""A capture reads a host, never writes to it, and says what it could not read."""

import json
import os
import socket
from pathlib import Path

import pytest

import memtype as mt
from memtype import rules
from memtype.cli import main
from memtype.host import capture, live

MSRS = {
    rules.MTRRCAP: 0x508, 0x2FF: 0xC06, 0x277: rules.PAT_RESET, 0xC0010010: 0x600000, 0xC001001D: 0x180000000,
    0xC001001A: 0x80000000, **dict.fromkeys(rules.FIXED_MSRS, 0x0606060606060606),
    **dict.fromkeys(range(0x200, 0x210), 0),
    0x200: 0x80000000, 0x201: 0xFFFF80000800,
}  # fmt: skip
LOG = "6,1,1,-;Linux version 6.4.0-build+alice@workbench (alice@workbench)\n"
LOG += "6,2,2,-;BIOS-e820: [mem 0x0-0x9ffff] usable\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with two AMD processors, a kernel log and a RAM map; every register can be read."""
    for cpu in ("0", "1"):
        (tmp_path / "dev/cpu" / cpu).mkdir(parents=True)
        (tmp_path / "dev/cpu" / cpu / "msr").touch()
    (tmp_path / "dev/cpu/0/cpuid").touch()
    (tmp_path / "proc").mkdir()
    processor = "vendor_id : AuthenticAMD\naddress sizes\t: 43 bits physical, 48 bits virtual\n"
    (tmp_path / "proc/cpuinfo").write_text(processor)
    (tmp_path / "proc/mtrr").write_text("")
    (tmp_path / "dev/kmsg").write_text(LOG)
    flags = []
    opened, read = os.open, os.pread

    def watched(path, how, *more, **named):
        if str(path).startswith(str(tmp_path)):
            flags.append(how)
        return opened(path, how, *more, **named)

    def registers(device, size, offset):
        path = os.readlink(f"/proc/self/fd/{device}")
        if path.endswith("/msr"):
            if offset not in MSRS:
                raise OSError(5, "Input/output error")
            return MSRS[offset].to_bytes(8, "little")
        if path.endswith("/cpuid"):
            return (48 if offset == 0x80000008 else 0).to_bytes(4, "little") + bytes(12)
        return read(device, size, offset)

    monkeypatch.setattr(os, "open", watched)
    monkeypatch.setattr(os, "pread", registers)
    monkeypatch.setattr(os, "write", lambda *a: pytest.fail("something was written"))
    monkeypatch.setattr(os, "pwrite", lambda *a: pytest.fail("a register was written"))
    yield tmp_path
    assert flags and not any(how & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) for how in flags)


def test_with_privilege_everything(host):
    machine = capture.capture(root=host)
    assert [cpu.number for cpu in machine.cpus] == [0, 1]
    state = machine.mtrrs
    assert (state.vendor, state.maxphyaddr, state.cap) == ("amd", 43, 0x508)
    assert (state.syscfg, state.tom2) == (0x600000, 0x180000000)
    assert state.variable[0] == (0x80000000, 0xFFFF80000800) and machine.pat.value == rules.PAT_RESET
    assert machine.facts["cpuid"]["0x80000008"][0] == "0x00000030"  # the processor's own 48 beside the kernel's 43
    assert machine.facts["other_msrs"]["1"]["0xc001001a"] == "0x0000000080000000"
    assert any("IORR_BASE0 (0xc0010016) was not read" in note for note in machine.notes)
    assert machine.e820[0].size == 0xA0000


def test_a_capture_is_read_by_every_verb(host, monkeypatch, capsys):
    monkeypatch.setattr(capture, "capture", lambda anonymise: CAPTURE(anonymise, host))
    assert main(["capture"]) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["schema"] == "memtype/1" and json.loads(text)["verb"] == "capture"
    machine = capture.capture(anonymise=False)
    assert mt.parse(text) == machine


CAPTURE = capture.capture


def test_names_are_left_out(host, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "workbench.example")
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: cls("/home/alice")))
    told = json.dumps(mt.formats.own_json.dump(capture.capture(root=host)))
    assert "alice" in told
    hidden = capture.capture(anonymise=True, root=host)
    text = json.dumps(mt.formats.own_json.dump(hidden))
    assert "alice" not in text and "workbench" not in text and hidden.kernel == "6.4.0"
    assert hidden.mtrrs == capture.capture(root=host).mtrrs


def test_names_inside_notes_and_facts_are_replaced():
    hidden = capture._without({"a": ["bob", {"b": "x-box-y", "c": "boxes"}]}, ["bob", "box"])
    assert hidden == {"a": ["…", {"b": "x-…-y", "c": "boxes"}]}


def test_without_privilege_as_far_as_it_goes(host, monkeypatch):
    for path in host.glob("dev/cpu/*/*"):
        path.unlink()
    machine = capture.capture(root=host)
    assert machine.mtrrs is None and machine.e820 and machine.maxphyaddr == 43
    notes = "\n".join(machine.notes)
    assert "/dev/cpu/0/msr (No such file or directory)" in notes and "CPUID was not read" in notes
    assert "IA32_PAT was not read" in notes


def test_nothing_at_all_is_refused_with_status_3(tmp_path, monkeypatch, capsys):
    with pytest.raises(mt.LiveReadRefused, match=r"^nothing could be read: "):
        capture.capture(root=tmp_path)
    monkeypatch.setattr(live, "read", lambda root: mt.Machine(notes=("no permission",)))
    assert main(["capture"]) == 3
    out, err = capsys.readouterr()
    assert out == "" and err == "memtype: error: nothing could be read: no permission\n"
