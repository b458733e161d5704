"""Several readings of one paste into one `Machine`; where they contradict, a note says so."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from memtype import rules
from memtype.errors import ShatteredMapError
from memtype.machine import Cpu, Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.reading.notes import not_told, still_open
from memtype.types import MemoryType

_INFERABLE = ("vendor", "maxphyaddr", "default", "fixed")


def merge(machines: list[Machine]) -> Machine:
    """The machines of one paste as one; what was told goes before what was inferred."""
    formats = "+".join(dict.fromkeys(name for machine in machines for name in machine.format.split("+")))
    return replace(_default_from_ram(reduce(_merge_two, sorted(machines, key=_uncertainty))), format=formats)


def _uncertainty(machine: Machine) -> tuple[bool, int]:
    return machine.mtrrs is None, len(machine.inferred)


def _merge_two(better: Machine, other: Machine) -> Machine:
    told: dict[str, Any] = {
        name: getattr(better, name) if getattr(better, name) not in (None, ()) else getattr(other, name)
        for name in ("kernel", "vendor", "maxphyaddr", "printed_map", "printed_view", "e820")
    }
    settled_by_other = [name for name in better.inferred if _tells(other, name)]
    told |= {name: getattr(other, name) for name in settled_by_other if name in ("vendor", "maxphyaddr")}
    inferred = tuple(name for name in better.inferred if name not in settled_by_other)
    theirs = still_open(other.notes, (*_INFERABLE, "registers") if better.mtrrs else ())
    notes = [*still_open(better.notes, settled_by_other), *theirs, *_conflicts(better, other)]
    merged = Machine(
        cpus=_cpus(better, other),
        format=better.format if other.mtrrs is None else f"{better.format}+{other.format}",
        facts={**(other.facts or {}), **(better.facts or {})} or None,
        notes=tuple(dict.fromkeys(notes)),
        inferred=inferred,
        **told,
    )
    return replace(merged, cpus=tuple(_completed(cpu, merged, other, settled_by_other) for cpu in merged.cpus))


def _tells(machine: Machine, name: str) -> bool:
    """Whether the machine knows, and did not infer, one of `Machine.inferred`'s names."""
    known = machine.mtrrs if name in ("default", "fixed") else getattr(machine, name)
    return name not in machine.inferred and known is not None


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


def _completed(cpu: Cpu, merged: Machine, other: Machine, names: list[str]) -> Cpu:
    """The processor with what it lacked (`names`) and the other part of the paste told."""
    state = cpu.mtrrs
    if state is None:
        return cpu
    if "vendor" in names and merged.vendor:
        state = replace(state, vendor=merged.vendor)
    if "maxphyaddr" in names and merged.maxphyaddr:
        pairs = tuple((base, _widened(mask, state.maxphyaddr, merged.maxphyaddr)) for base, mask in state.variable)
        state = replace(state, maxphyaddr=merged.maxphyaddr, variable=pairs)
    if "default" in names and other.mtrrs:
        state = replace(state, def_type=_bits(state.def_type, other.mtrrs.def_type, rules.DEF_TYPE_TYPE))
    if "fixed" in names and other.mtrrs:
        def_type = _bits(state.def_type, other.mtrrs.def_type, rules.DEF_TYPE_FE)
        state = replace(state, def_type=def_type, fixed=other.mtrrs.fixed)
    return replace(cpu, mtrrs=state)


def _bits(value: int, source: int, field: int) -> int:
    return value & ~field | source & field


def _widened(mask: int, old: int, new: int) -> int:
    """A mask that was built for the `old` width, for the `new` one: firmware sets every bit below MAXPHYADDR."""
    if mask >> (old - 1) & 1 and new > old:
        return mask | rules.page_bits(new) & rules.high_bits(old)
    return mask & ~rules.high_bits(new) if new < old else mask


def _default_from_ram(machine: Machine) -> Machine:
    """An inferred default type, inferred anew where the paste has a RAM map: RAM that no range makes WB is WB."""
    state = machine.mtrrs
    ram = [r for r in machine.e820 if r.kind.lower() in rules.E820_RAM and r.base >= rules.MIB]
    if "default" not in machine.inferred or state is None or not ram:
        return machine
    as_uc = replace(state, def_type=_bits(state.def_type, MemoryType.UC, rules.DEF_TYPE_TYPE))
    try:
        memory = as_uc.map
    except ShatteredMapError:
        return machine
    total, covered = sum(r.size for r in ram), sum(_write_back(memory, r.base, r.size) for r in ram)
    default = MemoryType.UC if 2 * covered > total else MemoryType.WB
    why = f"the listed ranges make {covered >> 20} of {total >> 20} MiB of RAM WB"
    cpus = tuple(
        cpu
        if cpu.mtrrs is None
        else replace(cpu, mtrrs=replace(cpu.mtrrs, def_type=_bits(cpu.mtrrs.def_type, default, rules.DEF_TYPE_TYPE)))
        for cpu in machine.cpus
    )
    notes = (*still_open(machine.notes, ["default"]), not_told("default", f"{default} inferred ({why})"))
    return replace(machine, cpus=cpus, notes=notes)


def _write_back(memory: MemoryMap, base: int, size: int) -> int:
    """How many bytes of [base, base + size) are WB."""
    return sum(max(0, min(base + size, s.end) - max(base, s.base)) for s in memory.segments if s.type == MemoryType.WB)


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
