"""The backend that a fixture names is the code that ran; the choice follows its variable; both agree."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest
from cffi import FFI
from strategies import interesting_addresses, random_state

from memtype import BackendMismatch, BackendUnavailable, InputError, MtrrState, backends, rules
from memtype.backends import contract, reference

STATES = 2_000
ADDRESSES = 500  # with the edges of each state: over 10**6 pairs


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, text=True, capture_output=True, check=False
    )


def test_the_named_backend_is_the_code_that_ran(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    for name in ("native", "python"):
        try:
            module = backends.load(name)
        except backends.BackendUnavailable:
            continue
        answer = module.types
        monkeypatch.setattr(module, "types", lambda *args, n=name, f=answer: (ran.append(n), f(*args))[1])
    MtrrState(0xC06).types([0, 1 << 20])
    assert ran == {"native": ["native"], "python": ["python"], "checked": ["native", "python"]}[backend.name]


@pytest.mark.parametrize("name", ["python", "native", "checked"])
def test_the_variable_chooses(name: str) -> None:
    if name != "python":
        pytest.importorskip("memtype._native")
    ran = run_python("import memtype; print(memtype.backend)", MEMTYPE_BACKEND=name)
    assert ran.stdout.strip() == name, ran.stderr


USE = "import memtype as mt; print(mt.backend); print(mt.MtrrState(0x806).at(0), mt.MtrrState(0x806).at(0))"


def test_an_unknown_backend_does_not_break_the_import_and_one_warning_tells() -> None:
    ran = run_python(USE, MEMTYPE_BACKEND="fast")
    assert ran.returncode == 0
    assert ran.stdout.split() == [backends._best().name, "WB", "WB"]
    assert ran.stderr.count("RuntimeWarning") == 1
    assert "MEMTYPE_BACKEND=fast: not one of auto, native, python, checked" in ran.stderr
    assert run_python("import memtype", MEMTYPE_BACKEND="fast").stderr == ""
    assert run_python("import memtype.backends as b; print(b.refused)", MEMTYPE_BACKEND="python").stdout == "None\n"


@pytest.mark.parametrize("name", ["fast", "Native", " ", "a\nb", "x" * 5_000])
@pytest.mark.parametrize("line", [["--version"], ["show"], ["no-such-verb"]])
def test_the_command_line_refuses_it_in_one_short_line(name: str, line: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "memtype", *line], env=os.environ | {"MEMTYPE_BACKEND": name}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("memtype: error: MEMTYPE_BACKEND=")
    assert ran.stderr.count("\n") == 1 and len(ran.stderr) < 150


def test_load_still_refuses_by_an_exception() -> None:
    with pytest.raises(BackendUnavailable, match="MEMTYPE_BACKEND=fast"):
        backends.load("fast")


def test_auto_falls_back_with_one_warning_that_names_the_cause() -> None:
    code = "import sys; sys.modules['memtype._native'] = None; import memtype; print(memtype.backend)"
    ran = run_python(code, MEMTYPE_BACKEND="auto")
    assert ran.stdout.strip() == "python"
    assert ran.stderr.count("RuntimeWarning") == 1
    assert "memtype._native" in ran.stderr


class Stale:
    """An extension's part as if built from a header with another ABI number, or, for 0, before there was one."""

    def __init__(self, part: Any, abi: int) -> None:
        self.part, self.abi = part, abi

    def __getattr__(self, name: str) -> Any:
        if name != "MEMTYPE_ABI":
            return getattr(self.part, name)
        if not self.abi:
            raise AttributeError(name)
        return self.abi


