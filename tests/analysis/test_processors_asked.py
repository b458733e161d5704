"""A processor is asked by its number: one that tells nothing answers nothing, one that is not there is refused."""

from __future__ import annotations

import pytest

import memtype as mt

STATE = mt.MtrrState(0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
MACHINE = mt.Machine((mt.Cpu(0, STATE), mt.Cpu(3)), source="two.txt")


def test_one_that_tells_nothing_is_not_told_the_others_type():
    assert MACHINE.at(0x80000000).type == MACHINE.at(0x80000000, cpu=0).type == mt.MemoryType.UC
    assert MACHINE.at(0x80000000, cpu=3).type is mt.MemoryType.NOT_TOLD
    assert MACHINE.types([0x80000000], cpu=3).tolist() == [12]


def test_one_that_is_not_there_is_refused():
    for ask in (MACHINE.at, lambda address, cpu: MACHINE.types([address], cpu)):
        with pytest.raises(mt.InputError, match=r"processor 99 is not in two\.txt"):
            ask(0, cpu=99)
