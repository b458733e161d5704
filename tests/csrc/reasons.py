"""Files of reasons: what is argued and not shown by a program, each entry under its reason.

A reason stands after ``#`` at the margin; below it, each indented, the entries that it is true of, as the program
prints them, with parts divided by ``|``. ``*`` in one stands for any text. An entry that is true of nothing is an
error.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path


def _pattern(entry: str) -> str:
    """The entry with no sign but ``*`` special: brackets stand for themselves."""
    return entry.replace("[", "[[]").replace("?", "[?]")


class Reasons:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.of: dict[str, str] = {}
        reason = ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("# "):
                reason = line[2:]
            elif line.strip():
                if not (line[0] in " \t" and reason and line.count(" | ") >= 2):
                    raise SystemExit(f"{path}:{number}: neither a reason nor an entry: {line}")
                self.of[line.strip()] = reason

    def why(self, key: str) -> str | None:
        return next((why for entry, why in self.of.items() if fnmatchcase(key, _pattern(entry))), None)

    def unused(self, keys: Iterable[str]) -> list[str]:
        """Entries that are true of none of the keys."""
        held = list(keys)
        return [entry for entry in self.of if not any(fnmatchcase(key, _pattern(entry)) for key in held)]
