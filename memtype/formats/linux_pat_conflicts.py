"""Linux's PAT layer speaking up: who asked for a memory type of which range, and what came of it.

`mm/pat/memtype.c` and `mm/ioremap.c` print, in boot logs and dmesg, ends exclusive or inclusive as written here:

    x86/PAT: app:9 conflicting memory types 1f0000000-1f0100000 write-combining<->uncached-minus
    x86/PAT: memtype_reserve failed [mem 0x1f0000000-0x1f00fffff], track write-combining, req write-combining
    x86/PAT: app:9 map pfn expected mapping type uncached-minus for [mem 0xfd000000-0xfd0fffff], got write-back
    x86/PAT: app:9 map pfn RAM range req uncached-minus for [mem 0x81488000-0x81488fff], got write-back
    x86/PAT: reserve_ram_pages_type failed [mem 0x81488000-0x81488fff], track 0x2, req 0x1
    ioremap error for 0xfeb00000-0xfeb01000, requested 0x2, got 0x0

The first two are one refusal told twice. "track" is the type that the new entry would have had: what was asked for,
after the MTRR's hint; the type on record stands behind "<->". The fourth is no refusal: RAM keeps the type that it
has, and the mapping gets that one.

`Machine.facts["pat_messages"]` is a list of ``{"kind", "base", "end", "wanted", "held", "user", "lines"}``, the end
exclusive: `kind` is "conflict", "remap", "ram", "ram-pages" or "ioremap", `wanted` a type's short name; `held` lists
the types on record, none where the log does not tell. Equal stories are told once, with all their lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.lines import bare, holds
from memtype.reading.patterns import later
from memtype.types import MemoryType

NAME = "linux-dmesg"

_TYPE = r"(?:uncached-minus|uncached|write-combining|write-through|write-protected|write-back)(?![\w-])"
_USER = r"(?:x86/PAT:\s*)?(?P<user>\S.{0,40}?:-?\d{1,10})\s+"
_EXCLUSIVE = r"(?:0x)?(?P<base>[0-9a-f]+)-(?:0x)?(?P<end>[0-9a-f]+)"
_INCLUSIVE = r"\[mem 0x(?P<first>[0-9a-f]+)-0x(?P<last>[0-9a-f]+)\]"
_RANGE = rf"(?:{_INCLUSIVE}|{_EXCLUSIVE})"
_LINES = {
    kind: later(rf"\s*{pattern}", re.I)
    for kind, pattern in {
        "conflict": rf"{_USER}conflicting memory types {_RANGE}\s+(?P<wanted>{_TYPE})<->(?P<held>{_TYPE})",
        "remap": rf"{_USER}(?:map pfn|/dev/mem) expected mapping type (?P<wanted>{_TYPE}) for {_RANGE}, "
        rf"got (?P<held>{_TYPE})",
        "ram": rf"{_USER}map pfn RAM range req (?P<wanted>{_TYPE}) for {_RANGE}, got (?P<held>{_TYPE})",
        "failed": rf"(?:x86/PAT:\s*)?(?:memtype_reserve|reserve_memtype) failed:? {_RANGE}, "
        rf"track (?P<track>{_TYPE}), req (?P<wanted>{_TYPE})",
        "ram-pages": rf"(?:x86/PAT:\s*)?(?P<user>reserve_ram_pages_type) failed:? {_RANGE}, "
        r"track (?:0x)?(?P<held>[0-9a-f]+), req (?:0x)?(?P<wanted>[0-9a-f]+)",
        "ioremap": rf"(?P<user>ioremap) error for {_RANGE}, requested (?:0x)?(?P<wanted>[0-9a-f]+), "
        r"got (?:0x)?(?P<held>[0-9a-f]+)",
    }.items()
}  # fmt: skip
_WORDS = words(
    "conflicting memory types", "map pfn ", "/dev/mem expected", "memtype_reserve failed", "reserve_memtype failed",
    "reserve_ram_pages_type failed", "ioremap error for",
)  # fmt: skip
_BROKEN_WORD = later(r"(?<=[a-z0-9]-) (?=[a-z0-9])", re.I)  # "uncached- minus": broken behind the hyphen
_WRAPPED = 4  # lines that one message may have been broken into


@dataclass(slots=True)
class _Story:
    """One request and its end, as far as the log tells it."""

    kind: str
    base: int
    end: int
    wanted: str
    held: list[str]
    user: str
    lines: list[int] = field(default_factory=list)

    @property
    def key(self) -> tuple[object, ...]:
        return self.kind, self.base, self.end, self.wanted, tuple(self.held), self.user

    def facts(self) -> dict[str, object]:
        return {
            "kind": self.kind, "base": self.base, "end": self.end, "wanted": self.wanted, "held": list(self.held),
            "user": self.user, "lines": list(self.lines),
        }  # fmt: skip


def sniff(text: str) -> bool:
    return bool(_messages(text))


def parse(text: str, source: str = "<text>") -> Machine:
    """The stories, in the log's order."""
    stories: list[_Story] = []
    open_conflict: _Story | None = None  # whose "memtype_reserve failed" may come next
    for number, kind, match in _messages(text):
        where = f"{source}:{number}"
        base, end = _range(match, where)
        if kind == "failed" and open_conflict is not None and (open_conflict.base, open_conflict.end) == (base, end):
            _complete(open_conflict, match, number)
            open_conflict = None
            continue
        story = _story(kind, base, end, match, where)
        story.lines.append(number)
        stories.append(story)
        open_conflict = story if kind == "conflict" else None
    told: dict[tuple[object, ...], list[_Story]] = {}
    for story in stories:
        told.setdefault(story.key, []).append(story)
    found = [{**same[0].facts(), "lines": [n for story in same for n in story.lines]} for same in told.values()]
    return Machine(format=NAME, facts={"pat_messages": found})


