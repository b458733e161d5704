"""A virtual machine under one release of KVM: what decides, and the questions that it answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from memtype import arguments, rules
from memtype.errors import InputError, RegisterError
from memtype.kvm import fill, guest_mtrr, history, leaves, msrs, policies, zap
from memtype.kvm.gfns import Gfns, Ints, Ranges, union
from memtype.kvm.history import CD_NW_CLEARED, IGNORE_GUEST_PAT, QUIRK_BITS
from memtype.kvm.leaves import Leaf
from memtype.kvm.releases import Profile
from memtype.kvm.releases import profile as find_profile
from memtype.kvm.rules import KVM_RULES
from memtype.kvm.vcpu import Vcpu, with_pat
from memtype.kvm.zap import Event, Zap
from memtype.memory_map import MemoryMap
from memtype.mtrr import vendor_name
from memtype.pat import Pat, as_pat
from memtype.readable import readable
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype.arrays import U64Array

# Guests whose memory is encrypted: the paging that they need.
_GUESTS: Final = {"tdx": ("ept", "Intel and EPT"), "sev-es": ("npt", "AMD and NPT"), "sev-snp": ("npt", "AMD and NPT")}
VM_TYPES: Final = ("normal", *_GUESTS)
MAX_LEVEL: Final = 3  # 1 GiB
_put = object.__setattr__


@dataclass(frozen=True, slots=True)
class Wbinvd:
    """What a guest's WBINVD does: whether the host executes it, and why."""

    executed: bool
    why: str
    rule: str


