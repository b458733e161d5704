"""What a line that broke off leaves of one more row of a list: its front, or the row's first letters.

[    0.000000]   7 disabled
[    0                          of a row 8
[    0.000000]   8 ba           of a row 8
"""

from __future__ import annotations

from memtype.reading.lines import bare
from memtype.reading.patterns import later

_ROW = later(r"\s*\d{1,3}\s*(?:b|ba|bas|base\b.*|\[[0-9a-f].*|\[|d[a-z]*)?$")


def is_fragment(line: str, above: str) -> bool:
    """Whether a line can be what is left of a row like the one above it, of a log's variable ranges.

    Examples
    --------
    >>> [is_fragment(line, "(XEN)   7 disabled") for line in ("(XE", "(XEN)   8 ba", "8 [54", "", "(XEN) 2 CPUs")]
    [True, True, True, False, False]
    """
    begun = line.rstrip()
    return bool(begun) and (above.startswith(begun) or _ROW.match(bare(begun).lower()) is not None)
