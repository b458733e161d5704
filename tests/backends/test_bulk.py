"""The array kernels: every instruction set that runs here equals the reference, at any size and place."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import oracle
import pytest
from kernel_sets import EACH, ISAS, KERNELS, STATES, nasty, native, refused_by, scattered, variants, with_bad

import memtype as mt
from memtype import AddressError, MtrrState, StateArray, backends, range_registers, rules
from memtype.backends import reference

CHUNK = 20
every_set = pytest.mark.parametrize("through", KERNELS, indirect=True)


@pytest.fixture(autouse=True)
def c_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "active", native)


@lru_cache(CHUNK)
def questions(seed: int) -> tuple[Any, Any]:
    """Addresses and their types, of a number that leaves any rest; made once for all sets."""
    s = nasty(seed)
    addresses = scattered(s, seed, EACH + seed % 131, low=(0, 0.01, 0.3, 1)[seed // 3 % 4])
    return addresses, oracle.types(s, addresses)


@every_set
@pytest.mark.parametrize("first", STATES[::CHUNK])
def test_every_set_equals_the_reference(through: Any, first: int) -> None:
    for seed in STATES[first : first + CHUNK]:
        addresses, want = questions(seed)
        room = np.full(addresses.size + 64, 0xEE, np.uint8)
        out = room[seed % 64 : seed % 64 + addresses.size]
        through.types(nasty(seed), addresses, out)
        wrong = np.flatnonzero(out != want)
        assert not wrong.size, (seed, hex(addresses[wrong[0]]), out[wrong[0]], want[wrong[0]])


PAGES = np.arange(0x200, dtype=np.uint64) << np.uint64(12)  # below 2 MiB
LOW = np.concatenate([PAGES, PAGES + np.uint64(0xFFF), *(PAGES[:256] + np.uint64(1 << n) for n in range(21, 34))])


@every_set
@pytest.mark.parametrize("width", [36, 43, 46, 52])  # four septets, a wider window from bit 12 on, two, six septets
def test_a_fixed_range_that_differs_alone_is_seen(through: Any, width: int) -> None:
    """Each of the 88, the last page among them; and bits 20 up decide whether an address lies below 1 MiB."""
    fine = range_registers(0x101000, 0x1000, "WT", width)
    for number, span in enumerate(rules.FIXED_RANGES):
        raw = [0x0606060606060606] * 11
        raw[span.register] ^= 6 << 8 * span.byte
        for pairs in ((), (fine,)):
            want = np.full(LOW.size, 0, np.uint8)
            want[LOW < rules.FIXED_END] = 6
            want[(span.base <= LOW) & (span.base + span.size > LOW)] = 0
            want[(LOW >> np.uint64(12) == 0x101) & bool(pairs)] = 4
            out = np.empty(LOW.size, np.uint8)
            through.types(MtrrState(0xC00, raw, pairs, width), LOW, out)
            assert np.array_equal(out, want), (number, pairs)


@pytest.mark.parametrize("isa", ISAS)
def test_tables_of_registers_and_of_their_map_agree(isa: str) -> None:
    """A state of several groups has whichever are fewer: both are asked here, whichever those are."""
    ffi, lib, number = native.ffi, native.lib, native._ISAS[isa]
    made, found, mapped = ffi.new("memtype_tables *"), ffi.new("memtype_map *"), 0
    for seed in STATES[::3]:
        s = nasty(seed)
        addresses = scattered(s, seed, 600, low=seed % 4 / 3)
        want, out = oracle.types(s, addresses), np.empty(600, np.uint8)
        given, written = ffi.from_buffer("uint64_t[]", addresses), ffi.from_buffer("uint8_t[]", out)
        lib.memtype_tables_build(native.registers(s), number, made)
        assert lib.memtype_types(made, given, 600, written, ffi.NULL) == 0 and np.array_equal(out, want), seed
        if lib.memtype_resolve_map(native.registers(s), found):
            continue
        if lib.memtype_map_tables(found, s.maxphyaddr, made.vendor, number, made) == 0:
            mapped += 1
            assert lib.memtype_types(made, given, 600, written, ffi.NULL) == 0 and np.array_equal(out, want), seed
    assert mapped > 20


FIXED, FINE, WIDE, SPLIT, TOM2 = 1, 2, 4, 8, 16  # csrc/windows.h


def tables_for(isa: int) -> list[Any]:
    """The tables of all states; plain C makes them, for any set."""
    made = [native.ffi.new("memtype_tables *") for _ in STATES]
    for seed, one in zip(STATES, made, strict=True):
        native.lib.memtype_tables_build(native.registers(nasty(seed)), isa, one)
    return made


def test_the_states_ask_for_every_variant() -> None:
    """With and without fixed ranges, split or not, fine and wide masks, TOM2; one group up to more than thirty."""
    tables = tables_for(native.lib.MEMTYPE_AVX2)
    shapes = {made.shape for made in tables}
    both = {0, FINE, WIDE, FINE | WIDE}
    assert {shape & (FINE | WIDE) for shape in shapes if not shape & FIXED} == both
    assert {shape & (FINE | WIDE) for shape in shapes if shape & SPLIT} == both
    assert {shape & SPLIT for shape in shapes if shape & FIXED} == {0, SPLIT}
    assert {shape & TOM2 for shape in shapes} == {0, TOM2}
    assert {1, 2, 3, 8, 9} <= {made.groups for made in tables}
    assert max(made.cubes for made in tables) > 250


def test_the_states_ask_for_every_layout_of_septets() -> None:
    tables = tables_for(native.lib.MEMTYPE_AVX512)
    layouts = {(made.start[0] == 12, made.octets, made.groups > 1) for made in tables if not made.shape & WIDE}
    assert layouts == set(itertools.product((False, True), (0, 2, 4), (False, True)))
    assert {made.groups > 1 for made in tables if made.shape & WIDE} == {False, True}
    assert {made.start[0] for made in tables} == {12, 14, 16, 20}


def test_the_oracle_is_the_reference() -> None:
    for seed in STATES:
        s = nasty(seed)
        addresses = scattered(s, ~seed & 0xFFFF, 100, low=seed % 4 / 3)
        assert oracle.types(s, addresses).tolist() == [reference.at(s, a) for a in addresses.tolist()]


SIZES = [*range(300), 511, 512, 513, 4095, 4096, 4097, 4160, 4161]


@every_set
def test_sizes_around_every_block_and_any_place_of_the_output(through: Any) -> None:
    """Nothing outside the output is written, whatever its length and alignment."""
    s = nasty(3)
    addresses = scattered(s, 1, max(SIZES) + 8)
    want = oracle.types(s, addresses)
    for n in SIZES:
        for skip, place in ((0, 0), (3, 1), (1, 31), (0, 63)):
            room = np.full(n + 128, 0xEE, np.uint8)
            through.types(s, addresses[skip : skip + n], room[place : place + n])
            assert np.array_equal(room[place : place + n], want[skip : skip + n])
            assert (room[:place] == 0xEE).all()
            assert (room[place + n :] == 0xEE).all()


@every_set
@pytest.mark.parametrize("width", [32, 44, 45, 48, 49, 52])
def test_every_page_below_two_mebibytes_and_both_ends(through: Any, width: int) -> None:
    for seed in range(0, 40, 3):
        found = nasty(seed)
        s = MtrrState(0xC01, found.fixed, [*found.variable[:20], (6, 0xFFFFFFFF80800)], width, found.vendor)
        addresses = np.arange(0, 2 << 20, 0x800, np.uint64)
        addresses = np.concatenate([addresses, (1 << width) - 1 - addresses]).astype(np.uint64)
        out = np.empty(addresses.size, np.uint8)
        through.types(s, addresses, out)
        assert np.array_equal(out, oracle.types(s, addresses))


@every_set
@pytest.mark.parametrize("n", [1, 31, 64, 4096, 4097, 10_000])
def test_the_first_refused_address_is_named(through: Any, n: int) -> None:
    s = MtrrState(0xC06, variable=[(0xC0000000, 0xFFC0000800)], maxphyaddr=40)
    for place, bad, last_too in itertools.product({0, n // 3, n // 2, n - 1}, (40, 44, 48, 52, 63), (False, True)):
        addresses = with_bad(np.zeros(n, np.uint64), place, bad, last_too)
        out = np.full(n, 0xEE, np.uint8)
        assert refused_by(through.types, s, addresses, out) == place
        if n <= 4096:
            assert (out == 0xEE).all()
        with pytest.raises(AddressError) as caught:
            s.types(addresses, out=out)
        assert caught.value.index == place


@every_set
def test_tables_are_those_of_the_set(through: Any) -> None:
    assert {through.tables(nasty(seed)).isa for seed in variants(through)} == {through._isa}


def test_overlap_and_misaligned_input_are_seen() -> None:
    s = MtrrState(0x806, maxphyaddr=40)
    raw = np.zeros(1024, np.uint8)
    shared = raw[:512].view(np.uint64)
    places, kinds = native.ffi.from_buffer("uint64_t[]", shared), native.ffi.from_buffer("uint8_t[]", raw[100:164])
    refused = native.lib.memtype_types(native.tables(s), places, 64, kinds, native.ffi.NULL)
    assert refused == native.lib.MEMTYPE_EBUFFER
    with pytest.raises(mt.ArrayError, match="overlaps"):
        s.types(shared, out=raw[100:164])
    odd = np.frombuffer(raw[1:513].tobytes() + b"\0", np.uint64, 64)
    assert s.types(odd).tolist() == [6] * 64
    crooked = raw[1:513].view(np.uint64)
    assert not crooked.flags.aligned
    assert s.types(crooked).tolist() == [6] * 64


PLAIN = MtrrState(0xC06, variable=[(0xC0000000, 0x3FFF_C000_0800)], maxphyaddr=46)
MANY = scattered(PLAIN, 1, 1 << 17)
GFNS = MANY >> np.uint64(12)
BYTES, WORDS = np.empty(MANY.size, np.uint8), np.zeros(MANY.size, np.uint64)
VM = mt.kvm.Vm("6.4", vendor="intel", tdp="ept", noncoherent_dma=True, vcpus=[mt.kvm.Vcpu(mtrrs=PLAIN)])
FLEET = StateArray.of([PLAIN] * 2048)
JOBS: dict[str, Callable[[], Any]] = {
    "types": lambda: PLAIN.types(MANY, out=BYTES),
    "page_types": lambda: PLAIN.page_types(0, BYTES.size, out=BYTES),
    "MemoryMap.types": lambda: PLAIN.map.types(MANY, out=BYTES),
    "View.types": lambda: PLAIN.view("linux-6.5").types(MANY, out=BYTES),
    "effective_types": lambda: mt.effective_types(PLAIN, MANY, WORDS, out=BYTES),
    "effective_types of leaves": lambda: mt.effective_types(PLAIN, None, MANY, out=BYTES),
    "effective_ept_types": lambda: mt.effective_ept_types(MANY, WORDS, out=BYTES),
    "leaf_bits": lambda: VM.leaf_bits(GFNS, out=WORDS),
    "fill": lambda: VM.fill(WORDS, GFNS),
    "types_of_states": lambda: mt.types_of_states(FLEET, MANY.reshape(2048, 64), out=BYTES.reshape(2048, 64)),
}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_no_memory_is_taken_but_for_the_output(job: Callable[[], Any]) -> None:
    job()
    tracemalloc.start()
    job()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16_384  # small objects, nothing that grows with the input


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
    code = "import memtype.backends as b; print(b.refused); import memtype.cli, sys; sys.exit(memtype.cli.main())"
    ran = run(isa, code)
    assert ran.returncode == 2
    assert ran.stdout.startswith(f"MEMTYPE_ISA={isa}: not o")
    assert ran.stderr == f"memtype: error: {ran.stdout}"
    ran = run(isa, "import memtype as mt; print(mt.backend, mt.isa)")
    assert (ran.stdout, ran.stderr) == (f"native {ISAS[-1]}\n", "")


def test_a_long_or_broken_name_of_a_set_is_one_short_line() -> None:
    for isa in ("x" * 5_000, "avx2\n", "\x1b[31m"):
        ran = run(isa, "import memtype.cli, sys; sys.exit(memtype.cli.main())")
        assert (ran.returncode, ran.stderr.count("\n"), ran.stderr.isprintable()) == (2, 1, False)
        assert len(ran.stderr) < 150 and ran.stderr[:-1].isprintable()
