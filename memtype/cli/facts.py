"""What a dump tells beside registers, in lines for `show`: guests' control structures, walks, lists of mappings."""

from __future__ import annotations

from collections import Counter
from typing import Any

from memtype import rules
from memtype.analysis.page_type import page_type
from memtype.analysis.system_ranges import system_notes, system_ranges
from memtype.cli.addresses import mem, size_text
from memtype.cli.layout import columns
from memtype.effective import effective
from memtype.ept import ept_walk_type, eptp_valid
from memtype.errors import InputError
from memtype.host import HOW_TO_TELL
from memtype.machine import Machine
from memtype.pat import Pat
from memtype.types import MemoryType

_COUNTS = ("map_entries", "fixed", "variable", "max", "built_from")
_MOST_RAM = 32


def lines(machine: Machine) -> list[str]:
    """The lines, [] where the dump tells no such thing."""
    told: dict[str, Any] = dict(machine.facts or {})
    found = [line for guest in told.get("guests", ()) for line in _guest(guest)]
    found += [line for walk in told.get("page_walks", ()) for line in _walk(walk, machine)]
    found += _system(machine)
    found += _kernel(told, machine) if machine.mtrrs is None else []
    found += _mappings(told.get("mappings", ()), machine.pat)
    return ["", *found] if found else []


# --- what a kernel from 6.5 on prints in place of registers ---------------------------------------------------------


def _kernel(told: dict[str, Any], machine: Machine) -> list[str]:
    """The counts of its map, what it trimmed, the firmware's RAM map: all that such a log tells, without a type."""
    found = _counts(told) if "map_entries" in told else []
    trimmed = [(mem(base, end - base), size_text(end - base)) for base, end in told.get("mtrr_trim_e820_updates", ())]
    found += ["trimmed, RAM that no range makes WB:", *columns(trimmed, "  ").splitlines()] if trimmed else []
    if machine.e820:
        rows = [(mem(held.base, held.size), size_text(held.size), held.kind) for held in machine.e820[:_MOST_RAM]]
        found += ["RAM map:", *columns(rows, "  ").splitlines()]
        found += [f"  and {len(machine.e820) - _MOST_RAM} more"] if len(machine.e820) > _MOST_RAM else []
    if found and machine.registers is None and machine.printed_map is None:
        found += ["", f"the registers are told by: {HOW_TO_TELL}"]
    return found


def _counts(told: dict[str, Any]) -> list[str]:
    """The line "MTRR map: …". `max` is 2 a register and the fixed entries, one more where TOM2 counts as a register."""
    entries, fixed, variable, most, made_of = (told[name] for name in _COUNTS)
    if not made_of:
        return ["MTRR map: none, built from 0 variable MTRRs: a machine or guest without MTRRs"]
    tom2 = most == 2 * (made_of - 1) + fixed + 1
    registers = f"{made_of - 1} variable MTRRs and TOM2" if tom2 else f"{made_of} variable MTRRs"
    found = [
        f"MTRR map: {entries} entries of {registers}: {fixed} fixed + {variable} variable; their types are not told"
    ]
    if not variable:
        found.append("  no variable entry: above 1 MiB Linux sees the default type alone; which one is not told")
    return found


# --- VMCS and VMCB ------------------------------------------------------------------------------------------------


def _guest(guest: dict[str, Any]) -> list[str]:
    found = [f"vCPU {guest['vcpu']} ({guest['kind'].upper()}, line {guest['line']})"]
    for key, words in (("guest_pat", "guest PAT"), ("host_pat", "host PAT")):
        if key in guest:
            found.append(f"  {words} 0x{int(guest[key], 16):016x}: {Pat(int(guest[key], 16))}")
    if "guest_cr0" in guest:
        disabled = int(guest["guest_cr0"], 16) >> 30 & 1
        found.append(f"  CR0.CD {disabled}" + (": the guest's accesses are UC" if disabled else ""))
    if "eptp" in guest:
        found.append(f"  EPT pointer {_eptp(int(guest['eptp'], 16))}")
    if "nested_paging" in guest and not guest["nested_paging"]:
        found.append("  nested paging is off: the processor looks at the host's PAT, not at this one")
    elif "nested_cr3" in guest:
        found.append(f"  nested CR3 {guest['nested_cr3']}: the guest's PAT type meets the host's, then the MTRR")
    return found


