"""MSRs in JSON: snapshots and mappings, several processors, what a restore leaves 0."""

from __future__ import annotations

import json
import random
from itertools import combinations

import pytest
from dump_samples import (
    MSRS,
    STATE,
    cloud_hypervisor,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_damaged_texts import machine as register_file

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


@pytest.mark.parametrize(("one", "two"), [*combinations(INDEXES, 2)])
def test_two_numbers_of_an_entry_that_differ_are_refused(one, two):
    """A place in a list beside a register's number: each could be meant."""
    for first, second in ((631, 16), (16, 631), (631, 767)):
        with pytest.raises(mt.ParseError, match=f"^t:1: {one} '{first}' and {two} '{second}' in one entry"):
            mt.parse(json.dumps([{"index": 767, "data": 0xC06}, {one: first, two: second, "data": 6}]), "t")
    assert mt.parse(json.dumps([{one: 631, two: "0x277", "data": 6}])).pat.value == 6


@pytest.mark.parametrize(("one", "two"), [*combinations(VALUES, 2)])
def test_two_values_of_an_entry_that_differ_are_refused(one, two):
    with pytest.raises(mt.ParseError, match=f"^t:1: {one} '7' and {two} '6' in one entry: which one counts"):
        mt.parse(json.dumps([{"index": 631, two: 6, one: 7}]), "t")
    assert mt.parse(json.dumps([{"index": 631, one: 6, two: "0x06"}])).pat.value == 6
    others = [{"index": 767, "data": 0xC06}, {"index": 16, one: 7, two: 6}]  # of a register that is not read
    assert mt.parse(json.dumps(others)).registers.held[0x2FF].value == 0xC06


@pytest.mark.parametrize(("one", "two"), [*combinations(("maxphyaddr", "phys_bits", "physbits", "phys-bits"), 2)])
def test_two_widths_of_an_object_that_differ_are_not_told(one, two):
    assert mt.parse(json.dumps({"0x2ff": "0xc06", one: 36, two: 40})).width is None
    assert mt.parse(json.dumps({"0x2ff": "0xc06", one: 40, two: "0x28"})).width.bits == 40


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 200), st.sampled_from(("{:d}", "{:x}", "{:016x}")))
def test_strings_of_digits_are_decimal_where_that_is_shown_and_refused_elsewhere(seed, form):
    """Decimal strings, as protobuf writes 64-bit numbers, give the machine; hexadecimal ones give no other one."""
    state = register_file(random.Random(seed))
    held = {f"0x{index:x}": form.format(value) for index, value in state.msrs().items()}
    try:
        machine = mt.parse(json.dumps({**held, "maxphyaddr": state.maxphyaddr, "vendor": state.vendor}))
    except mt.ParseError as error:
        assert form != "{:d}", error
        return
    found = {index: register.value for index, register in machine.registers.held.items()}
    assert all(state.msrs().get(index, value) == value for index, value in found.items())


@pytest.mark.parametrize("other", ['{"comment": "x", "size": 2}', "{}", '{"index": 2, "note": 5}', "5", '"x"', "[]"])
def test_an_element_of_a_list_that_is_no_entry_ends_nothing(other):
    entry = '{"index": 767, "data": "0xc06"}'
    for text in (f"[{other}, {entry}]", f"[{entry}, {other}]"):
        assert mt.parse(text).cpus[0].registers.held[0x2FF].value == 0xC06, text


def test_digits_are_decimal_where_hexadecimal_ones_would_set_reserved_bits():
    """0x3078 is no IA32_MTRR_DEF_TYPE, 3078 is 0xc06; 4096 beside it may be either."""
    assert mt.parse('{"0x2ff": "3078", "maxphyaddr": 40}').registers.held[0x2FF].value == 0xC06
    assert mt.parse('{"0x2ff": "3078", "0x10": "4096", "maxphyaddr": 40}').registers.held[0x2FF].value == 0xC06
    with pytest.raises(mt.ParseError, match="decimal or hexadecimal"):
        mt.parse('{"0x2ff": "800", "maxphyaddr": 40}')
