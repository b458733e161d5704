"""The bug museum: published bugs of other programs, each as a register file, the right answer, and theirs.

Where a program has a view (`memtype.views`), its wrong answer is what the view gives; a test compares. The others are
told by the reports named. All of them are about one version: most are mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from memtype import rules
from memtype.backends import reference
from memtype.mtrr import MtrrState
from memtype.types import MemoryType
from memtype.vectors.cited import row
from memtype.vectors.section import FLAG, ROW, TEXT, TYPE, VENDOR, VENDORS, WORD, Column, Section
from memtype.vectors.states import E_FE, FIRMWARE, GIB, TOM2_ON, Case, E, each, pair, registers

UC, WC, WT, WP, WB = (MemoryType(kind) for kind in sorted(rules.MTRR_TYPES))
UC_MINUS: Final = MemoryType.UC_MINUS
GITHUB: Final = "https://github.com/"
MIB: Final = rules.MIB


class Exhibit(NamedTuple):
    """A bug: who reports it, what the program does, where it shows, and the answers it gives there."""

    id: str
    project: str
    report: str
    bug: str
    rule: str
    state: MtrrState
    wrong: dict[int, MemoryType]
    view: str | None = None


def _hole(kind: int = UC, maxphyaddr: int = 46, **more: Any) -> MtrrState:
    """WB up to 4 GiB, the fourth GiB `kind`, default UC."""
    pairs = [pair(0, 4 * GIB, WB, maxphyaddr), pair(3 * GIB, GIB, kind, maxphyaddr)]
    return registers(more.pop("def_type", E), pairs, maxphyaddr, **more)


def _firmware(pairs: list[tuple[int, int]], def_type: int = E_FE | WB, **more: Any) -> MtrrState:
    return registers(def_type, pairs, fixed=more.pop("fixed", FIRMWARE), **more)


def _fixed(**changed: int) -> list[int]:
    """FIRMWARE's fixed ranges, but for registers given as ``msr_26e=…``."""
    numbers = {int(name[4:], 16): value for name, value in changed.items()}
    return [numbers.get(index, value) for index, value in zip(rules.FIXED_MSRS, FIRMWARE, strict=True)]


_EPYC: Final = registers(
    E, [pair(0, 2 * GIB, WB, 48), pair(0xE400_0000, 64 * MIB, WP, 48), pair(0x7800_0000, 128 * MIB, UC, 48),
        pair(0xFF00_0000, 16 * MIB, WP, 48)], 48, vendor="amd", syscfg=TOM2_ON, tom2=0x10_8000_0000,
)  # fmt: skip
_TOM2_BIT: Final = registers(E, (), 48, vendor="amd", syscfg=rules.SYSCFG_TOM2_EN, tom2=0x10_8000_0000)
_UC_ABOVE_4G: Final = registers(E, [pair(8 * GIB, GIB, UC, 48)], 48, vendor="amd", syscfg=TOM2_ON, tom2=16 * GIB)
_LOADER: Final = registers(
    E, [(0x6, 0xFFF_F800_0800), (0x800_0006, 0xFFF_0000_0800), (0x1_0000_0006, 0xFF0_0000_0800)], 44
)
_AMI: Final = registers(E, [(0x6, 0xC000_0800)], 36)
_FILLED: Final = registers(E | WB, [(0x8000_0000, 0x000F_FFFF_8000_0800)], 40)
_FILLED_52: Final = registers(E | WB, [(0x8000_0000, 0xFFFF_FFFF_8000_0800)], 52)
_SIX_RANGES: Final = registers(
    E, [pair(0, 2 * GIB, WB, 39), pair(0x8000_0000, 128 * MIB, WB, 39), pair(0x8800_0000, 32 * MIB, WB, 39),
        pair(0xFF00_0000, 16 * MIB, WP, 39), pair(0xFC24_0000, 0x2000, WC, 39)], 39,
)  # fmt: skip

