"""How answers are put: headline first, a block for each deciding piece, a warning where an end is misread."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert (change in out) is (status == 1)


def test_want_names_mtrr_types_only_where_they_play_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["want", "wb", "--ept", "wc"]) == 1
    assert "change of the MTRRs" not in capsys.readouterr().out
