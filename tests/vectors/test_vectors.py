"""The conformance vectors: how many, the same bytes each time, right by two implementations, judged by rule."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import memtype as mt
from memtype import cli, rules, vectors
from memtype.backends import reference
from memtype.cli import rules as cli_rules
from memtype.types import MemoryType
from memtype.vectors import guests, museum, museum_others, states, tables
from memtype.vectors.document import document
from memtype.vectors.section import ANSWERS, ROW, VENDORS, Section
from memtype.views.programs import PROGRAMS


def rows(name: str) -> list[dict[str, Any]]:
    """The cases of a section as dictionaries."""
    section = vectors.section(name)
    return [dict(zip((column.name for column in section.columns), row, strict=True)) for row in section.rows]


def state(case: dict[str, Any]) -> mt.MtrrState:
    return mt.MtrrState(
        case["def_type"], case["fixed"], case["pairs"], case["maxphyaddr"], VENDORS[case["vendor"]], case["syscfg"],
        case["tom2"], case["cap"],
    )  # fmt: skip


# --- what there is ----------------------------------------------------------------------------------------------


def test_two_thousand_states_of_sixty_four_addresses() -> None:
    found = rows("mtrr")
    assert len(found) >= 2000
    assert all(len(set(case["addresses"])) == len(case["types"]) == 64 for case in found)
    assert all(address >> case["maxphyaddr"] == 0 for case in found for address in case["addresses"])
    assert {case["maxphyaddr"] for case in found} == set(range(32, 53))
    ids = [row[0] for section in document() for row in section.rows]
    assert len(set(ids)) == len(ids)


def test_every_rule_of_the_mtrrs_decides_somewhere() -> None:
    told = {rule for rule in rules.RULES if rule.startswith("mtrr-")}
    met = {
        mt.MtrrState.explain(state(case), address).steps[-1].rule
        for case in rows("mtrr")[::3]
        for address in case["addresses"][::4]
    }
    assert met == told


# Rules that decide no answer: what they say is that nothing changes, or what a log or this program means.
UNASKED = {
    "tme": "it changes no type and no range",
    "amd-encryption": "it changes no type and no range",
    "alias-refused": "a line of a log, read",
    "check-shattered": "the limit of a map that memtype lists, no rule of hardware",
}


def test_every_rule_is_asked_by_a_case() -> None:
    every = {rule.id for rule in cli_rules.every()}
    asked = {row[1] for section in document() for row in section.rows}
    assert every - asked == set(UNASKED) and asked <= every


def test_every_cell_of_every_table_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed cell changes the cases of its section, but for the one that stands in two versions."""
    asked: list[tuple[Any, Callable[[], Iterable[Any]]]] = [
        (rules.INTEL_MTRR_PAT, tables._effective), (rules.AMD_MTRR_PAT, tables._effective),
        (rules.INTEL_MTRR_PAT, tables._ept), (rules.NPT_GUEST_HOST, tables._npt_combined),
        (rules.NPT_COMBINED_MTRR, tables._npt), (rules.XEN_GUEST_HOST, guests._xen),
    ]  # fmt: skip
    unseen = []
    for table, made in asked:
        before = list(made())
        for line, cells in table.items():
            for column, kind in cells.items():
                with monkeypatch.context() as patch:
                    patch.setitem(cells, column, MemoryType.UC if kind is not MemoryType.UC else MemoryType.WP)
                    if list(made()) == before:
                        unseen.append((line, column))
    assert unseen == [(MemoryType.WB, MemoryType.UC_MINUS)]


def test_every_case_has_a_source() -> None:
    assert all(row[1] and row[2] for section in document() for row in section.rows)
    assert all(row[0].isascii() and row[2].isascii() for section in document() for row in section.rows)


def test_edges_are_asked_on_both_sides() -> None:
    for case in states.cases():
        if case.id.startswith("size-"):
            base, mask = case.state.variable[0]
            field = mask & rules.page_bits(case.state.maxphyaddr)
            start, size = base & field, field & -field if field else 1 << case.state.maxphyaddr
            asked = set(next(row for row in vectors.section("mtrr").rows if row[0] == case.id)[-2])
            edges = {start - 1, start, start + size - 1, start + size}
            assert {edge for edge in edges if 0 <= edge < 1 << case.state.maxphyaddr} <= asked


