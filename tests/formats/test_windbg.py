"""WinDbg's !mtrr: the default type, the fixed ranges, masks without V."""

from dump_samples import windbg

import memtype as mt


def test_windbg():
    machine = mt.parse(windbg())
    state = machine.mtrrs
    assert machine.format == "windbg" and (state.def_type, state.maxphyaddr, len(state.variable)) == (0xC00, 42, 4)
    kinds = [str(state.at(a)) for a in (0x9FFFF, 0xA0000, 0x100000, 0xC0000000, 1 << 32, (1 << 37) - 1, 1 << 37)]
    assert kinds == ["WB", "WP", "WB", "UC", "WB", "WB", "UC"]
    assert mt.parse(windbg("disabled")).mtrrs.def_type == 0x800
