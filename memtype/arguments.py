"""Arguments that are one value: what may come in, and the errors both backends share. Many values are `arrays`'.

numpy is not imported here: who hands in one of its numbers has loaded it.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Container, Iterable, Mapping
from typing import Any, TypeVar

from memtype import rules
from memtype.errors import AddressError, InputError, RegisterError
from memtype.errors import shown as shown
from memtype.types import MemoryType

T = TypeVar("T")
Spelled = MemoryType | int | str  # one memory type, however it is written


def address(value: Any, maxphyaddr: int) -> int:
    """One address as an ``int``. Raises `AddressError` for what is no integer or not in [0, 2**MAXPHYADDR)."""
    number = integer(value, "address")
    if not 0 <= number < 1 << maxphyaddr:
        raise address_beyond(number, maxphyaddr)
    return number


_FAR = 1 << 128  # numbers from here on are refused at once: Python prints no more than 4,300 digits


def integer(value: Any, what: str, error: type[InputError] = AddressError) -> int:
    """Any integer but a bool, numpy's too, as an ``int``."""
    try:
        number = None if is_bool(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise error(f"{what} {shown(value)} is not an integer")
    if not -_FAR < number < _FAR:
        raise error(f"{what} {shown(number)} is no number that a register, an address or a count can be")
    return number


def _numpy(name: str) -> type[Any]:
    """numpy's class of that name; while numpy is not loaded one that nothing is an instance of."""
    found: type[Any] = getattr(sys.modules.get("numpy"), name, _Nothing)
    return found


class _Nothing:
    pass


def is_bool(value: Any) -> bool:
    """Whether it is a bool, of Python or numpy."""
    return isinstance(value, (bool, _numpy("bool_")))


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, _numpy("integer")))


def word(value: Any, what: str, error: type[InputError] = RegisterError) -> int:
    """The value of a register or an entry: an integer of 64 bits."""
    if type(value) is int and 0 <= value < 1 << 64:
        return value
    number = integer(value, f"{what} =", error)
    if not 0 <= number < 1 << 64:
        raise error(f"{what} = {number:#x} is not a 64-bit value")
    return number


def are_words(values: tuple[Any, ...]) -> bool:
    """Whether all are plain integers of 64 bits; `word` says what is wrong with one that is not."""
    return set(map(type, values)) <= {int} and (not values or (min(values) >= 0 and max(values) < 1 << 64))


def choice(value: Any, legal: Container[int], what: str, meaning: str) -> int:
    """One of a few integers; `meaning` says what they are."""
    if type(value) is int and value in legal:
        return value
    number = integer(value, what, InputError)
    if number not in legal:
        raise InputError(f"{what} {shown(value)}: {meaning}")
    return number


def flag(value: Any, what: str) -> bool:
    """A bool, or 0 or 1."""
    if value is True or value is False:
        return bool(value)
    if is_bool(value) or (_is_integer(value) and value in (0, 1)):
        return bool(value)
    raise InputError(f"{what} = {shown(value)} is neither 0 nor 1")


def pair(value: Any, what: str, meaning: str) -> tuple[int, int]:
    """Two integers; `meaning` says of what, "(base, size)"."""
    numbers = [integer(number, what, InputError) for number in items(value, what, "integers")]
    if len(numbers) != 2:
        raise InputError(f"{what} = {shown(value)} is not {meaning}")
    return numbers[0], numbers[1]


def given(value: Any, kind: type[T], what: str) -> T:
    """`value`, if it is one of that class."""
    if not isinstance(value, kind):
        raise InputError(f"{what} = {shown(value)} is no {kind.__name__}")
    return value


def items(values: Any, what: str, of: str, error: type[InputError] = InputError) -> Iterable[Any]:
    """What can be iterated over and is no text; `of` says of what it is to be."""
    if type(values) is tuple or type(values) is list:
        return values
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0:
        raise error(f"{what} = {shown(values)} is not a sequence of {of}")
    return values


def check_maxphyaddr(width: Any) -> int:
    number = integer(width, "MAXPHYADDR", RegisterError)
    if not rules.MIN_MAXPHYADDR <= number <= rules.MAX_MAXPHYADDR:
        raise RegisterError(f"MAXPHYADDR {number} is not within {rules.MIN_MAXPHYADDR} to {rules.MAX_MAXPHYADDR}")
    return number


def refuse_pages(first_gfn: int, count: int, maxphyaddr: int) -> None:
    """Raise for the first page of [first_gfn, first_gfn + count) that lies outside [0, 2**MAXPHYADDR)."""
    if count < 0:
        raise AddressError(f"count {count} is negative")
    pages = 1 << (maxphyaddr - rules.PAGE_SHIFT)
    if count and not 0 <= first_gfn <= pages - count:
        bad = first_gfn if first_gfn < 0 else max(first_gfn, pages)
        raise address_beyond(bad << rules.PAGE_SHIFT, maxphyaddr, bad - first_gfn)


def gfn_beyond(gfn: int, maxphyaddr: int, index: int) -> AddressError:
    """The one wording of that refusal."""
    limit = f"2**{maxphyaddr - rules.PAGE_SHIFT} (MAXPHYADDR = {maxphyaddr})"
    return AddressError(f"gfn 0x{gfn:x}", index, f"is not below {limit}")


def address_beyond(address: int, maxphyaddr: int, index: int | None = None) -> AddressError:
    """The one wording of that refusal."""
    if address < 0:
        return AddressError(f"address {address}", index, "is negative")
    return AddressError(f"address 0x{address:x}", index, f"is not below 2**{maxphyaddr} (MAXPHYADDR = {maxphyaddr})")


# --- memory types ---

KINDS = {int(kind): kind for kind in MemoryType}  # ten times as fast as MemoryType(code)


def is_scalar(value: Any) -> bool:
    """A single value, to be answered with a single one: int, name, numpy scalar; not a 0-d array."""
    return isinstance(value, (int, str, _numpy("generic")))


def type_code(value: Any, what: str) -> int:
    """The number of one type given as `MemoryType`, number or name. Its legality is for the caller to say."""
    if type(value) is MemoryType:
        return value
    if isinstance(value, str):
        return MemoryType.parse(value)
    if is_bool(value) or not _is_integer(value):
        raise InputError(f"{what} = {shown(value)} is not a memory type")
    return integer(value, f"{what} =", InputError)


def memory_type(value: Any, what: str) -> MemoryType:
    """One type that has a name; a reserved encoding has none."""
    code = type_code(value, what)
    try:
        return MemoryType(code)
    except ValueError:
        raise InputError(f"{what} = {shown(value)} is not a memory type") from None


def refuse_type(legal: frozenset[int], code: int, what: str) -> None:
    """The same for a single input."""
    if code not in legal:
        raise no_type(what, code)


def no_type(what: str, value: int, index: int | None = None) -> InputError:
    """The one wording of that refusal."""
    place = "" if index is None else f"[{index}]"
    try:
        shown = f"{int(value)} ({MemoryType(value)})"
    except ValueError:
        shown = str(value)
    return InputError(f"{what}{place} = {shown} is no memory type that can be an input here")
