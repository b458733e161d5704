"""``check``: each rule found where it is broken, nothing found where all is well."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import memtype as mt
from memtype import rules
from memtype.cli import main
from memtype.machine import RamRange
from memtype.told import Registers

FIXED = (0x0606060606060606,) * 11
WELL = mt.MtrrState(0xC06, FIXED, [mt.range_registers(0xC0000000, 1 << 30, "UC", 36)], 36)
RAM = (RamRange(0, 0xA0000, "usable"), RamRange(0x100000, 0xBFF00000, "usable"), RamRange(1 << 32, 1 << 32, "usable"))


def machine(*states: mt.MtrrState, **more: object) -> mt.Machine:
    return mt.Machine(cpus=tuple(mt.Cpu(n, state) for n, state in enumerate(states)), e820=RAM, **more)


def found(*given: object, **more: object) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in mt.check(*given, **more)]


def test_a_sound_machine_has_no_finding():
    report = mt.check(machine(WELL, WELL), mmio=[(0xFEE00000, 0x1000)])
    assert report and len(report) == 0


def test_ram_that_no_range_makes_wb_is_named_exactly():
    uncovered = replace(WELL, def_type=0xC00, variable=(mt.range_registers(0, 1 << 32, "WB", 36), *WELL.variable))
    (finding,) = mt.check(machine(uncovered))
    assert (finding.rule, finding.base, finding.size, finding.last) == ("check-ram", 1 << 32, 1 << 32, (1 << 33) - 1)
    assert "RAM is UC" in str(finding) and rules.RULES["check-ram"].source in str(finding)


def test_spans_are_cut_at_borders_and_joined():
    memory = replace(WELL, variable=(mt.range_registers(0x40000000, 1 << 30, "UC", 36),))
    assert [(f.base, f.size) for f in mt.check(machine(memory))] == [(0x40000000, 1 << 30)]
    ram = [(0x3FFFF000, 0x1000), (0x40000000, 0x1000), (0x40001000, 0x1000)]
    assert [(f.base, f.size) for f in mt.check(memory, ram=ram)] == [(0x40000000, 0x2000)]


def test_devices_must_not_be_cached():
    (finding,) = mt.check(WELL, mmio=[(0xBFFFF000, 0x2000)])
    assert (finding.rule, finding.severity, finding.base, finding.size) == ("check-mmio", "error", 0xBFFFF000, 0x1000)


def test_processors_that_differ_in_effect_are_an_error_and_in_registers_a_note():
    turned = replace(WELL, variable=((0, 0), *WELL.variable))
    other = replace(WELL, variable=())
    assert found(machine(WELL, turned)) == [("check-cpus", "note")] and mt.check(machine(WELL, turned))
    assert found(machine(WELL, other, other)) == [("check-cpus", "error")]
    assert found(machine(WELL, turned), require="snp") == [("check-snp", "error")]
    assert found(machine(WELL, WELL), require="snp") == [("check-snp", "note")]
    assert found(machine(WELL), require="snp") == [("check-snp", "warning")]
    assert found(machine(WELL, facts={"inconsistent": ["variable"]})) == [("check-cpus", "error")]


def test_snp_explains_the_routing_bits():
    state = replace(WELL, fixed=(0x1E1E1E1E1E1E1E1E,) * 11, vendor="amd")
    texts = [finding.text for finding in mt.check(machine(state, state), require="snp")]
    assert "fixed-range bytes: 1e = RdMem + WrMem + WB" in texts


def test_undefined_and_refused_values_are_errors():
    state = replace(WELL, variable=((0x40000002, 0xFC0000800),))
    kinds = found(replace(machine(state), e820=()))
    assert ("check-register", "error") in kinds and ("check-undefined", "error") in kinds


def test_off_is_a_warning_but_in_a_tdx_guest():
    off = mt.MtrrState(maxphyaddr=36)
    assert found(machine(off)) == [("check-off", "warning")]
    assert found(machine(off), platform="tdx") == [("check-tdx", "note")]


def test_what_the_dump_does_not_tell_is_not_found_wrong():
    low = replace(WELL, def_type=0xC06, fixed=(0,) * 11)
    assert not mt.check(machine(low))
    told = Registers.of(low)
    held = {index: register for index, register in told.held.items() if index not in rules.FIXED_MSRS}
    assert mt.check(replace(machine(low), cpus=(mt.Cpu(0, replace(told, held=held)),)))


def test_shattered_maps_are_named():
    shattered = mt.MtrrState(0x800, variable=[(0x1006, 0xAAAAAAAAA800)], maxphyaddr=48)
    assert ("check-shattered", "warning") in found(machine(shattered))
    assert ("check-cpus", "error") in found(machine(shattered, replace(WELL, maxphyaddr=48)))


@pytest.mark.parametrize("bad", [{"mmio": [(-1, 5)]}, {"ram": [(0, 1 << 40)]}, {"require": "x"}, {"platform": "x"}])
def test_bad_arguments_are_refused(bad):
    with pytest.raises(mt.InputError):
        mt.check(WELL, **bad)
    with pytest.raises(mt.InputError, match="nothing to check"):
        mt.check(mt.Machine())


# --- the verb -------------------------------------------------------------------------------------------------------

LOG = """\
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable
BIOS-e820: [mem 0x0000000100000000-0x000000043fffffff] usable
MTRR default type: uncachable
MTRR fixed ranges enabled:
  00000-9FFFF write-back
  A0000-FFFFF uncachable
MTRR variable ranges enabled:
  0 base 000000000 mask F80000000 write-back
  1 base 080000000 mask FC0000000 write-back
  2 base 100000000 mask F00000000 write-back
"""


def test_the_verb_finds_uncovered_ram(tmp_path, capsys):
    path = tmp_path / "log"
    path.write_text(LOG)
    assert main(["check", "--e820", str(path)]) == 1
    out = capsys.readouterr().out
    assert "[mem 0x0000000200000000-0x000000043fffffff] RAM is UC" in out and "1 finding\n" in out
    assert main(["check", str(path), "--mmio", "0x80000000-0xfebfffff", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False and [f["id"] for f in told["findings"]] == ["check-mmio", "check-ram"]
    assert told["findings"][0]["last"] == "0xbfffffff" and all("end" not in f for f in told["findings"])
    path.write_text(LOG.replace("43fffffff", "1ffffffff"))
    assert main(["check", str(path)]) == 0 and "nothing wrong found" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--mmio", "x"], ["--require", "sev"], ["--ram", "5-1"]])
def test_bad_usage_is_one_line(words, tmp_path, capsys):
    path = tmp_path / "log"
    path.write_text(LOG)
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main(["check", str(path), *words]))
    told = capsys.readouterr()
    assert stop.value.code == 2 and told.out == "" and told.err.count("\n") == 1
