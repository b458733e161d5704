"""Registers for a wanted map: as few variable ranges as can be, proved; or what is lost where there are too few."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from memtype import arguments, rules
from memtype.analysis.diff import Change
from memtype.analysis.plan_cost import (
    ANY,
    CHANGE_PRICE,
    RANGE_PRICE,
    TYPES,
    WEIGHTS,
    Block,
    LossSolver,
    Range,
    Solver,
    Target,
)
from memtype.analysis.plan_fixed import encode
from memtype.backends import reference
from memtype.errors import InputError, MemtypeError
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState, range_registers, vendor_name
from memtype.readable import readable
from memtype.types import MemoryType

MOST_SEGMENTS = 8192  # of a target
_MOST_BLOCKS = 4096  # of a pinned range with a holey mask
_NO_PAIR = 0, 0


@readable
@dataclass(frozen=True, slots=True)
class Plan:
    """Registers that give a wanted map. True where nothing of it is lost.

    Attributes
    ----------
    state : the registers, `MtrrState`
    used : variable ranges in use in it, pinned ones included
    proven_minimal : no choice of ranges with contiguous masks, nested and overlapping as they like, gives the target
        with fewer, under the default types that were allowed. False where something is lost
    needed : how many ranges the whole target takes, pinned ones included; None where pinned ranges make it impossible
    by_default : the same under each default type that was allowed
    lost : bytes that do not get their wanted type, but UC
    losses : where, as (base, size, wanted type, UC)
    ranges : the ranges in the order of their registers: (number of the register, base, size, type)
    unchanged : registers that hold what they held in `current`
    current : the registers before, if they were given
    """

    state: MtrrState
    used: int
    proven_minimal: bool
    needed: int | None
    by_default: dict[MemoryType, int | None]
    lost: int
    losses: tuple[Change, ...]
    ranges: tuple[tuple[int, int, int, MemoryType], ...]
    unchanged: tuple[int, ...] = ()
    current: MtrrState | None = None

    def __bool__(self) -> bool:
        return not self.lost

    @property
    def default(self) -> MemoryType:
        return MemoryType(self.state.def_type & rules.DEF_TYPE_TYPE)

    @property
    def writes(self) -> tuple[tuple[int, int], ...]:
        """(register, value) of all WRMSR that a processor needs, in order: MTRRs go off first and on last.

        Registers that hold their value already are left out; empty where all do.
        """
        new = self.state.msrs()
        old = {} if self.current is None else self.current.msrs()
        for fixed in () if new[rules.DEF_TYPE_MSR] & rules.DEF_TYPE_FE else rules.FIXED_MSRS:
            del new[fixed]  # nobody looks at them
        new.pop(rules.MTRRCAP, None)
        changed = [(index, value) for index, value in sorted(new.items()) if value != old.get(index)]
        if not changed:
            return ()
        before = old.get(rules.DEF_TYPE_MSR, new[rules.DEF_TYPE_MSR])
        within = [write for write in changed if write[0] != rules.DEF_TYPE_MSR]
        return (
            (rules.DEF_TYPE_MSR, before & ~rules.DEF_TYPE_E), *within, (rules.DEF_TYPE_MSR, new[rules.DEF_TYPE_MSR])
        )  # fmt: skip

    @property
    def steps(self) -> tuple[str, ...]:
        """How every processor must write them, all at the same time (SDM 3A 12.11.8); a line each."""
        if not self.writes:
            return ()
        written = (f"wrmsr 0x{index:x} 0x{value:016x}  ({rules.msr_name(index)})" for index, value in self.writes)
        return (*_BEFORE, *written, *_AFTER)


_BEFORE = (
    "stop every processor in this routine, interrupts off; wait for all",
    "save CR4, clear CR4.PGE",
    "set CR0.CD = 1 and CR0.NW = 0",
    "WBINVD (not needed with self-snoop, CPUID.1:EDX[27])",
    "flush the TLBs: reload CR3",
)
_AFTER = (
    "WBINVD (not needed with self-snoop); flush the TLBs: reload CR3",
    "set CR0.CD = 0",
    "restore CR4",
    "wait for all processors; interrupts on",
)


def plan(
    target: MemoryMap | MtrrState,
    registers: int = 10,
    default_type: MemoryType | str | int | None = None,
    *,
    keep: int = 0,
    pinned: Iterable[int] = (),
    current: MtrrState | None = None,
    fixed: bool | None = None,
    vendor: str | None = None,
) -> Plan:
    """The fewest variable ranges that give every address its wanted type.

    Parameters
    ----------
    target : MemoryMap or MtrrState
        What is wanted. Where a map is UNDEFINED (a gap of `MemoryMap.from_segments`) or NOT_TOLD any type will do. A
        state stands for its map, and for `current`.
    registers : int
        How many pairs the processor has (MTRRCAP.VCNT).
    default_type : type, optional
        Default: the one that takes the fewest ranges. Where several do: with `current` the one that changes the
        fewest registers, else the first of UC, WB, WT, WP, WC. Of equal plans the one with smaller ranges is taken.
    keep : int
        Pairs to leave unused, for the operating system.
    pinned : iterable of int
        Numbers of registers of `current` that stay as they are, and keep their effect.
    current : MtrrState, optional
        The present registers. Among the smallest plans one that keeps most of them is taken. AMD's TOP_MEM2 is taken
        from here: WB between 4 GiB and it is the default type there.
    fixed : bool, optional
        Whether fixed ranges decide the first MiB, so that it takes no variable range. Default: where `current` has
        them (MTRRCAP.FIX).
    vendor : {"intel", "amd"}, optional
        Default: that of `current`, else Intel.

    Returns
    -------
    Plan
        Where registers are too few, something is lost: bytes become UC, never another type. WC goes first, then WT
        and WP, then WB, of each as few bytes as that number of registers allows.

    Raises
    ------
    InputError
        For a target that no registers can hold: a type that changes inside a 4 KiB page or inside a fixed range, one
        that MTRRs do not have, over 8192 segments; for budgets that make no sense.

    Examples
    --------
    >>> wanted = [(0, 0x7B800000, "WB"), (0x7B800000, 0x84800000, "UC"), (1 << 32, 2 << 30, "WB")]
    >>> p = plan(MemoryMap.from_segments(wanted, maxphyaddr=36))
    >>> p.used, p.proven_minimal, str(p.default), {str(kind): count for kind, count in p.by_default.items()}
    (3, True, 'WB', {'UC': 4, 'WB': 3, 'WT': 4, 'WP': 4, 'WC': 4})
    >>> [(number, hex(base), hex(size), str(kind)) for number, base, size, kind in p.ranges]
    [(0, '0x7b800000', '0x800000', 'UC'), (1, '0x7c000000', '0x4000000', 'UC'), (2, '0x80000000', '0x80000000', 'UC')]
    """
    if current is not None:
        arguments.given(current, MtrrState, "current")
    if isinstance(target, MtrrState):
        current = target if current is None else current
        target = target.map
    target = arguments.given(target, MemoryMap, "target").listed()
    processor = _context(target, current, vendor)
    registers = _count(registers, "registers", rules.MAX_VARIABLE)
    stay = _pinned_numbers(pinned, current, registers)
    slots = [number for number in range(registers) if number not in stay]
    budget = len(slots) - _count(keep, "keep", len(slots))
    starts, kinds = _wanted(target)
    problem = _Problem(processor, stay, current, starts, kinds)
    by_fixed = (
        problem.take_fixed() if (processor.has_fixed if fixed is None else arguments.flag(fixed, "fixed")) else None
    )
    solved = {kind: problem.solver(kind) for kind in _defaults(default_type)}
    default, ranges, weight = _cheapest(problem, solved, budget)
    state = problem.state(default, ranges, registers, by_fixed)
    losses = _checked(starts, kinds, state, weight)
    by_default = {MemoryType(kind): _added(solver.fewest(), stay, processor) for kind, solver in solved.items()}
    numbered = tuple(_numbered(state))
    return Plan(
        state=state,
        used=len(numbered),
        proven_minimal=not losses,
        needed=min((count for count in by_default.values() if count is not None), default=None),
        by_default=by_default,
        lost=sum(change.size for change in losses),
        losses=losses,
        ranges=numbered,
        unchanged=() if current is None else tuple(_unchanged(state, current)),
        current=current,
    )


# --- what comes in --------------------------------------------------------------------------------------------------


def _count(value: Any, what: str, most: int) -> int:
    number = arguments.integer(value, what)
    if not 0 <= number <= most:
        raise InputError(f"{what} = {number} is not within 0 to {most}")
    return number


def _context(target: MemoryMap, current: MtrrState | None, vendor: str | None) -> MtrrState:
    """The processor: its width, its maker, and what a plan does not change."""
    if current is None:
        return MtrrState(maxphyaddr=target.maxphyaddr, vendor=vendor_name("intel" if vendor is None else vendor))
    if current.maxphyaddr != target.maxphyaddr:
        raise InputError(f"MAXPHYADDR {target.maxphyaddr} of the target is not {current.maxphyaddr} of the registers")
    return current if vendor is None else replace(current, vendor=vendor)


def _pinned_numbers(pinned: Iterable[int], current: MtrrState | None, registers: int) -> frozenset[int]:
    numbers = frozenset(
        arguments.integer(number, "pinned") for number in arguments.items(pinned, "pinned", "register numbers")
    )
    held = 0 if current is None else min(len(current.variable), registers)
    for number in numbers:
        if not 0 <= number < held:
            raise InputError(f"pinned register {number}: the present registers are 0 to {held - 1}" if held else
                             f"pinned register {number}: no present registers are given")  # fmt: skip
    return numbers


def _defaults(given: MemoryType | str | int | None) -> tuple[int, ...]:
    if given is None:
        return TYPES
    kind = arguments.memory_type(given, "default_type")
    if kind not in rules.MTRR_TYPES:
        raise InputError(f"default_type = {kind}: MTRRs have UC, WC, WT, WP and WB")
    return (int(kind),)


def _wanted(target: MemoryMap) -> tuple[list[int], list[int]]:
    """Rising first addresses and types, neighbours different, all multiples of 4 KiB."""
    if len(target) > MOST_SEGMENTS:
        raise InputError(f"a target of {len(target)} segments; at most {MOST_SEGMENTS} are planned for")
    starts: list[int] = []
    kinds: list[int] = []
    for segment in target.segments:
        kind = ANY if segment.type in (MemoryType.UNDEFINED, MemoryType.NOT_TOLD) else int(segment.type)
        if kind != ANY and kind not in rules.MTRR_TYPES:
            raise InputError(f"0x{segment.base:x}-0x{segment.last:x} is wanted {segment.type}: no MTRR type")
        base, end = segment.base, segment.end
        if kind == ANY:  # a page that is wanted in part is wanted
            base, end = -(-base // rules.PAGE_SIZE) * rules.PAGE_SIZE, end & -rules.PAGE_SIZE
            if base >= end:
                continue
        elif base % rules.PAGE_SIZE:
            if kinds and kinds[-1] not in (ANY, kind):
                raise InputError(f"the type changes at 0x{base:x}, inside a page of 4 KiB")
            base &= -rules.PAGE_SIZE
        if kinds and kinds[-1] == kind:
            continue
        starts.append(base)
        kinds.append(kind)
    return starts, kinds


# --- solving --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Problem:
    """What is wanted of the variable ranges of one processor, and which of its registers stay."""

    processor: MtrrState
    stay: frozenset[int]
    current: MtrrState | None
    starts: list[int]
    kinds: list[int]

    def take_fixed(self) -> tuple[int, ...] | None:
        """The first MiB as fixed-range registers; from then on it asks nothing of the variable ranges.

        None where nothing is wanted there and the present registers do not use fixed ranges either.
        """
        pieces = list(_pieces(self.starts, self.kinds, rules.FIXED_END))
        first = bisect_right(self.starts, rules.FIXED_END)
        self.kinds = [ANY, self._at(rules.FIXED_END), *self.kinds[first:]]
        self.starts = [0, rules.FIXED_END, *self.starts[first:]]
        used = self.current is not None and self.current.def_type & rules.DEF_TYPE_FE
        if not used and all(kind == ANY for _, _, kind in pieces):
            return None
        return encode(pieces, self.processor if self.current is not None else None)

    def target(self, default: int) -> Target:
        pairs = enumerate(() if self.current is None else self.current.variable)
        held = {n: list(_blocks(self.processor, pair)) for n, pair in pairs}
        pinned: dict[Block, frozenset[int]] = {}
        for number in self.stay:
            if len(held[number]) > _MOST_BLOCKS:
                raise InputError(f"pinned register {number}: its mask makes over {_MOST_BLOCKS} blocks")
            for base, bits, kind in held[number]:
                if kind not in rules.MTRR_TYPES:
                    raise InputError(f"pinned register {number}: type {kind} is reserved")
                pinned[base, bits] = pinned.get((base, bits), frozenset()) | {kind}
        present = {blocks[0] for n, blocks in held.items() if n not in self.stay and len(blocks) == 1}
        limit = reference.tom2_limit(self.processor)
        width = self.processor.maxphyaddr
        return Target(self.starts, self.kinds, width, default, limit, pinned, frozenset(present))

    def solver(self, default: int) -> Solver:
        return Solver(self.target(default))

    def losing(self, default: int, budget: int) -> tuple[int, list[Range]] | None:
        """(weight of the loss, ranges) with so many ranges; the ranges are the fewest that lose no more."""
        wanted = self.target(default)
        least = LossSolver(wanted, budget)
        weight = least.least()
        if weight is None:
            return None
        reached = self.state(default, least.ranges(), rules.MAX_VARIABLE, None).map
        edges = sorted({*self.starts, *(segment.base for segment in reached)})
        kinds = [ANY if self._at(edge) == ANY else int(reached.at(edge)) for edge in edges]
        return weight, Solver(replace(wanted, starts=edges, kinds=kinds)).ranges()

    def _at(self, address: int) -> int:
        return self.kinds[bisect_right(self.starts, address) - 1]

    def state(self, default: int, ranges: list[Range], registers: int, fixed: tuple[int, ...] | None) -> MtrrState:
        """Ranges that are there keep their register; others go where one is given up, then where none is."""
        width = self.processor.maxphyaddr
        held = () if self.current is None else self.current.variable
        pairs = [held[n] if n < len(held) else _NO_PAIR for n in range(registers)]
        left = list(ranges)
        free: list[int] = []
        for number, pair in enumerate(pairs):
            blocks = list(_blocks(self.processor, pair))
            if number in self.stay:
                continue
            if len(blocks) == 1 and blocks[0] in left:
                left.remove(blocks[0])
            else:
                free.append(number)
        free.sort(key=lambda number: not pairs[number][1] & rules.MASK_VALID)
        for number in free:
            if left:
                base, bits, kind = left.pop(0)
                pairs[number] = range_registers(base, 1 << bits, MemoryType(kind), width)
            elif pairs[number][1] & rules.MASK_VALID:
                pairs[number] = _NO_PAIR
        assert not left
        def_type = rules.DEF_TYPE_E | default | (0 if fixed is None else rules.DEF_TYPE_FE)
        return replace(self.processor, def_type=def_type, variable=tuple(pairs), fixed=fixed or self.processor.fixed)


def _pieces(starts: Sequence[int], kinds: Sequence[int], end: int) -> Iterator[tuple[int, int, int]]:
    for number, start in enumerate(starts):
        stop = starts[number + 1] if number + 1 < len(starts) else end
        if start < end:
            yield start, min(stop, end), kinds[number]


def _blocks(processor: MtrrState, pair: tuple[int, int]) -> Iterator[Range]:
    """The blocks of a pair, one where its mask is contiguous; one more than the limit where there are too many."""
    base, mask = pair
    if not mask & rules.MASK_VALID:
        return
    for start, size in islice(reference.blocks(base, mask, processor.maxphyaddr), _MOST_BLOCKS + 1):
        yield start, size.bit_length() - 1, base & rules.BASE_TYPE


def _cheapest(problem: _Problem, solved: dict[int, Solver], budget: int) -> tuple[int, list[Range], int]:
    """Default type, ranges, weight of the loss: none if the budget allows it, else as little as can be."""
    before = None if problem.current is None else problem.current.def_type & rules.DEF_TYPE_TYPE
    costs = {kind: cost for kind, solver in solved.items() if (cost := solver.cost()) is not None}

    def price(kind: int) -> int:
        return costs[kind] // CHANGE_PRICE + (before not in (None, kind))

    best = min(costs, key=price, default=None)
    if best is not None and costs[best] // RANGE_PRICE <= budget:
        return best, solved[best].ranges(), 0
    losing = {kind: found for kind in solved if (found := problem.losing(kind, budget)) is not None}
    if not losing:
        raise InputError(f"{budget} variable ranges cannot even make UC what must not be the default type")
    default = min(losing, key=lambda kind: (losing[kind][0], len(losing[kind][1])))
    return default, losing[default][1], losing[default][0]


def _checked(starts: list[int], kinds: list[int], state: MtrrState, weight: int) -> tuple[Change, ...]:
    """What is lost, by resolving the registers again: neither more than was reckoned with, nor anything but to UC."""
    made = state.map
    losses = []
    for start, stop, wanted in _pieces(starts, kinds, 1 << state.maxphyaddr):
        here = start
        while here < stop and wanted != ANY:
            kind, _, behind = made.around(here)
            end = min(behind, stop)
            if kind != wanted:
                losses.append(Change(here, end - here, MemoryType(wanted), kind))
            here = end
    if any(change.new is not MemoryType.UC for change in losses) or _weight(losses) != weight:
        raise MemtypeError(f"the registers planned do not give the target ({losses[:1]}): a bug in this package")
    return tuple(losses)


def _weight(losses: list[Change]) -> int:
    return sum(WEIGHTS[int(change.old)] * change.size for change in losses)


def _unchanged(state: MtrrState, current: MtrrState) -> Iterator[int]:
    for number, (new, old) in enumerate(zip(state.variable, current.variable)):
        if new == old and new[1] & rules.MASK_VALID:
            yield number


def _added(count: int | None, stay: frozenset[int], present: MtrrState) -> int | None:
    return None if count is None else count + sum(bool(present.variable[n][1] & rules.MASK_VALID) for n in stay)


def _numbered(state: MtrrState) -> Iterator[tuple[int, int, int, MemoryType]]:
    for number, (base, mask) in enumerate(state.variable):
        if mask & rules.MASK_VALID:
            field = mask & rules.page_bits(state.maxphyaddr)
            size = field & -field if field else 1 << state.maxphyaddr
            yield number, base & field, size, rules.type_of(base & rules.BASE_TYPE)
