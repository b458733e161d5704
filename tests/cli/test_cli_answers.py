"""How answers are put: headline first, a block for each deciding piece, a warning where an end is misread."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from printed import flat

import memtype as mt
from memtype import cli


@pytest.fixture
def dump(tmp_path: Path) -> str:
    ranges = [(0, 2 << 30, "WB"), (2 << 30, 1 << 30, "WB"), (0x7FF00000, 1 << 20, "UC"), (0xC0000000, 1 << 28, "UC")]
    state = mt.MtrrState(
        0xC00, [0x0606060606060606] * 11, [mt.range_registers(*entry, 36) for entry in ranges], maxphyaddr=36
    )
    path = tmp_path / "dump.json"
    path.write_text(str(mt.emit(state, "json")))
    return str(path)


def test_why_of_a_range_has_a_block_for_each_deciding_piece(dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["at", "0x7fe00000-0x803fffff", "--why", dump]) == 0
    out = capsys.readouterr().out
    blocks = [line.strip() for line in out.splitlines() if line.startswith("  [mem") and line.endswith(":")]
    assert blocks == [
        "[mem 0x000000007fe00000-0x000000007fefffff] WB:",
        "[mem 0x000000007ff00000-0x000000007fffffff] UC:",
        "[mem 0x0000000080000000-0x00000000803fffff] WB:",
    ]
    assert cli.main(["at", "0x40000000-0xbfffffff", "--why", "--json", dump]) == 0
    answer = json.loads(capsys.readouterr().out)["answers"][0]
    assert [(p["base"], p["last"], p["type"]) for p in answer["pieces"]] == [
        ("0x40000000", "0x7fefffff", "WB"),
        ("0x7ff00000", "0x7fffffff", "UC"),
        ("0x80000000", "0xbfffffff", "WB"),
    ]
    assert all(piece["why"] and piece["registers"] for piece in answer["pieces"])
    assert cli.main(["at", "0xc0000000-0xdfffffff", "--why", dump]) == 0
    out = capsys.readouterr().out  # one type, two reasons: a register, then the default type
    assert "[mem 0x00000000c0000000-0x00000000cfffffff] UC:" in out
    assert "[mem 0x00000000d0000000-0x00000000dfffffff] UC:" in out


def test_a_piece_is_not_cut_where_the_same_registers_decide(dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["at", "1G+64M", "--why", dump]) == 0
    assert "[mem" in (out := capsys.readouterr().out)
    assert out.count("PHYSBASE0") == 1


@pytest.mark.parametrize(
    ("word", "warned"),
    [("0xc0000000-0xd0000000", True), ("0xc0000000-0xcfffffff", False), ("0xc0000000+256M", False),
     ("0xc0000000-0xc0000000", False), ("3G-4G", True)],
)  # fmt: skip
def test_a_round_end_is_warned_about(word: str, warned: bool, dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["at", word, dump]) == 0
    error = capsys.readouterr().err
    assert ("the last byte counts" in error) is warned
    if word.endswith("0xd0000000"):
        assert "note: 0xc0000000-0xd0000000: the last byte counts; 0xcfffffff leaves 0xd0000000 out\n" in error


@pytest.mark.parametrize(
    ("words", "head", "status"),
    [
        (["wc", "--at", "0xc0000000", "--pat", "linux"], "WC at 0xc0000000: reachable as things are: PAT entry 1", 0),
        (["wc", "--at", "0xc0000000", "--pat", "reset"],
         "WC at 0xc0000000: reachable after a change of the PAT: entry 4 set to WC", 0),
        (["wb", "--at", "0xc0000000"], "WB at 0xc0000000: impossible", 1),
    ],
)  # fmt: skip
def test_want_says_first_whether_and_after_which_change(
    words: list[str], head: str, status: int, dump: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["want", *words, dump]) == status
    out = capsys.readouterr().out
    assert out.splitlines()[0] == head
    change = "reachable after a change of the MTRRs: WB at 0xc0000000 (memtype plan --set RANGE=TYPE)"
    assert (change in flat(out)) is (status == 1)


def test_want_names_mtrr_types_only_where_they_play_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["want", "wb", "--ept", "wc"]) == 1
    assert "change of the MTRRs" not in capsys.readouterr().out
