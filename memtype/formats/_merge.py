"""Several readings of one paste into one `Machine`; where they contradict, a note says so."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from memtype import rules
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState


def merge(machines: list[Machine]) -> Machine:
    """The machines of one paste as one; what was told goes before what was inferred."""
    return reduce(_merge_two, machines)


def _merge_two(first: Machine, second: Machine) -> Machine:
    better, other = sorted((first, second), key=_uncertainty)
    conflicts = _conflicts(better, other)
    told: dict[str, Any] = {
        name: getattr(better, name) if getattr(better, name) not in (None, ()) else getattr(other, name)
        for name in ("kernel", "vendor", "maxphyaddr", "printed_map", "printed_view", "e820")
    }
    for name in ("vendor", "maxphyaddr"):
        if name in better.inferred and name not in other.inferred and getattr(other, name) is not None:
            told[name] = getattr(other, name)
    still = tuple(name for name in better.inferred if told.get(name) is None or name in other.inferred)
    merged = Machine(
        cpus=_cpus(better, other),
        format="+".join(dict.fromkeys((*first.format.split("+"), *second.format.split("+")))),
        facts={**(other.facts or {}), **(better.facts or {})} or None,
        notes=tuple(dict.fromkeys((*better.notes, *other.notes, *conflicts))),
        inferred=still,
        **told,
    )
    return replace(merged, cpus=tuple(_completed(cpu, merged, better.inferred) for cpu in merged.cpus))


def _uncertainty(machine: Machine) -> tuple[bool, int]:
    return machine.mtrrs is None, len(machine.inferred)


def _cpus(better: Machine, other: Machine) -> tuple[Cpu, ...]:
    found = {cpu.number: cpu for cpu in better.cpus}
    for cpu in other.cpus:
        mine = found.get(cpu.number, Cpu(cpu.number))
        found[cpu.number] = Cpu(
            cpu.number,
            cpu.mtrrs if mine.mtrrs is None else mine.mtrrs,
            cpu.pat if mine.pat is None else mine.pat,
        )
    return tuple(found.values())


def _completed(cpu: Cpu, machine: Machine, inferred: tuple[str, ...]) -> Cpu:
    """The processor with the vendor and width that another part of the paste told."""
    state = cpu.mtrrs
    if state is None:
        return cpu
    vendor = machine.vendor if "vendor" in inferred and machine.vendor else state.vendor
    width = machine.maxphyaddr if "maxphyaddr" in inferred and machine.maxphyaddr else state.maxphyaddr
    pairs = tuple((base, _widened(mask, state.maxphyaddr, width)) for base, mask in state.variable)
    return replace(cpu, mtrrs=replace(state, vendor=vendor, maxphyaddr=width, variable=pairs))


def _widened(mask: int, old: int, new: int) -> int:
    """A mask that was built for the `old` width, for the `new` one: firmware sets every bit below MAXPHYADDR."""
    if mask >> (old - 1) & 1 and new > old:
        return mask | rules.page_bits(new) & rules.high_bits(old)
    return mask & ~rules.high_bits(new) if new < old else mask


def _conflicts(better: Machine, other: Machine) -> list[str]:
    pairs = f"{better.format} and {other.format}"
    found = []
    for name in ("kernel", "vendor", "maxphyaddr"):
        mine, theirs = getattr(better, name), getattr(other, name)
        if None not in (mine, theirs) and mine != theirs and name not in (*better.inferred, *other.inferred):
            found.append(f"{pairs} disagree on {name}: {mine} and {theirs}; the first is used")
    others = {cpu.number: cpu for cpu in other.cpus}
    for cpu in better.cpus:
        against = others.get(cpu.number)
        if against is None:
            continue
        if cpu.mtrrs and against.mtrrs and not _same_ranges(cpu.mtrrs, against.mtrrs):
            found.append(f"{pairs} disagree on the variable ranges of CPU {cpu.number}; the first is used")
        if cpu.pat and against.pat and cpu.pat != against.pat:
            found.append(f"{pairs} disagree on the PAT of CPU {cpu.number}; the first is used")
    return found


def _same_ranges(first: MtrrState, second: MtrrState) -> bool:
    narrower = min(first.maxphyaddr, second.maxphyaddr)
    return _ranges(first, narrower) == _ranges(second, narrower)


def _ranges(state: MtrrState, maxphyaddr: int) -> set[tuple[int, int, int]]:
    """Variable ranges in use as (base, mask, type), bits below `maxphyaddr`; order does not count."""
    bits = rules.page_bits(maxphyaddr)
    return {
        (base & mask & bits, mask & bits, base & rules.BASE_TYPE)
        for base, mask in state.variable
        if mask & rules.MASK_VALID
    }
