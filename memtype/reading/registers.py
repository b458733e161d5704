"""What the families that print registers share: names, numbers, and one way from registers to a `Machine`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from memtype import rules
from memtype.arrays import check_maxphyaddr
from memtype.errors import InputError, ParseError
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState, infer_maxphyaddr
from memtype.pat import Pat
from memtype.reading.inference import infer_default
from memtype.reading.notes import not_told, still_open
from memtype.reading.values import MAX_CPUS, number, refusal
from memtype.types import MemoryType

PAIR_MSRS = frozenset(range(rules.PHYSBASE0, rules.PHYSBASE0 + 2 * rules.NUMBERED_PAIRS))
MTRR_MSRS = PAIR_MSRS | frozenset(rules.FIXED_MSRS) | {rules.DEF_TYPE_MSR}
KNOWN_MSRS = MTRR_MSRS | {rules.MTRRCAP, rules.PAT_MSR, rules.SYSCFG_MSR, rules.TOP_MEM2_MSR}
NO_FIXED = "below 1 MiB the variable ranges answer"

_ROUTED = rules.AMD_FIXED_ROUTING * 0x0101_0101_0101_0101  # RdMem and WrMem of all eight bytes


# --- what a list of registers says beside its registers: emitted by `emit`, read by every family that holds one ------

_REMARK = re.compile(r"memtype/1:((?: [a-z0-9]+=[A-Za-z0-9]+)+)")


def remark(state: MtrrState) -> str:
    """The remark that makes a bare register list whole again: what no writable MSR holds."""
    words = [f"maxphyaddr={state.maxphyaddr}", f"vendor={state.vendor}"]
    words += [f"cap={state.cap:#x}"] if state.cap is not None else []
    return "memtype/1: " + " ".join(words)


def read_remark(text: str, source: str) -> dict[str, str]:
    """The words of a remark, {} where there is none."""
    found = _REMARK.search(text)
    words = dict(word.split("=", 1) for word in found[1].split()) if found else {}
    if "maxphyaddr" in words:
        told_width(words["maxphyaddr"], source, 0)
    return words


def told_width(text: str | int, source: str, line: int) -> int:
    """A MAXPHYADDR that the dump prints."""
    try:
        return check_maxphyaddr(number(str(text), source, line, "MAXPHYADDR", base=10))
    except InputError as error:
        raise error if isinstance(error, ParseError) else refusal(source, line, str(error)) from None


# --- from registers to a machine ----------------------------------------------------------------------------------


def size_mask(size: int, maxphyaddr: int) -> int:
    """The PHYSMASK, V set, of a power-of-two size."""
    return rules.page_bits(maxphyaddr) & ~(size - 1) | rules.MASK_VALID


def assumed_width(ends: Iterable[int], notes: list[str]) -> int:
    """A width for ranges printed without masks: as for /proc/mtrr, with a note."""
    top = max(((end - 1).bit_length() for end in ends if end > 0), default=0)
    width = max(rules.DEFAULT_MAXPHYADDR, top)
    notes.append(not_told("maxphyaddr", f"{width} assumed"))
    return width


def assumed_default(variable: Iterable[tuple[int, int]], notes: list[str]) -> MemoryType:
    """The default type where a dump prints ranges only, with a note."""
    kind, why = infer_default(base & rules.BASE_TYPE for base, mask in variable if mask & rules.MASK_VALID)
    once(notes, not_told("default", f"{kind} inferred ({why})"))
    return kind


def widest(registers: Iterable[Mapping[int, int]], notes: list[str]) -> int:
    """MAXPHYADDR as the masks imply it, with a note."""
    masks, bases = [], [0]
    for msrs in registers:
        masks += [v for i, v in msrs.items() if i in PAIR_MSRS and i & 1]
        bases += [v for i, v in msrs.items() if i in PAIR_MSRS and not i & 1 and msrs.get(i + 1, 0) & rules.MASK_VALID]
    width = infer_maxphyaddr(masks)
    top = max(base & ~rules.high_bits(rules.MAX_MAXPHYADDR) for base in bases).bit_length()
    filled = {_filled_width(mask) for mask in masks if not mask & rules.MASK_VALID} - {None}
    if not any(mask & rules.MASK_VALID for mask in masks):
        width = max(rules.DEFAULT_MAXPHYADDR, width)
        notes.append(not_told("maxphyaddr", f"no mask to infer it from: {width} assumed"))
    elif width == rules.MAX_MAXPHYADDR and len(filled) == 1:
        width = filled.pop() or width
        notes.append(not_told("maxphyaddr", f"QEMU filled the masks from bit {width} on, as an unused one shows"))
    elif width == rules.MAX_MAXPHYADDR:
        notes.append(not_told("maxphyaddr", "the masks reach bit 51, which QEMU fills: 52 taken, perhaps less"))
    else:
        notes.append(not_told("maxphyaddr", f"{max(width, top)} inferred from the masks"))
    return max(width, top)


def _filled_width(mask: int) -> int | None:
    """MAXPHYADDR where QEMU filled an unused mask: bits 51:MAXPHYADDR set and no other (`fill-mtrr-mask`).

    >>> _filled_width(0x000F_FFF0_0000_0000), _filled_width(0)
    (36, None)
    """
    low = (mask & -mask).bit_length() - 1
    whole = mask and mask == (1 << rules.MAX_MAXPHYADDR) - (1 << low)
    return low if whole and low >= rules.MIN_MAXPHYADDR else None


def state_of(
    msrs: Mapping[int, int], maxphyaddr: int, vendor: str, source: str, notes: list[str], zero_absent: bool = False
) -> MtrrState | None:
    """One processor's state from the registers that a dump holds; None where it holds no MTRR.

    With `zero_absent`, registers that the list leaves out are 0, as in a virtual machine that is restored from it.
    Otherwise half a pair or a part of the fixed-range registers is an error, and what is left out as a whole is noted.
    """
    if not msrs.keys() & MTRR_MSRS:
        return None
    variable = _pairs(msrs, source, zero_absent)
    if rules.DEF_TYPE_MSR in msrs:
        def_type = msrs[rules.DEF_TYPE_MSR]
    elif zero_absent:
        def_type = 0
        once(notes, "IA32_MTRR_DEF_TYPE is not in the list: 0 after a restore, so every address is UC")
    else:
        has_fixed = rules.DEF_TYPE_FE if msrs.keys() & set(rules.FIXED_MSRS) else 0
        def_type = assumed_default(variable, notes) | rules.DEF_TYPE_E | has_fixed
    cap = _cap_without_fixed(msrs, def_type, len(variable), source, notes, zero_absent)
    _note_count(msrs, len(variable), notes)
    try:
        return MtrrState(
            def_type, tuple(msrs.get(i, 0) for i in rules.FIXED_MSRS), variable, maxphyaddr, vendor,
            msrs.get(rules.SYSCFG_MSR, 0), msrs.get(rules.TOP_MEM2_MSR, 0), cap,
        )  # fmt: skip
    except InputError as error:
        raise refusal(source, 0, str(error)) from None


def machine_of(
    registers: Mapping[int, Mapping[int, int]],
    name: str,
    source: str,
    notes: Iterable[str] = (),
    maxphyaddr: int | None = None,
    vendor: str | None = None,
    zero_absent: bool = False,
    **more: Any,
) -> Machine:
    """A machine from ``{processor: {register: value}}``; `more` are further fields of `Machine`."""
    said = list(notes)
    if len(registers) > MAX_CPUS:
        raise refusal(source, 0, f"more than {MAX_CPUS} processors")
    if not any(msrs.keys() & KNOWN_MSRS for msrs in registers.values()):
        raise refusal(source, 0, "no MTRR and no PAT register in it")
    width = widest(registers.values(), said) if maxphyaddr is None else maxphyaddr
    maker = vendor or _implied_vendor(registers.values(), said)
    cpus = []
    for cpu, msrs in registers.items():
        pat = Pat(msrs[rules.PAT_MSR]) if rules.PAT_MSR in msrs else None
        cpus.append(Cpu(cpu, state_of(msrs, width, maker or "intel", source, said, zero_absent), pat))
    if all(cpu.mtrrs is None for cpu in cpus):
        said = [*still_open(said, ["maxphyaddr"]), not_told("registers", "only the PAT is in the dump")]
        width = maxphyaddr or 0
    said += differing(registers)
    inferred = tuple(
        field
        for field, guessed in (
            ("vendor", vendor is None),
            ("maxphyaddr", maxphyaddr is None and width),
            ("default", not zero_absent and not any(rules.DEF_TYPE_MSR in msrs for msrs in registers.values())),
            ("fixed", not zero_absent and not any(msrs.keys() & set(rules.FIXED_MSRS) for msrs in registers.values())),
        )
        if guessed
    )
    return Machine(
        tuple(cpus), name, vendor=maker, maxphyaddr=width or None, notes=tuple(said), inferred=inferred, **more
    )


def guessed(machine: Machine, *fields: str) -> Machine:
    """The machine, with `fields` marked as inferred too."""
    return replace(machine, inferred=tuple(dict.fromkeys((*machine.inferred, *fields))))


def _pairs(msrs: Mapping[int, int], source: str, zero_absent: bool) -> tuple[tuple[int, int], ...]:
    present = sorted(index for index in msrs if index in PAIR_MSRS)
    if not zero_absent:
        for index in present:
            if index ^ 1 not in msrs:
                other, own = rules.msr_name(index ^ 1), rules.msr_name(index)
                raise refusal(source, 0, f"{other} (0x{index ^ 1:x}) is missing, while {own} = 0x{msrs[index]:x}")
    count = (present[-1] - rules.PHYSBASE0) // 2 + 1 if present else 0
    indexes = [rules.PHYSBASE0 + 2 * n for n in range(count)]
    return tuple((msrs.get(index, 0), msrs.get(index + 1, 0)) for index in indexes)


def _cap_without_fixed(
    msrs: Mapping[int, int], def_type: int, pairs: int, source: str, notes: list[str], zero_absent: bool
) -> int | None:
    """MTRRCAP as dumped; FIX is cleared where the fixed ranges count but the dump leaves them all out."""
    cap = msrs.get(rules.MTRRCAP)
    missing = [index for index in rules.FIXED_MSRS if index not in msrs]
    counts = def_type & rules.DEF_TYPE_E and def_type & rules.DEF_TYPE_FE
    if not missing or not counts or (cap is not None and not cap & rules.MTRRCAP_FIX):
        return cap
    if zero_absent:
        once(notes, f"{len(missing)} fixed-range registers are not in the list: 0 (UC) after a restore")
        return cap
    if len(missing) < len(rules.FIXED_MSRS):
        held = len(rules.FIXED_MSRS) - len(missing)
        what = f"{rules.msr_name(missing[0])} (0x{missing[0]:x}) is missing"
        raise refusal(source, 0, f"{what}: the dump holds {held} of the 11 fixed-range registers")
    once(notes, not_told("fixed", f"FE = 1, yet {NO_FIXED}"))
    return (rules.MTRRCAP_WC | pairs if cap is None else cap) & ~rules.MTRRCAP_FIX


def _note_count(msrs: Mapping[int, int], pairs: int, notes: list[str]) -> None:
    cap = msrs.get(rules.MTRRCAP)
    if cap is not None and pairs < cap & rules.MTRRCAP_VCNT:
        once(notes, f"MTRRCAP says {cap & rules.MTRRCAP_VCNT} variable ranges, the dump holds {pairs}")


def _implied_vendor(registers: Iterable[Mapping[int, int]], notes: list[str]) -> str | None:
    for msrs in registers:
        if msrs.get(rules.SYSCFG_MSR) or msrs.get(rules.TOP_MEM2_MSR):
            return "amd"  # reading 0 proves nothing: virtual machines answer so for what they do not have
        fixed = [msrs.get(index, 0) for index in rules.FIXED_MSRS]
        if any(value & _ROUTED and not value & ~(_ROUTED | 0x0707_0707_0707_0707) for value in fixed):
            once(notes, "vendor AMD inferred: fixed-range bytes carry RdMem or WrMem")
            return "amd"
    return None


def differing(registers: Mapping[int, Mapping[int, int]]) -> list[str]:
    """One note of what differs between processors."""
    wanted = sorted({index for msrs in registers.values() for index in msrs if index in KNOWN_MSRS})
    different = [index for index in wanted if len({msrs.get(index) for msrs in registers.values()}) > 1]
    if not different or len(registers) < 2:
        return []
    names = ", ".join(rules.msr_name(index) for index in different[:3]) + (", …" if len(different) > 3 else "")
    return [f"the {len(registers)} processors differ in {len(different)} registers: {names}"]


def once(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)
