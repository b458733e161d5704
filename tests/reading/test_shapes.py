"""Lines are looked for by their shape, 0 for every digit: no sign that is looked for may hang on what a digit is not.

``(?!2)`` finds "reg3", and in its shape "reg0" the sign ``(?!0)`` finds nothing: such a line would be lost.
"""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from dump_samples import TEXTS
from odd_texts import ODD

import memtype.formats
import memtype.reading
from memtype.reading.clues import DIGITS, Words, shaped

_NOT = re.compile(r"\(\?<?!((?:[^()]|\([^()]*\))*)\)")  # what may not stand there
_DIGIT = re.compile(r"(?<!\\)[0-9]")


def signs() -> list[str]:
    """The pattern of every `Words` that a module of the readers holds."""
    found: dict[str, None] = {}
    for package in (memtype.reading, memtype.formats):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            held = vars(importlib.import_module(module.name)).values()
            found |= {each.pattern.pattern: None for each in held if isinstance(each, Words) and each.pattern}
    return list(found)


def hangs_on_a_digit(pattern: str) -> bool:
    """Whether a digit is named in what may not stand at a place, or a class of what is not in it."""
    return "[^" in pattern or any(_DIGIT.search(found[1]) for found in _NOT.finditer(pattern))


@pytest.mark.parametrize("pattern", signs())
def test_no_sign_says_which_digit_may_not_stand_there(pattern):
    assert not hangs_on_a_digit(pattern)


@pytest.mark.parametrize("pattern", signs())
def test_a_line_that_a_sign_finds_has_a_shape_that_it_finds(pattern):
    wanted, shape = re.compile(pattern), shaped(pattern)
    texts = [text for _, text in TEXTS.values()] + [text for text in ODD.values() if isinstance(text, str)]
    rows = {row for text in texts for row in text.lower().split("\n")}
    lost = [row for row in rows if wanted.search(row) and not shape.search(row.translate(DIGITS))]
    assert not lost


@pytest.mark.parametrize("pattern", ["(?!2)\\d", "reg(?<!x1)", "a(?!b(?:3|4))", "[^3]x"])
def test_a_sign_that_does_is_seen(pattern):
    assert hangs_on_a_digit(pattern)


@pytest.mark.parametrize("pattern", [r"(?<!\w)2\d", r"(?!\d)x", "reg[1-9]{2}"])
def test_a_sign_that_does_not_is_taken(pattern):
    assert not hangs_on_a_digit(pattern)
