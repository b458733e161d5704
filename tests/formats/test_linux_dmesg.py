"""Linux boot logs: what each line means, whatever a logger put in front, and what a log does not tell."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linux_log import register_lines
from strategies import LEGAL

import memtype as mt
from memtype import rules
from memtype.cli import main
from memtype.formats import linux_dmesg


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
    assert "[mem 0x0000000100000000-0x00000001efffffff]  3.75 GiB  usable" in capsys.readouterr().out
    with pytest.raises(mt.ParseError, match=r"^<text>:1: .*beyond 64 bits"):
        mt.parse("BIOS-e820: ffffffffffffffff @ 0000000100000000 (usable)")


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


SERVER = mt.MtrrState(
    def_type=0xC00,
    fixed=(0x0606060606060606,) * 2 + (0,) + (0x0505050505050505,) * 8,
    variable=((0x6, 0xFF80000800), (0x80000006, 0xFFC0000800), (0, 0), (0xA0000001, 0xFFF0000800)),
    maxphyaddr=40,
)


LINES = register_lines(SERVER)


NO_MAP = "MTRR map: 0 entries (0 fixed + 0 variable; max 0), built from 8 variable MTRRs"


def random_listed_state(seed: int) -> mt.MtrrState:
    """A state that a register list can hold: legal types, and a first mask that shows MAXPHYADDR."""
    rng = random.Random(seed)
    width = rng.choice([36, 39, 40, 46, 48, 52])
    pairs = [(rng.choice(LEGAL), rules.page_bits(width) & -(1 << rng.randrange(12, width)) | rules.MASK_VALID)]
    for _ in range(rng.randrange(10)):
        mask = rules.page_bits(width) & rng.getrandbits(width) & -(1 << rng.randrange(12, width))
        base = rng.getrandbits(width) & rules.page_bits(width)
        pairs.append(rng.choice([(0, 0), (base | rng.choice(LEGAL), (mask or 1 << 12) | rules.MASK_VALID)]))
    fixed = tuple(int.from_bytes(bytes(rng.choices(LEGAL, k=8)), "little") for _ in range(11))
    def_type = rng.choice([0xC00, 0x800, 0x0]) | rng.choice(LEGAL)
    return mt.MtrrState(def_type, fixed, tuple(pairs), width)


@settings(deadline=None)
@given(st.integers(0, 1 << 32), st.booleans())
def test_a_printed_register_list_gives_the_registers_back(seed, newer):
    state = random_listed_state(seed)
    lines = register_lines(state, newer) + [NO_MAP] * newer
    assert mt.parse("\n".join(lines)).mtrrs == state


PREFIXES = {
    "none": "{}",
    "seconds": "[    0.000000] {}",
    "caller": "[    0.003901][    T0] {}",
    "old seconds": "[0.0] {}",
    "delta": "[    0.000001 <    0.000001>] {}",
    "level": "<7>[    0.000000] {}",
    "level alone": "<6>{}",
    "decoded": "kern  :debug : [    0.000000] {}",
    "wall clock": "[Fri May 22 09:34:57 2026] {}",
    "other language": "[Út okt 28 14:07:39 2025] {}",
    "journal": "Jan 01 00:00:00 host kernel: {}",
    "syslog": "Jun  2 15:53:16 host kernel: [    0.000000] {}",
    "iso": "2026-01-02T03:04:05.678901+00:00 host kernel: {}",
    "rfc 5424": "<6>1 2026-01-02T03:04:05Z host kernel: [    0.000000] {}",
    "serial": "[    0.000000] {}\r",
    "colour": "\x1b[32m[    0.000000] \x1b[0m{}\x1b[0m",
    "mail": "> [    0.000000] {}",
    "mail in mail": "> > {}",
    "pid": "Jan  1 00:00:00 host kernel[1]: {}",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_what_a_logger_puts_in_front_changes_nothing(prefix):
    extra = ["Linux version 5.4.0-9 (x@y)", " BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable",
             "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  "]  # fmt: skip
    machine = mt.parse("\n".join(prefix.format(line) for line in extra[:2] + LINES + extra[2:]))
    assert machine.mtrrs == SERVER
    assert machine.kernel == "5.4.0-9"
    assert [(r.base, r.last, r.kind) for r in machine.e820] == [(0x100000, 0xBFFFFFFF, "usable")]
    assert machine.pat == mt.Pat(0x0407050600070106)


def test_truncation_at_every_line_never_invents_a_register():
    for count in range(len(LINES) + 1):
        try:
            machine = mt.parse("\n".join(LINES[:count]))
        except mt.MemtypeError:
            assert count == 0
            continue
        if machine.mtrrs is None:
            assert {gap.what for gap in machine.registers.gaps} >= {"pairs"}
            assert any(note.startswith("variable ranges not told") for note in machine.notes)
            continue
        assert all(pair in (SERVER.variable[n], (0, 0)) for n, pair in enumerate(machine.mtrrs.variable))
        assert count == len(LINES) or any("lack" in note for note in machine.notes)


def test_truncation_at_every_byte_is_a_machine_or_one_line():
    text = "\n".join(LINES)
    for end in range(0, len(text), 3):
        try:
            machine = mt.parse(text[:end])
        except mt.MemtypeError as error:
            assert "\n" not in str(error)
        else:
            assert machine.mtrrs is None or all(
                pair in (SERVER.variable[n], (0, 0)) for n, pair in enumerate(machine.mtrrs.variable)
            )


def test_a_log_that_lost_its_head_says_what_is_missing():
    machine = mt.parse("\n".join(LINES[5:]))
    assert machine.mtrrs.variable == SERVER.variable
    assert {"default", "fixed"} <= set(machine.inferred)
    assert any(note.startswith("default type not told: UC") for note in machine.notes)


def test_half_a_list_of_fixed_ranges_is_open_where_it_is_missing():
    machine = mt.parse("\n".join(line for line in LINES if "00000-9FFFF" not in line))
    assert machine.at(0x1000).type == mt.MemoryType.NOT_TOLD
    assert machine.at(0xA0000).type == mt.MemoryType.UC
    assert "fixed" in machine.inferred


def test_reserved_types_stay_and_decide_nothing():
    lines = [line.replace("write-combining", "?") for line in LINES]
    state = mt.parse("\n".join(lines)).mtrrs
    assert state.variable[3][0] & 0xFF not in rules.MTRR_TYPES
    assert state.at(0xA0000000) == mt.MemoryType.UNDEFINED
    assert state.problems()


@pytest.mark.parametrize(("word", "enabled"), [("enabled", True), ("disabled", False)])
def test_variable_ranges_disabled_means_e_is_0(word, enabled):
    text = "\n".join(LINES).replace("variable ranges enabled", f"variable ranges {word}")
    machine = mt.parse(text)
    assert bool(machine.mtrrs.def_type & rules.DEF_TYPE_E) is enabled
    assert machine.facts["mtrr_enabled"] is enabled
    assert (machine.mtrrs.at(0) == mt.MemoryType.UC) is not enabled


PAT = "x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WB  WT  UC- UC"


def test_a_kernel_that_found_them_disabled_by_firmware_means_uc():
    machine = mt.parse(f"[    0.0] MTRRs disabled by BIOS\n[    0.0] {PAT}")
    assert machine.mtrrs.map.segments[0].type == mt.MemoryType.UC and len(machine.mtrrs.map) == 1


@pytest.mark.parametrize("line", ["Disabled", "MTRR: Disabled", "MTRRs disabled (not available)"])
def test_words_that_also_stand_for_no_mtrrs_at_all_decide_nothing(line):
    machine = mt.parse(f"[    0.0] {line}\n[    0.0] {PAT}")
    assert machine.mtrrs is None and machine.facts["mtrr_enabled"] is False
    assert any(note.startswith("registers not told: the kernel says") for note in machine.notes)


def test_a_list_followed_by_disabled_is_a_list():
    lines = [line.replace("enabled:", "disabled:") for line in LINES]
    assert mt.parse("\n".join([*lines, "Disabled"])).mtrrs.variable == SERVER.variable


def test_a_log_pasted_on_one_line():
    assert mt.parse(" ".join(f"[    0.000000] {line}" for line in LINES)).mtrrs == SERVER


def test_carriage_returns_alone_end_lines_too():
    assert mt.parse("\r".join(LINES)).mtrrs == SERVER


def test_lscpu_or_cpuinfo_above_proc_mtrr_gives_vendor_and_width():
    lscpu = ["Vendor ID:           AuthenticAMD", "Address sizes:       43 bits physical, 48 bits virtual"]
    listing = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable"
    state = mt.parse("\n".join([*lscpu, listing])).mtrrs
    assert (state.vendor, state.maxphyaddr) == ("amd", 43)
    assert state.variable == ((0x80000000, 0x7FF80000800),)


def test_words_behind_the_subsystems_name():
    assert mt.parse("\n".join(f"[    0.000000] mtrr: {line}" for line in LINES)).mtrrs == SERVER


def test_lines_behind_the_list_show_that_it_is_whole():
    assert any("lack" in note for note in mt.parse("\n".join(LINES)).notes)
    assert not any("lack" in note for note in mt.parse("\n".join([*LINES, "usb 1-1: new device"])).notes)


def test_a_version_pasted_below_hides_nothing():
    tail = ["Linux version 6.1 (pasted)", "address sizes : 46 bits physical, 48 bits virtual"]
    ram = "BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable"
    machine = mt.parse("\n".join(["Linux version 6.1 (x)", ram, PAT, *tail]))
    assert machine.e820 and machine.pat is not None and machine.maxphyaddr == 46


def test_tom2_makes_it_amd_and_forces_wb_above_4_gib():
    machine = mt.parse("\n".join([*LINES, "TOM2: 0000000230000000 aka 8960M"]))
    assert machine.vendor == machine.mtrrs.vendor == "amd"
    assert machine.facts["tom2"] == 0x230000000
    assert machine.mtrrs.at(0x22FFFFFFF) == mt.MemoryType.WB
    assert machine.mtrrs.at(0x230000000) == mt.MemoryType.UC


@pytest.mark.parametrize(
    ("line", "vendor"),
    [
        ("smpboot: CPU0: Intel(R) Xeon(R) CPU E5-2690 (family: 0x6, model: 0x2d)", "intel"),
        ("smpboot: CPU0: 13th Gen Intel(R) Core(TM) i7-13700H (family: 0x6)", "intel"),
        ("CPU0: AMD Opteron(tm) Processor 6128 stepping 01", "amd"),
        ("smpboot: CPU0: Hygon C86 7185 32-core Processor (family: 0x18)", "amd"),
        ("vendor_id\t: AuthenticAMD", "amd"),
        ("DMI: Intel Corporation S2600CP", None),
    ],
)
def test_vendor(line, vendor):
    supported = ["KERNEL supported cpus:", "  Intel GenuineIntel", "  AMD AuthenticAMD"]
    machine = mt.parse("\n".join([line, *supported, *LINES]))
    assert machine.vendor == vendor


def test_an_explicit_width_goes_before_the_masks():
    machine = mt.parse("\n".join([*LINES, "address sizes\t: 46 bits physical, 48 bits virtual"]))
    assert machine.mtrrs.maxphyaddr == 46 and "maxphyaddr" not in machine.inferred


def test_masks_of_a_32_bit_firmware_are_holey_not_narrow():
    """A mask that stops at bit 31, printed with nine digits: the processor has up to 36 bits (MT-22)."""
    lines = ["MTRR default type: uncachable", "MTRR variable ranges enabled:"]
    machine = mt.parse("\n".join([*lines, "  0 base 000000000 mask 0C0000000 write-back"]))
    assert machine.mtrrs.maxphyaddr == 36
    assert [machine.mtrrs.at(a) for a in (0x3FFFFFFF, 0x40000000, 0x100000000, 0x13FFFFFFF)] == [
        mt.MemoryType.WB, mt.MemoryType.UC, mt.MemoryType.WB, mt.MemoryType.WB]  # fmt: skip


def test_ram_above_the_masks_widens():
    e820 = "BIOS-e820: [mem 0x0000000100000000-0x000001ffffffffff] usable"
    assert mt.parse("\n".join([e820, *LINES])).mtrrs.maxphyaddr == 41


COUNTS = "MTRR map: 3 entries (2 fixed + 1 variable; max 18), built from 8 variable MTRRs"


MAP = [
    "  0: 0000000000000000-000000000009ffff write-back",
    "  1: 00000000000a0000-00000000000fffff uncachable",
    "  2: 0000000080000000-00000000ffffffff uncachable",
]


def test_a_counts_line_alone_has_no_registers_and_says_how_to_get_them():
    machine = mt.parse(COUNTS)
    assert machine.mtrrs is None and machine.printed_map is None
    assert machine.facts == {"map_entries": 3, "fixed": 2, "variable": 1, "max": 18, "built_from": 8}
    assert any("mtrr=debug" in note and "/proc/mtrr" in note and "rdmsr" in note for note in machine.notes)


def test_a_printed_map_is_kept_with_its_view():
    machine = mt.parse("\n".join([COUNTS, *MAP]))
    assert machine.printed_view == "linux-6.5"
    assert [str(machine.printed_map.at(a)) for a in (0, 0xA0000, 0x100000, 0x80000000)] == ["WB", "UC", "?", "UC"]
    with_default = mt.parse("\n".join(["MTRR default type: write-back", COUNTS, *MAP]))
    assert str(with_default.printed_map.at(0x100000)) == "WB"


def test_a_map_that_lost_entries_leaves_its_gaps_open():
    machine = mt.parse("\n".join(["MTRR default type: write-back", COUNTS, MAP[0], MAP[2]]))
    assert str(machine.printed_map.at(0xA0000)) == "?"
    assert any("only 2 of its entries" in note for note in machine.notes)


def test_lines_that_a_mail_program_broke_are_whole_again():
    text = """> [    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff]
