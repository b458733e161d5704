"""``memtype pages``: counts, splits, entries in a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from printed import flat

import memtype as mt
from memtype import cli

E820 = (
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\nBIOS-e820: [mem 0x100000000-0x31effffff] usable\n"
)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    ranges = [(0, 8 << 30, "WB"), (8 << 30, 4 << 30, "WB"), (12 << 30, 512 << 20, "WB"), (0xE0000000, 512 << 20, "UC")]
    state = mt.MtrrState(
        0xC00, [0x0606060606060606] * 2 + [0] + [0x0505050505050505] * 8,
        [mt.range_registers(*entry, 36) for entry in ranges], maxphyaddr=36,
    )  # fmt: skip
    path = tmp_path / "dump.txt"
    path.write_text(E820 + str(mt.emit(state, "dmesg")))
    return path


def test_the_text_counts_pages_up_to_the_end_of_ram(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pages", str(dump)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("10 x 1G, 1,271 x 2M, 512 x 4K  (instead of 3,272,704 x 4K; tables 24 KiB)\n")
    assert "UC from 0xe0000000, WB before  (PHYSBASE3/PHYSMASK3)" in out
    assert "the top, 0x31f000000, is no multiple of 1G" in out


def test_json_and_a_smaller_top(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pages", "--top", "4G", "--max", "2m", "--json", str(dump)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["counts"] == {"3": 0, "2": 2047, "1": 512}
    assert answer["table_bytes"] == {"ept": 4096 * 7, "x86_64": 4096 * 7}
    place = {"base": "0xe0000000", "size": "0x20000000", "last": "0xffffffff"}
    assert answer["runs"][-1] == {**place, "level": 2, "count": 256, "type": "UC"}
    assert answer["splits"][0]["page"]["base"] == "0x0"
    assert answer["splits"][0]["advice"]


def test_without_e820_the_whole_space_is_mapped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.json"
    path.write_text(str(mt.emit(mt.MtrrState(0x806, maxphyaddr=39), "json")))
    assert cli.main(["pages", str(path)]) == 0
    assert capsys.readouterr().out.startswith("512 x 1G  ")


@pytest.mark.parametrize("name", ["ept.npy", "ept.bin"])
def test_entries_go_to_a_file(name: str, dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / name
    assert cli.main(["pages", "--leaves", str(file), "--ipat", str(dump)]) == 0
    rows = np.load(file) if name.endswith("npy") else np.fromfile(file, "<u8").reshape(-1, 3)
    assert rows.shape == (10 + 1271 + 512, 3)
    state = mt.load(dump).mtrrs
    assert state is not None
    assert (rows == mt.pages(state, 0x31F000000).leaves(ipat=True)).all()


def test_holey_masks_print_a_bounded_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "holey.json"
    path.write_text(str(mt.emit(mt.MtrrState(0x806, variable=[(0x1000, 0x1800)], maxphyaddr=52), "json")))
    assert cli.main(["pages", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1,099,511,627,776 x 4K")
    assert "and 1,099,511,627,264 more runs" in out
    assert len(out.splitlines()) < 1200


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--max", "3M"], "--max 3M"),
        (["--top", "0"], "top = 0x0"),
        (["--top", "1T"], "top = 0x10000000000"),
        (["--leaves", "/nowhere/ept.npy"], "/nowhere/ept.npy: cannot be written"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], part: str, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pages", *words, str(dump)]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_an_undefined_type_writes_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [mt.range_registers(0, 1 << 30, kind, 36) for kind in ("WC", "WB")]
    path, file = tmp_path / "s.json", tmp_path / "ept.bin"
    path.write_text(str(mt.emit(mt.MtrrState(0x800, variable=pairs, maxphyaddr=36), "json")))
    assert cli.main(["pages", "--leaves", str(file), str(path)]) == 2
    assert "no EPT leaf can hold that" in capsys.readouterr().err
    assert not file.exists()


PROC_MTRR = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n"


def test_fixed_ranges_that_are_not_told_leave_the_first_mib_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, file = tmp_path / "mtrr", tmp_path / "ept.npy"
    path.write_text(PROC_MTRR)
    assert cli.main(["pages", "--top", "4G", str(path)]) == 0
    out = capsys.readouterr().out
    assert "(assumed: default type WB" in flat(out)
    assert "[mem 0x0000000000000000-0x00000000000fffff]  256 x 4K  ?" in out
    assert cli.main(["pages", "--top", "4G", "--leaves", str(file), str(path)]) == 2
    assert "0x0-0xfffff is ?: no EPT leaf can hold that" in capsys.readouterr().err
    np.save(file, np.array([[0x1000, 0x1007], [1 << 31, (1 << 31) | 7], [3 << 30, 3 << 30 | 0x37]], np.uint64))
    assert cli.main(["verify-ept", str(file), str(path)]) == 1
    out = capsys.readouterr().out
    assert flat(out).startswith("3 leaves (and 1 whose type is not told): 1 wrong (assumed: default type WB")
    assert "[mem 0x00000000c0000000-0x00000000c0000fff] wrong: WB, the MTRRs say UC" in out
