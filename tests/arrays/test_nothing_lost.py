"""What numpy would lose on the way in is refused: masks, nulls, the size of numbers in bytes."""

from __future__ import annotations

import array
import mmap
from typing import Any

import numpy as np
import pytest

import memtype as mt

STATE = mt.MtrrState(0x806)
MASKED = np.ma.array([0, 1, 2], mask=[False, True, True])
ARRAY_FUNCTIONS = {
    "types": STATE.types,
    "histogram": STATE.histogram,
    "map.types": STATE.map.types,
    "view.types": STATE.view("xen").types,
    "types_of_states": lambda given: mt.types_of_states([STATE], given),
    "types_by": lambda given: mt.types_by([STATE], [0, 0, 0], given),
    "effective_types": lambda given: mt.effective_types(STATE, None, given),
    "types_of": mt.Pat().types_of,
    "pat_valid": mt.pat_valid,
    "ept_types": mt.ept_types,
    "names": mt.names,
}


@pytest.mark.parametrize("name", ARRAY_FUNCTIONS)
def test_masked_elements_are_refused(name: str) -> None:
    with pytest.raises(mt.ArrayError, match=r"\[1\] is masked"):
        ARRAY_FUNCTIONS[name](MASKED)


def test_a_mask_that_hides_nothing_is_none() -> None:
    assert STATE.types(np.ma.array([0, 1], mask=[False, False])).tolist() == [6, 6]


@pytest.mark.parametrize("name", ARRAY_FUNCTIONS)
@pytest.mark.parametrize("make", [bytearray, bytes, memoryview], ids=lambda make: make.__name__)
def test_bytes_are_no_numbers(name: str, make: Any) -> None:
    given = make(bytes(24))
    with pytest.raises(mt.ArrayError, match="holds bytes, not numbers"):
        ARRAY_FUNCTIONS[name](given)


def test_mapped_files_are_no_numbers() -> None:
    with mmap.mmap(-1, 4096) as mapped, pytest.raises(mt.ArrayError, match="mmap holds bytes"):
        STATE.types(mapped)


def test_buffers_of_numbers_are_taken() -> None:
    assert STATE.types(array.array("Q", [0, 1])).tolist() == [6, 6]
    assert STATE.types(memoryview(array.array("Q", [0, 1]))).tolist() == [6, 6]


def columns() -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        import pyarrow as pa

        found |= {"pyarrow": pa.array([7, None, 9]), "pyarrow chunks": pa.chunked_array([[7], [None]])}
    except ImportError:
        pass
    try:
        import polars

        found["polars"] = polars.Series([7, None, 9])
    except ImportError:
        pass
    try:
        import pandas

        found["pandas"] = pandas.Series([7, None, 9], dtype="UInt64")
    except ImportError:
        pass
    return found


@pytest.mark.parametrize("column", columns().values(), ids=columns().keys())
def test_the_null_is_named_by_its_place(column: Any) -> None:
    with pytest.raises(mt.ArrayError, match=r"^addresses\[1\] is null: memtype.arrow.types keeps nulls"):
        STATE.types(column)
