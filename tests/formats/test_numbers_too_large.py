"""Every number that a family reads: the largest that fits is read, the next is refused with line, name and limit."""

from __future__ import annotations

import pytest

from memtype.errors import ParseError
from memtype.formats import family

SHARED_CORE = "CPU: ID 0x20655\n===== UNIQUE MSRs  (core 0) =====\n"
VMCS = "*** Guest State ***\nCR0: actual=0x80050033\n"
WINDBG = "MTRR:  Var 4, Fixed-support disabled, Default: UC\n"
MAP = "MTRR map: 1 entries (0 fixed + 1 variable; max 18), built from 8 variable MTRRs\n"
XEN = "(XEN) MTRR default type: write-back\n"
RECORD = "MTRR: PAT 0x7040600070406, cap 0x508, default 0xc06\n"
UBOOT = "CPU 0:\nReg Valid Write-type   Base   ||        Mask   ||        Size   ||\n"
CONFLICT = "x86/PAT: app:9 conflicting memory types "
IOREMAP = "ioremap error for 0xfeb00000-0xfeb01000, "
# A family; a text with @ for the number; its name; bits; decimal or not.
NUMBERS = [
    ("coreboot", "MTRR: Fixed MSR 0x@ 0x0606060606060606", "register", 32, 16),
    ("coreboot", "MTRR: Fixed MSR 0x250 0x@", "IA32_MTRR_FIX64K_00000", 64, 16),
    ("coreboot", "MTRR: @ base 0x0 mask 0xf80000000 type 6", "MTRR number", 64, 10),
    ("coreboot", "MTRR: 0 base 0x@ mask 0xf80000000 type 6", "base", 64, 16),
    ("coreboot", "MTRR: 0 base 0x0 mask 0x@ type 6", "mask", 64, 16),
    ("coreboot", "MTRR: 0 base 0x0 mask 0xf80000000 type @", "type", 8, 10),
    ("coreboot", "Setting variable MTRR @, base: 0MB, range: 2048MB, type WB", "MTRR number", 64, 10),
    ("coreboot", "Setting variable MTRR 0, base: @MB, range: 2048MB, type WB", "megabytes", 44, 10),
    ("coreboot", "Setting variable MTRR 0, base: 0MB, range: @MB, type WB", "megabytes", 44, 10),
    ("coreboot", "0x@ - 0x1000 size 0x1000 type 6", "base", 64, 16),
    ("coreboot", "0x0 - 0x@ size 0x1000 type 6", "end", 64, 16),
    ("coreboot", "0x0 - 0x1000 size 0x@ type 6", "size", 64, 16),
    ("coreboot", "0x0 - 0x1000 size 0x1000 type @", "type", 8, 10),
    ("coreboot", "0x@: IA32_MTRRCAP: 8 variable", "IA32_MTRRCAP", 64, 16),
    ("coreboot", "0x80000006: PHYBASE@", "MTRR number", 64, 10),
    ("coreboot", "Setting fixed MTRRs(@-88) Type: WB", "fixed range", 64, 10),
    ("coreboot", "Setting fixed MTRRs(0-@) Type: WB", "fixed range", 64, 10),
    ("coreboot", "MTRR: default type WB/UC MTRR counts: @/1.", "count", 8, 10),
    ("coreboot", "MTRR: default type WB/UC MTRR counts: 1/@.", "count", 8, 10),
    ("dbvm", "IA32_MTRRCAP=@", "IA32_MTRRCAP", 64, 16),
    ("dbvm", "IA32_MTRRCAP=508\nIA32_MTRR_DEF_TYPE=@", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("edk2", "MTRR Default Type: @", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("edk2", "Fixed MTRR[@]   : 0606060606060606", "fixed-range number", 64, 10),
    ("edk2", "Fixed MTRR[00]   : @", "IA32_MTRR_FIX64K_00000", 64, 16),
    ("edk2", "Variable MTRR[@]: Base=0000000080000000 Mask=0000000F80000800", "range number", 64, 10),
    ("edk2", "Variable MTRR[00]: Base=@ Mask=0000000F80000800", "IA32_MTRR_PHYSBASE0", 64, 16),
    ("edk2", "Variable MTRR[00]: Base=0000000080000000 Mask=@", "IA32_MTRR_PHYSMASK0", 64, 16),
    ("edk2", "MTRR Default Type: C06\nMemory Ranges:\nWB:@-FFFFFFFFF", "first byte of a range", 64, 16),
    ("edk2", "MTRR Default Type: C06\nMemory Ranges:\nWB:0-@", "last byte of a range", 64, 16),
    ("freebsd", "0x@/0x1000 BIOS write-back active", "base", 64, 16),
    ("freebsd", "0x0/0x@ BIOS write-back active", "length", 64, 16),
    ("fwts", "Reg 0: 0x@ - 0x80000000 (  2048 MB)   Write-Back", "first", 64, 16),
    ("fwts", "Reg 0: 0x0 - 0x@ (  2048 MB)   Write-Back", "end", 64, 16),
    ("fwts", "Reg 0: 0x0 - 0x80000000 (  @ MB)   Write-Back", "size", 44, 10),
    ("gdb_pt_dump", "0x@ : 0x1000 | W:0 X:1 S:1 UC:0 WB:1", "address", 64, 16),
    ("gdb_pt_dump", "0x0 : 0x@ | W:0 X:1 S:1 UC:0 WB:1", "address", 64, 16),
    ("gdb_pt_dump", "0x0 : 0x1000 : 0x@ | W:0 X:1 S:1 UC:0 WB:1", "address", 64, 16),
    ("guest_state", "*** Guest State ***\nCR0: actual=0x@, shadow=0x0", "guest_cr0", 64, 16),
    ("guest_state", VMCS + "EFER = 0x0  PAT = 0x@", "guest_pat", 64, 16),
    ("guest_state", VMCS + "*** Host State ***\nEFER = 0x0  PAT = 0x@", "host_pat", 64, 16),
    ("guest_state", VMCS + "*** Control State ***\nEPT pointer = 0x@", "eptp", 64, 16),
    ("guest_state", "VMCB Control Area:\nnested_cr3: @", "nested_cr3", 64, 16),
    ("inteltool", "MSR 0x@ = 0x00000000:0x00000806 (IA32_MTRR_DEF_TYPE)", "register", 32, 16),
    ("inteltool", "MSR 0x000002FF = 0x@:0x00000806 (IA32_MTRR_DEF_TYPE)", "IA32_MTRR_DEF_TYPE", 32, 16),
    ("inteltool", "MSR 0x000002FF = 0x00000000:0x@ (IA32_MTRR_DEF_TYPE)", "IA32_MTRR_DEF_TYPE", 32, 16),
    ("kvm_msrs", "{ .index = 0x@, .data = 0xc06 },", "MSR index", 32, 16),
    ("kvm_msrs", "{ .index = @, .data = 0xc06 },", "MSR index", 32, 10),
    ("kvm_msrs", "{ .index = 0x2ff, .data = 0x@ },", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("kvm_msrs", "{ .index = 0x2ff, .data = @ },", "IA32_MTRR_DEF_TYPE", 64, 10),
    ("linux_dmesg", "  0 base @ mask FF80000000 write-back", "base", 64, 16),
    ("linux_dmesg", "  0 base 0000000000 mask @ write-back", "mask", 64, 16),
    ("linux_dmesg", "  0 base 0000000000 mask FF80000000 write-back\nTOM2: @ aka 4096M", "TOM2", 64, 16),
    ("linux_dmesg", MAP + "  0: @-00000000ffffffff write-back", "address", 64, 16),
    ("linux_dmesg", MAP + "  0: 0000000000000000-@ write-back", "address", 64, 16),
    ("linux_dmesg", "x86 PAT enabled: cpu 0, old 0x@, new 0x7010600070106", "IA32_PAT", 64, 16),
    ("linux_dmesg", "x86 PAT enabled: cpu 0, old 0x7040600070406, new 0x@", "IA32_PAT", 64, 16),
    ("linux_dmesg", "BIOS-e820: [mem 0x@-0x000000000009fbff] usable", "base", 64, 16),
    ("linux_dmesg", "BIOS-e820: [mem 0x0000000000000000-0x@] usable", "end", 64, 16),
    ("linux_dmesg", "BIOS-e820: @ - 000000000009fc00 (usable)", "base", 64, 16),
    ("linux_dmesg", "BIOS-e820: 0000000000000000 - @ (usable)", "end", 64, 16),
    ("linux_dmesg", "BIOS-e820: @ @ 0000000000000000 (usable)".replace("@", "{}", 1), "size", 64, 16),
    ("linux_pat_conflicts", CONFLICT + "@-1f0100000 write-combining<->write-back", "address", 64, 16),
    ("linux_pat_conflicts", CONFLICT + "0-@ write-combining<->write-back", "address", 64, 16),
    ("linux_pat_conflicts", CONFLICT + "[mem 0x@-0x1] write-combining<->write-back", "address", 64, 16),
    ("linux_pat_conflicts", CONFLICT + "[mem 0x0-0x@] write-combining<->write-back", "address", 64, 16),
    ("linux_pat_conflicts", IOREMAP + "requested 0x@, got 0x0", "page cache mode", 64, 16),
    ("linux_pat_conflicts", IOREMAP + "requested 0x2, got 0x@", "page cache mode", 64, 16),
    ("msr_json", '{"0x2ff":\n "0x@"}', "IA32_MTRR_DEF_TYPE", 64, 16),
    ("msr_json", '{"0x2ff":\n @}', "IA32_MTRR_DEF_TYPE", 64, 10),
    ("msr_json", '[{"index":\n "0x@", "data": 6}, {"index": 767, "data": 6}]', "MSR index", 32, 16),
    ("msr_json", '[{"index": 767,\n "data": "0x@"}]', "IA32_MTRR_DEF_TYPE", 64, 16),
    ("msr_list", "0x2ff 0x@", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("msr_list", "MTRRdefType, 0x2ff, {'@'}", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("msr_list", "# rdmsr 0x@\n0", "register", 32, 16),
    ("msr_list", "# rdmsr 0x2ff\n@", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("msr_list", "# rdmsr -d 0x2ff\n@", "IA32_MTRR_DEF_TYPE", 64, 10),
    ("msr_list", "# wrmsr 0x2ff 0x@", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("msr_list", "# wrmsr 0x2ff @", "IA32_MTRR_DEF_TYPE", 64, 10),
    ("page_walk", "PGD @", "PGD", 64, 16),
    ("page_walk", "PGD 100000067 P4D 100000067 PUD @", "PUD", 64, 16),
    ("pat_memtype_list", "PAT memtype list:\nPAT: [mem 0x@-0x00000000fe900000] write-combining", "address", 64, 16),
    ("pat_memtype_list", "PAT memtype list:\nPAT: [mem 0x0-0x@] write-combining", "address", 64, 16),
    ("pat_memtype_list", "write-back @ 0x{}-0x1000", "address", 64, 16),
    ("proc_mtrr", "reg00: base=0x@ (    0MB), size= 4096MB, count=1: write-back\n#", "base", 64, 16),
    ("proc_mtrr_commands", 'echo "base=0x@ size=0x1000 type=write-back" > /proc/mtrr', "base", 64, 16),
    ("proc_mtrr_commands", 'echo "base=0x0 size=0x@ type=write-back" > /proc/mtrr', "size", 64, 16),
    ("proc_mtrr_commands", 'echo "disable=@" > /proc/mtrr', "register number", 64, 10),
    ("qemu_monitor", "CPU#0\nCR0=@ CR2=0 CR4=0", "CR0", 64, 16),
    ("qemu_monitor", "CPU#0\nCR0=80050033 CR2=0 CR4=0\nIA32_PAT=@", "IA32_PAT", 64, 16),
    ("seabios", "e820 map has @ items:", "items", 16, 10),
    ("slim_bootloader", "MTRRs......: Enabled\nIA32_MTRR_PHYSBASE_0 (0x@): 0x6", "register", 32, 16),
    ("slim_bootloader", "MTRRs......: Enabled\nIA32_MTRR_PHYSBASE_0 (0x200): 0x@", "IA32_MTRR_PHYSBASE0", 64, 16),
    ("structures", "mtrr_msrs[] = {\n { 0x2ff, 0xc06 },\n { 0x@, 0x0 } };", "register", 32, 16),
    ("structures", "mtrr_msrs[] = {\n { 0x2ff, 0x@ } };", "IA32_MTRR_DEF_TYPE", 64, 16),
    ("uboot", UBOOT + "@   Y     Back         0 f80000000 80000000", "register number", 64, 10),
    ("uboot", UBOOT + "0   Y     Back         @ 0000000f80000000 0000000080000000", "base", 64, 16),
    ("uboot", UBOOT + "0   Y     Back         0000000000000000 @ 0000000080000000", "mask", 64, 16),
    ("uboot", UBOOT + "0   Y     Back         0000000000000000 0000000f80000000 @", "size", 64, 16),
    ("windbg", WINDBG + "  @.", "range number", 64, 10),
    ("windbg", WINDBG.replace("4", "@"), "Var", 8, 10),
    ("xen", XEN + "(XEN)   @ disabled", "range number", 64, 10),
    ("xen", XEN + "(XEN)   0 base @ mask ff80000000 uncachable", "base of range 0", 64, 16),
    ("xen", XEN + "(XEN)   0 base 0080000000 mask @ uncachable", "mask of range 0", 64, 16),
    ("xen", "\nMTRR: PAT 0x@, cap 0x508, default 0xc06", "pat", 64, 16),
    ("xen", "\nMTRR: PAT 0x7040600070406, cap 0x@, default 0xc06", "cap", 64, 16),
    ("xen", "\nMTRR: PAT 0x7040600070406, cap 0x508, default 0x@", "default", 64, 16),
    ("xen", RECORD + "var @ 0xc0000000 0xfffc0000800", "range number", 64, 10),
    ("xen", RECORD + "var 0 0x@ 0xfffc0000800", "IA32_MTRR_PHYSBASE0", 64, 16),
    ("xen", RECORD + "var 0 0xc0000000 0x@", "IA32_MTRR_PHYSMASK0", 64, 16),
    ("xen", RECORD + "fixed @ 0x606060606060606", "fixed-range number", 64, 10),
    ("xen", RECORD + "fixed 0 0x@", "IA32_MTRR_FIX64K_00000", 64, 16),
]  # fmt: skip


def said(name: str, text: str) -> str:
    """What the family refuses the text with; nothing where it reads it."""
    try:
        family(name).parse(text, "t")
    except ParseError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "text", "what", "bits", "base"), NUMBERS)
def test_a_number_may_have_so_many_bits_and_no_more(name: str, text: str, what: str, bits: int, base: int) -> None:
    most, over = (f"{n:x}" if base == 16 else str(n) for n in ((1 << bits) - 1, 1 << bits))
    mark = "{}" if "{}" in text else "@"
    line = 3 + text.count("\n", 0, text.index(mark))
    assert " is not a " not in said(name, "\n\n" + text.replace(mark, most))
    message = said(name, "\n\n" + text.replace(mark, over))
    assert message.startswith(f"t:{line}: {what} = '") and over in message, message
    assert message.endswith(f"' is not a {bits}-bit value")


# A family, a text with @ for the number of a processor.
PROCESSORS = [
    ("coreboot", "CPU @: MTRR: Fixed MSR 0x250 0x0606060606060606"),
    ("edk2", "CPU @\nMTRR Default Type: 0000000000000C06"),
    ("inteltool", "===== UNIQUE MSRs  (core @) =====\nMSR 0x000002FF = 0x00000000:0x00000806"),
    ("kvm_msrs", "vcpu @\n{ .index = 0x2ff, .data = 0xc06 },"),
    ("msr_list", "cpu@: MSR 0x2ff = 0xc06"),
    ("msr_list", "CPU @\n0x2ff 0xc06"),
    ("msr_list", "# rdmsr -p @ 0x2ff\nc06"),
    ("msr_list", "# rdmsr -p@ 0x2ff\nc06"),
    ("qemu_monitor", "CPU#@\nCR0=80050033 CR2=0 CR4=0"),
    ("uboot", "CPU @:\n" + UBOOT.split("\n")[1] + "\n0   Y     Back         0 f80000000 80000000"),
    ("xen", "Entry 9: type 14 instance @, length 240\n" + RECORD),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), PROCESSORS)
def test_a_processor_s_number_is_below_65536(name: str, text: str) -> None:
    line = 3 + text.count("\n", 0, text.index("@"))
    assert said(name, "\n\n" + text.replace("@", "65535")) == ""
    assert said(name, "\n\n" + text.replace("@", "65536")) == f"t:{line}: processor number '65536' is not below 65536"
