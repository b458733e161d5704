"""WinDbg's ``!mtrr``: the default type, the 88 fixed ranges, and the variable ranges with masks without V."""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.lines import squeezed
from memtype.reading.notes import not_told
from memtype.reading.values import mtrr_type

NAME = "windbg"

_HEAD = re.compile(r"MTRR:\s+Var\s+(?P<count>\d+)\s*,(?P<words>.{0,120}?)Default:\s*(?P<type>\S+)", re.I)
_FIXED = re.compile(
    r"(?<!\S)(?P<type>UC|WC|WT|WP|WB|[0-9]{1,2}|\?\?)\s*:(?P<first>[0-9a-f]{5})-(?P<last>[0-9a-f]{5})\b", re.I
)
_HALVES = r"([0-9a-f]{1,8}[:`][0-9a-f]{8})"
_PAIR = re.compile(
    rf"^\s*(?P<n>\d+)\.\s+(?P<type>\S+?):\s+(?P<base>{_HALVES})\s+(?P<mask>{_HALVES})\s+(?P<size>{_HALVES})\s*$", re.I
)
_OFF = re.compile(r"^\s*(?P<n>\d+)\.\s*$")
_START = re.compile(r"^\s*\d+\.\s+\S+:\s")


def sniff(text: str) -> bool:
    return _HEAD.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """The last ``!mtrr`` in the text. Disabled slots are printed blank."""
    head, fixed = None, bytearray()
    msrs: dict[int, int] = {}
    for number, line in squeezed(text):
        found = _HEAD.search(line)
        if found:
            head, fixed, msrs = (found, number), bytearray(b"\xff" * len(rules.FIXED_RANGES)), {}
        elif head is None:
            continue
        elif match := _PAIR.match(line):
            _pair(msrs, match, number, source)
        elif match := _OFF.match(line):
            n = _number(match["n"], source, number)
            msrs |= {rules.PHYSBASE0 + 2 * n: 0, rules.PHYSMASK0 + 2 * n: 0}
        elif _START.match(line):
            raise values.refusal(source, number, f"not a line of !mtrr: {values.quoted(line.strip())}")
        else:
            for part in _FIXED.finditer(line):
                _put_fixed(fixed, part, f"{source}:{number}")
    if head is None:
        raise values.refusal(source, 0, "no headline of !mtrr in it")
    return _machine(head[0], head[1], fixed, msrs, source)


def _pair(msrs: dict[int, int], match: re.Match[str], number: int, source: str) -> None:
    n = _number(match["n"], source, number)
    base, mask = (values.number(re.sub("[:`]", "", match[name]), source, number, name) for name in ("base", "mask"))
    index = rules.PHYSBASE0 + 2 * n
    msrs |= {index: base | mtrr_type(match["type"], f"{source}:{number}"), index + 1: mask | rules.MASK_VALID}


def _number(text: str, source: str, line: int) -> int:
    n = values.number(text, source, line, "range number", base=10)
    if n >= rules.NUMBERED_PAIRS:
        raise values.refusal(source, line, f"range number {n} is not below {rules.NUMBERED_PAIRS}")
    return n


def _put_fixed(fixed: bytearray, part: re.Match[str], where: str) -> None:
    first, last = int(part["first"], 16), int(part["last"], 16)
    for n, span in enumerate(rules.FIXED_RANGES):
        if (span.base, span.base + span.size - 1) == (first, last):
            word = part["type"]
            fixed[n] = int(word, 16) if word[0].isdigit() else mtrr_type(word.replace("??", "?"), where)
            return
    raise ParseError(f"{where}: {first:05x}-{last:05x} is no fixed range")


def _machine(head: re.Match[str], line: int, fixed: bytearray, msrs: dict[int, int], source: str) -> Machine:
    notes: list[str] = []
    words = head["words"].lower()
    missing = fixed.count(0xFF)
    enabled = rules.DEF_TYPE_E
    if "fixed-support enabled" in words:
        if 0 < missing < len(fixed):
            raise values.refusal(source, line, f"{len(fixed) - missing} of the {len(fixed)} fixed ranges are printed")
        if missing:
            notes.append(not_told("fixed", reg.NO_FIXED))
        else:
            enabled |= rules.DEF_TYPE_FE
    if not missing:
        msrs |= {i: int.from_bytes(fixed[8 * n : 8 * n + 8], "little") for n, i in enumerate(rules.FIXED_MSRS)}
    msrs[rules.DEF_TYPE_MSR] = mtrr_type(head["type"].rstrip(",;."), f"{source}:{line}") | enabled
    notes.append("!mtrr does not tell whether MTRRs are enabled: taken as yes")
    return reg.machine_of({0: msrs}, NAME, source, notes)
