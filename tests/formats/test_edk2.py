"""EDK2's MTRR dump: a state for each phase, gaps in the numbers, the ranges that it printed."""

import pytest
from dump_samples import EDK2

import memtype as mt


def test_edk2_registers_give_the_printed_ranges(corpus):
    machine = mt.load(corpus / "edk2" / "patina-readme-ovmf-like.txt")
    assert machine.printed_map == machine.mtrrs.map == machine.mtrrs.view(machine.printed_view).map
    assert machine.maxphyaddr == 38 and "maxphyaddr" not in machine.inferred


def test_edk2_phases_are_states_and_gaps_are_disabled_slots():
    phases = mt.parse("PEI\n" + EDK2.replace("0C06", "0C00") + "DXE\n" + EDK2)
    assert [(state.line, state.mtrrs.def_type) for state in phases.states] == [(2, 0xC00), (26, 0xC06)]
    machine = phases.states[1]
    assert machine.mtrrs.variable == ((0x80000000, 0xF80000800), (0, 0), (0x70000001, 0xFF0000800))
    assert machine.printed_map == machine.mtrrs.map


def test_edk2_one_fixed_register_missing_leaves_its_own_addresses_open():
    machine = mt.parse(EDK2.replace("Fixed MTRR[03]   : 0606060606060606\n", ""))
    assert [str(machine.at(a).type) for a in (0xBFFFF, 0xC0000, 0xC7FFF, 0xC8000)] == ["WB", "?", "?", "WB"]


def test_edk2_processors_under_headings():
    machine = mt.parse("CPU 0:\n" + EDK2 + "CPU 3:\n" + EDK2.replace("0C06", "0800"))
    assert [(cpu.number, cpu.mtrrs.def_type) for cpu in machine.cpus] == [(0, 0xC06), (3, 0x800)]


@pytest.mark.parametrize(("old", "new", "message"), [
    ("Fixed MTRR[03]   : 0606060606060606", "Fixed MTRR[03]   : 16060606060606060", "is not a 64-bit value"),
    ("Fixed MTRR[03]", "Fixed MTRR[11]", r"Fixed MTRR\[11\]: there are 11"),
    ("Mask=0000000F80000800", "Mask=", "not a line of EDK2's MTRR dump"),
])  # fmt: skip
def test_edk2_refusals(old, new, message):
    assert old in EDK2
    with pytest.raises(mt.ParseError, match=message):
        mt.parse(EDK2.replace(old, new))
