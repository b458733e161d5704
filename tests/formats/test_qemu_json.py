"""analyze-migration.py's JSON: one file of registers, filled masks, numbered elements, refusals."""

import json

import pytest
from dump_samples import (
    STATE,
    analyzed,
)

import memtype as mt


def test_analyze_migration_json():
    machine = mt.parse(json.dumps(analyzed([(0x80000000, 0xFF80000800)]), indent=4))
    assert (machine.format, machine.mtrrs, machine.pat.value) == ("qemu-json", STATE, 0x0007040600070406)


def test_analyze_migration_json_with_filled_masks_and_no_unused_one():
    machine = mt.parse(json.dumps(analyzed([(0x80000000, 0x000FFFFF80000800)])))
    assert machine.mtrrs.maxphyaddr == 52 and any("QEMU fills" in note for note in machine.notes)
    assert [str(machine.mtrrs.at(a)) for a in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32)] == ["WB", "UC", "UC", "WB"]


def test_analyze_migration_json_with_numbered_elements():
    whole = analyzed([])
    section = whole["cpu (0)"]
    section.pop("env.mtrr_var")
    section |= {"env.mtrr_var[0]": {"base": "0x80000000", "mask": "0xff80000800"}}
    assert mt.parse(json.dumps(whole)).mtrrs == STATE


@pytest.mark.parametrize(("change", "message"), [
    ({"env.mtrr_fixed": ["0x0"] * 10}, "env.mtrr_fixed is not a list of 11"),
    ({"env.mtrr_deftype": f"{1 << 70:#x}"}, "env.mtrr_deftype = '0x40+' is not a 64-bit value"),
    ({"env.mtrr_var": [{"base": "0x0"}]}, r"env.mtrr_var\[0\].mask = 'None' is not a 64-bit value"),
    ({"env.mtrr_var": [{}] * 41}, "env.mtrr_var is not a list of up to 40"),
])  # fmt: skip
def test_analyze_migration_refusals(change, message):
    whole = analyzed([])
    whole["cpu (0)"] |= change
    with pytest.raises(mt.ParseError, match=rf"^a\.json:1: cpu \(0\): {message}"):
        mt.parse(json.dumps(whole), "a.json")
