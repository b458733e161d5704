"""Files that a command writes: there whole or not at all, also where the disk is full or somebody presses Ctrl-C."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from memtype.errors import InputError


@contextmanager
def written(path: str) -> Iterator[BinaryIO]:
    """A file to write, which gets its name when all is written.

    What is there before stays until then, and so does who may read and write it. A pipe or a device is written
    as it is, and so is what is open already: ``/dev/null``, ``/dev/fd/3``.

    Raises
    ------
    InputError
        Where it cannot be written: one line, and nothing is left behind.
    """
    place = os.path.realpath(path)  # a link stays one
    as_it_is = os.path.exists(place) and (not os.path.isfile(place) or path.startswith(("/dev/", "/proc/")))
    scratch = place if as_it_is else f"{place}.{os.getpid()}.tmp"
    try:
        before = os.path.isfile(place) and not as_it_is
        if before:
            open(place, "r+b").close()  # refuses a file that may not be written, which another one could replace
        with open(scratch, "wb") as file:
            if before:
                shutil.copymode(place, scratch)
            yield file
        if not as_it_is:
            os.replace(scratch, place)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if not as_it_is:
            with suppress(OSError):
                os.unlink(scratch)
