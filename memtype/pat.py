"""IA32_PAT as people hold it: `Pat`, eight types that page-table bits choose from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from memtype import arguments, backends, parallel, rules
from memtype.errors import AddressError, InputError, RegisterError
from memtype.late import Late
from memtype.mtrr import Problem
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype import arrays
else:
    arrays = Late("memtype.arrays")


@dataclass(frozen=True, slots=True, init=False)
class Pat:
    """IA32_PAT (0x277), raw: a reserved entry is kept and reads as UNDEFINED.

    Parameters
    ----------
    value : int or str
        The 64-bit value; or the name of a known layout ("reset", "linux", "windows", "xen"), a hexadecimal value as
        text ("0x407050600070106", "407050600070106"), or eight types ("WB WC UC- UC WB WP UC- WT"), entry 0 first.

    Raises
    ------
    RegisterError
        For what is none of these.

    Examples
    --------
    >>> p = Pat(0x0007040600070406)
    >>> p[1], str(p)
    (<MemoryType.WT: 4>, 'WB WT UC- UC WB WT UC- UC')
    >>> p.index(0x98), p.index(0x1098, level=2), str(Pat("linux")[p.index(0x88)])
    (7, 7, 'WP')
    """

    value: int
    _types: tuple[MemoryType, ...] = field(init=False, repr=False, compare=False)

    def __init__(self, value: int | str = rules.PAT_RESET) -> None:
        number = _value_of(value)
        entries = number.to_bytes(8, "little")
        types = tuple(MemoryType(e) if e in rules.PAT_TYPES else MemoryType.UNDEFINED for e in entries)
        object.__setattr__(self, "value", number)
        object.__setattr__(self, "_types", types)

    @classmethod
    def from_types(cls, types: Iterable[MemoryType | str | int]) -> Pat:
        """From eight types, entry 0 first.

        Examples
        --------
        >>> hex(Pat.from_types("WB WC UC- UC WB WP UC- WT".split()).value)
        '0x407050600070106'
        """
        entries = enumerate(arguments.items(types, "types", "eight types", RegisterError))
        codes = [arguments.type_code(kind, f"PAT entry {index}") for index, kind in entries]
        if len(codes) != 8 or not set(codes) <= rules.PAT_TYPES:
            raise RegisterError(f"PAT entries {arguments.shown(codes)}: eight of UC, WC, WT, WP, WB, UC- are needed")
        return cls(int.from_bytes(bytes(codes), "little"))

    @property
    def types(self) -> tuple[MemoryType, ...]:
        """The eight types, entry 0 first."""
        return self._types

    def __getitem__(self, index: int) -> MemoryType:
        return self._types[index]

    def __repr__(self) -> str:
        return f"Pat(0x{self.value:016x})"

    def __str__(self) -> str:
        return " ".join(map(str, self._types))

    @property
    def linux_line(self) -> str:
        """The line that Linux prints for this value."""
        return "x86/PAT: Configuration [0-7]: " + "".join(f"{kind!s:<4}" for kind in self._types)

    @property
    def name(self) -> str | None:
        """The name of the known layout that this is, if it is one."""
        return next((name for name, value in rules.PAT_LAYOUTS.items() if value == self.value), None)

    @property
    def valid(self) -> bool:
        """Whether WRMSR takes the value (False: #GP)."""
        return bool(backends.active.pat_valid(self.value))

    def problems(self) -> list[Problem]:
        """The entries that hardware would refuse, one by one."""
        found = []
        for index, entry in enumerate(self.value.to_bytes(8, "little")):
            if entry not in rules.PAT_TYPES:
                text = f"entry {index}: type {entry} in bits {8 * index + 7}:{8 * index} is reserved"
                found.append(Problem(rules.msr_name(rules.PAT_MSR), self.value, text))
        return found

    def slots(self, kind: MemoryType | str | int) -> tuple[int, ...]:
        """The entries that hold this type, lowest first.

        Examples
        --------
        >>> Pat("reset").slots("WC"), Pat("linux").slots("WC")
        ((), (1,))
        """
        wanted = arguments.memory_type(kind, "type")
        return tuple(index for index, held in enumerate(self._types) if held == wanted)

    def bits(self, kind: MemoryType | str | int, level: int = 1) -> int:
        """The bits of a leaf that choose this type: the memory-type part of NPT, shadow and ordinary leaves.

        Parameters
        ----------
        kind : type
            A PAT type; of several entries that hold it the first is taken.
        level : {1, 2, 3}
            See `index`.

        Raises
        ------
        InputError
            When no entry holds the type (`want` says what to reprogram).

        Examples
        --------
        >>> [hex(Pat("linux").bits(kind, level=2)) for kind in ("WB", "WC", "WT")]
        ['0x0', '0x8', '0x1018']
        """
        check_level(level)
        slots = self.slots(kind)
        if not slots:
            raise InputError(f"no entry of this PAT ({self}) is {arguments.memory_type(kind, 'type')}")
        return pte_bits(slots[0], level)

    def index(self, pte: Any, level: int = 1) -> Any:
        """Which PAT entry a leaf chooses: 4 PAT + 2 PCD + PWT.

        Parameters
        ----------
        pte : int or array-like of unsigned integers
            Page-table entries that map a page. PWT is bit 3, PCD bit 4.
        level : {1, 2, 3}
            1: the entry maps 4 KiB and PAT is bit 7; 2 (2 or 4 MiB) and 3 (1 GiB): PAT is bit 12. The entry is
            taken as a leaf, whatever its bit 7 says. For entries that point to a table see `walk_index`.

        Returns
        -------
        int for an int; uint8 array of the same shape for an array.
        """
        check_level(level)
        if arguments.is_scalar(pte):
            return backends.active.pat_index(_entry(pte), level)
        given = arrays.uint64(pte, "ptes")
        out = arrays.output(None, given.shape, arrays.U8)
        backends.active.pat_indexes(level, given, out)
        return out

    @overload
    def types_of(self, ptes: int, level: int = ..., out: None = ...) -> MemoryType: ...
    @overload
    def types_of(self, ptes: arrays.Many, level: int = ..., out: arrays.U8Array | None = ...) -> arrays.U8Array: ...
    @overload
    def types_of(self, ptes: Any, level: int = ..., out: arrays.U8Array | None = ...) -> Any: ...
    def types_of(self, ptes: Any, level: int = 1, out: arrays.U8Array | None = None) -> Any:
        """The PAT types that leaves choose (`index`, then the entry).

        Parameters
        ----------
        ptes : int or array-like of unsigned integers, any shape
        level : {1, 2, 3}
            See `index`.
        out : uint8 array of the same shape, optional
            Written and returned.

        Returns
        -------
        uint8 array of the same shape; a `MemoryType` for an int.

        Examples
        --------
        >>> Pat("linux").types_of([0x18, 0x80]).tolist(), Pat("linux").types_of(0x1018, level=2)
        ([0, 6], <MemoryType.WT: 4>)
        """
        check_level(level)
        if out is None and arguments.is_scalar(ptes):
            return self._types[backends.active.pat_index(_entry(ptes), level)]
        return parallel.types(partial(backends.active.pat_types, self.value, level), ptes, out, what="ptes")

    def walk_index(self, entry: int, pcide: bool = False) -> int:
        """The PAT entry (0 to 3) with which the processor reads the paging structure that `entry` points to.

        `entry` is CR3 or an entry that is no leaf: PCD (bit 4) and PWT (bit 3) choose, there is no PAT bit. For
        CR3 under CR4.PCIDE = 1 those bits belong to the PCID and entry 0 is used: say ``pcide=True``.
        """
        chosen = _entry(entry) & (rules.PTE_PCD | rules.PTE_PWT)
        return 0 if arguments.flag(pcide, "pcide") else backends.active.pat_index(chosen, 1)

    def walk_type(self, entry: int, pcide: bool = False) -> MemoryType:
        """The PAT type of that access; it combines with the MTRR (or EPT) type of the table's address."""
        return self._types[self.walk_index(entry, pcide)]


@overload
def pat_valid(values: int) -> bool: ...
@overload
def pat_valid(values: arrays.Many) -> arrays.BoolArray: ...
@overload
def pat_valid(values: Any) -> Any: ...
def pat_valid(values: Any) -> Any:
    """Whether hardware takes values as IA32_PAT: every byte 0, 1, 4, 5, 6 or 7.

    Parameters
    ----------
    values : int or array-like of unsigned integers, any shape

    Returns
    -------
    bool for an int, bool array of the same shape otherwise.

    Examples
    --------
    >>> pat_valid(0x0007040600070406), pat_valid([0x0007040600070402, 0x0606]).tolist()
    (True, [False, True])
    """
    if arguments.is_scalar(values):
        return bool(backends.active.pat_valid(_value_of(values)))
    given = arrays.uint64(values, "values")
    out = arrays.output(None, given.shape, arrays.U8)
    backends.active.pat_valids(given, out)
    return out.view(bool)


def as_pat(pat: Pat | int | str | None) -> Pat:
    """A `Pat` from whatever stands for one; None is the reset value."""
    if isinstance(pat, Pat):
        return pat
    return _RESET if pat is None else Pat(pat)


def check_level(level: Any) -> int:
    """The level of a leaf."""
    meaning = "leaves are at level 1 (4 KiB), 2 (2 or 4 MiB) or 3 (1 GiB)"
    return arguments.choice(level, rules.LEAF_SHIFTS, "level", meaning)


def pte_bits(index: int, level: int) -> int:
    """The bits of a leaf that choose PAT entry `index`: ``pte_bits(5, 1) == 0x88``, ``pte_bits(5, 2) == 0x1008``."""
    pat_bit = rules.PTE_PAT_4K if level == 1 else rules.PTE_PAT_LARGE
    chosen = ((4, pat_bit), (2, rules.PTE_PCD), (1, rules.PTE_PWT))
    return sum(bit for weight, bit in chosen if index & weight)


def _entry(pte: Any) -> int:
    """One 64-bit entry."""
    if type(pte) is int and 0 <= pte < 1 << 64:
        return pte
    return arguments.word(pte, "entry", AddressError)


def _value_of(value: Any) -> int:
    if isinstance(value, str):
        return _parse(value)
    return arguments.word(value, rules.msr_name(rules.PAT_MSR))


def _parse(text: str) -> int:
    """A layout's name, a hexadecimal value, or eight types."""
    word = text.strip().lower()
    name = rules.PAT_ALIASES.get(word, word)
    if name in rules.PAT_LAYOUTS:
        return rules.PAT_LAYOUTS[name]
    if digits := re.fullmatch(r"(?:0x)?([0-9a-f_]{1,40})", word):  # rdmsr prints none of the 0x
        return _value_of(int(digits[1].replace("_", "") or "0", 16))
    types = re.split(r"[\s,]+", word)
    if len(types) == 8:
        return Pat.from_types(types).value
    known = f"a layout ({', '.join(rules.PAT_LAYOUTS)}), a value (0x0007040600070406) or eight types"
    raise RegisterError(f"{arguments.shown(text)} is no PAT: {known}")


_RESET = Pat()
