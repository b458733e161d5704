"""`memtype verify`: it asks all it says it asks, and each planted fault is a finding."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

import memtype as mt
from memtype import backends, cli, self_check
from memtype.backends import reference
from memtype.self_check import core, host_kvm, report
from memtype.types import MemoryType

NOWHERE = "/nonexistent/kvm"


def part(found: self_check.Report, name: str) -> self_check.Part:
    return next(part for part in found.parts if part.name == name)


def test_nothing_differs_here(backend: Any) -> None:
    found = self_check.verify(0.3, seed=7, device=NOWHERE)
    assert not found.differs and found.backend == backend.name
    assert part(found, "tables").count > 5000
    asked = found.parts[: 4 if backends.load("native") else 3]
    assert all(part.count >= 64 and part.rate > 0 for part in asked if not part.skipped)
    for name in ("kvm", "guest"):
        assert part(found, name).skipped.startswith(NOWHERE) and part(found, name).count == 0


def test_a_wrong_cell_is_found(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = reference._intel

    def wrong(mtrr: MemoryType, pat: MemoryType) -> MemoryType:
        return MemoryType.UC if (mtrr, pat) == (MemoryType.WP, MemoryType.UC_MINUS) else right(mtrr, pat)

    if backend.name != "native":
        pytest.skip("Python's tables are the reference's")
    monkeypatch.setattr(reference, "_intel", wrong)
    kinds = part(self_check.verify(0.1, device=NOWHERE), "tables").kinds
    assert kinds["effective"] >= 1 and kinds["ept"] >= 1 and "npt" not in kinds


def test_a_wrong_rule_is_found_by_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    if backends.active.name != "native":
        pytest.skip("needs the C core")
    monkeypatch.setattr(reference, "combine", lambda encodings: mt.rules.type_of(encodings[0]))
    found = part(self_check.verify(0.5, device=NOWHERE), "addresses")
    assert set(found.kinds) == {*backends.load("native").isas(), "one by one"}
    assert all(finding.kind in finding.text and "MtrrState(" in finding.text for finding in found.findings)
    assert max(sum(one.kind == kind for one in found.findings) for kind in found.kinds) == 5


def test_a_value_that_is_taken_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "msr_fault", lambda *given: None)
    found = part(self_check.verify(0.3, device=NOWHERE), "registers")
    assert {"0x2ff", "0x277", "0x201"} <= set(found.kinds)


def test_a_wrong_kernel_of_one_set_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """One array job after another, wrong in one element by the best set alone."""
    if backends.active.name != "native":
        pytest.skip("needs the C core")
    native = backends.load("native")
    best, jobs = native.isas()[-1], set()
    for job in ("types", "histogram", "page_types", "effective_types", "pat_types", "pat_indexes", "ept_types",
                "effective_ept_types", "map_types", "leaf_bits", "leaf_fill", "fleet_types", "types_by"):  # fmt: skip
        right = getattr(native, job)

        def wrong(*given: Any, right: Any = right) -> None:
            right(*given)
            if given[-1].size and native._isa == native._ISAS[best]:
                given[-1].reshape(-1)[-1] ^= 1

        with monkeypatch.context() as patch:
            patch.setattr(native, job, wrong)
            found = part(self_check.verify(0.3, device=NOWHERE), "arrays")
        assert set(found.kinds) == {f"{job} by {best}"}
        assert all("MtrrState(" in finding.text for finding in found.findings)
        jobs.add(job)
    assert len(jobs) == 13 and native._isa == native._ISAS[native.isa]


def test_another_set_runs_meanwhile() -> None:
    if backends.active.name != "native":
        pytest.skip("needs the C core")
    native = backends.load("native")
    for isa in native.isas():
        with native.running(isa):
            assert native.tables(mt.MtrrState(0x806)).isa == native._ISAS[isa]
        assert native.tables(mt.MtrrState(0x806)).isa == native._ISAS[native.isa]


def interrupt(line: str) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_ends_it_with_what_was_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_check, "_once_a_second", lambda progress: lambda part, began: interrupt(""))
    found = self_check.verify(60, device=NOWHERE)
    assert found.interrupted and part(found, "tables").count > 5000 and part(found, "registers").count > 0
    assert {part.skipped for part in found.parts[2:]} == {"interrupted before"}


@pytest.mark.parametrize(("differs", "status"), [(False, 130), (True, 1)])
def test_an_interrupted_command_prints_its_report(
    differs: bool, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_check, "_once_a_second", lambda progress: lambda part, began: interrupt(""))
    if differs:
        monkeypatch.setattr(reference, "msr_fault", lambda *given: None)
    assert cli.main(["verify", "--seconds", "60"]) == status
    printed = capsys.readouterr()
    assert "addresses: not asked: interrupted before" in printed.out and printed.err.startswith("note: interrupted: ")


def test_every_register_is_asked_with_what_is_taken_and_what_is_not() -> None:
    asked = list(host_kvm.each_register())
    assert {index for index, _ in asked} == {*mt.rules.saved_msrs(8), 0xFE}
    taken = [reference.msr_fault(index, value, 36, "intel") is None for index, value in asked[1:]]
    assert taken == [True, False] * (len(taken) // 2) and len(asked) <= core.AT_ONCE


class FakeVm:
    """A KVM that takes every value, and loses bit 12 of a mask."""

    def __init__(self, maxphyaddr: int, device: str) -> None:
        self.maxphyaddr, self.held = maxphyaddr, dict[int, int]()

    def __enter__(self) -> FakeVm:
        return self

    def __exit__(self, *error: object) -> None: ...

    def set_msr(self, index: int, value: int) -> bool:
        self.held[index] = value & ~(1 << 12) if index == 0x201 else value
        return True

    def get_msr(self, index: int) -> int:
        return self.held.get(index, 0x50A)


def test_what_a_kvm_does_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_check, "HostVm", FakeVm)
    found = part(self_check.verify(2, device="fake"), "kvm")
    assert {"IA32_PAT taken", "IA32_MTRR_PHYSMASK0 reads", "IA32_MTRRCAP reads"} <= set(found.kinds)
    assert "IA32_MTRR_PHYSMASK1 reads" not in found.kinds
    assert not any("refused: " in kind for kind in found.kinds)


@pytest.mark.skipif(not os.access(self_check.DEVICE, os.R_OK | os.W_OK), reason=f"no {self_check.DEVICE}")
def test_the_kvm_of_this_host_follows_the_rules_of_mtrrs() -> None:
    """PAT is left out: a KVM that takes any value is told of, but no fault of ours."""
    found = self_check.verify(1, seed=3)
    for name in ("kvm", "guest"):
        asked = part(found, name)
        assert asked.count > 100 or (name == "guest" and "does not run the guest" in asked.skipped)
        assert [kind for kind in asked.kinds if "MTRR" in kind] == []


@pytest.mark.skipif(not os.access(self_check.DEVICE, os.R_OK | os.W_OK), reason=f"no {self_check.DEVICE}")
def test_a_guest_that_writes_is_told_what_raises_gp(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest really writes: a rule that takes everything differs from it, MTRRCAP too."""
    monkeypatch.setattr(reference, "msr_fault", lambda *given: None)
    found = part(self_check.verify(1, seed=3), "guest")
    if found.skipped:
        pytest.skip(found.skipped)
    assert {"IA32_MTRR_DEF_TYPE refused", "IA32_MTRR_PHYSMASK0 refused", "IA32_MTRRCAP refused"} <= set(found.kinds)


