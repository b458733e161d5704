"""`View`: a state's questions, answered as one program reads the registers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from memtype import arguments, parallel, rules
from memtype.backends import reference
from memtype.errors import InputError, ShatteredMapError
from memtype.explanation import Explanation
from memtype.late import Late
from memtype.memory_map import MemoryMap
from memtype.types import MemoryType
from memtype.views import linux_map, programs, reasons, sweep, ways
from memtype.views.decide import decide
from memtype.views.linux_map import Entry, MapCounts

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
    from memtype.mtrr import MtrrState
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")


class View:
    """The same questions as of a `MtrrState`, answered as one program reads the registers.

    `MtrrState.view` makes it. An address to which the program has no answer (patina panics, Linux up to 6.4
    says *invalid* while E = 0) is UNDEFINED, and `explain` says so.

    Attributes
    ----------
    state : the registers
    name : the name that was asked for
    program : the record that the name stands for: range model, overlap rule, E = 0, first MiB, TOP_MEM2

    Raises
    ------
    InputError
        For a name that stands for no program, or for a release whose behaviour is not known.

    Examples
    --------
    >>> from memtype import MtrrState
    >>> s = MtrrState(def_type=0x800, variable=[(0x6, 0xF00000800), (0xC0000001, 0xFF0000800)], maxphyaddr=36)
    >>> {name: str(s.view(name).at(0xC0000000)) for name in ("sdm", "linux-6.12", "xen", "kvm-6.4", "bochs")}
    {'sdm': '??', 'linux-6.12': 'UC', 'xen': 'WC', 'kvm-6.4': 'WB', 'bochs': 'WB'}
    """

    __slots__ = ("_map", "_shattered", "name", "program", "state")

    def __init__(self, state: MtrrState, name: str) -> None:
        self.state = state
        self.program = programs.program(name)
        self.name = name.strip().lower()
        self._map: MemoryMap | None = None
        self._shattered: ShatteredMapError | None = None

    def __repr__(self) -> str:
        return f"<View {self.name} of {self.state!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View):
            return NotImplemented
        return (self.state, self.program) == (other.state, other.program)

    def __hash__(self) -> int:
        return hash((self.state, self.program))

    def __reduce__(self) -> tuple[Any, ...]:
        return View, (self.state, self.name)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """What Dask names results by: the same for equal ones, in every process."""
        return "memtype.View", *self.__reduce__()[1]

    @property
    def maxphyaddr(self) -> int:
        return self.state.maxphyaddr

    @property
    def vendor(self) -> str:
        return self.state.vendor

    def at(self, address: int) -> MemoryType:
        """The memory type of one address. Raises `AddressError` outside [0, 2**maxphyaddr)."""
        page = arguments.address(address, self.state.maxphyaddr) & -rules.PAGE_SIZE
        if self.program.name == "sdm":
            return self.state.at(page)
        return decide(self.program, self.state, page).type

    def types(self, addresses: Any, out: arrays.U8Array | None = None, threads: int = 1) -> Any:
        """The types of many addresses: uint64 array-like in, uint8 of the same shape out; a scalar stays one.

        Parameters, errors and what they leave in `out` are those of `MtrrState.types`.
        """
        parallel.check_threads(threads)
        if out is None and arguments.is_scalar(addresses):
            return self.at(addresses)
        try:
            found = self.map
        except ShatteredMapError:
            return self._types_one_by_one(addresses, out)
        return found.types(addresses, out, threads)

    def _types_one_by_one(self, addresses: Any, out: arrays.U8Array | None) -> arrays.U8Array:
        given = arrays.uint64(addresses)
        out = arrays.output(out, given.shape, arrays.U8, given)
        arrays.refuse_addresses(given, self.state.maxphyaddr)
        pages, places = np.unique(given.ravel() >> np.uint64(rules.PAGE_SHIFT), return_inverse=True)
        answers = np.array([self.at(int(page) << rules.PAGE_SHIFT) for page in pages], arrays.U8)
        out[...] = answers[places].reshape(given.shape)
        return out

    def page_types(self, first_gfn: int, count: int, out: arrays.U8Array | None = None) -> arrays.U8Array:
        """The types of `count` 4 KiB pages from `first_gfn` on: uint8[count]."""
        try:
            return self.map.page_types(first_gfn, count, out)
        except ShatteredMapError:
            pass
        first_gfn, count = arguments.integer(first_gfn, "first_gfn"), arguments.integer(count, "count")
        arguments.refuse_pages(first_gfn, count, self.state.maxphyaddr)
        out = arrays.output(out, (count,), arrays.U8)
        written = arrays.contiguous(out)
        written[:] = [self.at(gfn << rules.PAGE_SHIFT) for gfn in range(first_gfn, first_gfn + count)]
        return arrays.deliver(written, out)

    @property
    def map(self) -> MemoryMap:
        """The whole physical address space as segments. Raises `ShatteredMapError` as `MtrrState.map` does."""
        if self._shattered:
            raise ShatteredMapError(str(self._shattered))
        if self._map is None:
            try:
                self._map = self._resolve()
            except ShatteredMapError as error:
                self._shattered = error
                raise
        return self._map

    def _resolve(self) -> MemoryMap:
        if self.program.name == "sdm":
            return self.state.map.listed()
        bases, kinds = sweep.resolve(self.program, self.state)
        return MemoryMap(bases, kinds, self.state.maxphyaddr)

    def explain(self, address: int) -> Explanation:
        """The type of one address with that program's rules and the registers that decided it.

        Examples
        --------
        >>> from memtype import MtrrState
        >>> s = MtrrState(def_type=0x800, variable=[(0x6, 0xC0000800)], maxphyaddr=36)
        >>> print(s.view("linux-6.5").explain(0x40000000).steps[0].text)
        PHYSBASE0/PHYSMASK0 (0x6/0xc0000800) is [0x0-0xf3fffffff]: WB
        """
        number = arguments.address(address, self.state.maxphyaddr)
        if self.program.name == "sdm":
            return self.state.explain(number)
        return reasons.explain(self.program, self.state, number)

    def pieces(self, base: int, end: int) -> Iterator[tuple[int, int, Explanation]]:
        """(first, end, why) of each piece of [base, end) that the same registers decide by the same rules.

        Raises
        ------
        ShatteredMapError
            When holey masks make too many.

        Examples
        --------
        >>> from memtype import MtrrState
        >>> s = MtrrState(def_type=0x800, variable=[(0x6, 0xFC0000800), (0x40000006, 0xFC0000800)], maxphyaddr=36)
        >>> [(hex(first), hex(end), why.registers) for first, end, why in s.view("sdm").pieces(1 << 29, 3 << 29)]
        [('0x20000000', '0x40000000', ('PHYSBASE0/PHYSMASK0',)), ('0x40000000', '0x60000000', ('PHYSBASE1/PHYSMASK1',))]
        """
        held: tuple[int, int, Explanation] | None = None
        for first, behind in pairwise([base, *sweep.cuts(self.program, self.state, base, end), end]):
            found = self.explain(first)
            if held and (held[2].type, held[2].steps) == (found.type, found.steps):
                held = held[0], behind, held[2]
                continue
            if held:
                yield held
            held = first, behind, found
        if held:
            yield held

    @property
    def ranges(self) -> tuple[tuple[int, int, int, MemoryType], ...]:
        """(register, base, size, type) of each block that a valid pair denotes in this reading, by register.

        With exact cubes a holey mask gives several. For "proc" these are the lines of /proc/mtrr.

        Raises
        ------
        ShatteredMapError
            When holey masks denote too many.
        """
        s = self.state
        if self.program.ranges == programs.EXACT and reference.block_count(s) > rules.MAP_SEGMENT_LIMIT:
            raise reference.shattered()
        return tuple(
            (n, start, end - start, rules.type_of(pair[0] & rules.BASE_TYPE))
            for n, pair in enumerate(s.variable)
            if pair[1] & rules.MASK_VALID
            for start, end in ways.spans(self.program.ranges, pair, s.maxphyaddr)
        )

    # --- Linux only ----------------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The kernel's own map (6.5 on) as ``mtrr=debug`` prints it: segments of the default type are not stored.

        Examples
        --------
        >>> from memtype import MtrrState
        >>> s = MtrrState(def_type=0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
        >>> print(s.view("linux-6.12").counts, *s.view("linux-6.12").entries, sep="\\n")
        MTRR map: 1 entries (0 fixed + 1 variable; max 2), built from 1 variable MTRRs
        0000000080000000-00000000ffffffff uncachable
        """
        self._only("linux-6.5", "map entries")
        return linux_map.entries(self.state)

    @property
    def counts(self) -> MapCounts:
        """The numbers of the kernel's line ``MTRR map: …`` (6.5 on): entries, fixed, variable, max, built_from.

        Registers count by MTRRCAP.VCNT where the state knows it, else by the pairs that it holds. While E = 0
        the kernel builds no map: all 0.
        """
        self._only("linux-6.5", "map counts")
        cap = self.state.cap
        return linux_map.counts(self.state, len(self.state.variable) if cap is None else cap & rules.MTRRCAP_VCNT)

    def uniform_lookup(self, start: int, end: int) -> tuple[MemoryType, bool]:
        """What the kernel's lookup of [start, end) says: one type, and its *uniform* flag, quirks included.

        Up to 6.4 an address below 1 MiB answers with its one fixed sub-range and False; two ranges of one type
        are not uniform; E = 0 has no answer (UNDEFINED). From 6.5 on UC before WB is (UC, True).

        Raises
        ------
        InputError
            For an empty range, one beyond 2**maxphyaddr, or a view that is not Linux.
        """
        start, end = linux_map.check_range(start, end, self.state.maxphyaddr)
        if self.program.name == "linux-6.4":
            return linux_map.split_lookup(self.state, start, end)
        self._only("linux-6.5", "uniform lookup")
        return linux_map.merge_lookup(self.state, linux_map.entries(self.state), start, end)

    def _only(self, name: str, what: str) -> None:
        if self.program.name != name:
            raise InputError(f"view {self.name} has no {what}; ask {name}")
