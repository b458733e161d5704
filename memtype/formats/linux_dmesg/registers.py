"""The MTRR lines of a Linux boot: register lists, the counts line, the map of ``mtrr=debug``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from memtype import rules
from memtype.errors import ParseError
from memtype.reading import values
from memtype.reading.fragments import is_fragment
from memtype.reading.patterns import later
from memtype.reading.registers import bytes_registers, paint
from memtype.reading.values import decimal, type_register
from memtype.told import ALL, NOTHING, Register

TYPE = r"(uncachable|write-combining|write-through|write-protect|write-back|\?)"

_DEFAULT = later(rf"MTRR default type: {TYPE}$", re.I)
_FIXED_HEAD = later(r"MTRR fixed ranges (en|dis)abled:?$", re.I)
_FIXED = later(rf"([0-9a-f]{{5}})-([0-9a-f]{{5}}) {TYPE}$", re.I)
_VARIABLE_HEAD = later(r"MTRR variable ranges (en|dis)abled:?$", re.I)
_VARIABLE_START = later(r"\d+ (?:base [0-9a-f]|\[[0-9a-f]+-[0-9a-f]+\] mask)", re.I)
_VARIABLE = later(rf"(\d+) (?:base ([0-9a-f]+),?|\[([0-9a-f]+)-[0-9a-f]+\]) mask ([0-9a-f]+),? {TYPE}$", re.I)
_UNUSED = later(r"(\d+) disabled$", re.I)
_TOM2 = later(r"TOM2: ([0-9a-f]+)(?: aka (\d{1,20})M| \(WB\))?$", re.I)
_TOM2_DIGITS = 16  # Linux prints all of them
_TOM2_START = later(r"TOM2?:", re.I)
_OFF = later(r"MTRRs disabled by BIOS$", re.I)
_NONE = later(r"MTRRs disabled \(not available\)$", re.I)
_OFF_OR_NONE = later(r"(?:MTRR: )?Disabled$")  # up to 6.4: the same words for both
_SUBSYSTEM = later(r"(?:x86/)?mtrr: (?=MTRR|TOM2|[0-9A-F]{5}-|\d)", re.I)
_COUNTS = later(
    r"MTRR map: (\d+) entries \((\d+) fixed \+ (\d+) variable; max (\d+)\), built from (\d+) variable", re.I
)
_STARTED = later(r"MTRR map: \d+ entries(?!.*built from \d+ variable)", re.I)
_MAP = later(rf"(\d+): ([0-9a-f]{{16,}})-([0-9a-f]{{16,}}) {TYPE}$", re.I)
_REPAIRED = later(r"mtrr: your BIOS has configured an incorrect mask, fixing it", re.I)
_INCONSISTENT = later(r"mtrr: your CPUs had inconsistent (?:(fixed|variable) MTRR|(MTRRdefType)) settings", re.I)

COUNTS = ("map_entries", "fixed", "variable", "max", "built_from")


@dataclass(slots=True)
class Listing:
    """What one boot printed about its MTRRs, as far as the log has it."""

    source: str
    default: Register | None = None  # bits 7:0 of IA32_MTRR_DEF_TYPE
    fixed_on: bool | None = None
    variable_on: bool | None = None
    off: bool = False  # E = 0, said in so many words
    absent: bool = False  # the kernel says that there are none
    off_or_absent: bool = False
    fixed: dict[int, Register] = field(default_factory=dict)  # slot of rules.FIXED_RANGES: its byte
    variable: dict[int, tuple[Register, Register]] = field(default_factory=dict)
    digits: set[int] = field(default_factory=set)  # hex digits of the printed masks
    tom2: Register | None = None
    tom2_cut: bool = False  # its line is there, its value not whole
    counts: dict[str, int] = field(default_factory=dict)
    segments: list[tuple[int, int, Register]] = field(default_factory=list)  # (base, last, type)
    inconsistent: list[str] = field(default_factory=list)
    repaired: bool = False  # the kernel saw a mask with holes
    open: bool = False  # the list of variable ranges is being read
    cut: int | None = None  # line of an entry that does not end
    last_line: int = field(init=False)  # of the last line that was taken
    heard: set[str] = field(default_factory=set)
    copied: bool = False  # a line stands there twice: others may be lost

    def take(self, number: int, line: str) -> bool:
        """Read one squeezed line; False where it is none of these."""
        where = f"{self.source}:{number}"
        if subsystem := _SUBSYSTEM.match(line):
            line = line[subsystem.end() :]
        taken = self._head(line, number) or self._entry(line, number) or self._newer(line, where)
        if taken:
            self.last_line = number
            self.copied |= line in self.heard
            self.heard.add(line)
        elif self.open and _VARIABLE_START.match(line):
            if self.cut is not None:
                raise ParseError(f"{self.source}:{self.cut}: a variable range that ends in the middle of the list")
            self.cut = number
        return taken

    def breaks_off(self, lines: Sequence[str]) -> None:
        """Look at the line below the last row of the list: it may be what is left of one more."""
        if self.cut is not None or not self.variable:
            return
        last = max(high.line for _, high in self.variable.values())
        if last < len(lines) and is_fragment(lines[last], lines[last - 1]):
            self.cut = last + 1

    def _head(self, line: str, number: int) -> bool:
        if found := _DEFAULT.match(line):
            kind = type_register(found[1].lower(), self.source, number)
            self.default = kind if self.default is None else self.default.beside(kind)
        elif found := _FIXED_HEAD.match(line):
            self.fixed_on = self._enabled(self.fixed_on, found[1], number)
        elif found := _VARIABLE_HEAD.match(line):
            self.variable_on = self._enabled(self.variable_on, found[1], number)
            self.open = True
        elif _OFF.match(line):
            self.off = True
        elif _NONE.match(line):
            self.absent = True
        elif _OFF_OR_NONE.match(line):
            self.off_or_absent = True
        elif _REPAIRED.match(line):
            self.repaired = True
        elif found := _INCONSISTENT.match(line):
            what = (found[1] or "deftype").lower()
            self.inconsistent += [what] if what not in self.inconsistent else []
        else:
            return False
        return True

    def _enabled(self, before: bool | None, word: str, number: int) -> bool:
        now = word.lower() == "en"
        if before not in (None, now):
            raise ParseError(f"{self.source}:{number}: {word}abled, where a line above says the other")
        return now

    def _entry(self, line: str, number: int) -> bool:
        if found := _FIXED.match(line):
            kind = type_register(found[3].lower(), self.source, number)
            paint(self.fixed, int(found[1], 16), int(found[2], 16), kind, self.source)
        elif found := _VARIABLE.match(line):
            self._variable(found, number)
        elif self.open and (found := _UNUSED.match(line)):
            off = Register(0, rules.MASK_VALID, number)  # V = 0 is all that is told
            self._put(found[1], (NOTHING, off), f"{self.source}:{number}")
        elif found := _TOM2.match(line):
            self._tom2(found, number)
        elif _TOM2_START.match(line):
            self.tom2_cut = True
        else:
            return False
        return True

    def _newer(self, line: str, where: str) -> bool:
        if found := _COUNTS.match(line):
            counts = {name: decimal(word, where, name, 1 << 32) for name, word in zip(COUNTS, found.groups())}
            if self.counts not in ({}, counts):
                raise ParseError(f"{where}: the map's counts are told twice, with different values")
            self.counts = counts
            self.open = False
        elif self.counts and (found := _MAP.match(line)):
            base, last = (values.number(word, where, 0, "address") for word in found.groups()[1:3])
            if last < base or last >> rules.MAX_MAXPHYADDR:
                raise ParseError(f"{where}: map entry 0x{base:x}-0x{last:x} is not within 2**{rules.MAX_MAXPHYADDR}")
            self.segments.append((base, last, type_register(found[4].lower())))
        else:
            return False
        return True

    def _tom2(self, found: re.Match[str], number: int) -> None:
        tom2 = values.number(found[1], self.source, number, "TOM2")
        if len(found[1]) < _TOM2_DIGITS:
            self.tom2_cut = True
            return
        if found[2] and int(found[2]) != tom2 >> 20:
            raise ParseError(f"{self.source}:{number}: TOM2 {found[1]} is not {found[2]} MiB")
        if self.tom2 is not None and self.tom2.value != tom2:
            raise ParseError(f"{self.source}:{number}: TOM2 again, with another value")
        self.tom2 = Register(tom2, line=number)

    def _variable(self, found: re.Match[str], number: int) -> None:
        printed = found[2] or found[3]
        base = values.number(printed, self.source, number, "base")
        mask = values.number(found[4], self.source, number, "mask")
        kind = type_register(found[5].lower())
        self.open = True
        self.digits |= {len(printed), len(found[4])}
        known = kind.known | ~rules.BASE_TYPE & ALL
        low = Register(base | kind.value, known, number, kind.hidden, digits=len(printed))
        high = Register(mask | rules.MASK_VALID, line=number, digits=len(found[4]))
        self._put(found[1], (low, high), f"{self.source}:{number}")

    def _put(self, number: str, pair: tuple[Register, Register], where: str) -> None:
        index = decimal(number, where, "variable range", rules.MAX_VARIABLE)
        if self.variable.setdefault(index, pair) != pair:
            raise ParseError(f"{where}: variable range {index} is listed twice, with different values")
        self.tom2_cut |= self.tom2 is not None  # the kernel prints it below the list: that line is of another one

    @property
    def listed(self) -> bool:
        """Whether the log has a list of variable ranges, even an empty one."""
        return self.variable_on is not None or bool(self.variable)

    def fixed_registers(self) -> dict[int, Register]:
        """The fixed-range registers, as far as the log has them."""
        return bytes_registers(self.fixed)


def started(line: str) -> bool:
    """Whether this is the counts line without its end: a mail program put that on the next line."""
    return _STARTED.match(line) is not None


def digits_width(digits: int, newer: bool) -> tuple[int, int]:
    """The MAXPHYADDR, lowest and highest, for which Linux prints masks of so many hex digits.

    Up to 6.4 ceil((P - 32) / 4) + 8 digits, from 6.5 on floor((P - 20 + 3) / 4) + 8.
    """
    top = 32 + 4 * (digits - 8) if not newer else 20 + 4 * (digits - 8)
    return top - 3, top
