"""The documentation's commands and Python run as written; its pages are in the navigation, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import memtype as mt
from memtype import cli
from memtype.host.sample_machine import TEXT

DOCS = ROOT / "docs"
PAGES = ("index.md", "tutorial.md", "cookbook.md")
COMMANDS = sorted(
    {
        command
        for page in PAGES
        for pattern in (r"`(memtype [^`>]+)`", r"^    (memtype [^>\n]+)$")
        for command in re.findall(pattern, (DOCS / page).read_text(), re.M)
    }
)
MADE = {"rules.md", "changelog.md"}  # by docs/site/hooks.py


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dump.txt").write_text(TEXT)
    machine = mt.parse(TEXT)
    for name in ("before.json", "after.json"):
        (tmp_path / name).write_text(str(mt.emit(machine, "json")))
    np.save(tmp_path / "ept.npy", mt.pages(machine.mtrrs, 1 << 34).leaves())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, here: None, capsys: pytest.CaptureFixture[str]) -> None:
    if " plot " in command:
        pytest.importorskip("matplotlib", reason="matplotlib is not installed: the plot extra has it")
    status = cli.main(shlex.split(command)[1:])
    printed = capsys.readouterr()
    assert status in ((0, 3) if "capture" in command else (0, 1)), printed.err
    assert printed.out or status == 3


def test_the_tutorials_python_says_what_it_promises(here: None) -> None:
    block = re.findall(r"```python\n(.+?)```", (DOCS / "tutorial.md").read_text(), re.S)[0]
    names: dict[str, object] = {}
    exec(block, names)
    machine = names["machine"]
    assert isinstance(machine, mt.Machine) and str(machine.at(0xE0000000)) == "UC"
    assert machine.mtrrs is not None and repr(machine.mtrrs.types([0, 1 << 31])) == "array([6, 0], dtype=uint8)"


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"^  - (\S+\.md)$", (DOCS / "site" / "mkdocs.yml").read_text(), re.M))
    assert {path.name for path in DOCS.glob("*.md")} <= listed and listed >= MADE


@pytest.mark.parametrize("page", sorted([*DOCS.glob("*.md"), ROOT / "README.md"]), ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists() or target in MADE, f"{page.name}: {target}"


def test_the_glossary_has_six_lines_in_both_places() -> None:
    for page in (ROOT / "README.md", DOCS / "index.md"):
        words = page.read_text().split("## Words\n")[1].split("\n## ")[0]
        assert len(re.findall(r"^- \*", words, re.M)) == 6
