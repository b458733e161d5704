"""The fleet kernels: each instruction set equals the reference, whatever the ranges, the addresses and their places."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from kernel_sets import KERNELS, STREAM_MIN, native, rebuilt_core
from strategies import random_state

from memtype import MtrrState, StateArray, rules
from memtype.backends import reference

GRAINS = (12, 16, 20, 24, 30, 36)  # no range of a state is smaller than 2**grain
Answer = tuple[int, int]  # status and index


class Core:
    """`memtype_fleet_types` with one instruction set."""

    def __init__(self, name: str, rebuilt: bool) -> None:
        core = rebuilt_core() if rebuilt else native
        self.ffi, self.lib = core.ffi, core.lib
        self.isa = native._ISAS.get(name, native.lib.MEMTYPE_AVX512)

    def __call__(self, fleet: StateArray, addresses: Any, out: Any) -> Answer:
        take = self.ffi.from_buffer
        names = ("def_type", "fixed", "base", "mask", "cap", "syscfg", "tom2", "vendor", "maxphyaddr")
        columns = [take("uint32_t[]" if n in names[-2:] else "uint64_t[]", getattr(fleet, n)) for n in names]
        made = self.ffi.new("memtype_fleet *", (*fleet.base.shape, *columns))
        index, n = self.ffi.new("size_t *", 1 << 40), addresses.shape[-1]
        given = (take("uint64_t[]", addresses), n if addresses.ndim == 2 else 0, n)
        return self.lib.memtype_fleet_types(made, self.isa, *given, take("uint8_t[]", out), index), index[0]


@pytest.fixture(params=KERNELS)
def ask(request: pytest.FixtureRequest) -> Core:
    return Core(request.param, rebuilt=request.param == "emulated")


def coarse(s: MtrrState, grain: int, pairs: int | None = None) -> MtrrState:
    """The state with ranges of 2**grain and more, cut or repeated to a number of pairs."""
    field = rules.page_bits(s.maxphyaddr) & ~((1 << grain) - 1) | 0xFFF | rules.high_bits(s.maxphyaddr)
    found = [(base, mask & field) for base, mask in s.variable]
    if pairs is not None:
        found = (found * pairs)[:pairs] if found else [(0, 0)] * pairs
    return MtrrState(s.def_type, s.fixed, tuple(found), s.maxphyaddr, s.vendor, s.syscfg, s.tom2, s.cap)


def fleet_of(first: int, count: int, most: int = 12) -> list[MtrrState]:
    return [coarse(random_state(random.Random(n), most=most), GRAINS[n % 6]) for n in range(first, first + count)]


def aimed(s: MtrrState, count: int, low: float, seed: int) -> Any:
    """Addresses of which half lie in or beside the ranges, a share `low` of them below 1 MiB."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 1 << s.maxphyaddr, count, np.uint64)
    edges = np.array([*[b & m for b, m in s.variable], 1 << 20, 1 << 32, s.tom2 >> 23 << 23, 0], np.uint64)
    inside = rng.integers(0, 1 << int(rng.integers(12, 40)), count, np.uint64)
    near = edges[rng.integers(0, edges.size, count)] + rng.choice(np.array([0, 0, (1 << 64) - 1], np.uint64), count)
    made = np.where(rng.random(count) < 0.6, near + inside * (rng.random(count) < 0.5), made)
    made = np.where(rng.random(count) < low, made & np.uint64(0xFFFFF), made)
    return made & np.uint64((1 << s.maxphyaddr) - 1)


def rows_of(states: list[MtrrState], count: int, seed: int = 0) -> Any:
    shares = (0, 0.02, 0.3, 1)
    return np.array([aimed(s, count, shares[n % 4], seed + n) for n, s in enumerate(states)], np.uint64)


def expected(states: list[MtrrState], addresses: Any) -> Any:
    rows = np.broadcast_to(addresses, (len(states), addresses.shape[-1]))
    return np.array([[reference.at(s, a) for a in row.tolist()] for s, row in zip(states, rows, strict=True)], np.uint8)


def check(ask: Core, states: list[MtrrState], addresses: Any) -> None:
    want = expected(states, addresses)
    out = np.full(want.shape, 0xEE, np.uint8)
    assert ask(StateArray.of(states), addresses, out)[0] == 0
    wrong = np.argwhere(out != want)
    assert not wrong.size, (states[wrong[0][0]], wrong[0].tolist(), out[tuple(wrong[0])], want[tuple(wrong[0])])


@pytest.mark.parametrize("count", [1, 31, 32, 33, 63, 64, 65, 97, 130])
def test_own_addresses(ask: Core, count: int) -> None:
    states = fleet_of(1000 * count, 36)
    check(ask, states, rows_of(states, count))


