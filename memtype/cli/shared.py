"""A text of several states, or of processors that differ: the answer that all share, and else which one is meant."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from memtype.cli import output
from memtype.errors import InputError, MemtypeError

if TYPE_CHECKING:
    from memtype.machine import Machine

VERBS = frozenset({"at", "check", "kvm", "pages", "pte", "want"})  # that print an answer on one dump, and do no more


class SeveralStatesError(InputError):
    """A dump of several states or processors, none of which was chosen.

    `option` is the attribute that chooses one, `choices` are its values.
    """

    def __init__(self, text: str, machine: Machine, option: str, choices: Sequence[int]) -> None:
        super().__init__(text)
        self.machine, self.option, self.choices = machine, option, choices


def answer(run: Callable[[argparse.Namespace], int], args: argparse.Namespace, error: SeveralStatesError) -> int:
    """The exit status, once what all of them answer is printed.

    Raises
    ------
    SeveralStatesError
        Where two of them answer differently, or one of them does not at all.
    """
    first, *others = error.choices
    status, text, notes = _of(run, args, first, error)
    for number in others:
        if _of(run, args, number, error)[:2] != (status, text):
            raise error
    print(text, end="")
    sys.stderr.write(notes)
    what = "states (boots, dumps) of the text" if error.option == "chosen" else "kinds of processors"
    output.notes([f"the same in all {len(error.choices)} {what}"])
    return status


def _of(
    run: Callable[[argparse.Namespace], int], args: argparse.Namespace, number: int, error: SeveralStatesError
) -> tuple[int, str, str]:
    """(status, answer, notes) of one state or processor."""
    said, noted = io.StringIO(), io.StringIO()
    chosen = argparse.Namespace(**{**vars(args), error.option: number, "read": error.machine})  # a pipe is read once
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(noted):
            status = run(chosen)
    except MemtypeError:
        raise error from None
    return status, said.getvalue(), noted.getvalue()