> usable
> [    0.000000] BIOS-e820: [mem
> 0x0000000100000000-0x000000027fffffff] usable
> [    0.001000] MTRR map: 3 entries (2 fixed + 1 variable; max 18), built
> from 8 variable MTRRs
"""
    machine = mt.parse(text)
    assert machine.facts["built_from"] == 8
    assert [(r.base, r.last) for r in machine.e820] == [(0x100000, 0x7FFFFFFF), (0x100000000, 0x27FFFFFFF)]


def test_ram_maps_of_every_age():
    text = """ BIOS-e820: 0000000000000000 - 000000000009fc00 (usable)
BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable
BIOS-e820: [mem 0x0000000040000000-0x000000004fffffff]  device reserved
BIOS-e820: [gap 0x0000000050000000-0x000000005fffffff]
BIOS-e820: [mem 0x0000000060000000-0x000000006fffffff]  System RAM
"""
    assert [(r.base, r.last, r.kind) for r in mt.parse(text).e820] == [
        (0, 0x9FBFF, "usable"), (0x100000, 0x3FFFFFFF, "usable"), (0x40000000, 0x4FFFFFFF, "device reserved"),
        (0x60000000, 0x6FFFFFFF, "System RAM"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  ", 0x0407050600070106),
        ("x86/PAT: Configuration [0-7]: WB  WC UC- UC  WB  WP  UC- WT", 0x0407050600070106),
        ("PAT configuration [0-7]: WB  WC  UC- UC  WB  WC  UC- UC  ", 0x0007010600070106),
        ("x86 PAT enabled: cpu 0, old 0x7040600070406, new 0x7010600070106", 0x0007010600070106),
    ],
)
def test_pat_lines_of_every_age(line, value):
    assert mt.parse(f"[    0.000000] {line}").pat == mt.Pat(value)


CLEANUP = """\
original variable MTRRs
reg 1, base: 0GB, range: 2GB, type WB
reg 2, base: 2040MB, range: 8MB, type UC
total RAM covered: 2040M
 gran_size: 64K 	chunk_size: 64K 	num_reg: 2  	lose cover RAM: 0G