def digests() -> str:
    made = (hashlib.sha256("".join(vectors.text(document(), form)).encode()) for form in ("json", "go"))
    return " ".join(digest.hexdigest() for digest in made)


def test_the_same_bytes_from_another_process() -> None:
    code = "import sys; sys.path[:0] = ['tests', 'tests/vectors']; import test_vectors; print(test_vectors.digests())"
    child = [sys.executable, "-W", "ignore", "-c", code]
    settings = {"PYTHONHASHSEED": "7", "MEMTYPE_BACKEND": "python", "PYTHONPATH": str(ROOT)}
    there = subprocess.run(child, capture_output=True, check=True, env=settings, cwd=ROOT, text=True)
    assert there.stdout.strip() == digests()


def test_json_holds_what_the_document_holds() -> None:
    read = json.loads("".join(vectors.text(document(), "json")))
    assert read["schema"] == vectors.SCHEMA
    for section in document():
        cases = read["sections"][section.name]["cases"]
        assert [case["id"] for case in cases] == [row[0] for row in section.rows]
        assert all(list(case) == [column.name for column in section.columns] for case in cases)
    case = read["sections"]["mtrr"]["cases"][0]
    assert mt.MtrrState(
        int(case["def_type"], 16), [int(v, 16) for v in case["fixed"]],
        [(int(b, 16), int(m, 16)) for b, m in case["pairs"]], case["maxphyaddr"], case["vendor"],
        int(case["syscfg"], 16), int(case["tom2"], 16), int(case["cap"], 16),
    ) == state(rows("mtrr")[0])  # fmt: skip


def test_every_language_holds_the_same_cases() -> None:
    """Row by row the same numbers and texts, whatever stands around them."""
    for form, unsaid in (("c", ""), ("rust", r"\b\w+:"), ("go", r"\[\d*\](?:\[\d\])?u?\w+")):
        lines = iter("".join(vectors.text(document(), form)).splitlines())
        for section in document():
            for row in section.rows:
                said = next(line for line in lines if re.match(r'(\w+)?\{(\w+:)?"', line))
                assert tokens(unquoted(said, unsaid)) == expected(section, row, form), row[0]
        assert not [line for line in lines if re.match(r'(\w+)?\{(\w+:)?"', line)]


def unquoted(line: str, unsaid: str) -> str:
    """The line without names of fields and types, as far as they stand outside texts."""
    parts = re.split(r'("(?:[^"\\]|\\.)*")', line[line.index("{") :])
    return "".join(part if n % 2 or not unsaid else re.sub(unsaid, " ", part) for n, part in enumerate(parts))


def tokens(line: str) -> list[Any]:
    found = re.findall(r'"(?:[^"\\]|\\.)*"|0x[0-9a-f]+|\d+', line)
    return [json.loads(token) if token[0] == '"' else int(token, 0) for token in found]


def expected(section: Section, row: tuple[Any, ...], form: str) -> list[Any]:
    """The row flat; in C lists of any length stand apart: (first, count) counted from here."""
    found: list[Any] = []
    for column, value in zip(section.columns, row, strict=True):
        if column.length == 1:
            found.append(value)
        elif column.length:
            found += value
        elif form == "c":
            first = FIRST.get((section.name, column.name), 0)
            FIRST[section.name, column.name] = first + len(value)
            found += [first, len(value)]
        else:
            found += [item for pair in value for item in pair]
    return found


FIRST: dict[tuple[str, str], int] = {}


def test_a_section_alone_brings_the_register_files_that_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    for section in document():
        refers = section.name == "mtrr" or any(column.kind == ROW for column in section.columns)
        held = [part.name for part in vectors.sections([section.name])]
        assert held == ["mtrr"] * (refers and section.name != "mtrr") + [section.name]
    assert cli.main(["vectors", "--section", "museum_same", "--format", "json"]) == 0
    read = json.loads(capsys.readouterr().out)["sections"]
    ids = {case["id"] for case in read["mtrr"]["cases"]}
    assert {read["museum_same"]["cases"][0][name] for name in ("first", "second")} <= ids


# --- right by both implementations ------------------------------------------------------------------------------


