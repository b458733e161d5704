"""Widths, bases and bounds of what readers take: the last value that is read, and the first that is refused."""

from __future__ import annotations

import json
import struct

import pytest
from dump_samples import COREBOOT, kvm_structure

import memtype as mt
from memtype.formats import kvm_msrs


def listed(index: object, data: object) -> str:
    return json.dumps([{"index": 0x2FF, "data": 0xC06}, {"index": index, "data": data}])


def test_msr_json_takes_32_bits_of_index_and_64_of_value():
    top = (1 << 64) - 1
    assert mt.parse(listed(0x277, top)).pat.value == top
    assert mt.parse(listed((1 << 32) - 1, 0)).pat is None  # a number that some MSR may have
    for index, data, bits in ((1 << 32, 0, 32), (0x277, 1 << 64, 64), (0x277, -1, 64)):
        with pytest.raises(mt.ParseError, match=f"{bits}-bit"):
            mt.parse(listed(index, data))


def test_kvms_structure_is_known_by_its_entries():
    entries = [(0x2FF, 0xC06), (0x277, 0x0007040600070406)]
    assert kvm_msrs.sniff_bytes(kvm_structure(entries))
    assert not kvm_msrs.sniff_bytes(kvm_structure([(0x10, 5), (0x8B, 1)]))  # none that is ours
    broken = struct.pack("<IIIIQ", 1, 0, 0x2FF, 1, 0xC06)  # reserved is not 0
    assert not kvm_msrs.sniff_bytes(broken)


def test_seabios_prints_addresses_in_hexadecimal():
    text = "SeaBIOS (version 1.16)\ne820 map has 1 items:\n  0: 0000000000100000 - 0000000010000000 = 1 RAM\n"
    (ram,) = mt.parse(text).e820
    assert (ram.base, ram.size) == (0x100000, 0xFF00000)


def test_coreboot_prints_the_width_in_decimal_and_masks_in_hexadecimal():
    machine = mt.parse(COREBOOT)
    assert machine.maxphyaddr == 36  # not 0x36
    assert str(machine.at(0x80000000).type) == "UC" and str(machine.at(0x7FFFFFFF).type) == "WB"
