"""Standard streams as shells hand them over: closed, empty, full, cut off. Never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_the_example_of_every_verb_runs_as_printed(verb, tmp_path):
    (tmp_path / "dmesg").write_text("#!/bin/sh\nprintf '%s' '" + LOG + "'\n")
    (tmp_path / "memtype").write_text(f'#!/bin/sh\nexec {sys.executable} -m memtype "$@"\n')
    for tool in tmp_path.iterdir():
        tool.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f"PATH={tmp_path}:$PATH; {verbs()[verb].EXAMPLE}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 1) and done.stdout and "rror" not in done.stderr


def test_a_word_that_is_neither_verb_nor_file_is_named_as_both():
    status, out, error = shell("memtype frobnicate --json")
    assert (status, out) == (2, "") and error.startswith("memtype: error: 'frobnicate' is neither a verb (alias, at, ")
    assert error.endswith(") nor a file\n")
