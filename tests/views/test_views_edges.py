"""The table of programs once more, by rule; names of views, and lookups, at their edges."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import pickle
import random

import numpy as np
import pytest
from strategies import random_state

from memtype import AddressError, InputError, MemoryType, MtrrState, ShatteredMapError, rules
from memtype.views import View, kvm_list, programs, sweep, ways
from memtype.views.programs import PROGRAMS

G = 1 << 30
WB_4G = (6, 0xF_0000_0800)  # MAXPHYADDR 36
HOLE = 0xFC_0000_1800  # every other page of 16 GiB, MAXPHYADDR 40

# Which programs follow which rule; each program stands once in each field.
BY_RULE = {
    "ranges": {
        "mtrr-variable": "sdm linux-6.4 kvm-4.1 xen bochs bitvisor jonomango", "range-linux": "linux-6.5",
        "range-none": "linux-forced kvm-6.11 acrn", "range-proc": "proc", "range-kvm": "kvm-6.10",
        "range-edk2": "edk2 edk2-dump patina", "range-hvpp": "hvpp",
    },
    "overlap": {
        "mtrr-undefined": "sdm", "overlap-linux": "linux-6.4 linux-6.5 proc kvm-4.1",
        "overlap-none": "linux-forced kvm-6.11 acrn", "overlap-kvm": "kvm-6.10", "overlap-xen": "xen",
        "overlap-bochs": "bochs", "overlap-edk2": "edk2", "overlap-edk2-dump": "edk2-dump",
        "overlap-patina": "patina", "overlap-bitvisor": "bitvisor", "overlap-min": "jonomango", "overlap-hvpp": "hvpp",
    },
    "disabled": {
        "mtrr-disabled": "sdm linux-6.5 proc kvm-6.10 xen bochs edk2 edk2-dump patina bitvisor jonomango",
        "disabled-invalid": "linux-6.4", "disabled-ignored": "linux-forced kvm-6.11 hvpp", "disabled-kvm": "kvm-4.1",
        "disabled-acrn": "acrn",
    },
    "low": {
        "mtrr-fixed": "sdm linux-6.4 proc kvm-6.10 xen bochs edk2 edk2-dump patina bitvisor hvpp",
        "low-linux": "linux-6.5", "low-none": "linux-forced kvm-6.11", "low-kvm": "kvm-4.1", "low-uc": "jonomango",
        "low-acrn": "acrn",
    },
    "default": {
        "mtrr-default": "sdm linux-6.4 linux-6.5 proc kvm-4.1 kvm-6.10 xen bochs edk2 edk2-dump patina bitvisor "
                        "jonomango hvpp",
        "default-wb": "linux-forced kvm-6.11 acrn",
    },
    "tom2": {
        "mtrr-tom2": "sdm bitvisor", "tom2-forced": "linux-6.4 linux-6.5 proc",
        "tom2-none": "linux-forced kvm-4.1 kvm-6.10 kvm-6.11 xen bochs edk2 edk2-dump patina jonomango hvpp acrn",
    },
}  # fmt: skip
NAMES = ("sdm linux-6.4 linux-6.5 linux-forced proc kvm-4.1 kvm-6.10 kvm-6.11 xen bochs edk2 edk2-dump patina bitvisor "
         "jonomango hvpp acrn")  # fmt: skip


def test_every_program_follows_these_rules() -> None:
    assert " ".join(PROGRAMS) == NAMES and all(name == one.name for name, one in PROGRAMS.items())
    for field, by_rule in BY_RULE.items():
        told = {name: rule for rule, held in by_rule.items() for name in held.split()}
        assert {name: getattr(one, field) for name, one in PROGRAMS.items()} == told, field
    assert programs.names() == (*PROGRAMS, "min", "linux-proc", "linux", "linux-snp", "linux-tdx", "kvm")


@pytest.mark.parametrize(("name", "found"), [
    ("linux-6.4", "linux-6.4"), ("linux-6.5", "linux-6.5"), ("linux-5.20", "linux-6.4"), ("linux-v6.4", "linux-6.4"),
    ("linux-6.12+", "linux-6.5"), ("linux-6.12.", "linux-6.5"), ("linux-6.12.3-arch1", "linux-6.5"),
    ("Linux-6.12-", "linux-6.5"), (" LINUX-6.4 ", "linux-6.4"), ("linux_snp", "linux-forced"),
    ("kvm-3.13", "kvm-4.1"), ("kvm-3.19", "kvm-4.1"), ("kvm-4.0", "kvm-4.1"), ("kvm-4.1", "kvm-4.1"),
    ("kvm-4.1.52", "kvm-4.1"), ("kvm-v4.4", "kvm-6.10"), ("kvm-6.10.14", "kvm-6.10"), ("kvm-6.11.0", "kvm-6.11"),
    ("kvm-4.4", "kvm-6.10"), ("kvm-6.10", "kvm-6.10"), ("kvm-6.11", "kvm-6.11"), ("kvm-7.0", "kvm-6.11"),
    ("linux-tdx", "linux-forced"), ("min", "jonomango"),
])  # fmt: skip
def test_a_release_is_read_as_its_era(name: str, found: str) -> None:
    assert programs.program(name) is PROGRAMS[found]


@pytest.mark.parametrize(("name", "said"), [
    ("kvm-3.12", "view kvm-3.12: what KVM did before 3.13 is not known"),
    ("kvm-4.2", "view kvm-4.2: not modelled: the new MTRR code"),
    ("kvm-4.3", "view kvm-4.3: not modelled: the new MTRR code"),
    ("linux-6.4x", "no view is named 'linux-6.4x'; one of"),
    ("linux-6.", "no view is named 'linux-6.'"), ("linux-.4", "no view is named 'linux-.4'"),
    ("xlinux-6.4", "no view is named 'xlinux-6.4'"), ("kvm6.4", "no view is named 'kvm6.4'"),
    (3, "view 3 is not a name"),
    ("linux-vv6.4", "no view is named"), ("linux-6_x.4", "no view is named"),
])  # fmt: skip
def test_a_name_that_is_none_says_why(name: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        programs.program(name)
    assert str(refused.value).startswith(said)


def test_the_releases_with_the_broken_list_are_refused_and_no_others() -> None:
    assert set(kvm_list.BROKEN) == {(4, 2), (4, 3)}
    for major, last in ((3, 19), (4, 20), (5, 19), (6, 19), (7, 3)):
        for minor in range(13 if major == 3 else 0, last + 1):
            if (major, minor) in kvm_list.BROKEN:
                with pytest.raises(InputError) as refused:
                    programs.program(f"kvm-{major}.{minor}")
                assert str(refused.value) == f"view kvm-{major}.{minor}: {kvm_list.WHY_BROKEN}"
            else:
                assert programs.program(f"kvm-{major}.{minor}").name.startswith("kvm-")


# --- one state -------------------------------------------------------------------------------------------------------


def test_a_view_that_shatters_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    view = MtrrState(0x800, variable=[(0x6, HOLE), (0x1004, HOLE)], maxphyaddr=40).view("xen")
    tried = []
    monkeypatch.setattr(sweep, "resolve", lambda *given, made=sweep.resolve: (tried.append(given), made(*given))[1])
    for _ in range(3):
        with pytest.raises(ShatteredMapError, match="holey masks"):
            _ = view.map
    assert len(tried) == 1
    for given, said in (((object(), 1), "first_gfn"), ((0, object()), "count")):
        with pytest.raises(InputError, match=rf"^{said} .* is not an integer"):
            view.page_types(*given)  # type: ignore[arg-type]
    whole = MtrrState(0x806, maxphyaddr=40).view("xen")
    assert whole.map is whole.map
    for one in (view, whole):
        for addresses in (0, [0, 4096]):
            with pytest.raises(InputError, match="threads = 0 is not a positive integer"):
                one.types(addresses, threads=0)


def test_single_addresses_pages_and_output_of_views() -> None:
    shattered = MtrrState(0x800, variable=[(0x6, HOLE), (0x1004, HOLE)], maxphyaddr=40).view("xen")
    whole = MtrrState(0x806, maxphyaddr=40).view("xen")
    for view in (shattered, whole):
        room = np.zeros((), np.uint8)
        assert view.types(0, out=room) is room and room == 6
        assert view.types([[0], [4096]]).shape == (2, 1)
        strided = np.zeros(6, np.uint8)[::2]
        assert view.page_types(4, 3, strided) is strided and strided.tolist() == [
            view.at(gfn << 12) for gfn in (4, 5, 6)
        ]
        assert view.page_types((1 << 28) - 1, 1).tolist() == [view.at((1 << 40) - 1)]
        for first, count, said in (
            (0, -1, "count -1 is negative"), (-1, 1, "address -4096 at index 0 is negative"),
            ((1 << 28) - 1, 3, "address 0x10000000000 at index 1 is not below 2**40 (MAXPHYADDR = 40)"),
        ):  # fmt: skip
            with pytest.raises(AddressError) as refused:
                view.page_types(first, count)
            assert str(refused.value) == said


def test_cuts_lie_within() -> None:
    state = MtrrState(0x806, variable=plain((1, 1, 4), (3, 1, 6)), maxphyaddr=36)
    assert list(sweep.cuts(PROGRAMS["xen"], state, G, 4 * G)) == [2 * G, 3 * G]


@pytest.mark.parametrize("rule", [rule for rule in BY_RULE["ranges"] if rule != "range-none"])
def test_a_plain_pair_is_one_range_to_everyone(rule: str) -> None:
    pair = G | 6, 0xF_C000_0800
    assert list(itertools.islice(ways.spans(rule, pair, 36), 2)) == [(G, 2 * G)]
    view = MtrrState(0x800, variable=[(0, 0), (G | 6, 0xF_C000_0000), pair], maxphyaddr=36).view(
        BY_RULE["ranges"][rule].split()[0]
    )
    assert view.ranges == ((2, G, G, MemoryType.WB),)


def test_a_view_is_named_by_its_state_and_name() -> None:
    state = MtrrState(0x806, maxphyaddr=40)
    view = state.view("XEN ")
    assert view.__dask_tokenize__() == ("memtype.View", state, "xen") and (view.maxphyaddr, view.vendor) == (
        40,
        "intel",
    )
    assert pickle.loads(pickle.dumps(view)) == view and view != state.view("bochs")
    assert (view == state) is False is (view == "xen")
    defaults = {name: one.default for name, one in inspect.signature(View.types).parameters.items()}
    assert (defaults["out"], defaults["threads"]) == (None, 1)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if PROGRAMS[name].ranges != "range-none"])
def test_a_reserved_type_is_no_answer(name: str) -> None:
    """The type field has eight bits, of which five values are types; none of the others is taken for one."""
    for encoding in (2, 3, 7, 8, 0x80, 0xFE, 0xFF):
        state = MtrrState(0x806, variable=[(G | encoding, 0xF_C000_0800)], maxphyaddr=36)
        wanted = MemoryType.WB if name == "hvpp" else MemoryType.UNDEFINED  # hvpp looks for UC alone
        assert state.view(name).at(G) is wanted, encoding
        assert [kind for _, _, _, kind in state.view(name).ranges] == [MemoryType.UNDEFINED]


def test_linux_computes_ranges_in_64_bits() -> None:
    """Reserved bits of a base stay: it lies far above memory, or its end wraps and there is no range."""
    for base, ranges in ((1 << 63, [(1 << 63, G)]), ((1 << 64) - G, []), ((1 << 64) - 2 * G, [((1 << 64) - 2 * G, G)])):
        state = MtrrState(0x806, variable=[(base | 1, 0xF_C000_0800)], maxphyaddr=36)
        for name in ("linux-6.12", "proc"):
            view = state.view(name)
            assert [(start, size) for _, start, size, _ in view.ranges] == ranges, name
            assert view.at(0) is view.at((1 << 36) - 1) is MemoryType.WB and len(view.map) == 1


# --- Linux's lookups -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linux-6.4", "linux-6.12"])
def test_bounds_of_a_lookup_are_named(name: str) -> None:
    view = MtrrState(0x806, maxphyaddr=36).view(name)
    for given, said in ((("x", 4096), "start 'x' is not an integer"), ((0, None), "end None is not an integer")):
        with pytest.raises(InputError) as refused:
            view.uniform_lookup(*given)  # type: ignore[arg-type]
        assert str(refused.value) == said and type(refused.value) is InputError
    for start, end in ((0, 0), (1, 1), (-1, 1), (0, (1 << 36) + 1), (5, 4)):
        with pytest.raises(InputError, match=r"is empty or not within \[0, 2\*\*36\)"):
            view.uniform_lookup(start, end)
    for start, end in ((0, 1), ((1 << 36) - 1, 1 << 36), (0, 1 << 36)):
        assert view.uniform_lookup(start, end) == (MemoryType.WB, True)


def test_lookups_that_begin_or_end_at_a_byte_of_an_edge() -> None:
    """A range of WC in WB: the last byte of one and the first of the next belong to it."""
    state = MtrrState(0x806, variable=[(G | 1, 0xF_C000_0800)], maxphyaddr=36)
    new, old = state.view("linux-6.12"), state.view("linux-6.4")
    for edge, before, behind in ((G, "WB", "WC"), (2 * G, "WC", "WB")):
        for view in (new, old):
            assert str(view.uniform_lookup(edge - 1, edge)[0]) == before
            assert str(view.uniform_lookup(edge, edge + 1)[0]) == behind
            assert str(view.uniform_lookup(edge - 4096, edge)[0]) == before
        assert [str(view.uniform_lookup(edge - 1, edge + 1)[0]) for view in (new, old)] == ["UC", "UC"]
        assert new.uniform_lookup(edge - 1, edge + 1)[1] is False is old.uniform_lookup(edge - 1, edge + 1)[1]


def plain(*ranges: tuple[int, int, int]) -> list[tuple[int, int]]:
    """(first, size, type) in GiB, each written as it is, aligned or not; MAXPHYADDR 36."""
    return [(first * G | kind, (1 << 36) - size * G | 0x800) for first, size, kind in ranges]


@pytest.mark.parametrize(("pairs", "default", "asked", "found"), [
    # WT, the default and WB: what lies between two ranges is met
    (plain((1, 1, 4), (3, 1, 6)), 0, (G, 4 * G), ("UC", False)),
    (plain((1, 1, 4), (3, 1, 6)), 6, (G, 4 * G), ("WT", False)),
    # the third range's base is not aligned to its size: its end counts only where the range is asked so far
    (plain((2, 1, 0), (0, 2, 6), (1, 2, 6)), 6, (G, 4 * G), ("UC", False)),
    (plain((1, 2, 1)), 6, (0, G + 1), ("WC", True)), (plain((1, 2, 1)), 6, (0, G + 2), ("UC", False)),
    (plain((1, 1, 6), (1, 1, 6)), 0, (G, 2 * G), ("WB", False)),
])  # fmt: skip
def test_where_the_old_lookup_splits(
    monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[int, int]], default: int, asked: tuple[int, int],
    found: tuple[str, bool],
) -> None:  # fmt: skip
    monkeypatch.setattr(rules, "MAP_BLOCK_LIMIT", 16)
    kind, uniform = MtrrState(0x800 | default, variable=pairs, maxphyaddr=36).view("linux-6.4").uniform_lookup(*asked)
    assert (str(kind), uniform) == found


def test_the_old_lookup_steps_over_whole_ranges() -> None:
    """WB up to 32 GiB and WB behind: one split for each pair, not one for each page; the default is met at the end."""
    pairs = [(n << 35 | 6, (1 << 40) - (1 << 35) | 0x800) for n in range(4)]
    state = MtrrState(0x800, variable=pairs, maxphyaddr=40)
    old = state.view("linux-6.4")
    assert old.uniform_lookup(0, 4 << 35) == (MemoryType.WB, False)
    assert old.uniform_lookup(1 << 35, 2 << 35) == (MemoryType.WB, True)
    assert old.uniform_lookup(0, 1 << 40) == (MemoryType.UC, False)
    assert old.uniform_lookup(4 << 35, 1 << 40) == (MemoryType.UC, True)


def test_masks_with_too_many_blocks_are_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    state = MtrrState(0x806, variable=[(0, (1 << 40) - (1 << 30) - (3 << 33) | 0x800)], maxphyaddr=40)  # four blocks
    assert len(state.view("xen").ranges) == 4
    monkeypatch.setattr(rules, "MAP_BLOCK_LIMIT", 3)
    with pytest.raises(ShatteredMapError):
        _ = state.view("xen").map
    monkeypatch.setattr(rules, "MAP_BLOCK_LIMIT", 4)
    assert len(state.view("xen").map) == 8


@pytest.mark.parametrize("name", ["linux-6.4", "linux-6.12", "xen", "kvm-6.10"])
def test_the_limits_of_a_views_map_are_exact(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    state = MtrrState(0x806, variable=[(n << 30 | 1, 0xFF_C000_0800) for n in (1, 3, 5)], maxphyaddr=40)
    monkeypatch.setattr(rules, "MAP_SEGMENT_LIMIT", 7)  # WC thrice in WB
    assert len(state.view(name).map) == 7 and len(state.view(name).ranges) == 3
    monkeypatch.setattr(rules, "MAP_SEGMENT_LIMIT", 6)
    with pytest.raises(ShatteredMapError, match="more than 6 segments"):
        _ = state.view(name).map


def test_the_limit_of_ranges_counts_the_blocks_of_exact_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    state = MtrrState(0x806, variable=[(1, (1 << 40) - (1 << 30) - (3 << 33) | 0x800)], maxphyaddr=40)  # four blocks
    monkeypatch.setattr(rules, "MAP_SEGMENT_LIMIT", 4)
    assert len(state.view("xen").ranges) == 4
    monkeypatch.setattr(rules, "MAP_SEGMENT_LIMIT", 3)
    assert len(state.view("linux-6.12").ranges) == 1  # a range without holes
    with pytest.raises(ShatteredMapError, match="more than 3 segments"):
        _ = state.view("xen").ranges


def test_the_old_lookup_splits_so_often_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask whose hole lets it match behind 2 GiB too: from 64 pages below on it goes page by page."""
    state = MtrrState(0x806, variable=[(6, 0xF_4000_0800)], maxphyaddr=36)
    start, end = 2 * G - 64 * 4096, 2 * G + 4096
    monkeypatch.setattr(rules, "MAP_BLOCK_LIMIT", 64)
    assert state.view("linux-6.4").uniform_lookup(start, end) == (MemoryType.WB, False)
    monkeypatch.setattr(rules, "MAP_BLOCK_LIMIT", 63)
    with pytest.raises(ShatteredMapError) as refused:
        state.view("linux-6.4").uniform_lookup(start, end)
    assert str(refused.value) == "holey masks split [0x7ffc0000, 0x80001000) into more than 63 parts"


