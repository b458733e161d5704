"""The map of a register file whose masks have so many holes that its segments cannot be listed: counted, not listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from memtype import rules
from memtype.backends import reference
from memtype.backends.reference import Registers
from memtype.diagrams import Cube, Diagram, overlay
from memtype.errors import ShatteredMapError
from memtype.memory_map import MemoryMap, Segment
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype import arrays

_put = object.__setattr__
_SHIFT: Final = rules.PAGE_SHIFT
_NONE: Final = 63  # no range matches here
_NO_HANDLE = (None,)  # no backend packs such a map


class PeriodicMap(MemoryMap):
    """A `MemoryMap` that answers every question but the list of all its segments, and says how many they are.

    Examples
    --------
    >>> from memtype import MtrrState
    >>> m = MtrrState(0x806, variable=[(0, 0x155555555800)], maxphyaddr=46).map
    >>> len(m), m.uniform(0x1000, 0x1000), [(hex(s.base), str(s.type)) for s in m.first(2)]
    (262144, <MemoryType.WB: 6>, [('0x0', 'UC'), ('0x1000', 'WB')])
    """

    __slots__ = ("_made", "_state")

    _state: Any  # the `MtrrState` whose map it is
    _made: Diagram

    def __init__(self, state: Any) -> None:
        _put(self, "_state", state)
        _put(self, "maxphyaddr", state.maxphyaddr)
        _put(self, "_held", _NO_HANDLE)

    def __getattr__(self, name: str) -> Any:
        if name == "_made":
            _put(self, "_made", exact(self._state))
            return self._made
        raise ShatteredMapError(
            f"holey masks shatter the map into more than {rules.MAP_SEGMENT_LIMIT} segments, {len(self)} of them; "
            "ask for addresses or ranges instead"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return PeriodicMap, (self._state,)

    @property
    def state(self) -> Any:
        """The registers that make it."""
        return self._state

    @property
    def diagram(self) -> Diagram:
        """The type of every page, by page number."""
        return self._made

    def __len__(self) -> int:
        """How many segments there are."""
        return self.diagram.count_runs()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PeriodicMap):
            return NotImplemented if not isinstance(other, MemoryMap) else False
        same = self.maxphyaddr == other.maxphyaddr
        return same and 1 not in overlay([self.diagram, other.diagram], lambda a, b: int(a != b)).values()

    def __hash__(self) -> int:
        return hash((self.maxphyaddr, len(self)))

    def at(self, address: int) -> MemoryType:
        kind: MemoryType = self._state.at(address)
        return kind

    def types(self, addresses: Any, out: arrays.U8Array | None = None, threads: int = 1) -> Any:
        return self._state.types(addresses, out, threads)

    def page_types(self, first_gfn: int, count: int, out: arrays.U8Array | None = None) -> arrays.U8Array:
        kinds: arrays.U8Array = self._state.page_types(first_gfn, count, out)
        return kinds

    def uniform(self, base: int, size: int) -> MemoryType:
        first, last = self.bounds(base, size)
        kinds = self.diagram.values(first >> _SHIFT, (last >> _SHIFT) + 1)
        return MemoryType(min(kinds)) if len(kinds) == 1 else MemoryType.MIXED

    def within(self, base: int, size: int) -> Iterator[Segment]:
        first, last = self.bounds(base, size)
        for start, end, kind in self.diagram.runs(first >> _SHIFT, (last >> _SHIFT) + 1):
            low, behind = max(start << _SHIFT, first), min(end << _SHIFT, last + 1)
            yield Segment(low, behind - low, MemoryType(kind))

    def listed(self) -> MemoryMap:
        raise ShatteredMapError(str(self.__getattr__("_bases")))


def exact(s: Registers) -> Diagram:
    """The type of every page as the manual says, by page number."""
    width = s.maxphyaddr - _SHIFT
    if not s.def_type & rules.DEF_TYPE_E:
        return Diagram(int(MemoryType.UC), width)
    layers = [_steps(s, width), _cubes(s, width)]
    return overlay(layers, _decided)


def _decided(step: int, kind: int) -> int:
    """The fixed range's type where there is one, else that of the ranges that match, else the default type."""
    fixed, default = step >> 8, step & 0xFF
    if fixed != _NONE:
        return fixed
    return default if kind == _NONE else kind


def _steps(s: Registers, width: int) -> Diagram:
    """For every page what the fixed ranges say (or _NONE), above what it is where no range matches."""
    cuts = {0, rules.FIXED_END, rules.GIB4, reference.tom2_limit(s), *(span.base for span in rules.FIXED_RANGES)}
    found = []
    for cut in sorted(cut for cut in cuts if cut < 1 << s.maxphyaddr):
        fixed = int(reference.fixed_type(s, cut)) if reference.fixed_decides(s, cut) else _NONE
        found.append((cut >> _SHIFT, fixed << 8 | int(reference.default_type(s, cut))))
    return Diagram.of_steps([first for first, _ in found], [value for _, value in found], width)


def _cubes(s: Registers, width: int) -> Diagram:
    inside = rules.page_bits(s.maxphyaddr)
    cubes = [
        Cube((mask & inside) >> _SHIFT, (base & mask & inside) >> _SHIFT, 1 << rules.type_of(base & rules.BASE_TYPE))
        for base, mask in s.variable
        if mask & rules.MASK_VALID
    ]
    return Diagram.of_cubes(cubes, width, combined(reference.combine, _NONE), 1 << MemoryType.UC)


def combined(combine: Callable[[Sequence[int]], int], default: int) -> Callable[[int], int]:
    """What ranges of these types make, bit t of the tags standing for a range of type t that matches."""
    reserved = next(encoding for encoding in range(256) if encoding not in rules.MTRR_TYPES)

    def value(tags: int) -> int:
        kinds = [kind for kind in range(tags.bit_length()) if tags >> kind & 1]
        return int(combine([kind if kind in rules.MTRR_TYPES else reserved for kind in kinds])) if kinds else default

    return value
