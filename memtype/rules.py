"""Every number and every table, each with its source: the only place where numbers live.

A rule is cited by its identifier (``memtype at --why`` prints them). SDM is the Intel Software Developer's
Manual volume 3A, APM the AMD64 Architecture Programmer's Manual volume 2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from memtype.types import MemoryType


def _bits(high: int, low: int) -> int:
    """Bits high:low, as the manuals write them: ``_bits(7, 4) == 0xF0``."""
    return (2 << high) - (1 << low)


# --- register numbers (SDM table 2-2; APM appendix A) ---------------------------------------------------------

MTRRCAP: Final = 0x0FE
PHYSBASE0: Final = 0x200  # base of pair n at 0x200 + 2n, its mask at 0x201 + 2n
PHYSMASK0: Final = 0x201
FIXED_MSRS: Final = (0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F)
PAT_MSR: Final = 0x277
DEF_TYPE_MSR: Final = 0x2FF
TME_ACTIVATE: Final = 0x982
SYSCFG_MSR: Final = 0xC001_0010
TOP_MEM_MSR: Final = 0xC001_001A
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
USUAL_PAIRS: Final = frozenset({8, 10})  # what processors have: AMD, VIA, Intel up to 2008 and guests 8, Intel since 10
MAP_SEGMENT_LIMIT: Final = 65_536  # a map with more segments is refused
DIAGRAM_NODE_LIMIT: Final = 1 << 18  # cases that masks with holes may make before only single pages are answered
MAP_BLOCK_LIMIT: Final = 1 << 20  # ... and one whose masks denote more blocks than this is not even tried

# --- MTRRCAP (SDM 12.11.1) -----------------------------------------------------------------------------------

MTRRCAP_VCNT: Final = 0xFF
MTRRCAP_FIX: Final = 1 << 8
MTRRCAP_WC: Final = 1 << 10

# --- IA32_MTRR_DEF_TYPE (SDM 12.11.2.1) ----------------------------------------------------------------------

DEF_TYPE_TYPE: Final = 0xFF
DEF_TYPE_FE: Final = 1 << 10
DEF_TYPE_E: Final = 1 << 11
TYPE_WHILE_OFF: Final = MemoryType.UC  # of every address while E = 0
DEF_TYPE_WRITABLE: Final = DEF_TYPE_E | DEF_TYPE_FE | DEF_TYPE_TYPE  # 0xCFF

# --- variable pairs (SDM 12.11.2.3) --------------------------------------------------------------------------

BASE_TYPE: Final = 0xFF
BASE_RESERVED: Final = 0xF00  # bits 11:8; bits 63:MAXPHYADDR are reserved too
MASK_VALID: Final = 1 << 11
MASK_RESERVED: Final = 0x7FF  # bits 10:0; bits 63:MAXPHYADDR are reserved too

# --- what KVM gives every guest (arch/x86/kvm) -----------------------------------------------------------------

KVM_MTRRCAP: Final = 0x508  # VCNT 8, FIX, WC; KVM_NR_VAR_MTRR is 8 in every release read (10 was merged and reverted)
KVM_PAIRS: Final = 8
KVM_GFN_END: Final = (1 << 52) - 1  # the end of "everything" as an MTRR write passes it: ~0 >> 12
KVM_GFN_END_CD: Final = (1 << 64) - 1  # ... and as a CR0.CD toggle passes it: ~0, where gfns were meant
KVM_MSR_2F8: Final = 0x2F8  # an MTRR of its own making, up to 4.6.0: pair 124 of 8

# --- types that a field may hold (SDM table 12-2, 12.12.2) ---------------------------------------------------

MTRR_TYPES: Final = frozenset({0, 1, 4, 5, 6})
PAT_TYPES: Final = frozenset({0, 1, 4, 5, 6, 7})

# --- IA32_TME_ACTIVATE (SDM 4, table 2-2): KeyIDs take the highest address bits ---------------------------------

TME_ENABLE: Final = 1 << 1
TME_KEYID_SHIFT: Final = 32
TME_KEYID_BITS: Final = 0xF << TME_KEYID_SHIFT  # 35:32: how many bits of an address are a KeyID

# --- AMD (APM 7.9.1, 7.9.4; SYSCFG) --------------------------------------------------------------------------

AMD_RDMEM: Final = 1 << 4  # fixed-range byte: reads go to DRAM
AMD_WRMEM: Final = 1 << 3  # fixed-range byte: writes go to DRAM
AMD_FIXED_ROUTING: Final = AMD_RDMEM | AMD_WRMEM
SYSCFG_FIX_DRAM_MOD_EN: Final = 1 << 19  # RdMem and WrMem are visible and writable
SYSCFG_TOM2_EN: Final = 1 << 21  # TOP_MEM2 is enabled
SYSCFG_TOM2_FORCE_WB: Final = 1 << 22  # default type of [4 GiB, TOP_MEM2) is WB
SYSCFG_SMEE: Final = (
    1 << 23
)  # MemEncryptionModEn: memory encryption is on: CPUID 8000001F EBX[11:6] address bits fewer (APM 7.10.5)
TOM2_FIELD: Final = _bits(51, 23)  # in units of 8 MiB
LINUX_TOM2_FIELD: Final = _bits(47, 23)  # what Linux keeps (mtrr/generic.c)

# --- registers that take ranges over, or say what does not show in a type (SDM 2, 31.4.2.1; APM 10.2.6, 7.9.2) ---
#
# Ranges match as the MTRRs' do: (address & mask) == (base & mask), over the fields below; bits above them compare to 0.

SMRR_MSRS: Final = (0x1F2, 0x1F3)  # IA32_SMRR_PHYSBASE, _PHYSMASK: base 31:12 and type 7:0; mask 31:12, V bit 11
CORE2_SMRR_MSRS: Final = (0x0A0, 0x0A1)  # Core 2: the same without a type
SMRR_FIELD: Final = 0xFFFF_F000
PRMRR_MSRS: Final = (0x1F4, 0x1F5)  # base 51:12 and type 2:0; mask 51:12, V bit 11
MKTME_PARTITION_MSR: Final = 0x087  # 31:0 KeyIDs of MKTME, 63:32 private KeyIDs of TDX
TME_TDX_SHIFT: Final = 36  # bits 39:36 of IA32_TME_ACTIVATE: how many of the KeyID bits TDX keeps
AMD_SMM_MSRS: Final = (0xC001_0112, 0xC001_0113)  # SMM_ADDR: TSEG base 51:17; SMM_MASK: mask 51:17 and the bits below
AMD_TSEG_FIELD: Final = _bits(51, 17)
AMD_ASEG: Final = (0xA_0000, 0x2_0000)  # (base, size)
AMD_SMM_A_VALID: Final = 1
AMD_SMM_T_VALID: Final = 1 << 1
AMD_SMM_A_CLOSE: Final = 1 << 2  # in SMM, data accesses go to MMIO
AMD_SMM_T_CLOSE: Final = 1 << 3
AMD_SMM_A_IO_WC: Final = 1 << 4  # outside SMM: 0 UC, 1 WC
AMD_SMM_T_IO_WC: Final = 1 << 5
AMD_SMM_A_TYPE_SHIFT: Final = 8  # bits 10:8: the type in SMM
AMD_SMM_T_TYPE_SHIFT: Final = 12  # bits 14:12
IORR_MSRS: Final = ((0xC001_0016, 0xC001_0017), (0xC001_0018, 0xC001_0019))  # RdMem bit 4, WrMem bit 3; V bit 11
IORR_FIELD: Final = _bits(51, 12)
MMIO_CONFIG_MSR: Final = 0xC001_0058  # bit 0 enable, 5:2 log2 of the number of buses, 51:20 base; 1 MiB a bus
SYSTEM_MSRS: Final = frozenset({
    *SMRR_MSRS, *CORE2_SMRR_MSRS, *PRMRR_MSRS, MKTME_PARTITION_MSR, TME_ACTIVATE, *AMD_SMM_MSRS,
    *IORR_MSRS[0], *IORR_MSRS[1], MMIO_CONFIG_MSR,
})  # fmt: skip
# RdMem, WrMem and the types that a fixed-range byte may hold with them (APM 2 7.9.1); WB with neither is reserved.
AMD_FIXED_TYPES: Final = {
    (0, 0): frozenset({0, 1, 4, 5}), (0, 1): frozenset({0, 1}), (1, 0): frozenset({0, 5}),
    (1, 1): frozenset({0, 1, 4, 6}),
}  # fmt: skip

# --- PAT (SDM 12.12.4, APM 7.8.2) ----------------------------------------------------------------------------

PAT_RESET: Final = 0x0007_0406_0007_0406
PAT_LAYOUTS: Final = {
    "reset": PAT_RESET,
    "linux": 0x0407_0506_0007_0106,
    "windows": 0x0007_0106_0007_0106,  # also Linux before 4.2 and on processors with the PAT erratum
    "xen": 0x0000_0501_0007_0406,
}
PAT_ALIASES: Final = {"default": "reset", "linux-full": "linux", "linux-errata": "windows"}

# --- page-table entries (SDM 4.9.2, APM 7.8.2) ---------------------------------------------------------------

PTE_PWT: Final = 1 << 3
PTE_PCD: Final = 1 << 4
PTE_PAT_4K: Final = 1 << 7  # in an entry that maps 4 KiB; in others bit 7 is PS
PTE_PAT_LARGE: Final = 1 << 12  # in an entry that maps 2 MiB, 4 MiB or 1 GiB
PTE_PS: Final = 1 << 7
LEAF_SHIFTS: Final = {1: 12, 2: 21, 3: 30}  # level of a leaf: bits of the address inside it
LEAF_NAMES: Final = {1: "4 KiB", 2: "2 MiB", 3: "1 GiB"}

# --- EPT (SDM 29.3.2 to 29.3.7; appendix A.10) ---------------------------------------------------------------

EPT_TYPE_SHIFT: Final = 3  # bits 5:3 of a leaf
EPT_TYPE_FIELD: Final = 7 << EPT_TYPE_SHIFT
EPT_IPAT: Final = 1 << 6  # ignore PAT
EPT_TYPES: Final = frozenset({0, 1, 4, 5, 6})  # 2, 3 and 7: EPT misconfiguration
EPTP_TYPE: Final = 7  # bits 2:0 of the EPT pointer
EPTP_TYPE_CAPS: Final = {0: 1 << 8, 6: 1 << 14}  # legal types, and their bit in IA32_VMX_EPT_VPID_CAP


# --- Linux' PAT layer (mm/pat/memtype.c, asm/pgtable_types.h) -------------------------------------------------

# enum page_cache_mode, as its messages print it.
PAGE_CACHE_MODES: Final = {
    0: MemoryType.WB, 1: MemoryType.WC, 2: MemoryType.UC_MINUS, 3: MemoryType.UC, 4: MemoryType.WT, 5: MemoryType.WP,
}  # fmt: skip
# Up to 3.18 ioremap printed _PAGE_CACHE_*: PWT and PCD of the entry under Linux' PAT of four types (0 is WB, too).
IOREMAP_PROTECTION: Final = {
    PTE_PWT: MemoryType.WC, PTE_PCD: MemoryType.UC_MINUS, PTE_PCD | PTE_PWT: MemoryType.UC,
}  # fmt: skip
# is_new_memtype_allowed: (requested, tracked) that a mapping may not silently become.
LINUX_REFUSED: Final = frozenset({
    (MemoryType.UC_MINUS, MemoryType.WB), (MemoryType.WC, MemoryType.WB), (MemoryType.WT, MemoryType.WB),
    (MemoryType.WT, MemoryType.WC),
})  # fmt: skip
LINUX_RAM_TYPES: Final = frozenset({MemoryType.WB, MemoryType.WC, MemoryType.WT, MemoryType.UC_MINUS})  # page flags
ISA_RANGE: Final = (0xA_0000, 0x10_0000)  # [first, behind): is_ISA_range, never tracked


# --- firmware RAM maps: how Linux words what is RAM (the second from 7.0 on) -----------------------------------

E820_RAM: Final = ("usable", "system ram")


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
FIXED_NAMES: Final = tuple(  # "FIX64K_00000" to "FIX4K_F8000"
    f"FIX{span.size >> 10}K_{span.base:05X}" for span in FIXED_RANGES if span.byte == 0
)


def msr_name(index: int) -> str:
    """The manual's name of a register: ``msr_name(0x200) == 'IA32_MTRR_PHYSBASE0'``."""
    if index in FIXED_MSRS:
        return "IA32_MTRR_" + FIXED_NAMES[FIXED_MSRS.index(index)]
    if index in range(PHYSBASE0, PHYSBASE0 + 2 * NUMBERED_PAIRS):
        pair, mask = divmod(index - PHYSBASE0, 2)
        return f"IA32_MTRR_PHYS{'MASK' if mask else 'BASE'}{pair}"
    return _NAMES.get(index, f"MSR 0x{index:x}")


