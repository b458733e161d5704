"""Rows of lists of registers in their plainest form: most lines of most lists, told from all others by one look.

    0x200 = 0x80000000
    cpu 3 0x201: 0xff80000800

Nothing else can be read into such a line: no logger's stamp, no command, no part of another message. So whoever meets
one need not look for those, which takes ten times as long.
"""

from __future__ import annotations

import re

from memtype.reading.patterns import later

_ROW = later(r"(?:cpu (\d{1,5}):? )?(0x[0-9a-f]{1,8})(?: ?[=:,] ?| )((?:0x)?[0-9a-f]{1,16})\Z")


def plain_row(line: str) -> re.Match[str] | None:
    """The processor, register and value of a plain row, as it prints them; None for any other line.

    Examples
    --------
    >>> plain_row("cpu 3 0x201: 0xff80000800").groups(), plain_row("0x201 = 0xzz")
    (('3', '0x201', '0xff80000800'), None)
    """
    return _ROW.match(line)
