"""Arrow columns of every layout get the types that numpy gets, and an error names the element's true place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype import arrow

pa = pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")

STATE = mt.MtrrState(
    0xC06, [0x0606060606060606] * 2 + [0x0001040506000104] * 9,
    [(0x80000000, 0x3FFF80000800), (0x100000001, 0x3FFFF0000800)], maxphyaddr=46,
)  # fmt: skip
LIMIT = 1 << 46
INSIDE = st.one_of(st.integers(0, 0x100000), st.integers(0x7FFFF000, 0x80001000), st.integers(0, LIMIT - 1))
ELEMENT = st.one_of(INSIDE, INSIDE, INSIDE, st.none(), st.integers(LIMIT, (1 << 63) - 1))
LAYOUTS = ("plain", "int64", "sliced", "dictionary", "runs", "chunks", "runs of a dictionary")


def laid_out(values: list[int | None], layout: str, cut: int) -> Any:
    """The values as an Arrow array of that layout; `cut` is where slices and chunks are cut."""
    kind = pa.int64() if layout == "int64" else pa.uint64()
    array = pa.array(values, kind)
    if layout == "sliced":
        return pa.array([LIMIT + 1, *values, LIMIT, None], kind).slice(1, len(values))
    if layout == "dictionary":
        padded = pa.array([1 << 60, *values, None], kind).dictionary_encode()  # the dictionary holds more than is used
        return padded.slice(1, len(values))
    if layout == "runs":
        return pa.compute.run_end_encode(pa.array([LIMIT, *values], kind)).slice(1)
    if layout == "chunks":
        place = min(cut, len(values))
        pieces = [array.slice(0, place), pa.array([], kind), array.slice(place)]
        return pa.chunked_array(pieces)
    if layout == "runs of a dictionary":
        ends = pa.array(range(1, len(values) + 1), pa.int32())
        return pa.RunEndEncodedArray.from_arrays(ends, array.dictionary_encode())
    return array


def expected(values: list[int | None]) -> list[int | None]:
    return [None if a is None or a >= LIMIT else int(STATE.at(a)) for a in values]


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=60, deadline=None)
@given(values=st.lists(ELEMENT, max_size=40), cut=st.integers(0, 40))
def test_every_layout_has_the_types_of_its_elements(layout: str, values: list[int | None], cut: int) -> None:
    column = laid_out(values, layout, cut)
    found = arrow.types(column, STATE, beyond="null")
    assert found.type == pa.uint8()
    assert found.to_pylist() == expected(values)
    assert isinstance(found, pa.ChunkedArray) == isinstance(column, pa.ChunkedArray)
    bad = next((place for place, a in enumerate(values) if a is not None and a >= LIMIT), None)
    if bad is None:
        assert arrow.types(column, STATE).equals(found)
        return
    with pytest.raises(mt.AddressError) as refused:
        arrow.types(column, STATE)
    assert refused.value.index == bad
    assert str(refused.value) == f"address {values[bad]:#x} at index {bad} is not below 2**46 (MAXPHYADDR = 46)"


@pytest.mark.parametrize("source", [STATE, STATE.map, STATE.view("linux-6.5"), mt.Machine(cpus=(mt.Cpu(0, STATE),))])
def test_whoever_answers_for_addresses_may_be_asked(source: Any) -> None:
    values = np.random.default_rng(5).integers(0, 1 << 33, 5000, np.uint64)
    wanted = source.types(values)
    assert (arrow.types(pa.array(values), source).to_numpy() == wanted).all()


def test_what_a_dump_leaves_open_is_not_told() -> None:
    machine = mt.parse("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n").strict()
    found = arrow.types(pa.array([0x80000000, 0, None]), machine)
    assert found.to_pylist() == [0, mt.MemoryType.NOT_TOLD, None]


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "uint8", "uint16", "uint32"])
def test_narrow_integers(kind: str) -> None:
    column = pa.array([0, 127, None], kind)
    assert arrow.types(column, STATE).to_pylist() == [6, 6, None]


def test_a_negative_number_is_refused_by_its_place_in_all_chunks() -> None:
    column = pa.chunked_array([[1, None], [], [2, -3]], pa.int64())
    with pytest.raises(mt.AddressError, match=r"^address -3 at index 3 is negative$"):
        arrow.types(column, STATE)
    assert arrow.types(column, STATE, "null").to_pylist() == [6, None, 6, None]


def test_addresses_are_not_copied_on_their_way_in() -> None:
    values = np.arange(1000, dtype=np.uint64)
    assert np.shares_memory(arrow.numbers(pa.array(values)), values)
    assert np.shares_memory(arrow.numbers(pa.array(values.view(np.int64)).slice(3, 10)), values)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([1.0]), "type double is not an integer type"),
        (pa.array(["0x10"]), "type string is not an integer type"),
        (pa.array([1, 2], pa.decimal128(20, 0)), "type decimal128.20, 0. is not an integer type"),
        (pa.array([1, None], pa.decimal128(20, 0)), "type decimal128.20, 0. is not an integer type"),
        (pa.array([True]), "type bool is not an integer type"),
        (pa.array([1], pa.timestamp("ns")), "is not an integer type"),
        (pa.array([1.5, 1.5]).dictionary_encode(), "type double is not an integer type"),
        (pa.table({"a": [1]}), "a table: give one of its columns"),
        (pa.record_batch({"a": [1]}), "a table: give one of its columns"),
        (np.arange(3), "no Arrow column; numpy: state.types"),
        ([1, 2], "no Arrow column"),
        ("x", "no Arrow column"),
    ],
)  # fmt: skip
def test_other_columns_are_refused(column: Any, words: str) -> None:
    with pytest.raises(mt.InputError, match=words) as refused:
        arrow.types(column, STATE)
    assert "\n" not in str(refused.value)


def test_other_arguments_are_refused() -> None:
    with pytest.raises(mt.InputError, match="beyond = 'drop' is neither"):
        arrow.types(pa.array([1]), STATE, beyond="drop")
    with pytest.raises(mt.InputError, match="state = 3 answers for no address"):
        arrow.types(pa.array([1]), 3)


def test_nulls_alone_and_nothing() -> None:
    assert arrow.types(pa.nulls(2), STATE).to_pylist() == [None, None]
    assert arrow.types(pa.array([], pa.uint64()), STATE).to_pylist() == []
    empty = arrow.types(pa.chunked_array([], pa.uint64()), STATE)
    assert isinstance(empty, pa.ChunkedArray) and empty.type == pa.uint8()


def test_polars_columns() -> None:
    polars = pytest.importorskip("polars")
    column = polars.Series("gpa", [0x80000000, None, 0, 0x100000000])
    found = arrow.types(column, STATE)
    assert found.to_pylist() == [0, None, 6, 1]
    assert polars.Series(found).to_list() == found.to_pylist()
    with pytest.raises(mt.ArrayError, match="is not an integer type"):
        arrow.types(polars.DataFrame({"a": [1]}), STATE)


def test_pandas_columns() -> None:
    pandas = pytest.importorskip("pandas")
    assert arrow.types(pandas.Series([0x80000000, 0], dtype="uint64"), STATE).to_pylist() == [0, 6]
    for dtype in ("UInt64", "Int64", "uint64[pyarrow]"):
        column = pandas.Series([0x80000000, None, 0], dtype=dtype, index=[5, 6, 7])
        assert arrow.types(column, STATE).to_pylist() == [0, None, 6]


def test_names_are_a_dictionary() -> None:
    codes = pa.array([int(kind) for kind in mt.MemoryType] + [None], pa.uint8())
    found = arrow.names(codes.slice(1))
    assert found.type == pa.dictionary(pa.int8(), pa.string())
    assert found.to_pylist() == [str(kind) for kind in mt.MemoryType][1:] + [None]
    chunks = arrow.names(pa.chunked_array([[6], [], [None, 0]], pa.uint8()))
    assert chunks.to_pylist() == ["WB", None, "UC"] and chunks.type == found.type
    with pytest.raises(mt.InputError, match=r"types\[1\] = 3 is no memory type"):
        arrow.names(pa.array([6, 3], pa.uint8()))
    with pytest.raises(mt.ArrayError, match="no uint8 array"):
        arrow.names(pa.array([6]))
