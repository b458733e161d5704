"""Objects and sizes as a kernel engineer reads them: registers hexadecimal, defaults left out, binary units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from inspect import Parameter, signature
from itertools import islice
from typing import Any, TypeVar

from memtype.types import MemoryType

T = TypeVar("T")

# Fields that count or number something. Every other integer is an address, a size or the value of a register.
DECIMAL = frozenset(
    (
        "absent", "by_default", "count", "counts", "cpu", "leaves", "level", "line", "lines", "maxphyaddr",
        "max_level", "needed", "not_told", "noncoherent_dma", "number", "order", "pages", "pairs", "reach", "tables",
        "unchanged", "used", "vcpu", "Width.bits",
    )
)  # fmt: skip
_LEAST = 10  # smaller ones read the same in both
_MOST = 256  # items that are spelled out: as many as MTRRCAP allows pairs


def readable(made: type[T]) -> type[T]:
    """A dataclass, or named tuple, whose ``repr`` is the call that makes it, without what has its default.

    Examples
    --------
    >>> from memtype import MtrrState, Segment
    >>> MtrrState(0xC06, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
    MtrrState(def_type=0xc06, variable=((0x80000000, 0xff80000800),), maxphyaddr=40)
    >>> Segment(0, 0x80000000, MemoryType.WB)
    Segment(base=0, size=0x80000000, type=MemoryType.WB)
    """
    made.__repr__ = _repr  # type: ignore[method-assign]
    return made


def _repr(self: Any) -> str:
    kind: Any = type(self)
    parts = []
    for name, default in _arguments(kind):
        value = getattr(self, name)
        if not _is_default(value, default):
            parts.append(f"{name}={words(value, name if name in DECIMAL else f'{kind.__qualname__}.{name}')}")
    return f"{kind.__qualname__}({', '.join(parts)})"


@cache
def _arguments(kind: Any) -> list[tuple[str, Any]]:
    """The fields that the constructor takes, each with its default."""
    named: tuple[str, ...] | None = getattr(kind, "_fields", None)
    shown = named or {field.name for field in fields(kind) if field.repr}
    return [(name, each.default) for name, each in signature(kind).parameters.items() if name in shown]


def _is_default(value: Any, default: Any) -> bool:
    if isinstance(value, MemoryType) or default is None:
        return value is default
    if isinstance(value, (frozenset, Mapping)) and not value:
        return default is not Parameter.empty  # all such defaults are empty
    return type(value) in (int, bool, str, tuple) and bool(value == default)


def words(value: Any, name: str = "") -> str:
    """A value of the field called `name`.

    >>> words((0x606060606060606,) * 11), words({1: 4096}, "counts"), words([MemoryType.UC_MINUS, "UC-", 64])
    ('(0x606060606060606,) * 11', '{1: 4096}', "[MemoryType.UC_MINUS, 'UC-', 0x40]")
    """
    if isinstance(value, MemoryType):
        return f"MemoryType.{value.name}"
    if type(value) is int:
        return str(value) if name in DECIMAL or -_LEAST < value < _LEAST else hex(value)
    if type(value) is tuple and len(value) > 2 and all(item == value[0] for item in value):
        return f"({words(value[0], name)},) * {len(value)}"
    if type(value) is tuple:
        return f"({_listed(value, name)}{',' * (len(value) == 1)})"
    if type(value) is list:
        return f"[{_listed(value, name)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{words(key, name)}: {words(item, name)}' for key, item in value.items())}}}"
    if type(value) is frozenset and value:
        return f"frozenset({{{_listed(sorted(value), name)}}})"
    return repr(value)


def _listed(items: Iterable[Any], name: str) -> str:
    """Items with commas between; of very many the first, and how many follow."""
    held = list(items)
    shown = [words(item, name) for item in islice(held, _MOST)]
    return ", ".join([*shown, f"<and {len(held) - _MOST} more>"] if len(held) > _MOST else shown)


# --- sizes ----------------------------------------------------------------------------------------------------------

_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def binary_size(size: int) -> str:
    """Binary units, four digits, at least two behind the point; a size that is no round one never looks like one.

    >>> [binary_size(size) for size in (3 << 29, (1 << 48) - (4 << 30), 3583 << 20, (1 << 40) + 4096, 8)]
    ['1.5 GiB', '255.99 TiB', '3.499 GiB', '1.000 TiB', '8 B']
    """
    scale, unit = next((each for each in _UNITS if size >= each[0]), (1, "B"))
    return f"{_digits(size, scale)} {unit}"


def _digits(size: int, scale: int) -> str:
    """size / scale in four digits: rounded, but down where it would become the next whole number."""
    places = max(2, 4 - len(str(size // scale)))
    power: int = 10**places
    exact, rest = divmod(size * power, scale)
    if not rest:
        return f"{size / scale:.{places}f}".rstrip("0").rstrip(".")
    rounded = exact + (2 * rest >= scale)
    shown = exact if rounded % power == 0 else rounded
    return f"{shown // power}.{shown % power:0{places}d}"
