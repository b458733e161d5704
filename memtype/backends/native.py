"""The C core behind the same functions; the only module that imports the extension.

Each wrapper is: make the pointers, call, translate the status. Nothing else touches `lib`.
"""

from __future__ import annotations

from typing import Any

from memtype import arrays, rules
from memtype._native import ffi, lib
from memtype.backends import reference
from memtype.backends.reference import Registers

name = "native"

_FAULTS = {
    lib.MEMTYPE_MSR_UNKNOWN: "unknown",
    lib.MEMTYPE_MSR_READ_ONLY: "read-only",
    lib.MEMTYPE_MSR_TYPE: "type",
    lib.MEMTYPE_MSR_RESERVED: "reserved",
}
_FIRST_CAPACITY = 512  # segments; every real machine fits


def registers(s: Registers) -> Any:
    """The C struct of a register file, made once and kept in the immutable state."""
    made = getattr(s, "_native", None)
    if made is None:
        made = _make_registers(s)
        if hasattr(s, "_native"):
            object.__setattr__(s, "_native", made)
    return made


def _make_registers(s: Registers) -> Any:
    made = ffi.new("memtype_mtrrs *")
    made.def_type = s.def_type
    made.fixed = list(s.fixed)
    made.cap = rules.MTRRCAP_FIX if s.has_fixed else 0
    made.syscfg, made.tom2 = s.syscfg, s.tom2
    made.vendor = lib.MEMTYPE_AMD if s.vendor == "amd" else lib.MEMTYPE_INTEL
    made.maxphyaddr = s.maxphyaddr
    made.variable_count = len(s.variable)
    for n, (base, mask) in enumerate(s.variable):
        made.base[n] = base
        made.mask[n] = mask
    return made


def msr_fault(index: int, value: int, maxphyaddr: int, vendor: str) -> tuple[str, int] | None:
    bit = ffi.new("uint32_t *")
    vendor_id = lib.MEMTYPE_AMD if vendor == "amd" else lib.MEMTYPE_INTEL
    fault = lib.memtype_msr_fault(index, value, maxphyaddr, vendor_id, bit)
    return None if fault == lib.MEMTYPE_MSR_VALID else (_FAULTS[fault], bit[0])


def at(s: Registers, address: int) -> int:
    if not 0 <= address < 1 << s.maxphyaddr:
        raise arrays.address_beyond(address, s.maxphyaddr)
    kind: int = lib.memtype_at(registers(s), address)
    return kind


def resolve(s: Registers) -> tuple[list[int], list[int]]:
    for capacity in (_FIRST_CAPACITY, rules.MAP_SEGMENT_LIMIT):
        bases = ffi.new("uint64_t[]", capacity)
        kinds = ffi.new("uint8_t[]", capacity)
        count = ffi.new("size_t *")
        if lib.memtype_resolve(registers(s), bases, kinds, capacity, count) == lib.MEMTYPE_OK:
            return ffi.unpack(bases, count[0]), ffi.unpack(kinds, count[0])
    raise reference.shattered()


