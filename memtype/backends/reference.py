"""The scalar oracle: the manuals' text in plain integers, written without a look at the C core.

Slow on purpose where that keeps the text recognisable. It imports neither numpy nor another backend. A
register file is any object with the attributes of `memtype.MtrrState` (`Registers` below).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from memtype import rules
from memtype.errors import ShatteredMapError
from memtype.types import MemoryType


class Registers(Protocol):
    """What a backend needs of one processor's MTRRs: raw values, as read."""

    @property
    def def_type(self) -> int: ...
    @property
    def fixed(self) -> Sequence[int]: ...
    @property
    def variable(self) -> Sequence[tuple[int, int]]: ...
    @property
    def maxphyaddr(self) -> int: ...
    @property
    def vendor(self) -> str: ...
    @property
    def syscfg(self) -> int: ...
    @property
    def tom2(self) -> int: ...
    @property
    def has_fixed(self) -> bool: ...


# --- MTRRs: what hardware refuses (SDM 3A 12.11) -----------------------------------------------------------------


def msr_fault(index: int, value: int, maxphyaddr: int, vendor: str) -> tuple[str, int] | None:
    """Why WRMSR would raise #GP: ("type" | "reserved" | "read-only" | "unknown", lowest bit concerned), or None."""
    if index == rules.MTRRCAP:
        return "read-only", 0
    if index == rules.PAT_MSR:
        return _entry_fault(value, rules.PAT_TYPES, 0)
    if index in rules.FIXED_MSRS:
        return _entry_fault(value, rules.MTRR_TYPES, rules.AMD_FIXED_ROUTING if vendor == "amd" else 0)
    if index == rules.DEF_TYPE_MSR:
        return _type_fault(value) or _reserved_fault(value & ~rules.DEF_TYPE_WRITABLE)
    if index not in range(rules.PHYSBASE0, rules.PHYSBASE0 + 2 * rules.NUMBERED_PAIRS):
        return "unknown", 0
    above = rules.high_bits(maxphyaddr)
    if index % 2:
        return _reserved_fault(value & (above | rules.MASK_RESERVED))
    return _type_fault(value) or _reserved_fault(value & (above | rules.BASE_RESERVED))


def _entry_fault(value: int, legal: frozenset[int], ignored: int) -> tuple[str, int] | None:
    wrong = [8 * place for place, entry in enumerate(value.to_bytes(8, "little")) if entry & ~ignored not in legal]
    return ("type", wrong[0]) if wrong else None


def _type_fault(value: int) -> tuple[str, int] | None:
    return None if value & rules.BASE_TYPE in rules.MTRR_TYPES else ("type", 0)


def _reserved_fault(wrong: int) -> tuple[str, int] | None:
    return ("reserved", (wrong & -wrong).bit_length() - 1) if wrong else None


# --- MTRRs: the type of an address (SDM 3A 12.11.4.1, APM 2 7.7.4) -----------------------------------------------


def at(s: Registers, address: int) -> MemoryType:
    """The memory type that the MTRRs give `address`, which must lie below 2**MAXPHYADDR."""
    if not s.def_type & rules.DEF_TYPE_E:
        return rules.TYPE_WHILE_OFF
    if fixed_decides(s, address):
        return fixed_type(s, address)
    matching = matching_pairs(s, address)
    if not matching:
        return default_type(s, address)
    return combine([s.variable[n][0] & rules.BASE_TYPE for n in matching])


def fixed_decides(s: Registers, address: int) -> bool:
    return bool(s.def_type & rules.DEF_TYPE_FE) and s.has_fixed and address < rules.FIXED_END


def fixed_slot(address: int) -> int:
    """Which of the 88 sub-ranges holds `address`: ``fixed_slot(0xA0000) == 16``."""
    return [slot for slot, span in enumerate(rules.FIXED_RANGES) if span.base <= address][-1]


def fixed_type(s: Registers, address: int) -> MemoryType:
    span = rules.FIXED_RANGES[fixed_slot(address)]
    entry = s.fixed[span.register] >> 8 * span.byte & 0xFF
    if s.vendor == "amd":
        entry &= ~rules.AMD_FIXED_ROUTING
    return rules.type_of(entry)


def pair_matches(s: Registers, n: int, address: int) -> bool:
    base, mask = s.variable[n]
    compared = mask & rules.page_bits(s.maxphyaddr)
    return bool(mask & rules.MASK_VALID) and address & compared == base & compared


def matching_pairs(s: Registers, address: int) -> list[int]:
    return [n for n in range(len(s.variable)) if pair_matches(s, n, address)]


