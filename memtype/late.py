"""Modules that are imported when something of them is first used: numpy takes longer than most commands' answers.

Where a module of the package needs numpy in some functions only::

    if TYPE_CHECKING:
        import numpy as np
    else:
        np = Late("numpy")
"""

from __future__ import annotations

import importlib
from typing import Any


class Late:
    """Stands for a module. Each name is looked up there once, then kept here."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy and pickle look for is no name of the module's
            raise AttributeError(name)
        found = getattr(importlib.import_module(self._name), name)
        setattr(self, name, found)
        return found
