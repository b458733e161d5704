"""What terminals, editors and web pages do to single characters: blanks of every kind, colours, dashes, line ends."""

from __future__ import annotations

from memtype.reading.patterns import later
from memtype.reading.text import Text

_BLANKS = {ord(blank): " " for blank in "\t\f\v\x1f\xa0\u1680\u202f\u205f\u3000"} | dict.fromkeys(
    range(0x2000, 0x200B), " "
)
_NOTHING = dict.fromkeys((0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF))
_BREAKS = {ord(mark): "\n" for mark in "\x1c\x1d\x1e\x85\u2028\u2029"}
_DASHES = dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-") | {0x201C: '"', 0x201D: '"', 0x2018: "'", 0x2019: "'"}
TABLE = _BLANKS | _NOTHING | _BREAKS | _DASHES
ASCII = [letter for letter in map(chr, TABLE) if letter.isascii()]
STRANGE = "[" + "".join(map(chr, TABLE)) + "]"
_ANSI = later(
    r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9])|\^\[\[[0-9;]*[mK]"  # "^[[1m": cat -v, less
)

_SMALL = later(r"[a-z]")
_CAPITALS = later(r"0X[0-9A-F]|[A-Z]{4}")


def typed(text: Text) -> Text:
    """Every blank as a blank, invisible characters gone, an editor's dashes and quotes as typed."""
    return text.changed([line if line.isascii() and "\t" not in line else line.translate(TABLE) for line in text.lines])


def line_ends(text: Text) -> Text:
    return text.changed([line.replace("\r", "") for line in text.lines])


def shown_ends(text: Text) -> Text:
    """Without what shows a line's end: "^M" in vi, "$" behind ``cat -A``, which shows a tab as "^I"."""
    lines = text.lines
    for sign in ("$", "^M"):
        filled = [line for line in lines if line]
        if len(filled) > 1 and all(line.endswith(sign) for line in filled[:-1]):
            lines = [line.removesuffix(sign).replace("^I", " ") for line in lines]
    return text.changed(lines)


def shouts(text: str) -> bool:
    """Whether every letter is a capital one."""
    return _SMALL.search(text) is None and _CAPITALS.search(text) is not None


def spoken(text: Text) -> Text:
    """In small letters: programs print words, and "0x", with some."""
    return text.changed([line.lower() for line in text.lines])


def xen(text: Text) -> Text:
    """Xen's prefix as Xen writes it: whose lines are a hypervisor's and whose are Linux' hangs on it."""
    return text.changed([line.replace("(xen)", "(XEN)") for line in text.lines])


def colours(text: Text) -> Text:
    """Without a terminal's control sequences."""
    return text.changed([_ANSI.sub("", line) for line in text.lines])


def clean(line: str) -> str:
    """A line that another way brought, without what `colours` and `typed` undo."""
    return _ANSI.sub("", line).translate(TABLE)
