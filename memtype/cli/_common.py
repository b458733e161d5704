"""What verbs share: reading input, reading addresses, printing text and JSON."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from typing import Any

from memtype.errors import InputError
from memtype.machine import Machine
from memtype.types import MemoryType

SCHEMA = "memtype/1"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


def add_input(parser: argparse.ArgumentParser, nargs: str = "?") -> None:
    words = "a dump: file, or - for standard input (default: a pipe, else this host)"
    parser.add_argument("input", nargs=nargs, help=words)


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON (schema memtype/1)")


def read_machine(source: str | None) -> Machine:
    """The machine that `source` names: a file, "-" or a pipe, else this host, else the built-in sample."""
    from memtype import host

    if source is None and piped():
        source = "-"
    machine = host.load_or_host(source)
    if source is None:
        notes([f"no input: shown is {machine.source}"])
    return machine


def piped() -> bool:
    """Whether standard input was given on purpose: not closed, not a terminal, not /dev/null."""
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed from the start, or no real file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def number(text: str) -> int:
    """``0xe0000000``, ``4G``, ``512MiB``, ``0x1_0000_0000``, ``fee00000h``, plain decimal."""
    word = text.strip().replace("_", "")
    hexadecimal = re.fullmatch(r"0x([0-9a-f]+)|([0-9a-f]+)h", word, re.I)
    if hexadecimal:
        return int(hexadecimal[1] or hexadecimal[2], 16)
    sized = re.fullmatch(r"(\d+)([KMGTP]?)(?:i?B)?", word, re.I)
    if not sized or len(sized[1]) > 40:
        raise InputError(f"{text!r} is not an address or size (0xe0000000, 4G, fee00000h)")
    return int(sized[1]) * _UNITS[sized[2].upper()]


def span(text: str) -> tuple[int, int]:
    """``A`` (one byte), ``A-B`` inclusive, ``A+SIZE``: (base, size)."""
    for separator in "+-":
        left, found, right = text.partition(separator)
        if found:
            base, other = number(left), number(right)
            size = other if separator == "+" else other - base + 1
            if size <= 0:
                raise InputError(f"range {text!r} is empty")
            return base, size
    return number(text), 1


def hexadecimal(value: int, digits: int = 0) -> str:
    return f"0x{value:0{digits}x}"


def size_text(size: int) -> str:
    """Binary units, four digits: ``size_text(3 << 29) == '1.5 GiB'``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        scale = _UNITS[unit[0]]
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size} B"


def mem(base: int, size: int) -> str:
    """As Linux prints ranges, the last byte inclusive."""
    return f"[mem 0x{base:016x}-0x{base + size - 1:016x}]"


def columns(rows: list[tuple[Any, ...]], indent: str = "") -> str:
    """Left-aligned columns, two blanks apart."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(indent + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


# Colours that the colour-blind can tell apart; the letters always say it too.
_COLOURS = {
    "UC|CD": "red",
    "UC-": "magenta",
    r"WC\+?": "cyan",
    "WT|WP": "yellow",
    "WB": "blue",
    r"\?\?|mixed": "green",
}


def say(text: str) -> None:
    """Print an answer. On a terminal, with the ``cli`` extra, memory types stand out in colour, but for NO_COLOR."""
    if not sys.stdout.isatty():
        print(text)
        return
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        print(text)
        return
    shown = Text(text)
    for words, colour in _COLOURS.items():
        shown.highlight_regex(rf"(?<![\w.=+-])(?:{words})(?![\w+-])", colour)
    Console(highlight=False).print(shown, soft_wrap=True)


def print_json(verb: str, payload: dict[str, Any]) -> None:
    """Addresses and MSR values in `payload` are hex strings already; types become their short names."""
    json.dump(_plain({"schema": SCHEMA, "verb": verb, **payload}), sys.stdout, indent=2)
    print()


def _plain(value: Any) -> Any:
    if isinstance(value, MemoryType):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def notes(lines: Any) -> None:
    """Notes go to stderr, one line each."""
    for line in lines:
        print(f"note: {line}", file=sys.stderr)
