"""What single programs make of the same registers: each cell of their differences, and where they agree."""

from __future__ import annotations

import itertools
import pickle
import random
from typing import Any

import numpy as np
import pytest
from conftest import load_vectors, rows, state_of
from hypothesis import given, settings
from strategies import fields, interesting_addresses, random_state, states

from memtype import AddressError, InputError, MemoryType, MtrrState, ShatteredMapError, kvm, rules
from memtype.views import View, encodings, kvm_list, programs, sweep, ways
from memtype.views.decide import decide
from memtype.views.programs import PROGRAMS

UC, WC, WT, WP, WB, NONE = (*sorted(rules.MTRR_TYPES), encodings.UNDEFINED)
G = 1 << 30


def overlay(*pairs: tuple[int, int, int], default: int = WC, width: int = 36, **more: Any) -> MtrrState:
    """E = 1 and these (base, size, type) as variable ranges; a default that no rule can produce by chance."""
    masks = [(base | kind, rules.page_bits(width) & -size | rules.MASK_VALID) for base, size, kind in pairs]
    return MtrrState(def_type=0x800 | default, variable=masks, maxphyaddr=width, **more)


# --- the vectors -------------------------------------------------------------------------------------------------

POLICY_VIEWS = {"linux": ("linux-6.4", "linux-6.5"), "kvm": ("kvm-6.10",), "edk2_dump": ("edk2-dump",)}
POLICIES = [
    (row, policy, expected)
    for row in load_vectors("hardware")["mtrr_lookup"]
    for policy, expected in row.get("policies", {}).items()
]


@pytest.mark.parametrize(("row", "policy", "expected"), POLICIES, ids=lambda value: str(value)[:24])
def test_every_policy_of_the_vectors(row: dict[str, Any], policy: str, expected: str) -> None:
    address = int(row["queries"][0][0], 16)
    for name in POLICY_VIEWS.get(policy, (policy,)):
        view = state_of(row).view(name)
        assert view.at(address) == MemoryType.parse(expected)
        assert view.map.at(address) == MemoryType.parse(expected)


@pytest.mark.parametrize("row", rows("hardware", "mtrr_lookup"))
def test_every_range_model_of_the_vectors(row: dict[str, Any]) -> None:
    for model, (first, end) in row.get("models", {}).items():
        base, size = int(first, 16), int(end, 16) - int(first, 16)
        for name in {"linux65": ("linux-6.5", "edk2", "edk2-dump", "patina"), "proc": ("proc",)}[model]:
            assert state_of(row).view(name).ranges == ((0, base, size, WB),)


def test_the_holey_and_misaligned_ranges_of_the_specification() -> None:
    holey = MtrrState(def_type=0x800, variable=[(6, 0xC0000800)], maxphyaddr=36)  # MT-22
    assert holey.view("hvpp").ranges == ((0, 0, G, WB),)
    assert len(holey.view("xen").ranges) == 16
    assert [str(holey.view(n).at(G)) for n in ("sdm", "linux-6.4", "linux-6.5", "proc", "edk2")] == [
        "UC", "UC", "WB", "UC", "WB",
    ]  # fmt: skip
    # MT-23: the mask says [0, 4 GiB) and [0, 64 GiB), programs that do not mask the base say otherwise
    crooked = [(6, 0xFFFF8000800), (0x8000006, 0xFFF00000800), (0x100000006, 0xFF000000800)]
    loader = MtrrState(def_type=0x800, variable=crooked, maxphyaddr=44)
    for name in ("linux-6.5", "edk2"):
        spans = [(base, size) for _, base, size, _ in loader.view(name).ranges]
        assert spans == [(0, 128 << 20), (128 << 20, 4 * G), (4 * G, 64 * G)]
    beyond = {name: str(loader.view(name).at(67 * G)) for name in ("sdm", "linux-6.4", "linux-6.5", "edk2")}
    assert beyond == {"sdm": "UC", "linux-6.4": "UC", "linux-6.5": "WB", "edk2": "WB"}


