"""MSR lists of every printer: one register file, many spellings, several processors."""

from __future__ import annotations

import pytest
from dump_samples import AMDSEV
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype import rules
from memtype.formats import msr_list
from memtype.reading import registers as reg
from memtype.reading.names import msr_index

values = st.integers(0, (1 << 64) - 1)


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


def test_commands_that_are_only_spoken_of_ask_nothing():
    told = "0x2ff 0xc06\nwe ran rdmsr again\nand wrmsr to it, rdmsr the register\n"
    assert mt.parse(told).cpus[0].registers.held[0x2FF].value == 0xC06


def test_one_processor_counts_as_one():
    machine = mt.parse(counted(("0x2ff", [(1, "c00")]), command="rdmsr -p 3 {} | uniq -c"))
    assert [(cpu.number, cpu.registers.held[0x2FF].value) for cpu in machine.cpus] == [(3, 0xC00)]


def test_options_of_rdmsr_still_count():
    machine = mt.parse(counted(("0x2ff", [(2, "3078")]), command="rdmsr -a -d {} | uniq --count"))
    assert [cpu.registers.held[0x2FF].value for cpu in machine.cpus] == [0xC06, 0xC06]


MSRS = {0x200: 0x80000000, 0x201: 0xFF80000800, 0x2FF: 0x806, 0x277: 0x0007040600070406}


STATE = mt.MtrrState(0x806, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40)


X86INFO = {0x200: "MTRRphysBase0", 0x201: "MTRRphysMask0", 0x2FF: "MTRRdefType", 0x277: "IA32_PAT"}


SPELLINGS = {
    "index value": "{i:#x} {v:#x}",
    "index: value": "{i:#x}: {v:x}",
    "bare index": "{i:x}: {v:x}",
    "equals": "{i:#x} = {v:#018x}",
    "turbostat": "cpu0: MSR {i:#x}: {v:#018x}",
    "turbostat name": "cpu0: MSR_{n}: {v:#018x}",
    "in the guest": "MSR cpu0 {i:#x} {v:#018x}",
    "name index value": "{n} {i:#x} {v:#x}",
    "x86info": "{n} ({i:#x}): {v:#018x}",
    "x86info decoded": "{n} ({i:#x}): {v:#018x} (physbase:0, type: uncacheable)",
    "manual's name": "{m}: {v:#018x}",
    "name space value": "{m} {v:#x}",
    "C name": "{n}_MSR = {v:#x};",
    "AMDSEV": "{n}, {i:#x}, {{'{v:x}'}}",
    "chipsec": "[CHIPSEC] CPU0: RDMSR( {i:#x} ) = {v:016X} (EAX=00000000, EDX=00000000)",
    "halves": "{i:#x} {h:#010x}:{l:#010x}",
    "csv": "0,{i:#x},{v:#x}",
    "transcript": "# rdmsr {i:#x}\n{v:x}",
    "transcript, C format": "$ sudo rdmsr -c -p 0 {i:#x}\n{v:#x}",
    "transcript, decimal": "$ sudo rdmsr -d {i}\n{v}",
    "transcript, all": "[root@host ~]# rdmsr -a {i:#x}\n{v:x}",
    "wrmsr": "wrmsr -a {i:#x} {v:#x}",
    "dmesg prefix": "[    1.234567] {m}: {v:#018x}",
    "quoted mail": "> {i:#x} {v:#x}",
}


def value(cpu: mt.Cpu, index: int) -> int:
    """A register as the dump holds it."""
    return cpu.registers.held[index].value


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_reads_the_same(spelling):
    rows = (
        spelling.format(i=i, v=v, n=X86INFO[i], m=rules.msr_name(i), h=v >> 32, l=v & 0xFFFFFFFF)
        for i, v in MSRS.items()
    )
    text = "\n".join(rows)
    machine = mt.parse(text)
    assert machine.format == "msr-list"
    assert (machine.mtrrs, machine.pat.value, len(machine.cpus)) == (STATE, MSRS[0x277], 1)


