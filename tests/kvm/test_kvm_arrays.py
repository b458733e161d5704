"""Arrays of gfns and SPTEs: shapes, `out`, refusals that write nothing, one answer from both backends."""

from __future__ import annotations

import numpy as np
import pytest
from kvm_states import FIRMWARE, GIB, guest

from memtype import AddressError, ArrayError, InputError, MtrrState
from memtype.kvm import Vcpu, Vm


@pytest.fixture
def vm(backend):
    return guest("6.4", [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)


GFNS = [0, 0xA0, 0xC0, 0x100, 3 * GIB >> 12, (4 * GIB >> 12) - 1, 4 * GIB >> 12]
BITS = [0x30, 0x00, 0x28, 0x30, 0x00, 0x00, 0x30]


def test_shapes_and_scalars(vm):
    assert vm.leaf_bits(GFNS).tolist() == BITS
    assert vm.leaf_bits(np.array(GFNS[:6], np.uint32).reshape(2, 3)).shape == (2, 3)
    assert vm.leaf_bits(0xC0) == 0x28 and vm.leaf_bits(0xC0, mmio=True) == 0
    assert vm.leaf_bits([]).shape == (0,) and vm.leaf_bits([]).dtype == np.uint64


def test_out_is_written_and_returned(vm):
    out = np.zeros(14, np.uint64)
    assert vm.leaf_bits(GFNS, out=out[:7]) is not None and out[:7].tolist() == BITS
    vm.leaf_bits(GFNS, out=out[::2])
    assert out[::2].tolist() == BITS
    swapped = np.zeros(7, ">u8")
    with pytest.raises(ArrayError):
        vm.leaf_bits(GFNS, out=swapped.view("u4"))


def test_fill_takes_strides_and_touches_the_field_alone(vm):
    sptes = np.full(14, (1 << 64) - 1, np.uint64)
    vm.fill(sptes[::2], GFNS)
    assert sptes[::2].tolist() == [(1 << 64) - 1 - 0x78 + bits for bits in BITS]
    assert set(sptes[1::2].tolist()) == {(1 << 64) - 1}
    vm.fill(sptes[::2], GFNS)
    assert sptes[::2].tolist() == [(1 << 64) - 1 - 0x78 + bits for bits in BITS]  # a second time changes nothing


def test_a_refusal_writes_nothing(vm):
    for bad, index in (([0, 1 << 24, 5], 1), ([3, -1], 1), ([[0, 1], [2, 1 << 40]], 3), ([7] * 4095 + [1 << 24], 4095)):
        out = np.full(np.shape(bad), 7, np.uint64)
        with pytest.raises(AddressError) as refused:
            vm.leaf_bits(bad, out=out)
        assert refused.value.index == index and set(out.reshape(-1).tolist()) == {7}
        with pytest.raises(AddressError):
            vm.fill(out, bad)
        assert set(out.reshape(-1).tolist()) == {7}
    read_only = np.zeros(7, np.uint64)
    read_only.flags.writeable = False
    for sptes in (np.zeros(7, np.int64), np.zeros(6, np.uint64), read_only, [0] * 7):
        with pytest.raises(ArrayError):
            vm.fill(sptes, GFNS)
    same = np.array(GFNS, np.uint64)
    with pytest.raises(ArrayError, match="overlap"):
        vm.fill(same, same)
    with pytest.raises(InputError, match="mmio"):
        vm.leaf_bits(GFNS, mmio=np.zeros(3, np.bool_))
    with pytest.raises(InputError, match="neither 0 nor 1"):
        vm.leaf_bits(GFNS, mmio=[1, 0, 2, 0, 1, 0, 1])


def test_of_many_none_is_written_from_the_refused_one_on(vm):
    for place in (0, 1, 4096, 5000, 9000):
        gfns = np.arange(9001, dtype=np.uint64)
        gfns[place] = 1 << 24
        bits = vm.leaf_bits(np.minimum(gfns, np.uint64(9000)))
        sptes = np.full(9001, 0x87, np.uint64)
        with pytest.raises(AddressError) as refused:
            vm.fill(sptes, gfns)
        assert refused.value.index == place and set(sptes[place:].tolist()) == {0x87}
        assert all(found in (0x87, 0x87 | want) for found, want in zip(sptes.tolist(), bits.tolist(), strict=True))


def test_mmio_page_by_page(vm):
    flags = [False, False, True, True, False, False, True]
    for given in (flags, np.array(flags), np.array(flags, np.uint8)):
        assert vm.leaf_bits(GFNS, mmio=given).tolist() == [0x30, 0, 0, 0, 0, 0, 0]


def test_holey_masks_shatter_the_map_but_not_the_lookups(backend):
    """Up to 4.1 a mask with holes means many blocks; later releases see one interval."""
    holey = MtrrState(0x806, variable=[(0x1000, 0x800 | 1 << 12)], maxphyaddr=40)
    vm = Vm("4.1", noncoherent_dma=True, vcpus=[Vcpu(holey)])
    assert vm.leaf_bits([0x100, 0x101, 0x102, 0x103]).tolist() == [0x30, 0, 0x30, 0]
    assert Vm("4.4", noncoherent_dma=True, vcpus=[Vcpu(holey)]).leaf_bits([0x100, 0x101]).tolist() == [0, 0]