@pytest.mark.parametrize(("abi", "said"), [(0, "none"), (10_000, "10000")])
def test_a_stale_extension_counts_as_absent(abi: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extension = pytest.importorskip("memtype._native")
    stale = types.SimpleNamespace(ffi=extension.ffi, lib=Stale(extension.lib, abi))
    monkeypatch.setitem(sys.modules, "memtype._native", stale)
    monkeypatch.delitem(sys.modules, "memtype.backends.native", raising=False)
    with pytest.raises(BackendUnavailable, match=f"the native backend cannot be loaded: .*MEMTYPE_ABI is {said}, not"):
        backends._choose("native")
    with pytest.warns(RuntimeWarning, match=f"falling back to pure Python: .*MEMTYPE_ABI is {said}") as warned:
        assert backends._choose("auto") is backends.load("python")
    assert len(warned) == 1 and "\n" not in str(warned[0].message)


def test_an_extension_without_a_struct_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    extension = pytest.importorskip("memtype._native")
    stale = types.SimpleNamespace(ffi=FFI(), lib=extension.lib)
    monkeypatch.setitem(sys.modules, "memtype._native", stale)
    monkeypatch.delitem(sys.modules, "memtype.backends.native", raising=False)
    with pytest.raises(BackendUnavailable, match="memtype_"):
        backends.load("native")


def test_an_error_of_the_users_is_not_taken_for_it() -> None:
    pytest.importorskip("memtype._native")
    ran = run_python(USE, MEMTYPE_BACKEND="auto", MEMTYPE_ISA="sse9")
    assert ran.returncode == 0 and ran.stdout.split()[1:] == ["WB", "WB"]
    assert ran.stderr.count("RuntimeWarning: memtype: MEMTYPE_ISA=sse9: not one of") == 1


def test_checked_raises_on_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("memtype._native")
    checked, python = backends.load("checked"), backends.load("python")
    monkeypatch.setattr(backends, "active", checked)
    state = MtrrState(0x806)
    assert state.types([1 << 20]).tolist() == [6]
    monkeypatch.setattr(python, "types", lambda s, addresses, out: out.fill(0))
    with pytest.raises(BackendMismatch, match="types"):
        state.types([1 << 20])


def test_every_backend_keeps_the_contract(backend: Any) -> None:
    assert set(contract.FUNCTIONS) == {name for name in dir(contract.Backend) if not name.startswith("_")}
    assert [name for name in contract.FUNCTIONS if not callable(getattr(backend, name, None))] == []
    assert backend.name in backends.NAMES and isinstance(backend.isa, str)


ADDRESSES_AT_ONCE = np.arange(0, 64 << 12, 1 << 12, dtype=np.uint64)
SHORT_WAYS = {
    "types_at_once": lambda s: s.types(ADDRESSES_AT_ONCE),
    "types_at_once, out": lambda s: s.types(ADDRESSES_AT_ONCE, out=np.empty(64, np.uint8)),
    "map_types_at_once": lambda s: s.map.types(ADDRESSES_AT_ONCE),
    "pages_at_once": lambda s: s.page_types(0, 64),
}


@pytest.mark.parametrize("way", SHORT_WAYS)
def test_checked_takes_the_short_ways_too_and_compares_them(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("memtype._native")
    checked, native = backends.load("checked"), backends.load("native")
    monkeypatch.setattr(backends, "active", checked)
    state, name = MtrrState(0x806), way.split(",")[0]
    assert SHORT_WAYS[way](state).tolist() == [6] * 64
    answered = getattr(native, name)

    def wrong(*args: Any) -> Any:
        found = answered(*args)
        assert found is not None, "the short way was not taken"
        found[63] = 5
        return found

    monkeypatch.setattr(native, name, wrong)
    with pytest.raises(BackendMismatch, match=name):
        SHORT_WAYS[way](state)


def test_a_backend_makes_a_handle_of_its_own_where_it_meets_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    """States and maps that one backend made are asked under each other one, the C core loaded twice among them."""
    from kernel_sets import backend_of

    native = pytest.importorskip("memtype.backends.native")
    modules = [*map(backends.load, backends.NAMES), backend_of(native.isa)]
    for maker, asked in itertools.permutations(modules, 2):
        monkeypatch.setattr(backends, "active", maker)
        state = MtrrState(0x806, variable=[(0x1000, 0x3FFFFFFFF800)])
        memory = state.map
        state.types(ADDRESSES_AT_ONCE)
        monkeypatch.setattr(backends, "active", asked)
        expected = [6, 0] + [6] * 62
        assert state.types(ADDRESSES_AT_ONCE).tolist() == state.page_types(0, 64).tolist() == expected
        assert memory.types(ADDRESSES_AT_ONCE).tolist() == expected
        assert state.map.segments == memory.segments and len(memory) == 3


def test_what_the_short_ways_cannot_take_goes_the_careful_way(backend: Any) -> None:
    """Odd arrays and numbers: the same answers and refusals as of plain ones."""
    state = MtrrState(0x806, variable=[(0x1000, 0x3FFFFFFFF800)])
    wide, out = np.repeat(ADDRESSES_AT_ONCE, 2)[::2], np.zeros((64, 2), np.uint8)
    expected = [6, 0] + [6] * 62
    for answerer in (state, state.map):
        for odd in (wide, wide.astype(">u8"), wide.astype(np.int64), wide.tolist()):
            assert answerer.types(odd).tolist() == expected
        assert answerer.types(np.array(0x1000, np.uint64)).shape == ()
        assert answerer.types(ADDRESSES_AT_ONCE, out=out[:, 0]).tolist() == expected
        frozen = np.zeros(64, np.uint8)
        frozen.flags.writeable = False
        for unfit in (frozen, np.zeros(63, np.uint8), np.zeros((8, 8), np.uint8), np.zeros(64, np.int8), [0] * 64):
            with pytest.raises(InputError, match="out"):
                answerer.types(ADDRESSES_AT_ONCE, out=unfit)
        shared = np.zeros(64, np.uint64)
        with pytest.raises(InputError, match="overlaps"):
            answerer.types(shared, out=shared.view(np.uint8)[:64])
    for first, count in ((1 << 70, 1), (0, 1 << 70), (-1, 2), (0, -1), (1 << 40, 1), (0, 1 << 41)):
        with pytest.raises(InputError):
            state.page_types(first, count)
    assert state.page_types(np.uint8(0), np.int64(64)).tolist() == expected


def outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except InputError as error:
        return type(error), str(error), getattr(error, "index", None)


def test_c_python_and_reference_agree_on_a_million_lookups(both: tuple[Any, Any]) -> None:
    native, python = both
    rng = random.Random(20230505)
    pairs = 0
    seen = set()
    for number in range(STATES):
        state = random_state(rng, most=16)
        addresses = np.array(interesting_addresses(state, rng, ADDRESSES), np.uint64)
        answers = [np.full(addresses.shape, 0xEE, np.uint8) for _ in both]
        native.types(state, addresses, answers[0])
        python.types(state, addresses, answers[1])
        assert np.array_equal(*answers), state
        pairs += addresses.size
        seen |= set(answers[0].tolist())
        for address in addresses[:: 101 if number % 8 else 7].tolist():
            assert native.at(state, address) == reference.at(state, address), (state, hex(address))
    assert pairs >= 1_000_000
    assert seen == {0, 1, 4, 5, 6, 10}  # every answer that MTRRs can give was met


def test_maps_agree_and_so_do_their_refusals(both: tuple[Any, Any]) -> None:
    rng = random.Random(7)
    refused = 0
    for number in range(400):
        state = random_state(rng)
        if number % 40 == 0:  # 2^14, 2^15 … blocks: from 15 holes on the segments are too many, from 21 the blocks
            field = rules.page_bits(state.maxphyaddr)
            hole_bits = sum(1 << bit for bit in rng.sample(range(13, 32), 14 + number // 80))
            state = MtrrState(0x800, variable=[(6, field & ~hole_bits | 0x800)], maxphyaddr=state.maxphyaddr)
        first, second = (outcome(module.resolve, state) for module in both)
        if isinstance(first[0], type):
            refused += 1
            assert first == second, state
        else:
            assert [list(part) for part in first] == [list(part) for part in second], state
    assert 5 < refused < 10  # holey masks that shatter the map were among them


def test_addresses_beyond_the_width_are_refused_alike(both: tuple[Any, Any]) -> None:
    state = MtrrState(0x806, maxphyaddr=36)
    for bad in ([1 << 36], [0, 5, 1 << 36, 1 << 63], [(1 << 64) - 1]):
        answers = []
        for module in both:
            out = np.full(len(bad), 0xEE, np.uint8)
            answers.append(outcome(module.types, state, np.array(bad, np.uint64), out))
            assert (out == 0xEE).all()
        assert answers[0] == answers[1]
        assert answers[0][2] == next(i for i, a in enumerate(bad) if a >> 36)
    for first, count in ((1 << 24, 1), ((1 << 24) - 1, 2), (-1, 3)):
        assert len({outcome(m.page_types, state, first, np.zeros(count, np.uint8)) for m in both}) == 1


def test_refusals_of_registers_agree(both: tuple[Any, Any]) -> None:
    rng = random.Random(11)
    indexes = [0xFE, 0x1FF, *range(0x200, 0x272), 0x277, 0x2F8, 0x2FF, 0x300]
    for _ in range(60_000):
        value = rng.choice(
            [rng.getrandbits(64), 1 << rng.randrange(64), 0x0606060606060606 ^ 1 << rng.randrange(64), 6]
        )
        args = rng.choice(indexes), value, rng.choice([32, 36, 46, 52]), rng.choice(["intel", "amd"])
        assert both[0].msr_fault(*args) == both[1].msr_fault(*args), args
