"""The words of a family: every text that the family reads holds one, and what cannot be its own does not load it."""

from __future__ import annotations

import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from damage import damaged
from dump_samples import BYTES, TEXTS
from odd_texts import ODD

from memtype import formats
from memtype.formats import BINARY, FAMILIES, families, family, possible
from memtype.reading import tellings
from memtype.reading.clues import Clues, Words, holding, words
from memtype.reading.lines import bare

DATA = sorted((Path(__file__).parents[1] / "data").glob("*/*.txt"))


@cache
def texts() -> list[str]:
    odd = [text for text in ODD.values() if isinstance(text, str)]
    return [text for _, text in TEXTS.values()] + [path.read_text() for path in DATA] + odd


@cache
def rows() -> list[str]:
    """Every line of every text, once."""
    return sorted({line for text in texts() for line in text.split("\n")})


@pytest.mark.parametrize("name", FAMILIES)
def test_each_word_of_a_family_is_needed(name):
    """Some text of the family holds this word and no other; a word that no text needs is one too many."""
    own = getattr(family(name), "_WORDS", ())
    own = own.plain if isinstance(own, Words) else own if isinstance(own, (set, tuple)) else ()
    seen = [text.lower() for text in (*rows(), *texts()) if family(name).sniff(text)]
    for some in (FAMILIES[name], own):
        for word in some:
            others = [other for other in some if other != word]
            assert any(word in text and not any(other in text for other in others) for text in seen), word


@pytest.mark.parametrize("name", [name for name in FAMILIES if hasattr(family(name), "TELLS")])
def test_each_word_of_a_line_that_tells_is_needed(name):
    """Every line that tells something is looked at, for one of the family's own words or one that is for all."""
    tells, everyone = family(name).TELLS, tellings._WORDS
    telling = [line.lower() for line in rows() if tells.find(" ".join(bare(line).split())) is not None]
    assert telling, "no text has a line that tells"
    alone = [line for line in telling if not any(word in line for word in everyone.plain)]
    alone = [line for line in alone if not everyone.pattern.search(line)]
    for line in alone:
        assert any(word in line for word in tells.words), line
    for word in tells.words:
        assert any(word in line and not any(o in line for o in tells.words if o != word) for line in alone), word


@pytest.mark.parametrize("seed", range(4))
def test_no_family_finds_a_text_without_its_words(seed):
    rng = random.Random(seed)
    for text in texts():
        for seen in (text, text.upper(), damaged(text, rng)[0]):
            claims = {name for name in FAMILIES if family(name).sniff(seen)}
            assert claims <= set(possible(seen)), seen[:300]


def test_every_family_of_bytes_is_asked_for_its_own():
    binary = {name for name, module in zip(FAMILIES, families(), strict=True) if hasattr(module, "sniff_bytes")}
    assert binary == set(BINARY)
    for name, data in BYTES.values():
        assert formats.parse(data).format == name


def test_a_family_of_json_is_not_asked_where_no_document_begins():
    words = '{"schema": "", "env.": ""}'
    of_json = {name for name in FAMILIES if name.endswith("json")}
    assert of_json <= set(possible(words)) and not of_json & set(possible("a" + words))


def test_a_family_that_cannot_match_is_not_loaded():
    script = (
        "import sys, memtype; memtype.parse('reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back')\n"
        "print(*(name for name in sys.modules if name.startswith('memtype.formats.')))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[2] for name in run.stdout.split()}
    assert loaded == {"proc_mtrr", "msr_list", "kvm_msrs"}


def test_holding_finds_the_lines_that_hold_a_word():
    rng = random.Random(5)
    alphabet = "abM\n\n \u0130\u212a"  # a letter that is two in lower case, and one that is "k"
    wanted = words("ab", "mb", pattern=r"k+ ")
    for length in (0, 1, 5, 60, 1 << 17):
        text = "".join(rng.choice(alphabet) for _ in range(length))
        lower = [(number, line, line.lower()) for number, line in enumerate(text.split("\n"), 1)]
        right = [(n, line) for n, line, low in lower if "ab" in low or "mb" in low or "k " in low]
        assert list(holding(text, wanted)) == right


def test_a_word_is_looked_for_in_any_case():
    clues = Clues("  [ MtRr")
    assert clues.document and clues.holds("mtrr") and not clues.holds("e820")
