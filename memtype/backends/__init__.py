"""Which implementation answers: ``MEMTYPE_BACKEND=auto|native|python|checked`` chooses at import.

A backend is a module that keeps the contract (`contract.Backend`). `active` is the chosen one; all other rooms call
``backends.active.…`` and so follow a change of it.

What the environment asks for and cannot have (a misspelt name, an extension that is not built) does not break
``import memtype``: `refused` keeps it in one line, and another backend answers. The command line prints that line and
ends; a program gets it as a RuntimeWarning with the first question it asks. A backend that refuses a setting of its
own but works without it has the line as its attribute `refused`.
"""

from __future__ import annotations

import importlib
import os
import warnings
from pathlib import Path
from typing import Any, cast

from memtype.backends.contract import Backend
from memtype.errors import BackendUnavailable, MemtypeError

NAMES = ("native", "python", "checked")


def load(name: str) -> Backend:
    """The backend module of that name.

    Raises
    ------
    BackendUnavailable
        For an unknown name, or when the C extension is not built, or was from other sources.
    """
    if name not in NAMES:
        shown = ascii(name)[1:-1]
        raise BackendUnavailable(f"MEMTYPE_BACKEND={shown:.40}: not one of auto, {', '.join(NAMES)}")
    try:
        return cast(Backend, importlib.import_module(f"memtype.backends.{name}"))
    except MemtypeError:
        raise
    except Exception as error:  # absent: ImportError; stale: AttributeError, or cffi's own for a struct
        why = _not_built() if isinstance(error, ModuleNotFoundError) else None
        raise BackendUnavailable(f"the {name} backend cannot be loaded: {why or error}") from error


def _not_built() -> str | None:
    """Why the installation has no C core, as `setup.py` left it."""
    path = Path(__file__).with_name("not_built.txt")
    return f"the C core was not built: {path.read_text().strip()}" if path.is_file() else None


def _choose(wanted: str) -> Backend:
    if wanted != "auto":
        return load(wanted)
    try:
        return load("native")
    except BackendUnavailable as error:
        warnings.warn(f"memtype: falling back to pure Python: {error}", RuntimeWarning, stacklevel=4)
        return load("python")


class _Substitute:
    """The backend that answers in place of what was refused; it says so when it is first asked, then steps aside."""

    def __init__(self, module: Backend, text: str) -> None:
        self._module, self._text = module, text
        self.name, self.isa = module.name, module.isa

    def __getattr__(self, function: str) -> Any:
        global active
        if active is self:
            active = self._module
            text = f"memtype: {self._text}; the {self.name} backend answers"
            warnings.warn(text, RuntimeWarning, stacklevel=3)
        return getattr(self._module, function)


def _start(wanted: str) -> tuple[Backend, str | None]:
    """The backend that answers, and what was refused."""
    try:
        found = _choose(wanted)
        text = getattr(found, "refused", None)
    except MemtypeError as error:
        found, text = _best(), str(error)
    return cast(Backend, _Substitute(found, text)) if text else found, text


def _best() -> Backend:
    try:
        return load("native")
    except MemtypeError:
        return load("python")


active: Backend
active, refused = _start(os.environ.get("MEMTYPE_BACKEND") or "auto")
