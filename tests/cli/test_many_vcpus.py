"""vCPUs alike are asked once: answers are those of each vCPU alone, and many cost what few do."""

from __future__ import annotations

import json
from collections import Counter

import dump_samples as dumps
import pytest

import memtype as mt
from memtype.cli import main
from memtype.kvm import Vm

ASKED = "leaf", "effective", "deviation", "max_level", "leaf_pieces"


@pytest.fixture
def dump(tmp_path):
    """A dump of so many processors; each third one differs from the others."""

    def write(count: int) -> str:
        state = dumps.STATE
        other = mt.MtrrState(state.def_type, state.fixed, ((0xC0000001, state.variable[0][1]),), state.maxphyaddr)
        rows = [
            f"cpu{cpu}: MSR 0x{index:x} = 0x{register.value:016x}"
            for cpu in range(count)
            for index, register in mt.Cpu(cpu, other if cpu % 3 == 2 else state).registers.held.items()
        ]
        (tmp_path / "cpus.txt").write_text("\n".join(rows))
        return str(tmp_path / "cpus.txt")

    return write


def answers(capsys, *words: str) -> dict:
    main([*words, "--noncoherent-dma", "--json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("verb", [("kvm", "--kernel", "6.4", "--level"), ("kvm",), ("kvm", "diff", "6.4", "6.12")])
def test_alike_vcpus_are_asked_once(verb, dump, capsys, monkeypatch):
    calls = Counter()
    for name in ASKED:
        method = getattr(Vm, name)
        monkeypatch.setattr(Vm, name, lambda *a, name=name, method=method, **k: calls.update([name]) or method(*a, **k))
    few, many = [], []
    for count, found in ((3, few), (48, many)):
        calls.clear()
        answers(capsys, *verb, dump(count))
        answers(capsys, *verb, "--mtrr", "wb", "--vcpus", str(count))
        found.append(dict(calls))
    assert few == many and few[0]["leaf"]


def test_every_vcpu_has_the_answer_that_it_has_alone(dump, capsys):
    path = dump(6)
    together = answers(capsys, "kvm", "--kernel", "6.4", path)["map"]
    for number in range(6):
        for row in answers(capsys, "kvm", "--kernel", "6.4", path, "--cpu", str(number))["map"]:
            base, last = int(row["base"], 16), int(row["last"], 16)
            over = [each for each in together if int(each["base"], 16) <= last and base <= int(each["last"], 16)]
            theirs = [each["vcpus"][number] for each in over]
            assert over and all(each["bits"] == row["bits"] and each["why"] == row["why"] for each in theirs)


def test_a_change_is_told_of_every_vcpu(dump, capsys):
    changed = answers(capsys, "kvm", "diff", "6.4", "6.12", dump(6))["leaves"]
    places = {n: [(each["base"], each["size"]) for each in changed if each["vcpu"] == n] for n in range(6)}
    assert places[0] == places[1] == places[3] == places[4] and places[2] == places[5]
    assert places[0] and places[0] != places[2]
