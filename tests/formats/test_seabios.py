"""SeaBIOS' RAM map: hexadecimal, exclusive ends, no MTRR."""

from __future__ import annotations

import pytest

import memtype as mt


def test_seabios_prints_addresses_in_hexadecimal():
    text = "SeaBIOS (version 1.16)\ne820 map has 1 items:\n  0: 0000000000100000 - 0000000010000000 = 1 RAM\n"
    (ram,) = mt.parse(text).e820
    assert (ram.base, ram.size) == (0x100000, 0xFF00000)


def test_each_map_is_a_state_and_one_that_is_cut_off_is_refused():
    first = "e820 map has 1 items:\n  0: 0000000000000000 - 0000000000001000 = 1 RAM\n"
    last = "e820 map has 2 items:\n  0: 0000000000000000 - 000000000009fc00 = 1 RAM\n"
    more = "  1: 000000000009fc00 - 00000000000a0000 = 4 NVS\n"
    ranges = [(r.base, r.last, r.kind) for r in mt.parse(first + last + more).states[1].e820]
    assert ranges == [(0, 0x9FBFF, "usable"), (0x9FC00, 0x9FFFF, "ACPI NVS")]
    with pytest.raises(mt.ParseError, match="1 of the 2 items of the RAM map: cut off"):
        mt.parse(first + last)
    with pytest.raises(mt.ParseError, match="0 of the 1 items of the RAM map: cut off"):
        mt.parse(first.replace("1 RAM", "1 RAM old"))
    with pytest.raises(mt.ParseError, match=r"^log:3: range 0xa0000 - 0xa0000 is empty"):
        mt.parse(last + more.replace("9fc00 -", "a0000 -"), "log")


def test_it_tells_no_type():
    machine = mt.parse("e820 map has 1 items:\n  0: 0000000000000000 - 0000000080000000 = 1 RAM\n")
    assert machine.mtrrs is None and machine.at(0).type == mt.MemoryType.NOT_TOLD
