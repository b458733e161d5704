"""The proven checker (tests/proofs/map_checker.h) over the maps that every backend makes of a state."""

from __future__ import annotations

import ctypes
import random
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from strategies import random_state

from memtype import MtrrState, rules
from memtype.vectors import museum, states

SOURCE = """
#include "mtrr.c"
#include "map_checker.h"
int passes(const memtype_mtrrs *m, const uint64_t *bases, const uint8_t *types, size_t count)
{
	return map_passes(m, bases, types, count, memtype_at);
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


pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("checker")
    (place / "checker.c").write_text(SOURCE)
    folders = [f"-I{ROOT / folder}" for folder in ("csrc", "tests/proofs")]
    command = ["cc", "-std=c11", "-O1", "-w", "-shared", "-fPIC", *folders, "checker.c", "-o", "checker.so"]
    subprocess.run(command, cwd=place, check=True)
    passes = ctypes.CDLL(str(place / "checker.so")).passes
    passes.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
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


def passes(checker: Any, s: MtrrState, segments: Sequence[tuple[int, int]]) -> bool:
    """Whether the segments, as pairs (base, type), are the map of the state."""
    bases = (U64 * len(segments))(*(base for base, _ in segments))
    return bool(checker(ctypes.byref(registers(s)), bases, bytes(kind for _, kind in segments), len(segments)))


def test_every_map_passes(checker: Any, backend: Any) -> None:
    rng = random.Random(15)
    asked = [random_state(rng, holey=False) for _ in range(60 if backend.name == "python" else 250)]
    asked += [case.state for case in museum.cases()] + [case.state for case in states.cases()][::40]
    for s in asked:
        if len(s.map.segments) < 200:
            assert passes(checker, s, [(segment.base, int(segment.type)) for segment in s.map.segments]), s


def test_a_wrong_map_does_not_pass(checker: Any) -> None:
    """Each change of a right one: a type, an edge by a page, a segment lost, doubled, or in another's place."""
    s = MtrrState(0x806, variable=[(0x80000000, 0xFF80000800), (0x100001, 0xFFFFFF0800)], maxphyaddr=40, cap=0x502)
    right = [(segment.base, int(segment.type)) for segment in s.map.segments]
    assert passes(checker, s, right) and len(right) == 5
    wrong = [right[:n] + right[n + 1 :] for n in range(5)] + [
        right[:n] + right[n : n + 1] + right[n:] for n in range(5)
    ]
    for n, (base, kind) in enumerate(right):
        wrong.append([*right[:n], (base, 4), *right[n + 1 :]])
        wrong += [[*right[:n], (base + step, kind), *right[n + 1 :]] for step in (-4096, 4096) if base]
    wrong.append(sorted(right, reverse=True))
    wrong.append([*right[:1], (0x40000000, 4), (0x40001000, 6), *right[1:]])
    for segments in wrong:
        assert not passes(checker, s, segments), segments


def test_a_debug_build_stops_at_a_wrong_map(tmp_path: Path) -> None:
    """-DMEMTYPE_DEBUG: the core as it is makes its maps, and one with a changed rule ends in the middle."""
    main = "int main(void) { static memtype_mtrrs m = {0x806}; static memtype_map map; m.maxphyaddr = 40;"
    (tmp_path / "main.c").write_text(f'#include "memtype.h"\n{main} return memtype_resolve_map(&m, &map); }}\n')
    source = (ROOT / "csrc" / "mtrr.c").read_text()
    faults = {
        "right": source,
        "wrong": source.replace("uint8_t plain = plain_type(m->def_type);", "uint8_t plain = 4;"),
    }
    assert faults["right"] != faults["wrong"]
    ended = {}
    for name, text in faults.items():
        place = tmp_path / name / "csrc"
        place.mkdir(parents=True)
        (place / "mtrr.c").write_text(text)
        (place.parent / "tests").symlink_to(ROOT / "tests")
        command = ["cc", "-std=c11", "-w", "-DMEMTYPE_DEBUG", f"-I{ROOT / 'csrc'}", "mtrr.c", str(tmp_path / "main.c")]
        subprocess.run([*command, "-o", "program"], cwd=place, check=True)
        ended[name] = subprocess.run([place / "program"], capture_output=True, text=True, check=False)
    assert ended["right"].returncode == 0
    assert ended["wrong"].returncode == -signal.SIGABRT and "does not pass" in ended["wrong"].stderr