@pytest.mark.parametrize("count", [1, 40, 64, 100])
def test_shared_addresses(ask: Core, count: int) -> None:
    states = fleet_of(count, 40)
    check(ask, states, rows_of(states, count)[int(np.argmin([s.maxphyaddr for s in states]))])


@pytest.mark.parametrize("pairs", [0, 1, 3, 4, 5, 7, 8, 15, 16, 17, 40, 127, 128, 129, 255])
def test_any_number_of_pairs_and_of_states(ask: Core, pairs: int) -> None:
    for n, states in enumerate((1, 2, 15, 16, 17, 33) if pairs < 20 else (1, 3)):
        found = [coarse(s, GRAINS[n % 6], pairs) for s in fleet_of(50 * n, states)]
        check(ask, found, rows_of(found, 33 if pairs < 20 else 70, n))


def test_many_overlapping_ranges(ask: Core) -> None:
    states = fleet_of(77, 12, most=255)
    check(ask, states, rows_of(states, 66))


@pytest.mark.parametrize("width", [32, 33, 36, 43, 44, 45, 47, 48, 49, 52])
@pytest.mark.parametrize("grain", GRAINS)
def test_the_first_and_last_byte_of_ranges(ask: Core, width: int, grain: int) -> None:
    """Keys of each width tell apart what the ranges do: one bit less, and two neighbours look alike."""
    rng = random.Random(width * grain)
    size = 1 << grain if grain < width else 1 << 31
    top, field = 1 << width, (1 << width) - size
    bases = [0, top - size, top >> 1, *[rng.getrandbits(width) & field for _ in range(3)]]
    kinds = rng.sample((0, 1, 4, 5, 6, 3), 6)
    pairs = [(base | kind, field | 0x800) for base, kind in zip(bases, kinds, strict=True)]
    edges = [e for base in bases for e in (base - 1, base, base + size - 1, base + size) if 0 <= e < top]
    given = [e for e in (*edges, 0, (1 << 20) - 1, 1 << 20, top - 1) if e < top]
    tom2 = min(top, (1 << 32) + size * 3)
    states = [
        MtrrState(def_type, [0x0605040100060504] * 11, pairs, width, vendor, syscfg, tom2, cap)
        for def_type in (0x806, 0xC06, 0xC01, 0x406)
        for vendor, syscfg in (("intel", 0x600000), ("amd", 0x600000), ("amd", 0x200000))
        for cap in (0x508, 0x408)
    ]
    check(ask, states, np.array(given, np.uint64))


@pytest.mark.parametrize("width", [20, 21, 27, 28, 29, 31])
def test_widths_that_only_c_callers_can_give(ask: Core, width: int) -> None:
    """The C core takes less than 32 bits too: the answers are those of `memtype_at`."""
    states = fleet_of(width, 30)
    fleet = StateArray.of(states)
    fleet.maxphyaddr[:] = width
    addresses = rows_of(states, 65) & np.uint64((1 << width) - 1)
    out = np.full(addresses.shape, 0xEE, np.uint8)
    assert ask(fleet, addresses, out)[0] == 0
    for s, row, found in zip(states, addresses.tolist(), out.tolist(), strict=True):
        m = ask.ffi.from_buffer("memtype_mtrrs *", bytearray(native.ffi.buffer(native.registers(s))))
        m.maxphyaddr = width
        assert found == [ask.lib.memtype_at(m, a) for a in row]


@pytest.mark.parametrize("tom2", [1 << 32, (1 << 32) + (1 << 23), 5 << 32, 0x4_1F80_0000, (1 << 40) - (1 << 23)])
def test_tom2_to_the_byte(ask: Core, tom2: int) -> None:
    edges = [(1 << 32) - 1, 1 << 32, tom2 - 1, tom2, (1 << 40) - 1]
    pairs = [((1 << 32) + (1 << 30) | 4, (1 << 40) - (1 << 30) | 0x800), (3 << 30, (1 << 40) - (1 << 30) | 0x800)]
    states = [
        MtrrState(d, [0] * 11, pairs[:n], width, vendor, 0x600000, tom2)
        for d in (0x800, 0x806, 0x801, 0)
        for n in (0, 1, 2)
        for width in (40, 48, 52)
        for vendor in ("amd", "intel")
    ]
    check(ask, states, np.array([*edges, 5 << 30, (6 << 30) - 1], np.uint64))


def test_every_page_of_the_fixed_ranges(ask: Core) -> None:
    """On AMD bits 4:3 of a byte are routing; a state whose MTRRCAP lacks FIX has none, one whose E is 0 is UC."""
    rng = random.Random(5)
    fixed = [int.from_bytes(bytes(rng.choice((0, 1, 4, 5, 6, 0x1E, 0x18, 3, 0xFF)) for _ in range(8)), "little")
             for _ in range(11)]  # fmt: skip
    states = [
        MtrrState(def_type, fixed, [(6, rules.page_bits(40) & ~0x3FFF | 0x800)][:pairs], 40, vendor, cap=cap)
        for def_type in (0xC01, 0x801, 0x400) for vendor in ("intel", "amd") for cap in (0x508, 0x408)
        for pairs in (0, 1)
    ]  # fmt: skip
    check(ask, states, np.arange(0xFFF, (1 << 20) + 3 * 4096, 4096, dtype=np.uint64))


