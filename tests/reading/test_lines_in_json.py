"""A refusal of JSON names the line of the value that it refuses."""

from __future__ import annotations

import json
import re

import dump_samples as dumps
import pytest

import memtype as mt

TEXTS = {
    "memtype-json": str(mt.emit(dumps.STATE, "json")),
    "qemu-json": json.dumps(dumps.analyzed([(0x80000000, 0xFF80000800)] * 8), indent=1),
    "snapshot": json.dumps([{"msrs": [{"index": i, "data": v} for i, v in dumps.MSRS]}], indent=1),
    "mapping": json.dumps({f"0x{i:x}": f"0x{v:x}" for i, v in dumps.MSRS}, indent=1),
    "JSON Lines": "".join(
        json.dumps({"cpu": n, **{f"0x{i:x}": v for i, v in dumps.MSRS}}) + "\n" for n in range(3)
    ),
}  # fmt: skip
_VALUE = re.compile(r'(: *|^ *)("0x[0-9a-f]+"|\d+)(?=,?\s*[,}\]\n])', re.M)


def refused(text: str) -> str | None:
    try:
        mt.parse(text, "dump.json")
    except mt.ParseError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", TEXTS)
def test_each_value_that_is_refused_is_refused_by_its_line(name):
    text, seen = TEXTS[name], 0
    for found in _VALUE.finditer(text):
        line = text.count("\n", 0, found.start(2)) + 1
        error = refused(f"{text[: found.start(2)]}{'7' * 40}{text[found.end(2) :]}")
        if error is not None:
            assert error.startswith(f"dump.json:{line}: ") and "\n" not in error, (found[0], error)
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize("name", ["memtype-json", "snapshot", "mapping", "qemu-json"])
def test_a_member_that_is_there_twice_with_another_value_is_refused_by_its_line(name):
    text, seen = TEXTS[name], 0
    for found in re.finditer(r'^ *("[^"\n]+": )("0x[0-9a-f]+"|\d+)(?=,?$)', text, re.M):
        again = f'{text[: found.end()]},\n{found[1]}"0x1234"{text[found.end() :]}'
        line = text.count("\n", 0, found.end()) + 2
        if error := refused(again):
            assert re.match(rf"dump\.json:{line}: '.+' again, with another value", error), error
            seen += 1
    assert seen >= 5
    assert refused(text.replace(text[: text.index("\n")], text[: text.index("\n")], 1)) is None


def test_json_inside_a_string_has_the_strings_line():
    inner = json.dumps({"msrs": [{"index": 0x2FF, "data": 1 << 70}]})
    text = json.dumps({"a": 1, "state": inner}, indent=1)
    assert refused(text.replace("msrs", "msrs")).startswith("dump.json:3: IA32_MTRR_DEF_TYPE = ")


def test_line_numbers_are_those_of_the_users_text():
    text = f"```\n{TEXTS['mapping']}\n```".replace('"0xc06"', '"0xfffffffffffffffff"')
    line = text[: text.index("0xffff")].count("\n") + 1
    assert refused(text).startswith(f"dump.json:{line}: ")
