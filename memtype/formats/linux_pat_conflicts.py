"""Linux's complaints about one page mapped with two memory types, in boot logs and dmesg.

`Machine.facts["pat_conflicts"]` is a list of ``[base, end, wanted, held, user]``: bytes [base, end), the type that
`user` asked for, and the type that the kernel had on record. Equal lines are listed once.
"""

from __future__ import annotations

import re

from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import values
from memtype.reading.lines import bare, holds

NAME = "linux-dmesg"

_TYPE = r"(?:uncached-minus|uncached|write-combining|write-through|write-protected|write-back)"
_USER = r"(?:x86/PAT:\s*)?(?P<user>\S.{0,40}?:-?\d{1,10})\s+"
_EXCLUSIVE = r"(?:0x)?(?P<base>[0-9a-f]+)-(?:0x)?(?P<end>[0-9a-f]+)"
_INCLUSIVE = r"\[mem 0x(?P<first>[0-9a-f]+)-0x(?P<last>[0-9a-f]+)\]"
_RANGE = rf"(?:{_INCLUSIVE}|{_EXCLUSIVE})"
_LINES = tuple(
    re.compile(rf"\s*{pattern}", re.I)
    for pattern in (
        rf"{_USER}conflicting memory types {_RANGE}\s+(?P<wanted>{_TYPE})<->(?P<held>{_TYPE})",
        rf"{_USER}map pfn expected mapping type (?P<wanted>{_TYPE}) for {_RANGE}, got (?P<held>{_TYPE})",
        rf"{_USER}map pfn RAM range req (?P<wanted>{_TYPE}) for {_RANGE}, got (?P<held>{_TYPE})",
        rf"(?:x86/PAT:\s*)?(?P<user>(?:memtype_reserve|reserve_memtype) failed):? {_RANGE}, "
        rf"track (?P<held>{_TYPE}), req (?P<wanted>{_TYPE})",
    )
)
_WORDS = ("conflicting memory types", "map pfn ", "memtype_reserve failed", "reserve_memtype failed")


def sniff(text: str) -> bool:
    return holds(text, *_WORDS) and any(_match(line) for line in text.split("\n"))


def parse(text: str, source: str = "<text>") -> Machine:
    """The complaints, in the log's order."""
    found: dict[tuple[int, int, str, str, str], None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        match = _match(line)
        if match:
            found[_conflict(match, f"{source}:{number}")] = None
    return Machine(format=NAME, facts={"pat_conflicts": [list(item) for item in found]})


def _match(raw: str) -> re.Match[str] | None:
    if not holds(raw, *_WORDS):
        return None
    line = bare(raw)
    return next((match for match in (pattern.match(line) for pattern in _LINES) if match), None)


def _conflict(match: re.Match[str], where: str) -> tuple[int, int, str, str, str]:
    if match["first"]:
        base, end = (
            values.number(match["first"], where, 0, "address"),
            values.number(match["last"], where, 0, "address") + 1,
        )
    else:
        base, end = values.number(match["base"], where, 0, "address"), values.number(match["end"], where, 0, "address")
    if end <= base:
        raise ParseError(f"{where}: the range 0x{base:x}-0x{end:x} is empty")
    return base, end, match["wanted"].lower(), match["held"].lower(), match["user"]
