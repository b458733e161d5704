"""The leaf that a fault makes, the type that an access through it gets, and which leaves may exist.

Functions of a `Vm`; its methods call them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from memtype import arguments, rules
from memtype.effective import effective as effective_types
from memtype.effective import effective_npt
from memtype.ept import effective_ept
from memtype.errors import InputError
from memtype.kvm import guest_mtrr, policies
from memtype.kvm.gfns import (
    Gfns,
    GfnSet,
    Ints,
    Periodic,
    Pieces,
    Range,
    Ranges,
    combine,
    intersect,
    listed,
    marked,
    merge_sets,
    union,
)
from memtype.kvm.history import CD_NW_CLEARED, UC_PAT, WB_IPAT, WB_PAT, Fixed
from memtype.kvm.rules import KVM_RULES
from memtype.pat import Pat
from memtype.readable import readable
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype.kvm.vcpu import Vcpu
    from memtype.kvm.vm import Vm

EPT_FIELD: Final = rules.EPT_TYPE_FIELD | rules.EPT_IPAT  # bits 6:3 of an EPT leaf
# The manual leaves some overlaps open (`as_architected`): a reserved type stands for that in pieces, UC in an SPTE.
UNDEFINED_BITS: Final = 2 << rules.EPT_TYPE_SHIFT


@readable
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


# --- what decides -----------------------------------------------------------------------------------------------

Decision = tuple["Fixed | None", str]


def decide(vm: Vm, vcpu: Vcpu, mmio: bool) -> Decision:
    """The leaf's type and IPAT, or None for the guest's MTRR type; and the rule that decided."""
    if mmio and vm.tdp == "ept":
        return UC_PAT, "kvm-leaf-mmio"
    known = vm._decided
    if known is None:
        known = _decide(vm, False), _decide(vm, True)
        object.__setattr__(vm, "_decided", known)
    found: Decision = known[vcpu.cr0_cd]
    return found


def _decide(vm: Vm, cr0_cd: bool) -> Decision:
    p = vm.profile
    if vm.tdp != "ept":
        return WB_PAT, "kvm-leaf-npt" if vm.tdp == "npt" else "kvm-leaf-shadow"
    if not vm.has_noncoherent_dma:
        ipat = policies.COHERENT_IPAT[p.coherent_ipat](vm)
        return WB_IPAT if ipat else WB_PAT, f"kvm-leaf-coherent-{p.coherent_ipat}"
    if not p.honors_guest_mtrr:
        return WB_PAT, "kvm-leaf-wb"
    if cr0_cd and p.cd_quirk_on is not None:
        kept = vm.quirk(CD_NW_CLEARED)
        return (p.cd_quirk_on, "kvm-leaf-cd-on") if kept else (p.cd_quirk_off, "kvm-leaf-cd-off")
    return None, "kvm-leaf-mtrr"


def decided_by(vm: Vm) -> tuple[bool, frozenset[str]]:
    """What of a VM an event may change that decides for all vCPUs."""
    return vm.has_noncoherent_dma, vm.disabled_quirks


def encode(vm: Vm, fixed: Fixed) -> int:
    """The bits of a type and IPAT: type << 3 | IPAT << 6 with EPT, else 0."""
    if vm.tdp != "ept":
        return 0
    if fixed.type is MemoryType.UNDEFINED:
        return UNDEFINED_BITS
    return fixed.type << rules.EPT_TYPE_SHIFT | fixed.ipat * rules.EPT_IPAT


def decode(vm: Vm, bits: int) -> Fixed:
    """The type and IPAT that bits 6:3 say; without EPT always PAT entry 0, WB."""
    if vm.tdp != "ept":
        return WB_PAT
    kind = rules.type_of((bits & rules.EPT_TYPE_FIELD) >> rules.EPT_TYPE_SHIFT)
    return Fixed(kind, bool(bits & rules.EPT_IPAT))


# --- one page ---------------------------------------------------------------------------------------------------


def leaf(vm: Vm, gpa: int, mmio: bool, vcpu: Vcpu, private: bool) -> Leaf:
    """The leaf that a fault at `gpa` makes; the address was checked."""
    if private:
        fixed: Fixed | None = WB_IPAT
        rule = "kvm-leaf-tdx-private"
    else:
        fixed, rule = decide(vm, vcpu, mmio)
    detail = ""
    if fixed is None:
        kind = guest_mtrr.at(vm.engine, vcpu, gpa)
        fixed, detail = Fixed(kind, False), f" ({kind})"
    bits = encode(vm, fixed)
    cited = KVM_RULES[rule]
    why = f"{cited.text}{detail} [{cited.id}: {cited.source}]"
    return Leaf(fixed.type, fixed.ipat, 0 if bits == UNDEFINED_BITS else bits, why, rule)


def chosen_pat(vm: Vm, vcpu: Vcpu, pat: MemoryType, index: int | None) -> MemoryType:
    """The PAT type that the guest's PTE selects in hardware; WB while its paging is off."""
    hardware = hardware_pat(vm, vcpu)
    if not vcpu.cr0_pg:
        return MemoryType.WB
    if index is not None:
        number = arguments.integer(index, "PAT index", InputError)
        if not 0 <= number <= 7:
            raise InputError(f"PAT index {number} is not within 0 to 7")
        return hardware[number]
    held = vcpu.pat
    assert held is not None  # a Vm fills it in
    if vm.tdp == "none" or hardware == held:
        return pat
    if pat not in held.types:
        raise InputError(f"the guest's PAT (0x{held.value:016x}) has no {pat} entry")
    return hardware[held.types.index(pat)]