def _messages(text: str) -> list[tuple[int, str, re.Match[str]]]:
    """(line number, kind, match) of each message; one that a mail program broke is put together again."""
    rows = text.split("\n")
    found = []
    for number, _ in holding(text, _WORDS):
        match = _joined(rows[number - 1 : number - 1 + _WRAPPED])
        found += [] if match is None else [(number, *match)]
    return found


def _joined(rows: list[str]) -> tuple[str, re.Match[str]] | None:
    line = ""
    for row in rows:
        if line and holds(row, *_WORDS.plain):
            return None  # the next message
        line = _BROKEN_WORD.sub("", f"{line.rstrip()} {bare(row).strip()}") if line else bare(row)
        for kind, pattern in _LINES.items():
            if match := pattern.match(line):
                return kind, match
    return None


def _range(match: re.Match[str], where: str) -> tuple[int, int]:
    if match["first"]:
        base, end = (
            values.number(match["first"], where, 0, "address"),
            values.number(match["last"], where, 0, "address") + 1,
        )
    else:
        base, end = values.number(match["base"], where, 0, "address"), values.number(match["end"], where, 0, "address")
    if end <= base:
        raise ParseError(f"{where}: the range 0x{base:x}-0x{end:x} is empty")
    return base, end


def _story(kind: str, base: int, end: int, match: re.Match[str], where: str) -> _Story:
    read = _mode if kind in ("ioremap", "ram-pages") else _name
    wanted = read(match["wanted"], kind, where)
    if kind == "failed":  # its first line, which names what is on record, is not in the text
        return _Story("conflict", base, end, wanted, [], "memtype_reserve failed")
    return _Story(kind, base, end, wanted, [read(match["held"], kind, where)], match["user"])


def _complete(story: _Story, match: re.Match[str], number: int) -> None:
    """Add the second line of a refusal: what was asked for, and the type that the new entry would have had.

    Where that is not what stands before "<->", two types were on record, and no type suits both.
    """
    track = _name(match["track"])
    if track != story.wanted and story.wanted not in story.held:
        story.held = [story.wanted, *story.held]
    story.wanted = _name(match["wanted"])
    story.lines.append(number)


def _name(word: str, kind: str = "", where: str = "") -> str:
    """The short name of a type that the patterns above let through."""
    return str(MemoryType.parse(word))


def _mode(word: str, kind: str, where: str) -> str:
    """The type behind a page cache mode, or up to 3.18 behind the bits that ioremap put into the entry."""
    value = values.number(word, where, 0, "page cache mode")
    bits = rules.IOREMAP_PROTECTION if kind == "ioremap" else {}
    found = rules.PAGE_CACHE_MODES.get(value, bits.get(value))
    if found is None:
        known = ", ".join(f"{mode} {name}" for mode, name in rules.PAGE_CACHE_MODES.items())
        raise ParseError(f"{where}: 0x{value:x} is no page cache mode ({known})")
    return str(found)
