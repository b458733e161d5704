"""A family of dumps shows itself: a sample in its docstring that it reads, a test file of its own, its data."""

from __future__ import annotations

import re
import textwrap
from types import ModuleType

import pytest
from conftest import ROOT

import memtype as mt
from memtype.formats import FAMILIES, families

BLOCK = re.compile(r"(?:^ {4}.*\n)+", re.M)  # the first indented block of a docstring is the sample
PRINTS = re.compile(r"\b(?:prints?|lists?|writes?|wrote|shows?|fills|logs?|console|output|overview)\b|``[^`]+``")
BYTES = re.compile(r"\"([^\"]*)\"|'([^']*)'|\b((?:[0-9a-f]{2})+)\b")  # of a binary sample; remarks stand behind


def sample(docstring: str) -> str:
    found = BLOCK.search(docstring)
    assert found, "no indented sample in the docstring"
    return textwrap.dedent(found[0])


def as_bytes(shown: str) -> bytes:
    """What a binary sample stands for: numbers in hexadecimal, texts in quotes, a remark behind three blanks."""
    rows = (row.split("   ")[0] for row in shown.splitlines())
    return b"".join(
        bytes.fromhex(number) if number else (double or single).encode()
        for row in rows
        for double, single, number in BYTES.findall(row)
    )


def shown_by(family: ModuleType) -> str | bytes:
    """The family's sample, as the family is given it."""
    text = sample(family.__doc__ or "")
    return text if family.sniff(text) else as_bytes(text)


@pytest.mark.parametrize("family", families(), ids=FAMILIES)
def test_the_docstring_shows_a_sample_that_this_family_alone_reads(family: ModuleType) -> None:
    shown = shown_by(family)
    assert family.sniff(shown) if isinstance(shown, str) else family.sniff_bytes(shown)
    machine = mt.parse(shown) if isinstance(shown, str) else family.parse_bytes(shown)
    assert machine.format == family.NAME
    assert machine.states or machine.mtrrs or machine.pat or machine.e820 or machine.facts
    assert not [note for note in machine.notes if getattr(note, "id", "") in ("refused", "not-understood", "lost")]


@pytest.mark.parametrize("family", families(), ids=FAMILIES)
def test_the_docstring_says_who_prints_it(family: ModuleType) -> None:
    said = (family.__doc__ or "").replace(BLOCK.search(family.__doc__ or "")[0], "")  # type: ignore[index]
    assert PRINTS.search(said)
    assert re.search(r"[A-Z]\w+|``.+?``|\w+'s\b", said.split("\n")[0]), "its first line names no program"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_one_test_file_and_its_data(name: str) -> None:
    assert (ROOT / "tests" / "formats" / f"test_{name}.py").is_file()
    assert len(list((ROOT / "tests" / "data" / name).glob("*.expected.json"))) >= 2


def test_a_docstring_without_a_sample_is_seen() -> None:
    with pytest.raises(AssertionError, match="no indented sample"):
        sample("What a program prints.\n\nNothing is shown.\n")
    assert as_bytes('"QEVM" 0003   its head\n\'{"a": 1}\'\n') == b'QEVM\0\3{"a": 1}'
