"""Without an extra, one line says how it is had."""

from __future__ import annotations

import sys

import pytest

import memtype as mt
from memtype import cli


@pytest.mark.parametrize(
    ("package", "ask", "words"),
    [
        ("pyarrow", lambda: mt.arrow.types([1], mt.MtrrState()), "pip install 'memtype[arrow]'"),
        ("pyarrow", lambda: mt.scale.classify(["x"], mt.MtrrState()), "pip install 'memtype[arrow]'"),
        ("dask.array", lambda: mt.scale.types([1], mt.MtrrState()), "pip install 'memtype[dask]'"),
    ],
)  # fmt: skip
def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch, package: str, ask: object, words: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(mt.MissingExtra) as missing:
        ask()  # type: ignore[operator]
    assert words in str(missing.value) and "\n" not in str(missing.value)


def test_the_command_line_says_it_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "s.json").write_text(mt.emit(mt.MtrrState(0x806), "json"))  # type: ignore[operator]
    assert cli.main(["classify", str(tmp_path / "s.json"), "--range", "0+4G"]) == 2  # type: ignore[operator]
    said = capsys.readouterr()
    assert not said.out and "pip install 'memtype[arrow]'" in said.err and said.err.count("\n") == 1
