"""A second prover: z3 (the extra ``prove``) on models of its own, for every value of every input.

CBMC proves the C core; here the rules are proved once more by another tool, and the question that the project began
with: no PAT write ever changes a leaf, in any release.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any

import pytest

z3 = pytest.importorskip("z3", reason="z3 is not installed: the prove extra has it")

import memtype as mt  # noqa: E402
from memtype import rules  # noqa: E402
from memtype.backends import reference  # noqa: E402
from memtype.kvm import PROFILES, Vcpu, Vm  # noqa: E402
from memtype.types import MemoryType  # noqa: E402

UC, WC, WT, WP, WB = (int(kind) for kind in sorted(rules.MTRR_TYPES))


def proved(claim: Any) -> bool:
    """Whether no input refutes the claim."""
    solver = z3.Solver()
    solver.add(z3.Not(claim))
    return bool(solver.check() == z3.unsat)


def one_of(value: Any, kinds: Any) -> Any:
    return z3.Or(*(value == int(kind) for kind in sorted(kinds)))


def select(cells: dict[tuple[int, ...], int], *index: Any) -> Any:
    """A finite table as a term; an index that is in no cell gives 255."""
    found = z3.BitVecVal(255, 8)
    for key, value in cells.items():
        found = z3.If(z3.And(*(term == part for term, part in zip(index, key))), z3.BitVecVal(value, 8), found)
    return found


# --- rows of arrays ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planted", [False, True])
def test_rows_of_states_lie_in_their_array(planted: bool) -> None:
    """row_of() and types_of() of csrc/fleet.h, which CBMC takes as they are: products are more than it can hold.

    The caller gives (states - 1) * step + n elements that exist, so their number, as a number without end, is below
    2^64 (2^32 where size_t has 32 bits: ``room``). Then state i's n elements, and those of the rows behind it, lie
    there, and i * step is what size_t makes of it. A column is the case step = n.
    """
    states, i, rows, step, n, room = z3.Ints("states i rows step n room")
    asked = z3.And(i >= 0, rows >= 1, i + rows <= states + planted, step >= 0, n >= 1, (states - 1) * step + n < room)
    ends = (states - 1) * step + n
    assert proved(z3.Implies(asked, i * step + (rows - 1) * step + n <= ends)) is not planted
    assert proved(z3.Implies(asked, (i * step) % room == i * step)) is not planted
    lines = z3.Int("lines")  # a row that is whole lines of 64 bytes begins at a line
    assert proved((i * (64 * lines)) % 64 == 0)


# --- IA32_PAT ---------------------------------------------------------------------------------------------------


def byte(value: Any, place: int) -> Any:
    return z3.Extract(8 * place + 7, 8 * place, value)


@pytest.mark.parametrize("planted", [False, True])
def test_pat_valid_is_the_rule_of_its_bytes(planted: bool) -> None:
    """The two masks of csrc/leaf.c against SDM 3A table 12-10, for all 2^64 values."""
    pat = z3.BitVec("pat", 64)
    legal = rules.PAT_TYPES - ({7} if planted else set())
    by_bytes = z3.And(*(one_of(byte(pat, place), legal) for place in range(8)))
    by_masks = ((pat & 0xF8F8F8F8F8F8F8F8) | (pat & ~z3.LShR(pat, 1) & 0x0202020202020202)) == 0
    assert proved(by_bytes == by_masks) is not planted


# --- ranges -----------------------------------------------------------------------------------------------------


def test_a_mask_without_holes_is_an_interval() -> None:
    """(a & mask) == (base & mask) is start <= a < start + size, for every width, size, base and address."""
    width, bit, base, a = (z3.BitVec(name, 64) for name in ("width", "bit", "base", "a"))
    one = z3.BitVecVal(1, 64)
    inside = (one << width) - 1
    mask = inside & ~((one << bit) - 1)
    start = base & mask
    bounds = z3.And(z3.UGE(width, 32), z3.ULE(width, 52), z3.UGE(bit, 12), z3.ULE(bit, width), z3.ULE(a, inside))
    matches = (a & mask) == (base & mask)
    claim = matches == z3.And(z3.UGE(a, start), z3.ULT(a - start, one << bit))
    assert proved(z3.Implies(bounds, claim))
    assert not proved(z3.Implies(bounds, matches == z3.ULE(a - start, one << bit)))


# csrc/windows.h: the OR of codes is the rule of precedence
CODES = {UC: 0xFF, WC: 0x14, WT: 0x13, WP: 0x18, WB: 0x11}
FINAL = {0x11: WB, 0x13: WT, 0x14: WC, 0x18: WP}


@pytest.mark.parametrize("planted", [False, True])
def test_codes_ored_are_the_rule_of_overlaps(planted: bool) -> None:
    """Ten ranges of any types, each matching or not."""
    kinds = [z3.BitVec(f"kind{n}", 8) for n in range(10)]
    hits = [z3.Bool(f"hit{n}") for n in range(10)]
    codes = {(kind,): code for kind, code in (CODES | ({WT: 0x11} if planted else {})).items()}
    nothing = z3.BitVecVal(0, 8)
    ored = reduce(lambda a, b: a | b, (z3.If(h, select(codes, k), nothing) for h, k in zip(hits, kinds)))
    met = {kind: z3.Or(*(z3.And(h, k == kind) for h, k in zip(hits, kinds))) for kind in CODES}
    count = sum(z3.If(there, 1, 0) for there in met.values())
    rule = z3.If(met[UC], UC, z3.If(z3.And(met[WT], met[WB], count == 2), WT, z3.If(count > 1, 10, 11)))
    single = z3.If(met[WC], WC, z3.If(met[WT], WT, z3.If(met[WP], WP, WB)))
    right = z3.If(rule == 11, single, rule)
    said = z3.If(z3.Extract(7, 7, ored) == 1, z3.BitVecVal(UC, 8), select({(c,): t for c, t in FINAL.items()}, ored))
    answer = z3.If(said == 255, 10, z3.BV2Int(said))
    legal = z3.And(*(one_of(kind, CODES) for kind in kinds), z3.Or(*hits))
    assert proved(z3.Implies(legal, answer == right)) is not planted


# --- tables -----------------------------------------------------------------------------------------------------

INTEL = {(int(m), int(p)): int(kind) for m, row in rules.INTEL_MTRR_PAT.items() for p, kind in row.items()}
AMD = {(int(m), int(p)): int(kind) for m, row in rules.AMD_MTRR_PAT.items() for p, kind in row.items()}


def test_laws_of_the_tables() -> None:
    m, n, p, q = (z3.BitVec(name, 8) for name in "mnpq")
    inputs = z3.And(one_of(m, rules.MTRR_TYPES), one_of(n, rules.MTRR_TYPES),
                    one_of(p, rules.PAT_TYPES), one_of(q, rules.PAT_TYPES))  # fmt: skip
    intel, amd = (lambda a, b: select(INTEL, a, b)), (lambda a, b: select(AMD, a, b))
    cached = lambda kind: one_of(kind, rules.CACHEABLE)  # noqa: E731
    laws = {
        "UC under an MTRR is UC or WC": z3.Implies(m == UC, one_of(intel(m, p), {UC, WC})),
        "WB in the PAT leaves the MTRR": z3.And(intel(m, z3.BitVecVal(WB, 8)) == m, amd(m, z3.BitVecVal(WB, 8)) == m),
        "WC in the PAT wins": z3.Implies(p == WC, z3.And(intel(m, p) == WC, amd(m, p) == WC)),
        "what either calls cached both may cache": z3.Implies(cached(amd(m, p)), cached(intel(m, p))),
        "where both answer without CD they agree": z3.Implies(
            amd(m, p) != int(MemoryType.CD),
            amd(m, p) == intel(m, p),
        ),
        "nothing is cached that the MTRR forbids": z3.Implies(cached(intel(m, p)), cached(m)),
    }
    for words, law in laws.items():
        assert proved(z3.Implies(inputs, law)), words
    restrictive = z3.Implies(z3.Or(m == UC, p == UC), intel(m, p) == UC)  # the myth
    assert not proved(z3.Implies(inputs, restrictive))


# --- the question it began with -----------------------------------------------------------------------------------


class Untouchable:
    """A PAT that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the leaf looked at the PAT: .{name}")