def hardware_pat(vm: Vm, vcpu: Vcpu) -> Pat:
    """The PAT that the processor uses while the guest runs."""
    guest = vcpu.pat
    assert guest is not None  # a Vm fills it in
    if vm.vendor == "intel":
        return guest if vm.load_pat else vm.host_pat
    if vm.tdp == "none":
        return vm.host_pat
    if vm.profile.g_pat_follows:
        return guest
    return vcpu.g_pat or Pat(rules.PAT_RESET)


def effective(
    vm: Vm, gpa: int, pat: MemoryType, vcpu: Vcpu, mmio: bool, host: MemoryType, index: int | None, private: bool
) -> MemoryType:
    """The type of a guest access to a page that `vcpu` faulted in; the arguments were checked."""
    made = leaf(vm, gpa, mmio, vcpu, private)
    chosen = chosen_pat(vm, vcpu, pat, index)
    if vm.tdp == "ept":
        return MemoryType(effective_ept(made.type, made.ipat, chosen))
    # AMD with the quirk disabled: CR0.CD is really set while the guest runs
    cd = vm.vendor == "amd" and vm.profile.cd_reaches_vmcb and not vm.quirk(CD_NW_CLEARED) and vcpu.cr0_cd
    if vm.tdp == "npt":
        return MemoryType(effective_npt(chosen, vm.host_pat[0], host, vm.vm_type == "sev-snp", cr0_cd=cd))
    return MemoryType(effective_types(host, hardware_pat(vm, vcpu)[0], vm.vendor, cr0_cd=cd))


# --- all pages --------------------------------------------------------------------------------------------------


def leaf_pieces(vm: Vm, number: int, mmio: bool = False) -> Ints:
    """The leaf bits of every gfn below 2**MAXPHYADDR, as one vCPU's faults make them."""
    vcpu = vm.vcpus[number]
    fixed, _ = decide(vm, vcpu, mmio)
    if fixed is not None:
        return _uniform(encode(vm, fixed), vcpu.maxphyaddr)
    types = guest_mtrr.pieces(vm.engine, vcpu)
    known = vcpu._types
    if len(known) == 2:
        known = (*known, _mapped(types, _BITS))
        object.__setattr__(vcpu, "_types", known)
    found: Ints = known[2]
    return found


_BITS: Final = {int(kind): kind << rules.EPT_TYPE_SHIFT for kind in rules.MTRR_TYPES} | {
    int(MemoryType.UNDEFINED): UNDEFINED_BITS
}


@lru_cache(maxsize=256)
def _uniform(bits: int, maxphyaddr: int) -> Pieces[int]:
    return Pieces([(0, bits)], 1 << (maxphyaddr - rules.PAGE_SHIFT))


def _mapped(pieces: Ints, values: dict[int, int]) -> Ints:
    if isinstance(pieces, Periodic):
        return combine([pieces], pieces.end, values.__getitem__)
    return pieces.renamed(values)


def in_memory(vm: Vm, found: Gfns) -> Gfns:
    """The part within the guest's memory, where that was given."""
    if not vm.memory:
        return found
    if isinstance(found, GfnSet):
        return listed(GfnSet(found._diagram, vm._windows))
    return intersect(found, vm._windows)


# --- leaves that may exist --------------------------------------------------------------------------------------
#
# A set of leaves is an int: bit b >> 3 stands for the leaf with bits b.

