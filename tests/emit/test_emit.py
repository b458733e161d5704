"""What is emitted reads back: parse after emit is the identity wherever the form can hold the state."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import fields, states

import memtype as mt
from memtype import rules
from memtype.emit import FORMS
from memtype.machine import Cpu, Machine, RamRange

WHOLE = ("json", "c", "rust", "kvm", "wrmsr")  # hold every register, the width, the vendor and the PAT
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PATS = st.one_of(st.none(), st.integers(0, 2**64 - 1).map(mt.Pat))


def machine_of(state, pat=None, **more):
    return Machine((Cpu(0, state, pat),), "memtype", vendor=state.vendor, maxphyaddr=state.maxphyaddr, **more)


@pytest.mark.parametrize("form", WHOLE)
@SOME
@given(states(), PATS)
def test_whole_forms_are_the_identity(form, state, pat):
    back = mt.parse(mt.emit(machine_of(state, pat), form))
    assert back.mtrrs == state
    assert back.pat == pat
    assert back.maxphyaddr == state.maxphyaddr and "maxphyaddr" not in back.inferred


@SOME
@given(states())
def test_edk2_is_the_identity_but_for_the_amd_registers(state):
    back = mt.parse(mt.emit(state, "edk2")).mtrrs
    assert back == mt.MtrrState(**{**fields(state), "syscfg": 0, "tom2": 0})


@SOME
@given(states())
def test_kvm_bytes_hold_every_writable_register(state):
    back = mt.parse(mt.emit(state, "kvm-bytes")).mtrrs
    for name in ("def_type", "fixed", "variable", "syscfg", "tom2"):
        assert getattr(back, name) == getattr(state, name), name


@st.composite
def linux_states(draw):
    """States that the kernel's lines can hold: legal types, contiguous masks, no reserved bits."""
    width = draw(st.sampled_from((36, 39, 40, 42, 46, 48, 52)))
    kinds = st.sampled_from((0, 1, 4, 5, 6))
    pairs = [(0, rules.page_bits(width) & ~((1 << 20) - 1) | rules.MASK_VALID)]  # tells the width
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            pairs.append((0, 0))
            continue
        size = 1 << draw(st.integers(12, width - 1))
        base = draw(st.integers(0, (1 << width) - 1)) & ~(size - 1)
        pairs.append((base | draw(kinds), rules.page_bits(width) & ~(size - 1) | rules.MASK_VALID))
    fixed = [int.from_bytes(bytes(draw(st.lists(kinds, min_size=8, max_size=8))), "little") for _ in range(11)]
    return mt.MtrrState(0xC00 | draw(kinds), tuple(fixed), tuple(pairs), width)


@SOME
@given(linux_states())
def test_dmesg_lines_are_the_identity_on_what_linux_prints(state):
    back = mt.parse(mt.emit(state, "dmesg"))
    assert back.format == "linux-dmesg"
    assert back.mtrrs == state


@SOME
@given(linux_states())
def test_proc_mtrr_commands_hold_the_variable_ranges(state):
    back = mt.parse(mt.emit(state, "proc-mtrr"))
    kept = tuple(dict.fromkeys(pair for pair in state.variable if pair[1]))  # a range again takes no register
    assert back.format == "proc-mtrr-commands"
    assert (back.mtrrs.variable, back.maxphyaddr) == (kept, state.maxphyaddr)


def test_several_processors_survive_where_the_form_holds_them():
    one = mt.MtrrState(0x806, variable=((0, 0xF80000800),), maxphyaddr=36)
    other = mt.MtrrState(0x800, variable=((0, 0xF80000800),), maxphyaddr=36)
    machine = Machine((Cpu(0, one, mt.Pat(6)), Cpu(3, other)), "memtype")
    for form in ("json", "kvm", "wrmsr"):
        back = mt.parse(mt.emit(machine, form))
        assert [(cpu.number, cpu.mtrrs, cpu.pat) for cpu in back.cpus] == [(0, one, mt.Pat(6)), (3, other, None)], form
    assert [cpu.mtrrs.def_type for cpu in mt.parse(mt.emit(machine, "kvm-bytes")).cpus] == [0x806, 0x800]


