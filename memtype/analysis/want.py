"""The way back: which PAT entry and page-table bits give a wanted type, or why none can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from memtype import arguments, rules
from memtype.effective import effective, effective_npt
from memtype.ept import EptLeaf, effective_ept, ept_leaf
from memtype.errors import InputError
from memtype.memory_map import Answers, answers
from memtype.mtrr import vendor_name
from memtype.pat import Pat, as_pat, check_level, pte_bits
from memtype.readable import readable
from memtype.types import MemoryType

_ORDER = (
    MemoryType.UC, MemoryType.CD, MemoryType.WC, MemoryType.WC_PLUS, MemoryType.WT, MemoryType.WP, MemoryType.WB,
)  # fmt: skip


@readable
@dataclass(frozen=True, slots=True)
class Want:
    """The answer of `want`. It is true where the type can be had.

    Attributes
    ----------
    type : the wanted type
    index : the PAT entry that gives it, or None where no entry does
    indexes : all entries that give it
    reprogram : where no entry does: the entry to reprogram, else None
    new_pat : IA32_PAT with that entry reprogrammed, or None
    reason : what decided, in words; where the type is out of reach: why
    pat : the PAT that was asked
    admits : every type that some PAT value reaches there
    leaf : under EPT: the leaf that forces the type, whatever the guest's page tables say
    """

    type: MemoryType
    index: int | None
    indexes: tuple[int, ...]
    reprogram: int | None
    new_pat: Pat | None
    reason: str
    pat: Pat
    admits: tuple[MemoryType, ...]
    leaf: EptLeaf | None = None

    def __bool__(self) -> bool:
        return self.slot is not None

    @property
    def possible(self) -> bool:
        """Whether the type can be had, with the PAT as it is or reprogrammed."""
        return bool(self)

    @property
    def slot(self) -> int | None:
        """The PAT entry to choose: `index`, or `reprogram` where that must be set first."""
        return self.reprogram if self.index is None else self.index

    def bits(self, level: int = 1) -> int | None:
        """PAT, PCD and PWT as a leaf of `level` (1: 4 KiB, 2: 2 or 4 MiB, 3: 1 GiB) must have them.

        The other bits of the same field must be 0: of 0x98 in a 4 KiB leaf, of 0x1018 in a larger one.
        """
        level = check_level(level)
        return None if self.slot is None else pte_bits(self.slot, level)

    @property
    def bits_4k(self) -> int | None:
        """`bits` of a 4 KiB leaf: PAT is bit 7."""
        return self.bits(1)

    @property
    def bits_large(self) -> int | None:
        """`bits` of a 2 MiB, 4 MiB or 1 GiB leaf: PAT is bit 12."""
        return self.bits(2)

    def __str__(self) -> str:
        if not self:
            return f"{self.type}: impossible: {self.reason}"
        entry = f"PA{self.slot}"
        if self.new_pat is not None:
            entry = f"set {entry}: IA32_PAT = 0x{self.new_pat.value:016x}"
        return f"{self.type}: {entry}; 4 KiB leaf bits 0x{self.bits_4k:x}, larger leaf bits 0x{self.bits_large:x}"


def want(
    wanted: MemoryType | str | int,
    state: Answers | None = None,
    at: int | None = None,
    pat: Pat | int | str | None = None,
    *,
    size: int | None = None,
    mtrr: MemoryType | str | int | None = None,
    vendor: str | None = None,
    ept: EptLeaf | MemoryType | str | int | None = None,
    ipat: bool = False,
    npt: MemoryType | str | int | None = None,
    snp: bool = False,
) -> Want:
    """How page tables can give an address the wanted type.

    Parameters
    ----------
    wanted : type
        The effective type to reach. On AMD uncached memory may be CD and not UC: ask for that.
    state, at : MtrrState (or MemoryMap, or View) and int
        Whose MTRRs, and the physical address. Or give the MTRR type itself as `mtrr`. Under nested paging: the
        system physical address.
    pat : Pat, value or name of a layout
        The PAT that the page tables choose from (a guest's under `ept` and `npt`). Default: the reset value.
    size : int, optional
        Ask for the range of so many bytes from `at` on; one that spans MTRR types is MIXED.
    vendor : {"intel", "amd"}, optional
        Default: that of `state` where it has one, else Intel.
    ept, ipat : EptLeaf, or type and bool
        Under EPT: what the leaf says. MTRRs then play no role.
    npt, snp : type and bool
        Under AMD nested paging: the host's PAT type that the nested entry chooses; an SNP-active guest.

    Returns
    -------
    Want
        False where no PAT value can reach the type; `.reason` says why.

    Examples
    --------
    >>> w = want("WC", mtrr="UC", pat="linux")
    >>> w.index, hex(w.bits_4k), hex(w.bits_large)
    (1, '0x8', '0x8')
    >>> w = want("WC", mtrr="UC", pat="reset")
    >>> w.index, w.reprogram, hex(w.new_pat.value), hex(w.bits_4k), hex(w.bits_large)
    (None, 4, '0x7040100070406', '0x80', '0x1000')
    >>> want("WB", mtrr="UC").reason
    'MTRR UC admits only UC and WC'
    >>> bool(want("WB", ept="WC")), hex(want("WB", ept="WC").leaf.bits)
    (False, '0x70')
    """
    kind = _wanted(wanted)
    table = as_pat(pat)
    ipat, snp = arguments.flag(ipat, "ipat"), arguments.flag(snp, "snp")
    if state is not None:
        answers(state, "state")
    if ept is not None and npt is not None:
        raise InputError("ept and npt: a guest has one of them")
    if ept is not None:
        leaf = ept if isinstance(ept, EptLeaf) else ept_leaf(ept, ipat)
        over = f"EPT {leaf.type}{' with IPAT' if leaf.ipat else ''}"
        forced = ept_leaf(kind, True) if kind in rules.EPT_TYPES else None
        return _solve(kind, table, over, lambda p: effective_ept(leaf.type, leaf.ipat, p), forced)
    under = _mtrr_type(state, at, size, mtrr)
    if npt is not None:
        host = arguments.memory_type(npt, "npt")
        over = f"host PAT {host} over MTRR {under}{' (SNP)' if snp else ''}"
        return _solve(kind, table, over, lambda p: effective_npt(p, host, under, snp))
    own = state.vendor if state is not None else None
    maker = vendor_name((own or "intel") if vendor is None else vendor)
    over = f"{'AMD: ' if maker == 'amd' else ''}MTRR {under}"
    return _solve(kind, table, over, lambda p: effective(under, p, maker), whose="PAT")


def _wanted(wanted: Any) -> MemoryType:
    kind = arguments.memory_type(wanted, "wanted")
    if kind in (MemoryType.UNDEFINED, MemoryType.MIXED, MemoryType.NOT_TOLD):
        raise InputError(f"{kind} is no type that one can want")
    return kind


def _mtrr_type(state: Answers | None, at: int | None, size: int | None, mtrr: Any) -> MemoryType:
    if mtrr is not None:
        return arguments.memory_type(mtrr, "mtrr")
    if state is None or at is None:
        raise InputError("want needs a state and an address (at), or the MTRR type (mtrr), or an EPT type (ept)")
    if size is None:
        return state.at(at)
    return state.map.uniform(at, size)


def _solve(
    kind: MemoryType,
    pat: Pat,
    over: str,
    given: Callable[[MemoryType], MemoryType],
    leaf: EptLeaf | None = None,
    whose: str = "guest PAT",
) -> Want:
    """`given(p)`: what an access gets under PAT type `p`. Everything else follows from that."""
    reach = {MemoryType(p): given(MemoryType(p)) for p in sorted(rules.PAT_TYPES)}
    fitting = [p for p, result in reach.items() if result is kind]
    fitting.sort(key=lambda p: p is not kind)  # by its own name where that works
    admits = tuple(other for other in _ORDER if other in reach.values())
    if not fitting:
        return Want(kind, None, (), None, None, _refusal(kind, over, reach, admits), pat, admits, leaf)
    indexes = [index for p in fitting for index in pat.slots(p)]
    if indexes:
        return Want(kind, indexes[0], tuple(sorted(indexes)), None, None,
                    f"{over} with {whose} {pat[indexes[0]]} is {kind}", pat, admits, leaf)  # fmt: skip
    slot = _spare_entry(pat)
    types = [held if held in rules.PAT_TYPES else MemoryType.UC for held in pat.types]
    types[slot] = fitting[0]
    reason = f"{over} with {whose} {fitting[0]} is {kind}, and no entry of the PAT is {_listed(fitting, 'or')}"
    return Want(kind, None, (), slot, Pat.from_types(types), reason, pat, admits, leaf)


def _spare_entry(pat: Pat) -> int:
    """An entry whose type stands elsewhere too. From 4 up first: walks and entries without the PAT bit never use
    those. A PAT that lacks a type has such an entry: eight entries, at most five types."""

    def held_elsewhere(index: int) -> bool:
        return pat[index] is MemoryType.UNDEFINED or pat[index] in (*pat.types[:index], *pat.types[index + 1 :])

    return next(index for index in (4, 5, 6, 7, 3, 2, 1) if held_elsewhere(index))


def _refusal(kind: MemoryType, over: str, reach: dict[MemoryType, MemoryType], admitted: tuple[MemoryType, ...]) -> str:
    if kind is MemoryType.UC_MINUS:
        return "UC- is a PAT entry, not a type that an access gets: it gives UC or WC"
    text = f"{over} admits only {_listed(admitted, 'and')}"
    near = {MemoryType.UC: MemoryType.CD, MemoryType.WC: MemoryType.WC_PLUS}.get(kind)
    if near in admitted:
        text += f" ({near} is {kind} that probes the caches: ask for {near})"
    if MemoryType.MIXED in reach.values():
        text += "; the range spans several MTRR types: split it"
    return text


def _listed(kinds: Iterable[MemoryType], word: str) -> str:
    names = [str(kind) for kind in kinds]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else "nothing"
