"""MSRs in JSON: snapshots and mappings, several processors, what a restore leaves 0."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from dump_samples import (
    MSRS,
    STATE,
    cloud_hypervisor,
)

import memtype as mt


def test_cloud_hypervisor_snapshot():
    machine = mt.parse(cloud_hypervisor(MSRS, [*MSRS[:3], (0x2FF, 0x806), *MSRS[4:]]))
    assert machine.format == "msr-json" and machine.maxphyaddr == 40
    assert [cpu.mtrrs.def_type for cpu in machine.cpus] == [0xC06, 0x806]
    assert machine.mtrrs == STATE and machine.pat.value == MSRS[4][1]


def test_what_a_snapshot_lost_is_zero_after_the_restore():
    """The list without MTRRs but for the default type, as snapshots of KVM's index list were."""
    lost = mt.parse(cloud_hypervisor([(0x2FF, 0xC06)]))
    assert lost.mtrrs == mt.MtrrState(0xC06, maxphyaddr=40)
    assert [a.rule for a in lost.at(0).assumed] == ["assume-restored-zero"]
    assert lost.at(0, strict=True).type == mt.MemoryType.NOT_TOLD
    assert any("fixed-range registers are not in the list: 0 (UC)" in note for note in lost.notes)
    assert str(lost.mtrrs.at(0)) == "UC" and str(mt.parse(cloud_hypervisor(MSRS)).mtrrs.at(0)) == "WB"


def test_firecracker_keeps_long_lists_in_pieces():
    entries = [{"index": index, "reserved": 0, "data": value} for index, value in MSRS]
    state = {"vcpu_states": [{"saved_msrs": [entries[:4], entries[4:]]}, {"saved_msrs": [entries[:4], entries[4:]]}]}
    machine = mt.parse(json.dumps(state))
    assert [cpu.mtrrs for cpu in machine.cpus] == [STATE, STATE]


def test_plain_mapping():
    machine = mt.parse(json.dumps({"0x2ff": "0x806", "IA32_MTRR_PHYSBASE0": 0x80000000, "0x201": "0xff80000800"}))
    assert machine.mtrrs == mt.MtrrState(0x806, variable=STATE.variable, maxphyaddr=40)


@pytest.mark.parametrize("shape", [
    lambda a, b: [{"cpu": 2, "msrs": a}, {"cpu": 7, "msrs": b}],
    lambda a, b: {"2": a, "7": b},
    lambda a, b: {"hosts": {"cpu2": {"list": [{"index": i, "data": v} for i, v in a.items()]},
                            "cpu7": {"list": [{"index": i, "data": v} for i, v in b.items()]}}},
    lambda a, b: {"cpu 2": {str(int(i, 16)): v for i, v in a.items()}, "vcpu_7": b},
])  # fmt: skip
def test_numbers_of_processors_in_json(shape):
    one, other = {"0x2ff": "0x806", "0x277": "0x6"}, {"0x2ff": "0x800"}
    machine = mt.parse(json.dumps(shape(one, other)))
    assert [(cpu.number, cpu.registers.held[0x2FF].value) for cpu in machine.cpus] == [(2, 0x806), (7, 0x800)]


