"""The array kernels: every instruction set that runs here equals the reference, at any size and place."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cffi import FFI
from numpy.typing import NDArray
from strategies import random_state

import memtype as mt
from memtype import AddressError, MtrrState, StateArray, backends, rules
from memtype.backends import python, reference

native = pytest.importorskip("memtype.backends.native", reason="the C core is not built")
ffi, lib = native.ffi, native.lib

FULL = bool(os.environ.get("MEMTYPE_TEST_FULL"))  # 10^7 addresses instead of 10^5, several minutes
STATES = range(220)
EACH = 50_000 if FULL else 500
ISAS = native.isas()
KERNELS = ISAS if "avx512" in ISAS else [*ISAS, "emulated"]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """set -> (ffi, lib) that run it: the extension, or AVX-512 emulated where the processor has none."""
    made: dict[str, Any] = {}

    def find(isa: str) -> Any:
        if isa != "emulated":
            return ffi, lib
        if not made:
            made[isa] = emulated_core(tmp_path_factory.mktemp("emulated") / "core.so")
        return made[isa]

    return find


def emulated_core(path: Path) -> Any:
    """The C core with csrc/bulk_avx512.c compiled against SIMDe, as a library of its own."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler: AVX-512 cannot be emulated")
    if not Path("/usr/include/simde/x86/avx512.h").exists():
        pytest.skip("no SIMDe headers (Debian: libsimde-dev): AVX-512 cannot be emulated")
    sources = [str(file) for file in (ROOT / "csrc").glob("*.c") if file.name != "_native.c"]
    flags = ["-std=c11", "-O1", "-w", "-shared", "-fPIC", "-DMEMTYPE_SIMDE", f"-I{ROOT / 'tests'}"]
    subprocess.run([compiler, *flags, "-o", str(path), *sources], check=True)
    header = (ROOT / "csrc" / "memtype.h").read_text()
    other = FFI()
    other.cdef(header.split("/* --- cdef begin --- */")[1].split("/* --- cdef end --- */")[0])
    return other, other.dlopen(str(path))


@pytest.fixture(autouse=True)
def c_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "active", native)


def nasty(seed: int) -> MtrrState:
    return random_state(random.Random(seed), most=(12, 40, 255)[seed % 3])


