"""Every number and every table, each with its source: the only place where numbers live.

A rule is cited by its identifier (``memtype at --why`` prints them). SDM is the Intel Software Developer's
Manual volume 3A, APM the AMD64 Architecture Programmer's Manual volume 2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from memtype.types import MemoryType

# --- register numbers (SDM table 2-2; APM appendix A) ---------------------------------------------------------

MTRRCAP: Final = 0x0FE
PHYSBASE0: Final = 0x200  # base of pair n at 0x200 + 2n, its mask at 0x201 + 2n
PHYSMASK0: Final = 0x201
FIXED_MSRS: Final = (0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F)
PAT_MSR: Final = 0x277
DEF_TYPE_MSR: Final = 0x2FF
SYSCFG_MSR: Final = 0xC001_0010
TOP_MEM2_MSR: Final = 0xC001_001D

# --- sizes and widths ----------------------------------------------------------------------------------------

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
MIB: Final = 1 << 20
GIB4: Final = 1 << 32
FIXED_END: Final = MIB  # fixed ranges cover [0, 1 MiB) (SDM 12.11.2.2)
MIN_MAXPHYADDR: Final = 32
MAX_MAXPHYADDR: Final = 52
DEFAULT_MAXPHYADDR: Final = 46
CPUID_ABSENT_MAXPHYADDR: Final = 36  # width when CPUID leaf 80000008H is absent (SDM 4.1.4)
MAX_VARIABLE: Final = 255  # MTRRCAP.VCNT is eight bits (SDM 12.11.1)
NUMBERED_PAIRS: Final = 40  # pairs that have MSR numbers: 0x200 up to the first fixed-range register, 0x250
MAP_SEGMENT_LIMIT: Final = 65_536  # a map with more segments is refused
MAP_BLOCK_LIMIT: Final = 1 << 20  # ... and one whose masks denote more blocks than this is not even tried

# --- MTRRCAP (SDM 12.11.1) -----------------------------------------------------------------------------------

MTRRCAP_VCNT: Final = 0xFF
MTRRCAP_FIX: Final = 1 << 8
MTRRCAP_WC: Final = 1 << 10

# --- IA32_MTRR_DEF_TYPE (SDM 12.11.2.1) ----------------------------------------------------------------------

DEF_TYPE_TYPE: Final = 0xFF
DEF_TYPE_FE: Final = 1 << 10
DEF_TYPE_E: Final = 1 << 11
DEF_TYPE_WRITABLE: Final = DEF_TYPE_E | DEF_TYPE_FE | DEF_TYPE_TYPE  # 0xCFF

# --- variable pairs (SDM 12.11.2.3) --------------------------------------------------------------------------

BASE_TYPE: Final = 0xFF
BASE_RESERVED: Final = 0xF00  # bits 11:8; bits 63:MAXPHYADDR are reserved too
MASK_VALID: Final = 1 << 11
MASK_RESERVED: Final = 0x7FF  # bits 10:0; bits 63:MAXPHYADDR are reserved too

# --- types that a field may hold (SDM table 12-2, 12.12.2) ---------------------------------------------------

MTRR_TYPES: Final = frozenset({0, 1, 4, 5, 6})
PAT_TYPES: Final = frozenset({0, 1, 4, 5, 6, 7})

# --- AMD (APM 7.9.1, 7.9.4; SYSCFG) --------------------------------------------------------------------------

AMD_RDMEM: Final = 1 << 4  # fixed-range byte: reads go to DRAM
AMD_WRMEM: Final = 1 << 3  # fixed-range byte: writes go to DRAM
AMD_FIXED_ROUTING: Final = AMD_RDMEM | AMD_WRMEM
SYSCFG_FIX_DRAM_EN: Final = 1 << 18  # RdMem and WrMem are honoured
SYSCFG_FIX_DRAM_MOD_EN: Final = 1 << 19  # RdMem and WrMem are visible and writable
SYSCFG_VAR_DRAM_EN: Final = 1 << 20  # TOP_MEM is enabled
SYSCFG_TOM2_EN: Final = 1 << 21  # TOP_MEM2 is enabled
SYSCFG_TOM2_FORCE_WB: Final = 1 << 22  # default type of [4 GiB, TOP_MEM2) is WB
TOM2_FIELD: Final = ((1 << 52) - 1) & ~((1 << 23) - 1)  # bits 51:23, in units of 8 MiB

# --- PAT (SDM 12.12.4, APM 7.8.2) ----------------------------------------------------------------------------

PAT_RESET: Final = 0x0007_0406_0007_0406
PAT_LAYOUTS: Final = {
    "reset": PAT_RESET,
    "linux": 0x0407_0506_0007_0106,
    "windows": 0x0007_0106_0007_0106,  # also Linux before 4.2 and on processors with the PAT erratum
    "xen": 0x0000_0501_0007_0406,
}


class FixedRange(NamedTuple):
    """One of the 88 fixed sub-ranges: byte `byte` of register `FIXED_MSRS[register]`."""

    register: int
    byte: int
    base: int
    size: int


def _fixed_layout() -> tuple[FixedRange, ...]:
    # SDM table 12-9: byte 0 (bits 7:0) is the lowest address. 8 x 64K, 16 x 16K, 64 x 4K.
    spans = [(0, 0x00000, 0x10000), (1, 0x80000, 0x4000), (2, 0xA0000, 0x4000)]
    spans += [(3 + i, 0xC0000 + i * 0x8000, 0x1000) for i in range(8)]
    return tuple(FixedRange(reg, byte, start + byte * size, size) for reg, start, size in spans for byte in range(8))


FIXED_RANGES: Final = _fixed_layout()
FIXED_NAMES: Final = (
    "FIX64K_00000", "FIX16K_80000", "FIX16K_A0000", "FIX4K_C0000", "FIX4K_C8000", "FIX4K_D0000", "FIX4K_D8000",
    "FIX4K_E0000", "FIX4K_E8000", "FIX4K_F0000", "FIX4K_F8000",
)  # fmt: skip


def msr_name(index: int) -> str:
    """The manual's name of a register: ``msr_name(0x200) == 'IA32_MTRR_PHYSBASE0'``."""
    if index in FIXED_MSRS:
        return "IA32_MTRR_" + FIXED_NAMES[FIXED_MSRS.index(index)]
    if PHYSBASE0 <= index < PHYSBASE0 + 2 * NUMBERED_PAIRS:
        pair, mask = divmod(index - PHYSBASE0, 2)
        return f"IA32_MTRR_PHYS{'MASK' if mask else 'BASE'}{pair}"
    return _NAMES.get(index, f"MSR 0x{index:x}")


