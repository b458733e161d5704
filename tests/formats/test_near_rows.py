"""Rows that are nearly a family's own: a blank lost, a letter in a number's place, letters in a word, a word too many.

What a family makes of each stands in ``near_rows.json``: nothing else, what is gone (-), new (+) or another (~), or
that it refuses the text. A pattern that grows laxer or stricter changes it, and is to be read in a diff:
``python tests/formats/test_near_rows.py`` writes it anew. ``... law`` asks the whole reader for every edit: a register
may be gone then, but never one that the text does not have, where the edit changed no digit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":  # run as a program: pytest finds the helpers beside the rooms by itself
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

import pytest
from dump_samples import TEXTS
from odd_texts import ODD

import memtype as mt
from memtype.formats import FAMILIES, family
from memtype.reading.lines import bare
from memtype.told import Register, Registers

DATA = Path(__file__).parents[1] / "data"
EXPECTED = Path(__file__).with_name("near_rows.json")
LONGEST = 1500  # characters of a text whose rows are edited
WIDEST = 130  # characters of such a row
BESIDE = 24  # characters beside an edit: where they are the same too, it is made once
ROWS = 150  # of a family
_FIELDS = [field.name for field in dataclasses.fields(Registers) if not field.name.startswith("_")]


def texts(name: str) -> Iterator[str]:
    """The family's texts: whole ones first."""
    own = family(name)
    found = [text for _, text in TEXTS.values()]
    found += [path.read_text() for path in sorted((DATA / name).glob("*.txt"))]
    files = (name, name.partition("_")[0])  # QEMU's families share one
    found += [text for title, text in ODD.items() if title.partition(":")[0] in files and isinstance(text, str)]
    yield from (text for text in found if len(text) <= LONGEST and own.sniff(text))


def rows(name: str) -> Iterator[tuple[str, int]]:
    """(text, line from 0) of the first row of each shape."""
    shapes = set[str]()
    for text in texts(name):
        for place, row in enumerate(text.split("\n")):
            shape = shaped(row.strip())
            if shape and len(row) <= WIDEST and shape not in shapes and len(shapes) < ROWS:
                shapes.add(shape)
                yield text, place


def shaped(text: str) -> str:
    """With one zero for each number."""
    return re.sub(r"[0-9a-fA-F]*\d[0-9a-fA-F]*", "0", text)


def edits(row: str) -> Iterator[tuple[str, str]]:
    """(what is done, the row after it); words are counted from 0."""
    yield from (("x…", "x" + row), ("x …", "x " + row), (" …", " " + row), ("…", row.lstrip()))
    for n, word in enumerate(re.finditer(r"[0-9A-Za-z_]+|[^\w\s]", row)):
        front, behind = row[: word.start()], row[word.end() :]
        if re.fullmatch(r"(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*", word[0]):
            yield f"{n}=x", f"{front}x{behind}"
        if word[0].startswith("0x"):
            yield f"{n}=0x", f"{front}0x{behind}"
        yield from ((f"{n}.{edit}", front + made + behind) for edit, made in inside(word[0]))
        if re.match(r"\w", word[0]):
            yield f"{n}+x", f"{front}{word[0]}x{behind}"
        if "_" in word[0]:
            yield f"{n}~", f"{front}{word[0].replace('_', '')}{behind}"
        yield f"{n} x", f"{front}{word[0]} x{behind}"
        if behind[:1].strip():
            yield f"{n} ", f"{front}{word[0]} {behind}"
        yield f"{n}-", front + behind
        if behind[:1] == " ":
            yield f"{n}_", front + word[0] + behind.lstrip()


def inside(word: str) -> Iterator[tuple[str, str]]:
    """(what is done, the word after it): of a number with letters beside it the number goes, "0x" comes and goes."""
    if re.fullmatch(r"(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*", word):
        yield "0x", word.removeprefix("0x") if word.startswith("0x") else "0x" + word
    elif number := re.search(r"\d+", word):
        yield "=x", word.replace(number[0], "x", 1)
        yield "-", word.replace(number[0], "", 1)


def flat(machine: mt.Machine) -> dict[str, str]:
    """All that a machine holds but its notes, each part under a name."""
    found: dict[str, str] = {}
    for cpu in machine.cpus:
        of = f"{cpu.number}:" if len(machine.cpus) > 1 else ""
        held = cpu.registers
        if held is None:
            continue
        found |= {f"{of}{i:x}": f"{r.value:x} {r.known:x} {r.hidden:x} {r.digits}" for i, r in held.held.items()}
        found |= {f"{of}range{n}": f"{r.base:x} {r.size:x} {r.kind}" for n, r in held.ranges.items()}
        parts = {field: getattr(held, field) for field in _FIELDS if field not in ("held", "ranges")}
        found |= {of + field: str(part) for field, part in parts.items() if part}
    found |= {f"facts {key}": str(value) for key, value in (machine.facts or {}).items()}
    found |= {f"ram{n}": str(span) for n, span in enumerate(machine.e820)}
    parts = {"taken": sorted(machine.taken), "kernel": machine.kernel, "map": machine.printed_map}
    return found | {key: str(part) for key, part in parts.items() if part}