@pytest.mark.parametrize(("name", "index"), [
    ("IA32_MTRR_PHYSBASE9", 0x212), ("MTRRphysMask7_MSR", 0x20F), ("MSR_IA32_MTRR_PHYSMASK(3)", 0x207),
    ("MTRRfix16K_A0000", 0x259), ("MSR_MTRRfix4K_F8000", 0x26F), ("IA32_MTRR_FIX64K_00000", 0x250),
    ("IA32_MTRRCAP", 0xFE), ("MTRR_DEF_TYPE", 0x2FF), ("IA32_CR_PAT", 0x277), ("MSR_AMD64_SYSCFG", 0xC0010010),
    ("MSR_K8_TOP_MEM2", 0xC001001D), ("AMD_MTRR_VARIABLE_BASE1", 0x202), ("IA32_MTRR_PHYSBASE40", None),
    ("IA32_SMRR_PHYSBASE", 0x1F2), ("IA32_APIC_BASE", None), ("MTRRfix4K_C4000", None),
])  # fmt: skip
def test_names(name, index):
    assert msr_index(name) == index


def test_own_names_read_back():
    for index in sorted(reg.KNOWN_MSRS):
        assert msr_index(rules.msr_name(index)) == index


def test_all_processors_of_rdmsr_a():
    pats = "7040600070406\n" * 3
    machine = mt.parse(f"# rdmsr -a 0x2ff\nc06\nc00\nc06\n# rdmsr -a 0x277\n{pats}")
    assert [(cpu.number, value(cpu, 0x2FF)) for cpu in machine.cpus] == [(0, 0xC06), (1, 0xC00), (2, 0xC06)]
    assert any("the 3 processors differ in 1 registers: IA32_MTRR_DEF_TYPE" in note for note in machine.notes)


def test_what_one_processor_alone_tells_is_no_difference():
    machine = mt.parse("# rdmsr -a 0x2ff\nc06\nc06\n# rdmsr 0x200\ne0000000\n# rdmsr 0x201\n7fe0000800\n")
    assert not any("processors differ" in note for note in machine.notes)


def test_headings_say_whose_registers_follow():
    machine = mt.parse("CPU 0:\n0x2ff 0x806\n=== CPU 5 ===\n0x2ff 0x800\n")
    assert [(cpu.number, value(cpu, 0x2FF)) for cpu in machine.cpus] == [(0, 0x806), (5, 0x800)]


def test_sets_of_values_show_that_processors_differ():
    machine = mt.parse(AMDSEV)
    assert machine.vendor == "amd" and [cpu.mtrrs.def_type for cpu in machine.cpus] == [0xC00, 0xC06]
    assert str(machine.mtrrs.at(0)) == "WB" and str(machine.mtrrs.at(1 << 32)) == "WB"  # 1e; TOM2
    assert any("which processor holds which is not told" in note for note in machine.notes)


def test_routing_bits_alone_imply_amd():
    rows = [f"0x2ff {0xC00:#x}", *(f"{index:#x} 0x1e1e1e1e1e1e1e1e" for index in rules.FIXED_MSRS)]
    machine = mt.parse("\n".join(rows))
    assert machine.vendor == "amd" and str(machine.at(0)) == "WB"


def test_zero_syscfg_does_not_make_an_amd():
    assert mt.parse("0x2ff 0x806\n0xc0010010 0x0\n").vendor is None


def test_what_is_not_told_is_inferred_and_said():
    machine = mt.parse("0x200 0x6\n0x201 0xf80000800\n")
    assert machine.mtrrs is None and machine.maxphyaddr == 36
    assert {"default", "maxphyaddr", "fixed", "vendor"} == set(machine.inferred)
    assert any("default type not told" in note for note in machine.notes)
    assert machine.at(0x100000).candidates == (mt.MemoryType.UC, mt.MemoryType.WB)
    assert machine.assume(default="UC", enabled="yes").at(0x100000).type == mt.MemoryType.WB


def test_fixed_ranges_left_out_are_open_where_they_never_hold_ram():
    machine = mt.parse("0x200 0x6\n0x201 0xf80000800\n0x2ff 0xc00\n")
    assert machine.mtrrs.def_type == 0xC00  # raw
    assert str(machine.at(0xA0000).type) == "?" and "fixed" in machine.inferred
    assert [a.rule for a in machine.at(0).assumed] == ["assume-fixed-low", "assume-pairs-listed"]
    assert str(machine.assume(fixed="absent").at(0xA0000).type) == "WB"
    assert any("fixed ranges not told" in note for note in machine.notes)


