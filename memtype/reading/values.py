"""Values as dumps print them, checked, with ``file:line:`` in what is refused."""

from __future__ import annotations

from memtype import rules
from memtype.errors import InputError, ParseError
from memtype.types import MemoryType

SHOWN = 40  # a hostile word is quoted up to here
RESERVED = 2  # what "?" stands for: the dump hides which reserved encoding it was


def mtrr_type(word: str, where: str) -> int:
    """The encoding that a printed MTRR type names; "?" is a reserved one."""
    if word == "?":
        return RESERVED
    try:
        kind = MemoryType.parse(word[:SHOWN])
    except InputError as error:
        raise ParseError(f"{where}: {error}") from None
    if kind not in rules.MTRR_TYPES:
        raise ParseError(f"{where}: {word[:SHOWN]!r} is no MTRR type")
    return int(kind)


def register(text: str, where: str, what: str) -> int:
    """A hexadecimal register value of at most 64 bits."""
    digits = text.lstrip("0") or "0"
    if len(digits) > 16:
        raise ParseError(f"{where}: {what} = 0x{quoted(digits)} is not a 64-bit value")
    return int(digits, 16)


def decimal(text: str, where: str, what: str, limit: int) -> int:
    """A decimal number below `limit`."""
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or int(digits) >= limit:
        raise ParseError(f"{where}: {what} {quoted(digits)} is not below {limit}")
    return int(digits)


def quoted(word: str) -> str:
    """The word, cut where it is longer than an error message should be."""
    return word if len(word) <= SHOWN else f"{word[:SHOWN]}... ({len(word)} digits)"
