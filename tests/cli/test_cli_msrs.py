"""``memtype msrs``: the list that a monitor saves, and that it is whole."""

from __future__ import annotations

import json

import pytest

from memtype import MtrrState, parse, rules
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


def test_what_a_monitor_sets_is_a_legal_state_with_ram_write_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["msrs", "--vm", "--vcnt", "8"]) == 0
    told = capsys.readouterr()
    machine = parse(told.out)
    state = machine.mtrrs
    assert state is not None and state.def_type == 0xC06 and not state.problems()
    assert state.types([0, 0x9FFFF, 0xA0000, 0xC0000, 0x100000, 4 << 30]).tolist() == [6, 6, 0, 5, 6, 6]
    assert machine.pat is not None and machine.pat.value == rules.PAT_RESET
    assert "DEF_TYPE 0" in told.err
    assert main(["msrs", "--vm", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["msrs"]
    assert {"index": "0x2ff", "name": "IA32_MTRR_DEF_TYPE", "value": "0x0000000000000c06"} in listed
