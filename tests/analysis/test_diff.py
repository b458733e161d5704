"""``diff``: which ranges change type, and that equal effect counts as equal whatever the registers are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from printed import flat
from strategies import states

import memtype as mt
from memtype.cli import main


def pair(base: int, size: int, kind: str, width: int = 36) -> tuple[int, int]:
    return mt.range_registers(base, size, kind, width)


ONE = mt.MtrrState(0x806, variable=[pair(0x80000000, 1 << 31, "UC")], maxphyaddr=36)
SAME = mt.MtrrState(
    0x806, variable=[pair(0xC0000000, 1 << 30, "UC"), (0, 0), pair(0x80000000, 1 << 30, "UC")], maxphyaddr=36
)
LESS = mt.MtrrState(0x806, variable=[pair(0x80000000, 1 << 30, "UC")], maxphyaddr=36)


def test_other_registers_with_the_same_map_are_no_difference():
    found = mt.diff(ONE, SAME)
    assert not found and not found.changes and len(found.registers) == 4
    assert found.summary == "registers differ in 4 places, memory map identical"


def test_a_map_that_is_not_told_is_not_called_identical():
    machine = mt.parse("# rdmsr -a 0x2ff\nc06\nc06\n# rdmsr 0x200\ne0000000\n# rdmsr 0x201\n7fe0000800\n")
    first, second = (mt.Machine((cpu,)) for cpu in machine.cpus)
    found = mt.diff(first, second)
    assert not found and found.untold
    assert "memory map identical where both tell it, not told in " in found.summary


def test_a_lost_range_is_named_with_both_types():
    (change,) = mt.diff(ONE, LESS)
    assert (change.base, change.size, change.last) == (0xC0000000, 1 << 30, 0xFFFFFFFF)
    assert (change.old, change.new) == (mt.MemoryType.UC, mt.MemoryType.WB)
    (back,) = mt.diff(LESS, ONE)
    assert (back.old, back.new) == (change.new, change.old)


@settings(max_examples=60)
@given(states(), states())
def test_every_address_is_told_right(a, b):
    try:
        maps = a.map.listed(), b.map.listed()
    except mt.ShatteredMapError:
        return
    found = mt.diff(a, b)
    limit = 1 << min(a.maxphyaddr, b.maxphyaddr)
    edges = {s.base for m in maps for s in m} | {c.base for c in found} | {c.last + 1 for c in found}
    for address in (e + d for e in edges for d in (-1, 0)):
        if 0 <= address < limit:
            told = [c for c in found if c.base <= address <= c.last]
            types = maps[0].at(address), maps[1].at(address)
            assert [(c.old, c.new) for c in told] == ([types] if types[0] != types[1] else [])
    assert all(x.last < y.base for x, y in zip(found.changes, found.changes[1:], strict=False))
    assert bool(found) == bool(found.changes)


@given(states())
def test_a_state_does_not_differ_from_itself(state):
    found = mt.diff(state, state)
    assert not found and found.registers == ()


def test_a_shattered_map_differs_from_itself_in_nothing_and_from_others_in_one_line():
    shattered = mt.MtrrState(0x800, variable=[(0x1006, 0xAAAAAAAAA800)], maxphyaddr=48)
    assert not mt.diff(shattered, shattered)
    found = mt.diff(shattered, ONE)
    assert found and len(found) == 2048 and "differs in 2048 segments" in found.summary


def test_widths_and_untold_parts_are_left_out_and_named():
    wide = mt.MtrrState(0x806, variable=[pair(0x80000000, 1 << 31, "UC", 46)], maxphyaddr=46)
    found = mt.diff(ONE, wide)
    assert not found and "MAXPHYADDR 36 and 46" in found.notes[0]
    proc = mt.parse("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable")
    low = mt.MtrrState(0xC06, (0x0606060606060606, 0x0606060606060606, *[0] * 9), ONE.variable, 36)
    found = mt.diff(mt.Machine(cpus=(mt.Cpu(0, low),)), proc)
    assert not found and any("first MiB" in note for note in found.notes)
    assert mt.diff(mt.Machine(cpus=(mt.Cpu(0, low),)), ONE)


def test_a_printed_map_meets_registers_as_the_kernel_reads_them():
    (segment, *_) = ONE.map.segments
    printed = mt.MemoryMap.from_segments([(s.base, s.size, s.type) for s in ONE.view("linux-6.5").map], 36)
    only_map = mt.Machine(printed_map=printed, printed_view="linux-6.5")
    found = mt.diff(only_map, mt.Machine(cpus=(mt.Cpu(0, SAME),)))
    assert not found and found.registers is None and segment.base == 0
    assert mt.diff(only_map, mt.Machine(cpus=(mt.Cpu(0, LESS),))).changes
    with pytest.raises(mt.InputError, match="neither MTRRs nor a map"):
        mt.diff(mt.Machine(), ONE)
    with pytest.raises(mt.InputError, match="answers for no address"):
        mt.diff(5, ONE)


def test_another_pat_is_a_difference_in_effect():
    cpus = [mt.Machine(cpus=(mt.Cpu(0, ONE, mt.Pat(name)),)) for name in ("linux", "reset")]
    found = mt.diff(*cpus)
    assert found and not found.changes and [p.entry for p in found.pat] == [1, 5, 7]


# --- the verb -------------------------------------------------------------------------------------------------------


def dump(tmp_path, name, *states):
    lines = [
        f"CPU{n} 0x{index:x} = 0x{value:x}" for n, state in enumerate(states) for index, value in state.msrs().items()
    ]
    path = tmp_path / name
    path.write_text("\n".join(lines))
    return str(path)


def test_exit_status_and_text(tmp_path, capsys):
    files = [dump(tmp_path, name, state) for name, state in (("a", ONE), ("b", SAME), ("c", LESS))]
    assert main(["diff", files[0], files[1]]) == 0
    assert "registers differ in 4 places, memory map identical" in flat(capsys.readouterr().out)
    assert main(["diff", *files]) == 1
    out = capsys.readouterr().out
    assert "[mem 0x00000000c0000000-0x00000000ffffffff]  1 GiB  UC -> WB" in out and out.count(" -> ") > 3


def test_json_has_spans_and_every_comparison(tmp_path, capsys):
    files = [dump(tmp_path, name, state) for name, state in (("a", ONE), ("b", SAME), ("c", LESS))]
    assert main(["diff", *files, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["same_map"] is False and [c["same_map"] for c in told["comparisons"]] == [True, False]
    (change,) = told["comparisons"][1]["changes"]
    assert change == {"base": "0xc0000000", "size": "0x40000000", "last": "0xffffffff", "old": "UC", "new": "WB"}


def test_processors_are_grouped(tmp_path, capsys):
    path = dump(tmp_path, "cpus", ONE, SAME, SAME, LESS, ONE)
    assert main(["diff", "--cpus", path]) == 1
    out = capsys.readouterr().out
    assert "CPU 0 -> CPU 1-2: registers differ" in out and "CPU 0 -> CPU 3: " in out and "CPU 4" not in out
    assert main(["diff", "--cpus", dump(tmp_path, "alike", ONE, SAME)]) == 0
    assert main(["diff", "--cpus", dump(tmp_path, "equal", ONE, ONE)]) == 0
    assert "all processors hold the same" in flat(capsys.readouterr().out)


@pytest.mark.parametrize("words", [[], ["a"], ["--cpus", "a", "b"], ["-", "-"], ["/no/such", "/no/file"]])
def test_bad_usage_is_one_line(words, capsys):
    assert main(["diff", *words]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
