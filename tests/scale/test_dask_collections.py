"""Dask's arrays and dataframes: the answer of the whole, however it is cut; names of results that are the same in every
process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import AMD, STATE, addresses

import memtype as mt
from memtype import scale

da = pytest.importorskip("dask.array", reason="pip install memtype[dask]")
dd = pytest.importorskip("dask.dataframe", reason="pip install memtype[dask]")
pd = pytest.importorskip("pandas", reason="pip install memtype[dask]")
dask = pytest.importorskip("dask")

MACHINE = mt.Machine(cpus=(mt.Cpu(0, STATE, mt.Pat("linux")),))
ASKED = {
    "state": STATE, "other": AMD, "map": STATE.map, "view": STATE.view("linux-6.5"), "pat": mt.Pat("linux"),
    "other pat": mt.Pat("xen"), "machine": MACHINE, "registers": MACHINE.registers, "fleet": mt.StateArray.of([STATE]),
    "holey": mt.MtrrState(0x806, variable=[(0, 0x2AAAAA000800)], maxphyaddr=46).map,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    with dask.config.set({"scheduler": "synchronous"}):
        yield


def pieces(values: Any, cuts: list[int], index: Any = None) -> Any:
    """A column cut at these places, empty partitions and all."""
    series = pd.Series(values, index=index, dtype="UInt64", name="gpa")
    bounds = sorted(min(cut, len(series)) for cut in cuts)
    parts = [series.iloc[a:b] for a, b in zip([0, *bounds], [*bounds, len(series)], strict=True)]
    return dd.from_map(lambda place: parts[place], range(len(parts)), meta=series.iloc[:0])


@settings(max_examples=10, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(0, 1 << 34)), max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    labels=st.sampled_from(["counted", "falling", "equal"]),
)  # fmt: skip
def test_a_column_does_not_show_how_it_was_cut(values: list[int | None], cuts: list[int], labels: str) -> None:
    index = {"counted": None, "falling": range(len(values), 0, -1), "equal": [7] * len(values)}[labels]
    column = pieces(values, cuts, index)
    found = scale.types(column, STATE).compute()
    assert found.dtype == "uint8[pyarrow]" and found.name == "type"
    wanted = [None if a is None else int(STATE.at(a)) for a in values]
    assert [None if code is pd.NA else code for code in found.tolist()] == wanted
    assert found.index.tolist() == column.compute().index.tolist()
    counts = scale.histogram(column, STATE).compute()
    assert counts.dtype == np.uint64 and counts.tolist() == [wanted.count(code) for code in range(16)]


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_an_array_does_not_show_how_it_was_cut(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(0,), (1,), (57,), (6, 11), (2, 3, 5)]))
    chunks = tuple(data.draw(st.integers(1, max(1, n))) for n in shape)
    values = addresses(int(np.prod(shape))).reshape(shape)
    column = da.from_array(values, chunks=chunks)
    found = scale.types(column, STATE)
    assert found.dtype == np.uint8
    assert (found.compute() == STATE.types(values)).all()
    assert scale.histogram(column, STATE).compute().tolist() == STATE.histogram(values).tolist()
    if not values.size:
        return
    place = data.draw(st.integers(0, values.size - 1))
    values.reshape(-1)[place] = 1 << 46
    with pytest.raises(mt.AddressError, match=f" at index {place} is not below"):
        scale.types(da.from_array(values, chunks=chunks), STATE).compute()


def test_a_bad_address_of_a_column_is_named_by_its_label() -> None:
    column = pieces([0, 1 << 50, 2], [1], index=["x", "y", "z"])
    with pytest.raises(mt.AddressError, match="address 0x4000000000000 at label 'y' is not below"):
        scale.types(column, STATE).compute()
    assert scale.types(column, STATE, beyond="null").compute().isna().tolist() == [False, True, False]


def test_what_is_no_collection_is_refused() -> None:
    with pytest.raises(mt.InputError, match="no Dask array and no column"):
        scale.types([1, 2], STATE)
    with pytest.raises(mt.InputError, match="an array holds no nulls"):
        scale.types(da.zeros(3, dtype="u8"), STATE, beyond="null")


TOLD = """
import sys, dask
from dask.base import tokenize
sys.path.insert(0, sys.argv[1])
dask.config.set({"tokenize.ensure-deterministic": True})
from test_dask_collections import ASKED
for name, asked in ASKED.items():
    print(name, tokenize(asked), sep="=")
"""


def test_names_of_results_are_the_same_in_every_process(request: pytest.FixtureRequest) -> None:
    from dask.base import tokenize

    with dask.config.set({"tokenize.ensure-deterministic": True}):
        mine = {name: tokenize(asked) for name, asked in ASKED.items()}
    ran = subprocess.run(
        [sys.executable, "-c", TOLD, str(request.path.parent)], text=True, capture_output=True, check=True
    )
    assert dict(line.split("=") for line in ran.stdout.splitlines()) == mine
    assert len(set(mine.values())) == len(mine)


def test_what_was_asked_before_makes_no_other_name() -> None:
    from dask.base import tokenize

    fresh = mt.MtrrState(STATE.def_type, STATE.fixed, STATE.variable, STATE.maxphyaddr)
    before = tokenize(fresh), tokenize(fresh.map)
    fresh.types(addresses(1000))
    fresh.at(5)
    assert (tokenize(fresh), tokenize(fresh.map)) == before == (tokenize(STATE), tokenize(STATE.map))
    column = da.from_array(addresses(100), chunks=10)
    assert scale.types(column, fresh).name == scale.types(column, STATE).name != scale.types(column, AMD).name
