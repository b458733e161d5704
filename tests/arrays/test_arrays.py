"""Array in, array out: every dtype, order and shape; both raise or neither; out= is honoured or untouched."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from memtype import AddressError, ArrayError, MemoryType, MtrrState

pytestmark = pytest.mark.usefixtures("backend")

STATE = MtrrState(
    0xC06, fixed=[0x0606060606060606, 0x0006000600060006] + [5] * 9, variable=[(0x100000, 0x3FFFFFF00800)]
)
PLAIN = np.arange(0, 0x200000, 0x3000, dtype=np.uint64)
EXPECTED = [STATE.at(int(a)) for a in PLAIN]


def arrays() -> list[Any]:
    square = PLAIN[:100].reshape(4, 25)
    wide = np.zeros(2 * len(PLAIN), np.uint64)
    wide[::2] = PLAIN
    unaligned = np.frombuffer(b"\0" + PLAIN.tobytes(), np.uint8)[1:].view(np.uint64)
    readonly = PLAIN.copy()
    readonly.flags.writeable = False
    return [
        PLAIN, PLAIN.astype(np.int64), PLAIN.astype(np.uint32), PLAIN.astype(np.int32), PLAIN.astype(">u8"),
        PLAIN.astype(">i4"), wide[::2], PLAIN[::-1], square, square.T, np.asfortranarray(square), unaligned, readonly,
        PLAIN.tolist(), tuple(PLAIN.tolist()), [PLAIN.tolist()], PLAIN[:0], [], PLAIN[:1].reshape(()),
        range(0, 9000, 4096), [np.uint64(0), 4096], [[0], [1 << 20]],
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(arrays())))
@pytest.mark.parametrize("question", ["types", "map"])
def test_every_integer_array_is_taken(number: int, question: str) -> None:
    given = arrays()[number]
    flat = np.asarray(given)
    ask = STATE.types if question == "types" else STATE.map.types
    answer = ask(given)
    assert answer.dtype == np.uint8
    assert answer.shape == flat.shape
    assert answer.reshape(-1).tolist() == [STATE.at(int(a)) for a in flat.reshape(-1)]
    out = np.full(flat.shape, 0xEE, np.uint8)
    assert ask(given, out=out) is out
    assert np.array_equal(out, answer)


@pytest.mark.parametrize(
    "bad",
    [
        [1.5],
        np.zeros(3),
        np.zeros(3, bool),
        [True, False],
        np.array([1, 2], object),
        ["0"],
        [None],
        np.zeros(2, "m8[s]"),
        [[1, 2], [3]],
    ],
)
def test_other_arrays_are_refused(bad: Any) -> None:
    for ask in (STATE.types, STATE.map.types):
        with pytest.raises(ArrayError):
            ask(bad)


@pytest.mark.parametrize(
    ("bad", "index"),
    [
        ([0, -1], 1),
        (np.array([[0, 1], [2, -5]]), 3),
        ([1 << 70], 0),
        ([0, 1 << 46], 1),
        (np.array([1 << 63], np.uint64), 0),
    ],
)
def test_addresses_outside_are_refused_by_index_and_nothing_is_written(bad: Any, index: int) -> None:
    out = np.full(np.asarray(bad).shape, 0xEE, np.uint8)
    for ask in (STATE.types, STATE.map.types):
        with pytest.raises(AddressError) as caught:
            ask(bad, out=out)
        assert caught.value.index == index
        assert (out == 0xEE).all()


def test_an_unfit_out_is_refused() -> None:
    readonly = np.zeros(PLAIN.shape, np.uint8)
    readonly.flags.writeable = False
    for out in (
        np.zeros(PLAIN.shape, np.int8),
        np.zeros(5, np.uint8),
        [0] * len(PLAIN),
        readonly,
        np.zeros(PLAIN.shape, np.uint64),
    ):
        with pytest.raises(ArrayError):
            STATE.types(PLAIN, out=out)
    shared = np.zeros(64, np.uint64)
    with pytest.raises(ArrayError, match="overlaps"):
        STATE.types(shared, out=shared.view(np.uint8)[:64])


def test_out_may_be_strided_or_misaligned() -> None:
    for out in (
        np.zeros(2 * len(PLAIN), np.uint8)[::2],
        np.zeros(len(PLAIN) + 3, np.uint8)[3:],
        np.zeros(len(PLAIN), np.uint8)[::-1],
    ):
        assert STATE.types(PLAIN, out=out) is out
        assert out.tolist() == EXPECTED


def test_scalars_stay_scalars() -> None:
    for asked in (STATE, STATE.map, STATE.view("linux-6.5")):
        for one in (0x100000, np.uint64(0x100000), np.int32(0x100000)):
            assert asked.types(one) is MemoryType.UC
        assert asked.types(np.array(0x100000, np.uint64)).shape == ()
        out = np.array(9, np.uint8)
        assert asked.types(np.uint64(0x100000), out=out) is out and out == 0


def test_pages() -> None:
    out = np.zeros(8, np.uint8)
    assert STATE.page_types(0x7E, 8, out=out) is out
    assert out.tolist() == [STATE.at(gfn << 12) for gfn in range(0x7E, 0x86)]
    assert STATE.page_types(5, 0).shape == (0,)
    assert STATE.page_types((1 << 34) - 1, 1).tolist() == [6]
    with pytest.raises(AddressError):
        STATE.page_types((1 << 34) - 1, 2)
    with pytest.raises(AddressError):
        STATE.page_types(-1, 1)
    for asked, shape in itertools.product((STATE, STATE.map), ((8,), (3,), (5,), (4, 1), (2, 2), ())):
        with pytest.raises(ArrayError):
            asked.page_types(0, 4, out=np.zeros(shape, np.uint8))