def test_what_an_odd_pair_denotes_to_each() -> None:
    """A base that is not aligned to its size, beside reserved bits, and a hole in the mask."""
    base, mask = 1 << 36 | 0x90001006, 0xF_B000_0800  # bits 30 and 28:12 are holes or size; base bits 28 and 12 stray
    state = MtrrState(def_type=0x800, variable=[(base, mask)], maxphyaddr=36)
    cube = [(0x90000000, 0x10000000), (0xD0000000, 0x10000000)]
    size = (1 << 36) - (mask & -4096)
    expected = {
        programs.EXACT: cube,
        "range-linux": [(1 << 36 | 0x90001000, size)],
        "range-proc": [(1 << 36 | 0x90001000, size)],
        "range-edk2": [(0x90001000, size)],
        "range-kvm": [(0x90001000, 0xE0000000 - 0x90001000)],
        "range-hvpp": [(0x90001000, 0x10000000)],
        "range-none": [],
    }
    for name, program in PROGRAMS.items():
        found = [(first, length) for _, first, length, _ in state.view(name).ranges]
        assert found == expected[MODELS[name]], (name, program.ranges)
    short = MtrrState(def_type=0x800, variable=[(6, 0x80000800)], maxphyaddr=36)  # the mask of a 32-bit machine
    assert short.view("proc").ranges == ((0, 0, 2 * G, WB),)
    assert short.view("linux-6.5").ranges == ((0, 0, 62 * G, WB),)
    every = MtrrState(def_type=0x800, variable=[(6, 0x800)], maxphyaddr=36)
    for name in set(PROGRAMS) - {"kvm-6.11", "acrn", "linux-forced"}:
        assert every.view(name).ranges == ((0, 0, 64 * G, WB),), name
    crooked = MtrrState(def_type=0x800, variable=[(G | 6, 0x800)], maxphyaddr=36)
    for name in set(PROGRAMS) - {"kvm-6.11", "acrn", "linux-forced"}:
        first, size = (0, 64) if MODELS[name] == programs.EXACT else (1, 63 if name == "kvm-6.10" else 64)
        assert crooked.view(name).ranges == ((0, first * G, size * G, WB),), name


MODELS = dict.fromkeys(PROGRAMS, "mtrr-variable") | {
    "linux-6.5": "range-linux", "proc": "range-proc", "kvm-6.10": "range-kvm", "kvm-6.11": "range-none",
    "linux-forced": "range-none",
    "edk2": "range-edk2", "edk2-dump": "range-edk2", "patina": "range-edk2", "hvpp": "range-hvpp", "acrn": "range-none",
}  # fmt: skip


def test_blocks_come_by_rising_address() -> None:
    """The sweep merges them as they come."""
    rng = random.Random(6)
    several = 0
    for _ in range(50):
        mask = rules.page_bits(36) & ~(rng.getrandbits(36) & rng.getrandbits(36) & rng.getrandbits(36))
        found = list(ways.spans(programs.EXACT, (rng.getrandbits(36), mask), 36))
        assert found == sorted(found)
        several += len(found) > 1
    assert several > 30


# --- overlaps: the table of the specification, both orders -------------------------------------------------------

# program: {first, second register}: what it makes of them; NONE where it gives no answer
PAIRS = [(WC, WB), (WB, WC), (WT, WC), (WC, WT), (WP, WB), (WB, WP), (WP, WT), (WT, WP), (WC, WP), (WP, WC)]
UNDEFINED_PAIRS = {
    "sdm": [NONE] * 10,
    "linux-6.4": [UC] * 10,
    "linux-6.5": [UC] * 10,
    "kvm-4.1": [UC] * 10,
    "kvm-6.10": [WB] * 10,
    "bochs": [WB] * 10,
    "patina": [NONE] * 10,
    "xen": [second for _, second in PAIRS],
    "edk2": [second for _, second in PAIRS],
    "edk2-dump": [WC, WC, WC, WT, WP, WP, WT, WP, WP, WC],
    "bitvisor": [WC, WB, WT, WT, WP, WB, WT, WT, WC, WP],
    "jonomango": [WC, WC, WC, WC, WP, WP, WT, WT, WC, WC],
}


