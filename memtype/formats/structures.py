"""Register files as source code: the C, Rust and EDK2 structures that `emit` writes, and code shaped like them.

C and Rust: a list of ``{ 0x2ff, 0xc06 }`` or ``(0x2ff, 0xc06)``. EDK2: an ``MTRR_SETTINGS`` initializer, which is
the fixed ranges, the variable ranges and the default type, in this order.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values

NAME = "structures"

_NUMBER = r"0x[0-9a-zA-Z_]+"
_SUFFIX = r"(?:u64|u32|[uU]?[lL]{0,2})"
_ENTRY = re.compile(rf"[{{(]\s*({_NUMBER}?)(?:_?{_SUFFIX})?\s*,\s*({_NUMBER}?)(?:_?{_SUFFIX})?\s*[}})]")
_SETTINGS = re.compile(r"\bMTRR_SETTINGS\s+\w+\s*=\s*\{")
_END = re.compile(r"\}\s{0,99};")
_LITERAL = re.compile(rf"({_NUMBER}?){_SUFFIX}\b")
_DECLARED = re.compile(
    r"\b(?:MTRR_SETTINGS\s{1,9}\w{1,80}|\w{0,40}mtrr\w{0,40}\s{0,9}(?:\[\d{0,9}\]|:\s{0,9}\[))[^{}=]{0,80}=", re.I
)


def sniff(text: str) -> bool:
    return _DECLARED.search(text) is not None and (_SETTINGS.search(text) is not None or _known(text))


def _known(text: str) -> bool:
    return any(len(e[1]) < 12 and _index(e[1]) in reg.KNOWN_MSRS for e in _ENTRY.finditer(text))


def _index(word: str) -> int:
    try:
        return int(word, 16)
    except ValueError:
        return -1


def parse(text: str, source: str = "<text>") -> Machine:
    """The registers, and from the remark what no register tells."""
    told = reg.read_remark(text, source)
    code = _without_comments(text)
    settings = _SETTINGS.search(code)
    msrs = _settings(code, settings, source) if settings else _entries(code, source)
    if "cap" in told:
        msrs.setdefault(rules.MTRRCAP, values.number(told["cap"], source, 0, "MTRRCAP"))
    width = int(told["maxphyaddr"]) if "maxphyaddr" in told else None
    return reg.machine_of({0: msrs}, NAME, source, (), width, told.get("vendor"))


def _entries(text: str, source: str) -> dict[int, int]:
    msrs: dict[int, int] = {}
    for entry in _ENTRY.finditer(text):
        line = text.count("\n", 0, entry.start()) + 1
        index = values.number(entry[1], source, line, "register", 32)
        if index in reg.KNOWN_MSRS:
            msrs[index] = values.number(entry[2], source, line, rules.msr_name(index))
    return msrs


def _settings(text: str, settings: re.Match[str], source: str) -> dict[int, int]:
    end = _END.search(text, settings.end())
    line = text.count("\n", 0, settings.start()) + 1
    if end is None:
        raise ParseError(f"{source}:{line}: MTRR_SETTINGS without its end: cut off")
    body = text[settings.end() : end.start()]
    literals = [values.number(word[1], source, line, "MTRR_SETTINGS") for word in _LITERAL.finditer(body)]
    fixed = len(rules.FIXED_MSRS)
    pairs, odd = divmod(len(literals) - fixed - 1, 2)
    if pairs < 0 or odd or pairs > rules.NUMBERED_PAIRS:
        what = f"{len(literals)} values, not {fixed} fixed, up to {rules.NUMBERED_PAIRS} pairs and the default type"
        raise ParseError(f"{source}:{line}: MTRR_SETTINGS of {what}")
    msrs = dict(zip(rules.FIXED_MSRS, literals[:fixed]))
    msrs |= {rules.PHYSBASE0 + n: value for n, value in enumerate(literals[fixed:-1])}
    return msrs | {rules.DEF_TYPE_MSR: literals[-1]}


def _without_comments(text: str) -> str:
    """The code with blanks for comments, line breaks kept."""
    kept, at = [], 0
    for comment in re.finditer(r"//|/\*", text):
        if comment.start() < at:
            continue
        mark = "\n" if comment[0] == "//" else "*/"
        end = text.find(mark, comment.end())
        end = len(text) if end < 0 else end + len(mark)
        kept += [text[at : comment.start()], "\n" * text.count("\n", comment.start(), end)]
        at = end
    return "".join((*kept, text[at:]))
