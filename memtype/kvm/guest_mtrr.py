"""The guest's MTRR type as each KVM computes it, defects included; what the manual says is `MtrrState.at`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from memtype import rules
from memtype.backends import reference
from memtype.diagrams import Cube, Diagram, overlay
from memtype.kvm.gfns import Ints, Periodic, Pieces
from memtype.kvm.vcpu import Vcpu
from memtype.periodic_map import combined, exact
from memtype.types import MemoryType
from memtype.views import kvm_list, linux

UC, WB = MemoryType.UC, MemoryType.WB
UNDEFINED: Final = MemoryType.UNDEFINED
MANUAL: Final = "manual"  # the engine of a Vm that is asked for what the manual says
_PAGE: Final = rules.PAGE_SHIFT
_LOW_END: Final = rules.FIXED_END >> _PAGE


def at(engine: str, vcpu: Vcpu, gpa: int) -> MemoryType:
    """The type that KVM's MTRR code gives the page of `gpa`."""
    return _AT[engine](vcpu, gpa)


def enabled(vcpu: Vcpu) -> bool:
    return bool(vcpu._def_type & rules.DEF_TYPE_E)


def fixed_enabled(vcpu: Vcpu) -> bool:
    return bool(vcpu._def_type & rules.DEF_TYPE_FE)


def matters(engine: str, vcpu: Vcpu) -> bool:
    """Whether any register but the enable bits may decide a type."""
    return enabled(vcpu) or (engine == "legacy" and fixed_enabled(vcpu))


def _default(vcpu: Vcpu) -> int:
    return vcpu._def_type & rules.DEF_TYPE_TYPE


def _fixed(vcpu: Vcpu, slot: int) -> int:
    span = rules.FIXED_RANGES[slot]
    return vcpu._fixed[span.register] >> 8 * span.byte & 0xFF


def _types(vcpu: Vcpu, pairs: Iterable[int]) -> list[int]:
    return [vcpu._variable[n][0] & rules.BASE_TYPE for n in pairs]


# --- 4.4 to 6.10: a list of ranges ------------------------------------------------------------------------------


def pair_range(vcpu: Vcpu, n: int) -> tuple[int, int]:
    """The bytes [start, end) that the list code takes pair `n` for, whose mask was written.

    The base is not ANDed with the mask, so an unaligned base gives a shorter range and a mask with a hole gives
    everything up to the last match.
    """
    return kvm_list.span(*vcpu._variable[n], vcpu.maxphyaddr)


def _list(vcpu: Vcpu, gpa: int) -> MemoryType:
    if not enabled(vcpu):
        return UC if vcpu.cpuid_mtrr else WB
    if fixed_enabled(vcpu) and gpa < rules.FIXED_END:
        return rules.type_of(_fixed(vcpu, reference.fixed_slot(gpa)))
    met = [n for n in vcpu.order for start, end in [pair_range(vcpu, n)] if start <= gpa < end]
    return rules.type_of(kvm_list.combine(_types(vcpu, met)) if met else _default(vcpu))


# --- 3.13 to 4.1: pairs by index --------------------------------------------------------------------------------


def _legacy(vcpu: Vcpu, gpa: int) -> MemoryType:
    if not enabled(vcpu) and not fixed_enabled(vcpu):
        return WB
    if gpa < rules.FIXED_END:
        return rules.type_of(_fixed(vcpu, reference.fixed_slot(gpa)))  # whatever FE says
    if not enabled(vcpu):
        return rules.type_of(_default(vcpu))
    met = [n for n, field, want in _cubes(vcpu) if gpa & field == want]
    return rules.type_of(linux.combine(_types(vcpu, met)) if met else _default(vcpu))


def _cubes(vcpu: Vcpu) -> Iterator[tuple[int, int, int]]:
    """(pair, compared bits, their value) of every valid pair that can match.

    3.13 to 3.17 let a guest set bits from MAXPHYADDR on in base and mask: such a range matches nothing.
    """
    above, inside = rules.high_bits(vcpu.maxphyaddr), rules.page_bits(vcpu.maxphyaddr)
    for n, (base, mask) in enumerate(vcpu._variable):
        if mask & rules.MASK_VALID and not base & mask & above:
            yield n, mask & inside, base & mask & inside


# --- the manual, and nothing at all -----------------------------------------------------------------------------


def _manual(vcpu: Vcpu, gpa: int) -> MemoryType:
    """SDM 3A 12.11.4.1; a processor whose CPUID shows no MTRRs has none: WB, the PAT decides."""
    return reference.at(vcpu.mtrrs, gpa) if vcpu.cpuid_mtrr else WB


