"""Double entry: every number of `memtype.rules` once more, as its source writes it - bits, register lists, table rows.

The reference and the C core read the rules themselves, so neither can tell that one is wrong.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from memtype import MemoryType, rules

# Bits and fields, as the manuals write them: "high:low", or one bit.
FIELDS = """
    MTRRCAP_VCNT 7:0            MTRRCAP_FIX 8               MTRRCAP_WC 10
    DEF_TYPE_TYPE 7:0           DEF_TYPE_FE 10              DEF_TYPE_E 11
    BASE_TYPE 7:0               BASE_RESERVED 11:8          MASK_RESERVED 10:0          MASK_VALID 11
    TME_ENABLE 1                TME_KEYID_BITS 35:32
    AMD_RDMEM 4                 AMD_WRMEM 3                 AMD_FIXED_ROUTING 4:3
    SYSCFG_FIX_DRAM_MOD_EN 19   SYSCFG_TOM2_EN 21           SYSCFG_TOM2_FORCE_WB 22     SYSCFG_SMEE 23
    TOM2_FIELD 51:23            LINUX_TOM2_FIELD 47:23
    SMRR_FIELD 31:12            AMD_TSEG_FIELD 51:17        IORR_FIELD 51:12
    AMD_SMM_A_VALID 0           AMD_SMM_T_VALID 1           AMD_SMM_A_CLOSE 2           AMD_SMM_T_CLOSE 3
    AMD_SMM_A_IO_WC 4           AMD_SMM_T_IO_WC 5
    PTE_PWT 3                   PTE_PCD 4                   PTE_PAT_4K 7                PTE_PAT_LARGE 12
    PTE_PS 7                    EPT_TYPE_FIELD 5:3          EPT_IPAT 6                  EPTP_TYPE 2:0
    KVM_GFN_END 51:0            KVM_GFN_END_CD 63:0
