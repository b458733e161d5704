"""A text of several states: show prints all, diff compares them, every other verb asks which."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from memtype.cli import main

TEXT = """before:
reg00: base=0x00000000 (   0MB), size=1024MB: write-back, count=1
reg01: base=0xd0000000 (3328MB), size= 256MB: write-combining, count=1
after:
reg00: base=0x00000000 (   0MB), size=1024MB: write-back, count=1
reg01: base=0xd0000000 (3328MB), size= 128MB: write-combining, count=1
"""


@pytest.fixture
def dump(tmp_path: Path) -> str:
    path = tmp_path / "two.txt"
    path.write_text(TEXT)
    return str(path)


def test_show_prints_each_state_under_its_name(dump, capsys):
    assert main(["show", dump]) == 0
    first, second = capsys.readouterr().out.split("state 2: after, line 4\n")
    assert first.startswith("state 1: before, line 1\n")
    assert "256 MiB  WC" in first and "256 MiB  WC" not in second and "128 MiB  WC" in second
    assert main(["show", "--json", dump]) == 0
    states = json.loads(capsys.readouterr().out)["states"]
    assert [(state["label"], state["line"]) for state in states] == [("before", 1), ("after", 4)]
    assert [state["variable"][1]["size"] for state in states] == ["0x10000000", "0x8000000"]


def test_diff_of_one_file_compares_its_states(dump, tmp_path, capsys):
    assert main(["diff", dump]) == 1
    out = capsys.readouterr().out
    assert out.startswith("before, line 1 -> after, line 4: ") and "128 MiB  WC -> UC" in out
    alone = tmp_path / "one.txt"
    alone.write_text("".join(TEXT.splitlines(keepends=True)[:3]))
    assert main(["diff", str(alone)]) == 2
    assert "holds one state" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb",
    [
        "at 0xd8000000",
        "check --ram 0xd0000000+256M",
        "want wc --at 0xd8000000",
        "pages",
        "plan",
        "show --emit c",
    ],
)
def test_other_verbs_ask_which(verb, dump, capsys):
    assert main([*verb.split(), dump]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "2 states (1: before, line 1; 2: after, line 4): --state chooses one" in error


def test_the_chosen_state_answers(dump, capsys):
    for number, kind in (("1", "WC"), ("2", "UC")):
        assert main(["at", "0xd8000000", "--state", number, dump]) == 0
        assert capsys.readouterr().out.startswith(f"0xd8000000  {kind}")
    for number in ("0", "3", "-1"):
        assert main(["at", "0xd8000000", "--state", number, dump]) == 2
        assert "has states 1 to 2" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["at 0x40000000", "at 0xd0000000-0xd0ffffff", "at --json 0xd0000000", "check",
                                  "want wc --at 0xd0000000", "pte 0x80000000d000017b", "kvm --kernel 6.4"])  # fmt: skip
def test_an_answer_that_all_states_share_is_an_answer(verb, dump, tmp_path, capsys):
    status = main([*verb.split(), dump])
    answer = capsys.readouterr()
    assert status in (0, 1) and "the same in all 2 states" in answer.err
    for number in "12":
        assert main([*verb.split(), "--state", number, dump]) == status
        assert capsys.readouterr().out == answer.out


def test_a_pipe_of_several_states_is_read_once(dump):
    for words, status in (("at 0x40000000", 0), ("at 0xd8000000", 2)):
        done = subprocess.run([sys.executable, "-m", "memtype", *words.split(), "-"], input=TEXT, text=True,
                              capture_output=True)  # fmt: skip
        assert done.returncode == status, done.stderr
