"""Registers beside the MTRRs: where SMRAM is, what routes and what changes no type; AMD's reserved fixed bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from printed import flat

import memtype as mt
from memtype import rules
from memtype.analysis.system_ranges import system_msrs, system_notes, system_ranges
from memtype.cli import main

T = mt.MemoryType
SMRR = "0xfe 0xd00\n0x2ff 0x806\n0x1f2 0x7c400006\n0x1f3 0xffc00800\n"


def ranges(text):
    return system_ranges(mt.parse("0xfe 0xd00\n0x2ff 0x806\n" + text))


def ask(text, tmp_path, capsys, *words):
    path = tmp_path / "dump"
    path.write_text(text)
    status = main([*words, str(path)])
    out, err = capsys.readouterr()
    return status, out, err


# --- SMRR ---------------------------------------------------------------------------------------------------------


frames, types = st.integers(0, (1 << 20) - 1), st.sampled_from([0, 1, 4, 5, 6])


@settings(deadline=None)
@given(frames, st.integers(0, 20), types, st.integers(0, (1 << 36) - 1))
def test_a_range_matches_as_an_mtrr_does(frame, order, kind, address):
    base = frame << 12
    mask = (0xFFFFF000 & ~((0x1000 << order) - 1)) | 0x800
    (held,) = ranges(f"0x1f2 0x{base | kind:x}\n0x1f3 0x{mask:x}")
    state = mt.MtrrState(0x806, (0,) * 11, ((base, mask | 0xF_0000_0000),), 36)  # an MTRR of the same base and mask
    assert held.covers(address) == (state.at(address) is T.UC)
    assert held.inside is T(kind) and held.type is T.UC
    first, size = held.span
    assert held.covers(first) and held.covers(first + size - 1) and size == 0x1000 << order


def test_smram_is_told_inside_and_outside(tmp_path, capsys):
    text = "outside SMM: UC, writes dropped (SMRAM); inside SMM: WB"
    asked = ("0x7c400000", "0x7c3fffff", "0x7c7fffff", "0x7c800000", "0x17c400000")
    status, out, _ = ask(SMRR, tmp_path, capsys, "at", *asked)
    lines = out.splitlines()
    assert status == 0 and lines == [
        f"0x7c400000  UC  {text}", "0x7c3fffff  WB", f"0x7c7fffff  UC  {text}", "0x7c800000  WB", "0x17c400000  WB",
    ]  # fmt: skip
    _, out, _ = ask(SMRR, tmp_path, capsys, "at", "0x7c300000-0x7c8fffff", "0x7c400000+4M", "--json")
    across, inside = json.loads(out)["answers"]
    assert [part["type"] for part in across["segments"]] == ["WB", "UC", "WB"] and across["type"] == "mixed"
    assert inside["type"] == "UC" and inside["system"][0]["inside_smm"] == "WB"
    _, out, _ = ask(SMRR, tmp_path, capsys, "at", "0x7c400000", "--why")
    assert "[smrr: SDM 3C" in out
    assert "SMRR  [mem 0x000000007c400000-0x000000007c7fffff]  4 MiB" in ask(SMRR, tmp_path, capsys, "show")[1]


def test_what_is_not_told_stays_open_beside_smram(tmp_path, capsys):
    text = "0x2ff 0xc06\n0x1f2 0x7c400006\n0x1f3 0xffc00800\n"  # whether there are variable ranges is not told
    status, out, _ = ask(text, tmp_path, capsys, "at", "0x7c400000", "0x7c3fffff")
    first, second = out.splitlines()
    assert status == 0 and first == "0x7c400000  UC  outside SMM: UC, writes dropped (SMRAM); inside SMM: WB"
    assert second.startswith("0x7c3fffff  ? (")


def test_a_view_reads_the_mtrrs_alone(tmp_path, capsys):
    assert ask(SMRR, tmp_path, capsys, "at", "0x7c400000", "--view", "linux-6.5")[1].split() == ["0x7c400000", "WB"]


def test_off_half_told_and_core_2():
    assert ranges("0x1f2 0x7c400006\n0x1f3 0xffc00000") == ()
    assert ranges("0x1f2 0x7c400006") == ()
    (note,) = system_notes(mt.parse("0xfe 0xd00\n0x2ff 0x806\n0x1f2 0x7c400006"))
    assert "IA32_SMRR_PHYSMASK (0x1f3) is not told" in note and "0x7c400006" in note
    (old,) = ranges("0xa0 0x7c400000\n0xa1 0xffc00800")  # Core 2: the register has no type
    assert old.type is T.UC and old.inside is T.NOT_TOLD and old.text.endswith("inside SMM: ?")
    (reserved,) = ranges("0x1f2 0x7c400003\n0x1f3 0xffc00800")
    assert reserved.inside is T.UNDEFINED


def test_a_mask_with_holes_is_asked_by_single_addresses(tmp_path, capsys):
    text = "0xfe 0xd00\n0x2ff 0x806\n0x1f2 0x40000006\n0x1f3 0x7fc00800\n"  # bit 31 is not compared
    (held,) = system_ranges(mt.parse(text))
    assert held.span is None and held.covers(0x40000000) and held.covers(0xC0000000) and not held.covers(0x80000000)
    _, out, _ = ask(text, tmp_path, capsys, "at", "0xc0000000", "0x80000000", "0x80000000+1G")
    assert out.splitlines()[:2] == [
        "0xc0000000  UC  outside SMM: UC, writes dropped (SMRAM); inside SMM: WB", "0x80000000  WB",
    ]  # fmt: skip
    assert "a mask with holes" in out


@pytest.mark.parametrize(
    "line", ["IA32_SMRR_PHYSBASE = 0x7c400006", "MSR 0x1f2: 7c400006", "IA32_SMRR_PHYSBASE (0x1f2): 0x7c400006",
             "0x000001f2 0x7c400006"],
)  # fmt: skip
def test_spellings(line):
    (held,) = ranges(f"{line}\n0x1f3 0xffc00800")
    assert held.base == 0x7C400000


def test_every_family_of_register_lists_keeps_them():
    inteltool = "MSR 0x000001F2 = 0x00000000:0x7C400006\nMSR 0x000001F3 = 0x00000000:0xFFC00800\n"
    machine = mt.parse("MSR 0x000002FF = 0x00000000:0x00000C06 (IA32_MTRR_DEF_TYPE)\n" + inteltool)
    assert machine.format == "inteltool" and system_msrs(machine)[0x1F3] == 0xFFC00800
    listed = json.dumps([{"index": "0x2ff", "data": "0xc06"}, {"index": "0x1f2", "data": "0x7c400006"}])
    assert system_msrs(mt.parse(listed)) == {0x1F2: 0x7C400006}
    assert system_msrs(mt.parse(json.dumps({"0x2ff": "0xc06", "0x982": "0x3"}))) == {0x982: 3}


# --- AMD ----------------------------------------------------------------------------------------------------------


def test_tseg_and_aseg():
    # TSEG of 8 MiB, type WB inside (6 << 12), WC outside; ASEG on, type WT inside, closed
    mask = 0xFFFFFFF800000 | 6 << 12 | 4 << 8 | 0x20 | 4 | 3
    tseg, aseg = ranges(f"0xc0010112 0x7f000000\n0xc0010113 0x{mask:x}")
    assert tseg.span == (0x7F000000, 8 << 20) and (tseg.type, tseg.inside) == (T.WC, T.WB)
    assert tseg.text == "outside SMM: WC, goes to MMIO, not to DRAM (TSEG); inside SMM: WB"
    assert aseg.span == (0xA0000, 0x20000) and (aseg.type, aseg.inside) == (T.UC, T.WT) and "closed" in aseg.text
    assert ranges("0xc0010112 0x7f000000\n0xc0010113 0xfffffff800000") == ()
    assert not system_notes(mt.parse("0xfe 0xd00\n0x2ff 0x806\n0xc0010113 0xfffffff800000"))
    assert "SMM_ADDR" in system_notes(mt.parse("0xfe 0xd00\n0x2ff 0x806\n0xc0010113 0xfffffff800002"))[0]


def test_what_changes_no_type_is_said(tmp_path, capsys):
    text = "0xfe 0xd00\n0x2ff 0x806\n0xc0010016 0xd0000010\n0xc0010017 0xffffff0000800\n0xc0010058 0xf8000011\n"
    text += "0xc0010010 0x800000\n"
    route, config = sorted(system_ranges(mt.parse(text)), key=lambda held: held.base)
    assert route.span == (0xD0000000, 0x10000000) and route.type is None
    assert "reads go to DRAM, writes to MMIO" in route.text
    assert config.span == (0xF8000000, 16 << 20) and "16 buses" in config.text
    _, out, err = ask(text, tmp_path, capsys, "at", "0xd0000000", "0xf8000000", "0xe0000000")
    first, second, third = (line for line in out.splitlines() if line.startswith("0x"))
    assert first.startswith("0xd0000000  WB  reads go to DRAM") and second.startswith(
        "0xf8000000  WB  PCI configuration"
    )
    assert third == "0xe0000000  WB" and "SYSCFG.23" in err
    status, out, _ = ask(text, tmp_path, capsys, "check")
    assert status == 1 and "device registers are WB" in out and "0x00000000f8000000-0x00000000f8ffffff" in out
    assert ranges("0xc0010058 0xf8000010") == () and ranges("0xc0010058 0xf8000025") == ()  # off; 2^9 buses: reserved


def test_encryption_registers():
    notes = system_notes(mt.parse("0xfe 0xd00\n0x2ff 0x806\n0x982 0x0000003600000003\n0x87 0x0000003000000003"))
    assert notes == [
        "TME is on, 6 KeyID bits (3 of them TDX's): so many address bits fewer; no type hangs on it",
        "KeyIDs: 3 of MKTME, 48 of TDX; no type hangs on them",
    ]
    assert system_notes(mt.parse("0xfe 0xd00\n0x2ff 0x806\n0x982 0x1")) == ["TME is off"]


def test_prmrr():
    (held,) = ranges("0x1f4 0x7b000006\n0x1f5 0xffffffff000c00")  # 16 MiB, mask up to bit 51
    assert held.name == "PRMRR" and held.span == (0x7B000000, 16 << 20) and held.type is None
    assert held.text == "outside enclaves: reads give ones, writes dropped (processor-reserved memory); inside: WB"
    assert ranges("0x1f4 0x7b000006\n0x1f5 0xffffffff000400") == ()


@pytest.mark.parametrize(("rd", "wr"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("kind", [0, 1, 4, 5, 6])
def test_amds_reserved_combinations(rd, wr, kind):
    # APM 2 7.9.1, row by row: what each pair of bits may stand with
    allowed = {(0, 0): (0, 1, 4, 5), (0, 1): (0, 1), (1, 0): (0, 5), (1, 1): (0, 1, 4, 6)}[rd, wr]
    entry = rd << 4 | wr << 3 | kind
    fixed = (0x1E1E1E1E1E1E1E00 | entry, *(0x1E1E1E1E1E1E1E1E,) * 10)
    for shown in (0, rules.SYSCFG_FIX_DRAM_MOD_EN):
        state = mt.MtrrState(0xC06, fixed, (), 48, "amd", syscfg=shown)
        found = [finding for finding in mt.check(state) if finding.rule == "check-fixed-amd"]
        reserved = kind not in allowed and bool(shown or rd or wr)
        assert len(found) == reserved
        if reserved:
            assert (found[0].base, found[0].size) == (0, 0x10000) and f"byte 0 = 0x{entry:02x}" in found[0].text
        assert not [f for f in mt.check(mt.MtrrState(0xC06, fixed, (), 48)) if f.rule == "check-fixed-amd"]


def test_reserved_bytes_of_a_dump_that_tells_little_are_findings(tmp_path, capsys):
    text = "vendor AMD\n0x2ff 0xc06\n0x250 0x0606060606060d16\n"
    status, out, _ = ask(text, tmp_path, capsys, "check")
    out = flat(out)
    assert status == 1 and "byte 0 = 0x16" in out and "byte 1 = 0x0d" in out and out.count("is reserved") == 2
    status, out, _ = ask(text.replace("0d16", "1e1e"), tmp_path, capsys, "check")
    assert status == 0 and "nothing wrong" in out


def test_show_says_what_little_is_told(tmp_path, capsys):
    _, out, _ = ask("0x2ff 0xc00\n", tmp_path, capsys, "show")
    assert out.startswith("MTRR on   default UC   fixed on   variable ranges not told")
    assert "IA32_MTRR_DEF_TYPE  0x2ff  0xc00" in out and "64 TiB  ?" in out
