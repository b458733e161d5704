"""Several states in one text: each is told apart, equal ones are one, and what contradicts inside a list is named."""

from __future__ import annotations

import dump_samples as dumps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import states

import memtype as mt
from memtype.errors import ParseError

BEFORE_AFTER = """\
before:
reg00: base=0x00000000 (   0MB), size= 512MB: write-back, count=1
reg01: base=0xe0000000 (3584MB), size= 128MB: write-combining, count=2
after:
reg00: base=0x00000000 (   0MB), size= 512MB: write-back, count=1
reg01: base=0xe0000000 (3584MB), size= 128MB: write-combining, count=1
reg02: base=0xe8000000 (3712MB), size= 128MB: write-combining, count=1
"""
DIFF = "-0x2ff 0xc06\n+0x2ff 0xc00\n 0x200 0x80000000\n 0x201 0xfff80000800\n"
SESSIONS = "# rdmsr 0x2ff\nc06\n# wrmsr 0x2ff 0xc00\n# rdmsr 0x2ff\nc00\n"


def default(machine: mt.Machine) -> int:
    return machine.registers.held[0x2FF].value & 0xFF


def test_before_and_after():
    machine = mt.parse(BEFORE_AFTER, "t")
    assert [(s.label, s.line, s.registers.listed) for s in machine.states] == [("before", 1, 2), ("after", 4, 3)]
    assert machine.registers is None and machine.cpus == (mt.Cpu(0),)  # what both states tell alike: nothing
    (note,) = [note for note in machine.notes if note.id == "states"]
    assert note.lines == (1, 4) and "before, line 1" in note


@pytest.mark.parametrize(
    "text", [DIFF, "< 0x2ff 0xc06\n---\n> 0x2ff 0xc00\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n" + DIFF]
)
def test_the_sides_of_a_diff(text):
    old, new = mt.parse(text).states
    assert (default(old), default(new)) == (6, 0)
    if "0x200" in text:
        assert old.registers.listed == new.registers.listed == 1
    assert old.label in ("before", "a") and new.label in ("after", "b")


def test_repeated_commands_and_writes_that_are_no_registers():
    old, new = mt.parse(SESSIONS).states
    assert (default(old), default(new)) == (6, 0)
    (only,) = mt.parse("# rdmsr 0x2ff\nc06\n# wrmsr 0x2ff 0xc00\n").states
    assert default(only) == 6 and any("line 3" in note and "wr" in note for note in only.notes)


def test_two_dumps_of_inteltool_do_not_mix():
    other = dumps.INTELTOOL.replace("0x00000806", "0x00000c00")
    old, new = mt.parse(dumps.INTELTOOL + other).states
    assert (default(old), default(new)) == (6, 0) and new.line == 9


def test_two_fragments_without_a_boot_line_do_not_mix():
    first = "MTRR variable ranges enabled:\n  0 base 000000000 mask F80000000 write-back\n  1 disabled\n"
    second = first.replace("F80000000", "FC0000000")
    old, new = mt.parse(first + "\n" + second).states
    assert [s.registers.pair(0)[1].value for s in (old, new)] == [0xF80000800, 0xFC0000800]


def test_a_list_that_lost_a_range_is_another_state():
    lines = BEFORE_AFTER.split("\n")
    old, new = mt.parse("\n".join(lines[:3] + ["after:", lines[1]])).states
    assert (old.registers.listed, new.registers.listed) == (2, 1)


def test_a_piece_that_is_quoted_again_is_no_state():
    text = str(mt.emit(dumps.STATE, "dmesg"))
    assert len(mt.parse(f"{text}\nNote this line:\n{text.split(chr(10))[1]}\n").states) == 1


@pytest.mark.parametrize("second", ["registers=0 maxphyaddr=36 vendor=intel", "registers=1 maxphyaddr=40 vendor=intel"])
def test_a_list_that_counts_otherwise_is_another_state(second):
    """Neither contradicts a register of the other; the list of none and that of one range are not one list."""
    lists = [
        "# memtype/1: registers=1 maxphyaddr=36 vendor=intel cap=0x508 def_type=0xc00 end\n"
        "MTRR default type: uncachable\nMTRR variable ranges enabled:\n  0 base 000000000 mask F80000000 write-back\n",
        f"# memtype/1: {second} cap=0x508 def_type=0xc00 end\nMTRR default type: uncachable\n",
    ]
    assert len(mt.parse("machine 0:\n{}\nmachine 1:\n{}".format(*lists)).states) == 2