@pytest.mark.parametrize("name", UNDEFINED_PAIRS)
def test_undefined_overlaps(name: str) -> None:
    for (first, second), expected in zip(PAIRS, UNDEFINED_PAIRS[name], strict=True):
        state = overlay((2 * G, G, first), (2 * G, G, second), default=UC)
        kind = MemoryType.UNDEFINED if expected == NONE else MemoryType(expected)
        assert state.view(name).at(2 * G) is kind, (first, second)
        assert state.view(name).at(4 * G) is MemoryType.UC


@pytest.mark.parametrize("name", [name for name in PROGRAMS if PROGRAMS[name].ranges != "range-none"])
def test_defined_overlaps(name: str) -> None:
    """Two that agree, UC with anything of the same base, WT with WB: all but hvpp follow the manual."""
    for kinds, expected in [*(((k, k), k) for k in (UC, WC, WT, WP, WB)), ((WT, WB), WT), ((WB, WT), WT)] + [
        (pair, UC) for k in (WC, WT, WP, WB) for pair in ((UC, k), (k, UC))
    ]:
        state = overlay(*((2 * G, G, kind) for kind in kinds), default=WC)
        if name == "hvpp":
            expected = UC if UC in kinds else WC
        assert state.view(name).at(2 * G) == expected, kinds


def test_overlaps_of_three() -> None:
    three = overlay(*((2 * G, G, k) for k in (WB, WT, WC)), default=UC)
    assert {name: str(three.view(name).at(2 * G)) for name in PROGRAMS} == {
        "sdm": "??", "linux-6.4": "UC", "linux-6.5": "UC", "proc": "UC", "kvm-4.1": "UC", "kvm-6.10": "WB",
        "linux-forced": "WB", "kvm-6.11": "WB",
        "xen": "WC", "bochs": "WB", "edk2": "WC", "edk2-dump": "WC", "patina": "??",
        "bitvisor": "WT", "jonomango": "WC", "hvpp": "UC", "acrn": "WB",
    }  # fmt: skip
    wt_then_wb = overlay(*((2 * G, G, k) for k in (WC, WT, WB)), default=UC)
    assert [str(wt_then_wb.view(name).at(2 * G)) for name in ("xen", "edk2")] == ["WB", "WT"]
    late_uc = overlay(*((2 * G, G, k) for k in (WB, WC, UC)), default=WC)
    answers = {name: str(late_uc.view(name).at(2 * G)) for name in PROGRAMS}
    assert {name for name, kind in answers.items() if kind != "UC"} == {
        "kvm-6.10", "kvm-6.11", "patina", "acrn", "linux-forced",
    }  # fmt: skip


# --- KVM ---------------------------------------------------------------------------------------------------------

FIRST_THEN_SECOND = {  # rows: met first; columns: UC WC WT WP WB met second
    UC: [UC, WB, WB, WB, WB],
    WC: [UC, WC, WB, WB, WB],
    WT: [UC, WB, WT, WB, WT],
    WP: [UC, WB, WB, WP, WB],
    WB: [UC, WB, WT, WB, WB],
}


def test_the_combination_table_of_kvm() -> None:
    for first, row in FIRST_THEN_SECOND.items():
        assert [kvm_list.combine([first, second]) for second in (UC, WC, WT, WP, WB)] == row
        assert [kvm_list.combine([first, first, second]) for second in (UC, WC, WT, WP, WB)] == row
        for second, expected in zip((UC, WC, WT, WP, WB), row, strict=True):
            # The higher base is met first, whichever register holds it.
            for pairs in ([(3 * G, G, first), (0, 4 * G, second)], [(0, 4 * G, second), (3 * G, G, first)]):
                assert overlay(*pairs).view("kvm-5.15").at(3 * G) == expected


def test_kvm_stops_at_the_first_undefined_pair() -> None:
    assert kvm_list.combine([WC, WP, UC]) == WB
    assert kvm_list.combine([WB, WT, UC]) == UC
    assert kvm_list.combine([WT, WB, WB, WT]) == WT