def test_the_backends_give_these_answers(backend: Any) -> None:
    step = 1 if backend.name == "native" else 9
    for case in rows("mtrr")[::step]:
        assert state(case).types(case["addresses"]).tolist() == list(case["types"]), case["id"]
    for case in rows("msr_write")[::step]:
        vendor = VENDORS[case["vendor"]]
        assert mt.msr_valid(case["msr"], case["value"], case["maxphyaddr"], vendor) == case["taken"], case["id"]
    for case in rows("effective"):
        found = mt.effective(case["mtrr"], case["pat"], VENDORS[case["vendor"]], cr0_cd=bool(case["cr0_cd"]))
        assert found == case["type"], case["id"]
    for case in rows("ept"):
        assert (
            mt.effective_ept(case["ept_type"], case["ipat"], case["pat"], cr0_cd=bool(case["cr0_cd"])) == case["type"]
        )
    for case in rows("npt"):
        given = (case["guest"], case["host"], case["mtrr"])
        assert mt.effective_npt(*given, snp=bool(case["snp"]), cr0_cd=bool(case["cr0_cd"])) == case["type"]
    for case in rows("pat_index"):
        pat = mt.Pat(case["pat"])
        assert (pat.index(case["entry"], case["level"]), pat[case["index"]]) == (case["index"], case["type"])
    for case in rows("ept_leaf"):
        wanted = MemoryType.UNDEFINED if case["misconfigured"] else case["type"]
        assert mt.ept_types([case["entry"]])[0] == wanted


def test_the_tables_are_what_the_reference_says() -> None:
    """The export takes the cells of the manuals' tables; the reference follows their text."""
    for case in rows("effective"):
        given = (VENDORS[case["vendor"]], bool(case["cr0_cd"]), case["mtrr"], case["pat"])
        assert reference.effective(*given) == case["type"], case["id"]
    for case in rows("pcd_pwt"):
        given = (VENDORS[case["vendor"]], case["mtrr"], bool(case["pcd"]), bool(case["pwt"]))
        assert reference.effective_pcd_pwt(*given) == case["type"], case["id"]
    for case in rows("ept"):
        given = (case["ept_type"], bool(case["ipat"]), case["pat"], bool(case["cr0_cd"]))
        assert reference.effective_ept(*given) == case["type"], case["id"]
    for case in rows("npt"):
        given = (case["guest"], case["host"], case["mtrr"], bool(case["snp"]), bool(case["cr0_cd"]))
        assert reference.effective_npt(*given) == case["type"], case["id"]


def test_the_views_are_what_a_view_says() -> None:
    cases = rows("mtrr")
    for row in rows("views")[::17]:
        case = cases[row["state"]]
        assert state(case).view(row["program"]).types(case["addresses"]).tolist() == list(row["types"]), row["id"]


# --- the museum -------------------------------------------------------------------------------------------------


def test_the_museum_holds_the_published_bugs() -> None:
    held = {exhibit.id for exhibit in museum.EXHIBITS} | {cell[0] for cell in museum.CELLS} | {"luv-127"}
    held |= {write.id for write in museum_others.WRITES}
    named = {
        "hvpp-44", "hyperdbg-255-fixed", "hyperdbg-255-default", "hyperdbg-332", "simplevisor-37", "ksm-25-last-byte",
        "ksm-25-fixed-loop", "illusion-last-page", "noirvisor-25", "x86info-0x268", "fwts-bit-21", "edk2-7747",
        "edk2-6975", "edk2-3364", "cloud-hypervisor-7944", "firecracker-5526", "openvmm-355", "luv-127",
        "kvm-uc-met-first", "kvm-fixed-segment", "qemu-52-bits", "bochs-wt-wp", "bochs-wp-uc-minus", "x86_64-311",
        "kvm-2f8", "kvm-pvm-pat", "qemu-tcg-pat", "acrn-749",
    }  # fmt: skip
    assert named <= held
    others = {case["id"] for name in ("museum_page", "museum_range", "museum_zap") for case in rows(name)}
    assert {"museum-linux-uniform", "museum-hyperdbg-336-7c400000", "museum-stale-device"} <= others


