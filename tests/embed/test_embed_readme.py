"""The README's examples for chipsec and drgn run as written, over drivers and kernels of our making."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import ROOT
from test_embed import FakeHelper

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def example(package: str) -> str:
    (found,) = [text for text in EXAMPLES if f"memtype.embed import {package}" in text]
    return found


def test_chipsec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    chipset = pytest.importorskip("chipsec.chipset", reason="chipsec is not installed")
    from chipsec.hal.cpu import CPU
    from chipsec.hal.msr import Msr

    def init(self: Any, platform: Any, pch: Any, ignore_platform: bool = False) -> None:
        """What remains of the package's own where no driver can be loaded."""
        self.helper = FakeHelper()
        self.msr, self.cpu = Msr(self), CPU(self)

    monkeypatch.setattr(chipset.Chipset, "init", init)
    exec(compile(example("chipsec"), "README.md", "exec"), {})
    assert "0xfee00000: UC" in capsys.readouterr().out


def test_drgn(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("drgn", reason="drgn is not installed")
    from test_embed_drgn import host_kernel, make_vm

    k = host_kernel()
    make_vm(k)
    exec(compile(example("drgn"), "README.md", "exec"), {"prog": k.prog})
    printed = capsys.readouterr().out
    assert "0xfee00000: UC" in printed and printed.endswith("0 UC UC\n")


def test_the_examples_are_found() -> None:
    assert example("chipsec") and example("drgn")
