"""The verbs table, pat, pte and want: what beginners ask, answered by one command each."""

from __future__ import annotations

import json
import shlex

import pytest

import memtype as mt
from memtype import rules
from memtype.cli import main, table

DUMP = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n"


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run a command line; DUMP in it is a file with one UC range from 2 GiB on."""
    (tmp_path / "DUMP").write_text(DUMP)
    monkeypatch.chdir(tmp_path)

    def call(line: str, status: int = 0) -> str:
        try:
            ended = main(shlex.split(line))
        except SystemExit as stop:
            ended = stop.code
        captured = capsys.readouterr()
        assert ended == status, captured
        if status == 2:
            assert captured.out == ""
            assert captured.err.startswith("memtype: error: ")
            assert captured.err.count("\n") == 1
            return captured.err
        return captured.out

    return call


def grid_of(text: str, title: str) -> dict[str, dict[str, str]]:
    """The printed table below a title, as rows of cells."""
    lines = text[text.index(title) :].splitlines()[2:]
    head, *body = lines[: lines.index("")]
    return {line.split()[0]: dict(zip(head.split()[1:], line.split()[1:], strict=True)) for line in body}


# --- table --------------------------------------------------------------------------------------------------------


def test_table_prints_both_vendors_and_marks_what_differs(run):
    text = run("table")
    intel, amd = grid_of(text, "Intel: MTRR type"), grid_of(text, "AMD: MTRR type")
    for mtrr, row in rules.INTEL_MTRR_PAT.items():
        for pat, cell in row.items():
            other = rules.AMD_MTRR_PAT[mtrr][pat]
            mark = "*" if cell is not other else ""
            assert intel[str(mtrr)][str(pat)] == f"{cell}{mark}"
            assert amd[str(mtrr)][str(pat)] == f"{other}{mark}"
    assert grid_of(text, "step 2")["WC+"] == {"UC": "WC", "WC": "WC", "WP": "WC+", "WT": "WC+", "WB": "WC+"}
    assert grid_of(text, "AMD nested paging, step 1")["WC"]["WB"] == "WC+"
    assert grid_of(text, "EPT: type")["UC"]["WC"] == "WC"
    assert grid_of(text, "EPT: type")["UC"]["IPAT=1"] == "UC"


def test_table_of_one_vendor(run):
    intel, amd = run("table --vendor intel"), run("table --vendor amd")
    assert "AMD: MTRR" not in intel
    assert "nested paging" not in intel
    assert "Intel: MTRR" not in amd
    assert "EPT" not in amd
    assert all(len(line) <= 100 for line in (intel + amd).splitlines())


def test_the_refutation_lists_every_contradicting_cell_and_no_other(run):
    order = ["UC", "WC", "WT", "WP", "WB"]

    def uncached(kind):
        return "UC" if str(kind) in ("UC-", "CD") else str(kind)

    for vendor, cells in (("intel", rules.INTEL_MTRR_PAT), ("amd", rules.AMD_MTRR_PAT)):
        expected = set()
        for mtrr, row in cells.items():
            for pat, cell in row.items():
                believed = min(uncached(mtrr), uncached(pat), key=order.index)
                if uncached(cell) != believed:
                    expected.add((str(mtrr), str(pat), believed, str(cell)))
        found = {tuple(str(c[k]) for k in ("mtrr", "pat", "believed", "is")) for c in table.contradictions(vendor)}
        assert found == expected
        assert ("UC", "WC", "UC", "WC") in found
        text = run(f"table refute --vendor {vendor}")
        for cell in expected:
            assert any(tuple(line.split()) == cell for line in text.splitlines())


def test_table_as_json(run):
    payload = json.loads(run("table mtrr npt --json"))
    assert payload["schema"] == "memtype/1"
    tables = {found["name"]: found["cells"] for found in payload["tables"]}
    assert tables["amd-mtrr-pat"]["WB"]["UC-"] == "CD"
    assert tables["npt-guest-host"]["WC"]["WB"] == "WC+"
    whole = json.loads(run("table --json"))
    assert len(whole["tables"]) == 7
    assert len(whole["refutation"]) == 12
    assert len(whole["cr0"]) == 4


# --- pat ----------------------------------------------------------------------------------------------------------


def test_pat_decodes_and_says_that_there_is_no_wc(run):
    text = run("pat 0x0007040600070406")
    assert "(reset): WB WT UC- UC WB WT UC- UC" in text
    assert "no WC slot" in text
    assert "UC-" in text.splitlines()[-2]
    assert "no WC slot" not in run("pat linux")
    assert run("pat linux") == run("pat WB WC UC- UC WB WP UC- WT") == run("pat 'WB,WC,UC-,UC,WB,WP,UC-,WT'")


def test_pat_refused_by_hardware_is_a_finding(run):
    text = run("pat 0x0002040600070106", status=1)
    assert "entry 6: type 2 in bits 55:48 is reserved" in text
    assert json.loads(run("pat 0x0002040600070106 --json", status=1))["pats"][0]["valid"] is False


def test_pat_diff(run):
    text = run("pat diff linux xen", status=1)
    assert sum(line.endswith("differs") for line in text.splitlines()) == 4
    assert "differs" not in run("pat diff linux 0x0407050600070106")
    assert json.loads(run("pat diff linux xen --json", status=1))["differing"] == [1, 4, 6, 7]


def test_pat_under_nested_paging_gives_both_answers(run):
    payload = json.loads(run("pat diff linux reset --npt wb --mtrr wb --json", status=1))
    for side, name in (("a", "linux"), ("b", "reset")):
        for entry in payload[side]["entries"]:
            expected = mt.effective_npt(mt.Pat(name)[entry["index"]], "WB", "WB")
            assert entry["effective"] == str(expected)
    assert payload["differing_effect"] == [1, 5, 7]
    assert "CD" in run("pat 0x0007040600070106 --npt wb")
    ept = json.loads(run("pat linux --ept wb --ipat --json"))
    assert {entry["effective"] for entry in ept["pats"][0]["entries"]} == {"WB"}


def test_pat_without_arguments_lists_the_layouts(run, monkeypatch):
    monkeypatch.setattr("memtype.cli.input.piped", lambda: False)
    text = run("pat")
    for name, value in rules.PAT_LAYOUTS.items():
        assert f"0x{value:016x} ({name})" in text


@pytest.mark.parametrize(
    "line",
    ["pat nonsense", "pat 7040600070406k", "pat 0x1ffffffffffffffff", "pat diff linux", "pat DUMP", "pat linux --ipat",
     "pat linux --ept uc- ", "pat linux --ept wb --npt wb", "pat linux --mtrr xx", "pat linux --mtrr wc+"],
)  # fmt: skip
def test_bad_pats_are_one_line(run, line):
    run(line, status=2)


# --- pte ----------------------------------------------------------------------------------------------------------


def test_pte_reads_one_entry_on_every_mode(run):
    payload = json.loads(run("pte 0x8000000080000093 --json"))
    readings = {r["as"]: r for r in payload["readings"]}
    assert [readings[name]["index"] for name in ("4 KiB leaf", "2 MiB leaf", "1 GiB leaf", "table")] == [6, 2, 2, 2]
    assert {r["type"] for r in readings.values()} == {"UC-"}
    assert readings["2 MiB leaf"]["base"] == "0x80000000"
    assert readings["2 MiB leaf"]["last"] == "0x801fffff"
    assert payload["ept"]["misconfigured"] is True
    assert "UC- is not UC" in run("pte 0x8000000080000093")


@pytest.mark.parametrize("layout", rules.PAT_LAYOUTS)
@pytest.mark.parametrize("entry", [0x1018, 0x108B, 0x20109B, 0x200093, 0x40001083, 0x8000000080000093, 0])
def test_pte_agrees_with_the_library(run, entry, layout):
    payload = json.loads(run(f"pte {entry:#x} --pat {layout} --mtrr wc --vendor amd --json"))
    pat = mt.Pat(layout)
    for r in payload["readings"]:
        index = pat.index(entry, r["level"]) if r["level"] else pat.walk_index(entry)
        assert r["index"] == index
        assert r["type"] == str(pat[index])
        assert r["effective"] == str(mt.effective("WC", pat[index], "amd"))
    assert payload["ept"]["type"] == str(mt.ept_types(entry))


def test_pte_with_a_dump_gives_the_effective_type(run):
    readings = json.loads(run("pte 0x8000000b --pat linux DUMP --json"))["readings"]
    assert (readings[0]["mtrr"], readings[0]["effective"]) == ("UC", "WC")
    assert "effective" in run("pte --pat linux 0x8000000b DUMP")


def test_pte_finds_large_pages_over_several_types(run, tmp_path):
    (tmp_path / "small").write_text(DUMP.replace("size= 2048MB", "size=    4MB"))
    readings = {r["as"]: r for r in json.loads(run("pte 0x80000083 small --json"))["readings"]}
    assert readings["2 MiB leaf"]["mtrr"] == readings["4 MiB leaf"]["mtrr"] == "UC"
    assert readings["1 GiB leaf"]["mtrr"] == readings["1 GiB leaf"]["effective"] == "mixed"
    assert "split it into 2 MiB pages" in readings["1 GiB leaf"]["note"]


@pytest.mark.parametrize(
    "line",
    ["pte zz", "pte 0x10000000000000000", "pte 0x93 absent", "pte 0x93 --pat zz", "pte", "pte 0x93 --mtrr cd"],
)  # fmt: skip
def test_bad_entries_are_one_line(run, line):
    run(line, status=2)


# --- want ---------------------------------------------------------------------------------------------------------


def test_want_wc_for_a_framebuffer(run):
    text = run("want wc --at 0x80000000 --pat default DUMP")
    assert "set PA4 to WC" in text
    assert "0x0007040100070406" in text
    assert "4 KiB leaf: bits 0x80" in text
    assert "1 GiB leaf: bits 0x1000" in text
    payload = json.loads(run("want wc --at 0x80000000 DUMP --pat linux --json"))
    assert (payload["index"], payload["bits_4k"], payload["bits_large"], payload["new_pat"]) == (1, "0x8", "0x8", None)
    assert payload["last"] == "0x80000000"


def test_want_says_why_not(run):
    text = run("want wb --at 0x80000000 DUMP", status=1)
    assert "MTRR UC admits only UC and WC" in text
    assert "instead WC: set PA4" in text
    assert "instead UC: PA3" in text
    assert json.loads(run("want wb --mtrr uc --json", status=1))["possible"] is False


def test_want_for_guests(run):
    assert "EPT leaf bits 6:3 = 0x70" in run("want wb --ept uc", status=1)
    assert "PAT entry 1" in run("want wc+ --npt wb --mtrr wb --pat linux")


@pytest.mark.parametrize(
    "line",
    ["want xx --mtrr wb", "want wc", "want wc --at zz DUMP", "want wc --at 0x80000000 absent",
     "want mixed --mtrr wb", "want wc --ept wb --npt wb", "want wc --mtrr wb --snp",
     "want wc --at 0xffffffffffff0000 DUMP", "want"],
)  # fmt: skip
def test_bad_wishes_are_one_line(run, line):
    run(line, status=2)


@pytest.mark.parametrize("verb", ["table", "pat", "pte", "want"])
def test_the_examples_run(run, verb):
    from memtype.cli import verbs

    line = verbs.load(verb).EXAMPLE
    assert line.startswith(f"memtype {verb}")
    assert run(line.removeprefix("memtype "), status=1 if "diff" in line else 0)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("want wc --mtrr uc --vendor amd", ["pat-index", "effective-amd"]),
        ("want wc --ept wb", ["ept-effective", "effective-intel", "ept-misconfig"]),
        ("want wc+ --npt wb --mtrr wb --snp", ["npt-combined", "npt-effective", "npt-snp"]),
        ("pte 0x93 --mtrr wb", ["pat-index", "pat-walk", "effective-intel"]),
        ("pat linux --ept wb --ipat", ["pat-entry", "ept-ipat"]),
        ("pat diff linux 0x0407050600070106 --mtrr wb", ["pat-entry", "effective-intel"]),
    ],
)
def test_why_prints_the_rules_with_their_sources(run, line, names):
    text, payload = run(f"{line} --why"), json.loads(run(f"{line} --why --json"))
    assert set(names) <= {found["id"] for found in payload["why"]}
    for found in payload["why"]:
        assert f"[{found['id']}: {found['source']}]" in text
        assert rules.RULES[found["id"]].source == found["source"]
    assert "rules:" not in run(line)