def saved_msrs(pairs: int, vendor: str = "intel") -> tuple[int, ...]:
    """The writable registers that define memory types, in an order fit to restore them: what enables comes last.

    >>> [hex(index) for index in saved_msrs(1)[-4:]]
    ['0x277', '0x200', '0x201', '0x2ff']
    """
    variable = range(PHYSBASE0, PHYSBASE0 + 2 * pairs)
    amd = (TOP_MEM2_MSR, SYSCFG_MSR) if vendor == "amd" else ()
    return (*FIXED_MSRS, PAT_MSR, *variable, *amd, DEF_TYPE_MSR)


# What SeaBIOS leaves to a guest: on, default WB; below 1 MiB RAM WB, the VGA window UC, ROM WP.
VM_START: Final[dict[int, int]] = {
    DEF_TYPE_MSR: DEF_TYPE_E | DEF_TYPE_FE | MemoryType.WB,
    PAT_MSR: PAT_RESET,
    **dict(zip(FIXED_MSRS, (*[0x0606_0606_0606_0606] * 2, 0, *[0x0505_0505_0505_0505] * 8))),
}


_NAMES: Final = {
    MTRRCAP: "IA32_MTRRCAP",
    PAT_MSR: "IA32_PAT",
    DEF_TYPE_MSR: "IA32_MTRR_DEF_TYPE",
    TME_ACTIVATE: "IA32_TME_ACTIVATE",
    SYSCFG_MSR: "SYSCFG",
    TOP_MEM_MSR: "TOP_MEM",
    TOP_MEM2_MSR: "TOP_MEM2",
    SMRR_MSRS[0]: "IA32_SMRR_PHYSBASE",
    SMRR_MSRS[1]: "IA32_SMRR_PHYSMASK",
    CORE2_SMRR_MSRS[0]: "MSR_SMRR_PHYSBASE",
    CORE2_SMRR_MSRS[1]: "MSR_SMRR_PHYSMASK",
    PRMRR_MSRS[0]: "MSR_PRMRR_PHYSBASE",
    PRMRR_MSRS[1]: "MSR_PRMRR_PHYSMASK",
    MKTME_PARTITION_MSR: "IA32_MKTME_KEYID_PARTITIONING",
    AMD_SMM_MSRS[0]: "SMM_ADDR",
    AMD_SMM_MSRS[1]: "SMM_MASK",
    IORR_MSRS[0][0]: "IORR_BASE0",
    IORR_MSRS[0][1]: "IORR_MASK0",
    IORR_MSRS[1][0]: "IORR_BASE1",
    IORR_MSRS[1][1]: "IORR_MASK1",
    MMIO_CONFIG_MSR: "MMIO_CFG_BASE",
}