def _none(vcpu: Vcpu, gpa: int) -> MemoryType:
    return WB


_AT: Final[Mapping[str, Callable[[Vcpu, int], MemoryType]]] = {
    "legacy": _legacy,
    "list": _list,
    "none": _none,
    MANUAL: _manual,
}


# --- the whole guest-physical address space ---------------------------------------------------------------------


def pieces(engine: str, vcpu: Vcpu) -> Ints:
    """The type of every gfn below 2**MAXPHYADDR; kept at the vCPU, so that each state is resolved once."""
    known = vcpu._types
    if known is None or known[0] != engine:
        known = engine, _resolve(engine, vcpu)
        object.__setattr__(vcpu, "_types", known)
    found: Ints = known[1]
    return found


def _resolve(engine: str, vcpu: Vcpu) -> Ints:
    end = 1 << (vcpu.maxphyaddr - _PAGE)
    if engine == "none" or (engine == MANUAL and not vcpu.cpuid_mtrr):
        return Pieces([(0, int(WB))], end)
    if engine == "list":
        return _resolve_list(vcpu, end)
    low = _below_1m(engine, vcpu)
    if not enabled(vcpu):
        return Pieces([*low, (_LOW_END, int(at(engine, vcpu, rules.FIXED_END)))], end)
    cubes = list(_cubes(vcpu))
    if any(_holey(field, vcpu.maxphyaddr) for _, field, _ in cubes):
        return _with_holes(engine, vcpu, low, cubes)
    return Pieces([*low, *_above_1m(engine, vcpu, cubes)], end)


