"""Registers as source code: C, Rust and EDK2, whole or cut off, and code that is none."""

from __future__ import annotations

import pytest
from dump_samples import STATE

import memtype as mt
from memtype.formats import structures

FORMS = ("c", "rust", "edk2")


@pytest.mark.parametrize("form", FORMS)
def test_the_layout_of_the_code_does_not_matter(form):
    text = str(mt.emit(STATE, form))
    assert structures.sniff(text) and mt.parse(text).format == "structures"
    assert mt.parse(text).mtrrs == mt.parse(text.replace("\n", "\r\n")).mtrrs == STATE
    assert mt.parse(text.replace("\t", "  ").replace(", ", ",")).mtrrs == STATE


@pytest.mark.parametrize("form", FORMS)
def test_a_list_that_is_cut_off_tells_no_more_than_stands_in_it(form):
    """Wherever it ends: refused, or a type that the whole list gives too, or not told."""
    text = str(mt.emit(STATE, form))
    whole = {address: mt.parse(text).at(address).type for address in (0, 0xA0000, 0x100000, 0x80000000, 1 << 32)}
    for end in range(0, len(text), 7):
        try:
            machine = mt.parse(text[:end])
        except mt.ParseError:
            continue
        for address, kind in whole.items():
            answer = machine.at(address, strict=True).type
            assert answer in (kind, mt.MemoryType.NOT_TOLD), (end, hex(address))


def test_a_comment_holds_no_register():
    text = "static u64 mtrrs[][2] = {\n/* { 0x200, 0x6 }, */\n// { 0x201, 0x800 },\n { 0x2ff, 0xc06 },\n};\n"
    held = mt.parse(text).cpus[0].registers.held
    assert held[0x2FF].value == 0xC06 and not {0x200, 0x201} & held.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("u64 mtrrs[][2] = {\n{ 0x2ff, 0xc06 },\n{ 0x200, 0x10000000000000000 },\n};", "3: .*is not a 64-bit value"),
        ("u64 mtrrs[][2] = {\n{ 0x2ff, 0xc0z },\n};", "2: .*is not a number"),
        ("MTRR_SETTINGS Mtrrs = {\n{ { 0x06 } }, ", "1: MTRR_SETTINGS without its end: cut off"),
        ("MTRR_SETTINGS Mtrrs = {\n{ { 0x06 } }, { { { 0x0, 0x800 } } }, 0xC06\n};", "1: MTRR_SETTINGS of 1 fixed"),
    ],
)
def test_refusals_name_the_line(text, words):
    with pytest.raises(mt.ParseError, match=rf"^code:{words}"):
        mt.parse(text, "code")


def test_code_about_mtrrs_is_no_register_file():
    assert not structures.sniff("int mtrr_add(u64 base, u64 size);\n")
    assert not structures.sniff("static const u64 other[][2] = {\n{ 0x2ff, 0xc06 },\n};\n")  # not declared as MTRRs


@pytest.mark.parametrize("equals", ["=", " =", "= ", " = "])
def test_each_structure_is_a_state(equals):
    fixed = ", ".join(["0x0606060606060606"] * 11)
    each = [
        f"MTRR_SETTINGS of_{n}{equals}{{\n{{ {{ {fixed} }} }}, {{ {{ {{ 0x0, 0x800 }} }} }}, 0xC0{n}\n}};"
        for n in (0, 6)
    ]
    machine = mt.parse("\n".join(each))
    assert [state.registers.held[0x2FF].value for state in machine.states] == [0xC00, 0xC06]