# --- effective types: tables ---------------------------------------------------------------------------------

Grid = dict[MemoryType, dict[MemoryType, MemoryType]]


def _grid(text: str) -> Grid:
    """A table as the manuals print it: row heads at the left, column heads on top."""
    (_, *heads), *rows = (line.split() for line in text.strip().splitlines())
    columns = [MemoryType.parse(head) for head in heads]
    return {
        MemoryType.parse(head): dict(zip(columns, map(MemoryType.parse, cells), strict=True)) for head, *cells in rows
    }


# SDM 3A table 12-7, processors with PAT. Also with the EPT type for the MTRR type (SDM 29.3.7.2).
INTEL_MTRR_PAT: Final = _grid("""
    MTRR  UC  UC-  WC  WT  WB  WP
    UC    UC  UC   WC  UC  UC  UC
    WC    UC  WC   WC  UC  WC  UC
    WT    UC  UC   WC  WT  WT  WP
    WB    UC  UC   WC  WT  WB  WP
    WP    UC  WC   WC  WT  WP  WP
""")

# APM 2 table 7-11.
AMD_MTRR_PAT: Final = _grid("""
    MTRR  UC  UC-  WC  WT  WB  WP
    UC    UC  UC   WC  UC  UC  UC
    WC    CD  WC   WC  CD  WC  CD
    WT    CD  CD   WC  WT  WT  CD
    WB    CD  CD   WC  WT  WB  WP
    WP    CD  CD   WC  CD  WP  WP
""")

