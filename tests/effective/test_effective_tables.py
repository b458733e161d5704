"""Every cell of every table of combined types: C, Python and reference agree, and equal the published tables."""

from __future__ import annotations

import itertools
import json

import pytest
from conftest import load_vectors

import memtype as mt
from memtype import rules
from memtype.backends import reference
from memtype.ept import xen_ept_type
from memtype.errors import InputError

T = mt.MemoryType
VENDORS, BITS = ("intel", "amd"), (False, True)
MTRR_CODES, PAT_CODES = sorted(rules.MTRR_INPUTS), sorted(rules.PAT_INPUTS)
CODES = range(16)


@pytest.fixture(scope="module")
def vectors():
    return load_vectors("hardware")


def parse(grid):
    return {T.parse(row): {T.parse(head): T.parse(cell) for head, cell in cells.items()} for row, cells in grid.items()}


# --- the published tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("intel_mtrr_pat", rules.INTEL_MTRR_PAT),
        ("amd_mtrr_pat", rules.AMD_MTRR_PAT),
        ("npt_guest_host", rules.NPT_GUEST_HOST),
        ("npt_combined_mtrr", rules.NPT_COMBINED_MTRR),
        ("xen_guest_host_mtrr", rules.XEN_GUEST_HOST),
    ],
)
def test_the_tables_of_rules_are_the_published_ones(vectors, name, table):
    assert table == parse(vectors[name])


def test_the_table_without_pat_is_the_published_one(vectors):
    published = {
        T.parse(row): tuple(T.parse(cells[f"{pcd}{pwt}"]) for pcd, pwt in rules.PCD_PWT_COLUMNS)
        for row, cells in vectors["pcd_pwt_nopat_intel"].items()
    }
    assert rules.PCD_PWT["intel"] == published


@pytest.mark.parametrize("vendor", VENDORS)
def test_effective_is_the_vendors_table(vendor):
    for mtrr, row in rules.MTRR_PAT[vendor].items():
        for pat, cell in row.items():
            assert mt.effective(mtrr, pat, vendor) is cell, (mtrr, pat)


def test_nested_paging_is_both_steps():
    for guest, row in rules.NPT_GUEST_HOST.items():
        for host, combined in row.items():
            for mtrr, cell in rules.NPT_COMBINED_MTRR[combined].items():
                assert mt.effective_npt(guest, host, mtrr) is cell, (guest, host, mtrr)


@pytest.mark.parametrize("vendor", VENDORS)
def test_without_pat_pcd_and_pwt_decide(vendor):
    for mtrr, row in rules.PCD_PWT[vendor].items():
        for (pcd, pwt), cell in zip(rules.PCD_PWT_COLUMNS, row, strict=True):
            assert mt.effective_pcd_pwt(mtrr, pcd, pwt, vendor) is cell


def test_vectors_of_nested_paging(vectors):
    for row in vectors["npt"]:
        got = mt.effective_npt(row["guest"], row["host"], row["mtrr"], snp=row.get("snp", False))
        assert str(got) == row["result"], row["id"]


def test_vectors_of_ept(vectors):
    for row in vectors["ept"]:
        got = mt.effective_ept(
            row["ept_type"], row["ipat"], row["guest_pat"], bool(row["cr0_cd"]), cr0_pg=bool(row["cr0_pg"])
        )
        assert str(got) == {"MISCONFIG": "??"}.get(row["result"], row["result"]), row["id"]


def test_the_table_in_xen_is_intels_cell_by_cell(corpus):
    xen = json.loads((corpus / "vectors" / "xen_mtrr_pat_effective.json").read_text())
    heads = xen["pat_columns"]
    for mtrr, row in xen["effective_by_mtrr"].items():
        for pat, cell in zip(heads, row, strict=True):
            if cell is None:
                assert pat.startswith("reserved")
                assert mt.effective(mtrr, int(pat.removeprefix("reserved"))) is T.UNDEFINED
            else:
                assert str(mt.effective(mtrr, pat)) == cell, (mtrr, pat)


# --- lockstep: the manual's text, the tables in C, the arrays of Python --------------------------------------------


