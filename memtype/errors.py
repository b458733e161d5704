"""The exception tree. Whatever a user can get wrong is an `InputError`, which is a `ValueError` too."""

from __future__ import annotations

_LONGEST = 800  # characters of a message; names of files and pieces of input may stand in it


class MemtypeError(Exception):
    """The root of all that this package raises on purpose. Its text is one line, fit to be printed."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(_one_line(each) if isinstance(each, str) else each for each in arguments))


def _one_line(text: str) -> str:
    """The text with what cannot be printed escaped; of one that is too long the two ends."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 + 1 :]}"


def shown(value: object) -> str:
    """A wrong argument as a message shows it: one line of at most 60 characters."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = f"of {value.bit_length():,} bits" if isinstance(value, int) else f"of type {type(value).__name__}"
    return f"{' '.join(text.split()):.60}"


class InputError(MemtypeError, ValueError):
    """A value, file or argument that cannot be taken. The text names the value and the limit."""


class AddressError(InputError):
    """An address outside [0, 2**MAXPHYADDR), or not an integer. `.index` is its place in the array, if any."""

    def __init__(self, what: str, index: int | None = None, why: str = "") -> None:
        """The text: `what`, and where `why` is given "at index N" and why."""
        place = f" at index {index}" if why and index is not None else ""
        super().__init__(f"{what}{place} {why}" if why else what)
        self.what, self.index, self.why = what, index, why

    def moved(self, by: int) -> AddressError:
        """The same of a part of an array, as its place is in the whole."""
        return AddressError(self.what, None if self.index is None else self.index + by, self.why)


class RegisterError(InputError):
    """A register file that cannot be held: a missing register, a value over 64 bits, an impossible width."""


class ArrayError(InputError, TypeError):
    """An array of the wrong dtype or shape, or an `out` that cannot be written. Nothing was written."""


class ShatteredMapError(InputError):
    """Holey masks cut the address space into more segments than a map may hold. Lookups stay exact."""


class ParseError(InputError):
    """Text that is not the dump it claims to be. The message starts with ``file:line:`` where there is one."""


class BackendMismatch(MemtypeError):
    """The two implementations disagree: a bug in this package. `.native` and `.python` hold both answers."""

    def __init__(self, message: str, native: object = None, python: object = None) -> None:
        super().__init__(message)
        self.native = native
        self.python = python


class BackendUnavailable(MemtypeError, ImportError):
    """The backend that was asked for is not built, or has no such name."""


class MissingExtra(MemtypeError, ImportError):
    """An optional library is missing. The text names the command that installs it."""


class LiveReadRefused(MemtypeError):
    """This host did not let its registers be read (privilege, no driver). Exit status 3."""
