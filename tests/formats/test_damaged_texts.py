"""The law of answers: a damaged text gives the right type, NOT_TOLD or a refusal, never another type.

``python tests/formats/test_damaged_texts.py 100000`` tries as many; the suite tries some hundreds.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

if __name__ == "__main__":  # run as a program: pytest finds the helpers beside the rooms by itself
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from damage import damaged, damaged_entries, mixed
from printers import PRINTERS
from strategies import LEGAL

import memtype as mt
from memtype import formats, rules
from memtype.told import pair_numbers

FORMS = tuple(PRINTERS)
WIDTHS = (36, 39, 40, 46, 48, 52)
TOM2_BITS = rules.SYSCFG_TOM2_EN, rules.SYSCFG_TOM2_FORCE_WB, rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
# Damages that leave no trace in a form: its numbers have no fixed length, or a place in it is all that names a value.
UNPADDED = frozenset({"digit", "short line", "cut"})  # "cut": a last line without its end
UNSEEN = {
    "bare list": UNPADDED, "amdsev": UNPADDED, "mapping": UNPADDED, "snapshot": UNPADDED | {"window"},
    "proc-mtrr": UNPADDED, "memcontrol": UNPADDED | {"told otherwise"},
    "dbvm": UNPADDED, "transcript": UNPADDED | {"drop", "again"},
    "qemu json": frozenset({"swapped", "crossed"}),
}  # fmt: skip
UNNUMBERED = frozenset({"proc-mtrr", "memcontrol"})  # one line more, of another machine, contradicts none


def machine(rng: random.Random, like: mt.MtrrState | None = None) -> mt.MtrrState:
    """A machine as firmware leaves one: legal types, contiguous masks. `like`: of that kind, as many pairs in use."""
    width = like.maxphyaddr if like else rng.choice(WIDTHS)
    amd = like.vendor == "amd" if like else rng.random() < 0.4
    used = (
        [mask != 0 for _, mask in like.variable] if like else [True] + [rng.random() < 0.7 for _ in range(_more(rng))]
    )
    pairs = [_pair(rng, width, low=n == 0) if use else (0, 0) for n, use in enumerate(used)]
    pairs += [(0, 0)] * (len(pairs) == 9)  # no processor has nine: a list of ten that lost its end is seen, but for two
    routed = rng.choice((0, rules.AMD_FIXED_ROUTING)) if amd else 0
    fixed = tuple((rng.choice(LEGAL) | routed) * 0x0101010101010101 for _ in rules.FIXED_MSRS)
    def_type = rules.DEF_TYPE_E | rng.choice((0, rules.DEF_TYPE_FE)) | rng.choice(LEGAL)
    if not amd:
        return mt.MtrrState(def_type, fixed, tuple(pairs), width)
    syscfg = rng.choice((0, *TOM2_BITS)) | rng.choice((0, 0x40000, 0xC0000))
    tom2 = rng.randrange(1 << 32, 1 << min(width, 48)) & rules.TOM2_FIELD & -(1 << 23)
    return mt.MtrrState(def_type, fixed, tuple(pairs), width, "amd", syscfg, rng.choice((0, tom2)))


def _more(rng: random.Random) -> int:
    """How many pairs beside the first: often seven, as most processors and every guest have."""
    return rng.choice((7, 7, *range(10)))


def _pair(rng: random.Random, width: int, low: bool) -> tuple[int, int]:
    size = 1 << rng.randrange(20 if low else 12, width)
    base = 0 if low else rng.randrange(1 << width) & -size
    return mt.range_registers(base, size, mt.MemoryType(rng.choice(LEGAL)), width)


def wrong(seed: int) -> str | None:
    """What a damaged text answers wrongly; None where it does not."""
    rng = random.Random(seed)
    state, whole, form = _printed(rng)
    machines = [state]
    if isinstance(whole, bytes):
        text, names = damaged_entries(whole, rng)
    elif (
        rng.random() < 0.1
        and form not in UNNUMBERED
        and (other := PRINTERS[form](second := machine(rng, like=state))) is not None
    ):
        text, names = mixed(whole, str(other), rng), ["mixed"]
        # no line says whose it is: fixed ranges of one under the default type of the other are a machine that fits
        machines += [second, replace(state, fixed=second.fixed), replace(second, fixed=state.fixed)]
    else:
        text, names = damaged(whole, rng, 3, UNSEEN.get(form, frozenset()))
    try:
        told = mt.parse(text)
    except mt.MemtypeError:
        return None
    for edge in [segment.base for segment in state.map]:
        for address in (edge, edge - 1) if edge else (edge,):
            found = [_wrongly(told, address, one.at(address)) for one in machines]
            if all(found):
                return f"seed {seed}, {form}, {names}: 0x{address:x} is {state.at(address)}, {found[0]}"
    return None


def _printed(rng: random.Random) -> tuple[mt.MtrrState, str | bytes, str]:
    """A machine and its text, in a form that can hold it."""
    form = rng.choice(FORMS)
    while (whole := PRINTERS[form](state := machine(rng))) is None:
        pass
    return state, whole, form


def _wrongly(told: mt.Machine, address: int, right: mt.MemoryType) -> str | None:
    """Another type: without assumptions, or with one that the answer's own line does not name."""
    try:
        answer, strict = told.at(address), told.at(address, strict=True)
    except mt.AddressError:
        return None
    if strict.type not in (mt.MemoryType.NOT_TOLD, right):
        return f"answered {strict}"
    if answer.type in (mt.MemoryType.NOT_TOLD, right) or answer.assumed:
        return None
    return f"answered {answer}, and no assumption is named"


