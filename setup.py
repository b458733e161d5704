"""The native switch, ``MEMTYPE_NATIVE=auto|require|off``, and nothing else.

``require`` fails where the C core cannot be built. ``auto`` builds a pure wheel there and says why; it finds out
before the build, because a wheel whose extension failed half-way would still be tagged native. ``off`` builds the
pure wheel. A source distribution always lists the C core.
"""

import os
import sys
import sysconfig
import tempfile
import warnings
from pathlib import Path

from setuptools import setup


def compiler_error():
    """Why no extension can be compiled here, or None."""
    from setuptools._distutils.ccompiler import new_compiler
    from setuptools._distutils.sysconfig import customize_compiler

    compiler = new_compiler()
    customize_compiler(compiler)
    with tempfile.TemporaryDirectory() as scratch:
        probe = Path(scratch, "probe.c")
        probe.write_text("#include <Python.h>\nint probe;\n")
        try:
            compiler.compile([str(probe)], output_dir=scratch, include_dirs=[sysconfig.get_path("include")])
        except Exception as error:  # every compiler class has its own error
            return f"{type(error).__name__}: {error}"
    return None


def native_wanted():
    switch = os.environ.get("MEMTYPE_NATIVE", "auto")
    if switch not in ("auto", "require", "off"):
        raise SystemExit(f"MEMTYPE_NATIVE={switch}: not one of auto, require, off")
    if "sdist" in sys.argv:
        return True
    if switch == "auto":
        error = compiler_error()
        if error:
            warnings.warn(f"memtype: building without the C core: {error}", stacklevel=1)
        return error is None
    return switch == "require"


free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

if native_wanted():
    setup(
        cffi_modules=["csrc/build_ffi.py:ffibuilder"],
        options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp310"}},
    )
else:
    setup()
