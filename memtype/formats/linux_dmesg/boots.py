"""The boots of a log: which lines belong to which, wrapped lines made whole, each line given to whoever reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from memtype.formats.linux_dmesg import ram, registers
from memtype.formats.linux_dmesg.cleanup import Cleanup
from memtype.formats.linux_dmesg.pat import PatLine
from memtype.reading.clues import holding, words
from memtype.reading.fragments import is_fragment
from memtype.reading.lines import bare, holds, is_bare, squeeze
from memtype.reading.once import once
from memtype.reading.patterns import later
from memtype.reading.registers import Remark
from memtype.reading.width import width_on
from memtype.told import Width

_BEGINS = later(r"$|BIOS-|e820|MTRR|x86|last_pfn|DMI|tsc|\d{1,3} (?:base|disabled)", re.I)
_OF_INTEREST = words(
    "mtrr", " base ", "tom2", "e820", "pat", "phys", "linux version", "cpu", "vendor_id", "vendor id", "model name",
    "address size", "hypervisor", "last_pfn", "disabled", " ram ", "_size", "range:", "mask", "write-",
    "uncach", "xen:", " ?", "memtype/1",
)  # fmt: skip
_STAMP = later(r"(?=\[ +\d)")
_VERSION = later(r"Linux version (\S+)")
_CPU = later(r"(?:smpboot: )?(?:CPU\d*|model name|vendor_id|Vendor ID) ?:(.*)", re.I)
_VENDOR = later(
    r"\b(?:(Genuine ?Intel|Intel|Zhaoxin|CentaurHauls|VIA (?:Nano|C\d|Eden))|(AuthenticAMD|AMD|Hygon(?:Genuine)?))\b",
    re.I,
)
_READ_ONLY = later(r"(?:mtrr: )?MTRRs set to read-only", re.I)
_HYPERVISOR = later(r"Hypervisor detected: (.+)")


@dataclass(slots=True)
class Boot:
    """One boot of the log."""

    source: str
    listing: registers.Listing = field(init=False)
    cleanup: Cleanup = field(init=False)
    ram: ram.Ram = field(init=False)
    pat: PatLine = field(init=False)
    kernel: str | None = None
    vendors: set[str] = field(default_factory=set)
    widths: list[Width] = field(default_factory=list)
    vendor: str | None = None  # as all lines tell it
    width: Width | None = None
    remark: Remark = field(default_factory=Remark)
    read_only: bool = False
    hypervisor: str | None = None
    trimming: bool = False
    last_line: int = field(init=False)
    fragment: bool = False  # the text breaks off in what may be an entry of the list
    taken: set[int] = field(default_factory=set)  # numbers of the lines that were understood

    def __post_init__(self) -> None:
        self.listing, self.cleanup = registers.Listing(self.source), Cleanup(self.source)
        self.ram, self.pat = ram.Ram(self.source), PatLine(self.source)

    def take(self, number: int, line: str) -> None:
        if not line:
            return
        self.last_line = number
        if self.listing.take(number, line) or self.cleanup.take(number, line) or self.pat.take(number, line):
            self.trimming = True
        elif self.ram.sized(line):
            self.trimming = False
        elif not (self.ram.take(number, line, self.trimming) or self._processor(number, line)):
            return
        self.taken.add(number)

    def _processor(self, number: int, line: str) -> bool:
        if (found := _CPU.match(line)) and (brand := _VENDOR.search(found[1])):
            self.vendors.add("intel" if brand[1] else "amd")
        elif width := width_on(line, self.source, number):
            self.widths.append(width)
        elif _READ_ONLY.match(line):
            self.read_only = True
        elif host := _HYPERVISOR.match(line):
            self.hypervisor = host[1]
        else:
            return False
        return True

    @property
    def worth(self) -> int:
        """How much this boot tells: registers, then a map, counts, the PAT, RAM."""
        told = self.listing
        if told.listed or told.off or told.fixed or told.default or self.cleanup.original:
            return 5
        others = told.segments, told.counts, self.pat.pat, self.ram.ranges or told.tom2
        return next((worth for worth, what in zip((4, 3, 2, 1), others) if what), 0)


def boots(text: str, source: str) -> list[Boot]:
    """The boots in the text's order, at least one."""
    current = Boot(source)
    found = [current]
    for number, line in _unwrapped(text):
        if version := _VERSION.match(line):
            if current.kernel or current.worth:
                current = Boot(source)
                found.append(current)
            current.kernel = version[1]
        current.take(number, line)
    lines = text.split("\n")
    for boot in found:
        boot.listing.breaks_off(lines)
    current.last_line = text.rstrip().count("\n") + 1
    unread = current.last_line not in current.taken
    *_, above, last = ["", *lines]
    current.fragment = bool(last) and unread and (not bare(last) or is_fragment(last, above))
    return found


def _unwrapped(text: str) -> Iterator[tuple[int, str]]:
    """Squeezed lines but the hypervisor's own; a line that a mail program broke in two is one again."""
    pending: tuple[int, str] | None = None
    squeezed = once(squeeze)
    for number, raw, wanted in _rows(text):
        if (pending is None and not wanted) or "(XEN)" in raw:
            continue
        line = squeezed[raw]
        if pending is not None:
            start, begun = pending
            pending = None
            yield start, f"{begun} {line}" if _continues(raw, line) else begun
            if _continues(raw, line):
                continue
        if ram.started(line) or registers.started(line):
            pending = number, line
        else:
            yield number, line
    if pending is not None:
        yield pending


def _rows(text: str) -> Iterator[tuple[int, str, bool]]:
    """(number, line, whether it is of interest); where a log was pasted on one line, its time stamps part it."""
    wanted = {number for number, _ in holding(text, _OF_INTEREST)}
    rows = text.split("\n")
    several: set[int] = set()
    if text.count("[ ") > text.count("\n[ ") + text.startswith("[ "):  # else each stamp begins a line
        several = {number for number, row in enumerate(rows, 1) if row.count("[ ") > 1}
    for number in sorted(wanted | {number + 1 for number in wanted} | several):
        if number in several:
            parts = (part for part in _STAMP.split(rows[number - 1]) if part)
            yield from ((number, part, holds(part, *_OF_INTEREST.plain)) for part in parts)
        elif number <= len(rows):
            yield number, rows[number - 1], number in wanted


def _continues(raw: str, line: str) -> bool:
    """Whether a line has no prefix of its own."""
    return _BEGINS.match(line) is None and is_bare(raw)
