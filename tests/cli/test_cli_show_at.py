"""`memtype show` and `memtype at`: what they print, how they tell addresses from files, and how they refuse."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from linux_log import register_lines
from printed import flat
from strategies import random_state

import memtype as mt
from memtype import host, rules
from memtype.cli import main, registers
from memtype.cli.registers import deciders, edges, pairs
from memtype.machine import Cpu, Machine

FIXED = (0x0606060606060606,) * 2 + (0,) + (0x0505050505050505,) * 8
STATE = mt.MtrrState(0xC00, FIXED, ((0x6, 0xF00000800), (0xE0000000, 0xFE0000800), *((0, 0),) * 6), 36)
HOLEY = mt.MtrrState(0xC06, FIXED, ((0xFED80000, 0x0FFFFFF000 | 0x800), (0x80000000, 0xFF80000800)), 40)
COUNTS = "MTRR map: 2 entries (1 fixed + 1 variable; max 18), built from 8 variable MTRRs"
MAP = ["  0: 0000000000000000-00000000000fffff write-back", "  1: 0000000080000000-00000000ffffffff uncachable"]
PAT = "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT"


@pytest.fixture
def dump(tmp_path):
    """Writes lines to a file and gives its name."""

    def write(*lines: str) -> str:
        path = tmp_path / "dmesg.txt"
        path.write_text("\n".join([*lines, "rcu: the log goes on: the list above is whole"]))
        return str(path)

    return write


@pytest.fixture
def cli(capsys):
    """Runs a command line: (exit status, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(list(arguments))
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


# --- show -----------------------------------------------------------------------------------------------------------


def test_show_prints_registers_pat_and_map(cli, dump):
    status, out, err = cli("show", dump(*register_lines(STATE), PAT))
    assert status == 0
    lines = out.splitlines()
    assert lines[0].split("   ") == ["MTRR on", "default UC", "fixed on", "2/8 variable used", "MAXPHYADDR 36"]
    assert "PAT [0-7]: WB  WC  UC- UC  WB  WP  UC- WT" in lines
    assert "reg1  [mem 0x00000000e0000000-0x00000000ffffffff]  512 MiB  UC" in lines
    assert "[mem 0x0000000000100000-0x00000000dfffffff]  3.499 GiB  WB  reg0" in lines
    assert "[mem 0x00000000e0000000-0x0000000fffffffff] 60.5 GiB UC reg1 over reg0 + default" in flat(out)
    assert "note: MAXPHYADDR not told: 36 inferred from the masks" in err
    assert all(len(line) <= 80 for line in lines)
    assert "raw: 0xe0000000/0xfe0000800" in cli("show", "--raw", dump(*register_lines(STATE), PAT))[1]


def test_show_is_the_default_verb(cli, dump):
    path = dump(*register_lines(STATE))
    assert cli(path) == cli("show", path)


def test_a_pipe_is_read_without_being_asked():
    done = subprocess.run(
        [sys.executable, "-m", "memtype"], input="\n".join(register_lines(STATE)), capture_output=True, text=True
    )
    assert done.returncode == 0 and "reg1 over reg0" in done.stdout and "<stdin> (linux-dmesg)" in done.stdout


def test_show_says_what_is_odd_about_a_holey_mask(cli, dump):
    out = flat(cli("show", dump(*register_lines(HOLEY)))[1])
    assert "16 x 4 KiB" in out
    assert "odd: holey mask (bits 39:36 clear): matches 16 blocks of 4 KiB, one every 64 GiB" in out
    for block in range(16):
        assert f"[mem 0x{(block << 36) + 0xFED80000:016x}-0x{(block << 36) + 0xFED80FFF:016x}]" in out or block == 0


ODD = [
    ((0x80000006, 0x800), "the mask is zero: matches every address"),
    ((0x80123006, 0xF80000800), "base bits 0x123000 lie outside the mask: ignored, the range starts at 0x80000000"),
    ((0x80000002, 0xF80000800), "type 2 is reserved"),
    ((0x80000006, 0xF80000000), "disabled (V = 0), yet holds 0x80000006/0xf80000000: not looked at"),
    ((0x6, 0x5FF000800), "holey mask (bits 35, 33 clear): matches 4 blocks"),
]


@pytest.mark.parametrize(("pair", "words"), ODD)
def test_each_oddity_is_named(pair, words):
    odd = pairs(mt.MtrrState(0x806, variable=(pair,), maxphyaddr=36))[0].odd
    assert any(words in line for line in odd)


def test_a_plain_register_is_not_odd():
    assert not any(pair.odd for pair in pairs(STATE))


def test_blocks_of_a_pair_are_those_that_hardware_matches():
    rng = random.Random(3)
    for _ in range(60):
        state = random_state(rng)
        for pair in pairs(state):
            if not pair.valid:
                continue
            found, limit = registers.blocks(pair, state.maxphyaddr), 1 << state.maxphyaddr
            assert len(found) == min(pair.blocks, 64) == len(set(found))
            field = pair.mask & rules.page_bits(state.maxphyaddr)
            for address in [a for base, size in found for a in (base - 1, base, base + size - 1, base + size)]:
                matches = 0 <= address < limit and address & field == pair.base & field
                inside = any(base <= address < base + size for base, size in found)
                assert matches == inside or (matches and pair.blocks > 64)


def test_the_deciding_registers_are_those_that_the_explanation_names():
    """Text against `explain` at every base of a segment of random states."""
    rng = random.Random(11)
    for _ in range(40):
        state = random_state(rng, holey=False)
        found = edges(state)
        for segment in state.map:
            words = deciders(state, segment, found)
            rule = state.explain(segment.base).steps[-1].rule
            assert words
            assert ("MTRRs off" in words) == (rule == "mtrr-disabled")
            if rule == "mtrr-default":
                assert "default" in words
            if rule == "mtrr-undefined":
                assert "undefined overlap" in words
            if rule == "mtrr-uc-wins":
                assert " over " in words


def test_processors_that_differ_are_said(cli, monkeypatch):
    renumbered = replace(STATE, variable=STATE.variable[1::-1])
    cpus = (Cpu(0, STATE), Cpu(1, STATE), Cpu(2, renumbered), Cpu(5, replace(STATE, def_type=0xC06)))
    monkeypatch.setattr(host, "load_or_host", lambda source, bare: Machine(cpus, "made up"))
    out = cli("show", "x")[1]
    assert "CPU 2 differs from CPU 0: registers, with the same map" in out
    assert "CPU 5 differs from CPU 0: registers and map" in out
    assert "CPU 1 differs" not in out
    told = json.loads(cli("show", "x", "--json")[1])["cpus"]
    assert [(c["cpu"], c["same_registers"], "msrs" in c) for c in told] == [
        (0, True, False), (1, True, False), (2, False, True), (5, False, True)]  # fmt: skip


def test_problems_are_in_the_notes(cli, monkeypatch):
    bad = replace(STATE, def_type=0xF0C06)
    monkeypatch.setattr(host, "load_or_host", lambda source, bare: Machine((Cpu(0, bad),), "made up"))
    assert "note: problem: IA32_MTRR_DEF_TYPE = 0xf0c06" in cli("show", "x")[2]


def test_a_log_without_registers_is_told_once(cli, dump):
    ram = [f"BIOS-e820: [mem 0x{n << 32:016x}-0x{(n << 32) + 0xFFFF:016x}] usable" for n in range(3)]
    trim = "e820: update [mem 0xe0000000-0xffffffff] usable ==> reserved"
    status, out, _ = cli("show", dump(*ram, COUNTS, PAT, trim))
    assert status == 0 and out.count("MTRR map: 2 entries") == 1 and out.count("RAM map:") == 1
    spans = [line.split("]")[0] for line in out.splitlines() if "[mem" in line]
    assert len(spans) == 4 and len(set(spans)) == 4
    assert out.splitlines()[-1].startswith("the registers are told by: ")


def test_json_has_hex_strings_and_inclusive_ends(cli, dump):
    found = json.loads(cli("show", "--json", dump(*register_lines(STATE), PAT))[1])
    assert found["schema"] == "memtype/1" and found["verb"] == "show" and found["format"] == "linux-dmesg"
    assert found["cpu"]["maxphyaddr"] == 36
    assert found["msrs"]["0x2ff"] == "0x0000000000000c00"
    rebuilt = mt.MtrrState.from_msrs({int(k, 16): int(v, 16) for k, v in found["msrs"].items()}, 36)
    assert rebuilt.map == STATE.map
    for entry, segment in zip(found["map"], STATE.map, strict=True):
        assert [int(entry[key], 16) for key in ("base", "size", "last")] == [segment.base, segment.size, segment.last]
        assert (entry["type"], entry["type_id"]) == (str(segment.type), int(segment.type))
        assert "end" not in entry
    assert found["variable"][1]["type"] == "UC" and found["variable"][2]["valid"] is False
    assert found["pat"] == ["WB", "WC", "UC-", "UC", "WB", "WP", "UC-", "WT"]


def test_a_shattered_map_is_said_and_the_rest_still_shown(cli, monkeypatch):
    mask = sum(1 << bit for bit in range(12, 52, 2)) | 0x800
    state = mt.MtrrState(0x806, variable=((0, mask),), maxphyaddr=52)
    monkeypatch.setattr(host, "load_or_host", lambda source, bare: Machine((Cpu(0, state),), "made up"))
    status, out, err = cli("show", "x")
    assert status == 0 and "holey mask" in out and "note: no map is drawn: " in err
    assert cli("at", "0x1000", "-")[0] == 0
    assert cli("at", "0-4G", "-")[1].count("\n") == 2049  # every one of them
    assert cli("at", "0-64T", "-")[0] == 2


def test_registers_that_make_another_map_than_the_printed_one_are_said(cli, dump):
    lines = register_lines(STATE, newer=True)
    err = cli("show", dump(*lines, COUNTS, *MAP))[2]
    assert "these registers make" in err


# --- without input --------------------------------------------------------------------------------------------------


@pytest.fixture
def no_input(monkeypatch):
    """No terminal, no pipe: a stream without a file behind it."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def test_the_sample_is_shown_and_named_where_the_host_tells_nothing(cli, monkeypatch, no_input):
    monkeypatch.setattr(host, "this_host", lambda: Machine(source="this host"))
    status, out, err = cli()
    assert status == 0 and "note: no input: shown is the built-in sample" in err
    assert host.sample().mtrrs.map.segments[-1].type == mt.MemoryType.UC
    assert "the built-in sample" in out


def test_the_host_is_shown_and_named_where_it_tells(cli, monkeypatch, no_input):
    monkeypatch.setattr(host, "this_host", lambda: Machine((Cpu(0, STATE),), "made up", source="this host"))
    status, out, err = cli("at", "0xe0000000")
    assert (status, out) == (0, "0xe0000000  UC\n") and "note: no input: shown is this host" in err


# --- at -------------------------------------------------------------------------------------------------------------


def test_addresses_and_ranges(cli, dump):
    path = dump(*register_lines(STATE))
    status, out, _ = cli("at", "0xe0000000", "3G", "0xdffff000-0xe0000fff", "0xe0000000+16M", "fee00000h", path)
    assert status == 0
    assert out.splitlines() == [
        "0xe0000000  UC",
        "0xc0000000  WB",  # the log ends with the list
        "[mem 0x00000000dffff000-0x00000000e0000fff]  8 KiB  mixed",
        "  [mem 0x00000000dffff000-0x00000000dfffffff]  4 KiB  WB",
        "  [mem 0x00000000e0000000-0x00000000e0000fff]  4 KiB  UC",
        "[mem 0x00000000e0000000-0x00000000e0ffffff]  16 MiB  UC",
        "0xfee00000  UC",
    ]


def test_why_prints_rules_and_sources(cli, dump):
    out = flat(cli("at", "0xe0000000", "--why", dump(*register_lines(STATE)))[1])
    assert "[mtrr-uc-wins: SDM 3A 12.11.4.1]" in out and "PHYSBASE1/PHYSMASK1" in out
    for step in STATE.explain(0xE0000000).steps:
        assert flat(str(step)) in out


@pytest.mark.parametrize("seed", range(6))
def test_the_reasons_of_a_range_cover_it_in_few_blocks(cli, dump, seed):
    rng = random.Random(seed)
    kinds = rng.sample([0, 1, 4, 5, 6], 2)
    fixed = [int.from_bytes(bytes(rng.choices(kinds, [1, 12], k=8)), "little") for _ in range(11)]
    state = replace(STATE, fixed=tuple(fixed))
    status, out, _ = cli("at", "0+2M", "--why", dump(*register_lines(state)))
    assert status == 0
    found = re.findall(r"^  \[mem 0x(\w+)-0x(\w+)\] (\S+):$", out, re.M)
    spans = [(int(base, 16), int(last, 16) + 1, kind) for base, last, kind in found]
    assert spans[0][0] == 0 and spans[-1][1] == 2 << 20
    assert all(one[1] == other[0] and (one[2] != other[2] or one[1] == 1 << 20) for one, other in pairwise(spans))
    assert all(str(state.at(page << 12)) == kind for base, end, kind in spans for page in range(base >> 12, end >> 12))


def test_pat_gives_the_effective_type(cli, dump):
    path = dump(*register_lines(STATE), PAT)
    assert cli("at", "0xe0000000", "--pat", "wc", path)[1] == "0xe0000000  WC  (MTRR UC, PAT WC)\n"
    assert cli("at", "0xc0000000", "--pat", "UC-", path)[1] == "0xc0000000  UC  (MTRR WB, PAT UC-)\n"
    out = cli("at", "0xe0000000", "--pat", "0x0007040600070406", path)[1]
    assert len(out.splitlines()) == 9
    assert "PA0 WB  with MTRR UC: UC" in out


def test_a_view_answers_as_that_program(cli, dump):
    state = replace(STATE, variable=((0x6, 0xF00000800), (0xC0000001, 0xFF0000800), *((0, 0),) * 6))
    path = dump(*register_lines(state))
    assert cli("at", "0xc0000000", path)[1].startswith("0xc0000000  ??")
    for view in ("linux-6.4", "linux-6.5", "xen", "kvm-6.4"):
        expected = state.view(view).at(0xC0000000)
        assert cli("at", "0xc0000000", "--view", view, path)[1] == f"0xc0000000  {expected}\n"
    status, _, err = cli("at", "0", "--view", "nonsense", path)
    assert status == 2 and err.count("\n") == 1 and "nonsense" in err


def test_options_may_stand_before_the_file(cli, dump):
    path = dump(*register_lines(STATE))
    assert cli("at", "0xe0000000", "--why", path)[1] == cli("at", path, "0xe0000000", "--why")[1]


def test_an_existing_file_is_no_address(cli, dump, tmp_path, monkeypatch):
    path = dump(*register_lines(STATE))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "4G").write_text((tmp_path / "dmesg.txt").read_text())
    assert cli("at", "0xe0000000", "4G")[1] == "0xe0000000  UC\n"
    assert cli("at", "./dmesg.txt", "0")[0] == 0
    assert cli("at", path, "4G", "0")[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0x1000000000"], "0x1000000000 is beyond MAXPHYADDR 36 (limit 0xfffffffff)"),
        (["0xfff000000+1G"], "beyond MAXPHYADDR 36"),
        ([hex(1 << 70)], "beyond MAXPHYADDR 36"),
        (["0x20-0x10"], "empty"),
        (["0x10+0"], "empty"),
        (["e0000000"], "write 0xe0000000"),
        (["0xzz"], "0xzz"),
        (["nothing-here"], "neither an address"),
        ([], "no address"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_exit_2(cli, dump, words, said):
    status, out, err = cli("at", *words, dump(*register_lines(STATE)))
    assert (status, out) == (2, "") and err.count("\n") == 1 and said in err


def test_nothing_is_printed_where_one_of_several_addresses_is_refused(cli, dump):
    assert cli("at", "0", "0x1000000000", dump(*register_lines(STATE)))[1] == ""


def test_a_printed_map_answers_where_there_are_no_registers(cli, dump):
    path = dump(COUNTS, *MAP)
    status, out, err = cli("at", "0x80000000", "0x100000", "--why", path)
    assert (status, flat(out)) == (
        0,
        "0x80000000 UC 0x100000 ? (UC, WC, WT, WP or WB): the printed map leaves out what has the default "
        "type, which is not told",
    )
    assert "answered from the map that the dump prints (view linux-6.5)" in err
    assert cli("at", "0x80000000", "--view", "linux-6.5", path)[1] == "0x80000000  UC\n"
    assert cli("at", "0x80000000", "--view", "xen", path)[0] == 2
    assert "as printed" in cli("show", path)[1]


def test_without_registers_and_map_it_names_what_is_missing(cli, dump):
    path = dump(COUNTS, PAT)
    status, out, err = cli("at", "0", path)
    assert (status, out) == (2, "") and err.count("\n") == 1 and "registers not told" in err and "mtrr=debug" in err
    status, out, err = cli("show", path)
    assert status == 0 and "MTRRs not told" in out and "PAT [0-7]" in out and "mtrr=debug" in err


def test_at_json(cli, dump):
    found = json.loads(cli("at", "0xdffff000+8K", "--json", "--why", "--pat", "wc", dump(*register_lines(STATE)))[1])
    answer = found["answers"][0]
    assert (answer["base"], answer["size"], answer["last"]) == ("0xdffff000", "0x2000", "0xe0000fff")
    assert answer["type"] == "mixed" and [s["type"] for s in answer["segments"]] == ["WB", "UC"]
    assert answer["effective"] == [{"pat": "WC", "type": "WC"}]
    assert {step["id"] for s in answer["segments"] for step in s["why"]} <= rules.RULES.keys() and found["notes"]


def test_at_agrees_with_the_state_at_random_addresses(cli, dump):
    rng = random.Random(5)
    addresses = [rng.getrandbits(36) for _ in range(200)]
    out = cli("at", *map(hex, addresses), dump(*register_lines(STATE)))[1]
    assert [line.partition(" (")[0] for line in out.splitlines()] == [
        f"{address:#x}  {STATE.at(address)}" for address in addresses
    ]


# --- real machines --------------------------------------------------------------------------------------------------


def test_every_holey_mask_of_the_corpus_is_shown_right(cli, corpus):
    """The map that is printed is the map of the exact match rule, and the register is called holey."""
    seen = 0
    for path in sorted(corpus.glob("dmesg-*/*.txt")):
        state = mt.load(path).mtrrs
        if state is None or not any(pair.blocks > 1 for pair in pairs(state)):
            continue
        out = cli("show", str(path))[1]
        assert "holey mask" in out
        for segment in state.map:
            assert f"[mem 0x{segment.base:016x}-0x{segment.last:016x}]" in out
        seen += 1
    assert seen >= 1


def test_a_map_of_thousands_of_segments_is_cut_in_text_and_whole_in_json(tmp_path, capsys):
    state = mt.MtrrState(0x806, variable=[(0, 0x3F_FF00_1000 | 0x800)], maxphyaddr=38)
    path = tmp_path / "holey.json"
    path.write_text(mt.emit(mt.Machine(cpus=(mt.Cpu(0, state),), maxphyaddr=38), "json"))
    assert main(["show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(state.map) == 4096 and lines[-1].startswith("the last 4 GiB repeat 6")
    assert len(lines) < 530
    assert main(["show", str(path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["map"]) == 4096


def test_what_show_prints_as_json_is_a_dump_again(tmp_path, capsys):
    machine = mt.Machine(cpus=(mt.Cpu(0, STATE, mt.Pat("linux")), mt.Cpu(1, HOLEY)), maxphyaddr=36, vendor="intel")
    path = tmp_path / "dump.json"
    path.write_text(mt.emit(machine, "json"))
    assert main(["show", str(path), "--json"]) == 0
    again = mt.parse(capsys.readouterr().out)
    assert again.cpus == machine.cpus