EXHIBITS: Final = (
    Exhibit("hvpp-44", "hvpp", GITHUB + "wbenny/hvpp/issues/44",
            "a hit that is not UC is forgotten: the default type stays", "mtrr-variable", _hole(),
            {GIB: UC, 0xBFFF_F000: UC}, "hvpp"),
    Exhibit("hvpp-lowest-mask-bit", "hvpp", GITHUB + "wbenny/hvpp",
            "a range is taken to end at the mask's lowest bit, holes are not seen", "mtrr-variable",
            registers(E | WB, [(0x0, 0xC000_0800)], 36), {4 * GIB: WB}, "hvpp"),
    Exhibit("hyperdbg-255-default", "HyperDbg", GITHUB + "HyperDbg/HyperDbg/pull/255",
            "neither the default type nor the fixed ranges were looked at: WB", "mtrr-default",
            _firmware([pair(0, 2 * GIB, WB)], E_FE), {0xE000_0000: WB, 8 * GIB: WB}),
    Exhibit("hyperdbg-255-fixed", "HyperDbg", GITHUB + "HyperDbg/HyperDbg/pull/255",
            "neither the default type nor the fixed ranges were looked at: WB", "mtrr-fixed",
            _firmware([pair(0, 2 * GIB, WB)], E_FE), {0xA_0000: WB, 0xF_F000: WB}),
    Exhibit("hyperdbg-332", "HyperDbg", GITHUB + "HyperDbg/HyperDbg/pull/332",
            "a typo in the loop over the two registers of 16 KiB: the second is not read", "mtrr-fixed",
            _firmware([]), {0xA_0000: WB, 0xB_F000: WB}),
    Exhibit("simplevisor-37", "SimpleVisor", GITHUB + "ionescu007/SimpleVisor/pull/37",
            "the 2 MiB before a range get its type: an exclusive end is compared as an inclusive one", "mtrr-default",
            registers(E | WB, [pair(3 * GIB, GIB, UC)]), {0xBFE0_0000: UC, 0xBFFF_F000: UC}),
    Exhibit("ksm-25-last-byte", "ksm", GITHUB + "asamy/ksm/issues/25",
            "the last byte of a range is left out: an inclusive end is compared as an exclusive one", "mtrr-variable",
            registers(E | WB, [pair(3 * GIB, GIB, UC)]), {0xFFFF_FFFF: WB}),
    Exhibit("ksm-25-fixed-loop", "ksm", GITHUB + "asamy/ksm/issues/25",
            "the loop over a fixed register ends at the first value 0: eight times UC is no range", "mtrr-fixed",
            _firmware([]), {0xA_0000: WB, 0xB_8000: WB}),
    Exhibit("ksm-26-second-register", "ksm", GITHUB + "asamy/ksm/issues/26",
            "every 16 KiB register starts again at 0x80000: nothing covers 0xa0000", "mtrr-fixed",
            _firmware([], fixed=_fixed(msr_259=each(WC))), {0xA_0000: WB, 0xB_FFFF: WB}),
    Exhibit("illusion-last-page", "illusion-rs", GITHUB + "memN0ps/illusion-rs",
            "the exclusive end of a page is compared with the inclusive end of a range: its last page is WB",
            "mtrr-variable", registers(E | WB, [pair(3 * GIB, GIB, UC)]), {0xFFFF_F000: WB, 0xFFFF_FFFF: WB}),
    Exhibit("illusion-default", "illusion-rs", GITHUB + "memN0ps/illusion-rs",
            "what no range covers is WB, whatever the default type", "mtrr-default",
            registers(E, [pair(0, 2 * GIB, WB)]), {0xE000_0000: WB}),
    Exhibit("noirvisor-25", "NoirVisor", GITHUB + "Zero-Tang/NoirVisor/issues/25",
            "a type that was entered before stays: 512 MiB of WB over the PCI hole", "mtrr-uc-wins",
            registers(E, [pair(0, 4 * GIB, WB), pair(0xE000_0000, GIB // 2, UC)]), {0xE000_0000: WB, 0xFFFF_F000: WB}),
    Exhibit("jonomango-below-1m", "jonomango/hv", GITHUB + "jonomango/hv",
            "with FE = 1 all of the first MiB is UC", "mtrr-fixed", _firmware([]),
            {0x0: UC, 0x9_F000: UC, 0xF_0000: UC}, "jonomango"),
    Exhibit("acrn-disabled", "ACRN", GITHUB + "projectacrn/acrn-hypervisor",
            "E = 0: the default type decides below 1 MiB", "mtrr-disabled",
            registers(WB, [], fixed=FIRMWARE), {0x0: WB, 0xA_0000: WB}, "acrn"),
    Exhibit("kvm-uc-met-first", "Linux KVM 4.4 to 6.10", "arch/x86/kvm/mtrr.c kvm_mtrr_get_guest_memory_type()",
            "ranges are met by falling base, and UC counts only when it is met second", "mtrr-uc-wins",
            registers(E | WC, [pair(0x4000_0000, GIB, WB), pair(0x7000_0000, GIB // 4, UC)]), {0x7531_4000: WB},
            "kvm-6.10"),
    Exhibit("kvm-uc-hole", "Linux KVM 4.4 to 6.10", "arch/x86/kvm/mtrr.c kvm_mtrr_get_guest_memory_type()",
            "the PCI hole of the usual layout is WB", "mtrr-uc-wins", _hole(), {0xC000_0000: WB, 0xFEE0_0000: WB},
            "kvm-6.10"),
    Exhibit("kvm-base-not-masked", "Linux KVM 4.4 to 6.10", "arch/x86/kvm/mtrr.c var_mtrr_range()",
            "bits of the base that the mask leaves out move the start of the range", "mtrr-variable",
            registers(E | WB, [(0x8010_0001, 0xF_C000_0800)], 36), {0x8000_0000: WB, 0x800F_F000: WB}, "kvm-6.10"),
    Exhibit("kvm-hole-in-mask", "Linux KVM 4.4 to 6.10", "arch/x86/kvm/mtrr.c var_mtrr_range()",
            "a hole in the mask becomes part of the range", "mtrr-variable",
            registers(E | WB, [(0x8000_0001, 0xF_BFFF_F800)], 36), {0x8000_1000: WC, 0xA000_0000: WC}, "kvm-6.10"),
    Exhibit("kvm-fixed-whatever-fe", "Linux KVM 3.13 to 4.1", "arch/x86/kvm/mmu.c get_mtrr_type()",
            "the fixed ranges decide below 1 MiB, whatever FE says", "mtrr-default",
            _firmware([], E | WB), {0xA_0000: UC, 0xC_0000: WP}, "kvm-4.1"),
    Exhibit("kvm-disabled-wb", "Linux KVM 3.13 to 4.1", "arch/x86/kvm/mmu.c get_mtrr_type()",
            "E = FE = 0: WB", "mtrr-disabled", registers(UC, []), {0x0: WB, GIB: WB}, "kvm-4.1"),
    Exhibit("kvm-fixed-segment", "Linux KVM 4.2 and 4.3", "arch/x86/kvm/mtrr.c fixed_mtrr_addr_to_seg()",
            "start >= address where <= was meant: inside the 4 KiB ranges no segment is found", "mtrr-fixed",
            _firmware([]), {0xC_1000: WB, 0xF_F000: WB}),
    Exhibit("linux-base-not-masked", "Linux from 6.5 on", "arch/x86/kernel/cpu/mtrr/generic.c get_var_mtrr_state()",
            "the base is not masked: a range reaches beyond its end", "mtrr-default", _LOADER,
            {0x10_0000_0000: WB, 0x10_FFFF_F000: WB}, "linux-6.5"),
    Exhibit("openvmm-355", "OpenVMM", GITHUB + "microsoft/openvmm/pull/355",
            "the loader meant the gap for devices to be UC; hardware masks the base of its second pair", "mtrr-one",
            _LOADER, {0xF800_0000: UC}),
    Exhibit("linux-32-bit-mask", "Linux from 6.5 on", "arch/x86/kernel/cpu/mtrr/generic.c get_var_mtrr_state()",
            "a 32-bit mask on 36 bits is one range of 61 GiB", "mtrr-default", _AMI, {GIB: WB, 0x1_4000_0000: WB},
            "linux-6.5"),
    Exhibit("proc-mtrr-32-bit-mask", "Linux /proc/mtrr", "arch/x86/kernel/cpu/mtrr/generic.c generic_get_mtrr()",
            "mask bits above the highest set one count as set", "mtrr-variable", _AMI,
            {4 * GIB: UC, 0x1_3FFF_F000: UC}, "proc"),
    Exhibit("linux-tom2-forced", "Linux", "arch/x86/kernel/cpu/mtrr/generic.c mtrr_type_lookup()",
            "[4 GiB, TOP_MEM2) is WB and no range changes it; by the APM it is the default type", "mtrr-variable",
            _UC_ABOVE_4G, {8 * GIB: WB, 0x2_3FFF_F000: WB}, "linux-6.5"),
    Exhibit("epyc-without-tom2", "programs that know no TOP_MEM2", "edk2 MtrrLib, Xen, Bochs: no such code",
            "all RAM above 4 GiB looks UC: 62 GiB of this machine", "mtrr-tom2", _EPYC,
            {4 * GIB: UC, 0x10_7FFF_F000: UC}, "edk2"),
    Exhibit("fwts-bit-21", "fwts", "fwts src/bios/mtrr/mtrr.c",
            "SYSCFG bit 21 (TOP_MEM2 is enabled) is taken for bit 22 (its default type is WB)", "mtrr-default",
            _TOM2_BIT, {4 * GIB: WB}),
    Exhibit("edk2-7747", "edk2 MtrrLib", GITHUB + "tianocore/edk2/issues/7747",
            "[0xf0000, 0xf4000) was set to WP: what shares its register became UC", "mtrr-fixed",
            _firmware([], fixed=_fixed(msr_26e=0x0606_0606_0505_0505)), {0xF_4000: UC, 0xF_7FFF: UC}),
    Exhibit("edk2-6975", "edk2 MtrrLib", GITHUB + "tianocore/edk2/issues/6975",
            "out of resources although five ranges suffice: the WC range stayed UC", "mtrr-variable", _SIX_RANGES,
            {0xFC24_0000: UC, 0xFC24_1FFF: UC}),
    Exhibit("edk2-3364", "edk2 OVMF", GITHUB + "tianocore/edk2/pull/3364",
            "q35 has RAM only up to 2 GiB, UC began at 3 GiB: 1 GiB of WB over devices", "mtrr-variable",
            _firmware([pair(2 * GIB, 2 * GIB, UC)]), {2 * GIB: WB, 0xBFFF_F000: WB}),
    Exhibit("cloud-hypervisor-7944", "cloud-hypervisor", GITHUB + "cloud-hypervisor/cloud-hypervisor/pull/7944",
            "a snapshot by KVM_GET_MSR_INDEX_LIST loses all MTRRs: RAM comes back UC", "mtrr-default",
            _firmware([pair(2 * GIB, 2 * GIB, UC)]), {MIB: UC, 0x7FBF_F000: UC}),
    Exhibit("cloud-hypervisor-134", "cloud-hypervisor", GITHUB + "cloud-hypervisor/cloud-hypervisor/pull/134",
            "IA32_MTRR_DEF_TYPE was left 0: RAM is UC where the device is not coherent", "mtrr-default",
            registers(E_FE | WB, [], fixed=[each(WB)] * 11), {MIB: UC, GIB: UC}),
    Exhibit("firecracker-5526", "Firecracker", GITHUB + "firecracker-microvm/firecracker/pull/5526",
            "IA32_MTRR_DEF_TYPE was left 0: a pmem region is mapped UC-", "mtrr-default",
            registers(E | WB, []), {4 * GIB: UC}),
    Exhibit("gem5-1732", "gem5", GITHUB + "gem5/gem5/pull/1732",
            "IA32_MTRR_DEF_TYPE reads 0: a pmem region cannot be cached", "mtrr-default",
            registers(E | WB, []), {6 * GIB: UC}),
    Exhibit("qemu-filled-mask", "readers of QEMU's migration stream", "QEMU target/i386/kvm/kvm.c fill-mtrr-mask",
            "bits 51:MAXPHYADDR are set by QEMU; the pair is refused as reserved", "mtrr-variable", _FILLED,
            {0x8000_0000: WB, 0xFFFF_F000: WB}),
    Exhibit("qemu-52-bits", "QEMU 7.2 and 10.0", "QEMU target/i386/kvm/kvm.c, phys-bits=52",
            "bits 63:52 are set in saved masks; the pair is refused as reserved", "mtrr-variable", _FILLED_52,
            {0x8000_0000: WB, 0xFFFF_F000: WB}),
    Exhibit("xen-save-record", "Xen", "xen/arch/x86/hvm/mtrr.c, save record MTRR",
            "pair 0 is saved in every slot: the UC hole is lost", "mtrr-uc-wins", _hole(), {0xC000_0000: WB}),
    Exhibit("coreboot-display-mtrrs", "coreboot", "coreboot src/cpu/x86/mtrr/debug.c display_mtrrs()",
            "each change of type in a fixed register is printed one range late", "mtrr-fixed",
            _firmware([], fixed=_fixed(msr_258=0x0000_0000_0606_0606)), {0x9_0000: WB}),
    Exhibit("x86info-0x268", "x86info", "x86info mtrr.c",
            "register 0x268 is not printed; who reads the dump takes it for 0", "mtrr-fixed", _firmware([]),
            {0xC_0000: UC, 0xC_7FFF: UC}),
)  # fmt: skip

# Cells of the table of effective types: vendor, MTRR type, PAT type, the wrong answer.
CELLS: Final = (
    ("most-restrictive-wins", "two newsletters, many talks", "repeated without a source",
     "\"the most restrictive type wins\": but PAT WC goes before MTRR UC", "intel", UC, WC, UC),
    ("most-restrictive-wins-amd", "two newsletters, many talks", "repeated without a source",
     "\"the most restrictive type wins\": but PAT WC goes before MTRR UC", "amd", UC, WC, UC),
    ("bochs-wt-wp", "Bochs 2.7", "Bochs cpu/paging.cc", "an older manual left the cell undefined", "intel", WT, WP, WT),
    ("bochs-wp-uc-minus", "Bochs 2.7", "Bochs cpu/paging.cc", "an older manual left the cell undefined", "intel", WP,
     UC_MINUS, UC),
    ("x86_64-311", "rust-osdev/x86_64", GITHUB + "rust-osdev/x86_64/pull/311",
     "\"an MTRR can only disable caching that PAT allows\": it turns UC- into WC", "amd", WC, UC_MINUS, UC),
    ("reactos-9075", "ReactOS", GITHUB + "reactos/reactos/pull/9075",
     "UC- stands where UC was meant: under MTRR WC that is WC", "intel", WC, UC, WC),
    ("kvm-g-pat", "Linux KVM up to 4.14.2, AMD", "commit 15038e147247 (\"KVM: SVM: obey guest PAT\")",
     "the guest's PAT does not reach VMCB g_pat: its entry 1 stays WT", "amd", WB, WC, WT),
)  # fmt: skip


# Of a 2 MiB page one half is UC, the other WB.
TWO_HALVES: Final = Case(
    "museum-two-halves", "mtrr-one", registers(E | WT, [pair(2 * GIB, MIB, UC), pair(2 * GIB + MIB, MIB, WB)]),
)  # fmt: skip
ABOUT: Final = (Column("project", TEXT), Column("report", TEXT), Column("bug", TEXT))


def luv() -> tuple[Case, Case]:
    """Two processors whose registers differ and whose maps do not."""
    first = [pair(0, 4 * GIB, WB), pair(0xE000_0000, GIB // 2, UC), pair(4 * GIB, 4 * GIB, WB)]
    second = [pair(4 * GIB, 4 * GIB, WB), (0, 0), pair(0xE000_0000, GIB // 2, UC), pair(0, 4 * GIB, WB), (5, 0x7FF)]
    return (
        Case("luv-127-cpu0", "mtrr-uc-wins", _firmware(first, E_FE)),
        Case("luv-127-cpu1", "mtrr-uc-wins", _firmware(second, E_FE)),
    )


def cases() -> Iterator[Case]:
    """The register files of the museum, for the section "mtrr"."""
    for exhibit in EXHIBITS:
        yield Case(f"museum-{exhibit.id}", exhibit.rule, exhibit.state, tuple(exhibit.wrong))
    yield from luv()
    yield TWO_HALVES


def sections(places: dict[str, int]) -> Iterator[Section]:
    """The sections of the museum; `places` are those of the register files in the section "mtrr"."""
    yield Section(
        "museum", "a published bug: the right type of an address, and the wrong one that the program gave",
        (*ABOUT, Column("state", ROW), Column("address", WORD), Column("wrong", TYPE)), (Column("type", TYPE),),
        list(_rows(places)),
    )  # fmt: skip
    yield Section(
        "museum_effective", "the same for cells of the tables of effective types",
        (*ABOUT, Column("vendor", VENDOR), Column("mtrr", TYPE), Column("pat", TYPE), Column("wrong", TYPE)),
        (Column("type", TYPE),), list(_cells()),
    )  # fmt: skip
    one, other = luv()
    bug = "the registers are compared, not what they mean: order and pairs that are off make a difference"
    report = GITHUB + "intel/luv-yocto/issues/127"
    same = reference.resolve(one.state) == reference.resolve(other.state)
    yield Section(
        "museum_same", "do two register files mean the same (1)",
        (*ABOUT, Column("first", ROW), Column("second", ROW), Column("wrong", FLAG)), (Column("same", FLAG),),
        [row("museum-luv-127", "check-cpus", "LUV", report, bug, places[one.id], places[other.id], 0, int(same))],
    )  # fmt: skip


def _rows(places: dict[str, int]) -> Iterator[tuple[Any, ...]]:
    for e in EXHIBITS:
        for address, wrong in e.wrong.items():
            right = reference.at(e.state, address)
            given = (e.project, e.report, e.bug, places[f"museum-{e.id}"], address, wrong)
            yield row(f"museum-{e.id}-{address:x}", e.rule, *given, right)


def _cells() -> Iterator[tuple[Any, ...]]:
    for name, project, report, bug, vendor, mtrr, pat, wrong in CELLS:
        rule = f"effective-{vendor}"
        right = rules.MTRR_PAT[vendor][mtrr][pat]
        given = (project, report, bug, VENDORS.index(vendor), mtrr, pat, wrong)
        yield row(f"museum-{name}", rule, *given, right)