def difference(before: dict[str, str], after: dict[str, str]) -> str:
    gone, new = [key for key in before if key not in after], [key for key in after if key not in before]
    other = [key for key in before if key in after and before[key] != after[key]]
    return " ".join(f"{sign}{','.join(keys)}" for sign, keys in (("-", gone), ("+", new), ("~", other)) if keys)


def outcome(own: ModuleType, row: str, text: str, whole: dict[str, str], place: int) -> str:
    """What a family makes of a text, compared with what it made of it before the edit; what the row is by itself."""
    tells = getattr(own, "TELLS", None)
    says = "" if tells is None or tells.find(" ".join(bare(row).split())) is None else "tells, "
    says += "a sign, " if own.sniff(row) else ""
    says += "owned, " if hasattr(own, "owns") and place + 1 in own.owns(text) else ""
    if not own.sniff(text):
        return says + "not its own"
    try:
        return says + difference(whole, flat(own.parse(text, "t")))
    except mt.ParseError as error:
        return says + "refused: " + " ".join(re.sub(r"^t:(\d+:)? ", "", str(error)).split()[:4])


def alike(one: str, other: str) -> int:
    """With how many equal letters both begin."""
    return next((n for n, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def around(row: str, edited: str) -> tuple[str, str, str]:
    """What an edit does, and the letters beside it: once a family is enough."""
    front = row[: alike(row, edited)]
    behind = row[len(row) - alike(row[len(front) :][::-1], edited[len(front) :][::-1]) :]
    done = f"{row[len(front) : len(row) - len(behind)]}>{edited[len(front) : len(edited) - len(behind)]}"
    return shaped(done), shaped(front[-BESIDE:]), shaped(behind[:BESIDE])


def matters(own: ModuleType, text: str, place: int, whole: dict[str, str]) -> bool:
    """Whether the text without the row gives anything else."""
    lines = text.split("\n")
    tells = outcome(own, lines[place], text, whole, place) != ""
    return tells or outcome(own, "", "\n".join([*lines[:place], "", *lines[place + 1 :]]), whole, place) != ""


def found(name: str) -> dict[str, dict[str, str]]:
    """By row, by outcome: the edits."""
    own, made, seen = family(name), dict[str, dict[str, str]](), set[tuple[str, str, str]]()
    for text, place in rows(name):
        lines = text.split("\n")
        try:
            whole = flat(own.parse(text, "t"))
        except mt.ParseError:
            continue
        if not matters(own, text, place, whole):
            continue
        by = made.setdefault(lines[place], {})
        for edit, row in edits(lines[place]):
            where = around(lines[place], row)
            if where in seen:
                continue
            seen.add(where)
            edited = "\n".join([*lines[:place], row, *lines[place + 1 :]])
            result = outcome(own, row, edited, whole, place)
            by[result] = f"{by[result]} {edit}" if result in by else edit
    return made


@cache
def expected() -> dict[str, dict[str, dict[str, str]]]:
    value: dict[str, dict[str, dict[str, str]]] = json.loads(EXPECTED.read_text())
    return value


@pytest.mark.parametrize("name", FAMILIES)
def test_a_row_that_is_nearly_one_gives_what_it_gave(name: str) -> None:
    assert found(name) == expected()[name]


def written() -> str:
    made = {name: found(name) for name in FAMILIES}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def told(machine: mt.Machine) -> list[tuple[int, Register]]:
    """(number, register) of every processor at every moment."""
    held = [cpu.registers.held for state in machine.states for cpu in state.cpus if cpu.registers is not None]
    return [(index, register) for registers in held for index, register in registers.items()]


def law() -> int:
    """Ask the whole reader; how many edits without a digit gave a register that the text does not have."""
    wrong = 0
    for name in FAMILIES:
        for text, place in rows(name):
            lines = text.split("\n")
            try:
                whole = told(mt.parse(text))
            except mt.ParseError:
                continue
            for edit, row in edits(lines[place]):
                if re.findall(r"\d+", row) != re.findall(r"\d+", lines[place]):
                    continue
                with contextlib.suppress(mt.ParseError):
                    after = told(mt.parse("\n".join([*lines[:place], row, *lines[place + 1 :]])))
                    for i, b in after:
                        if not any(i == j and not (a.value ^ b.value) & a.known & b.known for j, a in whole):
                            wrong += 1
                            print(f"{name}: {edit}: 0x{i:x} is {b.value:x}: {row[:150]!r}", flush=True)
    return wrong


if __name__ == "__main__":
    if sys.argv[1:] == ["law"]:
        sys.exit(1 if law() else 0)
    EXPECTED.write_text(written())
