"""inteltool's lists: halves, cores, what it could not read; Linux' own lines on the same machines agree."""

import json

import pytest
from dump_samples import INTELTOOL

import memtype as mt
from memtype import rules


@pytest.mark.parametrize("name", ["gigabyte-h55m-s2", "samsung-r580"])
def test_inteltool_registers_give_what_linux_printed_on_the_same_machine(corpus, name):
    machine = mt.load(corpus / "inteltool" / f"{name}.txt")
    expected = json.loads((corpus / "inteltool" / f"{name}.expected.json").read_text())
    view = machine.mtrrs.view("linux-6.5")
    if "map_entries" in expected:
        counts = view.counts
        got = {"map_entries": counts.entries, "fixed": counts.fixed, "variable": counts.variable,
               "max": counts.max, "built_from": counts.built_from}  # fmt: skip
        assert got == {key: expected[key] for key in got}
    for base, end in expected["mtrr_trim_e820_updates"]:
        # Linux trims what no WB register covers: exactly this hole below 4 GiB
        assert str(machine.mtrrs.map.uniform(base, end - base)) == "UC"
        assert str(machine.mtrrs.at(base - 1)) == "WB"


def test_inteltool_leaves_out_what_it_could_not_read(corpus):
    machine = mt.load(corpus / "inteltool" / "acer-extensa-5630-vcnt7-unreadable-reg7.txt")
    assert len(machine.mtrrs.variable) == machine.mtrrs.cap & rules.MTRRCAP_VCNT == 7
    assert sum("could not be read" in note for note in machine.notes) == 2


def test_inteltool_index_counts_more_than_the_wrong_name(corpus):
    machine = mt.load(corpus / "inteltool" / "ecs-h310ch5-m2-vendor-bios.txt")
    assert machine.mtrrs.variable[0] == (0xC0000000, 0x7FC0000800)


def test_inteltool_cores_of_their_own():
    machine = mt.parse(INTELTOOL)
    assert [(cpu.number, cpu.registers.held[0x2FF].value, cpu.pat.value) for cpu in machine.cpus] == [
        (0, 0x806, 0x0007040600070406), (1, 0x806, 0x0007040600070106)]  # fmt: skip
    assert any("differ in 1 registers: IA32_PAT" in note for note in machine.notes)