MTRR_PAT: Final = {"intel": INTEL_MTRR_PAT, "amd": AMD_MTRR_PAT}

# Processors without PAT (SDM 3A table 12-6) and AMD's unmodified PAT (APM 2 table 7-8): columns are PCD, PWT.
# WC and WP under opposite bits are model-specific on Intel. APM table 7-11 contradicts 7-8 and is the norm.
PCD_PWT_COLUMNS: Final = ((0, 0), (0, 1), (1, 0), (1, 1))
PCD_PWT: Final = {
    "intel": {
        MemoryType.UC: (MemoryType.UC, MemoryType.UC, MemoryType.UC, MemoryType.UC),
        MemoryType.WC: (MemoryType.WC, MemoryType.WC, MemoryType.WC, MemoryType.UC),
        MemoryType.WT: (MemoryType.WT, MemoryType.WT, MemoryType.UC, MemoryType.UC),
        MemoryType.WP: (MemoryType.WP, MemoryType.WP, MemoryType.WC, MemoryType.UC),
        MemoryType.WB: (MemoryType.WB, MemoryType.WT, MemoryType.UC, MemoryType.UC),
    },
    "amd": {
        MemoryType.UC: (MemoryType.UC, MemoryType.UC, MemoryType.UC, MemoryType.UC),
        MemoryType.WC: (MemoryType.WC, MemoryType.WC, MemoryType.WC, MemoryType.UC),
        MemoryType.WT: (MemoryType.WT, MemoryType.WT, MemoryType.UC, MemoryType.UC),
        MemoryType.WP: (MemoryType.WP, MemoryType.WP, MemoryType.UC, MemoryType.UC),
        MemoryType.WB: (MemoryType.WB, MemoryType.WT, MemoryType.UC, MemoryType.UC),
    },
}

