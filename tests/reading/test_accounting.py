"""No line that names a register is lost in silence: it is read, refused by its number, or what it names is not told."""

from __future__ import annotations

from dataclasses import replace

import corpus_files
import dump_samples as dumps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import states

import memtype as mt
from memtype import MemoryType, rules
from memtype.errors import ParseError
from memtype.reading.accounting import naming
from memtype.reading.text import Text

LISTS = ("wrmsr", "c", "rust", "kvm", "dmesg")
DAMAGE = {
    "a word in front": lambda line: f"zz {line}",
    "a word behind": lambda line: f"{line} zz",
    "cut": lambda line: line[: len(line) * 2 // 3],
    "a sign in the middle": lambda line: f"{line[: len(line) // 2]}~{line[len(line) // 2 :]}",
    "a letter in its number": lambda line: line.replace("0x", "0x~", 1),
    "gone": lambda line: "",
}
PROSE = [
    "The MTRR code in Linux has been rewritten for 6.5.",
    "See the MTRRphysBase registers (MSR 0x200 and following) in the manual.",
    "I think that IA32_MTRR_DEF_TYPE was changed by the BIOS update.",
    "MTRRs are set up by firmware, and reg01 looks wrong to me.",
    "base address and mask must be aligned, see chapter 11",
    "0x0200: 3c 3c 00 00 00 00 00 00",
    "mtrr: type mismatch for fd000000,800000 old: write-back new: write-combining",
    "[drm] MTRR allocation failed.  Graphics performance may suffer.",
    "kvm: vcpu0 disabled perfctr wrmsr: 0x186 data 0xffff",
    "00000-9FFFF",
    "commit 2ff80000 (tag: v6.5)",
]


@pytest.mark.parametrize("prose", PROSE)
def test_prose_names_no_register(prose):
    assert list(naming(Text.of(prose))) == []
    for form in LISTS:
        text = str(mt.emit(dumps.STATE, form))
        clean, with_prose = mt.parse(text), mt.parse(f"{text}\n{prose}\n")
        assert clean.cpus == with_prose.cpus or form == "dmesg"
        assert not [note for note in with_prose.notes if "not understood" in note]


@pytest.mark.parametrize(("line", "registers"), [
    ("IA32_MTRR_PHYSBASE1 -> 0x6", {0x202}),
    ("MTRRphysMask0 (0x201): 0x800zz", {0x201}),
    ("MTRRcap (0xfe): MTRRphysBase0 (0x200): MTRRphysMask0 (0x201): ", {0xFE, 0x200, 0x201}),
    ("the MTRR default type: uncachable!", {0x2FF}),
    ("zz reg01: base=0x080000000", {0x202, 0x203}),
    ("1 base 080000000 mask FC0000000 write-bak", {0x202, 0x203}),
    ("base 080000000 mask FC0000000 write-back", set()),
    ("A0000-BFFFF uncachbl", {0x259}),
    ("> 0x2ff = c06", {0x2FF}),
    ("cpu 3: msr 0x250 = 0606060606060606", {0x250}),
    ("0000000000000006 - 0000007c00000800", set()),
])  # fmt: skip
def test_lines_name_registers(line, registers):
    (found,) = naming(Text.of(line))
    assert found.registers == registers


def legal(state: mt.MtrrState) -> mt.MtrrState:
    """The state as a processor lets it be: types that there are, no bit beyond the width, SYSCFG of AMD's alone."""
    low = (1 << state.maxphyaddr) - 1

    def kind(value: int) -> int:
        return value if value in rules.MTRR_TYPES else int(MemoryType.WB)

    fixed = (int.from_bytes(map(kind, value.to_bytes(8, "little")), "little") for value in state.fixed)
    pairs = ((base & low & ~0xFFF | kind(base & 0xFF), mask & low & ~0x7FF) for base, mask in state.variable)
    def_type = state.def_type & (rules.DEF_TYPE_E | rules.DEF_TYPE_FE) | kind(state.def_type & 0xFF)
    made = replace(state, def_type=def_type, fixed=tuple(fixed), variable=tuple(pairs), cap=None)
    return made if state.vendor == "amd" else replace(made, syscfg=0, tom2=0)


@settings(max_examples=200, deadline=None)
@given(states().map(legal), st.sampled_from(LISTS), st.sampled_from(sorted(DAMAGE)), st.data())
def test_a_damaged_line_never_gives_another_type(state, form, damage, data):
    try:
        lines = str(mt.emit(state, form)).split("\n")
    except mt.InputError:
        return
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = DAMAGE[damage](lines[at])
    if form == "wrmsr" and damage == "cut":
        return  # a value that lost digits is a value
    try:
        machine = mt.parse("\n".join(lines))
    except ParseError:
        return
    whole = mt.parse(str(mt.emit(state, form)))
    for address in addresses(state):
        if address >> min(machine.maxphyaddr or 52, state.maxphyaddr):
            continue
        told, right = machine.at(address), whole.at(address)
        assert told.type in (right.type, MemoryType.NOT_TOLD) or told.assumed, (lines[at], hex(address), str(told))


def addresses(state: mt.MtrrState) -> list[int]:
    """Where something may change: borders of ranges, the fixed ranges, 1 MiB, 4 GiB, the top."""
    found = [0, 0x9FFFF, 0xA0000, 0xC8000, 0xFFFFF, 0x100000, rules.GIB4 - 1, rules.GIB4, (1 << state.maxphyaddr) - 1]
    for base, mask in state.variable:
        if mask & rules.MASK_VALID:
            found.append(base & mask & rules.page_bits(state.maxphyaddr))
    return found


def test_lost_lines_are_capped():
    text = str(mt.emit(dumps.STATE, "wrmsr")) + "zz reg01: base=0x080000000\n" * 100
    notes = [note for note in mt.parse(text).notes if "understood" in note]
    assert len(notes) == 21 and "80 more lines" in notes[-1]


def test_no_file_of_the_corpus_loses_a_line(corpus):
    for path in corpus.rglob("*"):
        if path.suffix in {".txt", ".log"}:
            assert not [note for note in corpus_files.machine(path).notes if "not understood" in note], path.name


@pytest.mark.parametrize("width", [36, 48, 52])
def test_above_4_gib_an_amd_processor_may_force_write_back(width: int) -> None:
    """Where SYSCFG and TOP_MEM2 are not told; the last 8 MiB no TOP_MEM2 reaches."""
    listed = {0xFE: 0x508, 0x2FF: 0xC00} | dict.fromkeys((*rules.FIXED_MSRS, *range(0x200, 0x210)), 0)
    rows = "\n".join(f"0x{index:x}: 0x{value:x}" for index, value in listed.items())
    cpu = f"vendor_id : AuthenticAMD\naddress sizes : {width} bits physical, 48 bits virtual\n"
    machine, top = mt.parse(cpu + rows), (1 << width) - (1 << 23)
    kinds = [machine.at(address).type for address in (0, (1 << 32) - 1, 1 << 32, top - 1, top)]
    assert [str(kind) for kind in kinds] == ["UC", "UC", "?", "?", "UC"]
    assert machine.at(1 << 32).candidates == (MemoryType.UC, MemoryType.WB)


REGS = [
    "reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back",
    "reg01: base=0x080000000 ( 2048MB), size= 1024MB, count=1: write-back",
    "reg02: base=0x0c0000000 ( 3072MB), size=  256MB, count=1: write-combining",
]


@pytest.mark.parametrize(
    "mark", ["[...]", "...", "<snip>", "[snip]", "-- snipped --", "(3 lines omitted)", "…", "// cut"]
)
@pytest.mark.parametrize("place", [1, 2, 3])
def test_lines_that_a_text_says_it_left_out_are_lost(mark, place):
    whole = mt.parse("\n".join(REGS))
    lost = mt.parse("\n".join([*REGS[:place], mark, *REGS[place:]]))
    assert whole.at(0x90000000).type is mt.MemoryType.WB
    assert lost.at(0xD0000000 + (1 << 30)).type is mt.MemoryType.NOT_TOLD


@pytest.mark.parametrize("name", ["rog01", "req01", "neg01", "01", "entry 1"])
def test_a_range_whose_name_is_misspelt_is_lost(name):
    found = mt.parse("\n".join(REGS).replace("reg01", name))
    assert found.at(0x90000000).type is mt.MemoryType.NOT_TOLD
