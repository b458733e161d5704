"""The same job over Dask: each unit is a task, and the workers write the parts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

from memtype.errors import InputError, MissingExtra
from memtype.scale.files import Unit
from memtype.scale.job import Done, Task
from memtype.scale.question import Tally

_AHEAD: Final = 4  # tasks that wait for each thread of a worker: a million units make no graph of a million tasks


def dask() -> Any:
    """`distributed`, or one line that says how it is had."""
    try:
        import distributed
    except ImportError:
        raise MissingExtra("many machines need dask: pip install 'memtype[dask]'") from None
    return distributed


@contextmanager
def connected(where: str) -> Iterator[Any]:
    """A client of the cluster at ``tcp://…`` (or tls, ws), or with "local" of processes of this machine, one for each
    processor; those end with it.

    Raises
    ------
    InputError
        Where nobody answers there.
    """
    distributed = dask()
    if where == "local":
        cluster = distributed.LocalCluster(
            n_workers=len(os.sched_getaffinity(0)), threads_per_worker=1, processes=True, dashboard_address=None
        )
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        client = distributed.Client(where, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"--dask {where}: no scheduler answers: {str(error).splitlines()[0]:.80}") from None
    with client:
        yield client


def runner(client: Any) -> Any:
    """A `Runner` on the workers of `client`. A unit whose worker died is given to another one."""

    def run(task: Task, waiting: Sequence[tuple[int, Unit]]) -> Done:
        distributed = dask()
        todo = iter(waiting)
        shared = client.submit(_same, task, pure=False)  # sent once; made anew where the worker that held it died
        ahead = _AHEAD * max(1, sum(client.nthreads().values()))
        flying = set(_submitted(client, shared, todo, ahead))
        pending = distributed.as_completed(flying, client.loop, with_results=True)
        try:
            for future, result in pending:
                flying.discard(future)
                future.release()
                for more in _submitted(client, shared, todo, 1):
                    flying.add(more)
                    pending.add(more)
                yield result
        finally:
            # After an error too, wait for all: a part that is written later would outlive its folder.
            client.gather(list(flying), errors="skip")

    return run


def _submitted(client: Any, shared: Any, todo: Iterator[tuple[int, Unit]], most: int) -> list[Any]:
    return [client.submit(_unit, shared, number, unit, pure=False) for number, unit in islice(todo, most)]


def _same(task: Task) -> Task:
    return task


def _unit(task: Task, number: int, unit: Unit) -> tuple[int, Tally]:
    return number, task(number, unit)
