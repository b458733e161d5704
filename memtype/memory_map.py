"""What registers resolve to: a sorted list of segments that covers the whole physical address space."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, overload

from memtype import arguments, backends, parallel, rules
from memtype.diagrams import Diagram
from memtype.drawn import Drawn
from memtype.errors import InputError
from memtype.late import Late
from memtype.parallel import ONE
from memtype.readable import readable
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")


@readable
@dataclass(frozen=True, slots=True)
class Segment:
    """An interval of a map, of one type: bytes [base, base + size)."""

    base: int
    size: int
    type: MemoryType

    @property
    def last(self) -> int:
        """The last byte, inclusive, as e820 and dmesg print it."""
        return self.base + self.size - 1

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.base + self.size


class Answers(Protocol):
    """Whoever answers for addresses: `MtrrState`, `MemoryMap`, `View`. `vendor` is None where it is not known."""

    @property
    def maxphyaddr(self) -> int: ...
    @property
    def vendor(self) -> str | None: ...
    @property
    def map(self) -> MemoryMap: ...
    def at(self, address: int) -> MemoryType: ...
    def types(self, addresses: Any, out: arrays.U8Array | None = None, threads: int = 1) -> Any: ...
    def page_types(self, first_gfn: int, count: int, out: arrays.U8Array | None = None) -> arrays.U8Array: ...


_QUESTIONS = ("maxphyaddr", "vendor", "map", "at", "types", "page_types")


def answers(source: Any, what: str) -> Answers:
    """`source`, if it answers for addresses."""
    if not all(hasattr(type(source), question) for question in _QUESTIONS):
        raise InputError(
            f"{what} = {arguments.shown(source)} answers for no address: give an MtrrState, MemoryMap or View"
        )
    return source  # type: ignore[no-any-return]


_put = object.__setattr__
_NOTHING = (None,)  # no backend's handle
_MOST_SPELLED = 64  # segments that `repr` spells out


class MemoryMap(Drawn):
    """Sorted, disjoint segments that cover [0, 2**maxphyaddr); neighbours differ in type.

    Examples
    --------
    >>> m = MemoryMap.from_segments([(0, 0x80000000, "WB")], maxphyaddr=36, gap="UC")
    >>> [(hex(s.base), hex(s.last), str(s.type)) for s in m.segments]
    [('0x0', '0x7fffffff', 'WB'), ('0x80000000', '0xfffffffff', 'UC')]
    >>> m.at(0x80000000), m.uniform(0x7fff0000, 0x20000)
    (<MemoryType.UC: 0>, <MemoryType.MIXED: 11>)
    """

    __slots__ = ("_arrays", "_bases", "_held", "_kinds", "_segments", "_types", "maxphyaddr", "steps")

    maxphyaddr: int
    _held: tuple[Any, ...]  # a backend's handle
    _bases: tuple[int, ...]
    _types: tuple[int, ...]
    _kinds: tuple[MemoryType, ...]
    _segments: tuple[Segment, ...]
    _arrays: tuple[arrays.U64Array, arrays.U8Array]
    steps: Any  # what single addresses are looked up in (`backends.contract`)

    def __init__(self, bases: Sequence[int], types: Sequence[int], maxphyaddr: int) -> None:
        """From parallel lists as a backend's `resolve` gives them; `from_segments` is the public way."""
        starts = bases if _are_plain(bases, 1 << 64) else arrays.uint64(bases, "bases").tolist()
        kinds = types if _are_plain(types, 256) else arrays.types(types, "types").tolist()
        if (
            not isinstance(starts, list)
            or not isinstance(kinds, list)
            or len(starts) != len(kinds)
            or starts[:1] != [0]
        ):
            raise InputError("bases and types: lists of one length are needed, the first base 0")
        if unknown := set(kinds) - arguments.KINDS.keys():
            raise InputError(f"types: {min(unknown)} is no memory type")
        _put(self, "maxphyaddr", arguments.check_maxphyaddr(maxphyaddr))
        _put(self, "_bases", tuple(starts))
        _put(self, "_types", tuple(kinds))
        _put(self, "_held", _NOTHING)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a MemoryMap is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a MemoryMap is immutable: {name!r} cannot be deleted")

    def __getattr__(self, name: str) -> Any:
        # Reached for a slot that is not filled yet: what others are made from is made once, on first use.
        if name in ("_bases", "_types"):
            bases, types = self._held[0](self._held)
            _put(self, "_bases", tuple(bases))
            _put(self, "_types", tuple(types))
        elif name == "_kinds":
            _put(self, "_kinds", tuple(map(arguments.KINDS.__getitem__, self._types)))
        elif name == "steps":
            _put(self, "steps", backends.active.steps(self._bases, self._kinds, self.maxphyaddr))
        elif name == "_segments":
            _put(self, "_segments", self._make_segments())
        elif name == "_arrays":
            made = np.array(self._bases, arrays.U64), np.array(self._types, arrays.U8)
            for array in made:
                array.flags.writeable = False
            _put(self, "_arrays", made)
        else:
            raise AttributeError(f"'MemoryMap' object has no attribute '{name}'")
        return getattr(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return MemoryMap, (list(self._bases), list(self._types), self.maxphyaddr)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """What Dask names results by: the same for equal ones, in every process."""
        return "memtype.MemoryMap", *self.__reduce__()[1]

    @classmethod
    def from_segments(
        cls,
        segments: Iterable[tuple[int, int, MemoryType | str | int]],
        maxphyaddr: int = rules.DEFAULT_MAXPHYADDR,
        gap: MemoryType | str = MemoryType.UNDEFINED,
    ) -> MemoryMap:
        """A map from (base, size, type) in any order; addresses that none names get the type `gap`.

        Raises
        ------
        InputError
            For segments that overlap, are empty, or leave the address space.
        """
        maxphyaddr = arguments.check_maxphyaddr(maxphyaddr)
        runs: list[tuple[int, MemoryType]] = []
        end = 0
        filler = _as_type(gap)
        for base, size, kind in sorted(_triples(segments), key=lambda segment: segment[0]):
            if size <= 0 or base < 0 or base + size > 1 << maxphyaddr:
                raise InputError(f"segment 0x{base:x}+0x{size:x} is not within [0, 2**{maxphyaddr})")
            if base < end:
                raise InputError(f"segment 0x{base:x}+0x{size:x} overlaps the one that ends at 0x{end - 1:x}")
            if base > end:
                runs.append((end, filler))
            runs.append((base, _as_type(kind)))
            end = base + size
        if end < 1 << maxphyaddr:
            runs.append((end, filler))
        merged = [run for i, run in enumerate(runs) if i == 0 or runs[i - 1][1] != run[1]]
        return cls([base for base, _ in merged], [int(kind) for _, kind in merged], maxphyaddr)

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self._segments

    @property
    def map(self) -> MemoryMap:
        """Itself: a map answers as registers do."""
        return self

    @property
    def vendor(self) -> None:
        """A map does not tell whose registers it came from."""
        return None

    def _make_segments(self) -> tuple[Segment, ...]:
        ends = [*self._bases[1:], 1 << self.maxphyaddr]
        return tuple(
            Segment(base, end - base, kind) for base, end, kind in zip(self._bases, ends, self._kinds, strict=True)
        )

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self._bases)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MemoryMap):
            return NotImplemented
        return (self.maxphyaddr, list(self._bases), list(self._types)) == (
            other.maxphyaddr, list(other._bases), list(other._types))  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.maxphyaddr, tuple(self._bases), tuple(self._types)))

    def __repr__(self) -> str:
        if len(self) > _MOST_SPELLED:
            return f"<MemoryMap of {len(self)} segments, MAXPHYADDR {self.maxphyaddr}>"
        parts = [f"(0x{s.base:x}, 0x{s.size:x}, '{s.type}')" for s in self.segments]
        return f"MemoryMap.from_segments([{', '.join(parts)}], maxphyaddr={self.maxphyaddr})"

    def at(self, address: int) -> MemoryType:
        """The type of one address. Raises `AddressError` outside [0, 2**maxphyaddr)."""
        kind: MemoryType | None = self.steps.at(address)
        return self.steps.at(arguments.address(address, self.maxphyaddr)) if kind is None else kind

    def around(self, address: int) -> tuple[MemoryType, int, int]:
        """(type, first byte, first byte behind) of the segment around an address."""
        if type(address) is not int or not 0 <= address < 1 << self.maxphyaddr:
            address = arguments.address(address, self.maxphyaddr)
        bases = self._bases
        place = bisect_right(bases, address)
        end = bases[place] if place < len(bases) else 1 << self.maxphyaddr
        return self._kinds[place - 1], bases[place - 1], end

    @overload
    def types(self, addresses: int, out: None = ..., threads: int = ...) -> MemoryType: ...
    @overload
    def types(self, addresses: arrays.Many, out: arrays.U8Array | None = ..., threads: int = ...) -> arrays.U8Array: ...
    @overload
    def types(self, addresses: Any, out: arrays.U8Array | None = ..., threads: int = ...) -> Any: ...
    def types(self, addresses: Any, out: arrays.U8Array | None = None, threads: int = 1) -> Any:
        """The types of many addresses: uint64 array-like in, uint8 of the same shape out; a scalar stays one.

        Parameters, errors and what they leave in `out` are those of `MtrrState.types`.
        """
        if threads is ONE:
            made = backends.active.map_types_at_once(self, addresses, out)
            if made is not None:
                return made
        if out is None and arguments.is_scalar(addresses):
            parallel.check_threads(threads)
            return self.at(addresses)
        kernel = partial(backends.active.map_types, *self.as_arrays(), self.maxphyaddr)
        return parallel.types(kernel, addresses, out, threads)

    def page_types(self, first_gfn: int, count: int, out: arrays.U8Array | None = None) -> arrays.U8Array:
        """The types of `count` 4 KiB pages from `first_gfn` on: uint8[count]; MIXED where a page spans several.

        Examples
        --------
        >>> MemoryMap.from_segments([(0, 0x1800, "WB")], 36, gap="UC").page_types(0, 3).tolist()
        [6, 11, 0]
        """
        made = backends.active.pages_at_once(self, first_gfn, count, out)
        if made is not None:
            return made
        first_gfn, count = arguments.integer(first_gfn, "first_gfn"), arguments.integer(count, "count")
        arguments.refuse_pages(first_gfn, count, self.maxphyaddr)
        out = arrays.output(out, (count,), arrays.U8)
        bases, kinds = self._arrays
        low, high = np.searchsorted(bases, [first_gfn << rules.PAGE_SHIFT, first_gfn + count << rules.PAGE_SHIFT])
        starts = (bases >> np.uint64(rules.PAGE_SHIFT)).astype(np.int64) - first_gfn
        edges = np.append(np.clip(starts, 0, count), count)
        out[:] = np.repeat(kinds, np.diff(edges))
        inside = bases[low:high]
        split = inside[inside & np.uint64(rules.PAGE_SIZE - 1) != 0] >> np.uint64(rules.PAGE_SHIFT)
        out[split.astype(np.int64) - first_gfn] = MemoryType.MIXED
        return out

    def uniform(self, base: int, size: int) -> MemoryType:
        """The one type of [base, base + size), or MIXED."""
        base, end = self.bounds(base, size)
        first, last = bisect_right(self._bases, base) - 1, bisect_right(self._bases, end) - 1
        return self._kinds[first] if first == last else MemoryType.MIXED

    def bounds(self, base: int, size: int) -> tuple[int, int]:
        """First and last address of [base, base + size). Raises `InputError` where it is empty or leaves the map."""
        base, size = arguments.integer(base, "base"), arguments.integer(size, "size")
        if size <= 0 or base < 0 or base + size > 1 << self.maxphyaddr:
            raise InputError(f"range 0x{base:x}+0x{size:x} is not within [0, 2**{self.maxphyaddr})")
        return base, base + size - 1

    def within(self, base: int, size: int) -> Iterator[Segment]:
        """The segments of [base, base + size), cut to it, one after the other."""
        base, last = self.bounds(base, size)
        for segment in self.segments[bisect_right(self._bases, base) - 1 : bisect_right(self._bases, last)]:
            low, end = max(segment.base, base), min(segment.end, last + 1)
            yield Segment(low, end - low, segment.type)

    def first(self, count: int) -> list[Segment]:
        """The first segments, at most `count`."""
        wanted = arguments.integer(count, "count")
        if not 0 <= wanted <= sys.maxsize:
            raise InputError(f"count {wanted} is no number of segments")
        return list(islice(self.within(0, 1 << self.maxphyaddr), wanted))

    @property
    def diagram(self) -> Diagram:
        """The type of every page, by page number. Raises `InputError` where a segment begins inside a page."""
        inside = next((base for base in self._bases if base % rules.PAGE_SIZE), None)
        if inside is not None:
            raise InputError(f"a segment begins at 0x{inside:x}, inside a page: no map of pages")
        pages = [base >> rules.PAGE_SHIFT for base in self._bases]
        return Diagram.of_steps(pages, [int(kind) for kind in self._kinds], self.maxphyaddr - rules.PAGE_SHIFT)

    def listed(self) -> MemoryMap:
        """The map itself, whose segments can be listed. Raises `ShatteredMapError` where there are too many."""
        return self

    def as_arrays(self) -> tuple[arrays.U64Array, arrays.U8Array]:
        """(bases uint64, types uint8), one element per segment."""
        return self._arrays


