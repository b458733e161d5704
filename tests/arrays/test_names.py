"""Types as text and back: names of arrays, formats, and the constructor from any spelling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import memtype as mt
from memtype.types import MemoryType as T


def test_names_of_every_code_in_any_shape() -> None:
    codes = np.array([[int(kind) for kind in T]], np.uint8)
    assert mt.names(codes).tolist() == [[str(kind) for kind in T]]
    assert mt.names(codes).shape == codes.shape
    assert mt.names(T.WB) == mt.names(6) == "WB"
    assert mt.names([]).shape == (0,)
    state = mt.MtrrState(0x806, variable=[mt.range_registers(1 << 31, 1 << 31, "UC", 36)], maxphyaddr=36)
    assert mt.names(state.types([0, 1 << 31])).tolist() == ["WB", "UC"]


@pytest.mark.parametrize(
    ("given", "part"), [([6, 2], r"codes\[1\] = 2"), (3, "= 3"), ([300], "= 300"), ([6.5], "integer"), (-1, "negative")]
)
def test_what_is_no_type_has_no_name(given: Any, part: str) -> None:
    with pytest.raises(mt.InputError, match=part):
        mt.names(given)


def test_the_constructor_takes_what_parse_takes() -> None:
    for kind in T:
        assert T(str(kind)) is T(int(kind)) is kind
    assert T("write-back") is T(" Back ") is T.WB
    assert T("UC_MINUS") is T.UC_MINUS
    for wrong in ("", "XX", "2", 2, 13, None, 6.5):
        with pytest.raises(ValueError):
            T(wrong)


def test_formats_pad_the_name_or_write_the_number() -> None:
    assert f"{T.WB:>4}|{T.UC_MINUS:<4}|{T.WC:^4}|{T.UC}" == "  WB|UC- | WC |UC"
    assert f"{T.WB:d} {T.NOT_TOLD:x} {T.WB:#04x} {T.WB:08b}" == "6 c 0x06 00000110"
    assert f"{T.MIXED:>6}" == " mixed"
