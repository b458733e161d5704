"""The PAT line of a Linux boot, in the wording of any age."""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtype.errors import ParseError
from memtype.pat import Pat
from memtype.reading import values
from memtype.reading.patterns import later
from memtype.types import MemoryType

_CELLS = later(r"(?:x86/)?(?:mm/)?PAT:? configuration \[0-7\]:((?: (?:UC-|UC|WC|WT|WP|WB|\?\?)){1,9})$", re.I)
_ENABLED = later(r"(?:x86 )?PAT enabled: cpu \d+, old 0x([0-9a-f]+), new 0x([0-9a-f]+)", re.I)
_NONE = later(r"(?:x86/PAT: )?PAT (?:not supported by (?:the )?CPU|support disabled)", re.I)
_SKIPPED = later(r"x86/PAT: MTRRs disabled, skipping PAT initialization too", re.I)


@dataclass(slots=True)
class PatLine:
    """The PAT after Linux set it (`pat`); `old` is what it found, where the kernel says so."""

    source: str
    pat: Pat | None = None
    names: list[str] | None = None
    old: int | None = None
    absent: bool = False
    cut: bool = False

    def take(self, number: int, line: str) -> bool:
        """Read one squeezed line; False where it is none of these."""
        where, before = f"{self.source}:{number}", self.pat
        taken = self._take(line, where)
        if before not in (None, self.pat):
            raise ParseError(f"{where}: the PAT is told twice, with different values")
        return taken

    def _take(self, line: str, where: str) -> bool:
        if found := _CELLS.match(line):
            self._cells(found[1].split(), where)
        elif found := _ENABLED.match(line):
            self.old = values.number(found[1], where, 0, "IA32_PAT")
            self.pat = Pat(values.number(found[2], where, 0, "IA32_PAT"))
        elif _NONE.match(line):
            self.absent = True
        elif not _SKIPPED.match(line):  # it belongs here, yet names no value
            return False
        return True

    def _cells(self, names: list[str], where: str) -> None:
        if len(names) > 8:
            raise ParseError(f"{where}: {len(names)} PAT entries; there are 8")
        self.names = [name.upper() for name in names]
        self.cut = len(names) < 8
        if self.cut:
            return
        self.pat = Pat(int.from_bytes(bytes(map(_entry, self.names)), "little"))

    def facts(self) -> dict[str, object]:
        """What was printed, by name."""
        found: dict[str, object] = {} if self.names is None else {"pat": self.names}
        if self.old is not None and self.pat is not None:
            found |= {"pat_msr_old": f"0x{self.old:x}", "pat_msr_new": f"0x{self.pat.value:x}"}
        return found


def _entry(name: str) -> int:
    return 2 if name == "??" else int(MemoryType.parse(name))