def test_top_mem2_ends_at_a_byte() -> None:
    amd = MtrrState(0x800, maxphyaddr=40, vendor="amd", tom2=8 * G, syscfg=0x740000)
    for name in ("linux-6.4", "linux-6.12"):
        view = amd.view(name)
        assert str(view.uniform_lookup(4 * G, 8 * G)[0]) == "WB" == str(view.uniform_lookup(8 * G - 1, 8 * G)[0])
        assert str(view.uniform_lookup(8 * G, 8 * G + 1)[0]) == "UC" == str(view.uniform_lookup(4 * G - 1, 4 * G)[0])
        assert str(view.uniform_lookup(8 * G - 1, 8 * G + 1)[0]) == "UC", name


def test_top_mem2_of_4_gib_and_below_forces_nothing() -> None:
    for top in (0, 2 * G, 4 * G):
        view = MtrrState(0x800, maxphyaddr=40, vendor="amd", tom2=top, syscfg=0x740000).view("linux-6.12")
        assert view.entries == () and view.map.at(4 * G) is MemoryType.UC
    assert len(changed(view.state, tom2=(4 * G) + (1 << 23)).view("linux-6.12").entries) == 1


def test_amds_routing_bits_are_no_part_of_a_fixed_entry() -> None:
    """RdMem and WrMem (bits 4 and 3 of each byte, APM 2 7.9.1) lie beside the type; Intel has no such bits."""
    for vendor, encoding in (("amd", 6), ("intel", 0x1E)):
        state = MtrrState(0xC06, fixed=[0x1E1E_1E1E_1E1E_1E1E] * 11, maxphyaddr=40, vendor=vendor)
        assert [entry[:4] for entry in state.view("linux-6.12").entries] == [(0, (1 << 20) - 1, encoding, True)]