*BAD*gran_size: 64K 	chunk_size: 16M 	num_reg: 2  	lose cover RAM: -8M
Found optimal setting for mtrr clean up
 gran_size: 64K 	chunk_size: 64K 	num_reg: 2  	lose cover RAM: 0G
New variable MTRRs
reg 0, base: 0GB, range: 1GB, type WB
"""


def test_mtrr_cleanups_list_stands_in_for_a_lost_one():
    machine = mt.parse(CLEANUP)
    state = machine.mtrrs
    assert state.variable[0] == (0, 0) and state.def_type & 0xFF == 0
    assert [str(state.at(a)) for a in (0x100000, 0x7F7FFFFF, 0x7F800000, 0x80000000)] == ["WB", "WB", "UC", "UC"]
    facts = machine.facts
    assert facts["total_ram_covered_mb"] == 2040 and facts["cleanup_result"] == "found"
    assert facts["cleanup_optimal"] == {"bad": False, "gran": "64K", "chunk": "64K", "num_reg": 2, "lose": "0G"}
    assert [row["lose"] for row in facts["cleanup_table"]] == ["0G", "-8M"]
    assert facts["cleanup_table"][1]["bad"] is True
    assert facts["cleanup_new"] == [{"reg": 0, "base": 0, "size": 1 << 30, "type": "WB"}]


def test_processors_that_differed_are_named():
    text = "\n".join([*LINES, "mtrr: your CPUs had inconsistent variable MTRR settings",
                      "mtrr: your CPUs had inconsistent MTRRdefType settings"])  # fmt: skip
    machine = mt.parse(text)
    assert machine.facts["inconsistent"] == ["variable", "deftype"]
    assert any("differed" in note for note in machine.notes)


def test_lost_ram_and_trimmed_ranges_are_facts():
    tail = ["x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT",
            "WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 3072MB of RAM.",
            "e820: update [mem 0xc0000000-0xffffffff] usable ==> reserved",
            "last_pfn = 0xc0000 max_arch_pfn = 0x400000000",
            "e820: update [mem 0x00100000-0x00100fff] usable ==> reserved"]  # fmt: skip
    early = "e820: update [mem 0x00000000-0x00000fff] usable ==> reserved"
    facts = mt.parse("\n".join([early, *LINES, *tail])).facts
    assert facts["losing_mb"] == 3072
    assert facts["mtrr_trim_e820_updates"] == [[0xC0000000, 1 << 32]]


def test_boots_are_states_and_a_log_without_registers_belongs_to_one_that_has_them():
    older = register_lines(replace(SERVER, def_type=0xC06))
    text = "\n".join(["Linux version 5.1 (a)", *older, "Linux version 5.2 (b)", *LINES, "Linux version 5.3 (c)"])
    machine = mt.parse(text)
    assert [state.kernel for state in machine.states][:2] == ["5.1", "5.2"] and machine.states[1].mtrrs == SERVER
    assert any("boots" in note for note in machine.notes)
    with pytest.raises(mt.InputError, match=r"its \d states differ in their MTRRs: ask one of \.states"):
        _ = machine.mtrrs


def test_a_hypervisors_own_lines_are_not_its_guests():
    text = "\n".join(["(XEN) MTRR default type: write-back", *LINES])
    assert linux_dmesg.parse(text).mtrrs == SERVER
    assert not linux_dmesg.sniff("(XEN) MTRR default type: write-back")


PROC = ["reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back",
        "reg01: base=0x080000000 ( 2048MB), size= 1024MB, count=1: write-back",
        "reg03: base=0x0a0000000 ( 2560MB), size=  256MB, count=1: write-combining"]  # fmt: skip


def test_a_paste_of_both_takes_what_the_log_tells_and_has_no_note_on_what_it_answers():
    machine = mt.parse("\n".join([*LINES, *PROC]))
    assert machine.mtrrs == SERVER
    assert machine.format == "linux-dmesg+proc-mtrr"
    assert not any(note.startswith(("default", "fixed")) or "disagree" in note for note in machine.notes)


def test_a_paste_of_both_that_contradicts_itself_is_two_states():
    other = [PROC[0], PROC[1].replace("write-back", "uncachable"), PROC[2]]
    boot, now = mt.parse("\n".join([*LINES, *other])).states
    assert boot.mtrrs == SERVER and (boot.label, now.label) == ("linux-dmesg", "proc-mtrr")
    assert now.line == len(LINES) + 1 and str(now.at(0x80000000).type) == "UC"


def test_a_newer_log_completes_proc_mtrr():
    """Width and vendor from the log; the default type from how much RAM the ranges make WB."""
    log = ["vendor_id : AuthenticAMD", "address sizes : 48 bits physical, 48 bits virtual", COUNTS,
           "BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable"]  # fmt: skip
    uncovered = [PROC[2]]
    machine = mt.parse("\n".join([*log, *uncovered]))
    assert (machine.mtrrs.vendor, machine.mtrrs.maxphyaddr) == ("amd", 48)
    assert machine.mtrrs.at(0x100000) == mt.MemoryType.WB
    assert machine.mtrrs.variable[3][1] == rules.page_bits(48) & -(256 << 20) | 0x800
    covered = mt.parse("\n".join([*log, *PROC]))
    assert covered.mtrrs.at(1 << 40) == mt.MemoryType.UC


def test_a_repaired_mask_is_noted():
    machine = mt.parse("\n".join([*LINES, "mtrr: your BIOS has configured an incorrect mask, fixing it."]))
    assert machine.facts["mask_repaired"] is True and any("holes" in note for note in machine.notes)


def test_a_lost_default_type_is_inferred_from_how_much_ram_is_wb():
    """Ranges that make little of the RAM WB are no sign of a UC default."""
    e820 = "BIOS-e820: [mem 0x0000000100000000-0x00000008ffffffff] usable"
    headless = LINES[5:]
    assert mt.parse("\n".join(headless)).mtrrs.at(1 << 36) == mt.MemoryType.UC
    machine = mt.parse("\n".join([e820, *headless]))
    assert machine.mtrrs.at(1 << 36) == mt.MemoryType.WB
    assert any(note.startswith("default type not told: WB inferred") for note in machine.notes)


TELLS = {  # from the most to the least
    "registers": "MTRR variable ranges enabled:\n  0 base 0080000000 mask FF80000000 uncachable\n",
    "map": "MTRR map: 1 entries (0 fixed + 1 variable; max 16), built from 8 variable MTRRs\n"
    "  0: 0000000080000000-00000000ffffffff uncachable\n",
    "counts": "MTRR map: 1 entries (0 fixed + 1 variable; max 16), built from 8 variable MTRRs\n",
    "pat": "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\n",
    "ram": "BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable\n",
    "nothing": "smpboot: CPU0: x\n",
}


@pytest.mark.parametrize("more", range(5))
def test_of_two_boots_the_one_that_tells_more_is_shown_wherever_it_stands(more):
    """Each rank against the next: registers, then a map, counts, the PAT, RAM."""
    best, next_best = list(TELLS.values())[more : more + 2]
    for boots, shown in (((best, next_best), "6.1"), ((next_best, best), "6.2"), ((best, best), "6.2")):
        text = "".join(f"Linux version 6.{n} (x)\n{lines}" for n, lines in enumerate(boots, 1))
        assert linux_dmesg.parse(text).kernel == shown, (boots, shown)


def test_the_last_range_that_a_register_holds_is_read_and_the_next_one_refused():
    counts = TELLS["counts"]
    top = (1 << 52) - 1
    assert mt.parse(f"{counts}  0: {top:016x}-{top:016x} uncachable\n").printed_map.maxphyaddr == 52
    with pytest.raises(mt.ParseError, match=r"^<text>:2: .*2\*\*52"):
        mt.parse(f"{counts}  0: 0000000000000000-{top + 1:016x} uncachable\n")
    for base, size, fits in (
        (1 << 21, 1 << 21, True),
        (3 << 20, 1 << 20, True),
        (3 << 20, (1 << 20) + 1, False),
        (0, 0, False),
    ):
        text = f"original variable MTRRs\nreg 0, base: {base}GB, range: {size}GB, type WB\n"
        if fits:
            assert mt.parse(text).facts["cleanup_original"][0]["size"] == size << 30
            continue
        with pytest.raises(mt.ParseError, match=r"^<text>:2: .*empty or beyond 2\*\*52"):
            mt.parse(text)


def test_ram_may_end_with_64_bits_and_not_behind():
    (entry,) = mt.parse(" BIOS-e820: 0000000000001000 @ fffffffffffff000 (reserved)\n").e820
    assert entry.last == (1 << 64) - 1
    with pytest.raises(mt.ParseError, match=r"^<text>:1: .*beyond 64 bits"):
        mt.parse(" BIOS-e820: 0000000000001001 @ fffffffffffff000 (reserved)\n")


@pytest.mark.parametrize(
    "kept", [(), ("MTRR fixed ranges enabled:", "00000-9FFFF write-back", "A0000-FFFFF uncachable")]
)
def test_a_list_without_fixed_ranges_may_have_lost_their_lines(kept):
    lines = ["MTRR default type: uncachable", *kept, "MTRR variable ranges enabled:"]
    lines += ["  0 base 0000000000 mask 7F80000000 write-back", *(f"  {n} disabled" for n in range(1, 8)), "next line"]
    machine = mt.parse("\n".join(lines) + "\n")
    answer = machine.at(0xA0000)
    assert str(answer.type) == ("UC" if kept else "?")
    assert kept or "the fixed ranges are not told" in answer.missing
    if not kept:
        assert str(machine.assume(fixed="absent").at(0xA0000).type) == "WB"


@pytest.mark.parametrize("processor", ["AMD Opteron(tm) Processor 6136", "Intel(R) Core(TM) i7-2600 CPU @ 3.40GHz", ""])
def test_a_list_without_tom2_may_have_lost_the_line(processor):
    """Linux prints TOM2 where it forces WB above 4 GiB: a log of a processor without it and a damaged one are alike."""
    lines = [f"smpboot: CPU0: {processor} (family: 0x6, model: 0x2a)" if processor else "first line"]
    lines += ["MTRR default type: uncachable", "MTRR fixed ranges enabled:", "  00000-FFFFF write-back"]
    lines += ["MTRR variable ranges enabled:", "  0 base 000000000000 mask FFFF80000000 write-back"]
    machine = mt.parse("\n".join([*lines, *(f"  {n} disabled" for n in range(1, 8)), "next line"]) + "\n")
    answer = machine.at(4 << 30)
    assert str(answer.type) == "UC" and machine.at(1 << 20).assumed == ()
    if processor.startswith("Intel"):
        assert machine.vendor == "intel" and not answer.assumed
    else:
        assert "TOP_MEM2 assumed off" in str(answer)
        assert str(machine.at(4 << 30, strict=True).type) == "?"


def test_a_log_of_ours_that_lost_its_tom2_line_does_not_answer_for_it():
    state = mt.MtrrState(0xC00, [6 * 0x0101010101010101] * 11, [(6, 0xFFFF80000800)], 48, "amd", 0x600000, 0x230000000)
    text = str(mt.emit(state, "dmesg"))
    assert str(mt.parse(text).at(4 << 30)) == "WB"
    lost = mt.parse("\n".join(line for line in text.split("\n") if not line.startswith("TOM2")))
    assert "TOP_MEM2 assumed off" in str(lost.at(4 << 30))
    assert str(lost.at(4 << 30, strict=True).type) == "?"


def test_lists_of_mtrr_cleanup_that_cannot_be_told_apart_are_left_out():
    head = "original variable MTRRs\nreg 0, base: 0GB, range: 4GB, type WB\nreg 1, base: 3GB, range: 1GB, type UC\n"
    lists = head + "total RAM covered: 3072M\nNew variable MTRRs\nreg 0, base: 0GB, range: 2GB, type WB\n"
    stamped = "".join(f"[    0.000000] {line}\n" for line in lists.splitlines())
    assert mt.parse(stamped).at(3 << 30).type is mt.MemoryType.UC
    mixed = mt.parse(stamped.replace("[    0.000000] New", "[    0000000] New"))
    assert mixed.at(3 << 30).type is mt.MemoryType.NOT_TOLD
    assert any("mixed" in note for note in mixed.notes)


@pytest.mark.parametrize(
    ("head", "end"),
    [
        ("BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff]", "usable"),
        ("MTRR map: 4 entries (3 fixed + 1 variable; max 18), built from", "8 variable MTRRs"),
    ],
)
def test_a_line_broken_in_two_is_one(head, end):
    """By the family alone: what undoes a mail's breaks stands before it."""
    broken, whole = (linux_dmesg.parse(text) for text in (f"a\n{head}\n{end}\nb\n", f"a\n{head} {end}\n\nb\n"))
    assert (broken.facts, broken.e820) == (whole.facts, whole.e820) != (None, ())
    stamped = linux_dmesg.parse(f"a\n[    0.000000] {head}\n[    0.000000] {end}\nb\n")
    assert (stamped.facts, stamped.e820) == (None, ())  # a line of its own


