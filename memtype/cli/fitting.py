"""The VMs that fit a dump of a guest: one for each way to fill what the dump leaves open, asked all alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from memtype.cli import guest
from memtype.kvm import Profile, Vm
from memtype.machine import Machine
from memtype.pat import Pat
from memtype.told import Asked, Assumption, Registers, ask, machines
from memtype.told.asking import States

T = TypeVar("T")


class Fitting:
    """The VMs under one release.

    Attributes
    ----------
    first : Vm
        One of them: for what hangs on no register, as its release or its paging.
    kinds : list of int
        Of which kind each vCPU is: those alike are asked once.
    numbers : list of int
        The first vCPU of each kind.
    """

    def __init__(self, args: argparse.Namespace, release: str | Profile, machine: Machine | None) -> None:
        self._given = args, release, machine
        every = guest.registers(args, machine)
        places: dict[tuple[int, Pat | None], int] = {}  # processors alike share one object
        held = zip(every, guest.cpus(args, machine), strict=True)
        self.kinds = [places.setdefault((id(told), cpu.pat), len(places)) for told, cpu in held]
        self.numbers = [self.kinds.index(kind) for kind in range(len(places))]
        self._told = [every[number] for number in self.numbers]
        self._made: dict[States, Vm] = {}
        self.first = self.vm(machines(self._told)[0])

    @property
    def exact(self) -> bool:
        """Whether the dump tells all: then one VM fits."""
        return not any(told.open for told in self._told)

    def vm(self, states: States) -> Vm:
        """The VM whose vCPUs hold these registers, a file for each kind of vCPU."""
        if states not in self._made:
            self._made[states] = guest.make_vm(*self._given, states, self.kinds)
        return self._made[states]

    @property
    def every(self) -> list[Vm]:
        """All VMs that fit, with the assumptions and without."""
        every = dict.fromkeys((*machines(self._told), *machines(self._told, strict=True)))
        return [self.vm(states) for states in every]

    def ask(self, question: Callable[[Vm], T]) -> Asked[T]:
        """The question, of every VM that fits."""
        return ask(self._told, lambda states: question(self.vm(states)))

    def beside(self, other: Fitting, question: Callable[[Vm, Vm], T]) -> Asked[T]:
        """The question of the same guest under this release and another one."""
        return ask(self._told, lambda states: question(self.vm(states), other.vm(states)))

    def open_alike(self, others: list[Registers]) -> bool:
        """Whether another dump leaves open what this one does, and assumptions are wanted at all."""
        open_ = {(frozenset(told.open), frozenset(told.covered)) for told in (*self._told, *others)}
        return len(open_) == 1 and all(told.assuming for told in self._told)

    def ask_with(self, others: list[Registers], question: Callable[[Vm, States], T]) -> Asked[T]:
        """The question of every VM that fits beside another dump's registers, filled alike."""
        count = len(self._told)
        return ask([*self._told, *others], lambda states: question(self.vm(states[:count]), states[count:]))


def assumed_words(assumed: tuple[Assumption, ...]) -> str:
    """``  (default type assumed: RAM is listed as write-back)``; nothing where nothing is assumed."""
    return f"  ({'; '.join(a.text for a in assumed)})" if assumed else ""


def as_json(asked: Asked[Any]) -> dict[str, Any]:
    """What an answer hangs on: ``"assumed"``, and ``"missing"`` where there is none."""
    found: dict[str, Any] = {} if asked.agreed else {"missing": list(asked.missing)}
    return found | {"assumed": [{"id": a.rule, "text": a.text} for a in asked.assumed]}
