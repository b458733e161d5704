"""Messages that a mail program broke in two at column 72 or so, joined again.

A message is joined where its own grammar says so: it begins as `_MESSAGES` has it, does not end, and is whole with
the line below, or the two below. A kernel's message that no row knows is joined where a logger's stamp shows that the
line below belongs to it and its first word would have gone beyond the margin.
"""

from __future__ import annotations

import re
from itertools import takewhile

from memtype.reading.lines import is_bare
from memtype.reading.once import Once
from memtype.reading.openings import opens, opens_code
from memtype.reading.patterns import later
from memtype.reading.rows import plain_row
from memtype.reading.text import Text

_TYPE = r"(?:uncach(?:able|ed|ed-minus)|write-(?:combining|through|protect(?:ed)?|back)|\?)"
_HEX = r"(?:0x)?[0-9a-f]+"
_Ends = tuple[re.Pattern[str], re.Pattern[str]]  # at the line's end, and before another message on the same line
_MESSAGES = tuple(  # a word that it holds, in lower case; how it begins; how it ends
    (word, later(begins, re.I), (later(rf"(?:{ends})\s*$", re.I), later(rf"(?:{ends})(?=reg|\d)", re.I)))
    for word, begins, ends in (
        ("reg", r"\breg\d{1,3}\s*:\s*base\s*=", rf"count\s*=\s*\d+:\s*{_TYPE}|:\s*{_TYPE},\s*count\s*=\s*\d+"),
        (" base ", r"\b\d{1,3} +base +[0-9a-f]", rf"mask\s+[0-9a-f]+,?\s+{_TYPE}"),
        ("] mask ", r"\b\d{1,3} +\[[0-9a-f]+-[0-9a-f]+\] mask", rf"mask\s+[0-9a-f]+,?\s+{_TYPE}"),
        ("mtrr: ", r"\bMTRR: (?:Fixed MSR|\d+ base) 0x", r"MSR 0x[0-9a-f]+ 0x[0-9a-f]{16}|type \d+"),
        (" - 0x", r"\b0x[0-9a-f]{8,16} - 0x", r"size 0x[0-9a-f]+ type \d+"),
        (":", r"\b(?:BIOS-\w+|Xen|efi-e820):\s", r"0x[0-9a-f]+\]\s+\S.*|\([^()]+\)"),
        ("e820: update", r"\be820: update \[?(?:mem|range)", r"==>\s+\S.*reserved\)?"),
        ("e820: remove", r"\be820: remove \[mem", r"0x[0-9a-f]+\]\s+\w.*"),
        ("mtrr ", r"\bMTRR (?:default|fixed|variable)\b", rf"type:\s*{_TYPE}|ranges\s+(?:en|dis)abled:?"),
        ("mtrr map:", r"\bMTRR map: \d+", r"built\s+from\s+\d+\s+variable\s+MTRRs"),
        ("-", r"\b\d{1,3}: +[0-9a-f]{9,}-", rf"-[0-9a-f]{{9,}}\s+{_TYPE}"),
        ("configuration", r"\bPAT:?\s+configuration\b", r":(?:\s+(?:UC-|U[C]|W[CTPB]|\?\?)){8}"),
        ("conflicting memory", r"\bconflicting memory types\b", rf"{_TYPE}<->{_TYPE}"),
        ("map pfn", r"\bmap pfn \S", rf"got\s+{_TYPE}"),
        ("failed", r"\b(?:memtype_reserve|reserve_memtype) failed\b", rf"req\s+{_TYPE}"),
        ("ioremap error", r"\bioremap error for\b", r"got\s+0x[0-9a-f]+"),
        ("[mem ", r"\bPAT:\s*\[mem ", rf"0x[0-9a-f]+\]\s+(?:{_TYPE}|broken)"),
        ("your cpus had", r"\bmtrr: your CPUs had\b", r"settings"),
        ("bios bug", r"\bBIOS bug: CPU MTRRs\b", r"losing\s+\d+\s*MB of RAM\.?"),
        ("gran_size:", r"\bgran_size:", r"lose cover RAM:\s*-?\d+[KMG]"),
        ("reg ", r"\breg \d+, base:", r"type\s+\w+"),
        ("variable mtrr[", r"\bVariable MTRR\[\d+\]", rf"Base\s*=\s*{_HEX},?\s+Mask\s*=\s*{_HEX}"),
        ("reg ", r"\bReg \d+: 0x", r"\(\s*\d+ [KMG]B\)\s+\w[\w-]*(?: \w+)?"),
        ("msr 0x", r"\bMSR 0x[0-9a-f]{8} =", r"0x[0-9a-f]{8}:0x[0-9a-f]{8}(?: \(.*)?"),
        ("setup mtrr", r"\bsetup mtrr for CPU\b", r"size: \d+ bits"),
        ("setting variable", r"\bSetting variable MTRR \d+,", r"type (?:U[C]|W[CTPB])"),
    )
)
_WORDS = later("MTRR|mtrr|base|mask|BIOS|e820|PAT|Xen:|MSR|: 0|0x|map pfn|memory types|gran_size|_memtype|memtype_")
# words that only continue: "ACPI" + "data", memcontrol's flags
_FLAG = r"(?:force|fixed-base|fixed-length|set-by-firmware|active|busy|bogus)"
_MORE = later(rf"\s*(?:data|NVS|memory|RAM|\(type \d+\)|{_FLAG}(?:\s+{_FLAG})*)\s*$")
_NUMBER = later(r"\s*0x[0-9a-f]{8,16}\s*", re.I)
_OPEN_END = later(r"\]\s+(?:ACPI|un(?:usable|accepted)|persistent|device|soft)$|^\s*0x[0-9a-f]+/0x\S+\s+\S+\s", re.I)
_SHORTEST = 24  # characters of a message that is broken: "MTRR fixed ranges enabled" fits every margin
_LONGEST = 200  # characters: no mail program leaves more on a line that it breaks
_HYPHEN = later(r"[a-z0-9]-$")  # write-back, 1f0000000-1f0100000; not the PAT entry "UC-"
_MOST_LINES = 3  # below the first: a message of 200 columns
_STAMPED = later(r"\s*(?:<\d+>)?\[\s*\d+\.\d{1,6}\]")
_MARGIN = 70, 82  # a line is broken where its next word would end beyond the margin: 72 to 80, and quoting


