"""A register that stands alone in a list is known by its name, without a 0x anywhere."""

from __future__ import annotations

import pytest

import memtype as mt
from memtype.formats import family

NAMES = {
    "SYSCFG": 0xC001_0010, "TOP_MEM2": 0xC001_001D, "TOPMEM2": 0xC001_001D, "IA32_TME_ACTIVATE": 0x982,
    "IA32_PAT": 0x277, "IA32_MTRR_DEF_TYPE": 0x2FF, "2ff": 0x2FF, "c0010010": 0xC001_0010, "982": 0x982,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("between", [" = ", ": "])
def test_a_list_of_one_register_is_a_list(name: str, between: str) -> None:
    text = f"{name}{between}0000000000740006\n"
    assert family("msr_list").sniff(text), text
    assert not family("msr_list").sniff(text.replace(name, "IA32_NONE").replace(name.lower(), "none"))


@pytest.mark.parametrize(("unit", "size"), [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)])
def test_the_units_that_mtrr_cleanup_prints(unit: str, size: int) -> None:
    text = f"original variable MTRRs\nreg 0, base: 4GB, range: 512{unit}B, type WB\ntotal RAM covered: 512M\n"
    found = mt.parse(text).facts["cleanup_original"]
    assert isinstance(found, list) and (found[0]["base"], found[0]["size"]) == (4 << 30, 512 * size)
