"""Standard streams as shells hand them over: closed, empty, full, cut off. Never a traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from memtype import cli
from memtype.cli import verbs

LOG = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n"


def shell(line: str, text: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        ["sh", "-c", line.replace("memtype", f"{sys.executable} -m memtype")],
        input=text, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("line", ["memtype", "memtype -", "memtype show", "memtype show -", "cat | memtype"])
def test_a_dump_comes_through_a_pipe(line):
    status, out, _ = shell(line, LOG)
    assert status == 0 and "(proc-mtrr)" in out and "reg0  [mem 0x0000000080000000-0x00000000ffffffff]" in out


@pytest.mark.parametrize("line", ["memtype <&-", "memtype </dev/null", "memtype pat <&-"])
def test_no_standard_input_is_no_dump(line):
    status, out, _ = shell(line)
    assert status == 0 and out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line():
    status, _, error = shell("memtype show - >/dev/full", LOG)
    assert status == 2 and error.count("error: cannot write the answer") == 1


@pytest.mark.parametrize("line", ["memtype show - | head -1", "memtype show --json - | true"])
def test_a_closed_pipe_is_no_error(line):
    status, _, error = shell(line, LOG)
    assert status == 0 and "rror" not in error


@pytest.mark.parametrize("verb", sorted(verbs.HELP))
def test_the_example_of_every_verb_runs_as_printed(verb, tmp_path):
    needs = {"classify": "pyarrow", "plot": "matplotlib"}
    if verb in needs:
        pytest.importorskip(needs[verb], reason=f"{needs[verb]} is not installed")
    (tmp_path / "dmesg").write_text("#!/bin/sh\nprintf '%s' '" + LOG + "'\n")
    (tmp_path / "memtype").write_text(f'#!/bin/sh\nexec {sys.executable} -m memtype "$@"\n')
    for tool in tmp_path.iterdir():
        tool.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f"PATH={tmp_path}:$PATH; {verbs.load(verb).EXAMPLE}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 1) and done.stdout and "rror" not in done.stderr


@pytest.mark.parametrize("line", ["table", "at 0 -", "--help", "--version", "pat linux --json", "help at"])
def test_closed_standard_output_is_one_line(line):
    status, _, error = shell(f"memtype {line} >&-", LOG)
    assert status == 2 and error.splitlines() == ["memtype: error: cannot write the answer: standard output is closed"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("line", ["--help", "table", "at --help", "--version"])
def test_a_full_disk_behind_standard_output(line):
    status, _, error = shell(f"memtype {line} >/dev/full")
    assert status == 2 and error.count("\n") == 1 and "No space left" in error


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("place", ["/dev/full", "&-"])
@pytest.mark.parametrize(
    ("line", "expected"), [("show -", 0), ("want wb --mtrr uc", 1), ("at zz", 2), ("at --frob", 2)]
)
def test_standard_error_that_takes_nothing_changes_no_answer(line, expected, place):
    status, out, _ = shell(f"memtype {line} 2>{place}", LOG)
    assert (status, out) == (expected, shell(f"memtype {line} 2>/dev/null", LOG)[1])
    assert "note:" not in out and "error" not in out


WORDS = ["f" * 5000, "9" * 5000, "x y " * 1250, "a\nb", "a\udcffb"]


@pytest.mark.parametrize(
    "line",
    ["at {}", "show {}", "{}", "pat {}", "pte {}", "want {} --mtrr wb", "want wc --at {}", "kvm --kernel {}",
     "zap --event {}", "msrs --vcnt {}", "at 0x{} -", "check --ram {}", "diff {} {}", "help {}", "at --{}",
     "kvm --mtrr {}", "table {}"],
)  # fmt: skip
def test_an_argument_of_any_length_is_one_short_line(line, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for word in WORDS:
        status = cli.main([part.format(word, word) for part in line.split()])
        told = capsys.readouterr()
        assert (status, told.out) == (2, "")
        assert told.err.count("\n") == 1 and told.err.startswith("memtype: error: ") and len(told.err) < 600
        assert "cannot write" not in told.err


def test_a_rule_of_any_name_is_told_in_short(capsys):
    for word in WORDS:
        assert cli.main(["rules", word]) == 1
        told = capsys.readouterr().out
        assert told.startswith("no rule is named") and len(told) < 600


INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with SIGINT ignored
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from memtype.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    "module",
    ["memtype.cli.command", "memtype.backends", "numpy", "numpy.linalg", "memtype.rules", "memtype.cli.verbs",
     "memtype.cli.pages", "memtype.formats", "memtype.host", "json"],
)  # fmt: skip
def test_an_interrupt_while_something_is_imported_is_130_and_no_word(module, tmp_path):
    leaves, told = tmp_path / "leaves.npy", (ROOT / "tests/data/linux_dmesg/uc-hole.txt").read_text()
    child = [sys.executable, "-c", INTERRUPTED, module, "pages", "-", "--leaves", str(leaves), "--json"]
    done = subprocess.run(child, input=told, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr, leaves.exists()) == (130, "", "", False)


def test_a_verb_loads_what_it_needs_and_no_other_verb():
    code = """import sys; from memtype.cli import main, verbs; main(sys.argv[1:])
    print({n for n in verbs.HELP if 'memtype.cli.' + n.replace('-', '_') in sys.modules}, file=sys.stderr)
    print('memtype.kvm' in sys.modules, 'memtype.formats' in sys.modules, file=sys.stderr)"""
    for command, verb, *loaded in (
        ("--version", "set()", False, False), ("--help", "set()", False, False), ("pat linux", "{'pat'}", False, False),
        ("at 0 -", "{'at'}", False, True), ("kvm matrix", "{'kvm'}", True, False),
    ):  # fmt: skip
        child = [sys.executable, "-c", code.replace("\n    ", "\n"), *command.split()]
        free = {name: value for name, value in os.environ.items() if not name.startswith("MEMTYPE_")}
        done = subprocess.run(child, input=LOG, capture_output=True, text=True, timeout=60, env=free)
        assert done.stderr.splitlines()[-2:] == [verb, " ".join(map(str, loaded))], command


def test_every_verb_is_listed_once():
    assert sum(map(len, verbs.GROUPS.values())) == len(verbs.HELP)
    for path in Path(cli.__file__).parent.glob("*.py"):
        name = path.stem.replace("_", "-")
        assert (name in verbs.HELP) == ("\ndef run(args: argparse.Namespace) -> int:" in path.read_text()), name
    for name in verbs.HELP:
        assert verbs.load(name).EXAMPLE


@pytest.mark.parametrize("words", [["--help"], ["help"], *(["help", verb] for verb in verbs.HELP)])
def test_help_fits_a_terminal(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5 and max(map(len, lines)) <= 80


def test_help_of_a_verb_is_its_own_help(capsys):
    for verb in verbs.HELP:
        assert cli.main(["help", verb]) == 0
        text = capsys.readouterr().out
        assert cli.main([verb, "--help"]) == 0 and capsys.readouterr().out == text
    assert cli.main(["help", "frob"]) == 2 and "no verb" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["MEMTYPE_BACKEND", "MEMTYPE_ISA"])
@pytest.mark.parametrize("command", ["--version", "at 0 -"])
def test_a_misspelt_choice_of_implementation_is_one_line(name, command):
    status, out, error = shell(f"unset MEMTYPE_BACKEND MEMTYPE_ISA; {name}=avx3 memtype {command}", LOG)
    assert (status, out, error.count("\n")) == (2, "", 1) and "avx3" in error


def test_a_word_that_is_neither_verb_nor_file_is_named_as_both():
    status, out, error = shell("memtype frobnicate --json")
    assert (status, out) == (2, "") and error.startswith("memtype: error: 'frobnicate' is neither a verb (alias, at, ")
    assert error.endswith(") nor a file\n")