def test_what_is_told_twice_in_one_list_is_no_state():
    line = "reg00: base=0x00000000 (   0MB), size= {}MB: write-back, count=1\n"
    with pytest.raises(ParseError, match=r"t:2: reg00 is listed twice"):
        mt.parse(line.format(512) + line.format(256), "t")


@settings(max_examples=60, deadline=None)
@given(st.lists(states(holey=False, most=6), min_size=1, max_size=4), st.sampled_from(["dmesg", "wrmsr"]))
def test_dumps_below_one_another(found, form):
    texts = []
    for state in found:
        try:
            texts.append(str(mt.emit(state, form)))
        except mt.InputError:
            return
    told = mt.parse("\n".join(f"machine {n}:\n{text}" for n, text in enumerate(texts)))
    alone = [mt.parse(text) for text in dict.fromkeys(texts)]
    held = [(machine.registers.held, machine.maxphyaddr) for machine in alone]
    states = [(state.registers.held, state.maxphyaddr) for state in told.states]
    assert states == [one for n, one in enumerate(held) if one not in held[:n]]


@settings(max_examples=60, deadline=None)
@given(states(holey=False, most=6), st.sampled_from(["dmesg", "wrmsr", "c", "kvm"]), st.integers(2, 4))
def test_copies_are_one_state(state, form, times):
    try:
        text = str(mt.emit(state, form))
    except mt.InputError:
        return
    assert len(mt.parse("\n".join(f"copy {n}:\n{text}" for n in range(times))).states) == 1


def test_too_many_states_are_refused_in_one_line():
    text = "".join(f"run {n}:\n0x2ff 0x{0xC00 + n % 2:x}\n0x200 {n:#x}000\n0x201 0xfff80000800\n" for n in range(400))
    with pytest.raises(ParseError, match=r"^t:\d+: more than 256 states"):
        mt.parse(text, "t")


@given(states(holey=False, most=4), states(holey=False, most=4), st.integers(0, (1 << 36) - 1))
@settings(max_examples=25, deadline=None)
def test_a_text_of_several_states_answers_what_all_of_them_have(one, other, address):
    """No state is chosen in silence: the answer is that of every state, or NOT_TOLD with each one's."""
    texts = []
    for state in (one, other):
        try:
            texts.append(str(mt.emit(state, "dmesg")))
        except mt.InputError:
            return
    told = mt.parse("\n".join(f"machine {n}:\n{text}" for n, text in enumerate(texts)))
    if min(part.registers.maxphyaddr for part in told.states) < 36:
        return
    answers = [part.at(address) for part in told.states]
    found = told.at(address)
    assert found.type in {answer.type for answer in answers} | {mt.MemoryType.NOT_TOLD}
    if found.type is mt.MemoryType.NOT_TOLD:
        assert found.missing and set(found.candidates) >= {a.type for a in answers} - {mt.MemoryType.NOT_TOLD}
    else:
        assert {answer.type for answer in answers} == {found.type}
    assert told.types([address])[0] == found.type


DEFAULT = "MTRR default type: uncachable\n"
COUNTS = "MTRR map: 6 entries (3 fixed + 3 variable; max 23), built from 10 variable MTRRs\n"
FRAGMENTS = {  # of two logs without a boot line
    "PAT": ("x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\n",
            "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WC  UC- UC\n"),
    "PAT of old": ("x86 PAT enabled: cpu 0, old 0x7040600070406, new 0x7010600070106\n",
                   "x86 PAT enabled: cpu 0, old 0x7040600070406, new 0x7040600070106\n"),
    "losing": ("WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 64MB of RAM.\n",
               "WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 128MB of RAM.\n"),
    "width": (f"address sizes\t: 39 bits physical, 48 bits virtual\n{DEFAULT}",
              f"address sizes\t: 46 bits physical, 48 bits virtual\n{DEFAULT}"),
    "vendor": (f"vendor_id\t: GenuineIntel\n{DEFAULT}", f"vendor_id\t: AuthenticAMD\n{DEFAULT}"),
    "RAM": ("BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\n"
            "BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable\n",
            "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\n"
            "BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable\n"),
    "counts": (COUNTS, COUNTS.replace("6 entries (3 fixed + 3", "5 entries (3 fixed + 2")),
    "default": (DEFAULT, DEFAULT.replace("uncachable", "write-back")),
    "TOM2": (f"{DEFAULT}TOM2: 0000000180000000 aka 6144M\n", f"{DEFAULT}TOM2: 0000000280000000 aka 10240M\n"),
    "switch": (f"{DEFAULT}MTRR variable ranges enabled:\n", f"{DEFAULT}MTRR variable ranges disabled:\n"),
}  # fmt: skip