def test_two_values_in_one_list_are_a_contradiction_that_is_named_and_not_told():
    machine = mt.parse("0x2ff 0x806\n0x2ff 0x800\n")
    told = machine.registers.register(0x2FF)
    assert told.tells(0x800) and not told.tells(7)  # E is told, the type is not
    assert "line 1 and line 2 tell IA32_MTRR_DEF_TYPE differently: it is not told" in machine.notes


def test_unreadable_registers_are_noted():
    machine = mt.parse("rdmsr: CPU 0 cannot read MSR 0x00000259\n0x2ff 0x806\n")
    assert any("not readable" in note for note in machine.notes)


def test_width_from_cpuid_in_the_list():
    machine = mt.parse("CPUID maxleaf 0x80000008 physbits 48 linbits 57\nMSR cpu0 0x2ff 0x806\n")
    assert machine.maxphyaddr == 48 and "maxphyaddr" not in machine.inferred


@pytest.mark.parametrize(("text", "message"), [
    ("0x2ff 0x806\n0x200 0xzz", r"dump:2: IA32_MTRR_PHYSBASE0 \(0x200\) = '0xzz' is not a number"),
    ("0x2ff 0x806\n0x200", r"dump:2: IA32_MTRR_PHYSBASE0 \(0x200\) has no value"),
    ("0x2ff 0x1_0000_0000_0000_0000", r"dump:1: IA32_MTRR_DEF_TYPE = .* is not a 64-bit value"),
    (f"{1 << 70:#x} 0x6", r"dump:1: register '0x4000*' is not a 32-bit MSR number"),
    (f"0x2ff {1 << 70:#x}", r"dump:1: IA32_MTRR_DEF_TYPE = '0x4000*' is not a 64-bit value"),
    ("0x2ff 0x806\n" + "0x2ff 0x" + "f" * 5000, r"dump:2: IA32_MTRR_DEF_TYPE = '0xf{38}…' is not a 64-bit value"),
    ("cpu99999999999999999999: MSR 0x2ff: 0x6", r"dump:1: .*processor number"),
    ("# rdmsr 0x2ff\n806\n806", r"dump:3: a second value '806' for register 0x2ff, read without -a"),
    ("# rdmsr -f 7:0 0x2ff\n6", r"dump:1: rdmsr -f prints a bit field"),
    ("MTRRdefType, 0x2ff, {}", r"dump:1: IA32_MTRR_DEF_TYPE \(0x2ff\) has no value"),
    ("MAXPHYADDR: 99\n0x2ff 0x806", r"dump:1: MAXPHYADDR 99 is not within 32 to 52"),
])  # fmt: skip
def test_refusals_name_file_line_value_and_limit(text, message):
    with pytest.raises(mt.ParseError, match=f"^{message}"):
        mt.parse(text, "dump")


def test_a_last_value_with_fewer_digits_than_all_others_is_not_told():
    lines = "0x26f 0x0606060606060606\n0x2ff 0x0000000000000c06"
    for end in range(len(lines) - 15, len(lines)):
        assert 0x2FF not in mt.parse(lines[:end]).registers.held
    for whole in (lines, lines[:-16] + "c06\n", "0x26f 0x606060606060606\n0x2ff 0xc06"):
        assert mt.parse(whole).registers.held[0x2FF].value == 0xC06


def test_a_value_behind_something_else_is_no_answer_of_the_command_above():
    machine = mt.parse("# rdmsr 0x2ff\nc00\n# rdmsr 0x26b\n1. 0\n# rdmsr0x26c\n101010101010101\n")
    assert 0x26B not in machine.registers.held and 0x2FF in machine.registers.held


def test_decimal_numbers_are_not_taken_for_hexadecimal():
    """3072 is 0xc00; as 0x3072 it has bits that no DEF_TYPE holds, and E clear: every address would be UC."""
    rows = {0x2FF: 0xC00, 0x200: 6, 0x201: 0xF80000800}
    decimal = mt.parse("".join(f"0x{i:x} {v}\n" for i, v in rows.items()))
    assert decimal.at(0).type is mt.MemoryType.NOT_TOLD and 0x2FF not in decimal.registers.held
    for line in ("0x{i:x} {v:x}\n", "0x{i:x} 0x{v:x}\n", "{i:x}: {v:x}\n"):
        assert mt.parse("".join(line.format(i=i, v=v) for i, v in rows.items())).at(0).type is mt.MemoryType.WB


