"""Siblings of the field's cases: the same kind of text and of damage, other numbers; what is right the reference says.

Each sibling makes a text of a random machine and says where its type is told: there the answer is the reference's. At
every other boundary it is the reference's too, or NOT_TOLD. ``python tests/formats/test_siblings.py 2000`` makes as
many of each kind.
"""

from __future__ import annotations

import html
import quopri
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

if __name__ == "__main__":  # run as a program: pytest finds the helpers beside the rooms by itself
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from linux_log import register_lines
from printers import WORDS, msrs, proc_mtrr
from strategies import LEGAL
from ways import WAYS

import memtype as mt
from memtype import rules
from memtype.backends import reference

MARKS = ("// ", "# ", "* ", "- ", "> ", "; ", "1. ", "AB> ", " TG> ", "| ", "12:", "+ ", "\t", "• ")
ROWS = (
    "0x{i:x} 0x{v:x}", "0x{i:08x}: 0x{v:016x}", "0x{i:x}=0x{v:x}", "MSR 0x{i:x} = 0x{v:x}", "{i:x}: {v:x}",
    "cpu0: MSR 0x{i:x} = 0x{v:016x}", "[cpu0] RDMSR( 0x{i:x} ): EAX = 0x{low:08X}, EDX = 0x{high:08X}",
)  # fmt: skip


class Sibling(NamedTuple):
    """A text, the machine that it is of, and the addresses whose type it tells."""

    text: str
    state: mt.MtrrState
    told: Sequence[int]


def machine(rng: random.Random, width: int | None = None, pairs: int | None = None) -> mt.MtrrState:
    """An Intel machine: MTRRs on, legal types, contiguous masks."""
    width = width or rng.choice((36, 39, 40, 46, 48))
    held = []
    for n in range(rng.choice((1, 2, 3, 8)) if pairs is None else pairs):
        size = 1 << rng.randrange(25 if n else 30, width)
        base = rng.randrange(1 << width) & -size if n else 0
        held.append(mt.range_registers(base, size, mt.MemoryType(rng.choice(LEGAL)), width))
    fixed = tuple(rng.choice(LEGAL) * 0x0101010101010101 for _ in rules.FIXED_MSRS)
    def_type = rules.DEF_TYPE_E | rules.DEF_TYPE_FE | rng.choice(LEGAL)
    return mt.MtrrState(def_type, fixed, tuple(held), width)


def edges(state: mt.MtrrState) -> list[int]:
    bases = [segment.base for segment in state.map]
    return sorted({a for base in bases for a in (base, base - 1) if a >= 0})


def rows(state: mt.MtrrState, rng: random.Random, line: str | None = None) -> list[str]:
    line = line or rng.choice(ROWS)
    return [line.format(i=i, v=v, high=v >> 32, low=v & 0xFFFFFFFF) for i, v in msrs(state)]


def log(state: mt.MtrrState, rng: random.Random) -> list[str]:
    stamp = rng.choice(("", "[    0.000000] ", "Jun  2 15:53:16 host kernel: "))
    return [stamp + line for line in ["Linux version 5.10.0 (b@h)", *register_lines(state)]]


# --- register lines that were lost ------------------------------------------------------------------------------------


def marked_up(rng: random.Random) -> Sibling:
    """br-one-line, br-all-lines: HTML at some ends, or at all."""
    state, many = machine(rng), rng.random()
    lines = [html.escape(line) + ("<br>" if rng.random() < many else "") for line in log(state, rng)]
    return Sibling("\n".join([*lines, "tsc: Detected"]), state, edges(state))


def quoted_by_initials(rng: random.Random) -> Sibling:
    """initials-quote, comment-prefix: one line has a mark that the others lack, or all have one."""
    state, mark = machine(rng), rng.choice(MARKS)
    text = proc_mtrr(state)
    assert text is not None
    lines = text.strip().split("\n")
    one = rng.choice((None, rng.randrange(len(lines))))
    lines = [mark + line if one in (None, n) else line for n, line in enumerate(lines)]
    return Sibling("\n".join(lines), state, [])


def listed(rng: random.Random) -> Sibling:
    """bullets-backticks, markdown-table, quoted-json-lines: a list of MSRs on its way through an editor."""
    state = machine(rng)
    pairs = [(f"0x{i:x}", f"0x{v:x}") for i, v in msrs(state)]
    told = [
        "\n".join(f"- `{i}={v}`" for i, v in pairs),
        "- " + ", ".join(f"`{i}={v}`" for i, v in pairs),
        "| MSR | value |\n|---|---|\n" + "\n".join(f"| {i} | {v} |" for i, v in pairs),
        "\n".join(f'"{i} {v}",' for i, v in pairs),
        quopri.encodestring("\n".join(f"MSR {i} = {v}" for i, v in pairs).encode()).decode(),
    ]
    return Sibling(rng.choice(told), state, edges(state))


