"""Headings that name a processor, and lines that only begin like one."""

from __future__ import annotations

import itertools

import pytest

from memtype.reading.headings import processor_named

WORDS = ("cpu", "CPU", "vcpu", "core", "Processor", "thread", "AP")
SIGNS = ("", "#", ":", "[", " ", " #", "# ", " : ", " [")
ENDS = ("", ":", "]:", " ===", " MSRs", " msr", " MTRR", ": mtrrs", " registers:", ") register")


@pytest.mark.parametrize("front", ["", "=== ", "[", "// "])
def test_a_heading_is_a_word_a_number_and_no_more(front: str) -> None:
    for word, sign, number, end in itertools.product(WORDS, SIGNS, ("0", "7", "1023"), ENDS):
        assert processor_named(f"{front}{word}{sign}{number}{end}") == number


@pytest.mark.parametrize("line", [
    "", "cpu", "CPU #", "cpu x", "CPU 3x", "CPU x3", "CPU3 x", "x CPU 3", "xCPU 3", "CPU x 3", "CPU # x 3",
    "CPU 3 MSRx",
    "CPU 3 0x2ff", "CPU 3: 0xc06", "CPU 3 MSR 0x2ff", "socket 3", "CPU 3 of 4", "CPU #: 3",
])  # fmt: skip
def test_other_lines_are_no_heading(line: str) -> None:
    assert processor_named(line) is None