# SDM 3A table 12-5: CR0.CD, CR0.NW.
CR0_CD_NW: Final = {
    (0, 0): "normal caching",
    (0, 1): "invalid: #GP on a write of CR0",
    (1, 0): "no-fill: hits use the cache, misses do not fill it; coherent",
    (1, 1): "P6, Pentium: no-fill, not coherent; Pentium 4 on: NW is ignored; Atom: caches off",
}

# APM 2 table 15-19, step 1 of nested paging: guest PAT type (rows) with host PAT type (columns).
# The cell (WB, UC-) is uncertain: copies of the table say UC or UC-. It matters only where the MTRR is WC.
NPT_GUEST_HOST: Final = _grid("""
    guest  UC  UC-  WC  WP   WT   WB
    UC     UC  UC   UC  UC   UC   UC
    UC-    UC  UC-  WC  UC   UC   UC
    WC     WC  WC   WC  WC+  WC+  WC+
    WP     UC  UC   UC  WP   UC   WP
    WT     UC  UC   UC  UC   WT   WT
    WB     UC  UC   WC  WP   WT   WB
""")

# APM 2 table 15-20, step 2: the combined type (rows) with the MTRR type of the system physical address.
NPT_COMBINED_MTRR: Final = _grid("""
    combined  UC  WC  WP   WT   WB
    UC        UC  CD  CD   CD   CD
    UC-       UC  WC  CD   CD   CD
    WC        WC  WC  WC   WC   WC
    WC+       WC  WC  WC+  WC+  WC+
    WP        UC  CD  WP   CD   WP
    WT        UC  CD  CD   WT   WT
    WB        UC  WC  WP   WT   WB
""")

# What Xen puts in an EPT leaf for RAM when neither a pinned range nor a device decides: the guest's MTRR type
# (rows) with the host's (columns). xen/arch/x86/mm/p2m-ept.c, a choice of that program, not of hardware.
XEN_GUEST_HOST: Final = _grid("""
    guest  UC  WC  WT  WP  WB
    UC     UC  UC  UC  UC  UC
    WC     UC  WC  UC  UC  WC
    WT     UC  UC  WT  WP  WT
    WP     UC  UC  WP  WP  WP
    WB     UC  WC  WT  WP  WB
""")

# APM 2 15.36.14: what SNP-active guests get in the end.
SNP_RESULT: Final = {MemoryType.UC: MemoryType.CD, MemoryType.WC: MemoryType.WC_PLUS}