def test_the_same_seed_asks_the_same() -> None:
    def first(seed: int) -> tuple[Any, Any]:
        states: Iterator[tuple[str, mt.MtrrState]] = core.states_of(seed)
        values = core.values_of(seed)
        return [next(states) for _ in range(5)], [next(values) for _ in range(50)]

    assert first(1) == first(1) and first(1) != first(2)


def test_progress_is_told() -> None:
    lines: list[str] = []
    self_check.verify(2.5, progress=lines.append, device=NOWHERE)
    assert any(line.startswith("addresses: ") and "/s, 0 differ" in line for line in lines)


@pytest.mark.parametrize(("seconds", "seed"), [(0, 0), (-1, 0), (float("nan"), 0), (1e9, 0), ("1", 0), (True, 0),
                                               (1, -1), (1, 1 << 64), (1, 1.5)])  # fmt: skip
def test_bad_arguments_are_one_line(seconds: Any, seed: Any) -> None:
    with pytest.raises(mt.InputError) as caught:
        self_check.verify(seconds, seed)
    assert "\n" not in str(caught.value)


def test_the_command_prints_a_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_check, "HostVm", FakeVm)
    assert cli.main(["verify", "--seconds", "0.6"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("program    memtype ") and f"kernel     {report.kernel()}" in out and "IA32_PAT taken" in out
    assert cli.main(["verify", "--seconds", "0.6", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["kernel"] == report.kernel() and found["parts"][4]["differing"] > 0
    assert not found["interrupted"] and found["date"].endswith(" UTC") and "CPython" in found["program"]
    assert cli.main(["verify", "--seconds", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
