"""Headings that name a processor: its registers stand below them."""

from __future__ import annotations

import re

from memtype.reading.patterns import later

_HEADING = later(
    r"\W*(?:v?cpu|core|processor|thread|ap) ?[#:\[]? ?(\d+)(?:\W|msrs?|mtrrs?|registers?)*$",
    re.I,
)


def processor_named(line: str) -> str | None:
    """The digits of the processor's number, of a squeezed line that is a heading and nothing else.

    Examples
    --------
    >>> [processor_named(line) for line in ("CPU 3:", "[core #12] MSRs", "CPU 3: 0x2ff", "CPU three")]
    ['3', '12', None, None]
    """
    found = _HEADING.match(line)
    return None if found is None else found[1]
