"""Many processors' MTRRs at once: `StateArray` holds them as columns, `types_of_states` asks all of them, `types_by`
one for each address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memtype import arguments, backends, parallel, rules
from memtype.arguments import check_maxphyaddr
from memtype.errors import ArrayError, InputError, RegisterError
from memtype.late import Late
from memtype.mtrr import MtrrState, vendor_name

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")


@dataclass(frozen=True, slots=True, eq=False)
class StateArray:
    """Register files as columns of raw values, for fleets too large for one object each.

    Parameters
    ----------
    def_type : uint64[states]
        IA32_MTRR_DEF_TYPE.
    fixed : uint64[states, 11]
        The fixed-range registers in the order of their numbers.
    base, mask : uint64[states, pairs]
        IA32_MTRR_PHYSBASEn and PHYSMASKn; a pair that a machine lacks has a mask of 0.
    maxphyaddr : int or uint32[states]
        Physical address width, 32 to 52.
    vendor : str or sequence of str
        "intel" or "amd".
    syscfg, tom2 : int or uint64[states]
        AMD SYSCFG and TOP_MEM2.
    cap : int or uint64[states]
        IA32_MTRRCAP; only FIX (bit 8) is looked at, and set where nothing is given.

    Raises
    ------
    RegisterError
        For columns whose shapes do not belong together, an impossible width, an unknown vendor.

    Examples
    --------
    >>> fixed = [[0] * 11] * 2
    >>> fleet = StateArray([0x806, 0x800], fixed, [[0x80000000]] * 2, [[0xFF80000800]] * 2, maxphyaddr=40)
    >>> types_of_states(fleet, [0, 0x80000000]).tolist()
    [[6, 0], [0, 0]]
    """

    def_type: Any
    fixed: Any
    base: Any
    mask: Any
    maxphyaddr: Any = rules.DEFAULT_MAXPHYADDR
    vendor: Any = "intel"
    syscfg: Any = 0
    tom2: Any = 0
    cap: Any = rules.MTRRCAP_FIX

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "def_type", _frozen(arrays.uint64(self.def_type, "def_type"), self.def_type))
        count = len(self)
        put(self, "fixed", _column(self.fixed, "fixed", (count, len(rules.FIXED_MSRS))))
        pairs = arrays.uint64(self.base, "base").shape[1:]
        if len(pairs) != 1 or pairs[0] > rules.MAX_VARIABLE:
            raise RegisterError(f"base: shape {(count, *pairs)} is not (states, up to {rules.MAX_VARIABLE} pairs)")
        put(self, "base", _column(self.base, "base", (count, *pairs)))
        put(self, "mask", _column(self.mask, "mask", (count, *pairs)))
        for name in ("syscfg", "tom2", "cap"):
            put(self, name, _column(_each(getattr(self, name), count), name, (count,)))
        put(self, "maxphyaddr", _widths(_each(self.maxphyaddr, count), count))
        put(self, "vendor", _vendors(self.vendor, count))

    def __repr__(self) -> str:
        return f"<StateArray of {len(self)} register files, {self.base.shape[1]} pairs each>"

    def __len__(self) -> int:
        return int(self.def_type.size)

    @classmethod
    def of(cls, states: Iterable[MtrrState]) -> StateArray:
        """The columns of `MtrrState` objects; shorter files are filled with pairs that are not valid."""
        found = [arguments.given(s, MtrrState, "state") for s in arguments.items(states, "states", "MtrrState")]
        pairs = max((len(s.variable) for s in found), default=0)
        filled = [(*s.variable, *[(0, 0)] * (pairs - len(s.variable))) for s in found]
        both = np.array(filled, arrays.U64).reshape(len(found), pairs, 2)
        return cls(
            np.array([s.def_type for s in found], arrays.U64),
            np.array([s.fixed for s in found], arrays.U64).reshape(len(found), len(rules.FIXED_MSRS)),
            both[:, :, 0],
            both[:, :, 1],
            np.array([s.maxphyaddr for s in found], np.uint32),
            [s.vendor for s in found],
            np.array([s.syscfg for s in found], arrays.U64),
            np.array([s.tom2 for s in found], arrays.U64),
            np.array([rules.MTRRCAP_FIX if s.has_fixed else 0 for s in found], arrays.U64),
        )

    def __getitem__(self, place: int) -> MtrrState:
        """One of them as an object of its own."""
        return MtrrState(
            int(self.def_type[place]),
            self.fixed[place].tolist(),
            tuple(zip(self.base[place].tolist(), self.mask[place].tolist(), strict=True)),
            int(self.maxphyaddr[place]),
            "amd" if self.vendor[place] else "intel",
            int(self.syscfg[place]),
            int(self.tom2[place]),
            int(self.cap[place]),
        )

    def part(self, start: int, stop: int) -> StateArray:
        """The states [start, stop), sharing memory."""
        made = object.__new__(StateArray)
        start, stop = arguments.integer(start, "start"), arguments.integer(stop, "stop")
        for name in StateArray.__slots__:
            object.__setattr__(made, name, getattr(self, name)[start:stop])
        return made


def types_of_states(
    states: StateArray | Iterable[MtrrState], addresses: Any, out: arrays.U8Array | None = None, threads: int = 1
) -> arrays.U8Array:
    """The types of addresses in each of many register files.

    Parameters
    ----------
    states : StateArray, or MtrrState objects
    addresses : array-like of unsigned integers, shape (n,) or (states, n)
        The same for all states, or each state's own.
    out : uint8[states, n], optional
        Written and returned. After an `AddressError` its contents are unspecified beyond 4096 elements.
    threads : int
        How many threads share the states.

    Returns
    -------
    uint8[states, n]

    Raises
    ------
    AddressError
        For the first address outside [0, 2**maxphyaddr) of its state; `.index` is the flat place in the result.
    ArrayError
        For an array of the wrong dtype or shape.
    """
    fleet = states if isinstance(states, StateArray) else StateArray.of(states)
    given = arrays.uint64(addresses)
    own = given.ndim == 2
    if given.ndim not in (1, 2) or (own and given.shape[0] != len(fleet)):
        raise ArrayError(f"addresses: shape {given.shape} is neither (n,) nor ({len(fleet)}, n)")
    out = arrays.output(out, (len(fleet), given.shape[-1]), arrays.U8, given)
    written = arrays.contiguous(out)

    def work(start: int, stop: int) -> None:
        places = given[start:stop] if own else given
        backends.active.fleet_types(fleet.part(start, stop), places, written[start:stop])

    parallel.run(work, len(fleet), threads, given.shape[-1])
    return arrays.deliver(written, out)


def types_by(
    states: StateArray | Iterable[MtrrState], ids: Any, addresses: Any, out: arrays.U8Array | None = None
) -> arrays.U8Array:
    """The type of each address in a register file of its own, in any order.

    Parameters
    ----------
    states : StateArray, or MtrrState objects
    ids : array-like of unsigned integers
        The place of each address's state among `states`.
    addresses : array-like of unsigned integers, of the same shape
    out : uint8 of the same shape, optional
        Written and returned; not written when an error is raised.

    Returns
    -------
    uint8, of the same shape

    Raises
    ------
    AddressError
        For the first address outside [0, 2**maxphyaddr) of its state; `.index` is its flat place.
    InputError
        For a place that no state has.
    ArrayError
        For an array of the wrong dtype or shape.

    Examples
    --------
    >>> types_by([MtrrState(0x806), MtrrState(0x800)], [1, 0, 1], [0, 0, 1 << 20]).tolist()
    [0, 6, 0]
    """
    fleet = states if isinstance(states, StateArray) else StateArray.of(states)
    given, places = arrays.uint64(addresses), _places(ids)
    if places.shape != given.shape:
        raise ArrayError(f"ids: shape {places.shape} is not that of the addresses, {given.shape}")
    if places.size and int(places.max()) >= len(fleet):
        index = int(np.argmax(places.reshape(-1) >= len(fleet)))
        raise InputError(f"ids[{index}] = {int(places.reshape(-1)[index])}: there are {len(fleet)} states")
    out = arrays.output(out, given.shape, arrays.U8, given, places)
    written = arrays.contiguous(out)
    backends.active.types_by(fleet, places.astype(np.uint32, copy=False), given, written)
    return arrays.deliver(written, out)


def _places(ids: Any) -> Any:
    """Any integer array-like as C-contiguous uint64, or uint32 where it is such already."""
    if isinstance(ids, np.ndarray) and ids.dtype == np.uint32:
        return np.require(ids, np.uint32, ["C", "A"])
    return arrays.uint64(ids, "ids")


def _each(value: Any, count: int) -> Any:
    return np.full(count, value, arrays.U64) if isinstance(value, int) and 0 <= value < 1 << 64 else value


def _column(values: Any, name: str, shape: tuple[int, ...]) -> arrays.U64Array:
    column = arrays.uint64(values, name)
    if column.shape != shape:
        raise RegisterError(f"{name}: shape {column.shape} is not {shape}")
    return _frozen(column, values)


def _frozen(column: arrays.U64Array, given: Any) -> arrays.U64Array:
    """A column that nobody writes to: a copy where it is the caller's own memory."""
    if isinstance(given, np.ndarray) and np.may_share_memory(column, given):
        column = column.copy()
    column.flags.writeable = False
    return column


def _widths(values: Any, count: int) -> Any:
    widths = _column(values, "maxphyaddr", (count,))
    for width in np.unique(widths).tolist():
        check_maxphyaddr(width)
    return widths.astype(np.uint32)


def _vendors(names: Any, count: int) -> Any:
    """1 where AMD, as in the C core."""
    if isinstance(names, str):
        return np.full(count, vendor_name(names) == "amd", np.uint32)
    makers = [vendor_name(name) == "amd" for name in arguments.items(names, "vendor", "names", RegisterError)]
    if len(makers) != count:
        raise RegisterError(f"vendor: {len(makers)} names for {count} states")
    return np.array(makers, np.uint32)
