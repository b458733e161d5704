"""The C core behind the same functions; the only module that imports the extension.

Each wrapper is: make the pointers, call, translate the status. Nothing else touches `lib`. Where cffi's conversions
would take longer than the answer, `quick.c`, a module in the same file, looks at the arguments itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import TYPE_CHECKING, Any

from memtype import arguments, rules
from memtype._native import ffi, lib
from memtype.backends import reference
from memtype.backends.contract import Fleet, Map
from memtype.backends.reference import Registers
from memtype.errors import AddressError, ArrayError, InputError
from memtype.late import Late

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")

name = "native"

_ABI = 5  # MEMTYPE_ABI of csrc/memtype.h
if getattr(lib, "MEMTYPE_ABI", None) != _ABI:
    found = getattr(lib, "MEMTYPE_ABI", "none")
    raise ImportError(f"memtype._native was built from other sources: its MEMTYPE_ABI is {found}, not {_ABI}")


def _load_quick() -> Any:
    """`quick.c`, which the file of memtype._native holds as a second module."""
    name = "memtype._quick"
    if name not in sys.modules:
        loader = ExtensionFileLoader(name, sys.modules["memtype._native"].__file__ or "")
        spec = spec_from_loader(name, loader)
        assert spec
        sys.modules[name] = module_from_spec(spec)
        loader.exec_module(sys.modules[name])
    return sys.modules[name]


_FAULTS = {
    lib.MEMTYPE_MSR_UNKNOWN: "unknown",
    lib.MEMTYPE_MSR_READ_ONLY: "read-only",
    lib.MEMTYPE_MSR_TYPE: "type",
    lib.MEMTYPE_MSR_RESERVED: "reserved",
}

_ISAS = {
    "portable": lib.MEMTYPE_PORTABLE,
    "ssse3": lib.MEMTYPE_SSSE3,
    "avx2": lib.MEMTYPE_AVX2,
    "avx512": lib.MEMTYPE_AVX512,
    "neon": lib.MEMTYPE_NEON,
}


def isas() -> list[str]:
    """The instruction sets that can run here, weakest first; MEMTYPE_ISA takes any of them."""
    return [known for known, number in _ISAS.items() if lib.memtype_isa_supported(number)]


def _choose_isa(wanted: str) -> tuple[str, str | None]:
    """The set to run, and why it is not the one that was asked for."""
    found = isas()
    if not wanted or wanted in found:
        return wanted or found[-1], None
    if wanted not in _ISAS:
        return found[-1], f"MEMTYPE_ISA={ascii(wanted)[1:-1]:.40}: not one of {', '.join(_ISAS)}"
    return found[-1], f"MEMTYPE_ISA={wanted}: not on this machine, which runs {', '.join(found)}"


isa, refused = _choose_isa(os.environ.get("MEMTYPE_ISA", ""))
_isa = _ISAS[isa]


@contextmanager
def running(wanted: str) -> Iterator[None]:
    """This process runs another of `isas()` meanwhile; for checks, by one thread. What a state or a map made ready
    before stays as it is, so new ones are to be asked."""
    global _isa, _granules_from, _map_granules_from
    before = _isa, _granules_from, _map_granules_from
    _isa, _granules_from = _ISAS[wanted], _GRANULES_FROM[wanted]
    _map_granules_from = _MAP_GRANULES_FROM.get(wanted, 65)
    try:
        yield
    finally:
        _isa, _granules_from, _map_granules_from = before


# Structs that C fills come from here: what C does not write, nobody reads.
_new = ffi.new_allocator(should_clear_after_alloc=False)
_from, _NULL = ffi.from_buffer, ffi.NULL
_U64S, _U8S = ffi.typeof("uint64_t[]"), ffi.typeof("uint8_t[]")
_MTRRS = ffi.typeof("memtype_mtrrs *")
_TABLES, _MAP = ffi.typeof("memtype_tables *"), ffi.typeof("memtype_map *")
_GRANULES = ffi.typeof("memtype_granules *")
_SIZE = ffi.typeof("size_t *")
_ADDRESS = ffi.typeof("uintptr_t")
_TYPES, _HISTOGRAM = (  # this core's: tests load others
    int(ffi.cast(_ADDRESS, ffi.addressof(lib, function))) for function in ("memtype_types", "memtype_histogram")
)
_quick = _load_quick()
_pages, _resolve = _quick.pages, _quick.resolve
_NOTHING = (None,)  # the handle of what keeps none
# Addresses a state that pay for its map, which takes 145 ns to make and 5.5 to ask. The registers take 10.6 of 8 pairs,
# where 29 would pay, and 24.6 of 32, where 9 would (Zen 4).
_MAPS_FOR = 16
_LARGE_MAP = 1024  # segments; more than any masks without holes make
# Groups of seven ranges from which on granules are faster than the set's tables: 0.70 ns an address against 2.3 for the
# portable kernel's two ranges and 0.81 for three groups of SSSE3; AVX-512's own 0.20 to 0.40 against 0.35 for four
# (Zen 4); AVX2's own 0.50 against 0.68 for six (Zen 3).
_GRANULES_FROM = {"portable": 1, "ssse3": 3, "avx2": 6, "avx512": 4, "neon": 3}
_granules_from = _GRANULES_FROM[isa]
_BUILD_FOR = 1 << 14  # addresses that pay for granules that are not kept: some 10 us

_MAP_GRANULES_FROM = {"portable": 2}  # segments, else 65: tables of a map have a group for each seven or so
_map_granules_from = _MAP_GRANULES_FROM.get(isa, 65)


# --- handles: the first element tells whose and what kind, and is another in another copy of the core ----------------

# Of a state: (_BARE, registers), later (_READY, registers, tables, what looks addresses up in them). Registers are
# bytes that hold the C struct.
_BARE, _READY = object(), object()


def prepare(s: Registers) -> tuple[Any, ...]:
    """The handle of a state; the tables of the array kernels come when they are first needed."""
    held = _packed(s)
    assert held, "registers that were looked at"
    return _BARE, held


def prepare_at_once(s: Any) -> tuple[Any, ...] | None:
    """`prepare` of registers that are plain, which C sees when it takes them."""
    held = _packed(s)
    return None if held is None or s.maxphyaddr < rules.MIN_MAXPHYADDR else (_BARE, held)


def _packed(s: Any) -> bytes | None:
    held: bytes | None = _quick.registers(
        s.def_type, s.fixed, s.variable, s.maxphyaddr, _AMD if s.vendor == "amd" else _INTEL, s.syscfg, s.tom2, s.cap
    )
    return held


def registers(s: Registers) -> Any:
    """The C struct of a register file; an immutable state keeps it."""
    return _struct(_handle(s)[1])


def _struct(packed: bytes) -> Any:
    return _from(_MTRRS, packed)


def tables(s: Registers) -> Any:
    """The tables of the array kernels (csrc/windows.c), kept likewise."""
    return _ready(s)[2]


def _ready(s: Registers) -> tuple[Any, ...]:
    """The handle of a state with its tables."""
    held = _handle(s)
    if held[0] is _READY:
        return held
    made, mtrrs = _new(_TABLES), _struct(held[1])
    lib.memtype_tables_build(mtrrs, _isa, made)
    if made.groups > 1:
        made = _of_fewer_groups(made, mtrrs)
    if made.groups >= _granules_from:
        made = _with_granules(made, mtrrs)
    return _keep(s, (_READY, held[1], made, _looked_up(made)))


def _looked_up(made: Any) -> Any:
    """Tables as short ways look addresses up in them."""
    return _quick.tables(_TYPES, _HISTOGRAM, int(ffi.cast(_ADDRESS, made)), made)


def _of_fewer_groups(made: Any, mtrrs: Any) -> Any:
    """The tables of the state's map where they have fewer groups: ten ranges that overlap may make seven segments."""
    found, other = _new(_MAP), _new(_TABLES)
    if lib.memtype_resolve_map(mtrrs, found) or lib.memtype_map_tables(
        found, made.maxphyaddr, made.vendor, _isa, other
    ):
        return made
    return other if other.groups < made.groups else made