_NAMES: Final = {
    MTRRCAP: "IA32_MTRRCAP",
    PAT_MSR: "IA32_PAT",
    DEF_TYPE_MSR: "IA32_MTRR_DEF_TYPE",
    SYSCFG_MSR: "SYSCFG",
    TOP_MEM2_MSR: "TOP_MEM2",
}


class Rule(NamedTuple):
    """A rule as it is cited: identifier, what it says, where it stands."""

    id: str
    text: str
    source: str

    def __str__(self) -> str:
        return f"{self.text} [{self.id}: {self.source}]"


RULES: Final = {
    rule.id: rule
    for rule in (
        Rule("mtrr-disabled", "MTRRs are off (E = 0): every address is UC", "SDM 3A 12.11.2.1"),
        Rule("mtrr-fixed", "below 1 MiB the fixed ranges decide (E = FE = 1)", "SDM 3A 12.11.4.1"),
        Rule("mtrr-fixed-amd", "AMD: bits 4 (RdMem) and 3 (WrMem) of a fixed byte route, bits 2:0 are the type",
             "APM 2 7.9.1"),
        Rule("mtrr-variable", "a variable range matches where (address & mask) == (base & mask)",
             "SDM 3A 12.11.2.3"),
        Rule("mtrr-one", "the matching variable ranges agree", "SDM 3A 12.11.4.1"),
        Rule("mtrr-uc-wins", "of overlapping ranges UC wins", "SDM 3A 12.11.4.1"),
        Rule("mtrr-wt-wb", "WT over WB is WT", "SDM 3A 12.11.4.1"),
        Rule("mtrr-undefined", "any other overlap is undefined", "SDM 3A 12.11.4.1, APM 2 7.7.4"),
        Rule("mtrr-reserved", "a reserved encoding decides nothing", "SDM 3A table 12-2"),
        Rule("mtrr-default", "no range matches: the default type decides", "SDM 3A 12.11.2.1"),
        Rule("mtrr-tom2", "AMD: the default type of [4 GiB, TOP_MEM2) is WB (SYSCFG bits 21 and 22)",
             "APM 2 7.9.4"),
    )
}  # fmt: skip


def type_of(encoding: int) -> MemoryType:
    """The type that an MTRR's eight-bit field names; a reserved encoding is UNDEFINED."""
    return MemoryType(encoding) if encoding in MTRR_TYPES else MemoryType.UNDEFINED


def high_bits(maxphyaddr: int) -> int:
    """Bits 63:MAXPHYADDR: ``high_bits(36) == 0xFFFFFFF000000000``."""
    return (1 << 64) - (1 << maxphyaddr)


def page_bits(maxphyaddr: int) -> int:
    """Bits MAXPHYADDR-1:12: ``page_bits(36) == 0xFFFFFF000``."""
    return (1 << maxphyaddr) - PAGE_SIZE
