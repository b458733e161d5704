"""Every array job by every instruction set, against the arrays in Python that stand on the reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from memtype import arrays, backends, rules
from memtype.errors import MemtypeError
from memtype.fleet import StateArray
from memtype.mtrr import MtrrState
from memtype.self_check.core import native, states_of
from memtype.self_check.report import Part, Tell
from memtype.vectors.addresses import chosen
from memtype.vectors.draw import Draw

_FEW, _TIMES = 300, 70  # elements that the reference is asked for; how often a long array repeats them
_U32: Final = np.uint32
_LONGEST_MAP: Final = 64


class Job(NamedTuple):
    """One call: the function, its arguments but for the output, made for a state that nobody asked before; and what
    the output holds before."""

    function: str
    given: Callable[[MtrrState], tuple[Any, ...]]
    out: Any


def compare(part: Part, seed: int, seconds: float, tell: Tell) -> None:
    """Random register files and entries, in arrays of every length to some hundreds, and of some thousands."""
    core, began = native(), time.monotonic()
    if core is None:
        part.skipped = "the C core is not built here"
        return
    python = backends.load("python")
    for name, state in states_of(seed):
        draw = Draw(f"kernels {name}")
        for job in _jobs(draw, name, state):
            right = job.out.copy()
            getattr(python, job.function)(*job.given(state), right)
            times = 1 if job.function in ("histogram", "page_types") or draw.chance(90) else _TIMES
            for isa in core.isas():
                with core.running(isa):
                    _ask(part, getattr(core, job.function), isa, job, _again(state), right, times)
        tell(part, began)
        if time.monotonic() - began >= seconds:
            return


def _ask(part: Part, function: Callable[..., Any], isa: str, job: Job, s: MtrrState, right: Any, times: int) -> None:
    """One job by one set; `times` repeats the arrays of as many elements as the output."""
    size = right.shape[-1]
    given = [
        np.tile(value, times) if isinstance(value, np.ndarray) and value.shape[-1:] == (size,) else value
        for value in job.given(s)
    ]
    said = np.tile(job.out, times)
    part.count += said.size
    try:
        function(*given, said)
    except MemtypeError as error:
        part.differ(f"{job.function} by {isa}", f"{job.function} by {isa}: {error}, of {s!r}")
        return
    wrong = np.flatnonzero(said != np.tile(right, times))
    if wrong.size:
        place = int(wrong[0])
        first = (
            f"element {place} of {said.size} is {said.flat[place]}, by the reference {right.flat[place % right.size]}"
        )
        inputs = [hex(value.flat[place % value.size]) for value in given if _is_words(value) and value.size]
        part.differ(f"{job.function} by {isa}", f"{job.function} by {isa}: {first}; inputs {inputs}, of {s!r}")


def _is_words(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == arrays.U64


def _again(s: MtrrState) -> MtrrState:
    """The same registers in an object that holds no tables yet."""
    return MtrrState(s.def_type, s.fixed, s.variable, s.maxphyaddr, s.vendor, s.syscfg, s.tom2, s.cap)


# --- what is asked --------------------------------------------------------------------------------------------------


def _words(draw: Draw, count: int, bits: int = 64) -> Any:
    return np.array([draw.bits(bits) for _ in range(count)], arrays.U64)


def _addresses(draw: Draw, name: str, s: MtrrState, count: int) -> Any:
    """Edges of the register file and other places, in any order."""
    edges = chosen(s, name)
    return np.array([draw.one_of(edges) for _ in range(count)], arrays.U64)


def _jobs(draw: Draw, name: str, s: MtrrState) -> Iterator[Job]:
    count = draw.below(_FEW)
    words, ptes, eptes = _addresses(draw, name, s, count), _words(draw, count), _words(draw, count)
    pat, level = (
        int.from_bytes(bytes(draw.one_of(sorted(rules.PAT_TYPES)) for _ in range(8)), "little"),
        1 + draw.below(3),
    )
    kinds, cd = np.zeros(count, arrays.U8), draw.chance(20)
    first = draw.bits(s.maxphyaddr - rules.PAGE_SHIFT)
    pages = min(count, (1 << s.maxphyaddr - rules.PAGE_SHIFT) - first)
    yield Job("types", lambda s: (s, words), kinds)
    yield Job("histogram", lambda s: (s, words), np.zeros(16, arrays.U64))
    yield Job("page_types", lambda s: (s, first), np.zeros(pages, arrays.U8))
    yield Job("effective_types", lambda s: (s, pat, level, words, ptes), kinds)
    yield Job("pat_types", lambda s: (pat, level, ptes), kinds)
    yield Job("pat_indexes", lambda s: (level, ptes), kinds)
    yield Job("ept_types", lambda s: (eptes,), kinds)
    yield Job("effective_ept_types", lambda s: (pat, level, cd, eptes, ptes), kinds)
    yield from _of_maps(draw, s, words)
    yield from _of_fleets(draw, s, words)


def _of_maps(draw: Draw, s: MtrrState, words: Any) -> Iterator[Job]:
    """Of the state's map, where it is not shattered: types, and leaf bits of gfns, made and filled in."""
    try:
        segments = s.map.segments
    except MemtypeError:
        return
    if len(segments) > _LONGEST_MAP:
        return
    bases = np.array([segment.base for segment in segments], arrays.U64)
    kinds = np.array([segment.type for segment in segments], arrays.U8)
    yield Job("map_types", lambda s: (bases, kinds, s.maxphyaddr, words), np.zeros(words.size, arrays.U8))
    shift = np.uint64(rules.PAGE_SHIFT)
    ipat = rules.EPT_IPAT * draw.below(2)
    bits = np.array([segment.type % 8 << rules.EPT_TYPE_SHIFT | ipat for segment in segments], arrays.U64)
    map_of = bases >> shift, bits
    field = rules.EPT_TYPE_FIELD | rules.EPT_IPAT
    yield Job("leaf_bits", lambda s: (*map_of, s.maxphyaddr, words >> shift), np.zeros(words.size, arrays.U64))
    yield Job("leaf_fill", lambda s: (*map_of, field, s.maxphyaddr, words >> shift), _words(draw, words.size))


def _of_fleets(draw: Draw, s: MtrrState, words: Any) -> Iterator[Job]:
    """The state among others of its width or less, all asked the same addresses, and each address of one of them."""
    others = [other for _, other in zip(range(draw.below(9)), _others(draw, s))]
    fleet = StateArray.of([s, *others])
    ids = np.array([draw.below(len(fleet)) for _ in range(words.size)], _U32)
    yield Job("fleet_types", lambda s: (fleet, words), np.zeros((len(fleet), words.size), arrays.U8))
    yield Job("types_by", lambda s: (fleet, ids, words), np.zeros(words.size, arrays.U8))


def _others(draw: Draw, s: MtrrState) -> Iterator[MtrrState]:
    for _, other in states_of(draw.bits(32)):
        if len(other.variable) <= 40:
            yield MtrrState(
                other.def_type, other.fixed, other.variable, s.maxphyaddr, other.vendor, other.syscfg, other.tom2,
                other.cap,
            )  # fmt: skip