def test_what_two_lines_tell_differently_is_noted():
    """By the family alone: two lists are two states before it."""
    log = "MTRR default type: uncachable\nMTRR default type: write-back\nMTRR variable ranges enabled:\n  0 disabled\n"
    noted = [note for note in linux_dmesg.parse(log).notes if getattr(note, "id", "") == "contradiction"]
    assert noted == ["line 1 and line 2 tell IA32_MTRR_DEF_TYPE differently: it is not told"]


def test_a_log_that_lost_a_fixed_row_may_have_lost_the_last_two_of_ten():
    """Eight rows are a whole list; ten without their last two look like it."""
    state = mt.MtrrState(0xC00, variable=((0, 0),) * 9 + ((6, 0xFFFF80000800),), maxphyaddr=48)
    lines = ["Linux version 5.10.0", *register_lines(state), "last_pfn = 0x1"]
    eight = [line for line in lines if not line.lstrip().startswith(("8 ", "9 "))]
    assert mt.parse("\n".join(eight)).at(1 << 20, strict=True).type is mt.MemoryType.UC
    lost = [line for line in eight if "00000-" not in line]
    assert mt.parse("\n".join(lost)).at(1 << 20, strict=True).type is mt.MemoryType.NOT_TOLD


def test_a_boot_that_another_follows_is_not_cut_off_behind_its_list():
    """Only the last line of a log may be the begin of a further entry."""
    log = (
        "Linux version 6.1.0\nMTRR default type: uncachable\nMTRR variable ranges enabled:\n"
        "  0 base 0000000000 mask FF80000000 write-back\n" + "".join(f"  {n} disabled\n" for n in range(1, 8))
        + "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT\n"
    )  # fmt: skip
    alone, followed = mt.parse(log), mt.parse(log + "Linux version 6.1.0\n")
    assert followed.notes == alone.notes and not any("cut off" in note for note in followed.notes)
    assert followed.mtrrs == alone.mtrrs and str(followed.mtrrs.at(0)) == "WB"


