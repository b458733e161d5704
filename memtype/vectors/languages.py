"""The vectors as JSON, C, Rust and Go: one printer each, which knows sections and columns and nothing of the cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from memtype.errors import InputError
from memtype.types import MemoryType
from memtype.vectors.section import FLAG, ROW, SCHEMA, TEXT, TYPE, VENDOR, VENDORS, WORD, Column, Section

_ABOUT: Final = (
    f"{SCHEMA}: conformance vectors for x86 memory types, printed by memtype.",
    "Register values, and what the manuals and programs named say of them: facts, free for any use.",
    "Types: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB, 7 UC-, 8 CD and 9 WC+ (AMD), 10 not defined, 11 several.",
    "Vendors: 0 Intel, 1 AMD.",
)
Sections = tuple[Section, ...]


def text(sections: Sections, form: str) -> Iterator[str]:
    """The document in pieces, or the part of it that `document.sections` gives. `form` is one of `FORMATS`.

    Raises
    ------
    InputError
        For a form that is none.
    """
    if form not in FORMATS:
        raise InputError(f"format {form!r:.40}: one of {', '.join(FORMATS)}")
    return FORMATS[form](sections)


# --- JSON: hexadecimal strings, names of types --------------------------------------------------------------------


def _json(sections: Sections) -> Iterator[str]:
    names = {kind.value: str(kind) for kind in MemoryType}
    states = [row[0] for section in sections if section.name == "mtrr" for row in section.rows]

    def one(kind: str, value: Any) -> Any:
        if kind == WORD:
            return f"0x{value:x}"
        if kind == TYPE:
            return names.get(value, value)
        if kind == VENDOR:
            return VENDORS[value]
        return states[value] if kind == ROW else value

    def cell(column: Column, value: Any) -> Any:
        if column.length == 1:
            return one(column.kind, value)
        if column.width > 1:
            return [[one(column.kind, item) for item in element] for element in value]
        return [one(column.kind, item) for item in value]

    yield f'{{"schema": "{SCHEMA}",\n"about": {json.dumps(list(_ABOUT[1:]))},\n"sections": {{'
    for n, section in enumerate(sections):
        answers = json.dumps([column.name for column in section.answer])
        head = f'"text": {json.dumps(section.text)}, "answer": {answers}, "cases": ['
        yield f'{"," * (n > 0)}\n"{section.name}": {{{head}'
        for place, row in enumerate(section.rows):
            item = {column.name: cell(column, value) for column, value in zip(section.columns, row, strict=True)}
            yield f"{',' * (place > 0)}\n{json.dumps(item, separators=(',', ':'))}"
        yield "\n]}"
    yield "\n}}\n"


# --- the three languages ------------------------------------------------------------------------------------------

_C_TYPES: Final = {TEXT: "const char *", WORD: "uint64_t ", TYPE: "uint8_t ", FLAG: "uint8_t ", VENDOR: "uint8_t "}
_RUST_TYPES: Final = {TEXT: "&'static str", WORD: "u64", TYPE: "u8", FLAG: "u8", VENDOR: "u8"}
_GO_TYPES: Final = {TEXT: "string", WORD: "uint64", TYPE: "uint8", FLAG: "uint8", VENDOR: "uint8"}


def _literal(kind: str, value: Any) -> str:
    if kind == TEXT:
        return json.dumps(value)  # an escape of JSON is one of C, Rust and Go as well, since all text is ASCII
    return f"0x{value:x}" if kind == WORD and value > 9 else str(int(value))


def _listed(column: Column, values: Any) -> str:
    return ",".join(map(hex, values) if column.kind == WORD else (f"{value:d}" for value in values))


def _c(sections: Sections) -> Iterator[str]:
    """A header for C and C++: no compound literals, no designators; lists of any length stand in arrays apart."""
    yield "".join(f"/* {line} */\n" for line in _ABOUT)
    yield "#ifndef MEMTYPE_VECTORS_H\n#define MEMTYPE_VECTORS_H\n\n#include <stdint.h>\n"
    for section in sections:
        yield from _c_section(section)
    yield "\n#endif\n"


def _c_section(section: Section) -> Iterator[str]:
    name = f"memtype_{section.name}"
    yield f"\n/* {section.text} */\nstruct {name}_case {{\n"
    for column in section.columns:
        kind = _C_TYPES.get(column.kind, "uint32_t ")
        if column.length:
            yield f"\t{kind}{column.name}{f'[{column.length}]' if column.length > 1 else ''};\n"
        else:
            yield f"\tuint32_t {column.name}_first, {column.name}_count; /* in {name}_{column.name} */\n"
    yield "};\n"
    for place, column in enumerate(section.columns):
        if not column.length:
            elements = (f"{{{_listed(column, e)}}},\n" for row in section.rows for e in row[place])
            kind = _C_TYPES[column.kind].strip()
            yield f"static const {kind} {name}_{column.name}[][{column.width}] = {{\n{''.join(elements)}}};\n"
    yield f"enum {{ {name.upper()}_CASES = {len(section.rows)} }};\n"
    yield f"static const struct {name}_case {name}_cases[] = {{\n"
    met = [0] * len(section.columns)
    for row in section.rows:
        cells = []
        for place, (column, value) in enumerate(zip(section.columns, row, strict=True)):
            if not column.length:
                cells.append(f"{met[place]},{len(value)}")
                met[place] += len(value)
            else:
                cells.append(_literal(column.kind, value) if column.length == 1 else f"{{{_listed(column, value)}}}")
        yield f"{{{','.join(cells)}}},\n"
    yield "};\n"


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _rust(sections: Sections) -> Iterator[str]:
    """A module: one struct and one static slice of a section."""
    yield "".join(f"// {line}\n" for line in _ABOUT)
    for section in sections:
        name = _camel(section.name)
        yield f"\n/// {section.text}\npub struct {name} {{\n"
        for column in section.columns:
            yield f"    pub {_rust_name(column)}: {_rust_type(column)},\n"
        yield f"}}\n\npub static {section.name.upper()}: &[{name}] = &[\n"
        for row in section.rows:
            cells = (f"{_rust_name(c)}:{_rust_cell(c, v)}" for c, v in zip(section.columns, row, strict=True))
            yield f"{name}{{{','.join(cells)}}},\n"
        yield "];\n"


def _rust_name(column: Column) -> str:
    return "kind" if column.name == "type" else column.name


def _rust_type(column: Column) -> str:
    kind = _RUST_TYPES.get(column.kind, "u32")
    if column.length > 1:
        return f"[{kind}; {column.length}]"
    return kind if column.length else f"&'static [[{kind}; {column.width}]]"


def _rust_cell(column: Column, value: Any) -> str:
    if column.length == 1:
        return _literal(column.kind, value)
    if column.length:
        return f"[{_listed(column, value)}]"
    return f"&[{','.join(f'[{_listed(column, element)}]' for element in value)}]"


def _go(sections: Sections) -> Iterator[str]:
    """A package `vectors`: one struct type and one slice of a section."""
    yield "".join(f"// {line}\n" for line in _ABOUT)
    yield "\npackage vectors\n"
    for section in sections:
        name = _camel(section.name)
        yield f"\n// {name}: {section.text}\ntype {name} struct {{\n"
        for column in section.columns:
            yield f"\t{_go_name(column)} {_go_type(column)}\n"
        yield f"}}\n\nvar {name}Cases = []{name}{{\n"
        for row in section.rows:
            yield f"{{{','.join(_go_cell(c, v) for c, v in zip(section.columns, row, strict=True))}}},\n"
        yield "}\n"


def _go_name(column: Column) -> str:
    return "ID" if column.name == "id" else _camel(column.name)


def _go_type(column: Column) -> str:
    kind = _GO_TYPES.get(column.kind, "uint32")
    if column.length > 1:
        return f"[{column.length}]{kind}"
    return kind if column.length else f"[][{column.width}]{kind}"


def _go_cell(column: Column, value: Any) -> str:
    if column.length == 1:
        return _literal(column.kind, value)
    listed = _listed(column, value) if column.length else ",".join(f"{{{_listed(column, e)}}}" for e in value)
    return f"{_go_type(column)}{{{listed}}}"


FORMATS: Final[dict[str, Callable[[Sections], Iterator[str]]]] = {"json": _json, "c": _c, "rust": _rust, "go": _go}
