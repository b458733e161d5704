"""``memtype msrs``: the list that a monitor saves, and that it is whole."""

from __future__ import annotations

import json

import pytest

from memtype import MtrrState, rules
from memtype.cli import main


def test_the_list_is_what_a_state_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["msrs", "--vcnt", "10", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["msrs"]
    indexes = [int(one["index"], 16) for one in listed]
    assert set(indexes) == set(MtrrState(variable=[(0, 0)] * 10).msrs()) | {rules.PAT_MSR}
    assert indexes[-1] == rules.DEF_TYPE_MSR and len(indexes) == len(set(indexes)) == 11 + 1 + 20 + 1
    assert {one["name"] for one in listed} >= {"IA32_PAT", "IA32_MTRR_PHYSMASK9", "IA32_MTRR_FIX4K_F8000"}


def test_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["msrs"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert len(lines) == 29 and lines[-1].split() == ["0x2ff", "IA32_MTRR_DEF_TYPE"]
    assert "29 registers" in told.err and "KVM_GET_MSR_INDEX_LIST" in told.err
    assert main(["msrs", "--vendor", "amd"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 31


@pytest.mark.parametrize("count", ["41", "-1", "many"])
def test_counts_that_cannot_be(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main(["msrs", f"--vcnt={count}"]))
    told = capsys.readouterr()
    assert stop.value.code == 2 and told.out == "" and told.err.count("\n") == 1
