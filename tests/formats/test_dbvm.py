"""Pairs without an index, as DBVM's script prints them: in order, each one read or refused by its line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt

SHORT = "IA32_MTRRCAP=d0a\n0000000000000006 - 0000007c00000800\nIA32_MTRR_DEF_TYPE=c00\n"
LONG = (
    """IA32_MTRRCAP=d03
Variable count is 3
base - mask
0000000000000006 - 0000007f80000800
0000000080000000 - 0000007f80000800
0000000000000000 - 0000000000000000

Fixed range MTRR's supported
FIX64K_00000=0606060606060606
FIX16K_80000=0606060606060606
FIX16K_A0000=0000000000000000
"""
    + "".join(f"FIX4K_{base:X}=0505050505050505\n" for base in range(0xC0000, 0x100000, 0x8000))
    + "IA32_MTRR_DEF_TYPE=c06\n"
)


def test_the_pairs_are_there():
    machine = mt.parse(SHORT)
    assert machine.format == "dbvm" and machine.mtrrs.variable == ((6, 0x7C00000800),)
    assert machine.mtrrs.def_type == 0xC00 and str(machine.mtrrs.at(1 << 20)) == "WB"
    state = mt.parse(LONG).mtrrs
    assert state.variable == ((6, 0x7F80000800), (0x80000000, 0x7F80000800), (0, 0)) and state.cap == 0xD03
    assert [str(state.at(a)) for a in (0, 0xA0000, 0xC0000, 1 << 20, 1 << 31, 1 << 32)] == [
        "WB",
        "UC",
        "WP",
        "WB",
        "UC",
        "WB",
    ]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, (1 << 20) - 1), st.sampled_from([0, 1, 4, 5, 6]), st.integers(0, 8)), max_size=10)
)
def test_any_pairs_keep_their_order(pairs):
    held = [(frame << 12 | kind, (0x7FFFFFFFFF & ~((0x1000 << order) - 1)) | 0x800) for frame, kind, order in pairs]
    rows = "\n".join(f"{base:016x} - {mask:016x}" for base, mask in held)
    text = f"IA32_MTRRCAP=d0a\n{rows}\nIA32_MTRR_DEF_TYPE=806\n"
    told = mt.parse(text).registers.held
    assert [(told[0x200 + 2 * n].value, told[0x201 + 2 * n].value) for n in range(len(held))] == held


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SHORT.replace("0000000000000006 -", "0000000000000106 -"), 2),  # bit 8 of a base
        (SHORT.replace("0000007c00000800", "000000000009fc00"), 2),  # the end of a range, no mask
        (SHORT.replace("0000000000000006 -", "0000000000000003 -"), 2),
        (SHORT.replace("d0a", "d00"), 2),  # more pairs than there are
    ],
)
def test_a_line_that_no_register_holds_is_named(text, line):
    with pytest.raises(mt.ParseError, match=rf"^<text>:{line}: "):
        mt.parse(text)


def test_other_ranges_behind_the_list_are_not_pairs():
    text = SHORT + "memory map:\n0000000000000000 - 000000000009fbff\n"
    assert mt.parse(text).mtrrs.variable == ((6, 0x7C00000800),)


@pytest.mark.parametrize("short", range(4))
def test_a_fixed_range_alone_that_lacks_digits_is_lost_and_several_are_refused(short):
    """A line that a console garbled; where several are, the text is cut."""
    rows = ["IA32_MTRRCAP=d01", "0000000000000006 - 0000007c00000800", "IA32_MTRR_DEF_TYPE=c00"]
    rows += [f"FIX4K_{0xC8000 + 0x8000 * n:05X}={'05' * (7 if n < short else 8)}" for n in range(3)]
    if short > 1:
        with pytest.raises(mt.ParseError, match=f" and {short - 1} more have fewer than 16 digits: the text is cut"):
            mt.parse("\n".join(rows))
    else:
        assert mt.parse("\n".join(rows)).registers.lost & {0x269, 0x26A, 0x26B} == ({0x269} if short else set())
