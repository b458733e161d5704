"""docs/vectors.md and docs/trust.md: their commands run, their answers are right, the files they name are there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT

from memtype import cli, vectors

PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("vectors", "trust")}
COMMANDS = [line.partition("#")[0].strip() for line in re.findall(r"^    (memtype .+)$", PAGES["vectors"], re.M)]


@pytest.mark.parametrize("command", [line for line in COMMANDS if "--check" not in line])
def test_commands_run(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command.partition(">")[0])
    assert cli.main(words[1:]) == 0
    assert len(capsys.readouterr().out) > 1000


def test_the_answers_on_the_page_are_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sample,) = re.findall(r"```json\n(.+?)```", PAGES["vectors"], re.S)
    found = vectors.judge(json.loads(sample))
    assert found.answers == 7 and not found.wrong
    path = tmp_path / "answers.json"
    path.write_text(sample)
    assert cli.main(["vectors", "--check", str(path)]) == 0
    assert ": 0 wrong; " in capsys.readouterr().out


def test_the_sections_on_the_page_are_all_there_are() -> None:
    table = PAGES["vectors"].split("| section | asks |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {section.name for section in vectors.document()}


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = set(re.findall(r"(?:tests|csrc|memtype|\.ci)/[\w./]+\w", PAGES[page]))
    assert named and all((ROOT / path).exists() for path in named), named
