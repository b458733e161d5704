"""The type that an access really gets: MTRR and PAT type combined, without EPT (for that see `memtype.ept`).

An MTRR type may be UNDEFINED or MIXED, as lookups answer. The result is then what all five MTRR types agree on
(PAT WC gives WC), and where they do not agree UNDEFINED or MIXED itself. NOT_TOLD may be any input: it stands for every
type that may be there, and the result is what all of them give, else NOT_TOLD. A reserved encoding gives UNDEFINED: 2,
3, UC- as an MTRR type, and UNDEFINED as a PAT type. What can be no input is refused: CD and WC+ are results only,
MIXED is no PAT type, 13 and above are nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, overload

from memtype import arguments, backends, parallel, rules
from memtype.errors import ArrayError
from memtype.late import Late
from memtype.mtrr import MtrrState, vendor_name
from memtype.pat import Pat, as_pat, check_level
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")


@overload
def effective(
    mtrr: arguments.Spelled,
    pat: arguments.Spelled,
    vendor: str = ...,
    *,
    cr0_cd: bool = ...,
    cr0_pg: bool = ...,
    out: None = ...,
) -> MemoryType: ...
@overload
def effective(
    mtrr: arguments.Spelled | arrays.Many,
    pat: arrays.Many,
    vendor: str = ...,
    *,
    cr0_cd: bool = ...,
    cr0_pg: bool = ...,
    out: arrays.U8Array | None = ...,
) -> arrays.U8Array: ...
@overload
def effective(
    mtrr: arrays.Many,
    pat: arguments.Spelled | arrays.Many,
    vendor: str = ...,
    *,
    cr0_cd: bool = ...,
    cr0_pg: bool = ...,
    out: arrays.U8Array | None = ...,
) -> arrays.U8Array: ...
@overload
def effective(
    mtrr: Any, pat: Any, vendor: str = ..., *, cr0_cd: bool = ..., cr0_pg: bool = ..., out: arrays.U8Array | None = ...
) -> Any: ...
def effective(
    mtrr: Any,
    pat: Any,
    vendor: str = "intel",
    *,
    cr0_cd: bool = False,
    cr0_pg: bool = True,
    out: arrays.U8Array | None = None,
) -> Any:
    """Combine MTRR types with PAT types (SDM 3A table 12-7, APM 2 table 7-11).

    Parameters
    ----------
    mtrr : type, or array-like of types
        The MTRR type of the address: `MemoryType`, number or name ("WB").
    pat : type, or array-like of types
        The PAT type of the page; both broadcast.
    vendor : {"intel", "amd"}
        AMD answers CD where types conflict.
    cr0_cd : bool
        CR0.CD. Intel: UC (no-fill mode). AMD: cacheable types become CD.
    cr0_pg : bool
        CR0.PG. Without paging `pat` is not looked at: it is WB, so the MTRR decides.
    out : uint8 array, optional
        Written and returned.

    Returns
    -------
    `MemoryType` for single values, else uint8 array of the broadcast shape.

    Raises
    ------
    InputError
        For a type that cannot be an input (CD, WC+, 13). Nothing is written.
    ArrayError
        For a dtype that is no integer, shapes that do not broadcast, or an unfit `out`.

    Examples
    --------
    >>> effective("UC", "WC"), effective("WP", "UC-"), effective("WP", "UC-", vendor="amd")
    (<MemoryType.WC: 1>, <MemoryType.WC: 1>, <MemoryType.CD: 8>)
    >>> effective([[6], [0]], ["WB", "UC", "WC"]).tolist()
    [[6, 0, 1], [0, 0, 1]]
    >>> effective("?", ["WC", "WB"]).tolist()
    [1, 12]
    """
    maker, cd = vendor_name(vendor), arguments.flag(cr0_cd, "cr0_cd")
    pat = pat if arguments.flag(cr0_pg, "cr0_pg") else paging_off(pat)
    if out is None and arguments.is_scalar(mtrr) and arguments.is_scalar(pat):
        codes = arguments.type_code(mtrr, "mtrr"), arguments.type_code(pat, "pat")
        return arguments.KINDS[backends.active.effective(maker, cd, *codes)]
    inputs = [arrays.type_input(mtrr, rules.MTRR_INPUTS, "mtrr"), arrays.type_input(pat, rules.PAT_INPUTS, "pat")]
    return arrays.combined(backends.active.effective_array, inputs, out, maker, cd)


def paging_off(pat: Any) -> Any:
    """WB in the shape of what would have counted."""
    if arguments.is_scalar(pat):
        return MemoryType.WB
    return np.full(arrays.types(pat, "pat").shape, MemoryType.WB, arrays.U8)


def effective_pcd_pwt(mtrr: Any, pcd: bool, pwt: bool, vendor: str = "intel") -> MemoryType:
    """The type on a processor without PAT (SDM 3A table 12-6), or with AMD's unmodified PAT (APM 2 table 7-8).

    Where the processor has PAT, `effective` is right: the two differ, e.g. for MTRR WC with PWT alone. Intel's
    cells (WC and WP, PCD alone) are model-specific.

    Examples
    --------
    >>> effective_pcd_pwt("WC", pcd=False, pwt=True), effective("WC", "WT")
    (<MemoryType.WC: 1>, <MemoryType.UC: 0>)
    """
    code = arguments.type_code(mtrr, "mtrr")
    bits = arguments.flag(pcd, "pcd"), arguments.flag(pwt, "pwt")
    return arguments.KINDS[backends.active.effective_pcd_pwt(vendor_name(vendor), code, *bits)]


@overload
def effective_npt(
    guest_pat: arguments.Spelled,
    host_pat: arguments.Spelled,
    mtrr: arguments.Spelled,
    snp: bool = ...,
    *,
    cr0_cd: bool = ...,
    out: None = ...,
) -> MemoryType: ...
@overload
def effective_npt(
    guest_pat: arrays.Many,
    host_pat: arguments.Spelled | arrays.Many,
    mtrr: arguments.Spelled | arrays.Many,
    snp: bool = ...,
    *,
    cr0_cd: bool = ...,
    out: arrays.U8Array | None = ...,
) -> arrays.U8Array: ...
@overload
def effective_npt(
    guest_pat: Any, host_pat: Any, mtrr: Any, snp: bool = ..., *, cr0_cd: bool = ..., out: arrays.U8Array | None = ...
) -> Any: ...
def effective_npt(
    guest_pat: Any,
    host_pat: Any,
    mtrr: Any,
    snp: bool = False,
    *,
    cr0_cd: bool = False,
    out: arrays.U8Array | None = None,
) -> Any:
    """Combine guest PAT, host PAT and MTRR types under AMD nested paging (APM 2 15.25.8).

    Parameters
    ----------
    guest_pat, host_pat : type, or array-like of types
        The PAT types that the guest's entry and the nested entry choose.
    mtrr : type, or array-like of types
        The MTRR type of the *system physical* address.
    snp : bool
        An SNP-active guest: UC becomes CD, WC becomes WC+ (APM 2 15.36.14).
    cr0_cd : bool
        CR0.CD of guest or host: cacheable types become CD.
    out : uint8 array, optional
        Written and returned.

    Returns
    -------
    `MemoryType` for single values, else uint8 array of the broadcast shape. One cell of the manual's table is
    uncertain: guest WB over host UC- counts as UC here, which matters only where the MTRR is WC.

    Examples
    --------
    >>> effective_npt("WC", "WB", "WB"), effective_npt("WC", "WB", "UC"), effective_npt("WB", "WB", "WB")
    (<MemoryType.WC_PLUS: 9>, <MemoryType.WC: 1>, <MemoryType.WB: 6>)
    """
    context = arguments.flag(snp, "snp"), arguments.flag(cr0_cd, "cr0_cd")
    if out is None and arguments.is_scalar(guest_pat) and arguments.is_scalar(host_pat) and arguments.is_scalar(mtrr):
        codes = (
            arguments.type_code(guest_pat, "guest_pat"),
            arguments.type_code(host_pat, "host_pat"),
            arguments.type_code(mtrr, "mtrr"),
        )
        return arguments.KINDS[backends.active.effective_npt(*codes, *context)]
    inputs = [
        arrays.type_input(guest_pat, rules.PAT_INPUTS, "guest_pat"),
        arrays.type_input(host_pat, rules.PAT_INPUTS, "host_pat"),
        arrays.type_input(mtrr, rules.MTRR_INPUTS, "mtrr"),
    ]
    return arrays.combined(backends.active.effective_npt_array, inputs, out, *context)


def effective_types(
    state: MtrrState,
    addresses: Any,
    ptes: Any,
    pat: Pat | int | str | None = None,
    level: int = 1,
    out: arrays.U8Array | None = None,
    threads: int = 1,
) -> Any:
    """Effective types from registers and page-table entries, in one pass without temporaries.

    Parameters
    ----------
    state : MtrrState
        The MTRRs; its vendor chooses the table.
    addresses : int or array-like of unsigned integers, or None
        Physical addresses. None: the first byte of the page that each entry maps (bits MAXPHYADDR-1:12, 21 or 30
        of the entry). A large page over several MTRR types is undefined on hardware: ask `large_page`.
    ptes : int or array-like of unsigned integers, of the shape of `addresses`
        Leaves of `level`.
    pat : Pat, value or name of a layout
        Default: the reset value.
    level : {1, 2, 3}
        1: 4 KiB, 2: 2 or 4 MiB, 3: 1 GiB.
    out : uint8 array of the same shape, optional
        Written and returned. After an `AddressError` nothing is written to it up to 4096 entries; of a larger one
        the contents are then unspecified.
    threads : int
        How many threads may share arrays of some millions of entries.

    Returns
    -------
    uint8 array; a `MemoryType` for single values. Equal to
    ``effective(state.types(addresses), pat.types_of(ptes, level), state.vendor)``.

    Raises
    ------
    AddressError
        For the first address at or above 2**maxphyaddr; `.index` is its flat place.

    Examples
    --------
    >>> s = MtrrState(0x806, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40)
    >>> effective_types(s, None, [0x80000083, 0x8000008B, 0x1000], "linux").tolist()
    [0, 0, 6]
    """
    check_level(level)
    arguments.given(state, MtrrState, "state")
    single = out is None and arguments.is_scalar(ptes) and (addresses is None or arguments.is_scalar(addresses))
    entries = arrays.uint64(ptes, "ptes")
    places = None if addresses is None else arrays.uint64(addresses)
    if places is not None:
        places, entries = same_shape(places, entries, "addresses", "ptes")
    inputs = [entries] if places is None else [entries, places]
    out = arrays.output(out, entries.shape, arrays.U8, *inputs)
    written = arrays.contiguous(out)
    kernel = partial(backends.active.effective_types, state, as_pat(pat).value, level)
    parallel.elementwise(kernel, (places, entries, written), threads)
    found = arrays.deliver(written, out)
    return MemoryType(int(found)) if single else found


def same_shape(
    a: arrays.U64Array, b: arrays.U64Array, a_name: str, b_name: str
) -> tuple[arrays.U64Array, arrays.U64Array]:
    """Both broadcast to one shape; arrays that have it already are not copied."""
    if a.shape == b.shape:
        return a, b
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ArrayError(f"{a_name} of shape {a.shape} and {b_name} of shape {b.shape} do not broadcast") from None
    first, second = (array if array.shape == shape else np.broadcast_to(array, shape).copy() for array in (a, b))
    return first, second
