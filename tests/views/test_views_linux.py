"""Linux's own map and range lookups: 122 maps that kernels printed, guests' boots, and the quirks of both eras."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import load_vectors, state_of
from strategies import random_state

from memtype import InputError, MemoryType, MtrrState, ShatteredMapError, rules
from memtype.views import linux_map

G, M = 1 << 30, 1 << 20


@pytest.fixture(autouse=True)
def few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lookup here splits into thousands of parts: one that goes page by page shall not take minutes."""
    monkeypatch.setattr(rules, "MAP_BLOCK_LIMIT", 1 << 12)


@pytest.fixture
def qemu() -> MtrrState:
    """MT-20: what SeaBIOS leaves: WB by default, one UC range of 2 GiB below 4 GiB."""
    fixed = [0x0606060606060606, 0x0606060606060606, 0, *[0x0505050505050505] * 8]
    variable = [(0x80000000, 0xFF80000800), *[(0, 0)] * 7]
    return MtrrState(def_type=0xC06, fixed=fixed, variable=variable, maxphyaddr=40)


def machines(corpus: Path) -> list[dict[str, Any]]:
    files = sorted((corpus / "linux-maps").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def printed_lines(state: MtrrState) -> list[str]:
    view = state.view("linux-6.5")
    return [str(view.counts), *(f"{number:3}: {entry}" for number, entry in enumerate(view.entries))]


def of_log(log: list[str]) -> list[str]:
    """The kernel's lines of its map, without time stamps."""
    lines = [re.sub(r"^\[ *[0-9.]+\] ", "", line) for line in log]
    return [line for line in lines if line.startswith("MTRR map:") or re.match(r" *\d+: [0-9a-f]{16}-", line)]


def test_the_maps_that_kernels_printed(corpus: Path) -> None:
    """Each entry with its boundaries and type, the default areas left out; the log's own lines to the letter."""
    checked = logs = 0
    for machine in machines(corpus):
        state = MtrrState.from_msrs({int(k, 16): int(v, 16) for k, v in machine["regs"].items()}, maxphyaddr=40)
        view = state.view("linux-6.12")
        entries = [(e.base, e.last, e.encoding) for e in view.entries]
        assert entries == [(int(base, 16), int(last, 16), kind) for base, last, kind in machine["map"]]
        for base, last, kind in entries:
            assert view.at(base) == view.at(last) == view.map.at(base) == view.map.at(last) == kind
        for gap in {entry[1] + 1 for entry in entries} - {entry[0] for entry in entries}:
            assert view.at(gap) == view.map.at(gap) == machine["default"]
        printed = of_log(machine["log"])
        ours = printed_lines(state)
        assert ours[: len(printed)] == printed  # some logs are cut short
        logs += len(printed) == len(ours)
        checked += 1
    assert checked >= 100 and logs >= 50


def test_guests_whose_registers_and_map_are_in_one_log(corpus: Path) -> None:
    found = 0
    for path in sorted((corpus / "qemu").glob("*.serial.log")):
        text = path.read_text(errors="replace")
        printed = re.search(r"MTRR map: .*", text)
        registers = dict(re.findall(r"^MSR cpu0 (0x[0-9a-f]+) (0x[0-9a-f]+)", text.split("@@WRITES")[0], re.M))
        if not printed or "0x2ff" not in registers:
            continue
        width = int(re.search(r"physbits (\d+)", text)[1])  # type: ignore[index]
        state = MtrrState.from_msrs({int(k, 16): int(v, 16) for k, v in registers.items()}, maxphyaddr=width)
        assert str(state.view("linux-6.5").counts) == printed[0].strip(), path.name
        found += 1
    assert found >= 10


def test_raw_registers_of_one_boot_and_the_counts_of_another(corpus: Path) -> None:
    text = (corpus / "inteltool" / "gigabyte-h55m-s2.txt").read_text()
    expected = json.loads((corpus / "inteltool" / "gigabyte-h55m-s2.expected.json").read_text())
    words = re.findall(r"MSR 0x([0-9A-F]+) = 0x([0-9A-F]+):0x([0-9A-F]+)", text)
    state = MtrrState.from_msrs({int(i, 16): int(high + low, 16) for i, high, low in words}, maxphyaddr=36)
    counts = state.view("linux-6.5").counts
    assert counts == tuple(expected[key] for key in ("map_entries", "fixed", "variable", "max", "built_from"))


def test_counts_of_the_vectors(qemu: MtrrState) -> None:
    assert str(qemu.view("linux-6.5").counts) == (  # MT-80
        "MTRR map: 4 entries (3 fixed + 1 variable; max 19), built from 8 variable MTRRs"
    )
    ten = [(0x88800000, 0x3FFFFF800800), *[(0, 0)] * 9]
    sgx = MtrrState(def_type=0xC06, fixed=qemu.fixed, variable=ten, maxphyaddr=46)
    assert sgx.view("linux-6.5").counts == (4, 3, 1, 23, 10)  # MT-81
    assert str(sgx.view("linux-6.5").entries[3]).startswith("0000000088800000-")
    row = next((r for r in load_vectors("hardware").get("mtrr_lookup", []) if r["id"] == "MT-21"), None)
    if row is None:
        pytest.skip("no vectors/hardware.json beside the project")
    eight = {**row, "variable": [*row["variable"], *[["0x0", "0x0"]] * 4]}
    assert state_of(eight).view("linux-6.5").counts == (7, 2, 5, 19, 9)  # MT-82
    known = MtrrState(def_type=0xC06, fixed=qemu.fixed, variable=qemu.variable[:1], maxphyaddr=40, cap=0x50A)
    assert known.view("linux-6.5").counts[3:] == (23, 10)  # MTRRCAP knows better than the pairs held


def test_entries_are_split_only_where_the_kernel_splits(qemu: MtrrState) -> None:
    """Fixed entries and the TOP_MEM2 area stay apart from equal neighbours; a covered default area is stored."""
    state = MtrrState(
        def_type=0xC06, fixed=[0x0606060606060606] * 11, maxphyaddr=40,
        variable=[(6, 0xFF80000800), (0x80000006, 0xFF80000800), (0x100000006, 0xF000000800)],
        vendor="amd", syscfg=0x600000, tom2=8 * G,
    )  # fmt: skip
    assert [(e.base, e.last + 1, e.fixed) for e in state.view("linux-6.5").entries] == [
        (0, M, True), (M, 4 * G, False), (4 * G, 8 * G, True), (8 * G, 68 * G, False),
    ]  # fmt: skip
    assert len(state.view("linux-6.5").map) == 1
    assert state.view("linux-6.5").counts == (4, 1, 3, 1 + 6 + 1, 4)


def test_a_disabled_machine_has_no_map() -> None:
    view = MtrrState(def_type=0x406, variable=[(6, 0xF80000800)], maxphyaddr=36).view("linux-6.5")
    assert view.entries == () and view.counts == (0, 0, 0, 0, 0)


def test_an_entry_may_reach_over_the_end_of_the_address_space() -> None:
    state = MtrrState(def_type=0x806, variable=[(0xF_8000_1000, 0xF80000800)], maxphyaddr=36)
    (entry,) = state.view("linux-6.5").entries
    assert (entry.base, entry.last) == (0xF_8000_1000, 0x10_0000_0FFF)
    assert state.view("linux-6.5").map.segments[-1].last == (1 << 36) - 1
    wrapped = MtrrState(def_type=0x806, variable=[((1 << 64) - 4096, 0xF80000800)], maxphyaddr=36)
    assert wrapped.view("linux-6.5").entries == ()


# --- lookups of ranges -------------------------------------------------------------------------------------------


def lookups(state: MtrrState, start: int, end: int) -> list[tuple[str, bool]]:
    found = [state.view(name).uniform_lookup(start, end) for name in ("linux-6.4", "linux-6.5")]
    return [(str(kind), uniform) for kind, uniform in found]


def test_the_published_lookups(qemu: MtrrState) -> None:
    assert lookups(qemu, 0x7FE00000, 0x80200000) == [("UC", False), ("UC", False)]  # MT-83
    assert lookups(qemu, 0xFFE00000, 0x100200000) == [("UC", False), ("UC", True)]  # MT-84
    assert lookups(qemu, 0, 0x1000) == [("WB", False), ("WB", True)]  # MT-85
    assert lookups(MtrrState(def_type=6), 0, 0x1000) == [("??", False), ("UC", True)]  # MT-86
    twice = MtrrState(def_type=0x800, variable=[(6, 0xFC0000800)] * 2, maxphyaddr=36)
    assert lookups(twice, 0, 0x1000) == [("WB", False), ("WB", True)]  # MT-33
    assert lookups(qemu, 0x100000, 0x80000000) == [("WB", True), ("WB", True)]


def test_the_old_lookup_below_1_mib_looks_at_one_sub_range(qemu: MtrrState) -> None:
    assert lookups(qemu, 0x9F000, 0xA1000) == [("WB", False), ("UC", False)]
    assert lookups(qemu, 0xBF000, 0xC1000) == [("UC", False), ("UC", True)]


def test_merged_lookups() -> None:
    def state(*pairs: tuple[int, int, int], default: int) -> MtrrState:
        variable = [(base | kind, rules.page_bits(36) & -size | rules.MASK_VALID) for base, size, kind in pairs]
        return MtrrState(def_type=0x800 | default, variable=variable, maxphyaddr=36)

    wt_hole = state((G, G, 4), default=6)
    assert lookups(wt_hole, G // 2, 3 * G) == [("WT", False), ("WT", False)]
    assert lookups(wt_hole, G, 3 * G) == [("WT", False), ("WT", True)]  # WT and then WB stays WT
    wc_hole = state((G, G, 1), default=6)
    assert lookups(wc_hole, G // 2, 3 * G) == [("UC", False), ("UC", False)]
    same = state((G, G, 6), default=6)
    assert lookups(same, G // 2, 3 * G) == [("WB", False), ("WB", True)]
    inside = state((G, G, 6), (G, G, 4), default=6)
    assert lookups(inside, G, 2 * G) == [("WT", False), ("WT", True)]


def test_tom2_in_range_lookups() -> None:
    amd: dict[str, Any] = {"vendor": "amd", "syscfg": 0x600000, "tom2": 16 * G, "maxphyaddr": 40}
    state = MtrrState(def_type=0x805, variable=[(8 * G, 0xFE00000800)], **amd)
    assert lookups(state, 9 * G, 10 * G) == [("WB", True), ("WB", True)]
    assert lookups(state, 4 * G, 16 * G) == [("UC", False), ("WB", True)]  # the old split finds UC before TOP_MEM2
    assert lookups(state, 6 * G, 7 * G) == [("WB", True), ("WB", True)]
    assert lookups(state, 15 * G, 17 * G) == [("UC", False), ("UC", False)]
    # Two ranges that make UC end the old lookup at once: TOP_MEM2 then makes it WB.
    two = [(8 * G | 6, 0xFE00000800), (8 * G, 0xFE00000800)]
    half = (9 * G + G // 2 | 1, 0xFFE0000800)  # where the third range would split, if it were looked at
    for pairs in (two, [*two, half]):
        both = MtrrState(def_type=0x805, variable=pairs, **amd)
        assert lookups(both, 9 * G, 10 * G) == [("WB", False), ("WB", True)]


def test_lookups_of_one_page_are_lookups() -> None:
    rng = random.Random(11)
    for _ in range(150):
        state = random_state(rng, holey=False)
        for name in ("linux-6.4", "linux-6.5"):
            view = state.view(name)
            for address in [rng.getrandbits(state.maxphyaddr), rng.getrandbits(21)]:
                page = address & -4096
                assert view.uniform_lookup(page, page + 4096)[0] == view.at(page)


def test_the_new_lookup_is_a_walk_over_pages() -> None:
    """Against a plain restatement: fold the types of every page from left to right."""
    rng = random.Random(12)
    for _ in range(60):
        state = random_state(rng, holey=False, most=5)
        if not state.def_type & rules.DEF_TYPE_E:
            continue
        view = state.view("linux-6.5")
        if any(kind is MemoryType.UNDEFINED for kind in view.map.as_arrays()[1].tolist()):
            continue
        edges = [segment.base for segment in view.map.segments]
        start = max(0, (rng.choice(edges) & -4096) - rng.randrange(4) * 4096)
        count = rng.randrange(1, 9)
        if start + count * 4096 > 1 << state.maxphyaddr:
            continue
        merged, uniform = None, True
        for page in range(start, start + count * 4096, 4096):
            kind = view.at(page)
            new = kind if merged is None else _merge(merged, kind)
            uniform &= merged in (None, new)
            merged = new
        found = view.uniform_lookup(start, start + count * 4096)
        if MemoryType.UNDEFINED not in (merged, found[0]):
            assert found == (merged, uniform)


def _merge(first: MemoryType, second: MemoryType) -> MemoryType:
    if first is second:
        return first
    return MemoryType.WT if {first, second} == {MemoryType.WT, MemoryType.WB} else MemoryType.UC


def test_the_old_lookup_gives_up_on_endless_splitting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAP_BLOCK_LIMIT", 64)
    state = MtrrState(def_type=0x806, variable=[(6, 0xF_4000_0800)], maxphyaddr=36)
    with pytest.raises(ShatteredMapError, match="holey"):
        state.view("linux-6.4").uniform_lookup(G, 2 * G + 4096)


def test_what_only_linux_has(qemu: MtrrState) -> None:
    for name in ("xen", "kvm-6.10", "sdm"):
        for ask in ("entries", "counts"):
            with pytest.raises(InputError, match=name):
                getattr(qemu.view(name), ask)
        with pytest.raises(InputError, match=name):
            qemu.view(name).uniform_lookup(0, 4096)
    with pytest.raises(InputError, match=r"linux-6\.5"):
        _ = qemu.view("linux-5.10").counts
    for start, end in ((0, 0), (4096, 0), (0, (1 << 40) + 1), (-1, 4)):
        with pytest.raises(InputError, match="not within"):
            qemu.view("linux-6.5").uniform_lookup(start, end)


def test_entries_print_as_the_kernel_prints() -> None:
    assert str(linux_map.Entry(0x88800000, 0xFFFFFFFF, 0, False)) == "0000000088800000-00000000ffffffff uncachable"
    assert str(linux_map.Entry(0, 0xFFF, 3, True)) == "0000000000000000-0000000000000fff ?"
