"""How programs print a register file: one function for each form that some family reads.

Each gives the text of one processor, or None where the program has no way to print such a state.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable

from linux_log import register_lines

import memtype as mt
from memtype import rules

WORDS = {0: "uncachable", 1: "write-combining", 4: "write-through", 5: "write-protect", 6: "write-back"}
SHORT = {0: "UC", 1: "WC", 4: "WT", 5: "WP", 6: "WB"}
CAP = 0x500  # FIX and WC beside the number of pairs


def msrs(state: mt.MtrrState) -> list[tuple[int, int]]:
    """The registers of a list: MTRRCAP, pairs, fixed ranges, default type, and AMD's two."""
    found = [(rules.MTRRCAP, CAP | len(state.variable))]
    for n, pair in enumerate(state.variable):
        found += [(rules.PHYSBASE0 + 2 * n, pair[0]), (rules.PHYSMASK0 + 2 * n, pair[1])]
    found += [*zip(rules.FIXED_MSRS, state.fixed), (rules.DEF_TYPE_MSR, state.def_type)]
    if state.vendor == "amd":
        found += [(rules.SYSCFG_MSR, state.syscfg), (rules.TOP_MEM2_MSR, state.tom2)]
    return found


def spans(state: mt.MtrrState) -> list[tuple[int, int, int, int]]:
    """(number, base, size, type) of the pairs with V, whose masks have no holes."""
    bits = rules.page_bits(state.maxphyaddr)
    return [
        (n, base & mask & bits, (~mask & bits) + rules.PAGE_SIZE, base & 7)
        for n, (base, mask) in enumerate(state.variable)
        if mask & rules.MASK_VALID
    ]


def fixed_types(state: mt.MtrrState) -> list[int]:
    """The types of the 88 fixed ranges; AMD's routing bits are no type."""
    data = b"".join(value.to_bytes(8, "little") for value in state.fixed)
    return [kind & 7 if state.vendor == "amd" else kind for kind in data]


def rows(line: str) -> Callable[[mt.MtrrState], str]:
    """A list of registers, each as `line` has it."""

    def printed(state: mt.MtrrState) -> str:
        return "".join(
            line.format(i=i, v=v, high=v >> 32, low=v & 0xFFFFFFFF, name=rules.msr_name(i)) + "\n"
            for i, v in msrs(state)
        )

    return printed


def cpuinfo(state: mt.MtrrState) -> str:
    vendor = "AuthenticAMD" if state.vendor == "amd" else "GenuineIntel"
    return f"vendor_id\t: {vendor}\naddress sizes\t: {state.maxphyaddr} bits physical, 48 bits virtual\n"


def with_cpuinfo(form: Callable[[mt.MtrrState], str]) -> Callable[[mt.MtrrState], str]:
    return lambda state: cpuinfo(state) + form(state)


def log(newer: bool) -> Callable[[mt.MtrrState], str]:
    def printed(state: mt.MtrrState) -> str:
        shown = state
        if state.vendor == "amd":
            types = fixed_types(state)
            packed = tuple(int.from_bytes(bytes(types[n : n + 8]), "little") for n in range(0, 88, 8))
            shown = mt.MtrrState(
                state.def_type, packed, state.variable, state.maxphyaddr, "amd", state.syscfg, _forced(state)
            )
        head = "x86: " if newer else ""
        lines = [
            "Linux version 6.6.1 (b@h)" if newer else "Linux version 5.10.0 (b@h)",
            "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
        ]
        lines += register_lines(shown, newer) + [
            f"{head}x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT".removeprefix("x86: ")
        ]
        return "".join(f"[    0.000000] {line}\n" for line in lines)

    return printed


def old_log(state: mt.MtrrState) -> str:
    """The log of a kernel that printed both ends of a range: ``0 [0080000000-00ffffffff] mask ff80000000 …``."""
    sizes = {n: size for n, _, size, _ in spans(state)}

    def ends(row: re.Match[str]) -> str:
        base, size = int(row["base"], 16), sizes[int(row["n"])]
        last = f"{base + size - 1:0{len(row['base'])}x}"
        return f"{row['n']} [{row['base'].lower()}-{last}] mask {row['mask'].lower()}"

    return re.sub(r"(?P<n>\d+) base (?P<base>\w+) mask (?P<mask>\w+)", ends, log(False)(state))


def _forced(state: mt.MtrrState) -> int:
    both = rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
    return state.tom2 & rules.TOM2_FIELD if state.syscfg & both == both else 0