CACHEABLE: Final = frozenset({MemoryType.WT, MemoryType.WP, MemoryType.WB})
# What may stand for an MTRR (or EPT) type, and for a PAT type. 2 and 3 (and UC- as an MTRR type) are reserved: they
# give UNDEFINED. NOT_TOLD stands for every legal type. CD, WC+ and what lies above are no inputs. MIXED is no PAT type.
MTRR_INPUTS: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12})
PAT_INPUTS: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 10, 12})
XEN_INPUTS: Final = MTRR_TYPES | {MemoryType.NOT_TOLD}


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
        # page tables and PAT
        Rule("pat-entry", "an entry of IA32_PAT is a byte: 0, 1, 4, 5, 6 or 7", "SDM 3A 12.12.2"),
        Rule("pat-index", "the PAT entry is 4 PAT + 2 PCD + PWT; PAT is bit 7 of a 4 KiB leaf, bit 12 of a larger one",
             "SDM 3A 4.9.2, APM 2 7.8.2"),
        Rule("pat-walk", "an access to a paging structure uses PAT entry 2 PCD + PWT of what points to it",
             "SDM 3A 4.9.2"),
        Rule("paging-off", "without paging the PAT type is WB: the MTRR (or EPT) type decides", "SDM 3C 29.3.7.2"),
        Rule("effective-intel", "Intel: MTRR type and PAT type combine by one table", "SDM 3A table 12-7"),
        Rule("effective-amd", "AMD: MTRR type and PAT type combine by one table; conflicts are CD",
             "APM 2 table 7-11"),
        Rule("effective-pcd-pwt", "processors without PAT: MTRR type, PCD and PWT combine by one table",
             "SDM 3A table 12-6, APM 2 table 7-8"),
        Rule("cr0-cd-intel", "Intel: with CR0.CD = 1 accesses are UC (no-fill mode)", "SDM 3A table 12-5"),
        Rule("cr0-cd-amd", "AMD: with CR0.CD = 1 cacheable types are CD", "APM 2 7.6.2"),
        # EPT
        Rule("ept-effective", "the EPT type stands for the MTRR type in table 12-7; MTRRs play no role",
             "SDM 3C 29.3.7.2"),
        Rule("ept-ipat", "IPAT = 1: the EPT type alone decides", "SDM 3C 29.3.7.2"),
        Rule("ept-cd", "CR0.CD = 1: UC, whatever the EPT leaf says", "SDM 3C 29.3.7.2"),
        Rule("ept-misconfig", "EPT types 2, 3 and 7 are a misconfiguration; so are bits 6:3 of a non-leaf entry",
             "SDM 3C 29.3.3.1"),
        Rule("ept-pointer", "bits 2:0 of EPTP are 0 (UC) or 6 (WB), if IA32_VMX_EPT_VPID_CAP allows it",
             "SDM 3C 25.6.11, 29.3.7.1"),
        Rule("ept-xen", "Xen: the EPT type of RAM is made of the guest's and the host's MTRR type",
             "xen/arch/x86/mm/p2m-ept.c"),
        # nested paging
        Rule("npt-combined", "guest PAT type and host PAT type combine first", "APM 2 table 15-19"),
        Rule("npt-effective", "the combined type then meets the MTRR type of the system physical address",
             "APM 2 table 15-20"),
        Rule("npt-snp", "SNP-active guests: UC becomes CD, WC becomes WC+", "APM 2 15.36.14"),
        # pages and aliases
        Rule("large-page-mixed", "a large page over several MTRR types is undefined: split it",
             "SDM 3A 12.11.9, APM 2 7.7.4"),
        Rule("alias-same", "two mappings of one page have the same type", "SDM 3A 12.12.4, APM 2 7.8.7"),
        Rule("alias-uncached", "UC and WC differ in ordering; Intel does not support the pair, AMD allows it",
             "SDM 3A 12.12.4, APM 2 7.8.7"),
        Rule("alias-cached", "two cacheable types; Intel does not support the pair, AMD allows it",
             "SDM 3A 12.12.4, APM 2 7.8.7"),
        Rule("alias-uc-cached", "UC with a cacheable type: forbidden by AMD, unsupported by Intel",
             "SDM 3A 12.12.4, APM 2 7.8.7"),
        Rule("alias-wc-cached", "WC with a cacheable type: WC writes may not check the caches",
             "SDM 3A 12.12.4, APM 2 7.8.7"),
        Rule("alias-coherent", "WC+ probes the caches: it may stand beside a cacheable type", "APM 2 15.25.8"),
        Rule("alias-unknown", "one of the types is not known: nothing can be promised", "SDM 3A 12.12.4"),
        Rule("alias-refused", "Linux refused the new mapping: no alias came to be, the caller got an error",
             "Linux mm/pat/memtype_interval.c memtype_check_conflict"),
        # What other registers take over.
        Rule("smrr", "SMRAM: inside SMM the SMRR's type decides; outside it is UC, writes are dropped, over any MTRR",
             "SDM 3C 31.4.2.1"),
        Rule("prmrr", "processor-reserved memory: outside enclaves reads give ones and writes are dropped",
             "SDM 3D 38.3, coreboot cpu/intel/smm"),
        Rule("amd-smram", "AMD: outside SMM TSEG and ASEG are MMIO, UC or WC; inside SMM_MASK gives the type",
             "APM 2 10.2.6, BKDG MSRC001_0113"),
        Rule("iorr", "IORRs route reads and writes to DRAM or to MMIO; the type stays the MTRRs'", "APM 2 7.9.2"),
        Rule("mmio-config", "PCI configuration space is device registers: the MTRRs should say UC",
             "BKDG MSRC001_0058"),
        Rule("tme", "TME changes no type; its KeyID bits are no address bits", "SDM 2 IA32_TME_ACTIVATE"),
        Rule("amd-encryption", "memory encryption changes no type; the C-bit is no address bit", "APM 2 7.10.5"),
        Rule("check-fixed-amd", "AMD reserves this combination of RdMem, WrMem and type", "APM 2 7.9.1"),
        # What Linux' PAT layer grants.
        Rule("linux-pat-off", "without PAT nothing is tracked: the request stands",
             "Linux mm/pat/memtype.c memtype_reserve"),
        Rule("linux-mixed", "a range of RAM and something else is refused: -EINVAL",
             "Linux mm/pat/memtype.c memtype_reserve"),
        Rule("linux-isa", "[0xa0000, 0x100000) is not tracked: WB, whatever is asked for",
             "Linux mm/pat/memtype.c memtype_reserve, asm/e820/api.h is_ISA_range"),
        Rule("linux-mtrr-hint", "WB is asked for where the MTRRs do not say WB: UC- is tracked",
             "Linux mm/pat/memtype.c pat_x_mtrr_type"),
        Rule("linux-free", "no entry overlaps: the request stands",
             "Linux mm/pat/memtype_interval.c memtype_check_conflict"),
        Rule("linux-first", "of the entries that overlap the first, by start address, decides",
             "Linux mm/pat/memtype_interval.c memtype_check_conflict"),
        Rule("linux-disagree", "an entry that overlaps differs from the first: -EBUSY",
             "Linux mm/pat/memtype_interval.c memtype_check_conflict"),
        Rule("linux-exact", "the caller takes no other type than its own: -EBUSY",
             "Linux mm/pat/memtype_interval.c memtype_check_conflict, set_memory_uc, set_memory_wc"),
        Rule("linux-not-allowed", "UC-, WC and WT do not become WB, WT does not become WC: the mapping is refused",
             "Linux asm/pgtable.h is_new_memtype_allowed"),
        Rule("linux-strict", "the caller asks for exactly its type (strict_prot): the mapping is refused",
             "Linux mm/pat/memtype.c reserve_pfn_range"),
        Rule("linux-ram", "RAM keeps the type that its pages have: the mapping gets that one, nothing is refused",
             "Linux mm/pat/memtype.c reserve_pfn_range"),
        Rule("linux-ram-pages", "RAM changes its type only from WB: -EBUSY where a page has another one",
             "Linux mm/pat/memtype.c reserve_ram_pages_type"),
        Rule("linux-ram-wp", "RAM cannot be WP: -EINVAL", "Linux mm/pat/memtype.c reserve_ram_pages_type"),
        Rule("linux-ram-uc", "RAM cannot be UC: UC- is tracked, with a warning",
             "Linux mm/pat/memtype.c reserve_ram_pages_type"),
        Rule("linux-ram-ioremap", "ioremap does not map RAM", "Linux mm/ioremap.c __ioremap_caller"),
        # What `check` looks for.
        Rule("check-off", "IA32_MTRR_DEF_TYPE.E = 0: every address is UC, RAM too", "SDM 3A 12.11.2.1"),
        Rule("check-ram", "RAM that is not WB is slow; Linux gives up such RAM when the default type is UC",
             "SDM 3A 12.3, Linux mtrr/cleanup.c mtrr_trim_uncached_memory"),
        Rule("check-mmio", "device registers in a cacheable type: reads may be stale, writes late or lost",
             "SDM 3A 12.3.1, 12.11"),
        Rule("check-cpus", "all processors must have the same memory types", "SDM 3A 12.11.8, APM 2 7.7.5"),
        Rule("check-undefined", "the type of an address is not defined", "SDM 3A 12.11.4.1, APM 2 7.7.4"),
        Rule("check-register", "a value that WRMSR refuses", "SDM 3A 12.11.2, 12.12.2"),
        Rule("check-shattered", "holey masks shatter the map", "SDM 3A 12.11.3"),
        Rule("check-snp", "SNP_INIT fails (INVALID_CONFIG) unless every processor holds the same MTRRs",
             "AMD 56860 SNP_INIT"),
        Rule("check-tdx", "TDX: private memory is WB whatever a guest's MTRRs say, E = 0 too; setting CR0.CD is #VE",
             "TDX module base specification, edk2 PR 5874, KVM >= 6.16 vmx/tdx.c"),
        # What single programs make of the same registers (memtype.views).
        Rule("range-linux", "a range is [base, base - (mask | bits 63:MAXPHYADDR)); the base is not masked",
             "Linux >= 6.5 mtrr/generic.c get_var_mtrr_state"),
        Rule("range-proc", "mask bits above its highest set bit count as set, then [base, base - mask)",
             "Linux mtrr/generic.c generic_get_mtrr"),
        Rule("range-edk2", "a range is [base, base + (~mask within MAXPHYADDR) + 1)",
             "edk2 MtrrLib MtrrLibGetRawVariableRanges"),
        Rule("range-kvm", "a range is [base, (base | ~mask) + 1); the base is not masked",
             "KVM 4.4 to 6.10 mtrr.c var_mtrr_range"),
        Rule("range-hvpp", "a range is [base, base + the mask's lowest set bit)", "hvpp mtrr_descriptor.h"),
        Rule("range-none", "variable ranges are not looked at",
             "ACRN vmtrr.c; KVM >= 6.11 mtrr.c; Linux >= 6.15 guest_force_mtrr_state"),
        Rule("overlap-linux", "ranges that disagree are UC, but WT with WB is WT",
             "Linux mtrr/generic.c; KVM 3.13 to 4.1 mmu.c"),
        Rule("overlap-kvm", "ranges are met by falling PHYSBASE: UC met second wins, WT with WB is WT, else WB at once",
             "KVM 4.4 to 6.10 mtrr.c kvm_mtrr_get_guest_memory_type"),
        Rule("overlap-xen", "UC wins, exactly {WT, WB} is WT, else the highest register that matches",
             "Xen hvm/mtrr.c mtrr_get_type"),
        Rule("overlap-bochs", "UC wins, exactly {WT, WB} is WT, any other overlap is ignored: WB",
             "Bochs cpu/paging.cc memtype_by_mtrr"),
        Rule("overlap-edk2", "register by register: UC wins, WT over WB is WT, else the later one (debug builds stop)",
             "edk2 MtrrLib MtrrLibPrecedence"),
        Rule("overlap-edk2-dump", "painted one over the other: all WB, then WC, WT and WP in index order, then UC",
             "edk2 MtrrLib MtrrLibApplyVariableMtrrs"),
        Rule("overlap-patina", "UC wins, WT over WB is WT, else the program panics: no answer",
             "patina-mtrr mtrr.rs, an unconditional assert"),
        Rule("overlap-bitvisor", "UC wins, then WT, else the lowest register that matches",
             "BitVisor core/cache.c get_mtrr_type"),
        Rule("overlap-min", "the smallest encoding wins", "jonomango/hv mtrr.cpp calc_mtrr_mem_type"),
        Rule("overlap-hvpp", "UC wins, any other hit is forgotten and the default type decides",
             "hvpp mtrr_descriptor.h"),
        Rule("overlap-none", "variable ranges are not looked at",
             "ACRN vmtrr.c; KVM >= 6.11 mtrr.c; Linux >= 6.15 guest_force_mtrr_state"),
        Rule("disabled-invalid", "E = 0: the lookup returns 0xff, which is no type",
             "Linux <= 6.4 mtrr/generic.c mtrr_type_lookup"),
        Rule("disabled-kvm", "E = FE = 0: WB; E = 0, FE = 1: fixed ranges, above them the default type",
             "KVM 3.13 to 4.1 mmu.c"),
        Rule("disabled-ignored", "E is not looked at",
             "hvpp mtrr_descriptor.h; KVM >= 6.11 mtrr.c; Linux >= 6.15 guest_force_mtrr_state"),
        Rule("disabled-acrn", "E = 0: the default type decides below 1 MiB (the manual says UC)", "ACRN vmtrr.c"),
        Rule("low-linux", "below 1 MiB the fixed ranges decide (FE = 1); all UC where MTRRCAP.FIX = 0",
             "Linux >= 6.5 mtrr/generic.c mtrr_build_map"),
        Rule("low-uc", "below 1 MiB everything is UC (FE = 1)", "jonomango/hv mtrr.cpp calc_mtrr_mem_type"),
        Rule("low-kvm", "below 1 MiB the fixed ranges decide, whatever FE says", "KVM 3.13 to 4.1 mmu.c"),
        Rule("low-acrn", "below 1 MiB: fixed ranges if E = FE = 1, else the default type; a reserved type is UC",
             "ACRN vmtrr.c update_ept_mem_type"),
        Rule("low-none", "the first MiB is nothing special",
             "KVM >= 6.11 mtrr.c; Linux >= 6.15 guest_force_mtrr_state"),
        Rule("default-wb", "MTRRs do not decide here: WB",
             "ACRN vmtrr.c; KVM >= 6.11 mtrr.c; Linux >= 6.15 guest_force_mtrr_state (guests of SNP and TDX)"),
        Rule("tom2-forced", "[4 GiB, TOP_MEM2) is WB and no variable range changes it", "Linux mtrr/generic.c"),
        Rule("tom2-none", "TOP_MEM2 is not looked at",
             "edk2 MtrrLib, Xen hvm/mtrr.c, Bochs, KVM, jonomango/hv, hvpp: no such code"),
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


# --- what a capture of a host reads beside the MTRRs (SDM table 2-2; APM 2 appendix A) ---------------------------

CAPTURED_MSRS: Final = {
    "intel": (*SMRR_MSRS, TME_ACTIVATE),
    "amd": (SYSCFG_MSR, *IORR_MSRS[0], *IORR_MSRS[1], TOP_MEM_MSR, TOP_MEM2_MSR),
}
CAPTURED_CPUID: Final = (0x0, 0x1, 0x7, 0x8000_0000, 0x8000_0008, 0x8000_001F)  # vendor, features, widths, encryption