def _with_granules(made: Any, mtrrs: Any) -> Any:
    """The tables, with the granules of the state's map where it has one that is not shattered."""
    bases, kinds, count = _new(_U64S, _LARGE_MAP), _new(_U8S, _LARGE_MAP), ffi.new(_SIZE)
    if lib.memtype_resolve(mtrrs, bases, kinds, _LARGE_MAP, count):
        return made
    granules = _granules(bases, kinds, count[0], made.maxphyaddr)
    if granules is None:
        return made
    made.granules = granules
    return _keeping(made, granules)


def _keeping(made: Any, granules: Any) -> Any:
    """The tables; the granules live as long."""
    return ffi.gc(made, lambda _, kept=granules: None)


def _granules(bases: Any, kinds: Any, count: int, maxphyaddr: int) -> Any:
    """A map as C looks addresses up in it at one speed for any number of segments, or None where it cannot."""
    made = _new(_GRANULES)
    return None if lib.memtype_granules_build(bases, kinds, count, maxphyaddr, made) else made


def _handle(s: Registers) -> tuple[Any, ...]:
    held: tuple[Any, ...] = getattr(s, "_held", _NOTHING)
    return held if held[0] is _READY or held[0] is _BARE else _keep(s, prepare(s))


def _keep(owner: Any, held: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put a handle into a state or a map; other objects with registers keep none."""
    if hasattr(owner, "_held"):
        object.__setattr__(owner, "_held", held)
    return held


# --- one processor's MTRRs ----------------------------------------------------------------------------------------


_INTEL, _AMD = lib.MEMTYPE_INTEL, lib.MEMTYPE_AMD


def _vendor(vendor: str) -> int:
    kind: int = _AMD if vendor == "amd" else _INTEL
    return kind


def msr_fault(index: int, value: int, maxphyaddr: int, vendor: str) -> tuple[str, int] | None:
    """Why hardware refuses to write `value` to an MSR, and the lowest bit that is at fault; None where it does not."""
    bit = ffi.new("uint32_t *")
    fault = lib.memtype_msr_fault(index, value, maxphyaddr, _vendor(vendor), bit)
    return None if fault == lib.MEMTYPE_MSR_VALID else (_FAULTS[fault], bit[0])


def at(s: Registers, address: int) -> int:
    """The type of one address. Raises `AddressError` for one outside [0, 2**maxphyaddr)."""
    if not 0 <= address < 1 << s.maxphyaddr:
        raise arguments.address_beyond(address, s.maxphyaddr)
    kind: int = lib.memtype_at(registers(s), address)
    return kind


def resolve(s: Registers) -> tuple[list[int], list[int]]:
    """(bases, types) of the segments of [0, 2**maxphyaddr). Raises `ShatteredMapError` where they are too many."""
    held = resolve_packed(s)
    found: tuple[list[int], list[int]] = held[0](held)
    return found


def resolve_packed(s: Registers) -> tuple[Any, ...]:
    """The map as C wrote it: most maps are never taken apart in Python."""
    packed = _handle(s)[1]
    made = _resolve(packed)
    if made is not None:
        return _unpack_struct, made, None, None
    mtrrs = _struct(packed)
    for capacity in (_LARGE_MAP, rules.MAP_SEGMENT_LIMIT):
        bases, kinds, count = _new(_U64S, capacity), _new(_U8S, capacity), ffi.new(_SIZE)
        if lib.memtype_resolve(mtrrs, bases, kinds, capacity, count) == lib.MEMTYPE_OK:
            return _unpack_lists, None, (ffi.unpack(bases, count[0]), ffi.unpack(kinds, count[0])), None
    raise reference.shattered()


# The handle of a map: (how it is taken apart, bytes that hold the C struct or None, lists or None, what looks addresses
# up in it: None as long as nobody asked, _SEARCHED where it has none).
_SEARCHED = object()


def _unpack_struct(held: tuple[Any, ...]) -> tuple[list[int], list[int]]:
    """(bases, types) where the struct holds them."""
    packed = _from(_MAP, held[1])
    return ffi.unpack(packed.bases, packed.count), ffi.unpack(packed.types, packed.count)


def _unpack_lists(held: tuple[Any, ...]) -> tuple[list[int], list[int]]:
    """(bases, types) where the lists do: too many for the struct, or a map that was made in Python."""
    lists: tuple[list[int], list[int]] = held[2]
    return lists


def steps(bases: tuple[int, ...], kinds: tuple[Any, ...], maxphyaddr: int) -> Any:
    """A map as single addresses are looked up in it."""
    return _quick.steps(bases, kinds, maxphyaddr)


def types(s: Registers, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """The type of each address into `out`. Raises `AddressError` for the first that lies outside [0, 2**maxphyaddr)."""
    index = ffi.new(_SIZE)
    if _fit(lib.memtype_types(tables(s), _in(addresses), addresses.size, _out(out), index)):
        raise _refused(addresses, index[0], s.maxphyaddr)


def types_by_set(wanted: str, s: Registers, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """`types` by the kernels of one of `isas()`, whichever this process runs; the addresses are within the width."""
    made = _new(_TABLES)
    lib.memtype_tables_build(registers(s), _ISAS[wanted], made)
    _fit(lib.memtype_types(made, _in(addresses), addresses.size, _out(out), _NULL))


def histogram(s: Registers, addresses: arrays.U64Array, counts: arrays.U64Array) -> None:
    """How many addresses have each type into uint64[16]. Errors are those of `types`."""
    index = ffi.new(_SIZE)
    status = lib.memtype_histogram(tables(s), _in(addresses), addresses.size, _out64(counts), index)
    if _fit(status):
        raise _refused(addresses, index[0], s.maxphyaddr)


def types_at_once(s: Any, addresses: Any, out: Any) -> arrays.U8Array | None:
    """`MtrrState.types` where nothing is odd, in as few steps as there are."""
    if type(addresses) is not np.ndarray:
        return None
    if out is None:
        if addresses.dtype is not arrays.U64:
            return None
        out = np.empty(addresses.shape, arrays.U8)
    held = s._held
    if held[0] is not _READY:
        held = _ready(s)
    return out if held[3].types(addresses, out) else None


def histogram_at_once(s: Any, addresses: Any) -> arrays.U64Array | None:
    """`MtrrState.histogram`."""
    counts: Any = np.empty(16, arrays.U64)
    held = s._held
    if held[0] is not _READY:
        held = _ready(s)
    return counts if held[3].histogram(addresses, counts) else None


def page_types(s: Registers, first_gfn: int, out: arrays.U8Array) -> None:
    """The types of `out.size` pages from `first_gfn` on. Raises `AddressError` where they leave the address space."""
    arguments.refuse_pages(first_gfn, out.size, s.maxphyaddr)
    made = _resolve(_handle(s)[1])
    if made is not None:  # one fill for each segment
        lib.memtype_map_page_types(_from(_MAP, made), s.maxphyaddr, first_gfn, out.size, _out(out))
    else:
        lib.memtype_page_types(tables(s), first_gfn, out.size, _out(out))


def pages_at_once(found: Map, first_gfn: Any, count: Any, out: Any) -> arrays.U8Array | None:
    """`MemoryMap.page_types` of a map that is still packed."""
    held = found._held
    if held[0] is not _unpack_struct or type(count) is not int:
        return None
    if out is None:
        if count >> 24:  # negative, or so much that the careful way costs nothing more
            return None
        out = np.empty(count, arrays.U8)
    return out if _pages(held[1], found.maxphyaddr, first_gfn, count, out) else None


def map_types_at_once(found: Map, addresses: Any, out: Any) -> arrays.U8Array | None:
    """`MemoryMap.types`."""
    if type(addresses) is not np.ndarray:
        return None
    if out is None:
        if addresses.dtype is not arrays.U64:
            return None
        out = np.empty(addresses.shape, arrays.U8)
    held = found._held
    own = held[0] is _unpack_struct or held[0] is _unpack_lists
    ready = held[3] if own and held[3] else _ready_map(found)
    return out if ready is not _SEARCHED and ready.types(addresses, out) else None


def _ready_map(found: Map) -> Any:
    """What looks addresses up in a map, for the map to keep."""
    pointers = _pointers(*found.as_arrays())
    made = _map_tables(*pointers, found.maxphyaddr)
    if made is None or made.groups >= _granules_from:
        made = _granule_tables(*pointers, found.maxphyaddr) or made
    ready = _SEARCHED if made is None else _looked_up(made)
    held = found._held
    own = held[0] is _unpack_struct or held[0] is _unpack_lists
    _keep(found, (*held[:3], ready) if own else (_unpack_lists, None, None, ready))
    return ready


def _granule_tables(bases: Any, kinds: Any, count: int, maxphyaddr: int) -> Any:
    """Tables that hold a map's granules alone, enough for `types`; None where it has none."""
    granules = _granules(bases, kinds, count, maxphyaddr)
    if granules is None:
        return None
    made = _new(_TABLES)
    made.isa, made.maxphyaddr, made.groups, made.granules = _isa, maxphyaddr, 0, granules
    return _keeping(made, granules)


def _map_tables(bases: Any, kinds: Any, count: int, maxphyaddr: int) -> Any:
    """The tables of a map, or None where it has too many segments, or one that begins inside a page."""
    if count > lib.MEMTYPE_MAP_CAPACITY:
        return None
    found, made = _new(_MAP), _new(_TABLES)
    found.count = count
    ffi.memmove(found.bases, bases, count * ffi.sizeof("uint64_t"))
    ffi.memmove(found.types, kinds, count)
    return None if lib.memtype_map_tables(found, maxphyaddr, _INTEL, _isa, made) else made


def _pointers(bases: arrays.U64Array, kinds: arrays.U8Array) -> tuple[Any, Any, int]:
    return _from(_U64S, bases), _from(_U8S, kinds), bases.size


def _fleet(fleet: Fleet) -> Any:
    """The columns as C takes them."""
    made = ffi.new("memtype_fleet *")
    columns = [_in(getattr(fleet, column)) for column in _COLUMNS]
    for column, data in zip(_COLUMNS, columns, strict=True):
        setattr(made, column, data)
    kinds, widths = ffi.from_buffer("uint32_t[]", fleet.vendor), ffi.from_buffer("uint32_t[]", fleet.maxphyaddr)
    made.vendor, made.maxphyaddr = kinds, widths
    made.states, made.pairs = fleet.base.shape
    return made


def fleet_types(fleet: Fleet, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """out[i, j] = type in state i of addresses[i, j], or of addresses[j] where all states share them.

    Raises `AddressError` for the first address beyond its state's width.
    """
    made, index = _fleet(fleet), ffi.new(_SIZE)
    count = addresses.shape[-1]
    step = count if addresses.ndim == 2 else 0
    if _fit(lib.memtype_fleet_types(made, _isa, _in(addresses), step, count, _out(out), index)):
        if index[0] == out.size:
            raise _changed()
        state, place = divmod(index[0], count)
        address = addresses[state, place] if step else addresses[place]
        raise arguments.address_beyond(int(address), int(fleet.maxphyaddr[state]), index[0])


_COLUMNS = ("def_type", "fixed", "base", "mask", "cap", "syscfg", "tom2")


def types_by(fleet: Fleet, ids: Any, addresses: arrays.U64Array, out: arrays.U8Array) -> None:
    """out[i] = type in state ids[i], a uint32 below the fleet's size, of addresses[i].

    Raises `AddressError` for the first address beyond its state's width; then nothing is written.
    """
    made, index, maps = _fleet(fleet), ffi.new(_SIZE), _NULL
    if addresses.size >= _MAPS_FOR * len(fleet):
        maps = _new(ffi.typeof("memtype_map[]"), len(fleet))
        lib.memtype_fleet_maps(made, maps)
    given, states = _in(addresses), ffi.from_buffer("uint32_t[]", ids)
    if _fit(lib.memtype_types_by(made, maps, states, given, addresses.size, _out(out), index)):
        place = index[0]
        raise _refused(addresses, place, int(fleet.maxphyaddr[ids.reshape(-1)[place]]))


def map_types(
    bases: arrays.U64Array, kinds: arrays.U8Array, maxphyaddr: int, addresses: arrays.U64Array, out: arrays.U8Array
) -> None:
    """The types that a map's segments give the addresses; errors are those of `types`."""
    index, pointers = ffi.new(_SIZE), _pointers(bases, kinds)
    given, written, made = _in(addresses), _out(out), None
    if addresses.size >= _BUILD_FOR and bases.size >= _map_granules_from:
        made = _granule_tables(*pointers, maxphyaddr)
    if made:
        status = lib.memtype_types(made, given, addresses.size, written, index)
    else:
        status = lib.memtype_map_types(*pointers, maxphyaddr, _isa, given, addresses.size, written, index)
    if _fit(status):
        raise _refused(addresses, index[0], maxphyaddr)


def _in(array: arrays.U64Array) -> Any:
    return _from(_U64S, array)


def _out(array: arrays.U8Array) -> Any:
    return _from(_U8S, array, True)


def _fit(status: int) -> int:
    """The status, unless it says what `arrays` has seen to: aligned inputs, and an output apart from them."""
    if status == lib.MEMTYPE_EBUFFER:
        raise ArrayError("out overlaps an input, or an array is not aligned")
    return status


def _refused(addresses: arrays.U64Array, index: int, maxphyaddr: int) -> Exception:
    if index == addresses.size:
        return _changed()
    return arguments.address_beyond(int(addresses.reshape(-1)[index]), maxphyaddr, index)


def _changed() -> Exception:
    return AddressError("an address was refused, and another thread changed it before it could be named")


# --- IA32_PAT and page-table entries --------------------------------------------------------------------------


def _bytes(array: arrays.U8Array) -> Any:
    return _from(_U8S, array)


def _step(array: arrays.U8Array, out: arrays.U8Array) -> int:
    """0 where one element stands for all of `out`."""
    return int(array.size == out.size)


def pat_valid(pat: int) -> bool:
    """Whether hardware takes it as IA32_PAT."""
    return bool(lib.memtype_pat_valid(pat))


def pat_valids(pats: arrays.U64Array, out: arrays.U8Array) -> None:
    """1 for each value that hardware takes as IA32_PAT, else 0."""
    _fit(lib.memtype_pat_valids(_in(pats), pats.size, _out(out)))


def pat_index(pte: int, level: int) -> int:
    """The PAT entry, 0 to 7, that a leaf of level 1, 2 or 3 chooses."""
    index: int = lib.memtype_pat_index(pte, level)
    return index


def pat_indexes(level: int, ptes: arrays.U64Array, out: arrays.U8Array) -> None:
    """The PAT entry that each leaf chooses; all are of one level."""
    _fit(lib.memtype_pat_indexes(level, _isa, _in(ptes), ptes.size, _out(out)))


def pat_types(pat: int, level: int, ptes: arrays.U64Array, out: arrays.U8Array) -> None:
    """The type of the PAT entry that each leaf chooses; a reserved one is UNDEFINED."""
    _fit(lib.memtype_pat_types(pat, level, _isa, _in(ptes), ptes.size, _out(out)))


# --- effective types --------------------------------------------------------------------------------------------

_MTRR, _PAT = rules.MTRR_INPUTS, rules.PAT_INPUTS


def _code(code: int) -> int:
    return code if 0 <= code < 16 else 16  # what C refuses too, and a uint32_t


def _kind(found: int, *inputs: tuple[frozenset[int], int, str]) -> int:
    """What C found, or the refusal of the input that is none."""
    if found < 0:
        for legal, code, what in inputs:
            arguments.refuse_type(legal, code, what)
    return found


def _done(status: int, *inputs: tuple[frozenset[int], arrays.U8Array, str]) -> None:
    """Nothing, or the refusal of the first input that has an element that is none."""
    if _fit(status):
        for legal, array, what in inputs:
            arrays.refuse_types(legal, array, what)
        raise InputError("a type was refused, and another thread changed it before it could be named")


def effective(vendor: str, cr0_cd: bool, mtrr: int, pat: int) -> int:
    """The effective type of an MTRR type with a PAT type. Raises `InputError` for what is no input, as all below do."""
    found = lib.memtype_effective(_vendor(vendor), cr0_cd, _code(mtrr), _code(pat))
    return _kind(found, (_MTRR, mtrr, "mtrr"), (_PAT, pat, "pat"))


def effective_pcd_pwt(vendor: str, mtrr: int, pcd: bool, pwt: bool) -> int:
    """... of an MTRR type with PCD and PWT, on a processor without PAT."""
    return _kind(lib.memtype_effective_pcd_pwt(_vendor(vendor), _code(mtrr), pcd, pwt), (_MTRR, mtrr, "mtrr"))


def effective_ept(kind: int, ipat: bool, pat: int, cr0_cd: bool) -> int:
    """... of an EPT type with the guest's PAT type."""
    found = lib.memtype_effective_ept(_code(kind), ipat, _code(pat), cr0_cd)
    return _kind(found, (_MTRR, kind, "ept_type"), (_PAT, pat, "pat"))


def xen_ept_type(guest: int, host: int) -> int:
    """What Xen puts in an EPT leaf that maps RAM: the guest's MTRR type with the host's."""
    found = lib.memtype_xen_ept_type(_code(guest), _code(host))
    return _kind(found, (rules.XEN_INPUTS, guest, "guest"), (rules.XEN_INPUTS, host, "host"))


def effective_npt(guest: int, host: int, mtrr: int, snp: bool, cr0_cd: bool) -> int:
    """The effective type under AMD nested paging: guest PAT type, host PAT type, MTRR type."""
    found = lib.memtype_effective_npt(_code(guest), _code(host), _code(mtrr), snp, cr0_cd)
    return _kind(found, (_PAT, guest, "guest_pat"), (_PAT, host, "host_pat"), (_MTRR, mtrr, "mtrr"))


def effective_array(vendor: str, cr0_cd: bool, mtrr: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array) -> None:
    """`effective` element by element; an input of one element stands for all. So do the two below."""
    status = lib.memtype_effective_array(
        _vendor(vendor), cr0_cd, _bytes(mtrr), _step(mtrr, out), _bytes(pat), _step(pat, out),
        out.size, _out(out), ffi.new(_SIZE),
    )  # fmt: skip
    _done(status, (_MTRR, mtrr, "mtrr"), (_PAT, pat, "pat"))


def effective_ept_array(
    cr0_cd: bool, kind: arrays.U8Array, ipat: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array
) -> None:
    """`effective_ept` element by element."""
    status = lib.memtype_effective_ept_array(
        cr0_cd, _bytes(kind), _step(kind, out), _bytes(ipat), _step(ipat, out), _bytes(pat), _step(pat, out),
        out.size, _out(out), ffi.new(_SIZE),
    )  # fmt: skip
    _done(status, (_MTRR, kind, "ept_type"), (_PAT, pat, "pat"))


def effective_npt_array(
    snp: bool, cr0_cd: bool, guest: arrays.U8Array, host: arrays.U8Array, mtrr: arrays.U8Array, out: arrays.U8Array
) -> None:
    """`effective_npt` element by element."""
    status = lib.memtype_effective_npt_array(
        snp, cr0_cd, _bytes(guest), _step(guest, out), _bytes(host), _step(host, out), _bytes(mtrr), _step(mtrr, out),
        out.size, _out(out), ffi.new(_SIZE),
    )  # fmt: skip
    _done(status, (_PAT, guest, "guest_pat"), (_PAT, host, "host_pat"), (_MTRR, mtrr, "mtrr"))


# --- EPT leaves, and whole pipelines ----------------------------------------------------------------------------


def ept_types(eptes: arrays.U64Array, out: arrays.U8Array) -> None:
    """The type in bits 5:3 of each EPT leaf; a misconfigured one is UNDEFINED."""
    _fit(lib.memtype_ept_types(_isa, _in(eptes), eptes.size, _out(out), _NULL))


def effective_types(
    s: Registers, pat: int, level: int, addresses: arrays.U64Array | None, ptes: arrays.U64Array, out: arrays.U8Array
) -> None:
    """The effective type of an access to each address through its leaf; without addresses, to the page it maps.

    Raises `AddressError` for the first address outside [0, 2**maxphyaddr).
    """
    index = ffi.new(_SIZE)
    places = _NULL if addresses is None else _in(addresses)
    status = lib.memtype_effective_types(tables(s), pat, level, places, _in(ptes), ptes.size, _out(out), index)
    if _fit(status) and addresses is not None:
        raise _refused(addresses, index[0], s.maxphyaddr)


def effective_ept_types(
    pat: int, level: int, cr0_cd: bool, eptes: arrays.U64Array, ptes: arrays.U64Array, out: arrays.U8Array
) -> None:
    """The effective type of a guest access through each EPT leaf and guest leaf."""
    _fit(lib.memtype_effective_ept_types(pat, level, cr0_cd, _isa, _in(eptes), _in(ptes), ptes.size, _out(out)))


# --- leaves of a hypervisor's page tables ------------------------------------------------------------------------


def leaf_bits(
    bases: arrays.U64Array, bits: arrays.U64Array, maxphyaddr: int, gfns: arrays.U64Array, out: arrays.U64Array
) -> None:
    """The bits that a map of gfns gives each gfn. Raises `AddressError` for the first one beyond the map's end."""
    index = ffi.new(_SIZE)
    status = lib.memtype_leaf_bits(
        _in(bases), _in(bits), bases.size, maxphyaddr, _isa, _in(gfns), gfns.size, _out64(out), index
    )
    if _fit(status):
        raise _gfn_refused(gfns, index[0], maxphyaddr)


def leaf_fill(
    bases: arrays.U64Array,
    bits: arrays.U64Array,
    field: int,
    maxphyaddr: int,
    gfns: arrays.U64Array,
    sptes: arrays.U64Array,
) -> None:
    """The same into the bits of `field` of existing leaves; their other bits stay."""
    index = ffi.new(_SIZE)
    status = lib.memtype_leaf_fill(
        _in(bases), _in(bits), bases.size, field, maxphyaddr, _isa, _in(gfns), gfns.size, _out64(sptes), index
    )
    if _fit(status):
        raise _gfn_refused(gfns, index[0], maxphyaddr)


def _out64(array: arrays.U64Array) -> Any:
    return ffi.from_buffer("uint64_t[]", array, True)


def _gfn_refused(gfns: arrays.U64Array, index: int, maxphyaddr: int) -> Exception:
    if index == gfns.size:
        return _changed()
    return arguments.gfn_beyond(int(gfns.reshape(-1)[index]), maxphyaddr, index)
