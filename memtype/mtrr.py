"""One processor's MTRRs as people hold them: `MtrrState`, an immutable register file that answers questions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

from memtype import arguments, backends, explanation, parallel, rules
from memtype.arguments import check_maxphyaddr
from memtype.drawn import Drawn
from memtype.errors import RegisterError, ShatteredMapError
from memtype.late import Late
from memtype.memory_map import MemoryMap, packed_map
from memtype.parallel import ONE
from memtype.periodic_map import PeriodicMap
from memtype.readable import readable
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
    from memtype.views import View
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")


_VENDORS = {
    "intel": "intel", "genuineintel": "intel", "centaurhauls": "intel", "  shanghai  ": "intel",
    "amd": "amd", "authenticamd": "amd", "hygon": "amd", "hygongenuine": "amd",
}  # fmt: skip

_STATE_MSRS = frozenset(
    (
        rules.MTRRCAP, rules.DEF_TYPE_MSR, rules.SYSCFG_MSR, rules.TOP_MEM2_MSR, *rules.FIXED_MSRS,
        *range(rules.PHYSBASE0, rules.PHYSBASE0 + 2 * rules.NUMBERED_PAIRS),
    )
)  # fmt: skip


class _Unasked:
    """The steps of a state that nobody has asked yet: they answer nothing."""

    __slots__ = ()

    def at(self, address: Any) -> None:
        return None


_UNASKED = _Unasked()


_put = object.__setattr__


@readable
@dataclass(frozen=True, slots=True)
class Problem:
    """A raw value that hardware would refuse to take: the register, why, and the value."""

    register: str
    value: int
    text: str

    def __str__(self) -> str:
        return f"{self.register} = 0x{self.value:x}: {self.text}"


@readable
@dataclass(frozen=True, slots=True)
class MtrrState(Drawn):
    """One processor's MTRRs: raw values, also such as hardware would refuse (`problems` names them).

    Parameters
    ----------
    def_type : int
        IA32_MTRR_DEF_TYPE (0x2FF).
    fixed : sequence of 11 int
        The fixed-range registers 0x250, 0x258, 0x259, 0x268 .. 0x26F.
    variable : sequence of (int, int)
        IA32_MTRR_PHYSBASEn and PHYSMASKn, n = 0, 1, …; at most 255 pairs.
    maxphyaddr : int
        Physical address width in bits, 32 to 52.
    vendor : str
        "intel" or "amd" (also CPUID vendor strings).
    syscfg, tom2 : int
        AMD SYSCFG (C001_0010) and TOP_MEM2 (C001_001D).
    cap : int, optional
        IA32_MTRRCAP (0xFE). Without it the fixed ranges are taken to exist.

    Raises
    ------
    RegisterError
        For a value over 64 bits, a width outside 32 to 52, a wrong count of registers, an unknown vendor.

    Examples
    --------
    >>> s = MtrrState(def_type=0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
    >>> s.at(0x80000000), s.at(0x100000000)
    (<MemoryType.UC: 0>, <MemoryType.WB: 6>)
    >>> s.types([0, 0xFFFFFFFF]).tolist()
    [6, 0]
    """

    def_type: int = 0
    fixed: tuple[int, ...] = (0,) * len(rules.FIXED_MSRS)
    variable: tuple[tuple[int, int], ...] = ()
    maxphyaddr: int = rules.DEFAULT_MAXPHYADDR
    vendor: str = "intel"
    syscfg: int = 0
    tom2: int = 0
    cap: int | None = None
    _held: tuple[Any, ...] = field(default=(None,), init=False, repr=False, compare=False)  # the backend's handle
    _map: Any = field(default=None, init=False, repr=False, compare=False)  # MemoryMap, once it was asked for
    _steps: Any = field(default=_UNASKED, init=False, repr=False, compare=False)  # its map's, once `at` was asked

    if TYPE_CHECKING:  # what the constructor takes is wider than what the fields then hold

        def __init__(
            self,
            def_type: int = 0,
            fixed: Iterable[int] = ...,
            variable: Iterable[Sequence[int]] = (),
            maxphyaddr: int = rules.DEFAULT_MAXPHYADDR,
            vendor: str = "intel",
            syscfg: int = 0,
            tom2: int = 0,
            cap: int | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        _put(self, "vendor", vendor_name(self.vendor))
        held = backends.active.prepare_at_once(self)
        if held is None:
            self._look_at_registers()
            held = backends.active.prepare(self)
        if type(self.fixed) is not tuple:
            _put(self, "fixed", tuple(self.fixed))
        _put(self, "variable", tuple(map(tuple, self.variable)))
        _put(self, "_held", held)

    def _look_at_registers(self) -> None:
        """One by one, to name the first that is not as it must be; numpy's numbers and the like become plain ones."""
        # tuple() and int() take lists, iterators and numpy integers
        put = _put
        put(self, "fixed", _fixed(self.fixed))
        put(self, "variable", _pairs(self.variable))
        if not arguments.are_words((self.def_type, self.syscfg, self.tom2, 0 if self.cap is None else self.cap)):
            put(self, "def_type", arguments.word(self.def_type, rules.msr_name(rules.DEF_TYPE_MSR)))
            put(self, "syscfg", arguments.word(self.syscfg, rules.msr_name(rules.SYSCFG_MSR)))
            put(self, "tom2", arguments.word(self.tom2, rules.msr_name(rules.TOP_MEM2_MSR)))
            if self.cap is not None:
                put(self, "cap", arguments.word(self.cap, rules.msr_name(rules.MTRRCAP)))
        put(self, "maxphyaddr", check_maxphyaddr(self.maxphyaddr))
        if len(self.variable) > rules.MAX_VARIABLE:
            raise RegisterError(f"{len(self.variable)} variable ranges; MTRRCAP.VCNT allows {rules.MAX_VARIABLE}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Caches stay behind: a pickled state is its registers.
        return MtrrState, (
            self.def_type, self.fixed, self.variable, self.maxphyaddr, self.vendor, self.syscfg, self.tom2, self.cap,
        )  # fmt: skip

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """What Dask names results by: the same for equal ones, in every process."""
        return "memtype.MtrrState", *self.__reduce__()[1]

    @classmethod
    def from_msrs(
        cls,
        msrs: Mapping[int, int] | Callable[[int], int],
        maxphyaddr: int | None = None,
        vendor: str = "intel",
    ) -> MtrrState:
        """From ``{index: value}`` or from a function ``index -> value``.

        Indexes and values may be text, ``{"0x2ff": "0x0000000000000806"}``, as this package prints JSON. A function
        may raise KeyError for registers that it lacks.

        Without `maxphyaddr` the width is inferred from the masks (`infer_maxphyaddr`). A mapping gives as many
        pairs as it holds, a function as many as MTRRCAP says, or where that lacks as many as it has in a row.

        Raises
        ------
        RegisterError
            When IA32_MTRR_DEF_TYPE, one half of a pair, or (with FE = 1) a fixed-range register is missing.

        Examples
        --------
        >>> MtrrState.from_msrs({0x2FF: 0x806, 0x200: 0x80000000, 0x201: 0xFF80000800}).maxphyaddr
        40
        """
        if not isinstance(msrs, Mapping) and not callable(msrs):
            raise RegisterError(f"registers {arguments.shown(msrs)} are neither a mapping nor a function of the index")
        found = _numbered(msrs) if isinstance(msrs, Mapping) else _read_all(msrs, vendor_name(vendor))
        registers = {
            index: arguments.word(value, rules.msr_name(index)) for index, value in found.items() if _is_mtrr(index)
        }
        def_type = _need(registers, rules.DEF_TYPE_MSR)
        pairs = [n for n in range(rules.NUMBERED_PAIRS) if _pair_indexes(n) & registers.keys()]
        variable = [
            (_need(registers, rules.PHYSBASE0 + 2 * n), _need(registers, rules.PHYSMASK0 + 2 * n))
            if n in pairs
            else (0, 0)
            for n in range(max(pairs, default=-1) + 1)
        ]
        needed = def_type & rules.DEF_TYPE_E and def_type & rules.DEF_TYPE_FE
        return cls(
            def_type,
            tuple(_need(registers, index) if needed else registers.get(index, 0) for index in rules.FIXED_MSRS),
            tuple(variable),
            infer_maxphyaddr(mask for _, mask in variable) if maxphyaddr is None else maxphyaddr,
            vendor,
            registers.get(rules.SYSCFG_MSR, 0),
            registers.get(rules.TOP_MEM2_MSR, 0),
            registers.get(rules.MTRRCAP),
        )

    @property
    def has_fixed(self) -> bool:
        """Whether fixed ranges exist (MTRRCAP.FIX); taken as yes where MTRRCAP is not known."""
        return self.cap is None or bool(self.cap & rules.MTRRCAP_FIX)

    def at(self, address: int) -> MemoryType:
        """The memory type of one address.

        Raises
        ------
        AddressError
            When `address` is not in [0, 2**maxphyaddr).
        """
        kind: MemoryType | None = self._steps.at(address)
        return self._at_slowly(address) if kind is None else kind

    def _at_slowly(self, address: Any) -> MemoryType:
        """The first question; or no address at all, or one of numpy's."""
        if type(address) is not int or not 0 <= address < 1 << self.maxphyaddr:
            address = arguments.address(address, self.maxphyaddr)
        found = self.map
        if type(found) is not MemoryMap:
            return MemoryType(backends.active.at(self, address))
        if self._steps is _UNASKED:
            _keep_steps(self, found.steps)
        return found.at(address)

    def _resolve(self) -> MemoryMap:
        resolved: MemoryMap
        try:
            resolved = packed_map(backends.active.resolve_packed(self), self.maxphyaddr)
        except ShatteredMapError:
            resolved = PeriodicMap(self)
        _keep_map(self, resolved)
        return resolved

    @overload
    def types(self, addresses: int, out: None = ..., threads: int = ...) -> MemoryType: ...
    @overload
    def types(self, addresses: arrays.Many, out: arrays.U8Array | None = ..., threads: int = ...) -> arrays.U8Array: ...
    @overload
    def types(self, addresses: Any, out: arrays.U8Array | None = ..., threads: int = ...) -> Any: ...
    def types(self, addresses: Any, out: arrays.U8Array | None = None, threads: int = 1) -> Any:
        """The types of many addresses.

        Parameters
        ----------
        addresses : array-like of unsigned integers, any shape
            Physical addresses in bytes; made uint64.
        out : uint8 array of the same shape, optional
            Written and returned. After an `AddressError` nothing is written to it up to 4096 addresses; of a larger
            one the contents are then unspecified.
        threads : int
            How many threads may share an array of some millions of addresses; smaller ones gain nothing.

        Returns
        -------
        uint8 array of the same shape; a `MemoryType` for a single ``int``.

        Raises
        ------
        ArrayError
            For a dtype that is no integer, or an unfit `out`.
        AddressError
            For the first address outside [0, 2**maxphyaddr); `.index` is its flat place.
        """
        if threads is ONE:
            made = backends.active.types_at_once(self, addresses, out)
            if made is not None:
                return made
        if out is None and arguments.is_scalar(addresses):
            parallel.check_threads(threads)
            return self.at(addresses)
        return parallel.types(partial(backends.active.types, self), addresses, out, threads)

    def histogram(self, addresses: Any) -> arrays.U64Array:
        """How many of many addresses have each type, without an array of their types.

        Parameters
        ----------
        addresses : array-like of unsigned integers, any shape

        Returns
        -------
        uint64[16]
            The count of each type at the type's number. The sum of two such is that of both arrays together.

        Raises
        ------
        AddressError, ArrayError
            As `types`.

        Examples
        --------
        >>> MtrrState(0x806).histogram([0, 1 << 20])[MemoryType.WB]
        np.uint64(2)
        """
        made = backends.active.histogram_at_once(self, addresses)
        if made is not None:
            return made
        counts = np.zeros(16, arrays.U64)
        backends.active.histogram(self, arrays.uint64(addresses), counts)
        return counts

    def page_types(self, first_gfn: int, count: int, out: arrays.U8Array | None = None) -> arrays.U8Array:
        """The types of `count` 4 KiB pages from `first_gfn` on (gfn = address >> 12): uint8[count]."""
        found = self._map
        if found is None:
            found = self._resolve()
        made = backends.active.pages_at_once(found, first_gfn, count, out)
        if made is not None:
            return made
        first_gfn, count = arguments.integer(first_gfn, "first_gfn"), arguments.integer(count, "count")
        arguments.refuse_pages(first_gfn, count, self.maxphyaddr)
        out = arrays.output(out, (count,), arrays.U8)
        written = arrays.contiguous(out)
        backends.active.page_types(self, first_gfn, written)
        return arrays.deliver(written, out)

    def explain(self, address: int) -> explanation.Explanation:
        """The type of one address with the rules and registers that decided it."""
        return explanation.explain(self, arguments.address(address, self.maxphyaddr))

    @property
    def map(self) -> MemoryMap:
        """The whole physical address space as segments.

        Where holey masks make more than 65,536 of them it is a `PeriodicMap`: look-ups, `uniform`, `within`, `first`,
        `len` and comparing stay exact; listing all segments raises `ShatteredMapError`, which says how many there are.
        """
        found: MemoryMap | None = self._map
        return self._resolve() if found is None else found

    def view(self, name: str) -> View:
        """The same questions as that software reads the same registers: ``s.view("linux-6.5").at(address)``."""
        from memtype.views import View

        return View(self, name)

    def msrs(self) -> dict[int, int]:
        """``{index: value}`` to write elsewhere, in the order of the indexes.

        Raises
        ------
        RegisterError
            With more than 40 pairs: the others have no MSR numbers.
        """
        if len(self.variable) > rules.NUMBERED_PAIRS:
            raise RegisterError(f"{len(self.variable)} pairs; only {rules.NUMBERED_PAIRS} have MSR numbers")
        found = {rules.DEF_TYPE_MSR: self.def_type, **dict(zip(rules.FIXED_MSRS, self.fixed, strict=True))}
        for n, (base, mask) in enumerate(self.variable):
            found |= {rules.PHYSBASE0 + 2 * n: base, rules.PHYSMASK0 + 2 * n: mask}
        if self.vendor == "amd" and (self.syscfg or self.tom2):
            found |= {rules.SYSCFG_MSR: self.syscfg, rules.TOP_MEM2_MSR: self.tom2}
        if self.cap is not None:
            found[rules.MTRRCAP] = self.cap
        return dict(sorted(found.items()))

    def problems(self) -> list[Problem]:
        """What hardware would refuse among these values, register by register.

        PHYSMASK bits 51:MAXPHYADDR that are all set are QEMU's filling, not an error of the guest, and pass.
        """
        found = []
        for name, index, value in self._registers():
            judged = self._unfilled(value) if index == rules.PHYSMASK0 else value
            refusal = refused(index, judged, self.maxphyaddr, self.vendor)
            if refusal:
                found.append(Problem(name, value, refusal))
        return found

    def _registers(self) -> Iterator[tuple[str, int, int]]:
        """(name, index, value) of all MTRRs; a pair has the index of pair 0, since those past 39 have none."""
        yield rules.msr_name(rules.DEF_TYPE_MSR), rules.DEF_TYPE_MSR, self.def_type
        for index, value in zip(rules.FIXED_MSRS, self.fixed, strict=True):
            yield rules.msr_name(index), index, value
        for n, (base, mask) in enumerate(self.variable):
            yield f"IA32_MTRR_PHYSBASE{n}", rules.PHYSBASE0, base
            yield f"IA32_MTRR_PHYSMASK{n}", rules.PHYSMASK0, mask

    def _unfilled(self, mask: int) -> int:
        filling = rules.high_bits(self.maxphyaddr) & ~rules.high_bits(rules.MAX_MAXPHYADDR)
        return mask & ~filling if mask & rules.high_bits(self.maxphyaddr) == filling else mask


# what object.__setattr__ finds by name each time
_keep_map, _keep_steps = (MtrrState.__dict__[slot].__set__ for slot in ("_map", "_steps"))


# --- validity ---------------------------------------------------------------------------------------------------


def msr_valid(index: int, value: int, maxphyaddr: int = rules.DEFAULT_MAXPHYADDR, vendor: str = "intel") -> bool:
    """Whether WRMSR of `value` to MTRR or PAT register `index` succeeds (False: #GP).

    Examples
    --------
    >>> msr_valid(0x2FF, 0xC06), msr_valid(0x2FF, 0xC07), msr_valid(0x201, 1 << 36 | 0x800, maxphyaddr=36)
    (True, False, False)
    """
    return refused(index, value, check_maxphyaddr(maxphyaddr), vendor_name(vendor)) is None


def refused(index: int, value: int, maxphyaddr: int, vendor: str) -> str | None:
    """Why hardware refuses the value, in words that name the bit and the limit; None where it takes it."""
    index = arguments.integer(index, "register index", RegisterError)
    if not 0 <= index < 1 << 32:
        raise RegisterError(f"register index {index} is not a 32-bit number")
    word = arguments.word(value, rules.msr_name(index))
    fault = backends.active.msr_fault(index, word, maxphyaddr, vendor)
    if fault is None:
        return None
    kind, bit = fault
    if kind == "type":
        return f"type {word >> bit & 0xFF} in bits {bit + 7}:{bit} is reserved"
    if kind == "reserved":
        return f"reserved bit {bit} set" + (f" (MAXPHYADDR = {maxphyaddr})" if bit >= maxphyaddr else "")
    return {"read-only": "the register is read-only", "unknown": "no MTRR and not IA32_PAT"}[kind]


def range_registers(
    base: int, size: int, kind: MemoryType | str, maxphyaddr: int = rules.DEFAULT_MAXPHYADDR
) -> tuple[int, int]:
    """The PHYSBASE and PHYSMASK values for [base, base + size): a power of two, aligned to itself (SDM 12.11.3).

    Examples
    --------
    >>> [hex(v) for v in range_registers(0x4000000, 0x2000000, "WB", maxphyaddr=36)]
    ['0x4000006', '0xffe000800']
    """
    base, size = arguments.integer(base, "base", RegisterError), arguments.integer(size, "size", RegisterError)
    end = 1 << check_maxphyaddr(maxphyaddr)
    if base < 0 or size < rules.PAGE_SIZE or size & (size - 1) or base % size or base + size > end:
        limits = f"a power of two of at least 4 KiB, aligned, below 2**{maxphyaddr}"
        raise RegisterError(f"0x{base:x}+0x{size:x} is not {limits}")
    encoding = arguments.memory_type(kind, "type")
    if encoding not in rules.MTRR_TYPES:
        raise RegisterError(f"{encoding} is no MTRR type")
    return base | encoding, rules.page_bits(maxphyaddr) & ~(size - 1) | rules.MASK_VALID


def infer_maxphyaddr(masks: Iterable[int]) -> int:
    """The width that the masks imply: firmware sets every mask bit below MAXPHYADDR. 36 without a valid mask.

    QEMU's filling (bits 51:MAXPHYADDR set) cannot be told from a 52-bit machine here: the answer is then 52.
    """
    known = [mask for mask in masks if mask & rules.MASK_VALID]
    top = max((mask & ~rules.high_bits(rules.MAX_MAXPHYADDR)).bit_length() for mask in known) if known else 0
    return max(top, rules.MIN_MAXPHYADDR) if top > rules.PAGE_SHIFT else rules.CPUID_ABSENT_MAXPHYADDR


def vendor_name(vendor: str) -> str:
    """ "intel" or "amd" from any spelling, CPUID strings included."""
    try:
        return _VENDORS[vendor.lower()]
    except (KeyError, AttributeError, TypeError):
        raise RegisterError(f"vendor {arguments.shown(vendor)} is neither intel nor amd") from None


def _pairs(variable: Any) -> tuple[tuple[int, int], ...]:
    """Pairs as tuples, each value looked at and named only where some value is not as most are."""
    given = tuple(arguments.items(variable, "variable", "registers", RegisterError))
    if set(map(type, given)) <= {tuple, list} and set(map(len, given)) <= {2}:
        pairs = tuple(map(tuple, given))
        if arguments.are_words(tuple(chain.from_iterable(pairs))):
            return pairs
    return tuple(_pair(n, pair) for n, pair in enumerate(given))


def _pair(n: int, pair: Any) -> tuple[int, int]:
    try:
        base, mask = pair
    except (TypeError, ValueError):
        raise RegisterError(f"variable range {n}: {arguments.shown(pair)} is not (base, mask)") from None
    return arguments.word(base, f"IA32_MTRR_PHYSBASE{n}"), arguments.word(mask, f"IA32_MTRR_PHYSMASK{n}")


def _fixed(fixed: Any) -> tuple[int, ...]:
    values = tuple(arguments.items(fixed, "fixed", "registers", RegisterError))
    if len(values) != len(rules.FIXED_MSRS):
        raise RegisterError(f"{len(values)} fixed-range registers; there are {len(rules.FIXED_MSRS)}")
    if arguments.are_words(values):
        return values
    return tuple(arguments.word(v, rules.msr_name(i)) for v, i in zip(values, rules.FIXED_MSRS, strict=True))


def _pair_indexes(n: int) -> set[int]:
    return {rules.PHYSBASE0 + 2 * n, rules.PHYSMASK0 + 2 * n}


def _is_mtrr(index: Any) -> bool:
    """Whether a register of a dump is one that a state holds; what else is in the dump may be anything."""
    return index in _STATE_MSRS


def _need(registers: Mapping[int, int], index: int) -> int:
    if index not in registers:
        raise RegisterError(f"{rules.msr_name(index)} (0x{index:x}) is missing")
    return registers[index]


def _numbered(registers: Mapping[Any, Any]) -> dict[Any, Any]:
    """Indexes and values that are text, as numbers; keys that are no number are left to be passed over."""
    found = {}
    for key, value in registers.items():
        index = _from_text(key)
        if index is not None or not isinstance(key, str):
            held = _from_text(value)
            found[key if index is None else index] = value if held is None else held
    return found


def _from_text(text: Any) -> int | None:
    """``"0x2ff"`` or ``"767"`` as a number; None for what is no such text."""
    try:
        return int(text, 0) if isinstance(text, str) else None
    except ValueError:
        return None


def _read_all(read: Callable[[int], int], vendor: str) -> dict[int, int]:
    """Every register that MTRRCAP says exists, through a reader that may lack some (KeyError)."""

    def held(indexes: Iterable[int]) -> dict[int, int]:
        found = {}
        for index in indexes:
            with contextlib.suppress(KeyError):
                found[index] = read(index)
        return found

    found = held([rules.MTRRCAP, rules.DEF_TYPE_MSR])
    cap = arguments.word(found[rules.MTRRCAP], rules.msr_name(rules.MTRRCAP)) if rules.MTRRCAP in found else None
    for n in range(rules.NUMBERED_PAIRS if cap is None else min(cap & rules.MTRRCAP_VCNT, rules.NUMBERED_PAIRS)):
        pair = held((rules.PHYSBASE0 + 2 * n, rules.PHYSMASK0 + 2 * n))
        if cap is None and not pair:
            break
        found |= pair
    found |= held(rules.FIXED_MSRS) if cap is None or cap & rules.MTRRCAP_FIX else dict.fromkeys(rules.FIXED_MSRS, 0)
    return found | (held((rules.SYSCFG_MSR, rules.TOP_MEM2_MSR)) if vendor == "amd" else {})
