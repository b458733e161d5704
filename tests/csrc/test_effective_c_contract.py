"""What memtype.h promises of types, PAT and EPT, asked of the C core directly."""

from __future__ import annotations

import pytest

from memtype import rules

native = pytest.importorskip("memtype._native", reason="the C core is not built")
ffi, lib = native.ffi, native.lib
ISA = lib.memtype_isa_best()
UNTOUCHED = b"\xee" * 4


def out():
    return ffi.new("uint8_t[4]", UNTOUCHED), ffi.new("size_t *", 77)


def tables(**values):
    made = ffi.new("memtype_tables *")
    lib.memtype_tables_build(ffi.new("memtype_mtrrs *", {"maxphyaddr": 40, **values}), ISA, made)
    return made


def test_nothing_needs_no_memory():
    t, (_, index) = tables(), out()
    null = ffi.NULL
    assert lib.memtype_pat_valids(null, 0, null) == lib.MEMTYPE_OK
    assert lib.memtype_pat_indexes(1, ISA, null, 0, null) == lib.MEMTYPE_OK
    assert lib.memtype_pat_types(0, 2, ISA, null, 0, null) == lib.MEMTYPE_OK
    assert lib.memtype_effective_array(0, 0, null, 1, null, 0, 0, null, index) == lib.MEMTYPE_OK
    assert lib.memtype_effective_ept_array(0, null, 1, null, 0, null, 0, 0, null, index) == lib.MEMTYPE_OK
    assert lib.memtype_effective_npt_array(0, 0, null, 1, null, 0, null, 0, 0, null, index) == lib.MEMTYPE_OK
    assert lib.memtype_effective_types(t, 0, 1, null, null, 0, null, index) == lib.MEMTYPE_OK
    assert lib.memtype_effective_ept_types(0, 1, 0, ISA, null, null, 0, null) == lib.MEMTYPE_OK
    assert index[0] == 77
    assert lib.memtype_ept_types(ISA, null, 0, null, index) == lib.MEMTYPE_OK
    assert index[0] == 0


@pytest.mark.parametrize("level", [0, 4, 0xFFFFFFFF])
def test_other_levels_are_refused_and_nothing_is_written(level):
    t, (types, index) = tables(), out()
    assert lib.memtype_pat_index(0x98, level) == lib.MEMTYPE_ELEVEL
    assert lib.memtype_pat_indexes(level, ISA, [0] * 4, 4, types) == lib.MEMTYPE_ELEVEL
    assert lib.memtype_pat_types(0, level, ISA, [0] * 4, 4, types) == lib.MEMTYPE_ELEVEL
    assert lib.memtype_effective_types(t, 0, level, ffi.NULL, [0] * 4, 4, types, index) == lib.MEMTYPE_ELEVEL
    leaves = [0] * 4
    assert lib.memtype_effective_ept_types(0, level, 0, ISA, leaves, leaves, 4, types) == lib.MEMTYPE_ELEVEL
    assert bytes(ffi.buffer(types)) == UNTOUCHED
    assert index[0] == 77


@pytest.mark.parametrize("bad", [8, 9, 13, 15, 16, 0x60, 255])
def test_what_is_no_input_is_named_and_nothing_is_written(bad):
    good, wrong = [6, 6, 6, 6], [6, 6, bad, bad]
    for call in (
        lambda types, index: lib.memtype_effective_array(0, 0, wrong, 1, good, 1, 4, types, index),
        lambda types, index: lib.memtype_effective_array(1, 1, [6], 0, wrong, 1, 4, types, index),
        lambda types, index: lib.memtype_effective_ept_array(1, wrong, 1, [1], 0, good, 1, 4, types, index),
        lambda types, index: lib.memtype_effective_ept_array(0, good, 1, [1], 0, wrong, 1, 4, types, index),
        lambda types, index: lib.memtype_effective_npt_array(0, 0, wrong, 1, good, 1, good, 1, 4, types, index),
        lambda types, index: lib.memtype_effective_npt_array(0, 0, good, 1, wrong, 1, good, 1, 4, types, index),
        lambda types, index: lib.memtype_effective_npt_array(1, 0, good, 1, good, 1, wrong, 1, 4, types, index),
    ):
        types, index = out()
        assert call(types, index) == lib.MEMTYPE_ETYPE
        assert index[0] == 2
        assert bytes(ffi.buffer(types)) == UNTOUCHED
    for found in (lib.memtype_effective(0, 0, bad, 6), lib.memtype_effective(0, 0, 6, bad),
                  lib.memtype_effective_ept(bad, 0, 6, 0), lib.memtype_effective_npt(6, 6, bad, 0, 0),
                  lib.memtype_effective_pcd_pwt(0, bad, 0, 0), lib.memtype_ept_leaf(bad, 0)):  # fmt: skip
        assert found == lib.MEMTYPE_ETYPE


def test_an_address_beyond_the_width_is_named_and_nothing_is_written():
    t, (types, index) = tables(), out()
    places = [0, (1 << 40) - 1, 5, 1 << 40]
    assert lib.memtype_effective_types(t, 0, 1, places, [0] * 4, 4, types, index) == lib.MEMTYPE_EADDRESS
    assert index[0] == 3
    assert bytes(ffi.buffer(types)) == UNTOUCHED


@pytest.mark.parametrize("width", [20, 21, 29, 30, 36, 52])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_address_bits_of_an_entry_above_the_width_are_ignored(width, level):
    t, (types, index) = tables(maxphyaddr=width, def_type=0x806), out()
    ptes = [(1 << 64) - 1 & ~0x1098] * 4
    assert lib.memtype_effective_types(t, rules.PAT_RESET, level, ffi.NULL, ptes, 4, types, index) == lib.MEMTYPE_OK
    assert bytes(ffi.buffer(types)) == b"\x06" * 4


def test_the_first_misconfigured_leaf_is_named():
    types, index = out()
    assert lib.memtype_ept_types(ISA, [0x30, 0x10, 0x38, 0x18], 4, types, index) == lib.MEMTYPE_OK
    assert (index[0], list(types)) == (1, [6, 10, 10, 10])
    assert lib.memtype_ept_types(ISA, [0x30, 0x70], 2, types, index) == lib.MEMTYPE_OK
    assert index[0] == 2
    assert [lib.memtype_ept_leaf(kind, 1) for kind in (0, 1, 4, 5, 6)] == [0x40, 0x48, 0x60, 0x68, 0x70]
    assert [lib.memtype_ept_leaf(kind, 0) for kind in (2, 3, 7)] == [lib.MEMTYPE_ETYPE] * 3
