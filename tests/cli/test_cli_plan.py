"""``memtype plan``: from dumps, changes, RAM maps, coreboot's logs and a guest's memory size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from printed import flat

import memtype as mt
from memtype import cli

E820 = """BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
BIOS-e820: [mem 0x000000000009fc00-0x00000000000fffff] reserved
BIOS-e820: [mem 0x0000000000100000-0x000000007affffff] usable
BIOS-e820: [mem 0x000000007b000000-0x000000007bffffff] reserved
BIOS-e820: [mem 0x000000007c000000-0x000000007fffffff] ACPI NVS
BIOS-e820: [mem 0x00000000f8000000-0x00000000fbffffff] reserved
BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] usable
"""


@pytest.fixture
def dump(tmp_path: Path) -> str:
    state = mt.MtrrState(
        0xC00, [0x0606060606060606] * 2 + [0] + [0x0505050505050505] * 8,
        [mt.range_registers(0, 2 << 30, "WB", 36), mt.range_registers(2 << 30, 1 << 30, "WB", 36), (0, 0), (0, 0)], 36,
    )  # fmt: skip
    path = tmp_path / "dump.json"
    path.write_text(str(mt.emit(state, "json")))
    return str(path)


def answer(words: list[str], capsys: pytest.CaptureFixture[str], status: int = 0) -> Any:
    assert cli.main(["plan", "--json", *words]) == status
    return json.loads(capsys.readouterr().out)


def test_a_guest_needs_its_memory_size_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["--vm", "--ram", "4G", "--maxphyaddr", "40"], capsys)
    assert found["msrs"]["0x2ff"] == "0x0000000000000c06"
    assert [(r["base"], r["size"], r["type"]) for r in found["ranges"]] == [("0xc0000000", "0x40000000", "UC")]
    assert found["proven_minimal"] is True
    lower = answer(["--vm", "--ram", "4G", "--top", "0x80000000", "--maxphyaddr", "40"], capsys)
    assert lower["ranges"][0]["base"] == "0x80000000"
    assert answer(["--vm", "--ram", "1G", "--default", "uc", "--maxphyaddr", "40"], capsys)["used"] == 1


def test_changes_are_planned_and_shown_beside_what_stays(dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--set", "0xe0000000+256M=WC", dump]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 of 4 variable ranges, default UC: the fewest that can be\n")
    assert out.count("as it is") == 2
    assert "[mem 0x00000000e0000000-0x00000000efffffff] 256 MiB WC 0xe0000001/0xff0000800 new" in flat(out)
    assert "wrmsr" not in out
    assert cli.main(["plan", "--set", "0xe0000000+256M=WC", "--steps", dump]) == 0
    assert "wrmsr 0x2ff 0x0000000000000400" in capsys.readouterr().out


def test_a_fixed_range_is_a_change_too(dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["--set", "0xf0000-0xf3fff=UC", dump], capsys)
    assert found["msrs"]["0x26e"] == "0x0505050500000000"
    assert found["used"] == 2
    assert [index for index, _ in found["writes"]] == ["0x2ff", "0x26e", "0x2ff"]


def test_too_few_registers_lose_wc_first_and_say_so(dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", "0xe0000000+256M=WC", "--registers", "3", "--keep", "1", dump]
    found = answer(words, capsys, 1)
    assert (found["used"], found["needed"], found["lost"], found["proven_minimal"]) == (2, 3, 256 << 20, False)
    assert [(c["base"], c["from"], c["to"]) for c in found["losses"]] == [("0xe0000000", "WC", "UC")]
    assert cli.main(["plan", *words]) == 1
    out = capsys.readouterr().out
    assert "256 MiB lost (the whole map needs 3)" in out
    assert "[mem 0x00000000e0000000-0x00000000efffffff]  256 MiB  WC -> UC" in out
    assert cli.main(["plan", "--emit", "wrmsr", *words]) == 1
    assert "note: lost: [mem 0x00000000e0000000" in capsys.readouterr().err


def test_pinned_registers_stay(dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["--set", "0+1G=UC", "--pin", "0", dump], capsys)
    assert found["ranges"][0]["pinned"] is True
    assert [(r["reg"], r["base"], r["type"]) for r in found["ranges"]] == [
        (0, "0x0", "WB"), (1, "0x80000000", "WB"), (2, "0x0", "UC")]  # fmt: skip


def test_a_ram_map_alone_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dmesg.txt"
    path.write_text(E820)
    found = answer([str(path), "--maxphyaddr", "36"], capsys)
    assert (found["used"], found["default"]) == (2, "UC")  # the reserved 16 MiB inside RAM cost no range
    state = mt.MtrrState.from_msrs({int(i, 16): int(v, 16) for i, v in found["msrs"].items()}, 36)
    kinds = {0: "WB", 0xA0000: "UC", 0xF0000: "WP", 0x7AFFFFFF: "WB", 0x7FFFFFFF: "WB", 0x80000000: "UC",
             0xF8000000: "UC", 0x17FFFFFFF: "WB", 0x180000000: "UC"}  # fmt: skip
    assert {address: str(state.at(address)) for address in kinds} == kinds
    freed = answer([str(path), "--maxphyaddr", "36", "--free", "0x180000000-0xfffffffff"], capsys)
    assert freed["used"] == 1
    assert freed["default"] == "WB"


def test_coreboot_s_own_ranges(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer([str(corpus / "coreboot" / "lenovo-x200s.txt")], capsys)
    assert (found["by_default"]["WB"], found["by_default"]["UC"]) == (5, 7)  # as coreboot counts
    assert found["used"] == 5


@pytest.mark.parametrize("form", ["kvm", "proc-mtrr", "wrmsr", "edk2", "json"])
def test_every_form_reads_back_as_the_plan(
    form: str, dump: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plan", "--set", "0xc0000000+1G=WB", "--emit", form, dump]) == 0
    out = capsys.readouterr().out
    if form == "edk2":
        assert "MTRR_SETTINGS" in out
        return
    state = mt.parse(out).mtrrs
    assert state is not None
    assert state.at(0xF0000000) is mt.MemoryType.WB
    assert state.at(1 << 32) is mt.MemoryType.UC


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--vm"], "--vm takes --ram SIZE"),
        (["--vm", "--ram", "4G", "--top", "5G"], "low RAM cannot end at 0x140000000"),
        (["--vm", "--ram", "1"], "RAM of 0x1 bytes"),
        (["--ram", "4G"], "describe a guest"),
        (["--set", "0xe0000000+256M"], "--set 0xe0000000+256M: RANGE=TYPE"),
        (["--set", "0xe0000000=WC"], "a range, A-B or A+SIZE"),
        (["--set", "1T+4K=WC"], "is not within [0, 2**36)"),
        (["--set", "0x1000+0x1000=WC"], "inside a fixed range"),
        (["--set", "0x40000100+0x1000=UC"], "inside a page of 4 KiB"),
        (["--registers", "300"], "registers = 300"),
        (["--pin", "9"], "pinned register 9"),
        (["--from", "e820"], "no e820"),
        (["--default", "UC-"], "default_type = UC-"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], part: str, dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", *words, *([] if "--vm" in words else [dump])]) == 2
    printed = capsys.readouterr()
    assert part in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_fixed_ranges_that_are_not_told_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mtrr"
    path.write_text("reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back\n")
    assert cli.main(["plan", "--set", "0xe0000000+256M=WC", str(path)]) == 0
    printed = capsys.readouterr()
    assert "the first MiB is not planned: its fixed ranges are not told" in printed.err
    assert "256 MiB  WC" in printed.out


def test_fixed_ranges_are_told_where_they_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """WP for [0xf0000, 0xf4000) is a question of one fixed register: its four low bytes."""
    held = mt.MtrrState(0xC06, [0x0606060606060606] * 11, [(0, 0)] * 8, maxphyaddr=36)
    path = tmp_path / "held.json"
    path.write_text(str(mt.emit(held, "json")))
    assert cli.main(["plan", "--set", "0xf0000-0xf3fff=WP", str(path)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "FIX" in line]
    assert told == ["IA32_MTRR_FIX4K_F0000 = 0x0606060605050505  new"]
    assert cli.main(["plan", "--vm", "--ram", "2G"]) == 0
    assert capsys.readouterr().out.count("IA32_MTRR_FIX") == 11
    assert cli.main(["plan", "--no-fixed", "--set", "0-0xfffff=WB", str(path)]) == 0
    assert "FIX" not in capsys.readouterr().out


def test_a_processor_without_fixed_ranges_gets_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """MTRRCAP.FIX = 0, which a kernel's list without fixed ranges may mean: the user says so."""
    log = "MTRR default type: uncachable\nMTRR variable ranges enabled:\n  0 base 000000000 mask F00000000 write-back\n"
    path = tmp_path / "log.txt"
    path.write_text(log + "".join(f"  {n} disabled\n" for n in range(1, 8)) + "next line\n")
    ask = ["plan", "--assume", "fixed=absent", "--set", "0xf0000-0xfffff=WP", "--json", str(path)]
    assert cli.main(ask) == 0
    registers = json.loads(capsys.readouterr().out)["msrs"]
    assert int(registers["0x2ff"], 16) >> 10 == 0b10  # E, and no FE


def test_ram_beyond_the_width_widens_it_or_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "e820.txt"
    path.write_text(E820 + "BIOS-e820: [mem 0x0000001000000000-0x000000107fffffff] usable\n")
    assert cli.main(["plan", "--json", str(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert int(told["msrs"]["0x201"], 16) >> 36 == 1 and any("37 is assumed" in note for note in told["notes"])
    assert cli.main(["plan", "--maxphyaddr", "36", str(path)]) == 2
    assert "RAM up to 0x107fffffff, MAXPHYADDR is 36" in flat(capsys.readouterr().err)
