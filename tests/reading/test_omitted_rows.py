"""Rows that a text says it left out: what they could tell is not told, in every form, assumed or not."""

from __future__ import annotations

import random

import pytest
from printers import PRINTERS
from strategies import LEGAL

import memtype as mt
from memtype import rules
from memtype.reading import accounting

MARKS = (
    "…", "...", ". . .", "[...]", "⋮", ":", "<snip>", "-- snipped --", "--- 8< ---", "-->8--", "(3 lines omitted)",
    "[3 lines elided]", "*** truncated ***", "<output omitted>", "(some rows removed)", "and so on", "+ 3 more",
    "[lines 10-20 not shown]", "(same for the rest)", "[    0.000000] ** 3 printk messages dropped **", "etc.",
)  # fmt: skip
REMARKS = (
    "--More--", "the MTRRs of my laptop", "$ cat /proc/mtrr", "0", "~", "this is what rdmsr says, and it looks wrong",
    "[    0.000000] x86/PAT: MTRRs disabled, skipping PAT initialization too.", "Ubuntu 22.04.3 LTS", "lines 1-23",
)  # fmt: skip
LIST = {0x250: 0, 0x258: 0, 0x259: 0} | dict.fromkeys(range(0x268, 0x270), 0x0606060606060606) | {0x2FF: 0xC00}


def machine(rng: random.Random) -> mt.MtrrState:
    pairs = [mt.range_registers(n << 30, 1 << 30, mt.MemoryType(rng.choice(LEGAL)), 40) for n in range(4, 9)]
    fixed = tuple(rng.choice(LEGAL) * 0x0101010101010101 for _ in rules.FIXED_MSRS)
    return mt.MtrrState(0xC00 | rng.choice(LEGAL), fixed, tuple(pairs), 40)


def otherwise(whole: mt.Machine, told: mt.Machine) -> list[tuple[str, str, str]]:
    """Where `told` gives another type than the whole text, assumed or not."""
    edges = {edge for one in (whole, told) for s in one.map for edge in (s.base, s.base - 1)}
    able = [edge for edge in sorted(edges) if 0 <= edge < 1 << min(whole.maxphyaddr, told.maxphyaddr)]
    asked = [(hex(edge), whole.at(edge), told.at(edge)) for edge in able]
    return [
        (edge, str(right), str(now))
        for edge, right, now in asked if now.type not in (right.type, mt.MemoryType.NOT_TOLD)
    ]  # fmt: skip


@pytest.mark.parametrize("form", sorted(PRINTERS))
def test_rows_left_out_decide_nothing(form):
    rng = random.Random(form)
    for mark in rng.sample(MARKS, 3):
        text = PRINTERS[form](machine(rng))
        if not isinstance(text, str):
            return  # bytes, or no such machine
        lines, count = text.split("\n"), rng.choice((1, 2, 3, 8))
        at = rng.randrange(len(lines))
        shown = [*lines[:at], *rng.choice(([mark], ["", mark, ""], [mark, mark])), *lines[at + count :]]
        try:
            told = mt.parse("\n".join(shown))
        except mt.ParseError:
            continue
        assert not otherwise(mt.parse(text), told), (mark, lines[at : at + count])


def listed(rows: dict[int, int]) -> list[str]:
    return [f"0x{index:08x}: 0x{value:016x}" for index, value in rows.items()]


@pytest.mark.parametrize("remark", REMARKS)
def test_a_remark_leaves_nothing_out(remark):
    rows = listed(LIST | {0x200: 6, 0x201: 0xFF80000800, 0xFE: 0x501})
    assert mt.parse("\n".join([*rows[:-2], remark, *rows[-2:]])).at(1 << 20).type is mt.MemoryType.WB


def test_rows_that_are_there_stay_told():
    rows = listed(LIST)
    told = mt.parse("\n".join([*rows[:4], "[...]", *rows[6:]]))
    left_out = told.registers.lost
    assert left_out == {0x269, 0x26A} and told.at(0xC0000).type is mt.MemoryType.WB
    assert told.at(0xC8000).type is mt.MemoryType.NOT_TOLD


@pytest.mark.parametrize(("rows", "lost"), [
    ([0x268, 0, 0x26A, 0x269, 0x26B], True),  # 0x269 may stand where rows were left out, and tell otherwise
    ([0x269, 0x268, 0, 0x26A, 0x26B], True),
    ([0x268, 0, 0x26A, 0x26B, 0x269], True),
    ([0x268, 0x26A, 0x269, 0, 0x26B], False),  # its place is above, and nothing was left out there
    ([0x268, 0x26A, 0x269, 0x26B], False),
    ([0x268, 0, 0x269, 0x26A], False),
    ([0x269, 0x26A, 0x26B, 0x200, 0x201, 0, 0x2FF], False),  # the fixed ranges first: no row is out of its order
])  # fmt: skip
def test_a_row_out_of_order_is_not_told_where_its_place_was_left_out(rows, lost):
    text = "\n".join(
        "…" if row == 0 else listed({row: 0x0606060606060606 if row < 0x2FF else 0xC06})[0] for row in rows
    )
    text = text.replace("0x0606060606060606", "0x0000000080000006", 1) if 0x200 in rows else text
    told = mt.parse(text.replace("0x00000201: 0x0606060606060606", "0x00000201: 0x000000ff80000800")).registers
    assert (0x269 in told.lost, 0x269 in told.held) == (lost, not lost)


def test_dbvms_rows_below_an_ellipsis_may_stand_above_it():
    """Two rows tell FIX4K_C0000, and one of them was left out with its neighbour."""
    rows = [
        "IA32_MTRRCAP=503", "base - mask", "0000000000000005 - 0000000800000800", "FIX64K_00000=0101010101010101",
        "FIX16K_80000=0505050505050505", "FIX16K_A0000=0000000000000000", "…", "FIX4K_D0000=0000000000000000",
        "FIX4K_C0000=0105050505050505", "FIX4K_D8000=0101010101010101", "IA32_MTRR_DEF_TYPE=c01",
    ]  # fmt: skip
    told = mt.parse("\n".join(rows))
    assert told.at(0xC7FFF).type is mt.MemoryType.NOT_TOLD and told.at(0xD8000).type is mt.MemoryType.WC


@pytest.mark.parametrize("planted", ["_displaced", "_says_omitted"])
def test_a_planted_fault_is_seen(planted, monkeypatch):
    monkeypatch.setattr(accounting, planted, lambda *_: frozenset())
    with pytest.raises(AssertionError):
        test_dbvms_rows_below_an_ellipsis_may_stand_above_it()
