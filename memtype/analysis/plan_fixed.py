"""The first MiB as fixed-range registers (SDM 3A 12.11.2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from memtype import rules
from memtype.errors import InputError
from memtype.mtrr import MtrrState
from memtype.types import MemoryType

Piece = tuple[int, int, int]  # first byte, first byte behind, type; a negative one: any will do


def encode(pieces: Iterable[Piece], current: MtrrState | None = None) -> tuple[int, ...]:
    """The 11 registers for pieces that cover [0, 1 MiB).

    A sub-range for which any type will do keeps what it holds in `current`, else it is UC. AMD's RdMem and WrMem
    bits stay as they are; beside WP, which is not for writing, WrMem goes (APM 2 7.9.1).

    Raises
    ------
    InputError
        Where a type changes inside one of the 88 sub-ranges.

    Examples
    --------
    >>> [hex(value) for value in encode([(0, 0xF0000, 6), (0xF0000, 0xF4000, 5), (0xF4000, 0x100000, 6)])][-2:]
    ['0x606060605050505', '0x606060606060606']
    """
    listed = list(pieces)
    values = [0] * len(rules.FIXED_MSRS)
    for span in rules.FIXED_RANGES:
        end = span.base + span.size
        wanted = {kind for start, stop, kind in listed if start < end and stop > span.base and kind >= 0}
        if len(wanted) > 1:
            edge = max(start for start, _, _ in listed if start < end)
            name = rules.msr_name(rules.FIXED_MSRS[span.register])
            held = f"{name} holds one type for 0x{span.base:x}-0x{end - 1:x}"
            raise InputError(f"the type changes at 0x{edge:x}, inside a fixed range: {held}")
        entry = 0 if current is None else current.fixed[span.register] >> 8 * span.byte & 0xFF
        routing = rules.AMD_FIXED_ROUTING if current is not None and current.vendor == "amd" else 0
        entry = _entry(entry & routing, wanted.pop()) if wanted else entry
        values[span.register] |= entry << 8 * span.byte
    return tuple(values)


def _entry(routing: int, kind: int) -> int:
    return kind | (routing & ~rules.AMD_WRMEM if kind == MemoryType.WP else routing)