def test_every_exhibit_is_wrong() -> None:
    """The wrong answer is another one than the right one."""
    for section in document():
        if section.name.startswith("museum"):
            for case in rows(section.name):
                assert case["wrong"] != case[section.answer[0].name], case["id"]


@pytest.mark.parametrize("exhibit", museum.EXHIBITS, ids=lambda exhibit: exhibit.id)
def test_an_exhibit_is_wrong_and_is_what_the_program_says(exhibit: museum.Exhibit) -> None:
    for address, wrong in exhibit.wrong.items():
        assert exhibit.state.at(address) != wrong
        if exhibit.view:
            assert exhibit.state.view(exhibit.view).at(address) == wrong


def test_two_processors_that_mean_the_same() -> None:
    one, other = museum.luv()
    assert one.state != other.state and one.state.map == other.state.map
    assert [row["same"] for row in rows("museum_same")] == [1]


# --- the judge --------------------------------------------------------------------------------------------------


def answers(**changed: Any) -> dict[str, Any]:
    return {"schema": ANSWERS, "answers": changed}


def all_right() -> dict[str, Any]:
    """Every answer of the document, as a program that is always right would write them."""
    found: dict[str, Any] = {}
    for section in document():
        for row in section.rows:
            given = [plain(section, column, value) for column, value in zip(section.answer, section.answered(row))]
            found[row[0]] = given[0] if len(given) == 1 else given
    return found


def plain(section: Section, column: vectors.Column, value: Any) -> Any:
    if column.length == 1:
        return value
    return [list(item) for item in value] if column.length == 0 else list(value)


def test_what_is_right_is_right() -> None:
    found = vectors.judge(answers(**all_right()))
    assert not found.wrong and sum(found.cases.values()) == sum(len(section.rows) for section in document())
    assert found.unanswered == 0


