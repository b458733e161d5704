"""Every argument of every call about effective types: what it is if not given, and that a wrong one is named."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import memtype as mt
from memtype import ept
from memtype.effective import effective_pcd_pwt, effective_types

CALLS: list[tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]] = [
    (mt.effective, {"mtrr": "WB", "pat": "WB"}, {"vendor": "intel", "cr0_cd": False, "cr0_pg": True, "out": None}),
    (effective_pcd_pwt, {"mtrr": "WB", "pcd": True, "pwt": True}, {"vendor": "intel"}),
    (mt.effective_npt, {"guest_pat": "WB", "host_pat": "WB", "mtrr": "WB"}, {
        "snp": False, "cr0_cd": False, "out": None}),
    (effective_types, {"state": mt.MtrrState(), "addresses": None, "ptes": 0}, {
        "pat": None, "level": 1, "out": None, "threads": 1}),
    (mt.effective_ept, {"ept_type": "WB", "ipat": False, "pat": "WB"}, {"cr0_cd": False, "cr0_pg": True, "out": None}),
    (ept.ept_leaf, {"type": "WB"}, {"ipat": False}),
    (ept.xen_ept_type, {"guest": "WB", "host": "WB"}, {}),
    (ept.ept_types, {"eptes": 0}, {"out": None}),
    (ept.ept_decode, {"eptes": [0]}, {}),
    (ept.ept_misconfigured, {"eptes": [0]}, {"level": 1}),
    (ept.ept_walk_type, {"eptp": 0}, {"cr0_cd": False}),
    (ept.eptp_valid, {"eptp": 0}, {"ept_vpid_cap": None}),
    (ept.effective_ept_types, {"eptes": 0, "ptes": 0}, {
        "pat": None, "level": 1, "cr0_cd": False, "out": None, "threads": 1}),
]  # fmt: skip
FLAGS = {"cr0_cd", "cr0_pg", "snp", "pcd", "pwt", "ipat"}
WORDS = {"ptes", "eptes", "addresses"}
SAID = {
    "vendor": "vendor … is neither intel nor amd", "state": "state = … is no MtrrState",
    "level": "level … is not an integer", "threads": "threads = … is not a positive integer",
    "out": "out: dtype object is not uint8", "eptp": "eptp = … is not an integer",
    "ept_vpid_cap": "ept_vpid_cap = … is not an integer",
}  # fmt: skip
ARRAYS = (mt.effective, mt.effective_npt, mt.effective_ept)  # they take arrays of types


def said(call: Callable[..., Any], name: str) -> str:
    """What is refused in which words, for an object of no kind."""
    if name in WORDS:
        return f"{name}[0] = … is not an integer"
    if name == "pat" and call in (effective_types, ept.effective_ept_types):
        return "IA32_PAT = … is not an integer"
    if name == "ipat" and call is mt.effective_ept:
        return "ipat: dtype object is not bool; give bool, or 0 and 1"
    if name in FLAGS:
        return f"{name} = … is neither 0 nor 1"
    if name in SAID:
        return SAID[name]
    return f"{name}: dtype object is not an integer type; give uint8" if call in ARRAYS else (
        f"{name} = … is not a memory type")  # fmt: skip


def refusal(call: Callable[..., Any], given: dict[str, Any]) -> str:
    with pytest.raises(mt.InputError) as refused:
        call(**given)
    return re.sub(r"<object object at 0x[0-9a-f]+>", "…", str(refused.value))


@pytest.mark.parametrize(("call", "needed", "others"), CALLS, ids=[call.__name__ for call, _, _ in CALLS])
def test_defaults_and_refusals_by_name(
    call: Callable[..., Any], needed: dict[str, Any], others: dict[str, Any]
) -> None:
    found = {name: one.default for name, one in inspect.signature(call).parameters.items()}
    assert found == dict.fromkeys(needed, inspect.Parameter.empty) | others
    assert repr(call(**needed)) == repr(call(**needed, **others))
    for name in (*needed, *others):
        assert refusal(call, {**needed, name: object()}) == said(call, name), name


@pytest.mark.parametrize(("call", "name"), [(call, name) for call, needed, _ in CALLS for name in needed
                                            if needed[name] == "WB"])  # fmt: skip
def test_what_is_no_type_is_named(call: Callable[..., Any], name: str) -> None:
    needed = next(needed for one, needed, _ in CALLS if one is call)
    beside = {one: ["WB", "WB"] for one in needed if one != name and needed[one] == "WB"} if call in ARRAYS else {}
    for given in (needed, needed | beside):
        assert refusal(call, {**given, name: "XY"}).startswith("'XY' is not a memory type (one of UC, WC")
        if given is needed:
            assert refusal(call, {**given, name: np.float64(1.5)}).endswith(
                f"{name} = {np.float64(1.5)!r} is not a memory type"
            )
        for wrong in (13, -1):
            text = refusal(call, {**given, name: wrong})
            if call is ept.ept_leaf:
                assert text == f"type {wrong} is no EPT memory type (UC, WC, WT, WP, WB): EPT misconfiguration"
            else:
                assert text == f"{name} = {wrong} is no memory type that can be an input here"


def test_single_values_of_numpy_and_flags_beside_single_types() -> None:
    assert ept.ept_types(np.uint64(0x37)) is mt.MemoryType.WB is ept.ept_types(np.int64(0x77))
    assert refusal(ept.ept_types, {"eptes": -1}) == "eptes[0] = -1 is negative"
    without = {"mtrr": ["WB"], "pat": [object()], "cr0_pg": False}
    assert refusal(mt.effective, without) == "pat: dtype object is not an integer type; give uint8"
    assert refusal(mt.effective_ept, {"ept_type": "WB", "ipat": 2, "pat": "WB"}) == "ipat = 2 is neither 0 nor 1"


def test_what_is_written_is_returned_wherever_it_lies() -> None:
    eptes, ptes = np.array([0x37, 0x77, 0x17, 0x07], np.uint64), np.array([0x0F] * 4, np.uint64)
    calls: list[Callable[..., Any]] = [
        lambda out: ept.effective_ept_types(eptes, ptes, "linux", out=out), lambda out: ept.ept_types(eptes, out=out),
        lambda out: effective_types(mt.MtrrState(0x806), None, ptes, "linux", out=out),
        lambda out: mt.effective([6, 0, 1, 4], "WC", out=out),
        lambda out: mt.effective_ept([6, 0, 1, 4], False, "WC", out=out),
        lambda out: mt.effective_npt([6, 0, 1, 4], "WB", "WB", out=out),
    ]  # fmt: skip
    for call in calls:
        wanted = call(None)
        for room in (np.zeros(4, np.uint8), np.zeros(8, np.uint8)[::2], np.zeros((4, 3), np.uint8)[:, 1]):
            assert call(room) is room and room.tolist() == wanted.tolist()


def test_the_output_of_effective_types_overlaps_neither_input() -> None:
    for name in ("addresses", "ptes"):
        words = np.zeros(8, np.uint64)
        given = {"addresses": np.zeros(8, np.uint64), "ptes": np.zeros(8, np.uint64), name: words}
        with pytest.raises(mt.ArrayError, match=r"^out overlaps an input$"):
            effective_types(mt.MtrrState(), **given, out=words.view(np.uint8)[:8])


def test_shapes_that_do_not_fit_are_named_both() -> None:
    with pytest.raises(mt.ArrayError, match=r"^addresses of shape \(2,\) and ptes of shape \(3,\) do not"):
        effective_types(mt.MtrrState(), [0, 1], [0, 1, 2])
    with pytest.raises(mt.ArrayError, match=r"^eptes of shape \(2,\) and ptes of shape \(3,\) do not"):
        ept.effective_ept_types([0, 1], [0, 1, 2])


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_entries_that_are_misconfigured_bit_by_bit(level: int) -> None:
    """SDM 3C 29.3.3.1: present (bits 2:0), a leaf or a pointer by level and bit 7, type in bits 5:3, IPAT in bit 6."""
    entries = range(256)
    wanted = []
    for entry in entries:
        leaf = level == 1 or (level in (2, 3) and bool(entry & 0x80))
        wrong = entry >> 3 & 7 in (2, 3, 7) if leaf else bool(entry & 0x78)
        if entry & 7 and wrong:
            wanted.append(entry)
    assert ept.ept_misconfigured(entries, level).tolist() == wanted
    assert ept.ept_misconfigured(np.arange(256, dtype=np.uint64).reshape(4, 64), level).tolist() == wanted


def test_levels_and_pointers() -> None:
    for level in (0, 6):
        with pytest.raises(mt.InputError, match=r"^level .*EPT has levels 1 to 5"):
            ept.ept_misconfigured([0], level)
    both, uc, wb = 1 << 8 | 1 << 14, 1 << 8, 1 << 14  # IA32_VMX_EPT_VPID_CAP
    for kind in range(8):
        assert ept.eptp_valid(kind | 0x18) is (kind in (0, 6))
        assert [ept.eptp_valid(kind | 0x18, cap) for cap in (both, uc, wb, 0)] == [
            kind in (0, 6), kind == 0, kind == 6, False]  # fmt: skip
        walked = ept.ept_walk_type(kind | 0x18), ept.ept_walk_type(kind | 0x18, cr0_cd=True)
        uncached = mt.MemoryType.UC if kind in (0, 6) else mt.MemoryType.UNDEFINED
        assert walked == ({0: 0, 6: 6}.get(kind, mt.MemoryType.UNDEFINED), uncached)
