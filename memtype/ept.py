"""EPT: the memory type in its leaves (bits 5:3, and bit 6, ignore PAT), and what a guest's access gets from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from memtype import arguments, backends, parallel, rules
from memtype.effective import paging_off, same_shape
from memtype.errors import InputError
from memtype.late import Late
from memtype.pat import Pat, as_pat, check_level
from memtype.readable import readable
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memtype import arrays
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")


@overload
def effective_ept(
    ept_type: arguments.Spelled,
    ipat: bool,
    pat: arguments.Spelled,
    cr0_cd: bool = ...,
    *,
    cr0_pg: bool = ...,
    out: None = ...,
) -> MemoryType: ...
@overload
def effective_ept(
    ept_type: arrays.Many,
    ipat: bool | arrays.Many,
    pat: arguments.Spelled | arrays.Many,
    cr0_cd: bool = ...,
    *,
    cr0_pg: bool = ...,
    out: arrays.U8Array | None = ...,
) -> arrays.U8Array: ...
@overload
def effective_ept(
    ept_type: Any, ipat: Any, pat: Any, cr0_cd: bool = ..., *, cr0_pg: bool = ..., out: arrays.U8Array | None = ...
) -> Any: ...
def effective_ept(
    ept_type: Any,
    ipat: Any,
    pat: Any,
    cr0_cd: bool = False,
    *,
    cr0_pg: bool = True,
    out: arrays.U8Array | None = None,
) -> Any:
    """The type of a guest access through EPT (SDM 3C 29.3.7.2): MTRRs play no role.

    Parameters
    ----------
    ept_type : type, or array-like of types
        Bits 5:3 of the leaf. A misconfigured leaf (2, 3, 7, or UNDEFINED as `ept_types` reports it) lets no access
        through and gives UNDEFINED. NOT_TOLD stands for the type of any leaf that lets an access through.
    ipat : bool, or array-like of bool
        Bit 6 of the leaf: the EPT type alone decides.
    pat : type, or array-like of types
        The type in the guest's IA32_PAT that the guest's entry chooses. For accesses to the guest's paging
        structures: the type that `Pat.walk_type` gives.
    cr0_cd : bool
        CR0.CD of the processor: UC, whatever the leaf says.
    cr0_pg : bool
        The guest's CR0.PG. Without paging `pat` is not looked at: it is WB.
    out : uint8 array, optional
        Written and returned.

    Returns
    -------
    `MemoryType` for single values, else uint8 array of the broadcast shape.

    Raises
    ------
    InputError
        For a type that cannot be an input. Nothing is written.

    Examples
    --------
    >>> effective_ept("WB", False, "WC"), effective_ept("WB", True, "WC"), effective_ept(7, False, "WB")
    (<MemoryType.WC: 1>, <MemoryType.WB: 6>, <MemoryType.UNDEFINED: 10>)
    """
    cd = arguments.flag(cr0_cd, "cr0_cd")
    pat = pat if arguments.flag(cr0_pg, "cr0_pg") else paging_off(pat)
    if out is None and arguments.is_scalar(ept_type) and arguments.is_scalar(ipat) and arguments.is_scalar(pat):
        kind = arguments.type_code(ept_type, "ept_type")
        return arguments.KINDS[
            backends.active.effective_ept(kind, arguments.flag(ipat, "ipat"), arguments.type_code(pat, "pat"), cd)
        ]
    inputs = [
        arrays.type_input(ept_type, rules.MTRR_INPUTS, "ept_type"),
        arrays.flags(ipat, "ipat"),
        arrays.type_input(pat, rules.PAT_INPUTS, "pat"),
    ]
    return arrays.combined(backends.active.effective_ept_array, inputs, out, cd)


@readable
@dataclass(frozen=True, slots=True)
class EptLeaf:
    """The memory-type part of an EPT leaf."""

    type: MemoryType
    ipat: bool

    @property
    def bits(self) -> int:
        """Bits 6:3, to OR into the entry: WB with IPAT is 0x70."""
        return int(self.type) << rules.EPT_TYPE_SHIFT | (rules.EPT_IPAT if self.ipat else 0)


def ept_leaf(type: Any, ipat: Any = False) -> EptLeaf:
    """Encode type and IPAT of an EPT leaf.

    Raises
    ------
    InputError
        For a type that EPT does not have (UC-, a reserved one): the leaf would be misconfigured.

    Examples
    --------
    >>> hex(ept_leaf("WB", ipat=True).bits), ept_leaf("UC").bits
    ('0x70', 0)
    """
    code = arguments.type_code(type, "type")
    if code not in rules.EPT_TYPES:
        raise InputError(f"type {code} is no EPT memory type (UC, WC, WT, WP, WB): EPT misconfiguration")
    return EptLeaf(MemoryType(code), arguments.flag(ipat, "ipat"))


def xen_ept_type(guest: Any, host: Any) -> MemoryType:
    """The EPT type that Xen gives RAM with these MTRR types in guest and host, where nothing else decides.

    Examples
    --------
    >>> xen_ept_type("WT", "WP"), xen_ept_type("WC", "WT"), xen_ept_type("WB", "WC")
    (<MemoryType.WP: 5>, <MemoryType.UC: 0>, <MemoryType.WC: 1>)
    """
    codes = arguments.type_code(guest, "guest"), arguments.type_code(host, "host")
    return arguments.KINDS[backends.active.xen_ept_type(*codes)]


@overload
def ept_types(eptes: int, out: None = ...) -> MemoryType: ...
@overload
def ept_types(eptes: arrays.Many, out: arrays.U8Array | None = ...) -> arrays.U8Array: ...
@overload
def ept_types(eptes: Any, out: arrays.U8Array | None = ...) -> Any: ...
def ept_types(eptes: Any, out: arrays.U8Array | None = None) -> Any:
    """The memory types in bits 5:3 of EPT leaves; UNDEFINED where the leaf is misconfigured (2, 3, 7).

    Parameters
    ----------
    eptes : int or array-like of unsigned integers, any shape
        EPT leaves. Only bits 5:3 are looked at, not whether the entry is present.
    out : uint8 array of the same shape, optional
        Written and returned.

    Returns
    -------
    uint8 array of the same shape; a `MemoryType` for an int. `ept_decode` gives IPAT and the misconfigured
    leaves' places too.

    Examples
    --------
    >>> ept_types([0x37, 0x77, 0x17, 0x07]).tolist(), ept_types(0x37)
    ([6, 6, 10, 0], <MemoryType.WB: 6>)
    """
    if out is None and arguments.is_scalar(eptes):
        value = eptes if arguments.are_words((eptes,)) else int(arrays.uint64(eptes, "eptes"))
        code = (value & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT
        return arguments.KINDS[code] if code in rules.EPT_TYPES else MemoryType.UNDEFINED
    return parallel.types(backends.active.ept_types, eptes, out, what="eptes")


class EptLeaves(NamedTuple):
    """What `ept_decode` finds.

    Attributes
    ----------
    types : uint8 array of the shape of the entries; UNDEFINED where misconfigured
    ipat : bool array of that shape
    misconfigured : int64 array: flat indexes of the misconfigured leaves, ascending
    """

    types: arrays.U8Array
    ipat: NDArray[np.bool_]
    misconfigured: NDArray[np.int64]


def ept_decode(eptes: Any) -> EptLeaves:
    """Types, IPAT and misconfigured leaves of an array of EPT leaves.

    Examples
    --------
    >>> leaves = ept_decode([0x37, 0x77, 0x17, 0x3F])
    >>> leaves.ipat.tolist(), leaves.misconfigured.tolist()
    ([False, True, False, False], [2, 3])
    """
    given = arrays.uint64(eptes, "eptes")
    types = np.asarray(ept_types(given))
    ipat = given & np.uint64(rules.EPT_IPAT) != 0
    return EptLeaves(types, np.asarray(ipat), np.flatnonzero(types == MemoryType.UNDEFINED).astype(np.int64))


def ept_misconfigured(eptes: Any, level: int = 1) -> NDArray[np.int64]:
    """Where in a table of EPT entries the memory-type bits are a misconfiguration (SDM 3C 29.3.3.1).

    Parameters
    ----------
    eptes : array-like of unsigned integers
        Entries of one level, leaves or not. Those that are not present (bits 2:0 = 0) are passed over.
    level : {1, 2, 3, 4, 5}
        1: every entry is a leaf. 2 and 3: those with bit 7. 4 and 5: none. A leaf may not hold type 2, 3 or 7;
        in an entry that points to a table bits 6:3 must be 0.

    Returns
    -------
    int64 array of flat indexes, ascending.

    Examples
    --------
    >>> ept_misconfigured([0x37, 0x3F, 0x18, 0x17]).tolist(), ept_misconfigured([0xB7, 0x37, 0x07], level=2).tolist()
    ([1, 3], [1])
    """
    level = arguments.choice(level, range(1, 6), "level", "EPT has levels 1 to 5")
    given = arrays.uint64(eptes, "eptes").ravel()
    large = given & np.uint64(rules.PTE_PS) != 0
    leaf = np.full(given.shape, level == 1) | (large & (level in (2, 3)))
    pointing = given & np.uint64(rules.EPT_TYPE_FIELD | rules.EPT_IPAT) != 0
    wrong = np.where(leaf, ept_types(given) == MemoryType.UNDEFINED, pointing)
    return np.flatnonzero(wrong & (given & np.uint64(7) != 0)).astype(np.int64)


def ept_walk_type(eptp: int, cr0_cd: bool = False) -> MemoryType:
    """The type with which the processor reads the EPT structures: bits 2:0 of EPTP, or UC with CR0.CD = 1.

    UNDEFINED for a value with which VM entry fails (`eptp_valid`).

    Examples
    --------
    >>> ept_walk_type(0x10001E), ept_walk_type(0x10001E, cr0_cd=True)
    (<MemoryType.WB: 6>, <MemoryType.UC: 0>)
    """
    off = arguments.flag(cr0_cd, "cr0_cd")
    if not eptp_valid(eptp):
        return MemoryType.UNDEFINED
    return MemoryType.UC if off else MemoryType(arguments.word(eptp, "eptp") & rules.EPTP_TYPE)


def eptp_valid(eptp: int, ept_vpid_cap: int | None = None) -> bool:
    """Whether VM entry takes the memory type in bits 2:0 of an EPT pointer: 0 (UC) or 6 (WB).

    With IA32_VMX_EPT_VPID_CAP given, its bit 8 (UC) or 14 (WB) must allow the type.

    Examples
    --------
    >>> eptp_valid(0x10001E), eptp_valid(0x10001C), eptp_valid(0x100018, ept_vpid_cap=1 << 14)
    (True, False, False)
    """
    needed = rules.EPTP_TYPE_CAPS.get(arguments.word(eptp, "eptp") & rules.EPTP_TYPE)
    allowed = None if ept_vpid_cap is None else arguments.word(ept_vpid_cap, "ept_vpid_cap")
    return needed is not None and (allowed is None or bool(allowed & needed))


def effective_ept_types(
    eptes: Any,
    ptes: Any,
    pat: Pat | int | str | None = None,
    level: int = 1,
    cr0_cd: bool = False,
    out: arrays.U8Array | None = None,
    threads: int = 1,
) -> Any:
    """Effective types of guest accesses from EPT leaves and guest entries, in one pass without temporaries.

    Parameters
    ----------
    eptes, ptes : int or array-like of unsigned integers, of one shape
        The EPT leaf and the guest's leaf of each access.
    pat : Pat, value or name of a layout
        The guest's IA32_PAT. Default: the reset value.
    level : {1, 2, 3}
        Level of the *guest's* leaves: 1: 4 KiB, 2: 2 or 4 MiB, 3: 1 GiB.
    cr0_cd : bool
        CR0.CD of the processor.
    out : uint8 array of the same shape, optional
        Written and returned.
    threads : int
        How many threads may share arrays of some millions of entries.

    Returns
    -------
    uint8 array, UNDEFINED where the EPT leaf is misconfigured; a `MemoryType` for single values. Equal to
    ``effective_ept(types, ipat, pat.types_of(ptes, level), cr0_cd)`` of the decoded leaves.

    Examples
    --------
    >>> effective_ept_types([0x37, 0x77, 0x17], [0x0F, 0x0F, 0x0F], "linux").tolist()
    [1, 6, 10]
    """
    check_level(level)
    single = out is None and arguments.is_scalar(eptes) and arguments.is_scalar(ptes)
    leaves, entries = same_shape(arrays.uint64(eptes, "eptes"), arrays.uint64(ptes, "ptes"), "eptes", "ptes")
    out = arrays.output(out, entries.shape, arrays.U8, leaves, entries)
    written = arrays.contiguous(out)
    kernel = partial(backends.active.effective_ept_types, as_pat(pat).value, level, arguments.flag(cr0_cd, "cr0_cd"))
    parallel.elementwise(kernel, (leaves, entries, written), threads)
    found = arrays.deliver(written, out)
    return MemoryType(int(found)) if single else found
