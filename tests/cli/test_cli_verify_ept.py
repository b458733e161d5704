"""``memtype verify-ept``: files in, ranges and exit status out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from printed import flat

import memtype as mt
from memtype import cli

STATE = mt.MtrrState(
    0x806, variable=[mt.range_registers(3 << 30, 1 << 30, "UC", 36)], maxphyaddr=36
)  # the hole that a hypervisor forgets


@pytest.fixture
def dump(tmp_path: Path) -> str:
    path = tmp_path / "dump.json"
    path.write_text(str(mt.emit(STATE, "json")))
    return str(path)


def test_what_pages_wrote_is_clean(dump: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("ept.npy", []), ("ept.bin", ["--columns", "3"])):
        file = str(tmp_path / name)
        assert cli.main(["pages", "--leaves", file, dump]) == 0
        assert cli.main(["verify-ept", file, dump, *words]) == 0
        assert capsys.readouterr().out.endswith("64 leaves: every one has the type of its page\n")


def test_a_forgotten_hole_is_told_by_range(dump: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "large.bin"
    entries = np.arange(2048, dtype="<u8") << np.uint64(21) | np.uint64(0xB7)
    entries.tofile(file)
    words = ["verify-ept", str(file), dump, "--columns", "1", "--page", "2M"]
    assert cli.main(words) == 1
    assert flat(capsys.readouterr().out) == (
        "2,048 leaves: 512 wrong [mem 0x00000000c0000000-0x00000000ffffffff] wrong: WB, the MTRRs say UC (512 x 2 MiB)"
    )
    assert cli.main([*words, "--json"]) == 1
    fault = json.loads(capsys.readouterr().out)["faults"][0]
    assert (fault["base"], fault["last"], fault["count"]) == ("0xc0000000", "0xffffffff", 512)
    assert (fault["kind"], fault["found"], fault["wanted"]) == ("wrong", "WB", "UC")


def test_ipat_and_pairs(dump: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pairs.npy"
    np.save(file, np.array([[0x1000, 0x1077], [0x2000, 0], [0x3000, 0x3037]], np.uint64))
    assert cli.main(["verify-ept", str(file), dump]) == 1
    assert "2 leaves (and 1 not present): 1 with IPAT" in capsys.readouterr().out
    assert cli.main(["verify-ept", "--allow-ipat", str(file), dump]) == 0


@pytest.mark.parametrize(
    ("content", "words", "part"),
    [
        (b"garbage", [], "no .npy file; for raw uint64 give --columns"),
        (b"garbage", ["--columns", "1"], "7 bytes are not rows of 1 x 8"),
        (b"\x93NUMPY\x01\x00", [], "ept.x:"),
        (bytes(16), ["--columns", "1", "--base", "0x10"], "ept.x: row 0: gpa 0x10 is not aligned to 4 KiB"),
        (bytes(24), ["--columns", "3"], "level 0"),
        (bytes(24), ["--columns", "3", "--page", "2M"], "--page"),
        (bytes(16), ["--columns", "1", "--base", "0xfffffffff000"], "ept.x:"),
    ],
)
def test_bad_files_are_one_line(
    content: bytes, words: list[str], part: str, dump: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ept.x"
    file.write_bytes(content)
    assert cli.main(["verify-ept", str(file), dump, *words]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_a_missing_file_is_named(dump: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify-ept", "/nowhere/ept.npy", dump]) == 2
    assert "/nowhere/ept.npy: cannot be read" in capsys.readouterr().err