def combine(encodings: Sequence[int]) -> MemoryType:
    """What overlapping variable ranges of these raw types make together; at least one is given."""
    kinds = {rules.type_of(encoding) for encoding in encodings}
    if MemoryType.UC in kinds:
        return MemoryType.UC
    if kinds == {MemoryType.WT, MemoryType.WB}:
        return MemoryType.WT
    if len(kinds) == 1:
        return kinds.pop()
    return MemoryType.UNDEFINED


def tom2_limit(s: Registers) -> int:
    """Where AMD's write-back default above 4 GiB ends, or 0 where it is off (APM 2 7.9.4)."""
    forced = s.syscfg & rules.SYSCFG_TOM2_EN and s.syscfg & rules.SYSCFG_TOM2_FORCE_WB
    if s.vendor != "amd" or not forced:
        return 0
    return s.tom2 & rules.TOM2_FIELD & ~rules.high_bits(s.maxphyaddr)


def default_type(s: Registers, address: int) -> MemoryType:
    if rules.GIB4 <= address < tom2_limit(s):
        return MemoryType.WB
    return rules.type_of(s.def_type & rules.DEF_TYPE_TYPE)


# --- MTRRs: the whole address space ------------------------------------------------------------------------------


def resolve(s: Registers) -> list[tuple[int, MemoryType]]:
    """Segments as (base, type), neighbours of different type; each ends where the next begins."""
    segments: list[tuple[int, MemoryType]] = []
    for cut in sorted(_cuts(s)):
        kind = at(s, cut)
        if not segments or segments[-1][1] != kind:
            segments.append((cut, kind))
            if len(segments) > rules.MAP_SEGMENT_LIMIT:
                raise shattered()
    return segments


def shattered() -> ShatteredMapError:
    return ShatteredMapError(
        f"holey masks shatter the map into more than {rules.MAP_SEGMENT_LIMIT} segments; ask for addresses instead"
    )


def _cuts(s: Registers) -> set[int]:
    """Every address at which the answer may change."""
    end = 1 << s.maxphyaddr
    cuts = {0}
    if not s.def_type & rules.DEF_TYPE_E:
        return cuts
    if block_count(s) > rules.MAP_BLOCK_LIMIT:
        raise shattered()
    for base, mask in _valid_pairs(s):
        for start, size in blocks(base, mask, s.maxphyaddr):
            cuts |= {start, start + size}
    cuts |= {rules.GIB4, tom2_limit(s)}
    if fixed_decides(s, 0):
        cuts |= {span.base for span in rules.FIXED_RANGES} | {rules.FIXED_END}
    return {cut for cut in cuts if cut < end}


def _holes(mask: int, maxphyaddr: int) -> list[int]:
    """Clear bits of a mask above its lowest set bit: each doubles the number of matching blocks."""
    field = mask & rules.page_bits(maxphyaddr)
    if not field:
        return []
    above = (field & -field).bit_length()
    return [bit for bit in range(above, maxphyaddr) if not field >> bit & 1]


def _valid_pairs(s: Registers) -> list[tuple[int, int]]:
    return [(base, mask) for base, mask in s.variable if mask & rules.MASK_VALID]


def block_count(s: Registers) -> int:
    return sum(1 << len(_holes(mask, s.maxphyaddr)) for _, mask in _valid_pairs(s))


def blocks(base: int, mask: int, maxphyaddr: int) -> Iterator[tuple[int, int]]:
    """The aligned blocks (start, size) that a pair denotes, by rising address: one unless its mask has holes."""
    field = mask & rules.page_bits(maxphyaddr)
    size = field & -field if field else 1 << maxphyaddr
    holes = _holes(mask, maxphyaddr)
    for choice in range(1 << len(holes)):
        start = base & field
        for place, bit in enumerate(holes):
            start |= (choice >> place & 1) << bit
        yield start, size


# --- page-table entries and PAT (SDM 3A 4.9.2 and 12.12, APM 2 7.8.2) --------------------------------------------


def pat_index(pte: int, level: int) -> int:
    """Which of the eight PAT entries a leaf of `level` (1, 2 or 3) chooses."""
    pat_bit = rules.PTE_PAT_4K if level == 1 else rules.PTE_PAT_LARGE
    return (4 if pte & pat_bit else 0) + walk_index(pte)


def walk_index(entry: int) -> int:
    """The PAT entry for an access to the paging structure that `entry` points to: no PAT bit there."""
    return (2 if entry & rules.PTE_PCD else 0) + (1 if entry & rules.PTE_PWT else 0)


