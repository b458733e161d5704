"""Bare hexadecimal entries and PATs, and EPT entries at every level."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import memtype as mt
from memtype.cli import ept_entry, main
from memtype.cli.entries import entry


@given(st.integers(0, (1 << 64) - 1))
def test_every_spelling_of_an_entry_is_hexadecimal(value):
    halves = f"0x{value >> 32:x}_{value & 0xFFFFFFFF:08x}"
    spellings = (f"{value:x}", f"0x{value:x}", f"{value:016X}", halves, halves.replace("_", "`"), f"{value:x}h")
    assert {entry(text) for text in spellings} == {value}
    assert mt.Pat(f"{value:x}").value == mt.Pat(f"0x{value:x}").value == value


@pytest.mark.parametrize("text", ["", "0x", "4G", "x", "12 34", "-1", "1" * 17, "0x1" + "0" * 16, "é"])
def test_what_is_no_entry_is_refused_in_one_line(text, capsys):
    with pytest.raises(mt.InputError, match="no page-table entry"):
        entry(text)
    assert main(["pte", "--", text]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_bare_entry_is_what_the_kernel_prints(capsys):
    assert main(["pte", "8000000080000093", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entry"] == "0x8000000080000093"


def test_a_bare_pat(capsys, tmp_path, monkeypatch):
    assert main(["pat", "0", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["pats"]
    assert told["value"] == "0x0000000000000000" and {one["type"] for one in told["entries"]} == {"UC"}
    assert main(["pat", "7040600070406"]) == 0 and "(reset)" in capsys.readouterr().out
    assert main(["pat", "2"]) == 1 and main(["pat", "1" * 17]) == 2  # reserved; too long
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feed").write_text("0x277 0x0407050600070106\n")  # a file's name goes first
    capsys.readouterr()
    assert main(["pat", "feed"]) == 0 and "(linux)" in capsys.readouterr().out


@given(st.integers(0, (1 << 64) - 1), st.sampled_from([1, 2, 3, 4, 5]))
def test_a_level_judges_as_the_array_function_does(value, level):
    (found,) = ept_entry.readings(value, level)
    wrong = mt.ept_misconfigured([value], level).size == 1
    type_bits = [problem for problem in found.problems if problem.startswith(("bits 5:3", "bits 6:3"))]
    assert bool(type_bits) == wrong
    assert found.leaf == (level == 1 or (level < 4 and bool(value & 0x80)))
    if found.leaf and found.present and not wrong:
        assert found.type == mt.ept_types(value) and found.ipat == bool(value & 0x40)
    elif not found.present or not found.leaf:
        assert found.type is None and not found.ipat


@pytest.mark.parametrize(
    ("value", "level", "words", "status"),
    [
        ("0x12345037", "2", "misconfigured: bits 6:3 = 6: must be 0", 1),
        ("0x12345037", "1", "level 1, a 4 KiB leaf: WB; IPAT (bit 6) = 0", 0),
        ("123450f7", "3", "a 1 GiB leaf: WB; IPAT (bit 6) = 1: this type alone decides", 0),
        ("0x12345007", "4", "bits 6:3 are 0, as they must be", 0),
        ("0x12345047", "2", "bits 6:3 = 8", 1),
        ("0x12345087", "5", "bit 7 = 1: must be 0 at level 5", 1),
        ("0x1234502f", "1", "a 4 KiB leaf: WP", 0),
        ("0x1234501f", "1", "bits 5:3 = 3: no memory type", 1),
        ("0x12345036", "1", "bits 2:0 = 6: write without read", 1),
        ("0x12345030", "1", "not present", 0),
    ],
)
def test_the_verb(value, level, words, status, capsys):
    assert main(["pte", "--ept", "--level", level, value]) == status
    assert words in capsys.readouterr().out


def test_without_a_level_every_one_is_told(capsys):
    assert main(["pte", "--ept", "0x12345037", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["ept"]
    assert [one["level"] for one in told] == [1, 2, 3, 4, 5]
    assert [one["misconfigured"] for one in told] == [False] + [True] * 4
    assert main(["pte", "--ept", "0x12345012"]) == 1  # write without read: wrong at every level
    capsys.readouterr()
    assert main(["pte", "--ept", "0x37", "--why"]) == 0 and "SDM 3C 29.3.3.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--level", "1", "0x37"], ["--ept", "--level", "0", "0x37"], ["--ept", "0x37", "--pat", "linux"]]
)
def test_options_that_do_not_go_together(words, capsys):
    assert main(["pte", *words]) == 2 and capsys.readouterr().err.count("\n") == 1
