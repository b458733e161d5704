"""The native switch, ``MEMTYPE_NATIVE=auto|require|off``, and nothing else.

``require`` fails where the C core cannot be built. ``auto`` compiles it first, to one side: where that fails the wheel
is pure, tagged so, and holds the reason, which the first import tells; where it works the wheel takes what was
compiled. (A wheel whose extension failed half-way would still be tagged native.) ``off`` builds the pure wheel. A
source distribution always lists the C core.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

SWITCH = os.environ.get("MEMTYPE_NATIVE") or "auto"
BUILDS = {"build", "build_ext", "bdist_wheel", "editable_wheel", "install", "develop"}
REASON = Path("memtype", "backends", "not_built.txt")  # read by memtype.backends


def compiled_aside(place):
    """The extension compiled into the folder `place`: (its file, None) or (None, why there is none)."""
    command = [sys.executable, __file__, "-q", "build_ext", "--build-lib", place, "--build-temp", place]
    ran = subprocess.run(command, env=os.environ | {"MEMTYPE_NATIVE": "require"}, text=True, capture_output=True)
    found = next(Path(place).glob("memtype/_native*"), None)
    if ran.returncode == 0 and found:
        return found, None
    said = [line.strip() for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
    first = next((line for line in said if "error" in line.lower()), said[-1] if said else "no compiler")
    return None, first[:300]


def with_core(file=None):
    """setup() with the extension, compiled now or taken from `file`."""

    class Taken(build_ext):
        def build_extension(self, ext):
            target = Path(self.get_ext_fullpath(ext.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)

    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    setup(
        cffi_modules=["csrc/build_ffi.py:ffibuilder"],
        options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp310"}},
        cmdclass={"build_ext": Taken} if file else {},
    )


def without_core(reason):
    """setup() of the pure package, which keeps the reason."""

    class Told(build_py):
        def run(self):
            super().run()
            target = (Path() if self.editable_mode else Path(self.build_lib)) / REASON
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(reason + "\n")

    setup(cmdclass={"build_py": Told})


if SWITCH not in ("auto", "require", "off"):
    raise SystemExit(f"MEMTYPE_NATIVE={SWITCH}: not one of auto, require, off")
if SWITCH == "off":
    without_core("MEMTYPE_NATIVE=off when it was installed") if "sdist" not in sys.argv else with_core()
elif SWITCH == "require" or not BUILDS.intersection(sys.argv):
    with_core()
else:
    with tempfile.TemporaryDirectory() as scratch:
        core, error = compiled_aside(scratch)
        if core:
            with_core(core)
        else:
            warnings.warn(f"memtype: building without the C core: {error}", stacklevel=1)
            without_core(error)
