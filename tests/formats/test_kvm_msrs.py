"""struct kvm_msrs: its bytes, hex dumps of them, its entries as text."""

from __future__ import annotations

import struct

import pytest
from dump_samples import (
    MSRS,
    STATE,
    hex_dumps,
    kvm_structure,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype.formats import kvm_msrs


@pytest.mark.parametrize("form", ["bytes", "plain", "spaced", "xxd", "hexdump -C"])
def test_kvm_structure_and_its_hex_dumps(form):
    data = kvm_structure(MSRS)
    machine = mt.parse(data if form == "bytes" else hex_dumps(data)[form])
    assert (machine.format, machine.mtrrs, machine.pat.value) == ("kvm-msrs", STATE, MSRS[4][1])


def test_kvm_structures_of_several_processors():
    machine = mt.parse(kvm_structure(MSRS) + kvm_structure([(0x2FF, 0)]))
    assert [cpu.mtrrs.def_type for cpu in machine.cpus] == [0xC06, 0]


@pytest.mark.parametrize("form", ["plain", "spaced", "xxd", "hexdump -C"])
def test_dumps_of_several_processors_one_below_the_other(form):
    """Each begins at offset 0, and hexdump ends each with its length."""
    one, other = (hex_dumps(data)[form].strip() for data in (kvm_structure(MSRS), kvm_structure([(0x2FF, 0)])))
    machine = kvm_msrs.parse(f"# one\n{one}\n\n# other\n{other}\n", "t")
    assert [cpu.registers.held[0x2FF].value for cpu in machine.cpus] == [0xC06, 0]


@pytest.mark.parametrize("entry", [
    "{{ .index = {i:#x}, .data = {v:#x} }},", "kvm_msr_entry {{ index: {i}, reserved: 0, data: {v} }},",
    "{{index={i:#x}, reserved=0, data={v:#x}}}", "[{i}] = {{\n .index = {i:#x},\n .data = {v:#x},\n}},",
])  # fmt: skip
def test_kvm_entries_as_text(entry):
    machine = mt.parse("\n".join(entry.format(i=i, v=v) for i, v in MSRS))
    assert (machine.format, machine.mtrrs) == ("kvm-msrs", STATE)


@pytest.mark.parametrize(("data", "message"), [
    (kvm_structure(MSRS)[:-3], "16 entries need 264 bytes, 261 are there: cut off"),
    (kvm_structure(MSRS) + b"abc", "3 bytes behind the last entry, at offset 264"),
    (kvm_structure(MSRS) + bytes(8), "no struct kvm_msrs at offset 264: nmsrs 0"),
    (struct.pack("<II", 1, 7) + bytes(16), "no struct kvm_msrs at offset 0: nmsrs 1 .limit 4096., pad 7"),
    (struct.pack("<IIIIQ", 1, 0, 0x2FF, 9, 6), "the entry at offset 8 has reserved = 0x9, not 0"),
    (kvm_structure([(0x10, 1)]), "no MTRR and no PAT register in it"),
])  # fmt: skip
def test_kvm_structure_refusals(data, message):
    with pytest.raises(mt.ParseError, match=f"^dump: {message}"):
        kvm_msrs.parse_bytes(data, "dump")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1).filter(lambda n: n != 0x2FF), st.integers(0, 2**64 - 1)), max_size=20)
)
def test_kvm_structure_never_surprises(entries):
    """One that is there twice, differently, would not be told."""
    data = kvm_structure([*entries, (0x2FF, 0x806)])
    assert kvm_msrs.sniff_bytes(data)
    assert mt.parse(data).mtrrs.def_type == 0x806


def test_kvms_structure_is_known_by_its_entries():
    entries = [(0x2FF, 0xC06), (0x277, 0x0007040600070406)]
    assert kvm_msrs.sniff_bytes(kvm_structure(entries))
    assert not kvm_msrs.sniff_bytes(kvm_structure([(0x10, 5), (0x8B, 1)]))  # none that is ours
    broken = struct.pack("<IIIIQ", 1, 0, 0x2FF, 1, 0xC06)  # reserved is not 0
    assert not kvm_msrs.sniff_bytes(broken)


def test_an_entry_without_its_brace_at_the_end_is_not_told():
    entries = "{ .index = 0x200, .data = 0x6 },\n{ .index = 0x2ff, .data = 0xc"
    assert 0x2FF not in mt.parse(entries).registers.held and 0x2FF in mt.parse(entries + "06 }").registers.held
    assert mt.parse("index: 0x200, data: 0x6\nindex: 0x2ff, data: 0xc06").registers.held[0x2FF].value == 0xC06


def test_an_entry_that_is_not_closed_is_not_told():
    """``.data = 0`` of ``.data = 0x0404040404040404 },``: the line lost its end."""
    whole = "{ .index = 0x2ff, .data = 0xc06 },\n{ .index = 0x250, .data = 0x0404040404040404 },\n"
    assert mt.parse(whole).registers.register(0x250).told
    broken = mt.parse(whole.replace("x0404040404040404 },", ""))
    assert 0x250 not in broken.registers.held and 0x2FF in broken.registers.held


@pytest.mark.parametrize("form", ["plain", "spaced", "xxd", "hexdump -C"])
@pytest.mark.parametrize("above", [0, 38])
def test_a_long_hex_dump_is_found(form, above):
    """Wherever a piece of it would end: 4,001 entries, 64,024 bytes."""
    entries = [(0x2FF, 0xC06), *((0x400 + n, n) for n in range(4000))]
    machine = mt.parse("\n" * above + hex_dumps(kvm_structure(entries))[form])
    assert machine.format == "kvm-msrs" and machine.cpus[0].registers.held[0x2FF].value == 0xC06


def test_json_is_no_list_of_entries():
    """Where a quote stands within its first 512 characters; initializers may have one further down."""
    words = '"index 0x2ff data 0xc06, "'
    for begin in ("{", "[", "{" + 510 * " ", 63 * " " + "{"):
        assert not kvm_msrs.sniff(begin + words), begin
    for begin in ("", "{" + 511 * " ", 64 * " " + "{"):
        assert kvm_msrs.sniff(begin + words), begin


def test_a_hex_dump_is_looked_at_as_far_as_a_head_reaches():
    entries = [(0x2FF, 0xC06), *((0x400 + n, n) for n in range(300))]
    rows = hex_dumps(kvm_structure(entries))["xxd"].splitlines()
    for whole in (255, 256):  # 4,096 bytes, in rows of 16
        assert kvm_msrs.sniff("\n".join([*rows[:whole], "other"])) is (whole == 256)


@pytest.mark.parametrize("head", ["# vcpu {}", "# processor {}", "processor {}", "CPU #{}:", "# cpu{}:"])
def test_hex_dumps_below_the_processors_names(head):
    dumps = [hex_dumps(kvm_structure([(0x2FF, value), *MSRS[1:]]))["xxd"] for value in (0xC06, 0xC00)]
    machine = mt.parse("".join(f"{head.format(n)}\n{dump}\n" for n, dump in enumerate(dumps)))
    assert [cpu.mtrrs.def_type for cpu in machine.cpus] == [0xC06, 0xC00]
