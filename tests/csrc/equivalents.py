"""equivalent_mutants.txt: changes of the C core that no caller can see, each with the reason.

A reason stands after ``#`` at the margin; below it, each indented, the changes that it is true of, as ``mutants.py`` prints
them: ``file | function | before => after``. ``*`` in one stands for any text.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from mutations import Mutation


def _pattern(entry: str) -> str:
    """The entry with no sign but ``*`` special: brackets stand for themselves."""
    return entry.replace("[", "[[]").replace("?", "[?]")


class Equivalents:
    def __init__(self, path: Path) -> None:
        self.reasons: dict[str, str] = {}
        reason = ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("# "):
                reason = line[2:]
            elif line.strip():
                if not (line[0] in " \t" and reason and line.count(" | ") >= 2):
                    raise SystemExit(f"{path}:{number}: neither a reason nor a mutant: {line}")
                self.reasons[line.strip()] = reason

    def reason(self, mutant: Mutation) -> str | None:
        found = (why for entry, why in self.reasons.items() if fnmatchcase(mutant.key, _pattern(entry)))
        return next(found, None)

    def unused(self, keys: Iterable[str]) -> list[str]:
        """Entries that name no mutant of all that there are."""
        held = list(keys)
        return [entry for entry in self.reasons if not any(fnmatchcase(key, _pattern(entry)) for key in held)]
