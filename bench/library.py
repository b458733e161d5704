"""A C file beside this one, compiled once into a temporary library."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cffi import FFI


class NotCompiledError(Exception):
    """Why there is no library."""


def compiled(name: str, cdef: str) -> tuple[Any, Any]:
    """What cffi calls the file's functions by: (ffi, lib). Raises `NotCompiledError`."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise NotCompiledError("no C compiler")
    ffi = FFI()
    ffi.cdef(cdef)
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "library.so"
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).with_name(name))]
        if subprocess.run(command, check=False).returncode:
            raise NotCompiledError(f"{name} does not compile here")
        return ffi, ffi.dlopen(str(library))
