"""Large array jobs cut into parts for threads: the C core holds no lock while it works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from memtype import arguments
from memtype.errors import AddressError, InputError
from memtype.late import Late

if TYPE_CHECKING:
    from memtype import arrays
else:
    arrays = Late("memtype.arrays")

LEAST = 1 << 21  # elements that a thread must have to gain: 1 ms of work, where starting one takes some 0.3 ms

ONE: Final = 1  # ``threads is ONE`` is what ``threads == 1`` is not: False for True

Part = Callable[[int, int], None]


def run(work: Part, count: int, threads: Any, weight: int = 1, check: Part | None = None) -> None:
    """``work(start, stop)`` over [0, count), in up to `threads` threads; an element stands for `weight` elements.

    Parts start at multiples of 64. The `AddressError` of the first part that has one is raised, its `.index`
    counted from 0. ``check(start, stop)`` goes over all parts before the first of several is worked on; where
    there is one part, `work` is to check it itself.

    Raises
    ------
    InputError
        When `threads` is no positive integer.
    """
    parts = min(check_threads(threads), count * weight // LEAST)
    if parts <= 1:
        return work(0, count)
    from concurrent.futures import ThreadPoolExecutor  # with logging, a tenth of what import memtype would take

    step = -(-count // parts) + 63 & ~63
    bounds = [(start, min(start + step, count)) for start in range(0, count, step)]
    with ThreadPoolExecutor(len(bounds)) as pool:
        for task in (work,) if check is None else (check, work):
            jobs = [pool.submit(task, *bound) for bound in bounds[1:]]
            errors = [_error_of(task, *bounds[0]), *(job.exception() for job in jobs)]
            for (start, _), error in zip(bounds, errors, strict=True):
                _raise_moved(error, start * weight)
    return None


def _error_of(task: Part, start: int, stop: int) -> Exception | None:
    """What the calling thread's own part raised."""
    try:
        task(start, stop)
    except Exception as error:
        return error
    return None


def elementwise(
    kernel: Callable[..., None], arrays: Sequence[Any], threads: Any, check: Callable[[Any], None] | None = None
) -> None:
    """``kernel(*arrays)``, or on flat parts of these C-contiguous arrays of one size; None stays None.

    `check` is given the same parts of the first array, as `run` says.
    """
    if check_threads(threads) == 1:
        return kernel(*arrays)
    flat: list[Any] = [None if array is None else array.reshape(-1) for array in arrays]

    def work(start: int, stop: int) -> None:
        kernel(*(None if array is None else array[start:stop] for array in flat))

    def check_part(start: int, stop: int) -> None:
        if check is not None:
            check(flat[0][start:stop])

    return run(work, flat[-1].size, threads, check=None if check is None else check_part)


def types(kernel: Callable[..., None], given: Any, out: Any, threads: Any = ONE, what: str = "addresses") -> Any:
    """``kernel(numbers, types)`` of a uint64 array-like: uint8 of its shape in `out`, or in an array of its own."""
    numbers = arrays.uint64(given, what)
    out = arrays.output(out, numbers.shape, arrays.U8, numbers)
    written = arrays.contiguous(out)
    elementwise(kernel, (numbers, written), threads)
    return arrays.deliver(written, out)


def check_threads(threads: Any) -> int:
    """The number of threads. Raises `InputError` for what is no positive integer."""
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads = {arguments.shown(threads)} is not a positive integer")
    return threads


def _raise_moved(error: BaseException | None, by: int) -> None:
    """Raise the error of a part that starts at `by`, if it has one, as that of the whole."""
    if isinstance(error, AddressError) and error.index is not None:
        raise error.moved(by)
    if error:
        raise error