_SETS: Final = {bits: 1 << (bits >> rules.EPT_TYPE_SHIFT) for bits in range(0, EPT_FIELD + 1, 8)}
_FOLD: Final = 1 << 16  # events after which the past is worked out, asked for or not: some 40 MB


class Past:
    """Leaves made before the last event and not zapped since: older ones and those of `vm`, less `calls`."""

    __slots__ = ("calls", "depth", "made", "older", "vm")

    def __init__(self, older: Past | None, vm: Vm, calls: tuple[Range, ...]) -> None:
        self.older, self.calls = older, calls
        self.vm: Vm | None = vm
        self.made: Ints | None = None
        self.depth: int = 1 if older is None else older.depth + 1

    def sets(self) -> Ints:
        """The set of those leaves for every gfn."""
        if self.made is None:
            self.made = self._worked_out()
            self.older, self.vm, self.depth = None, None, 1
        return self.made

    def _worked_out(self) -> Ints:
        assert self.vm is not None
        end = self.vm.gfn_end  # the same for all
        waiting: list[Past] = []
        past: Past | None = self
        while past is not None and past.made is None:
            waiting.append(past)
            past = past.older
        layers = [] if past is None or past.made is None else [past.made]
        for step in reversed(waiting):
            assert step.vm is not None
            layers.append(fresh(step.vm))
            if step.calls:
                layers = [_less(merge_sets(layers, end), step.calls, end)]
        return merge_sets(layers, end)


def _less(sets: Ints, calls: Iterable[Range], end: int) -> Ints:
    return combine([sets, marked(union(calls), end)], end, lambda held, zapped: 0 if zapped else held)


def remember(before: Vm, after: Vm, calls: tuple[Range, ...]) -> None:
    """Give `after`, which was made of `before`, the leaves of it that its `calls` leave alive."""
    past = before._past
    if any(first == 0 and end >= before.gfn_end for first, end in calls):
        past = None
    elif calls or not _same_leaves(before, after):
        past = Past(past, before, calls)
        if past.depth >= _FOLD:
            past.sets()
    object.__setattr__(after, "_past", past)


def _same_leaves(before: Vm, after: Vm) -> bool:
    """Whether no leaf can differ, as far as that is seen at once."""
    pairs = [pair for pair in zip(before.vcpus, after.vcpus) if pair[0] is not pair[1]]
    return decided_by(before) == decided_by(after) and all(_same_leaf(after, *pair) for pair in pairs)


def _same_leaf(vm: Vm, old: Vcpu, new: Vcpu) -> bool:
    """The same of a vCPU's, where the VM decides as before."""
    was, now = decide(vm, old, False)[0], decide(vm, new, False)[0]
    if was is not None or now is not None:
        return was == now
    known = old._types is not None and new._types is old._types
    return known or not (guest_mtrr.matters(vm.engine, old) or guest_mtrr.matters(vm.engine, new))


def fresh(vm: Vm) -> Ints:
    """The leaves that faults may make now: for every gfn the set of what the vCPUs would."""
    if vm._fresh is None:
        distinct = {id(found): found for found in (leaf_pieces(vm, n) for n in range(len(vm.vcpus)))}
        made = merge_sets([_mapped(found, _SETS) for found in distinct.values()], vm.gfn_end)
        object.__setattr__(vm, "_fresh", made)
    kept = vm._fresh
    assert kept is not None
    return kept


def existing(vm: Vm) -> Ints:
    """The leaves that may exist: made since the page was last zapped, by any vCPU."""
    now = fresh(vm)
    return now if vm._past is None else merge_sets([vm._past.sets(), now], vm.gfn_end)


def possible(vm: Vm, gfn: int) -> set[tuple[MemoryType, bool]]:
    """(type, IPAT) of the leaves that may exist for a page."""
    held = existing(vm).at(gfn)
    found = (decode(vm, bits) for bits, one in _SETS.items() if held & one)
    return {(fixed.type, fixed.ipat) for fixed in found}


def stale(vm: Vm) -> Gfns:
    """gfns where a leaf may exist that no fault would make now."""
    if vm._past is None:
        return Ranges()
    both = combine([vm._past.sets(), fresh(vm)], vm.gfn_end, lambda old, now: int(bool(old & ~now)))
    return in_memory(vm, both.where(bool))


def order_dependent(vm: Vm) -> Gfns:
    """gfns whose leaf depends on which vCPU faults first."""
    return in_memory(vm, fresh(vm).where(lambda held: held & held - 1 != 0))
