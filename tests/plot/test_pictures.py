"""Pictures tell what the answers tell: cells cover the map, letters are always there, SVG is whole and runs nothing."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from strategies import random_state

import memtype as mt
from memtype import cli
from memtype.analysis.diff import diff_cpus
from memtype.cli.plot import PICTURES
from memtype.host import sample
from memtype.machine import Cpu, Machine
from memtype.plot import html
from memtype.plot.axis import Axis
from memtype.plot.cells import cells
from memtype.plot.svg import ribbons

STATE = mt.MtrrState(0xC00, (0x0606060606060606,) * 11, ((0x6, 0x3FFC00000800), (0x80000000, 0x3FFF80000800)), 46)
OTHER = replace(STATE, variable=((0x6, 0x3FFC00000800), (0xC0000001, 0x3FFFC0000800)))
OPEN = mt.parse("0x2ff 0xc06\n0x200 0x80000000\n")


def maps(seed: int) -> list[mt.MemoryMap]:
    rng = random.Random(seed)
    found = [random_state(rng).map for _ in range(40)]
    return [memory for memory in found if type(memory) is mt.MemoryMap and len(memory.segments) < 500]


def test_cells_cover_the_map_and_tell_its_types() -> None:
    for memory in maps(1):
        axis = Axis.of(memory, least=0.03)
        made = list(cells(memory, axis, 0.01))
        assert made[0].base == made[0].left == 0 and made[-1].right == 1 and made[-1].end == 1 << memory.maxphyaddr
        for cell, behind in zip(made, made[1:]):  # noqa: RUF007
            assert cell.end == behind.base and cell.right == behind.left and cell.right - cell.left >= 0.01
        for cell in made:
            held = {s.type for s in memory.within(cell.base, cell.end - cell.base)}
            assert set(cell.kinds) == held and (cell.letters == "*") is (len(held) > 1)


def test_svg_is_whole_runs_nothing_and_names_every_cell() -> None:
    for memory in [*maps(2), OPEN.map]:
        text = ribbons([("a <b>", memory)], [(0, 1 << 20)], changed=[(0, 1 << 30)])
        root = ElementTree.fromstring(text)
        assert not re.search(r"<script|href|onload|url\((?!#)", text)
        titles = [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]
        axis = Axis.of(memory, least=26 / 760)
        assert [cell.words for cell in cells(memory, axis, 10 / 760)] == [
            t for t in titles if not re.search("RAM|differs", t)
        ]
        letters = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text") if each.get("text-anchor")]
        assert set(letters) <= {*map(str, mt.MemoryType), "*"} and len(letters) == len(titles) - 2


@pytest.mark.parametrize("thing", [STATE, STATE.map, STATE.view("linux-6.5"), sample(), OPEN, mt.diff(STATE, OTHER)])
def test_a_notebook_shows_it(thing: object) -> None:
    made = html(thing)
    assert "<script" not in made and ("<svg" in made or "<table" in made)
    if hasattr(thing, "_repr_html_"):
        assert thing._repr_html_() == made


def test_a_notebook_shows_reasons_escaped() -> None:
    made = STATE.explain(0x80000000)._repr_html_()
    assert "<b>UC</b>" in made and "mtrr-uc-wins" in made
    assert html("<&>") == "<pre>&lt;&amp;&gt;</pre>"
    shattered = mt.MtrrState(0x806, variable=[(0, 0x1000 | 0x800)], maxphyaddr=46)
    assert "no map is drawn" in html(shattered) and "no map is drawn" in html(shattered.map)


# --- matplotlib -----------------------------------------------------------------------------------------------------


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(mt.MissingExtra, match=r"pip install 'memtype\[plot\]'"):
        STATE.plot()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: the plot extra has it")
    cpus = Machine((Cpu(0, STATE), Cpu(1, STATE), Cpu(2, OTHER)), maxphyaddr=46, vendor="intel")
    for name, held in (("a", STATE), ("b", OTHER), ("cpus", cpus)):
        (tmp_path / f"{name}.json").write_text(str(mt.emit(held, "json")))
    monkeypatch.chdir(tmp_path)


DUMPS = {"ribbon": "a.json", "diff": "a.json b.json", "pages": "a.json --top 16G", "cpus": "cpus.json"}
LETTERS = {
    "ribbon": ["WB", "UC", "4G", "64T"], "diff": ["UC→WB", "a.json", "b.json"], "pages": ["1 GiB", "WB"],
    "cpus": ["CPU 2", "PHYSBASE1", "!"], "table": ["MTRR UC", "PAT UC-", "CD"], "kvm": ["ept+nc", "6.11"],
    "zap": ["IA32_PAT written", "Z", "·"],
}  # fmt: skip


@pytest.mark.parametrize("picture", PICTURES)
def test_every_picture_is_drawn_with_its_letters(picture: str, files: None, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plot", picture, *DUMPS.get(picture, "").split()]
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    shown = [each.text for each in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    joined = [each.strip() for each in "\n".join(filter(None, shown)).split("\n")]
    assert all(any(letters in each for each in joined) for letters in LETTERS[picture]), joined


def test_the_same_picture_gives_the_same_bytes(files: None, capsys: pytest.CaptureFixture[str]) -> None:
    made = []
    for _ in range(2):
        assert cli.main(["plot", "ribbon", "a.json"]) == 0
        made.append(capsys.readouterr().out)
    assert made[0] == made[1]
    assert cli.main(["plot", "ribbon", "a.json", "-o", "made.png"]) == 0
    assert Path("made.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "words", ["table x.json", "ribbon a b", "ribbon a.json -o made.jpg", "cpus a.json", "diff a.json",
              "ribbon a.json -o /nowhere/a.svg", "zap --kernel 2.6"],
)  # fmt: skip
def test_bad_input_is_one_line_and_writes_nothing(
    words: str, files: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    assert cli.main(["plot", *words.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and sum("error:" in line for line in printed.err.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_not_told_is_drawn_as_a_question_mark(files: None) -> None:
    assert "?" in [text.get_text() for text in OPEN.plot().texts]
    drawn = [text.get_text() for text in mt.diff(OPEN, STATE).plot().texts]
    assert "?" in drawn and any("?→" in text for text in drawn)


def test_plots_draw_where_they_are_told(files: None) -> None:
    from matplotlib.figure import Figure

    for thing in (STATE, STATE.map, sample(), mt.diff(STATE, OTHER), mt.pages(STATE, 1 << 34)):
        ax = Figure().subplots()
        assert thing.plot(ax=ax) is ax and ax.texts
    with pytest.raises(mt.InputError):
        __import__("memtype.plot", fromlist=["draw"]).draw(3)


def test_the_matrix_of_processors_shows_the_effect_not_the_value() -> None:
    from memtype.plot.figures import effects

    rng = random.Random(9)
    same = replace(STATE, variable=STATE.variable[::-1])
    for _ in range(30):
        held = [STATE, *(rng.choice([STATE, OTHER, same]) for _ in range(5))]
        machine = Machine(tuple(Cpu(n, each) for n, each in enumerate(held)), maxphyaddr=46)
        names, lines = effects(machine.cpus)
        assert all(len(line) == len(names) for line in lines) and set(lines[0]) == {"="}
        differing = {other.number: bool(found.changes) for _, other, found in diff_cpus(machine)}
        for cpu, line in zip(machine.cpus, lines):
            marks = set(line) - {"="}
            assert marks == (set() if cpu.number not in differing else {"!"} if differing[cpu.number] else {"≠"})
