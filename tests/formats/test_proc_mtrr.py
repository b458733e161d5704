"""/proc/mtrr listings: what they say, and what they do not."""

import pytest

import memtype as mt


def test_old_and_new_forms_read_alike():
    new = mt.parse("reg01: base=0x0feda0000 ( 4077MB), size=  128KB, count=1: write-through\n")
    old = mt.parse("reg01: base=0xfeda0000 (4077MB), size= 128KB: write-through, count=1\n")
    assert new.mtrrs == old.mtrrs
    assert new.mtrrs.variable[0] == (0, 0)
    assert new.mtrrs.at(0xFEDBFFFF) == mt.MemoryType.WT != new.mtrrs.at(0xFEDC0000)


@pytest.mark.parametrize(("kind", "default"), [("write-back", "UC"), ("uncachable", "WB")])
def test_default_type_is_inferred_and_said(kind, default):
    machine = mt.parse(f"reg00: base=0x000000000 (    0MB), size= 1024MB, count=1: {kind}")
    assert str(machine.mtrrs.at(1 << 40)) == default
    assert "default" in machine.inferred and any("default type" in note for note in machine.notes)


@pytest.mark.parametrize("line", ["size=    3MB", "size=    0MB", f"size={1 << 70}MB"])
def test_what_no_register_holds_is_refused_by_line(line):
    text = f"\nreg00: base=0x000000000 (    0MB), {line}, count=1: write-back"
    with pytest.raises(mt.ParseError, match=r"^dump:2: "):
        mt.parse(text, "dump")


def test_eight_ranges_in_use_may_be_the_first_of_ten():
    rows = [f"reg0{n}: base=0x{n << 28:09x} ({n << 8:5d}MB), size=  256MB, count=1: write-back" for n in range(8)]
    machine = mt.parse("\n".join(rows) + "\n")
    assert machine.at(1 << 32).assumed and machine.at(1 << 32, strict=True).type is mt.MemoryType.NOT_TOLD


def test_a_row_that_ran_into_the_end_of_another_tells_neither():
    """reg07 stands above as well, otherwise: the cut line may have told it last."""
    row = "reg0{}: base=0x{:09x} ({:5}MB), size= 1024MB, count=1: write-back"
    rows = "".join(row.format(n, n << 30, n << 10) + "\n" for n in (0, 7))
    torn = row.format(6, 6 << 30, 6 << 10) + row.format(7, 8 << 30, 8 << 10)[:-20]
    told = mt.parse(rows + torn).registers
    assert told.ranges.keys() == {0}
    assert {0x20C, 0x20D, 0x20E, 0x20F} <= told.lost
    with pytest.raises(mt.ParseError, match="no whole /proc/mtrr line"):
        mt.parse(torn)
