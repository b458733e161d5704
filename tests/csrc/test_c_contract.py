"""What memtype.h promises, asked of the C core directly: bounds, NULL for nothing, outputs untouched on failure."""

from __future__ import annotations

from typing import Any

import pytest

native = pytest.importorskip("memtype._native", reason="the C core is not built")
ffi, lib = native.ffi, native.lib


def registers(**values: Any) -> Any:
    made = ffi.new("memtype_mtrrs *", {"maxphyaddr": 40, "cap": 0x508, **values})
    assert lib.memtype_mtrrs_check(made) == lib.MEMTYPE_OK
    return made


def tables(m: Any, isa: int = lib.MEMTYPE_PORTABLE) -> Any:
    made = ffi.new("memtype_tables *")
    lib.memtype_tables_build(m, isa, made)
    return made


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({"maxphyaddr": 19}, False),
        ({"maxphyaddr": 20}, True),
        ({"maxphyaddr": 52}, True),
        ({"maxphyaddr": 53}, False),
        ({"maxphyaddr": 40, "variable_count": 255}, True),
        ({"maxphyaddr": 40, "variable_count": 256}, False),
    ],
)
def test_bounds_of_a_register_file(values: dict[str, int], fits: bool) -> None:
    assert (lib.memtype_mtrrs_check(ffi.new("memtype_mtrrs *", values)) == lib.MEMTYPE_OK) == fits


def test_nothing_needs_no_memory() -> None:
    m, index = registers(), ffi.new("size_t *", 77)
    t, zero = tables(m), ffi.new("uint64_t[1]")
    assert lib.memtype_types(t, ffi.NULL, 0, ffi.NULL, index) == lib.MEMTYPE_OK
    assert lib.memtype_page_types(t, 1 << 60, 0, ffi.NULL) == lib.MEMTYPE_OK
    assert lib.memtype_map_types(zero, b"\0", 1, 40, 0, ffi.NULL, 0, ffi.NULL, index) == lib.MEMTYPE_OK
    assert lib.memtype_map_page_types(ffi.new("memtype_map *"), 40, 1 << 60, 0, ffi.NULL) == lib.MEMTYPE_OK
    assert index[0] == 77


def test_a_refused_address_is_named_and_nothing_written() -> None:
    m, index = registers(def_type=0x806), ffi.new("size_t *", 77)
    out = ffi.new("uint8_t[3]", b"\xee" * 3)
    t = tables(m)
    assert lib.memtype_types(t, [0, 1 << 40, 1 << 63], 3, out, index) == lib.MEMTYPE_EADDRESS
    assert index[0] == 1
    assert bytes(ffi.buffer(out)) == b"\xee" * 3
    assert lib.memtype_page_types(t, (1 << 28) - 2, 3, out) == lib.MEMTYPE_EADDRESS
    assert lib.memtype_page_types(t, (1 << 64) - 1, 3, out) == lib.MEMTYPE_EADDRESS
    assert bytes(ffi.buffer(out)) == b"\xee" * 3
    assert lib.memtype_at(m, (1 << 40) - 1) == lib.MEMTYPE_WB
    assert lib.memtype_at(m, 1 << 40) == lib.MEMTYPE_EADDRESS


def test_a_map_needs_exactly_its_capacity() -> None:
    m = registers(def_type=0x806, variable_count=1, base=[0x80000000], mask=[0xFF80000800])
    bases, kinds, count = ffi.new("uint64_t[3]"), ffi.new("uint8_t[3]"), ffi.new("size_t *", 77)
    assert lib.memtype_resolve(m, bases, kinds, 2, count) == lib.MEMTYPE_ESHATTERED
    assert count[0] == 77
    assert lib.memtype_resolve(m, bases, kinds, 3, count) == lib.MEMTYPE_OK
    assert (list(bases), list(kinds), count[0]) == ([0, 0x80000000, 0x100000000], [6, 0, 6], 3)


def test_a_width_of_twenty_bits_is_all_fixed_ranges() -> None:
    """The smallest width that the core takes: one megabyte, every page checked against its byte."""
    m = registers(def_type=0xC00, maxphyaddr=20, fixed=[0x0006050401000605] * 11)
    kinds = ffi.new("uint8_t[256]")
    assert lib.memtype_page_types(tables(m), 0, 256, kinds) == lib.MEMTYPE_OK
    entries = [5, 6, 0, 1, 4, 5, 6, 0]
    expected = [e for e in entries for _ in range(16)] + [e for _ in range(2) for e in entries for _ in range(4)]
    assert list(kinds) == expected + entries * 8


def test_the_bit_of_a_fault() -> None:
    bit = ffi.new("uint32_t *")
    for index, value, fault, place in [
        (0x2FF, 1 << 12, lib.MEMTYPE_MSR_RESERVED, 12),
        (0x201, 1 << 40 | 1 << 50, lib.MEMTYPE_MSR_RESERVED, 40),
        (0x250, 2 << 24, lib.MEMTYPE_MSR_TYPE, 24),
        (0x277, 8 << 56, lib.MEMTYPE_MSR_TYPE, 56),
    ]:
        assert lib.memtype_msr_fault(index, value, 40, lib.MEMTYPE_INTEL, bit) == fault
        assert bit[0] == place


def test_leaves_are_written_whole_or_not_at_all() -> None:
    index, sptes = ffi.new("size_t *", 77), ffi.new("uint64_t[3]", [(1 << 64) - 1] * 3)
    bases, bits, isa = [0, 0x100], [0x30, 0x00], lib.MEMTYPE_PORTABLE
    for fill in (
        lambda gfns: lib.memtype_leaf_fill(bases, bits, 2, 0x78, 40, isa, gfns, len(gfns), sptes, index),
        lambda gfns: lib.memtype_leaf_bits(bases, bits, 2, 40, isa, gfns, len(gfns), sptes, index),
    ):
        assert fill([0, 1 << 28, 1 << 63]) == lib.MEMTYPE_EADDRESS
        assert index[0] == 1 and list(sptes) == [(1 << 64) - 1] * 3
    gfns = [0xFF, 0x100, (1 << 28) - 1]
    assert lib.memtype_leaf_fill(bases, bits, 2, 0x78, 40, isa, gfns, 3, sptes, index) == lib.MEMTYPE_OK
    assert list(sptes) == [(1 << 64) - 1 - 0x48, (1 << 64) - 1 - 0x78, (1 << 64) - 1 - 0x78]
    index[0] = 77
    assert lib.memtype_leaf_fill(bases, bits, 2, 0x78, 40, isa, ffi.NULL, 0, ffi.NULL, index) == lib.MEMTYPE_OK
    assert lib.memtype_leaf_bits(bases, bits, 2, 40, isa, ffi.NULL, 0, ffi.NULL, index) == lib.MEMTYPE_OK
    assert index[0] == 77
