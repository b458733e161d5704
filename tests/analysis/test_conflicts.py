"""Linux's conflicting memory types: every spelling read, ends right, pairs judged; overlaps in pat_memtype_list."""

from __future__ import annotations

import json

import pytest

import memtype as mt
from memtype.cli import main

LINES = {
    "new": "[    9.123456] x86/PAT: Xorg:1234 conflicting memory types ca000000-ca800000 "
    "uncached-minus<->write-combining",
    "old": "Jan  1 00:00:00 host kernel: Xorg:1234 conflicting memory types ca000000-ca800000 "
    "uncached-minus<->write-combining",
    "expected": "x86/PAT: Xorg:1234 map pfn expected mapping type uncached-minus for [mem 0xca000000-0xca7fffff], "
    "got write-combining",
    "expected, old": "Xorg:1234 map pfn expected mapping type uncached-minus for ca000000-ca800000, "
    "got write-combining",
    "RAM": "x86/PAT: Xorg:1234 map pfn RAM range req uncached-minus for [mem 0xca000000-0xca7fffff], "
    "got write-combining",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_each_spelling_gives_the_same_pair(line):
    (found,) = mt.conflicts(mt.parse(line))
    assert (found.base, found.last, found.users[0]) == (0xCA000000, 0xCA7FFFFF, "Xorg:1234")
    assert tuple(map(str, found.types)) == ("UC-", "WC") and found.mtrr is None and found.refused
    assert found.verdict.verdict == "warn"


def test_a_refused_reservation_names_both_types():
    line = "x86/PAT: memtype_reserve failed [mem 0xca000000-0xca7fffff], track uncached-minus, req write-back"
    (found,) = mt.conflicts(mt.parse(line))
    assert tuple(map(str, found.types)) == ("WB", "UC-") and found.users[0] == "memtype_reserve failed"


def test_the_mtrrs_of_the_same_log_decide_the_effective_pair():
    log = "MTRR default type: write-back\nMTRR variable ranges enabled:\n  0 base 0C0000000 mask FC0000000 uncachable\n"
    machine = mt.parse(log + LINES["new"])
    assert machine.format == "linux-dmesg" and machine.mtrrs is not None
    (found,) = mt.conflicts(machine)
    assert found.mtrr is mt.MemoryType.UC and tuple(map(str, found.effective)) == ("UC", "WC")


def test_overlaps_of_a_list_have_exclusive_ends():
    text = """PAT memtype list:
PAT: [mem 0x00000000e0000000-0x00000000e0800000] write-combining
PAT: [mem 0x00000000e0400000-0x00000000e0500000] uncached-minus
PAT: [mem 0x00000000e0800000-0x00000000e0900000] uncached-minus
PAT: [mem 0x00000000e0800000-0x00000000e0880000] uncached-minus
"""
    (found,) = mt.conflicts(mt.parse(text))
    assert (found.base, found.last, found.refused) == (0xE0400000, 0xE04FFFFF, False)


def test_the_verb(tmp_path, capsys):
    path = tmp_path / "log"
    path.write_text(LINES["new"])
    assert main(["alias", str(path)]) == 1
    out = capsys.readouterr().out
    assert "[mem 0x00000000ca000000-0x00000000ca7fffff]  8 MiB" in out and "Xorg:1234" in out and "refused" in out
    assert main(["alias", str(path), "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)["conflicts"]
    assert told["last"] == "0xca7fffff" and told["pat"] == ["UC-", "WC"] and told["rule"] == "alias-uncached"
    path.write_text("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable")
    assert main(["alias", str(path)]) == 0 and "no conflicting" in capsys.readouterr().out
    assert main(["alias", "--pair", "uc-", "uc"]) == 0 and main(["alias", "--pair", "wb", "wc"]) == 1


@pytest.mark.parametrize(
    "line", ["a:1 conflicting memory types 5-5 uncached<->write-back", "a:1 conflicting memory types 0-"
             + "f" * 30 + " uncached<->write-back"]
)  # fmt: skip
def test_impossible_ranges_are_refused_in_one_line(line):
    with pytest.raises(mt.ParseError, match=r"^<text>:1: ") as caught:
        mt.parse(line)
    assert "\n" not in str(caught.value)
