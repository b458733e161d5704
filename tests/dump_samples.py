"""Dumps of every family outside Linux, written for the tests: small, whole, and each in its printer's form."""

from __future__ import annotations

import json
import struct

import memtype as mt
from memtype import rules

STATE = mt.MtrrState(0xC06, (0x0606060606060606,) * 11, ((0x80000000, 0xFF80000800),), 40)
PAT = 0x0007040600070406
MSRS = [(0x10, 5), (0x200, 0x80000000), (0x201, 0xFF80000800), (0x2FF, 0xC06), (0x277, PAT)]
MSRS += [(index, 0x0606060606060606) for index in rules.FIXED_MSRS]

COREBOOT = """\
[DEBUG]  MTRR: TEMPORARY Physical address space:
[DEBUG]  0x0000000000000000 - 0x00000000ffffffff size 0x100000000 type 0
[DEBUG]  MTRR: default type WB/UC MTRR counts: 1/0.
[DEBUG]  MTRR: UC selected as default type.
[DEBUG]  MTRR: 0 base 0x00000000ff000000 mask 0x0000000fff000000 type 5
[DEBUG]  MTRR: Physical address space:
[DEBUG]  0x0000000000000000 - 0x000000007fffffff size 0x80000000 type 6
[DEBUG]  0x0000000080000000 - 0x0000000100000000 size 0x80000000 type 0
[DEBUG]  apic_id 0x2 setup mtrr for CPU physical address size: 36 bits
[DEBUG]  MTRR: default type WB/UC MTRR counts: 1/1.
[DEBUG]  MTRR: WB selected as default type.
[DEBUG]  MTRR: 0 base 0x0000000080000000 mask 0x0000000f80000000 type 0
"""

LINUXBIOS = """\
Setting variable MTRR 0, base: 0MB, range: 2048MB, type WB
Setting variable MTRR 1, base: 1024MB, range:  512MB, type UC
"""

INTELTOOL = """\
CPU: ID 0x20655, Processor Type 0x0, Family 0x6, Model 0x25, Stepping 0x5
===================== SHARED MSRs (All Cores) =====================
 MSR 0x000002FF = 0x00000000:0x00000806 (IA32_MTRR_DEF_TYPE)
====================== UNIQUE MSRs  (core 0) ======================
 MSR 0x00000277 = 0x00070406:0x00070406 (IA32_PAT)
====================== UNIQUE MSRs  (core 1) ======================
 MSR 0x00000277 = 0x00070406:0x00070106 (IA32_PAT)
(*) MSR 0x0000020E = 0xFFFFFFFF:0xFFFFFFFF (IA32_MTRR_PHYSBASE7)
"""

EDK2 = """\
MTRR Settings:
=============
MTRR Default Type: 0000000000000C06
{fixed}
Variable MTRR[00]: Base=0000000080000000 Mask=0000000F80000800
Variable MTRR[02]: Base=0000000070000001 Mask=0000000FF0000800

Memory Ranges:
====================================
WB:0000000000000000-000000006FFFFFFF
WC:0000000070000000-000000007FFFFFFF
UC:0000000080000000-00000000FFFFFFFF
WB:0000000100000000-0000000FFFFFFFFF
""".format(fixed="\n".join(f"Fixed MTRR[{n:02}]   : 0606060606060606" for n in range(11)))

XEN = """\
(XEN) HVM: SVM enabled
(XEN) MTRR default type: write-back
(XEN) MTRR fixed ranges enabled:
(XEN)   00000-9ffff write-back
(XEN)   a0000-bffff uncachable
(XEN)   c0000-fffff write-protect
(XEN) MTRR variable ranges enabled:
(XEN)   0 base 0080000000 mask ff80000000 uncachable
(XEN)   1 disabled
(XEN) TOM2: 0000000180000000 (WB)
"""

UBOOT = """\
=> mtrr
CPU 0:
Reg Valid Write-type   Base   ||        Mask   ||        Size   ||
0   Y     Back         0000000000000000 0000000f80000000 0000000080000000
1   Y     Combine      00000000d0000000 0000000ff0000000 0000000010000000
2   N     Uncacheable  0000000000000000 0000000000000000 0000001000000000
"""

BSD = "\n".join((
    *(f"0x{s.base:x}/0x{s.size:x} BIOS {'write-back' if s.base < 0xA0000 else 'uncacheable'} "
      "fixed-base fixed-length set-by-firmware active " for s in rules.FIXED_RANGES),
    "0x0/0x80000000 BIOS write-back set-by-firmware active ",
    "0xd0000000/0x10000000 Xorg write-combine active ",
))  # fmt: skip

FWTS = """\
Reg 0: 0x0000000000000000 - 0x0000000080000000 (  2048 MB)   Write-Back
Reg 3: 0x00000000bf800000 - 0x00000000c0000000 (     8 MB)   Uncached
Detected CPUs with inconsistent variable MTRR settings which the kernel fixed.
"""