def settings() -> Any:
    for release in PROFILES:
        for vendor, tdp in (("intel", "ept"), ("intel", "none"), ("amd", "npt"), ("amd", "none")):
            quirks = ((), ("CD_NW_CLEARED",), ("IGNORE_GUEST_PAT",), ("CD_NW_CLEARED", "IGNORE_GUEST_PAT"))
            can = Vm(release).profile.disable_quirks
            for off, nc, cd, snoop in product(quirks if can else ((),), (0, 1), (False, True), (False, True)):
                yield release, vendor, tdp, off, nc, cd, snoop


def leaves() -> dict[tuple[int, ...], int]:
    """Bits 6:3 of the leaf of every setting, MTRR type and kind of page, made without a look at the PAT."""
    found = {}
    for number, (release, vendor, tdp, off, nc, cd, snoop) in enumerate(settings()):
        for kind in (UC, WC, WT, WP, WB):
            state = mt.MtrrState(0x800 | kind, maxphyaddr=46)
            made = Vm(release, vendor, tdp, nc, Vcpu(state, cr0_cd=cd), self_snoop=snoop, disabled_quirks=off)
            object.__setattr__(made.vcpus[0], "pat", Untouchable())
            for mmio in (False, True):
                found[number, kind, int(mmio)] = made.leaf(1 << 30, mmio=mmio).bits >> 3
    return found


def test_no_pat_write_ever_changes_a_leaf() -> None:
    """The leaf is made without a look at the PAT, in every release and setting. So a leaf from before a write is one
    from after it, and hardware applies any PAT to it; where IPAT is set the write changes nothing at all."""
    kept = set(leaves().values())
    leaf, index = z3.BitVec("leaf", 8), z3.BitVec("index", 64)
    before, after = z3.BitVec("before", 64), z3.BitVec("after", 64)
    cells = {(bits, int(p)): int(ept(bits, p)) for bits in kept for p in sorted(rules.PAT_TYPES)}

    def access(pat: Any) -> Any:
        return select(cells, leaf, z3.Extract(7, 0, z3.LShR(pat, 8 * index)))

    legal = z3.And(one_of(leaf, kept), z3.ULT(index, 8), *(one_of(byte(after, n), rules.PAT_TYPES) for n in range(8)),
                   *(one_of(byte(before, n), rules.PAT_TYPES) for n in range(8)))  # fmt: skip
    assert proved(z3.Implies(legal, one_of(access(after), rules.MTRR_TYPES)))
    ignored = z3.Extract(3, 3, leaf) == 1
    assert proved(z3.Implies(z3.And(legal, ignored), access(before) == access(after)))
    assert not proved(z3.Implies(legal, access(before) == access(after)))  # else the PAT would be honoured nowhere


def ept(bits: int, pat: int) -> MemoryType:
    return reference.effective_ept(bits & 7, bool(bits & 8), pat, False)
