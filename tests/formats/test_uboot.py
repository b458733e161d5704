"""U-Boot's table: the last one counts, and mask and size tell the width."""

import pytest

import memtype as mt


def test_uboot_last_table_counts_and_sizes_tell_the_width(corpus):
    machine = mt.load(corpus / "uboot" / "doc-coral-like-list.txt")
    assert machine.maxphyaddr == 36 and "maxphyaddr" not in machine.inferred
    assert machine.mtrrs.variable[5] == (0xD0000001, 0xFF0000000)  # disabled by the command in between
    assert machine.mtrrs.variable[3] == (0xAD000000, 0xFFF000800)


HEAD = "Reg Valid Write-type   Base   ||        Mask   ||        Size   ||\n"
ROW = "0   Y     Back         0000000000000000 0000000f80000000 0000000080000000\n"


def test_a_later_table_of_one_processor_replaces_its_earlier_one():
    text = f"CPU 0:\n{HEAD}{ROW}CPU 1:\n{HEAD}{ROW}CPU 0:\n{HEAD}{ROW.replace('Back', 'Through')}"
    machine = mt.parse(text)
    assert [(cpu.number, cpu.registers.held[0x200].value) for cpu in machine.cpus] == [(0, 4), (1, 6)]
    assert any("3 tables in it" in note for note in machine.notes)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW.replace("0 ", "40 ", 1), "register 40 is not below 40"), (ROW + ROW, "register 0 is listed twice"),
        (ROW.replace("Back", "Behind"), "Behind"), (ROW.replace(" 0000000080000000", ""), "not a row of U-Boot's"),
    ],
)  # fmt: skip
def test_what_no_table_holds_is_refused_by_line(row, words):
    with pytest.raises(mt.ParseError, match=rf"^log:\d: .*{words}"):
        mt.parse(HEAD + row, "log")