SEABIOS = """\
SeaBIOS (version 1.16)
e820 map has 2 items:
  0: 0000000000000000 - 000000000009fc00 = 1 RAM
  1: 000000000009fc00 - 00000000000a0000 = 2 RESERVED
"""

HMP = "CPU#0\nRAX=0\nCR0=80050033 CR2=0 CR3=0 CR4=000006f0\nCPU#1\nCR0=60000010 CR2=0 CR3=0 CR4=0\n"

AMDSEV = """\
Name, address, set(values)
SYSCFG, 0xC0010010, {'3fc0000'}
TOP_MEM2, 0xC001001D, {'4080000000'}
MTRRdefType, 0x2ff, {'c00', 'c06'}
MTRRphysBase0, 0x200, {'6'}
MTRRphysMask0, 0x201, {'ffff80000800'}
""" + "".join(
    f"MTRR{name.lower()}, {index:#x}, {{'1e1e1e1e1e1e1e1e'}}\n"
    for name, index in zip(rules.FIXED_NAMES, rules.FIXED_MSRS)
)  # fmt: skip

TRANSCRIPT = "# rdmsr -a 0x2ff\nc06\nc00\n# rdmsr -a 0x277\n7040600070406\n7040600070406\n$ rdmsr -d -p 1 0xfe\n1288\n"


def xen_record(pairs: list[tuple[int, int]]) -> str:
    """What xen-hvmctx prints of one processor's MTRR record."""
    rows = ["    MTRR: PAT 0x7040600070406, cap 0x508, default 0xc06"]
    rows += [f"          var {n} 0x{base:016x} 0x{mask:016x}" for n, (base, mask) in enumerate(pairs)]
    return "\n".join([*rows, *(f"          fixed {n:02} 0x0606060606060606" for n in range(11))]) + "\n"


def windbg(fixed: str = "enabled") -> str:
    """``!mtrr`` of a machine with 128 GiB."""
    cells = [f"{'WP' if s.base >> 17 > 4 else 'WB'}:{s.base:05x}-{s.base + s.size - 1:05x}" for s in rules.FIXED_RANGES]
    rows = ["  ".join(cells[n : n + 4]) for n in range(0, 88, 4)] if fixed == "enabled" else []
    head = f"MTRR:  Var 4, Fixed-support {fixed}, USWC-supported, Default: UC"
    return "\n".join([
        "2: kd> !mtrr", head, *rows, "Variable:                Base               Mask               Length",
        "  0.   UC: 00000000:c0000000  000003ff:c0000000  00000000:40000000",
        "  1.   WB: 00000000:00000000  000003e0:00000000  00000020:00000000", "  2. ", "  3. ", "",
    ])  # fmt: skip


def analyzed(pairs: list[tuple[int, int]]) -> dict[str, object]:
    """analyze-migration.py's JSON."""
    return {
        "ram (2)": {}, "cpu_common (0)": {},
        "cpu (0)": {
            "env.pat": f"0x{PAT:016x}", "env.mtrr_fixed": ["0x0606060606060606"] * 11,
            "env.mtrr_deftype": "0x0000000000000c06",
            "env.mtrr_var": [{"base": f"0x{base:016x}", "mask": f"0x{mask:016x}"} for base, mask in pairs],
        },
    }  # fmt: skip


def cloud_hypervisor(*lists: list[tuple[int, int]]) -> str:
    """A snapshot's state.json: the processors' states are JSON inside strings."""
    cpuid = [{"function": 0x80000008, "index": 0, "flags": 0, "eax": 0x3028, "ebx": 0, "ecx": 0, "edx": 0}]
    states = {
        str(n): {"snapshots": {}, "snapshot_data": {"state": json.dumps(
            {"Kvm": {"cpuid": cpuid, "msrs": [{"index": index, "data": value} for index, value in msrs]}})}}
        for n, msrs in enumerate(lists)
    }  # fmt: skip
    return json.dumps({"snapshots": {"cpu-manager": {"snapshots": states, "snapshot_data": None}}})


def qmp_session() -> str:
    """A monitor session with ``info registers`` and phys-bits."""
    session = [
        {"QMP": {"version": {"qemu": {"major": 9}}, "capabilities": []}},
        {"return": {}},
        {"return": "CPU#0\r\nCR0=80050033 CR2=0 CR3=0 CR4=0\r\n"},
        {"execute": "qom-get", "arguments": {"path": "/machine/unattached/device[0]", "property": "phys-bits"}},
        {"return": 40},
    ]
    return "\n".join(json.dumps(line) for line in session)


def kvm_structure(entries: list[tuple[int, int]]) -> bytes:
    """``struct kvm_msrs``."""
    return struct.pack("<II", len(entries), 0) + b"".join(struct.pack("<IIQ", i, 0, v) for i, v in entries)


