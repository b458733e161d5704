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
