"""Cases of guests: what KVM's other kinds of VM get, quirks, guests of guests; the leaves of other hypervisors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from memtype import hypervisors, rules
from memtype.errors import InputError
from memtype.hypervisors.policy import PARTS
from memtype.kvm.events import DisableQuirks, InitVmcb, WriteMsr
from memtype.kvm.history import QUIRK_BITS
from memtype.kvm.nested import Vmcs12, nested_leaf, nested_round_trip
from memtype.kvm.vcpu import Vcpu
from memtype.kvm.vm import Vm
from memtype.mtrr import MtrrState
from memtype.pat import Pat, as_pat
from memtype.types import MemoryType
from memtype.vectors.cited import row
from memtype.vectors.kvm import RELEASES, WIDTH
from memtype.vectors.section import FLAG, NUMBER, TEXT, TYPE, VENDOR, VENDORS, WORD, Column, Section
from memtype.vectors.states import GIB, E, each
from memtype.vectors.tables import MTRR, PAT

Row = tuple[Any, ...]
NONE: Final = 255  # of a type: there is none
_PAT: Final = rules.PAT_LAYOUTS["linux"]


def sections() -> Iterator[Section]:
    """All sections of this module."""
    yield from _kvm()
    yield Section(
        "xen_ept", "the EPT type that Xen makes of the guest's and the host's MTRR type of RAM",
        (Column("guest", TYPE), Column("host", TYPE)), (Column("type", TYPE),), list(_xen()),
    )  # fmt: skip
    yield Section(
        "hypervisor_leaf", "type and IPAT that another hypervisor puts into an EPT leaf; split (1): it maps the page "
        "by smaller ones. A guest or host type of 11 is several; read_only and special: all (0), some (1) or none (2) "
        f"of the page; pinned {NONE}: nothing is",
        (Column("hypervisor", TEXT), Column("guest", TYPE), Column("host", TYPE), Column("mmio", FLAG),
         Column("noncoherent_dma", FLAG), Column("read_only", NUMBER), Column("special", NUMBER),
         Column("foreign", FLAG), Column("pinned", TYPE)),
        (Column("split", FLAG), Column("type", TYPE), Column("ipat", FLAG)), list(_others()),
    )  # fmt: skip


def _kvm() -> Iterator[Section]:
    yield Section(
        "kvm_guest", "what a guest's access gets through KVM's leaf: the PAT is the guest's, the index the entry's; "
        "under NPT and shadow paging the host's MTRR type counts too",
        (Column("release", TEXT), Column("vendor", VENDOR), Column("tdp", TEXT), Column("vm_type", TEXT),
         Column("is_private", FLAG), Column("noncoherent_dma", FLAG), Column("mmio", FLAG), Column("guest_mtrr", TYPE),
         Column("host_mtrr", TYPE), Column("pat", WORD), Column("pat_index", NUMBER)),
        (Column("type", TYPE),), list(_guests()),
    )  # fmt: skip
    yield Section(
        "kvm_leaf_bits", "bits 6:3 of KVM's leaf in every kind of VM; nested (1): of a page that L1 maps for L2 by "
        "this entry",
        (Column("release", TEXT), Column("vendor", VENDOR), Column("tdp", TEXT), Column("vm_type", TEXT),
         Column("is_private", FLAG), Column("noncoherent_dma", FLAG), Column("guest_mtrr", TYPE),
         Column("nested", FLAG), Column("entry", WORD)),
        (Column("bits", WORD),), list(_leaf_bits()),
    )  # fmt: skip
    yield Section(
        "kvm_wbinvd", "does the host execute a guest's WBINVD",
        (Column("release", TEXT), Column("noncoherent_dma", FLAG)), (Column("executed", FLAG),), list(_wbinvd()),
    )  # fmt: skip
    yield Section(
        "kvm_unknown_msr", "does KVM take a WRMSR of what is no MTRR of its guests (MAXPHYADDR 36), by ignore_msrs",
        (Column("release", TEXT), Column("ignore_msrs", FLAG), Column("msr", WORD), Column("value", WORD)),
        (Column("taken", FLAG),), list(_unknown()),
    )  # fmt: skip
    yield Section(
        "kvm_quirk", "KVM_CAP_DISABLE_QUIRKS, or (checked) _QUIRKS2, after another one that disabled `before`: is it "
        "taken, and which quirks about memory types are disabled then",
        (Column("release", TEXT), Column("vendor", VENDOR), Column("tdp", TEXT), Column("self_snoop", FLAG),
         Column("before", WORD), Column("asked", WORD), Column("checked", FLAG)),
        (Column("taken", FLAG), Column("disabled", WORD)), list(_quirks()),
    )  # fmt: skip
    yield Section(
        "kvm_tdx", "does KVM make TDX guests on a host with or without self-snoop",
        (Column("release", TEXT), Column("self_snoop", FLAG)), (Column("possible", FLAG),), list(_tdx()),
    )  # fmt: skip
    yield Section(
        "kvm_g_pat", "AMD, NPT: the PAT in hardware after the guest wrote one (and KVM initialised the VMCB again)",
        (Column("release", TEXT), Column("pat", WORD), Column("initialised", FLAG)), (Column("hardware", WORD),),
        list(_g_pat()),
    )  # fmt: skip
    yield Section(
        "kvm_nested", "L1 enters L2 by a VMCS, L2 writes `written` to its IA32_PAT, exits: does the entry succeed, "
        "L1's PAT then, and the field guest_ia32_pat then",
        (Column("release", TEXT), Column("l1_pat", WORD), Column("guest_pat", WORD), Column("host_pat", WORD),
         Column("load", FLAG), Column("save", FLAG), Column("load_host", FLAG), Column("written", WORD)),
        (Column("entered", FLAG), Column("l1_pat_after", WORD), Column("guest_pat_after", WORD)), list(_nested()),
    )  # fmt: skip


# --- kinds of VM ------------------------------------------------------------------------------------------------

_KINDS: Final = (  # vendor, tdp, kind of VM, private page
    ("intel", "ept", "normal", 0), ("intel", "none", "normal", 0), ("amd", "npt", "normal", 0),
    ("amd", "none", "normal", 0), ("intel", "ept", "tdx", 0), ("intel", "ept", "tdx", 1), ("amd", "npt", "sev-es", 0),
    ("amd", "npt", "sev-snp", 0),
)  # fmt: skip
_SOME: Final = ("4.1", "4.4", "5.19", "6.4", "6.10", "6.11", "7.1")


def _vms(releases: tuple[str, ...]) -> Iterator[tuple[str, tuple[Any, ...], MemoryType, Vm]]:
    """(name, what is given up to the device, guest's MTRR type, VM) where the release has such a VM."""
    for release, (vendor, tdp, kind, private), nc, held in product(releases, _KINDS, (0, 1), (0, 1, 6)):
        if not Vm(release).profile.tdx and kind == "tdx":
            continue
        if kind.startswith("sev") and not getattr(Vm(release).profile, kind.replace("-", "_")):
            continue
        state = MtrrState(E | held, maxphyaddr=WIDTH)
        vm = Vm(release, vendor=vendor, tdp=tdp, vm_type=kind, noncoherent_dma=nc, vcpus=Vcpu(state, pat=Pat(_PAT)))
        given = (release, VENDORS.index(vendor), tdp, kind, private, nc)
        yield f"{release}-{vendor}-{tdp}-{kind}-{private}{nc}", given, MemoryType(held), vm


def _guests() -> Iterator[Row]:
    """By the same PAT, whose indexes 0, 1, 2 and 3 are WB, WC, UC- and UC."""
    for name, given, held, vm in _vms(_SOME):
        mmios = (0, 1) if vm.tdp == "ept" and not given[4] else (0,)
        hosts = (6,) if vm.tdp == "ept" else (6, 0)
        for mmio, host, index in product(mmios, hosts, range(4)):
            private = bool(given[4])
            kind = vm.effective(GIB, mmio=bool(mmio), host_mtrr=MemoryType(host), pat_index=index, private=private)
            ipat = vm.leaf(GIB, mmio=bool(mmio), private=private).ipat
            rule = {"ept": "kvm-pat-ipat" if ipat else "kvm-pat-ept", "npt": "kvm-pat-npt", "none": "kvm-pat-shadow"}
            case = f"kvm-guest-{name}-{mmio}-{held}-{MemoryType(host)}-{index}"
            yield row(case, rule[vm.tdp], *given, mmio, held, host, _PAT, index, kind)


def _leaf_bits() -> Iterator[Row]:
    for name, given, held, vm in _vms(RELEASES):
        private = bool(given[4])
        leaf = vm.leaf(GIB, private=private)
        yield row(f"kvm-bits-{name}-{held}", leaf.rule, *given, held, 0, 0, leaf.bits)
        if vm.vm_type == "normal" and vm.tdp != "none":
            entry = 0x4000_0037 | rules.EPT_IPAT if vm.tdp == "ept" else 0x4000_0000 | 0x1F  # WB and IPAT; PCD and PWT
            inner = nested_leaf(vm, GIB, entry)
            yield row(f"kvm-bits-{name}-{held}-l2", inner.rule, *given, held, 1, entry, inner.bits)


def _wbinvd() -> Iterator[Row]:
    for release, nc in product(RELEASES, (0, 1)):
        found = Vm(release, noncoherent_dma=nc).wbinvd()
        yield row(f"kvm-wbinvd-{release}-{nc}", found.rule, release, nc, int(found.executed))


def _unknown() -> Iterator[Row]:
    values = {rules.KVM_MSR_2F8: (0, 2, 6), 0x8000: (0, 6), 0x267: (0,)}  # the last lies between two fixed registers
    for release, ignored, (msr, held) in product(RELEASES, (0, 1), values.items()):
        vm = Vm(release, vcpus=Vcpu(maxphyaddr=36), ignore_msrs=bool(ignored))
        for value in held:
            _, zap = vm.apply(WriteMsr(msr, value))
            name = f"kvm-unknown-msr-{release}-{ignored}-{msr:x}-{value}"
            yield row(name, zap.rules[0], release, ignored, msr, value, int(zap.accepted))


def _tdx() -> Iterator[Row]:
    for release, snoop in product(RELEASES, (0, 1)):
        if not Vm(release).profile.tdx:
            continue
        try:
            made = Vm(release, vm_type="tdx", self_snoop=bool(snoop))
        except InputError:
            made = None
        yield row(f"kvm-tdx-{release}-{snoop}", "kvm-tdx-self-snoop", release, snoop, int(made is not None))


# --- quirks, and PATs in hardware ---------------------------------------------------------------------------------


def _mask(names: frozenset[str]) -> int:
    return sum(QUIRK_BITS[name] for name in names)


def _quirks() -> Iterator[Row]:
    sets = [frozenset(), *(frozenset({name}) for name in QUIRK_BITS), frozenset(QUIRK_BITS)]
    hosts = (("intel", "ept", 1), ("intel", "ept", 0), ("amd", "npt", 1))
    for release, (vendor, tdp, snoop), before, asked, checked in product(RELEASES, hosts, sets[:3], sets, (0, 1)):
        vm = Vm(release, vendor=vendor, tdp=tdp, self_snoop=bool(snoop))
        if not vm.profile.disable_quirks or not before <= vm.supported_quirks:
            continue
        first, _ = vm.apply(DisableQuirks(before, checked=False))
        after, zap = first.apply(DisableQuirks(asked, checked=bool(checked)))
        given = (release, VENDORS.index(vendor), tdp, snoop, _mask(before), _mask(asked), checked)
        name = f"kvm-quirk-{release}-{vendor}-{snoop}-{_mask(before):x}-{_mask(asked):x}-{checked}"
        held = _mask(after.disabled_quirks & after.supported_quirks)
        yield row(name, zap.rules[-1], *given, int(zap.accepted), held)


def _g_pat() -> Iterator[Row]:
    for release, (name, pat), again in product(RELEASES, rules.PAT_LAYOUTS.items(), (0, 1)):
        vm, zap = Vm(release, vendor="amd", tdp="npt").apply(WriteMsr(rules.PAT_MSR, pat))
        if again:
            vm, zap = vm.apply(InitVmcb())
        case, rule = f"kvm-g-pat-{release}-{name}-{again}", zap.rules[-1] if again else "kvm-pat-npt"
        yield row(case, rule, release, pat, again, vm.hardware_pat().value)


def _nested() -> Iterator[Row]:
    wb, wt, bad = each(6), each(4), each(2)
    controls = tuple(product((0, 1), repeat=3))
    pats = (((wb, wt), controls), ((bad, wt), controls), ((wb, bad), controls))
    for release, ((guest, host), chosen) in product(RELEASES, pats):
        vm = Vm(release, vcpus=Vcpu(maxphyaddr=WIDTH, pat=Pat(_PAT)))
        for n, (load, save, load_host) in enumerate(chosen):
            fields = Vmcs12(guest, host, load=bool(load), save=bool(save), load_host=bool(load_host))
            trip = nested_round_trip(vm, fields, writes=[rules.PAT_RESET])
            rule = "kvm-nested-vmx-restored" if load_host else "kvm-nested-vmx-kept"
            name = f"kvm-nested-{release}-{guest & 7}{host & 7}-{n}"
            given = (release, _PAT, guest, host, load, save, load_host, rules.PAT_RESET)
            found = (int(trip.entered), trip.vm.msr(rules.PAT_MSR), as_pat(trip.vmcs12.guest_pat).value)
            yield row(name, rule if trip.entered else "kvm-nested-vmx-checks", *given, *found)


# --- other hypervisors ------------------------------------------------------------------------------------------


def _xen() -> Iterator[Row]:
    for guest, host in product(MTRR, MTRR):
        yield row(f"xen-ept-{guest}-{host}", "ept-xen", guest, host, rules.XEN_GUEST_HOST[guest][host])


def _others() -> Iterator[Row]:
    several = MemoryType.MIXED
    pages: list[dict[str, Any]] = [{"guest": g, "host": h} for g, h in product((*MTRR, several), repeat=2)]
    pages += [{"mmio": 1, "guest": kind} for kind in MTRR]
    pages += [{name: part} for name, part in product(("read_only", "special"), PARTS[:2])]
    pages += [{"foreign": 1}, *({"pinned": kind} for kind in (*PAT, several)), {"pinned": MemoryType.WC, "mmio": 1}]
    pages += [
        {"read_only": "some", "mmio": 1},
        {"special": "all", "foreign": 1},
        {"foreign": 1, "pinned": MemoryType.UC},
    ]
    for policy, (n, page), nc in product(hypervisors.POLICIES.values(), enumerate(pages), (0, 1)):
        asked = {"guest": MemoryType.WB, "host": MemoryType.WB, "mmio": 0, "noncoherent_dma": nc, "read_only": "none",
                 "special": "none", "foreign": 0, "pinned": None} | page  # fmt: skip
        leaf = policy.leaf(**asked)
        asked["read_only"], asked["special"] = PARTS.index(asked["read_only"]), PARTS.index(asked["special"])
        asked["pinned"] = NONE if asked["pinned"] is None else asked["pinned"]
        kind = 0 if leaf.type is None else leaf.type
        found = (int(leaf.split), kind, int(leaf.ipat))
        yield row(f"leaf-{policy.name}-{n:02d}-{nc}", leaf.rule.id, policy.name, *asked.values(), *found)
