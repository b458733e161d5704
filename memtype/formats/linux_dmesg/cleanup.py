"""What mtrr_cleanup prints: the registers it found, its table of plans, and what it wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from memtype import rules
from memtype.errors import ParseError
from memtype.reading.patterns import later
from memtype.reading.values import UNITS, decimal

_LIST = later(r"(original|New) variable MTRRs$", re.I)
_REG = later(r"reg (\d+), base: (\d+)([KMG])B, range: (\d+)([KMG])B, type (UC|WP|WB|WC|WT|Other)$", re.I)
_COVERED = later(r"total RAM covered: (\d{1,12})M$", re.I)
_ROW = later(
    r"(\*BAD\*)? ?gran_size: (\d+[KMG]) chunk_size: (\d+[KMG]) num_reg: (\d{1,4}) lose cover RAM: (-?\d+[KMG])$",
    re.I,
)
_FOUND = later(r"Found optimal setting for mtrr clean up$", re.I)
_NOT_FOUND = later(r"mtrr_cleanup: can not find optimal value", re.I)
_LOSING = later(r".*BIOS bug: CPU MTRRs don't cover all of memory, losing (\d{1,12}) ?MB of RAM", re.I)
_BLANK = later(r".*CPU MTRRs all blank - virtualized system", re.I)


@dataclass(slots=True)
class Cleanup:
    """Facts under the names that `Machine.facts` has; `original` and `new` hold registers by number."""

    source: str
    original: dict[int, tuple[int, int, str]] = field(default_factory=dict)  # number: base, size, type
    new: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    optimal: dict[str, Any] | None = None
    result: str | None = None
    covered: int | None = None
    losing: int | None = None
    mixed: bool = False  # a list that tells one register twice, differently: the headline between two lists is lost
    _list: dict[int, tuple[int, int, str]] | None = None

    def take(self, number: int, line: str) -> bool:
        """Read one squeezed line; False where it is none of these."""
        if found := _LIST.match(line):
            self._list = self.original if found[1].lower() == "original" else self.new
        elif self._list is not None and (found := _REG.match(line)):
            self._register(found, f"{self.source}:{number}")
        elif found := _ROW.match(line):
            self._row(found)
        elif found := _COVERED.match(line):
            self.covered = int(found[1])
        elif _FOUND.match(line):
            self.result = "found"
        elif _NOT_FOUND.match(line):
            self.result = "not_found"
        elif found := _LOSING.match(line):
            losing = int(found[1])
            if self.losing not in (None, losing):
                told = f"losing {self.losing}MB and losing {losing}MB of RAM: one kernel says it once"
                raise ParseError(f"{self.source}:{number}: {told}")
            self.losing = losing
        elif not _BLANK.match(line):  # it belongs here, yet tells nothing that the registers do not
            return False
        return True

    @property
    def left(self) -> dict[int, tuple[int, int, str]]:
        """The registers as firmware left them; none where two lists cannot be told apart."""
        return {} if self.mixed else self.original

    def _register(self, found: re.Match[str], where: str) -> None:
        base, size = (
            decimal(found[n], where, what, 1 << rules.MAX_MAXPHYADDR) * UNITS[found[n + 1].upper()]
            for n, what in ((2, "base"), (4, "range"))
        )
        index = decimal(found[1], where, "variable range", rules.MAX_VARIABLE)
        if size <= 0 or base + size > 1 << rules.MAX_MAXPHYADDR:
            raise ParseError(f"{where}: 0x{base:x}+0x{size:x} is empty or beyond 2**{rules.MAX_MAXPHYADDR}")
        assert self._list is not None
        entry = base, size, found[6]
        self.mixed |= self._list.setdefault(index, entry) != entry

    def _row(self, found: re.Match[str]) -> None:
        row = {
            "bad": found[1] is not None,
            "gran": found[2],
            "chunk": found[3],
            "num_reg": int(found[4]),
            "lose": found[5],
        }
        if self.result == "found" and self.optimal is None:
            self.optimal = row
        else:
            self.rows.append(row)

    def facts(self) -> dict[str, object]:
        """What was printed, by name."""
        found: dict[str, object] = {
            "cleanup_original": _listed(self.original),
            "cleanup_new": _listed(self.new),
            "cleanup_table": self.rows,
            "cleanup_optimal": self.optimal,
            "cleanup_result": self.result,
        }
        numbers = {"total_ram_covered_mb": self.covered, "losing_mb": self.losing}
        return {key: value for key, value in found.items() if value} | {
            key: value for key, value in numbers.items() if value is not None
        }


def _listed(registers: dict[int, tuple[int, int, str]]) -> list[dict[str, object]]:
    return [{"reg": n, "base": base, "size": size, "type": kind} for n, (base, size, kind) in registers.items()]