def _above_1m(engine: str, vcpu: Vcpu, cubes: list[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """(first gfn, type) from 1 MiB on, by masks without holes: each matches one block."""
    meet: Callable[[list[int]], int] = linux.combine if engine == "legacy" else reference.combine
    limit, spans = 1 << vcpu.maxphyaddr, []
    for n, field, want in cubes:
        end = want + (field & -field or limit)
        spans.append((want >> _PAGE, end >> _PAGE, vcpu._variable[n][0] & rules.BASE_TYPE))
    return _swept(spans, _LOW_END, int(rules.type_of(_default(vcpu))), meet)


def _swept(
    spans: list[tuple[int, int, int]], first: int, default: int, meet: Callable[[list[int]], int]
) -> Iterator[tuple[int, int]]:
    """(start, type) from `first` on, by (start, end, encoding) in the order in which they are met."""
    changes = {first: 0}  # at each edge a bit for every span that begins or ends there
    bit = 1
    for start, end, _ in spans:
        changes[start] = changes.get(start, 0) ^ bit
        changes[end] = changes.get(end, 0) ^ bit
        bit <<= 1
    matching, known = 0, {0: default}
    for cut in sorted(changes):
        matching ^= changes[cut]
        if cut < first:
            continue
        if matching not in known:
            known[matching] = int(meet([span[2] for n, span in enumerate(spans) if matching >> n & 1]))
        yield cut, known[matching]


def _resolve_list(vcpu: Vcpu, end: int) -> Pieces[int]:
    if not enabled(vcpu):
        return Pieces([(0, int(UC if vcpu.cpuid_mtrr else WB))], end)
    spans = [(*pair_range(vcpu, n), vcpu._variable[n][0] & rules.BASE_TYPE) for n in vcpu.order]
    fixed = fixed_enabled(vcpu)
    above = _swept(spans, rules.FIXED_END * fixed, _default(vcpu), kvm_list.combine)
    return Pieces([*(fixed_runs(vcpu._fixed) if fixed else ()), *((cut >> _PAGE, kind) for cut, kind in above)], end)


@lru_cache(maxsize=512)
def fixed_runs(fixed: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(first gfn, encoding) of the runs of equal fixed ranges below 1 MiB."""
    slots = b"".join(value.to_bytes(8, "little") for value in fixed)
    runs = re.finditer(rb"(.)\1*", slots, re.DOTALL)
    return tuple((rules.FIXED_RANGES[run.start()].base >> _PAGE, slots[run.start()]) for run in runs)


@lru_cache(maxsize=512)
def _fixed_types(fixed: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """`fixed_runs` with types for encodings."""
    return tuple((gfn, int(rules.type_of(kind))) for gfn, kind in fixed_runs(fixed))


def _below_1m(engine: str, vcpu: Vcpu) -> Sequence[tuple[int, int]]:
    if engine == "legacy":
        decides = enabled(vcpu) or fixed_enabled(vcpu)
    else:
        decides = enabled(vcpu) and fixed_enabled(vcpu)
    if decides:
        return _fixed_types(vcpu._fixed)
    cuts = sorted({0, *(edge >> _PAGE for _, field, want in _cubes(vcpu) for edge in (want, want + (field & -field)))})
    if any(_holey(field, vcpu.maxphyaddr) for _, field, _ in _cubes(vcpu)):
        cuts = list(range(_LOW_END))
    return [(cut, int(at(engine, vcpu, cut << _PAGE))) for cut in cuts if cut < _LOW_END]


# --- masks with holes -------------------------------------------------------------------------------------------

# What ranges of these types make: bit t of the tags says that a range of encoding t matches.
_UC_TAG: Final = 1 << UC


def _holey(field: int, maxphyaddr: int) -> bool:
    """Whether a mask has a clear bit above its lowest set one: then its range repeats."""
    return bool(field) and field + (field & -field) != 1 << maxphyaddr


def _with_holes(engine: str, vcpu: Vcpu, low: Sequence[tuple[int, int]], cubes: list[tuple[int, int, int]]) -> Periodic:
    if engine == MANUAL:
        return Periodic(exact(vcpu.mtrrs))
    value = combined(linux.combine, int(rules.type_of(_default(vcpu))))
    width = vcpu.maxphyaddr - _PAGE
    tagged = [
        Cube(field >> _PAGE, want >> _PAGE, 1 << (vcpu._variable[n][0] & rules.BASE_TYPE)) for n, field, want in cubes
    ]
    above = Diagram.of_cubes(tagged, width, value, _UC_TAG)
    absent = len(MemoryType)
    first = Diagram.of_steps([*(gfn for gfn, _ in low), _LOW_END], [*(kind for _, kind in low), absent], width)
    return Periodic(overlay([first, above], lambda fixed, kind: kind if fixed == absent else fixed))


# --- where KVM and the manual disagree --------------------------------------------------------------------------


def deviation(engine: str, vcpu: Vcpu, gpa: int) -> tuple[MemoryType, MemoryType, str] | None:
    """(KVM's type, the manual's, the rule that makes the difference), None where they agree.

    Of most overlaps the manual says nothing: there no answer departs from it.
    """
    found, right = at(engine, vcpu, gpa), at(MANUAL, vcpu, gpa)
    return None if right in (found, UNDEFINED) else (found, right, _deviating(engine, vcpu, gpa))


def _deviating(engine: str, vcpu: Vcpu, gpa: int) -> str:
    if engine == "legacy":
        if not enabled(vcpu):
            return "disabled-kvm"
        return "low-kvm"
    met = {n for n in vcpu.order for start, end in [pair_range(vcpu, n)] if start <= gpa < end}
    return "overlap-kvm" if met == set(reference.matching_pairs(vcpu.mtrrs, gpa)) else "range-kvm"


# --- huge pages (4.4 to 6.10) -----------------------------------------------------------------------------------


def consistent(engine: str, vcpu: Vcpu, gpa: int, pages: int) -> bool:
    """Whether [gpa, gpa + pages) may be one leaf, by the raw types that the list code meets, not the combined ones."""
    if engine == MANUAL:
        first = gpa >> _PAGE
        return len({kind for _, _, kind in pieces(engine, vcpu).within(first, first + pages)}) == 1
    if not enabled(vcpu):
        return True
    end = gpa + pages * rules.PAGE_SIZE
    kind: int | None = None
    if fixed_enabled(vcpu):
        for slot, span in enumerate(rules.FIXED_RANGES):
            behind = span.base + span.size
            if behind <= gpa:
                continue
            encoding = _fixed(vcpu, slot)
            if kind is not None and encoding != kind:
                return False
            kind = encoding
            if behind >= end:
                return True
    return _consistent_pairs(vcpu, gpa, end, kind)


def _consistent_pairs(vcpu: Vcpu, gpa: int, end: int, kind: int | None) -> bool:
    # After the fixed ranges the cover still begins at gpa, as in the code: a pair from 0 on leaves no gap.
    cover, partial = gpa, False
    for n in vcpu.order:
        low, high = pair_range(vcpu, n)
        if high <= gpa or low >= end:
            continue
        partial |= cover < low
        cover = max(cover, high)
        encoding = vcpu._variable[n][0] & rules.BASE_TYPE
        if kind is not None and encoding != kind:
            return False
        kind = encoding
    partial |= cover < end
    return not partial or kind is None or kind == _default(vcpu)
