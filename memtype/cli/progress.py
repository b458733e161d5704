"""How far a long job is: rate and remaining time on a terminal, from its second second on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")
_AFTER: Final = 2.0  # seconds without a word
_EVERY: Final = 0.2


def watched(items: Iterable[T], total: int, what: str, weight: Callable[[T], int]) -> Iterator[T]:
    """The items, one after the other, with a line on standard error that is taken away at the end.

    Parameters
    ----------
    items : iterable
    total : int
        What the weights come to.
    what : str
        What is counted: "leaves".
    weight : callable
        How much of the total one item is.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield from items
        return
    began = told = time.monotonic()
    done, shown = 0, False
    try:
        for item in items:
            yield item
            done, now = done + weight(item), time.monotonic()
            if now - began >= _AFTER and now - told >= _EVERY:
                told, shown = now, True
                sys.stderr.write(f"\r\x1b[K{line(done, total, now - began, what)}")
                sys.stderr.flush()
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def line(done: int, total: int, seconds: float, what: str) -> str:
    """
    >>> line(250_000, 1_000_000, 5.0, "leaves")
    '25 % of 1,000,000 leaves, 50,000 a second, 15 s left'
    """
    rate = done / seconds if seconds > 0 else 0.0
    left = f"{(total - done) / rate:,.0f} s left" if rate > 0 else "?"
    return f"{done / total:.0%}".replace("%", " %") + f" of {total:,} {what}, {rate:,.0f} a second, {left}"
