"""Reading is linear in the text: twice the lines of a kind are about twice the work.

No time is taken. The work is counted in calls of functions, Python's own and those in C: patterns, texts, lists.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dump_samples import TEXTS

import memtype as mt
from memtype.formats import FAMILIES
from memtype.reading.clues import holding, words
from memtype.reading.tellings import MOST_ROWS, MOST_TOLD

COUNT = 300  # lines of the shorter text
LONGEST = 30_000  # characters, for samples of long lines
MOST = 2.3  # times the work
DATA = {path: path.read_text() for path in sorted((Path(__file__).parents[1] / "data").glob("*/*.txt"))}


def work(call: Callable[[], object]) -> int:
    """How many calls `call` makes."""
    count = 0

    def profile(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event.endswith("call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count


def read(text: str) -> None:
    with contextlib.suppress(mt.MemtypeError):
        mt.parse(text)


def growth(make: Callable[[int], str], count: int = COUNT) -> float:
    """How much more work twice as long a text is."""
    short, long = make(count), make(2 * count)
    read(short)  # modules are loaded, caches filled
    return work(lambda: read(long)) / work(lambda: read(short))


def repeated(text: str) -> Callable[[int], str]:
    lines = text.rstrip("\n").split("\n")
    return lambda count: "\n".join(lines[n % len(lines)] for n in range(count)) + "\n"


SAMPLES = {path.parent.name: text for path, text in DATA.items()} | {name: text for name, (_, text) in TEXTS.items()}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_own_lines_of_a_family_again_and_again(name):
    text = SAMPLES[name]
    longest = max(map(len, text.split("\n")))
    assert growth(repeated(text), max(8, min(COUNT, LONGEST // longest))) < MOST


def rows(row: Callable[[int], str], head: str = "", foot: str = "") -> Callable[[int], str]:
    return lambda count: head + "".join(row(n) + "\n" for n in range(count)) + foot


KINDS = {
    "e820": rows(lambda n: f"BIOS-e820: [mem 0x{n * 0x2000:016x}-0x{n * 0x2000 + 0xFFF:016x}] usable"),
    "e820 of old": rows(lambda n: f" BIOS-e820: {n * 0x2000:016x} - {n * 0x2000 + 0x1000:016x} (usable)"),
    "MSRs": rows(lambda n: f"0x{0x400 + n:x} = 0x{n:x}", "0x2ff = 0xc06\n"),
    "processors": rows(lambda n: f"cpu {n} 0x2ff = 0x{n % 7:x}"),
    "a register again": rows(lambda n: f"0x200 = 0x{n * 4096:x}", "0x2ff = 0xc06\n0x201 = 0x800\n"),
    "not readable": rows(lambda n: f"rdmsr: CPU {n} cannot read MSR 0x000002ff", "0x2ff = 0xc06\n"),
    "rdmsr -a": rows(lambda n: f"c0{n % 7}", "# rdmsr -a 0x2ff\n"),
    "wrmsr": rows(lambda n: f"wrmsr -p {n} 0x2ff 0x{n:x}"),
    "lost lines": rows(lambda n: f"reg{n % 200:02}: basx=0x{n:09x}", "MTRR default type: uncachable\n"),
    "C": rows(lambda n: f"\t{{ 0x{0x200 + n % 16:x}, 0x{n * 4096:x}ull }},", "mtrrs[] = {\n", "};\n"),
    "Rust": rows(lambda n: f"    (0x{0x200 + n % 16:x}, 0x{n:x}),", "const MTRRS: [(u32, u64); 9] = [\n", "];\n"),
    "remarks": rows(lambda n: "# memtype/1: registers=1 end\n0x2ff = 0xc06"),
    "HTML": rows(lambda n: f"<tr><td>0x{0x400 + n:x}</td><td>0x6</td></tr><br>&nbsp;"),
    "quoted-printable": rows(lambda n: f"reg{n % 8:02}: base=3D0x{n:09x} ( 0MB), size=3D 1=\n024MB"),
    "strings": rows(lambda n: f'  "reg00: base=0x{n:x}",'),
    "JSON": lambda count: json.dumps([{"cpu": n, "msrs": [{"index": "0x277", "data": n}]} for n in range(count)]),
    "QMP": rows(lambda n: '{"return": 46}', '{"QMP": {}}\n', '{"execute": "qom-get", "property": "phys-bits"}\n'),
    "items": lambda count: ", ".join("0x200=0x6" for _ in range(count)),
    "boots": rows(lambda n: "[    0.000000] Linux version 6.4.0\n[    0.000000] MTRR default type: uncachable"),
    "PAT refusals": rows(lambda n: f"x86/PAT: a:9 map pfn RAM range req write-back for [mem 0x{n}000-0x{n}fff], got x"),
    "Checking fixed mtrr": rows(lambda n: "Checking fixed mtrr", TEXTS["coreboot"][1]),
    "two families": rows(lambda n: f"cpu {n} 0x277 = 0x{n:x}\nCPU {n}\nMTRR Default Type: 0000000000000C06"),
    "prose": rows(lambda n: f"The processor {n} reads 0x{n:x} - MTRR code, as the base mask has it."),
    "one line": lambda count: "reg0 cpu base 0x2 mask " * count,
    "blank lines": lambda count: "\n" * count,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_lines_of_a_kind(name):
    assert growth(KINDS[name]) < MOST


def test_every_family_has_its_own_lines_here():
    assert {path.parent.name for path in DATA} | {"qemu_json", "qemu_migration", "own_json"} >= set(FAMILIES)


def test_a_planted_comparison_of_each_line_with_all_is_seen(monkeypatch):
    from memtype.formats import proc_mtrr

    parse = proc_mtrr.parse

    def slow(text: str, source: str = "<text>") -> mt.Machine:
        rows = text.split("\n")
        assert all(row.count("") for n in range(len(rows)) for row in rows[:n])
        return parse(text, source)

    monkeypatch.setattr(proc_mtrr, "parse", slow)
    text = "reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back\n"
    assert growth(repeated(text)) > MOST


def test_a_line_that_holds_many_words_is_found_once():
    wanted = words("mtrr", pattern=r"reg\d")
    assert len(list(holding("reg0", wanted))) == 1  # patterns are compiled by now
    assert work(lambda: list(holding("reg0" * 5000, wanted))) < 200


@pytest.mark.parametrize("line", [".", "#", "> ", "- 1", "<b>", "kernel:"])
def test_equal_lines_are_asked_once(line):
    """What a line says is looked up where it comes again: a few calls a line, where the first takes some hundred."""
    text = f"{line}\n" * (4 * COUNT)
    read(text)
    assert work(lambda: read(text)) < 8 * 4 * COUNT


@pytest.mark.parametrize(
    ("head", "row", "most"),
    [
        ("0x2ff = 0xc06", lambda n: f"0x{0x400 + n:x} = 0x{n:x}", 60),  # each line another
        ("0x2ff = 0xc06", lambda n: "0x200=6", 45),  # the same register again and again
        ("[ 0.1] MTRR default type: uncachable", lambda n: f"[{n:9}.123456] usb 1-1: device number {n}", 15),
    ],
)
def test_a_line_takes_few_calls(head, row, most):
    text = f"{head}\n" + "".join(row(n) + "\n" for n in range(4 * COUNT))
    read(text)
    assert work(lambda: read(text)) < most * 4 * COUNT


def test_a_word_is_looked_for_once_in_a_reading(monkeypatch):
    """Families ask for the same words: the text is scanned for each of them once."""
    from memtype.reading import clues

    asked: list[tuple[int, str]] = []
    places = clues._Index._shapes_with
    monkeypatch.setattr(
        clues._Index, "_shapes_with", lambda index, word: asked.append((id(index), word)) or places(index, word)
    )
    mt.parse("0x2ff = 0xc06\nMTRR default type: uncachable\n" * 20)
    assert len(asked) == len(set(asked)) > 3


def test_more_processors_than_can_be_are_refused_by_line():
    text = "".join(f"cpu {n} 0x2ff = 0xc06\n" for n in range(8193))
    with pytest.raises(mt.ParseError, match=r"^<text>:8193: more than 8192 processors"):
        mt.parse(text)


def test_processors_of_all_states_count(monkeypatch):
    from memtype.reading import values

    lists = ["".join(f"cpu {n} 0x2ff = 0xc0{kind}\ncpu {n} 0x277 = 0x6\n" for n in range(5)) for kind in (0, 6)]
    text = f"before:\n{lists[0]}\nafter:\n{lists[1]}"
    assert len(mt.parse(text).states) == 2
    monkeypatch.setattr(values, "MOST_CPUS", 8)
    with pytest.raises(mt.ParseError, match="more than 8 processors in all states"):
        mt.parse(text)


@pytest.mark.parametrize(("row", "said"), [
    (lambda n: f"cpu {n // 16} 0x{0x200 + n % 16:x} = 0x{n:x}", f":{MOST_ROWS + 1}: more than {MOST_ROWS} lines"),
    (lambda n: f"rdmsr -p {n} 0x2ff", f":{MOST_ROWS // 3 + 1}: more than {MOST_ROWS} lines"),
    (lambda n: f"0x{n:x}", f":{MOST_ROWS + 1}: more than {MOST_ROWS} lines"),
    (lambda n: f"IA32_PAT 0x{n:x}", f":{MOST_TOLD + 1}: told more than {MOST_TOLD} times"),
    (lambda n: f"{'+-'[n % 2]}0x{0x200 + n % 16:x} = 0x{n:x}", f":{MOST_ROWS + 1}: a diff of more than"),
], ids=["rows", "commands", "words", "one register", "diff"])  # fmt: skip
def test_what_no_paste_has_so_often_is_refused_by_line(row, said):
    with pytest.raises(mt.MemtypeError, match=said):
        mt.parse("\n".join(map(row, range(MOST_ROWS + 2))))


def test_a_log_may_be_as_long_as_it_likes():
    noise = "\n".join(f"[{n / 1000:12.6f}] cpu {n % 64}: msr 0x{n:x}" for n in range(MOST_ROWS + 2))
    log = "[    0.000000] MTRR default type: write-back\n[    0.000000] MTRR variable ranges enabled:\n" + "".join(
        f"[    0.000000]   {n} disabled\n" for n in range(8)
    )
    assert mt.parse(log + noise).at(1 << 20).type is mt.MemoryType.WB
