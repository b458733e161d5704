"""Patterns that are compiled when they are first used: a command reads one dump and needs few of some 400."""

from __future__ import annotations

import re
from typing import Any, cast


class _Later:
    """Stands for a compiled pattern; the methods that are asked for stay, so that later calls cost nothing more."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern, self._flags = pattern, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self.pattern, self._flags), name)
        self.__dict__[name] = found
        return found


def later(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` gives, compiled when it is first used.

    Examples
    --------
    >>> later(r"reg(\\d+)").match("reg07")[1]
    '07'
    """
    return cast("re.Pattern[str]", _Later(pattern, flags))
