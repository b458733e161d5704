"""memcontrol's list: fixed ranges one by one, the default type inferred."""

from dump_samples import BSD

import memtype as mt


def test_bsd_memcontrol():
    machine = mt.parse(BSD)
    assert machine.format == "freebsd-memcontrol"
    kinds = [str(machine.mtrrs.at(a)) for a in (0, 0x9FFFF, 0xA0000, 0xFFFFF, 0x100000, 0xD0000000, 0xE0000000)]
    assert kinds == ["WB", "WB", "UC", "UC", "WB", "WC", "UC"]
    assert machine.mtrrs.def_type == 0xC00 and {"default", "maxphyaddr"} <= set(machine.inferred)


def test_bsd_part_of_the_fixed_ranges_leaves_the_rest_open():
    machine = mt.parse(BSD.split("\n", 1)[1])
    assert [str(machine.at(a).type) for a in (0, 0x10000, 0xA0000, 0x100000)] == ["?", "WB", "UC", "WB"]
    assert machine.mtrrs.at(0) == mt.MemoryType.UNDEFINED