def test_a_zero_without_its_prefix_is_what_a_cut_leaves():
    rows = ["0x2ff 0xc00", "0x200 0x80000006", "0x201 0xf80000800"]
    for place in range(3):
        cut = [*rows[:place], rows[place].rsplit("x", 1)[0], *rows[place + 1 :]]
        assert mt.parse("\n".join(cut) + "\n").at(1 << 31).type is mt.MemoryType.NOT_TOLD
    assert mt.parse("0x2ff c00\n0x200 0\n0x201 f80000800\n").at(1 << 20).type is mt.MemoryType.UC
    assert mt.parse("0x2ff 6\n0x200 0\n0x201 0\n").at(0).type is mt.MemoryType.UC  # this program prints no 0x


@pytest.mark.parametrize(
    "row", ["msr[{i:x}] = {high:08x}`{low:08x}", "msr=0x{i:x} value=0x{v:x}", "reg=0x{i:x} val=0x{v:x}"]
)
def test_rows_that_debuggers_and_scripts_print(row):
    held = {0x2FF: 0xC06, 0x200: 0x80000000, 0x201: 0xFF80000800}
    text = "\n".join(row.format(i=i, v=v, high=v >> 32, low=v & 0xFFFFFFFF) for i, v in held.items())
    machine = mt.parse(text)
    assert {index: register.value for index, register in machine.registers.held.items()} == held


def test_a_line_between_a_commands_values_ends_them():
    """Whose value stands below it is not told: not the next processor's."""
    machine = mt.parse("# rdmsr -a 0x200\n6\n6\nrdm sr -a 0x201\nf80000800\n# rdmsr 0x2ff\nc00\n")
    assert len(machine.cpus) == 2 and machine.registers.cut
    assert any("line 5: a value 'f80000800' below no command" in note for note in machine.notes)
    other = mt.parse("# rdmsr -a 0x200\n6\n6\n# nproc\n2\n# rdmsr 0x2ff\nc00\n")
    assert len(other.cpus) == 2 and not other.registers.cut


@pytest.mark.parametrize("front", ["8", "c", "80", "c0"])
def test_what_a_cut_leaves_of_the_default_type_is_none(front):
    told = mt.parse(f"0x2ff 0x{front}\n0x200 0x6\n").registers
    assert 0x2FF not in told.held and 0x2FF in told.lost


OTHER_OPTIONS = ["-dp1", "-d -p1", "--decimal --cpu=1", "-u --processor 1", "--unsigned-decimal --proc=1", "-xdp 1"]


@pytest.mark.parametrize("options", OTHER_OPTIONS)
def test_options_are_read_as_getopt_reads_them(options):
    for command in (f"rdmsr {options} 0x2ff", f"rdmsr 0x2ff {options}"):
        (cpu,) = mt.parse(f"# {command}\n3078\n").cpus
        assert (cpu.number, cpu.registers.held[0x2FF].value) == (1, 0xC06)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-f7:0", "rdmsr -f prints a bit field"), ("-xf 7:0", "rdmsr -f prints a bit field"),
        ("--bitfield=7:0", "rdmsr -f prints a bit field"), ("-r", "rdmsr -r prints bytes"),
        ("-q", "rdmsr: option -q not recognized"), ("--octalx", "rdmsr: option --octalx not recognized"),
        ("-", "rdmsr with 2 numbers"),
    ],
)  # fmt: skip
def test_a_command_that_prints_no_register_is_refused(options, said):
    with pytest.raises(mt.ParseError, match=rf"^t:1: {said}"):
        mt.parse(f"# rdmsr {options} 0x2ff\n6\n", "t")


def test_zeros_in_front_are_told_by_any_of_the_names():
    for option in ("-0", "-x0", "--zero-pad", "--zero-fill"):
        held = mt.parse(f"# rdmsr {option} 0x2ff\n0000000000000c06\n").cpus[0].registers.held
        assert held[0x2FF].value == 0xC06 and held[0x2FF].told


@pytest.mark.parametrize(
    "row", ["0x2ff c06 c06", "0x2ff 0xc06 0xc06", "0x2ff: c06 c00 c06", "MTRRdefType (0x2ff): c06 c06"]
)
def test_columns_without_commas_are_not_told_and_named(row):
    machine = mt.parse(f"0x277 = 0x7040600070406\n{row}\n")
    assert any(note.startswith("line 2: more than one value: IA32_MTRR_DEF_TYPE") for note in machine.notes)
    with pytest.raises(mt.ParseError, match=r"^<text>:1: more than one value: IA32_MTRR_DEF_TYPE is not told"):
        mt.parse(row)


