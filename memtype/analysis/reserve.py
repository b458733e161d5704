"""What Linux grants when somebody asks for a memory type over what its PAT layer already tracks (mm/pat/memtype.c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memtype import arguments, rules
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.readable import readable
from memtype.types import MemoryType

CALLERS = ("ioremap", "remap", "remap-strict", "set_memory")
PLACES = ("device", "ram", "mixed")
_ASKED = tuple(MemoryType(code) for code in sorted(rules.PAT_TYPES))


@readable
@dataclass(frozen=True, slots=True)
class Grant:
    """What a request gets. True where it is granted for certain.

    Attributes
    ----------
    type : the type of the new mapping; None where it is refused; NOT_TOLD where that hangs on what was not told
    error : "EBUSY" or "EINVAL" where it is refused (ioremap then returns NULL), else None
    rules : identifiers of the rules that decided, in that order
    candidates : what it can be where the answer is not told
    """

    type: MemoryType | None
    error: str | None = None
    rules: tuple[str, ...] = ()
    candidates: tuple[Grant, ...] = ()

    def __bool__(self) -> bool:
        return self.type is not None and self.type is not MemoryType.NOT_TOLD

    def __str__(self) -> str:
        if self.candidates:
            return f"? ({' or '.join(map(str, self.candidates))}): the MTRR type is not told"
        return f"refused (-{self.error})" if self.type is None else str(self.type)


def reserve(
    want: Any,
    over: Any = (),
    *,
    by: str = "ioremap",
    mtrr: Any = None,
    place: str = "device",
    at: tuple[int, int] | None = None,
    pat_enabled: bool = True,
) -> Grant:
    """The type that Linux gives a new mapping, or that it refuses it.

    Parameters
    ----------
    want : type
        What the caller asks for: UC, UC-, WC, WT, WP or WB.
    over : type, or sequence of types
        The entries that overlap the range, by rising start address. For RAM: the types that its pages have now, the
        first page first; nothing means WB.
    by : {"ioremap", "remap", "remap-strict", "set_memory"}
        Who asks: ioremap_*; remap_pfn_range, mmap of /dev/mem and the like; the same where the type must come out as
        asked; set_memory_uc, set_memory_wc and set_memory_wt, which take no other type either.
    mtrr : type, optional
        What the MTRRs say of the range. It counts only where WB is asked for.
    place : {"device", "ram", "mixed"}
        What the range holds. Mixed: RAM and something else.
    at : (base, size), optional
        Where the range lies. Inside [0xa0000, 0x100000) nothing is tracked.
    pat_enabled : bool
        False for a kernel that runs without PAT.

    Returns
    -------
    Grant

    Raises
    ------
    InputError
        For what is no such type, caller or place.

    Examples
    --------
    >>> print(reserve("UC-", over="WC"), reserve("WC", over="WB"), reserve("UC", over="WB"), sep="; ")
    WC; refused (-EBUSY); WB
    >>> print(reserve("WB"), reserve("WB", mtrr="UC"), reserve("WC", over=["WC", "UC-"]), sep="; ")
    ? (WB or UC-): the MTRR type is not told; UC-; refused (-EBUSY)
    """
    asked = _pat_type(want, "want")
    tracked = tuple(_pat_type(kind, "over") for kind in _several(over))
    _known(by, CALLERS, "by")
    _known(place, PLACES, "place")
    if asked is MemoryType.WP and by == "ioremap":
        raise InputError("no ioremap asks for WP (by='remap' does)")
    if not arguments.flag(pat_enabled, "pat_enabled"):
        return Grant(asked, rules=("linux-pat-off",))
    base, size = (0, 0) if at is None else arguments.pair(at, "at", "(base, size)")
    if rules.ISA_RANGE[0] <= base and base + size <= rules.ISA_RANGE[1]:
        return Grant(MemoryType.WB, rules=("linux-isa",))
    if place == "ram":
        return _ram(asked, tracked, by)
    if place == "mixed":
        return Grant(None, "EINVAL", ("linux-mixed",))
    return _device(asked, tracked, by, None if mtrr is None else arguments.memory_type(mtrr, "mtrr"))


def _several(over: Any) -> Sequence[Any]:
    return over if isinstance(over, (list, tuple)) else (over,)


def _pat_type(value: Any, name: str) -> MemoryType:
    kind = arguments.memory_type(value, name)
    if kind not in rules.PAT_TYPES:
        raise InputError(f"{name} = {kind}: not a type that Linux tracks ({', '.join(map(str, _ASKED))})")
    return kind


def _known(value: str, names: tuple[str, ...], what: str) -> None:
    if not isinstance(value, str) or value not in names:
        raise InputError(f"{what} = {arguments.shown(value)}: one of {', '.join(names)} is known")


# --- RAM: the type is kept in the page ----------------------------------------------------------------------------


def _ram(asked: MemoryType, pages: tuple[MemoryType, ...], by: str) -> Grant:
    """reserve_pfn_range for mappings, reserve_ram_pages_type for set_memory_*."""
    foreign = next((kind for kind in pages if kind not in rules.LINUX_RAM_TYPES), None)
    if foreign is not None:
        raise InputError(f"over = {foreign}: a page of RAM is WB, WC, WT or UC-")
    if by == "ioremap":
        return Grant(None, "EINVAL", ("linux-ram-ioremap",))
    if by != "set_memory":
        return Grant(pages[0] if pages else MemoryType.WB, rules=("linux-ram",))
    if asked is MemoryType.WP:
        return Grant(None, "EINVAL", ("linux-ram-wp",))
    said = ("linux-ram-uc",) if asked is MemoryType.UC else ()
    if any(kind is not MemoryType.WB for kind in pages):
        return Grant(None, "EBUSY", (*said, "linux-ram-pages"))
    return Grant(MemoryType.UC_MINUS if said else asked, rules=(*said, "linux-ram-pages"))


# --- anything else: an interval tree of entries -------------------------------------------------------------------


def _device(asked: MemoryType, tracked: tuple[MemoryType, ...], by: str, mtrr: MemoryType | None) -> Grant:
    if asked is not MemoryType.WB:
        return _insert(asked, asked, tracked, by, ())
    as_wb = _insert(asked, MemoryType.WB, tracked, by, ())
    as_uc = _insert(asked, MemoryType.UC_MINUS, tracked, by, ("linux-mtrr-hint",))
    if mtrr in (None, MemoryType.NOT_TOLD):
        same = (as_wb.type, as_wb.error) == (as_uc.type, as_uc.error)
        return as_wb if same else Grant(MemoryType.NOT_TOLD, candidates=(as_wb, as_uc))
    return as_wb if mtrr is MemoryType.WB else as_uc


def _insert(
    asked: MemoryType, entry: MemoryType, tracked: tuple[MemoryType, ...], by: str, said: tuple[str, ...]
) -> Grant:
    """memtype_check_conflict for an `entry` that would be new, then the caller's own check of what it got."""
    if tracked and by == "set_memory" and tracked[0] != entry:
        return Grant(None, "EBUSY", (*said, "linux-exact"))
    if any(kind != tracked[0] for kind in tracked):
        return Grant(None, "EBUSY", (*said, "linux-disagree"))
    got = tracked[0] if tracked else entry
    said = (*said, "linux-first" if tracked else "linux-free")
    if got == asked or by == "set_memory":
        return Grant(got, rules=said)
    if by == "remap-strict":
        return Grant(None, "EINVAL", (*said, "linux-strict"))
    if (asked, got) in rules.LINUX_REFUSED:
        return Grant(None, "EBUSY" if by == "ioremap" else "EINVAL", (*said, "linux-not-allowed"))
    return Grant(got, rules=said)


# --- pat_memtype_list ---------------------------------------------------------------------------------------------


def tracked_entries(machine: Machine, base: int, size: int) -> list[tuple[int, int, MemoryType]] | None:
    """The entries of a dump's pat_memtype_list that overlap [base, base + size), as Linux meets them.

    Returns
    -------
    list of (base, end, type), the end exclusive, by rising start address; None where the dump holds no such list.

    Examples
    --------
    >>> from memtype.formats import pat_memtype_list as family
    >>> machine = family.parse("PAT: [mem 0x00000000fe800000-0x00000000fe900000] write-combining")
    >>> tracked_entries(machine, 0xFE8FFFFF, 1), tracked_entries(machine, 0xFE900000, 1)
    ([(4269801472, 4270850048, <MemoryType.WC: 1>)], [])
    """
    listed: Any = (machine.facts or {}).get("pat_memtype_list")
    if listed is None:
        return None
    entries = sorted((entry for entry in listed if entry[2] != "broken"), key=lambda entry: entry[0])
    met = [entry for entry in entries if entry[0] < base + size and entry[1] > base]
    return [(first, behind, MemoryType.parse(name)) for first, behind, name in met]