def outcome(function, *args):
    try:
        return int(function(*args))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("cr0_cd", BITS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_mtrr_with_pat_in_lockstep(backend, vendor, cr0_cd):
    for mtrr, pat in itertools.product(CODES, CODES):
        got = outcome(backend.effective, vendor, cr0_cd, mtrr, pat)
        if mtrr in rules.MTRR_INPUTS and pat in rules.PAT_INPUTS:
            assert got == reference.effective(vendor, cr0_cd, mtrr, pat), (mtrr, pat)
        else:
            what, value = ("mtrr", mtrr) if mtrr not in rules.MTRR_INPUTS else ("pat", pat)
            assert got.startswith(f"{what} = {value}")


@pytest.mark.parametrize("vendor", VENDORS)
def test_pcd_and_pwt_in_lockstep(backend, vendor):
    for mtrr, pcd, pwt in itertools.product(MTRR_CODES, BITS, BITS):
        assert backend.effective_pcd_pwt(vendor, mtrr, pcd, pwt) == reference.effective_pcd_pwt(vendor, mtrr, pcd, pwt)
    for mtrr in set(CODES) - rules.MTRR_INPUTS:
        assert outcome(backend.effective_pcd_pwt, vendor, mtrr, False, False).startswith(f"mtrr = {mtrr}")


@pytest.mark.parametrize("cr0_cd", BITS)
@pytest.mark.parametrize("ipat", BITS)
def test_ept_in_lockstep(backend, ipat, cr0_cd):
    for kind, pat in itertools.product(CODES, CODES):
        got = outcome(backend.effective_ept, kind, ipat, pat, cr0_cd)
        if kind in rules.MTRR_INPUTS and pat in rules.PAT_INPUTS:
            assert got == reference.effective_ept(kind, ipat, pat, cr0_cd), (kind, pat)
        else:
            assert isinstance(got, str)


@pytest.mark.parametrize("cr0_cd", BITS)
@pytest.mark.parametrize("snp", BITS)
def test_nested_paging_in_lockstep(backend, snp, cr0_cd):
    for guest, host, mtrr in itertools.product(CODES, CODES, CODES):
        got = outcome(backend.effective_npt, guest, host, mtrr, snp, cr0_cd)
        if {guest, host} <= rules.PAT_INPUTS and mtrr in rules.MTRR_INPUTS:
            assert got == reference.effective_npt(guest, host, mtrr, snp, cr0_cd), (guest, host, mtrr)
        else:
            assert isinstance(got, str)


def test_xens_choice_in_lockstep(backend):
    for guest, host in itertools.product(CODES, CODES):
        got = outcome(backend.xen_ept_type, guest, host)
        if {guest, host} <= rules.XEN_INPUTS:
            assert got == reference.xen_ept_type(guest, host) == xen_ept_type(guest, host)
        else:
            assert isinstance(got, str)
        if {guest, host} <= rules.MTRR_TYPES:
            assert got == rules.XEN_GUEST_HOST[T(guest)][T(host)]


def test_the_reference_combines_guest_and_host_as_the_table_says():
    for guest, host in itertools.product(rules.PAT_TYPES, rules.PAT_TYPES):
        assert reference.npt_combined(guest, host) is rules.NPT_GUEST_HOST[T(guest)][T(host)]
    for reserved, legal in itertools.product((2, 3, *range(8, 13)), rules.PAT_TYPES):
        assert reference.npt_combined(reserved, legal) is reference.npt_combined(legal, reserved) is T.UNDEFINED


@pytest.mark.parametrize("cr0_cd", BITS)
def test_a_leaf_decides_alone_or_stands_for_the_mtrr(cr0_cd):
    for kind, pat in itertools.product(MTRR_CODES, sorted(rules.PAT_TYPES)):
        misconfigured = kind in (2, 3, 7, T.UNDEFINED)
        alone, shared = (reference.effective_ept(kind, ipat, pat, cr0_cd) for ipat in (True, False))
        if misconfigured or cr0_cd:
            assert alone is shared is (T.UNDEFINED if misconfigured else T.UC), (kind, pat)
        else:
            assert (alone, shared) == (kind, reference.effective("intel", False, kind, pat)), (kind, pat)


# --- laws ---------------------------------------------------------------------------------------------------------


def test_only_wc_makes_uncached_memory_of_an_uc_mtrr_and_nothing_makes_it_cached():
    for vendor, pat in itertools.product(VENDORS, rules.PAT_TYPES):
        assert mt.effective("UC", pat, vendor) is (T.WC if pat == T.WC else T.UC)


def test_a_pat_of_wb_leaves_the_mtrr_alone_and_so_does_paging_off():
    for vendor, mtrr in itertools.product(VENDORS, rules.MTRR_TYPES):
        assert mt.effective(mtrr, "WB", vendor) == mtrr
        for pat in rules.PAT_TYPES:
            assert mt.effective(mtrr, pat, vendor, cr0_pg=False) == mtrr


def test_the_vendors_differ_in_three_cells_beside_cd():
    differing = {
        (str(mtrr), str(pat))
        for mtrr, row in rules.INTEL_MTRR_PAT.items()
        for pat, intel in row.items()
        if intel != {T.CD: T.UC}.get(rules.AMD_MTRR_PAT[mtrr][pat], rules.AMD_MTRR_PAT[mtrr][pat])
    }
    assert differing == {("WT", "WP"), ("WP", "WT"), ("WP", "UC-")}


def test_with_caches_off_nothing_is_cacheable():
    for vendor, mtrr, pat in itertools.product(VENDORS, rules.MTRR_TYPES, rules.PAT_TYPES):
        assert mt.effective(mtrr, pat, vendor, cr0_cd=True) not in rules.CACHEABLE
    assert mt.effective("WB", "WB", cr0_cd=True) is T.UC
    assert mt.effective("WB", "WB", "amd", cr0_cd=True) is T.CD
    assert mt.effective("WB", "WC", "amd", cr0_cd=True) is T.WC
    assert mt.effective_npt("WB", "WB", "WB", cr0_cd=True) is T.CD


@pytest.mark.parametrize("unknown", [T.UNDEFINED, T.MIXED, T.NOT_TOLD])
def test_an_unknown_mtrr_type_gives_only_what_every_type_gives(unknown):
    for vendor, cd, pat in itertools.product(VENDORS, BITS, rules.PAT_TYPES):
        answers = {mt.effective(mtrr, pat, vendor, cr0_cd=cd) for mtrr in rules.MTRR_TYPES}
        expected = answers.pop() if len(answers) == 1 else unknown
        assert mt.effective(unknown, pat, vendor, cr0_cd=cd) is expected
    for guest, host, snp, cd in itertools.product(rules.PAT_TYPES, rules.PAT_TYPES, BITS, BITS):
        answers = {mt.effective_npt(guest, host, mtrr, snp, cr0_cd=cd) for mtrr in rules.MTRR_TYPES}
        expected = answers.pop() if len(answers) == 1 else unknown
        assert mt.effective_npt(guest, host, unknown, snp, cr0_cd=cd) is expected


def may_be(kind, legal):
    return sorted(legal) if kind == T.NOT_TOLD else [kind]


def agreed(answers):
    found = set(answers)
    return found.pop() if len(found) == 1 else T.NOT_TOLD


@pytest.mark.parametrize("cr0_cd", BITS)
def test_what_is_not_told_gives_only_what_every_type_that_may_stand_there_gives(backend, cr0_cd):
    for vendor, mtrr in itertools.product(VENDORS, MTRR_CODES):
        every = (
            mt.effective(m, p, vendor, cr0_cd=cr0_cd) for m in may_be(mtrr, rules.MTRR_TYPES) for p in rules.PAT_TYPES
        )
        assert mt.effective(mtrr, T.NOT_TOLD, vendor, cr0_cd=cr0_cd) is agreed(every), (vendor, mtrr)
    for kind, ipat, pat in itertools.product((*rules.EPT_TYPES, T.NOT_TOLD), BITS, (*rules.PAT_TYPES, T.NOT_TOLD)):
        pairs = itertools.product(may_be(kind, rules.EPT_TYPES), may_be(pat, rules.PAT_TYPES))
        every = (mt.effective_ept(k, ipat, p, cr0_cd) for k, p in pairs)
        assert mt.effective_ept(kind, ipat, pat, cr0_cd) is agreed(every), (kind, ipat, pat)
    for guest, host, mtrr, snp in itertools.product(PAT_CODES, PAT_CODES, MTRR_CODES, BITS):
        if T.NOT_TOLD in (guest, host, mtrr):
            mtrrs = may_be(mtrr, rules.MTRR_TYPES)
            triples = itertools.product(may_be(guest, rules.PAT_TYPES), may_be(host, rules.PAT_TYPES), mtrrs)
            every = (mt.effective_npt(*triple, snp, cr0_cd=cr0_cd) for triple in triples)
            assert mt.effective_npt(guest, host, mtrr, snp, cr0_cd=cr0_cd) is agreed(every), (guest, host, mtrr)


def test_what_is_not_told_in_numbers():
    assert mt.effective("?", ["UC", "WC", "WB"]).tolist() == [0, 1, 12]
    assert mt.effective(["UC", "WB"], "?", cr0_cd=True).tolist() == [0, 0]
    assert mt.effective_ept(["WB", "?"], True, "?").tolist() == [6, 12]
    assert mt.effective_npt("WC", "?", ["UC", "WC", "WB"]).tolist() == [1, 1, 12]
    assert mt.effective_npt("WC", "?", "WB", snp=True) is T.WC_PLUS
    assert mt.effective_npt(["WP", "WT", "UC"], "?", "WC").tolist() == [8, 8, 8]
    assert mt.effective_pcd_pwt("?", True, True) is T.UC
    assert xen_ept_type("UC", "?") is T.UC
    assert xen_ept_type("WB", "?") is T.NOT_TOLD


def test_reserved_encodings_decide_nothing():
    for vendor, reserved in itertools.product(VENDORS, (2, 3)):
        for kind in rules.PAT_TYPES:
            assert mt.effective(reserved, kind, vendor) is T.UNDEFINED
            assert mt.effective_npt(kind, reserved, "WB") is T.UNDEFINED
            assert mt.effective_npt(reserved, kind, "WB") is T.UNDEFINED
            assert mt.effective_npt("WB", kind, reserved) is T.UNDEFINED
        for kind in rules.MTRR_TYPES:
            assert mt.effective(kind, reserved, vendor) is T.UNDEFINED
    assert mt.effective("UC-", "WB") is T.UNDEFINED


def test_snp_leaves_no_incoherent_type():
    for guest, host, mtrr in itertools.product(rules.PAT_TYPES, rules.PAT_TYPES, rules.MTRR_TYPES):
        plain, snp = mt.effective_npt(guest, host, mtrr), mt.effective_npt(guest, host, mtrr, snp=True)
        assert snp is {T.UC: T.CD, T.WC: T.WC_PLUS}.get(plain, plain)


def test_the_ept_type_stands_for_the_mtrrs_unless_ipat_or_cd():
    for kind, pat in itertools.product(rules.EPT_TYPES, rules.PAT_TYPES):
        assert mt.effective_ept(kind, False, pat) is mt.effective(kind, pat)
        assert mt.effective_ept(kind, True, pat) == kind
        assert mt.effective_ept(kind, False, pat, cr0_pg=False) == kind
        for ipat in BITS:
            assert mt.effective_ept(kind, ipat, pat, cr0_cd=True) is T.UC


@pytest.mark.parametrize("bad", [8, 9, 13, 15, 16, 255, 256, -1, 1 << 40, T.CD, "WC+", "XX", True, None, 1.5])
def test_what_is_no_input_is_refused(bad):
    for call in (
        lambda: mt.effective(bad, "WB"),
        lambda: mt.effective("WB", bad),
        lambda: mt.effective_ept(bad, False, "WB"),
        lambda: mt.effective_ept("WB", False, bad),
        lambda: mt.effective_npt(bad, "WB", "WB"),
        lambda: mt.effective_npt("WB", bad, "WB"),
        lambda: mt.effective_npt("WB", "WB", bad),
        lambda: mt.effective_pcd_pwt(bad, False, False),
    ):
        with pytest.raises(InputError):
            call()


def test_mixed_is_no_pat_type():
    with pytest.raises(InputError, match=r"pat = 11 \(mixed\)"):
        mt.effective("WB", T.MIXED)
