"""U-Boot's table: another one is another state, and mask and size tell the width."""

import pytest

import memtype as mt


def test_uboot_tables_are_states_and_sizes_tell_the_width(corpus):
    before, machine = mt.load(corpus / "uboot" / "doc-coral-like-list.txt").states
    assert before.mtrrs.variable[5] == (0xD0000001, 0xFF0000800)
    assert machine.maxphyaddr == 36 and "maxphyaddr" not in machine.inferred
    assert machine.mtrrs.variable[5] == (0xD0000001, 0xFF0000000)  # disabled by the command in between
    assert machine.mtrrs.variable[3] == (0xAD000000, 0xFFF000800)


HEAD = "Reg Valid Write-type   Base   ||        Mask   ||        Size   ||\n"
ROW = "0   Y     Back         0000000000000000 0000000f80000000 0000000080000000\n"


def test_a_later_table_of_one_processor_is_another_state():
    text = f"CPU 0:\n{HEAD}{ROW}CPU 1:\n{HEAD}{ROW}CPU 0:\n{HEAD}{ROW.replace('Back', 'Through')}"
    machine = mt.parse(text)
    held = [[(cpu.number, cpu.registers.held[0x200].value) for cpu in state.cpus] for state in machine.states]
    assert held == [[(0, 6), (1, 6)], [(0, 4)]]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW.replace("0 ", "40 ", 1), "register 40 is not below 40"),
        (ROW.replace("Back", "Behind"), "Behind"), (ROW.replace(" 0000000080000000", ""), "not a row of U-Boot's"),
    ],
)  # fmt: skip
def test_what_no_table_holds_is_refused_by_line(row, words):
    with pytest.raises(mt.ParseError, match=rf"^log:\d: .*{words}"):
        mt.parse(HEAD + row, "log")
