"""The proven checker (tests/proofs/map_checker.h) over the maps that every backend makes of a state."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT
from strategies import random_state

from memtype import MtrrState, rules
from memtype.vectors import museum, states

SOURCE = """
#include "mtrr.c"
#include "map_checker.h"
int passes(const memtype_mtrrs *m, uint64_t a, uint64_t last, int type)
{
	return segment_passes(m, a, last, type, memtype_at);
}
"""
U64 = ctypes.c_uint64


class Registers(ctypes.Structure):
    """memtype_mtrrs."""

    _fields_ = [
        ("def_type", U64), ("fixed", U64 * 11), ("cap", U64), ("syscfg", U64), ("tom2", U64),
        ("vendor", ctypes.c_uint32), ("maxphyaddr", ctypes.c_uint32), ("variable_count", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32), ("base", U64 * 255), ("mask", U64 * 255),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    place = tmp_path_factory.mktemp("checker")
    (place / "checker.c").write_text(SOURCE)
    folders = [f"-I{ROOT / folder}" for folder in ("csrc", "tests/proofs")]
    command = ["cc", "-std=c11", "-O1", "-w", "-shared", "-fPIC", *folders, "checker.c", "-o", "checker.so"]
    subprocess.run(command, cwd=place, check=True)
    passes = ctypes.CDLL(str(place / "checker.so")).passes
    passes.argtypes = [ctypes.c_void_p, U64, U64, ctypes.c_int]
    return passes


def registers(s: MtrrState) -> Registers:
    made = Registers(
        def_type=s.def_type, cap=rules.MTRRCAP_FIX if s.has_fixed else 0, syscfg=s.syscfg, tom2=s.tom2,
        vendor=int(s.vendor == "amd"), maxphyaddr=s.maxphyaddr, variable_count=len(s.variable),
    )  # fmt: skip
    made.fixed[:] = s.fixed
    for n, (base, mask) in enumerate(s.variable):
        made.base[n], made.mask[n] = base, mask
    return made


def blocks(base: int, end: int) -> Iterator[tuple[int, int]]:
    """[base, end) as aligned blocks below 4 GiB, at and above it, and as pages below 1 MiB."""
    while base < end:
        size = base & -base or 1 << 52
        while size > end - base or base < 1 << 20 < base + size or base < 1 << 32 < base + size:
            size >>= 1
        size = min(size, 4096) if base < 1 << 20 else size
        yield base, base + size - 1
        base += size


def refused(passes: Any, s: MtrrState) -> list[tuple[int, int]]:
    held = registers(s)
    found = []
    for segment in s.map.segments:
        for first, last in blocks(segment.base, segment.last + 1):
            # a block over an edge that changes no type is cut once more
            if not passes(ctypes.byref(held), first, last, int(segment.type)) and not _by_halves(
                passes, held, first, last, int(segment.type)
            ):
                found.append((first, last))
    return found


def _by_halves(passes: Any, held: Registers, first: int, last: int, kind: int) -> bool:
    if passes(ctypes.byref(held), first, last, kind):
        return True
    middle = first + (last - first + 1) // 2
    if last - first < 4096:
        return False
    return _by_halves(passes, held, first, middle - 1, kind) and _by_halves(passes, held, middle, last, kind)


def test_every_map_passes(checker: Any, backend: Any) -> None:
    rng = random.Random(15)
    asked = [random_state(rng, holey=False) for _ in range(60 if backend.name == "python" else 250)]
    asked += [case.state for case in museum.cases()] + [case.state for case in states.cases()][::40]
    for s in asked:
        if len(s.map.segments) < 200:
            assert not refused(checker, s), s


def test_a_wrong_segment_does_not_pass(checker: Any) -> None:
    s = MtrrState(0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40, cap=0x501)
    held = registers(s)
    assert checker(ctypes.byref(held), 0x80000000, 0xFFFFFFFF, 0)
    assert not checker(ctypes.byref(held), 0x80000000, 0xFFFFFFFF, 6)
    assert not checker(ctypes.byref(held), 0x80000000, 0x17FFFFFFF, 0)
    assert not checker(ctypes.byref(held), 0x40000000, 0x80000000, 6)
