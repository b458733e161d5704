"""No reader changes a register: what a machine holds as told stands in digits on the line that told it.

Where a program prints a register in other words than its value, the rule that makes the value is named here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import corpus_files
import pytest
from conftest import SHARED

import memtype as mt
from memtype import formats, rules
from memtype.told import Register, pair_of

CORPUS = SHARED / "corpus"
# Families that print types as words or ranges by their ends: no value of a register stands in their text.
WORDS = {
    "linux-dmesg": "masks without V, bases without types, DEF_TYPE and fixed ranges as words",
    "proc-mtrr": "sizes",
    "coreboot": "the solution's base, mask and type apart",
    "xen": "the console's list, as Linux prints it",
    "fwts": "ranges by their ends",
    "u-boot": "bases and sizes",
    "edk2": "masks without V: base, mask and type apart",
    "freebsd-memcontrol": "ranges by base and size, types as words",
    "windbg": "base, mask and type apart; fixed ranges as words",
    "slim-bootloader": "base, mask and type apart; the default type as a word",
}


def digits(line: str) -> str:
    """The line's digits alone: a value's halves stand side by side, in either order of writing."""
    return re.sub(r"[^0-9a-f]", "", line.lower().replace("0x", " "))


def stands_in(register: Register, line: str) -> bool:
    low, high = register.value & 0xFFFF_FFFF, register.value >> 32
    bare = digits(line)
    if f"{register.value:x}" in bare:
        return True
    return f"{low:08x}" in bare and f"{high:x}" in bare  # EAX and EDX apart


def changed(path) -> list[str]:
    text = path.read_text(errors="replace")
    try:
        machine = mt.parse(text, path.name)
    except mt.MemtypeError:
        return []
    lines = ["", *text.split("\n")]
    found = []
    for state in machine.states:
        if set(state.format.split("+")) & WORDS.keys():
            continue
        for cpu in state.cpus:
            for index, register in cpu.registers.held.items() if cpu.registers is not None else ():
                if register.told and register.line and not stands_in(register, lines[register.line]):
                    found.append(
                        f"{path.name}:{register.line}: {index:#x} = {register.value:#x}: {lines[register.line]!r:.90}"
                    )
    return found


_ROW = re.compile(r"base ([0-9a-f]+) mask ([0-9a-f]+)", re.I)
SAMPLES = sorted(path for path in (Path(__file__).parents[1] / "data").rglob("*.txt"))
FILES = [path for path in sorted(CORPUS.rglob("*")) if path.is_file() and path.suffix in (".txt", ".log", "")]


def test_every_told_value_stands_on_its_line():
    found = [one for path in (*FILES, *SAMPLES) for one in changed(path)]
    assert not found, "\n".join(found[:20])


@pytest.mark.skipif(not FILES, reason="no ../shared/corpus")
def test_bases_and_masks_of_logs_are_as_printed():
    """Linux' and Xen's list prints PHYSBASE without its type and PHYSMASK without V, in units of bytes."""
    compared = 0
    for path in FILES:
        try:
            states = corpus_files.machine(path).states
        except mt.MemtypeError:
            continue
        lines = ["", *path.read_text(errors="replace").split("\n")]
        for told in (cpu.registers for state in states for cpu in state.cpus if cpu.registers is not None):
            for index, register in told.held.items():
                pair = pair_of(index)
                row = (
                    re.search(r"base ([0-9a-f]+) mask ([0-9a-f]+)", lines[register.line], re.I)
                    if register.line
                    else None
                )
                if pair is None or row is None:
                    continue
                low = rules.MASK_VALID if index & 1 else rules.BASE_TYPE
                assert register.value & ~low == int(row[1 + (index & 1)], 16), f"{path.name}:{register.line}"
                compared += 1
    assert compared > 500


def test_a_reader_that_widens_a_mask_is_seen(monkeypatch):
    family = next(one for one in formats.families() if one.NAME == "msr-list")
    path = next(path for path in SAMPLES if path.parent.name == "msr_list" and mt.load(path).format == "msr-list")
    assert not changed(path)

    def widened(text, source="<text>", parse=family.parse):
        found = parse(text, source)
        told = found.cpus[0].registers
        held = {i: replace(r, value=r.value | 0xFF << 36) for i, r in told.held.items() if pair_of(i) is not None}
        return replace(found, cpus=(replace(found.cpus[0], registers=replace(told, held=held)),))

    monkeypatch.setattr(family, "parse", widened)
    assert changed(path)


def test_a_changed_digit_is_seen():
    assert stands_in(Register(0xFC0000800), "0x201 0x0000000fc0000800")
    assert stands_in(Register(0xFC0000800), "RDMSR( 0x201 ): EAX = 0xC0000800, EDX = 0x0000000F")
    assert not stands_in(Register(0x3FFFC0000800), "0x201 0x0000000fc0000800")
