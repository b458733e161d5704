"""Log lines without what loggers put in front: time stamps, levels, host names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memtype.reading.once import once
from memtype.reading.patterns import later

_CLOCK = r"\d{1,2}:\d{2}:\d{2}"
_PREFIX = later(
    "|".join(
        (
            r"<\d{1,3}>(?:\d\s(?=\d{4}-))?",  # a level, as dmesg -r and syslog print it
            r"(?:kern|user|daemon|syslog)\s*:\s*\w+\s*:\s?",  # dmesg -x
            r"\[[<+ ]*\d+\.\d+(?:\s*<\s*\+?\d+\.\d+)?\s*>?\](?:\s?\[\s*[TC]\d+\])?:?",  # [    0.000000], deltas, caller
            rf"\[[^\[\]]{{0,40}}{_CLOCK}[^\[\]]{{0,40}}\]",  # dmesg -T, in any language
            r"(?:[\w./-]{1,80}[:-]){1,2}(?=\[\s*\d+\.\d+\])",  # grep -n, grep over several files
            r"\d{1,7}\s+(?=\[\s*\d+\.\d+\])",  # cat -n
            r"[\w.-]{1,40}\s*\|\s(?=\s*\[\s*\d+\.\d+\])",  # docker compose
            rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]{_CLOCK}(?:[.,]\d{{1,9}})?(?:Z|[+-]\d{{2}}:?\d{{2}})?",  # ISO 8601
            rf"{_CLOCK}(?:[.,]\d{{1,9}})?\s|\d{{10}}\.\d{{3,9}}\s",  # what a serial console's logger puts there, ts
            r"MESSAGE=",  # journalctl -o export, verbose
            r"kernel:",
            r"\(XEN\)|\(d\d+\)",  # a hypervisor's console
            r"\[(?:EMERG|ALERT|CRIT|ERROR|WARN|NOTE|INFO|DEBUG|SPEW)\s*\]",  # coreboot's levels
            r"[\w:]+: missed message \{",  # a debug console that came up late
        )
    )
)
_SYSLOG = later(
    "|".join(
        (
            # syslog, journalctl: any language; a host that has no name yet; RFC 5424's empty fields
            rf"[^\[\]()]{{0,60}}{_CLOCK}[^\[\]()]{{0,80}}?(?:\(none\)[^\[\]()]{{0,40}}?)?"
            r"\bkernel(?:\[\d+\])?(?::|(?: -){3})",
            r"\d{9,10}\.\d{6}\s(?=\S+ kernel:)",  # journalctl -o short-unix
            r"[\w.-]{1,64} kernel(?:\[\d+\])?:",  # the host of short-unix and short-monotonic
        )
    )
)
_FIRSTS = ("<", "(", "MESSAGE=", "1", "2")
_BLANKS = later(r"\s\s+|[^\S ]")  # what one blank stands for
LONGEST_LINE = 1 << 16  # characters: sets of values over thousands of processors are long
_MOST_PREFIXES = 16  # loggers behind one another; a line of nothing else must not take long


def holds(text: str, *words: str) -> bool:
    """Whether any of the words, given in lower case, is in the text: a quick look before a slow pattern."""
    lower = text.lower()
    return any(word in lower for word in words)


def lines(text: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) without prefixes. Blanks that belong to the message stay."""
    bared = once(bare)
    for number, line in enumerate(text.split("\n"), 1):
        yield number, bared[line]


def is_bare(line: str) -> bool:
    """Whether no logger put anything in front of the line."""
    return _prefix(line.strip()) is None


def without_stamp(line: str) -> str | None:
    """The line without everything that a logger put in front; None where it put nothing, or Xen did."""
    rest = bare(line)
    return None if rest == line.rstrip() or "(XEN)" in line[: len(line) - len(rest)].upper() else rest


def _prefix(rest: str) -> re.Match[str] | None:
    if not ("[" in rest or ":" in rest or rest.startswith(_FIRSTS)):  # each of the patterns needs one of them
        return None
    return ("kernel" in rest and _SYSLOG.match(rest)) or _PREFIX.match(rest)


def bare(line: str) -> str:
    """One line without everything that a logger put in front."""
    line = line.rstrip()
    for _ in range(_MOST_PREFIXES):
        rest = line.lstrip()
        found = _prefix(rest)
        if not found:
            return line
        line = rest[found.end() :].removeprefix(" ")
    return line


def squeezed(text: str) -> Iterator[tuple[int, str]]:
    """(line number, line) without loggers' prefixes, runs of blanks as one: no pattern then meets a long run of them.

    No blank is at either end. Empty lines, and lines longer than any register line, are passed over.
    """
    squeezed_line = once(squeeze)
    for number, line in enumerate(text.split("\n"), 1):
        if 0 < len(line) <= LONGEST_LINE:
            yield number, squeezed_line[line]


def squeeze(line: str) -> str:
    """One line as `squeezed` has it."""
    line = once(bare)[line].lstrip()
    if "  " not in line and line.isascii() and line.isprintable():  # no blank but single ones
        return line
    return _BLANKS.sub(" ", line)
