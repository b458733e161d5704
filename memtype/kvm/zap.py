"""The zap oracle: what an event does to the leaves - done, needed, stale, excess.

An event gives the VM after it and the ranges that the release passes to kvm_zap_gfn_range(). What would have to be
zapped follows from the leaves alone, so the oracle knows no policy of its own. All of it is found when asked for.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from memtype import arguments, rules
from memtype.errors import InputError
from memtype.kvm import leaves
from memtype.kvm.gfns import (
    Gfns,
    Ints,
    Pieces,
    Range,
    Ranges,
    combine,
    intersect,
    key,
    marked,
    merge_sets,
    subtract,
    unequal,
    union,
)
from memtype.kvm.rules import KVM_RULES
from memtype.readable import readable, words

if TYPE_CHECKING:
    from memtype.kvm.msrs import Refusal
    from memtype.kvm.vm import Vm

EVERYTHING: Range = (0, rules.KVM_GFN_END)
EVERYTHING_CD: Range = (0, rules.KVM_GFN_END_CD)


class Event(ABC):
    """What can happen to a VM. Immutable; `Vm.apply` performs it."""

    __slots__ = ()

    @abstractmethod
    def perform(self, vm: Vm) -> Outcome:
        """What it does to the VM by itself."""


class Outcome(NamedTuple):
    """What an event does by itself: the VM after it, the zap calls, the rules, and a refusal.

    `reasons` are the rules why leaves change or not, where those of the leaves themselves do not say it.
    """

    vm: Vm
    calls: tuple[Range, ...]
    rules: tuple[str, ...]
    refusal: Refusal | None = None
    warned: bool = False
    reasons: tuple[str, ...] = ()


@readable
class LeafChange(NamedTuple):
    """Pages whose freshly made leaf differs: bits before and after, for a fault of `vcpu`."""

    first: int
    end: int
    before: int
    after: int
    vcpu: int


class Zap:
    """What an event does to the leaves. Ranges are half-open gfn ranges, sorted and disjoint.

    `needed`, `stale` and `excess` are lists. Where masks with holes make more than 65,536 ranges (3.13 to 4.1) they
    are a `GfnSet`: exact, with `count`, `contains`, `first`, `pages` and `within`, and it iterates range by range.
    With ``Vm(memory=...)`` they hold pages of that memory only.

    Attributes
    ----------
    accepted : False where the release refuses (then `refusal` says why) and the VM is unchanged
    refused : why, as data (`msrs.Refusal`); None where it is accepted
    calls : the ranges as KVM issues them, one per call
    done : their union; "everything" is (0, 0xfffffffffffff), of a CR0.CD toggle (0, 0xffffffffffffffff)
    needed : pages whose leaf would come out differently for some vCPU (pages that are not host MMIO)
    stale : needed and not done
    excess : done and not needed, within the guest-physical address space
    changes : what changes to what, for which vCPU
    why : the rules that decided, with their sources: those of the leaves, then that of the zap
    reasons, rules : their identifiers
    warned : a WARN is raised (an inverted range)
    """

    def __init__(self, before: Vm, outcome: Outcome) -> None:
        self._before, self._outcome = before, outcome

    def __repr__(self) -> str:
        return f"<Zap of {words(list(self.calls))}>" if self.accepted else f"<Zap refused: {self.refusal}>"

    @property
    def accepted(self) -> bool:
        return self._outcome.refusal is None

    @property
    def refused(self) -> Refusal | None:
        return self._outcome.refusal

    @property
    def refusal(self) -> str | None:
        """The refusal in words."""
        return None if self._outcome.refusal is None else str(self._outcome.refusal)

    @property
    def calls(self) -> tuple[Range, ...]:
        return self._outcome.calls

    @property
    def rules(self) -> tuple[str, ...]:
        return self._outcome.rules

    @property
    def warned(self) -> bool:
        return self._outcome.warned

    @cached_property
    def done(self) -> Ranges:
        return union(self._outcome.calls)

    @cached_property
    def _changed(self) -> list[tuple[int, Ints, Ints]]:
        """(vCPU, leaves before, leaves after) of the vCPUs whose leaves may differ."""
        before, after = self._before, self._outcome.vm
        alike = leaves.decided_by(before) == leaves.decided_by(after)
        return [
            (n, leaves.leaf_pieces(before, n), leaves.leaf_pieces(after, n))
            for n, (old, new) in enumerate(zip(before.vcpus, after.vcpus))
            if not (alike and old is new)
        ]

    @property
    def _distinct(self) -> list[tuple[Ints, Ints]]:
        """(leaves before, leaves after), each pair once."""
        pairs = {(id(old), id(new)): (old, new) for _, old, new in self._changed if old is not new}
        return list(pairs.values())

    @cached_property
    def _needed(self) -> Ints:
        """1 where some vCPU's leaf differs."""
        differ = [combine([old, new], old.end, operator.ne) for old, new in self._distinct]
        return merge_sets(differ, self._before.gfn_end)

    @cached_property
    def needed(self) -> Gfns:
        distinct = self._distinct
        found = [unequal(old, new) for old, new in distinct if isinstance(old, Pieces) and isinstance(new, Pieces)]
        if len(found) < len(distinct):
            return leaves.in_memory(self._before, self._needed.where(bool))
        return leaves.in_memory(self._before, union(chain(*found)))

    @cached_property
    def stale(self) -> Gfns:
        if isinstance(self.needed, Ranges):
            return subtract(self.needed, self.done)
        rest = combine([self._needed, self._done], self._before.gfn_end, lambda need, did: int(need and not did))
        return leaves.in_memory(self._before, rest.where(bool))

    @cached_property
    def excess(self) -> Gfns:
        if isinstance(self.needed, Ranges):
            return subtract(intersect(self.done, self._before._windows), self.needed)
        rest = combine([self._needed, self._done], self._before.gfn_end, lambda need, did: int(did and not need))
        return leaves.in_memory(self._before, rest.where(bool))

    @property
    def _done(self) -> Pieces[int]:
        return marked(self.done, self._before.gfn_end)

    @cached_property
    def _became(self) -> list[tuple[list[int], Ints]]:
        """(vCPUs, what becomes what for a fault of theirs): ``before << 8 | after``, 0 where nothing changes."""
        together: dict[tuple[int, int], tuple[list[int], Ints, Ints]] = {}
        for vcpu, old, new in self._changed:
            together.setdefault((id(old), id(new)), ([], old, new))[0].append(vcpu)
        end = self._before.gfn_end
        inside = marked(self._before._windows, end)
        found = []
        for vcpus, old, new in together.values():
            both = combine([old, new], old.end, lambda was, now: was << 8 | now if was != now else 0)
            if self._before.memory:
                both = combine([both, inside], end, lambda pair, held: pair if held else 0)
            found.append((vcpus, both))
        return found

    def each_change(self) -> Iterator[LeafChange]:
        """What changes to what, one after the other, by vCPU and rising gfn."""
        layers = {vcpu: both for vcpus, both in self._became for vcpu in vcpus}
        for vcpu in sorted(layers):
            yield from self._of(vcpu, layers[vcpu])

    def _of(self, vcpu: int, both: Ints) -> Iterator[LeafChange]:
        return (LeafChange(first, end, pair >> 8, pair & leaves.EPT_FIELD, vcpu) for first, end, pair in both if pair)

    def first_changes(self, count: int) -> list[tuple[LeafChange, list[int]]]:
        """The first changes, at most `count`, each with the vCPUs that share all of theirs.

        Raises
        ------
        InputError
            For a count that is negative or no integer.
        """
        if not 0 <= arguments.integer(count, "count", InputError) <= rules.MAP_SEGMENT_LIMIT:
            raise InputError(f"count = {arguments.shown(count)}: 0 to {rules.MAP_SEGMENT_LIMIT} can be listed")
        every = ((change, vcpus) for vcpus, both in self._became for change in self._of(vcpus[0], both))
        return list(islice(every, count))

    @property
    def key(self) -> Hashable:
        """Equal for zaps with the same verdict, rules, zapped ranges and changes of leaves, however these are held."""
        width = self._before.gfn_end.bit_length() - 1
        layers = [(vcpus, key(both, width)) for vcpus, both in self._became]
        nothing = key(marked((), self._before.gfn_end), width)
        changes = frozenset((vcpu, layer) for vcpus, layer in layers if layer != nothing for vcpu in vcpus)
        return self.accepted, self.refusal, self.warned, self.reasons, self.rules, tuple(self.done), changes

    @cached_property
    def changes(self) -> tuple[LeafChange, ...]:
        """All of `each_change`; at most 65,536, where there are more."""
        found: list[LeafChange] = []
        for change in self.each_change():
            if len(found) == rules.MAP_SEGMENT_LIMIT:
                break
            found.append(change)
        return tuple(found)

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        outcome = self._outcome
        if outcome.reasons or outcome.refusal:
            return outcome.reasons
        decided = [leaves.decide(vm, vcpu, False)[1] for vm in (self._before, outcome.vm) for vcpu in vm.vcpus]
        return tuple(dict.fromkeys(decided))

    @property
    def why(self) -> str:
        text = "; ".join(str(KVM_RULES[rule]) for rule in self.reasons + self.rules)
        return f"{self.refusal}; {text}" if self.refusal else text


def apply(vm: Vm, event: Event) -> tuple[Vm, Zap]:
    """The VM after the event and the oracle's answer; see `Zap`."""
    if not isinstance(event, Event):
        names = "WriteMsr, SetMtrrs, SetCr0Cd, NoncoherentDma, DisableQuirks, InitVmcb"
        raise InputError(f"{arguments.shown(event)} is no event ({names})")
    outcome = event.perform(vm)
    if outcome.vm is not vm:
        leaves.remember(vm, outcome.vm, outcome.calls)
    return outcome.vm, Zap(vm, outcome)
