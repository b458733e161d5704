"""One EPT entry for ``memtype pte --ept``: a leaf or not, its type, and what makes it a misconfiguration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memtype import rules
from memtype.ept import ept_types
from memtype.errors import InputError
from memtype.types import MemoryType

LEVELS = (1, 2, 3, 4, 5)
_ACCESS = 7  # bits 2:0: read, write, execute; all 0: not present (SDM 3C 29.3.2)
_WRITE_ONLY = (2, 6)  # write without read is a misconfiguration (SDM 3C 29.3.3.1)


@dataclass(frozen=True, slots=True)
class Reading:
    """The entry at one level. `type` is None for one that points to a table, and where it is not present."""

    level: int
    leaf: bool
    present: bool
    type: MemoryType | None
    ipat: bool
    problems: tuple[str, ...]

    def __str__(self) -> str:
        what = f"a {rules.LEAF_NAMES[self.level]} leaf" if self.leaf else "points to a table"
        where = f"level {self.level}, {what}"
        if not self.present:
            return f"{where}: not present (bits 2:0 = 0): EPT violation, its other bits are not looked at"
        if self.problems:
            return f"{where}: misconfigured: {'; '.join(self.problems)}"
        if not self.leaf:
            return f"{where}: bits 6:3 are 0, as they must be; no type"
        rest = "this type alone decides" if self.ipat else "combines with the guest's PAT type"
        return f"{where}: {self.type}; IPAT (bit 6) = {int(self.ipat)}: {rest}"

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level, "leaf": self.leaf, "present": self.present, "type": self.type, "ipat": self.ipat,
            "misconfigured": bool(self.problems), "problems": list(self.problems),
        }  # fmt: skip


def readings(value: int, level: int | None) -> list[Reading]:
    """The entry at the level that was given, else as it would be at each.

    Level 1 holds leaves only, 2 and 3 hold leaves where bit 7 is set, 4 and 5 none (SDM 3C tables 29-2 to 29-7).
    """
    if level is not None and level not in LEVELS:
        raise InputError(f"--level {level}: EPT has levels 1 to 5")
    return [_reading(value, at) for at in (LEVELS if level is None else (level,))]


def _reading(value: int, level: int) -> Reading:
    large = bool(value & rules.PTE_PS)
    leaf = level == 1 or (level in (2, 3) and large)
    present = bool(value & _ACCESS)
    found = list(_problems(value, level, leaf)) if present else []
    kind = MemoryType(ept_types(value)) if leaf and present else None
    ipat = leaf and present and bool(value & rules.EPT_IPAT)
    return Reading(level, leaf, present, kind, ipat, tuple(found))


def _problems(value: int, level: int, leaf: bool) -> list[str]:
    found = []
    if value & _ACCESS in _WRITE_ONLY:
        found.append(f"bits 2:0 = {value & _ACCESS}: write without read")
    encoding = (value & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT
    if leaf and encoding not in rules.EPT_TYPES:
        found.append(f"bits 5:3 = {encoding}: no memory type")
    pointing = value & (rules.EPT_TYPE_FIELD | rules.EPT_IPAT)
    if not leaf and pointing:
        found.append(f"bits 6:3 = {pointing >> rules.EPT_TYPE_SHIFT}: must be 0 in an entry that points to a table")
    if level > 3 and value & rules.PTE_PS:
        found.append(f"bit 7 = 1: must be 0 at level {level}")
    return found


def text(value: int, found: list[Reading]) -> str:
    """The readings, those with the same words on one line of their own each."""
    lines = [f"0x{value:016x}  as an EPT entry"] + [f"  {reading}" for reading in found]
    if any(reading.problems for reading in found):
        lines.append(f"  [ept-misconfig: {rules.RULES['ept-misconfig'].source}]")
    return "\n".join(lines)
