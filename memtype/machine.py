"""What a dump says of one machine: its processors, its RAM map, and what it does not say."""

from __future__ import annotations

from dataclasses import dataclass

from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import Pat


@dataclass(frozen=True, slots=True)
class Cpu:
    """One logical processor. `mtrrs` or `pat` is None where the dump does not tell."""

    number: int = 0
    mtrrs: MtrrState | None = None
    pat: Pat | None = None


@dataclass(frozen=True, slots=True)
class RamRange:
    """One line of a firmware memory map: bytes [base, base + size), `kind` in the dump's own words."""

    base: int
    size: int
    kind: str

    @property
    def last(self) -> int:
        return self.base + self.size - 1


@dataclass(frozen=True, slots=True)
class Machine:
    """Parsed input.

    Attributes
    ----------
    cpus : at least one `Cpu`, in the dump's order
    format : the name of the parser that read it, e.g. "linux-dmesg"; several are joined by "+"
    e820 : the firmware's RAM map
    kernel : the kernel's release as printed, e.g. "6.4.0-rc1"
    printed_map : a map that the dump prints ready-made, and whose view it is (`printed_view`)
    facts : what else the dump prints and a test or a verb can use, by name, e.g. ``{"map_entries": 4}``
    notes : what the dump does not say, contradicts, or what was inferred; one line each
    inferred : which of "vendor", "maxphyaddr", "default", "fixed" were inferred, not told; merging several
        readings lets what was told go first
    source : the file's name, "<stdin>", "<text>", "this host" or "the built-in sample"
    """

    cpus: tuple[Cpu, ...] = (Cpu(),)
    format: str = ""
    e820: tuple[RamRange, ...] = ()
    kernel: str | None = None
    vendor: str | None = None
    maxphyaddr: int | None = None
    printed_map: MemoryMap | None = None
    printed_view: str | None = None
    facts: dict[str, object] | None = None
    notes: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()
    source: str = "<text>"

    @property
    def mtrrs(self) -> MtrrState | None:
        """The MTRRs of the first processor that has any."""
        return next((cpu.mtrrs for cpu in self.cpus if cpu.mtrrs is not None), None)

    @property
    def pat(self) -> Pat | None:
        """The PAT of the first processor that has one."""
        return next((cpu.pat for cpu in self.cpus if cpu.pat is not None), None)
