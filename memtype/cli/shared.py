"""A text of several states: the answer that all of them share, and else the question which one is meant."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from memtype.cli import output
from memtype.errors import InputError, MemtypeError

if TYPE_CHECKING:
    from memtype.machine import Machine

VERBS = frozenset({"at", "check", "kvm", "pages", "pte", "want"})  # that print an answer on one dump, and do no more


class SeveralStatesError(InputError):
    """A dump of several states, none of which was chosen."""

    def __init__(self, text: str, machine: Machine) -> None:
        super().__init__(text)
        self.machine = machine


def answer(run: Callable[[argparse.Namespace], int], args: argparse.Namespace, error: SeveralStatesError) -> int:
    """The exit status, once what every state answers is printed.

    Raises
    ------
    SeveralStatesError
        Where two states answer differently, or one of them does not at all.
    """
    count = len(error.machine.states)
    status, text, notes = _of(run, args, 1, error)
    for number in range(2, count + 1):
        if _of(run, args, number, error)[:2] != (status, text):
            raise error
    print(text, end="")
    sys.stderr.write(notes)
    output.notes([f"the same in all {count} states (boots, dumps) of the text"])
    return status


def _of(
    run: Callable[[argparse.Namespace], int], args: argparse.Namespace, number: int, error: SeveralStatesError
) -> tuple[int, str, str]:
    """(status, answer, notes) of one state."""
    said, noted = io.StringIO(), io.StringIO()
    chosen = argparse.Namespace(**{**vars(args), "chosen": number, "read": error.machine})  # a pipe is read once
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(noted):
            status = run(chosen)
    except MemtypeError:
        raise error from None
    return status, said.getvalue(), noted.getvalue()