def pat_entry(pat: int, index: int) -> MemoryType:
    """The type in entry `index`; a reserved byte is UNDEFINED."""
    entry = pat >> 8 * index & 0xFF
    return MemoryType(entry) if entry in rules.PAT_TYPES else MemoryType.UNDEFINED


def pat_valid(pat: int) -> bool:
    return _entry_fault(pat, rules.PAT_TYPES, 0) is None


# --- effective types: what is known and what is not --------------------------------------------------------------


def _settle(mtrr: int, known: Callable[[MemoryType], MemoryType]) -> MemoryType:
    """`known` of an MTRR type; where that type is not known, only what all five agree on."""
    if mtrr in rules.MTRR_TYPES:
        return known(MemoryType(mtrr))
    if mtrr not in (MemoryType.UNDEFINED, MemoryType.MIXED, MemoryType.NOT_TOLD):
        return MemoryType.UNDEFINED  # a reserved encoding
    return _common((known(MemoryType(kind)) for kind in rules.MTRR_TYPES), MemoryType(mtrr))


def _told(kind: int, legal: frozenset[int], known: Callable[[int], MemoryType]) -> MemoryType:
    """`known` of a type that may not be told: then every legal one fits, and only what all give is an answer.

    ``effective("intel", True, NOT_TOLD, NOT_TOLD)`` is UC: with CR0.CD no type makes a difference.
    """
    if kind != MemoryType.NOT_TOLD:
        return known(kind)
    return _common(map(known, legal), MemoryType.NOT_TOLD)


def _common(answers: Iterable[MemoryType], otherwise: MemoryType) -> MemoryType:
    found = set(answers)
    return found.pop() if len(found) == 1 else otherwise


# --- effective types without nested paging (SDM 3A 12.5.2, APM 2 7.8.3) ------------------------------------------


def effective(vendor: str, cr0_cd: bool, mtrr: int, pat: int) -> MemoryType:
    """The type of an access from the MTRR type of its address and the PAT type of its page."""
    return _told(pat, rules.PAT_TYPES, lambda chosen: _effective(vendor, cr0_cd, mtrr, chosen))


def _effective(vendor: str, cr0_cd: bool, mtrr: int, pat: int) -> MemoryType:
    if pat not in rules.PAT_TYPES:
        return MemoryType.UNDEFINED
    if vendor == "amd":
        return _settle(mtrr, lambda kind: _amd_uncached(cr0_cd, _amd(kind, MemoryType(pat))))
    return _settle(mtrr, lambda kind: MemoryType.UC if cr0_cd else _intel(kind, MemoryType(pat)))


def _intel(mtrr: MemoryType, pat: MemoryType) -> MemoryType:
    """SDM 3A table 12-7, read column by column."""
    if pat is MemoryType.WC:
        return pat  # the page tables have the last word, over any MTRR
    if pat is MemoryType.WB:
        return mtrr
    if pat is MemoryType.UC_MINUS:  # overridden by WC; WP, formerly undefined, goes with it
        return MemoryType.WC if mtrr in (MemoryType.WC, MemoryType.WP) else MemoryType.UC
    # UC, WT or WP: as the page says where the MTRR allows caching, else UC
    return pat if mtrr in rules.CACHEABLE else MemoryType.UC


def _amd(mtrr: MemoryType, pat: MemoryType) -> MemoryType:
    """APM 2 table 7-11, read column by column: what conflicts is uncached with the caches probed."""
    if pat is MemoryType.WC:
        return MemoryType.WC
    if mtrr is MemoryType.UC:
        return MemoryType.UC
    if pat is MemoryType.WB or pat is mtrr:
        return mtrr
    if pat is MemoryType.UC_MINUS and mtrr is MemoryType.WC:
        return MemoryType.WC
    if mtrr is MemoryType.WB and pat in (MemoryType.WT, MemoryType.WP):
        return pat
    return MemoryType.CD


def _amd_uncached(cr0_cd: bool, kind: MemoryType) -> MemoryType:
    """APM 2 7.6.2: with CR0.CD = 1 the cacheable types are CD."""
    return MemoryType.CD if cr0_cd and kind in rules.CACHEABLE else kind


def effective_pcd_pwt(vendor: str, mtrr: int, pcd: bool, pwt: bool) -> MemoryType:
    """Processors without PAT (SDM 3A table 12-6), or AMD's unmodified PAT (APM 2 table 7-8)."""
    return _settle(mtrr, lambda kind: _pcd_pwt(vendor, kind, pcd, pwt))


