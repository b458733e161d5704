"""Register files as source code: the C, Rust and EDK2 structures that `emit` writes, and code shaped like them.

    static const struct { uint32_t index; uint64_t value; } mtrr_msrs[] = {
        { 0x200, 0x0000000080000000ULL },
        { 0x201, 0x000000ff80000800ULL },
        { 0x2ff, 0x0000000000000c06ULL },
    };

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
from memtype.reading.clues import lowered
from memtype.reading.names import msr_index, word_behind
from memtype.reading.patterns import later
from memtype.reading.tellings import tells
from memtype.told import Register, pair_numbers

NAME = "structures"

_NUMBER = r"0x[0-9a-zA-Z_]+"
_SUFFIX = r"(?:u64|u32|[uU]?[lL]{0,2})"
_ENTRY = later(rf"[{{(]\s*({_NUMBER}?)_?{_SUFFIX}\s*,\s*({_NUMBER}?)_?{_SUFFIX}\s*[}})]")
_SETTINGS = later(r"MTRR_SETTINGS(?<!\wMTRR_SETTINGS)\s+\w+\s*=\s*\{")  # begins with letters: found quickly
_GROUPS = later(  # {{fixed}},{{{base,mask},…}},default};
    rf"\{{\{{(?P<fixed>[^{{}}]*)\}}\}},\{{\{{(?P<pairs>[^;]*)\}}\}},(?P<default>{_NUMBER}?){_SUFFIX},?\}};"
)
_LENGTH = later(r"\[\s*\(\s*u32\s*,\s*u64\s*\)\s*;\s*(\d{1,9})\s*\]")
_LITERAL = later(rf"({_NUMBER}?){_SUFFIX}\b")
_DECLARED = later(r"(?P<head>mtrr)\w{0,80} ?(?:\[\d{0,9}\]|: ?\[)[^{}=]{0,80}=", re.I)
_NAMED = later(r"mtrr(?=[^\n=]{0,99}\[)")  # in lower case: few lines of a log have both
_LONGEST = 200  # characters of a declaration, with its blanks
TELLS = tells(NAME, pattern=rf"\b(?P<head1>mtrr_settings) \w{{1,80}} ?=|{_DECLARED.pattern}")


def sniff(text: str) -> bool:
    return _SETTINGS.search(text) is not None or (_declares(text) and _known(text))


def _declares(text: str) -> bool:
    """Whether a list of MTRRs is declared; a declaration may go on on the next lines."""
    lower = lowered(text)
    starts = (found.start() for found in _NAMED.finditer(lower))
    return any(_DECLARED.match(" ".join(lower[at : at + _LONGEST].split())) for at in starts)


def _known(text: str) -> bool:
    return any(_index(e[1]) in reg.KNOWN_MSRS for e in _ENTRY.finditer(text))


def _index(word: str) -> int | None:
    try:
        return int(word, 16)
    except ValueError:
        return None


def parse(text: str, source: str = "<text>") -> Machine:
    """The registers, and from the remark what no register tells."""
    remark = reg.read_remark(text, source)
    code = _without_comments(text)
    settings = _SETTINGS.search(code)
    msrs = _settings(code, settings, source) if settings else _entries(code, source)
    _check_comments(text, list(msrs), source)
    registers = reg.with_cap({0: msrs}, remark)
    return reg.machine_of(registers, NAME, source, (), remark.width, remark.vendor, _listing(code, msrs, remark))


def _check_comments(text: str, order: list[int], source: str) -> None:
    """A comment behind a value that names another register than the value's: lines are lost or changed places."""
    settings = _SETTINGS.search(text)
    if settings:
        told = list(zip(_LITERAL.finditer(text, settings.end()), order))
    else:
        entries = ((entry, _index(entry[1])) for entry in _ENTRY.finditer(text))
        told = [(entry, index) for entry, index in entries if index is not None]
    for value, index in told:
        word = word_behind(text, value.end())
        named = None if word is None else pair_numbers(int(word))[1] if word.isdigit() else msr_index(word)
        if named not in (None, index) and (settings or not str(word).isdigit()):
            line = text.count("\n", 0, value.start()) + 1
            raise ParseError(f"{source}:{line}: the comment says {word}, the value's place 0x{index:x}")


def _listing(code: str, msrs: reg.Held, remark: reg.Remark) -> reg.Listing:
    """Whether the list is whole: by the remark, or by the length that Rust's array declares."""
    length = _LENGTH.search(code)
    if not remark.counts and length:
        remark = reg.Remark(counts=(int(length[1]),))
    return reg.listed({0: msrs}, remark)


def _entries(text: str, source: str) -> dict[int, Register]:
    msrs: dict[int, Register] = {}
    line, at = 1, 0
    for entry in _ENTRY.finditer(text):
        line, at = line + text.count("\n", at, entry.start()), entry.start()
        index = values.number(entry[1], source, line, "register", 32)
        if index in reg.READ_MSRS:
            reg.put(msrs, index, reg.told(entry[2], source, line, index))
    return msrs


def _settings(text: str, settings: re.Match[str], source: str) -> dict[int, Register]:
    body = "".join(text[settings.end() :].split())
    line = text.count("\n", 0, settings.start()) + 1
    if "};" not in body:
        raise ParseError(f"{source}:{line}: MTRR_SETTINGS without its end: cut off")
    groups = _GROUPS.match(body)
    fixed, pairs = (_LITERAL.findall(groups[name]) if groups else [] for name in ("fixed", "pairs"))
    counts = f"{len(fixed)} fixed, {len(pairs) / 2:g} pairs"
    if len(fixed) != len(rules.FIXED_MSRS) or len(pairs) % 2 or len(pairs) > 2 * rules.NUMBERED_PAIRS:
        what = f"{counts}, not {len(rules.FIXED_MSRS)} fixed, up to {rules.NUMBERED_PAIRS} pairs and the default type"
        raise ParseError(f"{source}:{line}: MTRR_SETTINGS of {what}")
    assert groups is not None
    words = [*fixed, *pairs, groups["default"]]
    indexes = [*rules.FIXED_MSRS, *(rules.PHYSBASE0 + n for n in range(len(pairs))), rules.DEF_TYPE_MSR]
    return {index: reg.told(word, source, line, index) for index, word in zip(indexes, words, strict=True)}


def _without_comments(text: str) -> str:
    """The code with blanks for comments, line breaks kept."""
    kept, at = [], 0
    for comment in re.finditer(r"//|/\*", text):
        if comment.start() < at:
            continue
        mark = "\n" if comment[0] == "//" else "*/"
        end = text.find(mark, comment.end())
        end = len(text) if end == -1 else end + len(mark)
        kept += [text[at : comment.start()], "\n" * text.count("\n", comment.start(), end)]
        at = end
    return "".join((*kept, text[at:]))
