"""Large array jobs cut into parts for threads: the C core holds no lock while it works."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from memtype.errors import AddressError, InputError

LEAST = 1 << 18  # elements below which a thread costs more than it gains


def run(work: Callable[[int, int], None], count: int, threads: Any, weight: int = 1) -> None:
    """``work(start, stop)`` over [0, count), in up to `threads` threads; an element stands for `weight` elements.

    Parts start at multiples of 64. The `AddressError` of the first part that has one is raised, its `.index`
    counted from 0.

    Raises
    ------
    InputError
        When `threads` is no positive integer.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads = {threads!r} is not a positive integer")
    parts = min(threads, count * weight // LEAST)
    if parts <= 1:
        return work(0, count)
    step = -(-count // parts) + 63 & ~63
    starts = range(0, count, step)
    with ThreadPoolExecutor(len(starts)) as pool:
        jobs = [pool.submit(work, start, min(start + step, count)) for start in starts]
    for start, job in zip(starts, jobs, strict=True):
        error = job.exception()
        if isinstance(error, AddressError) and error.index is not None:
            raise _moved(error, start * weight)
        if error:
            raise error
    return None


def _moved(error: AddressError, by: int) -> AddressError:
    place = error.index
    assert place is not None
    text = str(error).replace(f" at index {place} ", f" at index {place + by} ")
    return AddressError(text, place + by)
