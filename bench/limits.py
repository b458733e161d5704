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
void limit_read_{0}(const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out);
void limit_merge_{0}(const uint64_t *in, size_t n, uint64_t *words);
uint64_t limit_scan_{0}(const uint64_t *in, size_t n);
"""
WIDTHS = {"avx512": "avx512", "avx2": "avx2", "ssse3": "sse2", "portable": "sse2"}


class Limits:
    """Passes of the width that the instruction set in use has; `missing` says why there are none."""

    missing: str | None = None

    def __init__(self) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        width = WIDTHS.get(mt.isa)
        if not compiler or not width:
            self.missing = "no C compiler" if width else f"no limit kernel for {mt.isa}"
            return
        self._ffi = FFI()
        self._ffi.cdef(CDEF.format(width) + "void limit_memset(uint8_t *out, int value, size_t n);")
        with tempfile.TemporaryDirectory() as scratch:
            library = Path(scratch) / "limits.so"
            source = Path(__file__).with_name("limits.c")
            command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)]
            if subprocess.run(command, check=False).returncode:
                self.missing = "limits.c does not compile here"
                return
            self._lib = self._ffi.dlopen(str(library))
        self._read = getattr(self._lib, f"limit_read_{width}")
        self._merge = getattr(self._lib, f"limit_merge_{width}")
        self._scan = getattr(self._lib, f"limit_scan_{width}")

    def read(self, a: Any, out: Any, b: Any = None) -> None:
        """Read 8 bytes of each element, or 16, and write one."""
        second = self._ffi.NULL if b is None else self._words(b)
        self._read(self._words(a), second, a.size // 64 * 64, self._ffi.from_buffer("uint8_t[]", out))

    def merge(self, words: Any, a: Any) -> None:
        """Read 8 bytes of each element and OR them into 8 in place."""
        self._merge(self._words(a), a.size // 64 * 64, self._words(words))

    def scan(self, a: Any) -> None:
        """Read 8 bytes of each element."""
        self._scan(self._words(a), a.size // 64 * 64)

    def memset(self, out: Any) -> None:
        self._lib.limit_memset(self._ffi.from_buffer("uint8_t[]", out), 6, out.size)

    def _words(self, array: Any) -> Any:
        return self._ffi.from_buffer("uint64_t[]", array)


def aligned(size: int) -> Any:
    """A pre-touched uint8 buffer at a multiple of 64."""
    raw = np.ones(size + 64, np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size]
