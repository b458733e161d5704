"""The short ways in C (memtype/backends/quick.c): what is not plain they leave alone, and they keep no reference."""

from __future__ import annotations

import gc
import sys
from typing import Any

import numpy as np
import pytest

from memtype import MemoryType, MtrrState

native = pytest.importorskip("memtype.backends.native", reason="the C core is not built")
quick = native._quick

STATE = MtrrState(0xC06, [0] * 11, [(0x80000000, 0x3FFF80000800)])
WORDS = np.array([0, 1 << 20, 0x80000000], np.uint64)
REGISTERS = (0xC06, (0,) * 11, ((0x80000000, 0x3FFF80000800),), 46, 0, 0, 0, None)


class Sub(np.ndarray):  # type: ignore[type-arg]
    pass


def unaligned() -> Any:
    return np.zeros(25, np.uint8)[1:].view(np.uint64)


@pytest.mark.parametrize(
    "given",
    [
        WORDS.astype(np.int64), WORDS.astype(">u8"), WORDS.astype(np.uint32), WORDS.astype(float), WORDS > 0,
        WORDS.view(Sub), WORDS.view("M8[s]"), WORDS.repeat(2)[::2], WORDS[:2], WORDS.reshape(3, 1), unaligned(),
        WORDS.tolist(), None, memoryview(WORDS), np.ma.masked_array(WORDS, [0, 1, 0]), WORDS.astype(object),
    ],
    ids=lambda given: f"{type(given).__name__} {getattr(given, 'dtype', '')}",
)  # fmt: skip
def test_no_other_array_is_read(given: Any) -> None:
    out = np.full(3, 0xEE, np.uint8)
    counts = np.full(16, 7, np.uint64)
    assert native._ready(STATE)[3].types(given, out) is False
    assert (out == 0xEE).all()
    if not (type(given) is np.ndarray and given.dtype == np.uint64 and given.flags.carray):  # of any shape else
        assert native._ready(STATE)[3].histogram(given, counts) is False
        assert (counts == 7).all()


def test_no_other_array_is_written() -> None:
    ready, sealed = native._ready(STATE)[3], np.zeros(3, np.uint8)
    sealed.flags.writeable = False
    shared = np.zeros(3, np.uint64)
    for given, out in (
        (WORDS, sealed), (WORDS, np.zeros(3, np.int8)), (WORDS, np.zeros(3, bool)), (WORDS, np.zeros(6, np.uint8)[::2]),
        (WORDS, np.zeros(3, np.uint8).view(Sub)), (WORDS, np.zeros(4, np.uint8)), (WORDS, bytearray(3)),
        (shared, shared.view(np.uint8)[:3]), (WORDS, None),
    ):  # fmt: skip
        assert ready.types(given, out) is False
    assert ready.types(WORDS) is ready.types() is ready.types(WORDS, sealed, sealed) is False
    assert ready.types(WORDS, good := np.zeros(3, np.uint8)) is True and good.tolist() == [0, 6, 0]
    assert ready.types(WORDS[:0], good[:0]) is True
    assert ready.types(WORDS[:1].reshape(()), good[:1].reshape(())) is True


def test_counts_go_into_sixteen_words_alone() -> None:
    ready, counts = native._ready(STATE)[3], np.full(16, 7, np.uint64)
    sealed = counts.copy()
    sealed.flags.writeable = False
    for given, out in (
        (WORDS, sealed), (WORDS, counts[:15]), (WORDS, np.zeros(17, np.uint64)), (WORDS, np.zeros(16, np.int64)),
        (WORDS, np.zeros(32, np.uint64)[::2]), (WORDS, counts.view(Sub)), (WORDS, None), (counts, counts),
        (np.full(5000, 1 << 46, np.uint64), counts), (np.full(1, 1 << 46, np.uint64), counts),
    ):  # fmt: skip
        assert ready.histogram(given, out) is False
    assert ready.histogram(WORDS) is ready.histogram() is ready.histogram(WORDS, counts, counts) is False
    assert (counts == 7).all()
    assert ready.histogram(WORDS, counts) is True and counts[[0, 6]].tolist() == [2, 1] and counts.sum() == 3
    assert ready.histogram(WORDS[:0], counts) is True and not counts.any()


