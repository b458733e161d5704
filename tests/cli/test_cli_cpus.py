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


def _processors(rng: random.Random) -> str:
    """A list of MSRs over two to four processors, some alike, some told in part, in any order."""
    common = {0xFE: 0x501, 0x2FF: 0xC06, 0x250: 0x0606060606060606, 0x277: 0x0007040600070406, 0x200: 6,
              0x201: 0xFF80000800}  # fmt: skip
    rows = []
    for cpu in range(rng.randrange(2, 5)):
        mine = dict(common)
        if rng.random() < 0.5:
            index = rng.choice(list(mine))
            mine[index] ^= rng.choice((1, 1 << 31, 0x400)) if index in (0x201, 0x2FF) else 1
        rows += [f"cpu{cpu}: MSR 0x{i:x} = 0x{v:016x}" for i, v in mine.items() if rng.random() < 0.9]
    if rng.random() < 0.3:
        rng.shuffle(rows)
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("seed", range(12))
def test_diff_and_check_of_processors_never_contradict(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One finds a difference where the other does, and neither says "identical" of what is not told."""
    dump = tmp_path / "cpus.txt"
    text = _processors(random.Random(seed))
    dump.write_text(text)
    differs = main(["diff", "--cpus", str(dump)])
    told = " ".join(capsys.readouterr().out.split())
    main(["check", "--cpus", str(dump)])
    found = " ".join(capsys.readouterr().out.split())
    assert differs in (0, 1)
    assert ("error: CPU" in found) == (differs == 1), (text, told, found)
    machine = mt.parse(text)
    maps = [cpu.registers.map() for cpu in machine.cpus if cpu.registers is not None]
    if all(any(segment.type is mt.MemoryType.NOT_TOLD for segment in each) for each in maps):
        differing = [line for line in told.split("CPU 0 -> ")[1:] if "registers differ" in line]
        assert all("map identical" not in line or "identical where both tell it" in line for line in differing)
