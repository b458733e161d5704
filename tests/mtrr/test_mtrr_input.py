"""What `MtrrState` takes and refuses, and what it says of values that hardware would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from memtype import AddressError, InputError, MemoryType, MtrrState, RegisterError, msr_valid, range_registers

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"def_type": -1}, "IA32_MTRR_DEF_TYPE = -0x1 is not a 64-bit value"),
        ({"def_type": 1 << 64}, "not a 64-bit value"),
        ({"def_type": 6.0}, "IA32_MTRR_DEF_TYPE = 6.0 is not an integer"),
        ({"def_type": True}, "not an integer"),
        ({"fixed": (0,) * 10}, "10 fixed-range registers; there are 11"),
        ({"variable": [(0, 1 << 70)]}, "IA32_MTRR_PHYSMASK0 = 0x400000000000000000 is not a 64-bit value"),
        ({"variable": [(0,)]}, "variable range 0"),
        ({"variable": [5]}, "variable range 0: 5 is not (base, mask)"),
        ({"variable": [(0, 0)] * 256}, "256 variable ranges; MTRRCAP.VCNT allows 255"),
        ({"maxphyaddr": 31}, "MAXPHYADDR 31 is not within 32 to 52"),
        ({"maxphyaddr": 53}, "MAXPHYADDR 53 is not within 32 to 52"),
        ({"maxphyaddr": "46"}, "MAXPHYADDR '46' is not an integer"),
        ({"vendor": "arm"}, "vendor 'arm' is neither intel nor amd"),
        ({"vendor": None}, "vendor None"),
        ({"vendor": "arm64"}, "vendor 'arm64' is neither intel nor amd"),
        ({"syscfg": 1 << 64}, "SYSCFG = 0x10000000000000000 is not a 64-bit value"),
        ({"tom2": "x"}, "TOP_MEM2 = 'x'"),
        ({"cap": 0.5}, "IA32_MTRRCAP = 0.5 is not an integer"),
        ({"fixed": 5}, "fixed = 5 is not a sequence of registers"),
        ({"fixed": (0,) * 10 + ("x",)}, "IA32_MTRR_FIX4K_F8000 = 'x'"),
        ({"variable": 5}, "variable = 5 is not a sequence of registers"),
        ({"variable": [(0, 0), (-1, 0)]}, "IA32_MTRR_PHYSBASE1 = -0x1"),
    ],
)
def test_impossible_registers_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RegisterError) as caught:
        MtrrState(**arguments)
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_255_ranges_work() -> None:
    state = MtrrState(0x800, variable=[range_registers(n << 21, 1 << 20, "WB") for n in range(255)])
    assert len(state.map) == 2 * 255
    assert state.at(254 << 21) == MemoryType.WB
    assert state.types([254 << 21, 255 << 21]).tolist() == [6, 0]
    with pytest.raises(RegisterError, match="only 40"):
        state.msrs()
    assert state.problems() == []


@pytest.mark.parametrize("address", [-1, 1 << 46, 1 << 64, 1.5, "0", None, True])
def test_at_refuses_what_is_no_address(address: Any) -> None:
    with pytest.raises(AddressError):
        MtrrState(0x806, maxphyaddr=46).at(address)


def test_at_takes_numpy_integers() -> None:
    state = MtrrState(0x806, variable=[(0x80000000, 0x3FFF80000800)])
    assert state.at(np.uint64(0x80000000)) is MemoryType.UC


def test_missing_registers_are_named() -> None:
    with pytest.raises(RegisterError, match=r"IA32_MTRR_DEF_TYPE \(0x2ff\) is missing"):
        MtrrState.from_msrs({0x200: 0})
    with pytest.raises(RegisterError, match=r"IA32_MTRR_PHYSMASK1 \(0x203\) is missing"):
        MtrrState.from_msrs({0x2FF: 0x800, 0x202: 6})
    with pytest.raises(RegisterError, match=r"IA32_MTRR_FIX64K_00000 \(0x250\) is missing"):
        MtrrState.from_msrs({0x2FF: 0xC00})
    assert MtrrState.from_msrs({0x2FF: 0x806}).at(0) == MemoryType.WB


def test_reading_stops_at_vcnt() -> None:
    registers = {0xFE: 0x502, 0x2FF: 0xC06, 0x200: 6, 0x201: 0x3FFF80000800, 0x202: 0, 0x203: 0}
    registers |= dict.fromkeys([0x250, 0x258, 0x259, *range(0x268, 0x270)], 0)
    asked = []
    state = MtrrState.from_msrs(lambda index: (asked.append(index), registers[index])[1])
    assert len(state.variable) == 2
    assert state.maxphyaddr == 46
    assert set(asked) == registers.keys()
    assert 0x204 not in asked


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        ({"def_type": 0x806}, []),
        ({"def_type": 0x1C06}, ["IA32_MTRR_DEF_TYPE = 0x1c06: reserved bit 12 set"]),
        ({"def_type": 0x802}, ["IA32_MTRR_DEF_TYPE = 0x802: type 2 in bits 7:0 is reserved"]),
        ({"fixed": (7 << 56,) + (0,) * 10}, ["FIX64K_00000 = 0x700000000000000: type 7 in bits 63:56 is reserved"]),
        ({"fixed": (0x1E,) + (0,) * 10}, ["type 30 in bits 7:0 is reserved"]),
        ({"fixed": (0x1E,) + (0,) * 10, "vendor": "amd"}, []),
        ({"variable": [(0x103, 0x800)]}, ["IA32_MTRR_PHYSBASE0 = 0x103: type 3 in bits 7:0 is reserved"]),
        ({"variable": [(0x100, 0x800)]}, ["IA32_MTRR_PHYSBASE0 = 0x100: reserved bit 8 set"]),
        ({"variable": [(0, 0), (1 << 40, 0x801)]}, ["PHYSBASE1 = 0x10000000000: reserved bit 40 set (MAXPHYADDR = 40)",
                                                    "PHYSMASK1 = 0x801: reserved bit 0 set"]),
        ({"variable": [(0, 0x000FFFFF80000800)]}, []),  # QEMU's filling, bits 51:40
        ({"variable": [(0, 0x00FFFFFF80000800)]}, ["PHYSMASK0 = 0xffffff80000800: reserved bit 40 set"]),
        ({"variable": [(0, 0x0001FFFF80000800)]}, ["reserved bit 40 set"]),
        ({"variable": [(0xDEAD00000777, 0xBEEF00000123)]}, ["PHYSBASE0", "PHYSMASK0"]),  # rubbish with V = 0
    ],
)  # fmt: skip
def test_problems_name_what_hardware_would_refuse(registers: dict[str, Any], expected: list[str]) -> None:
    state = MtrrState(**{"def_type": 0x806, "maxphyaddr": 40, **registers})
    problems = list(map(str, state.problems()))
    assert len(problems) == len(expected)
    for problem, part in zip(problems, expected, strict=True):
        assert part in problem
    state.map, state.types([0])


def test_each_value_is_valid_exactly_if_no_problem_names_it() -> None:
    for value in (6, 0x106, 7, 1 << 40 | 6, 1 << 39 | 6):
        named = MtrrState(0x806, variable=[(value, 0)], maxphyaddr=40).problems()
        assert msr_valid(0x200, value, maxphyaddr=40) == (not named)


@pytest.mark.parametrize(
    "arguments",
    [
        (0, 4095, "WB"),
        (0, 3 << 20, "WB"),
        (4096, 8192, "WB"),
        (1 << 45, 1 << 46, "WB"),
        (0, 4096, "UC-"),
        (0, 4096, "fast"),
    ],
)
def test_impossible_ranges_have_no_registers(arguments: Any) -> None:
    with pytest.raises(InputError):
        range_registers(*arguments)


FIELDS: dict[str, Any] = {
    "def_type": 0xC06, "fixed": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "variable": ((6, 0xFF80000800), (1, 2)),
    "maxphyaddr": 40, "vendor": "amd", "syscfg": 0x600000, "tom2": 1 << 33, "cap": 0x508,
}  # fmt: skip


class Number(int):
    """An integer of another class, as enumerations are."""


@pytest.mark.parametrize("kind", [np.uint64, Number, lambda value: value])
@pytest.mark.parametrize("name", [None, *FIELDS])
def test_numbers_of_any_kind_become_plain_ones(name: str | None, kind: Any) -> None:
    """In one field, and in all of them."""

    def made(value: Any) -> Any:
        if isinstance(value, str):
            return value.upper()
        return iter([made(each) for each in value]) if isinstance(value, tuple) else kind(value)

    state = MtrrState(**{field: made(value) if name in (None, field) else value for field, value in FIELDS.items()})
    plain = MtrrState(**FIELDS)
    assert state == plain and hash(state) == hash(plain)
    for field, value in FIELDS.items():
        held = getattr(state, field)
        assert held == value and type(held) is type(value)
    numbers = (*state.fixed, *(each for pair in state.variable for each in pair))
    assert (
        {type(number) for number in numbers} == {int} == {type(getattr(state, n)) for n in ("def_type", "cap", "tom2")}
    )


def test_registers_that_are_not_told_are_0_and_a_state_has_no_pairs() -> None:
    state = MtrrState(0x806)
    assert (state.fixed, state.variable, state.vendor) == ((0,) * 11, (), "intel")
    assert (state.syscfg, state.tom2, state.cap) == (0, 0, None)
    few = MtrrState.from_msrs({0x2FF: 0x806, 0x250: 7}, 40)
    assert (few.fixed, few.variable, few.syscfg, few.tom2, few.cap) == ((7, *(0,) * 10), (), 0, 0, None)
    gap = MtrrState.from_msrs({0x2FF: 0x806, 0x204: 6, 0x205: 0xFF80000800})
    assert gap.variable == ((0, 0), (0, 0), (6, 0xFF80000800)) and gap.maxphyaddr == 40


def test_the_first_question_is_answered_as_the_next() -> None:
    for address in (0, 1 << 31, (1 << 40) - 1, np.uint64(1 << 31)):
        state = MtrrState(**FIELDS | {"fixed": (0,) * 11})
        assert state.at(address) == state.at(address) == state.map.at(address) == state.types(address)
    for address in (1 << 40, -1):
        with pytest.raises(AddressError):
            MtrrState(**FIELDS).at(address)


@pytest.mark.parametrize(("name", "vendor"), [
    ("GenuineIntel", "intel"), ("Intel", "intel"), ("CentaurHauls", "intel"), ("  Shanghai  ", "intel"),
    ("AuthenticAMD", "amd"), ("AMD", "amd"), ("HygonGenuine", "amd"), ("Hygon", "amd"),
])  # fmt: skip
def test_a_vendor_may_be_named_as_cpuid_names_it(name: str, vendor: str) -> None:
    assert MtrrState(vendor=name).vendor == vendor


def test_a_width_comes_from_masks_in_use_and_fixed_ranges_from_mtrrcap() -> None:
    off = {0x2FF: 0x806, 0x200: 6, 0x201: 0xFFFFF80000000, 0x202: 6, 0x203: 0xFF80000800}
    assert MtrrState.from_msrs(off).maxphyaddr == 40
    assert [MtrrState(0xC06, cap=cap).has_fixed for cap in (None, 0x508, 0x408)] == [True, True, False]


def test_a_reader_without_mtrrcap_is_asked_for_pairs_up_to_the_first_that_it_lacks() -> None:
    held, asked = {0x2FF: 0x806, 0x200: 6, 0x201: 0xFF80000800, 0x206: 6, 0x207: 0xFF80000800}, list[int]()
    state = MtrrState.from_msrs(lambda index: asked.append(index) or held[index], 40)
    assert state.variable == ((6, 0xFF80000800),) and 0x206 not in asked