def joined(text: Text) -> Text:
    """The lines, broken messages joined, each with the number of the line that it began on."""
    return _Joiner(text).joined()


class _Joiner:
    """What the lines of one text may begin and continue, each line asked once."""

    def __init__(self, text: Text) -> None:
        self.text, self.lines = text, text.lines
        self.begins = Once(_may_begin)
        self.continues = Once(_may_continue)
        self.ends = Once(_ends)
        self.chain_end, self.upside_down = 0, False  # of the last chain that was looked at

    def joined(self) -> Text:
        """The lines from one that may begin a message to the next."""
        text, lines = self.text, self.lines
        found: list[str] = []
        kept: list[int] = []
        done = 0  # lines so far that are in `found`, or belong to the last one there
        for at in self._begun():
            if at < done:
                continue
            whole, used = self._message(at)
            if used and not (at > done and self._stands_upside_down(at)):
                found += (*lines[done:at], whole)
                kept += text.numbers[done : at + 1]
                done = at + 1 + used
        return Text([*found, *lines[done:]], [*kept, *text.numbers[done:]]) if done else text

    def _begun(self) -> list[int]:
        """The lines that may begin a message which goes on below; a line with a stamp goes on with nothing."""
        lines, begins, stamped = self.lines, self.begins, _STAMPED.match
        return [
            place - 1 for place in self.text.unstamped
            if place and (below := lines[place]) and len(line := lines[place - 1]) + len(below) >= _SHORTEST
            and not (below[0] == "[" and stamped(below)) and begins[line]
        ]  # fmt: skip

    def _message(self, at: int) -> tuple[str, int]:
        """The message that begins on this line, and how many lines below belong to it."""
        line = self.lines[at]
        if at + 1 == len(self.lines) or not self.continues[self.lines[at + 1]]:
            return line, 0
        below = self.lines[at + 1]
        if _MORE.match(below) and _OPEN_END.search(line.rstrip()):
            return _glued(line, below), 1
        if ends := self.ends[line]:
            return self._until(ends, at)
        if _STAMPED.match(line) and _explained(line, below):
            return _glued(line, below), 1
        return line, 0

    def _until(self, ends: tuple[_Ends, ...], at: int) -> tuple[str, int]:
        """The line with as many below as make it whole; alone where it is so, or where none do."""
        whole = self.lines[at]
        if _is_whole(whole, ends):
            return whole, 0
        below = takewhile(self.continues.__getitem__, self.lines[at + 1 : at + 1 + _MOST_LINES])
        for used, more in enumerate(below, 1):
            if self.ends[more]:
                break
            before, whole = whole, _glued(whole, more)
            if _is_whole(whole, ends):
                return (self.lines[at], 0) if self._another(at + 1 + used, before, ends) else (whole, used)
        return self.lines[at], 0

    def _stands_upside_down(self, at: int) -> bool:
        """Whether this message's rest stands above it, and that of each one after it: the last has none below.

        One that has its rest on both sides may be the first whole one of a text that begins within a message.
        """
        above, line = self.lines[at - 1], self.lines[at]
        if not self.continues[above] or self.ends[above] or not _is_whole(_glued(line, above), self.ends[line]):
            return False
        if at >= self.chain_end:
            self.chain_end, self.upside_down = self._end_of_chain(at)
        return self.upside_down

    def _end_of_chain(self, at: int) -> tuple[int, bool]:
        """Where broken messages with their rests below end, one after the other, and whether the last has none."""
        while at < len(self.lines) and (ends := self.ends[self.lines[at]]) and not _is_whole(self.lines[at], ends):
            used = self._message(at)[1]
            if not used:
                return at + 1, True
            at += 1 + used
        return at, False

    def _another(self, at: int, before: str, ends: tuple[_Ends, ...]) -> bool:
        """Whether the next line ends the message as well, or is a number alone: which of them does is not told.

        Another may begin behind the end: "size= 64MB, count=1: write-protectreg04: base=0x469349000".
        """
        below = self.lines[at] if at < len(self.lines) else ""
        if _NUMBER.fullmatch(below):
            return True
        alone = bool(below) and self.continues[below] and not self.ends[below]
        return alone and any(end.search(_glued(before, below)) for each in ends for end in each)


