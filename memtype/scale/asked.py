"""Who answers for the rows of a table: one machine for all of them, or each row's own."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memtype import arrays, rules
from memtype.arrow import BEYOND, answering, codes_of
from memtype.effective import effective
from memtype.errors import ShatteredMapError
from memtype.fleet import StateArray, types_by
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import Pat, as_pat
from memtype.types import MemoryType


@dataclass(frozen=True, slots=True)
class Asked:
    """One machine as its rows ask it.

    Attributes
    ----------
    source : MtrrState, MemoryMap or View
        A map where the dump leaves something open: NOT_TOLD there.
    vendor : str, optional
        None where the dump does not tell: what both makers give is then an answer, and nothing else.
    pat : Pat, optional
        None where it is not told: any of its entries may hold any type then.
    """

    source: Any
    vendor: str | None = None
    pat: Pat | None = None

    @classmethod
    def of(cls, state: Any, pat: Pat | int | str | None = None) -> Asked:
        """From whatever answers for addresses; `pat` is used where the state, being a `Machine`, has none."""
        given = None if pat is None else as_pat(pat)
        if not isinstance(state, Machine):
            source = answering(state)
            return cls(source, getattr(source, "vendor", None), given)
        told = state.registers
        vendor = state.vendor if told is None else told.vendor
        return cls(_source_of(state), vendor, given if given is not None else state.pat)

    @property
    def maxphyaddr(self) -> int:
        width: int = self.source.maxphyaddr
        return width

    def codes(self, addresses: arrays.U64Array) -> arrays.U8Array:
        """The MTRR types, `BEYOND` outside the address space."""
        return codes_of(addresses, self.source)

    def effective(self, mtrr: arrays.U8Array, ptes: arrays.U64Array, level: int) -> arrays.U8Array:
        """What `codes` gave, combined with the PAT types that page-table entries choose."""
        outside = mtrr == BEYOND
        met = np.where(outside, np.uint8(MemoryType.NOT_TOLD), mtrr)
        chosen = np.full_like(mtrr, MemoryType.NOT_TOLD) if self.pat is None else self.pat.types_of(ptes, level)
        found = [effective(met, chosen, vendor) for vendor in ((self.vendor,) if self.vendor else ("intel", "amd"))]
        agreed = np.where(found[0] == found[-1], found[0], np.uint8(MemoryType.NOT_TOLD))
        return np.asarray(np.where(outside, np.uint8(BEYOND), agreed), np.uint8)

    def token(self) -> str:
        """The same text for the same machine, in every process."""
        told = getattr(self.source, "__dask_tokenize__", None)
        source = pickle.dumps(self.source, 4) if told is None else told()
        return hashlib.sha256(repr((source, self.vendor, self.pat)).encode()).hexdigest()


def _source_of(machine: Machine) -> Any:
    """The registers of a machine if they say all that its map says, else the map."""
    told, state = machine.registers, machine.mtrrs
    try:
        found = machine.map
        return state if state is not None and state.map == found else found
    except ShatteredMapError:
        if state is not None and told is not None and not told.untold:
            return state
        raise


UNKNOWN = Asked(MemoryMap([0], [int(MemoryType.NOT_TOLD)], rules.MAX_MAXPHYADDR))  # nothing is told of it


@dataclass(frozen=True)
class Fleet:
    """A machine for each name; `other` answers for names that none has."""

    machines: Mapping[str, Asked]
    other: Asked = UNKNOWN
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Fleet, (dict(self.machines), self.other)

    @property
    def _listed(self) -> tuple[Asked, ...]:
        """All of them, `other` last."""
        if "listed" not in self._made:
            self._made["listed"] = (*self.machines.values(), self.other)
            self._made["places"] = {name: place for place, name in enumerate(self.machines)}
            states = [asked.source for asked in self._made["listed"]]
            self._made["told"] = np.array([isinstance(source, MtrrState) for source in states])
            self._made["states"] = StateArray.of([s if isinstance(s, MtrrState) else MtrrState() for s in states])
            self._made["widths"] = np.array([source.maxphyaddr for source in states], np.uint64)
        found: tuple[Asked, ...] = self._made["listed"]
        return found

    def place(self, name: Any) -> int:
        """The number of the machine that answers for `name`."""
        listed = self._listed
        place: int = self._made["places"].get(str(name), len(listed) - 1) if name is not None else len(listed) - 1
        return place

    def width(self, place: int) -> int:
        return self._listed[place].maxphyaddr

    def codes(self, addresses: arrays.U64Array, places: arrays.U64Array) -> arrays.U8Array:
        """The MTRR type of each address on its own machine, `BEYOND` outside its address space."""
        self._listed  # noqa: B018
        outside = addresses >= np.uint64(1) << self._made["widths"][places]
        inside = np.where(outside, np.uint64(0), addresses)
        found = types_by(self._made["states"], places, inside)
        for place in np.unique(places[~self._made["told"][places]]).tolist():
            rows = places == place
            found[rows] = self._listed[place].codes(inside[rows])
        found[outside] = BEYOND
        return found

    def effective(
        self, mtrr: arrays.U8Array, places: arrays.U64Array, ptes: arrays.U64Array, level: int
    ) -> arrays.U8Array:
        """As `Asked.effective`, each row by its own machine's PAT and maker."""
        found = np.empty_like(mtrr)
        for place in np.unique(places).tolist():
            rows = places == place
            found[rows] = self._listed[place].effective(mtrr[rows], ptes[rows], level)
        return found

    def token(self) -> str:
        """The same text for the same machines, in every process."""
        told = sorted((name, asked.token()) for name, asked in self.machines.items())
        return hashlib.sha256(repr((told, self.other.token())).encode()).hexdigest()
