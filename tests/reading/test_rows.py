"""A plain row of registers is read by one look, and as every pattern that it spares would have it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtype.formats import msr_list
from memtype.reading import accounting, lines, rows, tellings, width, wraps
from memtype.reading.text import Text

ROWS = st.from_regex(rows._ROW.pattern.replace(r"\d", "[0-9]").removesuffix(r"\Z"), fullmatch=True)
SAMPLES = [
    "0x200 = 0x80000000",
    "cpu 3 0x201: 0xff80000800",
    "cpu 80000 0x80000008 0x3028",
    "0x2ff,c06",
    "0xfe 0000000000000508",
]
BELOW = ["0x00000000", "write-back", "  1 base", "force active", "0x201 = 0x800", "memory", "x"]


@pytest.fixture(scope="module")
def slowly():
    """The same functions without the quick look."""
    with pytest.MonkeyPatch.context() as patch:
        yield lambda on: [
            patch.setattr(room, "plain_row", rows.plain_row if on else lambda line: None)
            for room in (msr_list, accounting, tellings, wraps)
        ]


def said(line: str) -> list[object]:
    """What each room makes of a line."""
    reader = msr_list._Reader("text")
    found = msr_list._split(line)
    assert found is not None
    msr_list._take(reader, 7, line)
    held = {
        (cpu, index): (r.value, r.line, r.digits) for cpu, of in reader.registers.items() for index, r in of.items()
    }
    parts = (found.cpu, found.index, found.label, found.other)
    joins = [list(wraps.joined(Text([line, below, "x"], range(1, 4))).lines) for below in BELOW]
    says = tellings._says(line, ()), tellings._says(line, (msr_list.TELLS,))
    return [parts, held, reader.widths, reader.encrypted, accounting.register_row(line), joins, says]


@settings(deadline=None)
@given(ROWS | st.sampled_from(SAMPLES))
def test_a_plain_row_says_what_all_the_patterns_say(slowly, line):
    slowly(True)
    quick = said(line)
    slowly(False)
    assert quick == said(line)


@settings(deadline=None)
@given(ROWS)
def test_nothing_stands_in_front_of_a_plain_row_and_no_blank_is_twice(line):
    assert lines.bare(line) == lines.squeeze(line) == " ".join(line.split()) == line
    assert width.width_on(line, "text", 1) is None
    assert msr_list._command(line) is None


@given(ROWS, st.integers(0, 40), st.sampled_from(["\t", "[", "x", "0x", " cpu", "g", "-", "_", "/", ":", "é", "\n"]))
def test_a_row_with_a_sign_more_is_read_as_without_the_quick_look(slowly, line, place, sign):
    """Where the row is plain no more, the slow way reads it; where it still is, both agree."""
    other = line[:place] + sign + line[place:]
    answers = []
    for on in (True, False):
        slowly(on)
        found = msr_list._split(other)
        answers.append((found and (found.cpu, found.index, found.label, found.rest), accounting.register_row(other)))
    assert answers[0] == answers[1]
