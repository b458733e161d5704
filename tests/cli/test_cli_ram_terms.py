"""diff and check in terms of RAM, of identical processors, and in the forms of other tools."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from printed import flat

import memtype as mt
from memtype import cli
from memtype.analysis import ram

WB, UC = mt.range_registers(0, 4 << 30, "WB", 36), mt.range_registers(3 << 30, 1 << 30, "UC", 36)
SECOND = mt.range_registers(1 << 30, 1 << 30, "WB", 36)
LOW = mt.range_registers(1 << 30, 1 << 30, "UC", 36)
E820 = "BIOS-e820: [mem 0x0000000000100000-0x000000007fefffff] usable\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(name: str, *pairs: tuple[int, int], e820: str = E820) -> str:
        state = mt.MtrrState(0xC00, [0x0606060606060606] * 11, pairs, maxphyaddr=36)
        path = tmp_path / name
        path.write_text(e820 + str(mt.emit(state, "dmesg")))
        return str(path)

    return written


def test_diff_tells_ram_from_the_rest_and_the_total_last(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write("a", WB), write("b", WB, LOW)
    assert cli.main(["diff", first, second]) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ") and ":" in line]
    assert lines[-3:] == [
        ["RAM:", "1023", "MiB", "WB", "->", "UC"], ["no", "RAM:", "1", "MiB", "WB", "->", "UC"],
        ["total:", "1", "GiB"]]  # fmt: skip
    assert cli.main(["diff", "--json", first, second]) == 1
    totals = json.loads(capsys.readouterr().out)["comparisons"][0]["totals"]
    assert totals == [{"old": "WB", "new": "UC", "ram": 1023 << 20, "rest": 1 << 20}]


def test_ram_maps_that_differ_are_noted(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write("a", WB), write("b", WB, LOW, e820=E820.replace("7fefffff", "6fffffff"))
    assert cli.main(["diff", first, second]) == 1
    assert f"the dumps list different RAM: sizes are told of what {first} lists" in flat(capsys.readouterr().err)
    assert cli.main(["diff", first, write("c", WB, LOW)]) == 1
    assert "list different RAM" not in flat(capsys.readouterr().err)


def test_memory_stands_in_for_a_ram_map(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write("a", WB, e820=""), write("b", WB, LOW, e820="")
    assert cli.main(["diff", first, second]) == 1
    assert "RAM" not in capsys.readouterr().out
    assert cli.main(["diff", "--memory", "1536M", first, second]) == 1
    assert "RAM:     512 MiB  WB -> UC" in capsys.readouterr().out


def test_registers_in_another_order_are_order_only(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", write("a", WB, UC, (0, 0)), write("b", (0, 0), UC, WB)]) == 0
    assert "(order only), memory map identical" in flat(capsys.readouterr().out)
    assert cli.main(["diff", write("a", WB, UC), write("b", WB, UC, UC)]) == 0
    assert "order only" not in flat(capsys.readouterr().out)


def test_what_a_disabled_pair_held_is_no_difference_of_order(tmp_path: Path) -> None:
    junk = WB[0], WB[1] & ~0x800
    states = [mt.MtrrState(0x800, variable=pairs, maxphyaddr=36) for pairs in ((UC, junk), (UC, (0, 0)), (junk, UC))]
    assert not mt.diff(states[0], states[1]).order_only
    assert mt.diff(states[0], states[2]).order_only
    assert not mt.diff(states[0], replace(states[2], def_type=0xC00)).order_only
    assert not mt.diff(states[0], states[0]).order_only


def test_order_is_not_told_of_where_a_range_is_not_told() -> None:
    lines = "base 000000000 mask F00000000 write-back", "base 0C0000000 mask FC0000000 uncachable"
    for lost, told in (
        ("  2 base 0E0#00000 mask FE0000000 uncachable\n", False),
        ("".join(f"  {n} disabled\n" for n in range(2, 8)) + "next line of the log\n", True),
    ):
        logs = [
            f"MTRR default type: uncachable\nMTRR variable ranges enabled:\n  0 {first}\n  1 {second}\n{lost}"
            for first, second in permutations(lines)
        ]
        assert mt.diff(*map(mt.parse, logs)).order_only is told


def test_a_log_that_tells_a_bit_of_a_register_is_compared_by_it(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", write("a", WB, UC), write("b", WB, (0, 0))]) == 1
    out = flat(capsys.readouterr().out)
    assert "registers differ in 1 place, memory map differs in 1 segment" in out
    assert "IA32_MTRR_PHYSMASK1 0x0000000fc0000800 -> off" in out
    assert cli.main(["diff", "--json", write("a", WB, UC), write("b", WB, (0, 0))]) == 1
    (register,) = json.loads(capsys.readouterr().out)["comparisons"][0]["registers"]
    assert (register["new"], register["new_known"]) == ("0x0000000000000000", "0x0000000000000800")
    assert "old_known" not in register


def test_totals_of_what_holey_masks_repeat_count_every_page(tmp_path: Path) -> None:
    holey = mt.MtrrState(0x806, variable=[(0x1000, 0x1555_5555_5800)], maxphyaddr=46)
    plain = mt.MtrrState(0x806, maxphyaddr=46)
    changes = mt.diff(plain, holey).changes
    assert len(changes) > 65536
    pages = changes.pages(0, 1 << 12)
    assert pages == {(mt.MemoryType.WB, mt.MemoryType.UC): sum(holey.at(n << 12) == 0 for n in range(1 << 12))}


def test_identical_processors_are_named_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    states = [mt.MtrrState(0x800, variable=pairs, maxphyaddr=36) for pairs in ((WB, UC), (WB, UC), (WB,), (WB, UC))]
    path = tmp_path / "cpus.json"
    path.write_text(str(mt.emit(mt.Machine(tuple(mt.Cpu(n, s) for n, s in enumerate(states))), "json")))
    assert cli.main(["diff", "--cpus", str(path)]) == 1
    assert capsys.readouterr().out.startswith("2 groups of identical processors: CPU 0-1,3; CPU 2\n")
    assert cli.main(["diff", "--cpus", "--json", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["groups"] == [[0, 1, 3], [2]]


def test_bytes_in_ram_against_a_look_at_every_byte() -> None:
    rng = random.Random(4)
    for _ in range(100):
        spans = [(rng.randrange(40), rng.randrange(1, 12)) for _ in range(rng.randrange(5))]
        base, size = rng.randrange(40), rng.randrange(1, 30)
        held = {byte for first, length in spans for byte in range(first, first + length)}
        assert ram.bytes_in(base, size, ram.joined(spans)) == len(held & set(range(base, base + size)))


def test_check_reads_a_layout_and_prints_the_forms_of_other_tools(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump, layout = write("a", WB, LOW, e820=""), tmp_path / "layout.json"
    layout.write_text(json.dumps({"ram": ["1M-0x7fffffff"], "mmio": [{"base": "0xfee00000", "size": 4096}]}))
    words = ["check", "--layout", str(layout), dump]
    assert cli.main(words) == 1
    out = capsys.readouterr().out
    assert "[mem 0x0000000040000000-0x000000007fffffff] RAM is UC" in out
    assert "[mem 0x00000000fee00000-0x00000000fee00fff] device registers are WB" in out
    lines = [line.split() for line in out.splitlines()[-4:]]
    assert lines == [["RAM:", "1023", "MiB", "WB"], ["RAM:", "1", "GiB", "UC"], ["total:", "1.999", "GiB"],
                     ["2", "findings"]]  # fmt: skip
    assert cli.main([*words, "--format", "json"]) == 1
    plain = json.loads(capsys.readouterr().out)["findings"]
    assert cli.main([*words, "--format", "sarif"]) == 1
    run = json.loads(capsys.readouterr().out)["runs"][0]
    assert [result["ruleId"] for result in run["results"]] == [finding["id"] for finding in plain]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {finding["id"] for finding in plain}
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["address"] == {"absoluteAddress": 0xFEE00000, "length": 4096}
    assert cli.main([*words, "--format", "junit"]) == 1
    suite = ElementTree.fromstring(capsys.readouterr().out.encode())
    failed = [case for case in suite if case.find("failure") is not None]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(plain)), str(len(failed)))
    assert [case.get("classname") for case in suite] == [finding["id"] for finding in plain]


def test_nothing_wrong_is_a_passed_test(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    dump = write("a", WB)
    assert cli.main(["check", "--format", "junit", dump]) == 0
    suite = ElementTree.fromstring(capsys.readouterr().out.encode())
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    assert cli.main(["check", "--format", "sarif", dump]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "no JSON"), ("[]", "a layout is"), ('{"rom": []}', "'rom' is neither ram nor mmio"),
        ('{"ram": [3]}', "ram[0] = 3"), ('{"ram": [{"base": true, "size": 1}]}', "ram[0]: True is no number"),
        ('{"mmio": ["x"]}', "mmio[0]: 'x'"), ("[" * 100_000, "no JSON"),
    ],
)  # fmt: skip
def test_bad_layouts_are_one_line(
    text: str, part: str, write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = tmp_path / "layout.json"
    layout.write_text(text)
    assert cli.main(["check", "--layout", str(layout), write("a", WB)]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_zap_tells_ram_from_the_rest_and_the_total_last(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["zap", "--kernel", "6.8", "--ncdma", "--event", "mtrr:reg0=off", write("a", SECOND)]
    assert cli.main(words) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
    change = ["WB", "IPAT=0", "->", "UC", "IPAT=0"]
    assert lines == [["RAM:", "1023", "MiB", *change], ["no", "RAM:", "1", "MiB", *change], ["total:", "1", "GiB"]]
    assert cli.main([*words, "--memory", "1G+16M", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"] == [{"change": " ".join(change), "ram": 16 << 20, "rest": 0}]
    assert cli.main([*words, "--vcpus", "2"]) == 0  # one of them changes
    assert ["RAM:", "1023", "MiB", "changes"] in [line.split() for line in capsys.readouterr().out.splitlines()]
