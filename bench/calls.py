"""Jobs that the call itself decides: single addresses, few addresses, one map, one state, one event."""

from __future__ import annotations

import timeit

import numpy as np

import memtype as mt
from bench.limits import Candidates
from bench.measure import Call, Goal, Job, ratio
from bench.states import LOW, VARIABLE, WIDTH, addresses, crowded, state
from memtype.backends import reference

EMPTY = "empty method"
OR = "np.bitwise_or(out=)"


class Empty:
    __slots__ = ()

    def method(self, address: int) -> None:
        return None


def _each(call: Call, arguments: list[int]) -> tuple[Call, int]:
    def run() -> None:
        for argument in arguments:
            call(argument)  # type: ignore[call-arg]

    return run, len(arguments)


def scalars() -> Job:
    s, nothing = state(10), Empty()
    anywhere = addresses(2_000).tolist()
    low = addresses(2_000, 1).tolist()
    calls: Candidates = {
        EMPTY: _each(nothing.method, anywhere),
        "s.at, asked again": _each(s.at, [0xE0000000] * 2_000),
        "s.at, anywhere": _each(s.at, anywhere),
        "s.at, below 1 MiB": _each(s.at, low),
    }
    goals = [
        Goal("at, asked again <= 2.5 empty method calls", 2.5, ratio("s.at, asked again", EMPTY)),
        Goal("at, any address <= 5 empty method calls", 5, ratio("s.at, anywhere", EMPTY)),
        Goal("at, below 1 MiB <= 5 empty method calls", 5, ratio("s.at, below 1 MiB", EMPTY)),
    ]
    return Job("scalars", calls, goals, beside=(EMPTY,))


def few() -> Job:
    names = {
        "s": state(10), "np": np, "given": addresses(64, 0), "other": addresses(64, 0), "out": np.empty(64, np.uint8),
        "words": np.empty(64, np.uint64),
    }  # fmt: skip

    def repeat(statement: str) -> tuple[Call, int]:
        timer = timeit.Timer(statement, globals=names)
        return lambda: timer.timeit(2000), 2000

    calls: Candidates = {
        "64, out=": repeat("s.types(given, out=out)"),
        "64, allocating": repeat("s.types(given)"),
        OR: repeat("np.bitwise_or(given, other, out=words)"),
        "np.bitwise_or": repeat("np.bitwise_or(given, other)"),
    }
    goal = Goal("64 addresses, out= <= 2.6x np.bitwise_or", 2.6, ratio("64, out=", OR))
    return Job("64 addresses", calls, [goal], beside=(OR,))


def whole_map() -> Job:
    s, nothing = state(10), Empty()
    fresh: list[mt.MtrrState] = []

    def some_maps() -> None:
        """The call that is not timed makes the states; each map is asked for once."""
        if not fresh:
            fresh.extend(state(10) for _ in range(20))
            return
        for each in fresh:
            each.map  # noqa: B018
        fresh.clear()

    calls: Candidates = {
        "map": (some_maps, 20),
        "reference": (lambda: reference.resolve(s), 1),
        EMPTY: _each(nothing.method, list(range(2000))),
    }
    goals = [
        Goal("map of a fresh state <= 40 empty method calls", 40, ratio("map", EMPTY)),
        Goal("map >= 25x the reference", 25, ratio("reference", "map"), least=True),
    ]
    return Job("map of a fresh state, 10 ranges", calls, goals, beside=(EMPTY, "map"))


def building() -> Job:
    """A state from its registers, and the tables of the array kernels from a state."""
    variable = {10: VARIABLE[10], 255: list(crowded(255).variable)}
    calls: Candidates = {
        f"MtrrState, {ranges} ranges": (
            lambda given=given: [mt.MtrrState(0xC06, LOW, given, WIDTH) for _ in range(20)], 20
        )
        for ranges, given in variable.items()
    }  # fmt: skip
    goals = [Goal("MtrrState of 10 ranges <= 10 us", 10_000, lambda t: t["MtrrState, 10 ranges"], unit=" ns")]
    if mt.backend == "native":
        calls |= {f"tables, {ranges} ranges": _tables(ranges) for ranges in variable}
        goals.append(Goal("tables of 255 ranges <= 15 us", 15_000, lambda t: t["tables, 255 ranges"], unit=" ns"))
    return Job("building", calls, goals, beside=())


def _tables(ranges: int) -> tuple[Call, int]:
    from memtype.backends import native

    s = state(10) if ranges == 10 else crowded(ranges)
    made, registers, isa = native.ffi.new("memtype_tables *"), native.registers(s), native._isa

    def build() -> None:
        for _ in range(20):
            native.lib.memtype_tables_build(registers, isa, made)

    return build, 20


def events() -> Job:
    """WRMSRs by one vCPU in a row, each applied to the VM that the one before left."""
    vm = mt.kvm.Vm("6.4", vendor="intel", tdp="ept", noncoherent_dma=True, vcpus=[mt.kvm.Vcpu(mtrrs=state(10))])
    written = {
        "IA32_MTRR_DEF_TYPE": (0x2FF, (0xC00, 0xC06)),
        "IA32_MTRR_PHYSBASE0": (0x200, (0xC0000000, 0xD0000000, 0xE0000000)),
        "IA32_PAT": (0x277, (0x0007040600070406, 0x0007010600070106)),
    }
    count = 300

    def applied(index: int, held: tuple[int, ...]) -> tuple[Call, int]:
        writes = [mt.kvm.WriteMsr(index, held[n % len(held)]) for n in range(count)]

        def run() -> None:
            after = vm
            for write in writes:
                after, _ = after.apply(write)

        return run, count

    calls: Candidates = {name: applied(*writes) for name, writes in written.items()}
    goal = Goal("vm.apply >= 30,000 events/s", 30_000, lambda t: 1e9 / max(t.values()), least=True, unit=" /s")
    return Job("events of one vCPU, vm.apply", calls, [goal], beside=())
