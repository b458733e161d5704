"""Jobs beyond one look-up: page-table entries, leaves of a hypervisor, many register states."""

from __future__ import annotations

from typing import Any

import numpy as np

import memtype as mt
from bench import peers
from bench.limits import Candidates, Limits, aligned
from bench.measure import Call, Goal, Job, ratio
from bench.states import GIB, LOW, WIDTH, addresses, pair, state


def effective(limits: Limits, count: int) -> Job:
    s, given, out = state(2), addresses(count), aligned(count)
    ptes = addresses(count + 1)[:count] & ~np.uint64(0xFFF) | np.arange(count, dtype=np.uint64) % np.uint64(256)
    calls: Candidates = {
        "address + PTE": (lambda: mt.effective_types(s, given, ptes, out=out), count),
        "PTE only": (lambda: mt.effective_types(s, None, ptes, out=out), count),
        "EPT leaf + PTE": (lambda: mt.effective_ept_types(given, ptes, out=out), count),
        **limits.read(given, out, ptes),
        **limits.shuffles(given, out, ptes),
    }
    floor = ratio("floor", "limit")
    goals = [
        Goal("address + PTE <= 1.10x its limit", 1.1, ratio("address + PTE", "limit"), floor=floor, isa="avx512"),
        Goal("PTE only <= 1.0x the two-array limit", 1.0, ratio("PTE only", "limit"), isa="avx512"),
    ]
    return Job(f"effective types, {count:,}", calls, goals, limits.skipped("limit"))


def ept_fill(limits: Limits, count: int) -> Job:
    s = mt.MtrrState(0xC06, LOW, [pair(3 * GIB, GIB, 0)], WIDTH)
    vm = mt.kvm.Vm("6.4", vendor="intel", tdp="ept", noncoherent_dma=True, vcpus=[mt.kvm.Vcpu(mtrrs=s)])
    gfns = addresses(count) >> np.uint64(12)
    sptes, bits, fresh = addresses(count), vm.leaf_bits(gfns), np.zeros(count, np.uint64)
    calls: Candidates = {
        "vm.fill": (lambda: vm.fill(sptes, gfns), count),
        "vm.leaf_bits": (lambda: vm.leaf_bits(gfns, out=fresh), count),
        "np.bitwise_or": (lambda: np.bitwise_or(sptes, bits, out=sptes), count),
        **limits.merge(sptes, gfns),
    }
    filled, floor = ratio("vm.fill", "np.bitwise_or"), ratio("limit", "np.bitwise_or")
    goals = [
        Goal(f"EPT fill of {count:.0e} <= 1.05x np.bitwise_or", 1.05, filled, floor=floor, isa="avx512"),
        Goal(f"EPT fill of {count:.0e}, AVX2 <= 1.15x np.bitwise_or", 1.15, filled, floor=floor, isa="avx2"),
    ]
    return Job(f"EPT bits of {count:,} gfns", calls, goals, limits.skipped("limit"), ("limit", "np.bitwise_or"))


def server_fleet(count: int) -> mt.StateArray:
    """States of 8 ranges, half of them with another default type."""
    one = mt.StateArray.of([state(8)])
    columns: dict[str, Any] = {name: np.repeat(getattr(one, name), count, 0) for name in ("fixed", "base", "mask")}
    default = np.where(np.random.default_rng(3).integers(0, 2, count), 0x806, 0x800).astype(np.uint64)
    return mt.StateArray(def_type=default, **columns, maxphyaddr=WIDTH)


def fleet(limits: Limits, count: int) -> Job:
    states, given, out = server_fleet(count), addresses(count * 64, 0).reshape(count, 64), aligned(count * 64)
    out = out.reshape(count, 64)
    needed = [states.def_type, states.base, states.mask, states.syscfg, states.tom2]  # nothing is below 1 MiB

    def with_registers(read: Call) -> None:
        for column in needed:
            limits.scan(column)
        read()

    calls: Candidates = {"types_of_states": (lambda: mt.types_of_states(states, given, out=out), count)}
    for name, (read, _) in limits.read(given.reshape(-1), out.reshape(-1)).items():
        calls[name] = read, count
        calls[name.replace("limit", "limit with registers")] = (lambda read=read: with_registers(read)), count
    skipped = limits.skipped("limit", "limit with registers")
    compiled = peers.numba_fleet(states, given, out)
    if compiled:
        calls["numba"] = compiled, count
    else:
        skipped["numba"] = "numba is not installed"
    best: dict[str, Any] = {"isa": "avx512"}
    faster, whole = ratio("numba", "types_of_states"), ratio("limit with registers", "limit")
    goals = [
        Goal("fleet >= 18x numba", 18, faster, least=True, floor=ratio("numba", "limit with registers"), **best),
        Goal("fleet, SSSE3 and portable >= 1x numba", 1, faster, least=True, isa="portable ssse3"),
    ]
    if (
        count >= 10**6
    ):  # fewer stay in the caches: reading them takes less than the work, 19 ns a state with AVX-512 (Zen 4)
        goals += [
            Goal("fleet <= 1.75x the limit", 1.75, ratio("types_of_states", "limit"), floor=whole, **best),
            Goal("  ... that reads the registers too", 1.75, ratio("types_of_states", "limit with registers"), **best),
        ]
    return Job(f"fleet, {count:,} states of 8 ranges x 64 addresses", calls, goals, skipped)
