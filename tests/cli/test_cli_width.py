"""Every dump of the corpus through every verb fits 80 columns; 75 with --plain.

A sample of the dumps; ``MEMTYPE_TEST_CORPUS=all`` asks them all, in about a minute.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
from pathlib import Path

import pytest

from memtype import cli
from memtype.cli import addresses, layout, verbs

SAMPLE = 8
VERBS = [
    "show", "show --raw", "at 0xe0000000 0-4G --why", "check", "pages", "want wc --at 0xe0000000 --why", "alias",
    "pat", "pte 0x8000000080000093 --why", "kvm --kernel 6.4 --ncdma --at 0xe0000000", "diff --cpus",
    "zap --kernel 6.4 --ncdma --event cd=on", "plan --steps", "kvm diff 6.10 6.11",
    "kvm --hypervisor xen --ncdma --why", "at 0xc0000000 --view linux-6.5 --pat linux --why", "show --long --exact",
    "check --mmio 0xfee00000+4K --require snp",
]  # fmt: skip
ALONE = ["table", "pat", "pat diff linux xen --npt wb", "kvm matrix", "kvm matrix --long", "msrs", "rules",
         "pte 0x8000000080000093 --mtrr wc", "--help"]  # fmt: skip


def printed(line: str, terminal: bool = False) -> list[str]:
    """The lines of both streams, but for an error, which is one line whatever its length."""

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out, err = io.StringIO(), Stream()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert cli.main(line.split()) in (0, 1, 2)
    notes = err.getvalue().splitlines() if terminal else []
    return out.getvalue().splitlines() + [note for note in notes if "error: " not in note]


def too_wide(lines: list[str], width: int) -> list[str]:
    return [line for line in lines if len(line) > width]


def test_the_corpus_fits(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dumps = sorted(path for path in corpus.glob("*/*") if path.is_file() and ".expected." not in path.name)
    if os.environ.get("MEMTYPE_TEST_CORPUS") != "all":
        dumps = random.Random(16).sample(dumps, SAMPLE)
    wide = []
    for number, dump in enumerate(dumps):
        monkeypatch.chdir(dump.parent)
        for place, verb in enumerate(VERBS):
            plain, width = (" --plain", 75) if (number + place) % 2 else ("", 80)
            wide += [(dump.name, verb, line) for line in too_wide(printed(f"{verb}{plain} {dump.name}", True), width)]
    assert not wide


@pytest.mark.parametrize("line", ALONE)
def test_verbs_without_a_dump_fit(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert not too_wide(printed(line), 80)
    assert line == "--help" or not too_wide(printed(f"{line} --plain"), 75)


@pytest.mark.parametrize("verb", verbs.HELP)
def test_the_help_of_a_verb_fits(verb: str) -> None:
    assert not too_wide(printed(f"help {verb}"), 80)


def test_a_note_is_one_line_for_programs_and_fits_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from memtype.cli.output import notes

    text = "words " * 40
    notes([text])
    assert capsys.readouterr().err == f"note: {text}\n"
    assert len(printed("rules no-such-rule", True)) == 1


# --- the parts ------------------------------------------------------------------------------------------------------


def test_fitting_loses_no_word_and_breaks_no_range() -> None:
    rng = random.Random(2)
    words = ["[mem 0x0000000000000000-0x000000000009ffff]", "640 KiB", "reg0", "a-word-with-hyphens", "x" * 30, "WB"]
    for _ in range(300):
        line = " " * rng.randrange(8) + " ".join(rng.choice(words) for _ in range(rng.randrange(1, 20)))
        made = layout.fit(line, 80)
        assert " ".join(line.split()) == " ".join(" ".join(made).split())
        assert all(len(part) <= 80 and not part.endswith("[mem") for part in made)


def test_a_source_stands_on_a_line_of_its_own() -> None:
    assert layout.fit("  " + "w" * 60 + "  [mtrr-one: SDM 3A 12.11.4.1]") == [
        "  " + "w" * 60, "      [mtrr-one: SDM 3A 12.11.4.1]"
    ]  # fmt: skip


def test_columns_lose_no_cell() -> None:
    rng = random.Random(3)
    for _ in range(300):
        rows = [tuple("c" * rng.randrange(1, 40) for _ in range(4)) + ("last words " * rng.randrange(8),)]
        lines = layout.columns(rows, "  ").splitlines()
        assert " ".join(" ".join(lines).split()) == " ".join(" ".join(rows[0]).split())
        assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("size", [1, 1023, 1 << 20, (1 << 20) - 1, (1 << 48) - 4096, (1 << 40) + 1, 3 << 29])
def test_a_size_looks_round_only_where_it_is(size: int) -> None:
    text = addresses.size_text(size)
    value, unit = text.split()
    whole = size % {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[unit] == 0
    assert ("." not in value) is whole
    assert whole or float(value) <= size / {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[unit] + 0.01


def test_exact_sizes_and_linux_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "mtrr"
    dump.write_text("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n")
    assert cli.main(["show", "--exact", "--long", str(dump)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"reg0 +\[mem 0x0000000080000000-0x00000000ffffffff\] +2147483648 B +uncachable", out)
    assert "UC" not in out.replace("| UC", "") and "write-back" in out
    assert cli.main(["show", str(dump)]) == 0
    assert "2 GiB" in capsys.readouterr().out  # one command's options are not the next one's