def _pcd_pwt(vendor: str, mtrr: MemoryType, pcd: bool, pwt: bool) -> MemoryType:
    if pcd:
        # PCD alone disables caching; WC memory has none to disable, and Intel's WP yields to it in the same way
        spared = (MemoryType.WC,) if vendor == "amd" else (MemoryType.WC, MemoryType.WP)
        return MemoryType.WC if not pwt and mtrr in spared else MemoryType.UC
    return MemoryType.WT if pwt and mtrr is MemoryType.WB else mtrr


# --- EPT (SDM 3C 29.3.7.2) ---------------------------------------------------------------------------------------


def effective_ept(kind: int, ipat: bool, pat: int, cr0_cd: bool) -> MemoryType:
    """The type of a guest access from the leaf's type and IPAT and the guest's PAT type. A misconfigured leaf
    lets no access through: UNDEFINED."""
    if kind not in rules.EPT_TYPES and kind not in (MemoryType.MIXED, MemoryType.NOT_TOLD):
        return MemoryType.UNDEFINED
    if cr0_cd:
        return MemoryType.UC
    if ipat:
        return MemoryType(kind)
    return effective("intel", False, kind, pat)


def ept_type(epte: int) -> MemoryType:
    """Bits 5:3 of an EPT leaf; a misconfigured one is UNDEFINED."""
    encoding = (epte & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT
    return MemoryType(encoding) if encoding in rules.EPT_TYPES else MemoryType.UNDEFINED


def xen_ept_type(guest: int, host: int) -> MemoryType:
    """What Xen makes of guest and host MTRR types: equal ones stay, UC wins, WB yields, WT with WP is WP, the rest
    (WC with WT or WP) is UC."""
    return _told(guest, rules.MTRR_TYPES, lambda g: _told(host, rules.MTRR_TYPES, lambda h: _xen_ept_type(g, h)))


def _xen_ept_type(guest: int, host: int) -> MemoryType:
    left = {MemoryType(guest), MemoryType(host)} - {MemoryType.WB}
    if len(left) < 2:
        return left.pop() if left else MemoryType.WB
    return MemoryType.WP if left == {MemoryType.WT, MemoryType.WP} else MemoryType.UC


# --- nested paging (APM 2 15.25.8, 15.36.14) ---------------------------------------------------------------------


def npt_combined(guest: int, host: int) -> MemoryType:
    """Step 1: the guest's PAT type with the host's (APM 2 table 15-19), read row by row."""
    if guest not in rules.PAT_TYPES or host not in rules.PAT_TYPES:
        return MemoryType.UNDEFINED
    if guest == MemoryType.WC:
        # the host may hold cached lines of the page: then the writes must probe
        return MemoryType.WC_PLUS if host in rules.CACHEABLE else MemoryType.WC
    if guest == MemoryType.UC_MINUS:
        return MemoryType(host) if host in (MemoryType.UC_MINUS, MemoryType.WC) else MemoryType.UC
    if guest == MemoryType.WB:
        return MemoryType.UC if host == MemoryType.UC_MINUS else MemoryType(host)
    if guest in rules.CACHEABLE and host in (guest, MemoryType.WB):
        return MemoryType(guest)
    return MemoryType.UC


def effective_npt(guest: int, host: int, mtrr: int, snp: bool, cr0_cd: bool) -> MemoryType:
    """Step 2: the combined type with the MTRR type of the system physical address (table 15-20), then CR0.CD of
    guest or host, then what SNP forces."""

    def told(guest: int, host: int) -> MemoryType:
        return _effective_npt(guest, host, mtrr, snp, cr0_cd)

    return _told(guest, rules.PAT_TYPES, lambda g: _told(host, rules.PAT_TYPES, lambda h: told(g, h)))


def _effective_npt(guest: int, host: int, mtrr: int, snp: bool, cr0_cd: bool) -> MemoryType:
    combined = npt_combined(guest, host)
    if combined is MemoryType.UNDEFINED:
        return MemoryType.UNDEFINED

    def known(kind: MemoryType) -> MemoryType:
        if combined is MemoryType.WC_PLUS:  # as WC, but for what the MTRR lets caches hold
            met = MemoryType.WC_PLUS if kind in rules.CACHEABLE else MemoryType.WC
        else:
            met = _amd(kind, combined)  # the table without the WC+ row is table 7-11, rows for columns
        met = _amd_uncached(cr0_cd, met)
        return rules.SNP_RESULT.get(met, met) if snp else met

    return _settle(mtrr, known)