def types(s: Registers, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    index = ffi.new("size_t *")
    if lib.memtype_types(registers(s), _in(addresses), addresses.size, _out(out), index):
        raise _refused(addresses, index[0], s.maxphyaddr)


def page_types(s: Registers, first_gfn: int, out: arrays.U8Array) -> None:
    pages = 1 << (s.maxphyaddr - rules.PAGE_SHIFT)
    if out.size and not 0 <= first_gfn <= pages - out.size:
        bad = first_gfn if first_gfn < 0 else max(first_gfn, pages)
        raise arrays.address_beyond(bad << rules.PAGE_SHIFT, s.maxphyaddr, bad - first_gfn)
    lib.memtype_page_types(registers(s), first_gfn, out.size, _out(out))


def map_types(
    bases: arrays.U64Array, kinds: arrays.U8Array, maxphyaddr: int, addresses: arrays.U64Array, out: arrays.U8Array
) -> None:
    index = ffi.new("size_t *")
    status = lib.memtype_map_types(
        _in(bases), ffi.from_buffer("uint8_t[]", kinds), bases.size, maxphyaddr,
        _in(addresses), addresses.size, _out(out), index,
    )  # fmt: skip
    if status:
        raise _refused(addresses, index[0], maxphyaddr)


def _in(array: arrays.U64Array) -> Any:
    return ffi.from_buffer("uint64_t[]", array)


def _out(array: arrays.U8Array) -> Any:
    return ffi.from_buffer("uint8_t[]", array, True)


def _refused(addresses: arrays.U64Array, index: int, maxphyaddr: int) -> Exception:
    return arrays.address_beyond(int(addresses.reshape(-1)[index]), maxphyaddr, index)


# --- IA32_PAT and page-table entries --------------------------------------------------------------------------


def _vendor(vendor: str) -> int:
    kind: int = lib.MEMTYPE_AMD if vendor == "amd" else lib.MEMTYPE_INTEL
    return kind


def _bytes(array: arrays.U8Array) -> Any:
    return ffi.from_buffer("uint8_t[]", array)


def _step(array: arrays.U8Array, out: arrays.U8Array) -> int:
    """0 where one element stands for all of `out`."""
    return int(array.size == out.size)


def pat_valid(pat: int) -> bool:
    return bool(lib.memtype_pat_valid(pat))


def pat_valids(pats: arrays.U64Array, out: arrays.U8Array) -> None:
    lib.memtype_pat_valids(_in(pats), pats.size, _out(out))


def pat_index(pte: int, level: int) -> int:
    index: int = lib.memtype_pat_index(pte, level)
    return index


def pat_indexes(level: int, ptes: arrays.U64Array, out: arrays.U8Array) -> None:
    lib.memtype_pat_indexes(level, _in(ptes), ptes.size, _out(out))


def pat_types(pat: int, level: int, ptes: arrays.U64Array, out: arrays.U8Array) -> None:
    lib.memtype_pat_types(pat, level, _in(ptes), ptes.size, _out(out))


# --- effective types --------------------------------------------------------------------------------------------

_MTRR, _PAT = rules.MTRR_INPUTS, rules.PAT_INPUTS


def _code(code: int) -> int:
    return code if 0 <= code < 16 else 16  # what C refuses too, and a uint32_t


def _kind(found: int, *seats: tuple[frozenset[int], int, str]) -> int:
    """What C found, or the refusal of the input that is none."""
    if found < 0:
        for legal, code, what in seats:
            arrays.refuse_type(legal, code, what)
    return found


def _done(status: int, *seats: tuple[frozenset[int], arrays.U8Array, str]) -> None:
    if status:
        for legal, array, what in seats:
            arrays.refuse_types(legal, array, what)


def effective(vendor: str, cr0_cd: bool, mtrr: int, pat: int) -> int:
    found = lib.memtype_effective(_vendor(vendor), cr0_cd, _code(mtrr), _code(pat))
    return _kind(found, (_MTRR, mtrr, "mtrr"), (_PAT, pat, "pat"))


def effective_pcd_pwt(vendor: str, mtrr: int, pcd: bool, pwt: bool) -> int:
    return _kind(lib.memtype_effective_pcd_pwt(_vendor(vendor), _code(mtrr), pcd, pwt), (_MTRR, mtrr, "mtrr"))


def effective_ept(kind: int, ipat: bool, pat: int, cr0_cd: bool) -> int:
    found = lib.memtype_effective_ept(_code(kind), ipat, _code(pat), cr0_cd)
    return _kind(found, (_MTRR, kind, "ept_type"), (_PAT, pat, "pat"))


def effective_npt(guest: int, host: int, mtrr: int, snp: bool, cr0_cd: bool) -> int:
    found = lib.memtype_effective_npt(_code(guest), _code(host), _code(mtrr), snp, cr0_cd)
    return _kind(found, (_PAT, guest, "guest_pat"), (_PAT, host, "host_pat"), (_MTRR, mtrr, "mtrr"))


def effective_array(vendor: str, cr0_cd: bool, mtrr: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array) -> None:
    status = lib.memtype_effective_array(
        _vendor(vendor), cr0_cd, _bytes(mtrr), _step(mtrr, out), _bytes(pat), _step(pat, out),
        out.size, _out(out), ffi.new("size_t *"),
    )  # fmt: skip
    _done(status, (_MTRR, mtrr, "mtrr"), (_PAT, pat, "pat"))


def effective_ept_array(
    cr0_cd: bool, kind: arrays.U8Array, ipat: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array
) -> None:
    status = lib.memtype_effective_ept_array(
        cr0_cd, _bytes(kind), _step(kind, out), _bytes(ipat), _step(ipat, out), _bytes(pat), _step(pat, out),
        out.size, _out(out), ffi.new("size_t *"),
    )  # fmt: skip
    _done(status, (_MTRR, kind, "ept_type"), (_PAT, pat, "pat"))


def effective_npt_array(
    snp: bool, cr0_cd: bool, guest: arrays.U8Array, host: arrays.U8Array, mtrr: arrays.U8Array, out: arrays.U8Array
) -> None:
    status = lib.memtype_effective_npt_array(
        snp, cr0_cd, _bytes(guest), _step(guest, out), _bytes(host), _step(host, out), _bytes(mtrr), _step(mtrr, out),
        out.size, _out(out), ffi.new("size_t *"),
    )  # fmt: skip
    _done(status, (_PAT, guest, "guest_pat"), (_PAT, host, "host_pat"), (_MTRR, mtrr, "mtrr"))


# --- EPT leaves, and whole pipelines ----------------------------------------------------------------------------


def ept_types(eptes: arrays.U64Array, out: arrays.U8Array) -> None:
    lib.memtype_ept_types(_in(eptes), eptes.size, _out(out), ffi.new("size_t *"))


def effective_types(
    s: Registers, pat: int, level: int, addresses: arrays.U64Array | None, ptes: arrays.U64Array, out: arrays.U8Array
) -> None:
    index = ffi.new("size_t *")
    places = ffi.NULL if addresses is None else _in(addresses)
    status = lib.memtype_effective_types(registers(s), pat, level, places, _in(ptes), ptes.size, _out(out), index)
    if status and addresses is not None:
        raise _refused(addresses, index[0], s.maxphyaddr)


def effective_ept_types(
    pat: int, level: int, cr0_cd: bool, eptes: arrays.U64Array, ptes: arrays.U64Array, out: arrays.U8Array
) -> None:
    lib.memtype_effective_ept_types(pat, level, cr0_cd, _in(eptes), _in(ptes), ptes.size, _out(out))


# --- leaves of a hypervisor's page tables ------------------------------------------------------------------------


def leaf_bits(
    bases: arrays.U64Array, bits: arrays.U64Array, maxphyaddr: int, gfns: arrays.U64Array, out: arrays.U64Array
) -> None:
    index = ffi.new("size_t *")
    status = lib.memtype_leaf_bits(
        _in(bases), _in(bits), bases.size, maxphyaddr, _in(gfns), gfns.size, _out64(out), index
    )
    if status:
        raise _gfn_refused(gfns, index[0], maxphyaddr)


def leaf_fill(
    bases: arrays.U64Array,
    bits: arrays.U64Array,
    field: int,
    maxphyaddr: int,
    gfns: arrays.U64Array,
    sptes: arrays.U64Array,
) -> None:
    index = ffi.new("size_t *")
    status = lib.memtype_leaf_fill(
        _in(bases), _in(bits), bases.size, field, maxphyaddr, _in(gfns), gfns.size, _out64(sptes), index
    )
    if status:
        raise _gfn_refused(gfns, index[0], maxphyaddr)


def _out64(array: arrays.U64Array) -> Any:
    return ffi.from_buffer("uint64_t[]", array, True)


def _gfn_refused(gfns: arrays.U64Array, index: int, maxphyaddr: int) -> Exception:
    return arrays.gfn_beyond(int(gfns.reshape(-1)[index]), maxphyaddr, index)
