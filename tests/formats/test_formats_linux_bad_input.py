"""Bad input: one line that names file, value and limit; bounded memory; never a traceback."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from linux_log import register_lines

import memtype as mt
from memtype import formats
from memtype.reading import bytes as raw
from memtype.reading import lines

STATE = mt.MtrrState(0xC06, (0x0606060606060606,) * 11, ((0x80000000, 0xFF80000800), (0, 0)), 40)
LOG = [
    "[    0.000000] Linux version 6.1 (x)",
    "[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable",
    *(f"[    0.000000] {line}" for line in register_lines(STATE)),
    "[    0.000000] x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT",
    "[    0.000000] MTRR map: 1 entries (0 fixed + 1 variable; max 16), built from 8 variable MTRRs",
    "[    0.000000]   0: 0000000080000000-00000000ffffffff uncachable",
    "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable",
    "PAT: [mem 0x0000000080000000-0x0000000090000000] uncached-minus",
    "original variable MTRRs",
    "reg 0, base: 2GB, range: 2GB, type UC",
]


def refused(text: str | bytes) -> str:
    with pytest.raises(mt.ParseError) as caught:
        mt.parse(text, "dump")
    message = str(caught.value)
    assert message.startswith("dump") and "\n" not in message and len(message) < 400
    return message


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff", b""])
def test_empty(text):
    assert "empty" in refused(text) or "known formats" in refused(text)


@pytest.mark.parametrize("data", [b"\x7fELF\x02\x01\x01\0\0", b"MTRR default type: ?\n\0", bytes(range(256)) * 20])
def test_binary_and_nul(data):
    assert "NUL byte at offset" in refused(data)


def test_nul_is_named_by_line():
    assert refused("MTRR default type: write-back\n\nab\0c").startswith("dump:3: ")


def test_text_of_another_kind_names_the_formats():
    assert "linux-dmesg" in refused("Lorem ipsum dolor sit amet\n" * 100)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"  0 base {1 << 70:X} mask FF80000000 write-back", "64-bit"),
        (f"  0 base 0080000000 mask {1 << 70:X} write-back", "64-bit"),
        ("  300 base 0080000000 mask FF80000000 write-back", "255"),
        (f"  {10**30} base 0080000000 mask FF80000000 write-back", "255"),
        (f"TOM2: {1 << 70:x} aka 5M", "64-bit"),
        ("  A0001-BFFFF uncachable", "fixed ranges"),
        ("  BFFFF-A0000 uncachable", "fixed ranges"),
        ("BIOS-e820: [mem 0x0000000100000000-0x0000000000000000] usable", "empty"),
        (f"BIOS-e820: [mem 0x{1 << 70:x}-0x{1 << 71:x}] usable", "64-bit"),
        ("address sizes : 128 bits physical, 48 bits virtual", "MAXPHYADDR"),
        ("x86 PAT enabled: cpu 0, old 0x70406, new 0x" + "7" * 20, "64-bit"),
        ("PAT: [mem 0x90000000-0x80000000] uncached-minus", "empty"),
        (f"PAT: [mem 0x0-0x{1 << 70:x}] uncached-minus", "64-bit"),
        ("reg00: base=0x080000000 ( 2048MB), size= 2047MB, count=1: uncachable", "no register"),
        (f"reg00: base=0x{1 << 70:x} ( 2048MB), size= 2048MB, count=1: uncachable", "64-bit"),
        (f"reg00: base=0x{1 << 52:x} ( 2048MB), size= 2048MB, count=1: uncachable", "2**52"),
        (f"  {'9' * 5000} base 0080000000 mask FF80000000 write-back", "255"),
        (f"  0 base {'F' * 5000} mask FF80000000 write-back", "64-bit"),
        (f"reg00: base=0x0 ( 0MB), size= {'9' * 5000}MB, count=1: uncachable", "size '9999"),
        (f"reg{'9' * 3}: base=0x0 ( 0MB), size= 1MB, count=1: uncachable", "255"),
        (f"BIOS-e820: [mem 0x{'f' * 5000}-0x0] usable", "64-bit"),
        (f"MTRR map: {'9' * 5000} entries (0 fixed + 0 variable; max 0), built from 8 variable MTRRs", "map_entries"),
        (f"original variable MTRRs\nreg {'9' * 5000}, base: 0GB, range: 1GB, type WB", "255"),
        (f"original variable MTRRs\nreg 0, base: {'9' * 5000}GB, range: 1GB, type WB", "base '9999"),
        ("reg999: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable", "255"),
    ],
)
def test_values_beyond_their_limit_are_named_with_line_and_limit(line, words):
    header = "" if line.startswith(("PAT:", "reg")) else "[    0.000000] MTRR variable ranges enabled:"
    message = refused(f"\n{header}\n{line}")
    assert re.match("dump:[34]: ", message) and words in message


def test_a_map_entry_beyond_any_address_width():
    counts = "MTRR map: 1 entries (0 fixed + 1 variable; max 16), built from 8 variable MTRRs"
    assert "2**52" in refused(f"{counts}\n  0: 0000000000000000-{1 << 60:016x} uncachable")


def test_contradictions_inside_one_list():
    twice = ["MTRR variable ranges enabled:", "  0 base 0080000000 mask FF80000000 uncachable"]
    assert refused("\n".join([*twice, "  0 base 0000000000 mask FF80000000 uncachable"])).startswith("dump:3: ")


def test_stray_bytes_that_are_no_utf_8_do_not_matter():
    text = "\n".join(LOG[:2]).encode() + b"\n\xff\xfe ACPI: junk \x80\n" + "\n".join(LOG[2:]).encode()
    assert mt.parse(text).mtrrs == STATE


def test_utf_16_and_byte_order_marks():
    for encoding in ("utf-16", "utf-8-sig"):
        assert mt.parse("\n".join(LOG).encode(encoding)).mtrrs == STATE


def test_a_huge_log_line_is_named(monkeypatch):
    monkeypatch.setattr(raw, "MAX_LINE", 1000)
    assert refused("\n".join([*LOG, "x" * 1001])).startswith(f"dump:{len(LOG) + 1}: a line of more than 1000")
    assert mt.parse("\n".join([*LOG, "x" * 1000])).mtrrs == STATE


# --- files and pipes ------------------------------------------------------------------------------------------------


def test_files_that_cannot_beraw(tmp_path):
    for path, word in ((tmp_path, "directory"), (tmp_path / "none", "No such file"), ("a\0b", "null")):
        with pytest.raises(mt.ParseError, match=word):
            mt.load(path)


def test_standard_input(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(LOG).encode())))
    machine = mt.load("-")
    assert machine.mtrrs == STATE and machine.source == "<stdin>"


CODE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1500 << 20, 1500 << 20))
from memtype.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(arguments: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    # A sanitizer reserves more address space than the limit: the child goes without it, and without the C core.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MEMTYPE_BACKEND": "python"}
    environment.pop("LD_PRELOAD", None)
    return subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, timeout=60, env=environment, **more
    )  # type: ignore[call-overload]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("memtype: error: ")
    return done.stderr


def test_a_3_gb_file_is_refused_by_its_size_in_bounded_memory(tmp_path):
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(3 << 30)
    assert str(3 << 30) in (message := one_line(run(["show", str(big)]))) and "64 MiB" in message


def test_an_endless_pipe_is_cut_off_in_bounded_memory():
    with open("/dev/zero", "rb") as zero:
        assert "64 MiB" in one_line(run(["show", "-"], stdin=zero))


def test_an_endless_line_is_cut_off_in_bounded_memory(tmp_path):
    path = tmp_path / "line"
    path.write_bytes(b"MTRR default type: " + b"x" * (40 << 20))
    assert "1048576 characters" in one_line(run(["show", str(path)]))


def test_json_may_be_one_long_line_but_must_be_known():
    text = json.dumps({"nothing": ["of this is known"] * 100_000})
    assert len(text) > raw.MAX_LINE and "known formats" in refused(text)


# --- fuzz -----------------------------------------------------------------------------------------------------------


def only_memtype_errors(text: str | bytes) -> None:
    try:
        mt.parse(text)
    except mt.MemtypeError as error:
        assert "\n" not in str(error)


@given(st.text(max_size=300))
@example("MTRR variable ranges enabled:\n  0 base 0 mask 0 ?")
@example("[0.0] MTRR map: 1 entries (0 fixed + 0 variable; max 0), built")
@example("reg00: base=0x0 (0MB), size=1KB, count=1: ?")
def test_any_text(text):
    only_memtype_errors(text)


@given(st.binary(max_size=300))
def test_any_bytes(data):
    only_memtype_errors(data)


@given(st.data())
def test_mutated_logs(data):
    """Lines dropped, doubled, swapped, cut, and characters replaced."""
    lines = list(LOG)
    for _ in range(data.draw(st.integers(1, 6))):
        n = data.draw(st.integers(0, len(lines) - 1))
        line = lines[n]
        at = data.draw(st.integers(0, len(line)))
        change = data.draw(st.sampled_from(["drop", "double", "cut", "character", "number", "join"]))
        if change == "drop" and len(lines) > 1:
            del lines[n]
        elif change == "double":
            lines.insert(data.draw(st.integers(0, len(lines))), line)
        elif change == "cut":
            lines[n] = line[:at]
        elif change == "character":
            lines[n] = line[:at] + data.draw(st.characters(exclude_characters="\n")) + line[at + 1 :]
        elif change == "number":
            lines[n] = line[:at] + str(data.draw(st.integers(0, 1 << 80))) + line[at:]
        elif change == "join" and n + 1 < len(lines):
            lines[n : n + 2] = [line + lines[n + 1]]
    only_memtype_errors("\n".join(lines))


@given(st.text(alphabet="[]<>0123456789. :TkernelJan-+\x1b|>(XEN)dMTR\r", max_size=60))
def test_prefixes_are_taken_off_once_and_for_all(line):
    bare = lines.bare(line)
    assert lines.bare(bare) == bare


def test_every_family_has_its_three_names_and_sniffs_without_raising():
    for family in formats.families():
        assert family.NAME and isinstance(family.sniff("\n".join(LOG)), bool)
        assert family.sniff("") is False
