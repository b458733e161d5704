"""chipsec's RDMSR lines, counted rdmsr output, e820 of 2001, the counts line of Linux 6.5."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype.cli import main

values = st.integers(0, (1 << 64) - 1)


# --- chipsec ------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(values, st.integers(0, 300), st.sampled_from([0, 1, 2]))
def test_chipsec_gives_the_halves(value, cpu, form):
    low, high = value & 0xFFFFFFFF, value >> 32
    line = (
        f"[cpu{cpu}] RDMSR( 0x277 ): EAX = 0x{low:08X}, EDX = 0x{high:08X}",
        f"[cpu{cpu}] RDMSR( 0x277 ): EDX = 0x{high:08X}, EAX = 0x{low:08X}",
        f"[CHIPSEC] CPU{cpu}: RDMSR( 0x277 ) = {value:016X} (EAX={low:08X}, EDX={high:08X})",
    )[form]
    (processor,) = mt.parse(line).cpus
    assert processor.pat.value == value and processor.number == cpu


def test_half_a_chipsec_line_is_refused_by_number():
    with pytest.raises(mt.ParseError, match=r"^<text>:2: .*0x2ff"):
        mt.parse("[cpu0] RDMSR( 0xfe ): EAX = 0x00000508, EDX = 0x00000000\n[cpu0] RDMSR( 0x2ff ): EAX = 0x00000C06\n")


# --- rdmsr -a | uniq -c -------------------------------------------------------------------------------------------


def counted(*rows, command="rdmsr -a {} | uniq -c"):
    lines = []
    for index, counts in rows:
        lines.append(f"# {command.format(index)}")
        lines += [f"    {count:3} {value}" for count, value in counts]
    return "\n".join(lines) + "\n"


def test_equal_processors_are_so_many_alike():
    machine = mt.parse(counted(("0x2ff", [(256, "c00")]), ("0x200", [(256, "6")]), ("0x201", [(256, "fc0000800")])))
    assert len(machine.cpus) == 256 and len({cpu.mtrrs for cpu in machine.cpus}) == 1
    assert machine.mtrrs.def_type == 0xC00 and machine.mtrrs.variable == ((6, 0xFC0000800),)


def test_counts_run_over_processors_in_order():
    machine = mt.parse(counted(("0x2ff", [(2, "c00"), (1, "c06"), (1, "c00")])))
    assert [cpu.registers.held[0x2FF].value for cpu in machine.cpus] == [0xC00, 0xC00, 0xC06, 0xC00]
    mixed = mt.parse(counted(("0x2ff", [(2, "c00"), (2, "c06")]), command="rdmsr -a {} | sort | uniq -c"))
    assert len(mixed.cpus) == 4 and any("which processor holds which is not told" in str(note) for note in mixed.notes)
    alike = mt.parse(counted(("0x2ff", [(4, "c00")]), command="rdmsr -a {} | sort | uniq -c"))
    assert not any("which processor" in str(note) for note in alike.notes)


ALL = "rdmsr -a {} | uniq -c"


@pytest.mark.parametrize(
    ("rows", "command"), [([(0, "c00")], ALL), ([(9999, "c00")], ALL), ([(2, "c00")], "rdmsr -p 3 {} | uniq -c")]
)
def test_counts_that_cannot_be(rows, command):
    with pytest.raises(mt.ParseError, match=r"^<text>:2: \d+ processors"):
        mt.parse(counted(("0x2ff", rows), command=command))


def test_options_of_rdmsr_still_count():
    machine = mt.parse(counted(("0x2ff", [(2, "3078")]), command="rdmsr -a -d {} | uniq --count"))
    assert [cpu.registers.held[0x2FF].value for cpu in machine.cpus] == [0xC06, 0xC06]


# --- e820 of 2.4 --------------------------------------------------------------------------------------------------


def test_size_at_base(tmp_path, capsys):
    log = (
        " BIOS-e820: 000000000009fc00 @ 0000000000000000 (usable)\n"
        " BIOS-e820: 0000000000000400 @ 000000000009fc00 (reserved)\n"
        " BIOS-e820: 00000000f0000000 @ 0000000100000000 (usable)\n"
    )
    machine = mt.parse(log + "MTRR default type: write-back\n")
    assert [(r.base, r.size, r.kind) for r in machine.e820] == [
        (0, 0x9FC00, "usable"), (0x9FC00, 0x400, "reserved"), (1 << 32, 0xF0000000, "usable"),
    ]  # fmt: skip
    path = tmp_path / "log"
    path.write_text(log)
    assert main(["show", str(path)]) == 0
    assert "RAM [mem 0x0000000100000000-0x00000001efffffff]  3.75 GiB" in capsys.readouterr().out
    with pytest.raises(mt.ParseError, match=r"^<text>:1: .*beyond 64 bits"):
        mt.parse("BIOS-e820: ffffffffffffffff @ 0000000100000000 (usable)")


# --- the counts line of Linux 6.5 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2 entries (2 fixed + 0 variable; max 18), built from 8 variable MTRRs",
         ["2 entries of 8 variable MTRRs: 2 fixed + 0 variable", "no variable entry"]),
        ("7 entries (2 fixed + 5 variable; max 19), built from 9 variable MTRRs", ["of 8 variable MTRRs and TOM2"]),
        ("4 entries (3 fixed + 1 variable; max 23), built from 10 variable MTRRs", ["of 10 variable MTRRs:"]),
        ("0 entries (0 fixed + 0 variable; max 0), built from 0 variable MTRRs", ["without MTRRs"]),
    ],
)  # fmt: skip
def test_show_says_what_the_counts_tell(line, words, tmp_path, capsys):
    path = tmp_path / "log"
    path.write_text(f"MTRR map: {line}\nx86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\n")
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in words) and "PAT [0-7]: WB  WC  UC- UC  WB  WP  UC- WT" in out