def test_one_wrong_answer_in_every_section_is_found() -> None:
    right = all_right()
    for section in document():
        for row in section.rows[len(section.rows) // 2 :]:
            value = right[row[0]]
            if section.name in ("mtrr", "large_page") and MemoryType.UNDEFINED in np.ravel(value):
                continue
            found = vectors.judge(answers(**{row[0]: broken(section, value)}))
            assert len(found.wrong) == 1 and found.wrong[0].case == row[0], section.name
            break
        else:
            raise AssertionError(section.name)


def broken(section: Section, value: Any) -> Any:
    """A wrong answer of the same form; of several answers one is wrong."""
    column = section.answer[0]
    if isinstance(value, list) and not value:
        return [[0, 1]]
    if column.length == 0:
        return []
    if column.length > 1:
        return [*value[:-1], 0 if value[-1] else 6]
    if isinstance(value, list):
        return [1 - value[0] if column.kind == "flag" else 0 if value[0] else 6, *value[1:]]
    return 1 - value if column.kind == "flag" else 0 if value else 6


def test_every_rule_that_is_broken_alone_is_named() -> None:
    """One wrong answer for each rule of each section: just that rule is named, with its source."""
    right, asked = all_right(), set()
    for section in document():
        for row in section.rows:
            case = dict(zip((column.name for column in section.columns), row, strict=True))
            if section.name in ("mtrr", "views") or (section.name, case["rule"]) in asked:
                continue
            if section.name == "large_page" and right[row[0]] == MemoryType.UNDEFINED:
                continue
            asked.add((section.name, case["rule"]))
            found = vectors.judge(answers(**{row[0]: broken(section, right[row[0]])}))
            assert [(rule, wrong[0].source) for rule, wrong in found.rules.items()] == [(case["rule"], case["source"])]
    assert len(asked) > 120


# Each a program with one fault, and the rules that it breaks.
FAULTS: dict[str, tuple[str, Any, set[str]]] = {
    "E is not looked at": (
        "at", lambda s, a: reference.at(replace(s, def_type=s.def_type | 0x800), a), {"mtrr-disabled"}),
    "fixed ranges are not looked at": ("fixed_decides", lambda s, a: False, {"mtrr-fixed", "mtrr-fixed-amd"}),
    "RdMem and WrMem belong to the type": (
        "fixed_type", lambda s, a: rules.type_of(s.fixed[(r := rules.FIXED_RANGES[reference.fixed_slot(a)]).register]
                                                 >> 8 * r.byte & 0xFF), {"mtrr-fixed-amd"}),
    "UC does not win": ("combine", lambda kinds: rules.type_of(max(kinds)), {"mtrr-uc-wins", "mtrr-wt-wb"}),
    "WT does not win over WB": (
        "combine", lambda kinds: MemoryType.WB if {*kinds} == {4, 6} else COMBINE(kinds), {"mtrr-wt-wb"}),
    "the default is always WB": ("default_type", lambda s, a: MemoryType.WB, {"mtrr-default", "mtrr-reserved"}),
    "TOP_MEM2 is not looked at": ("tom2_limit", lambda s: 0, {"mtrr-tom2"}),
}  # fmt: skip
COMBINE = reference.combine


@pytest.mark.parametrize("name", FAULTS)
def test_a_program_with_one_fault_is_told_the_rule_that_it_breaks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, wrong, broken_rules = FAULTS[name]
    cases = [case for case in rows("mtrr") if int(hashlib.sha256(case["id"].encode()).hexdigest(), 16) % 17 == 0]
    ask = wrong if function == "at" else reference.at
    if function != "at":
        monkeypatch.setattr(reference, function, wrong)
    given = {case["id"]: [int(ask(state(case), address)) for address in case["addresses"]] for case in cases}
    monkeypatch.undo()
    found = set(vectors.judge(answers(**given)).rules)
    assert found and found <= broken_rules


def test_the_rule_of_each_address_is_named() -> None:
    """A program in which the last register wins breaks the rules of overlaps, and no other."""
    given = {}
    for case in rows("mtrr"):
        if case["id"].startswith(("two-nested", "size-2^20", "default-WB")):
            given[case["id"]] = [last_wins(state(case), address) for address in case["addresses"]]
    found = vectors.judge(answers(**given))
    assert set(found.rules) == {"mtrr-uc-wins", "mtrr-wt-wb"}
    assert all(wrong.source == "SDM 3A 12.11.4.1" for wrong in found.wrong)


def test_the_rule_of_each_address_of_a_view_is_named() -> None:
    """A program that is the manual breaks the rules by which another one differs from it, and no other."""
    states_of = rows("mtrr")
    for program, broken_rules in (
        ("kvm-6.10", {"overlap-kvm", "range-kvm", "tom2-none"}), ("hvpp", {"overlap-hvpp", "disabled-ignored"}),
        ("linux-6.5", {"range-linux", "tom2-forced", "low-linux"}), ("acrn", {"range-none", "low-acrn", "default-wb"}),
    ):  # fmt: skip
        given = {
            case["id"]: [int(state(states_of[case["state"]]).at(a)) for a in states_of[case["state"]]["addresses"]]
            for case in rows("views") if case["program"] == program
        }  # fmt: skip
        found = set(vectors.judge(answers(**given)).rules)
        knobs = set(dataclasses.astuple(PROGRAMS[program])[1:])
        assert broken_rules <= found <= knobs, (program, found)


def last_wins(s: mt.MtrrState, address: int) -> int:
    met = reference.matching_pairs(s, address)
    return int(rules.type_of(s.variable[met[-1]][0] & 0xFF)) if met else int(reference.default_type(s, address))


def test_a_known_bug_is_recognised() -> None:
    found = vectors.judge(answers(**{"effective-intel-UC-WC": "UC", "museum-hvpp-44-40000000": "UC"}))
    assert [wrong.bug for wrong in found.wrong] == ["two newsletters, many talks", "hvpp"]
    case = next(case for case in rows("mtrr") if case["id"] == "museum-kvm-uc-hole")
    said = state(case).view("kvm-6.10").types(case["addresses"]).tolist()
    found = vectors.judge(answers(**{case["id"]: said}))
    assert {wrong.rule for wrong in found.wrong} == {"mtrr-uc-wins"}
    assert any(wrong.bug == "Linux KVM 4.4 to 6.10" for wrong in found.wrong)


def test_null_is_no_answer_and_names_do() -> None:
    kinds = next(case["types"] for case in rows("mtrr") if case["id"] == "default-WB-40")
    said = [str(MemoryType(kind)) for kind in kinds]
    found = vectors.judge(answers(**{"default-WB-40": [None, *said[1:]], "ept-UC-WC": None}))
    assert (found.answers, found.cases["mtrr"], found.wrong) == (63, 1, ())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "answers/1"), ({"schema": "memtype/1"}, "answers/1"), ({"schema": ANSWERS}, "no object"),
        (answers(), "answers no case"), (answers(nowhere=1), "'nowhere'"),
        (answers(**{"default-WB-40": "WB"}), "a list of 64"), (answers(**{"ept-UC-WC": "XX"}), "no answer for 'type'"),
        (answers(**{"ept-UC-WC": 1.5}), "no answer"), (answers(**{"ept-leaf-00-0": [1]}), "a list of 3"),
        (answers(**{"write-0000-2ff": "yes"}), "no answer for 'taken'"),
        (answers(**{"write-0000-2ff": 2}), "no answer for 'taken'"), ({"schema": "memtype-answers/2"}, "only 'memtype"),
        (answers(**{"kvm-zap-6.4-ept-1-enable": [["0x0", None]]}), "no answer for 'zapped'"),
        (answers(**{"kvm-zap-6.4-ept-1-enable": [["0x0", "-0x1"]]}), "no answer for 'zapped'"),
        (answers(**{"kvm-zap-6.4-ept-1-enable": [["0x0", 1 << 64]]}), "no answer for 'zapped'"),
        (answers(**{"kvm-zap-6.4-ept-1-enable": [["0x0"]]}), "a list of 2"),
        (answers(**{"kvm-zap-6.4-ept-1-enable": 5}), "a list"),
        (answers(**{"ept-UC-WC": True}), "no answer for 'type'"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_one_line(value: Any, words: str) -> None:
    with pytest.raises(mt.InputError, match="answers") as caught:
        vectors.judge(value)
    assert words in str(caught.value) and "\n" not in str(caught.value)


# --- the command ------------------------------------------------------------------------------------------------


def test_the_command_judges_a_file(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers(**{"effective-amd-WB-UC": "CD", "effective-amd-WP-WT": "CD"})))
    assert cli.main(["vectors", "--check", str(path)]) == 0
    left = sum(len(section.rows) for section in document()) - 2
    told = f"2 answers to 2 cases (2 of effective): 0 wrong; {left:,} cases not answered\n"
    assert " ".join(capsys.readouterr().out.split()) == told.strip()
    path.write_text(json.dumps(answers(**{"effective-amd-WB-UC": "UC", "effective-amd-WP-WT": "CD"})))
    assert cli.main(["vectors", "--check", str(path)]) == 1
    out = capsys.readouterr().out
    assert "effective-amd: 1 wrong  [APM 2 table 7-11]" in out and "effective-amd-WB-UC: UC, should be CD" in out
    assert cli.main(["vectors", "--check", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    first = ["effective-amd-WB-UC: UC, should be CD"]
    assert found["broken"] == [{"id": "effective-amd", "source": "APM 2 table 7-11", "count": 1, "first": first}]


def test_the_command_refuses_in_one_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no.json"
    path.write_text("{")
    for words in (["--check", str(path)], ["--check", str(tmp_path)], ["--section", "x"], ["--format", "ada"],
                  ["--format", "c", "--json"], ["--format", "c", "--check", "x"]):  # fmt: skip
        assert cli.main(["vectors", *words]) == 2, words
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1


def test_a_changed_cell_changes_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    before = "".join(vectors.text(document(), "c"))
    monkeypatch.setitem(rules.INTEL_MTRR_PAT[MemoryType.WP], MemoryType.UC_MINUS, MemoryType.UC)
    after = "".join(vectors.text(document.__wrapped__(), "c")).splitlines()
    changed = [line for line, old in zip(after, before.splitlines(), strict=True) if line != old]
    named = {line.split(",")[0] for line in changed}
    assert {'{"effective-intel-WP-UC-"', '{"ept-WP-UC-"', '{"museum-bochs-wp-uc-minus"'} <= named
    assert all(word in {"effective", "ept", "museum", "kvm"} for word in (name[2:].partition("-")[0] for name in named))


def test_rows_refer_to_rows() -> None:
    count = len(vectors.section("mtrr").rows)
    for section in document():
        for place, column in enumerate(section.columns):
            if column.kind == ROW:
                assert all(0 <= row[place] < count for row in section.rows)
