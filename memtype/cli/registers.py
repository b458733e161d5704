"""Registers in words: what a pair covers, what is odd about it, and which registers decide a segment of the map."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from memtype import rules
from memtype.backends import reference
from memtype.cli.addresses import hexadecimal, size_text
from memtype.memory_map import MemoryMap, Segment
from memtype.mtrr import MtrrState

_EDGES = 64  # blocks of a holey mask whose edges are looked at; the others repeat them


@dataclass(frozen=True, slots=True)
class Pair:
    """One variable range, decoded as hardware matches it: `blocks` blocks of `size` bytes, the first at `first`."""

    number: int
    base: int
    mask: int
    first: int
    size: int
    blocks: int
    odd: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return bool(self.mask & rules.MASK_VALID)

    @property
    def type_name(self) -> str:
        return str(rules.type_of(self.base & rules.BASE_TYPE))


def pairs(state: MtrrState) -> list[Pair]:
    """Every pair, in order."""
    return [_pair(n, base, mask, state.maxphyaddr) for n, (base, mask) in enumerate(state.variable)]


def _pair(number: int, base: int, mask: int, width: int) -> Pair:
    bits = rules.page_bits(width)
    field = mask & bits
    size = field & -field if field else 1 << width
    holes = bin(~field & bits & -size).count("1") if field else 0
    return Pair(number, base, mask, base & field, size, 1 << holes, tuple(_odd(base, mask, field, width)))


def _odd(base: int, mask: int, field: int, width: int) -> Iterable[str]:
    if not mask & rules.MASK_VALID:
        if base or mask & ~rules.high_bits(width):  # QEMU fills bits 51:MAXPHYADDR of unused masks too
            yield f"disabled (V = 0), yet holds {hexadecimal(base)}/{hexadecimal(mask)}: not looked at"
        return
    bits = rules.page_bits(width)
    if not field:
        yield "the mask is zero: matches every address"
    elif holes := ~field & bits & -(field & -field):
        yield f"holey mask (bits {_bit_list(holes)} clear): matches {_repeats(field & -field, holes)}"
    if field and (ignored := base & bits & ~field):
        start = hexadecimal(base & field)
        yield f"base bits {hexadecimal(ignored)} lie outside the mask: ignored, the range starts at {start}"
    kind = base & rules.BASE_TYPE
    if kind not in rules.MTRR_TYPES:
        yield f"type {kind} is reserved: what this range decides is undefined"


def _repeats(size: int, holes: int) -> str:
    """``16 blocks of 4 KiB, one every 64 GiB``; the distance only where it is always the same."""
    found = f"{1 << bin(holes).count('1')} blocks of {size_text(size)}"
    lowest = holes & -holes
    return found + (f", one every {size_text(lowest)}" if not holes & (holes + lowest) else "")


def _bit_numbers(value: int) -> list[int]:
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]


def _bit_list(value: int) -> str:
    """``_bit_list(0b1110010) == '6:4, 1'``."""
    found, run = [], _bit_numbers(value)
    while run:
        last = run.pop()
        first = last
        while run and run[-1] == first - 1:
            first = run.pop()
        found.append(str(last) if first == last else f"{last}:{first}")
    return ", ".join(found)


def blocks(pair: Pair, width: int) -> list[tuple[int, int]]:
    """The first blocks that the pair matches, as (base, size), at most 64 of them."""
    field = pair.mask & rules.page_bits(width)
    holes = ~field & rules.page_bits(width) & -pair.size
    found, offset = [], 0
    for _ in range(min(pair.blocks, _EDGES)):
        found.append((pair.first + offset, pair.size))
        offset = (offset - holes) & holes  # the next subset of the hole bits, in rising order
    return found


_MOST_REPEATS = 10  # log2 of how many times a repeated map is looked for
_FEW = 64  # segments that are listed whatever they are


def without_repeats(memory: MemoryMap) -> tuple[list[Segment], str]:
    """The segments to list: where holey masks repeat the map, up to the end of what repeats, and a line on that.

    A 32-bit mask on a 39-bit processor makes the same 4 GiB 128 times.
    """
    segments = list(memory.segments)
    if len(segments) <= _FEW:
        return segments, ""
    for bit in range(max(32, memory.maxphyaddr - _MOST_REPEATS), memory.maxphyaddr - 1):
        parts = _parts(memory, 1 << bit)
        if all(part == parts[1] for part in parts[2:]):
            kept = 1 if parts[0] == parts[1] else 2
            shown = [_clip(s, kept << bit) for s in segments if s.base < kept << bit]
            times = (1 << memory.maxphyaddr - bit) - kept
            return shown, f"the last {size_text(1 << bit)} repeat {times} times, up to the end: masks have holes"
    return segments, ""


def _parts(memory: MemoryMap, size: int) -> list[tuple[tuple[int, int], ...]]:
    """The map cut into parts of one size, each as (offset, type) of its segments."""
    found: list[list[tuple[int, int]]] = [[] for _ in range((1 << memory.maxphyaddr) // size)]
    for segment in memory.segments:
        first, last = segment.base // size, (segment.end - 1) // size
        for n in range(first, last + 1):
            found[n].append((max(segment.base - n * size, 0), int(segment.type)))
    return [tuple(part) for part in found]


def _clip(segment: Segment, end: int) -> Segment:
    return Segment(segment.base, min(segment.end, end) - segment.base, segment.type)


def edges(state: MtrrState) -> list[int]:
    """Addresses where the deciding registers can change: fixed ranges, TOP_MEM2, range ends."""
    found = {0, rules.FIXED_END, rules.GIB4, state.tom2 & rules.TOM2_FIELD, *(r.base for r in rules.FIXED_RANGES)}
    for pair in pairs(state):
        if pair.valid:
            found |= {edge for base, size in blocks(pair, state.maxphyaddr) for edge in (base, base + size)}
    return sorted(edge for edge in found if edge < 1 << state.maxphyaddr)


def deciders(state: MtrrState, segment: Segment, all_edges: list[int]) -> str:
    """Who decides a segment, in a few words: ``reg2 over reg0``, ``fixed``, ``default``."""
    inner = all_edges[bisect_right(all_edges, segment.base) : bisect_left(all_edges, segment.end)]
    samples = [segment.base, *inner]
    return " + ".join(_grouped(dict.fromkeys(_decider(state, address) for address in samples)))


_Decider = tuple[str, tuple[int, ...], tuple[int, ...]]  # a word, the pairs that decide, those that they override


def _decider(state: MtrrState, address: int) -> _Decider:
    steps = state.explain(address).steps
    last = steps[-1]
    matched = [step.pairs[0] for step in steps if step.rule == "mtrr-variable"]
    if not matched:
        place = "fixed" if reference.fixed_decides(state, address) else "default"
        return _WORDS.get(last.rule, f"{place} (reserved type)"), (), ()
    winners = last.pairs
    reserved = any(state.variable[n][0] & rules.BASE_TYPE not in rules.MTRR_TYPES for n in winners)
    word = _OVERLAPS.get(last.rule, "reserved type" if reserved else "")
    return word, winners, tuple(n for n in matched if n not in winners)


_WORDS = {
    "mtrr-disabled": "MTRRs off",
    "mtrr-fixed": "fixed",
    "mtrr-fixed-amd": "fixed",
    "mtrr-default": "default",
    "mtrr-tom2": "TOM2",
}
_OVERLAPS = {"mtrr-wt-wb": "WT wins over WB", "mtrr-undefined": "undefined overlap"}


def _grouped(found: Iterable[_Decider]) -> list[str]:
    """One part for each word and set of overridden pairs, its deciding pairs together."""
    over: dict[tuple[str, tuple[int, ...]], set[int]] = {}  # losers by word and winners
    for word, winners, losers in found:
        over.setdefault((word, winners), set()).update(losers)
    under: dict[tuple[str, tuple[int, ...]], set[int]] = {}  # and winners by word and losers
    for (word, winners), beaten in over.items():
        under.setdefault((word, tuple(sorted(beaten))), set()).update(winners)
    return [_part(word, winning, beaten) for (word, beaten), winning in under.items()]


def _part(word: str, winners: Iterable[int], losers: Iterable[int]) -> str:
    if not winners:
        return word
    return _numbers(winners) + (f" over {_numbers(losers)}" if losers else "") + (f" ({word})" if word else "")


def _numbers(which: Iterable[int]) -> str:
    """``_numbers({0, 1, 2, 5}) == 'reg0-2,5'``."""
    bits = sum(1 << n for n in which)
    return "reg" + ",".join("-".join(reversed(part.split(":"))) for part in reversed(_bit_list(bits).split(", ")))
