"""The fallback: arrays on top of the reference, one element at a time where nothing better is plain."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from memtype import arguments, arrays, rules
from memtype.backends import reference
from memtype.backends.contract import Fleet, Map
from memtype.backends.reference import Registers, msr_fault, pat_index, pat_valid

__all__ = [
    "at", "effective", "effective_array", "effective_ept", "effective_ept_array", "effective_ept_types",
    "effective_npt", "effective_npt_array", "effective_pcd_pwt", "effective_types", "ept_types", "fleet_types",
    "histogram", "histogram_at_once", "isa", "leaf_bits", "leaf_fill", "map_types", "map_types_at_once",
    "msr_fault", "name", "page_types", "pages_at_once",
    "pat_index", "pat_indexes", "pat_types", "pat_valid", "pat_valids", "prepare", "prepare_at_once", "resolve",
    "resolve_packed", "steps", "types", "types_at_once", "types_by", "xen_ept_type",
]  # fmt: skip

name = "python"
isa = "none"  # no instruction set but the interpreter's


def prepare(s: Registers) -> tuple[Any, ...]:
    """A state keeps nothing for this backend."""
    return (None,)


def prepare_at_once(s: Any) -> tuple[Any, ...] | None:
    """No short way: registers are looked at one by one."""
    return None


class Steps:
    """Where the type of a map changes, and the type before each such place and behind the last; None is "outside"."""

    __slots__ = ("_bases", "_kinds")

    def __init__(self, bases: tuple[int, ...], kinds: tuple[Any, ...], maxphyaddr: int) -> None:
        self._bases, self._kinds = [*bases, 1 << maxphyaddr], [None, *kinds, None]

    def at(self, address: Any) -> Any:
        return self._kinds[bisect_right(self._bases, address)] if type(address) is int else None


steps = Steps


def types_at_once(s: Registers, addresses: Any, out: Any) -> arrays.U8Array | None:
    """The short way for plain arrays, which this backend has not: None, and nothing written."""
    return None


def histogram_at_once(s: Registers, addresses: Any) -> arrays.U64Array | None:
    """Likewise for `MtrrState.histogram`."""
    return None


def map_types_at_once(found: Map, addresses: Any, out: Any) -> arrays.U8Array | None:
    """Likewise for `MemoryMap.types`."""
    return None


def pages_at_once(found: Map, first_gfn: Any, count: Any, out: Any) -> arrays.U8Array | None:
    """Likewise for pages in a row."""
    return None


def resolve_packed(s: Registers) -> tuple[Any, ...]:
    return unpack, resolve(s)


def unpack(held: tuple[Any, ...]) -> tuple[list[int], list[int]]:
    """The lists in the handle of a map."""
    lists: tuple[list[int], list[int]] = held[1]
    return lists


def at(s: Registers, address: int) -> int:
    if not 0 <= address < 1 << s.maxphyaddr:
        raise arguments.address_beyond(address, s.maxphyaddr)
    return reference.at(s, address)


def types(s: Registers, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """Each page asked of the reference once: bits 11:0 never matter."""
    arrays.refuse_addresses(addresses, s.maxphyaddr)
    pages, places = np.unique(addresses.reshape(-1) >> np.uint64(rules.PAGE_SHIFT), return_inverse=True)
    answers = [reference.at(s, int(page) << rules.PAGE_SHIFT) for page in pages]
    out.reshape(-1)[:] = np.array(answers, arrays.U8)[places] if answers else 0


def histogram(s: Registers, addresses: arrays.U64Array, counts: arrays.U64Array) -> None:
    """The types, counted."""
    found = np.empty(addresses.size, arrays.U8)
    types(s, addresses.reshape(-1), found)
    counts[:] = np.bincount(found, minlength=16)


def types_by(fleet: Fleet, ids: Any, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """State by state, each asked of its own addresses; all are checked before the first is answered."""
    beyond = (addresses >> fleet.maxphyaddr[ids].astype(np.uint64)).reshape(-1) != 0
    if beyond.any():
        place = int(np.argmax(beyond))
        width = int(fleet.maxphyaddr[ids.reshape(-1)[place]])
        raise arguments.address_beyond(int(addresses.reshape(-1)[place]), width, place)
    for number in np.unique(ids).tolist():
        own = ids == number
        found = np.empty(int(own.sum()), arrays.U8)
        types(fleet[number], addresses[own], found)
        out[own] = found


def fleet_types(fleet: Fleet, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """Each state on its own; all addresses are checked before the first is answered."""
    rows = addresses if addresses.ndim == 2 else np.broadcast_to(addresses, out.shape)
    beyond = rows >> fleet.maxphyaddr[:, None].astype(np.uint64) != 0
    if beyond.any():
        place = int(np.argmax(beyond))
        row = place // out.shape[1]
        raise arguments.address_beyond(int(rows.reshape(-1)[place]), int(fleet.maxphyaddr[row]), place)
    for number in range(len(fleet)):
        types(fleet[number], np.ascontiguousarray(rows[number]), out[number])


def page_types(s: Registers, first_gfn: int, out: arrays.U8Array) -> None:
    """One type per 4 KiB page from `first_gfn` on."""
    arguments.refuse_pages(first_gfn, out.size, s.maxphyaddr)
    out[:] = [reference.at(s, gfn << rules.PAGE_SHIFT) for gfn in range(first_gfn, first_gfn + out.size)]


def resolve(s: Registers) -> tuple[list[int], list[int]]:
    """The map as parallel lists: bases, types."""
    segments = reference.resolve(s)
    return [base for base, _ in segments], [int(kind) for _, kind in segments]


def map_types(
    bases: arrays.U64Array, kinds: arrays.U8Array, maxphyaddr: int, addresses: arrays.U64Array, out: arrays.U8Array
) -> None:
    """Look addresses up in a resolved map."""
    arrays.refuse_addresses(addresses, maxphyaddr)
    out[...] = kinds[np.searchsorted(bases, addresses, "right") - 1]


# --- IA32_PAT and page-table entries --------------------------------------------------------------------------


def pat_valids(pats: arrays.U64Array, out: arrays.U8Array) -> None:
    out.reshape(-1)[:] = [reference.pat_valid(int(pat)) for pat in pats.reshape(-1)]


def pat_indexes(level: int, ptes: arrays.U64Array, out: arrays.U8Array) -> None:
    pat_bit = np.uint64(rules.PTE_PAT_4K if level == 1 else rules.PTE_PAT_LARGE)
    pcd_pwt = ptes >> np.uint64(3) & np.uint64(3)
    out[...] = pcd_pwt + np.where(ptes & pat_bit, np.uint64(4), np.uint64(0))


def pat_types(pat: int, level: int, ptes: arrays.U64Array, out: arrays.U8Array) -> None:
    entries = np.array([reference.pat_entry(pat, index) for index in range(8)], arrays.U8)
    indexes = np.empty(ptes.shape, arrays.U8)
    pat_indexes(level, ptes, indexes)
    out[...] = entries[indexes]


# --- effective types: the reference tabulated once, then looked up ------------------------------------------------


def effective(vendor: str, cr0_cd: bool, mtrr: int, pat: int) -> int:
    arguments.refuse_type(rules.MTRR_INPUTS, mtrr, "mtrr")
    arguments.refuse_type(rules.PAT_INPUTS, pat, "pat")
    return reference.effective(vendor, cr0_cd, mtrr, pat)


def effective_pcd_pwt(vendor: str, mtrr: int, pcd: bool, pwt: bool) -> int:
    arguments.refuse_type(rules.MTRR_INPUTS, mtrr, "mtrr")
    return reference.effective_pcd_pwt(vendor, mtrr, pcd, pwt)


def effective_ept(kind: int, ipat: bool, pat: int, cr0_cd: bool) -> int:
    arguments.refuse_type(rules.MTRR_INPUTS, kind, "ept_type")
    arguments.refuse_type(rules.PAT_INPUTS, pat, "pat")
    return reference.effective_ept(kind, ipat, pat, cr0_cd)


def xen_ept_type(guest: int, host: int) -> int:
    arguments.refuse_type(rules.XEN_INPUTS, guest, "guest")
    arguments.refuse_type(rules.XEN_INPUTS, host, "host")
    return reference.xen_ept_type(guest, host)


def effective_npt(guest: int, host: int, mtrr: int, snp: bool, cr0_cd: bool) -> int:
    arguments.refuse_type(rules.PAT_INPUTS, guest, "guest_pat")
    arguments.refuse_type(rules.PAT_INPUTS, host, "host_pat")
    arguments.refuse_type(rules.MTRR_INPUTS, mtrr, "mtrr")
    return reference.effective_npt(guest, host, mtrr, snp, cr0_cd)


@cache
def _plane(function: Callable[..., int], *context: Any) -> arrays.U8Array:
    """uint8[16, 16]: `function(*context, row, column)` for all that may be an input."""
    plane = np.zeros((16, 16), arrays.U8)
    for row in sorted(rules.MTRR_INPUTS):
        for column in sorted(rules.PAT_INPUTS):
            plane[row, column] = function(*context, row, column)
    return plane


def effective_array(vendor: str, cr0_cd: bool, mtrr: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array) -> None:
    """`mtrr` and `pat` have as many elements as `out`, or one; so in the functions below."""
    arrays.refuse_types(rules.MTRR_INPUTS, mtrr, "mtrr")
    arrays.refuse_types(rules.PAT_INPUTS, pat, "pat")
    out.reshape(-1)[:] = _plane(reference.effective, vendor, cr0_cd)[mtrr.reshape(-1), pat.reshape(-1)]


def _ept(cr0_cd: bool, ipat: bool, kind: int, pat: int) -> int:
    return reference.effective_ept(kind, ipat, pat, cr0_cd)


def effective_ept_array(
    cr0_cd: bool, kind: arrays.U8Array, ipat: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array
) -> None:
    arrays.refuse_types(rules.MTRR_INPUTS, kind, "ept_type")
    arrays.refuse_types(rules.PAT_INPUTS, pat, "pat")
    planes = np.stack([_plane(_ept, cr0_cd, False), _plane(_ept, cr0_cd, True)])
    out.reshape(-1)[:] = planes[ipat.reshape(-1), kind.reshape(-1), pat.reshape(-1)]


@cache
def _npt_cube(snp: bool, cr0_cd: bool) -> arrays.U8Array:
    """uint8[16, 16, 16]: guest PAT type, host PAT type, MTRR type."""
    cube = np.zeros((16, 16, 16), arrays.U8)
    for guest in rules.PAT_INPUTS:
        for host in rules.PAT_INPUTS:
            for mtrr in rules.MTRR_INPUTS:
                cube[guest, host, mtrr] = reference.effective_npt(guest, host, mtrr, snp, cr0_cd)
    return cube


def effective_npt_array(
    snp: bool, cr0_cd: bool, guest: arrays.U8Array, host: arrays.U8Array, mtrr: arrays.U8Array, out: arrays.U8Array
) -> None:
    arrays.refuse_types(rules.PAT_INPUTS, guest, "guest_pat")
    arrays.refuse_types(rules.PAT_INPUTS, host, "host_pat")
    arrays.refuse_types(rules.MTRR_INPUTS, mtrr, "mtrr")
    out.reshape(-1)[:] = _npt_cube(snp, cr0_cd)[guest.reshape(-1), host.reshape(-1), mtrr.reshape(-1)]


# --- EPT leaves, and whole pipelines ----------------------------------------------------------------------------


def ept_types(eptes: arrays.U64Array, out: arrays.U8Array) -> None:
    """Bits 5:3, UNDEFINED where misconfigured."""
    kinds = np.array([reference.ept_type(bits << rules.EPT_TYPE_SHIFT) for bits in range(8)], arrays.U8)
    out[...] = kinds[(eptes & np.uint64(rules.EPT_TYPE_FIELD)) >> np.uint64(rules.EPT_TYPE_SHIFT)]


def effective_types(
    s: Registers, pat: int, level: int, addresses: arrays.U64Array | None, ptes: arrays.U64Array, out: arrays.U8Array
) -> None:
    """Registers and entries to effective types; without `addresses` the page's first byte is asked."""
    if addresses is None:
        inside = (1 << rules.LEAF_SHIFTS[level]) - 1
        addresses = ptes & np.uint64(~rules.high_bits(s.maxphyaddr) & ~inside & (1 << 64) - 1)
    mtrr, chosen = np.empty(ptes.shape, arrays.U8), np.empty(ptes.shape, arrays.U8)
    types(s, addresses, mtrr)
    pat_types(pat, level, ptes, chosen)
    effective_array(s.vendor, False, mtrr, chosen, out)