@pytest.mark.parametrize("row", ["0x0200: 3c 3c 00 00", "0x250: 0606 0606", "0x00000250: 06060606 06060606"])
def test_bytes_and_words_of_memory_are_no_columns_of_a_register(row):
    assert mt.parse(f"0x2ff = 0x0\n{row}\n").at(0).type is mt.MemoryType.UC
    assert not mt.parse(f"0x2ff = 0x0\n{row}\n").registers.lost


def test_a_value_below_two_commands_may_be_either_s():
    """A command and the value above it changed places, and the second value is lost."""
    machine = mt.parse("# rdmsr 0x2ff\nc06\n# rdmsr 0x258\n# rdmsr 0x259\n606060606060606\n# rdmsr 0x268\n0\n")
    assert machine.registers.lost == {0x258, 0x259} and 0x268 in machine.registers.held
    assert any("line 5: the value may be that of the command above" in note for note in machine.notes)
    other = mt.parse("# rdmsr 0x2ff\n# rdmsr 0x277\n7040600070406\n")  # no default type holds such a value
    assert other.pat is not None and other.pat.value == 0x7040600070406


@pytest.mark.parametrize("options", ["", "-x ", "--all ", "-p 1 ", "--processor 1 ", "--cpu=1 "])
def test_a_register_read_again_is_another_moment_whatever_the_options(options):
    text = "".join(f"# rdmsr {options}0x2ff\n{value}\n" for value in ("c06", "c00"))
    values = [state.cpus[0].registers.held[0x2FF].value for state in mt.parse(text).states]
    assert values == [0xC06, 0xC00]


def test_fixed_ranges_are_there_where_two_lines_differ_about_them():
    """A register that is printed exists, whatever of MTRRCAP is not told."""
    text = "0xfe = 0x508\n0xfe = 0x408\n0x250 = 0x0505050505050505\n0x2ff = 0xc01\n0x200 = 0x6\n0x201 = 0xfc00000800\n"
    assert mt.parse(text).at(0).type is mt.MemoryType.WP


@pytest.mark.parametrize(
    ("long", "short", "value"),
    [
        ("hexadecimal", "x", "c06"), ("capital-hexadecimal", "X", "C06"), ("decimal", "d", "3078"),
        ("signed-decimal", "d", "3078"), ("unsigned-decimal", "u", "3078"), ("octal", "o", "6006"),
        ("c-language", "c", "0xc06"), ("zero-fill", "0", "0000000000000c06"), ("zero-pad", "0", "0000000000000c06"),
        ("processor=3", "p 3", "c06"), ("cpu=3", "p 3", "c06"),
    ],
)  # fmt: skip
def test_a_long_option_is_its_letter(long: str, short: str, value: str) -> None:
    by_name, by_letter = (mt.parse(f"$ rdmsr {option} 0x2ff\n{value}\n") for option in (f"--{long}", f"-{short}"))
    assert by_name.cpus == by_letter.cpus and by_name.cpus[0].registers.held[0x2FF].value == 0xC06


@pytest.mark.parametrize("row", ["8", "c06", "8c06"])
def test_a_row_of_uniq_that_lost_its_count_or_its_value_is_no_value(row):
    """ "8 c06" says c06 of eight processors: 8 alone was read as the register."""
    command = "# rdmsr -a 0x2ff | uniq -c\n"
    with pytest.raises(mt.ParseError, match="a count and a value: one of them is lost"):
        mt.parse(f"{command}      {row}\n")
    machine = mt.parse(f"{command}      {row}\n      8 c06\n# rdmsr 0x277\n7040600070406\n")
    assert machine.registers.lost == {0x2FF} and machine.pat.value == 0x0007040600070406


@pytest.mark.parametrize("name", [name.rstrip("=") for name in (*msr_list._NAMES["rdmsr"], "all")])
def test_a_letter_behind_an_option_s_name_makes_another_option(name):
    with pytest.raises(mt.ParseError, match=f"^<text>:1: rdmsr: option --{name}X not recognized: cut off, or another"):
        mt.parse(f"# rdmsr --{name}X 0x2ff\nc06\n")


