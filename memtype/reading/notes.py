"""Notes on what a dump does not tell: worded by what they are about, so that merging can drop those it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from memtype import rules
from memtype.machine import Machine, Note
from memtype.told import Gap, Registers

MOST = 20  # notes of one kind, one a line of the dump; the others are counted

_OPENING = {
    "default": "default type not told: ",
    "enabled": "E not told: ",
    "fixed": "fixed ranges not told: ",
    "pairs": "variable ranges not told: ",
    "maxphyaddr": "MAXPHYADDR not told: ",
    "vendor": "vendor not told: ",
    "tom2": "TOP_MEM2 not told: ",
    "registers": "registers not told: ",
}
_DERIVED = frozenset({"default", "enabled", "fixed", "pairs", "maxphyaddr", "tom2", "narrowed"})


def not_told(name: str, text: str, lines: Iterable[int] = ()) -> Note:
    """The note on something that is not told: a name of ``Gap.what``, "maxphyaddr", "vendor" or "registers"."""
    return Note(_OPENING[name] + text, name, lines)


def differed(what: Iterable[str]) -> Note:
    """The note on a kernel's "your CPUs had inconsistent MTRR settings"."""
    text = (
        f"the processors' MTRRs differed ({', '.join(dict.fromkeys(what))}); "
        "the kernel gave all of them those of the first, which are shown"
    )
    return Note(text, "differed")


def still_open(notes: Iterable[str], told: Iterable[str]) -> list[str]:
    """`notes` without those on what is in `told`."""
    answered = frozenset(told)
    return [note for note in notes if not (isinstance(note, Note) and note.id in answered)]


def settled(machine: Machine) -> Machine:
    """The machine with the notes that follow from its registers: what is assumed, and what is not told."""
    kept = still_open(machine.notes, _DERIVED)
    told = machine.registers
    if told is None:
        return replace(machine, notes=tuple(kept))
    kept = still_open(kept, ["registers"])
    return replace(machine, notes=tuple(dict.fromkeys((*kept, *_derived(told)))))


def _lost(gap: Gap) -> Note:
    """What a list leaves out from which a virtual machine is restored."""
    if gap.what == "fixed":
        text = f"{len(gap.registers)} fixed-range registers are not in the list: 0 (UC) after a restore"
        return Note(text, "fixed")
    return Note(f"{gap.text}: 0 after a restore", gap.what)


def _derived(told: Registers) -> list[Note]:
    assumed = {a.what if a.what != "vendor" else "tom2": a for a in told.assumptions}
    found = []
    for gap in told.untold:
        stands = assumed.get(gap.what)
        if stands is None:
            found.append(not_told(gap.what, f"{gap.text}; {gap.hint} tells" if gap.hint else gap.text))
        elif told.restored:
            found.append(_lost(gap))
        elif gap.what == "default":
            found.append(not_told("default", f"{rules.type_of(stands.value)} inferred ({told.default_why})"))
        elif gap.what == "fixed":
            found.append(not_told("fixed", "below 640 KiB the variable ranges answer, up to 1 MiB nothing does"))
        elif gap.what != "tom2":
            found.append(not_told(gap.what, stands.text))
    if told.width is None:
        found.append(not_told("maxphyaddr", told.width_text))
    elif told.maxphyaddr != told.width.bits:
        found.append(Note(f"MAXPHYADDR {told.maxphyaddr}: {told.width_text}", "narrowed"))
    return found