def test_the_order_of_kvms_list() -> None:
    same = (0x40000006, 0xFC0000800)
    variable = [(0x6, 0x800), same, (0x40000004, 0x800), (0x80000000, 0), same]
    assert kvm_list.order(variable) == (4, 1, 2, 0)
    assert kvm_list.rewritten((4, 1, 2, 0), 1, variable) == (1, 4, 2, 0)
    assert kvm_list.rewritten((4, 1, 2, 0), 3, variable) == (4, 1, 2, 0)


@pytest.mark.parametrize("row", rows("kvm", "mtrr_type"))
def test_types_of_kvm_executed(row: dict[str, Any]) -> None:
    """States written as a guest writes them; types as KVM's own code answered (4.4 to 6.10)."""
    if not row["cpuid_mtrr"]:
        pytest.skip("a view is of a guest whose CPUID has MTRRs")
    msrs = {0x2FF: 0, **dict.fromkeys(rules.FIXED_MSRS, 0), **dict.fromkeys(range(0x200, 0x210), 0)}
    msrs |= {int(index, 16): int(value, 16) for index, value in row["writes"]}
    view = MtrrState.from_msrs(msrs, maxphyaddr=row["maxphyaddr"]).view("kvm-6.4")
    for address, expected in row["types"].items():
        assert view.at(int(address, 16)) == view.map.at(int(address, 16)) == expected, address


def test_a_view_is_the_guest_type_of_that_kvm() -> None:
    """The room that models whole virtual machines answers alike, release by release."""
    rng = random.Random(9)
    asked = 0
    for _ in range(60):
        state = MtrrState(**{**fields(random_state(rng, most=8)), "vendor": "intel", "cap": None})
        if state.problems():
            continue
        for release in ("3.13", "4.1", "4.4", "5.15", "6.10", "6.11"):
            vm = kvm.Vm(release, vendor="intel", noncoherent_dma=True, vcpus=[kvm.Vcpu(mtrrs=state)])
            for address in interesting_addresses(state, rng, 3)[:30]:
                assert vm.guest_type(address) == state.view(f"kvm-{release}").at(address), (release, hex(address))
                asked += 1
    assert asked > 1000


def test_kvm_before_4_2() -> None:
    fixed = [0x0606060606060606, 0x0606060606060606, 0, *[0x0505050505050505] * 8]
    uc_hole: dict[str, Any] = {"fixed": fixed, "variable": [(0xC0000000, 0xFC0000800)], "maxphyaddr": 36}
    for def_type, expected in ((0xC06, "UC"), (0x806, "UC"), (0x406, "UC"), (0x006, "WB")):
        assert str(MtrrState(def_type=def_type, **uc_hole).view("kvm-3.13").at(0xA0000)) == expected
    assert str(MtrrState(def_type=0x404, **uc_hole).view("kvm-4.1").at(0xC0000000)) == "WT"  # E = 0: the default
    assert str(MtrrState(def_type=0x806, **uc_hole).view("kvm-4.1").at(0xC0000000)) == "UC"
    low = overlay((0, 4 * G, WB), (3 * G, G, UC), default=UC)
    assert [str(low.view(name).at(3 * G)) for name in ("kvm-4.1", "kvm-4.4", "kvm-6.10")] == ["UC", "WB", "WB"]


# --- E = 0, the first MiB, TOP_MEM2 ------------------------------------------------------------------------------


def test_disabled() -> None:
    answers = {
        name: [
            str(MtrrState(def_type=d, fixed=[0x0404040404040404] * 11).view(name).at(a))
            for d in (0x005, 0x405)
            for a in (0xA0000, G)
        ]
        for name in PROGRAMS
    }
    others = {
        "linux-6.4": ["??", "??", "??", "??"],
        "kvm-4.1": ["WB", "WB", "WT", "WP"],
        "kvm-6.11": ["WB", "WB", "WB", "WB"],
        "linux-forced": ["WB", "WB", "WB", "WB"],
        "hvpp": ["WP", "WP", "WT", "WP"],
        "acrn": ["WP", "WB", "WP", "WB"],
    }
    assert answers == {name: others.get(name, ["UC"] * 4) for name in PROGRAMS}