def _ends(line: str) -> tuple[_Ends, ...]:
    """How the messages end that begin on this line."""
    lower = line.lower()
    return tuple([ends for word, begins, ends in _MESSAGES if word in lower and begins.search(line)])


def _is_whole(line: str, ends: tuple[_Ends, ...]) -> bool:
    return any(end.search(line) for end, _ in ends)


def _may_begin(line: str) -> bool:
    """A quick look: most lines of most texts are none of these."""
    if not 0 < len(line) <= _LONGEST or line.isalnum() or plain_row(line):  # one word begins none
        return False
    return _WORDS.search(line) is not None or _STAMPED.match(line) is not None


def _may_continue(line: str) -> bool:
    """Whether nothing stands in front of the line that would begin a message of its own."""
    return 0 < len(line) <= _LONGEST and not _STAMPED.match(line) and not line.isspace() and is_bare(line)


def _explained(line: str, below: str) -> bool:
    """Whether the margin explains the break: the next word would have ended beyond it."""
    least, most = _MARGIN
    if below[0].isspace() or opens(below) or opens_code(below):
        return False
    return len(line) <= most and len(line) + 1 + len(below.split(None, 1)[0]) > least


def _glued(line: str, more: str) -> str:
    """Both parts; a word that was broken at its own hyphen gets no blank."""
    first, second = line.rstrip(), more.strip()
    return first + second if _HYPHEN.search(first) else f"{first} {second}"
