"""Several readings of one paste into one `Machine`; where they contradict, a note says so."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from memtype import rules
from memtype.machine import Cpu, Machine, Note, changed
from memtype.reading.notes import MOST, settled
from memtype.reading.width import single_width
from memtype.told import Registers, Width
from memtype.told.inference import default_from_ram


def merge(machines: list[Machine]) -> Machine:
    """The machines of one paste as one; what was told goes before what was inferred."""
    formats = "+".join(dict.fromkeys(name for machine in machines for name in machine.format.split("+")))
    merged = reduce(_merge_two, sorted(machines, key=_uncertainty))
    return settled(_with_default(replace(merged, format=formats)).with_used_width())


def apart(machines: list[Machine]) -> list[list[Machine]]:
    """The machines that may be one and the same, together, in the order given: whose registers no line contradicts."""
    found: list[list[Machine]] = []
    for machine in sorted(machines, key=_uncertainty):
        fits = next((group for group in found if not any(_contradict(one, machine) for one in group)), None)
        if fits is None:
            found.append([machine])
        else:
            fits.append(machine)
    return [[machine for machine in machines if machine in group] for group in found]


def _contradict(one: Machine, other: Machine) -> bool:
    """Whether two readings of one paste tell the registers of one processor differently, at two moments or of two."""
    others = {cpu.number: cpu for cpu in other.cpus}
    for mine, theirs in ((cpu, others[cpu.number]) for cpu in one.cpus if cpu.number in others):
        if mine.pat and theirs.pat and mine.pat != theirs.pat:
            return True
        if mine.registers and theirs.registers:
            first, second = mine.registers, theirs.registers
            if not _same_ranges(first, second) or _contradicting(first, second):
                return True
    return False


def _with_default(machine: Machine) -> Machine:
    """An assumed default type, assumed anew where the paste has a RAM map: RAM that no range makes WB is WB."""
    ram = [(r.base, r.size) for r in machine.e820 if r.kind.lower() in rules.E820_RAM and r.base >= rules.MIB]
    if not ram:
        return machine

    def assumed(told: Registers) -> Registers:
        found = default_from_ram(told, ram) if "default" in told.covered else None
        return told if found is None else replace(told, default=found)

    return replace(machine, cpus=changed(machine.cpus, assumed))


def _uncertainty(machine: Machine) -> tuple[bool, bool, int]:
    told = machine.registers
    whole = 0 if told is None else sum(register.told for register in told.held.values())
    return told is None, told is not None and not told.listed, -whole


def _merge_two(better: Machine, other: Machine) -> Machine:
    told: dict[str, Any] = {
        name: getattr(better, name) if getattr(better, name) not in (None, ()) else getattr(other, name)
        for name in ("kernel", "vendor", "printed_map", "printed_view", "e820", "width", "parts")
    }
    told["width"] = single_width(width for width in (better.width, other.width) if width)
    cpus = changed(_cpus(better, other), lambda registers: _placed(registers, told["width"], told["vendor"]))
    width: Width | None = told["width"]
    return Machine(
        cpus=cpus,
        format=better.format if other.registers is None else f"{better.format}+{other.format}",
        facts={**(other.facts or {}), **(better.facts or {})} or None,
        notes=tuple(dict.fromkeys((*better.notes, *other.notes, *_conflicts(better, other)))),
        maxphyaddr=width.bits if width is not None else better.maxphyaddr or other.maxphyaddr,
        taken=better.taken | other.taken,
        **told,
    )


def _placed(registers: Registers, width: Width | None, vendor: str | None) -> Registers:
    """The registers on the processor that another part of the paste tells of."""
    return replace(registers, width=registers.width or width, vendor=registers.vendor or vendor)


def _cpus(better: Machine, other: Machine) -> tuple[Cpu, ...]:
    found = {cpu.number: cpu for cpu in better.cpus}
    for cpu in other.cpus:
        mine = found.get(cpu.number, Cpu(cpu.number))
        both = mine.registers.merged(cpu.registers) if mine.registers and cpu.registers else None
        found[cpu.number] = Cpu(cpu.number, both or mine.registers or cpu.registers, mine.pat or cpu.pat)
    return tuple(found.values())


def _conflicts(better: Machine, other: Machine) -> list[str]:
    pairs = f"{better.format} and {other.format}"
    found = []
    compared: tuple[tuple[str, object, object], ...] = (
        ("kernel", better.kernel, other.kernel),
        ("vendor", better.vendor, other.vendor),
    )
    for name, mine, theirs in compared:
        if None not in (mine, theirs) and mine != theirs:
            found.append(f"{pairs} disagree on {name}: {mine} and {theirs}; the first is used")
    single_width((width for width in (better.width, other.width) if width), found)
    others = {cpu.number: cpu for cpu in other.cpus}
    for at, cpu in enumerate(better.cpus):
        if len(found) > MOST:
            found.append(f"{pairs}: {len(better.cpus) - at} more processors were not compared")
            break
        against = others.get(cpu.number)
        if against is None:
            continue
        if cpu.registers and against.registers and not _same_ranges(cpu.registers, against.registers):
            found.append(f"{pairs} disagree on the variable ranges of CPU {cpu.number}; the first is used")
        if cpu.registers and against.registers and (names := _contradicting(cpu.registers, against.registers)):
            found.append(f"{pairs} disagree on {', '.join(names)} of CPU {cpu.number}; the first is used")
        if cpu.pat and against.pat and cpu.pat != against.pat:
            found.append(f"{pairs} disagree on the PAT of CPU {cpu.number}; the first is used")
    return [Note(text, "conflict") for text in found]


def _contradicting(first: Registers, second: Registers) -> list[str]:
    numbers = (rules.DEF_TYPE_MSR, *rules.FIXED_MSRS, rules.SYSCFG_MSR, rules.TOP_MEM2_MSR)
    return [rules.msr_name(i) for i in numbers if first.register(i).contradicts(second.register(i))]


def _same_ranges(first: Registers, second: Registers) -> bool:
    """Whether two lists of ranges mean the same; one of them may be missing."""
    if not (first.listed and second.listed):
        return True
    narrower = min(first.maxphyaddr, second.maxphyaddr)
    return _ranges(first, narrower) == _ranges(second, narrower)


def _ranges(registers: Registers, maxphyaddr: int) -> set[tuple[int, int, int]]:
    """Variable ranges in use as (base, mask, type), bits below `maxphyaddr`; order does not count."""
    bits = rules.page_bits(maxphyaddr)
    pairs = [tuple(half.value for half in registers.pair(n)) for n in range(registers.listed)]
    return {
        (base & mask & bits, mask & bits, base & rules.BASE_TYPE) for base, mask in pairs if mask & rules.MASK_VALID
    }