def _eptp(value: int) -> str:
    """Bits 2:0 are the type of the tables, 5:3 the walk's length less 1, bit 6 turns accessed and dirty bits on."""
    if not eptp_valid(value):
        return f"0x{value:x}: bits 2:0 = {value & rules.EPTP_TYPE}: VM entry fails  [{rules.RULES['ept-pointer'].id}]"
    flags = "on" if value >> 6 & 1 else "off"
    return f"0x{value:x}: {(value >> 3 & 7) + 1} levels, tables read as {ept_walk_type(value)}, A/D {flags}"


# --- registers beside the MTRRs -----------------------------------------------------------------------------------


def _system(machine: Machine) -> list[str]:
    """Ranges that other registers take over or route, then what such registers say beside."""
    found = []
    for held in system_ranges(machine):
        where = "a mask with holes" if held.span is None else f"{mem(*held.span)}  {size_text(held.span[1])}"
        numbers = "/".join(f"0x{index:x}" for index in held.registers)
        found.append(f"{held.name}  {where}  {held.text}  ({numbers})")
    return found + system_notes(machine)


# --- page tables --------------------------------------------------------------------------------------------------


def _walk(walk: dict[str, Any], machine: Machine) -> list[str]:
    value = int(walk["entries"][walk["leaf"]], 16)
    head = f"line {walk['line']}: {walk['leaf']} 0x{value:x}"
    if not walk["present"]:
        return [f"{head}: not present, no type"]
    if walk["index"] is None:
        return [f"{head}: points to a table; the walk ends before a leaf"]
    base, size = int(walk["base"], 16), int(walk["size"], 16)
    index = walk["index"]
    bits = f"PAT {index >> 2 & 1}, PCD {index >> 1 & 1}, PWT {index & 1}"
    found = [f"{head}: {size_text(size)} leaf of {mem(base, size)}", f"  PAT entry {index} ({bits})"]
    return [*found, f"  {_leaf_type(index, base, size, machine)}"]


def _leaf_type(index: int, base: int, size: int, machine: Machine) -> str:
    if machine.pat is None:
        return f"type not told: the PAT is not; Linux from 4.2 on: {Pat('linux')[index]}, reset value: {Pat()[index]}"
    kind, state = machine.pat[index], machine.mtrrs
    if state is None:
        return f"PAT type {kind}; the MTRRs are not told"
    try:
        mtrr = page_type(state, base, size).type
    except InputError:
        return f"PAT type {kind}; the address has bits beyond MAXPHYADDR {state.maxphyaddr} (encryption?)"
    return f"PAT type {kind}, MTRR {mtrr}: effective {effective(mtrr, kind, state.vendor)}"


def _mappings(listed: Any, pat: Pat | None) -> list[str]:
    """One line for each pair of PCD and PWT in use: how much of it, and the two entries that fit."""
    sizes: Counter[tuple[int, int]] = Counter()
    counts: Counter[tuple[int, int]] = Counter()
    for item in listed:
        key = item["pcd"], item["pwt"]
        sizes[key] += int(item["size"], 16)
        counts[key] += 1
    found = []
    for (pcd, pwt), count in sorted(counts.items()):
        index = 2 * pcd + pwt
        fits = _either(index, pat)
        found.append(f"PCD {pcd} PWT {pwt}: {count} mappings, {size_text(sizes[pcd, pwt])}")
        found.append(f"  PAT entry {index} or {index + 4} (the bit PAT is not listed): {fits}")
    return found


def _either(index: int, pat: Pat | None) -> str:
    def types(layout: Pat) -> str:
        kinds = dict.fromkeys((layout[index], layout[index + 4]))
        return str(next(iter(kinds))) if len(kinds) == 1 else f"{MemoryType.NOT_TOLD} ({' or '.join(map(str, kinds))})"

    if pat is not None:
        return types(pat)
    return f"the PAT is not told; Linux from 4.2 on: {types(Pat('linux'))}, reset value: {types(Pat())}"
