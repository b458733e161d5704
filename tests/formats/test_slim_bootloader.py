"""Slim Bootloader's list: its head is DEF_TYPE, its pairs have numbers and are not read twice."""

from __future__ import annotations

import pytest

import memtype as mt

HEAD = "MTRRs......: Enabled\nFixed MTRRs: Enabled\nDefault....: Uncacheable\n"
LIST = (
    HEAD
    + """
Variable MTRRs
[0x000000000-0x07fffffff] Write-back
   IA32_MTRR_PHYSBASE_0 (0x200): 0x0000000000000006
   IA32_MTRR_PHYSMASK_0 (0x201): 0x0000007f80000800
[0x0ff000000-0x0ffffffff] Write-protected
   IA32_MTRR_PHYSBASE_3 (0x206): 0x00000000ff000005
   IA32_MTRR_PHYSMASK_3 (0x207): 0x0000007fff000800
"""
)


def test_the_list():
    machine = mt.parse(LIST)
    assert machine.format == "slim-bootloader"
    state = machine.mtrrs
    assert state.def_type == 0xC00 and state.maxphyaddr == 39
    assert state.variable[0] == (6, 0x7F80000800) and state.variable[3] == (0xFF000005, 0x7FFF000800)
    assert [str(state.at(a)) for a in (0x7FFFFFFF, 0x80000000, 0xFF000000)] == ["WB", "UC", "WP"]


@pytest.mark.parametrize("dots", ["", "...", "\u2026\u2026"])
def test_the_heads_dots_are_dress(dots):
    undotted = mt.parse(LIST.replace("......", dots).replace("....", dots))
    assert undotted.format == "slim-bootloader" and undotted.mtrrs == mt.parse(LIST).mtrrs
    with pytest.raises(mt.ParseError):
        mt.parse("MTRRs: Enabled\n")  # anybody's


@pytest.mark.parametrize("e", [0, 1])
@pytest.mark.parametrize("fe", [0, 1])
@pytest.mark.parametrize(("word", "kind"), [("Uncacheable", 0), ("Write-combining", 1), ("Write Through", 4),
                                            ("Write-protected", 5), ("Write back", 6)])  # fmt: skip
def test_the_head_is_def_type(e, fe, word, kind):
    words = ("Disabled", "Enabled")
    text = f"MTRRs......: {words[e]}\nFixed MTRRs: {words[fe]}\nDefault....: {word}\n"
    held = mt.parse(text).registers.held[0x2FF]
    assert held.told and held.value == e << 11 | fe << 10 | kind


def test_a_head_alone_tells_no_range():
    machine = mt.parse(HEAD)
    assert machine.at(1 << 32).type is mt.MemoryType.NOT_TOLD and machine.mtrrs is None
    partial = mt.parse(HEAD.replace("Default....: Uncacheable\n", "")).registers.held[0x2FF]
    assert (partial.value, partial.known) == (0xC00, 0xC00)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD.replace("Uncacheable", "Cached"), "<text>:3: "),
        (HEAD.replace("Fixed MTRRs: Enabled", "Fixed MTRRs: maybe"), "<text>:2: "),
        (LIST.replace("(0x206): 0x00000000ff000005", "(0x206): "), "<text>:10: "),
        (LIST.replace("(0x206)", "(0x9999)"), "no register of a variable range"),
    ],
)
def test_what_is_broken_is_refused(text, words):
    with pytest.raises(mt.ParseError, match=words):
        mt.parse(text)
