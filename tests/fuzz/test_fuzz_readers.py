"""A little of what `fuzz_readers.py` does for hours: every sample, and samples spliced together."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

import fuzz_readers
import pytest

import memtype as mt
from memtype.formats import own_json


def test_every_sample_is_read() -> None:
    seeds = fuzz_readers.samples()
    assert len(seeds) > 50
    for text in seeds:
        fuzz_readers.one_input(text)


def test_spliced_samples_are_read_or_refused_in_one_line() -> None:
    rng, seeds = random.Random(15), fuzz_readers.samples()
    for _ in range(60):
        fuzz_readers.one_input(fuzz_readers.spliced(rng, seeds))


def test_no_number_of_a_text_decides_how_much_is_built(tmp_path) -> None:
    """In a process of its own: the limit of memory stays with it."""
    words = [sys.executable, fuzz_readers.__file__, "--numbers", "60", "16"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


LOG = "MTRR default type: uncachable\nMTRR variable ranges enabled:\n  0 base 0000000000 mask FF80000000 write-back\n"
LISTED = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n"


@pytest.mark.parametrize(
    "path",
    [("list", "count"), ("list", "reach"), ("list", "encrypted"), ("ranges", 0, "pair"), ("list", "default"),
     ("list", "whole"), ("list", "listing"), ("partial",), ("partial", "0x2ff"), ("ranges",)],
)  # fmt: skip
@pytest.mark.parametrize("value", [4294967295, -1, 10**30, "9" * 5000, "x", [], {}, [[1], 2], 1.5, True])
def test_a_member_of_our_own_json_is_of_its_kind_and_below_its_limit(path, value) -> None:
    whole = own_json.dump(mt.parse(LISTED))
    held = whole["cpus"][0]["mtrrs"]
    for step in path[:-1]:
        held = held[step]
    held[path[-1]] = value
    fuzz_readers.one_input(json.dumps(whole).encode())


@pytest.mark.parametrize("count", ["256", "4294967295", "9" * 5000])
def test_a_remark_counts_no_more_registers_than_there_can_be(count) -> None:
    with pytest.raises(mt.ParseError, match=r"^<text>:4: registers = '.*' is not a 8-bit value"):
        mt.parse(f"{LOG}# memtype/1: registers={count} end\n")


def test_a_pair_that_is_told_by_its_size_and_by_a_register() -> None:
    """Its mask hangs on the width, which hangs on no such mask."""
    whole = own_json.dump(mt.parse(LISTED))
    whole["cpus"][0]["mtrrs"]["variable"][0] = {"base": "0x80000006", "mask": "0xfff80000800"}
    assert mt.parse(json.dumps(whole)).at(0x80000000).type is mt.MemoryType.UC


@pytest.mark.parametrize(
    "line", ["0x2ff = 0x" + "9" * 30_000 + "z", "c06 " + "9" * 30_000 + "z", "x" * 30_000 + " mtrr", "mtrr" * 8_000]
)
def test_a_line_of_many_digits_or_letters_is_read_at_once(line) -> None:
    began = time.process_time()
    fuzz_readers.one_input(f"{LOG}0x2ff = 0xc06\n{line}\n".encode())
    fuzz_readers.one_input(f"mtrrs[] = {{\n{{ 0x2ff, 0xc06 }},\n{line}\n}};\n".encode())
    assert time.process_time() - began < 2


HOLES = "".join(f"{n}   Y     Back         {0:016x} {mask:016x} {mask & -mask:016x}\n" for n, mask in enumerate(
    (1 << 40, 0x000555555555F000, 0x000AAAAA00000000)))  # fmt: skip
TABLE = "Reg Valid Write-type   Base   ||        Mask   ||        Size   ||\n"


@pytest.mark.parametrize(
    "text",
    [
        f"CPU 0:\n{TABLE}{HOLES}",
        "MTRR variable ranges enabled:\n  0 base 0000000000 mask 5555555000 write-back\n",
        "MTRR variable ranges enabled:\n  0 base 000000000000 mask AAAAAAA00000 write-back\n  1 disabled\n"
        "BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable\n",
    ],
)
def test_masks_with_holes_are_asked_without_a_list_of_their_segments(text, monkeypatch) -> None:
    """One map may be made, for the whole machine; each completion's would take seconds."""
    native = pytest.importorskip("memtype.backends.native")
    resolve = native.resolve_packed
    long = []

    def watched(state: mt.MtrrState) -> object:
        if any(f"{mask:b}".count("01") > 8 for _, mask in state.variable):
            long.append(state)
        return resolve(state)

    monkeypatch.setattr(native, "resolve_packed", watched)
    monkeypatch.setattr(mt.backends, "active", native)
    fuzz_readers.one_input(text.encode())
    assert len(long) <= 1
