"""What is written twice on purpose: the C form of rules.py, the layout that native.py packs, the ABI number."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from memtype import MtrrState, rules

CSRC = ROOT / "csrc"
SOURCES = [path for path in sorted(CSRC.glob("*.[ch]")) if path.name not in ("_native.c", "rules.h")]
needs_sources = pytest.mark.skipif(not SOURCES, reason="no C sources beside the tests")


@pytest.fixture(scope="module")
def build_tables() -> Any:
    spec = spec_from_file_location("build_tables", CSRC / "build_tables.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_of(path: Path) -> str:
    """The file without its comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)


@needs_sources
def test_rules_h_is_what_build_tables_writes(build_tables: Any) -> None:
    assert (CSRC / "rules.h").read_text() == build_tables.text(), "run: python csrc/build_tables.py"


@needs_sources
def test_no_number_of_rules_py_stands_by_hand_in_c(build_tables: Any) -> None:
    """Register numbers, fields and sets as literals, however written."""
    named = {*build_tables.FIELDS.values(), *build_tables.SETS.values(), *rules.FIXED_MSRS}
    named = {value for value in named if value > 0x1F and value & (value - 1)}  # small numbers mean other things too
    named -= {0xFE, 0xFF}  # bytes are what else they like
    literal = re.compile(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]*\b")
    found = [
        (path.name, number)
        for path in SOURCES
        for number in literal.findall(code_of(path))
        if int(number, 0 if number[:2] in ("0x", "0X") else 10) in named
    ]
    assert not found


@needs_sources
def test_every_name_of_rules_h_is_used(build_tables: Any) -> None:
    text = "\n".join(code_of(path) for path in SOURCES)
    names = [*build_tables.COUNTS, *build_tables.FIELDS, *build_tables.SETS, "NO_INPUT"]
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


# --- the struct that quick.c packs ------------------------------------------------------------------------------


def members() -> Iterator[tuple[str, int, int]]:
    """(member, offset, bytes) of memtype_mtrrs."""
    place = 0
    words = [("def_type", 1), ("fixed", 11), ("cap", 1), ("syscfg", 1), ("tom2", 1)]
    halves = ["vendor", "maxphyaddr", "variable_count", "reserved"]
    for name, size in (*((n, 8 * count) for n, count in words), *((n, 4) for n in halves), ("base", 2040), ("mask", 0)):
        yield name, place, size
        place += size


def test_the_members_lie_without_gaps() -> None:
    native = pytest.importorskip("memtype.backends.native")
    offsets = {name: native.ffi.offsetof("memtype_mtrrs", name) for name, _, _ in members()}
    assert offsets == {name: place for name, place, _ in members()}
    assert native.ffi.sizeof("memtype_mtrrs") == offsets["mask"] + 8 * rules.MAX_VARIABLE


@pytest.mark.parametrize("pairs", [0, 1, 10, 255])
def test_every_member_is_what_was_packed(pairs: int) -> None:
    native = pytest.importorskip("memtype.backends.native")
    variable = [(n << 13 | 6, n << 20 | 0x800) for n in range(1, pairs + 1)]
    fixed = [n * 0x0101010101010101 for n in range(11)]
    for vendor, cap in product(("intel", "amd"), (0x508, 0x408)):
        s = MtrrState(0xC01, fixed, variable, 44, vendor, 0x600000, 5 << 32, cap)
        m = native.registers(s)
        assert (m.def_type, list(m.fixed), m.cap & 0x100) == (0xC01, fixed, cap & 0x100)
        assert (m.syscfg, m.tom2, m.maxphyaddr, m.variable_count, m.reserved) == (0x600000, 5 << 32, 44, pairs, 0)
        assert m.vendor == {"intel": native.lib.MEMTYPE_INTEL, "amd": native.lib.MEMTYPE_AMD}[vendor]
        assert list(zip(m.base, m.mask))[:pairs] == variable
        assert not any(m.base[pairs:255]) and not any(m.mask[pairs:255])


def test_tables_have_room_for_the_most_that_a_state_needs() -> None:
    native = pytest.importorskip("memtype.backends.native")
    lib, ffi = native.lib, native.ffi
    groups = -(-lib.MEMTYPE_MAX_CUBES // 7)
    assert lib.MEMTYPE_MAX_CUBES >= rules.MAX_VARIABLE + 49
    assert groups * max(6 * 128, 10 * 16) == lib.MEMTYPE_WINDOW_BYTES
    assert groups * max(128, 32) == lib.MEMTYPE_DECODE_BYTES
    sizes = {name: ffi.typeof("memtype_tables").fields for name in ("window",)}["window"]
    lengths = {name: field.type.length for name, field in sizes if field.type.kind == "array"}
    assert lengths["window"] == lib.MEMTYPE_WINDOW_BYTES and lengths["decode"] == lib.MEMTYPE_DECODE_BYTES
    assert lengths["fixed"] == len(rules.FIXED_RANGES) and lengths["page"] == rules.FIXED_END >> rules.PAGE_SHIFT


# --- the ABI number -----------------------------------------------------------------------------------------------

SUM_OF_ABI = {5: 422160844}


@needs_sources
def test_the_abi_number_grows_with_every_change_of_the_header() -> None:
    """What stands between the marks, without comments and blanks, has this sum under this number."""
    header = (CSRC / "memtype.h").read_text()
    declared = header.split("/* --- cdef begin --- */")[1].split("/* --- cdef end --- */")[0]
    declared = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", declared, flags=re.S))
    number = int(re.findall(r"#define MEMTYPE_ABI (\d+)", declared)[0])
    assert {number: zlib.crc32(declared.encode())} == SUM_OF_ABI, "count MEMTYPE_ABI up, native.py's _ABI too"
    native = pytest.importorskip("memtype.backends.native")
    assert number == native._ABI == native.lib.MEMTYPE_ABI
