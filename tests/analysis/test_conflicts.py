"""Linux' PAT messages: every spelling read, ends right, what came of each; pairs judged; overlaps in its list."""

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
    "/dev/mem": "Xorg:1234 /dev/mem expected mapping type uncached-minus for ca000000-ca800000, got write-combining",
    "ioremap": "ioremap error for 0xca000000-0xca800000, requested 0x2, got 0x1",
    "ioremap, up to 3.18": "ioremap error for 0xca000000-0xca800000, requested 0x10, got 0x8",
    "RAM pages": "x86/PAT: reserve_ram_pages_type failed [mem 0xca000000-0xca7fffff], track 0x1, req 0x2",
}
RAM = "x86/PAT: Xorg:1234 map pfn RAM range req uncached-minus for [mem 0xca000000-0xca7fffff], got write-combining"


@pytest.mark.parametrize(("name", "line"), list(LINES.items()), ids=LINES.keys())
def test_each_spelling_gives_the_same_pair(name, line):
    (found,) = mt.conflicts(mt.parse(line))
    assert (found.base, found.last) == (0xCA000000, 0xCA7FFFFF)
    assert found.users[0] == ("Xorg:1234" if "Xorg" in line else line.split()["x86/PAT" in line])
    assert tuple(map(str, found.types)) == ("UC-", "WC") and found.mtrr is None
    assert found.refused and found.outcome == "refused" and found.verdict.verdict == "warn"
    assert found.lines == (1,)


def test_ram_keeps_its_type_and_nothing_is_refused():
    (found,) = mt.conflicts(mt.parse(RAM))
    assert (found.outcome, found.refused, found.rule) == ("granted", False, "linux-ram")
    assert tuple(map(str, found.types)) == ("UC-", "WC") and found.last == 0xCA7FFFFF


FAILED = "x86/PAT: memtype_reserve failed [mem 0xca000000-0xca7fffff], track {}, req {}"


@pytest.mark.parametrize(
    ("pair", "track", "req", "types", "held"),
    [
        ("uncached-minus<->write-back", "uncached-minus", "uncached-minus", ("UC-", "WB"), ("WB",)),
        # asked for WB, tracked as UC- for the MTRR's sake
        ("uncached-minus<->write-combining", "uncached-minus", "write-back", ("WB", "WC"), ("WC",)),
        # two types on record: the first that overlaps, and one that differs from it
        ("write-combining<->uncached-minus", "uncached-minus", "uncached-minus", ("UC-", "WC"), ("WC", "UC-")),
        ("write-combining<->uncached", "write-back", "write-back", ("WB", "WC"), ("WC", "UC")),
    ],
)
def test_a_refusal_of_two_lines_is_one(pair, track, req, types, held):
    first = f"x86/PAT: app:9 conflicting memory types ca000000-ca800000 {pair}"
    text = f"{first}\nunrelated\n{FAILED.format(track, req)}\n"
    (found,) = mt.conflicts(mt.parse(text))
    assert (tuple(map(str, found.types)), tuple(map(str, found.held))) == (types, held)
    assert found.refused and found.lines == (1, 3) and found.users[0] == "app:9"


def test_a_second_line_alone_or_of_another_range_is_a_refusal_of_its_own():
    (found,) = mt.conflicts(mt.parse(FAILED.format("uncached-minus", "write-back")))
    assert found.types == (mt.MemoryType.WB, mt.MemoryType.NOT_TOLD) and found.held == () and found.refused
    other = "x86/PAT: app:9 conflicting memory types cb000000-cb800000 uncached-minus<->write-back"
    text = f"{other}\n{FAILED.format('uncached-minus', 'uncached-minus')}"
    assert [c.base for c in mt.conflicts(mt.parse(text))] == [0xCB000000, 0xCA000000]
    # once its second line was read a refusal is closed: a third line is the next one's
    twice = f"{LINES['new']}\n{FAILED.format('uncached-minus', 'uncached-minus')}\n" * 2
    (found,) = mt.conflicts(mt.parse(twice))
    assert found.lines[:2] == (1, 2)


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
    assert told["last"] == "0xca7fffff" and told["pat"] == ["UC-", "WC"] and told["why"][0]["id"] == "alias-uncached"
    path.write_text(RAM)
    assert main(["alias", str(path)]) == 0
    out = capsys.readouterr().out
    assert "granted as write-combining: one type, no alias" in out and "refused:" not in out
    path.write_text("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable")
    assert main(["alias", str(path)]) == 0 and "no conflicting" in capsys.readouterr().out
    assert main(["alias", "--pair", "uc-", "uc"]) == 0 and main(["alias", "--pair", "wb", "wc"]) == 1