def scattered(s: MtrrState, seed: int, count: int, low: float = 0.01) -> NDArray[np.uint64]:
    """Random addresses; half of them aimed at the ranges, a share `low` of them below 1 MiB, all inside."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 1 << s.maxphyaddr, count, np.uint64)
    if s.variable:
        pairs = np.array(s.variable, np.uint64)[rng.integers(0, len(s.variable), count)]
        aimed = pairs[:, 0] & pairs[:, 1] | made & ~pairs[:, 1]
        off = rng.choice(np.array([0, 1, 1 << 12, (1 << 64) - 1], np.uint64), count)
        made = np.where(rng.random(count) < 0.5, aimed + off, made)
    made &= np.uint64((1 << s.maxphyaddr) - 1)
    return np.where(rng.random(count) < low, made & np.uint64(0xFFFFF), made)


def look_up(core: Any, isa: str, s: MtrrState, addresses: Any, out: Any) -> int:
    """0, or the index that was refused; the tables are the set's own, or (with many ranges) a weaker set's."""
    ffi, functions = core(isa)
    tables, index = ffi.new("memtype_tables *"), ffi.new("size_t *", 1 << 40)
    number = native._ISAS.get(isa, lib.MEMTYPE_AVX512)
    registers = ffi.from_buffer("memtype_mtrrs *", native.ffi.buffer(native.registers(s)))
    functions.memtype_tables_build(registers, number, tables)
    assert tables.isa == number or tables.cubes > 56
    status: int = functions.memtype_types(
        tables, ffi.from_buffer("uint64_t[]", addresses), addresses.size, ffi.from_buffer("uint8_t[]", out), index
    )
    return status if status == 0 else int(index[0])


def expected(s: MtrrState, addresses: Any) -> list[int]:
    return [reference.at(s, a) for a in addresses.tolist()]


@pytest.mark.parametrize("isa", KERNELS)
@pytest.mark.parametrize("first", STATES[::20])
def test_every_set_equals_the_reference(isa: str, first: int, core: Any) -> None:
    for seed in STATES[first : first + 20]:
        s = nasty(seed)
        addresses = questions(seed)
        want = answers(seed)
        out = np.full(EACH, 0xEE, np.uint8)
        assert look_up(core, isa, s, addresses, out) == 0
        wrong = np.flatnonzero(out != want)
        assert not wrong.size, (seed, hex(addresses[wrong[0]]), out[wrong[0]], want[wrong[0]])


def questions(seed: int) -> Any:
    return scattered(nasty(seed), seed, EACH, low=(0, 0.01, 0.3, 1)[seed % 4])


@cache
def answers(seed: int) -> Any:
    return np.array(expected(nasty(seed), questions(seed)), np.uint8)


SIZES = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 127, 128, 129, 4095, 4096, 4097, 4160, 4161]


@pytest.mark.parametrize("isa", KERNELS)
def test_sizes_around_every_block_and_any_place_of_the_output(isa: str, core: Any) -> None:
    """Nothing outside the output is written, whatever its length and alignment."""
    s = nasty(3)
    addresses = scattered(s, 1, max(SIZES) + 8)
    want = np.array(expected(s, addresses), np.uint8)
    for n in SIZES:
        for skip, place in ((0, 0), (3, 1), (1, 31), (0, 63)):
            room = np.full(n + 128, 0xEE, np.uint8)
            assert look_up(core, isa, s, addresses[skip : skip + n], room[place : place + n]) == 0
            assert np.array_equal(room[place : place + n], want[skip : skip + n])
            assert (room[:place] == 0xEE).all()
            assert (room[place + n :] == 0xEE).all()


@pytest.mark.parametrize("isa", KERNELS)
@pytest.mark.parametrize("width", [32, 44, 45, 48, 49, 52])
def test_every_page_below_two_mebibytes_and_both_ends(isa: str, width: int, core: Any) -> None:
    for seed in range(0, 40, 3):
        found = nasty(seed)
        s = MtrrState(0xC01, found.fixed, [*found.variable[:20], (6, 0xFFFFFFFF80800)], width, found.vendor)
        addresses = np.arange(0, 2 << 20, 0x800, np.uint64)
        addresses = np.concatenate([addresses, (1 << width) - 1 - addresses]).astype(np.uint64)
        out = np.empty(addresses.size, np.uint8)
        assert look_up(core, isa, s, addresses, out) == 0
        assert out.tolist() == expected(s, addresses)


@pytest.mark.parametrize("isa", KERNELS)
@pytest.mark.parametrize("n", [1, 64, 4096, 4097, 10_000])
def test_the_first_refused_address_is_named(isa: str, n: int, core: Any) -> None:
    s = MtrrState(0xC06, variable=[(0xC0000000, 0xFFC0000800)], maxphyaddr=40)
    for place in {0, n // 2, n - 1}:
        for bad in (1 << 40, 1 << 52, 1 << 63, (1 << 64) - 1):
            addresses = np.zeros(n, np.uint64)
            addresses[place] = bad
            addresses[n - 1] |= np.uint64(bad)
            out = np.full(n, 0xEE, np.uint8)
            assert look_up(core, isa, s, addresses, out) == place
            if n <= 4096:
                assert (out == 0xEE).all()
            with pytest.raises(AddressError) as caught:
                s.types(addresses, out=out)
            assert caught.value.index == place


@pytest.fixture(params=KERNELS)
def through(request: pytest.FixtureRequest, core: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The native backend made to use one instruction set, the emulated one too."""
    ffi, functions = core(request.param)
    monkeypatch.setattr(native, "_isa", native._ISAS.get(request.param, lib.MEMTYPE_AVX512))
    for name, value in {
        "ffi": ffi, "lib": functions, "_new": ffi.new_allocator(should_clear_after_alloc=False),
        "_from": ffi.from_buffer, "_NULL": ffi.NULL, "_types": functions.memtype_types,
        "_resolve_map": functions.memtype_resolve_map, "_pages": functions.memtype_map_page_types,
        "_U64S": ffi.typeof("uint64_t[]"), "_U8S": ffi.typeof("uint8_t[]"),
        "_TABLES": ffi.typeof("memtype_tables *"), "_MAP": ffi.typeof("memtype_map *"),
    }.items():  # fmt: skip
        monkeypatch.setattr(native, name, value)
    return native


