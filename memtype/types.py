"""The memory types and how everybody spells them.

The numbers are the hardware's encodings (Intel SDM 3A 12.11.2.1 and 12.12.2); those from 8 up are results
that no register can hold. All fit in four bits, so a 16-entry table maps any type to anything.
"""

from __future__ import annotations

from enum import IntEnum

from memtype.errors import InputError, shown


class MemoryType(IntEnum):
    """A memory type; an ``int``, so it indexes tables and compares with array elements.

    Examples
    --------
    >>> MemoryType.parse("write-back"), str(MemoryType.UC_MINUS), int(MemoryType.WC)
    (<MemoryType.WB: 6>, 'UC-', 1)
    >>> MemoryType("WC"), MemoryType(1)
    (<MemoryType.WC: 1>, <MemoryType.WC: 1>)
    >>> f"{MemoryType.WB:>4}|{MemoryType.WB:02d}"
    '  WB|06'
    """

    UC = 0
    WC = 1
    WT = 4
    WP = 5
    WB = 6
    UC_MINUS = 7  # PAT only: uncacheable, but an MTRR of WC overrides it
    CD = 8  # AMD result: uncached, yet caches are probed
    WC_PLUS = 9  # AMD nested paging result: write-combining that probes caches
    UNDEFINED = 10  # the manuals leave the answer open
    MIXED = 11  # bytes of several types
    NOT_TOLD = 12  # the input leaves the type open: several machines fit it, and they differ here

    @classmethod
    def _missing_(cls, value: object) -> MemoryType:
        """``MemoryType("WB")``: any spelling that `parse` reads; what is none is an `InputError`."""
        return cls.parse(value)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return _SHORT[self]

    def __format__(self, spec: str) -> str:
        # A width pads the name; a presentation type of integers (d, x, b, ...) formats the number.
        return format(int(self), spec) if spec[-1:] in _OF_NUMBERS else format(str(self), spec)

    @property
    def linux_name(self) -> str:
        """The words Linux prints for it, its own spelling of *uncachable* included."""
        return _LINUX.get(self, _SHORT[self])

    @classmethod
    def parse(cls, text: str | int) -> MemoryType:
        """Read any spelling in use: ``WB``, ``6``, ``write-back``, ``Back``, ``uncachable``, ``UC_MINUS``.

        Raises
        ------
        InputError
            When the text names no memory type, or a reserved encoding (2, 3).
        """
        if isinstance(text, str):
            found = _SPELLINGS.get(text.strip().lower().replace(" ", "-"))
        else:
            found = _VALUES.get(text) if isinstance(text, int) else None
        if found is None:
            raise InputError(f"{shown(text)} is not a memory type (one of UC, WC, WT, WP, WB, UC-)")
        return found


_OF_NUMBERS = frozenset("bcdoxXneEfFgG%")
_SHORT = {
    MemoryType.UC: "UC",
    MemoryType.WC: "WC",
    MemoryType.WT: "WT",
    MemoryType.WP: "WP",
    MemoryType.WB: "WB",
    MemoryType.UC_MINUS: "UC-",
    MemoryType.CD: "CD",
    MemoryType.WC_PLUS: "WC+",
    MemoryType.UNDEFINED: "??",
    MemoryType.MIXED: "mixed",
    MemoryType.NOT_TOLD: "?",
}

_LINUX = {
    MemoryType.UC: "uncachable",
    MemoryType.WC: "write-combining",
    MemoryType.WT: "write-through",
    MemoryType.WP: "write-protect",
    MemoryType.WB: "write-back",
    MemoryType.UC_MINUS: "uncached-minus",
}

_WORDS = {
    MemoryType.UC: "uncachable uncacheable uncached strong-uncacheable strong-uncachable",
    MemoryType.WC: "write-combining write-combine writecombine writecombining combine wrcomb",
    MemoryType.WT: "write-through writethrough through wrthrough",
    MemoryType.WP: "write-protect write-protected writeprotect writeprotected protect wrprot",
    MemoryType.WB: "write-back writeback back wrback",
    MemoryType.UC_MINUS: "uc_minus uncached-minus uncacheable-minus uncachable-minus ucminus",
    MemoryType.WC_PLUS: "wc_plus",
    MemoryType.UNDEFINED: "undefined",
    MemoryType.MIXED: "",
    MemoryType.CD: "",
    MemoryType.NOT_TOLD: "not_told not-told",
}

_VALUES = {int(kind): kind for kind in MemoryType}
_SPELLINGS = {
    word: kind for kind in MemoryType for word in {_SHORT[kind].lower(), str(int(kind)), *_WORDS[kind].split()}
}
