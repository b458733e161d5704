"""The walk that an oops prints: which entry is the leaf, its PAT entry, what the rest of the log makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype.cli import main

WALK = "PGD 100000067 P4D 100000067 PUD 1001c9067 PMD 10a2b3067 PTE 80000000fed0017b"


def walks(text):
    return mt.parse(text).facts["page_walks"]


def test_the_last_entry_is_the_leaf():
    (walk,) = walks(f"[   12.345678] BUG: unable to handle page fault\n[   12.345679] {WALK} \n")
    assert walk["line"] == 2 and walk["leaf"] == "PTE" and walk["entries"]["PMD"] == "0x10a2b3067"
    assert (walk["base"], walk["size"], walk["index"]) == ("0xfed00000", "0x1000", 3)


@settings(deadline=None)
@given(st.integers(0, 7), st.integers(0, (1 << 40) - 1), st.sampled_from([1, 2, 3]))
def test_every_index_at_every_level(index, frame, level):
    names = ["PGD", "P4D", "PUD", "PMD", "PTE"][: 6 - level]
    shift = {1: 12, 2: 21, 3: 30}[level]
    base = frame << shift & (1 << 52) - 1
    pat_bit = (index >> 2) << (7 if level == 1 else 12)
    leaf = base | pat_bit | (index & 3) << 3 | (0x80 if level > 1 else 0) | 0x63
    text = " ".join(
        f"{name} {value:x}" for name, value in zip(names, [0x1067] * (len(names) - 1) + [leaf], strict=True)
    )
    (walk,) = walks(text)
    assert (walk["level"], walk["index"], int(walk["base"], 16), int(walk["size"], 16)) == (
        level,
        index,
        base,
        1 << shift,
    )
    assert walk["index"] == mt.Pat().index(leaf, level)


@pytest.mark.parametrize(
    ("text", "leaf", "present"),
    [
        ("PGD 0 P4D 0", "P4D", False),
        ("PGD 1067 P4D 1067 PUD 0", "PUD", False),
        ("PGD 1067 P4D 1067 PUD 2067 PMD 3067 PTE fed00102", "PTE", False),
        ("PGD 1067 P4D 1067 PUD 2067 PMD 3067", "PMD", True),
        ("PGD 1067 P4D 1067 PUD 2067 BAD", "PUD", True),
        ("PGD 80000001000010e7", "PGD", True),  # the top level has no leaves
    ],
)
def test_a_walk_without_a_leaf_has_no_type(text, leaf, present):
    (walk,) = walks(text)
    assert (walk["leaf"], walk["present"], walk["index"], walk["base"]) == (leaf, present, None, None)


def test_32_bits_with_and_without_pae():
    (walk,) = walks("*pdpt = 0000000000a2b001 *pde = 0000000036f4c067 *pte = 80000000fed0017b")
    assert (walk["base"], walk["index"]) == ("0xfed00000", 3)
    (walk,) = walks("*pdpt = 0000000000a2b001 *pde = 00000000368000e3")
    assert (walk["base"], walk["size"], walk["index"]) == ("0x36800000", "0x200000", 0)
    (walk,) = walks("*pde = fec021fb")  # PSE-36: bits 20:13 are address bits 39:32; PAT is bit 12
    assert (walk["base"], walk["size"], walk["index"]) == ("0x1fec00000", "0x400000", 3)
    (walk,) = walks("*pde = 00000000")
    assert walk["present"] is False


def test_words_that_are_no_walk_are_left_alone():
    for text in ("PGD allocations: 12", "PMD 10a2b3067 PTE 123", "*pte = 0"):
        with pytest.raises(mt.ParseError, match="none of the known formats"):
            mt.parse(text)
    with pytest.raises(mt.ParseError, match=r"^<text>:1: a walk goes from PGD down"):
        mt.parse("PGD 1067 PTE 2067 PMD 3067")
    with pytest.raises(mt.ParseError, match="64-bit"):
        mt.parse("PGD " + "1" * 20)


def test_show_says_what_the_log_tells(tmp_path, capsys):
    path = tmp_path / "log"
    path.write_text(WALK)
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "PAT entry 3 (PAT 0, PCD 1, PWT 1)" in out and "the PAT is not" in out
    pat = "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\n"
    path.write_text(pat + WALK.replace("17b", "16b"))
    assert main(["show", str(path)]) == 0
    assert "PAT type WC; the MTRRs are not told" in capsys.readouterr().out
    rows = "0 base 0080000000 mask FF80000000 write-combining\n 1 base 0100000000 mask FF00000000 uncachable\n"
    path.write_text(f"MTRR default type: write-back\nMTRR variable ranges enabled:\n {rows}{pat}{WALK}\n")
    assert main(["show", str(path)]) == 0
    assert "PAT type UC, MTRR WC: effective UC" in capsys.readouterr().out
    path.write_text(path.read_text().replace("PTE 80000000fed0017b", "PTE 80080000fed0017b"))
    assert main(["show", str(path)]) == 0
    assert "bits beyond MAXPHYADDR 40" in capsys.readouterr().out
