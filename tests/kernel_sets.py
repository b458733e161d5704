"""Every set of array kernels that can be tested here, each behind a native backend of its own.

AVX-512 is emulated by SIMDe where the processor has none, in a library that is the C core compiled once more.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from cffi import FFI
from strategies import fields, random_state

from memtype import AddressError, MtrrState, rules

native = pytest.importorskip("memtype.backends.native", reason="the C core is not built")

ISAS = native.isas()
KERNELS = ISAS if "avx512" in ISAS else [*ISAS, "emulated"]
EACH = 42_000  # addresses per nasty state: 10^7 in all
STREAM_MIN = EACH + 64  # of `rebuilt_core`: so that some states' addresses pass the caches, some do not
ROOT = Path(__file__).resolve().parent.parent
STATES = range(240)  # seeds of `nasty`
CROWDED = range(200, 240)
PAIRS = (1, 4, 5, 6, 7, 8, 9, 14, 15, 16, 17, 21, 24, 32, 33, 40, 49, 55, 56, 57, 63, 64, 65, 128, 254, 255)


def nasty(seed: int) -> MtrrState:
    """A register file of any kind: holey, of up to 52 bits, with up to 255 pairs.

    Random pairs mostly swallow each other; those of the last seeds stay apart, so that tables have many groups.
    """
    rng = random.Random(seed)
    changed: dict[str, Any] = fields(random_state(rng, most=(12, 40, 255)[seed % 3]))
    if seed % 5 == 4:
        changed["fixed"] = whole_blocks(rng)
    if seed % 7 == 6:
        changed |= {"vendor": "amd", "syscfg": 0x60_0000, "def_type": 0x800 | changed["def_type"]}  # TOM2 counts
    if seed in CROWDED:
        changed["def_type"] = 0x800 | changed["def_type"]
        changed["variable"] = [narrow_pair(rng, changed["maxphyaddr"]) for _ in range(PAIRS[seed % len(PAIRS)])]
    return MtrrState(**changed)


def whole_blocks(rng: random.Random) -> list[int]:
    """Fixed ranges that agree in each 64 KiB, as firmware sets them; kernels have a shorter way then."""
    by_64k, by_16k, by_4k = (rng.choices((0, 1, 4, 5, 6), k=blocks) for blocks in (8, 4, 4))
    types = bytes([*by_64k, *np.repeat(by_16k, 4).tolist(), *np.repeat(by_4k, 16).tolist()])
    return [int.from_bytes(types[at : at + 8], "little") for at in range(0, 88, 8)]


def narrow_pair(rng: random.Random, maxphyaddr: int) -> tuple[int, int]:
    """A valid range that few others cover, half of them with holes: of 4 KiB to 16 GiB anywhere."""
    mask = rules.page_bits(maxphyaddr) & ~((1 << rng.randrange(12, min(34, maxphyaddr - 8))) - 1)
    if rng.random() < 0.5:
        mask &= ~(1 << rng.randrange(12, maxphyaddr))
    return rng.getrandbits(maxphyaddr) & mask | rng.choice((0, 1, 4, 5, 6)), mask | rules.MASK_VALID


def scattered(s: MtrrState, seed: int, count: int, low: float = 0.01) -> Any:
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


@cache
def backend_of(name: str) -> Any:
    """`memtype.backends.native` once more, as a module of its own that runs one set: of the extension, or of
    `rebuilt_core` ("emulated", "rebuilt avx2")."""
    spec = importlib.util.spec_from_file_location(f"native_{name}", native.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    core = sys.modules["memtype._native"] if name in ISAS else rebuilt_core()
    wanted = "" if name == "emulated" else name.removeprefix("rebuilt ")
    with mock.patch.dict(sys.modules, {"memtype._native": core}), mock.patch.dict(os.environ, MEMTYPE_ISA=wanted):
        spec.loader.exec_module(module)
    if name == "emulated":
        module._isa = module.lib.MEMTYPE_AVX512
    module._granules_from = module._map_granules_from = 1 << 20  # the set's own kernels, for any number of ranges
    return module


@cache
def rebuilt_core() -> Any:
    """The C core as a library of its own, in which kernels bypass the caches early, and AVX-512 is emulated."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler: the C core cannot be rebuilt")
    flags = ["-std=c11", "-O1", "-w", "-Wno-psabi", "-shared", "-fPIC"]
    if "emulated" in KERNELS:
        if not Path("/usr/include/simde/x86/avx512.h").exists():
            pytest.skip("no SIMDe headers (Debian: libsimde-dev): AVX-512 cannot be emulated")
        flags += ["-DMEMTYPE_SIMDE", f"-I{ROOT / 'tests'}"]
    header = (ROOT / "csrc" / "memtype.h").read_text()
    ffi = FFI()
    ffi.cdef(header.split("/* --- cdef begin --- */")[1].split("/* --- cdef end --- */")[0])
    with tempfile.TemporaryDirectory() as scratch:
        sources = [str(file) for file in copied_sources(Path(scratch)) if file.suffix == ".c"]
        library = Path(scratch) / "core.so"
        subprocess.run([compiler, *flags, "-o", str(library), *sources], check=True)
        return SimpleNamespace(ffi=ffi, lib=ffi.dlopen(str(library)))


def copied_sources(into: Path) -> list[Path]:
    """csrc/ but for the STREAM_MIN of kernels.h, which is `STREAM_MIN` here."""
    lowered = 0
    for file in (ROOT / "csrc").glob("*.[ch]"):
        if file.name != "_native.c":
            text, found = re.subn(r"(#define STREAM_MIN) .*", rf"\1 UINT64_C({STREAM_MIN})", file.read_text())
            (into / file.name).write_text(text)
            lowered += found
    assert lowered == 1, "csrc/kernels.h is to define STREAM_MIN once"
    return list(into.iterdir())


def variants(backend: Any) -> list[int]:
    """Seeds of nasty states that between them need every variant of the set's kernels, and few to many groups."""
    found: dict[Any, int] = {}
    for seed in STATES:
        tables = backend.tables(nasty(seed))
        septets = (tables.start[0], tables.octets) if tables.isa == native.lib.MEMTYPE_AVX512 else None
        found.setdefault((tables.shape, septets, min(tables.groups, 4), tables.groups > 8), seed)
    return list(found.values())


def with_bad(values: Any, place: int, bit: int, last_too: bool) -> Any:
    """A copy in which `bit` is set at `place`, and at the end too."""
    made = values.copy()
    made[[place, -1] if last_too else [place]] |= np.uint64(1 << bit)
    return made


def refused_by(call: Any, *arguments: Any) -> int | None:
    """None, or the index that was refused."""
    try:
        call(*arguments)
    except AddressError as error:
        return error.index
    return None
