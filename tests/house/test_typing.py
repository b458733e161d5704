"""What a type checker tells users: the README's Python is strict, a value in is a value out, arrays are arrays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

PROMISED = """
import numpy as np
import memtype as mt

state = mt.MtrrState(0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
state2 = mt.MtrrState(0x806, [0] * 11, ([0, 0],))
many = np.zeros(3, np.uint64)
reveal_type(state.at(0))  # MemoryType
reveal_type(state.types(0))  # MemoryType
reveal_type(state.types([0, 1]))  # ndarray
reveal_type(state.types(many))  # ndarray
reveal_type(state.map.types(0))  # MemoryType
reveal_type(state.map.types(many))  # ndarray
reveal_type(state.variable)  # tuple
reveal_type(mt.effective("UC", "WC"))  # MemoryType
reveal_type(mt.effective("UC", many))  # ndarray
reveal_type(mt.effective(many, "WC"))  # ndarray
reveal_type(mt.effective_ept("WB", False, "UC-"))  # MemoryType
reveal_type(mt.effective_ept(many, False, "UC-"))  # ndarray
reveal_type(mt.effective_npt("WB", "WB", "UC"))  # MemoryType
reveal_type(mt.ept_types(0x37))  # MemoryType
reveal_type(mt.ept_types(many))  # ndarray
reveal_type(mt.pat_valid(6))  # bool
reveal_type(mt.pat_valid(many))  # ndarray
reveal_type(mt.Pat().types_of(8))  # MemoryType
reveal_type(mt.names(6))  # str
machine = mt.parse("")
if machine.mtrrs is not None:
    reveal_type(machine.mtrrs)  # MtrrState
"""


def checked(tmp_path: Path, **sources: str) -> tuple[str, int]:
    """What ``mypy --strict`` prints, and its status."""
    api = pytest.importorskip("mypy.api", reason="mypy is not installed: the check extra has it")
    for name, text in sources.items():
        (tmp_path / f"{name}.py").write_text(text)
    files = [str(tmp_path / f"{name}.py") for name in sources]
    config = f"--config-file={ROOT / 'pyproject.toml'}"
    out, err, status = api.run([config, "--strict", f"--cache-dir={ROOT / '.mypy_cache'}", *files])
    return out + err, status


def test_the_readmes_python_is_strict_and_calls_are_narrow(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) >= 3
    given = "from typing import Any\n\nprog: Any = None\n"  # drgn gives scripts a global of that name
    sources = {f"readme{n}": (given if "prog" in block else "") + block for n, block in enumerate(blocks)}
    out, _ = checked(tmp_path, promised=PROMISED, **sources)
    assert "error:" not in out, out
    told = {int(line): kind for line, kind in re.findall(r'promised\.py:(\d+): note: Revealed type is "([^"]+)"', out)}
    for number, line in enumerate(PROMISED.splitlines(), 1):
        if "reveal_type" in line:
            assert line.split("# ")[1] in told[number], f"{line}: {told[number]}"


def test_a_wrong_call_is_seen(tmp_path: Path) -> None:
    out, status = checked(tmp_path, wrong="import memtype as mt\nmt.MtrrState(variable=3)\nmt.MtrrState().at('x')\n")
    assert status == 1 and out.count("error:") == 2


def test_dir_shows_what_is_public() -> None:
    import memtype as mt

    assert [name for name in dir(mt) if not name.startswith("__")] == sorted(mt.__all__)
