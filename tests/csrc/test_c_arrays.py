"""What memtype.h says of arrays, asked of every function that takes some: alignment, overlap, NULL, changing input."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from memtype import rules

native = pytest.importorskip("memtype._native", reason="the C core is not built")
ffi, lib = native.ffi, native.lib
ISA = lib.memtype_isa_best()
N = 16  # elements
PART = 2048  # bytes of room for each array
WIDTH = 40


class Array(NamedTuple):
    """An array of `count` elements of `size` bytes."""

    size: int
    count: int = N


def tables() -> Any:
    made = ffi.new("memtype_tables *")
    lib.memtype_tables_build(ffi.new("memtype_mtrrs *", {"maxphyaddr": WIDTH, "def_type": 0x806}), ISA, made)
    return made


def granules() -> Any:
    made = ffi.new("memtype_granules *")
    assert lib.memtype_granules_build([0], b"\6", 1, WIDTH, made) == lib.MEMTYPE_OK
    return made


T, G = tables(), granules()
WORDS, BYTES, SEGMENTS, KINDS = Array(8), Array(1), Array(8, 2), Array(1, 2)
STATES, PAIRS = 4, 3
COLUMNS = {
    "def_type": Array(8, STATES), "fixed": Array(8, STATES * 11), "base": Array(8, STATES * PAIRS),
    "mask": Array(8, STATES * PAIRS), "cap": Array(8, STATES), "syscfg": Array(8, STATES), "tom2": Array(8, STATES),
    "vendor": Array(4, STATES), "maxphyaddr": Array(4, STATES),
}  # fmt: skip


def fleet(a: Any, index: Any) -> int:
    columns = {name: getattr(a, name) for name in COLUMNS}
    made = ffi.new("memtype_fleet *", {"states": STATES, "pairs": PAIRS, **columns})
    each = N // STATES
    return lib.memtype_fleet_types(made, ISA, a.addresses, each, each, a.types, index)


def by_state(a: Any, index: Any) -> int:
    columns = {name: getattr(a, name) for name in COLUMNS}
    made = ffi.new("memtype_fleet *", {"states": STATES, "pairs": PAIRS, **columns})
    return lib.memtype_types_by(made, ffi.NULL, a.ids, a.addresses, N, a.types, index)


class Function(NamedTuple):
    """Inputs, the output, the call; and what makes it name an element: the input, the value, its status."""

    inputs: dict[str, Array]
    output: Array
    call: Callable[[Any, Any], int]
    refuses: tuple[str, int, int] | None = None


BEYOND = 1 << 63
FUNCTIONS = {
    "types": Function({"addresses": WORDS}, BYTES, lambda a, i: lib.memtype_types(T, a.addresses, N, a.types, i),
                      ("addresses", BEYOND, lib.MEMTYPE_EADDRESS)),
    "granules_types": Function(
        {"addresses": WORDS}, BYTES, lambda a, i: lib.memtype_granules_types(G, a.addresses, N, a.types, i),
        ("addresses", BEYOND, lib.MEMTYPE_EADDRESS)),
    "histogram": Function(
        {"addresses": WORDS}, Array(8), lambda a, i: lib.memtype_histogram(T, a.addresses, N, a.types, i),
        ("addresses", BEYOND, lib.MEMTYPE_EADDRESS)),
    "types_by": Function({"ids": Array(4), "addresses": WORDS, **COLUMNS}, BYTES, by_state,
                         ("ids", STATES, lib.MEMTYPE_EREGISTERS)),
    "map_types": Function(
        {"addresses": WORDS, "bases": SEGMENTS, "kinds": KINDS}, BYTES,
        lambda a, i: lib.memtype_map_types(a.bases, a.kinds, 2, WIDTH, ISA, a.addresses, N, a.types, i),
        ("addresses", BEYOND, lib.MEMTYPE_EADDRESS)),
    "fleet_types": Function({"addresses": WORDS, **COLUMNS}, BYTES, fleet,
                            ("addresses", BEYOND, lib.MEMTYPE_EADDRESS)),
    "pat_valids": Function({"pats": WORDS}, BYTES, lambda a, i: lib.memtype_pat_valids(a.pats, N, a.types)),
    "pat_indexes": Function({"ptes": WORDS}, BYTES, lambda a, i: lib.memtype_pat_indexes(1, ISA, a.ptes, N, a.types)),
    "pat_types": Function({"ptes": WORDS}, BYTES, lambda a, i: lib.memtype_pat_types(0, 1, ISA, a.ptes, N, a.types)),
    "ept_types": Function({"eptes": WORDS}, BYTES, lambda a, i: lib.memtype_ept_types(ISA, a.eptes, N, a.types, i),
                          ("eptes", 0x10, lib.MEMTYPE_OK)),
    "effective_types": Function(
        {"addresses": WORDS, "ptes": WORDS}, BYTES,
        lambda a, i: lib.memtype_effective_types(T, 0, 1, a.addresses, a.ptes, N, a.types, i),
        ("addresses", BEYOND, lib.MEMTYPE_EADDRESS)),
    "effective_types of leaves": Function(
        {"ptes": WORDS}, BYTES, lambda a, i: lib.memtype_effective_types(T, 0, 1, ffi.NULL, a.ptes, N, a.types, i)),
    "effective_ept_types": Function(
        {"eptes": WORDS, "ptes": WORDS}, BYTES,
        lambda a, i: lib.memtype_effective_ept_types(0, 1, 0, ISA, a.eptes, a.ptes, N, a.types)),
    "effective_array": Function(
        {"mtrr": BYTES, "pat": BYTES}, BYTES,
        lambda a, i: lib.memtype_effective_array(0, 0, a.mtrr, 1, a.pat, 1, N, a.types, i),
        ("pat", 8, lib.MEMTYPE_ETYPE)),
    "effective_array of one type": Function(
        {"mtrr": Array(1, 1), "pat": BYTES}, BYTES,
        lambda a, i: lib.memtype_effective_array(0, 0, a.mtrr, 0, a.pat, 1, N, a.types, i)),
    "effective_ept_array": Function(
        {"kind": BYTES, "ipat": BYTES, "pat": BYTES}, BYTES,
        lambda a, i: lib.memtype_effective_ept_array(0, a.kind, 1, a.ipat, 1, a.pat, 1, N, a.types, i),
        ("kind", 8, lib.MEMTYPE_ETYPE)),
    "effective_npt_array": Function(
        {"guest": BYTES, "host": BYTES, "mtrr": BYTES}, BYTES,
        lambda a, i: lib.memtype_effective_npt_array(0, 0, a.guest, 1, a.host, 1, a.mtrr, 1, N, a.types, i),
        ("host", 8, lib.MEMTYPE_ETYPE)),
    "leaf_bits": Function(
        {"gfns": WORDS, "bases": SEGMENTS, "bits": SEGMENTS}, WORDS,
        lambda a, i: lib.memtype_leaf_bits(a.bases, a.bits, 2, WIDTH, ISA, a.gfns, N, a.types, i),
        ("gfns", BEYOND, lib.MEMTYPE_EADDRESS)),
    "leaf_fill": Function(
        {"gfns": WORDS, "bases": SEGMENTS, "bits": SEGMENTS}, WORDS,
        lambda a, i: lib.memtype_leaf_fill(a.bases, a.bits, 2, 0x78, WIDTH, ISA, a.gfns, N, a.types, i),
        ("gfns", BEYOND, lib.MEMTYPE_EADDRESS)),
}  # fmt: skip
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
every_input = pytest.mark.parametrize(
    ("function", "given"),
    [pytest.param(f, given, id=f"{name}: {given}") for name, f in FUNCTIONS.items() for given in f.inputs],
)
POINTERS = {1: "uint8_t *", 4: "uint32_t *", 8: "uint64_t *"}


class Room:
    """Memory in which every input has a place of its own, and the output the last."""

    def __init__(self, function: Function) -> None:
        self.function = function
        raw = np.zeros(PART * (len(function.inputs) + 2) + 64, np.uint8)
        self.memory = raw[-raw.ctypes.data % 64 :]
        self.at = {name: PART * (1 + n) for n, name in enumerate(function.inputs)}
        self.out = PART * (1 + len(function.inputs))

    def array(self, name: str) -> Any:
        size, count = self.function.inputs[name]
        return self.memory[self.at[name] :][: size * count].view(f"u{size}")

    def call(self, index: Any = ffi.NULL, **moved: int) -> int:
        """The function with the places `moved`, `out` among them."""
        self.memory[:] = 0
        if "maxphyaddr" in self.at:
            self.array("maxphyaddr")[:] = WIDTH
        return self.again(index, **moved)

    def again(self, index: Any = ffi.NULL, **moved: int) -> int:
        start = self.memory.ctypes.data
        places = {**self.at, **moved}
        pointers = {
            name: ffi.cast(POINTERS[array.size], start + places[name]) for name, array in self.function.inputs.items()
        }
        written = ffi.cast(POINTERS[self.function.output.size], start + moved.get("out", self.out))
        return self.function.call(SimpleNamespace(**pointers, types=written), index)


@every_input
def test_an_output_that_shares_a_byte_with_an_input_is_refused(function: Function, given: str) -> None:
    room, (size, count), least = Room(function), function.inputs[given], function.output.size
    first, end, written = room.at[given], room.at[given] + size * count, least * function.output.count
    for out in (first - written + least, end - least, first):
        before = room.memory.copy() * 0
        if "maxphyaddr" in room.at:
            before[room.at["maxphyaddr"] :][: 4 * STATES].view("u4")[:] = WIDTH
        assert room.call(out=out) == lib.MEMTYPE_EBUFFER
        assert np.array_equal(room.memory, before)
    for out in (first - written, -(-end // least) * least):
        assert room.call(out=out) == lib.MEMTYPE_OK


@every_input
def test_an_array_that_is_not_aligned_to_its_elements_is_refused(function: Function, given: str) -> None:
    room, size = Room(function), function.inputs[given].size
    for by in (1, size // 2, size - 1):
        wanted = lib.MEMTYPE_EBUFFER if by % size else lib.MEMTYPE_OK
        assert room.call(**{given: room.at[given] + by}) == wanted
    assert room.call() == lib.MEMTYPE_OK


@pytest.mark.parametrize("name", ["leaf_bits", "leaf_fill"])
def test_an_output_of_words_is_aligned_too(name: str) -> None:
    room = Room(FUNCTIONS[name])
    for by in (1, 4, 7):
        assert room.call(out=room.out + by) == lib.MEMTYPE_EBUFFER


def test_the_two_outputs_of_a_map_stay_apart() -> None:
    room, count = np.zeros(64, np.uint64), ffi.new("size_t *", 77)
    m = ffi.new("memtype_mtrrs *", {"maxphyaddr": WIDTH})
    bases, start = ffi.cast("uint64_t *", room.ctypes.data), room.ctypes.data
    for place, status in ((7, lib.MEMTYPE_EBUFFER), (63, lib.MEMTYPE_EBUFFER), (64, lib.MEMTYPE_OK)):
        assert lib.memtype_resolve(m, bases, ffi.cast("uint8_t *", start + place), 8, count) == status
        assert count[0] == (77 if status else 1)
    crooked = ffi.cast("uint64_t *", start + 4)
    assert lib.memtype_resolve(m, crooked, ffi.cast("uint8_t *", start + 256), 8, count) == lib.MEMTYPE_EBUFFER


REFUSING = {name: f for name, f in FUNCTIONS.items() if f.refuses}


@pytest.mark.parametrize("function", REFUSING.values(), ids=REFUSING)
def test_the_refused_element_is_named_where_somebody_asks(function: Function) -> None:
    assert function.refuses
    given, value, status = function.refuses
    room, index = Room(function), ffi.new("size_t *", 77)
    for place in (0, 5, N - 1):
        room.call()
        room.array(given)[place] = value
        assert room.again() == status
        index[0] = 77
        assert room.again(index) == status
        assert index[0] == place


@every_function
def test_nothing_needs_an_index(function: Function) -> None:
    assert Room(function).call() == lib.MEMTYPE_OK


# --- input that another thread changes --------------------------------------------------------------------------

MANY = 5_000  # more than MEMTYPE_CHECKED_FIRST: the check rides along, and who refuses looks once more
BEHIND = 4_000  # words that a search finds good, then one that it does not


@contextmanager
def flipping(element: Any, *values: int) -> Iterator[None]:
    """Another thread writes the values to one element, again and again."""
    stop = threading.Event()
    same = np.lib.stride_tricks.as_strided(element, (1 << 18,), (0,), writeable=True)
    alternating = np.resize(np.array(values, element.dtype), same.size)

    def run() -> None:
        while not stop.is_set():
            np.copyto(same, alternating)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def shared(kind: str = "u8", value: int = 0) -> Any:
    """MANY elements, of which the last is to change, and more behind them."""
    made = np.full(MANY + BEHIND + 1, value, kind)
    made[-1] = BEYOND if kind == "u8" else 8
    return made


def pointer(array: Any) -> Any:
    return ffi.cast(POINTERS[array.itemsize], array.ctypes.data)


def changing_fleet(addresses: Any, out: Any, index: Any, n: int, states: int = 1) -> int:
    columns = {name: np.zeros(count, f"u{size}") for name, (size, count) in COLUMNS.items()}
    columns["maxphyaddr"][:] = WIDTH
    made = {"states": states, "pairs": PAIRS, **{name: pointer(column) for name, column in columns.items()}}
    fleet = ffi.new("memtype_fleet *", made)
    return lib.memtype_fleet_types(fleet, ISA, pointer(addresses), n if states == 1 else 0, n, pointer(out), index)


CHANGING: dict[str, Callable[[Any, Any, Any, int], int]] = {
    "types": lambda a, out, i, n: lib.memtype_types(T, pointer(a), n, pointer(out), i),
    "granules_types": lambda a, out, i, n: lib.memtype_granules_types(G, pointer(a), n, pointer(out), i),
    "map_types": lambda a, out, i, n: lib.memtype_map_types(
        [0], b"\6", 1, WIDTH, ISA, pointer(a), n, pointer(out), i),
    "effective_types": lambda a, out, i, n: lib.memtype_effective_types(
        T, 0, 1, pointer(a), pointer(a), n, pointer(out), i),
    "leaf_bits": lambda a, out, i, n: lib.memtype_leaf_bits(
        [0], [0], 1, WIDTH, ISA, pointer(a), n, pointer(out.view("u8")), i),
    "fleet_types": changing_fleet,
}  # fmt: skip


@pytest.mark.parametrize("n", [MANY, 4_000], ids=["checked with the work", "checked first"])
@pytest.mark.parametrize("call", CHANGING.values(), ids=CHANGING)
def test_a_refusal_names_no_place_beyond_the_array(call: Any, n: int) -> None:
    """Bad when it is checked, good when it is searched for: the index is then the number of elements."""
    addresses, out, index = shared(), np.zeros(8 * MANY, np.uint8), ffi.new("size_t *")
    places = set()
    with flipping(addresses[n - 1 : n], BEYOND, 0):
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            index[0] = 77
            if call(addresses, out, index, n):
                places.add(index[0])
    assert places <= {n - 1, n}


def test_a_fleet_names_a_row_and_its_element_or_the_number_of_all() -> None:
    """Two states share addresses of which the last changes: it is refused in either row, or found in none.

    So many that the search takes long enough for the other thread to come in between, also where both share a core.
    """
    n = 1 << 20
    addresses, out, index = np.zeros(n, np.uint64), np.zeros(2 * n, np.uint8), ffi.new("size_t *")
    places = set()
    with flipping(addresses[n - 1 : n], BEYOND, 0):
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            if changing_fleet(addresses, out, index, n, states=2):
                places.add(index[0])
    assert places <= {n - 1, 2 * n - 1, 2 * n}


def test_types_that_change_stay_inside_the_tables() -> None:
    """They are checked first and read again: what has become no input gives any type, and reads no memory beyond."""
    mtrr, out, index = shared("u1", 6), np.zeros(MANY, np.uint8), ffi.new("size_t *")
    seen = set()
    with flipping(mtrr[MANY - 1 : MANY], 255, 6):
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            if not lib.memtype_effective_array(0, 0, pointer(mtrr), 1, b"\6", 0, MANY, pointer(out), index):
                seen.add(int(out[MANY - 1]))
    plane = [lib.memtype_effective(0, 0, kind, 6) for kind in range(16)]
    assert seen <= {kind & 0xFF if kind >= 0 else 255 for kind in plane}


# --- every row of the folded tables ------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", [n for n in range(4) if lib.memtype_isa_supported(n)])
@pytest.mark.parametrize("pat", [rules.PAT_RESET, 0x0106_0407_0500_0102])
def test_every_row_and_entry_of_leaves(isa: int, pat: int) -> None:
    """All 16 values of bits 6:3 of an EPT leaf, with all 8 PAT entries that a guest leaf chooses."""
    count = 16 * 8
    eptes = [row << 3 for row in range(16) for _ in range(8)]
    ptes = [(entry & 3) << 3 | entry >> 2 << 7 for _ in range(16) for entry in range(8)]
    codes = [pat >> 8 * entry & 0xFF for entry in range(8)]
    kinds = [code if code in rules.PAT_TYPES else lib.MEMTYPE_UNDEFINED for code in codes]
    out = ffi.new("uint8_t[]", count)
    for cd in (0, 1):
        assert lib.memtype_effective_ept_types(pat, 1, cd, isa, eptes, ptes, count, out) == lib.MEMTYPE_OK
        wanted = [
            lib.memtype_effective_ept(ept >> 3 & 7, ept >> 6, kinds[n % 8], cd) for n, ept in enumerate(eptes)
        ]  # fmt: skip
        assert list(out) == wanted
    both = [ept | pte for ept, pte in zip(eptes, ptes, strict=True)]
    assert lib.memtype_ept_types(isa, both, count, out, ffi.NULL) == lib.MEMTYPE_OK
    assert list(out) == [ept >> 3 & 7 if ept >> 3 & 7 in rules.EPT_TYPES else 10 for ept in both]
    assert lib.memtype_pat_indexes(1, isa, both, count, out) == lib.MEMTYPE_OK
    assert list(out) == [lib.memtype_pat_index(pte, 1) for pte in both]
    assert lib.memtype_pat_types(pat, 1, isa, both, count, out) == lib.MEMTYPE_OK
    assert list(out) == [kinds[lib.memtype_pat_index(pte, 1)] for pte in both]


def test_no_set_has_a_number_beyond_the_last() -> None:
    assert lib.memtype_isa_supported(lib.MEMTYPE_PORTABLE)
    assert [lib.memtype_isa_supported(isa) for isa in (4, 5, 0xFFFF_FFFF)] == [0, 0, 0]
    assert lib.memtype_isa_supported(ISA) and not lib.memtype_isa_supported(ISA + 1)
