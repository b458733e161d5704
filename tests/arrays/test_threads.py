"""Threads change the time of an array job and nothing else: the answers, the errors, what a failure writes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kvm_states import FIRMWARE, guest
from strategies import random_state

import memtype as mt
from memtype import AddressError, InputError, MtrrState, parallel

STATE = MtrrState(0xC06, [0x0606060606060606] * 11, [(0x80000000, 0xFF80000800)], maxphyaddr=40)
MIXED = random_state(random.Random(5), most=12)
COUNT = 4001  # no multiple of what parts start at
BEYOND = 1 << 60  # no address, nor a gfn

Job = Callable[..., Any]


def numbers(width: int) -> Any:
    return np.random.default_rng(width).integers(0, 1 << width, COUNT, np.uint64)


ENTRIES = numbers(63)


def filled(gfns: Any, threads: Any, mmio: Any = False, out: Any = None) -> Any:
    sptes = np.full(gfns.shape, 0xFFF, np.uint64) if out is None else out
    return vm().fill(sptes, gfns, mmio, threads=threads)


def vm() -> Any:
    return guest("6.4", [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)


MMIO = np.arange(COUNT) % 3 == 0

# Each takes numbers that may be refused, a count of threads, and perhaps `out`.
ADDRESSED: dict[str, tuple[int, Job]] = {
    "MtrrState.types": (MIXED.maxphyaddr, lambda a, threads, **out: MIXED.types(a, threads=threads, **out)),
    "MemoryMap.types": (40, lambda a, threads, **out: STATE.map.types(a, threads=threads, **out)),
    "View.types": (40, lambda a, threads, **out: STATE.view("kvm-6.4").types(a, threads=threads, **out)),
    "effective_types": (
        40, lambda a, threads, **out: mt.effective_types(STATE, a, ENTRIES[: a.size], "linux", threads=threads, **out)
    ),
    "leaf_bits": (24, lambda a, threads, **out: vm().leaf_bits(a, threads=threads, **out)),
    "leaf_bits, MMIO": (24, lambda a, threads, **out: vm().leaf_bits(a, MMIO[: a.size], threads=threads, **out)),
    "fill": (24, filled),
    "fill, MMIO": (24, lambda a, threads, **out: filled(a, threads, MMIO[: a.size], **out)),
}  # fmt: skip
UNREFUSED: dict[str, tuple[int, Job]] = {
    "effective_types of leaves": (
        63, lambda a, threads, **out: mt.effective_types(STATE, None, a, "linux", 2, threads=threads, **out)
    ),
    "effective_ept_types": (
        63, lambda a, threads, **out: mt.effective_ept_types(a, ENTRIES[: a.size], threads=threads, **out)
    ),
}  # fmt: skip
JOBS = ADDRESSED | UNREFUSED


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that work; small arrays are worth threads here."""
    seen: set[str] = set()
    monkeypatch.setattr(parallel, "LEAST", 500)
    run = parallel.run

    def spy(work: Any, *args: Any, **others: Any) -> None:
        run(lambda a, b: (seen.add(threading.current_thread().name), work(a, b))[1], *args, **others)

    monkeypatch.setattr(parallel, "run", spy)
    return seen


@pytest.mark.parametrize("name", JOBS)
def test_every_count_of_threads_gives_the_same(backend: Any, workers: set[str], name: str) -> None:
    width, job = JOBS[name]
    given = numbers(width)
    want = job(given, 1).tolist()
    assert workers <= {threading.current_thread().name}
    assert len(set(want)) > 1
    for threads in (2, 3, 8, 1000):
        assert job(given, threads).tolist() == want
    assert workers - {threading.current_thread().name}  # others worked
    strided = np.zeros(2 * COUNT, job(given, 1).dtype)[::2]
    if not name.startswith("fill"):
        assert job(given, 4, out=strided) is strided
        assert strided.tolist() == want


@pytest.mark.parametrize("name", ADDRESSED)
@pytest.mark.parametrize("bad", [(COUNT - 1,), (700, 3000), (0, 1, 2)])
def test_the_first_refused_element_is_named(backend: Any, workers: set[str], name: str, bad: Any) -> None:
    width, job = ADDRESSED[name]
    given = numbers(width)
    given[list(bad)] = BEYOND
    messages = []
    for threads in (1, 4):
        with pytest.raises(AddressError) as caught:
            job(given, threads)
        assert caught.value.index == bad[0]
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", [name for name in ADDRESSED if name.startswith(("leaf", "fill"))])
def test_leaves_stay_untouched_after_a_failure(backend: Any, workers: set[str], name: str) -> None:
    given = numbers(24)
    given[-1] = BEYOND  # in the last part: the others must wait for it
    for threads in (1, 2, 7):
        out = np.full(COUNT, 0xFFF, np.uint64)
        with pytest.raises(AddressError):
            ADDRESSED[name][1](given, threads, out=out)
        assert (out == 0xFFF).all()


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("threads", [0, -1, 1.5, 1.0, "2", None, True])
def test_a_count_of_threads_is_a_positive_integer(name: str, threads: Any) -> None:
    with pytest.raises(InputError, match=r"threads = .* is not a positive integer"):
        JOBS[name][1](numbers(20), threads)


def test_a_single_question_is_held_to_it_too() -> None:
    for ask in (STATE.types, STATE.map.types, STATE.view("xen").types, vm().leaf_bits):
        assert ask(0, threads=3) == ask(0)
        with pytest.raises(InputError, match="threads"):
            ask(0, threads=0)
