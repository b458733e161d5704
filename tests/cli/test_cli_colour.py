"""Colour is for terminals, never changes the text, and NO_COLOR turns it off."""

from __future__ import annotations

import io
import re

import pytest

from memtype.cli import main

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(command: str, monkeypatch: pytest.MonkeyPatch, stdout: io.StringIO, **environment: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", stdout)
    assert main(command.split()) in (0, 1)
    return stdout.getvalue()


@pytest.mark.parametrize("command", ["table", "pat linux", "pte 0x8000000080000093"])
def test_colour_is_for_terminals(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="rich is not installed")
    plain = shown(command, monkeypatch, io.StringIO())
    colour = shown(command, monkeypatch, Terminal())
    assert not ANSI.search(plain)
    assert len(ANSI.findall(colour)) > 10
    assert ANSI.sub("", colour) == plain == shown(command, monkeypatch, Terminal(), NO_COLOR="1")


def test_without_rich_a_terminal_gets_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = shown("pat linux", monkeypatch, io.StringIO())
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    assert shown("pat linux", monkeypatch, Terminal()) == plain
