"""The C core and the reference, asked the same: tables, WRMSR's values, addresses one by one and by every set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice, product
from typing import Any, Final

import numpy as np

from memtype import arrays, backends, rules
from memtype.backends import reference
from memtype.errors import MemtypeError
from memtype.mtrr import MtrrState
from memtype.self_check.report import Part, Tell
from memtype.vectors.addresses import chosen
from memtype.vectors.draw import Draw
from memtype.vectors.states import WIDTHS, random_pair, registers

AT_ONCE: Final = 200  # values between two looks at the clock


def native() -> Any:
    """The C core, or None where it is not built."""
    try:
        return backends.load("native")
    except MemtypeError:
        return None


def isas() -> list[str]:
    """The instruction sets that run here."""
    core = native()
    return core.isas() if core else []


_INPUTS: Final = tuple(sorted(rules.MTRR_INPUTS)), tuple(sorted(rules.PAT_INPUTS))


def tables(part: Part, asked: Any) -> None:
    """All of it: some thousands of cells."""
    mtrrs, pats = _INPUTS
    flags = (False, True)
    for vendor, cd, mtrr, pat in product(("intel", "amd"), flags, mtrrs, pats):
        _same(part, "effective", asked.effective, reference.effective, vendor, cd, mtrr, pat)
    for vendor, mtrr, pcd, pwt in product(("intel", "amd"), mtrrs, flags, flags):
        _same(part, "pcd-pwt", asked.effective_pcd_pwt, reference.effective_pcd_pwt, vendor, mtrr, pcd, pwt)
    for kind, ipat, pat, cd in product(mtrrs, flags, pats, flags):
        _same(part, "ept", asked.effective_ept, reference.effective_ept, kind, ipat, pat, cd)
    for guest, host, mtrr, snp, cd in product(pats, pats, mtrrs, flags, flags):
        _same(part, "npt", asked.effective_npt, reference.effective_npt, guest, host, mtrr, snp, cd)


def _same(part: Part, kind: str, one: Callable[..., Any], other: Callable[..., Any], *given: Any) -> None:
    part.count += 1
    said, right = one(*given), other(*given)
    if said != right:
        part.differ(kind, f"{kind} {given}: {said!s}, by the reference {right!s}")


def values_of(seed: int) -> Iterator[tuple[int, int, int, str]]:
    """(MSR, value, width, vendor) without end: legal values, one bit or byte changed, and anything."""
    draw = Draw(f"verify values {seed}")
    indexes = (*rules.saved_msrs(8), *rules.saved_msrs(8), 0x20F, 0x210, 0x251, 0x270, rules.MTRRCAP)
    while True:
        index, width = draw.one_of(indexes), draw.one_of(WIDTHS)
        if index in rules.FIXED_MSRS or index == rules.PAT_MSR:
            value = int.from_bytes(bytes(draw.one_of((0, 1, 4, 5, 6)) for _ in range(8)), "little")
            if draw.chance(50):
                place = 8 * draw.below(8)
                value = value & ~(0xFF << place) | draw.one_of((2, 3, 7, 8, 0x18, draw.below(256))) << place
        else:
            value = draw.bits(width) & rules.page_bits(width) | draw.one_of((0, 1, 4, 5, 6)) * (index % 2 == 0)
            if index == rules.DEF_TYPE_MSR:
                value = draw.bits(12) & ~0x300
            if draw.chance(40):
                value ^= 1 << draw.below(64)
        yield index, draw.bits(64) if draw.chance(5) else value, width, draw.one_of(("intel", "amd"))


def writes(part: Part, asked: Any, seed: int, seconds: float, tell: Tell) -> None:
    began = time.monotonic()
    values = values_of(seed)
    while time.monotonic() - began < seconds:
        for given in islice(values, AT_ONCE):
            part.count += 1
            said, right = asked.msr_fault(*given), reference.msr_fault(*given)
            if said != right:
                index, value, width, vendor = given
                where = f"MSR 0x{index:x} = 0x{value:x} ({vendor}, {width} bits)"
                part.differ(f"0x{index:x}", f"{where}: {said}, by the reference {right}")
        tell(part, began)


def states_of(seed: int) -> Iterator[tuple[str, MtrrState]]:
    """Register files without end, as the vectors' "anything" are made."""
    number = 0
    while True:
        name = f"verify {seed} {number}"
        draw = Draw(name)
        width = draw.one_of(WIDTHS)
        slots = bytes(draw.one_of((0, 1, 4, 5, 6, 6, 0x1E, 2)) for _ in range(88))
        pairs = [random_pair(draw, width) for _ in range(draw.below(draw.one_of((3, 11, 24, 100))))]
        yield name, registers(
            draw.one_of((0xC00, 0xC06, 0x800, 0x806, 0xC04, 0x803, 0x406)), pairs, width,
            vendor=draw.one_of(("intel", "amd")), syscfg=draw.one_of((0, 0x60_0000, 0x20_0000)),
            tom2=draw.bits(draw.one_of((33, 36, 44, 64))),
            fixed=[int.from_bytes(slots[8 * n : 8 * n + 8], "little") for n in range(11)],
            cap=draw.one_of((0x508, 0x508, 0x408)),
        )  # fmt: skip
        number += 1


def addresses(part: Part, seed: int, seconds: float, tell: Tell) -> None:
    began = time.monotonic()
    core = native()
    for name, state in states_of(seed):
        asked = chosen(state, name)
        right = [int(reference.at(state, address)) for address in asked]
        words = np.array(asked, arrays.U64)
        for isa in core.isas() if core else ["python"]:
            said = np.empty(len(asked), arrays.U8)
            if core:
                core.types_by_set(isa, state, words, said)
            else:
                backends.active.types(state, words, said)
            _compare(part, isa, state, asked, said.tolist(), right)
        _compare(part, "one by one", state, asked, [int(backends.active.at(state, a)) for a in asked], right)
        tell(part, began)
        if time.monotonic() - began >= seconds:
            return


def _compare(part: Part, way: str, s: MtrrState, asked: tuple[int, ...], said: list[int], right: list[int]) -> None:
    part.count += len(asked)
    if said == right:
        return
    for address, one, other in zip(asked, said, right, strict=True):
        if one != other:
            part.differ(way, f"{way}: 0x{address:x} is {one}, by the reference {other}, of {s!r}")
