"""Addresses, sizes and ranges, as the command line takes them and as it prints them."""

from __future__ import annotations

import re

from memtype import rules
from memtype.cli import layout, output
from memtype.errors import InputError
from memtype.readable import binary_size

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


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
    """``A`` (one byte), ``A-B`` inclusive, ``A+SIZE``: (base, size). A round B gets a note."""
    for separator in "+-":
        left, found, right = text.partition(separator)
        if found:
            base, other = number(left), number(right)
            size = other if separator == "+" else other - base + 1
            if size <= 0:
                raise InputError(f"range {text!r} is empty")
            if separator == "-" and size > 1 and not other % rules.PAGE_SIZE:
                output.notes([f"{text}: the last byte counts; 0x{other - 1:x} leaves 0x{other:x} out"])
            return base, size
    return number(text), 1


def hexadecimal(value: int, digits: int = 0) -> str:
    return f"0x{value:0{digits}x}"


def size_text(size: int) -> str:
    """As `binary_size` gives it; bytes where ``--exact`` asks for them."""
    return f"{size} B" if layout.style.exact else binary_size(size)


def mem(base: int, size: int) -> str:
    """As Linux prints ranges, the last byte inclusive."""
    return f"[mem 0x{base:016x}-0x{base + size - 1:016x}]"


def span_json(base: int, size: int) -> dict[str, str]:
    """``base``, ``size`` and inclusive ``last`` as hex strings."""
    return {"base": hexadecimal(base), "size": hexadecimal(size), "last": hexadecimal(base + size - 1)}
