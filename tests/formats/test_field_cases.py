"""Texts from the field, each with a question and what is right: `../shared/corpus/field/cases.json` as tests.

`CHECKS` has a function for each case, with our reading of its `right`. One without a function is skipped by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest
from conftest import SHARED
from printed import flat

import memtype as mt
from memtype.cli import main

FILE = SHARED / "corpus" / "field" / "cases.json"
CASES = {case["id"]: case for case in json.loads(FILE.read_text())} if FILE.is_file() else {}


class Case(NamedTuple):
    """A case with the means to ask: the machine, and the command line (status, stdout, stderr)."""

    text: str
    run: Callable[..., tuple[int, str, str]]

    @property
    def machine(self) -> mt.Machine:
        return mt.parse(self.text, "case")

    def at(self, *addresses: int) -> list[str]:
        return [str(self.machine.at(address).type) for address in addresses]


def lone_def_type(case: Case) -> None:
    status, out, _ = case.run("at", "4G")
    assert status == 0 and out.startswith("0x100000000 ? (") and "no variable range is told" in out
    assert case.at(0, 1 << 32, (1 << 46) - 1) == ["?"] * 3
    assert "64 TiB UC" not in case.run("show")[1]


def cut_after_fixed(case: Case) -> None:
    status, out, err = case.run("show")
    assert status == 0 and "default WB" in out and "no MTRR lines" not in err
    assert case.at(0, 0x9FFFF, 0xA0000, 1 << 20, 1 << 32) == ["WB", "WB", "?", "?", "?"]


def map_count_only(case: Case) -> None:
    status, out, _ = case.run("show")
    assert status == 0 and "2 fixed + 0 variable" in out and "PAT [0-7]: WB WC" in out
    assert "which one is not told" in out
    assert "(dmesg; cat /proc/mtrr) | memtype" in out


def x86info_one_fixed_missing(case: Case) -> None:
    assert case.at(0xA0000, 0xBFFFF, 0xC0000, 0xC7FFF, 0xC8000, 1 << 20) == ["UC", "UC", "?", "?", "WP", "WB"]
    assert case.machine.at(0xC0000).missing[0].startswith("IA32_MTRR_FIX4K_C0000")


def x86info_no_values(case: Case) -> None:
    status, _, err = case.run("show")
    assert status == 2 and "names of registers without their values" in err


def reserved_never_printed(case: Case) -> None:
    status, out, _ = case.run("check")
    assert status == 0 and "0x0202" not in out and "reserved" not in out


def wp_only_all_uc(case: Case) -> None:
    status, out, _ = case.run("check")
    assert status == 1 and "0x17fffffff" in out and "UC" in out


def grep_mtrr_only(case: Case) -> None:
    status, out, _ = case.run("check")
    assert status == 1 and "27531 MiB" in out and "different (variable)" in out and "2 findings" in out


def width_lscpu(case: Case) -> None:
    assert case.at(0, 0x40000000, 0x100000000, 0x13FFFFFFF) == ["WB", "UC", "WB", "WB"]
    assert case.machine.registers.held[0x201].value == 0xC0000800
    plain = case.text.replace("Address sizes: 36 bits physical, 48 bits virtual", "physical address bits: 36")
    assert mt.parse(plain).map == case.machine.map
    assert "0x00000000c0000800" in case.run("show", "--emit", "wrmsr")[1]


def width_reserved_bits(case: Case) -> None:
    status, out, _ = case.run("check")
    assert status == 1 and "IA32_MTRR_PHYSMASK0 = 0x3ff80000800: reserved bit 39 set (MAXPHYADDR = 39)" in out
    plain = case.text.replace(
        "Address sizes: 39 bits physical, 48 bits virtual", "maximum physical address bits = 0x27 (39)"
    )
    assert [str(f) for f in mt.check(mt.parse(plain))] == [str(f) for f in mt.check(case.machine)]


def tme_activate(case: Case) -> None:
    status, _, err = case.run("at", "0x10000000000")
    assert status == 2 and "less 6 for KeyIDs" in err
    assert case.machine.maxphyaddr == 40
    told = [(s.base, s.size, str(s.type)) for s in case.machine.map if str(s.type) == "WB"]
    assert told == [(0, 2 << 30, "WB")]


def proc_mtrr_impossible_size(case: Case) -> None:
    _, out, err = case.run("show", "--raw")
    assert case.machine.maxphyaddr == 36 and case.at(0x3FFFFFFF, 0x40000000) == ["WB", "UC"]
    assert "0x6/0xfc0000800" in out and "a kernel that assumed 40 address bits" in err


def amd_reserved_fixed(case: Case) -> None:
    status, out, _ = case.run("check")
    assert status == 1 and "0x0d" in out and "0x16" in out and "2 findings" in out


def br_one_line(case: Case) -> None:
    assert case.at(0x10000000, 0xBFFFFFFF, 0xC0000000) == ["WB", "WB", "UC"]


def wb_at_0(case: Case) -> None:
    status, out, err = case.run("at", "0")
    assert status == 0 and "WB" in out and "mtrr=debug" not in out + err
    assert case.at(0) == ["WB"]


def initials_quote(case: Case) -> None:
    assert case.machine.registers.listed == 2 and case.at(0, 0xE0000000) == ["WB", "WC"]


def comment_prefix(case: Case) -> None:
    for mark in ("// ", "# ", "* ", "- ", "1. "):
        assert str(mt.parse(case.text.replace("// ", mark)).at(0x80000000).type) == "WB"


def bullets_backticks(case: Case) -> None:
    assert case.at(0xF8000000) == ["UC"] and case.machine.registers.held[0x201].value == 0x3FFFFC000800


def unindexed_pairs(case: Case) -> None:
    assert case.at(1 << 20) in (["WB"], ["?"])


def quoted_printable(case: Case) -> None:
    machine = case.machine
    assert machine.e820[0].kind == "usable" and str(machine.pat) == "WB WC UC- UC WB WP UC- WT"
    assert machine.registers.pair(0)[1].value == 0xFC0000800


def before_and_after(case: Case) -> None:
    status, out, _ = case.run("show")
    assert status == 0 and "state 1: before, line 1" in out and "state 2: after, line 4" in out
    assert [state.registers.listed for state in case.machine.states] == [2, 3]
    status, out, _ = case.run("diff")
    assert status == 1 and "0xe8000000" in out.replace("0x00000000e8000000", "0xe8000000")
    status, _, err = case.run("at", "0xe8000000")
    assert status == 2 and "--state" in err
    assert case.run("at", "0xe8000000", "--state", "2")[1].split()[1] == "WC"


def diff_of_msrs(case: Case) -> None:
    assert [str(state.at(1 << 32).type) for state in case.machine.states] == ["WB", "UC"]
    assert case.run("check", "--state", "3")[0] == 2


CHECKS: dict[str, Callable[[Case], None]] = {
    "br-one-line": br_one_line,
    "br-all-lines": wb_at_0,
    "quoted-json-lines": wb_at_0,
    "initials-quote": initials_quote,
    "comment-prefix": comment_prefix,
    "bullets-backticks": bullets_backticks,
    "unindexed-pairs": unindexed_pairs,
    "markdown-table": wb_at_0,
    "quoted-printable": quoted_printable,
    "before-and-after": before_and_after,
    "diff-of-msrs": diff_of_msrs,
    "lone-def-type": lone_def_type,
    "cut-after-fixed": cut_after_fixed,
    "map-count-only": map_count_only,
    "x86info-one-fixed-missing": x86info_one_fixed_missing,
    "x86info-no-values": x86info_no_values,
    "reserved-never-printed": reserved_never_printed,
    "wp-only-all-uc": wp_only_all_uc,
    "grep-mtrr-only": grep_mtrr_only,
    "width-lscpu": width_lscpu,
    "width-reserved-bits": width_reserved_bits,
    "tme-activate": tme_activate,
    "proc-mtrr-impossible-size": proc_mtrr_impossible_size,
    "amd-reserved-fixed": amd_reserved_fixed,
}


@pytest.mark.skipif(not CASES, reason="no ../shared/corpus")
@pytest.mark.parametrize("name", CHECKS)
def test_case(name, tmp_path, capsys):
    path = tmp_path / "case.txt"
    path.write_text(CASES[name]["input"])

    def run(verb: str, *words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([verb, *words, str(path)])
        printed = capsys.readouterr()
        return status, flat(printed.out), printed.err

    CHECKS[name](Case(CASES[name]["input"], run))


@pytest.mark.skipif(not CASES, reason="no ../shared/corpus")
def test_every_kind_of_ours_has_its_check():
    ours = {
        name
        for name, case in CASES.items()
        if case["kind"] in ("not told", "width", "check", "lint", "register line lost", "two states")
    }
    assert ours <= CHECKS.keys()