def test_json_lines_give_a_state_each(corpus):
    for path in sorted((corpus / "linux-maps").glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        machine = mt.load(path)
        assert "msr-json" in machine.format.split("+") and len(machine.states) == len(rows)
        for row, cpu in zip(rows, (state.cpus[0] for state in machine.states)):
            registers = {int(index, 16): int(value, 16) for index, value in row["regs"].items()}
            held = cpu.mtrrs.msrs()
            assert all(held.get(index, value) == value for index, value in registers.items())
            assert held[0x2FF] == registers[0x2FF]


@pytest.mark.parametrize(("text", "message"), [
    ('{"a": [{"index": 767, "data": 1180591620717411303424}]}', "IA32_MTRR_DEF_TYPE = '11805\\d+' is not a 64"),
    ('{"a": [{"index": 767, "data": -1}]}', "IA32_MTRR_DEF_TYPE = '-1' is not a 64-bit value"),
    ('{"a": [{"index": 767, "data": 6', "not JSON: .*"),
    ('{"0x2ff": "0xzz"}', "IA32_MTRR_DEF_TYPE = '0xzz' is not a number"),
    ('{"0x2ff": true}', "IA32_MTRR_DEF_TYPE = 'True' is not a 64-bit value"),
    ('{"0x2ff": ' + "[" * 100000 + "]" * 100000 + "}", "JSON nested too deeply"),
    ('{"0x2ff": 1' + "0" * 5000 + "}", "not JSON: .*"),
])  # fmt: skip
def test_json_refusals(text, message):
    with pytest.raises(mt.ParseError, match=f"^a.json(:1)?: {message}"):
        mt.parse(text, "a.json")


def test_story_the_snapshot_that_lost_its_registers():
    """What a restore from KVM's index list changes: everything the variable ranges made, and the fixed ones."""
    saved = mt.parse(cloud_hypervisor(MSRS)).mtrrs
    restored = mt.parse(cloud_hypervisor([entry for entry in MSRS if entry[0] in (0x10, 0x277, 0x2FF)])).mtrrs
    changed = [a for a in (0, 0x9F000, 0x100000, 0x80000000, 1 << 32) if saved.at(a) != restored.at(a)]
    assert changed == [0, 0x9F000, 0x80000000]


def test_a_mapping_may_tell_width_and_vendor_beside_its_registers():
    msrs = {"0x2ff": "0x806", "0x200": "0x80000000", "0x201": "0xff80000800"}
    for told in ({"maxphyaddr": 46, "vendor": "amd"}, {"cpu": {"maxphyaddr": 46, "vendor": "AuthenticAMD"}}):
        machine = mt.parse(json.dumps({"schema": "memtype/1", **told, "msrs": msrs}))
        assert (machine.maxphyaddr, machine.vendor, machine.mtrrs.maxphyaddr) == (46, "amd", 46)
    with pytest.raises(mt.ParseError, match="MAXPHYADDR 99"):
        mt.parse(json.dumps({"maxphyaddr": 99, "msrs": msrs}))


def listed(index: object, data: object) -> str:
    return json.dumps([{"index": 0x2FF, "data": 0xC06}, {"index": index, "data": data}])


def test_msr_json_takes_32_bits_of_index_and_64_of_value():
    top = (1 << 64) - 1
    assert mt.parse(listed(0x277, top)).pat.value == top
    assert mt.parse(listed((1 << 32) - 1, 0)).pat is None  # a number that some MSR may have
    for index, data, bits in ((1 << 32, 0, 32), (0x277, 1 << 64, 64), (0x277, -1, 64)):
        with pytest.raises(mt.ParseError, match=f"{bits}-bit"):
            mt.parse(listed(index, data))


INDEXES = ("index", "msr", "addr", "address", "register")
VALUES = ("data", "value", "bitmap")


@pytest.mark.parametrize(("first", "next_one"), [*pairwise(INDEXES)])
def test_of_two_numbers_of_an_entry_the_first_of_these_counts(first, next_one):
    """An entry's own number is called index; "address" and "register" say it where nothing else does."""
    machine = mt.parse(json.dumps([{next_one: 16, first: 631, "data": 6}]))
    assert machine.pat.value == 6


@pytest.mark.parametrize(("first", "next_one"), [*pairwise(VALUES)])
def test_of_two_values_of_an_entry_the_first_of_these_counts(first, next_one):
    assert mt.parse(json.dumps([{"index": 631, next_one: 7, first: 6}])).pat.value == 6


@pytest.mark.parametrize(("first", "next_one"), [*pairwise(("maxphyaddr", "phys_bits", "physbits", "phys-bits"))])
def test_of_two_widths_of_an_object_the_first_of_these_counts(first, next_one):
    assert mt.parse(json.dumps({"0x2ff": "0xc06", next_one: 36, first: 40})).maxphyaddr == 40
