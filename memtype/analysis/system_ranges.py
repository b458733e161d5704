"""Ranges that other registers take over or route: SMRR, PRMRR, AMD's TSEG, ASEG and IORRs, PCI configuration space.

They match as MTRRs do, (address & mask) == (base & mask); bits above their fields compare to 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from memtype import rules
from memtype.machine import Machine
from memtype.memory_map import Segment
from memtype.readable import readable
from memtype.types import MemoryType

_ADDRESS = (1 << rules.MAX_MAXPHYADDR) - 1


@readable
@dataclass(frozen=True, slots=True)
class SystemRange:
    """One such range.

    Attributes
    ----------
    name : what holds it: "SMRR", "PRMRR", "TSEG", "ASEG", "IORR0", "IORR1", "MMIO configuration"
    base, mask : an address with (address & mask) == base is inside
    type : the type there for the operating system, None where the MTRRs' stays
    inside : the type in System Management Mode, None where this is no SMRAM; NOT_TOLD where no field says it
    text : what holds there, in words
    rule : the rule's identifier
    registers : MSR numbers
    """

    name: str
    base: int
    mask: int
    type: MemoryType | None
    inside: MemoryType | None
    text: str
    rule: str
    registers: tuple[int, ...]

    def covers(self, address: int) -> bool:
        """Whether an address is inside."""
        return address & self.mask == self.base

    @property
    def span(self) -> tuple[int, int] | None:
        """(base, size) where the mask has no holes, else None."""
        free = _ADDRESS & ~self.mask
        return (self.base, free + 1) if free & (free + 1) == 0 else None


def system_msrs(machine: Machine) -> dict[int, int]:
    """The registers that the dump tells, by number."""
    told = (machine.facts or {}).get("system_msrs")
    return {int(index, 16): int(value, 16) for index, value in told.items()} if isinstance(told, Mapping) else {}


def system_ranges(machine: Machine) -> tuple[SystemRange, ...]:
    """The ranges that are on, in the order of precedence: what takes a type over, then what does not.

    Examples
    --------
    >>> import memtype
    >>> machine = memtype.parse("0x2ff 0xc06\\n0x1f2 0x7c400006\\n0x1f3 0xffc00800")
    >>> [(r.name, r.span, r.text) for r in system_ranges(machine)]
    [('SMRR', (2084569088, 4194304), 'outside SMM: UC, writes dropped (SMRAM); inside SMM: WB')]
    """
    msrs = system_msrs(machine)
    found = [*_smrr(msrs), *_prmrr(msrs), *_amd_smram(msrs), *_mmio_config(msrs), *_iorrs(msrs)]
    return tuple(found)


def _pair(msrs: Mapping[int, int], pair: tuple[int, int]) -> tuple[int, int] | None:
    """(base, mask) where both are told and the range is on."""
    base, mask = (msrs.get(index) for index in pair)
    return None if base is None or mask is None or not mask & rules.MASK_VALID else (base, mask)


def _cube(base: int, mask: int, field: int) -> tuple[int, int]:
    """(base, mask) of a `SystemRange`: the fields, and every bit above them."""
    wide = mask & field | _ADDRESS & ~((1 << field.bit_length()) - 1)
    return base & field & wide, wide


def _smrr(msrs: Mapping[int, int]) -> Iterable[SystemRange]:
    for pair in (rules.SMRR_MSRS, rules.CORE2_SMRR_MSRS):
        if (held := _pair(msrs, pair)) is not None:
            typed = pair == rules.SMRR_MSRS
            inside = rules.type_of(held[0] & rules.BASE_TYPE) if typed else MemoryType.NOT_TOLD
            text = f"outside SMM: UC, writes dropped (SMRAM); inside SMM: {inside}"
            base, mask = _cube(*held, rules.SMRR_FIELD)
            yield SystemRange("SMRR", base, mask, MemoryType.UC, inside, text, "smrr", pair)


def _prmrr(msrs: Mapping[int, int]) -> Iterable[SystemRange]:
    if (held := _pair(msrs, rules.PRMRR_MSRS)) is not None:
        base, mask = _cube(*held, rules.IORR_FIELD)
        kind = rules.type_of(held[0] & 7)
        text = f"outside enclaves: reads give ones, writes dropped (processor-reserved memory); inside: {kind}"
        yield SystemRange("PRMRR", base, mask, None, None, text, "prmrr", rules.PRMRR_MSRS)


def _amd_smram(msrs: Mapping[int, int]) -> Iterable[SystemRange]:
    flags = msrs.get(rules.AMD_SMM_MSRS[1])
    if flags is None:
        return
    tseg = msrs.get(rules.AMD_SMM_MSRS[0])
    if flags & rules.AMD_SMM_T_VALID and tseg is not None:
        base, mask = _cube(tseg, flags, rules.AMD_TSEG_FIELD)
        closed = bool(flags & rules.AMD_SMM_T_CLOSE)
        kinds = _amd_types(flags, rules.AMD_SMM_T_IO_WC, rules.AMD_SMM_T_TYPE_SHIFT)
        yield _smram("TSEG", base, mask, kinds, closed, rules.AMD_SMM_MSRS)
    if flags & rules.AMD_SMM_A_VALID:
        base, size = rules.AMD_ASEG
        closed = bool(flags & rules.AMD_SMM_A_CLOSE)
        kinds = _amd_types(flags, rules.AMD_SMM_A_IO_WC, rules.AMD_SMM_A_TYPE_SHIFT)
        yield _smram("ASEG", base, _ADDRESS & ~(size - 1), kinds, closed, rules.AMD_SMM_MSRS[1:])


def _amd_types(flags: int, io_wc: int, shift: int) -> tuple[MemoryType, MemoryType]:
    """(outside, inside SMM)."""
    return MemoryType.WC if flags & io_wc else MemoryType.UC, rules.type_of(flags >> shift & 7)


def _smram(
    name: str, base: int, mask: int, kinds: tuple[MemoryType, MemoryType], closed: bool, registers: tuple[int, ...]
) -> SystemRange:
    outside, inside = kinds
    text = f"outside SMM: {outside}, goes to MMIO, not to DRAM ({name}); inside SMM: {inside}"
    text += ", data accesses to MMIO (closed)" if closed else ""
    return SystemRange(name, base, mask, outside, inside, text, "amd-smram", registers)


def _iorrs(msrs: Mapping[int, int]) -> Iterable[SystemRange]:
    for number, pair in enumerate(rules.IORR_MSRS):
        if (held := _pair(msrs, pair)) is not None:
            base, mask = _cube(*held, rules.IORR_FIELD)
            reads, writes = ("DRAM" if held[0] & bit else "MMIO" for bit in (rules.AMD_RDMEM, rules.AMD_WRMEM))
            text = f"reads go to {reads}, writes to {writes}; the type stays the MTRRs'"
            yield SystemRange(f"IORR{number}", base, mask, None, None, text, "iorr", pair)


def _mmio_config(msrs: Mapping[int, int]) -> Iterable[SystemRange]:
    """Bits 5:2 are 0 to 8: 1 to 256 buses of 1 MiB; larger ones are reserved."""
    value = msrs.get(rules.MMIO_CONFIG_MSR, 0)
    buses = value >> 2 & 0xF
    if value & 1 and buses <= 8:
        mask = _ADDRESS & ~((rules.MIB << buses) - 1)
        text = f"PCI configuration space of {1 << buses} buses; the type stays the MTRRs', which should be UC"
        registers = (rules.MMIO_CONFIG_MSR,)
        yield SystemRange("MMIO configuration", value & mask, mask, None, None, text, "mmio-config", registers)


# --- what such registers say beside ranges ------------------------------------------------------------------------


def system_notes(machine: Machine) -> list[str]:
    """One line for each register that takes no range, or of which the other half is not told."""
    msrs = system_msrs(machine)
    found = []
    pairs: list[tuple[int, int]] = [rules.SMRR_MSRS, rules.CORE2_SMRR_MSRS, rules.PRMRR_MSRS, *rules.IORR_MSRS]
    if msrs.get(rules.AMD_SMM_MSRS[1], rules.AMD_SMM_T_VALID) & rules.AMD_SMM_T_VALID:
        pairs.append(rules.AMD_SMM_MSRS)
    for pair in pairs:
        held = [index for index in pair if index in msrs]
        if len(held) == 1:
            missing = pair[1 - pair.index(held[0])]
            found.append(f"{rules.msr_name(missing)} (0x{missing:x}) is not told: where "
                         f"{rules.msr_name(held[0])} = 0x{msrs[held[0]]:x} holds stays open")  # fmt: skip
    if rules.TME_ACTIVATE in msrs:
        found.append(_tme(msrs[rules.TME_ACTIVATE]))
    if rules.MKTME_PARTITION_MSR in msrs:
        value = msrs[rules.MKTME_PARTITION_MSR]
        found.append(f"KeyIDs: {value & 0xFFFF_FFFF} of MKTME, {value >> 32} of TDX; no type hangs on them")
    if msrs.get(rules.SYSCFG_MSR, 0) & rules.SYSCFG_SMEE:
        found.append("SYSCFG.23: memory encryption is on; it changes no type, and the C-bit is no address bit")
    return found


def _tme(value: int) -> str:
    if not value & rules.TME_ENABLE:
        return "TME is off"
    bits, tdx = value >> rules.TME_KEYID_SHIFT & 0xF, value >> rules.TME_TDX_SHIFT & 0xF
    kept = f" ({tdx} of them TDX's)" if tdx else ""
    return f"TME is on, {bits} KeyID bits{kept}: so many address bits fewer; no type hangs on it"


# --- over a map ---------------------------------------------------------------------------------------------------


def overlaid(parts: list[Segment], ranges: Iterable[SystemRange]) -> list[Segment]:
    """Rising segments with the types that ranges take over; a mask with holes is looked up at single addresses only.

    Examples
    --------
    >>> taken = SystemRange("SMRR", 0x2000, ~0xFFF & (1 << 52) - 1, MemoryType.UC, None, "", "smrr", ())
    >>> [(hex(s.base), str(s.type)) for s in overlaid([Segment(0, 0x10000, MemoryType.WB)], [taken])]
    [('0x0', 'WB'), ('0x2000', 'UC'), ('0x3000', 'WB')]
    """
    found = list(parts)
    for taken in ranges:
        if taken.type is None:
            continue
        if len(found) == 1 and found[0].size == 1:
            found = [Segment(found[0].base, 1, taken.type)] if taken.covers(found[0].base) else found
        elif taken.span is not None:
            found = [piece for part in found for piece in _cut(part, *taken.span, taken.type)]
    return _merged(found)


def _cut(part: Segment, base: int, size: int, kind: MemoryType) -> Iterable[Segment]:
    low, high = max(part.base, base), min(part.end, base + size)
    if low >= high:
        yield part
        return
    for first, behind, held in ((part.base, low, part.type), (low, high, kind), (high, part.end, part.type)):
        if first < behind:
            yield Segment(first, behind - first, held)


def _merged(parts: list[Segment]) -> list[Segment]:
    found: list[Segment] = []
    for part in parts:
        if found and found[-1].type is part.type and found[-1].end == part.base:
            found[-1] = Segment(found[-1].base, found[-1].size + part.size, part.type)
        else:
            found.append(part)
    return found