def proc_mtrr(state: mt.MtrrState) -> str | None:
    if not _plain(state):
        return None
    lines = []
    for n, base, size, kind in spans(state):
        amount = f"{size >> 10:5}KB" if size < 1 << 20 else f"{size >> 20:5}MB"
        lines.append(f"reg{n:02}: base=0x{base:09x} ({base >> 20:5}MB), size={amount}, count=1: {WORDS[kind]}\n")
    return "".join(lines) or None


def _plain(state: mt.MtrrState) -> bool:
    return bool(state.def_type & rules.DEF_TYPE_E) and state.vendor == "intel"


def fwts(state: mt.MtrrState) -> str | None:
    if not _plain(state):
        return None
    names = {0: "Uncached", 1: "Write-Combining", 4: "Write-Through", 5: "Write-Protect", 6: "Write-Back"}
    lines = []
    for n, base, size, kind in spans(state):
        amount = f"{size >> 10:6} KB" if size < 1 << 20 else f"{size >> 20:6} MB"
        lines.append(f"Reg {n}: 0x{base:016x} - 0x{base + size:016x} ({amount})   {names[kind]}\n")
    return "".join(lines) or None


def memcontrol(state: mt.MtrrState) -> str | None:
    if not _plain(state):
        return None
    names = {0: "uncacheable", 1: "write-combine", 4: "write-through", 5: "write-protect", 6: "write-back"}
    lines = []
    if state.def_type & rules.DEF_TYPE_FE:
        lines = [
            f"0x{s.base:x}/0x{s.size:x} BIOS {names[kind]} fixed-base fixed-length set-by-firmware active \n"
            for s, kind in zip(rules.FIXED_RANGES, fixed_types(state))
        ]
    lines += [
        f"0x{base:x}/0x{size:x} BIOS {names[kind]} set-by-firmware active \n" for _, base, size, kind in spans(state)
    ]
    return "".join(lines) or None


def coreboot(state: mt.MtrrState) -> str | None:
    kind = state.def_type & 7
    both = rules.DEF_TYPE_E | rules.DEF_TYPE_FE
    used = spans(state)
    if kind not in (0, 6) or state.def_type & both != both or state.vendor != "intel" or not used:
        return None
    lines = [f"MTRR: Fixed MSR 0x{i:x} 0x{v:016x}" for i, v in zip(rules.FIXED_MSRS, state.fixed)]
    lines += [f"apic_id 0x0 setup mtrr for CPU physical address size: {state.maxphyaddr} bits"]
    lines += [
        f"MTRR: default type WB/UC MTRR counts: {len(used)}/{len(used)}.",
        f"MTRR: {SHORT[kind]} selected as default type.",
    ]
    mask = rules.page_bits(state.maxphyaddr)
    for n, (_, base, size, of) in enumerate(used):
        lines.append(f"MTRR: {n} base 0x{base:016x} mask 0x{mask & ~(size - 1):016x} type {of}")
    return "".join(f"[DEBUG]  {line}\n" for line in lines)


def coreboot_shown(state: mt.MtrrState) -> str:
    lines = [f"0x{CAP | len(state.variable):016x}: IA32_MTRRCAP: {len(state.variable)} variable MTRRs, FIX WC"]
    lines += [f"0x{state.def_type:016x}: IA32_MTRR_DEF_TYPE: E FE"]
    lines += [f"0x{v:016x}: {rules.msr_name(i)}" for i, v in zip(rules.FIXED_MSRS, state.fixed)]
    for n, (base, mask) in enumerate(state.variable):
        lines += [f"0x{base:016x}: PHYBASE{n}: Address", f"0x{mask:016x}: PHYMASK{n}: Length"]
    return "\n".join(lines) + "\n"


def edk2_dump(state: mt.MtrrState) -> str:
    lines = ["MTRR Settings:", "=============", f"MTRR Default Type: {state.def_type:016X}"]
    lines += [f"Fixed MTRR[{n:02}]   : {value:016X}" for n, value in enumerate(state.fixed)]
    for n, (base, mask) in enumerate(state.variable):
        if mask & rules.MASK_VALID:
            lines.append(f"Variable MTRR[{n:02}]: Base={base:016X} Mask={mask:016X}")
    lines += ["", "Memory Ranges:", "===================================="]
    lines += [f"{s.type}:{s.base:016X}-{s.last:016X}" for s in state.map if str(s.type) in SHORT.values()]
    return "\n".join(lines) + "\n"


