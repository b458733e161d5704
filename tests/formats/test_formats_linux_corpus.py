"""Real machines' Linux logs: what we derive from their registers is what their kernels printed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpus_files
import pytest

import memtype as mt
from memtype import rules

FOLDERS = ("dmesg-classic", "cleanup", "dmesg-debugmap", "dmesg-map", "guest-disabled", "proc-mtrr", "pat-list")
MIB, GIB4 = 1 << 20, 1 << 32

NOT_DERIVED = {"note", "source", "reg0"}


def logs(corpus: Path, *folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((corpus / folder).glob("*.txt"))]


def expected(path: Path) -> dict[str, Any]:
    answers = path.with_suffix(".expected.json")
    return json.loads(answers.read_text()) if answers.is_file() else {}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def write_back(state: mt.MtrrState, *, tom2: bool) -> list[tuple[int, int]]:
    """The WB segments of the variable ranges alone; below 1 MiB they count as WB, as in mtrr_cleanup."""
    bare = replace(state, def_type=state.def_type & ~rules.DEF_TYPE_FE, **({} if tom2 else {"tom2": 0, "syscfg": 0}))
    return [(s.base, s.end) for s in bare.map if s.type == mt.MemoryType.WB]


def test_every_log_parses_and_tells_what_it_prints(corpus):
    """The facts that only repeat the log, and a state wherever the log lists registers."""
    wrong = []
    for path in logs(corpus, *FOLDERS):
        machine, answers = corpus_files.machine(path), expected(path)
        if path.parent.name not in ("dmesg-map", "dmesg-debugmap", "pat-list") and machine.mtrrs is None:
            wrong.append(f"{name_of(path)}: no registers")
        facts = machine.facts or {}
        for key in answers.keys() - NOT_DERIVED:
            told = facts.get(key)
            if key == "cleanup_optimal" and told is not None:
                told = {word: told[word] for word in answers[key]}
            if told != answers[key]:
                wrong.append(f"{name_of(path)}: {key}: {told!r:.80} is not {answers[key]!r:.80}")
    assert not wrong, "\n".join(wrong)


def test_total_ram_covered_is_the_sum_of_our_write_back(corpus):
    """mtrr_cleanup counts [0, 1 MiB) as WB and leaves out what TOM2 covers (cleanup.c, x86_get_mtrr_mem_range)."""
    seen, wrong = 0, []
    for path in logs(corpus, *FOLDERS):
        machine = corpus_files.machine(path)
        covered = expected(path).get("total_ram_covered_mb")
        if covered is None or machine.mtrrs is None:
            continue
        state, seen = machine.mtrrs, seen + 1
        total = MIB + sum(max(end, MIB) - max(base, MIB) for base, end in write_back(state, tom2=False))
        if state.tom2:
            total -= sum(max(0, min(end, state.tom2) - max(base, GIB4)) for base, end in write_back(state, tom2=False))
        if total // MIB != covered:
            wrong.append(f"{name_of(path)}: {total // MIB} is not {covered}")
    assert not wrong, "\n".join(wrong)
    assert seen >= 15


def holes(state: mt.MtrrState, end_of_ram: int) -> list[list[int]]:
    """What Linux takes from the RAM map: holes between WB segments, the head, and the tail up to the end of RAM."""
    segments = write_back(state, tom2=True)
    edges = [0, *(edge for segment in segments for edge in segment)]
    found = [[a, b] for a, b in zip(edges[::2], edges[1::2]) if a < b]
    return found + ([[edges[-1], end_of_ram]] if edges[-1] < end_of_ram else [])


def test_the_kernel_trimmed_exactly_the_holes_of_our_map(corpus):
    """With a UC default and only WB and UC ranges, Linux trims RAM that is not WB (cleanup.c)."""
    seen, wrong = 0, []
    for path in logs(corpus, *FOLDERS):
        machine = corpus_files.machine(path)
        state, text = machine.mtrrs, path.read_text(errors="replace")
        printed = re.findall(r"last_pfn = 0x([0-9a-f]+)", text)
        if state is None or len(printed) < 2 or "default" in machine.inferred:
            continue  # the second last_pfn line tells that the log goes on behind the trimming
        kinds = {base & rules.BASE_TYPE for base, mask in state.variable if mask}
        applies = state.def_type & rules.DEF_TYPE_TYPE == 0 and mt.MemoryType.WB in kinds and kinds <= {0, 6}
        trimmed = (machine.facts or {}).get("mtrr_trim_e820_updates", [])
        ours = holes(state, int(printed[0], 16) << 12) if applies else []
        seen += bool(trimmed)
        if ours != trimmed:
            wrong.append(f"{name_of(path)}: {ours} is not {trimmed}")
    assert not wrong, "\n".join(wrong)
    assert seen >= 30


def test_mtrr_cleanup_read_the_registers_that_we_read(corpus):
    """Each `original` row is our pair's base, size and type."""
    seen = 0
    for path in logs(corpus, "cleanup"):
        state = corpus_files.machine(path).mtrrs
        for row in expected(path).get("cleanup_original", []):
            base, mask = state.variable[row["reg"]]
            size = (1 << state.maxphyaddr) - (mask & rules.page_bits(state.maxphyaddr))
            assert [base & -4096, size, str(rules.type_of(base & 0xFF))] == [row[k] for k in ("base", "size", "type")]
            seen += 1
    assert seen >= 40


