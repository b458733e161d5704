"""Signals in mid-call: an interrupt at any moment leaves a state that answers right; a handler may ask that state."""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kvm_states import FIRMWARE, guest
from strategies import random_state

import memtype as mt

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer")


def asked(seed: int, count: int) -> tuple[mt.MtrrState, Any]:
    s = random_state(random.Random(seed), most=10)
    return s, np.random.default_rng(seed).integers(0, 1 << s.maxphyaddr, count, np.uint64)


def everything(s: mt.MtrrState, addresses: Any) -> tuple[Any, ...]:
    """All that builds what a state keeps."""
    vm = guest("6.4", [*FIRMWARE, (0x2FF, 0xC06)], noncoherent_dma=True)
    singles = [s.at(address) for address in addresses[:4].tolist()]
    leaves = vm.leaf_bits(np.arange(9, dtype=np.uint64)).tolist()
    return singles, s.types(addresses).tolist(), s.page_types(0, 20).tolist(), s.map.types(addresses).tolist(), leaves


def interrupted(job: Callable[[], Any], moment: int) -> int:
    """Run `job`, and raise KeyboardInterrupt at its call or return of that number; how many there were."""
    seen, ended = 0, False

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal seen
        seen += not ended
        if seen == moment and not ended:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(count)
    try:
        job()
        ended = True  # what comes now is no part of the job
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # raised where a generator is closed
@pytest.mark.parametrize("seed", range(2))
def test_an_interrupt_at_any_moment_spoils_nothing(backend: Any, seed: int) -> None:
    """The moments are the calls and returns of Python and C functions, where a handler would run."""
    right = everything(*asked(seed, 40))
    whole = interrupted(lambda: everything(*asked(seed, 40)), -1)
    assert whole > 100
    for moment in range(1, whole, whole // 40):
        s, addresses = asked(seed, 40)
        assert interrupted(lambda s=s, addresses=addresses: everything(s, addresses), moment) <= whole  # type: ignore[misc]
        assert everything(s, addresses) == right, moment


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_a_handler_asks_the_state_that_is_being_asked(backend: Any) -> None:
    s, addresses = asked(7, 200_000 if backend.name == "native" else 500)
    right, few = s.types(addresses).tolist(), addresses[:20]
    found = list[Any]()

    def handler(number: int, frame: Any) -> None:
        found.append((s.types(few).tolist(), [int(s.at(address)) for address in few.tolist()]))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for _ in range(500):
            assert s.types(addresses, threads=2 if len(found) % 2 else 1).tolist() == right
            if len(found) > 8:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(found) > 8 and all(answer == (right[:20], right[:20]) for answer in found)