def travelled(rng: random.Random) -> Sibling:
    """Any list of MSRs by any way that loses nothing."""
    state = machine(rng)
    return Sibling(WAYS[rng.choice(sorted(WAYS))]("\n".join(rows(state, rng))), state, edges(state))


def unindexed(rng: random.Random) -> Sibling:
    """unindexed-pairs: read in order, or a line is named."""
    state = machine(rng)
    lines = [f"IA32_MTRRCAP=d{len(state.variable):02x}"]
    lines += [f"{base:016x} - {mask:016x}" for base, mask in state.variable]
    return Sibling("\n".join([*lines, f"IA32_MTRR_DEF_TYPE={state.def_type:x}"]), state, [])


# --- not told ---------------------------------------------------------------------------------------------------------


def one_register(rng: random.Random) -> Sibling:
    """lone-def-type: one register of a machine, as a command's answer or a row."""
    state = machine(rng)
    index, value = rng.choice(msrs(state))
    return Sibling(rng.choice((f"$ rdmsr 0x{index:x}\n{value:x}\n", f"0x{index:x} 0x{value:x}\n")), state, [])


def cut_log(rng: random.Random) -> Sibling:
    """cut-after-fixed, reserved-never-printed: a log that ends somewhere in its list."""
    state = machine(rng)
    lines = log(state, rng)
    return Sibling("\n".join(lines[: rng.randrange(2, len(lines))]), state, [])


def gaps(rng: random.Random) -> Sibling:
    """x86info-one-fixed-missing: registers are missing, the others are told."""
    state = machine(rng)
    lost = rng.sample(rules.FIXED_MSRS, rng.randrange(1, 4))
    kept = [(i, v) for i, v in msrs(state) if i not in lost]
    text = "".join(f"{rules.msr_name(i)} (0x{i:x}): 0x{v:016x}\n" for i, v in kept)
    whole = [s.base for s in rules.FIXED_RANGES if rules.FIXED_MSRS[s.register] not in lost]
    above = [a for a in edges(state) if rules.FIXED_END <= a < rules.GIB4]  # beyond, AMD's TOM2 is not told
    return Sibling(text, state, [*whole, *above])


def lost_rows(rng: random.Random) -> Sibling:
    state = machine(rng)
    return Sibling("\n".join(line for line in rows(state, rng) if rng.random() < 0.85), state, [])


# --- width ------------------------------------------------------------------------------------------------------------


def narrow_mask(rng: random.Random) -> Sibling:
    """width-lscpu: masks written for a narrower processor stay what they are, and match with holes."""
    width = rng.choice((36, 39, 40, 46))
    size = 1 << rng.randrange(20, 31)
    mask = (1 << 32) - size | rules.MASK_VALID
    state = mt.MtrrState(
        rules.DEF_TYPE_E | rng.choice((0, 6)), variable=((rng.choice((0, 6)), mask),), maxphyaddr=width
    )
    tells = rng.choice(
        ("Address sizes: {} bits physical, 48 bits virtual", "physical address bits: {}",
         "address sizes\t: {} bits physical, 48 bits virtual", "maxphyaddr: {}")
    )  # fmt: skip
    registers = ((0xFE, 0x501), (0x2FF, state.def_type), (0x200, state.variable[0][0]), (0x201, mask))
    text = "\n".join([tells.format(width), "vendor_id: GenuineIntel", *(f"0x{i:x} 0x{v:x}" for i, v in registers)])
    multiples = [n << 32 | at for n in range(1 << min(width - 32, 4)) for at in (0, size - 1, size % (1 << 32))]
    return Sibling(text, state, multiples)


def encrypted(rng: random.Random) -> Sibling:
    """tme-activate: KeyID bits narrow what the text tells."""
    keys = rng.randrange(1, 7)
    state = machine(rng, width=46 - keys)
    lines = ["physical address bits: 46", f"0x982 0x{keys << 32 | 3:016x}", *rows(state, rng, "0x{i:x} 0x{v:x}")]
    return Sibling("\n".join(lines), state, edges(state))


