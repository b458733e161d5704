"""Which implementation answers: ``MEMTYPE_BACKEND=auto|native|python|checked`` chooses at import.

A backend is a module with the functions of `memtype.backends.python`. `active` is the chosen one; everything
above this room calls ``backends.active.…`` and so follows a change of it.
"""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any

from memtype.errors import BackendUnavailable, MemtypeError

NAMES = ("native", "python", "checked")


def load(name: str) -> Any:
    """The backend module of that name.

    Raises
    ------
    BackendUnavailable
        For an unknown name, or when the C extension is not built, or was from other sources.
    """
    if name not in NAMES:
        raise BackendUnavailable(f"MEMTYPE_BACKEND={name}: not one of auto, {', '.join(NAMES)}")
    try:
        return importlib.import_module(f"memtype.backends.{name}")
    except MemtypeError:
        raise
    except Exception as error:  # absent: ImportError; stale: AttributeError, or cffi's own for a struct
        raise BackendUnavailable(f"the {name} backend cannot be loaded: {error}") from error


def _choose(wanted: str) -> Any:
    if wanted != "auto":
        return load(wanted)
    try:
        return load("native")
    except BackendUnavailable as error:
        warnings.warn(f"memtype: falling back to pure Python: {error}", RuntimeWarning, stacklevel=4)
        return load("python")


active: Any = _choose(os.environ.get("MEMTYPE_BACKEND") or "auto")
