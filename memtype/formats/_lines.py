"""Log lines without what loggers put in front: time stamps, levels, host names, colours."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9])")
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?"
_PREFIX = re.compile(
    "|".join(
        (
            r"<\d{1,3}>(?:\d+\s)?",  # syslog level, as dmesg -r prints it
            r"(?:kern|user|daemon)\s*:\w+\s*:\s?",  # dmesg -x
            r"\[\s*\d+\.\d+\](?:\s?\[\s*[TC]\d+\])?:?",  # [    0.000000], with the caller [    T0]
            r"\[[<+ ]*\s*\d+\.\d+\s*[>]?\]",  # dmesg -d
            rf"\[(?:\w{{3}}\s)?{_MONTH}\s+\d+\s(?:{_CLOCK}\s\d{{4}})?[^\]]{{0,20}}\]",  # dmesg -T, -e
            # syslog, journalctl
            rf"(?:\w{{3}}\s)?{_MONTH}\s+\d{{1,2}}\s(?:\d{{4}}\s)?{_CLOCK}(?:\s\d{{4}})?(?:\s\S+\skernel:)?",
            rf"\[?\d{{4}}-\d{{2}}-\d{{2}}[T ]{_CLOCK}(?:Z|[+-]\d{{2}}:?\d{{2}})?\]?(?:\s\S+\skernel:)?",  # ISO 8601
            r"kernel:",
            r"\(XEN\)|\(d\d+\)",  # the hypervisor's console
            r"\[(?:EMERG|ALERT|CRIT|ERROR|WARN |WARN|NOTE |NOTE|INFO |INFO|DEBUG|SPEW )\s?\]",  # coreboot's levels
            r"[|>]\s",  # quoted in mail
        )
    )
)


def lines(text: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) without prefixes; leading blanks of the message itself stay but for one."""
    for number, line in enumerate(text.split("\n"), 1):
        yield number, bare(line)


def bare(line: str) -> str:
    """One line without colours, carriage returns and everything that a logger put in front."""
    if "\x1b" in line:
        line = _ANSI.sub("", line)
    line = line.replace("\r", "").rstrip()
    while True:
        rest = line.lstrip()
        found = _PREFIX.match(rest)
        if not found:
            return line
        line = rest[found.end() :]
        line = line.removeprefix(" ")