def test_the_first_mebibyte() -> None:
    def answers(def_type: int, cap: int | None = None) -> dict[str, str]:
        state = MtrrState(def_type=def_type, fixed=[0x0404040404040404] * 11, cap=cap)
        return {name: str(state.view(name).at(0xFFFFF)) for name in PROGRAMS}

    on = answers(0xC06)
    assert {name for name, kind in on.items() if kind != "WT"} == {"jonomango", "kvm-6.11", "linux-forced"}
    assert on["jonomango"] == "UC" and on["kvm-6.11"] == on["linux-forced"] == "WB"
    off = answers(0x806)
    assert {name for name, kind in off.items() if kind != "WB"} == {"kvm-4.1"}
    assert off["kvm-4.1"] == "WT"
    none = answers(0xC06, cap=0x408)  # no fixed ranges: Linux maps the registers that it never read
    assert {name: kind for name, kind in none.items() if kind != "WB"} == {"linux-6.5": "UC", "kvm-4.1": "WT"}


def test_tom2() -> None:
    state = overlay((8 * G, 4 * G, UC), default=WP, width=48, vendor="amd", syscfg=0x600000, tom2=0x4_1F00_0000)
    for address, changed in ((8 * G, "UC"), (6 * G, "WP"), (0x4_1F00_0000, "WP")):
        expected = dict.fromkeys(PROGRAMS, changed) | dict.fromkeys(("kvm-6.11", "acrn", "linux-forced"), "WB")
        expected |= dict.fromkeys(("sdm", "bitvisor"), "WB" if address == 6 * G else changed)
        expected |= dict.fromkeys(("linux-6.4", "linux-6.5", "proc"), "WP" if address > 15 * G else "WB")
        assert {name: str(state.view(name).at(address)) for name in PROGRAMS} == expected
    assert str(state.view("linux-6.5").map.at(8 * G)) == "WB"
    assert overlay(default=WP, vendor="amd", syscfg=0x200000, tom2=1 << 33).view("linux-6.4").at(4 * G) == WP
    beyond = MtrrState(def_type=0x805, maxphyaddr=52, vendor="amd", syscfg=0x600000, tom2=1 << 50 | 1 << 33)
    assert beyond.view("linux-6.5").at(8 * G) == WP and beyond.at(8 * G) == WB  # Linux keeps bits 47:23


def test_the_first_mebibyte_without_fixed_ranges() -> None:
    """FE = 0: a variable range decides for all but two."""
    state = overlay((0, 4 * G, WT), default=WP, fixed=[0x0606060606060606] * 11)
    kinds = {name: str(state.view(name).at(0xFFFFF)) for name in PROGRAMS}
    others = {"acrn": "WP", "kvm-4.1": "WB", "kvm-6.11": "WB", "linux-forced": "WB", "hvpp": "WP"}
    assert kinds == dict.fromkeys(PROGRAMS, "WT") | others


def test_acrn_takes_a_reserved_type_for_uncacheable() -> None:
    state = MtrrState(def_type=0xC06, fixed=[0x0203060606060606] * 11)
    assert [str(state.view("acrn").at(a)) for a in (0, 0x60000, 0x70000)] == ["WB", "UC", "UC"]


# --- names -------------------------------------------------------------------------------------------------------


def test_names() -> None:
    resolved = {
        "sdm": "sdm", "SDM": "sdm", "min": "jonomango", "linux-proc": "proc", "linux": "linux-6.5", "kvm": "kvm-6.10",
        "edk2_dump": "edk2-dump", "linux-2.6": "linux-6.4", "linux-4.19": "linux-6.4", "linux-6.12": "linux-6.5",
        "linux-6.5.0-rc1": "linux-6.5", "linux-7.2": "linux-6.5", "kvm-3.13": "kvm-4.1", "kvm-4.4": "kvm-6.10",
        "kvm-5.15": "kvm-6.10", "kvm-6.11": "kvm-6.11", "kvm-7.3": "kvm-6.11",
    }  # fmt: skip
    state = MtrrState()
    assert {name: state.view(name).program.name for name in resolved} == resolved
    assert state.view("linux-6.12").name == "linux-6.12"
    assert set(programs.names()) >= set(PROGRAMS)


