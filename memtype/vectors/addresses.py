"""The addresses that a register file is asked for: where its answer may change, then places inside and elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from memtype import rules
from memtype.backends import reference
from memtype.mtrr import MtrrState
from memtype.vectors.draw import Draw

COUNT: Final = 64
_FIXED_EDGES: Final = (0x0, 0x8_0000, 0xA_0000, 0xC_0000, rules.FIXED_END)


def chosen(s: MtrrState, name: str, first: Iterable[int] = ()) -> tuple[int, ...]:
    """64 different addresses below 2**MAXPHYADDR, by rising address; `first` and then edges have precedence."""
    draw, top = Draw(name), (1 << s.maxphyaddr) - 1
    found: dict[int, None] = {}
    for address in (*first, *_edges(s, draw), *_ends(top)):
        if 0 <= address <= top and len(found) < COUNT:
            found[address] = None
    while len(found) < COUNT:
        found[_somewhere(s, draw)] = None
    return tuple(sorted(found))


def around(edges: Iterable[int]) -> Iterator[int]:
    """The last address before each edge, and the edge."""
    for edge in edges:
        yield edge - 1
        yield edge


def _ends(top: int) -> Iterator[int]:
    yield from around((*_FIXED_EDGES, rules.GIB4))
    yield from (top, top & -rules.PAGE_SIZE)


def _edges(s: MtrrState, draw: Draw) -> Iterator[int]:
    """The edges of every valid pair's first block, of another block where a mask has holes, and of TOM2."""
    limit = reference.tom2_limit(s)
    if limit:
        yield from around((rules.GIB4, limit))
    blocks = [_block(s, base, mask, draw) for base, mask in s.variable if mask & rules.MASK_VALID]
    for edge in zip(*blocks, strict=True):  # all first bytes, then all ends, so that no pair is left out
        yield from around(edge)


def _block(s: MtrrState, base: int, mask: int, draw: Draw) -> tuple[int, ...]:
    """First byte and end of a pair's first block, of the block of who does not mask the base, of another."""
    field = mask & rules.page_bits(s.maxphyaddr)
    size = field & -field if field else 1 << s.maxphyaddr
    start, raw = base & field, base & rules.page_bits(s.maxphyaddr)
    other = start | draw.bits(s.maxphyaddr) & ~field & -size
    return start, start + size, raw, raw + size, other, other + size


def _somewhere(s: MtrrState, draw: Draw) -> int:
    """An address inside a pair, below 1 MiB, below 4 GiB, or anywhere."""
    pairs = [pair for pair in s.variable if pair[1] & rules.MASK_VALID]
    if pairs and draw.chance(55):
        base, mask = draw.one_of(pairs)
        field = mask & rules.page_bits(s.maxphyaddr)
        return base & field | draw.bits(s.maxphyaddr) & ~field
    return draw.bits(draw.one_of((20, 32, 33, 36, s.maxphyaddr, s.maxphyaddr)) if s.maxphyaddr > 36 else s.maxphyaddr)
