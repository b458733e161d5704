"""A virtual machine under one release of KVM: the leaf of a page, the effective type, the mapping level."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from memtype import arrays, backends, parallel, rules
from memtype.effective import effective, effective_npt
from memtype.ept import effective_ept
from memtype.errors import InputError, RegisterError, ShatteredMapError
from memtype.kvm import guest_mtrr, msrs, policies
from memtype.kvm.gfns import Pieces, Range, overlay
from memtype.kvm.history import CD_NW_CLEARED, IGNORE_GUEST_PAT, QUIRK_BITS, UC_PAT, WB_IPAT, WB_PAT, Fixed
from memtype.kvm.releases import Profile
from memtype.kvm.releases import profile as find_profile
from memtype.kvm.rules import KVM_RULES
from memtype.kvm.vcpu import Vcpu
from memtype.memory_map import MemoryMap
from memtype.mtrr import vendor_name
from memtype.pat import Pat, as_pat
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype.kvm.events import Event, Zap

EPT_FIELD = rules.EPT_TYPE_FIELD | rules.EPT_IPAT  # bits 6:3 of an EPT leaf
VM_TYPES = ("normal", "tdx", "sev-es", "sev-snp")
MAX_LEVEL = 3  # 1 GiB
U64Array = arrays.U64Array


@dataclass(frozen=True, slots=True)
class Leaf:
    """What KVM puts into a leaf: the type, IPAT, the bits to OR into the SPTE, and which rule says so."""

    type: MemoryType
    ipat: bool
    bits: int
    why: str
    rule: str

    def __str__(self) -> str:
        return f"({self.type}, IPAT = {int(self.ipat)})"


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM as one release of KVM runs it. Immutable: `apply` gives a new one.

    Parameters
    ----------
    profile : str or Profile
        The release: "6.4", "6.12.80", "ubuntu 6.8.0-140", "kvm-6.7".
    vendor : str
        "intel" or "amd".
    tdp : str, optional
        "ept", "npt" or "none" (shadow paging); without it what the vendor has.
    noncoherent_dma : int or bool
        How many non-coherent DMA devices or groups; only 0 or not 0 decides.
    vcpus : sequence of Vcpu
        One as KVM creates it, if not given.
    vm_type : str
        "normal", "tdx", "sev-es" or "sev-snp".
    self_snoop : bool
        The host kernel's self-snoop feature bit, after its list of errata.
    disabled_quirks : set of str
        What userspace asked to disable through KVM_CAP_DISABLE_QUIRKS.
    load_pat : bool
        Intel: the VM-entry control "load IA32_PAT" exists.
    host_pat : Pat, int or str, optional
        The host's IA32_PAT; Linux's layout, if not given.
    ignore_msrs : bool
        The module's parameter: writes of unknown MSRs are dropped.

    Raises
    ------
    InputError
        For a release that is not modelled, or a combination that does not exist.
    RegisterError
        For MTRRs that a guest of this release cannot hold.

    Examples
    --------
    >>> from memtype import MtrrState
    >>> s = MtrrState(def_type=0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
    >>> vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(s)])
    >>> str(vm.leaf(0x80000000)), hex(vm.leaf(0).bits), vm.max_level(0x80000)
    ('(UC, IPAT = 0)', '0x30', 3)
    """

    profile: Profile
    vendor: str = "intel"
    tdp: str = None  # type: ignore[assignment]
    noncoherent_dma: int = 0
    vcpus: tuple[Vcpu, ...] = ()
    vm_type: str = "normal"
    self_snoop: bool = True
    disabled_quirks: frozenset[str] = frozenset()
    load_pat: bool = True
    host_pat: Pat = None  # type: ignore[assignment]
    ignore_msrs: bool = False
    _leaves: Pieces[frozenset[int]] | None = field(default=None, compare=False, repr=False)
    _fresh: Pieces[frozenset[int]] | None = field(default=None, init=False, compare=False, repr=False)

    def __init__(
        self,
        profile: str | Profile,
        vendor: str = "intel",
        tdp: str | None = None,
        noncoherent_dma: int | bool = False,
        vcpus: Iterable[Vcpu] | Vcpu | None = None,
        vm_type: str = "normal",
        self_snoop: bool = True,
        disabled_quirks: Iterable[str] | None = (),
        load_pat: bool = True,
        host_pat: Pat | int | str | None = None,
        ignore_msrs: bool = False,
        _leaves: Pieces[frozenset[int]] | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "profile", find_profile(profile))
        put(self, "vendor", vendor_name(vendor))
        put(self, "tdp", _paging(tdp, self.vendor))
        put(self, "noncoherent_dma", device_count(noncoherent_dma))
        put(self, "self_snoop", bool(self_snoop))
        put(self, "vm_type", _vm_type(vm_type, self))
        put(self, "disabled_quirks", quirk_names(disabled_quirks))
        put(self, "load_pat", bool(load_pat))
        put(self, "host_pat", as_pat(_linux_pat(self.profile) if host_pat is None else host_pat))
        put(self, "ignore_msrs", bool(ignore_msrs))
        given = [vcpus or Vcpu()] if vcpus is None or isinstance(vcpus, Vcpu) else vcpus
        put(self, "vcpus", tuple(self._settled(vcpu) for vcpu in given))
        if not self.vcpus:
            raise InputError("a VM has at least one vCPU")
        put(self, "_leaves", _leaves)
        put(self, "_fresh", None)

    def _settled(self, vcpu: Vcpu) -> Vcpu:
        """The vCPU with the PAT that this release starts it with, if it has none; its MTRRs checked."""
        if not isinstance(vcpu, Vcpu):
            raise InputError(f"vcpus: {type(vcpu).__name__} is no Vcpu")
        refused = msrs.check_state(self.profile, vcpu)
        if refused:
            raise RegisterError(f"{self.profile}: a guest cannot hold {refused}")
        if vcpu.pat is not None:
            return vcpu
        from_host = self.profile.initial_pat == "host" and self.vendor == "intel"
        return dataclasses.replace(vcpu, pat=self.host_pat if from_host else Pat(rules.PAT_RESET))

    # --- what decides ---------------------------------------------------------------------------------------

    @property
    def has_noncoherent_dma(self) -> bool:
        return self.noncoherent_dma > 0

    @property
    def supported_quirks(self) -> frozenset[str]:
        """What KVM_CAP_DISABLE_QUIRKS2 lets userspace disable, among the quirks about memory types."""
        supported = self.profile.quirks
        if (self.vendor == "intel" and not self.self_snoop) or self.tdp == "none":
            supported = supported - {IGNORE_GUEST_PAT}
        return supported

    def quirk(self, name: str) -> bool:
        """Whether the quirk is in force: the release knows it, and neither KVM nor userspace disabled it."""
        return name in self.profile.quirks and name not in self._disabled()

    def _disabled(self) -> frozenset[str]:
        if self.profile.quirk_semantics != "or":
            return self.disabled_quirks
        inapplicable = {IGNORE_GUEST_PAT} if self.vendor == "amd" else {CD_NW_CLEARED}
        disabled = (self.supported_quirks & inapplicable) | (self.disabled_quirks & self.supported_quirks)
        return disabled | {IGNORE_GUEST_PAT} if self.vm_type == "tdx" else disabled

    @property
    def shadow_memtype_mask(self) -> int | None:
        """KVM's variable of that name: 0x78 with EPT, else 0; None in releases that do not have it."""
        if not self.profile.has_memtype_mask:
            return None
        return self.leaf_field

    @property
    def leaf_field(self) -> int:
        """The bits of a leaf that hold the memory type and IPAT: 0x78 with EPT, else none."""
        return EPT_FIELD if self.tdp == "ept" else 0

    def decide(self, vcpu: Vcpu, mmio: bool) -> tuple[Fixed | None, str]:
        """The leaf's type and IPAT, or None for the guest's MTRR type; and the rule that decided."""
        if self.tdp != "ept":
            return WB_PAT, "kvm-leaf-npt" if self.tdp == "npt" else "kvm-leaf-shadow"
        p = self.profile
        if mmio:
            return UC_PAT, "kvm-leaf-mmio"
        if not self.has_noncoherent_dma:
            ipat = policies.COHERENT_IPAT[p.coherent_ipat](self)
            return WB_IPAT if ipat else WB_PAT, f"kvm-leaf-coherent-{p.coherent_ipat}"
        if not p.honors_guest_mtrr:
            return WB_PAT, "kvm-leaf-wb"
        if vcpu.cr0_cd and p.cd_quirk_on is not None:
            kept = self.quirk(CD_NW_CLEARED)
            return (p.cd_quirk_on, "kvm-leaf-cd-on") if kept else (p.cd_quirk_off, "kvm-leaf-cd-off")
        return None, "kvm-leaf-mtrr"

    # --- one page -------------------------------------------------------------------------------------------

    def vcpu(self, number: int) -> Vcpu:
        """That vCPU. Raises `InputError` where there is none."""
        known = hasattr(number, "__index__") and not isinstance(number, bool)
        if not known or not 0 <= number < len(self.vcpus):
            raise InputError(f"vCPU {number!r}: the VM has vCPUs 0 to {len(self.vcpus) - 1}")
        return self.vcpus[number]

    def _at(self, gpa: int, vcpu: int) -> Vcpu:
        """The vCPU, once `gpa` was found to be an address of its width."""
        found = self.vcpu(vcpu)
        arrays.address(gpa, found.maxphyaddr)
        return found

    def leaf(self, gpa: int, mmio: bool = False, vcpu: int = 0) -> Leaf:
        """The leaf that a fault of `vcpu` at `gpa` makes; `mmio` says that the host's page is MMIO (`is_mmio`).

        Under nested and shadow paging the type is that of PAT entry 0 and `bits` is 0.
        """
        found = self._at(gpa, vcpu)
        fixed, rule = self.decide(found, mmio)
        detail = ""
        if fixed is None:
            kind = guest_mtrr.at(self.profile.mtrr_engine, found, int(gpa))
            fixed, detail = Fixed(kind, False), f" ({kind})"
        cited = KVM_RULES[rule]
        why = f"{cited.text}{detail} [{cited.id}: {cited.source}]"
        return Leaf(fixed.type, fixed.ipat, self.encode(fixed), why, rule)

    def encode(self, fixed: Fixed) -> int:
        """The bits of a type and IPAT: type << 3 | IPAT << 6 with EPT, else 0."""
        return (fixed.type << rules.EPT_TYPE_SHIFT | fixed.ipat * rules.EPT_IPAT) & self.leaf_field

    def decode(self, bits: int) -> Fixed:
        """The type and IPAT that bits 6:3 say; without EPT always PAT entry 0, WB."""
        kind = (bits & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT
        return Fixed(MemoryType(kind), bool(bits & rules.EPT_IPAT)) if self.tdp == "ept" else WB_PAT

    def guest_type(self, gpa: int, vcpu: int = 0, as_architected: bool = False) -> MemoryType:
        """The guest's MTRR type as this release computes it, or as the manual says."""
        found = self._at(gpa, vcpu)
        return found.mtrrs.at(gpa) if as_architected else guest_mtrr.at(self.profile.mtrr_engine, found, int(gpa))

    def guest_map(self, vcpu: int = 0) -> MemoryMap:
        """`guest_type` of the whole guest-physical address space."""
        found = self.vcpu(vcpu)
        made = guest_mtrr.pieces(self.profile.mtrr_engine, found)
        return MemoryMap([start << rules.PAGE_SHIFT for start in made.starts], made.values, found.maxphyaddr)

    def msr(self, index: int, vcpu: int = 0) -> int:
        """What the guest reads from an MTRR, MTRRcap or the PAT. `InputError` where it gets #GP."""
        return msrs.read(self.vcpu(vcpu), index)

    # --- huge pages -----------------------------------------------------------------------------------------

    def huge_page_consistent(self, gfn: int, pages: int, vcpu: int = 0) -> bool:
        """KVM's test whether the guest's MTRRs allow one leaf for `pages` pages; True without such a test."""
        found = self.vcpu(vcpu)
        gpa = _gpa(gfn)
        if not hasattr(pages, "__index__") or pages < 1:
            raise InputError(f"{pages!r} is no count of pages")
        arrays.refuse_pages(gpa >> rules.PAGE_SHIFT, int(pages), found.maxphyaddr)
        return self.profile.huge_page_check == "no" or guest_mtrr.consistent(
            self.profile.mtrr_engine, found, gpa, int(pages)
        )

    @property
    def limits_level(self) -> bool:
        """Whether the guest's MTRRs limit the mapping level at all."""
        return policies.HUGE_PAGE_CHECK[self.profile.huge_page_check](self)

    def max_level(self, gfn: int, vcpu: int = 0) -> int:
        """The largest level (1: 4 KiB, 2: 2 MiB, 3: 1 GiB) that the guest's MTRRs leave to the page of `gfn`."""
        gpa = _gpa(gfn)
        self._at(gpa, vcpu)
        if not self.limits_level:
            return MAX_LEVEL
        for level in range(MAX_LEVEL, 1, -1):
            pages = 512 ** (level - 1)
            if self.huge_page_consistent(gpa >> rules.PAGE_SHIFT & -pages, pages, vcpu):
                return level
        return 1

    # --- many pages -----------------------------------------------------------------------------------------

    def leaf_pieces(self, vcpu: int = 0, mmio: bool = False) -> Pieces[int]:
        """The leaf bits of every gfn below 2**MAXPHYADDR, as pieces."""
        found = self.vcpu(vcpu)
        fixed, _ = self.decide(found, mmio)
        end = 1 << (found.maxphyaddr - rules.PAGE_SHIFT)
        if fixed is not None:
            return Pieces([(0, self.encode(fixed))], end)
        return _mtrr_bits(self.profile.mtrr_engine, found)

    def leaf_bits(
        self, gfns: Any, mmio: Any = False, vcpu: int = 0, out: U64Array | None = None, threads: int = 1
    ) -> Any:
        """The bits to OR into fresh SPTEs.

        Parameters
        ----------
        gfns : array-like of unsigned integers, any shape
            gpa >> 12.
        mmio : bool, or array of bool that fits `gfns`
            Whether the host's page is MMIO.
        out : uint64 array of the same shape, optional
        threads : int
            How many threads may share an array of some millions of gfns.

        Returns
        -------
        uint64 array of the same shape; an ``int`` for a single ``int``.

        Raises
        ------
        AddressError
            For the first gfn outside [0, 2**(MAXPHYADDR - 12)); `.index` is its flat place. Of up to 4096 gfns
            nothing is then written; of more, nothing from that place on.
        """
        if out is None and isinstance(gfns, (int, np.integer)) and not isinstance(gfns, bool):
            parallel.check_threads(threads)
            return self.leaf(_gpa(gfns), bool(mmio), vcpu).bits
        given = arrays.uint64(gfns, "gfns")
        width = self.vcpu(vcpu).maxphyaddr
        out = arrays.output(out, given.shape, arrays.U64, given)
        written = arrays.contiguous(out)
        pages = _page_kinds(mmio, given)
        kernel = partial(backends.active.leaf_bits, *self._arrays_for(given, mmio is True, vcpu), width)
        parallel.elementwise(kernel, (given, written), threads, partial(arrays.refuse_gfns, maxphyaddr=width))
        if pages is not None:
            np.copyto(written, np.uint64(self.encode(self.decide(self.vcpu(vcpu), True)[0] or WB_PAT)), where=pages)
        return arrays.deliver(written, out)

    def fill(self, sptes: U64Array, gfns: Any, mmio: Any = False, vcpu: int = 0, threads: int = 1) -> U64Array:
        """Set bits 6:3 of EPT leaves in place, sptes[i] for gfns[i]; every other bit stays.

        Without EPT nothing is written: there bits 6:3 are no memory type (6 and 5 are Dirty and Accessed). `mmio`
        and `threads` are those of `leaf_bits`.

        Raises
        ------
        ArrayError, AddressError
            As `leaf_bits`; `sptes` must be a writable uint64 array of the shape of `gfns`.
        """
        given = arrays.uint64(gfns, "gfns")
        arrays.output(sptes, given.shape, arrays.U64, given)
        pages = _page_kinds(mmio, given)
        if pages is not None:
            bits = self.leaf_bits(given, pages, vcpu, threads=threads)
            np.bitwise_or(sptes & np.uint64(~self.leaf_field & (1 << 64) - 1), bits, out=sptes)
            return sptes
        written = np.require(sptes, arrays.U64, ["C", "A"])
        width, pieces = self.vcpu(vcpu).maxphyaddr, self._arrays_for(given, mmio is True, vcpu)
        kernel = partial(backends.active.leaf_fill, *pieces, self.leaf_field, width)
        parallel.elementwise(kernel, (given, written), threads, partial(arrays.refuse_gfns, maxphyaddr=width))
        return arrays.deliver(written, sptes)

    def _arrays_for(self, gfns: U64Array, mmio: bool, vcpu: int) -> tuple[U64Array, U64Array]:
        """The pieces as arrays; where holey masks shatter them, a map that is right for these gfns alone."""
        try:
            pieces = self.leaf_pieces(vcpu, mmio)
        except ShatteredMapError:
            end = 1 << (self.vcpu(vcpu).maxphyaddr - rules.PAGE_SHIFT)
            asked = sorted({0, *(gfn for gfn in gfns.reshape(-1).tolist() if gfn < end)})
            pieces = Pieces(((gfn, self.leaf(gfn << rules.PAGE_SHIFT, mmio, vcpu).bits) for gfn in asked), end)
        return np.array(pieces.starts, arrays.U64), np.array(pieces.values, arrays.U64)

    # --- the effective type ---------------------------------------------------------------------------------

    def hardware_pat(self, vcpu: int = 0) -> Pat:
        """The PAT that the processor uses while the guest runs."""
        guest = self.vcpu(vcpu).pat
        if self.vendor == "intel":
            return guest if self.load_pat else self.host_pat  # type: ignore[return-value]
        if self.tdp == "none":
            return self.host_pat
        follows = self.profile.g_pat_follows or self.vm_type != "normal"
        return guest if follows else Pat(rules.PAT_RESET)  # type: ignore[return-value]

    def effective(
        self,
        gpa: int,
        pat: MemoryType | str = "WB",
        vcpu: int = 0,
        mmio: bool = False,
        host_mtrr: MemoryType | str = "WB",
        pat_index: int | None = None,
    ) -> MemoryType:
        """The type of a guest access to a page that `vcpu` faulted in.

        Parameters
        ----------
        pat : type
            What the guest's PTE selects, by the guest's own PAT.
        pat_index : int, optional
            Instead of `pat`: the PTE's PAT index, 0 to 7.
        host_mtrr : type
            The host's MTRR type of the page behind it; matters under nested and shadow paging only.
        """
        leaf = self.leaf(gpa, mmio, vcpu)
        host = MemoryType.parse(host_mtrr)
        chosen = self._chosen(vcpu, MemoryType.parse(pat), pat_index)
        if self.tdp == "ept":
            return MemoryType(effective_ept(leaf.type, leaf.ipat, chosen))
        cd = self._hardware_cd(vcpu)
        if self.tdp == "npt":
            snp = self.vm_type == "sev-snp"
            return MemoryType(effective_npt(chosen, self.host_pat[0], host, snp, cr0_cd=cd))
        return MemoryType(effective(host, self.hardware_pat(vcpu)[0], self.vendor, cr0_cd=cd))

    def _hardware_cd(self, vcpu: int) -> bool:
        """Whether CR0.CD is really set while the guest runs: AMD with the quirk disabled."""
        possible = self.vendor == "amd" and self.profile.cd_reaches_vmcb and not self.quirk(CD_NW_CLEARED)
        return possible and self.vcpu(vcpu).cr0_cd

    def _chosen(self, vcpu: int, pat: MemoryType, index: int | None) -> MemoryType:
        """The PAT type that the guest's PTE selects in hardware; WB while its paging is off."""
        found, hardware = self.vcpu(vcpu), self.hardware_pat(vcpu)
        assert found.pat is not None
        if not found.cr0_pg:
            return MemoryType.WB
        if index is not None:
            if not 0 <= index <= 7:
                raise InputError(f"PAT index {index} is not within 0 to 7")
            return hardware[index]
        if self.tdp == "none" or hardware == found.pat:
            return pat
        if pat not in found.pat.types:
            raise InputError(f"the guest's PAT (0x{found.pat.value:016x}) has no {pat} entry")
        return hardware[found.pat.types.index(pat)]

    # --- leaves that may exist ------------------------------------------------------------------------------

    @property
    def gfn_end(self) -> int:
        """The first gfn behind the widest vCPU's guest-physical address space."""
        return 1 << (max(vcpu.maxphyaddr for vcpu in self.vcpus) - rules.PAGE_SHIFT)

    def fresh_leaves(self) -> Pieces[frozenset[int]]:
        """For every gfn the bits of the leaves that faults would make now, one vCPU or another."""
        if self._fresh is None:
            different = {vcpu: n for n, vcpu in enumerate(self.vcpus)}
            layers = overlay([self.leaf_pieces(n) for n in different.values()], self.gfn_end)
            made = Pieces(((first, frozenset(values) - {None}) for first, _, values in layers), self.gfn_end)
            object.__setattr__(self, "_fresh", made)
        return self._fresh  # type: ignore[return-value]

    def existing_leaves(self) -> Pieces[frozenset[int]]:
        """For every gfn the bits of the leaves that may exist: made since the page was last zapped, by any vCPU."""
        return self.fresh_leaves() if self._leaves is None else self._leaves

    def possible_leaves(self, gfn: int) -> set[tuple[MemoryType, bool]]:
        """(type, IPAT) of the leaves that may exist for a page; several where it matters who faulted, and when."""
        self._at(_gpa(gfn), 0)
        return {(leaf.type, leaf.ipat) for leaf in map(self.decode, self.existing_leaves().at(gfn))}

    def stale(self) -> list[Range]:
        """gfn ranges where a leaf may exist that no fault would make now."""
        both = overlay([self.existing_leaves(), self.fresh_leaves()], self.gfn_end)
        return both.where(lambda sets: not sets[0] <= sets[1])

    def order_dependent(self) -> list[Range]:
        """gfn ranges whose leaf depends on which vCPU faults first."""
        return self.fresh_leaves().where(lambda leaves: len(leaves) > 1)

    def apply(self, event: Event) -> tuple[Vm, Zap]:
        """The VM after `event`, and what that release zaps, should zap, misses, and zaps for nothing."""
        from memtype.kvm.events import apply

        return apply(self, event)


def altered(vm: Vm, **fields: Any) -> Vm:
    """The VM with these fields, which were checked before: a trace of many writes checks each vCPU's registers once."""
    made = object.__new__(Vm)
    kept = fields if fields.keys() == {"_leaves"} else {"_fresh": None, **fields}
    for field_ in dataclasses.fields(Vm):
        object.__setattr__(made, field_.name, kept.get(field_.name, getattr(vm, field_.name)))
    return made


@lru_cache(maxsize=256)
def _mtrr_bits(engine: str, vcpu: Vcpu) -> Pieces[int]:
    types = guest_mtrr.pieces(engine, vcpu)
    return Pieces(((first, kind << rules.EPT_TYPE_SHIFT) for first, _, kind in types), types.end)


def _page_kinds(mmio: Any, gfns: U64Array) -> Any:
    """`mmio` as an array of bool of the gfns' shape, or None where it is one bool."""
    if isinstance(mmio, bool):
        return None
    flags = arrays.flags(mmio, "mmio").view(np.bool_)
    try:
        return np.broadcast_to(flags, gfns.shape)
    except ValueError:
        raise InputError(f"mmio: shape {flags.shape} does not fit gfns {gfns.shape}") from None


def _gpa(gfn: Any) -> int:
    """The first byte of a page, whatever integer its number is; no integer is left for `arrays.address` to refuse."""
    return int(gfn) << rules.PAGE_SHIFT if hasattr(gfn, "__index__") else gfn


def device_count(value: int | bool) -> int:
    if not hasattr(value, "__index__") or value < 0:
        raise InputError(f"noncoherent_dma {value!r} is no count of devices")
    return int(value)


def quirk_names(names: Iterable[str] | None) -> frozenset[str]:
    """The quirks about memory types, with or without KVM_X86_QUIRK_ before them."""
    given = [names] if isinstance(names, str) else () if names is None else names
    plain = {str(name).upper().removeprefix("KVM_X86_QUIRK_") for name in given}
    unknown = plain - QUIRK_BITS.keys()
    if unknown:
        raise InputError(f"{min(unknown)} is no quirk about memory types ({', '.join(QUIRK_BITS)})")
    return frozenset(plain)


def _paging(tdp: str | None, vendor: str) -> str:
    has = "ept" if vendor == "intel" else "npt"
    if tdp is None:
        return has
    if str(tdp).lower() not in (has, "none", "shadow"):
        raise InputError(f"tdp {tdp!r}: {vendor} has {has} or none (shadow paging)")
    return "none" if str(tdp).lower() == "shadow" else has if str(tdp).lower() == has else "none"


def _vm_type(vm_type: str, vm: Vm) -> str:
    if vm_type not in VM_TYPES:
        raise InputError(f"vm_type {vm_type!r} is not one of {', '.join(VM_TYPES)}")
    if vm_type == "tdx" and (vm.tdp != "ept" or not vm.profile.tdx):
        raise InputError(f"a TDX guest needs Intel, EPT and 6.16 or later, not {vm.vendor}, tdp {vm.tdp}, {vm.profile}")
    if vm_type == "tdx" and vm.profile.tdx == "self-snoop" and not vm.self_snoop:
        raise InputError(f"{vm.profile} enables TDX only on a host with self-snoop")
    if vm_type.startswith("sev") and vm.tdp != "npt":
        raise InputError(f"a {vm_type} guest needs AMD and NPT, not {vm.vendor}, tdp {vm.tdp}")
    return vm_type


def _linux_pat(profile: Profile) -> str:
    """The layout of the host's PAT as its own kernel sets it up: another one before 4.2."""
    return "windows" if profile.initial_pat == "host" else "linux"
