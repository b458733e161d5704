"""One processor's MTRRs as a text tells them: what is told, what is assumed, what is not told, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from memtype import arguments, backends, rules
from memtype.errors import AddressError, InputError, ShatteredMapError
from memtype.late import Late
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState, Problem, vendor_name
from memtype.readable import readable
from memtype.told import completions, gaps, inference
from memtype.told.answer import Answer, Assumption, Gap, agreed
from memtype.told.asking import ask, typed
from memtype.told.register import NOTHING, Range, Register, Width, named, pair_numbers, pair_of
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
else:
    np = Late("numpy")


@readable
@dataclass(frozen=True, slots=True, eq=False)
class Registers:
    """One processor's MTRRs as a text tells them. Kept as read: nothing widens, fills or changes a value.

    Attributes
    ----------
    held : mapping of register number to `Register`
    ranges : mapping of pair number to `Range`
        Pairs that the text prints by their size.
    width, vendor
        None where the text does not tell them.
    whole : bool
        The text lists every pair in use: a pair that it does not name is off.
    uncounted : bool
        Nothing in the text counts the pairs of a `whole` list: it may have lost lines.
    count : int, optional
        How many pairs the text says that it lists: those below that are missing are lost.
    lost : frozenset of int
        Registers that the text names and does not tell.
    cut : bool
        The list of pairs breaks off.
    absent : frozenset of int
        Registers that the processor does not have, or that hold 0.
    listing : str, optional
        The text is a list of ranges by this program, which never prints a default type.
    on : str
        Why the MTRRs are assumed to be on where the text does not tell; "" where nothing speaks for it.
    tom2_off : str
        Why TOP_MEM2 is assumed off where the text does not tell it; "" where nothing speaks for it.
    default : (int, str), optional
        What stands in for a default type that a `listing` does not tell, and why: from the RAM map.
    restored : bool
        A virtual machine is made from the list: what it leaves out is 0 then.
    reach : int
        Address bits that RAM and printed addresses need.
    encrypted : int, optional
        CPUID 8000001F EBX[11:6]: by how many bits AMD's memory encryption narrows the width.
    assuming : bool
        False: no assumption stands in for anything.
    """

    held: Mapping[int, Register] = field(default_factory=dict)
    ranges: Mapping[int, Range] = field(default_factory=dict)
    width: Width | None = None
    vendor: str | None = None
    whole: bool = False
    uncounted: bool = False
    count: int | None = None
    lost: frozenset[int] = frozenset()
    cut: bool = False
    absent: frozenset[int] = frozenset()
    listing: str | None = None
    on: str = ""
    tom2_off: str = ""
    default: tuple[int, str] | None = None
    restored: bool = False
    reach: int = 0
    encrypted: int | None = None
    assuming: bool = True
    _seen: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)  # what was worked out already

    def __post_init__(self) -> None:
        object.__setattr__(self, "held", MappingProxyType(dict(self.held)))
        object.__setattr__(self, "ranges", MappingProxyType(dict(self.ranges)))

    @classmethod
    def of(cls, state: MtrrState) -> Registers:
        """A whole register file: everything told."""
        held = {rules.DEF_TYPE_MSR: state.def_type, **dict(zip(rules.FIXED_MSRS, state.fixed, strict=True))}
        for n, pair in enumerate(state.variable):
            held |= dict(zip(pair_numbers(n), pair, strict=True))
        held |= {rules.SYSCFG_MSR: state.syscfg, rules.TOP_MEM2_MSR: state.tom2}
        held |= {} if state.cap is None else {rules.MTRRCAP: state.cap}
        made = cls(
            {index: Register(value) for index, value in held.items()},
            width=Width(state.maxphyaddr, reduced=True), vendor=state.vendor, whole=True,
        )  # fmt: skip
        made._seen["state"] = state
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._key(dict),)

    def _key(self, of: Any = None) -> dict[str, Any]:
        names = [name for name in self.__dataclass_fields__ if name != "_seen"]
        return {n: dict(v) if isinstance(v := getattr(self, n), MappingProxyType) else v for n in names}

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Registers) else NotImplemented

    def __hash__(self) -> int:
        return hash((frozenset(self.held.items()), frozenset(self.ranges.items()), self.width, self.vendor))

    def _once(self, key: Any, make: Any) -> Any:
        if key not in self._seen:
            self._seen[key] = make()
        return self._seen[key]

    # --- single registers -----------------------------------------------------------------------------------------

    def register(self, index: int) -> Register:
        """The register as far as it is known; one that is absent holds 0."""
        return self.held.get(index, Register(0) if index in self.absent - self.lost else NOTHING)

    def bit(self, index: int, bit: int) -> bool | None:
        """One bit of a register, None where it is not told."""
        found = self.register(index)
        return bool(found.value & bit) if found.tells(bit) else None

    @property
    def off(self) -> bool:
        """Whether the MTRRs are told to be off (E = 0): every address is UC."""
        return self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_E) is False

    @property
    def has_fixed(self) -> bool:
        """Whether fixed ranges exist, as far as is told; taken as yes."""
        return self.bit(rules.MTRRCAP, rules.MTRRCAP_FIX) is not False and not self.absent >= set(rules.FIXED_MSRS)

    def pair(self, n: int) -> tuple[Register, Register]:
        """PHYSBASE and PHYSMASK of pair n, as far as known; of a range with the mask for the width in use."""
        if n in self.ranges:
            return self.ranges[n].pair(self.maxphyaddr)
        low, high = pair_numbers(n)
        return self.register(low), self.register(high)

    @property
    def listed(self) -> int:
        """One more than the highest pair that the text names."""
        counted = gaps.counted(self)
        lost = [n for i in self.lost if (n := pair_of(i)) is not None and (counted is None or n < counted)]
        held = [n for i in self.held if (n := pair_of(i)) is not None]
        return max((n + 1 for n in (*self.ranges, *held, *lost)), default=0)

    @property
    def held_pairs(self) -> list[int]:
        """Numbers of the pairs of which a register is held."""
        return sorted({n for i in self.held if (n := pair_of(i)) is not None})

    @property
    def valid_types(self) -> list[int]:
        """The types of the pairs with V."""
        pairs = [self.pair(n) for n in range(self.listed)]
        return [low.value & rules.BASE_TYPE for low, high in pairs if high.value & rules.MASK_VALID]

    # --- what is inferred -------------------------------------------------------------------------------------------

    @property
    def maxphyaddr(self) -> int:
        """Bits that address memory: told or inferred, less those that memory encryption uses."""
        found: int = self._once("maxphyaddr", lambda: inference.width(self)[0])
        return found

    @property
    def width_text(self) -> str:
        """How the width is known, in words."""
        return inference.width(self)[1]

    @property
    def default_why(self) -> str:
        """Why the default type is assumed to be what it is."""
        return inference.default(self)[1]

    # --- what is open, and what stands in for it --------------------------------------------------------------------

    @property
    def open(self) -> Mapping[str, Gap]:
        """All that is not told, by what it is about: "enabled", "default", "fixed", "pairs", "tom2"."""
        found: dict[str, Gap] = self._once("open", lambda: gaps.find(self))
        return found

    @property
    def covered(self) -> Mapping[str, Assumption]:
        """The assumptions, by the name of the gap that they cover."""
        if not self.assuming:
            return {}
        found: dict[str, Assumption] = self._once("covered", lambda: gaps.assumptions(self, dict(self.open)))
        return found

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is not told and no assumption covers."""
        return tuple(gap for what, gap in self.open.items() if what not in self.covered)

    @property
    def untold(self) -> tuple[Gap, ...]:
        """All that is not told, assumed or not."""
        return tuple(self.open.values())

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What stands in for what is not told."""
        return tuple(self.covered.values())

    @property
    def open_pairs(self) -> list[int]:
        """Numbers of the pairs that may decide something and are not told."""
        return gaps.open_pairs(self)

    # --- completions ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> MtrrState | None:
        """The register file for a program that wants a whole one; None while E, the default type or a pair is open.

        Named assumptions complete it. What stands beside the listed registers may be open still, and is never filled
        with a type: fixed bytes that are not told hold a reserved type (UNDEFINED), there are no fixed ranges where
        none is told, and no TOP_MEM2. So it may differ from `at` below 1 MiB and above 4 GiB, where `at` is NOT_TOLD.
        """
        beside = {"fixed", "tom2"}
        return None if any(gap.what not in beside for gap in self.gaps) else self.known

    @property
    def known(self) -> MtrrState:
        """The register file with one value for what is open: for words on what is told, not for answers."""
        return self.states(frozenset())[0]

    def completions(self, strict: bool = False) -> tuple[MtrrState, ...]:
        """Register files that fit the text: where they agree, all that fit do."""
        return self.states(completions.varied(self, strict))

    def states(self, vary: frozenset[str]) -> tuple[MtrrState, ...]:
        """Completions in which the open things named in `vary` take every value, and the others one."""
        found: tuple[MtrrState, ...] = self._once(("states", vary), lambda: tuple(completions.complete(self, vary)))
        return found

    # --- answers ----------------------------------------------------------------------------------------------------

    def at(self, address: int, strict: bool = False) -> Answer:
        """The type of one address, or what is missing.

        Raises
        ------
        AddressError
            For an address beyond the width; the text says how the width is known.
        """
        address = self._checked(address)  # each completion is asked once: no map of it is made, which may be long
        return typed(ask([self], lambda states: MemoryType(backends.active.at(states[0], address)), strict))

    def _checked(self, address: Any) -> int:
        try:
            return arguments.address(address, self.maxphyaddr)
        except AddressError as error:
            raise AddressError(f"{error} (MAXPHYADDR {self.width_text})") from None

    def map(self, strict: bool = False) -> MemoryMap:
        """The whole address space; segments are NOT_TOLD where machines that fit the text differ.

        Raises
        ------
        ShatteredMapError
            When holey masks make more segments than a map may hold.
        """
        made: MemoryMap = self._once(("map", strict), lambda: self._map(strict))
        return made

    def _map(self, strict: bool) -> MemoryMap:
        return agreed([state.map.listed() for state in self.completions(strict)])

    def types(self, addresses: Any, strict: bool = False, out: arrays.U8Array | None = None) -> Any:
        """The types of many addresses, NOT_TOLD (12) where machines that fit the text differ: as `MtrrState.types`."""
        try:
            return self.map(strict).types(addresses, out)
        except ShatteredMapError:
            if arguments.is_scalar(addresses):
                return self.at(addresses, strict).type
        kinds = [self.at(int(a), strict).type for a in np.asarray(addresses).flat]
        shaped = np.array(kinds, np.uint8).reshape(np.shape(addresses))
        if out is None:
            return shaped
        out[...] = shaped
        return out

    def problems(self) -> list[Problem]:
        """What hardware would refuse among the registers that are told (`MtrrState.problems`)."""
        return list(self._once("problems", self._problems))

    def _problems(self) -> list[Problem]:
        told = {named(index) for index, register in self.held.items() if register.told}
        return [problem for problem in self.known.problems() if problem.register in told]

    # --- what a user supplies ---------------------------------------------------------------------------------------

    def strict(self) -> Registers:
        """The same without assumptions."""
        return replace(self, assuming=False)

    def supplied(
        self,
        default: str | None = None,
        fixed: str | None = None,
        pairs: str | None = None,
        vendor: str | None = None,
        enabled: str | None = None,
    ) -> Registers:
        """What a user says of things that are not told; what is told stays (`Machine.assume`)."""
        held = dict(self.held)
        base = held.get(rules.DEF_TYPE_MSR, NOTHING)
        if default is not None:
            base = base.joined(Register(arguments.memory_type(default, "default"), rules.DEF_TYPE_TYPE))
        if enabled is not None:
            on = {"yes": rules.DEF_TYPE_E, "no": 0}[_one_of(enabled, "enabled", ("yes", "no"))]
            base = base.joined(Register(on, rules.DEF_TYPE_E))
        held |= {rules.DEF_TYPE_MSR: base} if base.known else {}
        made = replace(self, held=held)
        if fixed is not None and _one_of(fixed, "fixed", ("absent",)):
            if held.keys() & set(rules.FIXED_MSRS):
                raise InputError("fixed=absent: the dump tells some of the fixed ranges")
            made = replace(made, absent=made.absent | frozenset(rules.FIXED_MSRS))
        if pairs is not None and _one_of(pairs, "pairs", ("all",)):
            lost = frozenset(i for i in made.lost if pair_of(i) is None)
            made = replace(made, whole=True, uncounted=False, cut=False, count=None, lost=lost)
        if vendor is not None and made.vendor is None:
            made = replace(made, vendor=vendor_name(vendor))
        return made

    def merged(self, other: Registers) -> Registers:
        """These registers with what only `other` tells of the same processor."""
        held = {i: self.held[i].joined(other.held[i]) if i in other.held else r for i, r in self.held.items()}
        held |= {i: r for i, r in other.held.items() if i not in held}
        lists = self.whole or self.listed > 0
        taken = {i for i in held if i not in self.held and pair_of(i) is not None} if lists else set()
        ranges = dict(self.ranges) if lists else dict(other.ranges)
        if lists:  # a list is taken from one of them, and completed only where it says that it lost something
            mended = {n for i in self.lost if (n := pair_of(i)) is not None and n in other._named()}
            held = {i: r for i, r in held.items() if i not in taken or pair_of(i) in mended}
            ranges |= {n: other.ranges[n] for n in mended if n in other.ranges}
        list_of = self if lists else other
        named_now = {*held, *(i for n in ranges for i in pair_numbers(n))}
        return replace(
            self, held=held, ranges=ranges, width=self.width or other.width, vendor=self.vendor or other.vendor,
            whole=list_of.whole, uncounted=list_of.uncounted, count=list_of.count, cut=list_of.cut,
            listing=self.listing and other.listing,
            lost=frozenset((self.lost | other.lost) - named_now), absent=(self.absent | other.absent) - set(held),
            on=self.on or other.on, tom2_off=self.tom2_off or other.tom2_off,
            default=self.default or other.default, reach=max(self.reach, other.reach),
            encrypted=self.encrypted if self.encrypted is not None else other.encrypted,
        )  # fmt: skip

    def _named(self) -> set[int]:
        """Numbers of the pairs that are told."""
        return {*self.ranges, *(n for i in self.held if (n := pair_of(i)) is not None)}


def _remade(fields: dict[str, Any]) -> Registers:
    return Registers(**fields)


def _one_of(word: str, what: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise InputError(f"{what}={word!r:.40}: {' or '.join(words)} can be supplied")
    return word