@pytest.mark.parametrize("number", ["reg , ", "reg, ", "reg ", "rg 1, ", "reg x, ", "1, ", "reg l, ", ""])
@pytest.mark.parametrize("row", ["base: 3584MB, range: 512MB, type UC", "base: 3S84MB, range: 512MB, type U"])
def test_a_row_of_the_cleanup_whose_number_is_garbled_is_not_dropped(number: str, row: str) -> None:
    """Some range lies there, or elsewhere: nothing says that it is none."""
    log = "Linux version 5.10.0 (b@h)\noriginal variable MTRRs\nreg 0, base: 0GB, range: 4GB, type WB\n"
    machine = mt.parse(f"{log}{number}{row}\ntotal RAM covered: 3584M\n")
    assert machine.at(3584 << 20).type == mt.MemoryType.NOT_TOLD
    assert any("line 4 was not understood" in note for note in machine.notes)


def test_a_log_that_has_a_row_twice_may_have_lost_the_last_two_of_ten():
    state = mt.MtrrState(0xC00, variable=((6, 0xFFFF80000800),) + ((0, 0),) * 7, maxphyaddr=48)
    lines = ["Linux version 5.10.0", *register_lines(state), "last_pfn = 0x1"]
    assert mt.parse("\n".join(lines)).at(3 << 30, strict=True).type is mt.MemoryType.UC
    lines.insert(lines.index("  3 disabled"), "  3 disabled")
    assert mt.parse("\n".join(lines)).at(3 << 30, strict=True).type is mt.MemoryType.NOT_TOLD


