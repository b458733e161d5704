"""Firmware consoles, Xen, U-Boot, BSD, WinDbg and fwts: the facts they print are the facts we hold."""

import json
from pathlib import Path

import pytest
from dump_samples import BSD, COREBOOT, EDK2, INTELTOOL, LINUXBIOS, XEN, windbg, xen_record

import memtype as mt
from memtype import formats, rules

FOLDERS = ("coreboot", "edk2", "fwts", "inteltool", "uboot", "xen")
OF_THE_LOG_BESIDE = {  # facts that the paired dmesg prints, not the dump: proven by the chains below
    "inteltool": {"map_entries", "fixed", "variable", "max", "built_from", "mtrr_trim_e820_updates", "source",
                  "total_ram_covered_mb", "cleanup_optimal", "dmesg_last_pfn"},
}  # fmt: skip


def expected_files(corpus: Path) -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (corpus / folder).glob("*.expected.json"))


def dump_of(expected: Path) -> Path:
    return expected.with_name(expected.name.replace(".expected.json", ".txt"))


def test_printed_facts_are_held(corpus):
    seen = 0
    for expected in expected_files(corpus):
        if expected.name.startswith("linux-dom0"):
            continue  # a Linux log
        facts = mt.load(dump_of(expected)).facts or {}
        for key, value in json.loads(expected.read_text()).items():
            if key not in OF_THE_LOG_BESIDE.get(expected.parent.name, ()):
                assert facts.get(key) == value, (expected.name, key)
                seen += 1
    assert seen > 60


def test_every_dump_without_an_answer_parses(corpus):
    for name in ("coreboot/linuxbios-8socket-opteron-32gb", "inteltool/acer-extensa-5630-vcnt7-unreadable-reg7",
                 "uboot/doc-coral-like-list", "fwts/arrandale-with-wp-rom"):  # fmt: skip
        assert mt.load(corpus / f"{name}.txt").mtrrs is not None


# --- coreboot -----------------------------------------------------------------------------------------------------


def test_coreboot_registers_give_the_planned_types(corpus):
    """The planner and the registers are independent prints: over RAM and holes below it they must agree."""
    compared = 0
    for path in sorted((corpus / "coreboot").glob("*.txt")):
        machine = mt.load(path)
        if "partial" in path.name or "ranges" not in machine.facts:
            continue  # cut excerpts lack registers
        for base, end, kind in machine.facts["ranges"]:
            if base < rules.FIXED_END:
                if machine.facts["fixed_msrs"]:
                    low = min(end, rules.FIXED_END)
                    assert machine.mtrrs.map.uniform(base, low - base) == kind, (path.name, hex(base))
                base = rules.FIXED_END
            if base < end and not (machine.vendor == "amd" and base >= rules.GIB4):  # there TOM2 does it
                assert machine.mtrrs.map.uniform(base, end - base) == kind, (path.name, hex(base))
                compared += 1
    assert compared > 35


def test_coreboot_takes_the_last_solution_and_says_so():
    machine = mt.parse(COREBOOT)
    assert machine.mtrrs.variable == ((0x80000000, 0xF80000800),)
    assert (machine.mtrrs.def_type, machine.mtrrs.maxphyaddr) == (0x806, 36)
    assert machine.facts["ranges_end"] == "exclusive as printed and inclusive as printed"
    assert machine.facts["ranges"] == [[0, 0x80000000, 6], [0x80000000, 0x100000000, 0]]
    assert any("2 MTRR solutions" in note for note in machine.notes)


def test_coreboot_range_that_fits_neither_end_is_refused():
    broken = COREBOOT.replace("0x0000000100000000 size 0x80000000 type 0", "0x0000000100000001 size 0x80000000 type 0")
    with pytest.raises(mt.ParseError, match=r"^log:8: range 0x80000000 - 0x100000001 is not 0x80000000 bytes long$"):
        mt.parse(broken, "log")


def test_coreboot_display_mtrrs_reads_raw_values():
    fixed = [(name, 0x0606060606060606 if n < 2 else 0) for n, name in enumerate(rules.FIXED_NAMES)]
    rows = ["0x0000000000000d0a: IA32_MTRRCAP: SMRR, WC, FIX, 10 variable MTRRs"]
    rows += ["0x0000000000000c00: IA32_MTRR_DEF_TYPE: E, FE, UC"]
    rows += [f"0x{value:016x}: IA32_MTRR_{name}\n    0x00000000 - 0x0009ffff: UC" for name, value in fixed]
    rows += ["0x0000000000000006: PHYBASE0: Address = 0x0000000000000000, WB",
             "0x0000007f80000800: PHYMASK0: Length  = 0x0000000080000000, Valid",
             "0x0000000000000000: PHYBASE1", "0x0000000000000000: PHYMASK1: Disabled"]  # fmt: skip
    machine = mt.parse("\n".join(rows))
    assert machine.format == "coreboot"
    assert machine.mtrrs.msrs() == {
        0xFE: 0xD0A, 0x200: 6, 0x201: 0x7F80000800, 0x202: 0, 0x203: 0, 0x2FF: 0xC00,
        **{index: value for index, (_, value) in zip(rules.FIXED_MSRS, fixed)},
    }  # fmt: skip


