"""What Linux' PAT layer grants: its table cell by cell, a plain model of its interval tree, the verb, the list."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype.analysis.reserve import tracked_entries
from memtype.cli import main

T = mt.MemoryType
NAMES = ("WB", "WC", "WT", "UC-", "UC")
# Rows request, columns on record; E is refused. What ioremap gets (mm/pat/memtype.c, asm/pgtable.h).
TABLE = """
WB   WB WC WT UC- UC
WC   E  WC WT UC- UC
WT   E  E  WT UC- UC
UC-  E  WC WT UC- UC
UC   WB WC WT UC- UC
"""


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_ioremap_over_one_entry(row):
    want, *cells = row.split()
    for have, cell in zip(NAMES, cells, strict=True):
        grant = mt.reserve(want, over=have)
        assert (str(grant.type), bool(grant)) == ((cell, True) if cell != "E" else ("None", False)), have
        assert (grant.error == "EBUSY") == (cell == "E")
        # Whatever the MTRRs say: an entry that overlaps decides before the hint does.
        assert mt.reserve(want, over=have, mtrr="UC").type == grant.type


@pytest.mark.parametrize(("want", "have"), list(itertools.product(NAMES, NAMES)))
def test_set_memory_takes_its_own_type_only(want, have):
    grant = mt.reserve(want, over=have, by="set_memory", mtrr="WB")
    assert bool(grant) == (want == have) and grant.error == (None if want == have else "EBUSY")


@pytest.mark.parametrize(("want", "have"), list(itertools.product(NAMES, NAMES)))
def test_a_strict_caller_gets_its_type_or_nothing(want, have):
    grant = mt.reserve(want, over=have, by="remap-strict")
    assert bool(grant) == (want == have) and grant.error == (None if want == have else "EINVAL")


def test_the_hint_of_the_mtrrs_counts_for_wb_alone():
    assert mt.reserve("WB", mtrr="WB").type is T.WB and mt.reserve("WB", mtrr="UC").type is T.UC_MINUS
    assert mt.reserve("WB", mtrr="WC").rules == ("linux-mtrr-hint", "linux-free")
    assert all(mt.reserve(name).type is T.parse(name) for name in NAMES[1:])
    open_answer = mt.reserve("WB")
    assert open_answer.type is T.NOT_TOLD and not open_answer
    assert [one.type for one in open_answer.candidates] == [T.WB, T.UC_MINUS]
    # set_memory over UC-: WB becomes UC-, which is what is there; with MTRR WB it is another type
    assert mt.reserve("WB", over="UC-", by="set_memory", mtrr="UC").type is T.UC_MINUS
    assert mt.reserve("WB", over="UC-", by="set_memory", mtrr="WB").error == "EBUSY"
    assert mt.reserve("WB", over="UC-", by="set_memory").type is T.NOT_TOLD


types = st.sampled_from(NAMES)


@given(types, st.lists(types, min_size=2, max_size=5), st.sampled_from(["ioremap", "remap", "set_memory"]))
def test_the_first_entry_decides_and_the_others_must_agree(want, over, by):
    grant = mt.reserve(want, over=over, by=by, mtrr="WB")
    if len(set(over)) > 1:
        assert grant.error == "EBUSY" and grant.type is None
    else:
        assert grant == mt.reserve(want, over=over[0], by=by, mtrr="WB")


def test_the_legacy_range_is_never_tracked():
    inside, across, below = (0xA0000, 0x60000), (0xFF000, 0x2000), (0x9F000, 0x2000)
    assert mt.reserve("WC", over="UC", at=inside).type is T.WB
    assert mt.reserve("WC", over="UC", at=(0xB8000, 0x1000), by="set_memory").type is T.WB
    assert mt.reserve("WC", over="UC", at=across).type is T.UC
    assert mt.reserve("WC", over="UC", at=below).type is T.UC
    assert mt.reserve("WC", over="WB", at=(0x1000, 0x1000)).error == "EBUSY"  # below 640 KiB the tree counts


def test_ram_follows_its_pages():
    assert mt.reserve("UC-", over="WB", by="remap", place="ram").type is T.WB
    assert mt.reserve("UC-", over=["WC", "WB"], by="remap-strict", place="ram").type is T.WC
    assert mt.reserve("WC", by="set_memory", place="ram").type is T.WC
    assert mt.reserve("WC", over=["WB", "WB"], by="set_memory", place="ram").type is T.WC
    assert mt.reserve("WC", over=["WB", "WC"], by="set_memory", place="ram").error == "EBUSY"
    assert mt.reserve("WC", over="WC", by="set_memory", place="ram").error == "EBUSY"  # its own type, too
    assert mt.reserve("UC", by="set_memory", place="ram").type is T.UC_MINUS
    assert mt.reserve("WP", by="set_memory", place="ram").error == "EINVAL"
    assert mt.reserve("WB", place="ram").error == "EINVAL" and mt.reserve("WC", place="mixed").error == "EINVAL"
    with pytest.raises(mt.InputError, match="RAM is WB"):
        mt.reserve("WC", over="UC", by="set_memory", place="ram")


def test_without_pat_every_request_stands():
    assert all(mt.reserve(want, over="WB", pat_enabled=False).type is T.parse(want) for want in NAMES)


@pytest.mark.parametrize(
    "call",
    [
        {"want": "CD"},
        {"want": "WC", "over": "??"},
        {"want": "WC", "by": "mmap"},
        {"want": "WC", "place": "disk"},
        {"want": "WP"},
    ],
)
def test_what_linux_does_not_know_is_refused(call):
    with pytest.raises(mt.InputError):
        mt.reserve(**call)


# --- the verb and the list ----------------------------------------------------------------------------------------

LIST = """PAT memtype list:
PAT: [mem 0x00000000fe800000-0x00000000fe900000] write-combining
PAT: [mem 0x00000000fe880000-0x00000000fe8a0000] write-combining
PAT: [mem 0x00000000fea00000-0x00000000fea01000] uncached-minus
"""


def test_the_verb(capsys):
    assert main(["alias", "--reserve", "UC-", "--over", "WC"]) == 0
    assert capsys.readouterr().out.startswith("UC- over WC, by ioremap: WC\n")
    assert main(["alias", "--reserve", "wc", "--over", "wb"]) == 1 and "refused (-EBUSY)" in capsys.readouterr().out
    assert main(["alias", "--reserve", "WB", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["reserve"]
    assert told["type"] == "?" and [one["type"] for one in told["candidates"]] == ["WB", "UC-"]
    assert main(["alias", "--reserve", "WC", "--over", "WB", "--at", "0xb8000+4K"]) == 0
    assert main(["alias", "--reserve", "WC", "--ram", "--by", "set_memory"]) == 0
    assert main(["alias", "--over", "WC"]) == 2 and main(["alias", "--reserve", "WC", "--pair", "WB", "WC"]) == 2


def test_the_verb_over_a_list(tmp_path, capsys):
    path = tmp_path / "list"
    path.write_text(LIST)
    ask = ["alias", str(path), "--reserve", "UC-", "--at"]
    assert main([*ask, "0xfe8ff000+4K"]) == 0 and "UC- over WC" in capsys.readouterr().out
    assert main([*ask, "0xfe900000+4K"]) == 0 and "UC- over nothing" in capsys.readouterr().out
    assert main([*ask, "0xfe8ff000-0xfea00000"]) == 1 and "over WC, then UC-" in capsys.readouterr().out
    assert main(["alias", str(path), "--reserve", "UC-"]) == 2 and "--at" in capsys.readouterr().err


def test_ends_of_the_list_are_exclusive():
    machine = mt.parse(LIST)
    assert [len(tracked_entries(machine, a, 1)) for a in (0xFE7FFFFF, 0xFE800000, 0xFE890000, 0xFE8FFFFF, 0xFE900000)] \
        == [0, 1, 2, 1, 0]  # fmt: skip
    assert tracked_entries(mt.parse("MTRR default type: write-back"), 0, 1) is None


def test_at_answers_from_the_list(tmp_path, capsys):
    path = tmp_path / "list"
    path.write_text(LIST)
    assert main(["at", "0xfe8fffff", "0xfe900000", "0xfe8f0000+0x20000", str(path)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("0xfe8fffff  WC  ") and lines[1] == "0xfe900000  not in the list"
    assert lines[2].endswith("2 parts") and lines[3].endswith("fe8fffff]  WC") and lines[4].endswith("not in the list")
    assert "RAM is not listed" in err
    assert main(["at", "0xfe8fffff", "0xfe900000", "0xfe800000+4M", str(path), "--json"]) == 0
    first, second, third = json.loads(capsys.readouterr().out)["answers"]
    assert (first["type"], second["type"], third["type"]) == ("WC", None, "mixed")
    assert first["tracked"][0]["last"] == "0xfe8fffff" and second["tracked"] == []


def test_at_tells_the_list_beside_the_mtrrs(tmp_path, capsys):
    path = tmp_path / "both"
    path.write_text(LIST + "MTRR default type: write-back\nMTRR variable ranges enabled:\n"
                    "  0 base 080000000 mask F80000000 uncachable\n")  # fmt: skip
    assert main(["at", "0xfe8fffff", "0xfe900000", str(path)]) == 0
    out = capsys.readouterr().out
    assert "0xfe8fffff  UC\n  Linux tracks WC" in out and "with MTRR UC effective WC" in out
    assert "0xfe900000  UC\n  Linux: not in the list" in out


tree = st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from(("write-back", "uncached")))


@settings(deadline=None)
@given(st.lists(tree, max_size=12), st.integers(0, 30), st.integers(1, 12))
def test_parts_of_a_range_are_what_each_page_says(entries, base, pages):
    from memtype.cli import tracked

    lines = [f"PAT: [mem 0x{b << 12:x}-0x{(b + n) << 12:x}] {name}" for b, n, name in entries]
    machine = mt.parse("\n".join(["PAT memtype list:", *lines]))
    parts = tracked._parts(tracked_entries(machine, base << 12, pages << 12), base << 12, (base + pages) << 12)
    assert parts[0][0] == base << 12 and parts[-1][1] == (base + pages) << 12
    by_start = sorted(entries, key=lambda entry: entry[0])
    for page in range(base, base + pages):
        decides = next((T.parse(name) for b, n, name in by_start if b <= page < b + n), None)
        assert [kind for first, behind, kind in parts if first <= page << 12 < behind] == [decides]
