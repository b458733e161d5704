"""The segments of guest memory with one leaf each, over every VM that fits the dump."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from memtype import rules
from memtype.cli import addresses, guest, output
from memtype.cli.fitting import Fitting, as_json, assumed_words
from memtype.kvm import KVM_RULES, Leaf, Vm, guest_mtrr
from memtype.kvm.gfns import Ints, combine
from memtype.told import Asked
from memtype.types import MemoryType

_SHOWN = 64  # segments that are printed of a map that is too long
_CACHED = frozenset({MemoryType.WB, MemoryType.WT, MemoryType.WP})

Deviation = tuple[MemoryType, MemoryType, str]  # KVM's MTRR type, the manual's, the rule


@dataclass(frozen=True, slots=True)
class Given:
    """What each kind of vCPU gets for a page: the leaf, the effective type, and the manual's MTRR type.

    `kinds`: those that can address it. `conflict`: the host maps the page with a type that makes it an alias.
    """

    kinds: tuple[int, ...]
    leaves: tuple[Leaf, ...]
    effective: tuple[MemoryType, ...]
    conflict: bool
    deviations: tuple[Deviation | None, ...] = ()

    def text(self, vm: Vm) -> str:
        """``WB IPAT=0 -> WB``; with vCPUs that differ each of them."""
        pairs = dict.fromkeys(zip(self.leaves, self.effective, strict=True))
        return " or ".join(f"{guest.leaf_text(vm, leaf.bits)} -> {kind}" for leaf, kind in pairs)


@dataclass(frozen=True, slots=True)
class LeafSegment:
    """Bytes [base, base + size) in which every VM that fits gives the same, or where they differ."""

    base: int
    size: int
    asked: Asked[Given]

    @property
    def given(self) -> Given | None:
        """What every VM that fits gives; None where they differ."""
        return self.asked.answer if self.asked.agreed else None

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return self.given.leaves if self.given is not None else ()

    @property
    def effective(self) -> tuple[MemoryType, ...]:
        return self.given.effective if self.given is not None else (MemoryType.NOT_TOLD,)

    @property
    def conflict(self) -> bool:
        """Whether the page is an alias in every VM that fits."""
        return self.given is not None and self.given.conflict

    def text(self, vm: Vm) -> str:
        """The leaf and the effective type, with what they hang on; ``? (… or …): what is missing``."""
        if self.given is not None:
            return self.given.text(vm) + assumed_words(self.asked.assumed)
        candidates = dict.fromkeys(given.text(vm) for given in self.asked.answers)
        return f"? ({', or '.join(candidates)}): {'; '.join(self.asked.missing)}"


def segments(fitting: Fitting, args: argparse.Namespace) -> tuple[list[LeafSegment], int]:
    """The segments of what is asked for, and how many more there are: masks with holes may make millions."""
    vm = fitting.first
    base, size = addresses.span(args.at) if args.at else (0, vm.gfn_end << rules.PAGE_SHIFT)
    vm.leaf(base)
    vm.leaf(base + size - 1)
    alike = _alike([vm] if fitting.exact else fitting.every, args.mmio, fitting.numbers)
    count = alike.count(base >> rules.PAGE_SHIFT, -(-(base + size) >> rules.PAGE_SHIFT))
    shown = count if count <= rules.MAP_SEGMENT_LIMIT else _SHOWN
    found = list(islice(_each_segment(fitting, args, alike, base, size), shown))
    return found if fitting.exact else _joined(found), count - shown


def _each_segment(
    fitting: Fitting, args: argparse.Namespace, alike: Ints, base: int, size: int
) -> Iterator[LeafSegment]:
    for first, end, _ in alike.within(base >> rules.PAGE_SHIFT, -(-(base + size) >> rules.PAGE_SHIFT)):
        low = max(base, first << rules.PAGE_SHIFT)
        high = min(base + size, end << rules.PAGE_SHIFT)
        asked = fitting.ask(lambda vm, low=low: _given(vm, low, args, fitting.numbers))  # type: ignore[misc]
        yield LeafSegment(low, high - low, asked)


def _joined(found: list[LeafSegment]) -> list[LeafSegment]:
    """Neighbours with the same answer as one: completions make borders that no answer has."""
    joined: list[LeafSegment] = []
    for segment in found:
        if joined and joined[-1].asked == segment.asked:
            joined[-1] = replace(joined[-1], size=joined[-1].size + segment.size)
        else:
            joined.append(segment)
    return joined


def _given(vm: Vm, gpa: int, args: argparse.Namespace, numbers: list[int]) -> Given:
    host = MemoryType.parse(args.host) if args.host else None
    able = {kind: n for kind, n in enumerate(numbers) if gpa < 1 << vm.vcpus[n].maxphyaddr}
    leaves = tuple(vm.leaf(gpa, args.mmio, n, args.private) for n in able.values())
    gets = tuple(_effective(vm, gpa, args, n) for n in able.values())
    conflict = host is not None and any((kind in _CACHED) != (host in _CACHED) for kind in gets)
    deviations = () if args.mmio else tuple(vm.deviation(gpa, n) for n in able.values())
    return Given(tuple(able), leaves, gets, conflict, deviations)


def _effective(vm: Vm, gpa: int, args: argparse.Namespace, vcpu: int) -> MemoryType:
    return vm.effective(gpa, args.pat or "WB", vcpu, args.mmio, args.host_mtrr, private=args.private)


def _alike(vms: list[Vm], mmio: bool, numbers: list[int]) -> Ints:
    """A number for every gfn, the same where all vCPUs have the same leaf and the manual the same type, in each VM."""
    layers: list[Ints] = []
    for vm in vms:
        layers += [vm.leaf_pieces(n, mmio) for n in numbers]
        if not mmio and vm.profile.honors_guest_mtrr:
            layers += [guest_mtrr.pieces(guest_mtrr.MANUAL, vm.vcpus[n]) for n in numbers]
    known: dict[tuple[int, ...], int] = {}
    return combine(layers, vms[0].gfn_end, lambda *held: known.setdefault(held, len(known)), absent=-1)


# --- JSON -----------------------------------------------------------------------------------------------------------


def segment_json(fitting: Fitting, s: LeafSegment, host: bool) -> dict[str, Any]:
    """The segment; where the VMs that fit differ: ``"type": "?"`` with ``"candidates"`` and ``"missing"``."""
    found: dict[str, Any] = addresses.span_json(s.base, s.size)
    if s.given is None:
        unknown = MemoryType.NOT_TOLD
        candidates = [_given_json(fitting, given) for given in s.asked.answers]
        return found | {
            "type": unknown, "ipat": None, "bits": None, "effective": unknown, "why": [], "candidates": candidates,
            **as_json(s.asked),
        }  # fmt: skip
    found |= _given_json(fitting, s.given) | as_json(s.asked)
    return found | ({"alias": s.conflict} if host else {})


def _given_json(fitting: Fitting, given: Given) -> dict[str, Any]:
    vm = fitting.first
    deviations = given.deviations or (None,) * len(given.leaves)
    leaves = [{**guest.leaf_json(vm, leaf.bits), "effective": kind, "why": output.why([KVM_RULES[leaf.rule]]),
               **guest.deviation_json(deviation)}
              for leaf, kind, deviation in zip(given.leaves, given.effective, deviations, strict=True)]  # fmt: skip
    of = dict(zip(given.kinds, leaves, strict=True))
    each = [of[kind] for kind in fitting.kinds if kind in of]
    return {**leaves[0], **({"vcpus": each} if len(vm.vcpus) > 1 else {})}
