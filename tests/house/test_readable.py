"""What an object says of itself: ``repr`` in hexadecimal and evaluable, ``str`` as the command line prints it."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import states

import memtype as mt
from memtype import cli, kvm
from memtype.ept import EptLeaf
from memtype.host.sample_machine import TEXT
from memtype.memory_map import MemoryMap
from memtype.types import MemoryType

NAMES = {**{name: getattr(mt, name) for name in mt.__all__}, **vars(kvm), "EptLeaf": EptLeaf}
WORDS = st.integers(0, 2**64 - 1)


@given(states(), WORDS.map(mt.Pat), WORDS, st.sampled_from(["UC", "WC", "WT", "WP", "WB"]), st.booleans())
def test_what_repr_gives_makes_the_same(state: mt.MtrrState, pat: mt.Pat, value: int, kind: str, flag: bool) -> None:
    leaf = EptLeaf(MemoryType(kind), flag)
    made: list[Any] = [state, pat, leaf, mt.Segment(value, 1 << 12, leaf.type), kvm.WriteMsr(value & 0xFFF, value)]
    if isinstance(state.map, MemoryMap) and len(state.map) <= 64:
        made.append(state.map)
    for thing in made:
        assert eval(repr(thing), dict(NAMES)) == thing
        assert not re.search(r"\b[1-9]\d{4,}\b", repr(thing)), repr(thing)


def test_a_virtual_machine_comes_back_too() -> None:
    state = mt.MtrrState(0xC06, variable=[(0x80000000, 0xFF80000800)] + [(0, 0)] * 7, maxphyaddr=40)
    vm = kvm.Vm("6.4", noncoherent_dma=True, vcpus=[kvm.Vcpu(state, pat="linux")], disabled_quirks=["CD_NW_CLEARED"])
    again = eval(repr(vm), dict(NAMES))
    assert repr(again) == repr(vm) and again.leaf(0x80000000) == vm.leaf(0x80000000)
    assert (again.disabled_quirks, again.profile) == (vm.disabled_quirks, vm.profile)


def results() -> list[Any]:
    """One of everything that the public functions give."""
    machine = mt.parse(TEXT)
    state = machine.mtrrs
    assert state is not None
    other = mt.MtrrState(0xC00, maxphyaddr=46)
    vm = kvm.Vm("6.4", noncoherent_dma=True, vcpus=[kvm.Vcpu(mt.MtrrState(0x806, maxphyaddr=46))])
    after, zap = vm.apply(kvm.WriteMsr(0x2FF, 0x800))
    pages = mt.pages(state, 1 << 33)
    return [
        machine, *machine.cpus, machine.registers, *machine.e820, machine.at(0), state, state.map, state.map.segments,
        state.explain(0xE0000000), state.view("linux-6.5"), other.problems(), mt.Pat(0x0707).problems(),
        mt.StateArray.of([state, other]), mt.diff(state, other), mt.check(machine, mmio=[(0, 4096)]), pages,
        mt.verify(pages.leaves(), other), mt.plan(state.map, 2), mt.want("WC", state=state, at=0x80000000),
        mt.alias("WB", "UC"), mt.reserve("UC-", over="WC"), vm, after, vm.leaf(0), zap, zap.done, zap.needed, zap.stale,
        zap.changes,
    ]  # fmt: skip


@pytest.mark.parametrize("thing", results(), ids=lambda thing: type(thing).__name__)
def test_numbers_are_hexadecimal(thing: Any) -> None:
    said = re.sub(r"'[^']*'|\"[^\"]*\"", "", repr(thing))  # texts speak for themselves
    assert not re.search(r"\b[1-9]\d{4,}\b", said) and " object at 0x" not in said, said


def test_every_public_class_says_what_it_is() -> None:
    for name in mt.__all__:
        made = getattr(mt, name)
        if isinstance(made, type) and is_dataclass(made):
            where = made.__repr__.__code__.co_filename
            assert "memtype" in where, f"repr({name}) is the one that dataclass makes"


# --- str ------------------------------------------------------------------------------------------------------------


def test_str_is_what_the_command_line_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (
        ("a", TEXT),
        ("b", TEXT.replace("disabled", "enabled").replace("base 00007F000000", "base 00007E000000")),
    ):
        (tmp_path / name).write_text(text)
    first, second = (mt.load(str(tmp_path / name)) for name in "ab")
    cli.main(["show", str(tmp_path / "a")])
    shown = capsys.readouterr()
    assert str(first).splitlines() == [*shown.out.splitlines(), *shown.err.splitlines()]
    assert first.mtrrs is not None
    for line in str(first.mtrrs).splitlines():
        assert line in shown.out or line.startswith(("MTRR on", "check: ")) or re.match(r"\[mem|[|0]", line), line
    for line in str(first.map).splitlines():
        assert line in shown.out or line[0] in "0|", line
    monkeypatch.chdir(tmp_path)
    cli.main(["diff", "a", "b"])
    printed = capsys.readouterr().out.splitlines()
    head, *mine = str(mt.diff(first, second)).splitlines()
    assert printed[0] == f"a -> b: {head}" and mine == printed[1 : len(mine) + 1] and mine


@given(states())
def test_str_never_fails_and_fits(state: mt.MtrrState) -> None:
    for thing in (state, state.map, mt.diff(state, mt.MtrrState(maxphyaddr=state.maxphyaddr))):
        assert str(thing) and all(len(line) <= 80 for line in str(thing).splitlines())
