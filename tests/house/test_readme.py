"""The README's commands and Python run as printed; its sample output is what the program prints."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import memtype as mt
from memtype import cli

README = (ROOT / "README.md").read_text()
COMMANDS = sorted(
    set(re.findall(r"`(memtype [^`]+)`", README)) | set(re.findall(r"^    (?:\$ )?(memtype .+)$", README, re.M))
)
SAMPLES = re.findall(r"^    \$ (memtype .+)\n((?:    (?!\$ ).+\n|\n(?=\n*    (?!\$ )))+)", README, re.M)


# Each makes a file that other commands read.
MADE = re.findall(r"^    ((?:memtype|echo) .+ > \S+|memtype pages --leaves .+)$", README, re.M)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder in which the README's own lines made all files that its commands read."""
    place = tmp_path_factory.mktemp("readme")
    memtype = f"{shlex.quote(sys.executable)} -m memtype "
    made = "\n".join(re.sub("^memtype ", memtype.replace("\\", "\\\\"), line) for line in MADE)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(["bash", "-euc", made], cwd=place, env=environment, check=True, stderr=subprocess.PIPE)
    return place


@pytest.fixture
def dump(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 12
    assert len(SAMPLES) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, dump: None, capsys: pytest.CaptureFixture[str]) -> None:
    command = command.replace("|wrmsr|proc-mtrr|dmesg", "").replace("json|c|rust|edk2|kvm", "kvm")
    command, _, file = command.partition(" > ")
    if " classify " in command:
        pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")
    if " plot " in command:
        pytest.importorskip("matplotlib", reason="matplotlib is not installed: the plot extra has it")
    status = cli.main([*shlex.split(command)[1:]])
    printed = capsys.readouterr()
    if file:
        Path(file).write_text(printed.out)
        assert mt.load(file).mtrrs is not None
    assert status in ((0, 3) if "capture" in command else (0, 1)), printed.err
    assert printed.out or status == 3


@pytest.mark.parametrize(("command", "output"), SAMPLES)
def test_samples_are_what_is_printed(command: str, output: str, dump: None, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(shlex.split(command)[1:])
    assert capsys.readouterr().out == re.sub(r"^    ", "", output, flags=re.M)


def test_the_python_runs(dump: None, capsys: pytest.CaptureFixture[str]) -> None:
    block = next(code for code in re.findall(r"```python\n(.+?)```", README, re.S) if "mt.MtrrState(" in code)
    names: dict[str, object] = {}
    for line in block.splitlines():
        code, _, promised = line.partition("#")
        if not code.strip():
            continue
        try:
            value = eval(code, names)
        except SyntaxError:
            exec(code, names)
            continue
        if promised.strip().startswith(("<", "array")):
            assert repr(value) == promised.strip()
