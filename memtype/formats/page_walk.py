"""Page-table entries in Linux' oops: the walk that the kernel prints of an address that faulted (`dump_pagetable`).

    BUG: unable to handle page fault for address: ffffc90000a13000
    PGD 100000067 P4D 100000067 PUD 1001c9067 PMD 10a2b3067 PTE 80000000fed0017b

On 32 bits it says ``*pdpt = 0000000000a2b001 *pde = 0000000036f4c067 *pte = 80000000fed0017b``. The last entry is the
leaf: its bits choose the PAT entry.

`Machine.facts["page_walks"]` lists ``{"line", "entries": {name: value}, "leaf", "level", "present", "base", "size",
"index"}``: values in hexadecimal, `leaf` the last entry's name. `index` is the number of the PAT entry, null where
the walk ends in an entry that is not present, or before the leaf.
"""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.pat import Pat
from memtype.reading import values
from memtype.reading.lines import holds, squeeze
from memtype.reading.notes import not_told
from memtype.reading.once import once
from memtype.reading.patterns import later

NAME = "page-walk"

_LEVELS = {"PGD": 5, "P4D": 4, "PUD": 3, "PMD": 2, "PTE": 1, "PDPT": 3, "PDE": 2}
_ENTRY = r"(?:PGD|P4D|PUD|PMD|PTE) [0-9a-f]{1,40}"
_LONG = later(rf"(?P<walk>PGD [0-9a-f]{{1,40}}(?: {_ENTRY}){{0,4}}) ?(?P<bad>BAD)?$")
_SHORT = later(r"(?P<walk>(?:\*(?:pdpt|pde|pte) = [0-9a-f]{1,40} ?){1,3})(?P<bad>BAD)?$")
_WORD = later(r"\*?(PGD|P4D|PUD|PMD|PTE|PDPT|PDE)(?: =)? ([0-9a-f]+)", re.I)
_WORDS = {"pgd ", "*pde =", "*pdpt ="}


def sniff(text: str) -> bool:
    return holds(text, *_WORDS) and any(_match(line) for line in text.split("\n"))


def parse(text: str, source: str = "<text>") -> Machine:
    """Every walk; what an entry's type is hangs on the PAT, which the rest of the log may tell."""
    walks = [
        _walk(match["walk"], number, f"{source}:{number}")
        for number, line in enumerate(text.split("\n"), 1)
        if (match := _match(line))
    ]
    notes = (not_told("registers", "page-table entries are no MTRRs"),)
    return Machine(format=NAME, facts={"page_walks": walks}, notes=notes)


def _match(raw: str) -> re.Match[str] | None:
    if not holds(raw, *_WORDS):
        return None
    line = once(squeeze)[raw]
    return _LONG.match(line) or _SHORT.match(line)


def _walk(text: str, number: int, where: str) -> dict[str, object]:
    printed = [(name.upper(), digits) for name, digits in _WORD.findall(text)]
    entries, levels = dict(printed), [_LEVELS[name] for name, _ in printed]
    if levels != sorted(set(levels), reverse=True):
        raise ParseError(f"{where}: a walk goes from PGD down to PTE, each once: {values.quoted(text.strip())}")
    numbers = {name: values.number(digits, where, 0, name) for name, digits in entries.items()}
    leaf = list(numbers)[-1]
    value, level = numbers[leaf], _LEVELS[leaf]
    told: dict[str, object] = {
        "line": number, "entries": {name: f"0x{entry:x}" for name, entry in numbers.items()}, "leaf": leaf,
        "level": level, "present": bool(value & 1), "base": None, "size": None, "index": None,
    }  # fmt: skip
    ends = level == 1 or (level in (2, 3) and value & rules.PTE_PS and leaf != "PDPT")
    if not value & 1 or not ends:
        return told
    base, size = _page(value, level, narrow=leaf == "PDE" and "PDPT" not in numbers)
    return told | {"base": f"0x{base:x}", "size": f"0x{size:x}", "index": Pat().index(value, level)}


def _page(value: int, level: int, narrow: bool) -> tuple[int, int]:
    """(address, size) that a leaf maps. Without PAE a PDE maps 4 MiB, bits 20:13 being address bits 39:32 (PSE-36)."""
    if narrow:
        return (value & 0xFFC0_0000) | (value >> 13 & 0xFF) << 32, 4 << 20
    size = 1 << rules.LEAF_SHIFTS[level]
    return value & ~rules.high_bits(rules.MAX_MAXPHYADDR) & ~(size - 1), size
