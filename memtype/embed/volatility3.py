"""Volatility 3: raw page-table leaves of a translation layer, PAT bit included.

The layer's own ``mapping()`` and ``_translate_entry()`` clear bit 12 of large pages, which is their PAT bit, so
the tables are walked here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from memtype import rules
from memtype.errors import InputError
from memtype.readable import readable

_PRESENT = 1 << 0
_LARGE = 1 << 7  # PS


@readable
@dataclass(frozen=True, slots=True)
class Leaf:
    """The entry that maps a page: raw, its level (1: 4 KiB, 2: 2 or 4 MiB, 3: 1 GiB), and where it maps to.

    ``pat.index(leaf.entry, leaf.level)`` is its PAT entry.
    """

    virtual: int
    entry: int
    level: int
    base: int
    size: int


def leaf(layer: Any, address: int) -> Leaf:
    """The leaf that maps a virtual address.

    Parameters
    ----------
    layer : an Intel translation layer, e.g. ``context.layers["primary"]``
    address : canonical or not; bits that the layer does not translate are dropped

    Raises
    ------
    InputError
        When the address is not mapped, a table is not in the image, or the layer is no Intel layer.
    """
    found = _walk(layer, address)
    if isinstance(found, Leaf):
        return found
    raise InputError(f"virtual address 0x{address:x} is not mapped ({found[1]})")


def leaves(layer: Any, start: int, size: int) -> Iterator[Leaf]:
    """The leaves that map [start, start + size), in order; what is not mapped is passed over.

    Examples
    --------
    ::

        >>> from memtype.embed import volatility3 as memtypes          # doctest: +SKIP
        >>> for leaf in memtypes.leaves(layer, start, size):           # doctest: +SKIP
        ...     print(hex(leaf.virtual), pat[pat.index(leaf.entry, leaf.level)], state.at(leaf.base))
    """
    at = start
    while at < start + size:
        found = _walk(layer, at)
        step = found.size if isinstance(found, Leaf) else found[0]
        if isinstance(found, Leaf):
            yield found
        at = (at & -step) + step


def _walk(layer: Any, address: int) -> Leaf | tuple[int, str]:
    """The leaf, or how much the hole spans and which entry makes it."""
    tables, entry_format, width = _shape(layer)
    entry_size = struct.calcsize(entry_format)
    memory = layer.context.layers[layer.config["memory_layer"]]
    table = layer.config["page_map_offset"] & ~(entry_size * (1 << tables[0][1]) - 1)
    shift = rules.PAGE_SHIFT + sum(bits for _, bits, _ in tables)
    for depth, (name, bits, may_be_large) in enumerate(tables):
        shift -= bits
        place = table + entry_size * (address >> shift & (1 << bits) - 1)
        try:
            (entry,) = struct.unpack(entry_format, memory.read(place, entry_size))
        except Exception as error:  # the package's own exceptions differ between its releases
            return 1 << shift, f"{name} at 0x{place:x} cannot be read: {type(error).__name__}"
        if not entry & _PRESENT:
            return 1 << shift, f"{name} entry 0x{entry:x} is not present"
        large = bool(may_be_large and entry & _LARGE)
        if large or depth == len(tables) - 1:
            base = entry & (1 << width) - 1 & -(1 << shift)
            return Leaf(address & -(1 << shift), entry, len(tables) - depth, base, 1 << shift)
        table = entry & (1 << width) - 1 & -rules.PAGE_SIZE
    raise AssertionError("the last table holds leaves")


def _shape(layer: Any) -> tuple[list[tuple[str, int, bool]], str, int]:
    """The tables from the top down (name, index bits, may hold large pages), the entry's format and width."""
    try:
        return list(layer.structure), layer._entry_format, layer._maxphyaddr
    except (AttributeError, TypeError):
        raise InputError(f"{type(layer).__name__} is no Intel translation layer") from None