@pytest.mark.parametrize("block", range(8))
def test_a_damaged_text_never_gives_another_type(block):
    found = [told for seed in range(block * 40, block * 40 + 40) if (told := wrong(seed))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("form", ["wrmsr", "c", "rust", "kvm", "edk2", "dmesg"])
def test_a_list_cut_anywhere_in_its_last_lines_gives_no_other_type(form):
    """The last value may lack digits: 0x2ff 0x000000000 of 0x2ff 0x0000000000000c06."""
    state = machine(random.Random(3350))
    text = str(mt.emit(state, form))
    for end in range(len(text) - 90, len(text) + 1):
        try:
            told = mt.parse(text[:end])
        except mt.MemtypeError:
            continue
        found = [_wrongly(told, at, state.at(at)) for at in (0, 0x9000, 0xA0000, 1 << 20, 1 << 31, 1 << 45)]
        assert not any(found), (form, text[end - 30 : end], found)


def _forgetful(parse, silent: bool):
    """A reader that forgets a pair; `silent`: it says that it has understood the pair's line."""

    def parsed(text: str, source: str = "<text>") -> mt.Machine:
        found = parse(text, source)
        cpus, lines = [], set()
        for cpu in found.cpus:
            held = dict(cpu.registers.held) if cpu.registers is not None else {}
            gone = {held.pop(index) for index in pair_numbers(0) if index in held}
            lines |= {register.line for register in gone}
            some = {} if not silent else {"whole": True, "count": None, "cut": False}
            cpus.append(cpu if not gone else replace(cpu, registers=replace(cpu.registers, held=held, **some)))
        return replace(found, cpus=tuple(cpus), taken=found.taken | lines if silent else found.taken)

    return parsed


@pytest.mark.parametrize("silent", [True, False])
def test_a_planted_drop_is_seen(silent, monkeypatch):
    """A reader that forgets a register: without a word it is found here; else the line accounts for it."""
    family = next(one for one in formats.families() if one.NAME == "linux-dmesg")
    monkeypatch.setattr(family, "parse", _forgetful(family.parse, silent))
    monkeypatch.setattr(sys.modules[__name__], "FORMS", ("dmesg",))
    found = [told for seed in range(12) if (told := wrong(seed))]
    assert bool(found) is silent


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # seeds from there on: a long run in parts
    failures = [told for seed in range(first, first + count) if (told := wrong(seed))]
    print("\n".join(failures[:40]))
    print(f"{len(failures)} of {count} damaged texts give another type")