def xen(state: mt.MtrrState) -> str:
    lines = log(False)(state).split("\n")[2:-2]
    return "".join(
        f"(XEN) {line.partition('] ')[2].lower().replace('mtrr ', 'MTRR ').replace('tom2', 'TOM2')}\n" for line in lines
    )


def xen_record(state: mt.MtrrState) -> str | None:
    if len(state.variable) != 8 or state.vendor == "amd":
        return None
    lines = [f"    MTRR: PAT 0x7040600070406, cap 0x508, default 0x{state.def_type:x}"]
    lines += [f"          var {n} 0x{base:016x} 0x{mask:016x}" for n, (base, mask) in enumerate(state.variable)]
    lines += [f"          fixed {n:02} 0x{value:016x}" for n, value in enumerate(state.fixed)]
    return "\n".join(lines) + "\n"


def windbg(state: mt.MtrrState) -> str | None:
    if not state.def_type & rules.DEF_TYPE_E:
        return None
    on = bool(state.def_type & rules.DEF_TYPE_FE)
    cells = [
        f"{SHORT[kind]}:{s.base:05x}-{s.base + s.size - 1:05x}"
        for s, kind in zip(rules.FIXED_RANGES, fixed_types(state))
    ]
    lines = [
        "2: kd> !mtrr",
        f"MTRR:  Var {len(state.variable)}, Fixed-support {'enabled' if on else 'disabled'}, USWC-supported, "
        f"Default: {SHORT[state.def_type & 7]}",
    ]
    lines += ["  ".join(cells[n : n + 4]) for n in range(0, 88, 4)] if on else []
    lines += ["Variable:                Base               Mask               Length"]
    sizes = {n: size for n, _, size, _ in spans(state)}
    for n, (base, mask) in enumerate(state.variable):
        fields = (_halves(base & -4096), _halves(mask & -4096), _halves(sizes.get(n, 0)))
        lines.append(f"  {n}.   {SHORT[base & 7]}: {'  '.join(fields)}" if n in sizes else f"  {n}. ")
    return "\n".join([*lines, "2: kd> "]) + "\n"


def _halves(value: int) -> str:
    return f"{value >> 32:08x}:{value & 0xFFFFFFFF:08x}"


def u_boot(state: mt.MtrrState) -> str:
    names = {0: "Uncacheable", 1: "Combine", 4: "Through", 5: "Protect", 6: "Back"}
    lines = ["=> mtrr", "CPU 0:", "Reg Valid Write-type   Base   ||        Mask   ||        Size   ||"]
    full = rules.page_bits(state.maxphyaddr)
    for n, (base, mask) in enumerate(state.variable):
        field, valid = mask & full, "Y" if mask & rules.MASK_VALID else "N"
        size = (1 << state.maxphyaddr) - field
        lines.append(f"{n}   {valid}     {names[base & 7]:<12} {base & -4096:016x} {field:016x} {size:016x}")
    return "\n".join([*lines, "=> "]) + "\n"


def slim_bootloader(state: mt.MtrrState) -> str | None:
    if state.vendor == "amd":
        return None
    names = {0: "Uncacheable", 1: "Write-combining", 4: "Write-through", 5: "Write-protected", 6: "Write-back"}
    word = ("Disabled", "Enabled")
    on, fixed = (word[bool(state.def_type & bit)] for bit in (rules.DEF_TYPE_E, rules.DEF_TYPE_FE))
    lines = [
        f"MTRRs......: {on}",
        f"Fixed MTRRs: {fixed}",
        f"Default....: {names[state.def_type & 7]}",
        "",
        "Variable MTRRs",
    ]
    for n, base, size, kind in spans(state):
        lines.append(f"[0x{base:09x}-0x{base + size - 1:09x}] {names[kind]}")
        for half, index, value in zip(("BASE", "MASK"), (0x200 + 2 * n, 0x201 + 2 * n), state.variable[n]):
            lines.append(f"   IA32_MTRR_PHYS{half}_{n} (0x{index:x}): 0x{value:016x}")
    return "\n".join(lines) + "\n"


def dbvm(state: mt.MtrrState) -> str:
    lines = [f"IA32_MTRRCAP={CAP | len(state.variable):x}", f"Variable count is {len(state.variable)}", "base - mask"]
    lines += [f"{base:016x} - {mask:016x}" for base, mask in state.variable]
    lines += [f"{rules.msr_name(i).removeprefix('IA32_MTRR_')}={v:016x}" for i, v in zip(rules.FIXED_MSRS, state.fixed)]
    return "\n".join([*lines, f"IA32_MTRR_DEF_TYPE={state.def_type:x}"]) + "\n"