COUNT = 1237  # tables pay from 512 on; no multiple of a block


def test_maps_answer_as_their_state_does(through: Any) -> None:
    for seed in range(60):
        s = nasty(seed)
        try:
            m = s.map
        except mt.ShatteredMapError:
            continue
        addresses = scattered(s, seed, COUNT, low=seed % 3 / 2)
        want = np.empty(COUNT, np.uint8)
        python.map_types(*m.as_arrays(), s.maxphyaddr, addresses, want)
        assert np.array_equal(m.types(addresses), want)


def test_maps_of_any_shape(through: Any) -> None:
    """Edges inside pages, odd layouts below 1 MiB, all twelve types and more values than tables hold."""
    rng = random.Random(5)
    for seed in range(80):
        grain = rng.choice((1, 0x800, 0x1000, 0x4000, 1 << 30))
        tops = (1 << rng.choice((18, 20, 21, 33, 40)) for _ in range(seed))
        cuts = sorted({rng.randrange(top) // grain * grain for top in tops} | {0})
        kinds = [rng.randrange(12 if seed % 2 else 40) for _ in cuts]
        bases, values = np.array(cuts, np.uint64), np.array(kinds, np.uint8)
        steps = np.arange(COUNT, dtype=np.uint64)
        near = bases[steps % np.uint64(bases.size)] + steps % np.uint64(3)
        addresses = np.where(steps % np.uint64(2), near - (near > 0), steps << np.uint64(10))
        out, want = np.empty(COUNT, np.uint8), np.empty(COUNT, np.uint8)
        through.map_types(bases, values, 40, addresses, out)
        python.map_types(bases, values, 40, addresses, want)
        assert np.array_equal(out, want), seed


@pytest.mark.parametrize("count", [COUNT, 5000])
def test_leaf_bits_and_fills(through: Any, count: int) -> None:
    rng = np.random.default_rng(count)
    for bits_of in ([0x30, 0x70, 0, 8], list(range(0, 0x80, 8)), [0x98, 0x18, 1 << 12]):
        for width in (36, 46, 52):
            edges = [*rng.integers(0, 1 << width - 12, 9).tolist(), 0, 0xA0, 0xC0]
            pieces = np.unique(np.array(edges, np.uint64))
            bits = rng.choice(np.array(bits_of, np.uint64), pieces.size)
            gfns = rng.integers(0, 1 << rng.choice([8, width - 12]), count, np.uint64)
            sptes = rng.integers(0, 1 << 64, count, np.uint64)
            out, want = sptes.copy(), sptes.copy()
            for field in (0x78, 0x1098):
                through.leaf_fill(pieces, bits, field, width, gfns, out)
                python.leaf_fill(pieces, bits, field, width, gfns, want)
                assert np.array_equal(out, want)
            through.leaf_bits(pieces, bits, width, gfns, out)
            python.leaf_bits(pieces, bits, width, gfns, want)
            assert np.array_equal(out, want)
            gfns[count - 2] |= np.uint64(1 << width - 12)
            before = out.copy()
            with pytest.raises(AddressError) as caught:
                through.leaf_fill(pieces, bits, 0x78, width, gfns, out)
            assert caught.value.index == count - 2
            assert np.array_equal(out, before)


@pytest.mark.parametrize("count", [1, 31, 63, 64, 65, 200])
def test_fleets(through: Any, count: int) -> None:
    states = [nasty(seed) for seed in range(40)]
    fleet = StateArray.of(states)
    shares = (0, 0.02, 1)
    rows = [scattered(s, seed, count, low=shares[seed % 3]) for seed, s in enumerate(states)]
    given, out = np.array(rows), np.full((40, count), 0xEE, np.uint8)
    want = out.copy()
    through.fleet_types(fleet, given, out)
    python.fleet_types(fleet, given, want)
    assert np.array_equal(out, want)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_effective_types_of_addresses_and_entries(through: Any, level: int) -> None:
    rng = np.random.default_rng(level)
    for seed in (2, 3, 4, 7, 10):
        s = nasty(seed)
        ptes = rng.integers(0, 1 << 64, COUNT, np.uint64)
        for addresses in (scattered(s, seed, COUNT), None):
            for pat in (rules.PAT_RESET, 0x0407050600070106, int(rng.integers(0, 1 << 64, dtype=np.uint64))):
                out, want = np.empty(COUNT, np.uint8), np.empty(COUNT, np.uint8)
                through.effective_types(s, pat, level, addresses, ptes, out)
                python.effective_types(s, pat, level, addresses, ptes, want)
                assert np.array_equal(out, want)


def test_pages_in_a_row_with_and_without_a_map() -> None:
    shattered = MtrrState(0xC06, variable=[(0, 0x1_0000_0000_1800)], maxphyaddr=52)
    with pytest.raises(mt.ShatteredMapError):
        _ = shattered.map
    for s in (shattered, *(nasty(seed) for seed in range(10))):
        for first in (0, 0x9F, 0xFF, (1 << s.maxphyaddr - 12) - 700):
            pages = np.arange(first, first + 700, dtype=np.uint64) << np.uint64(12)
            assert s.page_types(first, 700).tolist() == expected(s, pages)
            assert s.page_types(first, 700, out=np.full(700, 0xEE, np.uint8)).tolist() == expected(s, pages)


def test_overlap_and_misaligned_input_are_seen(core: Any) -> None:
    s = MtrrState(0x806, maxphyaddr=40)
    raw = np.zeros(1024, np.uint8)
    shared = raw[:512].view(np.uint64)
    assert look_up(core, "portable", s, shared, raw[100:164]) != 0
    with pytest.raises(mt.ArrayError, match="overlaps"):
        s.types(shared, out=raw[100:164])
    odd = np.frombuffer(raw[1:513].tobytes() + b"\0", np.uint64, 64)
    assert s.types(odd).tolist() == [6] * 64
    crooked = raw[1:513].view(np.uint64)
    assert not crooked.flags.aligned
    assert s.types(crooked).tolist() == [6] * 64


def test_no_memory_is_taken_but_for_the_output() -> None:
    s = nasty(11)
    addresses, out = scattered(s, 1, 100_000), np.empty(100_000, np.uint8)
    s.types(addresses, out=out)
    tracemalloc.start()
    s.types(addresses, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000  # a few small objects, nothing that grows with the input


def test_tables_stay_out_of_pickles() -> None:
    s = nasty(5)
    plain = pickle.dumps(s)
    s.types(np.zeros(3, np.uint64))
    _ = s.map
    s.at(1 << 20)
    assert pickle.dumps(s) == plain
    assert pickle.loads(plain) == s


def run(isa: str, code: str) -> subprocess.CompletedProcess[str]:
    wanted = {**os.environ, "MEMTYPE_ISA": isa, "MEMTYPE_BACKEND": "native"}
    return subprocess.run([sys.executable, "-c", code], env=wanted, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("isa", ISAS)
def test_the_environment_chooses_the_set(isa: str) -> None:
    ran = run(isa, "import memtype as mt; print(mt.isa); mt.MtrrState().types([0])")
    assert (ran.returncode, ran.stdout) == (0, f"{isa}\n")


@pytest.mark.parametrize("isa", ["sse9", "AVX2 ", *(known for known in native._ISAS if known not in ISAS)])
def test_an_unknown_or_unsupported_set_is_one_clear_error(isa: str) -> None:
    ran = run(isa, "import memtype")
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1].startswith(f"memtype.errors.InputError: MEMTYPE_ISA={isa}: not o")
