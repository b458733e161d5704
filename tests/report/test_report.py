"""The report: one page, whole, escaped, small, without scripts or network; and a browser shows it."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from strategies import random_state

import memtype as mt
from memtype import cli
from memtype.host import sample
from memtype.host.sample_machine import TEXT
from memtype.machine import Cpu, Machine
from memtype.report import page

STATE = mt.MtrrState(0xC00, (0x0606060606060606,) * 11, ((0x6, 0x3FFC00000800), (0x80000000, 0x3FFF80000800)), 46)
_VOID = {"meta", "br"}


class Whole(HTMLParser):
    """Fails on a tag that is not closed, on scripts, and on anything that leads out of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "img", "object")
        assert not {name for name, _ in attrs} & {"src", "href", "action", "srcset"}
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in _VOID or (
            tag == "path" and "title" in self.rawdata[self.offset_of() :][:600].split("</path>")[0]
        ):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words(text: str) -> str:
    return " ".join(" ".join(Whole(text).words).split())


def test_the_page_tells_what_the_verbs_tell() -> None:
    machine = sample()
    told = words(page([machine], [TEXT], kernel="6.8"))
    for segment in machine.map:
        assert f"0x{segment.base:016x}-0x{segment.last:016x}" in told
    for step in machine.mtrrs.explain(0x7F000000).steps:  # type: ignore[union-attr]
        assert step.text in told and step.source in told
    for part in ("nothing wrong found", "PA7", "Linux 6.8 (kvm-6.7)", "IPAT=0", "MTRR default type: uncachable"):
        assert part in told
    assert "?" not in re.sub(r"Input:.*", "", told)


def test_two_dumps_are_before_and_after() -> None:
    after = replace(STATE, variable=STATE.variable[:1])
    told = words(page([mt.Machine((Cpu(0, STATE),)), mt.Machine((Cpu(0, after),))]))
    assert "Before and after" in told and "0x0000000080000000-0x00000000ffffffff differs" in told.replace("] ", " ")
    with pytest.raises(mt.InputError):
        page([])


def test_what_is_not_told_stays_so() -> None:
    told = words(page([mt.parse("0x2ff 0xc06\n0x200 0x80000000\n")]))
    assert "not told (UC, WC, WT, WP, WB)" in told or "not told (" in told
    assert "PAT not told" in told


def test_random_machines_make_a_whole_page() -> None:
    rng = random.Random(3)
    for _ in range(15):
        states = [random_state(rng) for _ in range(rng.randrange(1, 4))]
        machine = Machine(tuple(Cpu(n, state) for n, state in enumerate(states)), maxphyaddr=states[0].maxphyaddr)
        Whole(page([machine], ["<b>&\0</pre>"]))


def test_hostile_text_is_text() -> None:
    bad = '</title><script>alert(1)</script><img src=x onerror="1">'
    machine = replace(sample(), source=bad, kernel=bad, notes=(bad,), format=bad)
    assert bad in "".join(Whole(page([machine], [bad])).words)


def test_256_processors_fit_into_200_kb() -> None:
    rng = random.Random(4)
    cpus = tuple(Cpu(n, random_state(rng) if n else STATE, mt.Pat("linux")) for n in range(256))
    cpus = tuple(replace(cpu, registers=mt.Machine((cpu,)).registers) for cpu in cpus)
    made = page([Machine(cpus, maxphyaddr=46, vendor="intel")], ["line of the input\n" * 100_000])
    assert len(made.encode()) < 200_000
    Whole(made)


def test_the_verb_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump, out = tmp_path / "dump.txt", tmp_path / "report.html"
    dump.write_text(TEXT)
    assert cli.main(["report", str(dump), "-o", str(out)]) == 0
    assert "no scripts" in capsys.readouterr().out
    assert cli.main(["report", str(dump)]) == 0
    assert capsys.readouterr().out == out.read_text()
    assert cli.main(["report", str(dump), "-o", "/nowhere/report.html"]) == 2
    assert cli.main(["report", "a", "b", "c"]) == 2
    assert cli.main(["report", str(dump), "--kernel", "nonsense"]) == 2


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: no screenshot")
@pytest.mark.parametrize("options", [[], ["--force-dark-mode"]], ids=["light", "dark"])
def test_a_browser_shows_it(options: list[str], tmp_path: Path) -> None:
    """A screenshot: the paper is light or dark, and every type of the map has its colour in the picture."""
    matplotlib_image = pytest.importorskip("matplotlib.image", reason="matplotlib reads the screenshot")
    from memtype.plot.colours import COLOURS

    (tmp_path / "report.html").write_text(page([sample()], [TEXT]))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'data'}"]  # fmt: skip
    shot = tmp_path / "shot.png"
    command = [str(CHROMIUM), *flags, *options, "--window-size=1000,900", f"--screenshot={shot}"]
    subprocess.run([*command, (tmp_path / "report.html").as_uri()], timeout=120, check=True, capture_output=True)
    pixels = (matplotlib_image.imread(shot)[:, :, :3] * 255).round().astype(int)
    assert bool(pixels[2, 2].mean() < 60) is bool(options)
    for kind in ("WB", "UC", "WP"):
        fill = COLOURS[mt.MemoryType(kind)].fill
        colour = [int(fill[n : n + 2], 16) for n in (1, 3, 5)]
        assert (abs(pixels - colour).max(axis=2) < 6).sum() > 500, kind