_new = object.__new__
_put_held, _put_width = (MemoryMap.__dict__[slot].__set__ for slot in ("_held", "maxphyaddr"))


def _are_plain(numbers: Any, limit: int) -> bool:
    """Whether it is a list of numbers below the limit that needs no second look."""
    return type(numbers) is list and set(map(type, numbers)) == {int} and min(numbers) >= 0 and max(numbers) < limit


def packed_map(held: tuple[Any, ...], maxphyaddr: int) -> MemoryMap:
    """The map that a backend's `resolve_packed` gave; taken apart when somebody looks."""
    made = _new(MemoryMap)
    _put_held(made, held)
    _put_width(made, maxphyaddr)
    return made


def _triples(segments: Any) -> Iterator[tuple[int, int, Any]]:
    """(base, size, type) with integers as such; anything else is named."""
    for index, segment in enumerate(arguments.items(segments, "segments", "(base, size, type)")):
        try:
            base, size, kind = segment
        except (TypeError, ValueError):
            raise InputError(f"segment {index}: {arguments.shown(segment)} is not (base, size, type)") from None
        yield arguments.integer(base, f"segment {index}: base"), arguments.integer(size, f"segment {index}: size"), kind


def _as_type(kind: MemoryType | str | int) -> MemoryType:
    return kind if isinstance(kind, MemoryType) else arguments.memory_type(kind, "type")
