"""A value that is rubbish makes its register not told, and is named by its line: in every form, at every place."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":  # run as a program: pytest finds the helpers beside the rooms by itself
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from printers import PRINTERS

import memtype as mt
from memtype import rules

RUBBISH = ("zz", "-", "", "????", "0x", "<unavailable>", "(null)")
STATE = mt.MtrrState(
    0xC06, (0x0606060606060606,) * 2 + (0,) + (0x0505050505050505,) * 8,
    ((6, 0xFF80000800), *((0xC0000001 + (n << 24), 0xFFFF000800) for n in range(7))), 40,
)  # fmt: skip
VALUE = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-fA-F]{5,}\b|\buncach\w*|\bwrite-\w+|\b(?:UC|WC|WT|WP|WB)\b")
FORMS = [name for name, form in PRINTERS.items() if isinstance(form(STATE), str)]


def told(machine: mt.Machine) -> dict[object, tuple[int, int]]:
    """Value and known bits of all that is held."""
    found: dict[object, tuple[int, int]] = {}
    for cpu in machine.cpus:
        if cpu.registers is not None:
            found |= {(cpu.number, index): (r.value, r.known) for index, r in cpu.registers.held.items()}
            found |= {(cpu.number, r.base, r.size): (r.kind.value, r.kind.known) for r in cpu.registers.ranges.values()}
    return found


def silent(form: str, places: int, seed: int = 0) -> list[str]:
    """What was lost without a word, or changed, where one value after the other is rubbish."""
    rng = random.Random(seed)
    text = str(PRINTERS[form](STATE))
    whole = told(mt.parse(text))
    values = list(VALUE.finditer(text))
    found = []
    for value in rng.sample(values, min(places, len(values))):
        word = rng.choice(RUBBISH)
        line = text.count("\n", 0, value.start()) + 1
        try:
            machine = mt.parse(text[: value.start()] + word + text[value.end() :])
        except mt.MemtypeError:
            continue
        now = told(machine)
        lost = [key for key, (_, known) in whole.items() if known & ~now.get(key, (0, 0))[1]]
        other = [k for k, (v, known) in now.items() if k in whole and (v ^ whole[k][0]) & known & whole[k][1]]
        row = text.split("\n")[line - 1]
        if other or (lost and not _said(machine)):
            found.append(f"{form}: {row!r}: {word!r} for {value[0]!r}: {other or lost}, {machine.notes}")
    return found


def _said(machine: mt.Machine) -> bool:
    """Whether a note names a line that was not understood, or what is not told."""
    noted = any(re.search(r"\bline \d+|:\d+:", note) for note in machine.notes)
    return noted or len(machine.states) > 1 or machine.registers is None or bool(machine.registers.untold)


@pytest.mark.parametrize("form", FORMS)
def test_rubbish_is_never_lost_in_silence(form):
    found = silent(form, 12)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("form", ["list", "cpu list", "names", "wrmsr", "c", "kvm", "log", "xen", "inteltool"])
def test_rubbish_for_the_default_type_is_named_by_its_line(form, rubbish):
    lines = str(PRINTERS[form](STATE)).split("\n")
    at = next(n for n, line in enumerate(lines) if re.search(r"0x(?:0*)2ff|default type:", line, re.I))
    place = list(VALUE.finditer(lines[at].split("(IA32_MTRR_DEF")[0]))[-1]
    lines[at] = lines[at][: place.start()] + rubbish + lines[at][place.end() :]
    try:
        machine = mt.parse("\n".join(lines))
    except mt.ParseError as error:
        assert f":{at + 1}:" in str(error)
        return
    assert any(re.search(rf"\bline {at + 1}\b|:{at + 1}:", note) for note in machine.notes), machine.notes
    assert machine.registers is None or not machine.registers.register(rules.DEF_TYPE_MSR).tells(rules.DEF_TYPE_TYPE)


if __name__ == "__main__":
    places = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    failures = [one for form in FORMS for one in silent(form, places)]
    print("\n".join(failures[:40]))
    print(f"{len(failures)} lost in silence, or changed")


NEAR_MASKS = {
    "0xff80000800": False, "0x0": False, "0xff80000000": False,  # in use, off, off with what it held
    "0xff800008000": True, "0xff8000080": True, "0x2": True, "0xff8000f800": False,
}  # fmt: skip


@pytest.mark.parametrize(("mask", "lost"), NEAR_MASKS.items())
@pytest.mark.parametrize("row", ["{}: {}", "{} = {}", "IA32_MTRR_PHYSMASK0, {}, {{'{}'}}"])
def test_a_number_that_is_a_mask_but_for_a_digit_is_not_told(row, mask, lost):
    """Without V such a pair would be off, and what it covers would have the default type."""
    mask = mask[2:] if "{{" in row else mask
    rows = ["0xfe: 0x501", "0x2ff: 0xc06", "0x200: 0x80000000", row.format("0x201", mask)]
    told = mt.parse("\n".join(rows)).registers
    assert (0x201 in told.lost) is lost and (0x201 in told.held) is not lost


def test_a_rest_with_another_row_behind_it_may_belong_to_the_row_above():
    """Two rests behind one beginning, the second with the next row in it: which of them is reg02's is not told."""
    rows = [
        "reg02: base=0x530000000 (21248MB),", "size=    4KB, count=1: uncachable",
        "size=   64MB, count=1: write-protectreg04: base=0x469349000 (18067MB),",
    ]  # fmt: skip
    above = "reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back"
    assert mt.parse("\n".join([above, *rows[:2]])).at(0x530000000).type is mt.MemoryType.UC
    assert mt.parse("\n".join([above, *rows])).at(0x530000000).type is mt.MemoryType.NOT_TOLD


@pytest.mark.parametrize(
    ("beside", "number", "known"),
    [
        ("606060606060606", "1919191919191910", False), ("6.06061E+14", "1919191919191910", False),
        ("606060606060606", "1818181919191910", True), ("6.06061E+14", "1818181919191910", False),
        ("606060606060606", "1010101010101010", True), ("606060606060606", "1919191919191919", True),
        ("606060606060606", "1919191919191900", True), ("606060606060606", "1918191819181910", True),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_rounded_is_not_told(beside, number, known):
    """It keeps 15 digits of 1919191919191919: that the others are alike shows it, or an exponent of another number."""
    rows = ["rdmsr 0x2ff", "c06", "rdmsr 0x250", beside, "rdmsr 0x259", number]
    told = mt.parse("\n".join(f"# {row}" if "msr" in row else row for row in rows)).registers
    assert (0x259 in told.held) is known


@pytest.mark.parametrize(("base", "known"), [("0x51e7250000005", True), ("0x51e72500000005", False),
                                             ("0xf000000000005", True), ("0x10000000000005", False)])  # fmt: skip
def test_a_base_beyond_the_widest_address_has_a_digit_too_many(base, known):
    """It matched no address, and the range was gone without a word."""
    machine = mt.parse(f"0xfe 0x501\n0x2ff 0xc01\n0x200 {base}\n0x201 0xffffff0000800\n")
    assert (0x200 in machine.registers.held) is known
    if not known:
        assert machine.at(0x51E7250000000).type is mt.MemoryType.NOT_TOLD
        assert any("a digit is lost, or one too many" in note for note in machine.notes)
