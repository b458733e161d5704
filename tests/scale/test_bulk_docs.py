"""The code in docs/bulk.md and docs/recipes.md runs as it stands, on files like those that it names."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from tables import STATE, table

import memtype as mt
from memtype import cli

pa = pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("bulk", "recipes")}
BLOCKS = {name: re.findall(r"```python\n(.*?)```", text, re.S) for name, text in PAGES.items()}
COMMANDS = re.findall(r"^    (memtype classify [^#\n]+)", PAGES["bulk"], re.M) + re.findall(
    r"`(memtype classify [^`…]+)`", PAGES["bulk"]
)
FAULTS = """\
 2345 kvm:kvm_page_fault: vcpu 0 rip 0xffffffff8100 address 0x00000000e0000040 error_code 0x182
 2345 kvm:kvm_page_fault: vcpu 1 rip 0xffffffff8104 address 0x0000000000001000 error_code 0x181
 2399 kvm:kvm_page_fault: address fee000b0 error_code 182
2399 address 1000
2399 address e0000000
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s = mt.MtrrState(0x806, variable=[(0x80000000, 0x3FFF80000800)], maxphyaddr=46)
    for name in ("dump.txt", "guest.txt"):
        (tmp_path / name).write_text(mt.emit(s, "dmesg"))
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "a.json").write_text(mt.emit(STATE, "json"))
    (tmp_path / "faults.txt").write_text(FAULTS)
    held = table(2000)
    held = held.append_column("guest", pa.array(np.arange(2000) % 3))
    pytest.importorskip("pyarrow.parquet").write_table(held, tmp_path / "faults.parquet", row_group_size=500)
    pytest.importorskip("pyarrow.parquet").write_table(held, tmp_path / "walks.parquet")
    monkeypatch.chdir(tmp_path)


def needed(block: str) -> None:
    for package in re.findall(r"^(?:import|from) (\w+)", block, re.M):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if ".plot." in block:
        pytest.importorskip("pandas")
        pytest.importorskip("matplotlib").use("Agg")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("page", "number"), [(page, n) for page, found in BLOCKS.items() for n in range(len(found))]
)  # fmt: skip
def test_the_code_runs(page: str, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    block = BLOCKS[page][number]
    needed(block)
    names: dict[str, Any] = {}
    exec(BLOCKS[page][0] if number else "", names)
    if "scale" in block:
        exec("from memtype import scale", names)
    exec(block, names)
    s = names["s"]
    wanted = s.types(table(2000)["gpa"].to_numpy())
    if "counts = scale.histogram" in block:
        assert names["counts"].tolist() == np.bincount(wanted, minlength=16).tolist()
    if "faults.png" in block:
        assert Path("faults.png").read_bytes()[:4] == b"\x89PNG"
        assert names["counts"].loc[2345].to_dict() == {"UC": 1, "WB": 1}
        assert names["counts"].loc[2399].to_dict() == {"UC": 2, "WB": 1}
    if page == "recipes" and number:
        said = capsys.readouterr().out
        assert all(str((wanted == kind).sum()) in said for kind in (mt.MemoryType.UC, mt.MemoryType.WB))


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "--dask" in command:
        pytest.skip("starts processes: tests/scale/test_dask_cluster.py asks them")
    assert cli.main(shlex.split(command)[1:]) == 0, capsys.readouterr().err
    assert " rows" in capsys.readouterr().out
