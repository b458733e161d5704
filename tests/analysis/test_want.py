"""The way back is the way there: `want` against every PAT entry; aliases; the inside of large pages."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import random_state

import memtype as mt
from memtype import Pat, rules

T = mt.MemoryType
WANTED = (T.UC, T.WC, T.WT, T.WP, T.WB, T.CD, T.WC_PLUS)
MTRRS = (*sorted(rules.MTRR_TYPES), T.UNDEFINED, T.MIXED)
LAYOUTS = [*rules.PAT_LAYOUTS, "WB WB WB WB WB WB WB WB", "UC WC WT WP UC UC UC UC", "WB WB UC- UC WC WP WT UC"]


def check(answer, kind, pat, given_by):
    """`given_by(pat_type)`: the effective type. The answer must be exactly what that allows."""
    reachable = any(given_by(T(p)) is kind for p in rules.PAT_TYPES)
    assert bool(answer) is answer.possible is reachable
    assert set(answer.admits) == {given_by(T(p)) for p in rules.PAT_TYPES} - {T.UNDEFINED, T.MIXED}
    assert answer.indexes == tuple(i for i in range(8) if given_by(pat[i]) is kind)
    if not reachable:
        assert answer.slot is answer.bits_4k is answer.bits_large is answer.new_pat is None
        assert "admits only" in answer.reason or kind is T.UC_MINUS
        return
    used = pat if answer.new_pat is None else answer.new_pat
    assert (answer.index is None) is (not answer.indexes) is (answer.new_pat is not None)
    assert used.valid
    for level, bits in ((1, answer.bits_4k), (2, answer.bits_large), (3, answer.bits(3))):
        assert bits & ~(0x98 if level == 1 else 0x1018) == 0
        assert given_by(used.types_of(bits, level)) is kind
    if answer.new_pat is not None:
        changed = [i for i in range(8) if used[i] is not pat[i]]
        assert changed == [answer.reprogram] != [0]
        assert pat[answer.reprogram] in used.types  # no type is lost


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("vendor", ["intel", "amd"])
def test_every_type_over_every_mtrr_type(vendor, layout):
    pat = Pat(layout)
    for kind, told in itertools.product(WANTED, MTRRS):
        answer = mt.want(kind, mtrr=told, vendor=vendor, pat=layout)
        check(answer, kind, pat, lambda p, told=told: mt.effective(told, p, vendor))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_type_under_ept(layout):
    pat = Pat(layout)
    for kind, told, ipat in itertools.product(WANTED, sorted(rules.EPT_TYPES), (False, True)):
        answer = mt.want(kind, ept=told, ipat=ipat, pat=pat)
        check(answer, kind, pat, lambda p, told=told, ipat=ipat: mt.effective_ept(told, ipat, p))
        if kind in rules.EPT_TYPES:  # what the hypervisor can do holds whatever the guest chooses
            for p in rules.PAT_TYPES:
                assert mt.effective_ept(answer.leaf.type, answer.leaf.ipat, p) is kind
        else:
            assert answer.leaf is None


@pytest.mark.parametrize("layout", LAYOUTS[:3])
@pytest.mark.parametrize("snp", [False, True])
def test_every_type_under_nested_paging(snp, layout):
    pat = Pat(layout)
    for kind, host, mtrr in itertools.product(WANTED, sorted(rules.PAT_TYPES), MTRRS):
        answer = mt.want(kind, npt=host, mtrr=mtrr, snp=snp, pat=pat)
        check(answer, kind, pat, lambda p, host=host, mtrr=mtrr: mt.effective_npt(p, host, mtrr, snp))


def test_the_questions_of_framebuffer_authors():
    state = mt.MtrrState(0x806, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40)
    none = mt.want("wc", state=state, at=0x80000000, pat="default")
    assert (none.index, none.reprogram, none.bits_4k, none.bits_large) == (None, 4, 0x80, 0x1000)
    assert none.new_pat == Pat(0x0007040100070406)
    have = mt.want("WC", state, 0x80000000, "linux")
    assert (have.index, have.reprogram, have.bits_4k, have.bits_large) == (1, None, 8, 8)
    never = mt.want("write-back", state=state, at=0x80000000)
    assert not never
    assert never.reason == "MTRR UC admits only UC and WC"
    assert mt.want("WB", state=state, at=0x7FFFFFFF)


def test_reasons_name_the_type_that_decides():
    assert mt.want("UC", mtrr="WB", vendor="amd").reason == (
        "AMD: MTRR WB admits only CD, WC, WT, WP and WB (CD is UC that probes the caches: ask for CD)"
    )
    assert mt.want("WB", ept="WC").reason == "EPT WC admits only UC and WC"
    assert mt.want("WC", ept="WB", ipat=True).reason == "EPT WB with IPAT admits only WB"
    assert mt.want("WT", npt="UC", mtrr="WB").reason == "host PAT UC over MTRR WB admits only CD and WC"
    assert mt.want("WP", mtrr=T.UNDEFINED).reason == "MTRR ?? admits only UC and WC"
    assert "UC- is a PAT entry" in mt.want("UC-", mtrr="WC").reason


def test_a_range_over_several_types_is_mixed():
    state = mt.MtrrState(0x806, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40)
    assert mt.want("WC", state, 0x7FE00000, size=0x400000)  # PAT WC gives WC over any of them
    answer = mt.want("WB", state, 0x7FE00000, size=0x400000)
    assert not answer
    assert answer.reason.endswith("the range spans several MTRR types: split it")


@given(st.integers(0, 2**64 - 1))
@settings(deadline=None, max_examples=25)
def test_the_answer_for_an_address_is_that_for_its_mtrr_type(seed):
    rng = random.Random(seed)
    state, pat = random_state(rng), Pat(rng.choice([*rules.PAT_LAYOUTS.values()]))
    for _ in range(5):
        at, kind = rng.getrandbits(state.maxphyaddr), rng.choice(WANTED)
        assert mt.want(kind, state, at, pat) == mt.want(kind, mtrr=state.at(at), vendor=state.vendor, pat=pat)


def test_bad_questions_are_refused():
    state = mt.MtrrState(0x806)
    for call in (
        lambda: mt.want("XX", mtrr="WB"),
        lambda: mt.want(2, mtrr="WB"),
        lambda: mt.want("mixed", mtrr="WB"),
        lambda: mt.want("WB"),
        lambda: mt.want("WB", state),
        lambda: mt.want("WB", at=0),
        lambda: mt.want("WB", state, 1 << 60),
        lambda: mt.want("WB", mtrr="CD"),
        lambda: mt.want("WB", ept="UC-"),
        lambda: mt.want("WB", ept="WB", npt="WB"),
        lambda: mt.want("WB", npt="CD", mtrr="WB"),
        lambda: mt.want("WB", mtrr="WB", pat="nonsense"),
        lambda: mt.want("WB", mtrr="WB", vendor="via"),
    ):
        with pytest.raises(mt.InputError):
            call()


def test_str_is_one_line():
    for answer in (mt.want("WC", mtrr="UC"), mt.want("WC", mtrr="UC", pat="linux"), mt.want("WB", mtrr="UC")):
        assert "\n" not in str(answer)
    assert "0x0007040100070406" in str(mt.want("WC", mtrr="UC"))


# --- aliases ------------------------------------------------------------------------------------------------------

CACHED = ("WB", "WT", "WP")


def verdicts(**options):
    kinds = ("UC", "UC-", "CD", "WC", "WC+", *CACHED)
    return {(a, b): mt.alias(a, b, **options).verdict for a in kinds for b in kinds}


@pytest.mark.parametrize(
    "options", [{}, {"vendor": "amd"}, {"self_snoop": True}, {"vendor": "amd", "self_snoop": True}]
)
def test_the_classes_of_pairs(options):
    found = verdicts(**options)
    tolerated = options == {"self_snoop": True}
    for (a, b), verdict in found.items():
        assert verdict == found[b, a]
        cached = (a in CACHED) + (b in CACHED)
        uncached = ("UC", "UC-", "CD")
        if a == b or (a in uncached and b in uncached) or ("WC+" in (a, b) and cached):
            assert verdict == "ok"
        elif cached in (0, 2):
            assert verdict == "warn"
        elif "WC" in (a, b):
            assert verdict == "error"
        else:
            assert verdict == ("warn" if tolerated else "error"), (a, b)


def test_aliases_explain_themselves():
    assert mt.alias("WB", "WB")
    assert not mt.alias("WB", "WC")
    for a, b in itertools.product(T, T):
        verdict = mt.alias(a, b)
        assert verdict.rule in rules.RULES
        assert verdict.source in str(verdict)
    assert mt.alias(T.MIXED, "WB").verdict == mt.alias("WB", T.UNDEFINED).verdict == "warn"
    for bad in (2, 13, "XX", None):
        with pytest.raises(mt.InputError):
            mt.alias("WB", bad)
    with pytest.raises(mt.InputError):
        mt.alias("WB", "WB", vendor="via")


# --- large pages --------------------------------------------------------------------------------------------------


def test_a_page_is_mixed_exactly_where_its_frames_differ():
    rng = random.Random(3)
    seen = set()
    for _ in range(60):
        state = random_state(rng, holey=rng.random() < 0.5)
        for size in (1 << 12, 1 << 21, 1 << 22):
            address = rng.choice([rng.getrandbits(state.maxphyaddr), rng.getrandbits(21), 0xFFE00000])
            page = mt.page_type(state, address, size)
            frames = state.page_types(page.base >> 12, size >> 12)
            assert page.base <= address < page.base + size
            assert page.types == {T(int(kind)) for kind in set(frames)}
            assert page.uniform is (len(page.types) == 1) is (page.type is not T.MIXED) is (page.advice == "")
            assert sum(segment.size for segment in page.segments) == size
            for segment in page.segments:
                assert set(state.page_types(segment.base >> 12, segment.size >> 12)) == {segment.type}
            seen.add(page.type)
    assert T.MIXED in seen
    assert len(seen) > 3


def test_advice_names_the_largest_pages_that_are_uniform():
    state = mt.MtrrState(0x806, variable=((0x40000000, 0xFFF0000800), (0x80001000, 0xFFFFFFF800)), maxphyaddr=40)
    assert mt.page_type(state, 0x40000000, 1 << 30).advice == "split it into 2 MiB pages, or map all of it UC"
    whole = mt.page_type(state, 0x80000000, 1 << 30)
    assert whole.advice == "split it into 511 pages of 2 MiB and 512 of 4 KiB, or map all of it UC"
    assert mt.page_type(state, 0x40000000, 1 << 22).uniform
    assert mt.page_type(state, 0x80000000, 1 << 22).advice == "split it into 4 KiB pages, or map all of it UC"
    assert mt.page_type(state, 0x80000000).advice == "split it into 4 KiB pages, or map all of it UC"
    assert mt.page_type(state, 0x80000000).conservative is T.UC
    assert mt.page_type(state, 0xC0000000, 1 << 30).uniform
    assert mt.page_type(state.map, 0x80000000).type is state.map.uniform(0x80000000, 1 << 21) is T.MIXED
    low = mt.MtrrState(0xC06, fixed=[0x0606060606060606, 0, *[0] * 9], maxphyaddr=40)
    assert "by themselves" in mt.page_type(low, 0).advice
    assert "by themselves" not in mt.page_type(mt.MtrrState(0xC06, maxphyaddr=40, vendor="amd"), 0).advice


def test_a_shattered_map_still_answers():
    holes = sum(1 << bit for bit in range(13, 32))
    state = mt.MtrrState(0x800, variable=[(6, rules.page_bits(40) & ~holes | 0x800)], maxphyaddr=40)
    with pytest.raises(mt.ShatteredMapError):
        state.map.segments  # noqa: B018
    page = mt.page_type(state, 1 << 21)
    assert page.types == {T.UC, T.WB}
    assert len(page.segments) == 512
    assert page.advice == "split it into 4 KiB pages, or map all of it UC"


@pytest.mark.parametrize(("address", "size"), [(0, 0), (0, 8192), (-1, 4096), (1 << 46, 4096), (0, 1 << 31)])
def test_other_pages_are_refused(address, size):
    with pytest.raises(mt.InputError):
        mt.page_type(mt.MtrrState(), address, size)
