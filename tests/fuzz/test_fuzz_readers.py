"""A little of what `fuzz_readers.py` does for hours: every sample, and samples spliced together."""

from __future__ import annotations

import random

import fuzz_readers


def test_every_sample_is_read() -> None:
    seeds = fuzz_readers.samples()
    assert len(seeds) > 50
    for text in seeds:
        fuzz_readers.one_input(text)


def test_spliced_samples_are_read_or_refused_in_one_line() -> None:
    rng, seeds = random.Random(15), fuzz_readers.samples()
    for _ in range(60):
        fuzz_readers.one_input(fuzz_readers.spliced(rng, seeds))
