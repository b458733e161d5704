"""A job that was killed goes on where it was, to the same bytes; parts of another job are not touched."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tables import STATE, table, write

import memtype as mt
from memtype import scale
from memtype.scale import files
from memtype.scale.parts import Parts
from memtype.scale.question import Question

pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")

ROWS, BATCHES = 12_000, 48  # in units of 1,000 rows, each of four batches

KILLED = """
import os, signal, sys
import memtype as mt
from memtype import scale
from memtype.scale import files
from memtype.scale.question import Question

files.BATCH, files.UNIT = 250, 1000
answer, asked = Question.answer, []


def dying(self, batch):
    asked.append(batch)
    if len(asked) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(self, batch)


Question.answer = dying
scale.classify(sys.argv[1], mt.load(sys.argv[4]).mtrrs, sys.argv[2], keep=["gpa"], by="host")
"""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BATCH", 250)
    monkeypatch.setattr(files, "UNIT", 1000)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every batch that is answered."""
    answer, seen = Question.answer, []

    def counted(self: Question, batch: Any) -> Any:
        seen.append(batch)
        return answer(self, batch)

    monkeypatch.setattr(Question, "answer", counted)
    return seen


def killed(path: Path, out: Path, at: int) -> None:
    """A run that was killed at its `at`-th batch."""
    state = path.with_name("state.json")
    state.write_text(mt.emit(STATE, "json"))
    command = [sys.executable, "-c", KILLED, path, out, at, state]
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def interrupted(path: Path, out: Path) -> None:
    """A run that was interrupted at half."""

    def stop(done: int, rows: int) -> None:
        if done * 2 >= rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scale.classify(path, STATE, out, keep=["gpa"], by="host", progress=stop)
    assert len(list(Parts(str(out)).folder.glob("[0-9]*.json"))) == 6


@pytest.mark.parametrize(("kind", "out", "at"), [("parquet", "o.parquet", 2), ("arrow", "o.arrow", BATCHES // 2),
                                                 ("parquet", "o.csv", BATCHES)])  # fmt: skip
def test_killed_and_resumed_is_byte_identical(kind: str, out: str, at: int, tmp_path: Path, batches: list[Any]) -> None:
    path = write(table(ROWS), tmp_path / f"in.{kind}", 500)
    whole = scale.classify(path, STATE, tmp_path / f"whole-{out}", keep=["gpa"], by="host")
    killed(path, tmp_path / out, at)
    assert not (tmp_path / out).exists()
    finished = len(list(Parts(str(tmp_path / out)).folder.glob("[0-9]*.json")))
    assert finished == (at - 1) // 4
    del batches[:]
    found = scale.classify(path, STATE, tmp_path / out, keep=["gpa"], by="host")
    assert len(batches) == BATCHES - 4 * finished
    assert (tmp_path / out).read_bytes() == (tmp_path / f"whole-{out}").read_bytes()
    assert (found.counts, found.groups) == (whole.counts, whole.groups)
    left = {"in." + kind, out, f"whole-{out}", "state.json"}
    assert {file.name for file in tmp_path.iterdir()} == left


def test_another_question_or_another_input_does_not_go_on_with_these_parts(tmp_path: Path) -> None:
    path, out = write(table(ROWS), tmp_path / "in.parquet", 500), tmp_path / "o.parquet"
    interrupted(path, out)
    before = sorted(Parts(str(out)).folder.iterdir())
    with pytest.raises(mt.InputError, match=r"holds parts of another job \(other columns\): --restart"):
        scale.classify(path, STATE, out, by="host")
    other = mt.MtrrState(0xC00, maxphyaddr=46)
    with pytest.raises(mt.InputError, match="other question"):
        scale.classify(path, other, out, keep=["gpa"], by="host")
    write(table(ROWS, seed=9), path)
    with pytest.raises(mt.InputError, match="other inputs"):
        scale.classify(path, STATE, out, keep=["gpa"], by="host")
    assert sorted(Parts(str(out)).folder.iterdir()) == before and not out.exists()
    scale.classify(path, STATE, out, keep=["gpa"], by="host", restart=True)
    assert out.exists() and not Parts(str(out)).folder.exists()


def test_parts_that_are_no_json_are_of_no_job(tmp_path: Path) -> None:
    path, out = write(table(10), tmp_path / "in.parquet"), tmp_path / "o.parquet"
    Parts(str(out)).folder.mkdir()
    (Parts(str(out)).folder / "job.json").write_text("[]")
    with pytest.raises(mt.InputError, match="parts of another job"):
        scale.classify(path, STATE, out)


def test_two_at_once_on_one_output(tmp_path: Path) -> None:
    path, out = write(table(3000), tmp_path / "in.parquet"), tmp_path / "o.parquet"

    def again(done: int, rows: int) -> None:
        with pytest.raises(mt.InputError, match="another process is writing it"):
            scale.classify(path, STATE, out)

    scale.classify(path, STATE, out, progress=again)
    assert {file.name for file in tmp_path.iterdir()} == {"in.parquet", "o.parquet"}


def test_what_stood_there_stays_until_the_new_file_is_whole(tmp_path: Path) -> None:
    path, out = write(table(3000), tmp_path / "in.parquet"), tmp_path / "o.parquet"
    out.write_text("as it was")
    seen: list[str] = []
    scale.classify(path, STATE, out, progress=lambda done, rows: seen.append(out.read_text()))
    assert seen == ["as it was"] * 3
    assert out.read_bytes()[:4] == b"PAR1"
    out.write_text("as it was")
    with pytest.raises(mt.AddressError):
        scale.classify(path, mt.MtrrState(0x806, maxphyaddr=32), out)
    assert out.read_text() == "as it was"
