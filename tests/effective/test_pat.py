"""IA32_PAT: values, validity, the entry that page-table bits choose, layouts by name; arrays of entries."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import load_vectors, rows
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype import Pat, rules
from memtype.backends import reference

pytestmark = pytest.mark.usefixtures("backend")
WORDS = st.integers(0, 2**64 - 1)
LEVELS = {"4K": 1, "2M": 2, "4M": 2, "1G": 3}
SLOW = settings(deadline=None, max_examples=60)


# --- the published rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", rows("hardware", "pat_index"))
def test_published_entries_choose_their_pat_entry(row):
    entry, level = int(row["entry"], 16), LEVELS[row["level"]]
    assert Pat().index(entry, level) == Pat("linux").index(entry, level=level) == row["index"]
    assert str(Pat("reset").types_of(entry, level)) == row["reset_pat"]
    assert str(Pat("linux").types_of(entry, level)) == row["linux_pat"]


def test_published_values():
    published = load_vectors("hardware")["pat_msr"]
    for value, row in published.items():
        pat = Pat(int(value, 16))
        assert [str(kind) for kind in pat.types] == row["types"]
        assert pat.name == {"linux-full": "linux", "linux-errata/windows": "windows"}.get(row["os"], row["os"])
        assert Pat(pat.name) == pat == Pat(value) == Pat(" ".join(row["types"])) == Pat.from_types(row["types"])
        if "linux_line" in row:
            assert pat.linux_line == row["linux_line"]


@pytest.mark.parametrize("row", [r for r in rows("hardware", "msr_write") if (r.values[0] or {}).get("msr") == "0x277"])
def test_published_writes(row):
    assert mt.pat_valid(int(row["value"], 16)) is (row["result"] == "ok")


def test_every_layout_seen_in_real_logs_can_be_held(corpus: Path):
    observed = json.loads((corpus / "vectors" / "observed_pat.json").read_text())
    for line in observed["configuration_lines"]:
        types = line.split()
        if len(types) == 8:
            assert str(Pat(line)) == line
            assert Pat(line).valid
    for change in observed["msr_old_to_new"]:
        for value in change.split(" -> "):
            assert Pat(value).valid


def test_bytes_that_vm_entry_takes(corpus: Path):
    published = json.loads((corpus / "vectors" / "pat_byte_validity.json").read_text())
    for verdict in ("valid", "invalid"):
        for byte in published[verdict]:
            for place in range(8):
                value = rules.PAT_RESET & ~(0xFF << 8 * place) | byte << 8 * place
                assert mt.pat_valid(value) is (verdict == "valid")


# --- validity -----------------------------------------------------------------------------------------------------


def test_every_byte_in_every_place():
    values = [rules.PAT_RESET & ~(0xFF << 8 * place) | byte << 8 * place for place in range(8) for byte in range(256)]
    expected = [byte in (0, 1, 4, 5, 6, 7) for _ in range(8) for byte in range(256)]
    found = mt.pat_valid(values)
    assert found.dtype == bool
    assert found.tolist() == expected
    assert [mt.pat_valid(value) for value in values] == expected
    assert mt.pat_valid(np.array(values, np.uint64).reshape(8, 256)[:, ::2]).shape == (8, 128)


@given(WORDS)
@SLOW
def test_validity_is_that_of_the_register(value):
    assert mt.pat_valid(value) is mt.msr_valid(0x277, value) is Pat(value).valid is (not Pat(value).problems())


def test_problems_name_entry_value_and_bits():
    problems = Pat(0x0007_0406_0207_0408).problems()
    assert [str(p) for p in problems] == [
        "IA32_PAT = 0x7040602070408: entry 0: type 8 in bits 7:0 is reserved",
        "IA32_PAT = 0x7040602070408: entry 3: type 2 in bits 31:24 is reserved",
    ]
    assert Pat(0x0007_0406_0207_0408)[3] is mt.MemoryType.UNDEFINED


# --- the value ----------------------------------------------------------------------------------------------------


def test_a_pat_is_a_value():
    assert Pat() == Pat("reset") == Pat("default") == Pat(rules.PAT_RESET)
    assert len({Pat(), Pat("reset"), Pat("linux")}) == 2
    assert pickle.loads(pickle.dumps(Pat("xen"))) == Pat("xen")
    assert pickle.loads(pickle.dumps(Pat("xen"))).types == Pat("xen").types
    assert Pat(np.uint64(rules.PAT_RESET)) == Pat()
    assert list(Pat()) == list(Pat().types)


@pytest.mark.parametrize(
    "bad",
    [-1, 1 << 64, True, 1.5, None, "", "freebsd", "7040600070406k", "0x10000000000000000", "WB WC", "WB " * 7 + "??"],
)
def test_what_is_no_pat_is_refused_in_one_line(bad):
    with pytest.raises(mt.InputError) as caught:
        Pat(bad)
    assert "\n" not in str(caught.value)


def test_slots_and_bits():
    assert Pat("reset").slots("WB") == (0, 4)
    assert Pat("reset").slots("WC") == ()
    for layout in rules.PAT_LAYOUTS:
        pat = Pat(layout)
        for level in (1, 2, 3):
            for kind in set(pat.types):
                assert pat.types_of(pat.bits(kind, level), level) is kind
    with pytest.raises(mt.InputError, match=r"no entry of this PAT .* is WC"):
        Pat("reset").bits("WC")


# --- the index ----------------------------------------------------------------------------------------------------


def test_every_combination_of_the_four_bits_at_every_level():
    for bits in range(16):
        pwt, pcd, bit7, bit12 = (bits >> place & 1 for place in range(4))
        entry = pwt << 3 | pcd << 4 | bit7 << 7 | bit12 << 12
        for noise in (0, ~0x1098 & 2**64 - 1):
            assert Pat().index(entry | noise, 1) == 4 * bit7 + 2 * pcd + pwt
            assert Pat().index(entry | noise, 2) == Pat().index(entry | noise, 3) == 4 * bit12 + 2 * pcd + pwt
            assert Pat().walk_index(entry | noise) == 2 * pcd + pwt
            assert Pat().walk_index(entry | noise, pcide=True) == 0


def test_the_walk_never_uses_the_upper_half():
    assert Pat("linux").walk_type(0x98) is mt.MemoryType.UC
    assert Pat("reset").walk_type(0x8) is mt.MemoryType.WT
    assert Pat("linux").walk_type(0x18, pcide=True) is mt.MemoryType.WB


@pytest.mark.parametrize("level", [0, 4, -1, "1", None, True, 1.5, [1]])
def test_other_levels_are_refused(level):
    for call in (Pat().index, Pat().types_of):
        for entries in (0x98, [0x98]):
            with pytest.raises(mt.InputError, match="level"):
                call(entries, level)
    with pytest.raises(mt.InputError, match="level"):
        mt.effective_types(mt.MtrrState(), None, [0], level=level)
    with pytest.raises(mt.InputError, match="level"):
        mt.effective_ept_types([0], [0], level=level)


@given(st.lists(WORDS, max_size=40), WORDS, st.sampled_from([1, 2, 3]))
@SLOW
def test_arrays_are_the_scalars(entries, value, level):
    pat = Pat(value)
    assert pat.index(entries, level).tolist() == [reference.pat_index(entry, level) for entry in entries]
    assert pat.types_of(entries, level).tolist() == [
        reference.pat_entry(value, reference.pat_index(entry, level)) for entry in entries
    ]
    for entry in entries[:3]:
        assert pat.types_of(entry, level) is pat[pat.index(entry, level)]


def test_shapes_dtypes_and_out():
    pat, entries = Pat("linux"), np.arange(0, 0x1000, 8, dtype=np.uint64)
    expected = pat.types_of(entries)
    assert expected.dtype == np.uint8
    for given_form in (entries.astype(np.int32), entries.astype(">u8"), entries.tolist()):
        assert np.array_equal(pat.types_of(given_form), expected)
    assert np.array_equal(pat.types_of(entries[::3]), expected[::3])
    assert pat.types_of(entries.reshape(2, -1, 4)).shape == (2, 64, 4)
    zero_d = pat.types_of(np.array(0x18, np.uint64))
    assert isinstance(zero_d, np.ndarray)
    assert zero_d.shape == ()
    assert isinstance(pat.types_of(np.uint64(0x18)), mt.MemoryType)
    wide = np.full(2 * entries.size, 0xEE, np.uint8)
    assert pat.types_of(entries, out=wide[::2]).base is wide
    assert np.array_equal(wide[::2], expected)
    assert (wide[1::2] == 0xEE).all()
    assert pat.types_of([]).shape == (0,)


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros(3, bool), ["0x98"], [1.5]])
def test_entries_that_are_no_integers_are_refused(bad):
    for call in (Pat().index, Pat().types_of, mt.pat_valid, mt.ept_types):
        with pytest.raises(mt.ArrayError):
            call(bad)
