"""The limit kernels: `limits.c`, compiled once into a temporary library."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI

import memtype as mt

CDEF = """
void limit_avx2(const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out);
void limit_avx512(const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out);
void limit_memset(uint8_t *out, int value, size_t n);
"""


class Limits:
    """`read(a, out)`, `read(a, out, b)` and `memset(out)`; `missing` says why there are none."""

    def __init__(self) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        self.missing = None if compiler else "no C compiler"
        if mt.isa not in ("avx2", "avx512"):
            self.missing = f"the {mt.isa} kernels have no limit kernel"
        if self.missing:
            return
        self._keep = tempfile.TemporaryDirectory()
        library = Path(self._keep.name) / "limits.so"
        source = Path(__file__).with_name("limits.c")
        subprocess.run([str(compiler), "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        self._ffi = FFI()
        self._ffi.cdef(CDEF)
        self._lib = self._ffi.dlopen(str(library))
        self._read = getattr(self._lib, f"limit_{mt.isa}")

    def read(self, a: Any, out: Any, b: Any = None) -> None:
        take = self._ffi.from_buffer
        second = self._ffi.NULL if b is None else take("uint64_t[]", b)
        self._read(take("uint64_t[]", a), second, a.size // 64 * 64, take("uint8_t[]", out))

    def memset(self, out: Any) -> None:
        self._lib.limit_memset(self._ffi.from_buffer("uint8_t[]", out), 6, out.size)


def aligned(size: int) -> Any:
    """A pre-touched uint8 buffer at a multiple of 64."""
    raw = np.ones(size + 64, np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size]
