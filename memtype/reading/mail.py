"""What mail programs do: quoting by ">" and by initials, and quoted-printable.

Quoted-printable (RFC 2045, 6.7): ``=3D`` for "=", ``=C2=A0`` for other bytes, "=" at the end for a line that goes on.

A dump is full of "=" and hex digits, so a code is undone only in a text that shows that a mail brought it: every "="
in it is a code or a line's end, and one of them can be nothing else. ``200=3D000006`` alone is a register.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from memtype.reading import characters
from memtype.reading.marks import front_of, mark_of
from memtype.reading.openings import opens
from memtype.reading.patterns import later
from memtype.reading.text import Text

_HEADER = later(r"^Content-Transfer-Encoding:\s*quoted-printable\s*$", re.I | re.M)
_CODE = later(r"=(?:3D|20|09|0D|0A|2E|2D|46(?=rom)|1B|[89A-F][0-9A-F])")
# no register prints "=3D" before a blank or 0x, "=20" as a line's end, the bytes of one sign, a soft break
_SURE = later(
    r"=(?:3D(?=0x|[^0-9A-Fa-f\s]|\s\S)|20$(?<![0-9A-Fa-f=]=20)|(?:C2|E2=8[01]|E3=80|EF=BB)=[89AB][0-9A-F]|1B\["
    r"|\n(?<=[^=]=\n))",
    re.M,
)
_SIGNS = later(r"=(?:3D|20|1B|\n|C2|E2|E3|EF)")
_MANY = 4  # so many values do not all begin with the digits 3D
_RUN = later(r"(?:=[0-9A-F]{2})+")


def shows(text: str) -> bool:
    """Whether a mail brought (a part of) the text in quoted-printable."""
    if _SIGNS.search(text) is None:
        return False
    if "rintable" in text and _HEADER.search(text):
        return True
    sure = _SURE.search(text) is not None or text.count("=3D") >= _MANY
    return sure and all(_conforms(line) for line in text.split("\n") if "=" in line)


def decoded(text: Text) -> Text:
    """The lines, soft breaks closed and codes undone, each with the number of the line that it began on."""
    found: list[list[str]] = []
    kept: list[int] = []
    goes_on, mark = False, ""
    for line, number in zip(text.lines, text.numbers):
        line = "" if _HEADER.match(line) else line
        soft = line.endswith("=") and _conforms(line)
        part = line.removesuffix("=") if soft else line
        if goes_on:
            found[-1].append(part[len(front_of(part)) :] if mark and mark_of(part) == mark else part)
        else:
            mark = mark_of(line)  # a list's or a comment's, on every line
            found.append([part])
            kept.append(number)
        goes_on = soft
    return Text([""] * len(kept), kept).changed([characters.clean(_decoded("".join(parts))) for parts in found])


def _decoded(line: str) -> str:
    return _RUN.sub(_bytes, line) if "=" in line and _conforms(line) else line


def _conforms(line: str) -> bool:
    """Whether every "=" of the line is one that the encoding makes."""
    return "=" not in _CODE.sub("", line.removesuffix("="))


def _bytes(run: re.Match[str]) -> str:
    data = bytes.fromhex(run[0].replace("=", ""))
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


_QUOTE = later(r" {0,3}(?:>|[A-Z][A-Za-z]{0,3} ?>)(?: ?>| ?[A-Z][A-Za-z]{0,3}>)* ?")  # "> > ", ">> ", "AB> "
_BAR = later(r" {0,3}(?:\| )+(?=[^|]*$)")


def unquoted(text: Text) -> Text:
    """Lines without what a mail's reply put in front; the ">" of a diff's second side stays."""
    if is_classic_diff(text.lines):
        return text
    if any(line.endswith("=") for _, line in text.holding("=")) and shows(str(text)):
        return text.changed(_replies(text.lines))
    return text.each(lambda line: line[len(_quote(line)) :], ">", "|", rows=True)


def _replies(lines: Sequence[str]) -> list[str]:
    """The same where soft breaks are still open: what a line goes on with is no quote, unless the line had that one."""
    found, goes_on, mark = [], False, ""
    for line in lines:
        quote = _quote(line)
        if not goes_on:
            mark = quote
        found.append(line[len(quote) :] if quote == mark else line)
        goes_on = line.endswith("=") and _conforms(line)
    return found


def _quote(line: str) -> str:
    """What a reply put in front; "" where there is nothing."""
    found = (_QUOTE.match(line) if ">" in line else None) or (_BAR.match(line) if "|" in line else None)
    return found[0] if found else ""


_CLASSIC = later(r"[<>](?: |$)|---$|\d+(?:,\d+)?[acd]\d+(?:,\d+)?$")


def is_classic_diff(lines: Sequence[str]) -> bool:
    """Whether lines behind "<" and lines behind ">" are two sides of one comparison."""
    if not all(any(line[:1] == side for line in lines) for side in "<>"):
        return False
    if all(_CLASSIC.match(line) for line in lines if line and not line.isspace()):
        return True
    return all(any(opens(line[1:]) for line in lines if line[:1] == side) for side in "<>")
