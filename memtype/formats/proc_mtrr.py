"""Linux' ``/proc/mtrr``: the variable ranges as the kernel lists them, and nothing else.

    reg00: base=0x000000000 (    0MB), size= 4096MB, count=1: write-back
    reg01: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable

The default type and the fixed ranges are not in it; a range that is not listed is disabled. Nothing in it counts the
ranges: that no line was lost is an assumption.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine, Note
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.lines import squeeze, squeezed
from memtype.reading.patterns import later
from memtype.reading.registers import Listing, def_type, machine_of
from memtype.reading.values import decimal, type_register
from memtype.told import ALL, Range, Register, pair_numbers

NAME = "proc-mtrr"
FILE = "/proc/mtrr"  # the kernel's own file lost no line on its way here

_START = later(r"reg\w{1,3} ?: ?base ?=")
_ANYWHERE = later(r"\breg\d{1,3} ?: ?base ?= ?0x")
_NAMED = later(r"reg(\d{1,3}) ?: ?base")
_WORDS = words("base=0x", "base =", "base= ")
_TYPE = r"(?P<type>[a-z][a-z-]*|\?)"
_LINE = later(
    r"reg(?P<reg>\d{1,3}) ?: ?base ?= ?0x(?P<base>[0-9a-f]+) ?\( ?(?P<megabytes>\d{1,10}) ?MB ?\) ?,"
    r" ?size ?= ?(?P<size>\d+) ?(?P<unit>[KM])B ?"
    rf"(?:, ?count ?= ?\d+ ?: ?{_TYPE}|: ?{_TYPE.replace('<type>', '<old>')} ?, ?count ?= ?\d+)$",
    re.I,
)


def sniff(text: str) -> bool:
    return any(_ANYWHERE.search(squeeze(line)) for _, line in holding(text, _WORDS))


def parse(text: str, source: str = "<text>") -> Machine:
    """The listed pairs at their numbers; those left out are disabled. Default type and width are inferred."""
    found: dict[int, Range] = {}
    notes: list[str] = []
    cut: str | None = None  # the last line, where it is
    rows = [(number, line) for number, line in squeezed(text) if _START.match(line)]
    for place, (number, line) in enumerate(rows):
        match = _LINE.match(line)
        if match:
            index, entry = _entry(match, source, number)
            if found.setdefault(index, entry) != entry:
                raise ParseError(f"{source}:{number}: reg{index:02} is listed twice, with different values")
        elif place == len(rows) - 1:
            notes.append(
                Note(f"line {number} is cut off and left out: {values.quoted(line.strip())}", "cut", (number,))
            )
            cut = line
        else:
            raise ParseError(f"{source}:{number}: not a /proc/mtrr line: {values.quoted(line.strip())}")
    begun = {int(index) for index in _NAMED.findall(cut or "")}  # another row may have run into its end
    for index in begun & found.keys():
        del found[index]
    if not found:
        raise ParseError(f"{source}: no whole /proc/mtrr line")
    # 8 pairs that are all in use may be the first of 10
    lost = {number for index in begun if index < rules.MAX_VARIABLE for number in pair_numbers(index)}
    listing = Listing(whole=cut is None, uncounted=source != FILE, cut=cut is not None, lost=lost, listing="proc-mtrr")
    held = def_type(None, True, None) | _masks(found, notes)
    ranges = {n: entry for n, entry in found.items() if not entry.size & (entry.size - 1)}
    taken = frozenset(number for number, _ in rows)
    return machine_of({0: held}, NAME, source, notes, None, None, listing, ranges, taken=taken)


def _entry(match: re.Match[str], source: str, line: int) -> tuple[int, Range]:
    where = f"{source}:{line}"
    index = decimal(match["reg"], where, "variable range", rules.MAX_VARIABLE)
    base = values.number(match["base"], source, line, "base")
    size = decimal(match["size"], where, "size", 1 << rules.MAX_MAXPHYADDR) * values.UNITS[match["unit"].upper()]
    if base + size > 1 << rules.MAX_MAXPHYADDR:
        raise ParseError(f"{where}: 0x{base:x}+0x{size:x} is beyond 2**{rules.MAX_MAXPHYADDR}")
    if base >> 20 != int(match["megabytes"]):
        raise ParseError(f"{where}: base 0x{base:x} is not {match['megabytes']} MB")
    if size < rules.PAGE_SIZE or base % rules.PAGE_SIZE or (size & (size - 1) and narrow_mask(size) is None):
        raise ParseError(f"{where}: base 0x{base:x} size 0x{size:x}: no register holds this")
    return index, Range(base, size, type_register(match["type"] or match["old"], source, line))


def narrow_mask(size: int) -> int | None:
    """The mask behind a size that no register has, where the kernel took the processor for a wider one.

    Linux prints 2**P - mask for the P that it assumes. With P too large the bits that the mask lacks come out as
    size: 984064 MiB = 2**40 - 0xfc0000000 is 1 GiB with a 36-bit mask, printed by a kernel that assumed 40 bits.
    """
    mask = (1 << size.bit_length()) - size
    top, low = mask.bit_length(), mask & -mask
    contiguous = mask + low == 1 << top
    return mask if contiguous and rules.MIN_MAXPHYADDR <= top < size.bit_length() else None


def _masks(found: dict[int, Range], notes: list[str]) -> dict[int, Register]:
    """The registers behind such sizes."""
    held: dict[int, Register] = {}
    for n, entry in found.items():
        mask = narrow_mask(entry.size)
        if mask is not None:
            line, top, wide = entry.kind.line, mask.bit_length(), entry.size.bit_length()
            text = f"a kernel that assumed {wide} address bits printed it; the mask 0x{mask:x} reaches bit {top - 1}"
            notes.append(
                Note(f"line {line}: no register has a size of {entry.size >> 20} MiB: {text}", "size", (line,))
            )
            low = Register(entry.base | entry.kind.value, entry.kind.known | ~rules.BASE_TYPE & ALL, line)
            held |= dict(zip(pair_numbers(n), (low, Register(mask | rules.MASK_VALID, line=line)), strict=True))
    return held
