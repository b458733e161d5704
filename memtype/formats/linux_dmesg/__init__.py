"""Linux boot logs of every age, as dmesg, journalctl, syslog and serial consoles print them.

    Linux version 6.1.0
    MTRR default type: uncachable
    MTRR fixed ranges enabled:
      00000-9FFFF write-back
      A0000-FFFFF uncachable
    MTRR variable ranges enabled:
      0 base 0000000000 mask FF80000000 write-back
      1 disabled
    x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT

Kernels up to 6.4 list the registers. Later ones print a counts line, and the list and the resulting map only with
``mtrr=debug``. mtrr_cleanup's list stands in where a log has lost the kernel's own.

`Machine.facts` repeats what else the kernel prints: ``map_entries fixed variable max built_from`` (the counts line),
``segments`` ([base, end, name], end exclusive), ``pat`` (names), ``pat_msr_old pat_msr_new``, ``tom2``,
``mtrr_enabled``, ``inconsistent``, ``mask_repaired``, ``mtrr_trim_e820_updates`` ([base, end]), ``losing_mb``,
``last_pfn``, ``total_ram_covered_mb``, ``hypervisor``,
``cleanup_original cleanup_new cleanup_table cleanup_optimal cleanup_result``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from memtype.formats.linux_dmesg.boots import boots
from memtype.formats.linux_dmesg.machine import NAME, Reading
from memtype.machine import Machine, Note
from memtype.reading.clues import holding, words
from memtype.reading.patterns import later
from memtype.reading.registers import read_remark
from memtype.reading.width import single_width

__all__ = ["NAME", "parse", "sniff"]

_SNIFF = later(
    r"MTRR default type: ?[uw?]"  # no number: that is EDK2's line
    r"|MTRR (?:fixed|variable) ranges |MTRR map: |MTRRs disabled (?:by BIOS|\(not)|MTRR: Disabled"
    r"|BIOS-e820: |PAT:? configuration \[0-7\]|PAT enabled: cpu"
    r"|address sizes\W+\d"
    r"|MTRRs don't cover all of memory, losing \d|mtrr: your CPUs had inconsistent"
    r"|TOM2: [0-9a-f]{8}|original variable MTRRs|total RAM covered:|\d base [0-9A-F]{8}",
    re.I,
)
_WORDS = words(
    "mtrr", "bios-e820:", "configuration [0-7]", "pat enabled: cpu", "address sizes", "total ram covered:",
    " mask ", "tom2: ",
)  # fmt: skip


def sniff(text: str) -> bool:
    return any(_is_of_linux(line) for _, line in holding(text, _WORDS))


def _is_of_linux(line: str) -> bool:
    return any("(XEN)" not in line[: found.end()] for found in _SNIFF.finditer(line))


def parse(text: str, source: str = "<text>") -> Machine:
    """The last boot of the log that tells the most; `Machine.facts` holds what else it prints."""
    found = boots(text, source)
    boot = max(reversed(found), key=lambda boot: boot.worth)
    boot.remark = read_remark(text, source)
    vendors = next((other.vendors for other in (boot, *found) if other.vendors), {boot.remark.vendor})
    boot.vendor = vendors.pop() if len(vendors) == 1 else None
    notes: list[str] = []
    widths = next((other.widths for other in (boot, *found) if other.widths), [])
    boot.width = single_width(widths, notes) or boot.remark.width
    # other states are texts of their own: what else is here are copies and pieces of this one
    machine = replace(Reading(boot).machine(), taken=frozenset().union(*(other.taken for other in found)))
    alike = sum(other.worth == boot.worth for other in found)
    if alike > 1:
        told = f"the log holds {alike} boots; shown is the last, up to line {boot.last_line}"
        notes.append(Note(told, "boots"))
    return replace(machine, notes=(*machine.notes, *notes))
