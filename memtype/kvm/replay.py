"""Sequences of events, such as the register writes of a booting guest: zaps, their cost, and what stays stale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from memtype import arguments, rules
from memtype.kvm.gfns import Gfns, Ranges
from memtype.kvm.vm import Vm
from memtype.kvm.zap import Event, Zap
from memtype.readable import readable


class Step(NamedTuple):
    """One event of a sequence, its zap, and the VM after it."""

    event: Event
    zap: Zap
    vm: Vm

    @property
    def stale(self) -> Gfns:
        """What is stale after it, earlier events' leftovers included."""
        return self.vm.stale()


@readable
@dataclass(frozen=True, slots=True)
class Replay:
    """A sequence of events as one release goes through it.

    Attributes
    ----------
    vm : the VM at the end
    steps : every event with its zap and the stale ranges after it
    zaps : how many times kvm_zap_gfn_range() ran
    pages : how many pages those calls covered, within the guest's memory where it is known
    """

    vm: Vm
    steps: tuple[Step, ...]
    zaps: int
    pages: int

    @property
    def stale(self) -> Gfns:
        """What is stale at the end."""
        return self.vm.stale()

    @property
    def refused(self) -> list[Step]:
        """The events that the release refused."""
        return [step for step in self.steps if not step.zap.accepted]


def replay(vm: Vm, events: Iterable[Event], memory: int | None = None) -> Replay:
    """Apply events in order; `memory` (bytes of guest RAM from 0 on) bounds the pages that are counted.

    Without it the VM's own memory does, and without that its address space.
    """
    arguments.given(vm, Vm, "vm")
    bounds = vm._windows
    if memory is not None:
        bounds = Ranges([(0, min(vm.gfn_end, -(-arguments.integer(memory, "memory") // rules.PAGE_SIZE)))])
    steps: list[Step] = []
    covered = 0
    for event in arguments.items(events, "events", "events"):
        vm, zap = vm.apply(event)
        covered += sum(bounds.within(*call).pages() for call in zap.calls)
        steps.append(Step(event, zap, vm))
    return Replay(vm, tuple(steps), sum(len(step.zap.calls) for step in steps), covered)
