"""A state that sixteen threads share from its first question on, and one that is used before a fork and after it."""

from __future__ import annotations

import os
import random
import sys
import sysconfig
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import random_state

import memtype as mt

THREADS = 16


def asked(seed: int) -> tuple[mt.MtrrState, Any]:
    s = random_state(random.Random(seed), most=20)
    return s, np.random.default_rng(seed).integers(0, 1 << s.maxphyaddr, 3001, np.uint64)


def everything(s: mt.MtrrState, addresses: Any) -> tuple[Any, ...]:
    """All that builds what a state keeps: its struct, its tables, its map, what `at` remembers."""
    singles = [s.at(address) for address in addresses[:50].tolist()]
    arrays = s.types(addresses), s.page_types(0, 300), s.map.types(addresses), s.histogram(addresses)
    return singles, *(array.tolist() for array in arrays)


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_nothing_of_ours_asks_for_the_gil() -> None:
    assert not getattr(sys, "_is_gil_enabled", lambda: True)()


def at_once(ask: Callable[[], Any]) -> list[Any]:
    """What every thread of sixteen gets, which begin together."""
    start, found = threading.Barrier(THREADS), list[Any]()

    def work() -> None:
        start.wait()
        found.append(ask())

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


@pytest.mark.parametrize("seed", range(12))
def test_sixteen_threads_share_a_state_that_none_has_used(backend: Any, seed: int) -> None:
    s, addresses = asked(seed)
    right = everything(*asked(seed))
    found = at_once(lambda: everything(s, addresses))
    assert len(found) == THREADS and all(answers == right for answers in found)


def test_sixteen_threads_share_what_was_read(backend: Any) -> None:
    text = mt.emit(random_state(random.Random(16), most=8), "dmesg")

    def answers(machine: mt.Machine) -> list[str]:
        return [str(machine.at(page << 12)) for page in range(0, 1 << 12, 7)]

    right, machine = answers(mt.parse(text)), mt.parse(text)
    assert at_once(lambda: answers(machine)) == [right] * THREADS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("seed", range(3))
def test_a_state_answers_on_both_sides_of_a_fork(backend: Any, seed: int) -> None:
    s, addresses = asked(seed)
    large = np.tile(addresses, 400 if backend.name == "native" else 2)
    right = everything(s, addresses)
    parted = s.types(large, threads=2).tolist()
    child = os.fork()
    if child == 0:
        same = everything(s, addresses) == right and s.types(large, threads=2).tolist() == parted
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert everything(s, addresses) == right
