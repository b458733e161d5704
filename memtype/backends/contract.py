"""What every backend has: the contract between the implementations and the rooms that ask them.

Arrays arrive C-contiguous and of the right dtype; `out` is written only when no error is raised. Types come as their
numbers. `_held` of a state and of a map is one handle, a tuple whose first element tells whose it is: the backend that
made it alone knows what else is in it, and makes its own where it meets another's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from memtype.backends.reference import Registers

if TYPE_CHECKING:
    from memtype import arrays


class Map(Protocol):
    """What a backend needs of a resolved map."""

    @property
    def maxphyaddr(self) -> int: ...
    @property
    def _held(self) -> tuple[Any, ...]: ...
    def as_arrays(self) -> tuple[arrays.U64Array, arrays.U8Array]: ...


class Fleet(Protocol):
    """What a backend needs of many register files: columns as in `StateArray`."""

    @property
    def maxphyaddr(self) -> Any: ...
    @property
    def vendor(self) -> Any: ...
    @property
    def base(self) -> Any: ...
    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Registers: ...


class Backend(Protocol):
    """One implementation. Functions that end in ``_at_once`` are short ways for plain arrays: None where the careful
    way is to be taken, and then nothing that counts was written."""

    name: str
    isa: str

    def prepare(self, s: Registers, /) -> tuple[Any, ...]:
        """The handle of a new state."""

    def prepare_at_once(self, s: Any, /) -> tuple[Any, ...] | None:
        """The same before anybody has looked at the state's registers: None where one of them is odd."""

    def steps(self, bases: tuple[int, ...], kinds: tuple[Any, ...], maxphyaddr: int, /) -> Any:
        """A map's segments as an object: its ``at(address)`` is one of `kinds`, or None for what is no plain ``int`` in
        [0, 2**maxphyaddr)."""

    def at(self, s: Registers, address: int, /) -> int: ...
    def types(self, s: Registers, addresses: arrays.U64Array, out: arrays.U8Array, /) -> None: ...
    def types_at_once(self, s: Registers, addresses: Any, out: Any, /) -> arrays.U8Array | None: ...
    def histogram(self, s: Registers, addresses: arrays.U64Array, counts: arrays.U64Array, /) -> None:
        """How many addresses have each type into uint64[16], which holds zeros."""

    def histogram_at_once(self, s: Registers, addresses: Any, /) -> arrays.U64Array | None: ...
    def page_types(self, s: Registers, first_gfn: int, out: arrays.U8Array, /) -> None: ...
    def fleet_types(self, fleet: Fleet, addresses: arrays.U64Array, out: arrays.U8Array, /) -> None: ...

    def types_by(self, fleet: Fleet, ids: Any, addresses: arrays.U64Array, out: arrays.U8Array, /) -> None:
        """`ids`, uint32 and below the fleet's size, say whose each address is. All have one shape."""

    def resolve(self, s: Registers, /) -> tuple[Sequence[int], Sequence[int]]:
        """The map as parallel lists: bases, types."""

    def resolve_packed(self, s: Registers, /) -> tuple[Any, ...]:
        """The same as the handle of a map. Its first element is the function that gives `resolve`'s lists of it."""

    def pages_at_once(self, found: Map, first_gfn: Any, count: Any, out: Any, /) -> arrays.U8Array | None: ...
    def map_types_at_once(self, found: Map, addresses: Any, out: Any, /) -> arrays.U8Array | None: ...
    def map_types(
        self, bases: arrays.U64Array, kinds: arrays.U8Array, maxphyaddr: int, addresses: arrays.U64Array,
        out: arrays.U8Array, /,
    ) -> None: ...  # fmt: skip

    def msr_fault(self, index: int, value: int, maxphyaddr: int, vendor: str, /) -> tuple[str, int] | None: ...
    def pat_valid(self, pat: int, /) -> bool: ...
    def pat_valids(self, pats: arrays.U64Array, out: arrays.U8Array, /) -> None: ...
    def pat_index(self, pte: int, level: int, /) -> int: ...
    def pat_indexes(self, level: int, ptes: arrays.U64Array, out: arrays.U8Array, /) -> None: ...
    def pat_types(self, pat: int, level: int, ptes: arrays.U64Array, out: arrays.U8Array, /) -> None: ...

    def effective(self, vendor: str, cr0_cd: bool, mtrr: int, pat: int, /) -> int: ...
    def effective_pcd_pwt(self, vendor: str, mtrr: int, pcd: bool, pwt: bool, /) -> int: ...
    def effective_ept(self, kind: int, ipat: bool, pat: int, cr0_cd: bool, /) -> int: ...
    def effective_npt(self, guest: int, host: int, mtrr: int, snp: bool, cr0_cd: bool, /) -> int: ...
    def xen_ept_type(self, guest: int, host: int, /) -> int: ...
    def effective_array(
        self, vendor: str, cr0_cd: bool, mtrr: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array, /
    ) -> None:
        """`mtrr` and `pat` have as many elements as `out`, or one; so in the two below."""

    def effective_ept_array(
        self, cr0_cd: bool, kind: arrays.U8Array, ipat: arrays.U8Array, pat: arrays.U8Array, out: arrays.U8Array, /
    ) -> None: ...
    def effective_npt_array(
        self, snp: bool, cr0_cd: bool, guest: arrays.U8Array, host: arrays.U8Array, mtrr: arrays.U8Array,
        out: arrays.U8Array, /,
    ) -> None: ...  # fmt: skip

    def ept_types(self, eptes: arrays.U64Array, out: arrays.U8Array, /) -> None: ...
    def effective_types(
        self, s: Registers, pat: int, level: int, addresses: arrays.U64Array | None, ptes: arrays.U64Array,
        out: arrays.U8Array, /,
    ) -> None: ...  # fmt: skip
    def effective_ept_types(
        self, pat: int, level: int, cr0_cd: bool, eptes: arrays.U64Array, ptes: arrays.U64Array,
        out: arrays.U8Array, /,
    ) -> None: ...  # fmt: skip

    def leaf_bits(
        self, bases: arrays.U64Array, bits: arrays.U64Array, maxphyaddr: int, gfns: arrays.U64Array,
        out: arrays.U64Array, /,
    ) -> None: ...  # fmt: skip
    def leaf_fill(
        self, bases: arrays.U64Array, bits: arrays.U64Array, field: int, maxphyaddr: int, gfns: arrays.U64Array,
        sptes: arrays.U64Array, /,
    ) -> None: ...  # fmt: skip


FUNCTIONS = tuple(name for name, member in vars(Backend).items() if callable(member) and not name.startswith("_"))
