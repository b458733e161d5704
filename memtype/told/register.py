"""One register, range or width as a text tells it: which bits are known, and by which line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from memtype import rules
from memtype.readable import readable

ALL: Final = (1 << 64) - 1


@readable
@dataclass(frozen=True, slots=True)
class Register:
    """One MSR as a text holds it.

    Attributes
    ----------
    value : int
        Bits that are not known are 0 here and are nobody's answer.
    known : int
        Mask of the bits that the text tells; all 64 for a raw value.
    line : int
        The line that told it; 0 where there are no lines.
    hidden : int
        Mask of type fields that the text prints as "?": a reserved encoding, but not which. Not in `known`.
    against : int
        The line that tells some of the bits otherwise, which are therefore not known; 0 where none does, -1 where
        there are no lines.
    digits : int
        How many hex digits the text prints for it; 0 where it prints words, or is not asked for them.
    """

    value: int
    known: int = ALL
    line: int = field(default=0, compare=False)
    hidden: int = 0
    against: int = field(default=0, compare=False)
    digits: int = field(default=0, compare=False)

    @property
    def padded(self) -> bool:
        """Whether zeros stand in front of the number: 0x06 for 6."""
        return self.digits > 1 and self.value.bit_length() <= 4 * (self.digits - 1)

    @property
    def told(self) -> bool:
        """Whether every bit is known."""
        return self.known == ALL

    def tells(self, bits: int) -> bool:
        """Whether these bits are known, or known to be a reserved type."""
        return not bits & ~(self.known | self.hidden)

    def joined(self, other: Register) -> Register:
        """This register with the bits that only `other` knows."""
        more = other.known & ~(self.known | self.hidden)
        hidden = self.hidden | other.hidden & ~self.known
        against = self.against or other.against
        value, known = self.value | other.value & more, self.known | more
        return Register(value, known, self.line or other.line, hidden, against, self.digits)

    def beside(self, other: Register) -> Register:
        """The register that two lines of one list tell: bits in which they contradict each other are not told.

        Examples
        --------
        >>> told = Register(0xC06, line=1).beside(Register(0xC00, line=9))
        >>> hex(told.value), told.tells(0xC00), told.tells(6), told.against
        ('0xc00', True, False, 9)
        """
        differ = (self.value ^ other.value) & self.known & other.known
        differ |= (self.hidden & other.known) | (other.hidden & self.known)
        if not differ:
            return self if self.against else self.joined(other)  # a third line does not decide
        value, known = self.value & ~differ, self.known & ~differ & ALL
        fewer = min(self.digits, other.digits)  # one that lacks digits shows it still
        return Register(value, known, self.line, self.hidden & ~differ, other.line or self.line or -1, fewer)

    def contradicts(self, other: Register) -> bool:
        return bool((self.value ^ other.value) & self.known & other.known)


NOTHING: Final = Register(0, 0)


@readable
@dataclass(frozen=True, slots=True)
class Range:
    """A variable range by its size, as /proc/mtrr prints it: no register, since its mask depends on the width.

    `kind` holds the type in bits 7:0, known or not.
    """

    base: int
    size: int
    kind: Register

    def pair(self, maxphyaddr: int) -> tuple[Register, Register]:
        """PHYSBASE and PHYSMASK on a processor of that width."""
        low = Register(self.base | self.kind.value, self.kind.known | ~rules.BASE_TYPE & ALL, self.kind.line)
        mask = rules.page_bits(maxphyaddr) & ~(self.size - 1) | rules.MASK_VALID
        return replace(low, hidden=self.kind.hidden), Register(mask, line=self.kind.line)


@readable
@dataclass(frozen=True, slots=True)
class Width:
    """A physical address width that was told.

    Attributes
    ----------
    bits : int
        As printed.
    by : str
        Who told it: "line 3", "--maxphyaddr".
    reduced : bool
        The printing program has taken off the bits that memory encryption uses: Linux in /proc/cpuinfo.
    """

    bits: int
    by: str = field(default="", compare=False)
    reduced: bool = False


def pair_numbers(n: int) -> tuple[int, int]:
    """The numbers of pair n's registers. Pairs from 40 on have none: numbers that are no MSR's stand for them."""
    base = rules.PHYSBASE0 + 2 * n if n < rules.NUMBERED_PAIRS else (1 << 32) + 2 * n
    return base, base + 1


_PAIRS: Final = {number: n for n in range(rules.MAX_VARIABLE) for number in pair_numbers(n)}


def pair_of(index: int) -> int | None:
    """The number of the pair that a register belongs to."""
    return _PAIRS.get(index)


def named(index: int) -> str:
    """The register's name, also of a pair without an MSR number."""
    n = pair_of(index)
    return rules.msr_name(index) if n is None else f"IA32_MTRR_PHYS{'MASK' if index & 1 else 'BASE'}{n}"