def effective_ept_types(
    pat: int, level: int, cr0_cd: bool, eptes: arrays.U64Array, ptes: arrays.U64Array, out: arrays.U8Array
) -> None:
    """EPT leaves and guest leaves to effective types."""
    kinds, chosen = np.empty(eptes.shape, arrays.U8), np.empty(ptes.shape, arrays.U8)
    ept_types(eptes, kinds)
    pat_types(pat, level, ptes, chosen)
    ipat = (eptes & np.uint64(rules.EPT_IPAT) != 0).astype(arrays.U8)
    effective_ept_array(cr0_cd, kinds, ipat, chosen, out)


# --- leaves of a hypervisor's page tables ------------------------------------------------------------------------


def leaf_bits(
    bases: arrays.U64Array, bits: arrays.U64Array, maxphyaddr: int, gfns: arrays.U64Array, out: arrays.U64Array
) -> None:
    """The leaf bits of each gfn, by a map of gfns."""
    arrays.refuse_gfns(gfns, maxphyaddr)
    out[...] = bits[np.searchsorted(bases, gfns, "right") - 1]


def leaf_fill(
    bases: arrays.U64Array,
    bits: arrays.U64Array,
    field: int,
    maxphyaddr: int,
    gfns: arrays.U64Array,
    sptes: arrays.U64Array,
) -> None:
    """Put the leaf bits of each gfn into `field` of its SPTE, in place."""
    arrays.refuse_gfns(gfns, maxphyaddr)
    wanted = bits[np.searchsorted(bases, gfns, "right") - 1]
    sptes ^= (sptes ^ wanted) & np.uint64(field)