def test_entries_of_the_map_to_the_end_of_the_address_space() -> None:
    state = MtrrState(0x800, variable=[((1 << 36) - G | 6, 0xF_C000_0800), WB_4G], maxphyaddr=36)
    entries = state.view("linux-6.12").entries
    assert [(entry.base, entry.last, entry.encoding, entry.fixed) for entry in entries] == [
        (0, 4 * G - 1, 6, False), ((1 << 36) - G, (1 << 36) - 1, 6, False)]  # fmt: skip


# --- which registers decided -----------------------------------------------------------------------------------------


def changed(state: MtrrState, **fields: object) -> MtrrState:
    return dataclasses.replace(state, **fields)  # type: ignore[arg-type]


def slot_of(address: int) -> tuple[int, int, str]:
    """(register, byte, its name) of the fixed range that holds the address (SDM 3A table 12-9)."""
    if address < 0x80000:
        return 0, address >> 16, "IA32_MTRR_FIX64K_00000"
    if address < 0xC0000:
        register = 1 + (address - 0x80000 >> 17)
        return register, (address >> 14) % 8, f"IA32_MTRR_FIX16K_{0x80000 + (register - 1 << 17):05X}"
    register = 3 + (address - 0xC0000 >> 15)
    return register, (address >> 12) % 8, f"IA32_MTRR_FIX4K_{0xC0000 + (register - 3 << 15):05X}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_registers_that_are_named_are_those_that_decide(name: str) -> None:
    """One fixed register, the default type or TOP_MEM2: changed, it changes the answer only where it is named."""
    rng = random.Random(31)
    seen = set()
    for _ in range(120):
        state = random_state(rng, most=2)
        address = rng.choice([0, 0x7F000, 0x80000, 0x9C000, 0xA0000, 0xBF000, 0xC0000, 0xC8000, 0xFF000, 1 << 20,
                              min(4 * G, (1 << state.maxphyaddr) - 1), rng.getrandbits(20) & -4096])  # fmt: skip
        view = state.view(name)
        kind, why = view.at(address), view.explain(address)
        assert why.type is kind
        named = set(why.registers)
        assert len(named) == len(why.registers)
        if address < 1 << 20:
            register, byte, fixed_name = slot_of(address)
            others = [*state.fixed]
            moved = set()
            for other in (0, 1, 4, 5, 6):
                others[register] = state.fixed[register] & ~(0xFF << 8 * byte) | other << 8 * byte
                moved.add(changed(state, fixed=tuple(others)).view(name).at(address))
            assert (fixed_name in named) is (len(moved) > 1), (state, hex(address), why)
            assert not any("FIX" in one and one != fixed_name for one in named)
            seen.add(("fixed", len(moved) > 1))
        else:
            assert not any("FIX" in one for one in named)
        types = {changed(state, def_type=state.def_type & ~0xFF | other).view(name).at(address)
                 for other in (0, 1, 4, 5, 6)}  # fmt: skip
        if len(types) > 1 and not any("PHYS" in one for one in named):
            assert "IA32_MTRR_DEF_TYPE" in named, (state, hex(address), why)
        without = changed(state, tom2=0).view(name).at(address)
        assert "TOP_MEM2" in named or without is kind
        assert ("TOP_MEM2" in named) is ("SYSCFG" in named) and ("TOP_MEM2" not in named or kind is MemoryType.WB)
    assert ("fixed", False) in seen
    if PROGRAMS[name].low not in ("low-none", "low-uc"):
        assert ("fixed", True) in seen
