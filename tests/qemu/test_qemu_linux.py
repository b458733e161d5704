"""A real kernel in QEMU reads MTRRs of ours: opt-in (MEMTYPE_TEST_QEMU=1), since it needs QEMU, a kernel and a minute.

The option ROM and the comparison itself are tested always.
"""

from __future__ import annotations

import os
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import guest
import linux_boots
import pytest

from memtype import MtrrState, rules

wanted = pytest.mark.skipif(not os.environ.get("MEMTYPE_TEST_QEMU"), reason="opt-in: MEMTYPE_TEST_QEMU=1")


def test_the_option_rom_is_one() -> None:
    """Signature, size in blocks, a sum of 0, and the table where `mov si` says."""
    for count in (1, 30, 60):
        writes = [(0x200 + n, n << 40 | 0xC06) for n in range(count)]
        rom = guest.option_rom(writes)
        assert rom[:2] == b"\x55\xaa" and len(rom) == 512 * rom[2] and sum(rom) % 256 == 0
        at, held = struct.unpack_from("<H", rom, rom.index(b"\xbe") + 1)[0], rom[rom.index(b"\xbd") + 1]
        assert held == count
        found = [struct.unpack_from("<IQ", rom, at + 12 * n) for n in range(count)]
        assert found == writes


def printed(s: MtrrState) -> guest.Seen:
    """What a kernel that reads `s` prints; no stream, so only the map is compared."""
    view = s.view("linux-6.12").map.segments
    words = {number: word for word, number in linux_boots.WORDS.items()}
    lines = [f"[ 0.0] {n}: {seg.base:016x}-{seg.last:016x} {words[seg.type]}" for n, seg in enumerate(view)]
    return guest.Seen(
        "\n".join(["[ 0.0] MTRR map:", "[ 0.0] MTRR default type: uncachable", *lines]), False, "", {}, b""
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_comparison_sees_a_changed_register(seed: int) -> None:
    """The map of a machine fits that machine; with one range more it does not."""
    s = replace(linux_boots.machine(seed), def_type=0xC06)
    found = linux_boots.Found()
    linux_boots._compare_map(s, printed(s).log, "6.12", found)
    assert found.points["map"] > 500 and not found.differences
    pairs = [(0x40_0000_0000, 0xC0_0000_0000 | rules.MASK_VALID), *s.variable[1:]]
    other = replace(s, variable=tuple(pairs))
    linux_boots._compare_map(other, printed(s).log, "6.12", found)
    assert found.differences


@wanted
def test_two_machines_boot_and_agree() -> None:
    if missing := guest.tools_missing():
        pytest.skip(f"needs {' '.join(missing)}")
    kernel = guest.fetched(linux_boots.PACKAGE, Path(tempfile.gettempdir()) / "memtype-kernels")
    for seed in (1, 2):
        s = linux_boots.machine(seed)
        seen = guest.boot(kernel, linux_boots.writes(s), sorted(i for i in s.msrs() if i != rules.MTRRCAP))
        found = linux_boots.compared(s, seen, kernel.release)
        assert {"MSR", "stream", "map", "/proc/mtrr"} <= set(found.points)
        assert not found.differences
