"""One word per thing, and the field's where it has one: none of these stands in the sources.

Who answers is a source; arguments come in by `arguments` and `arrays`; lanes of a vector form a group. A segment is an
interval of a map, a range what a register covers or what is asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for room in ("memtype", "csrc", "bench", "tests")
    for kind in ("py", "c", "h")
    for path in (ROOT / room).rglob(f"*.{kind}")
    if path.name != "test_words.py"
) + [ROOT / name for name in ("README.md", "CHANGELOG.md")]  # fmt: skip
OURS = re.compile(
    r"(?<![a-z])(?:seats?|tellers?|at the door|stretch(?:es)?|witness(?:es)?|in turn)(?![a-z])", re.IGNORECASE
)
OF_LANES = re.compile(r"(?<![a-z])turns?(?![a-z])", re.IGNORECASE)
OF_MAPS = re.compile(
    r"(?<![a-z])(?:ranges? of (?:the|a|its|one|both) maps?|maps?(?:'s?)? ranges?|ranges? whose (?:memory )?types?"
    r"|map differs in [^.\n]{0,20}ranges?|ranges? of several types)(?![a-z])",
    re.IGNORECASE,
)


def words(path: str, text: str) -> list[str]:
    """Every such word in the text of a file, with its line."""
    looked_for = (OURS, OF_MAPS, OF_LANES) if path.startswith("csrc/") else (OURS, OF_MAPS)
    return [
        f"{path}:{number}: {hit[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for expression in looked_for
        for hit in expression.finditer(line)
    ]


def test_no_word_of_ours_where_the_field_has_one() -> None:
    assert len(SOURCES) > 300
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in SOURCES}
    assert [hit for path, text in texts.items() for hit in words(path, text)] == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("memtype/a.py", "x = seat_of(teller)\n# refused At the door", ["1: seat", "1: teller", "2: At the door"]),
        ("csrc/a.c", "/* eight lanes a turn */", ["1: turn"]),
        ("memtype/a.py", "# a stretch; the map's ranges\nmap differs in 3 ranges", [
            "1: stretch", "1: map's ranges", "2: map differs in 3 ranges"]),
        ("memtype/a.py", "the seated storyteller turns; return; ranges of a list; a mapped range", []),
        ("csrc/a.c", "return returns;", []),
    ],
)  # fmt: skip
def test_the_law_sees_them(path: str, text: str, found: list[str]) -> None:
    assert words(path, text) == [f"{path}:{hit}" for hit in found]
