"""No state is chosen in silence, in any family: two dumps below one another, side by side, or lines that contradict.

``python tests/reading/test_states_of_families.py 20`` tries as many changed registers of each sample.
"""

from __future__ import annotations

import difflib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if __name__ == "__main__":  # run as a program: pytest finds the helpers beside the rooms by itself
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dump_samples import TEXTS

import memtype as mt

DATA = {f"{p.parent.name}/{p.stem}": p.read_text() for p in (Path(__file__).parents[1] / "data").glob("*/*.txt")}
SAMPLES = dict(sorted({**{name: text for name, (_, text) in TEXTS.items()}, **DATA}.items()))
ALONE = {"proc_mtrr/uc-hole"}  # one line: told twice next to each other, it is a contradiction


def told(machine: mt.Machine) -> object:
    """All that a machine tells of types, wherever it stands."""
    cpus = [(c.number, c.pat, c.registers and (dict(c.registers.held), dict(c.registers.ranges))) for c in machine.cpus]
    return cpus, machine.e820, machine.printed_map


def differ(one: mt.Machine, other: mt.Machine) -> bool:
    """Whether a register, a range or the PAT of some processor contradicts the other's."""
    others = {cpu.number: cpu for cpu in other.cpus}
    for mine, theirs in ((cpu, others[cpu.number]) for cpu in one.cpus if cpu.number in others):
        if mine.pat and theirs.pat and mine.pat != theirs.pat:
            return True
        if mine.registers is None or theirs.registers is None:
            continue
        held = mine.registers.held.keys() | theirs.registers.held.keys()
        if any(mine.registers.register(i).contradicts(theirs.registers.register(i)) for i in held):
            return True
        shared = mine.registers.ranges.keys() & theirs.registers.ranges.keys()
        if any(mine.registers.ranges[n] != theirs.registers.ranges[n] for n in shared):
            return True
    return False


def changed(text: str, rng: random.Random, count: int) -> Iterator[tuple[str, int]]:
    """The text with one digit changed, so that it is read and tells another register; and on which line."""
    lines, machine = text.split("\n"), mt.parse(text)
    for _ in range(12 * count):
        n = rng.randrange(len(lines))
        digits = [i for i, letter in enumerate(lines[n]) if letter in "0123456789abcdef"]
        if not digits:
            continue
        at = rng.choice(digits)
        line = lines[n][:at] + rng.choice("0123456789abcdef") + lines[n][at + 1 :]
        other = "\n".join([*lines[:n], line, *lines[n + 1 :]])
        try:
            if len(mt.parse(other).states) == 1 and differ(machine, mt.parse(other)):
                yield other, n
                count -= 1
        except mt.MemtypeError:
            continue
        if not count:
            return


def together(one: str, other: str) -> dict[str, str]:
    one, other = one.rstrip("\n") + "\n", other.rstrip("\n") + "\n"
    unified = difflib.unified_diff(one.splitlines(True), other.splitlines(True), "old", "new")
    return {
        "below": one + other,
        "behind a blank line": one + "\n" + other,
        "under headings": f"machine 0:\n{one}machine 1:\n{other}",
        "diff -u": "".join(unified),
        "diff": "".join("< " + line for line in one.splitlines(True)) + "---\n"
        + "".join("> " + line for line in other.splitlines(True)),
    }  # fmt: skip


def wrong(name: str, rng: random.Random, count: int) -> Iterator[str]:
    """Where two texts in one are read as something else than two states, or a clear refusal."""
    text = SAMPLES[name]
    first = mt.parse(text)
    for other, _ in changed(text, rng, count):
        second = mt.parse(other)
        for how, both in together(text, other).items():
            try:
                found = mt.parse(both, "t").states
            except mt.ParseError as error:
                whole = how in ("below", "behind a blank line") and name not in ALONE
                if whole or "\n" in str(error):
                    yield f"{name}, {how}: {error}"
                continue
            states = [told(state) for state in found] == [told(first), told(second)]
            pieces = how.startswith("diff") and not any(map(differ, found, (first, second)))
            if not (states or pieces):
                yield f"{name}, {how}: {len(found)} states, {list(found[0].notes)}"


def chosen(name: str, rng: random.Random, count: int) -> Iterator[str]:
    """Where a list that tells a register twice, in lines next to each other, has one of both values."""
    text = SAMPLES[name]
    lines = text.split("\n")
    for other, n in changed(text, rng, count):
        try:
            machine = mt.parse("\n".join([*lines[: n + 1], other.split("\n")[n], *lines[n + 1 :]]), "t")
        except mt.ParseError:
            continue
        if len(machine.states) == 1 and len(machine.cpus) == len(mt.parse(text).cpus):
            if any(differ(machine, mt.parse(each)) for each in (text, other)):
                yield f"{name}, line {n + 1} twice: {list(machine.notes)}"
            elif not any(getattr(note, "id", "") in ("contradiction", "lost") for note in machine.notes):
                yield f"{name}, line {n + 1} twice: nothing says so"


@pytest.mark.parametrize("name", SAMPLES)
def test_two_dumps_in_one_text_are_two_states(name):
    assert not list(wrong(name, random.Random(f"states {name}"), 1))


# a command more, or a range more, is no contradiction
ADDING = {"bsd", "freebsd/frame-buffer", "freebsd/rom", "proc-mtrr", "proc_mtrr_commands/uc-hole",
          "proc_mtrr_commands/wb-and-frame-buffer"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - ADDING))
def test_a_register_told_twice_in_one_list_is_not_told(name):
    assert not list(chosen(name, random.Random(f"twice {name}"), 1))


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - ADDING))
def test_every_line_twice_is_no_other_state(name):
    """As two consoles in one log print it: nothing is said otherwise."""
    text = SAMPLES[name]
    if text.lstrip()[:1] in "{[" or "=" in text[:1]:
        return
    try:
        machine = mt.parse("\n".join(line for line in text.split("\n") for _ in "ab"))
    except mt.ParseError:
        return
    assert not any(differ(state, mt.parse(text)) for state in machine.states)


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    rngs = {name: random.Random(f"{seed} {name}") for name in SAMPLES}
    failures = [line for name in SAMPLES for line in wrong(name, rngs[name], many)]
    failures += [line for name in SAMPLES if name not in ADDING for line in chosen(name, rngs[name], many)]
    print("\n".join(failures[:60]))
    print(f"{len(failures)} texts in which a state was chosen, of {len(SAMPLES)} samples")
