"""``memtype classify``: arguments, text, JSON, exit statuses, progress."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from tables import AMD, STATE, table, types_in, write

import memtype as mt
from memtype import cli
from memtype.cli.classify import Meter

pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.json").write_text(mt.emit(STATE, "json"))
    (tmp_path / "amd.json").write_text(mt.emit(AMD, "json"))
    (tmp_path / "open.txt").write_text("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n")
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "a.json").write_text(mt.emit(STATE, "json"))
    (tmp_path / "states" / "b.txt").write_text(mt.emit(AMD, "json"))
    write(table(3000), tmp_path / "in.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())


def ask(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    status = cli.main(["classify", *line.split()])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_counts_as_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "s.json in.parquet")
    codes = STATE.types(table(3000)["gpa"].to_numpy())
    assert status == 0 and out.splitlines()[0] == "3,000 rows"
    shown = {line.split()[0]: int(line.split()[1].replace(",", "")) for line in out.splitlines()[1:]}
    assert shown == {str(kind): int((codes == kind).sum()) for kind in mt.MemoryType if (codes == kind).any()}
    status, out, _ = ask(capsys, "s.json in.parquet --json --by host")
    told = json.loads(out)
    assert (told["rows"], told["counts"]) == (3000, shown) and [one["group"] for one in told["groups"]] == [*"abc"]
    status, out, _ = ask(capsys, "s.json in.parquet --by host")
    assert [line.split()[0] for line in out.splitlines()] == ["3,000", "host", "a", "b", "c"]


def test_output_kept_columns_and_names(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "s.json in.parquet -o o.parquet --keep gpa,host --names")
    assert status == 0 and out.startswith("3,000 rows, types in o.parquet\n")
    assert types_in(Path("o.parquet")) == mt.names(STATE.types(table(3000)["gpa"].to_numpy())).tolist()


def test_each_host_under_its_own_dump(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = ask(capsys, "in.parquet --by host --states states")
    assert status == 0 and "note: no dump of c (1 in all): their rows are ?" in err and "?" in out.splitlines()[1]
    status, out, err = ask(capsys, "amd.json in.parquet --by host --states states --json")
    groups = {one["group"]: one["counts"] for one in json.loads(out)["groups"]}
    assert "?" not in groups["c"] and any("amd.json answers for them" in note for note in json.loads(out)["notes"])


def test_what_the_dump_leaves_open_and_what_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "open.txt --range 0+4G --strict")
    assert status == 0 and out.splitlines()[1:] == ["UC  524,288  50.00%", "?   524,288  50.00%"]
    _, out, _ = ask(capsys, "open.txt --range 0+4G --assume default=WB --json")
    assert json.loads(out)["counts"].get("WB", 0) > 0
    _, out, _ = ask(capsys, "open.txt --range 0+4G --json")
    told = mt.load("open.txt").registers
    assert told is not None and len(json.loads(out)["assumed"]) == len(told.assumptions)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("s.json", "STATE, then files of addresses, or --range"),
        ("s.json in.parquet --range 0+4G", "--range stands instead of files"),
        ("s.json none.parquet", "none.parquet: cannot be read"),
        ("none.txt in.parquet", "none.txt"),
        ("in.parquet in.parquet", "in.parquet"),
        ("s.json in.parquet --pte pte", "s.json: the PAT is not told; --pat"),
        ("in.parquet --states states", "--states: --by names the column"),
        ("in.parquet --by host --states none", "none: cannot be read"),
        ("s.json --range 0x3ffffffff000+8K", "0x400000000000 is not below 2**46 (MAXPHYADDR = 46) (MAXPHYADDR told"),
        ("s.json in.parquet -o o.txt", "o.txt: the name of the output says its kind"),
        ("s.json in.parquet --column nope", "in.parquet: no column 'nope'"),
        ("s.json --range 0-0xffffffffffffffff", "not within 52 bits"),
        ("s.json in.parquet --page 8K", "--page"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_2(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    status, out, err = ask(capsys, line)
    assert (status, out) == (2, "") and words in err
    assert err.count("\n") == 1 and "Traceback" not in err
    assert sorted(Path().rglob("*")) == before


def test_one_host_with_two_dumps(capsys: pytest.CaptureFixture[str]) -> None:
    Path("states/a.txt").write_text("x")
    status, _, err = ask(capsys, "in.parquet --by host --states states")
    assert status == 2 and "a.json and a.txt are both of 'a'" in err


def test_beyond_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "s.json --range 0x3ffffffff000+8K --beyond null")
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == ["2", "WB", "beyond"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("looked_at", [True, False])
def test_progress_only_where_somebody_looks_and_waits(looked_at: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Terminal() if looked_at else io.StringIO()
    monkeypatch.setattr("sys.stderr", seen)
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with Meter() as meter:
        for clock[0], done in ((0.0, 10**6), (1.9, 2 * 10**6), (2.0, 5 * 10**6), (2.1, 6 * 10**6), (4.0, 9 * 10**6)):
            meter(done, 10**7)
    shown = [text.removesuffix("\x1b[K") for text in seen.getvalue().split("\r")[1:]]
    wanted = ["5,000,000 of 10,000,000 (50%) rows, 2.0 M rows/s, 2 s left",
              "9,000,000 of 10,000,000 (90%) rows, 2.0 M rows/s, 0 s left", ""]  # fmt: skip
    assert shown == (wanted if looked_at else [])
