"""The guest's MTRR type as each KVM computes it, defects included; what the manual says is `MtrrState.at`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from memtype import rules
from memtype.backends import reference
from memtype.kvm.gfns import Pieces
from memtype.kvm.vcpu import Vcpu
from memtype.types import MemoryType
from memtype.views import kvm_list, linux

UC, WT, WB = MemoryType.UC, MemoryType.WT, MemoryType.WB


def at(engine: str, vcpu: Vcpu, gpa: int) -> MemoryType:
    """The type that KVM's MTRR code gives the page of `gpa`."""
    if engine == "none":
        return WB
    encoding = _legacy(vcpu, gpa) if engine == "legacy" else _list(vcpu, gpa)
    return rules.type_of(encoding)


def enabled(vcpu: Vcpu) -> bool:
    return bool(vcpu.mtrrs.def_type & rules.DEF_TYPE_E)


def fixed_enabled(vcpu: Vcpu) -> bool:
    return bool(vcpu.mtrrs.def_type & rules.DEF_TYPE_FE)


def _default(vcpu: Vcpu) -> int:
    return vcpu.mtrrs.def_type & rules.DEF_TYPE_TYPE


def _fixed(vcpu: Vcpu, slot: int) -> int:
    span = rules.FIXED_RANGES[slot]
    return vcpu.mtrrs.fixed[span.register] >> 8 * span.byte & 0xFF


# --- 4.4 to 6.10: a list of ranges ------------------------------------------------------------------------------


def pair_range(vcpu: Vcpu, n: int) -> tuple[int, int]:
    """The bytes [start, end) that the list code takes pair `n` for; end is 0 where it wraps.

    The base is not ANDed with the mask, so an unaligned base gives a shorter range and a mask with a hole gives
    everything up to the last match. A mask that was never written lacks the extension bits: the end wraps.
    """
    base, mask = vcpu.mtrrs.variable[n]
    if n in vcpu.masks_written:
        return kvm_list.span(base, mask, vcpu.maxphyaddr)
    return base & ~(rules.PAGE_SIZE - 1), 0


def _list(vcpu: Vcpu, gpa: int) -> int:
    if not enabled(vcpu):
        return UC if vcpu.cpuid_mtrr else WB
    if fixed_enabled(vcpu) and gpa < rules.FIXED_END:
        return _fixed(vcpu, reference.fixed_slot(gpa))
    page = gpa & ~(rules.PAGE_SIZE - 1)
    met = [n for n in vcpu.order for start, end in [pair_range(vcpu, n)] if start <= page < end]
    return kvm_list.combine(_types(vcpu, met)) if met else _default(vcpu)


# --- 3.13 to 4.1: pairs by index --------------------------------------------------------------------------------


def _legacy(vcpu: Vcpu, gpa: int) -> int:
    if not enabled(vcpu) and not fixed_enabled(vcpu):
        return WB
    if gpa < rules.FIXED_END:
        return _fixed(vcpu, reference.fixed_slot(gpa))  # whatever FE says
    if not enabled(vcpu):
        return _default(vcpu)
    above = rules.high_bits(vcpu.maxphyaddr)  # bits that 3.13 to 3.18 let a guest set: such a range matches nothing
    pairs = vcpu.mtrrs.variable
    met = [n for n in reference.matching_pairs(vcpu.mtrrs, gpa) if not pairs[n][0] & pairs[n][1] & above]
    return linux.combine(_types(vcpu, met)) if met else _default(vcpu)


def _types(vcpu: Vcpu, pairs: Iterable[int]) -> list[int]:
    return [vcpu.mtrrs.variable[n][0] & rules.BASE_TYPE for n in pairs]


# --- the whole guest-physical address space ---------------------------------------------------------------------


@lru_cache(maxsize=256)
def pieces(engine: str, vcpu: Vcpu) -> Pieces[MemoryType]:
    """The type of every gfn below 2**MAXPHYADDR.

    Raises
    ------
    ShatteredMapError
        When holey masks make more than 65,536 pieces (3.13 to 4.1 only: later releases see intervals).
    """
    end = 1 << (vcpu.maxphyaddr - rules.PAGE_SHIFT)
    cuts = sorted({cut for cut in _cuts(engine, vcpu) if cut >> rules.PAGE_SHIFT < end})
    found = Pieces(((cut >> rules.PAGE_SHIFT, at(engine, vcpu, cut)) for cut in cuts), end)
    if len(found.starts) > rules.MAP_SEGMENT_LIMIT:
        raise reference.shattered()
    return found


def _cuts(engine: str, vcpu: Vcpu) -> Iterator[int]:
    yield 0
    if engine == "none":
        return
    yield rules.FIXED_END
    yield from (span.base for span in rules.FIXED_RANGES)
    if engine == "list":
        for n in vcpu.order:
            yield from pair_range(vcpu, n)
        return
    if reference.block_count(vcpu.mtrrs) > rules.MAP_SEGMENT_LIMIT:
        raise reference.shattered()
    for base, mask in vcpu.mtrrs.variable:
        if mask & rules.MASK_VALID:
            for start, size in reference.blocks(base, mask, vcpu.maxphyaddr):
                yield from (start, start + size)


# --- huge pages (4.4 to 6.10) -----------------------------------------------------------------------------------


def consistent(engine: str, vcpu: Vcpu, gpa: int, pages: int) -> bool:
    """Whether [gpa, gpa + pages) may be one leaf, by the raw types that the list code meets, not the combined ones."""
    if engine != "list" or not enabled(vcpu):
        return True
    end = gpa + pages * rules.PAGE_SIZE
    kind: int | None = None
    if fixed_enabled(vcpu) and gpa < rules.FIXED_END:
        for slot in range(reference.fixed_slot(gpa), len(rules.FIXED_RANGES)):
            encoding = _fixed(vcpu, slot)
            if kind is not None and encoding != kind:
                return False
            kind = encoding
            if rules.FIXED_RANGES[slot].base + rules.FIXED_RANGES[slot].size >= end:
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
        encoding = vcpu.mtrrs.variable[n][0] & rules.BASE_TYPE
        if kind is not None and encoding != kind:
            return False
        kind = encoding
    partial |= cover < end
    return not partial or kind is None or kind == _default(vcpu)