def test_json_is_the_whole_machine():
    machine = machine_of(
        mt.MtrrState(0xC06, variable=((1, 2),) * 41, maxphyaddr=52), mt.Pat(),
        e820=(RamRange(0, 0xA0000, "usable"),), kernel="6.4.0", facts={"map_entries": 4, "nested": {"a": [1]}},
        notes=("a note",), printed_view="linux-6.5",
        printed_map=mt.MemoryMap.from_segments([(0, 0xA0000, "WB")], maxphyaddr=40),
    )  # fmt: skip
    text = mt.emit(machine, "json")
    assert mt.parse(text) == machine
    assert mt.parse(json.dumps({"schema": "memtype/1", "verb": "show", "machine": json.loads(text)})) == machine
    entry = json.loads(text)["e820"][0]
    assert entry == {"base": "0x0", "size": "0xa0000", "last": "0x9ffff", "kind": "usable"}


@pytest.mark.parametrize("form", FORMS)
def test_corpus_machine_survives_every_form(corpus, form):
    machine = mt.load(corpus / "inteltool" / "gigabyte-h55m-s2.txt")
    back = mt.parse(mt.emit(machine, form))
    if form != "proc-mtrr":  # it holds sizes, and the width is inferred
        ranges = {pair for pair in machine.mtrrs.variable if pair[1]}
        assert {pair for pair in back.mtrrs.variable if pair[1]} == ranges
    edges = [segment.base for segment in machine.map if segment.base >= rules.FIXED_END]
    assert [back.at(edge).type for edge in edges] == [machine.at(edge).type for edge in edges]


def test_forms_refuse_what_they_cannot_hold():
    holey = mt.MtrrState(0x806, variable=((0, 0xF0F000800),), maxphyaddr=36)
    with pytest.raises(mt.InputError, match="range 0: mask 0xf0f000800 has holes"):
        mt.emit(holey, "proc-mtrr")
    reserved = mt.MtrrState(0x806, variable=((2, 0xFFFFFF800),), maxphyaddr=36)
    with pytest.raises(mt.InputError, match="range 0: type 2 is reserved"):
        mt.emit(reserved, "proc-mtrr")
    many = mt.MtrrState(0x806, variable=((0, 0),) * 41)
    for form in ("c", "rust", "edk2", "kvm", "kvm-bytes", "wrmsr"):
        with pytest.raises(mt.InputError, match="41 pairs"):
            mt.emit(many, form)
    with pytest.raises(mt.InputError, match="no form to emit"):
        mt.emit(holey, "yaml")
    with pytest.raises(mt.InputError, match="no MTRRs to emit"):
        mt.emit(Machine(), "c")


def test_no_form_writes_the_read_only_register():
    state = mt.MtrrState(0x806, cap=0x508)
    for form in ("c", "rust", "wrmsr", "kvm"):
        rows = [line for line in mt.emit(state, form).splitlines() if "memtype/1:" not in line]
        assert not any("0xfe " in row.lower() or "0x000000fe" in row.lower() for row in rows), form


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_the_c_form_compiles(tmp_path):
    source = tmp_path / "mtrr.c"
    state = mt.MtrrState(0xC06, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40)
    body = "#include <stdint.h>\n" + mt.emit(state, "c")
    source.write_text(body + "int main(void) { return (int)(mtrr_msrs[1].value != 0xFF80000800); }\n")
    program = tmp_path / "mtrr"
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
    # rows are sorted: 0x200, 0x201, …
    assert subprocess.run([program], check=False).returncode == 0


def test_show_emits(tmp_path, capsysbinary):
    from memtype.cli import main

    state = mt.MtrrState(0x806, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40)
    dump = tmp_path / "dump.json"
    dump.write_text(mt.emit(state, "json"))
    assert main(["show", str(dump), "--emit", "kvm-bytes"]) == 0
    assert mt.parse(capsysbinary.readouterr().out).mtrrs.variable == state.variable
    assert main(["show", str(dump), "--emit", "dmesg"]) == 0
    assert b"  0 base 0080000000 mask FF80000000 uncachable" in capsysbinary.readouterr().out


def test_emitting_runs_nothing(monkeypatch):
    for module, name in ((subprocess, "Popen"), (os, "system")):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("a program was started"))
    for form in FORMS:
        mt.emit(mt.MtrrState(0x806), form)
    assert "subprocess" in sys.modules
