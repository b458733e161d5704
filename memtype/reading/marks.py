"""What lists, comments and Markdown put around lines: marks, back-ticks, fences, tables, several items on a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from memtype.reading.once import Once
from memtype.reading.openings import opens, opens_behind
from memtype.reading.patterns import later
from memtype.reading.text import Text, is_hex_row

_FENCE = later(r" *(?:`{3,}|~{3,}) *[\w+.-]* *$")
_TICKS = later(r"(?<![0-9A-Fa-f])`+|`+(?![0-9A-Fa-f`])")  # fffff800`12345678 is WinDbg's
_OPEN_TICKS = later(r"^ *`+(?=[^`])|`+ *$")
_BOLD = later(r"(?<!\S)(\*\*|__)([^\s*](?:[^*\n]{0,80}[^\s*])?)\1(?=[\s:,;.=]|$)")
_ROW = later(r" *\|(?:[^|\n]*\|)+ *$")
_RULE = later(r"(?=.*[|+])(?=.*(?:--|==))[-=|+: ]+$")  # |---|:-:|, +-----+=====+


def _unticked(line: str) -> str:
    if _FENCE.match(line):
        return ""
    if line.count("`") % 2:
        return _OPEN_TICKS.sub("", line)  # it encloses several lines
    return _TICKS.sub("", line)


def ticks(text: Text) -> Text:
    """Without back-ticks around words and without fences; WinDbg's, inside numbers, stay."""
    return text.each(_unticked, "`", "~~~")


def bold(text: Text) -> Text:
    return text.each(lambda line: _BOLD.sub(r"\2", line), "**", "__")


def tables(text: Text) -> Text:
    """Rows as their cells, two blanks between them; the rule below a head goes."""
    rule = Once(lambda line: _RULE.match(line) is not None)
    ruled = any(rule[line] for _, line in text.holding("|", "+"))
    return text.each(lambda line: _cells(line, ruled), "|", "+", rows=True)


def _cells(line: str, ruled: bool) -> str:
    if ruled and _RULE.match(line):
        return ""
    if _ROW.match(line) or (ruled and " | " in line and "||" not in line and not is_hex_row(line)):
        return "  ".join(cell for cell in (cell.strip() for cell in line.split("|")) if cell)
    return line


MARK = later(r" *(//+|#+|\*|--?|\+|;+|%+|[•◦‣·]|REM|\d{1,4}[.)])(?: (?= *\S)| *$)")
_NUMBERED = "1."
_HUNK = later(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")
_DIFF_LINE = later(r"([-+])(?![-+]{2} )(.*)$")


def marks(text: Text) -> Text:
    """Lines without comment and list marks: runs of lines with the same mark, one of which opens as a dump's lines do.

    A script's remark, "version line" and prose keep theirs, and rows that a program numbers: "0.   UC: 00000000:…" of
    WinDbg does not open without its number. The two signs of a diff are no marks.
    """
    mark_on, rest_of = Once(mark_of), Once(_behind_mark)
    whole = len({mark_on[line] for line in set(text.lines) if line and not line.isspace()}) == 1
    signs = diff_signs(text.lines)
    found: list[str] = []
    for mark, run in groupby(text.lines, key=mark_on.__getitem__):
        lines = list(run)
        if mark and mark not in signs:
            rests = [rest_of[line] for line in lines]
            alone = whole and (mark != _NUMBERED or any(map(opens_behind, rests)))
            lines = rests if alone or any(map(opens, dict.fromkeys(rests))) else lines
        found += lines
    return text.changed(found)


def _behind_mark(line: str) -> str:
    return line[len(front_of(line)) :]


def front_of(line: str) -> str:
    """The mark in front of a line with the blanks around it; "" where there is none."""
    found = MARK.match(line)
    return found[0] if found else ""


def mark_of(line: str) -> str:
    """The mark in front of a line, numbers being alike; "" where there is none."""
    found = MARK.match(line)
    return "" if not found else _NUMBERED if found[1][0].isdigit() else found[1]


def diff_signs(lines: Sequence[str]) -> frozenset[str]:
    """The signs that part the two sides of a unified diff, where the text is one; none otherwise."""
    signed = {line for line in lines if line[:1] in ("+", "-")}
    changed = [found for line in signed if (found := _DIFF_LINE.match(line))]
    if changed and any(line.startswith("@@ -") and _HUNK.match(line) for line in lines):
        return frozenset("+-")
    return frozenset("+-") if len({found[1] for found in changed if opens(found[2])}) == 2 else frozenset()


_ITEM = r"(?:0x[0-9a-fA-F]{1,8}|(?:MSR_|IA32_|MTRR)\w{1,32}) ?[=:] ?(?:0x)?[0-9a-fA-F]+"
ITEMS = later(rf" *{_ITEM}(?: ?[,;] *{_ITEM})+ ?[,;.]? *$")


def _registers(line: str) -> str:
    """Several registers on one line, "0x200=0x6, 0x201=0xf80000800", as a line each."""
    return "\n".join(re.findall(_ITEM, line)) if ITEMS.match(line) else line


def items(text: Text) -> Text:
    return text.each(_registers, ",", ";")