def test_old_linuxbios_lines_need_no_masks(corpus):
    machine = mt.load(corpus / "coreboot" / "linuxbios-8socket-opteron-32gb.txt")
    kinds = [str(machine.mtrrs.at(gib << 30)) for gib in (0, 2, 3, 4, 32, 33)]
    assert kinds == ["WB", "WB", "UC", "WB", "WB", "UC"]
    assert {"default", "maxphyaddr", "fixed"} <= set(machine.inferred)


def test_other_processors_copies_are_no_other_solution():
    copies = COREBOOT + "[DEBUG]  MTRR: 0 base 0x0000000080000000 mask 0x0000000f80000000 type 0\n" * 3
    machine, one = mt.parse(copies), mt.parse(COREBOOT)
    assert (machine.mtrrs, machine.facts, machine.notes) == (one.mtrrs, one.facts, one.notes)


def test_another_value_begins_another_solution():
    more = COREBOOT + "[DEBUG]  MTRR: 0 base 0x0000000040000000 mask 0x0000000fc0000000 type 0\n"
    machine = mt.parse(more)
    assert machine.mtrrs.variable == ((0x40000000, 0xFC0000800),)
    assert any("3 MTRR solutions" in note for note in machine.notes)


def test_old_coreboot_paints_the_fixed_ranges():
    text = "Setting fixed MTRRs(0-88) Type: UC\nSetting fixed MTRRs(0-16) Type: WB, RdMEM, WrMEM\n"
    text += "Setting fixed MTRRs(24-88) Type: WP\nCPU physical address size: 36 bits\n" + LINUXBIOS
    state = mt.parse(text).mtrrs
    assert state.fixed[0] == state.fixed[1] == 0x1E1E1E1E1E1E1E1E and state.fixed[2] == 0
    assert state.vendor == "amd" and state.maxphyaddr == 36
    assert [str(state.at(a)) for a in (0x9FFFF, 0xA0000, 0xC0000, 1 << 20, 1 << 30, 0x60000000, 1 << 31)] == [
        "WB", "UC", "WP", "WB", "UC", "WB", "UC"]  # fmt: skip


def test_wc_removed_is_told_and_the_counts_are_the_final_ones():
    text = COREBOOT.replace(
        "[DEBUG]  MTRR: default type WB/UC MTRR counts: 1/1.",
        "[DEBUG]  MTRR: Removing WRCOMB type. WB/UC MTRR counts: 9/13 > 8.\n"
        "[DEBUG]  MTRR: default type WB/UC MTRR counts: 1/1.",
    )
    facts = mt.parse(text).facts
    assert facts["wc_removed"] and facts["counts_wb_uc"] == [1, 1]


# --- inteltool ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gigabyte-h55m-s2", "samsung-r580"])
def test_inteltool_registers_give_what_linux_printed_on_the_same_machine(corpus, name):
    machine = mt.load(corpus / "inteltool" / f"{name}.txt")
    expected = json.loads((corpus / "inteltool" / f"{name}.expected.json").read_text())
    view = machine.mtrrs.view("linux-6.5")
    if "map_entries" in expected:
        counts = view.counts
        got = {"map_entries": counts.entries, "fixed": counts.fixed, "variable": counts.variable,
               "max": counts.max, "built_from": counts.built_from}  # fmt: skip
        assert got == {key: expected[key] for key in got}
    for base, end in expected["mtrr_trim_e820_updates"]:
        # Linux trims what no WB register covers: exactly this hole below 4 GiB
        assert str(machine.mtrrs.map.uniform(base, end - base)) == "UC"
        assert str(machine.mtrrs.at(base - 1)) == "WB"


def test_inteltool_leaves_out_what_it_could_not_read(corpus):
    machine = mt.load(corpus / "inteltool" / "acer-extensa-5630-vcnt7-unreadable-reg7.txt")
    assert len(machine.mtrrs.variable) == machine.mtrrs.cap & rules.MTRRCAP_VCNT == 7
    assert sum("could not be read" in note for note in machine.notes) == 2


def test_inteltool_index_counts_more_than_the_wrong_name(corpus):
    machine = mt.load(corpus / "inteltool" / "ecs-h310ch5-m2-vendor-bios.txt")
    assert machine.mtrrs.variable[0] == (0xC0000000, 0x7FC0000800)


def test_inteltool_cores_of_their_own():
    machine = mt.parse(INTELTOOL)
    assert [(cpu.number, cpu.registers.held[0x2FF].value, cpu.pat.value) for cpu in machine.cpus] == [
        (0, 0x806, 0x0007040600070406), (1, 0x806, 0x0007040600070106)]  # fmt: skip
    assert any("differ in 1 registers: IA32_PAT" in note for note in machine.notes)


# --- EDK2 ---------------------------------------------------------------------------------------------------------


def test_edk2_registers_give_the_printed_ranges(corpus):
    machine = mt.load(corpus / "edk2" / "patina-readme-ovmf-like.txt")
    assert machine.printed_map == machine.mtrrs.map == machine.mtrrs.view(machine.printed_view).map
    assert machine.maxphyaddr == 38 and "maxphyaddr" not in machine.inferred


