"""One vCPU as KVM sees it: its MTRRs, its PAT, CR0, and in which order its variable ranges were written."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from memtype import rules
from memtype.errors import RegisterError
from memtype.mtrr import MtrrState
from memtype.pat import Pat, as_pat
from memtype.views import kvm_list


@dataclass(frozen=True, slots=True)
class Vcpu:
    """One vCPU; without `mtrrs` and `pat` as KVM creates it (all MTRRs 0).

    Parameters
    ----------
    mtrrs : MtrrState, optional
        Taken as if its pairs had been written in index order, base then mask; a mask of 0 counts as never
        written. AMD routing bits and mask bits at and above MAXPHYADDR are dropped.
    pat : Pat, int or str, optional
        IA32_PAT; without it what that release starts with.
    cr0_cd, cr0_pg : bool
        CR0.CD and CR0.PG.
    cpuid_mtrr : bool
        Whether the guest's CPUID shows MTRRs.
    maxphyaddr : int, optional
        The guest's physical address width; 46, or that of `mtrrs`.
    order, masks_written
        What `Vm.apply` keeps: valid pairs in KVM's list order, and the pairs whose mask was ever written.

    Raises
    ------
    RegisterError
        For a width that contradicts `mtrrs`.
    """

    mtrrs: MtrrState = None  # type: ignore[assignment]
    pat: Pat | None = None
    cr0_cd: bool = False
    cr0_pg: bool = True
    cpuid_mtrr: bool = True
    maxphyaddr: int = None  # type: ignore[assignment]
    order: tuple[int, ...] = None  # type: ignore[assignment]
    masks_written: frozenset[int] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.mtrrs is not None and not isinstance(self.mtrrs, MtrrState):
            raise RegisterError(f"mtrrs: {type(self.mtrrs).__name__} is no MtrrState")
        given = MtrrState(maxphyaddr=self.maxphyaddr or rules.DEFAULT_MAXPHYADDR) if self.mtrrs is None else self.mtrrs
        if self.maxphyaddr is not None and self.maxphyaddr != given.maxphyaddr:
            raise RegisterError(f"MAXPHYADDR {self.maxphyaddr} of the vCPU is not the {given.maxphyaddr} of its MTRRs")
        state = as_guest(given) if self.order is None else given  # 3.13 lets a guest write bits out of width
        put(self, "mtrrs", state)
        put(self, "maxphyaddr", state.maxphyaddr)
        if self.pat is not None:
            put(self, "pat", as_pat(self.pat))
        if self.masks_written is None:
            put(self, "masks_written", frozenset(n for n, (_, mask) in enumerate(state.variable) if mask))
        if self.order is None:
            put(self, "order", kvm_list.order(state.variable))


def as_guest(state: MtrrState) -> MtrrState:
    """The part of a register file that a KVM guest has: at least 8 pairs, no AMD extensions, no bits out of width."""
    inside = ~rules.high_bits(state.maxphyaddr)
    pairs = [(base & inside, mask & inside) for base, mask in state.variable]
    while len(pairs) > rules.KVM_PAIRS and pairs[-1] == (0, 0):
        pairs.pop()
    pairs += [(0, 0)] * (rules.KVM_PAIRS - len(pairs))
    routing = rules.AMD_FIXED_ROUTING * 0x0101_0101_0101_0101 if state.vendor == "amd" else 0
    return MtrrState(state.def_type, tuple(v & ~routing for v in state.fixed), tuple(pairs), state.maxphyaddr)


def with_msr(vcpu: Vcpu, index: int, value: int) -> Vcpu:
    """The vCPU after an accepted write of an MTRR or of the PAT."""
    s = vcpu.mtrrs
    if index == rules.PAT_MSR:
        return dataclasses.replace(vcpu, pat=Pat(value))
    if index == rules.DEF_TYPE_MSR:
        return dataclasses.replace(vcpu, mtrrs=dataclasses.replace(s, def_type=value))
    if index in rules.FIXED_MSRS:
        place = rules.FIXED_MSRS.index(index)
        fixed = (*s.fixed[:place], value, *s.fixed[place + 1 :])
        return dataclasses.replace(vcpu, mtrrs=dataclasses.replace(s, fixed=fixed))
    n, is_mask = divmod(index - rules.PHYSBASE0, 2)
    pair = (s.variable[n][0], value) if is_mask else (value, s.variable[n][1])
    variable = (*s.variable[:n], pair, *s.variable[n + 1 :])
    return dataclasses.replace(
        vcpu,
        mtrrs=dataclasses.replace(s, variable=variable),
        order=kvm_list.rewritten(vcpu.order, n, variable),
        masks_written=vcpu.masks_written | {n} if is_mask else vcpu.masks_written,
    )
