"""Arguments of the wrong kind: one line of this package's own, wherever they are given; nothing mutable."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import memtype as mt

STATE = mt.MtrrState(0x806, variable=[(0x80000000, 0x3FFF80000800)], maxphyaddr=46)
JUNK = (1.0, "0", None, True, np.True_, [1], b"a", 1j)
REGISTER_JUNK = {
    "msrs None": lambda: mt.MtrrState.from_msrs(None),
    "msrs list": lambda: mt.MtrrState.from_msrs([(0x2FF, 0x806)]),
    "reader gives None": lambda: mt.MtrrState.from_msrs(lambda index: None),
    "reader gives text": lambda: mt.MtrrState.from_msrs(lambda index: "0x508"),
    "value None": lambda: mt.MtrrState.from_msrs({0x2FF: None}),
    "value float": lambda: mt.MtrrState.from_msrs({0x2FF: 0x806, 0x200: 0.0, 0x201: 0.0}),
    "fixed None": lambda: mt.MtrrState(fixed=None),
    "variable None": lambda: mt.MtrrState(variable=None),
    "variable int": lambda: mt.MtrrState(variable=5),
    "variable text": lambda: mt.MtrrState(variable="ab"),
    "index text": lambda: mt.msr_valid("0x2ff", 0),
    "index negative": lambda: mt.msr_valid(-1, 0),
    "index 2**70": lambda: mt.msr_valid(1 << 70, 0),
}


@pytest.mark.parametrize("call", REGISTER_JUNK.values(), ids=REGISTER_JUNK.keys())
def test_a_register_that_is_none_is_named_in_one_line(call):
    with pytest.raises(mt.RegisterError) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_registers_that_no_mtrr_reads_may_be_anything():
    assert mt.MtrrState.from_msrs({0x2FF: 0x806, 0x10: None, "kernel": "6.1"}) == mt.MtrrState(0x806, maxphyaddr=36)


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_an_address_that_is_no_integer_is_refused_everywhere(junk):
    STATE.at(0), mt.MtrrState(maxphyaddr=46).at(0)  # what was learnt changes nothing
    view = STATE.view("linux-6.5")
    for ask in (STATE.at, STATE.explain, STATE.map.at, view.at, lambda a: STATE.map.uniform(a, 4096),
                lambda a: STATE.map.uniform(0, a), lambda a: STATE.page_types(a, 1), lambda a: view.page_types(a, 1),
                lambda a: STATE.page_types(0, a)):  # fmt: skip
        with pytest.raises(mt.InputError):
            ask(junk)


def test_negative_counts_and_ragged_lists_are_refused():
    for answerer in (STATE, STATE.view("xen")):
        with pytest.raises(mt.AddressError, match="count -1 is negative"):
            answerer.page_types(0, -1)
    with pytest.raises(mt.ArrayError, match="addresses: "):
        STATE.types([[1], [2, 3]])


@pytest.mark.parametrize(
    "segments",
    [None, 5, [5], [(0, 1)], [(0, "a", "WB")], [(0, 1.5, "WB")], [(0, 4096, 3)], [(0, 4096, None)]],
    ids=repr,
)
def test_segments_that_are_none_are_refused(segments):
    with pytest.raises(mt.InputError):
        mt.MemoryMap.from_segments(segments)


@pytest.mark.parametrize("width", [31, 53, "46", None])
def test_a_map_of_an_impossible_width_is_refused(width):
    with pytest.raises(mt.InputError):
        mt.MemoryMap.from_segments([], maxphyaddr=width)


def test_maps_are_immutable_and_numpy_integers_will_do():
    memory = mt.MemoryMap.from_segments(np.array([[0, 4096, 6]], np.uint64), maxphyaddr=np.int64(36))
    assert memory.at(np.uint64(0)) is mt.MemoryType.WB and memory == mt.MemoryMap.from_segments([(0, 4096, 6)], 36)
    for name in ("maxphyaddr", "_bases", "new"):
        with pytest.raises(AttributeError):
            setattr(memory, name, 5)
        with pytest.raises(AttributeError):
            delattr(memory, name)


@pytest.mark.parametrize("text", [None, 5, ["a"]], ids=repr)
def test_what_is_neither_text_nor_a_name_is_refused(text):
    with pytest.raises(mt.ParseError):
        mt.parse(text)
    if text is not None:
        with pytest.raises(mt.ParseError):
            mt.load(text)
    with pytest.raises(mt.InputError):
        STATE.view(text)


def test_an_out_whose_elements_share_memory_is_refused():
    one, given = np.zeros(8, np.uint8), np.zeros(4, np.uint64)
    windows = np.lib.stride_tricks.as_strided
    for folded in (windows(one, (4,), (0,)), windows(one, (2, 2), (1, 1)), windows(one, (2, 2), (0, 1))):
        with pytest.raises(mt.ArrayError, match="elements share memory"):
            STATE.types(given.reshape(folded.shape), out=folded)
    assert not one.any()
    for fit in (one[::2], one[::-2], one.reshape(2, 4).T[:, :1].reshape(4), one.reshape(2, 4)[:, ::2].reshape(2, 2)):
        assert STATE.types(given.reshape(fit.shape), out=fit) is fit


def test_a_map_answers_for_pages_as_registers_do():
    memory = mt.MemoryMap.from_segments([(0, 0x1800, "WB"), (0x4000, 0x1000, "WC")], 36, gap="UC")
    assert memory.page_types(0, 6).tolist() == [6, 11, 0, 0, 1, 0] == [memory.uniform(n << 12, 4096) for n in range(6)]
    assert memory.map is memory and memory.vendor is None
    with pytest.raises(mt.AddressError):
        memory.page_types(1 << 24, 1)


def test_nothing_inside_a_map_can_be_changed():
    bases, kinds = [0, 1 << 20], [6, 0]
    for memory in (mt.MemoryMap(bases, kinds, 46), STATE.map, mt.MtrrState(0x806).map):
        before = memory.segments
        bases[1] = kinds[0] = 5
        for part in (memory._bases, memory._types, memory._kinds, memory.segments):
            assert isinstance(part, tuple)
        for array in memory.as_arrays():
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        assert memory.segments == before == pickle.loads(pickle.dumps(memory)).segments


@pytest.mark.parametrize(("bases", "kinds"), [([0], [200]), ([0], [3]), ([0, 4096], [6]), ([4096], [6]), ([], [])])
def test_a_map_of_odd_lists_is_refused(bases: list[int], kinds: list[int]) -> None:
    with pytest.raises(mt.InputError, match="types"):
        mt.MemoryMap(bases, kinds, 46)