def hex_dumps(data: bytes) -> dict[str, str]:
    """The bytes as programs show them."""
    rows = [(n, data[n : n + 16]) for n in range(0, len(data), 16)]
    shown = ["".join(chr(b) if 32 <= b < 127 else "." for b in row) for _, row in rows]
    lines = [f"{n:08x}  {row.hex(' '):<48}  |{s}|" for (n, row), s in zip(rows, shown)]
    return {
        "plain": data.hex(),
        "spaced": data.hex(" "),
        "xxd": "\n".join(f"{n:08x}: {row.hex(' ', 2):<39}  {s}" for (n, row), s in zip(rows, shown)),
        "hexdump -C": "\n".join([*lines, f"{len(data):08x}", ""]),
    }


def migration_stream(pairs: list[tuple[int, int]]) -> bytes:
    """A stream of one device, the processor, with its description at the end."""
    var = {"vmsd_name": "mtrr_var", "version": 1, "fields": [
        {"name": "base", "type": "uint64", "size": 8}, {"name": "mask", "type": "uint64", "size": 8}]}  # fmt: skip
    fields = [
        {"name": "env.eip", "type": "uint64", "size": 8},
        {"name": "env.pat", "type": "uint64", "size": 8},
        {"name": "env.mtrr_fixed", "array_len": 11, "type": "uint64", "size": 8},
        {"name": "env.mtrr_deftype", "type": "uint64", "size": 8},
        {"name": "env.mtrr_var", "array_len": len(pairs), "type": "struct", "struct": var, "size": 16},
    ]
    pkru = {"vmsd_name": "cpu/pkru", "version": 1, "fields": [{"name": "env.pkru", "type": "uint32", "size": 4}]}
    device = {"name": "cpu", "instance_id": 0, "vmsd_name": "cpu", "version": 12, "fields": fields}
    device["subsections"] = [pkru]
    words = [0xFFF0, PAT, *([0x0606060606060606] * 11), 0xC06, *(word for pair in pairs for word in pair)]
    section = b"\x04" + struct.pack(">I", 3) + b"\x03cpu" + struct.pack(">II", 0, 12)
    section += b"".join(struct.pack(">Q", word) for word in words)
    section += b"\x05\x08cpu/pkru" + struct.pack(">II", 1, 0) + b"\x7e" + struct.pack(">I", 3)
    description = json.dumps({"page_size": 4096, "devices": [device]}).encode()
    return b"QEVM" + struct.pack(">I", 3) + section + b"\x00\x06" + struct.pack(">I", len(description)) + description


TEXTS: dict[str, tuple[str, str]] = {  # name: (family, text)
    "coreboot": ("coreboot", COREBOOT),
    "linuxbios": ("coreboot", LINUXBIOS),
    "inteltool": ("inteltool", INTELTOOL),
    "edk2": ("edk2", EDK2),
    "xen": ("xen", XEN),
    "xen-hvmctx": ("xen", xen_record([(0x80000000, 0xFF80000800)] * 8)),
    "u-boot": ("u-boot", UBOOT),
    "bsd": ("freebsd-memcontrol", BSD),
    "windbg": ("windbg", windbg()),
    "fwts": ("fwts", FWTS),
    "seabios": ("seabios", SEABIOS),
    "hmp": ("qemu-monitor", HMP),
    "qmp": ("qemu-monitor", qmp_session()),
    "amdsev": ("msr-list", AMDSEV),
    "transcript": ("msr-list", TRANSCRIPT),
    "qemu-json": ("qemu-json", json.dumps(analyzed([(0x80000000, 0xFF80000800)]))),
    "cloud-hypervisor": ("msr-json", cloud_hypervisor(MSRS, MSRS)),
    "mapping": ("msr-json", json.dumps({f"0x{i:x}": f"0x{v:x}" for i, v in MSRS})),
    "kvm hex": ("kvm-msrs", hex_dumps(kvm_structure(MSRS))["xxd"]),
    "json": ("memtype-json", str(mt.emit(STATE, "json"))),
    "c": ("structures", str(mt.emit(STATE, "c"))),
    "rust": ("structures", str(mt.emit(STATE, "rust"))),
    "edk2 structure": ("structures", str(mt.emit(STATE, "edk2"))),
    "kvm": ("kvm-msrs", str(mt.emit(STATE, "kvm"))),
    "wrmsr": ("msr-list", str(mt.emit(STATE, "wrmsr"))),
    "proc-mtrr": ("proc-mtrr-commands", str(mt.emit(STATE, "proc-mtrr"))),
}
BYTES: dict[str, tuple[str, bytes]] = {
    "kvm bytes": ("kvm-msrs", kvm_structure(MSRS)),
    "migration": ("qemu-migration", migration_stream([(0x80000000, 0xFF80000800)] * 8)),
}