@pytest.mark.parametrize("vendor", ["Intel", "AMD"])
def test_a_vendor_stands_at_the_beginning_of_its_line(vendor):
    assert mt.parse(f"0x2ff = 0xc06\nvendor: {vendor}\n").vendor == vendor.lower()
    assert mt.parse(f"0x2ff = 0xc06\nboard of the vendor: {vendor}\n").vendor is None


def test_a_short_name_with_words_behind_it_is_prose():
    assert mt.parse("TOM2: aligned to 4 GiB\n0x2ff = 0xc06\n").registers.lost == frozenset()


@pytest.mark.parametrize(  # but those that print no value, or bytes
    "name", [name for name, letter in msr_list._NAMES["rdmsr"].items() if name[-1] != "=" and letter not in "rhV"]
)
def test_the_last_option_says_in_which_base_values_are(name):
    """As getopt has it: "-d -x" prints hexadecimal numbers, "--octal -d" decimal ones."""
    letter = msr_list._NAMES["rdmsr"][name]
    base = {"x": 16, "X": 16, "c": 16, "d": 10, "u": 10, "o": 8}
    for before, held in (("-d", 10), ("-o", 8), ("-x", 16)):
        value = {8: "6000", 10: "3072", 16: "c00"}[base.get(letter, held)]
        machine = mt.parse(f"# rdmsr {before} --{name} 0x2ff\n{value}\n")
        assert machine.registers.held[0x2FF].value == 0xC00, (before, name)


@pytest.mark.parametrize(("writes", "more"), [(1, ""), (2, ", and 1 more"), (3, ", and 2 more")])
def test_writes_beside_reads_are_counted(writes, more):
    text = "".join(f"# wrmsr 0x{0x200 + 2 * n:x} 0x6\n" for n in range(writes)) + "# rdmsr 0x2ff\nc06\n"
    said = f"line 1: wrmsr{more}: what a write left behind is not told unless it is read"
    assert said in mt.parse(text).notes


@pytest.mark.parametrize("closer", [0, 1, 2])
@pytest.mark.parametrize("types", [0x19, 0x06])
def test_a_window_leaves_fronts_alone_though_one_row_stands_closer(closer, types):
    rows = {0xFE: 0x508, 0x200: 6, 0x201: 0xFFFF000000800, 0x2FF: 0x805}
    rows |= dict.fromkeys((0x250, 0x258, 0x259, *range(0x268, 0x270)), types * 0x0101010101010101)
    lines = [f"0x{index:08x}:  0x{value:016x}" for index, value in rows.items()]
    head = "vendor_id : AuthenticAMD\naddress sizes : 52 bits physical, 48 bits virtual\n"
    for row in range(len(lines)):
        near = [line.replace("  ", "  "[closer:]) if n == row else line for n, line in enumerate(lines)]
        for width in range(14, 30):
            told = mt.parse(head + "".join(f"{line[:width]}\n" for line in near))
            assert told.at(0).type in (mt.MemoryType.NOT_TOLD, mt.MemoryType.WB), (width, near[row])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("0x06060606,06060606", None),  # the groups of one number
        ("0x06060606, 06060606", None),
        ("0x06060606,0x06060606", 0x06060606),  # the same, of two processors
        ("06060606,06060606", 0x06060606),
        ("0x06060606,0x05050505", None),
    ],
)
def test_a_column_more_says_the_same_where_it_is_written_so(value, told):
    """Halves that are alike are no value printed twice: of 0x06060606,06060606 the upper half was zero."""
    held = mt.parse(f"0x250 {value}\n0x2ff 0xc06\n").registers.held
    assert (held[0x250].value if 0x250 in held else None) == told


@pytest.mark.parametrize("number", ["26A", "26A,", "26a:", "0x26a,", "0x26", "0x2", "2,"])
def test_a_register_s_own_number_is_no_value(number):
    """The value stands on the next line: a terminal wraps, and 0x26a is its number."""
    with pytest.raises(mt.ParseError, match=r":1: IA32_MTRR_FIX4K_D0000 .* has no value"):
        mt.parse(f"IA32_MTRR_FIX4K_D0000, {number}\n{{'101010101010101'}}\nIA32_MTRR_DEF_TYPE, 2FF, {{'c04'}}\n")


