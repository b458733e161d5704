"""Fixtures every test derives from: one backend at a time, and where the real machines lie."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from memtype import MtrrState, backends, rules

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# CI asks the same examples each time, so that what is red is red for the change; by hand they are new ones each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


# Examples of modules that an extra belongs to, where it is absent.
_EXAMPLES_OF = {"memtype.arrow": "pyarrow", "memtype.scale.bulk": "pyarrow"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "through" in fixtures:
            item.add_marker("names_a_set")
        if "both" in fixtures:
            item.add_marker("names_backends")
        module = item.name.rpartition(".")[0] if isinstance(item, pytest.DoctestItem) else ""
        needs = _EXAMPLES_OF.get(module)
        if needs and importlib.util.find_spec(needs) is None:
            item.add_marker(pytest.mark.skip(reason=f"{needs} is not installed"))


def _selected() -> list[str]:
    """The backends to run under: all that load here, or the one that MEMTYPE_BACKEND names."""
    wanted = os.environ.get("MEMTYPE_BACKEND", "auto")
    if wanted != "auto":
        return [wanted]
    return list(backends.NAMES) if backends.active.name == "native" else ["python"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("every_page") and backends.active.name != "native":
        pytest.skip("asks 10^7 pages and more one by one: only the C core is fast enough")


@pytest.fixture(params=_selected())
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """One implementation, active for the test; `test_backends.py` proves that the named one answers."""
    module = backends.load(request.param)
    monkeypatch.setattr(backends, "active", module)
    yield module


@pytest.fixture
def both() -> tuple[Any, Any]:
    """The native and the Python backend, for lockstep."""
    try:
        return backends.load("native"), backends.load("python")
    except backends.BackendUnavailable as error:
        pytest.skip(f"no lockstep without the C core: {error}")


@pytest.fixture
def through(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The native backend with one set of array kernels: ``parametrize("through", KERNELS, indirect=True)``."""
    from kernel_sets import backend_of

    module = backend_of(request.param)
    monkeypatch.setattr(backends, "active", module)
    return module


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real machines with answers printed by other programs; they live beside the project, never in it."""
    path = SHARED / "corpus"
    if not path.is_dir():
        pytest.skip(f"no corpus at {path}")
    return path


def load_vectors(name: str) -> dict[str, Any]:
    """Our own vectors, and behind them, where they are, those beside the project: lists grow, tables are united."""
    found: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / f"{name}.json").read_text())
    beside = SHARED / "spec" / "vectors" / f"{name}.json"
    if beside.is_file():
        for key, more in json.loads(beside.read_text()).items():
            mine = found.get(key, type(more)())
            found[key] = {**mine, **more} if isinstance(more, dict) else mine + more
    return found


def rows(name: str, key: str) -> list[Any]:
    """Parameters from one list of vectors."""
    found = load_vectors(name)[key]
    return [pytest.param(row, id=str(row.get("id", row.get("name", number)))) for number, row in enumerate(found)]


def state_of(row: dict[str, Any]) -> MtrrState:
    """A vector's register file. `tom2_force_wb` stands for AMD's SYSCFG bits 21 and 22."""
    tom2 = row.get("tom2_force_wb")
    fixed = row.get("fixed") or {}
    return MtrrState(
        int(row["def_type_msr"], 16),
        [int(fixed.get(f"0x{index:x}", "0"), 16) for index in rules.FIXED_MSRS],
        [(int(base, 16), int(mask, 16)) for base, mask in row["variable"]],
        maxphyaddr=row["phys_bits"],
        vendor="amd" if tom2 else "intel",
        syscfg=rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB if tom2 else 0,
        tom2=int(tom2, 16) if tom2 else 0,
    )