def test_the_maps_of_122_kernels_give_back_their_registers(corpus):
    seen = 0
    for path in sorted((corpus / "linux-maps").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            machine = mt.parse("\n".join(row["log"]))
            state = mt.MtrrState.from_msrs({int(k, 16): int(v, 16) for k, v in row["regs"].items()}, machine.maxphyaddr)
            listed = tuple((b, m) if m & rules.MASK_VALID else (0, 0) for b, m in state.variable)
            assert machine.mtrrs == replace(state, variable=listed), row["regs"]
            counts = state.view("linux-6.5").counts
            for key in ("fixed", "variable", "max", "built_from"):
                assert (machine.facts or {}).get(key, getattr(counts, key)) == getattr(counts, key)
            default = mt.MemoryType(row["default"])
            printed = [(int(a, 16), int(b, 16) - int(a, 16) + 1, mt.MemoryType(t)) for a, b, t in row["map"]]
            kernel = mt.MemoryMap.from_segments(printed, machine.maxphyaddr, default)
            assert state.view("linux-6.5").map == kernel
            assert machine.printed_map in (None, kernel)  # logs whose end is lost hold half a map
            seen += 1
    assert seen == 122


def inside(text: str) -> list[mt.MtrrState]:
    """The registers as a program inside the guest read them, CPU by CPU, before anything was written."""
    section = text.split("@@MSRS")[1].split("@@")[0]
    width = int(re.search(r"physbits (\d+)", section)[1])
    cpus: dict[str, dict[int, int]] = {}
    for cpu, index, value in re.findall(r"MSR cpu(\d+) 0x([0-9a-f]+) 0x([0-9a-f]+)", section):
        cpus.setdefault(cpu, {})[int(index, 16)] = int(value, 16)
    return [mt.MtrrState.from_msrs(msrs, width) for msrs in cpus.values()]


# Guests whose kernel printed no register list, or that had written ranges before their registers were read.
UNLISTED = {"tcg-6.1-pc-seabios-512M-w.serial": "this kernel's log has no MTRR lines"}


def test_guests_logs_agree_with_the_registers_read_inside(corpus):
    seen = 0
    for path in sorted((corpus / "qemu").glob("*.serial.log")):
        text = path.read_text(errors="replace")
        log, _, tail = text.partition("@@PROC-MTRR")
        registers = inside(text)
        listing = mt.parse(tail.split("@@PAT")[0]).mtrrs if "reg0" in tail.split("@@PAT")[0] else None
        if path.stem in UNLISTED:
            assert "MTRR default type" not in log
        else:
            booted = mt.parse(log).mtrrs
            for state in registers:
                assert booted.maxphyaddr == state.maxphyaddr
                assert booted.map == state.map, path
        for state in registers if listing is not None else []:
            assert listing_ranges(listing, state.maxphyaddr) == listing_ranges(state, state.maxphyaddr), path
        seen += 1
    assert seen >= 15


def listing_ranges(state: mt.MtrrState, width: int) -> list[tuple[int, int, int]]:
    bits = rules.page_bits(width)
    return [(b & bits, m & bits, b & 0xFF) for b, m in state.variable if m & rules.MASK_VALID]


def test_a_vendor_kernels_brackets_are_read(corpus):
    path = corpus / "dmesg-classic" / "bochs-seabios-vendor-kernel-brackets.txt"
    if not path.is_file():
        pytest.skip("that log is not here")
    first, end = expected(path)["reg0"]
    state = corpus_files.machine(path).mtrrs
    assert [(s.base, s.end) for s in state.map if s.type == mt.MemoryType.UC and s.base > MIB] == [(first, end)]
