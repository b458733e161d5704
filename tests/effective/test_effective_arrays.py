"""Types in bulk: broadcasting, out=, refusals; registers and entries to effective types in one pass."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import interesting_addresses, random_state

import memtype as mt
from memtype import Pat, rules
from memtype.backends import reference

pytestmark = pytest.mark.usefixtures("backend")
T = mt.MemoryType
MTRR, PAT = sorted(rules.MTRR_INPUTS), sorted(rules.PAT_INPUTS)
VENDORS, BITS = ("intel", "amd"), (False, True)
WORDS = st.integers(0, 2**64 - 1)


# --- the whole of each table at once ----------------------------------------------------------------------------


@pytest.mark.parametrize("cr0_cd", BITS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_mtrr_with_pat(vendor, cr0_cd):
    rows, columns = np.array(MTRR, np.uint8)[:, None], np.array(PAT, np.uint8)
    found = mt.effective(rows, columns, vendor, cr0_cd=cr0_cd)
    assert found.shape == (len(MTRR), len(PAT))
    assert found.tolist() == [[reference.effective(vendor, cr0_cd, m, p) for p in PAT] for m in MTRR]


@pytest.mark.parametrize("cr0_cd", BITS)
def test_ept(cr0_cd):
    kinds, ipat, pats = np.meshgrid(MTRR, [0, 1], PAT, indexing="ij")
    found = mt.effective_ept(kinds, ipat, pats, cr0_cd)
    expected = [reference.effective_ept(k, bool(i), p, cr0_cd) for k in MTRR for i in (0, 1) for p in PAT]
    assert found.reshape(-1).tolist() == expected
    assert np.array_equal(mt.effective_ept(kinds, ipat.astype(bool), pats, cr0_cd), found)


@pytest.mark.parametrize("cr0_cd", BITS)
@pytest.mark.parametrize("snp", BITS)
def test_nested_paging(snp, cr0_cd):
    guest, host, mtrr = np.meshgrid(PAT, PAT, MTRR, indexing="ij")
    found = mt.effective_npt(guest, host, mtrr, snp, cr0_cd=cr0_cd)
    expected = [reference.effective_npt(g, h, m, snp, cr0_cd) for g in PAT for h in PAT for m in MTRR]
    assert found.reshape(-1).tolist() == expected


# --- forms of input -----------------------------------------------------------------------------------------------


def test_one_value_stands_for_many_and_scalars_stay_scalars():
    assert mt.effective([6, 0, 1], "UC-").tolist() == [0, 0, 1]
    assert mt.effective("WB", ["WC", "UC", "WT"]).tolist() == [1, 0, 4]
    assert mt.effective(T.WB, [T.WC, T.UC]).tolist() == [1, 0]
    assert isinstance(mt.effective(np.uint8(6), 6), T)
    zero_d = mt.effective(np.array(6), 6)
    assert isinstance(zero_d, np.ndarray)
    assert zero_d.shape == ()
    assert mt.effective([], "WB").shape == (0,)
    assert mt.effective(np.zeros((0, 3), np.uint8), [6, 6, 6]).shape == (0, 3)
    assert mt.effective_npt([1, 6], "WB", [[6], [0]]).tolist() == [[9, 6], [1, 0]]
    assert mt.effective([[6], [4]], [0, 7, 1], cr0_pg=False).tolist() == [[6] * 3, [4] * 3]
    assert mt.effective_ept([6, 4], [0, 1], 0, cr0_pg=False).tolist() == [6, 4]


def test_every_integer_form_gives_the_same():
    plain = np.array([0, 1, 4, 5, 6] * 4, np.uint8)
    expected = mt.effective(plain, "UC-").tolist()
    wide = np.zeros(40, np.uint8)
    wide[::2] = plain
    forms = (plain.tolist(), tuple(plain), plain.astype(np.int64), plain.astype(">u4"), wide[::2])
    for form in forms:
        assert mt.effective(form, "UC-").tolist() == expected
    assert mt.effective(plain.reshape(4, 5).T, 7).tolist() == np.array(expected).reshape(4, 5).T.tolist()


def test_out_is_written_and_returned():
    out = np.full((2, 3), 0xEE, np.uint8)
    assert mt.effective([[6], [0]], [6, 0, 1], out=out) is out
    assert out.tolist() == [[6, 0, 1], [0, 0, 1]]
    strided = np.full(6, 0xEE, np.uint8)
    mt.effective_ept([6, 6, 6], False, [0, 1, 6], out=strided[::2])
    assert strided.tolist() == [0, 0xEE, 1, 0xEE, 6, 0xEE]
    assert mt.effective_ept([], [], []).shape == (0,)
    single = np.array(0xEE, np.uint8)
    assert mt.effective("UC", "WC", out=single) is single
    assert int(single) == 1


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros(3, bool), np.array([6], object), [1.5], [None], [[6], [6, 6]]])
def test_arrays_of_other_dtypes_are_refused(bad):
    for call in (
        lambda: mt.effective(bad, "WB"),
        lambda: mt.effective("WB", bad),
        lambda: mt.effective_ept(bad, 0, "WB"),
        lambda: mt.effective_npt("WB", bad, "WB"),
    ):
        with pytest.raises(mt.ArrayError):
            call()


@pytest.mark.parametrize("place", ["mtrr", "pat", "ept_type", "ept_pat", "guest_pat", "host_pat", "npt_mtrr"])
@pytest.mark.parametrize("value", [8, 9, 13, 15, 16, 0x66, 255, 256, -1])
def test_the_first_element_that_is_no_input_is_named_and_nothing_is_written(place, value):
    good, bad = np.full(5, 6, np.int64), np.array([6, 0, 6, value, value])
    out = np.full(5, 0xEE, np.uint8)
    calls = {
        "mtrr": lambda: mt.effective(bad, good, out=out),
        "pat": lambda: mt.effective(good, bad, out=out),
        "ept_type": lambda: mt.effective_ept(bad, 1, good, True, out=out),
        "ept_pat": lambda: mt.effective_ept(good, 1, bad, out=out),
        "guest_pat": lambda: mt.effective_npt(bad, good, good, out=out),
        "host_pat": lambda: mt.effective_npt(good, bad, good, out=out),
        "npt_mtrr": lambda: mt.effective_npt(good, good, bad, out=out),
    }
    name = {"ept_pat": "pat", "npt_mtrr": "mtrr"}.get(place, place)
    with pytest.raises(mt.InputError, match=rf"^{name}\[3\] = {value}\b"):
        calls[place]()
    assert (out == 0xEE).all()


def test_a_single_value_is_refused_even_where_there_is_nothing_to_do():
    with pytest.raises(mt.InputError, match=r"^pat = 13"):
        mt.effective(np.zeros(0, np.uint8), 13)


def test_unfit_outs_and_shapes_are_refused():
    for out in (np.zeros(2, np.int8), np.zeros(3, np.uint8), [0, 0]):
        with pytest.raises(mt.ArrayError):
            mt.effective([6, 6], "WB", out=out)
    types = np.array([6, 6], np.uint8)
    with pytest.raises(mt.ArrayError, match="overlap"):
        mt.effective(types, "WB", out=types)
    with pytest.raises(mt.ArrayError, match="broadcast"):
        mt.effective([6, 6], [6, 6, 6])
    with pytest.raises(mt.InputError, match="vendor"):
        mt.effective([6, 6], 6, vendor="via")
    for ipat in (2, -1, "1", None, [0, 2], [0.5], "yes"):
        with pytest.raises(mt.InputError):
            mt.effective_ept("WB", ipat, "WB")


# --- EPT leaves ---------------------------------------------------------------------------------------------------


def test_every_leaf_word():
    leaves = np.arange(1 << 12, dtype=np.uint64) | np.uint64(0xABC << 52)
    decoded = mt.ept_decode(leaves)
    for leaf, kind, ipat in zip(leaves.tolist(), decoded.types.tolist(), decoded.ipat.tolist(), strict=True):
        encoding = leaf >> 3 & 7
        assert kind == (encoding if encoding in (0, 1, 4, 5, 6) else T.UNDEFINED) == mt.ept_types(leaf)
        assert ipat is bool(leaf & 0x40)
    assert decoded.misconfigured.tolist() == [i for i, leaf in enumerate(leaves.tolist()) if leaf >> 3 & 7 in (2, 3, 7)]
    assert np.array_equal(mt.ept_types(leaves.reshape(64, 64)), decoded.types.reshape(64, 64))


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_misconfigured_entries_of_every_level(level):
    entries = np.arange(1 << 10, dtype=np.uint64).reshape(2, -1)
    expected = []
    for index in range(1 << 10):
        leaf = level == 1 or (level < 4 and index & 0x80)
        wrong = index >> 3 & 7 in (2, 3, 7) if leaf else index & 0x78
        if wrong and index & 7:
            expected.append(index)
    assert mt.ept_misconfigured(entries, level).tolist() == expected
    for other in (0, 6, True, "1"):
        with pytest.raises(mt.InputError):
            mt.ept_misconfigured(entries, other)


def test_encoding_and_decoding_are_inverse():
    for kind in rules.EPT_TYPES:
        for ipat in BITS:
            leaf = mt.ept_leaf(kind, ipat)
            back = mt.ept_decode(leaf.bits | 7)
            assert (int(back.types), bool(back.ipat)) == (kind, ipat) == (leaf.type, leaf.ipat)
            assert leaf.bits & ~0x78 == 0
    assert mt.ept_leaf("WB", True).bits == 0x70


@pytest.mark.parametrize("bad", [2, 3, 7, "UC-", 8, 10, -1, True, None, "XX"])
def test_types_that_ept_does_not_have_cannot_be_encoded(bad):
    with pytest.raises(mt.InputError):
        mt.ept_leaf(bad)


def test_ept_types_honours_out_and_scalars():
    out = np.full(3, 0xEE, np.uint8)
    assert mt.ept_types([0x30, 0x10, 0x38], out=out) is out
    assert out.tolist() == [6, 10, 10]
    assert mt.ept_types(0x30) is T.WB
    assert mt.ept_types(np.array(0x30, np.uint64)).shape == ()
    assert mt.ept_decode([]).misconfigured.tolist() == []


def test_pointers():
    for kind in range(8):
        assert mt.eptp_valid(0x1000 | kind) is (kind in (0, 6))
        assert mt.eptp_valid(0x1000 | kind, ept_vpid_cap=1 << 8) is (kind == 0)
        assert mt.eptp_valid(0x1000 | kind, ept_vpid_cap=1 << 14) is (kind == 6)
        assert mt.eptp_valid(0x1000 | kind, ept_vpid_cap=0) is False
        assert mt.ept_walk_type(kind) == (kind if kind in (0, 6) else T.UNDEFINED)
        assert mt.ept_walk_type(kind, cr0_cd=True) == (T.UC if kind in (0, 6) else T.UNDEFINED)


# --- pipelines ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**64 - 1))
@settings(deadline=None, max_examples=40)
def test_registers_and_entries_are_the_scalar_composition(seed):
    rng = random.Random(seed)
    state, level = random_state(rng), rng.choice([1, 2, 3])
    pat = Pat(rng.choice([*rules.PAT_LAYOUTS.values(), rng.getrandbits(64)]))
    addresses = interesting_addresses(state, rng, 20)
    entries = [rng.getrandbits(64) for _ in addresses]
    assert mt.effective_types(state, addresses, entries, pat, level).tolist() == [
        mt.effective(state.at(a), pat.types_of(e, level), state.vendor) for a, e in zip(addresses, entries, strict=True)
    ]
    placed = [a & 0x000F_FFFF_FFFF_F000 | e & 0xFFF0_0000_0000_0FFF for a, e in zip(addresses, entries, strict=True)]
    inside = (1 << {1: 12, 2: 21, 3: 30}[level]) - 1
    pages = [entry & (1 << state.maxphyaddr) - 1 & ~inside for entry in placed]
    assert mt.effective_types(state, None, placed, pat, level).tolist() == [
        mt.effective(state.at(p), pat.types_of(e, level), state.vendor) for p, e in zip(pages, placed, strict=True)
    ]


@given(st.lists(st.tuples(WORDS, WORDS), max_size=30), WORDS, st.sampled_from([1, 2, 3]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_leaves_and_guest_entries_are_the_scalar_composition(pairs, value, level, cr0_cd):
    pat = Pat(value)
    eptes, ptes = [e for e, _ in pairs], [p for _, p in pairs]
    found = mt.effective_ept_types(eptes, ptes, pat, level, cr0_cd)
    assert found.tolist() == [
        mt.effective_ept(mt.ept_types(e), bool(e & 0x40), pat.types_of(p, level), cr0_cd) for e, p in pairs
    ]


def test_pipelines_take_layout_names_scalars_out_and_shapes():
    state = mt.MtrrState(0x806, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40)
    assert mt.effective_types(state, 0x80000000, 0x8, "linux") is T.WC
    assert mt.effective_types(state, None, 0x80000008, Pat("linux")) is T.WC
    assert mt.effective_types(state, None, 0x80000008).name == "UC"
    assert mt.effective_types(state, [[0, 0x80000000]], [[0x8, 0x0]], 0x0407050600070106).tolist() == [[1, 0]]
    assert mt.effective_types(state, [0, 0x80000000], 0x8, "linux").tolist() == [1, 1]
    assert mt.effective_types(state, [], []).shape == (0,)
    out = np.full(4, 0xEE, np.uint8)
    mt.effective_types(state, [0, 0x80000000], [0, 0], out=out[::2])
    assert out.tolist() == [6, 0xEE, 0, 0xEE]
    assert mt.effective_ept_types(0x30, 0x8, "linux") is T.WC
    assert mt.effective_ept_types([0x30, 0x10], [[0x8], [0x0]], "linux").tolist() == [[1, 10], [6, 10]]


def test_pipelines_refuse_by_index_and_write_nothing():
    state = mt.MtrrState(0x806, maxphyaddr=36)
    out = np.full(3, 0xEE, np.uint8)
    with pytest.raises(mt.AddressError) as caught:
        mt.effective_types(state, [0, 1 << 36, 1 << 40], [0, 0, 0], out=out)
    assert caught.value.index == 1
    assert (out == 0xEE).all()
    for call in (
        lambda: mt.effective_types(state, [0, 1], [0, 0, 0]),
        lambda: mt.effective_types(state, [0.5], [0]),
        lambda: mt.effective_ept_types([0, 1], [0, 0, 0]),
        lambda: mt.effective_ept_types([0, 1], [0.5, 1]),
        lambda: mt.effective_ept_types([0, 1], [0, 1], out=np.zeros(3, np.uint8)),
    ):
        with pytest.raises(mt.ArrayError):
            call()
