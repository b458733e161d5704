"""`Machine.facts` as JSON has them, and back: intervals by base, size and last, addresses and masks in hexadecimal."""

from __future__ import annotations

from typing import Any, Final

# Facts that list intervals [base, end, ...], the end exclusive, and what stands behind the end.
_INTERVALS: Final = {
    "mtrr_trim_e820_updates": (),
    "pat_memtype_list": ("type",),
    "segments": ("type",),
    "ranges": ("type_id",),
}
_ENDED: Final = ("pat_messages",)  # objects with base and end, the end exclusive
_RANGES: Final = ("cleanup_original", "cleanup_new")  # objects with base and size
_PAIRS: Final = ("regs",)  # objects with base and mask
_NUMBERS: Final = ("tom2",)


def dump(facts: dict[str, object] | None) -> dict[str, object] | None:
    """Plain values for `json`.

    >>> dump({"mtrr_trim_e820_updates": [[0x1000, 0x3000]], "max": 18})
    {'mtrr_trim_e820_updates': [{'base': '0x1000', 'size': '0x2000', 'last': '0x2fff'}], 'max': 18}
    """
    return None if facts is None else {name: _dump(name, value) for name, value in facts.items()}


def _dump(name: str, value: Any) -> Any:
    if name in _INTERVALS:
        return [_interval(item, _INTERVALS[name]) for item in value]
    if name in _ENDED:
        return [_span(item["base"], item["end"] - item["base"]) | _without(item, "base", "end") for item in value]
    if name in _RANGES:
        return [item | _span(item["base"], item["size"]) for item in value]
    if name in _PAIRS:
        return [item | {"base": hex(item["base"]), "mask": hex(item["mask"])} for item in value]
    return hex(value) if name in _NUMBERS else value


def _interval(item: list[Any], rest: tuple[str, ...]) -> dict[str, Any]:
    base, end, *told = item
    return _span(base, end - base) | dict(zip(rest, told, strict=True))


def _span(base: int, size: int) -> dict[str, Any]:
    return {"base": hex(base), "size": hex(size), "last": hex(base + size - 1)}


def parse(value: object) -> dict[str, object] | None:
    """What `dump` was given; facts that are none of its own are kept as they are.

    >>> parse(dump({"tom2": 0x21F000000, "segments": [[0, 4096, "WB"]]}))
    {'tom2': 9110028288, 'segments': [[0, 4096, 'WB']]}
    """
    if not isinstance(value, dict):
        return None
    return {name: _parse(name, item) for name, item in value.items()}


def _parse(name: str, value: Any) -> Any:
    try:
        if name in _INTERVALS:
            return [_ends(item, _INTERVALS[name]) for item in value]
        if name in _ENDED:
            return [_end(item) for item in value]
        if name in _RANGES:
            return [_numbers(item, "base", "size") for item in value]
        if name in _PAIRS:
            return [_numbers(item, "base", "mask") for item in value]
        return int(value, 16) if name in _NUMBERS else value
    except (TypeError, ValueError, KeyError):
        return value


def _numbers(item: dict[str, Any], *keys: str) -> dict[str, Any]:
    numbers = {key: int(item[key], 16) for key in keys}  # first: of an item that is no object a TypeError
    return _without(item, "last") | numbers


def _end(item: dict[str, Any]) -> dict[str, Any]:
    base, end = _ends(item, ())
    return {"base": base, "end": end} | _without(item, "base", "size", "last")


def _without(item: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in keys}


def _ends(item: dict[str, Any], rest: tuple[str, ...]) -> list[Any]:
    base = int(item["base"], 16)
    return [base, base + int(item["size"], 16), *(item[key] for key in rest)]
