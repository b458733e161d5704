"""coreboot's console: temporary solutions and those that stay, ends of both ages, raw values of `display_mtrrs`."""

from __future__ import annotations

from itertools import combinations

import pytest
from dump_samples import COREBOOT, LINUXBIOS

import memtype as mt
from memtype import rules
from memtype.formats import coreboot


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


def test_a_temporary_solution_is_no_state_and_a_note_says_so():
    machine = mt.parse(COREBOOT)
    assert machine.mtrrs.variable == ((0x80000000, 0xF80000800),)
    assert (machine.mtrrs.def_type, machine.mtrrs.maxphyaddr) == (0x806, 36)
    assert machine.facts["ranges_end"] == "exclusive as printed and inclusive as printed"
    assert machine.facts["ranges"] == [[0, 0x80000000, 6], [0x80000000, 0x100000000, 0]]
    assert any("1 temporary MTRR solution" in note for note in machine.notes)


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


def test_another_value_is_a_contradiction_and_another_solution_a_state():
    more = COREBOOT + "[DEBUG]  MTRR: 0 base 0x0000000040000000 mask 0x0000000fc0000000 type 0\n"
    (only,) = mt.parse(more).states  # inside one list: a contradiction
    assert only.mtrrs is None and any("line 12 and line 13 tell MTRR 0 differently" in note for note in only.notes)
    old, new = mt.parse(COREBOOT + COREBOOT.replace("f80000000 type 0", "f80000000 type 1")).states
    assert [state.mtrrs.variable[0][0] & 0xFF for state in (old, new)] == [0, 1]


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


def test_coreboot_prints_the_width_in_decimal_and_masks_in_hexadecimal():
    machine = mt.parse(COREBOOT)
    assert machine.maxphyaddr == 36  # not 0x36
    assert str(machine.at(0x80000000).type) == "UC" and str(machine.at(0x7FFFFFFF).type) == "WB"


def test_a_plan_alone_is_no_register_and_answers_nothing():
    plan = "".join(line for line in COREBOOT.splitlines(keepends=True) if " base 0x" not in line)
    machine = mt.parse(plan)
    assert machine.at(0).type is machine.at(0x80000000).type is mt.MemoryType.NOT_TOLD
    assert any("coreboot's plan alone" in note for note in machine.notes)


def test_registers_stand_where_a_plan_below_them_lost_its_own():
    pair = "MTRR: 0 base 0x0000000000000000 mask 0x0000000f80000000 type 6\n"
    plan = "MTRR: Physical address space:\n0x0 - 0xffffffff size 0x100000000 type 0\n"
    assert coreboot.parse(pair + plan).registers.held == coreboot.parse(pair).registers.held


def test_display_mtrrs_prints_each_register_once():
    names = [rules.msr_name(index) for index in rules.FIXED_MSRS]
    text = "0x508: IA32_MTRRCAP: 8 variable\n" + "".join(f"0x{n:016x}: {name}\n" for n, name in enumerate(names))
    for n in range(8):
        text += f"0x{n << 12:016x}: PHYBASE{n}: Address\n0x{0:016x}: PHYMASK{n}: Disabled\n"
    (state,) = mt.parse(text).states
    held = state.registers.held
    assert [held[index].value for index in rules.FIXED_MSRS] == list(range(11))
    assert [held[rules.PHYSBASE0 + 2 * n].value for n in range(8)] == [n << 12 for n in range(8)]


@pytest.mark.parametrize("garbled", [
    "Setting fixed MTRRs(0-16 Type: WB", "Setting fixed (0-16) Type: WB", "Settingfixed MTRRs0-16) Type: WB",
    "Setting fixedx MTRRs(0-16) Type: WB", "Setting MTRRs(0-16) Type: WB", "Setting fixed MTRRs(0-16) Type: WB, RdMEMx",
    "Setting fixed MTRRs(0-16) Type: WB RdMEM, WrMEM", "Setting fixed MTRRs(0-16) Type: WBx",
    "Setting MTRRs(o-16) Type: WB",
])  # fmt: skip
def test_a_garbled_write_of_fixed_ranges_is_refused(garbled):
    """It may have replaced what the line above it wrote."""
    with pytest.raises(mt.ParseError, match=r"^t:2: not an MTRR line of coreboot"):
        mt.parse(f"Setting fixed MTRRs(0-88) Type: UC\n{garbled}\n{LINUXBIOS}", "t")


@pytest.mark.parametrize("kind", [6, 0])
def test_ram_above_4_gib_is_what_tom2_makes_wb_on_amd(kind):
    """RAM below and no RAM above are no such thing."""
    log = COREBOOT.replace("[DEBUG]  apic_id", f"[DEBUG]  0x100000000 - 0x17fffffff size 0x80000000 type {kind}\n"
                           "[DEBUG]  MTRR: Fixed MSR 0x250 0x1e1e1e1e1e1e1e1e\n[DEBUG]  apic_id")  # fmt: skip
    machine = mt.parse(log)
    assert machine.vendor == "amd"
    assert any("is WB by TOM2" in note for note in machine.notes) == (kind == 6)


@pytest.mark.parametrize("left", [*combinations(range(4), 2)])
def test_a_garbled_line_of_fixed_ranges_is_not_dropped(left):
    """Any two of its words are left."""
    words = [word if n in left else "?" for n, word in enumerate(("Setting", "fixed", "MTRRs(", ") Type: "))]
    line = "{} {} {}0-16{}WB".format(*words)
    with pytest.raises(mt.ParseError, match=r"^<text>:1: "):
        mt.parse(f"{line}\nSetting variable MTRR 0, base: 0MB, range: 2048MB, type WB\n")
