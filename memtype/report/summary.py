"""A machine in one line: on or off, default type, fixed ranges, how many variable ones, width, vendor, TOP_MEM2."""

from __future__ import annotations

from memtype import rules
from memtype.machine import Machine
from memtype.told import Registers
from memtype.types import MemoryType


def header(machine: Machine) -> str:
    """One line: on or off, default type, fixed ranges, how many variable ones, width, vendor."""
    told = machine.registers
    if told is None:
        return f"MTRRs not told{_width(machine.maxphyaddr, machine.vendor)}"
    return (
        f"MTRR {_switch(told, rules.DEF_TYPE_E)}   default {_default(told)}   fixed {_fixed(told)}   "
        f"{_used(told)}{_width(told.maxphyaddr, machine.vendor)}{_tom2(told)}"
    )


def _used(told: Registers) -> str:
    """``3/10 variable used``; ``3?`` where there may be more."""
    more = any(gap.what == "pairs" for gap in told.untold)
    if more and not told.listed:
        return "variable ranges not told"
    used = sum(bool(told.pair(n)[1].value & rules.MASK_VALID) for n in range(told.listed))
    return f"{used}{'?' if more else ''}/{told.listed} variable used"


def _tom2(told: Registers) -> str:
    """AMD's TOP_MEM2, where SYSCFG makes it the end of what is WB by default (APM 2 7.9.4)."""
    held, mode = told.register(rules.TOP_MEM2_MSR), told.register(rules.SYSCFG_MSR)
    forced = rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
    if not held.told or not held.value or not mode.tells(forced):
        return ""
    words = "WB below it" if mode.value & forced == forced else "decides nothing"
    return f"   TOM2 0x{held.value:x} ({words})"


def _switch(told: Registers, bit: int) -> str:
    is_on = told.bit(rules.DEF_TYPE_MSR, bit)
    return "not told" if is_on is None else "on" if is_on else "off"


def _default(told: Registers) -> str:
    base = told.register(rules.DEF_TYPE_MSR)
    assumed = next((a for a in told.assumptions if a.what == "default"), None)
    if base.hidden & rules.DEF_TYPE_TYPE:
        return str(MemoryType.UNDEFINED)
    if base.tells(rules.DEF_TYPE_TYPE):
        return str(rules.type_of(base.value & rules.DEF_TYPE_TYPE))
    return "not told" if assumed is None else f"{rules.type_of(assumed.value)} (assumed)"


def _fixed(told: Registers) -> str:
    if not told.has_fixed:
        return "off"
    held = [told.register(index).known for index in rules.FIXED_MSRS]
    part = "" if all(held) or not any(held) else ", told in part"
    return _switch(told, rules.DEF_TYPE_FE) + part


def _width(maxphyaddr: int | None, vendor: str | None) -> str:
    return (f"   MAXPHYADDR {maxphyaddr}" if maxphyaddr else "") + (f"   {vendor}" if vendor else "")
