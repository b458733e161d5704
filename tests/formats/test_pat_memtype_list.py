"""Linux' list of reserved types, of both ages."""

from __future__ import annotations

import memtype as mt


def test_pat_memtype_list_of_both_ages_keeps_its_exclusive_ends():
    text = """PAT memtype list:
PAT: [mem 0x0000001840000000-0x0000001c40000000] write-back
uncached-minus @ 0x80000000-0x90000000
uncached-minus @ 0x80000000-0x90000000
"""
    machine = mt.parse(text)
    assert machine.facts["pat_memtype_list"] == [
        [0x1840000000, 0x1C40000000, "write-back"], [0x80000000, 0x90000000, "uncached-minus"],
        [0x80000000, 0x90000000, "uncached-minus"],
    ]  # fmt: skip
    assert machine.mtrrs is None
