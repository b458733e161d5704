"""Every refusal of every family, word for word: source, line, value and limit, as the user sees them."""

from __future__ import annotations

import gzip
import inspect
import json
import struct

import pytest
from dump_samples import MSRS, kvm_structure, migration_stream

from memtype import rules
from memtype.errors import ParseError
from memtype.formats import families, family, parse
from memtype.reading import registers, values
from memtype.reading.lines import LONGEST_LINE

OLDER = json.dumps({f"0x{index:x}": "0x0" for index in (rules.DEF_TYPE_MSR, *rules.FIXED_MSRS)})
CPUS = '{"schema": "memtype/1", "kind": "machine", "cpus": '


def settings(pairs: str) -> str:
    """EDK2's structure with these pairs."""
    return "MTRR_SETTINGS a = { { { " + ", ".join(["0x0"] * 11) + " } }, { { " + pairs + " } }, 0xc06 };"


# A family, a text of which two empty lines are put in front, what it is refused with.
SHORT = "has fewer digits than the others: some are lost, it is not told"
REFUSALS = [
    ("coreboot", "MTRR: 0 base 0x0 mask 0x8 type 6   MTRR: 0 base 0x0 mask 0x8 type 0",
     "t:3: two messages on one line: 'MTRR: 0 base 0x0 mask 0x8 type 6 MTRR: 0…'"),
    ("coreboot", "nothing", "t: no whole MTRR line of coreboot in it"),
    ("coreboot", "MTRR: Fixed MSR 0x250 zz", "t:3: not an MTRR line of coreboot: 'MTRR: Fixed MSR 0x250 zz'"),
    ("coreboot", "MTRR: 0 base 0x0 mask 0xf80000000 type 6\nMTRR: Physical address space:\nMTRR: 0 base 0x0 mask "
     "0xfc0000000 type 6",
     "t: 2 MTRR solutions with different registers: which one stayed is not told"),
    ("coreboot", "Setting variable MTRR 0, base: 0MB, range: 3MB, type WB",
     "t:3: base 0x0 range 0x300000: no register holds this"),
    ("coreboot", "Setting variable MTRR 0, base: 0MB, range: 0MB, type WB",
     "t:3: base 0x0 range 0x0: no register holds this"),
    ("coreboot", "Setting variable MTRR 0, base: 4294967295MB, range: 2MB, type WB",
     "t:3: base 0xffffffff00000 range 0x200000: no register holds this"),
    ("coreboot", "Setting fixed MTRRs(0-89) Type: WB", "t:3: fixed ranges 0-89 are not within 0-88"),
    ("coreboot", "Setting fixed MTRRs(5-4) Type: WB", "t:3: fixed ranges 5-4 are not within 0-88"),
    ("coreboot", "0x6: IA32_MTRR_FIX9K_00000: x", "t:3: IA32_MTRR_FIX9K_00000 is no MTRR"),
    ("coreboot", "0x6: IA32_MTRR_FIX4K_00000: x", "t:3: IA32_MTRR_FIX4K_00000 is no MTRR"),
    ("coreboot", "MTRR: 40 base 0x0 mask 0xf80000000 type 6", "t:3: MTRR 40 is not below 40"),
    ("coreboot", "0x6: PHYMASK40", "t:3: MTRR 40 is not below 40"),
    ("coreboot", "Setting variable MTRR 40, base: 0MB, range: 2048MB, type WB", "t:3: MTRR 40 is not below 40"),
    ("coreboot", "0x0 - 0x1000 size 0x1000 type 7", "t:3: type 7 is no MTRR type"),
    ("dbvm", "IA32_MTRRCAP=501\n0000000000000006 - 0000007c00000800\n0000000000000006 - 0000007c00000800",
     "t:5: pair 2 of 1 that MTRRCAP names"),
    ("dbvm", "IA32_MTRRCAP=508\n0000000000000106 - 0000007c00000800",
     "t:4: 0000000000000106 - 0000007c00000800: no base and mask of a variable range"),
    ("dbvm", "IA32_MTRRCAP=508\n0000000000000006 - 0000007c00000801",
     "t:4: 0000000000000006 - 0000007c00000801: no base and mask of a variable range"),
    ("dbvm", "IA32_MTRRCAP=508\n0000000000000002 - 0000007c00000800",
     "t:4: 0000000000000002 - 0000007c00000800: no base and mask of a variable range"),
    ("edk2", "nothing", "t: no whole line of EDK2's MTRR dump in it"),
    ("edk2", "MTRR Default Type: zz", "t:3: not a line of EDK2's MTRR dump: 'MTRR Default Type: zz'"),
    ("edk2", "Variable MTRR[00]: Base=zz", "t:3: not a line of EDK2's MTRR dump: 'Variable MTRR[00]: Base=zz'"),
    ("edk2", "MTRR Default Type: 0000000000000C06\nMemory Ranges:\nWB:2000-1FFF\n",
     "t:5: range 0x2000-0x1fff ends before it begins"),
    ("edk2", "MTRR Default Type: 0000000000000C06\nMemory Ranges:\nWB:0-FFFFFFFFF\nUC:0-FFFFFFFFF\nphysical "
     "address bits: 36",
     "t: memory ranges: segment 0x0+0x1000000000 overlaps the one that ends at 0xfffffffff"),
    ("edk2", "physical address bits: 36\nMTRR Default Type: 0000000000000C06\nMemory Ranges:\nWB:0-7FFFFFFFF\n"
     "UC:800000000-FFFFFFFFF\nWB:0-7FFFFFFFF",
     "t: memory ranges: segment 0x0+0x800000000 overlaps the one that ends at 0x7ffffffff"),
    ("edk2", "MTRR Default Type: 0000000000000C06\nMemory Ranges:\nWB:0-1FFFFFFFFFFFFF",
     "t: MAXPHYADDR 53 is not within 32 to 52"),
    ("edk2", "MTRR Default Type: 000000000000C06", f"t:3: IA32_MTRR_DEF_TYPE {SHORT}"),
    ("edk2", "MTRR Default Type: 0x0000000000c06", f"t:3: IA32_MTRR_DEF_TYPE {SHORT}"),
    ("edk2", "MTRR Default Type: 0000000000000C06\nCPU physical address size: 36 bits\nMemory "
     "Ranges:\nWB:0-1FFFFFFFFF\n",
     "t: memory ranges: segment 0x0+0x2000000000 is not within [0, 2**36)"),
    ("freebsd", "nothing", "t: no whole memcontrol line in it"),
    ("freebsd", "0x0/0x1000 BIOS write-fast active", "t:3: not a memcontrol line: '0x0/0x1000 BIOS write-fast active'"),
    ("freebsd", "0x0/0xf000 BIOS ", "t:3: not a memcontrol line: '0x0/0xf000 BIOS'"),
    ("freebsd", "0x0/0x1000 BIOS write-back fixed-base active", "t:3: 0x0/0x1000 is no fixed range"),
    ("freebsd", "0x10000/0x10000 BIOS write-back fixed-base active\n0xa0000/0x10000 BIOS write-back fixed-base "
     "active",
     "t:4: 0xa0000/0x10000 is no fixed range"),
    ("fwts", "nothing", "t: no whole row of fwts' MTRR overview in it"),
    ("fwts", "Reg 40: 0x0 - 0x80000000 (  2048 MB)   Write-Back", "t:3: Reg '40' is not below 40"),
    ("fwts", "Reg 0: 0x0 - zz", "t:3: not a row of fwts' MTRR overview: 'Reg 0: 0x0 - zz'"),
    ("fwts", "Reg 0: 0x0 - 0x80000000 (  2048 MB)   Strange",
     "t:3: 'Strange' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("fwts", "Reg 0: 0xfffff80000000 - 0x100000000000000 (  64424511488 MB)   Write-Back",
     "t:3: 0xfffff80000000 - 0x100000000000000: no register holds this"),
    ("fwts", "Reg 0: 0x800 - 0x1800 (  4 KB)   Write-Back", "t:3: 0x800 - 0x1800: no register holds this"),
    ("fwts", "Reg 0: 0x0 - 0x800 (  2 KB)   Write-Back", "t:3: 0x0 - 0x800: no register holds this"),
    ("fwts", "Reg 0: 0x0 - 0x0 (  0 KB)   Write-Back", "t:3: 0x0 - 0x0: no register holds this"),
    ("fwts", "Reg 0: 0xfffff80000000 - 0x10000080000000 (  4096 MB)   Write-Back",
     "t:3: 0xfffff80000000 - 0x10000080000000: no register holds this"),
    ("fwts", "Reg 0: 0x10000000000000 - 0x10000080000000 (  2048 MB)   Write-Back",
     "t:3: 0x10000000000000 - 0x10000080000000: no register holds this"),
    ("fwts", "Reg 0: 0x0 - 0x7fffffff (  2047 MB)   Write-Back", "t:3: 0x0 - 0x7fffffff is not 2047 MB long"),
    ("gdb_pt_dump", "0x0 : 0x1000 | W:0", "t:3: a mapping without UC: and WB:: '0x0 : 0x1000 | W:0'"),
    ("gdb_pt_dump", "0x0 : 0x0 | W:0 X:1 S:1 UC:0 WB:1", "t:3: 0x0 + 0x0 is empty or beyond 64 bits"),
    ("gdb_pt_dump", "0xffffffffffffffff : 0x2 | W:0 X:1 S:1 UC:0 WB:1",
     "t:3: 0xffffffffffffffff + 0x2 is empty or beyond 64 bits"),
    ("guest_state", "*** Guest State ***", "t: a VMCS or VMCB without a PAT, CR0 or a pointer to nested tables"),
    ("guest_state", "*** Guest State ***\nPAT = 0x6\nPAT = 0x7", "t:5: guest_pat again, with another value"),
    ("guest_state", "VMCB Control Area:\nnested_cr3: 6\nnested_cr3: 7", "t:5: nested_cr3 again, with another value"),
    ("inteltool", " MSR 0x000002FF = zz", "t:3: not an MSR line of inteltool: 'MSR 0x000002FF = zz'"),
    ("inteltool", "nothing", "t: no MTRR and no PAT register in it"),
    ("inteltool", " MSR 0x00000277 = 0x00070406:0x0070106 (IA32_PAT)", f"t:3: IA32_PAT {SHORT}"),
    ("inteltool", "===== UNIQUE MSRs  (core 70000) =====", "t:3: processor number '70000' is not below 65536"),
    ("kvm_msrs", "nothing", "t: neither KVM MSR entries nor a hex dump of struct kvm_msrs"),
    ("kvm_msrs", "{ .index = 0x2ff, .data = 0xc06 }, // MTRRphysBase0",
     "t:3: the comment says MTRRphysBase0, the entry 0x2ff"),
    ("kvm_msrs", "{ .index = 0x2ff, .data = 0xc06 }, /* IA32_PAT */",
     "t:3: the comment says IA32_PAT, the entry 0x2ff"),
    ("kvm_msrs", "zz 00 00 00", "t: neither KVM MSR entries nor a hex dump of struct kvm_msrs"),
    ("linux_dmesg", "MTRR fixed ranges enabled:\n  00000-9FFFE write-back",
     "t:4: 00000-9FFFE does not fall on the fixed ranges"),
    ("linux_dmesg", "MTRR fixed ranges enabled:\nMTRR fixed ranges disabled:",
     "t:4: disabled, where a line above says the other"),
    ("linux_dmesg", "MTRR variable ranges disabled:\nMTRR variable ranges enabled:",
     "t:4: enabled, where a line above says the other"),
    ("linux_dmesg", "MTRR variable ranges enabled:\n  0 base 0000000000 mask FF\n  1 base 0000000000 mask FF\n",
     "t:4: a variable range that ends in the middle of the list"),
    ("linux_dmesg", "  256 base 0000000000 mask FF80000000 write-back", "t:3: variable range '256' is not below 255"),
    ("linux_dmesg", "  0 base 0000000000 mask FF80000000 write-back\n  0 base 0000000000 mask FFC0000000 write-back",
     "t:4: variable range 0 is listed twice, with different values"),
    ("linux_dmesg", "MTRR map: 1 entries (0 fixed + 1 variable; max 18), built from 8 variable MTRRs\nMTRR map: 2 "
     "entries (0 fixed + 1 variable; max 18), built from 8 variable MTRRs",
     "t:4: the map's counts are told twice, with different values"),
    ("linux_dmesg", "MTRR map: 4294967296 entries (0 fixed + 1 variable; max 18), built from 8 variable MTRRs",
     "t:3: map_entries '4294967296' is not below 4294967296"),
    ("linux_dmesg", "MTRR map: 1 entries (0 fixed + 1 variable; max 18), built from 8 variable MTRRs\n 0: "
     "0000000000001000-0000000000000fff write-back",
     "t:4: map entry 0x1000-0xfff is not within 2**52"),
    ("linux_dmesg", "MTRR map: 1 entries (0 fixed + 1 variable; max 18), built from 8 variable MTRRs\n 0: "
     "0000000000001000-0010000000000000 write-back",
     "t:4: map entry 0x1000-0x10000000000000 is not within 2**52"),
    ("linux_dmesg", "MTRR default type: uncachable\nMTRR map: 2 entries (0 fixed + 2 variable; max 18), built from "
     "8 variable MTRRs\n 0: 0000000000000000-0000000000001fff write-back\n 1: 0000000000001000-"
     "0000000000002fff write-back",
     "t:6: segment 0x1000+0x2000 overlaps the one that ends at 0x1fff"),
    ("linux_dmesg", "TOM2: 0000000180000000 aka 6145M", "t:3: TOM2 0000000180000000 is not 6145 MiB"),
    ("linux_dmesg", "TOM2: 0000000180000000 aka 6144M\nTOM2: 0000000280000000 aka 10240M",
     "t:4: TOM2 again, with another value"),
    ("linux_dmesg", "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT WT",
     "t:3: 9 PAT entries; there are 8"),
    ("linux_dmesg", "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\nx86/PAT: Configuration [0-7]: "
     "WB  WC  UC- UC  WB  WC  UC- WT",
     "t:4: the PAT is told twice, with different values"),
    ("linux_dmesg", "original variable MTRRs\nreg 0, base: 0GB, range: 0GB, type WB",
     "t:4: 0x0+0x0 is empty or beyond 2**52"),
    ("linux_dmesg", "original variable MTRRs\nreg 0, base: 0GB, range: 4194305GB, type WB",
     "t:4: 0x0+0x10000040000000 is empty or beyond 2**52"),
    ("linux_dmesg", "original variable MTRRs\nreg 0, base: 0GB, range: 4503599627370496GB, type WB",
     "t:4: range '4503599627370496' is not below 4503599627370496"),
    ("linux_dmesg", "original variable MTRRs\nreg 256, base: 0GB, range: 4GB, type WB",
     "t:4: variable range '256' is not below 255"),
    ("linux_dmesg", "original variable MTRRs\nreg 0, base: 4503599627370496GB, range: 4GB, type WB",
     "t:4: base '4503599627370496' is not below 4503599627370496"),
    ("linux_dmesg", "WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 5MB of RAM.\nWARNING: BIOS "
     "bug: CPU MTRRs don't cover all of memory, losing 6MB of RAM.",
     "t:4: losing 5MB and losing 6MB of RAM: one kernel says it once"),
    ("linux_dmesg", "BIOS-e820: [mem 0x0000000000002000-0x0000000000000fff] usable",
     "t:3: RAM range 0x2000-0x1000 is empty"),
    ("linux_dmesg", "BIOS-e820: ffffffffffffffff @ ffffffffffffffff (usable)",
     "t:3: RAM range 0xffffffffffffffff+0xffffffffffffffff is beyond 64 bits"),
    ("linux_dmesg", "BIOS-e820: 0000000000002000 - 0000000000001000 (usable)", "t:3: RAM range 0x2000-0x1000 is empty"),
    ("linux_dmesg", "x86/PAT: Configuration [0-7]: WB\nx86 PAT enabled: cpu 0, old 0x6, new 0x6\nx86 PAT enabled: "
     "cpu 0, old 0x6, new 0x7",
     "t:5: the PAT is told twice, with different values"),
    ("linux_dmesg", "  0 [0000000000-007fffffff] mask FF80000000 write-back\n  255 disabled",
     "t:4: variable range '255' is not below 255"),
    ("linux_pat_conflicts", "x86/PAT: app:9 conflicting memory types 1000-1000 write-combining<->write-back",
     "t:3: the range 0x1000-0x1000 is empty"),
    ("linux_pat_conflicts", "ioremap error for 0xfeb00000-0xfeb01000, requested 0x9, got 0x0",
     "t:3: 0x9 is no page cache mode (0 WB, 1 WC, 2 UC-, 3 UC, 4 WT, 5 WP)"),
    ("linux_pat_conflicts", "x86/PAT: reserve_ram_pages_type failed [mem 0x81488000-0x81488fff], track 0x2, req 0x8",
     "t:3: 0x8 is no page cache mode (0 WB, 1 WC, 2 UC-, 3 UC, 4 WT, 5 WP)"),
    ("msr_json", '[{"index": 767, "data": "0xc06"},\n {"index": 631,\n "data": "0b2"}]',
     "t:5: IA32_PAT = '0b2' is not a 64-bit bitmap"),
    ("msr_json", '[{"index": 767, "data":\n "0b' + "1" * 65 + '"}]',
     f"t:4: IA32_MTRR_DEF_TYPE = '0b{'1' * 38}…' is not a 64-bit bitmap"),
    ("msr_json", '{"0x277":\n "10"}', "t:4: IA32_PAT = '10': decimal or hexadecimal (0x…) is not told"),
    ("msr_json", '{"0x2ff":\n {"a": 1}}', "t: no MTRR and no PAT register in it"),
    ("msr_json", '{"0x2ff":\n "zz"}', "t:4: IA32_MTRR_DEF_TYPE = 'zz' is not a number"),
    ("msr_json", '{"0x2ff":\n "0xc06", "maxphyaddr":\n 99}', "t:5: MAXPHYADDR 99 is not within 32 to 52"),
    ("msr_json", '{"0x2ff": "0xc06",\n "4294967296": 1}', "t:4: MSR index = '4294967296' is not a 32-bit value"),
    ("msr_json", '{"0x2ff": "0xc06", "cpuid": {"function": 2147483656,\n "eax": 31,\n "ebx": 0, "ecx": 0, "edx": 0}}',
     "t:4: MAXPHYADDR 31 is not within 32 to 52"),
    ("msr_json", '{"0x2ff": "0xc06", "cpuid": {"function": 2147483656,\n "eax": 1, "ebx": 0, "ecx": 0, "edx": 0}}',
     "t:4: MAXPHYADDR 1 is not within 32 to 52"),
    ("msr_json", '[{"index": 767, "data":\n "0b"}]', "t:4: IA32_MTRR_DEF_TYPE = '0b' is not a 64-bit bitmap"),
    ("msr_json", '{"0x2ff":', "t:3: not JSON: Expecting value (column 10)"),
    ("msr_json", '[{"index": 767,\n "data": {"a": 1}}]', "t: no MTRR and no PAT register in it"),
    ("msr_json", '[{"index": 767, "data": "0xc06"},\n {"data": 5}]',
     "t:4: \"{'data': 5}\": half of an entry, among entries of index and data"),
    ("msr_list", "0x12345678901 0x5", "t:3: register '0x12345678901' is not a 32-bit MSR number"),
    ("msr_list", "0xzz 0x5", "t:3: register '0xzz' is not a 32-bit MSR number"),
    ("msr_list", "0x2ff = 0x", "t:3: IA32_MTRR_DEF_TYPE (0x2ff) = '0x' is not a number"),
    ("msr_list", "0x2ff = 0xzz", "t:3: IA32_MTRR_DEF_TYPE (0x2ff) = '0xzz' is not a number"),
    ("msr_list", "MTRRdefType, 0x2ff, {}", "t:3: IA32_MTRR_DEF_TYPE (0x2ff) has no value"),
    ("msr_list", "MTRRdefType, 0x2ff, {'zz'}", "t:3: IA32_MTRR_DEF_TYPE = 'zz' is not a number"),
    ("msr_list", "MTRRdefType 0x2ff: MTRRphysBase0",
     "t:3: IA32_MTRR_DEF_TYPE (0x2ff) has no value: the line holds names of registers without their values"),
    ("msr_list", "# rdmsr -f 7:0 0x2ff\nc06", "t:3: rdmsr -f prints a bit field, not the register"),
    ("msr_list", "# rdmsr 0x200 0x2ff\nc06", "t:3: rdmsr with 2 numbers: cut off"),
    ("msr_list", "# wrmsr 0x2ff 0x1 0x2", "t:3: wrmsr with 3 numbers: cut off"),
    ("msr_list", "wrmsr 0x200 0x6\nwrmsr 0x2ff", "t:4: wrmsr without a value: cut off"),
    ("msr_list", "root@host:~# sudo wrmsr -p 0 0x2ff", "t:3: wrmsr without a value: cut off"),
    ("msr_list", "wrmsr 0x200 0x6\nwrmsr", "t:4: wrmsr without a register and a value: cut off"),
    ("msr_list", "# rdmsr -a 0x200\n6\n6\n# rdmsr -a\n800", "t:6: rdmsr without a register: cut off"),
    ("msr_list", "# rdmsr -a 0x2ff\nc06\nnoise\n" + "6\n" * 8193, "t:8198: more than 8192 values below no command"),
    ("msr_list", "reg=0x2ff\n0x200=0x6", "t:3: IA32_MTRR_DEF_TYPE (0x2ff) has no value"),
    ("msr_list", "msr=0x200 value=0x6\nmsr=0x2ff value=", "t:4: IA32_MTRR_DEF_TYPE (0x2ff) has no value"),
    ("msr_list", "msr[200] = 00000000`00000006\nmsr[2ff] =", "t:4: IA32_MTRR_DEF_TYPE (0x2ff) has no value"),
    ("kvm_msrs", "index=0x200 data=0x6\nindex=0x2ff data=", "t:4: IA32_MTRR_DEF_TYPE (0x2ff) has no data"),
    ("dbvm", "IA32_MTRRCAP=501\n0000000000000006 - 0000000f80000800\nFIX64K_00000=0606\nFIX4K_C0000=0505\n",
     "t:5: IA32_MTRR_FIX64K_00000 and 1 more have fewer than 16 digits: the text is cut"),
    ("msr_list", "0x2ff: 0xc06, 0xc00", "t:3: more than one value: IA32_MTRR_DEF_TYPE is not told"),
    ("msr_list", "0x204 0x5c####", "t:3: IA32_MTRR_PHYSBASE2 (0x204) = '0x5c####' is not a number"),
    ("msr_list", "IA32_PAT, 0x277, {'7,040'}", "t:3: IA32_PAT = \"'7\" is not a number"),
    ("msr_list", "MSR 0x2ff = 0\nMSR 0x200 = 0",
     "t:3: a 0 without 0x, which a line that was cut leaves of any value: it is not told"),
    ("msr_list", "# rdmsr 0x2ff\nc06\nc06", "t:5: a second value 'c06' for register 0x2ff, read without -a"),
    ("msr_list", "# wrmsr 0x2ff zz", "t:3: IA32_MTRR_DEF_TYPE = 'zz' is not a number"),
    ("msr_list", "# rdmsr -pa 0x2ff\nc06", "t:3: processor number = 'a' is not a number"),
    ("msr_list", "# rdmsr -p 70000 0x2ff\nc06", "t:3: processor number '70000' is not below 65536"),
    ("msr_list", "# rdmsr 0x2ff | uniq -c\n 2 c06", "t:4: 2 processors for register 0x2ff: 1 to 1 can hold it"),
    ("msr_list", "# rdmsr -a 0x2ff | uniq -c\n 9999 c06",
     "t:4: 9999 processors for register 0x2ff: 1 to 8192 can hold it"),
    ("msr_list", "# rdmsr -a 0x2ff | uniq -c\n 0 c06", "t:4: 0 processors for register 0x2ff: 1 to 8192 can hold it"),
    ("msr_list", "cpu0: MSR 0x2ff = 5 6 7", "t:3: more than one value: IA32_MTRR_DEF_TYPE is not told"),
    ("msr_list", "MSR 0x2ff = EA", "t:3: IA32_MTRR_DEF_TYPE (0x2ff) = 'EA' is not a number"),
    ("msr_list", "MSR 0x2ff = E", "t:3: IA32_MTRR_DEF_TYPE (0x2ff) = 'E' is not a number"),
    ("msr_list", "\n".join(f"cpu{n}: MSR 0x2ff = 0xc06" for n in range(8193)), "t:8195: more than 8192 processors"),
    ("msr_list", "MTRRdefType (0x2ff) =", "t:3: IA32_MTRR_DEF_TYPE (0x2ff) has no value"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {"0x2ff": "0806"}, "variable": []}}]}',
     "t:4: CPU 0: IA32_MTRR_DEF_TYPE = '0806' is not in hexadecimal (0x…)"),
    ("own_json", '{"schema":\n "memtype/9", "kind": "machine"}',
     "t:4: schema 'memtype/9'; this release reads memtype/1"),
    ("own_json", '{"schema": "memtype/1", "kind": "machine"}', "t:3: machine: no list 'cpus'"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {"0x2ff": "0x0"}, "variable": [], "list":\n 5}}]}',
     "t:4: CPU 0: vendor is missing"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {"0x2ff": "0x0"}, "vendor": null, '
     '"variable": [],\n "list": 5}}]}',
     "t:5: CPU 0: no dict 'list'"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"variable": []}}]}', "t:4: CPU 0: no dict 'msrs'"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {}}}]}', "t:4: CPU 0: no list 'variable'"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {}, "variable": [\n5]}}]}',
     "t:5: CPU 0: variable[0] is no pair"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {}, "variable": [' + '{"base": null, "mask": null}, ' * 255
     + '\n{"base": null, "mask": null}]}}]}',
     "t:5: CPU 0: variable[255] is no pair"),
    ("own_json", CPUS + ('[{"number": 0, "mtrrs":\n {"msrs": {}, "vendor": null, "variable": [], "list":\n '
     '{"default": 5}}}]}'),
     "t:5: CPU 0: default = '5' is not a type and why"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"variable": [], "msrs": ' + OLDER + "}}]}",
     "t:4: CPU 0: no int 'maxphyaddr'"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"variable": [], "maxphyaddr": 40, "msrs": ' + OLDER + "}}]}",
     "t:4: CPU 0: no str 'vendor'"),
    ("own_json", CPUS + "[{}]}", "t: cpus: no int 'number'"),
    ("own_json", "[]", "t: schema 'None'; this release reads memtype/1"),
    ("own_json", '{"schema": "memtype/1", "kind": "machine", "cpus":\n [{"number": 4294967296}]}',
     "t:4: processor number = '4294967296' is not a 32-bit value"),
    ("own_json", CPUS + '[{"number": 0, "pat":\n "0x10000000000000000"}]}',
     "t:4: CPU 0: IA32_PAT = '0x10000000000000000' is not a 64-bit value"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {"0x100000000": "0x0"}, "variable": []}}]}',
     "t:4: CPU 0: register = '0x100000000' is not a 32-bit value"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {"0x2ff":\n "zz"}, "variable": []}}]}',
     "t:5: CPU 0: IA32_MTRR_DEF_TYPE = 'zz' is not a number"),
    ("own_json", CPUS + ('[{"number": 0, "mtrrs":\n {"msrs": {}, "variable": [{"base":\n "zz", "mask": '
     '"0x0"}]}}]}'),
     "t:5: CPU 0: variable[0] = 'zz' is not a number"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {}, "variable": [\n{"base": "0x0"}]}}]}',
     "t:5: CPU 0: variable[0]: no str 'mask'"),
    ("own_json", CPUS + '[{"number": 0, "mtrrs":\n {"msrs": {}, "variable": []}}]}',
     "t:4: CPU 0: IA32_MTRR_DEF_TYPE (0x2ff) is missing"),
    ("own_json", CPUS + '[{"number": 7, "mtrrs":\n {"msrs": {}, "variable": [], "list": {}}}]}',
     "t:4: CPU 7: vendor is missing"),
    ("own_json", CPUS + ('[{"number": 7, "mtrrs":\n {"vendor":\n 5, "msrs": {}, "variable": [], "list": '
     '{}}}]}'),
     "t:5: vendor = '5' is not a string"),
    ("own_json", CPUS + ('[{"number": 7, "mtrrs":\n {"vendor":\n "cyrix", "msrs": {}, "variable": [], '
     '"list": {}}}]}'),
     "t:5: vendor 'cyrix' is neither intel nor amd"),
    ("own_json", CPUS + ('[{"number": 7, "mtrrs":\n {"vendor": null, "msrs": {}, "variable": [], "list":\n '
     '{"whole": [1]}}}]}'),
     "t:5: CPU 7: whole = '[1]' is not true or false"),
    ("own_json", CPUS + ('[{"number": 7, "mtrrs":\n {"vendor": null, "msrs": {}, "variable": [], "list":\n '
     '{"lost":\n ["0x10000000000"]}}}]}'),
     "t:6: lost = '0x10000000000' is not a 40-bit value"),
    ("own_json", CPUS + ('[{"number": 7, "mtrrs":\n {"vendor": null, "msrs": {}, "variable": [], '
     '"ranges":\n 5, "list": {}}}]}'),
     "t:5: ranges = '5' is not a list"),
    ("own_json", CPUS + ('[{"number": 7, "mtrrs":\n {"vendor": null, "msrs": {}, "variable": [], "ranges": '
     '[\n{"pair": 0, "base":\n "0x10000000000000000", "size": "0x1000", "type": "0x6", '
     '"known": "0xff", "hidden": "0x0"}], "list": {}}}]}'),
     "t:6: base = '0x10000000000000000' is not a 64-bit value"),
    ("own_json", CPUS + ('[{"number": 7, "mtrrs":\n {"vendor": null, "msrs": {"0x2ff": "0x6"}, "variable": '
     '[], "partial": {"0x2ff":\n {"known": "0x10000000000000000", "hidden": "0x0"}}, '
     '"list": {}}}]}'),
     "t:5: CPU 7 = '0x10000000000000000' is not a 64-bit value"),
    ("own_json", CPUS + '[{"number": 0}], "maxphyaddr":\n 99}', "t:4: MAXPHYADDR 99 is not within 32 to 52"),
    ("own_json", CPUS + '[{"number": 0}], "maxphyaddr":\n 65536}', "t:4: maxphyaddr = '65536' is not a 16-bit value"),
    ("own_json", CPUS + '[{"number": 0}], "width":\n {"bits": 99}}', "t:4: MAXPHYADDR 99 is not within 32 to 52"),
    ("own_json", CPUS + '[{"number": 0}], "width":\n {}}', "t: width: no int 'bits'"),
    ("own_json", CPUS + '[{"number": 0}], "e820":\n 5}', "t:4: e820 = '5' is not a list"),
    ("own_json", CPUS + '[{"number": 0}], "e820": [\n{"base": "zz", "size": "0x1"}]}',
     "t:4: base = 'zz' is not a number"),
    ("own_json", CPUS + '[{"number": 0}], "e820": [\n{"base": "0x0", "size": "0x1"}]}', "t:4: e820: no str 'kind'"),
    ("own_json", CPUS + '[{"number": 0}], "e820": [\n{"size": "0x1"}]}', "t:4: e820: no str 'base'"),
    ("own_json", CPUS + '[{"number": 0}], "kernel":\n 5}', "t:4: kernel = '5' is not a string"),
    ("own_json", CPUS + '[{"number": 0}], "vendor":\n "cyrix"}', "t:4: vendor 'cyrix' is neither intel nor amd"),
    ("own_json", CPUS + '[{"number": 0}], "notes": [\n5]}', "t:4: notes: no str 'text'"),
    ("own_json", CPUS + '[{"number": 0}], "notes": [\n{"text": "a", "id": ""}]}', "t:4: notes: no list 'lines'"),
    ("own_json", CPUS + ('[{"number": 0}], "notes": [\n{"text": "a", "id": "", "lines": '
     '[\n1099511627776]}]}'),
     "t:5: line of a note = '1099511627776' is not a 40-bit value"),
    ("own_json", CPUS + ('[{"number": 0}], "printed_map": {"maxphyaddr": 36, "segments": [\n{"base": '
     '"0x0", "size": "0x1000", "type":\n "XY"}]}}'),
     "t:5: printed_map: 'XY' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("own_json", CPUS + ('[{"number": 0}], "printed_map": {"maxphyaddr": 36, "segments": [\n{"base": '
     '"0x0", "size":\n "zz", "type": "WB"}]}}'),
     "t:5: printed_map = 'zz' is not a number"),
    ("own_json", CPUS + '[{"number": 0}], "printed_map": {"maxphyaddr": 36, "segments": [\n{"size": "0x1000"}]}}',
     "t:4: printed_map: no str 'base'"),
    ("own_json", CPUS + '[{"number": 0}], "printed_map":\n {"segments": []}}', "t:4: printed_map: no int 'maxphyaddr'"),
    ("own_json", CPUS + '[{"number": 0}], "printed_map":\n {"maxphyaddr": 36}}',
     "t:4: printed_map: no list 'segments'"),
    ("own_json", '{"schema": "memtype/1", "machine": 5}', "t:3: machine: no list 'cpus'"),
    ("own_json", CPUS + "[]}", "t: 0 processors; 1 to 65536 can be"),
    ("own_json", CPUS + ('[{"number": 0, "mtrrs":\n {"msrs": {"0x2ff": "0x0000000000000c06", "0x250": '
     '"0x06"}, "variable": [], "vendor": null, "list": {}}}]}'),
     "t: CPU 0: IA32_MTRR_FIX64K_00000 has fewer digits than the others: some are lost"),
    ("page_walk", "PGD 100000067 PGD 100000067",
     "t:3: a walk goes from PGD down to PTE, each once: 'PGD 100000067 PGD 100000067'"),
    ("pat_memtype_list", "PAT: [mem 0x0", "t: no whole pat_memtype_list line"),
    ("pat_memtype_list", "PAT: [mem 0x0\nPAT: [mem 0x0-0x1000] write-back",
     "t:3: not a pat_memtype_list line: 'PAT: [mem 0x0'"),
    ("pat_memtype_list", "PAT: [mem 0x1000-0x1000] write-back", "t:3: 0x1000-0x1000 is empty or beyond 2**52"),
    ("pat_memtype_list", "PAT: [mem 0x1000-0x10000000001000] write-back",
     "t:3: 0x1000-0x10000000001000 is empty or beyond 2**52"),
    ("proc_mtrr", "nothing", "t: no whole /proc/mtrr line"),
    ("proc_mtrr", "reg00: base=0x0", "t: no whole /proc/mtrr line"),
    ("proc_mtrr", "reg00: base=0x0\nreg01: base=0x000000000 (    0MB), size= 4096MB, count=1: write-back",
     "t:3: not a /proc/mtrr line: 'reg00: base=0x0'"),
    ("proc_mtrr", "reg01: base=0x000000000 (    0MB), size= 4096MB, count=1: write-back\nreg01: base=0x000000000 ( "
     "   0MB), size= 2048MB, count=1: write-back",
     "t:4: reg01 is listed twice, with different values"),
    ("proc_mtrr", "reg256: base=0x000000000 (    0MB), size= 4096MB, count=1: write-back",
     "t:3: variable range '256' is not below 255"),
    ("proc_mtrr", "reg01: base=0x000000000 (    0MB), size= 4503599627370496MB, count=1: write-back",
     "t:3: size '4503599627370496' is not below 4503599627370496"),
    ("proc_mtrr", "reg01: base=0x000000000 (    0MB), size= 8589934592MB, count=1: write-back",
     "t:3: 0x0+0x20000000000000 is beyond 2**52"),
    ("proc_mtrr", "reg01: base=0x000000000 (    1MB), size= 4096MB, count=1: write-back", "t:3: base 0x0 is not 1 MB"),
    ("proc_mtrr", "reg01: base=0x000000000 (    0MB), size= 5MB, count=1: write-back",
     "t:3: base 0x0 size 0x500000: no register holds this"),
    ("proc_mtrr", "reg01: base=0x000000000 (    0MB), size= 2KB, count=1: write-back",
     "t:3: base 0x0 size 0x800: no register holds this"),
    ("proc_mtrr", "reg01: base=0x000000800 (    0MB), size= 4KB, count=1: write-back",
     "t:3: base 0x800 size 0x1000: no register holds this"),
    ("proc_mtrr", "reg01: base=0x000000000 (    0MB), size= 4096MB, count=1: write-fast",
     "t:3: 'write-fast' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("proc_mtrr", "reg01: base=0xfffff80000000 (4294965248MB), size= 4096MB, count=1: write-back",
     "t:3: 0xfffff80000000+0x100000000 is beyond 2**52"),
    ("proc_mtrr_commands", 'echo "disable=0" > /proc/mtrr', "t: the commands leave no range behind"),
    ("proc_mtrr_commands", "# memtype/1: registers=0 end\n"
     'echo "base=0x0 size=0x1000 type=write-back" > /proc/mtrr',
     "t: 1 ranges, where the remark counts 0: one is another's"),
    ("proc_mtrr_commands", "# memtype/1: registers=0 def_type=3078 end",
     "t:3: IA32_MTRR_DEF_TYPE = '3078' is not in hexadecimal (0x…)"),
    ("proc_mtrr_commands", "# memtype/1: registers=0 def_type=0xc06 end\n# memtype/1: registers=0 def_type=0xc00 end",
     "t: 2 lists in one: which registers are free is not told"),
    ("proc_mtrr_commands", 'echo "base=0" > /proc/mtrr',
     "t:3: not a command for /proc/mtrr: 'echo \"base=0\" > /proc/mtrr'"),
    ("proc_mtrr_commands", 'echo "base=0x0 size=0x1000 type=fast" > /proc/mtrr',
     "t:3: 'fast' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("proc_mtrr_commands", "\n".join(f'echo "base=0x{n:x}000 size=0x1000 type=write-back" > /proc/mtrr'
                                        for n in range(256)),
     "t:258: more than 255 ranges: no processor has so many"),
    ("proc_mtrr_commands", 'echo "base=0x0 size=0x800 type=write-back" > /proc/mtrr',
     "t:3: base 0x0 size 0x800: no register holds this"),
    ("proc_mtrr_commands", 'echo "base=0x0 size=0x3000 type=write-back" > /proc/mtrr',
     "t:3: base 0x0 size 0x3000: no register holds this"),
    ("proc_mtrr_commands", 'echo "base=0x1000 size=0x2000 type=write-back" > /proc/mtrr',
     "t:3: base 0x1000 size 0x2000: no register holds this"),
    ("proc_mtrr_commands", 'echo "base=0x10000000000000 size=0x1000 type=write-back" > /proc/mtrr',
     "t:3: base 0x10000000000000 size 0x1000: no register holds this"),
    ("qemu_json", "{}", 't: no "cpu (n)" section with registers (analyze-migration.py -d state)'),
    ("qemu_json", "[]", 't: no "cpu (n)" section with registers (analyze-migration.py -d state)'),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_fixed":\n ["0x0"]}}', "t:5: cpu (0): env.mtrr_fixed is not a list of 11"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_fixed":\n "0x0"}}', "t:5: cpu (0): env.mtrr_fixed is not a list of 11"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_var":\n "0x0"}}', "t:5: cpu (0): env.mtrr_var is not a list of up to 40"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_var":\n [5]}}',
     "t:5: cpu (0): env.mtrr_var[0].base = 'None' is not a 64-bit value"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_var":\n [{"base":\n "0x0"}]}}',
     "t:5: cpu (0): env.mtrr_var[0].mask = 'None' is not a 64-bit value"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_fixed[0]": "0x0",\n "env.mtrr_fixed[2]": "0x0"}}',
     "t:5: 'env.mtrr_fixed[2]' is out of order"),
    ("qemu_json", '{"cpu (0)":\n {"env.pat":\n "zz"}}', "t:5: cpu (0): env.pat = 'zz' is not a number"),
    ("qemu_json", '{"cpu (70000)":\n {"env.pat":\n "0x6"}}', "t: processor number '70000' is not below 65536"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_fixed":\n ["0x0",\n "0x0"]}}',
     "t:5: cpu (0): env.mtrr_fixed is not a list of 11"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_fixed":\n ["zz"' + ', "0x0"' * 10 + "]}}",
     "t:5: cpu (0): env.mtrr_fixed = 'zz' is not a number"),
    ("qemu_json", '{"cpu (0)":\n {"env.mtrr_var":\n [' + ", ".join(['{"base": "0x0", "mask": "0x0"}'] * 41) + "]}}",
     "t:5: cpu (0): env.mtrr_var is not a list of up to 40"),
    ("qemu_migration", "QEVM", "t: a migration stream is binary, not text"),
    ("qemu_monitor", "nothing", "t: no register and no phys-bits in QEMU's monitor output"),
    ("qemu_monitor", '{"QMP": {}}\n{"return"', "t:4: not JSON: Expecting ':' delimiter"),
    ("qemu_monitor", '{"QMP": {}}\n{"return": {"phys-bits": 99}}', "t: MAXPHYADDR 99 is not within 32 to 52"),
    ("qemu_monitor", '{"QMP": {}}\n\n{"return": 5} x', "t:5: not JSON: Expecting value"),
    ("qemu_monitor", '{"QMP": {}}\n\n{"return": [[[111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111'
     '11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111',
     "t:5: not JSON: 'Exceeds the limit (4300 digits) for inte…'"),
    ("qemu_monitor", '{"execute": "qom-get", "arguments": {"property": "phys-bits"}}\n{"return": 1}',
     "t: MAXPHYADDR 1 is not within 32 to 52"),
    ("seabios", "e820 map has 2 items:\n  0: 0000000000000000 - 000000000009fc00 = 1 RAM",
     "t: 1 of the 2 items of the RAM map: cut off"),
    ("seabios", "e820 map has 2 items:\n  0: 000000000009fc00 - 000000000009fc00 = 1 RAM",
     "t:4: range 0x9fc00 - 0x9fc00 is empty"),
    ("seabios", "e820 map has 65536 items:", "t:3: items = '65536' is not a 16-bit value"),
    ("slim_bootloader", "MTRRs......: Perhaps", "t:3: 'Perhaps' is neither Enabled nor Disabled"),
    ("slim_bootloader", "Default....: Strange", "t:3: 'Strange' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("slim_bootloader", "MTRRs......: Enabled\nFixed MTRRs: Perhaps", "t:4: 'Perhaps' is neither Enabled nor Disabled"),
    ("slim_bootloader", "MTRRs......: Enabled\nDefault....: Write back\nDefault....: Uncached",
     "t:5: told again, otherwise than above"),
    ("slim_bootloader", "MTRRs......: Enabled\nMTRRs......: Disabled", "t:4: told again, otherwise than above"),
    ("slim_bootloader", "MTRRs......: Enabled\nFixed MTRRs: Enabled\nFixed MTRRs: Disabled",
     "t:5: told again, otherwise than above"),
    ("slim_bootloader", "MTRRs......: Enabled\nIA32_MTRR_PHYSBASE_0 (0x2ff): 0x6",
     "t:4: 0x2ff is no register of a variable range"),
    ("structures", "MTRR_SETTINGS a = {", "t:3: MTRR_SETTINGS without its end: cut off"),
    ("structures", "MTRR_SETTINGS a = {\n};",
     "t:3: MTRR_SETTINGS of 0 fixed, 0 pairs, not 11 fixed, up to 40 pairs and the default type"),
    ("structures", "MTRR_SETTINGS a = {\n { { 1, 2 } }, { { { 0x1, 0x2 } } }, 0xc06 };",
     "t:3: MTRR_SETTINGS of 0 fixed, 1 pairs, not 11 fixed, up to 40 pairs and the default type"),
    ("structures", settings("{ 0x0, 0x0 }, { 0x0 }"),
     "t:3: MTRR_SETTINGS of 11 fixed, 1.5 pairs, not 11 fixed, up to 40 pairs and the default type"),
    ("structures", settings(", ".join(["{ 0x0, 0x0 }"] * 41)),
     "t:3: MTRR_SETTINGS of 11 fixed, 41 pairs, not 11 fixed, up to 40 pairs and the default type"),
    ("structures", "mtrr_msrs[] = { { 0x200, 0x6 }, // MTRRdefType\n };",
     "t:3: the comment says MTRRdefType, the value's place 0x200"),
    ("structures", "mtrr_msrs[] = {\n { 0x200, 0x6 }, // 3\n { 0x201, 0x800 }, // MTRRphysBase0\n };",
     "t:5: the comment says MTRRphysBase0, the value's place 0x201"),
    ("uboot", "nothing", "t: no whole row of U-Boot's MTRR table in it"),
    ("uboot", "Reg Valid Write-type   Base   ||\n0   Y     Back  zz", "t: no whole row of U-Boot's MTRR table in it"),
    ("uboot", "Reg Valid Write-type   Base   ||\n0   Y     Back  00zz",
     "t:4: not a row of U-Boot's MTRR table: '0 Y Back 00zz'"),
    ("uboot", "Reg Valid Write-type   Base   ||\n40   Y     Back  0 f80000000 80000000",
     "t:4: register 40 is not below 40"),
    ("uboot", "Reg Valid Write-type   Base   ||\n0   Y     Bac  0 f80000000 80000000",
     "t:4: 'Bac' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("uboot", "0   Y     Back         0000000000000000 0000000f80000000 0000000080000000",
     "t: no whole row of U-Boot's MTRR table in it"),
    ("windbg", "nothing", "t: no headline of !mtrr in it"),
    ("windbg", "MTRR:  Var 4, Fixed-support disabled, Default: UC\nMTRR:  Var 5, Fixed-support disabled, Default: "
     "UC",
     "t:4: the headline of line 3 again, with other words"),
    ("windbg", "MTRR:  Var 4, Fixed-support disabled, Default: UC\n 0.   UC: zz",
     "t:4: not a line of !mtrr: '0. UC: zz'"),
    ("windbg", "MTRR:  Var 4, Fixed-support enabled, Default: UC\nUC:00000-00fff",
     "t:4: 00000-00fff is no fixed range"),
    ("windbg", "MTRR:  Var 4, Fixed-support enabled, Default: XY",
     "t:3: 'XY' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("windbg", "MTRR:  Var 4, Fixed-support disabled, Default: UC\n 40.   UC: 00000000:c0000000  000003ff:c0000000 "
     " 00000000:40000000",
     "t:4: range number 40 is not below 40"),
    ("windbg", "MTRR:  Var 4, Fixed-support disabled, Default: UC\n 0.   XY: 00000000:c0000000  000003ff:c0000000  "
     "00000000:40000000",
     "t:4: 'XY' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("windbg", "MTRR:  Var 4, Fixed-support disabled, Default: UC\n 40.", "t:4: range number 40 is not below 40"),
    ("xen", "(XEN)   0 base 0080000000 mask ff80000000 fast",
     "t:3: 'fast' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("xen", "(XEN)   40 base 0080000000 mask ff80000000 uncachable", "t:3: range number 40 is not below 40"),
    ("xen", "(XEN) MTRR default type: fast".ljust(LONGEST_LINE),
     "t:3: 'fast' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("xen", "(XEN) MTRR default type: fast".ljust(LONGEST_LINE + 1), "t: no whole MTRR line of Xen in it"),
    ("xen", "nothing", "t: no whole MTRR line of Xen in it"),
    ("xen", "(XEN) MTRR default type: fast", "t:3: 'fast' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    ("xen", "(XEN) MTRR default type: write-back\n(XEN) TOM2: 0000000180000000 aka 5m",
     "t:4: TOM2 0000000180000000 is not 5 MiB"),
    ("xen", "(XEN) MTRR fixed ranges enabled:\n(XEN)   00000-9fffe write-back",
     "t:4: 00000-9FFFE does not fall on the fixed ranges"),
    ("xen", "\nMTRR: PAT 0x7040600070406, cap 0x508, default 0xc06\nvar 40 0x0 0x0",
     "t:5: range number 40 is not below 40"),
    ("xen", "\nMTRR: PAT 0x7040600070406, cap 0x508, default 0xc06\nfixed 11 0x0",
     "t:5: fixed-range register 11 is not below 11"),
]  # fmt: skip


def said(name: str, data: str | bytes) -> str:
    """What the family refuses the text or the bytes with."""
    with pytest.raises(ParseError) as refused:
        if isinstance(data, str):
            family(name).parse(data, "t")
        else:
            family(name).parse_bytes(data, "t")
    return str(refused.value)


@pytest.mark.parametrize(("name", "text", "message"), REFUSALS)
def test_a_text_is_refused_in_these_words(name: str, text: str, message: str) -> None:
    assert said(name, "\n\n" + text) == message


# A family, a text of its own words that is none of its own, and one that is.
STRANGERS = [
    ("edk2", "MTRR Default Type: C06", "MTRR Default Type: 0C06"),
    ("msr_json", '{"MTRR": 6}', '{"MTRRdefType": 6}'),
    ("msr_json", '{"x IA32_MTRR_DEF_TYPE": 6}', '{"IA32_MTRR_DEF_TYPE": 6}'),
    ("own_json", '{"schema": "memtype/1", "kind": "map"}', '{"schema": "memtype/1", "machine":{}}'),
    ("page_walk", "*pde = x", "*pde = 0"),
    ("msr_list", "cpu0: MSR 0xc0000080 = 0x5", "cpu0: MSR 0x2ff = 0x5"),
    ("msr_list", '[["\n0x2ff 0xc06\n"]]', "\n0x2ff 0xc06\n"),
    ("msr_list", "read back with wrmsr 0x2ff", "read back with rdmsr 0x2ff"),
    ("msr_list", "0x2ff 0xc06".ljust(LONGEST_LINE + 1), "0x2ff 0xc06".ljust(LONGEST_LINE)),
    ("page_walk", "PGD is one of them, PUD another", "PGD 67 PUD 67"),
    ("pat_memtype_list", "x86/PAT: [mem 0x0-0x1000] write-back", "a\npat: [mem 0x0-0x1000] write-back"),
    ("pat_memtype_list", "app @ 0x0-0x1000", "write-back @ 0x0-0x1000"),
    ("proc_mtrr_commands", 'echo "base=0x0" > /proc/mtrr\nother words', 'echo "base=0x0" > /proc/mtrr\n\n# a'),
    ("qemu_monitor", '{"a": "CR0=80050033 CR2=0"}', '{"return": "CR0=80050033 CR2=0"}'),
    ("slim_bootloader", "mtrrs. are fine", "MTRRs......: Enabled"),
    ("structures", "mtrrs[] = { { 0x10, 0x1 } };", "mtrrs[] = { { 0x00000000000002ff, 0x1 } };"),
    ("structures", "XMTRR_SETTINGS a = {", "MTRR_SETTINGS a = {"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "other", "own"), STRANGERS)
def test_a_text_with_its_words_is_a_family_s_own_or_not(name: str, other: str, own: str) -> None:
    assert not family(name).sniff(other)
    assert family(name).sniff(own)


def test_qemu_tells_40_pairs() -> None:
    text = json.dumps({"cpu (0)": {"env.mtrr_var": [{"base": "0x0", "mask": "0x0"}] * 40}})
    assert family("qemu_json").parse(text, "t").cpus[0].registers.listed == 40


def test_a_structure_holds_40_pairs() -> None:
    assert family("structures").parse(settings(", ".join(["{ 0x0, 0x0 }"] * 40)), "t").cpus[0].registers.listed == 40


@pytest.mark.parametrize("reader", families(), ids=lambda reader: str(reader.NAME))
def test_a_text_without_a_name_is_called_text(reader: object) -> None:
    for name, default in (("parse", "<text>"), ("parse_bytes", "<bytes>")):
        if hasattr(reader, name):
            assert inspect.signature(getattr(reader, name)).parameters["source"].default == default


ENTRY = kvm_structure([(0x2FF, 0xC06)])
MOST = kvm_structure([(0x2FF, 0xC06)] * 4096)
STRUCTURES = [
    (ENTRY + b"\x01", "t: 1 bytes behind the last entry, at offset 24"),
    (ENTRY + b"\x01" * 7, "t: 7 bytes behind the last entry, at offset 24"),
    (ENTRY + bytes(8), "t: no struct kvm_msrs at offset 24: nmsrs 0 (limit 4096), pad 0"),
    (ENTRY + struct.pack("<II", 1, 5) + bytes(16), "t: no struct kvm_msrs at offset 24: nmsrs 1 (limit 4096), pad 5"),
    (struct.pack("<II", 4097, 0) + MOST[8:] + bytes(16),
     "t: no struct kvm_msrs at offset 0: nmsrs 4097 (limit 4096), pad 0"),
    (ENTRY[:-1], "t: 1 entries need 24 bytes, 23 are there: cut off"),
    (ENTRY + ENTRY[:-1], "t: 1 entries need 24 bytes, 23 are there: cut off"),
    (struct.pack("<IIIIQIIQ", 2, 0, 0x2FF, 0, 0xC06, 0x277, 9, 6),
     "t: the entry at offset 24 has reserved = 0x9, not 0"),
    (kvm_structure([(0x10, 5)]), "t: no MTRR and no PAT register in it"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), STRUCTURES)
def test_bytes_of_no_structure_are_refused_in_these_words(data: bytes, message: str) -> None:
    assert said("kvm_msrs", data) == message


def test_as_many_entries_as_kvm_takes_are_read() -> None:
    reader = family("kvm_msrs")
    assert reader.sniff_bytes(MOST) and reader.sniff_bytes(ENTRY)
    assert reader.parse_bytes(MOST, "t").cpus == reader.parse_bytes(ENTRY, "t").cpus
    for bad in (ENTRY[:23], MOST[:8], b"", bytes(24), kvm_structure([(0x10, 5)]),
                struct.pack("<II", 4097, 0) + MOST[8:], struct.pack("<II", 1, 5) + ENTRY[8:],
                struct.pack("<IIIIQ", 1, 0, 0x2FF, 1, 0xC06)):  # fmt: skip
        assert not reader.sniff_bytes(bad)
    assert reader.sniff_bytes(kvm_structure(MSRS)[: 8 + 16 * 2])  # the head of a longer list


STREAM = migration_stream([(0x80000000, 0xFF80000800)] * 8)
AT = STREAM.index(b'{"page_size"')
NO_END = "t: no device description at its end: cut off, or made with suppress-vmdesc"


def described(change: object) -> bytes:
    """The stream with its description changed."""
    whole = json.loads(STREAM[AT:])
    change(whole["devices"])  # type: ignore[operator]
    words = json.dumps(whole).encode()
    return STREAM[: AT - 4] + struct.pack(">I", len(words)) + words


ASTRAY = "t: cpu section 0 does not match the stream's description"
FIELDS = {
    "another version": (lambda d: d[0].update(version=13), ASTRAY),
    "another instance": (lambda d: d[0].update(instance_id=1), ASTRAY.replace("0", "1")),
    "a field that is none": (lambda d: d[0].update(fields=[5]), ASTRAY),
    "fields that are no list": (lambda d: d[0].update(fields=5), ASTRAY),
    "a field without a name": (lambda d: d[0]["fields"][0].pop("name"), ASTRAY),
    "a size of true": (lambda d: d[0]["fields"][0].update(size=True), ASTRAY),
    "a negative size": (lambda d: d[0]["fields"][0].update(size=-1), ASTRAY),
    "a size beyond the stream": (lambda d: d[0]["fields"][0].update(size=1 << 20), ASTRAY),
    "too many elements": (lambda d: d[0]["fields"][0].update(array_len=(1 << 32) + 1), ASTRAY),
    "one field too few": (lambda d: d[0]["fields"].pop(), ASTRAY),
    "a subsection that is none": (lambda d: d[0].update(subsections=[5]), ASTRAY),
    "a subsection of another name": (lambda d: d[0]["subsections"][0].update(vmsd_name="cpu/xkru"), ASTRAY),
    "no subsections": (lambda d: d[0].update(subsections=[]), ASTRAY),
    "subsections that are no list": (lambda d: d[0].update(subsections={}), ASTRAY),
    "no processor": (lambda d: d[0].update(name="disk"), "t: the stream holds no x86 cpu section"),
    "a device that is none": (lambda d: d.append(5), NO_END),
    "a number of no processor": (lambda d: d[0].update(instance_id=65536),
                                 "t: instance_id = '65536' is not a 16-bit value"),
    "a version that is none": (lambda d: d[0].update(version=1 << 32),
                               "t: version = '4294967296' is not a 32-bit value"),
}  # fmt: skip


@pytest.mark.parametrize("case", FIELDS)
def test_a_stream_that_its_description_does_not_fit_is_refused(case: str) -> None:
    change, message = FIELDS[case]
    assert family("qemu_migration").parse_bytes(described(lambda devices: None), "t").cpus[0].registers is not None
    assert said("qemu_migration", described(change)) == message


def test_a_walk_takes_so_many_steps_and_no_more() -> None:
    """2**20 of them, of which the fields of this stream take 39."""

    def padded(many: int) -> bytes:
        field = {"name": "a", "size": 0, "array_len": many, "struct": {}}
        return described(lambda devices: devices[0]["fields"].insert(0, field))

    assert family("qemu_migration").parse_bytes(padded((1 << 20) - 39), "t").cpus
    assert said("qemu_migration", padded((1 << 20) - 38)) == ASTRAY


def test_a_description_is_walked_so_deep_and_no_deeper() -> None:
    """Through 16 structures in one another."""

    def nested(deep: int) -> bytes:
        field: dict[str, object] = {"name": "a", "size": 0}
        for _ in range(deep):
            field = {"name": "a", "size": 0, "struct": {"fields": [field]}}
        return described(lambda devices: devices[0]["fields"].insert(0, field))

    assert family("qemu_migration").parse_bytes(nested(16), "t").cpus
    assert said("qemu_migration", nested(17)) == ASTRAY


def test_so_many_places_are_looked_at_for_a_description() -> None:
    """16 that begin as one does."""
    fake = b"\x06\x00\x00\x00\x02{]"
    assert family("qemu_migration").parse_bytes(STREAM + fake * 15, "t").cpus
    assert said("qemu_migration", STREAM + fake * 16) == NO_END


PACKED = gzip.compress(STREAM)
STREAMS = [
    (b"QEVN", "t: no QEMU migration stream (it begins with QEVM)"),
    (b"QEVM", NO_END),
    (b"QEVM\x06\x00\x00\x00", NO_END),
    (STREAM[:-1], NO_END),
    (STREAM[: AT - 2], NO_END),
    (STREAM.replace(b"\x7e\x00\x00\x00\x03", b"\x7e\x00\x00\x00\x04"), ASTRAY),
    (STREAM.replace(b"\x04\x00\x00\x00\x03\x03cpu", b"\x05\x00\x00\x00\x03\x03cpu"), ASTRAY),
    (PACKED[:-9], "t: truncated gzip data"),
    (b"\x1f\x8b" + b"\xff" * 30, "t: broken gzip data: Error -3 while decompressing data: unknown compression method"),
]


@pytest.mark.parametrize(("data", "message"), STREAMS)
def test_bytes_of_no_stream_are_refused_in_these_words(data: bytes, message: str) -> None:
    assert said("qemu_migration", data) == message


def test_a_stream_unpacks_to_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = family("qemu_migration")
    assert reader.MAX_UNPACKED == 256 << 20
    monkeypatch.setattr(reader, "MAX_UNPACKED", len(STREAM))
    assert reader.parse_bytes(PACKED, "t").cpus
    monkeypatch.setattr(reader, "MAX_UNPACKED", len(STREAM) - 1)
    assert said("qemu_migration", PACKED) == "t: unpacks to more than 0 MiB"


def test_a_place_that_looks_like_the_section_is_left() -> None:
    head = b"\x04\x00\x00\x00\x03\x03cpu" + struct.pack(">II", 0, 12)
    reader = family("qemu_migration")
    assert reader.parse_bytes(STREAM[:8] + head + STREAM[8:], "t") == reader.parse_bytes(STREAM, "t")


def test_a_stream_may_be_packed() -> None:
    reader = family("qemu_migration")
    assert reader.parse_bytes(PACKED, "t") == reader.parse_bytes(STREAM, "t")
    assert reader.sniff_bytes(PACKED) and reader.sniff_bytes(STREAM[:4])
    assert not reader.sniff_bytes(b"\x1f\x8b" + b"\xff" * 30) and not reader.sniff_bytes(gzip.compress(b"x" + STREAM))
    assert reader.sniff("QEVM") is False


NAMES = (
    "coreboot, dbvm, edk2, freebsd-memcontrol, fwts, gdb-pt-dump, guest-state, inteltool, kvm-msrs, linux-dmesg, "
    "msr-json, msr-list, memtype-json, page-walk, pat-memtype-list, proc-mtrr, proc-mtrr-commands, qemu-json, "
    "qemu-migration, qemu-monitor, seabios, slim-bootloader, structures, u-boot, windbg, xen"
)
TWO = "before:\n0x2ff 0xc06\n0x200 0x6\n\nafter:\n0x2ff 0xc00\n0x200 0x6\n"
WHOLE = [
    (5, "t: a dump is text or bytes, not int"),
    ("", "t: empty"),
    (b" \n\t\n", "t: empty"),
    ("nothing", f"t: none of the known formats ({NAMES})"),
    (bytearray(b"nothing"), f"t: none of the known formats ({NAMES})"),
    (memoryview(ENTRY)[:23], "t:1: NUL byte at offset 1: binary, not a text dump"),
    ("\n(XEN) MTRR default type: fast\n", "t:2: 'fast' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"),
    (TWO.replace("0xc00", "0xzz"), "t:6: IA32_MTRR_DEF_TYPE (0x2ff) = '0xzz' is not a number"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), WHOLE)
def test_what_is_no_dump_is_refused_in_these_words(data: object, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse(data, "t")  # type: ignore[arg-type]
    assert str(refused.value) == message


ROW = "cpu{n}: MSR 0x2ff = 0xc0{n}\n"
FEW = {
    "rows": (lambda n: "".join(ROW.format(n=cpu) for cpu in range(n)), "t:7: more than 4 processors"),
    "a set": (lambda n: f"MTRRdefType, 0x2ff, {{{', '.join(map(repr, '123456'[:n]))}}}",
              "t: more than 4 values of one register"),
    "counted": (lambda n: f"# rdmsr -a 0x2ff | uniq -c\n 1 c00\n {n - 1} c06\n",
                "t:5: 4 processors for register 0x2ff: 1 to 3 can hold it"),
    "answers": (lambda n: "# rdmsr -a 0x2ff\n" + "c06\n" * n, "t:8: more than 4 processors"),
    "lists": (lambda n: "".join(f"vcpu {cpu}\n{{ .index = 0x2ff, .data = 0xc06 }},\n" for cpu in range(n)),
              "t: more than 4 processors"),
}  # fmt: skip


@pytest.mark.parametrize("case", FEW)
def test_as_many_processors_as_can_be_and_no_more(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_CPUS", 4)
    monkeypatch.setattr(registers, "MOST_CPUS", 4)
    made, message = FEW[case]
    name = "kvm_msrs" if case == "lists" else "msr_list"
    assert len(family(name).parse("\n\n" + made(4), "t").cpus) == 4
    assert said(name, "\n\n" + made(5)) == message


def test_a_source_that_is_no_name_is_shown() -> None:
    with pytest.raises(ParseError) as refused:
        parse("", 5)  # type: ignore[arg-type]
    assert str(refused.value) == "5: empty"


def test_a_part_that_is_refused_is_a_note_where_another_is_read() -> None:
    machine = parse("(XEN) MTRR default type: fast\n\n" + "0x2ff 0xc06\n", "t")
    refused = [note for note in machine.notes if getattr(note, "id", "") == "refused"]
    assert refused == ["not used: t:1: 'fast' is not a memory type (one of UC, WC, WT, WP, WB, UC-)"]
    assert machine.format == "msr-list" and machine.source == "t"
