"""Xen's console and its save records: registers, TOM2, processors that differed."""

from dump_samples import XEN, xen_record

import memtype as mt


def test_xen_console(corpus):
    machine = mt.load(corpus / "xen" / "xen-4x-nested-kvm-inconsistent.txt")
    assert machine.format == "xen" and machine.vendor == "amd"
    state = machine.mtrrs
    assert (state.def_type, state.maxphyaddr, len(state.variable)) == (0xC06, 40, 8)
    assert [str(state.at(a)) for a in (0x9FFFF, 0xA0000, 0xC0000, 0x7FFFFFFF, 0x80000000, 1 << 32)] == [
        "WB", "UC", "WP", "WB", "UC", "WB"]  # fmt: skip


def test_xen_lines_behind_time_stamps():
    plain = mt.parse(XEN)
    stamped = "\n".join(f"(XEN) [2026-01-01 10:00:00]{line[5:]}" for line in XEN.splitlines())
    assert mt.parse(stamped).mtrrs == plain.mtrrs
    assert plain.mtrrs.tom2 == 0x180000000 and str(plain.mtrrs.at(1 << 32)) == "WB"


def test_xen_save_record_of_eight_equal_pairs_warns():
    pair = (0x80000000, 0xFF80000800)
    warned = mt.parse(xen_record([pair] * 8))
    assert any("all 8 pairs are identical" in note for note in warned.notes)
    quiet = mt.parse(xen_record([pair] + [(0, 0)] * 7))
    assert not any("identical" in note for note in quiet.notes)
    assert quiet.mtrrs.cap == 0x508 and quiet.pat.value == 0x7040600070406


FIRST, SECOND = xen_record([(0, 0xFF80000800)] + [(0, 0)] * 7), xen_record([(0, 0)] * 8)


def test_xen_records_of_several_processors():
    """The line above a record says whose it is."""
    dump = "Entry 0: type 1 instance 0, length 24\n    Header: magic 0x54381286, version 1\n"
    dump += "".join(
        f"Entry {8 + n}: type 14 instance {n}, length 240\n{record}" for n, record in enumerate((FIRST, SECOND))
    )
    machine = mt.parse(dump)
    assert [(cpu.number, cpu.mtrrs.variable[0][1]) for cpu in machine.cpus] == [(0, 0xFF80000800), (1, 0)]
    assert machine.at(1 << 33).type is mt.MemoryType.WB and len(machine.states) == 1
    other = dump.replace("default 0xc06", "default 0xc00")
    twice = mt.parse(dump + other)
    assert [[cpu.number for cpu in state.cpus] for state in twice.states] == [[0, 1], [0, 1]]
    assert [state.registers.held[0x2FF].value for state in twice.states] == [0xC06, 0xC00]


def test_xen_records_of_which_nothing_says_whose_they_are():
    """Two records: two processors, or two moments. Neither answers for the other."""
    machine = mt.parse(FIRST + SECOND.replace("default 0xc06", "default 0xc00"))
    assert [state.registers.held[0x2FF].value for state in machine.states] == [0xC06, 0xC00]
    assert machine.at(1 << 33).type is mt.MemoryType.NOT_TOLD
    assert len(mt.parse(FIRST + FIRST).states) == 1


def test_xen_says_that_the_processors_differed():
    text = """\
(XEN) MTRR default type: write-back
(XEN) MTRR fixed ranges disabled:
(XEN) MTRR variable ranges enabled:
(XEN)   0 base 0080000000 mask ff80000000 uncachable
(XEN) mtrr: your CPUs had inconsistent variable MTRR settings
"""
    machine = mt.parse(text)
    assert machine.facts == {"inconsistent": ["variable"]}
    assert any(note.startswith("the processors' MTRRs differed (variable)") for note in machine.notes)


def test_a_tom2_line_that_is_not_whole_or_not_there_leaves_top_mem2_open():
    """Xen prints TOM2 on AMD alone, below the list: a console without the line may have lost it."""
    lines = [
        "MTRR default type: uncachable",
        "MTRR variable ranges enabled:",
        "  0 base 000000000000 mask fff000000000 write-through",
    ]
    lines += [f"  {n} disabled" for n in range(1, 8)]
    text = "".join(f"(XEN) {line}\n" for line in lines)
    whole, lost = (mt.parse(f"{text}(XEN) {end}\n") for end in ("Brought up 2 CPUs", "TOM2:"))
    answer = whole.at(1 << 40)
    assert answer.type is mt.MemoryType.UC and "Xen prints no TOM2" in str(answer)
    assert whole.at(1 << 40, strict=True).type is mt.MemoryType.NOT_TOLD
    intel = mt.parse(f"(XEN) CPU Vendor: Intel, VMX enabled\n{text}(XEN) Brought up 2 CPUs\n")
    assert intel.at(1 << 40, strict=True).type is mt.MemoryType.UC
    assert lost.at(1 << 40, strict=True).type is mt.MemoryType.NOT_TOLD
