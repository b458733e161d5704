"""The README's commands and Python run as printed; its sample output is what the program prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import memtype as mt
from memtype import cli

README = (ROOT / "README.md").read_text()
COMMANDS = sorted(
    set(re.findall(r"`(memtype [^`]+)`", README)) | set(re.findall(r"^    (?:\$ )?(memtype .+)$", README, re.M))
)
SAMPLES = re.findall(r"^    \$ (memtype .+)\n((?:    .+\n)+)", README, re.M)


@pytest.fixture
def dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    state = mt.MtrrState(
        0xC00, [0x0606060606060606] * 3 + [0x0505050505050505] * 8,
        [mt.range_registers(0, 1 << 32, "WB", 40), mt.range_registers(3 << 30, 1 << 30, "UC", 40)], maxphyaddr=40,
    )  # fmt: skip
    path = tmp_path / "dump.txt"
    path.write_text(mt.emit(state, "dmesg"))
    for name in ("before.json", "after.json"):
        (tmp_path / name).write_text(mt.emit(state, "json"))
    np.save(tmp_path / "ept.npy", mt.pages(state).leaves())
    monkeypatch.chdir(tmp_path)
    return path


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 12
    assert len(SAMPLES) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
def test_samples_are_what_is_printed(command: str, output: str, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(shlex.split(command)[1:])
    assert capsys.readouterr().out == re.sub(r"^    ", "", output, flags=re.M)


def test_the_python_runs(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
