"""fwts' overview: ranges with exclusive ends, processors that differed."""

import pytest

import memtype as mt


def test_fwts(corpus):
    machine = mt.load(corpus / "fwts" / "arrandale-with-wp-rom.txt")
    assert [str(machine.mtrrs.at(a)) for a in (0, 0xBF7FFFFF, 0xBF800000, 0xC0000000, 0xFFE00000, 1 << 32)] == [
        "WB", "WB", "UC", "UC", "WP", "WB"]  # fmt: skip
    assert machine.facts["inconsistent"] == ["variable"] and "default" in machine.inferred


ROW = "Reg 1: 0x0000000080000000 - 0x0000000100000000 (  2048 MB)   Write-Back\n"


def test_the_end_is_exclusive_and_a_disabled_register_holds_nothing():
    machine = mt.parse(ROW + "Reg 2: disabled\n")
    (entry,) = machine.cpus[0].registers.ranges.values()
    assert (entry.base, entry.size) == (0x80000000, 0x80000000) and list(machine.cpus[0].registers.ranges) == [1]


@pytest.mark.parametrize(("old", "new"), [
    ("(  2048 MB)", "(  1024 MB)"), ("0x0000000100000000", "0x0000000080000000"), ("Write-Back", "Write-Behind"),
    ("0x0000000080000000", "0x0000000070000000"),
])  # fmt: skip
def test_a_range_that_contradicts_itself_is_refused_by_line(old, new):
    with pytest.raises(mt.ParseError, match=r"^log:2: "):
        mt.parse("\n" + ROW.replace(old, new), "log")
