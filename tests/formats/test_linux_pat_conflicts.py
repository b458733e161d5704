"""Linux' PAT messages as they are read: broken lines, page cache modes, ends, and what cannot be."""

from __future__ import annotations

import re

import pytest

import memtype as mt
from memtype.formats import linux_pat_conflicts

LINE = "[    9.123456] x86/PAT: Xorg:1234 conflicting memory types ca000000-ca800000 uncached-minus<->write-combining"


def test_each_message_is_a_fact_with_an_exclusive_end():
    ram = "x86/PAT: app:9 map pfn RAM range req uncached-minus for [mem 0x81488000-0x81488fff], got write-back"
    facts = mt.parse(f"{LINE}\n{ram}\n").facts["pat_messages"]
    assert [(m["kind"], m["base"], m["end"], m["wanted"], m["held"], m["user"], m["lines"]) for m in facts] == [
        ("conflict", 0xCA000000, 0xCA800000, "UC-", ["WC"], "Xorg:1234", [1]),
        ("ram", 0x81488000, 0x81489000, "UC-", ["WB"], "app:9", [2]),
    ]


def test_equal_stories_are_told_once_with_all_their_lines():
    (told,) = mt.parse(f"{LINE}\nother\n{LINE}\n").facts["pat_messages"]
    assert told["lines"] == [1, 3]


def test_a_refusal_of_two_lines_that_comes_again_is_the_same_story():
    """Its types on record are not those that were asked for the first time."""
    refusal = (
        "x86/PAT: app:9 conflicting memory types 1000-2000 write-combining<->uncached-minus\n"
        "x86/PAT: memtype_reserve failed [mem 0x1000-0x1fff], track write-back, req write-through\n"
    )
    once, twice = (linux_pat_conflicts.parse(refusal * times).facts["pat_messages"] for times in (1, 2))
    assert once[0]["held"] == ["WC", "UC-"] and once[0]["wanted"] == "WT"
    assert twice == [{**once[0], "lines": [1, 2, 3, 4]}]


def test_words_about_types_are_no_message():
    assert linux_pat_conflicts.sniff(LINE)
    assert not linux_pat_conflicts.sniff("x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT")


@pytest.mark.parametrize("break_at", range(44, 110))
def test_a_message_that_was_broken_is_joined(break_at):
    line = LINE[14:]
    line, rest = line[:break_at].rstrip(), line[break_at:].lstrip()
    if not rest or not (LINE[14:][break_at] == " " or re.search(r"\w-$", line)):
        return  # mailers break between words, or behind a hyphen
    (found,) = mt.conflicts(mt.parse(f"[    1.000000] MTRR default type: write-back\n{line}\n{rest}\n"))
    assert tuple(map(str, found.types)) == ("UC-", "WC") and found.lines == (2,)


def test_page_cache_modes_are_read_and_others_refused():
    modes = dict(enumerate(("WB", "WC", "UC-", "UC", "WT", "WP")))
    for mode, name in modes.items():
        line = f"ioremap error for 0xfeb00000-0xfeb01000, requested 0x{mode:x}, got 0x0"
        (found,) = mt.conflicts(mt.parse(line))
        assert str(found.types[0]) == name and found.last == 0xFEB00FFF
        assert found.rule == ("linux-not-allowed" if name in ("WC", "UC-", "WT") else "linux-strict")
    with pytest.raises(mt.ParseError, match=r"^<text>:1: 0x6 is no page cache mode"):
        mt.parse("ioremap error for 0xfeb00000-0xfeb01000, requested 0x6, got 0x0")
    with pytest.raises(mt.ParseError, match="0x10 is no page cache mode"):
        mt.parse("x86/PAT: reserve_ram_pages_type failed [mem 0x1000-0x1fff], track 0x10, req 0x1")


@pytest.mark.parametrize(
    "line", ["a:1 conflicting memory types 5-5 uncached<->write-back", "a:1 conflicting memory types 0-"
             + "f" * 30 + " uncached<->write-back"]
)  # fmt: skip
def test_impossible_ranges_are_refused_in_one_line(line):
    with pytest.raises(mt.ParseError, match=r"^<text>:1: ") as caught:
        mt.parse(line)
    assert "\n" not in str(caught.value)


MESSAGES = [
    "x86/PAT: app:9 conflicting memory types 1f0000000-1f0100000 write-combining<->uncached-minus",
    "x86/PAT: app:9 map pfn expected mapping type uncached-minus for [mem 0xfd000000-0xfd0fffff], got write-back",
    "x86/PAT: reserve_ram_pages_type failed [mem 0x81488000-0x81488fff], track 0x2, req 0x1",
    "ioremap error for 0xfeb00000-0xfeb01000, requested 0x2, got 0x0",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_may_break_behind_its_words(message):
    """By the family alone, into up to four lines: what undoes a mail's breaks stands before it."""
    told = linux_pat_conflicts.parse(message).facts
    begins = re.search(r"memory types |expected |failed |error for ", message).end()
    for at in [blank.start() for blank in re.finditer(" ", message) if blank.start() >= begins]:
        broken = f"{message[:at]}\n{message[at + 1 :]}"
        assert linux_pat_conflicts.parse(f"{broken}\nusb 1-1\n").facts == told, broken
    words = message[begins:].split(" ")
    for lines in range(4, min(len(words), 5) + 1):  # of five, the last is too far down
        pieces = [message[:begins] + " ".join(words[: 1 - lines]), *words[1 - lines :]]
        found = linux_pat_conflicts.parse("\n".join(pieces)).facts
        assert found == (told if lines == 4 else {"pat_messages": []}), pieces
    if len(words) > 2:
        pieces = [message[:begins] + " ".join(words[:-2]), *words[-2:]]
        assert linux_pat_conflicts.parse("\n".join(pieces)).facts == told
        assert linux_pat_conflicts.parse("\n".join([pieces[0], "", "", "", *pieces[1:]])).facts == {"pat_messages": []}