@pytest.mark.parametrize("count", [1, 33, 64, 100])
def test_nothing_outside_the_output_is_written(ask: Core, count: int) -> None:
    states = fleet_of(9, 5)
    addresses = rows_of(states, count)
    want = expected(states, addresses).reshape(-1)
    for place in (0, 1, 31, 63):
        room = np.full(want.size + 128, 0xEE, np.uint8)
        assert ask(StateArray.of(states), addresses, room[place : place + want.size])[0] == 0
        assert np.array_equal(room[place : place + want.size], want)
        assert (room[:place] == 0xEE).all()
        assert (room[place + want.size :] == 0xEE).all()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("count", [64, 128])
def test_outputs_that_bypass_the_caches_are_the_same(name: str, count: int) -> None:
    ask, states = Core(name, rebuilt=True), fleet_of(321, 40)
    addresses = rows_of(states, count)
    times = -(-STREAM_MIN // addresses.size)
    fleet, many = StateArray.of(states * times), np.tile(addresses, (times, 1))
    room = np.full(many.size + 128, 0xEE, np.uint8)
    want = np.tile(expected(states, addresses), (times, 1))
    for place in (0, 32):
        start = -room.ctypes.data % 64 + place
        out = room[start : start + many.size].reshape(many.shape)
        assert ask(fleet, many, out)[0] == 0
        assert np.array_equal(out, want)
        room[:] = 0xEE
    many[17, count - 1] = 1 << 63
    assert ask(fleet, many, out) == (-1, 18 * count - 1)
    assert np.array_equal(out[:17], want[:17])


@pytest.mark.parametrize("bit", ["lowest", "highest"])
@pytest.mark.parametrize(("states", "count"), [(3, 1), (20, 64), (20, 70), (64, 64), (70, 64), (40, 150)])
def test_a_refused_address_is_named(ask: Core, states: int, count: int, bit: str) -> None:
    """Of at most 4096 answers nothing is then written; of more, the rows before it are."""
    found = fleet_of(states, states)
    good = rows_of(found, count)
    fleet, want = StateArray.of(found), expected(found, good)
    for row, column in ((0, 0), (states // 2, count // 2), (states - 1, count - 1)):
        addresses, out = good.copy(), np.full((states, count), 0xEE, np.uint8)
        addresses[row, column] |= np.uint64(1 << (63 if bit == "highest" else found[row].maxphyaddr))
        addresses[row:, column + 1 :] = (1 << 64) - 1
        assert ask(fleet, addresses, out) == (-1, row * count + column)
        if out.size <= 4096:
            assert (out == 0xEE).all()
        else:
            assert np.array_equal(out[:row], want[:row])
    addresses = np.array([0, 1 << found[1].maxphyaddr], np.uint64)
    narrower = [n for n, s in enumerate(found) if s.maxphyaddr <= found[1].maxphyaddr]
    out = np.full((states, 2), 0xEE, np.uint8)
    assert ask(fleet, addresses, out) == (-1, 2 * narrower[0] + 1)
    assert (out == 0xEE).all()


@pytest.mark.parametrize("width", [0, 19, 53, 64, (1 << 32) - 1])
@pytest.mark.parametrize("count", [0, 3, 300])
def test_states_out_of_bounds_are_refused_before_anything_is_written(ask: Core, width: int, count: int) -> None:
    fleet = StateArray.of(fleet_of(1, 30))
    addresses, out = np.zeros((30, count), np.uint64), np.full((30, count), 0xEE, np.uint8)
    addresses[2:, :1] = (1 << 64) - 1  # registers are looked at first
    for place in (29, 7):
        fleet.maxphyaddr[place] = width
        assert ask(fleet, addresses, out) == (-2, place)
    fleet.maxphyaddr[:] = 40
    wide = np.zeros((30, 256), np.uint64)
    object.__setattr__(fleet, "base", wide)
    object.__setattr__(fleet, "mask", wide)
    assert ask(fleet, addresses, out) == (-2, 0)
    assert (out == 0xEE).all()


def test_no_states_and_no_addresses(ask: Core) -> None:
    none = np.zeros(0, np.uint64)
    assert ask(StateArray.of([]), none, none.view(np.uint8))[0] == 0
    assert ask(StateArray.of(fleet_of(1, 3)), none, none.view(np.uint8))[0] == 0
