"""A width that two lines tell differently is not told: with the lesser one a base beyond it would be cut."""

from __future__ import annotations

import json

import pytest
from linux_log import register_lines
from printers import coreboot, edk2_dump, msrs

import memtype as mt

# WB at 64 GiB alone, on 39 bits: with 36 the base's only bit is none, and address 0 would be WB
STATE = mt.MtrrState(0xC00, variable=(mt.range_registers(1 << 36, 1 << 34, "WB", 39), *((0, 0),) * 7), maxphyaddr=39)
SIZES = "address sizes\t: {} bits physical, 48 bits virtual\n"


def pasted(text: str, line: str):
    """The text below two lines with widths, of 36 and 39 bits."""
    return lambda first, second: line.format(first) + line.format(second) + text


def in_json(first: int, second: int) -> str:
    told = {f"0x{index:x}": f"0x{value:x}" for index, value in msrs(STATE)}
    return json.dumps({"a": {"maxphyaddr": first}, "b": {"maxphyaddr": second}, **told})


TEXTS = {
    "a list": pasted("".join(f"0x{i:x} 0x{v:x}\n" for i, v in msrs(STATE)), "physical address bits: {}\n"),
    "a log": pasted("\n".join(["Linux version 5.10.0", *register_lines(STATE), "last_pfn = 0x1\n"]), SIZES),
    "coreboot": pasted(str(coreboot(STATE)).replace("size: 39 bits", "n"), "physical address size: {}\n"),
    "EDK2": pasted(edk2_dump(STATE).split("Memory Ranges")[0], "physical address size: {} bits\n"),
    "JSON": in_json,
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(("first", "second"), [(36, 39), (39, 36)])
def test_two_widths_that_differ_are_none(name, first, second):
    machine = mt.parse(TEXTS[name](first, second))
    assert machine.width is None
    assert machine.at(1 << 30).type in (mt.MemoryType.UC, mt.MemoryType.NOT_TOLD)
    assert any("told as 36 and as 39" in note for note in machine.notes)


@pytest.mark.parametrize("name", TEXTS)
def test_one_width_told_twice_is_one(name):
    machine = mt.parse(TEXTS[name](39, 39))
    assert machine.width is not None and machine.width.bits == 39
    assert machine.at(1 << 36).type is mt.MemoryType.WB


def test_what_memory_encryption_takes_is_no_other_width():
    """CPUID tells 46 bits, Linux takes off those of the keys: both are of one processor."""
    machine = mt.parse("physical address bits: 46\n" + SIZES.format(42) + "0x2ff 0xc06\n")
    assert machine.width is not None and machine.width.bits == 42
