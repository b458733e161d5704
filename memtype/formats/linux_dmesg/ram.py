"""The firmware's RAM map as Linux of any age prints it, and what Linux trimmed from it for want of WB."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import RamRange
from memtype.reading import values
from memtype.reading.patterns import later

_BIOS = later(
    r"(?:BIOS-(?:e820|88|e801)|Xen|efi-e820): (?:"
    r"\[mem 0x(?P<base>[0-9a-f]+) ?- ?0x(?P<last>[0-9a-f]+)\] ?(?P<kind>[A-Za-z(].*)|"
    r"(?:(?P<from>[0-9a-f]+) - (?P<to>[0-9a-f]+)|(?P<size>[0-9a-f]+) @ (?P<at>[0-9a-f]+)) \((?P<word>[^)]*)\))$",
    re.I,
)
_UPDATE = later(
    r"e820:? update (?:"
    r"\[mem 0x(?P<base>[0-9a-f]+) ?- ?0x(?P<last>[0-9a-f]+)\] (?:usable ==> |System RAM ==> device )reserved|"
    r"range: (?P<from>[0-9a-f]+) - (?P<to>[0-9a-f]+) \(usable\) ==> \(reserved\))$",
    re.I,
)
_STARTED = later(r"(?:BIOS-e820:|e820: update) \[mem\b(?!.*==> ?\S)", re.I)
_LAST_PFN = later(r"(?:e820: )?last_pfn = 0x([0-9a-f]{1,13})\b", re.I)


@dataclass(slots=True)
class Ram:
    """The map's lines; `trimmed` holds (base, end) of the updates between the MTRR lines and the next last_pfn."""

    source: str
    listed: dict[RamRange, None] = field(default_factory=dict)
    trimmed: list[tuple[int, int]] = field(default_factory=list)
    last_pfn: int = 0  # the highest printed: before RAM was trimmed

    def sized(self, line: str) -> bool:
        """Read "last_pfn = …", which Linux prints when it has found the end of RAM, before and after trimming."""
        found = _LAST_PFN.match(line)
        if found:
            self.last_pfn = max(self.last_pfn, int(found[1], 16))
        return found is not None

    def take(self, number: int, line: str, trimming: bool) -> bool:
        """Read one squeezed line; `trimming` says that the MTRRs were read and RAM not sized yet."""
        if found := _BIOS.match(line):
            where = f"{self.source}:{number}"
            base, end = _sized(found, where) if found["at"] else _span(found, where)
            entry = RamRange(base, end - base, (found["kind"] or found["word"]).strip())
            if entry.size:
                self.listed[entry] = None
        elif trimming and (found := _UPDATE.match(line)):
            self.trimmed.append(_span(found, f"{self.source}:{number}"))
        else:
            return False
        return True

    @property
    def ranges(self) -> tuple[RamRange, ...]:
        """The map, equal lines once."""
        return tuple(self.listed)

    @property
    def tops(self) -> list[int]:
        """The first byte behind each range of RAM."""
        return [r.base + r.size for r in self.ranges if r.kind.lower() in rules.E820_RAM]


def started(line: str) -> bool:
    """Whether a mail program may have put the rest of this line on the next one."""
    return _STARTED.match(line) is not None and _BIOS.match(line) is None


def _sized(found: re.Match[str], where: str) -> tuple[int, int]:
    """[base, end) as kernels up to 2.4.10 print it: ``size @ base``."""
    size, base = (values.number(found[name], where, 0, name) for name in ("size", "at"))
    if base + size > 1 << 64:
        raise ParseError(f"{where}: RAM range 0x{base:x}+0x{size:x} is beyond 64 bits")
    return base, base + size


def _span(found: re.Match[str], where: str) -> tuple[int, int]:
    """[base, end): the older form prints the end exclusive, the newer one inclusive."""
    if found["base"]:
        base, end = values.number(found["base"], where, 0, "base"), values.number(found["last"], where, 0, "end") + 1
    else:
        base, end = values.number(found["from"], where, 0, "base"), values.number(found["to"], where, 0, "end")
    if end < base:
        raise ParseError(f"{where}: RAM range 0x{base:x}-0x{end:x} is empty")
    return base, end