def test_registers_are_taken_only_where_all_are_plain() -> None:
    assert native.ffi.from_buffer("memtype_mtrrs *", quick.registers(*REGISTERS)).variable_count == 1
    for place, odd in [
        (0, -1), (0, 1 << 64), (0, True), (0, 6.0), (0, None), (1, (0,) * 10), (1, [0] * 12), (1, (0,) * 10 + (True,)),
        (1, range(11)), (1, 5), (2, ((1, 2, 3),)), (2, ((1,),)), (2, (5,)), (2, (("1", 2),)), (2, {1: 2}), (2, "ab"),
        (2, [(0, 1 << 64)]), (2, ((0, 0),) * 256), (2, iter(())), (3, 19), (3, 53), (3, 1 << 40), (3, None), (5, "x"),
        (6, np.uint64(1)), (7, -1), (7, False),
    ]:  # fmt: skip
        assert quick.registers(*REGISTERS[:place], odd, *REGISTERS[place + 1 :]) is None, (place, odd)
    assert quick.registers(*REGISTERS[:7]) is None
    assert quick.registers(*REGISTERS[:2], ((5, 6),) * 255, *REGISTERS[3:]) is not None


def test_only_structs_are_read() -> None:
    for odd in (b"", b"\0" * 100, bytearray(5000), None, np.zeros(4216, np.uint8)):
        with pytest.raises(TypeError):
            quick.resolve(odd)
        assert quick.pages(odd, 46, 0, np.zeros(4, np.uint8)) is False
    packed = quick.resolve(quick.registers(*REGISTERS))
    for arguments in ((packed, 46, -1), (packed, 46, 1 << 34), (packed, 46.0, 0), (packed, 46, True), (packed, 46)):
        assert quick.pages(*arguments, np.zeros(4, np.uint8)) is False


@pytest.mark.parametrize("maxphyaddr", [32, 46, 52])
def test_steps_answer_as_a_search_does(maxphyaddr: int) -> None:
    bases = (0, 1 << 12, 0xC0000000, (1 << 30) * 3 + 7, (1 << maxphyaddr) - 1)
    kinds = tuple(map(MemoryType, (6, 0, 1, 4, 5)))
    steps = quick.steps(bases, kinds, maxphyaddr)
    for base in (*bases, 1 << maxphyaddr, 1 << 63, 1 << 64, 1 << 70):
        for address in (base - 1, base, base + 1):
            inside = 0 <= address < 1 << maxphyaddr
            expected = kinds[sum(address >= other for other in bases) - 1] if inside else None
            assert steps.at(address) is expected
    assert [steps.at(odd) for odd in (True, 1.0, None, "0", np.uint64(0))] == [None] * 5
    for odd in ((bases[:3], kinds, 46), (list(bases), kinds, 46), ((0, -1), kinds[:2], 46), (("0",), kinds[:1], 46)):
        with pytest.raises((TypeError, IndexError, OverflowError)):
            quick.steps(*odd)


def test_nothing_is_kept() -> None:
    out, big, owner = np.zeros(3, np.uint8), [1 << 40, 1 << 50], object()
    kept = [quick.steps((0, 1 << 40), (out, owner), 46)]
    packed = quick.registers(*REGISTERS)

    def all_ways() -> None:
        ready = quick.tables(
            native._TYPES, native._HISTOGRAM, int(native.ffi.cast("uintptr_t", native.tables(STATE))), owner
        )
        for given in (WORDS, WORDS[:1], big, None, WORDS.view(Sub)):
            ready.types(given, out)
            quick.pages(quick.resolve(packed), 46, 0, out)
            quick.registers(big[0], given, [(big[0], big[1])], 46, 0, 0, 0, None)
        for address in (0, big[0], -1, None):
            kept[0].at(address)

    all_ways()
    gc.collect()
    held = [sys.getrefcount(each) for each in (out, big, owner, WORDS, packed, None)]
    blocks = sys.getallocatedblocks()
    for _ in range(1000):
        all_ways()
    gc.collect()
    after = [sys.getrefcount(each) for each in (out, big, owner, WORDS, packed, None)]
    assert after[:5] == held[:5]
    assert abs(after[5] - held[5]) < 500 > sys.getallocatedblocks() - blocks
    before = sys.getrefcount(owner)
    kept.clear()
    assert sys.getrefcount(owner) == before - 1
