"""Completion, manual page and progress: made from the parsers, quiet where nobody looks."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess

import pytest

from memtype import cli
from memtype.cli import manual, progress, verbs


@pytest.mark.parametrize("shell", manual.SHELLS)
def test_completion_knows_every_verb_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed: the cli extra has it")
    assert cli.main(["--completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in verbs.HELP) and ("--maxphyaddr" in out or shell == "tcsh")  # tcsh: verbs only
    if shell == "bash" and shutil.which("bash"):
        subprocess.run(["bash", "-n"], input=out, text=True, check=True)


@pytest.mark.parametrize("words", [["--completion"], ["--completion", "fish"], ["--man", "x"]])
def test_what_is_not_there_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_completion_without_shtab_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    assert cli.main(["--completion", "bash"]) == 2
    assert "pip install 'memtype[cli]'" in capsys.readouterr().err


def test_the_manual_page_has_every_verb_and_no_stray_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--man"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[4:] for line in lines if line.startswith(".SS ")] == list(verbs.HELP)
    requests = {line.split()[0] for line in lines if line[:1] in (".", "'")}
    assert requests == {".TH", ".SH", ".SS", ".nf", ".fi", ".B"}
    assert lines.count(".nf") == lines.count(".fi") == len(verbs.HELP) + 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("terminal", "step", "shown"), [(True, 1.0, True), (True, 0.01, False), (False, 1.0, False)])
def test_progress_is_for_terminals_and_long_jobs(
    terminal: bool, step: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    err = Terminal() if terminal else io.StringIO()
    clock = itertools.count()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) * step)
    assert list(progress.watched(["ab"] * 10, 20, "letters", len)) == ["ab"] * 10
    told = err.getvalue()
    assert ("of 20 letters" in told and "s left" in told and told.endswith("\r\x1b[K")) is shown
    assert shown or told == ""