def other_widths_size(rng: random.Random) -> Sibling:
    """proc-mtrr-impossible-size: the kernel assumed more address bits than the mask has."""
    width, assumed = rng.choice(((36, 40), (36, 39), (39, 46)))
    size = 1 << rng.randrange(28, 34)
    kind = rng.choice((0, 1, 6))
    state = mt.MtrrState(rules.DEF_TYPE_E, variable=(mt.range_registers(0, size, kind, width),), maxphyaddr=width)
    shown = (1 << assumed) - (1 << width) + size >> 20
    return Sibling(f"reg00: base=0x00000000 (   0MB), size={shown}MB: {WORDS[kind]}, count=1\n", state, [1 << 20])


# --- two states -------------------------------------------------------------------------------------------------------


def states(rng: random.Random) -> tuple[str, list[mt.MtrrState]]:
    """before-and-after, diff-of-msrs: two moments of one machine, in one text."""
    one = machine(rng)
    other = machine(rng, one.maxphyaddr, len(one.variable))
    line = rng.choice(ROWS)
    first, second = ("\n".join(rows(each, rng, line)) for each in (one, other))
    heads = rng.choice((("before:", "after:"), ("machine 1:", "machine 2:"), ("--- a", "+++ b"), ("# old", "# new")))
    if heads[0] == "--- a":
        changed = "\n".join(f"-{a}\n+{b}" for a, b in zip(first.split("\n"), second.split("\n"), strict=True))
        return "\n".join([*heads, "@@ -1 +1 @@", changed]), [one, other]
    return f"{heads[0]}\n{first}\n\n{heads[1]}\n{second}\n", [one, other]


# --- the laws ---------------------------------------------------------------------------------------------------------

KINDS: tuple[Callable[[random.Random], Sibling], ...] = (
    marked_up, quoted_by_initials, listed, travelled, unindexed, one_register, cut_log, gaps, lost_rows, narrow_mask,
    encrypted, other_widths_size,
)  # fmt: skip


def faults(kind: Callable[[random.Random], Sibling], seed: int) -> list[str]:
    """What a sibling's text answers otherwise than the reference, or leaves open though it tells it."""
    text, state, told = kind(random.Random(seed))
    try:
        machine = mt.parse(text)
    except mt.MemtypeError as error:
        return [f"{kind.__name__} {seed}: {error}"] if told else []
    found = []
    for address in {*edges(state), *told}:
        right = mt.MemoryType(reference.at(state, address))
        try:
            answer, strict = machine.at(address), machine.at(address, strict=True)
        except mt.AddressError:
            continue
        wrong = strict.type not in (right, mt.MemoryType.NOT_TOLD)
        wrong |= answer.type not in (right, mt.MemoryType.NOT_TOLD) and not answer.assumed
        if wrong or (address in told and answer.type is not right):
            found.append(f"{kind.__name__} {seed}: 0x{address:x} is {right}, answered {answer}")
    return found


def state_faults(seed: int) -> list[str]:
    text, right = states(random.Random(seed))
    if right[0].map == right[1].map:
        return []
    try:
        found = mt.parse(text).states
    except mt.MemtypeError as error:
        return [f"states {seed}: {error}"]
    if len(found) != len(right):
        return [f"states {seed}: {len(found)} states"]
    wrong = []
    for state, machine in zip(right, found, strict=True):
        answers = ((a, mt.MemoryType(reference.at(state, a)), machine.at(a)) for a in edges(state))
        wrong += [
            f"states {seed}: 0x{a:x} is {is_}, answered {said}" for a, is_, said in answers if said.type is not is_
        ]
    return wrong


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_siblings_of_a_case_are_right(kind):
    assert not [fault for seed in range(12) for fault in faults(kind, seed)]


def test_two_states_in_one_text_are_told_apart():
    assert not [fault for seed in range(12) for fault in state_faults(seed)]


def test_a_wrong_register_is_seen(monkeypatch):
    """The law itself: a reader that takes one register for another is found."""
    whole = mt.parse

    def wrong(text: str) -> mt.Machine:
        return whole(text.replace("0x2ff", "0x2fe").replace("0x200", "0x2ff"))

    monkeypatch.setattr(mt, "parse", wrong)
    assert [fault for seed in range(25) for fault in faults(listed, seed)]


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failures = [f for kind in KINDS for seed in range(first, first + count) for f in faults(kind, seed)[:1]]
    failures += [f for seed in range(first, first + count) for f in state_faults(seed)[:1]]
    print("\n".join(failures[:60]))
    print(f"{len(failures)} of {count * (len(KINDS) + 1)} siblings are wrong")
