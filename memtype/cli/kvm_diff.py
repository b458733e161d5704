"""``memtype kvm diff A B``: what changes for a guest from one release to another."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from memtype import rules
from memtype.cli import addresses, guest, output
from memtype.cli.fitting import Fitting, as_json, assumed_words
from memtype.errors import InputError
from memtype.kvm import NoncoherentDma, SetCr0Cd, Vm, WriteMsr, profile
from memtype.kvm.gfns import combine
from memtype.kvm.zap import Event
from memtype.told import Asked
from memtype.types import MemoryType

_PTE_TYPES = ("UC", "UC-", "WC", "WT", "WP", "WB")


@dataclass(frozen=True, slots=True)
class Change:
    """Bits of the leaf before and after; the effective types that change: (entry's type, before, after)."""

    before: int
    after: int
    effective: tuple[tuple[str, MemoryType, MemoryType], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes of one vCPU's memory in which something changes; where the VMs that fit differ, `asked` says in what."""

    base: int
    size: int
    vcpu: int
    asked: Asked[Change | None]

    @property
    def change(self) -> Change | None:
        """What changes in every VM that fits; None where they differ."""
        return self.asked.answer if self.asked.agreed else None


Behaviour = tuple[str, str, str]  # what happens, what the old release does, what the new one does


def answer(args: argparse.Namespace) -> int:
    """What changes for this guest: leaves, effective types, zaps, mapping levels."""
    rest = args.words[1:] if args.words[:1] == ["diff"] else args.words
    named = [args.old, args.new] if args.old or args.new else rest[:2]
    sources = rest if args.old or args.new else rest[2:]
    if len(named) != 2 or None in named or len(sources) > 1:
        raise InputError("kvm diff takes two releases and at most one dump: kvm diff 6.4 6.12 dump.txt")
    machine = guest.guest_machine(args, sources[0] if sources else None)
    old, new = (Fitting(args, profile(name), machine) for name in named)
    places = list(islice(_places(old, new, args), rules.MAP_SEGMENT_LIMIT))
    behaviour = old.beside(new, lambda was, now: tuple(_behaviour(was, now)))
    if args.json:
        output.print_json("kvm", _json(old.first, new.first, places, behaviour))
    else:
        output.say("\n".join(_lines(old.first, new.first, places, behaviour)))
    given = [] if machine is not None or args.mtrr is not None else ["no dump given: the MTRRs are as KVM creates them"]
    output.notes([*old.first.profile.notes, *new.first.profile.notes, *given])
    return 1 if any(place.change for place in places) or any(behaviour.answers[0]) else 0


def _places(old: Fitting, new: Fitting, args: argparse.Namespace) -> Iterator[Place]:
    vm = old.first
    base, size = addresses.span(args.at) if args.at else (0, vm.gfn_end << rules.PAGE_SHIFT)
    vm.leaf(base)
    vm.leaf(base + size - 1)
    every = [
        list(islice(_of_vcpu(n, old, new, (base, base + size), args), rules.MAP_SEGMENT_LIMIT)) for n in old.numbers
    ]
    for n, kind in enumerate(old.kinds):
        yield from (replace(place, vcpu=n) for place in every[kind])


def _of_vcpu(n: int, old: Fitting, new: Fitting, span: tuple[int, int], args: argparse.Namespace) -> Iterator[Place]:
    """The places, within the bytes of `span`, in which something changes for one vCPU."""
    base, behind = span
    layers = [one.leaf_pieces(n, args.mmio) for one in (*old.every, *new.every)]
    numbers: dict[tuple[int, ...], int] = {}
    pieces = combine(layers, layers[0].end, lambda *held: numbers.setdefault(held, len(numbers)))
    for first, end, _ in pieces.within(base >> rules.PAGE_SHIFT, -(-behind >> rules.PAGE_SHIFT)):
        low, high = max(base, first << rules.PAGE_SHIFT), min(behind, end << rules.PAGE_SHIFT)
        asked = old.beside(new, lambda was, now, low=low: _change(was, now, low, n, args))  # type: ignore[misc]
        if asked.answers != (None,):
            yield Place(low, high - low, n, asked)


def _change(old: Vm, new: Vm, gpa: int, n: int, args: argparse.Namespace) -> Change | None:
    """What changes at one address; None where nothing does."""
    selected = [str(MemoryType.parse(args.pat))] if args.pat else _selectable(old, new, n)
    before, after = (vm.leaf(gpa, args.mmio, n).bits for vm in (old, new))
    kinds = [[vm.effective(gpa, pte, n, args.mmio, args.host_mtrr) for pte in selected] for vm in (old, new)]
    changed = tuple((pte, was, now) for pte, was, now in zip(selected, *kinds, strict=True) if was != now)
    return Change(before, after, changed) if before != after or changed else None


def _selectable(old: Vm, new: Vm, vcpu: int) -> list[str]:
    """The types to compare entries of; where hardware runs on another PAT than the guest's, those the guest's has."""
    held = [vm.vcpus[vcpu].pat for vm in (old, new)]
    follows = all(vm.hardware_pat(vcpu) == pat for vm, pat in zip((old, new), held, strict=True))
    return [kind for kind in _PTE_TYPES if follows or all(pat and pat.slots(kind) for pat in held)]


def _behaviour(old: Vm, new: Vm) -> Iterator[Behaviour]:
    """(what happens, what the old release does, what the new one does)."""
    state = old.vcpus[0].mtrrs
    toggled = NoncoherentDma(0 if old.has_noncoherent_dma else 1)
    events: tuple[tuple[str, Event], ...] = (
        ("write of IA32_MTRR_DEF_TYPE", WriteMsr(rules.DEF_TYPE_MSR, state.def_type)),
        ("CR0.CD toggle", SetCr0Cd(not old.vcpus[0].cr0_cd)),
        ("last non-coherent device goes" if old.has_noncoherent_dma else "first non-coherent device comes", toggled),
    )
    for words, event in events:
        was, now = ("zaps everything" if vm.apply(event)[1].done else "zaps nothing" for vm in (old, new))
        if was != now:
            yield words, was, now
    was, now = ("limited by guest MTRRs" if vm.limits_level else "not limited" for vm in (old, new))
    if was != now:
        yield "huge pages", was, now


# --- text and JSON --------------------------------------------------------------------------------------------------


def _lines(old: Vm, new: Vm, places: list[Place], behaviour: Asked[tuple[Behaviour, ...]]) -> list[str]:
    lines = [f"{old.profile} -> {new.profile}, {guest.setting(old)}"]
    for place in places:
        who = f" (vCPU {place.vcpu})" if len(old.vcpus) > 1 else ""
        lines += _place_lines(old, new, place, f"{addresses.mem(place.base, place.size)}{who}")
    if behaviour.agreed:
        lines += [f"{words}: {was} -> {now}" for words, was, now in behaviour.answer]
    else:
        lines.append(f"zaps and huge pages: ?: {'; '.join(behaviour.missing)}")
    return lines if len(lines) > 1 else [*lines, "no difference for this guest"]


def _place_lines(old: Vm, new: Vm, place: Place, where: str) -> list[str]:
    change = place.change
    if change is None:
        return [f"{where}  ? (not told whether it changes): {'; '.join(place.asked.missing)}"]
    leaves = f"{guest.leaf_text(old, change.before)} -> {guest.leaf_text(new, change.after)}"
    lines = [f"{where}  {leaves}{assumed_words(place.asked.assumed)}"]
    lines += [f"  entry {pte}: {was} -> {now}" for pte, was, now in change.effective]
    return lines if change.effective else [*lines, "  no effective type changes"]


def _json(old: Vm, new: Vm, places: list[Place], behaviour: Asked[tuple[Behaviour, ...]]) -> dict[str, Any]:
    told = behaviour.answer if behaviour.agreed else ()
    return {
        "from": guest.setting_json(old),
        "to": guest.setting_json(new),
        "leaves": [_place_json(old, new, place) for place in places if place.change is not None],
        "not_told": [{**_where(place), **as_json(place.asked)} for place in places if place.change is None],
        "behaviour": [{"what": words, "before": was, "after": now} for words, was, now in told],
        "behaviour_hangs_on": as_json(behaviour),
    }


def _where(place: Place) -> dict[str, Any]:
    return {**addresses.span_json(place.base, place.size), "vcpu": place.vcpu}


def _place_json(old: Vm, new: Vm, place: Place) -> dict[str, Any]:
    change = place.change
    assert change is not None
    return {
        **_where(place),
        "before": guest.leaf_json(old, change.before),
        "after": guest.leaf_json(new, change.after),
        "effective": {pte: {"before": was, "after": now} for pte, was, now in change.effective},
        **as_json(place.asked),
    }