@readable
@dataclass(frozen=True, slots=True, init=False)
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
        How many non-coherent DMA devices or groups; only 0 or not 0 decides. The KVM-VFIO device counts once.
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
    memory : sequence of (base, size), optional
        The guest's memory in bytes: `needed`, `stale` and `excess` of a zap then hold its pages only.
    as_architected : bool
        Guest MTRR types by the manual, not as the release computes them. Where the manual leaves a type open the
        leaf's is UNDEFINED (and its bits those of UC).

    Raises
    ------
    InputError
        For a release that is not modelled, a combination that does not exist, and what that release cannot do.
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
    vendor: str
    tdp: str
    noncoherent_dma: int
    vcpus: tuple[Vcpu, ...]
    vm_type: str
    self_snoop: bool
    disabled_quirks: frozenset[str]
    load_pat: bool
    host_pat: Pat
    ignore_msrs: bool
    memory: tuple[tuple[int, int], ...]
    as_architected: bool
    gfn_end: int = field(init=False)  # behind the last gfn that any vCPU can address
    _windows: Ranges = field(init=False, compare=False, repr=False)  # gfns of `memory` that there are; without it all
    _past: leaves.Past | None = field(init=False, compare=False, repr=False)
    _fresh: Ints | None = field(init=False, compare=False, repr=False)
    _decided: tuple[leaves.Decision, leaves.Decision] | None = field(init=False, compare=False, repr=False)

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
        memory: Sequence[tuple[int, int]] | None = None,
        as_architected: bool = False,
    ) -> None:
        _put(self, "profile", find_profile(profile))
        _put(self, "vendor", vendor_name(vendor))
        _put(self, "tdp", _paging(tdp, self.vendor))
        _put(self, "noncoherent_dma", device_count(noncoherent_dma))
        _put(self, "self_snoop", arguments.flag(self_snoop, "self_snoop"))
        _put(self, "vm_type", _vm_type(vm_type, self))
        _put(self, "disabled_quirks", _allowed(quirk_names(disabled_quirks), self.profile))
        _put(self, "load_pat", arguments.flag(load_pat, "load_pat"))
        _put(self, "host_pat", as_pat(_linux_pat(self.profile) if host_pat is None else host_pat))
        _put(self, "ignore_msrs", arguments.flag(ignore_msrs, "ignore_msrs"))
        _put(self, "as_architected", arguments.flag(as_architected, "as_architected"))
        _put(self, "vcpus", self._settled(vcpus))
        _put(self, "gfn_end", 1 << max(vcpu.maxphyaddr for vcpu in self.vcpus) - rules.PAGE_SHIFT)
        _put(self, "memory", _memory(memory))
        _put(self, "_windows", _gfns(self.memory, self.gfn_end))
        for unknown in ("_past", "_fresh", "_decided"):
            _put(self, unknown, None)

    def _settled(self, vcpus: Any) -> tuple[Vcpu, ...]:
        """The vCPUs with the PAT that this release starts them with, if they have none; their MTRRs checked."""
        given = [vcpus or Vcpu()] if vcpus is None or isinstance(vcpus, Vcpu) else vcpus
        from_host = self.profile.initial_pat == "host" and self.vendor == "intel"
        start = self.host_pat if from_host else Pat(rules.PAT_RESET)
        known: dict[int, Vcpu] = {}  # vCPUs alike are checked once
        found = list(arguments.items(given, "vcpus", "Vcpu"))
        for vcpu in found:
            if id(vcpu) in known:
                continue
            if not isinstance(vcpu, Vcpu):
                raise InputError(f"vcpus: {type(vcpu).__name__} is no Vcpu")
            refused = msrs.check_state(self.profile, vcpu)
            if refused:
                raise RegisterError(f"{self.profile}: a guest cannot hold {refused}")
            known[id(vcpu)] = vcpu if vcpu.pat is not None else with_pat(vcpu, start)
        if not found:
            raise InputError("a VM has at least one vCPU")
        return tuple(known[id(vcpu)] for vcpu in found)

    def _with(self, **fields: Any) -> Vm:
        """The VM with these fields, which were checked before; `_decided` is None if they decide for all vCPUs."""
        made = object.__new__(Vm)
        for get, put in _COPIED:
            put(made, get(self))
        _put(made, "_fresh", None)
        for name, value in fields.items():
            _put(made, name, value)
        return made

    def _with_vcpu(self, number: int, vcpu: Vcpu) -> Vm:
        """The VM with another vCPU of that number, which there is."""
        return self._with(vcpus=(*self.vcpus[:number], vcpu, *self.vcpus[number + 1 :]))

    def __reduce__(self) -> tuple[Any, ...]:
        return Vm, (
            self.profile, self.vendor, self.tdp, self.noncoherent_dma, self.vcpus, self.vm_type, self.self_snoop,
            self.disabled_quirks, self.load_pat, self.host_pat, self.ignore_msrs, self.memory, self.as_architected,
        )  # fmt: skip

    def replace(self, **fields: Any) -> Vm:
        """The VM with other arguments, checked as they are at first; leaves made before are forgotten."""
        return replace(self, **fields)

    # --- what decides ---------------------------------------------------------------------------------------

    @property
    def has_noncoherent_dma(self) -> bool:
        return self.noncoherent_dma > 0

    @property
    def engine(self) -> str:
        """Who computes the guest's MTRR type: the release's code, or the manual (`as_architected`)."""
        return guest_mtrr.MANUAL if self.as_architected else self.profile.mtrr_engine

    @property
    def supported_quirks(self) -> frozenset[str]:
        """What KVM_CAP_DISABLE_QUIRKS2 lets userspace disable, among the quirks about memory types."""
        supported = self.profile.quirks
        if (self.vendor == "intel" and not self.self_snoop) or self.tdp == "none":
            supported = supported - {IGNORE_GUEST_PAT}
        return supported

    def quirk(self, name: str) -> bool:
        """Whether the quirk is in force: the release knows it, and neither KVM nor userspace disabled it."""
        known = arguments.given(name, str, "quirk") in self.profile.quirks
        return known and name not in self._disabled()

    def _disabled(self) -> frozenset[str]:
        if self.profile.quirk_semantics != "or":
            return self.disabled_quirks
        inapplicable = {IGNORE_GUEST_PAT} if self.vendor == "amd" else {CD_NW_CLEARED}
        disabled = (self.supported_quirks & inapplicable) | (self.disabled_quirks & self.supported_quirks)
        return disabled | {IGNORE_GUEST_PAT} if self.vm_type == "tdx" else disabled

    @property
    def shadow_memtype_mask(self) -> int | None:
        """KVM's variable of that name: 0x78 with EPT, else 0; None in releases that do not have it."""
        return self.leaf_field if self.profile.has_memtype_mask else None

    @property
    def leaf_field(self) -> int:
        """The bits of a leaf that hold the memory type and IPAT: 0x78 with EPT, else none."""
        return leaves.EPT_FIELD if self.tdp == "ept" else 0

    # --- one page -------------------------------------------------------------------------------------------

    def vcpu(self, number: int) -> Vcpu:
        """That vCPU. Raises `InputError` where there is none."""
        number = arguments.integer(number, "vCPU", InputError)
        if not 0 <= number < len(self.vcpus):
            raise InputError(f"vCPU {number}: the VM has vCPUs 0 to {len(self.vcpus) - 1}")
        return self.vcpus[number]

    def _at(self, gpa: int, vcpu: int) -> tuple[int, Vcpu]:
        """The address and the vCPU, once `gpa` was found to be an address of its width."""
        found = self.vcpu(vcpu)
        return arguments.address(gpa, found.maxphyaddr), found

    def leaf(self, gpa: int, mmio: bool = False, vcpu: int = 0, private: bool = False) -> Leaf:
        """The leaf that a fault of `vcpu` at `gpa` makes; `mmio` says that the host's page is MMIO (`is_mmio`).

        Under nested and shadow paging the type is that of PAT entry 0 and `bits` is 0. `private` asks for a TDX
        guest's private page, which the TDX module maps WB; without it a TDX guest's page is a shared one.
        """
        address, found = self._at(gpa, vcpu)
        return leaves.leaf(self, address, arguments.flag(mmio, "mmio"), found, self._private(private))

    def _private(self, private: bool) -> bool:
        asked = arguments.flag(private, "private")
        if asked and self.vm_type != "tdx":
            raise InputError(f"private pages are a TDX guest's, not a {self.vm_type} one's")
        return asked

    def guest_type(self, gpa: int, vcpu: int = 0, as_architected: bool = False) -> MemoryType:
        """The guest's MTRR type as this release computes it, or as the manual says."""
        address, found = self._at(gpa, vcpu)
        manual = arguments.flag(as_architected, "as_architected")
        return guest_mtrr.at(guest_mtrr.MANUAL if manual else self.engine, found, address)

    def guest_map(self, vcpu: int = 0) -> MemoryMap:
        """`guest_type` of the whole guest-physical address space.

        Raises
        ------
        ShatteredMapError
            When masks with holes make more than 65,536 segments (3.13 to 4.1); single pages are answered.
        """
        found = self.vcpu(vcpu)
        made = guest_mtrr.pieces(self.engine, found)
        return MemoryMap([start << rules.PAGE_SHIFT for start in made.starts], made.values, found.maxphyaddr)

    def deviation(self, gpa: int, vcpu: int = 0) -> tuple[MemoryType, MemoryType, str] | None:
        """Where this release gives the guest another MTRR type than the manual: (its, the manual's, the rule).

        None where they agree, and where no leaf depends on the guest's MTRRs.
        """
        address, found = self._at(gpa, vcpu)
        if leaves.decide(self, found, False)[0] is not None or self.as_architected:
            return None
        return guest_mtrr.deviation(self.engine, found, address)

    def msr(self, index: int, vcpu: int = 0) -> int:
        """What the guest reads from an MTRR, MTRRcap or the PAT. `InputError` where it gets #GP."""
        return msrs.read(self.profile, self.vcpu(vcpu), index)

    def wbinvd(self) -> Wbinvd:
        """Whether a guest's WBINVD reaches the host's caches: only with non-coherent DMA.

        It matters to a guest that writes through UC or WC mappings to memory that is cached elsewhere and flushes
        by WBINVD: without non-coherent DMA its WBINVD does nothing, even where the guest's PAT is honoured.
        """
        rule = "kvm-wbinvd-executed" if self.has_noncoherent_dma else "kvm-wbinvd-skipped"
        return Wbinvd(self.has_noncoherent_dma, str(KVM_RULES[rule]), rule)

    # --- huge pages -----------------------------------------------------------------------------------------

    def huge_page_consistent(self, gfn: int, pages: int, vcpu: int = 0) -> bool:
        """KVM's test whether the guest's MTRRs allow one leaf for `pages` pages; True without such a test."""
        found = self.vcpu(vcpu)
        first, count = arguments.integer(gfn, "gfn"), arguments.integer(pages, "count of pages", InputError)
        if count < 1:
            raise InputError(f"{count} is no count of pages")
        arguments.refuse_pages(first, count, found.maxphyaddr)
        if self.profile.huge_page_check == "no":
            return True
        return guest_mtrr.consistent(self.engine, found, first << rules.PAGE_SHIFT, count)

    @property
    def limits_level(self) -> bool:
        """Whether the guest's MTRRs limit the mapping level at all."""
        return policies.HUGE_PAGE_CHECK[self.profile.huge_page_check](self)

    def max_level(self, gfn: int, vcpu: int = 0) -> int:
        """The largest level (1: 4 KiB, 2: 2 MiB, 3: 1 GiB) that the guest's MTRRs leave to the page of `gfn`."""
        number = arguments.integer(gfn, "gfn")
        _, found = self._at(number << rules.PAGE_SHIFT, vcpu)
        if not self.limits_level:
            return MAX_LEVEL
        for level in range(MAX_LEVEL, 1, -1):
            pages = 512 ** (level - 1)
            if guest_mtrr.consistent(self.engine, found, (number & -pages) << rules.PAGE_SHIFT, pages):
                return level
        return 1

    # --- many pages -----------------------------------------------------------------------------------------

    def leaf_pieces(self, vcpu: int = 0, mmio: bool = False) -> Ints:
        """The leaf bits of every gfn below 2**MAXPHYADDR, as pieces."""
        self.vcpu(vcpu)
        return leaves.leaf_pieces(self, vcpu, arguments.flag(mmio, "mmio"))

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
        return fill.leaf_bits(self, gfns, mmio, vcpu, out, threads)

    def fill(self, sptes: U64Array, gfns: Any, mmio: Any = False, vcpu: int = 0, threads: int = 1) -> U64Array:
        """Set bits 6:3 of EPT leaves in place, sptes[i] for gfns[i]; every other bit stays.

        Without EPT nothing is written: there bits 6:3 are no memory type (6 and 5 are Dirty and Accessed). `mmio`
        and `threads` are those of `leaf_bits`.

        Raises
        ------
        ArrayError, AddressError
            As `leaf_bits`; `sptes` must be a writable uint64 array of the shape of `gfns`.
        """
        return fill.fill(self, sptes, gfns, mmio, vcpu, threads)

    # --- the effective type ---------------------------------------------------------------------------------

    def hardware_pat(self, vcpu: int = 0) -> Pat:
        """The PAT that the processor uses while the guest runs."""
        return leaves.hardware_pat(self, self.vcpu(vcpu))

    def effective(
        self,
        gpa: int,
        pat: MemoryType | str = "WB",
        vcpu: int = 0,
        mmio: bool = False,
        host_mtrr: MemoryType | str = "WB",
        pat_index: int | None = None,
        private: bool = False,
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
        private : bool
            A TDX guest's private page: WB, whatever the guest's PAT says.
        """
        address, found = self._at(gpa, vcpu)
        kinds = arguments.memory_type(pat, "pat"), arguments.memory_type(host_mtrr, "host_mtrr")
        host = arguments.flag(mmio, "mmio")
        return leaves.effective(self, address, kinds[0], found, host, kinds[1], pat_index, self._private(private))

    # --- leaves that may exist, and what happens ------------------------------------------------------------

    def fresh_leaves(self) -> Ints:
        """The leaves that faults may make now: for every gfn a set, bit b >> 3 for the leaf with bits b."""
        return leaves.fresh(self)

    def existing_leaves(self) -> Ints:
        """The leaves that may exist: made since the page was last zapped, by any vCPU; sets as in `fresh_leaves`."""
        return leaves.existing(self)

    def possible_leaves(self, gfn: int) -> set[tuple[MemoryType, bool]]:
        """(type, IPAT) of the leaves that may exist for a page; several where it matters who faulted, and when."""
        number = arguments.integer(gfn, "gfn")
        self._at(number << rules.PAGE_SHIFT, 0)
        return leaves.possible(self, number)

    def stale(self) -> Gfns:
        """gfn ranges where a leaf may exist that no fault would make now."""
        return leaves.stale(self)

    def order_dependent(self) -> Gfns:
        """gfn ranges whose leaf depends on which vCPU faults first."""
        return leaves.order_dependent(self)

    def apply(self, event: Event) -> tuple[Vm, Zap]:
        """The VM after `event`, and what that release zaps, should zap, misses, and zaps for nothing."""
        return zap.apply(self, event)


_COPIED: Final = [(Vm.__dict__[name].__get__, Vm.__dict__[name].__set__) for name in Vm.__slots__]


# --- arguments --------------------------------------------------------------------------------------------------


def device_count(value: int | bool) -> int:
    if arguments.is_bool(value):
        return int(value)
    count = arguments.integer(value, "noncoherent_dma", InputError)
    if count < 0:
        raise InputError(f"noncoherent_dma {count} is no count of devices")
    return count


def quirk_names(names: Iterable[str] | None) -> frozenset[str]:
    """The quirks about memory types, with or without KVM_X86_QUIRK_ before them."""
    given = [names] if isinstance(names, str) else () if names is None else names
    named = [arguments.given(name, str, "quirk") for name in arguments.items(given, "quirks", "names")]
    plain = {name.upper().removeprefix("KVM_X86_QUIRK_") for name in named}
    unknown = plain - QUIRK_BITS.keys()
    if unknown:
        raise InputError(f"{arguments.shown(min(unknown))} is no quirk about memory types ({', '.join(QUIRK_BITS)})")
    return frozenset(plain)


def _paging(tdp: str | None, vendor: str) -> str:
    has = "ept" if vendor == "intel" else "npt"
    if tdp is None:
        return has
    if not isinstance(tdp, str) or tdp.lower() not in (has, "none", "shadow"):
        raise InputError(f"tdp {arguments.shown(tdp)}: {vendor} has {has} or none (shadow paging)")
    return has if tdp.lower() == has else "none"


def _memory(memory: Any) -> tuple[tuple[int, int], ...]:
    """Pairs of (base, size) in bytes, as ints."""
    if memory is None:
        return ()
    found = []
    for n, part in enumerate(arguments.items(memory, "memory", "(base, size)")):
        base, size = arguments.pair(part, f"memory[{n}]", "(base, size)")
        if base < 0 or size <= 0 or base + size > 1 << rules.MAX_MAXPHYADDR:
            raise InputError(f"memory[{n}]: 0x{base:x}+0x{size:x} is not within [0, 2**{rules.MAX_MAXPHYADDR})")
        found.append((base, size))
    return tuple(found)


def _gfns(memory: Iterable[tuple[int, int]], end: int) -> Ranges:
    """The memory as gfns below `end`, all of them without memory; a page that is only partly memory counts."""
    shift = rules.PAGE_SHIFT
    found = [(base >> shift, base + size + rules.PAGE_SIZE - 1 >> shift) for base, size in memory]
    return union(found or [(0, end)]).within(0, end)


def _vm_type(vm_type: str, vm: Vm) -> str:
    if not isinstance(vm_type, str) or vm_type not in VM_TYPES:
        raise InputError(f"vm_type {arguments.shown(vm_type)} is not one of {', '.join(VM_TYPES)}")
    if vm_type == "normal":
        return vm_type
    tdp, words = _GUESTS[vm_type]
    name, knob = vm_type.upper(), vm_type.replace("-", "_")
    if not getattr(vm.profile, knob):
        raise InputError(f"a {name} guest needs {history.first(knob)} or later, not {vm.profile}")
    if vm.tdp != tdp:
        raise InputError(f"a {name} guest needs {words}, not {vm.vendor}, tdp {vm.tdp}")
    if vm_type == "tdx" and not vm.self_snoop:
        raise InputError(f"{vm.profile}: {KVM_RULES['kvm-tdx-self-snoop']}")
    return vm_type


def _allowed(names: frozenset[str], profile: Profile) -> frozenset[str]:
    if names and not profile.disable_quirks:
        raise InputError(
            f"{profile} disables no quirks: KVM_CAP_DISABLE_QUIRKS came with {history.first('disable_quirks')}"
        )
    return names


def _linux_pat(profile: Profile) -> str:
    """The layout of the host's PAT as its own kernel sets it up: another one before 4.2."""
    return "windows" if profile.initial_pat == "host" else "linux"