"""
SHIFTS = {"TME_KEYID_SHIFT": 32, "TME_TDX_SHIFT": 36, "AMD_SMM_A_TYPE_SHIFT": 8, "AMD_SMM_T_TYPE_SHIFT": 12,
          "EPT_TYPE_SHIFT": 3, "PAGE_SHIFT": 12}  # fmt: skip
REGISTERS = {
    0x0FE: "IA32_MTRRCAP", 0x200: "IA32_MTRR_PHYSBASE0", 0x201: "IA32_MTRR_PHYSMASK0", 0x277: "IA32_PAT",
    0x2FF: "IA32_MTRR_DEF_TYPE", 0x982: "IA32_TME_ACTIVATE", 0x087: "IA32_MKTME_KEYID_PARTITIONING",
    0x250: "IA32_MTRR_FIX64K_00000", 0x258: "IA32_MTRR_FIX16K_80000", 0x259: "IA32_MTRR_FIX16K_A0000",
    0x268: "IA32_MTRR_FIX4K_C0000", 0x269: "IA32_MTRR_FIX4K_C8000", 0x26A: "IA32_MTRR_FIX4K_D0000",
    0x26B: "IA32_MTRR_FIX4K_D8000", 0x26C: "IA32_MTRR_FIX4K_E0000", 0x26D: "IA32_MTRR_FIX4K_E8000",
    0x26E: "IA32_MTRR_FIX4K_F0000", 0x26F: "IA32_MTRR_FIX4K_F8000", 0x24E: "IA32_MTRR_PHYSBASE39",
    0x24F: "IA32_MTRR_PHYSMASK39", 0x1F2: "IA32_SMRR_PHYSBASE", 0x1F3: "IA32_SMRR_PHYSMASK",
    0x0A0: "MSR_SMRR_PHYSBASE", 0x0A1: "MSR_SMRR_PHYSMASK", 0x1F4: "MSR_PRMRR_PHYSBASE", 0x1F5: "MSR_PRMRR_PHYSMASK",
    0xC001_0010: "SYSCFG", 0xC001_0016: "IORR_BASE0", 0xC001_0017: "IORR_MASK0", 0xC001_0018: "IORR_BASE1",
    0xC001_0019: "IORR_MASK1", 0xC001_001A: "TOP_MEM", 0xC001_001D: "TOP_MEM2", 0xC001_0058: "MMIO_CFG_BASE",
    0xC001_0112: "SMM_ADDR", 0xC001_0113: "SMM_MASK",
}  # fmt: skip
NUMBERS = {
    "MTRRCAP": 0xFE, "PHYSBASE0": 0x200, "PHYSMASK0": 0x201, "PAT_MSR": 0x277, "DEF_TYPE_MSR": 0x2FF,
    "TME_ACTIVATE": 0x982, "SYSCFG_MSR": 0xC001_0010, "TOP_MEM_MSR": 0xC001_001A, "TOP_MEM2_MSR": 0xC001_001D,
    "MKTME_PARTITION_MSR": 0x87, "MMIO_CONFIG_MSR": 0xC001_0058, "KVM_MSR_2F8": 0x2F8,
    "PAGE_SIZE": 4096, "MIB": 1024 * 1024, "GIB4": 4 * 1024 * 1024 * 1024, "FIXED_END": 0xF_FFFF + 1,
    "MIN_MAXPHYADDR": 32, "MAX_MAXPHYADDR": 52, "DEFAULT_MAXPHYADDR": 46, "CPUID_ABSENT_MAXPHYADDR": 36,
    "MAX_VARIABLE": 2**8 - 1, "NUMBERED_PAIRS": (0x250 - 0x200) // 2, "MAP_SEGMENT_LIMIT": 2**16,
    "DIAGRAM_NODE_LIMIT": 2**18, "MAP_BLOCK_LIMIT": 2**20, "TYPE_WHILE_OFF": 0, "DEF_TYPE_WRITABLE": 0xCFF,
    "KVM_MTRRCAP": 8 | 1 << 8 | 1 << 10, "KVM_PAIRS": 8, "PAT_RESET": 0x0007_0406_0007_0406,
}  # fmt: skip


def field(said: str) -> int:
    high, _, low = said.partition(":")
    return sum(1 << bit for bit in range(int(low or high), int(high) + 1))


def stated() -> dict[str, int]:
    words = FIELDS.split()
    return {name: field(bits) for name, bits in zip(words[::2], words[1::2])} | SHIFTS | NUMBERS


def test_every_number_is_what_its_source_says() -> None:
    held = {name: value for name, value in vars(rules).items() if name.isupper() and isinstance(value, int)}
    assert {name: int(value) for name, value in held.items()} == stated()


def test_every_register_has_the_manuals_name_and_no_other_has_one() -> None:
    assert {index: rules.msr_name(index) for index in REGISTERS} == REGISTERS
    numbers = chain(range(0x3000), range(0xC001_0000, 0xC001_0200))
    named = {index for index in numbers if not rules.msr_name(index).startswith("MSR 0x")}
    assert named == {*REGISTERS, *range(0x200, 0x250)}
    assert (rules.msr_name(0x250 - 1), rules.msr_name(0x1FF)) == ("IA32_MTRR_PHYSMASK39", "MSR 0x1ff")
    assert [rules.msr_name(0x200 + n)[-5:] for n in (18, 19, 20, 21)] == ["BASE9", "MASK9", "ASE10", "ASK10"]


PAIRS = {
    "SMRR_MSRS": (0x1F2, 0x1F3), "CORE2_SMRR_MSRS": (0xA0, 0xA1), "PRMRR_MSRS": (0x1F4, 0x1F5),
    "AMD_SMM_MSRS": (0xC001_0112, 0xC001_0113),
    "IORR_MSRS": ((0xC001_0016, 0xC001_0017), (0xC001_0018, 0xC001_0019)),
    "AMD_ASEG": (0xA0000, 0xBFFFF + 1 - 0xA0000), "ISA_RANGE": (640 << 10, 1024 << 10),
    "FIXED_MSRS": (0x250, 0x258, 0x259, *range(0x268, 0x270)),
    "MTRR_TYPES": {0, 1, 4, 5, 6}, "EPT_TYPES": {0, 1, 4, 5, 6}, "PAT_TYPES": {0, 1, 4, 5, 6, 7},
    "MTRR_INPUTS": {*range(8), 10, 11, 12}, "PAT_INPUTS": {*range(8), 10, 12}, "XEN_INPUTS": {0, 1, 4, 5, 6, 12},
    "CACHEABLE": {4, 5, 6}, "USUAL_PAIRS": {8, 10}, "LINUX_RAM_TYPES": {6, 1, 4, 7},
    "SYSTEM_MSRS": {0x1F2, 0x1F3, 0xA0, 0xA1, 0x1F4, 0x1F5, 0x87, 0x982, 0xC001_0112, 0xC001_0113, 0xC001_0058,
                    *range(0xC001_0016, 0xC001_001A)},
    "LINUX_REFUSED": {(7, 6), (1, 6), (4, 6), (4, 1)},
    "E820_RAM": ("usable", "system ram"),
    "LEAF_SHIFTS": {1: 12, 2: 12 + 9, 3: 12 + 9 + 9}, "LEAF_NAMES": {1: "4 KiB", 2: "2 MiB", 3: "1 GiB"},
    "EPTP_TYPE_CAPS": {0: field("8"), 6: field("14")},
    "PAGE_CACHE_MODES": dict(enumerate((6, 1, 7, 0, 4, 5))), "IOREMAP_PROTECTION": {0x08: 1, 0x10: 7, 0x18: 0},
    "PCD_PWT_COLUMNS": ((0, 0), (0, 1), (1, 0), (1, 1)), "SNP_RESULT": {0: 8, 1: 9},
    "AMD_FIXED_TYPES": {(0, 0): {0, 1, 4, 5}, (0, 1): {0, 1}, (1, 0): {0, 5}, (1, 1): {0, 1, 4, 6}},
    "PAT_ALIASES": {"default": "reset", "linux-full": "linux", "linux-errata": "windows"},
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), PAIRS.items(), ids=list(PAIRS))
def test_every_list_is_what_its_source_says(name: str, value: Any) -> None:
    assert getattr(rules, name) == value


# What MemoryType.parse takes, PCD and PWT from 00 to 11: SDM 3A table 12-6 and APM 2 table 7-8.
WITHOUT_PAT = {
    "intel": {"UC": "UC UC UC UC", "WC": "WC WC WC UC", "WT": "WT WT UC UC", "WP": "WP WP WC UC", "WB": "WB WT UC UC"},
    "amd": {"UC": "UC UC UC UC", "WC": "WC WC WC UC", "WT": "WT WT UC UC", "WP": "WP WP UC UC", "WB": "WB WT UC UC"},
}


def test_without_pat_the_rows_are_the_manuals() -> None:
    said = {vendor: {str(kind): " ".join(map(str, row)) for kind, row in table.items()}
            for vendor, table in rules.PCD_PWT.items()}  # fmt: skip
    assert said == WITHOUT_PAT
    assert list(rules.CR0_CD_NW) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [text.split(":")[0] for text in rules.CR0_CD_NW.values()][:3] == ["normal caching", "invalid", "no-fill"]


def test_the_layouts_of_pat_are_those_that_programs_write() -> None:
    said = {name: " ".join(str(MemoryType(byte)) for byte in value.to_bytes(8, "little"))
            for name, value in rules.PAT_LAYOUTS.items()}  # fmt: skip
    assert said == {
        "reset": "WB WT UC- UC WB WT UC- UC", "linux": "WB WC UC- UC WB WP UC- WT",
        "windows": "WB WC UC- UC WB WC UC- UC", "xen": "WB WT UC- UC WC WP UC UC",
    }  # fmt: skip


def test_the_fixed_ranges_tile_the_first_mib() -> None:
    sizes = [1 << 16] * 8 + [1 << 14] * 16 + [1 << 12] * 64
    bases = [sum(sizes[:place]) for place in range(88)]
    assert [(one.base, one.size) for one in rules.FIXED_RANGES] == list(zip(bases, sizes))
    assert [(one.register, one.byte) for one in rules.FIXED_RANGES] == [divmod(place, 8) for place in range(88)]


def test_a_restored_guest_and_a_started_one() -> None:
    fixed, pair = list(rules.FIXED_MSRS), [0x200, 0x201]
    assert list(rules.saved_msrs(1)) == [*fixed, 0x277, *pair, 0x2FF]
    assert list(rules.saved_msrs(3)) == [*fixed, 0x277, *range(0x200, 0x206), 0x2FF]
    assert list(rules.saved_msrs(1, "amd")) == [*fixed, 0x277, *pair, 0xC001_001D, 0xC001_0010, 0x2FF]
    low, rom = 0x0606_0606_0606_0606, 0x0505_0505_0505_0505
    started = {0x250: low, 0x258: low, 0x259: 0, **dict.fromkeys(range(0x268, 0x270), rom)}
    assert {0x2FF: 0xC06, 0x277: 0x0007_0406_0007_0406, **started} == rules.VM_START


def test_what_a_capture_reads_of_each_vendor() -> None:
    assert {vendor: [rules.msr_name(index) for index in held] for vendor, held in rules.CAPTURED_MSRS.items()} == {
        "intel": ["IA32_SMRR_PHYSBASE", "IA32_SMRR_PHYSMASK", "IA32_TME_ACTIVATE"],
        "amd": ["SYSCFG", "IORR_BASE0", "IORR_MASK0", "IORR_BASE1", "IORR_MASK1", "TOP_MEM", "TOP_MEM2"],
    }
    assert list(rules.CAPTURED_CPUID) == [0, 1, 7, 0x8000_0000, 0x8000_0008, 0x8000_001F]


@pytest.mark.parametrize("width", range(32, 53))
def test_bits_of_an_address_and_above_it(width: int) -> None:
    assert rules.high_bits(width) == field(f"63:{width}")
    assert rules.page_bits(width) == field(f"{width - 1}:12")
    assert rules.high_bits(width) | rules.page_bits(width) | 0xFFF == 2**64 - 1


def test_a_reserved_encoding_is_undefined() -> None:
    kinds = {code: rules.type_of(code) for code in range(256)}
    assert {code for code, kind in kinds.items() if kind is not MemoryType.UNDEFINED} == {0, 1, 4, 5, 6}
    assert all(kinds[code] == code for code in (0, 1, 4, 5, 6))


def test_a_rule_says_what_and_where() -> None:
    for name, rule in rules.RULES.items():
        assert name == rule.id
        assert str(rule) == f"{rule.text} [{name}: {rule.source}]"
