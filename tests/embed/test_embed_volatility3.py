"""Volatility 3: leaves read by the real package's layers from made-up page tables, PAT bit included."""

from __future__ import annotations

import struct
import warnings
from typing import Any

import pytest

from memtype import InputError
from memtype.embed.volatility3 import Leaf, leaf, leaves
from memtype.pat import Pat

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("volatility3.framework.layers.intel", reason="volatility3 is not installed")

M, G = 1 << 20, 1 << 30
NX = 1 << 63
PAT_4K, PAT_LARGE, LARGE, PWT, PCD = 1 << 7, 1 << 12, 1 << 7, 1 << 3, 1 << 4


def layer(kind: str, root: int, entries: dict[int, int], entry_format: str = "<Q") -> Any:
    """An Intel layer of the package over a memory that holds these table entries."""
    from volatility3.framework import contexts
    from volatility3.framework.layers import intel, physical

    memory = bytearray(0x8000)
    for place, entry in entries.items():
        memory[place : place + struct.calcsize(entry_format)] = struct.pack(entry_format, entry)
    context = contexts.Context()
    context.add_layer(physical.BufferDataLayer(context, "memory", "memory", bytes(memory)))
    context.config["primary.memory_layer"] = "memory"
    context.config["primary.page_map_offset"] = root
    made = getattr(intel, kind)(context, "primary", "primary")
    context.add_layer(made)
    return made


@pytest.fixture
def long_mode() -> Any:
    """0x1000 PML4, 0x2000 PDPT, 0x3000 PD, 0x4000 PT: pages of every size, each with its PAT bit set."""
    return layer("Intel32e", 0x1000, {
        0x1000: 0x2003, 0x1FF8: 0x2003,
        0x2000: 0x3003, 0x2008: 0x4000_0000 | LARGE | PAT_LARGE | PWT | 3,
        0x3000: 0x4003, 0x3008: NX | 0x1_0020_0000 | LARGE | PAT_LARGE | PCD | PWT | 3, 0x3018: 0x80E3,
        0x4000: 0x7003, 0x4008: 0x8_0000_0000 | PAT_4K | PCD | 3, 0x4018: 0x5002,
    })  # fmt: skip


def test_leaves_of_every_size_keep_their_pat_bit(long_mode: Any) -> None:
    assert leaf(long_mode, 0x234) == Leaf(0, 0x7003, 1, 0x7000, 4096)
    assert leaf(long_mode, 0x1FFF) == Leaf(0x1000, 0x8_0000_0093, 1, 0x8_0000_0000, 4096)
    large = leaf(long_mode, 2 * M + 5)
    assert (large.virtual, large.level, large.base, large.size) == (2 * M, 2, 0x1_0020_0000, 2 * M)
    assert large.entry == NX | 0x1_0020_109B
    huge = leaf(long_mode, G + 7)
    assert (huge.entry, huge.level, huge.base, huge.size) == (0x4000_108B, 3, 0x4000_0000, G)
    pat = Pat("linux")
    assert [pat.index(found.entry, found.level) for found in (large, huge)] == [7, 5]
    assert leaf(long_mode, 0xFFFF_FF80_0000_0000).base == 0x7000  # the upper half, by PML4 entry 511


def test_the_packages_own_walk_loses_the_pat_bit(long_mode: Any) -> None:
    """The reason for a walk of our own."""
    entry, _ = long_mode._translate_entry(2 * M)
    raw = leaf(long_mode, 2 * M).entry
    assert raw & PAT_LARGE and not entry & PAT_LARGE and raw == entry | PAT_LARGE
    assert long_mode._translate(2 * M + 5)[0] == leaf(long_mode, 2 * M + 5).base + 5


def test_ranges_pass_over_holes(long_mode: Any) -> None:
    found = [(one.virtual, one.level) for one in leaves(long_mode, 0, 512 * G)]
    assert found == [(0, 1), (0x1000, 1), (2 * M, 2), (6 * M, 2), (G, 3)]
    assert [one.virtual for one in leaves(long_mode, 3 * M, 1)] == [2 * M]
    assert list(leaves(long_mode, 0x2000, 0x1000)) == []


def test_what_is_not_mapped(long_mode: Any) -> None:
    with pytest.raises(InputError, match=r"0x3000 is not mapped .*entry 0x5002 is not present"):
        leaf(long_mode, 0x3000)
    with pytest.raises(InputError, match="cannot be read"):
        leaf(layer("Intel32e", 0x1000, {0x1000: 0x900_0003}), 0)
    with pytest.raises(InputError, match="no Intel"):
        leaf(object(), 0)


def test_pae_and_32_bit_layers() -> None:
    pae = layer("IntelPAE", 0x1020, {0x1028: 0x2001, 0x2008: 0x1_0020_0000 | LARGE | PAT_LARGE | 3})
    assert leaf(pae, G + 2 * M) == Leaf(G + 2 * M, 0x1_0020_1083, 2, 0x1_0020_0000, 2 * M)
    two = layer("Intel", 0x1000, {0x1004: 0x40_1083, 0x1008: 0x2003, 0x2004: 0x7083}, "<I")
    assert leaf(two, 4 * M + 1) == Leaf(4 * M, 0x40_1083, 2, 0x40_0000, 4 * M)
    assert leaf(two, 8 * M + 0x1001) == Leaf(8 * M + 0x1000, 0x7083, 1, 0x7000, 4096)
