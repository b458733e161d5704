"""gdb-pt-dump's lists: UC is PCD, WB is a clear PWT, the PAT bit is not told, and no line becomes a register."""

from __future__ import annotations

import pytest

import memtype as mt
from memtype.cli import main
from memtype.formats import gdb_pt_dump

LIST = """             Address :     Length   Permissions
  0xffffffff81000000 :  0x1600000 | W:0 X:1 S:1 UC:0 WB:1 G:1 | kernel
  0xffffffff83d65000 :     0x1000 | W:0 X:0 S:1 UC:0 WB:1 G:1 | kernel
  0xffffc90000a13000 :     0x1000 : 0xfed00000 | W:1 X:0 S:1 UC:1 WB:0
"""


def test_every_line_with_its_bits():
    machine = mt.parse(LIST)
    assert machine.format == "gdb-pt-dump" and machine.mtrrs is None and machine.pat is None
    found = machine.facts["mappings"]
    assert [(m["base"], m["size"], m["pcd"], m["pwt"]) for m in found] == [
        ("0xffffffff81000000", "0x1600000", 0, 0),
        ("0xffffffff83d65000", "0x1000", 0, 0),
        ("0xffffc90000a13000", "0x1000", 1, 1),
    ]
    assert [m["phys"] for m in found] == [None, None, "0xfed00000"] and found[2]["line"] == 4


def test_a_line_without_its_bits_and_bits_without_a_line_are_not_its_own():
    cut = LIST.replace(" WB:0", "")
    assert gdb_pt_dump.owns(LIST) == {2, 3, 4}
    assert gdb_pt_dump.owns(cut) == gdb_pt_dump.owns(cut + "of them UC:0 WB:1\n") == {2, 3}


@pytest.mark.parametrize(("bits", "entry"), [("UC:0 WB:1", 0), ("UC:0 WB:0", 1), ("UC:1 WB:1", 2), ("UC:1 WB:0", 3)])
def test_two_entries_fit_each_pair(bits, entry, tmp_path, capsys):
    path = tmp_path / "list"
    path.write_text(f"  0xffffc90000a13000 :     0x2000 | W:1 X:0 S:1 {bits}\n")
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"PAT entry {entry} or {entry + 4}" in out and "8 KiB" in out and "the PAT is not told" in out


def test_a_pat_beside_it_names_the_types(tmp_path, capsys):
    path = tmp_path / "both"
    path.write_text(LIST + "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\n")
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "(the bit PAT is not listed): WB\n" in out and "(the bit PAT is not listed): ? (UC or WT)" in out


def test_a_search_result_is_a_mapping_too():
    (found,) = mt.parse("Found at 0xffff888002614f38 in   0xffff888002411000 : 0x929000 | W:1 X:0 S:1 UC:0 WB:1").facts[
        "mappings"
    ]
    assert found["base"] == "0xffff888002411000"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  0xffffffffffffe000 :     0x3000 | W:1 X:0 S:1 UC:0 WB:1", "beyond 64 bits"),
        ("  0xffffffffffff0000 :     0x0 | W:1 X:0 S:1 UC:0 WB:1", "empty"),
        ("  0xffffffffffff0000 :     0x1000 | W:1 X:0 S:1 UC:0", "without UC: and WB:"),
    ],
)
def test_a_broken_line_is_refused_by_number(line, words):
    with pytest.raises(mt.ParseError, match=rf"^<text>:5: .*{words}"):
        mt.parse(LIST + line)
