"""Many states at once, and many threads: the answers and errors of one state in one thread."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from strategies import random_state

import memtype as mt
from memtype import (
    AddressError,
    ArrayError,
    InputError,
    MtrrState,
    RegisterError,
    StateArray,
    parallel,
    types_of_states,
)

STATES = [random_state(random.Random(seed), holey=seed % 2 == 0, most=(0, 3, 12, 40)[seed % 4]) for seed in range(48)]


def own_addresses(count: int) -> Any:
    rng = np.random.default_rng(7)
    rows = [rng.integers(0, 1 << (s.maxphyaddr, 33, 20)[n % 3], count, np.uint64) for n, s in enumerate(STATES)]
    return np.array([row & np.uint64((1 << s.maxphyaddr) - 1) for row, s in zip(rows, STATES, strict=True)])


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 64, 100])
def test_own_addresses_get_the_answer_of_their_state(backend: Any, count: int) -> None:
    addresses = own_addresses(count)
    found = types_of_states(STATES, addresses)
    assert found.dtype == np.uint8
    assert found.shape == (len(STATES), count)
    for s, row, kinds in zip(STATES, addresses, found, strict=True):
        assert kinds.tolist() == s.types(row).tolist()


def test_shared_addresses_are_asked_of_all(backend: Any) -> None:
    addresses = np.array([0, 0x9F000, 0xA0000, 0xFFFFF, 1 << 20, 0xC0000000, (1 << 32) - 1], np.uint64)
    out = np.full((len(STATES), 7), 0xEE, np.uint8)
    assert types_of_states(StateArray.of(STATES), addresses, out=out) is out
    assert out.tolist() == [s.types(addresses).tolist() for s in STATES]


def test_columns_hold_what_the_objects_hold() -> None:
    fleet = StateArray.of(STATES)
    assert len(fleet) == len(STATES)
    for number, s in enumerate(STATES):
        back = fleet[number]
        assert back.variable[: len(s.variable)] == s.variable
        assert all(pair == (0, 0) for pair in back.variable[len(s.variable) :])
        for name in ("def_type", "fixed", "maxphyaddr", "vendor", "syscfg", "tom2", "has_fixed"):
            assert getattr(back, name) == getattr(s, name)


@pytest.mark.parametrize("count", [3, 200])
def test_the_first_refused_address_is_named_by_its_place(backend: Any, count: int) -> None:
    states = [MtrrState(0x806, maxphyaddr=width) for width in (40, 36) * 30]
    addresses = np.zeros((60, count), np.uint64)
    addresses[[1, 40], [count - 1, 0]] = 1 << 36, 1 << 60
    out = np.full((60, count), 0xEE, np.uint8)
    with pytest.raises(AddressError, match="MAXPHYADDR = 36") as caught:
        types_of_states(states, addresses, out=out)
    assert caught.value.index == 2 * count - 1
    if out.size <= 4096:
        assert (out == 0xEE).all()
    with pytest.raises(AddressError) as caught:
        types_of_states(states, np.array([0, 1 << 38], np.uint64))
    assert caught.value.index == 3


def test_columns_that_do_not_fit_are_refused() -> None:
    good: dict[str, Any] = {"def_type": [6, 6], "fixed": [[0] * 11] * 2, "base": [[0]] * 2, "mask": [[0]] * 2}
    assert len(StateArray(**good)) == 2
    for name, value in [
        ("fixed", [[0] * 10] * 2), ("base", [0, 0]), ("base", [[0] * 256] * 2), ("mask", [[0, 0]] * 2),
        ("maxphyaddr", 53), ("maxphyaddr", [40]), ("vendor", "via"), ("vendor", ["amd"]), ("tom2", [1, 2, 3]),
    ]:  # fmt: skip
        with pytest.raises(RegisterError):
            StateArray(**{**good, name: value})
    with pytest.raises(ArrayError):
        StateArray(**{**good, "def_type": [0.5, 1]})
    for addresses in (np.zeros((3, 4), np.uint64), np.zeros((1, 2, 3), np.uint64), np.uint64(4)):
        with pytest.raises(ArrayError, match="shape"):
            types_of_states(StateArray(**good), addresses)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST", 500)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_change_nothing(backend: Any, eager: None, threads: int) -> None:
    s = STATES[3]
    addresses = np.arange(0, 4000 * 7919, 7919, np.uint64)
    want = s.types(addresses)
    out = np.zeros((4, 1000), np.uint8)
    assert s.types(addresses.reshape(4, 1000), out=out, threads=threads) is out
    assert out.reshape(-1).tolist() == want.tolist()
    own = own_addresses(64)
    assert types_of_states(STATES, own, threads=threads).tolist() == types_of_states(STATES, own).tolist()


@pytest.mark.parametrize("bad", [(3990,), (700, 3000), (0, 1, 2)])
def test_threads_name_the_first_refused_address(eager: None, bad: tuple[int, ...]) -> None:
    addresses = np.zeros(4000, np.uint64)
    addresses[list(bad)] = 1 << 60
    messages = []
    for threads in (1, 4):
        with pytest.raises(AddressError) as caught:
            mt.MtrrState(maxphyaddr=40).types(addresses, threads=threads)
        assert caught.value.index == bad[0]
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", None])
def test_a_count_of_threads_is_a_positive_integer(threads: Any) -> None:
    with pytest.raises(InputError, match="threads"):
        mt.MtrrState().types(np.zeros(3, np.uint64), threads=threads)


def test_a_state_array_keeps_nothing_of_the_callers():
    columns = {"def_type": np.full(2, 0x806, np.uint64), "fixed": np.zeros((2, 11), np.uint64),
               "base": np.zeros((2, 1), np.uint64), "mask": np.full((2, 1), 0xFFF80000800, np.uint64),
               "tom2": np.zeros(2, np.uint64)}  # fmt: skip
    fleet = mt.StateArray(**columns, maxphyaddr=44)
    before = mt.types_of_states(fleet, [0, 1 << 31]).tolist()
    for column in columns.values():
        column[...] = 0x801
    assert mt.types_of_states(fleet, [0, 1 << 31]).tolist() == before == [[0, 6], [0, 6]]
    for name in columns:
        with pytest.raises(ValueError, match="read-only"):
            getattr(fleet, name)[0] = 1