def told_of(machine: mt.Machine) -> tuple[object, ...]:
    return machine.cpus, machine.e820, machine.width, machine.vendor, machine.facts


@pytest.mark.parametrize("name", FRAGMENTS)
@pytest.mark.parametrize("between", ["\n", "and the other machine says\n"])
def test_fragments_of_two_logs_are_two_states(name, between):
    one, other = FRAGMENTS[name]
    states = mt.parse(one + between + other).states
    assert [told_of(state) for state in states] == [told_of(mt.parse(text)) for text in (one + between, other)]
    assert [state.line for state in states] == [1, one.count("\n") + 2]


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragments_next_to_each_other_choose_none(name):
    """Two states, a refusal by line, or a register that is not told, and a note that names both lines."""
    one, other = FRAGMENTS[name]
    try:
        machine = mt.parse(one + other, "t")
    except ParseError as error:
        assert str(error).startswith("t:2: ")
        return
    if len(machine.states) == 1:
        assert any("line 1 and line 2 tell IA32_MTRR_DEF_TYPE differently" in note for note in machine.notes)
        assert machine.at(1 << 32).type is mt.MemoryType.NOT_TOLD


def test_programs_word_a_processor_differently_and_mean_one():
    text = "address sizes\t: 39 bits physical, 48 bits virtual\nVendor ID:  GenuineIntel\n" + DEFAULT
    again = "Vendor ID:               GenuineIntel\nAddress sizes:    39 bits physical, 48 bits virtual\n"
    assert len(mt.parse(text + "\n" + again + "0x277 0x0007040600070406\n").states) == 1


@pytest.mark.parametrize("second", [
    "reg00: base=0x080000000 ( 2048MB), size= 1024MB, count=1: uncachable\n", "0x2ff 0xc00\n",
])  # fmt: skip
def test_two_families_that_contradict_each_other_are_two_states(second):
    log = str(mt.emit(dumps.STATE, "dmesg"))
    one, other = mt.parse(log + second).states
    assert one.registers.held == mt.parse(log).registers.held and one.line == 1
    assert other.registers.held == mt.parse(second).registers.held and other.line == log.count("\n") + 1


def test_no_assumption_of_a_state_is_made_in_a_strict_machine():
    machine = mt.parse(BEFORE_AFTER).strict()
    assert machine.at(1 << 34).type is mt.MemoryType.NOT_TOLD and not machine.at(0x100000).assumed


def test_functions_ask_which_state():
    machine = mt.parse(BEFORE_AFTER, "t")
    for ask in (lambda: mt.emit(machine, "json"), lambda: mt.check(machine), lambda: mt.diff(machine, machine)):
        with pytest.raises(mt.InputError, match=r"^t: 2 states \(1: before, line 1; 2: after, line 4\): ask one of"):
            ask()
    assert str(machine.map.at(0xE0000000)) == "WC" and str(machine.map.at(0xE8000000)) == "?"


def test_a_state_whose_registers_could_not_be_read_is_no_piece_of_another():
    row = "reg0{}: base=0x{:09x} ({:5d}MB), size= 1024MB, count=1: {}\n"
    refused = (
        "address sizes\t: 46 bits physical, 48 bits virtual\n"
        + row.format(0, 0, 0, "write-back")
        + row.format(0, 0, 0, "uncachable")
    )
    machine = mt.parse(refused + row.format(1, 1 << 30, 1024, "write-back") + row.format(0, 0, 0, "write-through"))
    assert machine.at(0x100000).type is mt.MemoryType.NOT_TOLD
