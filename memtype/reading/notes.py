"""Notes on what a dump does not tell, worded so that merging can drop those which another part of a paste answers."""

from __future__ import annotations

from collections.abc import Iterable

_OPENING = {
    "default": "default type not told: ",
    "fixed": "fixed ranges not told: ",
    "maxphyaddr": "MAXPHYADDR not told: ",
    "vendor": "vendor not told: ",
    "registers": "registers not told: ",
}


def not_told(name: str, text: str) -> str:
    """The note on one of ``Machine.inferred``'s names, or on "registers"."""
    return _OPENING[name] + text


def differed(what: Iterable[str]) -> str:
    """The note on a kernel's "your CPUs had inconsistent MTRR settings"."""
    return (
        f"the processors' MTRRs differed ({', '.join(dict.fromkeys(what))}); "
        "the kernel gave all of them those of the first, which are shown"
    )


def still_open(notes: Iterable[str], told: Iterable[str]) -> list[str]:
    """`notes` without those on what is in `told`."""
    answered = tuple(_OPENING[name] for name in told)
    return [note for note in notes if not (answered and note.startswith(answered))]
