"""The limit kernels: `limits.c`, compiled once into a temporary library."""

from __future__ import annotations

from typing import Any

import numpy as np

import memtype as mt
from bench.library import NotCompiledError, compiled
from bench.measure import Call

CDEF = """
void limit_read_{0}(int how, const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out);
void limit_merge_{0}(int how, const uint64_t *in, size_t n, uint64_t *words);
uint64_t limit_scan_{0}(const uint64_t *in, size_t n);
uint64_t floor_shuffles(int how, const uint64_t *a, const uint64_t *b, size_t n, uint8_t *out);
void limit_memset(uint8_t *out, int value, size_t n);
"""
WIDTHS = {"avx512": "avx512", "avx2": "avx2", "ssse3": "sse2", "portable": "sse2"}
READS = {"plain": 0, "streamed": 1, "fetched": 2, "streamed, fetched": 3}
SHUFFLES = {"plain": 0, "streamed": 1}
MERGES = {"plain": 0, "fetched": 2}

Candidates = dict[str, tuple[Call, int]]


class Limits:
    """Passes of the width that the instruction set in use has, as candidates; `missing` says why there are none."""

    missing: str | None = None

    def __init__(self) -> None:
        width = WIDTHS.get(mt.isa)
        if not width:
            self.missing = f"no limit kernel for {mt.isa}"
            return
        try:
            self._ffi, self._lib = compiled("limits.c", CDEF.format(width))
        except NotCompiledError as error:
            self.missing = str(error)
            return
        self._read = getattr(self._lib, f"limit_read_{width}")
        self._merge = getattr(self._lib, f"limit_merge_{width}")
        self._scan = getattr(self._lib, f"limit_scan_{width}")

    def skipped(self, *names: str) -> dict[str, str]:
        """Why the candidates of these names are not there."""
        return dict.fromkeys(names, self.missing) if self.missing else {}

    def read(self, a: Any, out: Any, b: Any = None) -> Candidates:
        """Read 8 bytes of each element, or 16, and write one."""
        if self.missing:
            return {}
        second = self._ffi.NULL if b is None else self._words(b)
        words, count, written = self._words(a), a.size // 64 * 64, self._ffi.from_buffer("uint8_t[]", out)
        return {
            f"limit: {name}": (lambda how=how: self._read(how, words, second, count, written), a.size)
            for name, how in READS.items()
        }

    def shuffles(self, a: Any, out: Any, b: Any = None) -> Candidates:
        """`read`, and what a look-up by windows of bits cannot do without: the floor of this design with AVX-512."""
        if self.missing or mt.isa != "avx512":
            return {}
        second = self._ffi.NULL if b is None else self._words(b)
        words, count, written = self._words(a), a.size // 64 * 64, self._ffi.from_buffer("uint8_t[]", out)
        return {
            f"floor: {name}": (lambda how=how: self._lib.floor_shuffles(how, words, second, count, written), a.size)
            for name, how in SHUFFLES.items()
        }

    def merge(self, words: Any, a: Any) -> Candidates:
        """Read 8 bytes of each element and OR them into 8 in place."""
        if self.missing:
            return {}
        given, count, written = self._words(a), a.size // 64 * 64, self._words(words)
        return {
            f"limit: {name}": (lambda how=how: self._merge(how, given, count, written), a.size)
            for name, how in MERGES.items()
        }

    def scan(self, a: Any) -> None:
        """Read 8 bytes of each element."""
        self._scan(self._words(a), a.size // 64 * 64)

    def memset(self, out: Any) -> Candidates:
        if self.missing:
            return {}
        written = self._ffi.from_buffer("uint8_t[]", out)
        return {"memset": (lambda: self._lib.limit_memset(written, 6, out.size), out.size)}

    def _words(self, array: Any) -> Any:
        return self._ffi.from_buffer("uint64_t[]", array)


def aligned(size: int) -> Any:
    """A pre-touched uint8 buffer at a multiple of 64."""
    raw = np.ones(size + 64, np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size]