def inteltool(state: mt.MtrrState) -> str | None:
    if state.vendor == "amd":
        return None
    lines = [
        "CPU: ID 0x20655, Processor Type 0x0, Family 0x6, Model 0x25, Stepping 0x5",
        f"{'=' * 21} SHARED MSRs (All Cores) {'=' * 21}",
    ]
    lines += [f" MSR 0x{i:08X} = 0x{v >> 32:08X}:0x{v & 0xFFFFFFFF:08X} ({rules.msr_name(i)})" for i, v in msrs(state)]
    return "\n".join(lines) + "\n"


def transcript(state: mt.MtrrState) -> str:
    return "".join(f"# rdmsr 0x{i:x}\n{v:x}\n" for i, v in msrs(state))


def amdsev(state: mt.MtrrState) -> str:
    return "Name, address, set(values)\n" + "".join(
        f"{rules.msr_name(i)}, 0x{i:x}, {{'{v:x}'}}\n" for i, v in msrs(state)
    )


def mapping(state: mt.MtrrState) -> str:
    told = {"vendor": state.vendor, "maxphyaddr": state.maxphyaddr} | {f"0x{i:x}": f"0x{v:x}" for i, v in msrs(state)}
    return json.dumps(told, indent=1)


def snapshot(state: mt.MtrrState) -> str:
    return json.dumps({"msrs": [{"index": i, "data": v} for i, v in msrs(state) if i != rules.MTRRCAP]}, indent=1)


def qemu_json(state: mt.MtrrState) -> str | None:
    if state.vendor == "amd":
        return None
    cpu = {
        "env.mtrr_fixed": [f"0x{v:016x}" for v in state.fixed], "env.mtrr_deftype": f"0x{state.def_type:016x}",
        "env.mtrr_var": [{"base": f"0x{b:016x}", "mask": f"0x{m:016x}"} for b, m in state.variable],
    }  # fmt: skip
    return json.dumps({"cpu (0)": cpu}, indent=1)


def hex_dump(state: mt.MtrrState) -> str:
    entries = [(i, v) for i, v in msrs(state) if i != rules.MTRRCAP]
    data = struct.pack("<II", len(entries), 0) + b"".join(struct.pack("<IIQ", i, 0, v) for i, v in entries)
    return "".join(f"{n:08x}: {data[n : n + 16].hex(' ', 2)}\n" for n in range(0, len(data), 16))


def emitted(form: str) -> Callable[[mt.MtrrState], str | bytes | None]:
    def printed(state: mt.MtrrState) -> str | bytes | None:
        try:
            return mt.emit(state, form)
        except mt.InputError:
            return None

    return printed


EMITTED = ("json", "c", "rust", "edk2", "kvm", "wrmsr", "dmesg", "proc-mtrr", "kvm-bytes")
PRINTERS: dict[str, Callable[[mt.MtrrState], str | bytes | None]] = {form: emitted(form) for form in EMITTED} | {
    "bare list": rows("0x{i:x} 0x{v:x}"),
    "list": with_cpuinfo(rows("0x{i:08x}: 0x{v:016x}")),
    "names": with_cpuinfo(rows("{name} (0x{i:x}): 0x{v:016x}")),
    "chipsec": rows("[cpu0] RDMSR( 0x{i:x} ): EAX = 0x{low:08X}, EDX = 0x{high:08X}"),
    "cpu list": rows("cpu0: MSR 0x{i:x} = 0x{v:016x}"),
    "transcript": transcript,
    "amdsev": with_cpuinfo(amdsev),
    "inteltool": inteltool,
    "coreboot": coreboot,
    "coreboot, shown": coreboot_shown,
    "edk2 dump": edk2_dump,
    "log": log(False),
    "newer log": log(True),
    "old log": old_log,
    "log, cpuinfo": with_cpuinfo(log(False)),
    "proc": proc_mtrr,
    "proc, cpuinfo": lambda state: None if (found := proc_mtrr(state)) is None else cpuinfo(state) + found,
    "fwts": fwts,
    "memcontrol": memcontrol,
    "xen": xen,
    "xen record": xen_record,
    "windbg": windbg,
    "u-boot": u_boot,
    "slim bootloader": slim_bootloader,
    "dbvm": dbvm,
    "mapping": mapping,
    "snapshot": snapshot,
    "qemu json": qemu_json,
    "hex dump": hex_dump,
}  # fmt: skip
