"""What web pages and programs wrap lines in: HTML's tags and entities, boards' codes, strings of a list ("…",)."""

from __future__ import annotations

import html
import re

from memtype.reading import characters
from memtype.reading.clues import Clues
from memtype.reading.once import Once
from memtype.reading.patterns import later
from memtype.reading.text import Text

_TAG = later(
    r"</?(?P<name>br|p|div|tr|li|ul|ol|pre|blockquote|table|tbody|thead|h[1-6]|hr|html|head|body|section|article"
    r"|span|code|tt|samp|kbd|b|i|u|em|strong|font|small|a|td|th|wbr|mark|img|title|meta|link)(?:\s[^<>]*)?/?>",
    re.I,
)
_BREAKING = later(r"br|p|div|tr|li|[uo]l|pre|blockquote|table|h[1-6]|hr")
_MARK_ALONE = later(r"^([ `>|•*#/;.\d-]{1,8})\n+")  # "// <p>": the mark belongs to what the tag begins
_ENTITY = later(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.I)
_AMPERSANDS = later(r"&(?:amp;)+(?=#|\w)")
SIGN = (
    r"</?(?:br|p|div|tr|li|pre|blockquote|table|td|span|code|tt|b|i|strong|em|font|a|h\d|ul|ol|html|body)[\s/>]"
    rf"|{_ENTITY.pattern}"
)


def _plain_line(line: str) -> str:
    line = _MARK_ALONE.sub(r"\1", _TAG.sub(_tag, line).strip("\n"))
    if "&" not in line:
        return line
    line = _ENTITY.sub(lambda found: html.unescape(found[0]), _AMPERSANDS.sub("&", line))
    return characters.clean(line)


def _tag(found: re.Match[str]) -> str:
    """A line feed for a tag that begins or ends a line, a blank between cells, nothing for others."""
    name = found["name"].lower()
    return "\n" if _BREAKING.fullmatch(name) else " " if name in ("td", "th") else ""


def unmarked(text: Text) -> Text:
    """Without tags and entities; what a page shows on a line of its own is a line."""
    return text.each(_plain_line, "<", "&")


_CODES = "code|quote|pre|noparse|noformat|spoiler|list|hide|mono"
_BOARD = rf"\[/?(?:(?P<block>{_CODES})|b|i|u|s|tt|size|colou?r|font)(?:=[^\]\n]{{0,80}})?\]"
_WIKI = r"\{(?P<wiki>noformat|code|quote)(?::[^}\n]{0,80})?\}"
_CODE, _BOARDS, _WIKIS = (later(pattern, re.I) for pattern in (f"{_BOARD}|{_WIKI}", _BOARD, _WIKI))


def coded(text: str) -> bool:
    """Whether a board's or a tracker's code is there."""
    clues = Clues(text)
    return clues.shows(_BOARDS) or clues.shows(_WIKIS)


def uncoded(text: Text) -> Text:
    """Without the codes of boards and trackers, "[code]" and "{noformat}", which begin or end a line."""
    return text.each(lambda line: _CODE.sub(lambda code: "\n" if code["block"] or code["wiki"] else "", line), "[", "{")


_QUOTED = r"\"(?:[^\"\\]|\\.)*\""
_STRING = later(rf" *\[? *({_QUOTED}|'(?:[^'\\]|\\.)*')(?: ?[,+\\\]]){{0,2}}$")
_STRINGS = later(rf" *\[ *{_QUOTED}(?: ?, *{_QUOTED})+ *\]?,?$")
_BRACKET = later(r" *[\[\]],? *$")
_ESCAPE = later(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPES = {"n": "\n", "t": " ", "r": "", "b": "", "f": " "}


def strings(text: Text) -> Text:
    """Lines that are strings of a list ("…",) as what they hold; the list's own brackets go."""
    string = Once(_string)
    found = {place: held for place, line in text.holding('"', "'") if (held := string[line]) is not None}
    if not found:
        return text
    lines = ["" if _BRACKET.match(line) else line for line in text.lines]
    for place, held in found.items():
        lines[place] = held
    return text.changed(lines)


def _string(line: str) -> str | None:
    """The content of a line that is one string, or a list of them; None of any other."""
    row = line.rstrip()
    if _STRINGS.match(row):
        return "\n".join(_plain(word[1:-1]) for word in re.findall(_QUOTED, row))
    found = _STRING.match(row)
    return _plain(found[1][1:-1]) if found else None


def _plain(word: str) -> str:
    found = _ESCAPE.sub(lambda e: chr(int(e[1], 16)) if e[1] else _ESCAPES.get(e[2], e[2]), word)
    return characters.clean(found.removesuffix("\n"))
