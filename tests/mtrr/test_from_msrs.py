"""Registers from mappings, from this package's own JSON, and from readers that lack some."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from strategies import random_state

import memtype as mt
from memtype import rules


def test_our_own_json_keys_and_values_are_taken() -> None:
    rng = random.Random(2)
    for _ in range(30):
        state = random_state(rng, most=8)
        msrs = state.msrs()
        text = {f"0x{index:x}": f"0x{value:016x}" for index, value in msrs.items()}
        for given in (
            msrs,
            text,
            {str(index): value for index, value in msrs.items()},
            {**text, "note": "of no matter"},
        ):
            assert mt.MtrrState.from_msrs(given, state.maxphyaddr, state.vendor).map == mt.MtrrState.from_msrs(
                msrs, state.maxphyaddr, state.vendor).map  # fmt: skip
    shown = json.loads(str(mt.emit(mt.MtrrState(0x806, maxphyaddr=40), "json")))
    assert mt.MtrrState.from_msrs(shown["cpus"][0]["mtrrs"]["msrs"], 40).def_type == 0x806


def reader(held: dict[int, int]) -> Any:
    return lambda index: held[index]


def test_a_reader_may_lack_registers() -> None:
    pairs = {0x200: 0x80000000, 0x201: 0xF80000800, 0x202: 0xC0000006, 0x203: 0xFC0000800}
    bare = {rules.DEF_TYPE_MSR: 0x806, **pairs}
    state = mt.MtrrState.from_msrs(reader(bare), 36)
    assert state.variable == ((0x80000000, 0xF80000800), (0xC0000006, 0xFC0000800))
    assert state.cap is None
    told = mt.MtrrState.from_msrs(reader({**bare, rules.MTRRCAP: 0x501}), 36, "amd")
    assert (told.variable, told.cap, told.tom2) == (((0x80000000, 0xF80000800),), 0x501, 0)
    with pytest.raises(mt.RegisterError, match="FIX64K_00000"):
        mt.MtrrState.from_msrs(reader({**bare, rules.DEF_TYPE_MSR: 0xC06}), 36)
    with pytest.raises(mt.RegisterError, match="DEF_TYPE"):
        mt.MtrrState.from_msrs(reader(pairs), 36)
    with pytest.raises(mt.RegisterError, match="PHYSMASK1"):
        mt.MtrrState.from_msrs(reader({k: v for k, v in bare.items() if k != 0x203}), 36)


@pytest.mark.parametrize("value", ["0x", "garbage", "-1", "0x1ffffffffffffffff", None, 1.5])
def test_values_that_are_no_register_are_refused(value: Any) -> None:
    with pytest.raises(mt.RegisterError, match="IA32_MTRR_DEF_TYPE"):
        mt.MtrrState.from_msrs({"0x2ff": value})
