"""Values as dumps print them, checked, with ``file:line:`` in what is refused."""

from __future__ import annotations

from memtype import rules
from memtype.errors import InputError, ParseError
from memtype.told import Register
from memtype.types import MemoryType

MAX_CPUS = 1 << 16  # no processor has such a number: a dump that names one is no dump
MOST_CPUS = 1 << 13  # processors in one text: as many as Linux can run (NR_CPUS of MAXSMP)
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}  # of sizes
_DIGITS = frozenset("0123456789abcdefABCDEF")
SHOWN = 40  # a hostile value is quoted up to here


def refusal(source: str, line: int, message: str) -> ParseError:
    """The one-line error of every parser: ``file:line: what is wrong``; line 0 where there is none."""
    return ParseError(f"{source}:{line}: {message}" if line else f"{source}: {message}")


def line_of(value: object) -> int:
    """The line on which a value of a JSON text stands, where it was read with lines; else 0."""
    line: int = getattr(value, "line", 0)
    return line


def quoted(text: object) -> str:
    """A piece of the input, short enough for an error message."""
    whole = str(text)
    return repr(whole if len(whole) <= SHOWN else whole[:SHOWN] + "…")


def number(text: str, source: str, line: int, what: str, bits: int = 64, base: int = 16) -> int:
    """An unsigned number of at most `bits` bits, else a `ParseError` that names the value and the limit."""
    if len(text) * 4 <= bits and base == 16 and text.isalnum() and text.isascii():  # no sign, blank, mark, 0x
        try:
            return int(text, 16)
        except ValueError:
            pass
    line = line or line_of(text)
    digits = text.strip().replace("_", "").replace("`", "")
    if digits[:2].lower() == "0x":
        digits, base = digits[2:], 16
    if base == 16 and len(digits) * 4 > bits == 64:  # no program fills up so far: a digit came in
        raise refusal(source, line, f"{what} = {quoted(text)} is not a {bits}-bit value")
    significant = digits.lstrip("0")
    try:
        value = int(digits, base) if len(significant) <= bits else 1 << bits
    except ValueError:
        raise refusal(source, line, f"{what} = {quoted(text)} is not a number") from None
    if not digits.isascii() or value < 0 or value >= 1 << bits:
        raise refusal(source, line, f"{what} = {quoted(text)} is not a {bits}-bit value")
    return value


def hex_digits(text: str) -> int:
    """How many digits a hexadecimal number is printed with."""
    return len(text.strip().removeprefix("0x").removeprefix("0X").replace("_", "").replace("`", ""))


def integer(value: object, source: str, what: str, bits: int = 64, inside: object = None) -> int:
    """A number as JSON holds it: an int, or a hex or decimal string. `inside`: the object that it is a member of."""
    if isinstance(value, str):
        return number(value, source, 0, what, bits, base=10)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise refusal(source, line_of(value) or line_of(inside), f"{what} = {quoted(value)} is not a {bits}-bit value")
    return value


def hexadecimal(text: str, source: str, what: str, bits: int = 64) -> int:
    """A number that a JSON string holds in hexadecimal, as our own JSON and QEMU's has all: without 0x it is none."""
    if len(text) > 1 and _DIGITS.issuperset(text):  # one digit is the same in decimal
        raise refusal(source, line_of(text), f"{what} = {quoted(text)} is not in hexadecimal (0x…)")
    return number(text, source, 0, what, bits)


def cpu_number(text: str, source: str, line: int, base: int = 10) -> int:
    """A processor's number."""
    plain = base == 10 and len(text) < 10 and text.isascii() and text.isdecimal()
    value = int(text) if plain else number(text, source, line, "processor number", base=base)
    if value >= MAX_CPUS:
        raise refusal(source, line, f"processor number {quoted(text)} is not below {MAX_CPUS}")
    return value


def decimal(text: str, where: str, what: str, limit: int) -> int:
    """A decimal number below `limit`; `where` is ``file:line``."""
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or int(digits) >= limit:
        raise ParseError(f"{where}: {what} {quoted(digits)} is not below {limit}")
    return int(digits)


def mtrr_type(word: str, where: str) -> int:
    """The encoding that a printed MTRR type names."""
    try:
        kind = MemoryType.parse(word[:SHOWN])
    except InputError as error:
        raise ParseError(f"{where}: {error}") from None
    if kind not in rules.MTRR_TYPES:
        raise ParseError(f"{where}: {word[:SHOWN]!r} is no MTRR type")
    return int(kind)


def type_register(word: str, source: str = "", line: int = 0) -> Register:
    """Bits 7:0 of a register whose type is printed as a word; "?" is a reserved encoding, but not which."""
    if word == "?":
        return Register(0, 0, line, hidden=rules.BASE_TYPE)
    return Register(mtrr_type(word, f"{source}:{line}" if line else source), rules.BASE_TYPE, line)
