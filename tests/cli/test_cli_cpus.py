"""Processors that tell other registers: an answer that all share, and ``--cpu`` for those that they do not."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import memtype as mt
from memtype.cli import main

TWO = "".join(
    f"CPU {cpu} {index}: {value}\n"
    for cpu, mask in ((0, "0x000000ff80000800"), (1, "0x000000ffc0000800"))
    for index, value in (
        ("0x2ff", "0x0000000000000c00"), ("0xfe", "0x0000000000000501"), ("0x200", "0x0000000000000006"),
        ("0x201", mask),
    )
)  # fmt: skip


def test_an_address_that_processors_type_otherwise_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "two.txt"
    dump.write_text(TWO)
    assert main(["at", "0x20000000", "0x60000000", str(dump)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[1] == "WB" and second.split()[1:5] == ["?", "(UC", "or", "WB):"] and "--cpu" in second
    for cpu, kind in (("0", "WB"), ("1", "UC")):
        assert main(["at", "--cpu", cpu, "0x60000000", str(dump)]) == 0
        assert capsys.readouterr().out.split()[1] == kind
    assert main(["at", "--cpu", "7", "0x60000000", str(dump)]) == 2
    assert "processor 7 is not in" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(6))
def test_a_machine_answers_what_each_of_its_processors_does(seed: int) -> None:
    rng = random.Random(seed)
    pairs = [mt.range_registers(n << 30, 1 << 30, mt.MemoryType.WB, 40) for n in range(rng.randrange(1, 4))]
    texts = []
    for cpu in range(3):
        kept = [pair if rng.random() < 0.7 else (0, 0) for pair in pairs]
        state = mt.MtrrState(0x800, (0,) * 11, kept, 40)
        rows = [
            (0x2FF, state.def_type),
            (0xFE, len(pairs)),
            *((0x200 + 2 * n + h, kept[n][h]) for n in range(len(pairs)) for h in (0, 1)),
        ]
        texts += [f"CPU {cpu} 0x{index:x}: 0x{value:016x}\n" for index, value in rows]
    machine = mt.parse("".join(texts))
    places = np.arange(8, dtype=np.uint64) << np.uint64(29)
    found = machine.types(places)
    for place, kind in zip(places.tolist(), found.tolist()):
        each = {machine.at(place, cpu=cpu).type for cpu in range(3)}
        assert machine.at(place).type == kind == (each.pop() if len(each) == 1 else mt.MemoryType.NOT_TOLD)
        assert machine.map.at(place) == kind


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["want", "WC", "--at", "0x20000000"], 0),
        (["want", "WC", "--at", "0x60000000"], 2),
        (["plan"], 2),
        (["pages"], 2),
    ],
)
def test_a_verb_that_asks_one_processor_answers_what_all_share(
    words: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "two.txt"
    dump.write_text(TWO)
    assert main([*words, str(dump)]) == status
    assert ("--cpu chooses one" in capsys.readouterr().err) is bool(status)
    assert main([words[0], *words[1:], "--cpu", "1", str(dump)]) in (0, 1)