@pytest.mark.parametrize("name", ["", "vmware", "linux-6", "linux-6.4x", "kvm-4.2", "kvm-4.3", "kvm-2.6", "kvm-x.y"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(InputError) as caught:
        MtrrState().view(name)
    message = str(caught.value)
    assert "\n" not in message
    if name.startswith("kvm-4"):
        assert "broken" in message and name in message
    elif name == "kvm-2.6":
        assert "3.13" in message
    else:
        assert all(known in message for known in PROGRAMS) and "linux-X.Y" in message


def test_every_field_of_the_table_is_a_rule_with_a_source() -> None:
    for program in PROGRAMS.values():
        for field in ("ranges", "overlap", "disabled", "low", "default", "tom2"):
            assert rules.RULES[getattr(program, field)].source
        assert program.ranges == programs.EXACT or program.ranges in ways.SPANS
        assert program.overlap == "overlap-none" or program.overlap in ways.OVERLAPS
        assert (program.overlap == "overlap-none") == (program.ranges == "range-none")


# --- laws --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
def test_the_sdm_view_is_the_state() -> None:
    rng = random.Random(5)
    for _ in range(40):
        state = random_state(rng)
        addresses = interesting_addresses(state, rng, 20)
        view = state.view("sdm")
        assert view.types(addresses).tolist() == state.types(addresses).tolist()
        assert [view.at(a) for a in addresses[:8]] == [state.at(a) for a in addresses[:8]]
        assert str(view.explain(addresses[0])) == str(state.explain(addresses[0]))
        # The record of the table says the same as the state, found another way.
        assert [decide(PROGRAMS["sdm"], state, a).type for a in addresses] == state.types(addresses).tolist()


@settings(max_examples=60, deadline=None)
@given(states())
def test_a_views_map_is_its_lookups(state: MtrrState) -> None:
    rng = random.Random(1)
    addresses = interesting_addresses(state, rng, 30)
    for name in PROGRAMS:
        view = state.view(name)
        single = [int(decide(view.program, state, address).type) for address in addresses]
        assert view.types(addresses).tolist() == single, name
        try:
            segments = view.map.segments
        except ShatteredMapError:
            continue
        for before, after in itertools.pairwise(segments):
            assert before.end == after.base and before.type != after.type
        for segment in segments[:64]:
            assert view.at(segment.base) == view.at(segment.last) == segment.type


@settings(max_examples=60, deadline=None)
@given(states(holey=False, most=6))
def test_views_agree_on_plain_states(state: MtrrState) -> None:
    """Aligned, contiguous, disjoint ranges of legal types: only E = 0, the first MiB and TOP_MEM2 can differ."""
    plain = MtrrState(**{**fields(state), "variable": _disjoint(state), "vendor": "intel", "cap": 0x508})
    legal = rules.type_of(plain.def_type & 0xFF) is not MemoryType.UNDEFINED
    if not plain.def_type & rules.DEF_TYPE_E or not legal:
        return
    addresses = [a for a in interesting_addresses(plain, random.Random(2), 20) if a >= rules.FIXED_END]
    expected = plain.types(addresses).tolist()
    for name in set(PROGRAMS) - {"acrn", "kvm-6.11", "linux-forced", "hvpp"}:
        assert plain.view(name).types(addresses).tolist() == expected, name


def _disjoint(state: MtrrState) -> list[tuple[int, int]]:
    taken: list[tuple[int, int]] = []
    kept = []
    for base, mask in state.variable:
        field = mask & rules.page_bits(state.maxphyaddr)
        start, size = base & field, field & -field or 1 << state.maxphyaddr
        if base & 0xFF in rules.MTRR_TYPES and all(start + size <= b or b + s <= start for b, s in taken):
            taken.append((start, size))
            kept.append((start | base & 0xFF, mask))
    return kept


def test_page_types_is_one_lookup_a_page() -> None:
    rng = random.Random(3)
    for _ in range(20):
        state = random_state(rng, holey=False)
        for name in ("linux-6.5", "kvm-6.10", "sdm"):
            view = state.view(name)
            first = rng.choice([0, 0x90, (4 * G >> 12) - 90, (state.tom2 & (1 << 31) - 1) >> 13])
            found = view.page_types(first, 90)
            assert found.tolist() == view.types([gfn << 12 for gfn in range(first, first + 90)]).tolist()
        out = np.full(5, 99, np.uint8)
        assert view.page_types(0, 5, out) is out and 99 not in out


def test_a_shattered_view_still_answers() -> None:
    """Every other page of 16 GiB, twice: more blocks than a map may have."""
    hole = 0xFC_0000_1000 | rules.MASK_VALID
    state = MtrrState(def_type=0x800, variable=[(0x6, hole), (0x1004, hole)], maxphyaddr=40)
    view = state.view("xen")
    for _ in range(2):
        with pytest.raises(ShatteredMapError):
            _ = view.map
    with pytest.raises(ShatteredMapError):
        _ = view.ranges
    assert view.types([[0, 0x1000], [0x2000, 0x3FFF]]).tolist() == [[6, 4], [6, 4]]
    assert view.page_types(4, 3).tolist() == [6, 4, 6]
    with pytest.raises(AddressError) as caught:
        view.types([0, 1 << 40])
    assert caught.value.index == 1
    assert len(state.view("linux-6.5").map) == 3  # intervals that reach over the holes


def test_bad_addresses_are_refused() -> None:
    view = MtrrState(def_type=0x806, maxphyaddr=36).view("xen")
    for bad in (-1, 1 << 36, 1.5, True, "0"):
        with pytest.raises((AddressError, InputError)):
            view.at(bad)  # type: ignore[arg-type]
    with pytest.raises(AddressError) as caught:
        view.page_types((1 << 24) - 2, 4)
    assert caught.value.index == 2
    assert isinstance(view.types(0), MemoryType)


def test_a_view_is_a_value() -> None:
    state = MtrrState(def_type=0x806)
    view = state.view("linux-6.12")
    assert view == state.view("linux-6.5") and hash(view) == hash(state.view("linux-6.5"))
    assert view != state.view("xen") and view != 1
    assert pickle.loads(pickle.dumps(view)) == view
    assert "linux-6.12" in repr(view)
    assert isinstance(view, View)


# --- reasons -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(states())
def test_reasons_give_the_answer_and_cite_rules(state: MtrrState) -> None:
    for address in interesting_addresses(state, random.Random(4), 2):
        for name in PROGRAMS:
            reasons = state.view(name).explain(address)
            assert reasons.type == state.view(name).at(address)
            assert reasons.steps and all(step.rule in rules.RULES for step in reasons.steps)
            assert all(step.source == rules.RULES[step.rule].source for step in reasons.steps)


def test_what_reasons_say() -> None:
    state = overlay((0, 4 * G, WB), (3 * G, G, UC))
    steps = state.view("kvm-6.4").explain(3 * G).steps
    assert [step.rule for step in steps] == ["range-kvm", "range-kvm", "overlap-kvm"]
    assert steps[-1].text.endswith(": WB") and steps[-1].registers == ("PHYSBASE1/PHYSMASK1", "PHYSBASE0/PHYSMASK0")
    assert "[0xc0000000-0xffffffff]: UC" in steps[0].text  # in the order in which KVM meets them
    one = state.view("xen").explain(0)
    assert [step.rule for step in one.steps] == ["mtrr-variable"]
    several = overlay((3 * G, G, WB), (3 * G, G, WT)).view("hvpp").explain(3 * G)
    assert [step.rule for step in several.steps] == ["range-hvpp", "range-hvpp", "overlap-hvpp"]
    panic = overlay((0, 4 * G, WB), (3 * G, G, WC)).view("patina").explain(3 * G)
    assert str(panic.type) == "??" and "panics" in panic.steps[-1].text
    off = MtrrState().view("linux-6.4").explain(0)
    assert off.steps[-1].rule == "disabled-invalid" and off.registers == ("IA32_MTRR_DEF_TYPE",)
    low = MtrrState(def_type=0xC06, fixed=[0x0606060606060606] * 11).view("linux-6.5").explain(0xC0000)
    assert low.registers == ("IA32_MTRR_FIX4K_C0000",)
    forced = MtrrState(def_type=0x800, vendor="amd", syscfg=0x600000, tom2=1 << 33)
    for name in ("linux-6.5", "bitvisor"):
        assert forced.view(name).explain(4 * G).registers == ("TOP_MEM2", "SYSCFG"), name
    for name in ("acrn", "kvm-6.11", "linux-tdx"):
        assert forced.view(name).explain(4 * G).registers == (), name  # WB, whatever the registers hold
    reserved = overlay((3 * G, G, 7)).view("xen").explain(3 * G)
    assert [step.rule for step in reserved.steps] == ["mtrr-variable", "overlap-xen"]
    assert "type 7, which is reserved" in reserved.steps[0].text
    for kind in ("UC", "WC"):
        alone = overlay((3 * G, G, int(MemoryType.parse(kind)))).view("xen").explain(3 * G)
        assert [step.rule for step in alone.steps] == ["mtrr-variable"] and str(alone.type) == kind


def test_sweep_keeps_tom2_zones_apart() -> None:
    """Inside and outside of TOP_MEM2 the same pairs match: the answers differ."""
    state = overlay((0, 64 * G, UC), default=WP, width=40, vendor="amd", syscfg=0x600000, tom2=8 * G)
    bases, kinds = sweep.resolve(PROGRAMS["linux-6.5"], state)
    assert list(zip(bases, kinds)) == [(0, UC), (4 * G, WB), (8 * G, UC), (64 * G, WP)]


@pytest.mark.parametrize("name", ["linux-forced", "linux-snp", "linux-tdx"])
def test_a_guest_of_snp_or_tdx_sees_wb_whatever_the_registers_hold(name):
    held = MtrrState(0x400, (0,) * 11, ((0, 0xF00000000 | 0x800),), 36, "amd", 1 << 21 | 1 << 22, 1 << 33)
    view = held.view(name)
    assert [(s.base, s.size, str(s.type)) for s in view.map] == [(0, 1 << 36, "WB")]
    assert str(view.at(0xA0000)) == "WB" and "guest_force_mtrr_state" in view.explain(0).steps[-1].source


@pytest.mark.parametrize("name", ["sdm", "linux-6.4", "linux-6.12", "kvm-6.4", "edk2", "xen", "hvpp"])
def test_a_piece_is_what_the_same_registers_decide(name: str) -> None:
    rng = random.Random(f"pieces {name}")
    looked = 0
    for _ in range(60):
        state = random_state(rng)
        view = state.view(name)
        places = sorted({0, 1 << state.maxphyaddr, *interesting_addresses(state, rng, 8)})
        base, end = sorted(rng.sample(places, 2))
        try:
            pieces = list(itertools.islice(view.pieces(base, end), 2000))
        except ShatteredMapError:
            continue
        assert pieces[0][0] == base and all(one[1] == other[0] for one, other in itertools.pairwise(pieces))
        assert len(pieces) == 2000 or pieces[-1][1] == end
        assert all(one[2].steps != other[2].steps for one, other in itertools.pairwise(pieces))
        for first, behind, why in rng.sample(pieces, min(len(pieces), 20)):
            for address in (first, behind - 1, rng.randrange(first, behind)):
                found = view.explain(address)
                assert (found.type, found.steps) == (why.type, why.steps), (view, hex(address))
                looked += 1
    assert looked > 500
