"""Describes the extension to cffi: the marked section of memtype.h is the cdef, verbatim."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def cdef() -> str:
    text = (HERE / "memtype.h").read_text()
    return text.split("/* --- cdef begin --- */")[1].split("/* --- cdef end --- */")[0]


def builder() -> FFI:
    ffi = FFI()
    ffi.cdef(cdef())
    told = os.environ.get("MEMTYPE_CFLAGS", "").split()
    stripped = ["-Wl,-s"] if sys.platform == "linux" else []  # symbols are half of the wheel
    relative = Path(os.path.relpath(HERE, ROOT))
    ffi.set_source(
        "memtype._native",
        '#include "memtype.h"',
        # a second module, memtype._quick, in the same file: it calls the core as native.py does, only sooner
        sources=[
            *(str(relative / path.name) for path in sorted(HERE.glob("*.c")) if path.name != "_native.c"),
            "memtype/backends/quick.c",
        ],
        depends=[str(relative / path.name) for path in sorted([*HERE.glob("*.h"), *HERE.glob("*.py")])],
        include_dirs=[str(relative)],
        extra_compile_args=["-std=c11", "-O2", *(told or ["-g0"])],
        extra_link_args=os.environ.get("MEMTYPE_LDFLAGS", "").split() if told else stripped,
    )
    return ffi


ffibuilder = builder()
