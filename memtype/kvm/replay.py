"""Sequences of events, such as the register writes of a booting guest: zaps, their cost, and what stays stale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from memtype import rules
from memtype.kvm.events import Event, Zap, apply
from memtype.kvm.gfns import Range, clip, pages
from memtype.kvm.vm import Vm


class Step(NamedTuple):
    """One event of a sequence, its zap, and what was stale after it, earlier events' leftovers included."""

    event: Event
    zap: Zap
    stale: list[Range]


@dataclass(frozen=True, slots=True)
class Replay:
    """A sequence of events as one release goes through it.

    Attributes
    ----------
    vm : the VM at the end
    steps : every event with its zap and the stale ranges after it
    zaps : how many times kvm_zap_gfn_range() ran
    pages : how many pages those calls covered, below `memory` if it was given
    """

    vm: Vm
    steps: tuple[Step, ...]
    zaps: int
    pages: int

    @property
    def stale(self) -> list[Range]:
        """What is stale at the end."""
        return self.vm.stale()

    @property
    def refused(self) -> list[Step]:
        """The events that the release refused."""
        return [step for step in self.steps if not step.zap.accepted]


def replay(vm: Vm, events: Iterable[Event], memory: int | None = None) -> Replay:
    """Apply events in order; `memory` (bytes of guest RAM) bounds the pages that are counted."""
    end = vm.gfn_end if memory is None else min(vm.gfn_end, -(-memory // rules.PAGE_SIZE))
    steps: list[Step] = []
    covered = 0
    for event in events:
        vm, zap = apply(vm, event)
        covered += sum(pages(clip([call], end)) for call in zap.calls)
        steps.append(Step(event, zap, vm.stale()))
    return Replay(vm, tuple(steps), sum(len(step.zap.calls) for step in steps), covered)
