"""Maps to plan for, from what people have: a RAM map, a guest's memory size, coreboot's ranges, changes to a map.

Where any type will do, a map is UNDEFINED.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from memtype import rules
from memtype.errors import InputError
from memtype.machine import RamRange
from memtype.memory_map import MemoryMap, Segment
from memtype.types import MemoryType

Piece = tuple[int, int, MemoryType]  # first byte, first byte behind, type
_UC, _WB, _WP, _ANY = MemoryType.UC, MemoryType.WB, MemoryType.WP, MemoryType.UNDEFINED
_PC_LOW: tuple[Piece, ...] = ((0, 0xA0000, _WB), (0xA0000, 0xC0000, _UC), (0xC0000, rules.FIXED_END, _WP))
VM_LOW_TOP = 3 << 30  # where QEMU's i440fx ends low RAM, and devices begin, with 3.5 GiB of memory or more
_RAM_OF_FIRMWARE = ("acpi data", "acpi nvs", "acpi tables", "acpi non-volatile storage")


def of_ram(lines: Iterable[RamRange], maxphyaddr: int) -> MemoryMap:
    """WB for the RAM of a firmware map, UC for what is not in it.

    The first MiB is a PC's: WB, then UC for VGA from 640 KiB, WP for ROM from 768 KiB. Above it, up to the last RAM
    below 4 GiB (and from 4 GiB to the last RAM), any type will do in what the map lists as no RAM: firmware has its
    own memory there. From the last RAM up to 4 GiB all is UC, as is what lies above all RAM.

    Raises
    ------
    InputError
        For a map without RAM, or with RAM beyond MAXPHYADDR.
    """
    listed = [(r.base, r.base + r.size, _kind(r.kind)) for r in lines]
    ends = [end for _, end, kind in listed if kind is _WB]
    if not ends:
        raise InputError("the RAM map lists no RAM")
    if max(ends) > 1 << maxphyaddr:
        raise InputError(f"the RAM map lists RAM up to 0x{max(ends) - 1:x}, MAXPHYADDR is {maxphyaddr}")
    low_top = max((end for end in ends if end <= rules.GIB4), default=rules.FIXED_END) & -rules.PAGE_SIZE
    top = max(ends) & -rules.PAGE_SIZE
    made = [(0, 1 << maxphyaddr, _UC)]
    for first, end in ((rules.FIXED_END, low_top), (rules.GIB4, top)):
        clipped = [(max(a, first), min(b, end), kind) for a, b, kind in listed if a < end and b > first]
        made += [piece for piece in clipped if piece[2] is _ANY]
        made += [(-(-a // rules.PAGE_SIZE) * rules.PAGE_SIZE, b & -rules.PAGE_SIZE, kind)
                 for a, b, kind in clipped if kind is _WB]  # fmt: skip
    return _painted([*made, *_PC_LOW], maxphyaddr)


def _kind(words: str) -> MemoryType:
    return _WB if words.lower() in (*rules.E820_RAM, *_RAM_OF_FIRMWARE) else _ANY


def of_vm(ram: int, low_top: int, maxphyaddr: int) -> MemoryMap:
    """A guest with so many bytes of RAM: below `low_top`, the rest from 4 GiB on; devices up to 4 GiB are UC.

    The first MiB is a PC's. Where neither RAM nor a device window is, any type will do.

    Raises
    ------
    InputError
        For RAM or a `low_top` that does not fit.

    Examples
    --------
    >>> [(hex(s.base), str(s.type)) for s in of_vm(4 << 30, 3 << 30, 40).segments][3:]
    [('0x100000', 'WB'), ('0xc0000000', 'UC'), ('0x100000000', 'WB'), ('0x140000000', '??')]
    """
    if not rules.FIXED_END < low_top <= rules.GIB4 or low_top % rules.PAGE_SIZE:
        raise InputError(f"low RAM cannot end at 0x{low_top:x}: a page between 1 MiB and 4 GiB")
    high = max(0, ram - low_top)
    if ram <= rules.FIXED_END or ram % rules.PAGE_SIZE or rules.GIB4 + high > 1 << maxphyaddr:
        raise InputError(f"RAM of 0x{ram:x} bytes: over 1 MiB, in pages, below 2**{maxphyaddr} with its hole")
    pieces = [(0, 1 << maxphyaddr, _ANY), (rules.FIXED_END, min(ram, low_top), _WB), (low_top, rules.GIB4, _UC)]
    return _painted([*pieces, (rules.GIB4, rules.GIB4 + high, _WB), *_PC_LOW], maxphyaddr)


def of_ranges(ranges: Iterable[tuple[int, int, int]], maxphyaddr: int, tom2: bool = False) -> MemoryMap:
    """coreboot's ranges (base, end, type): any type will do in between and above, as it has it.

    With `tom2` WB from 4 GiB on is left to AMD's TOP_MEM2, which coreboot sets and does not count.
    """
    pieces = [(base, end, MemoryType(kind)) for base, end, kind in ranges]
    if tom2:
        pieces = [piece for piece in pieces if piece[2] is not _WB or piece[0] < rules.GIB4]
    if any(end > 1 << maxphyaddr for _, end, _ in pieces):
        raise InputError(f"a range ends beyond MAXPHYADDR {maxphyaddr}")
    return _painted([(0, 1 << maxphyaddr, _ANY), *pieces], maxphyaddr)


def changed(memory: MemoryMap, changes: Iterable[tuple[int, int, MemoryType]]) -> MemoryMap:
    """A map with segments (base, size, type) painted over, later ones over earlier ones.

    Raises
    ------
    InputError
        For a segment outside the address space.
    """
    over = []
    for base, size, kind in changes:
        if size <= 0 or base < 0 or base + size > 1 << memory.maxphyaddr:
            raise InputError(f"0x{base:x}+0x{size:x} is not within [0, 2**{memory.maxphyaddr})")
        over.append((base, base + size, kind))
    return _painted([*((s.base, s.end, s.type) for s in memory.segments), *over], memory.maxphyaddr)


def _painted(pieces: list[Piece], maxphyaddr: int) -> MemoryMap:
    """Later pieces over earlier ones."""
    edges = sorted({edge for first, end, _ in pieces if first < end for edge in (first, end)})
    segments = [(first, end - first, _last_over(pieces, first)) for first, end in pairwise(edges)]
    return MemoryMap.from_segments(segments, maxphyaddr)


def _last_over(pieces: list[Piece], address: int) -> MemoryType:
    return next(kind for first, end, kind in reversed(pieces) if first <= address < end)


def holes(memory: MemoryMap) -> Iterator[Segment]:
    """Where any type will do."""
    return (segment for segment in memory.segments if segment.type is _ANY)
