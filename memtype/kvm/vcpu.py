"""One vCPU as KVM sees it: its MTRRs, its PAT, CR0, and in which order its variable ranges were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from memtype import rules
from memtype.arguments import check_maxphyaddr, flag, integer, items
from memtype.errors import RegisterError
from memtype.mtrr import MtrrState
from memtype.pat import Pat, as_pat
from memtype.readable import readable
from memtype.views import kvm_list

Pairs = tuple[tuple[int, int], ...]
_put = object.__setattr__


@readable
@dataclass(frozen=True, slots=True, init=False, eq=False)
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
    g_pat : Pat, optional
        AMD: what VMCB g_pat holds where it does not follow the guest's writes; what it starts with, if not given.

    Raises
    ------
    RegisterError
        For a width that contradicts `mtrrs`, and for what is no MtrrState.
    """

    mtrrs: MtrrState
    pat: Pat | None
    cr0_cd: bool
    cr0_pg: bool
    cpuid_mtrr: bool
    maxphyaddr: int
    order: tuple[int, ...]
    masks_written: frozenset[int]
    g_pat: Pat | None
    # The registers of `mtrrs`, which is made of them when somebody asks; and what `guest_mtrr` knows of them.
    _def_type: int = field(init=False, repr=False)
    _fixed: tuple[int, ...] = field(init=False, repr=False)
    _variable: Pairs = field(init=False, repr=False)
    _types: Any = field(init=False, repr=False)

    def __init__(
        self,
        mtrrs: MtrrState | None = None,
        pat: Pat | int | str | None = None,
        cr0_cd: bool = False,
        cr0_pg: bool = True,
        cpuid_mtrr: bool = True,
        maxphyaddr: int | None = None,
        order: tuple[int, ...] | None = None,
        masks_written: frozenset[int] | None = None,
        g_pat: Pat | int | str | None = None,
    ) -> None:
        if mtrrs is not None and not isinstance(mtrrs, MtrrState):
            raise RegisterError(f"mtrrs: {type(mtrrs).__name__} is no MtrrState")
        width = None if maxphyaddr is None else check_maxphyaddr(maxphyaddr)
        given = MtrrState(maxphyaddr=width or rules.DEFAULT_MAXPHYADDR) if mtrrs is None else mtrrs
        if width is not None and width != given.maxphyaddr:
            raise RegisterError(f"MAXPHYADDR {width} of the vCPU is not the {given.maxphyaddr} of its MTRRs")
        state = as_guest(given) if order is None else given  # 3.13 lets a guest write bits out of width
        written = frozenset(n for n, (_, mask) in enumerate(state.variable) if mask)
        _put(self, "mtrrs", state)
        _put(self, "pat", None if pat is None else as_pat(pat))
        _put(self, "cr0_cd", flag(cr0_cd, "cr0_cd"))
        _put(self, "cr0_pg", flag(cr0_pg, "cr0_pg"))
        _put(self, "cpuid_mtrr", flag(cpuid_mtrr, "cpuid_mtrr"))
        _put(self, "maxphyaddr", state.maxphyaddr)
        _put(self, "order", kvm_list.order(state.variable) if order is None else _pairs(order, "order", state))
        if masks_written is not None:
            written = frozenset(_pairs(masks_written, "masks_written", state))
        _put(self, "masks_written", written)
        _put(self, "g_pat", None if g_pat is None else as_pat(g_pat))
        _put(self, "_def_type", state.def_type)
        _put(self, "_fixed", state.fixed)
        _put(self, "_variable", state.variable)
        _put(self, "_types", None)

    def __getattr__(self, name: str) -> Any:
        if name != "mtrrs":  # reached for the one slot that is filled on first use
            raise AttributeError(f"'Vcpu' object has no attribute {name!r}")
        state = MtrrState(self._def_type, self._fixed, self._variable, self.maxphyaddr)
        _put(self, "mtrrs", state)
        return state

    def _key(self) -> tuple[Any, ...]:
        return (
            self._def_type, self._variable, self._fixed, self.pat, self.cr0_cd, self.cr0_pg, self.cpuid_mtrr,
            self.maxphyaddr, self.order, self.masks_written, self.g_pat,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return self is other or (self._key() == other._key() if isinstance(other, Vcpu) else NotImplemented)

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return Vcpu, (
            self.mtrrs, self.pat, self.cr0_cd, self.cr0_pg, self.cpuid_mtrr, self.maxphyaddr, self.order,
            self.masks_written, self.g_pat,
        )  # fmt: skip


def _pairs(numbers: Any, what: str, state: MtrrState) -> tuple[int, ...]:
    """Numbers of variable ranges that `state` has."""
    found = tuple(integer(n, what, RegisterError) for n in items(numbers, what, "integers", RegisterError))
    for n in found:
        if not 0 <= n < len(state.variable):
            raise RegisterError(f"{what}: there is no variable range {n}")
    return found


def as_guest(state: MtrrState) -> MtrrState:
    """The part of a register file that a KVM guest has: at least 8 pairs, no AMD extensions, no bits out of width."""
    inside = ~rules.high_bits(state.maxphyaddr)
    pairs = [(base & inside, mask & inside) for base, mask in state.variable]
    while len(pairs) > rules.KVM_PAIRS and pairs[-1] == (0, 0):
        pairs.pop()
    pairs += [(0, 0)] * (rules.KVM_PAIRS - len(pairs))
    routing = rules.AMD_FIXED_ROUTING * 0x0101_0101_0101_0101 if state.vendor == "amd" else 0
    return MtrrState(state.def_type, tuple(v & ~routing for v in state.fixed), tuple(pairs), state.maxphyaddr)


# --- the vCPU after an accepted write: an event of a trace costs what it changes, no check of other registers --------

_COPIED = [
    (Vcpu.__dict__[name].__get__, Vcpu.__dict__[name].__set__)
    for name in Vcpu.__slots__
    if name != "mtrrs"  # made of the rest on first use
]
_new = object.__new__


def _copy(vcpu: Vcpu) -> Vcpu:
    made = _new(Vcpu)
    for get, put in _COPIED:
        put(made, get(vcpu))
    return made


def with_pat(vcpu: Vcpu, pat: Pat | None) -> Vcpu:
    made = _copy(vcpu)
    _put(made, "pat", pat)
    return made


def with_g_pat(vcpu: Vcpu, pat: Pat | None) -> Vcpu:
    made = _copy(vcpu)
    _put(made, "g_pat", pat)
    return made


def with_cd(vcpu: Vcpu, cr0_cd: bool) -> Vcpu:
    made = _copy(vcpu)
    _put(made, "cr0_cd", cr0_cd)
    return made


def with_msr(vcpu: Vcpu, index: int, value: int) -> Vcpu:
    """The vCPU after an accepted write of an MTRR or of the PAT."""
    if index == rules.PAT_MSR:
        return with_pat(vcpu, Pat(value))
    made = _copy(vcpu)
    _put(made, "_types", None)
    if index == rules.DEF_TYPE_MSR:
        _put(made, "_def_type", value)
        return made
    if index in rules.FIXED_MSRS:
        place = rules.FIXED_MSRS.index(index)
        _put(made, "_fixed", (*vcpu._fixed[:place], value, *vcpu._fixed[place + 1 :]))
        return made
    n, is_mask = divmod(index - rules.PHYSBASE0, 2)
    held = vcpu._variable
    pair = (held[n][0], value) if is_mask else (value, held[n][1])
    variable = (*held[:n], pair, *held[n + 1 :])
    _put(made, "_variable", variable)
    _put(made, "order", kvm_list.rewritten(vcpu.order, n, variable))
    if is_mask and n not in vcpu.masks_written:
        _put(made, "masks_written", vcpu.masks_written | {n})
    return made
