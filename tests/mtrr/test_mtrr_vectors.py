"""Every vector of hardware.json about MTRRs: our own, and those beside the project where they are."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import load_vectors, rows, state_of

from memtype import MemoryType, msr_valid, range_registers, rules

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize("row", rows("hardware", "mtrr_lookup"))
def test_lookups(row: dict[str, Any]) -> None:
    state = state_of(row)
    for address, expected in row["queries"]:
        assert state.at(int(address, 16)) == MemoryType.parse(expected), (row["id"], address)
        assert state.types([int(address, 16)]).tolist() == [MemoryType.parse(expected)]


@pytest.mark.parametrize("row", rows("hardware", "encode"))
def test_encodings(row: dict[str, Any]) -> None:
    made = range_registers(int(row["base"], 16), int(row["size"], 16), row["type"], row["phys_bits"])
    assert made == (int(row["physbase"], 16), int(row["physmask"], 16))


@pytest.mark.parametrize("row", rows("hardware", "msr_write"))
def test_register_writes(row: dict[str, Any]) -> None:
    width = row.get("phys_bits", rules.DEFAULT_MAXPHYADDR)
    assert msr_valid(int(row["msr"], 16), int(row["value"], 16), maxphyaddr=width) == (row["result"] == "ok")


def test_the_fixed_layout() -> None:
    layout = load_vectors("hardware")["fixed_layout"]
    ours = [
        (i, f"0x{rules.FIXED_MSRS[s.register]:x}", s.byte, hex(s.base), hex(s.base + s.size))
        for i, s in enumerate(rules.FIXED_RANGES)
    ]
    listed = [tuple(row[key] for key in ("index", "msr", "byte", "start", "end")) for row in layout]
    assert set(ours) == set(listed) and ours == listed[: len(ours)]