def test_edk2_phases_take_the_last_and_gaps_are_disabled_slots():
    machine = mt.parse("PEI\n" + EDK2.replace("0C06", "0C00") + "DXE\n" + EDK2)
    assert machine.mtrrs.def_type == 0xC06
    assert machine.mtrrs.variable == ((0x80000000, 0xF80000800), (0, 0), (0x70000001, 0xFF0000800))
    assert machine.facts["dumps"] == 2 and any("boot phases" in note for note in machine.notes)
    assert machine.printed_map == machine.mtrrs.map


def test_edk2_one_fixed_register_missing_leaves_its_own_addresses_open():
    machine = mt.parse(EDK2.replace("Fixed MTRR[03]   : 0606060606060606\n", ""))
    assert [str(machine.at(a).type) for a in (0xBFFFF, 0xC0000, 0xC7FFF, 0xC8000)] == ["WB", "?", "?", "WB"]


def test_edk2_processors_under_headings():
    machine = mt.parse("CPU 0:\n" + EDK2 + "CPU 3:\n" + EDK2.replace("0C06", "0800"))
    assert [(cpu.number, cpu.mtrrs.def_type) for cpu in machine.cpus] == [(0, 0xC06), (3, 0x800)]


@pytest.mark.parametrize(("old", "new", "message"), [
    ("Fixed MTRR[03]   : 0606060606060606", "Fixed MTRR[03]   : 16060606060606060", "is not a 64-bit value"),
    ("Fixed MTRR[03]", "Fixed MTRR[11]", r"Fixed MTRR\[11\]: there are 11"),
    ("Mask=0000000F80000800", "Mask=", "not a line of EDK2's MTRR dump"),
])  # fmt: skip
def test_edk2_refusals(old, new, message):
    assert old in EDK2
    with pytest.raises(mt.ParseError, match=message):
        mt.parse(EDK2.replace(old, new))


# --- Xen ----------------------------------------------------------------------------------------------------------


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


def test_xen_records_of_several_processors():
    text = xen_record([(0, 0xFF80000800)] + [(0, 0)] * 7) + xen_record([(0, 0)] * 8)
    assert [cpu.mtrrs.variable[0][1] for cpu in mt.parse(text).cpus] == [0xFF80000800, 0]


# --- U-Boot, BSD, WinDbg, fwts --------------------------------------------------------------------------------------


def test_uboot_last_table_counts_and_sizes_tell_the_width(corpus):
    machine = mt.load(corpus / "uboot" / "doc-coral-like-list.txt")
    assert machine.maxphyaddr == 36 and "maxphyaddr" not in machine.inferred
    assert machine.mtrrs.variable[5] == (0xD0000001, 0xFF0000000)  # disabled by the command in between
    assert machine.mtrrs.variable[3] == (0xAD000000, 0xFFF000800)


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


def test_windbg():
    machine = mt.parse(windbg())
    state = machine.mtrrs
    assert machine.format == "windbg" and (state.def_type, state.maxphyaddr, len(state.variable)) == (0xC00, 42, 4)
    kinds = [str(state.at(a)) for a in (0x9FFFF, 0xA0000, 0x100000, 0xC0000000, 1 << 32, (1 << 37) - 1, 1 << 37)]
    assert kinds == ["WB", "WP", "WB", "UC", "WB", "WB", "UC"]
    assert mt.parse(windbg("disabled")).mtrrs.def_type == 0x800


def test_fwts(corpus):
    machine = mt.load(corpus / "fwts" / "arrandale-with-wp-rom.txt")
    assert [str(machine.mtrrs.at(a)) for a in (0, 0xBF7FFFFF, 0xBF800000, 0xC0000000, 0xFFE00000, 1 << 32)] == [
        "WB", "WB", "UC", "UC", "WP", "WB"]  # fmt: skip
    assert machine.facts["inconsistent"] == ["variable"] and "default" in machine.inferred


LINUX_MODULES = {"linux_dmesg", "proc_mtrr", "pat_memtype_list"}


def test_each_corpus_file_is_claimed_by_its_family_alone(corpus):
    allowed = {"coreboot": {"coreboot"}, "edk2": {"edk2"}, "fwts": {"fwts"}, "inteltool": {"inteltool"},
               "uboot": {"u-boot"}}  # fmt: skip
    linux = {family.NAME for family in formats.families() if family.__name__.rpartition(".")[2] in LINUX_MODULES}
    files = [path for path in corpus.glob("*/*") if path.suffix in (".txt", ".log")]
    for path in files:
        text = path.read_text(errors="replace")
        claims = {family.NAME for family in formats.families() if family.sniff(text)}
        if path.parent.name in allowed:
            assert claims == allowed[path.parent.name], path.name
        elif "(XEN)" in text:
            assert claims == {"xen"}, path.name
        elif path.name.endswith(".debugcon.log"):
            assert claims == {"seabios"}, path.name
        else:
            assert claims - linux == ({"msr-list"} if "@@MSRS" in text else set()), path.name
    assert len(files) > 200


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