def test_two_lines_that_lack_digits_tell_no_part_of_a_register():
    """Where they agree they lack the same digit: 0x060060606060606 is no 0x0060060606060606."""
    rows = "".join(f"cpu0: MSR 0x{0x268 + n:x} = 0x0{n}06060606060606\n" for n in range(4))
    short = "cpu0: MSR 0x26c = 0x060070606060606\n", "cpu0: MSR 0x26c = 0x060060606060606\n"
    machine = mt.parse(short[0] + rows + short[1] + "cpu0: MSR 0x2ff = 0x0000000000000c06\n")
    assert 0x26C not in machine.registers.held
    assert 0x26B in machine.registers.held


@pytest.mark.parametrize("digits", [8, 10, 12, 16])
def test_a_contradicted_default_type_shows_no_lost_digits_of_the_others(digits):
    """Of 0xc06 and 0x6 neither E nor FE is left, as of a number that was cut."""
    rows = {0xFE: 0x502, 0x200: 6, 0x201: 0x80000800, 0x202: 0, 0x203: 0, 0x2FF: 0xC06}
    text = "".join(f"0x{index:x} 0x{value:0{digits}x}\n" for index, value in rows.items())
    machine = mt.parse(f"{text}0x2ff 0x{6:0{digits}x}\n")
    assert machine.registers.held.keys() == rows.keys()
    assert "line 6 and line 7 tell IA32_MTRR_DEF_TYPE differently: it is not told" in machine.notes


TRANSCRIPT = {0xFE: 0x502, 0x200: 6, 0x201: 0xFE0000000800, 0x250: 0x0606060606060606, 0x2FF: 0xC05}


def scrolled(columns: int, prompt: str = "# ", between: str = "") -> str:
    """What a terminal that was scrolled to the right shows of commands and their values."""
    rows = (
        line for index, value in TRANSCRIPT.items() for line in (f"{prompt}rdmsr 0x{index:x}", f"{value:x}", between)
    )
    return "".join(f"{line[columns:]}\n" for line in rows if line or between)


def test_an_empty_line_in_a_value_s_place_shows_that_columns_are_lost():
    """c05 is 5 then, without E: memory would be UC."""
    for columns in (1, 2):
        with pytest.raises(mt.ParseError, match=":4: an empty line below rdmsr: columns of the text may be lost"):
            mt.parse(scrolled(columns))


def test_an_empty_line_below_a_command_with_a_prompt_loses_its_register_alone():
    text = scrolled(0).replace("\n6\n", "\n\n")
    assert mt.parse(text).registers.held.keys() == TRANSCRIPT.keys() - {0x200}
    apart = scrolled(0, "", " ").replace("\n6\n", "\n\n")  # empty lines stand between the others too
    assert mt.parse(apart).registers.held.keys() == TRANSCRIPT.keys() - {0x200}


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("mask", [0xFFFFFE0000800, 0xFF8000800, 0x5500000800])
def test_a_mask_that_lost_its_last_digits_is_not_told(mask, lost):
    """Without V it would be a range that is off; what is left of V is a reserved bit."""
    held = mt.parse(f"0x200 0x6\n0x201 0x{f'{mask:x}'[:-lost]}\n0x2ff 0xc06\n").registers.held
    assert 0x201 not in held and 0x200 in held


@pytest.mark.parametrize(
    ("mask", "told"), [(0xFFFF8000000800, False), (0xFFFFFFFFC0000800, True), (0xFFFFFE0000800, True)]
)
def test_a_mask_ends_at_the_width_or_at_bit_63(mask, told):
    """No processor has bit 55 of a mask and not bit 63: a digit is too many."""
    assert (0x201 in mt.parse(f"0x200 0x6\n0x201 0x{mask:x}\n0x2ff 0xc06\n").registers.held) == told


@pytest.mark.parametrize("value", [0xC005, 0x8001, 0x10C06, 0xD06, 0xCC06])
def test_a_default_type_with_a_reserved_bit_is_one_with_a_digit_too_many(value):
    """No processor takes bits 9:8 and 63:12: of 0xc05 it was 0xc005, with E clear, and memory UC."""
    machine = mt.parse(f"0x200 0x6\n0x201 0xfffc00000800\n0x2ff 0x{value:x}\n")
    assert 0x2FF not in machine.registers.held
    assert machine.at(0x100000).type == mt.MemoryType.NOT_TOLD