def test_rows_of_the_cleanup_s_plans_have_numbers_in_their_columns():
    log = (
        "Linux version 5.10.0\noriginal variable MTRRs\nreg 0, base: 0GB, range: 4GB, type WB\ntotal RAM covered: 8M\n"
    )
    row = " gran_size: 64K chunk_size: 32K num_reg: 2 lose cover RAM: 0G"  # each number once
    facts = mt.parse(f"{log}{row}\n").facts
    assert len(facts["cleanup_table"]) == 1 and facts["total_ram_covered_mb"] == 8
    for place in ("64K", "32K", "2 ", "0G"):
        for garbled in ("f" + place, place[1:] if len(place) == 2 else place[2:]):
            assert "cleanup_table" not in mt.parse(f"{log}{row.replace(place, garbled)}\n").facts


def test_a_pat_whose_old_value_is_lost_is_not_told():
    assert mt.parse("Linux version 5.10.0\nx86 PAT enabled: cpu 0, old 0x, new 0x7010600070106\n").pat is None


def test_a_list_of_32_bits_is_known_by_one_row():
    """ceil((32 - 32) / 4) + 8 digits."""
    assert linux_dmesg.sniff("  0 base 00000000 mask F8000000 write-back\n")
    assert not linux_dmesg.sniff("  0 base 0000000 mask F800000 write-back\n")


def test_a_row_whose_base_is_lost_is_no_row():
    log = "MTRR default type: uncachable\nMTRR variable ranges enabled:\n  0 base {}, mask F80000000, write-back\n"
    assert mt.parse(log.format("000000000")).registers.held[0x200].value == 6
    assert 0x200 not in mt.parse(log.format("")).registers.held


def test_an_update_of_the_ram_map_ends_with_what_it_makes():
    row = "e820: update range: 0000000000000000 - 0000000000010000 (usable) ==> (reserved)"
    log = f"Linux version 2.6.30\nMTRR default type: uncachable\n{row}{{}}\n"
    assert "mtrr_trim_e820_updates" in mt.parse(log.format("")).facts
    assert "mtrr_trim_e820_updates" not in (mt.parse(log.format(" by hand")).facts or {})
