"""Our own JSON: the machine comes back as it was, told in part or whole; what is broken is refused."""

from __future__ import annotations

import json
import re

import pytest
from dump_samples import TEXTS

import memtype as mt
from memtype.formats import own_json

WHOLE = mt.emit(mt.MtrrState(0xC06, variable=((0x80000000, 0xFF80000800),), maxphyaddr=40), "json")


@pytest.mark.parametrize("name", TEXTS)
def test_every_machine_comes_back_with_what_it_does_not_tell(name):
    """Also one that is told in part: answers, what is missing and the notes are the same."""
    machine = mt.parse(TEXTS[name][1])
    written = own_json.dump(machine)
    for cpu, told in zip(machine.cpus, written["cpus"], strict=True):
        assert told["mtrrs"] is None or told["mtrrs"]["maxphyaddr"] == cpu.registers.maxphyaddr
    back = mt.parse(json.dumps(written))
    assert [getattr(n, "id", "") for n in back.notes] == [getattr(n, "id", "") for n in machine.notes]
    assert (back.cpus, back.e820, back.facts, back.notes) == (machine.cpus, machine.e820, machine.facts, machine.notes)
    for address in (0, 0xA0000, 1 << 20, 0x80000000, 1 << 32, (1 << 36) - 1):
        assert back.at(address) == machine.at(address)
        assert back.at(address, strict=True) == machine.at(address, strict=True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("memtype/1", "memtype/9", "this release reads memtype/1"),
        ('"maxphyaddr": 40', '"maxphyaddr": 99', "MAXPHYADDR 99 is not within 32 to 52"),
        ('"cpus"', '"gpus"', "cpus"), ('"number": 0', '"number": -1', "processor number"),
        ("0x0000000080000000", "0x10000000080000000", "is not a 64-bit value"),
        ("0x0000000080000000", "80 MB", "is not a number"),
        ('"vendor": "intel"', '"vendor": "acme"', "acme"), ('"notes": []', '"notes": [1]', "notes"),
        ('"e820": []', '"e820": 7', "is not a list"),
    ],
)  # fmt: skip
def test_what_is_broken_is_refused_in_one_line(old, new, words):
    text = WHOLE.replace(old, new)
    assert text != WHOLE
    with pytest.raises(mt.ParseError, match=rf"^saved(:\d+)?: .*{words}") as caught:
        mt.parse(text, "saved")
    assert "\n" not in str(caught.value)


def test_notes_of_older_releases_are_read():
    """They were written as their text alone."""
    assert mt.parse(WHOLE.replace('"notes": []', '"notes": ["a remark"]')).notes == ("a remark",)


def test_it_is_known_by_its_schema_and_its_kind():
    assert own_json.sniff(WHOLE) and own_json.sniff(json.dumps({"schema": "memtype/1", "machine": {}}))
    assert not own_json.sniff('{"schema": "memtype/1", "verb": "pat"}') and not own_json.sniff("[" + WHOLE + "]")


def test_a_range_is_written_with_its_last_byte() -> None:
    text = '{"schema": "memtype/1", "kind": "machine", "cpus": [{"number": 0}], "e820": [{"base": "0x3000", '
    written = own_json.dump(own_json.parse(text + '"size": "0x1000", "kind": "usable"}]}'))
    assert written["e820"] == [{"base": "0x3000", "size": "0x1000", "last": "0x3fff", "kind": "usable"}]
    assert own_json.sniff(json.dumps(written))


def test_as_many_processors_as_can_be_are_read(monkeypatch):
    monkeypatch.setattr(own_json.values, "MAX_CPUS", 2)
    text = '{"schema": "memtype/1", "kind": "machine", "cpus": %s}'
    cpus = [{"number": n} for n in range(3)]
    assert len(own_json.parse(text % json.dumps(cpus[:2])).cpus) == 2
    with pytest.raises(mt.ParseError, match="3 processors; 1 to 2 can be"):
        own_json.parse(text % json.dumps(cpus))


@pytest.mark.parametrize(
    ("key", "value"),
    [("listing", 5), ("listing", True), ("count", "5"), ("count", 256), ("whole", None), ("on", None), ("reach", None)],
)
def test_a_member_of_the_list_of_another_kind_is_refused(key: str, value: object) -> None:
    written = own_json.dump(mt.parse("reg00: base=0x000000000 (    0MB), size= 4096MB, count=1: write-back\n"))
    listed = written["cpus"][0]["mtrrs"]["list"]
    listed[key] = value
    with pytest.raises(mt.ParseError, match=rf"\b{key} = "):
        mt.parse(json.dumps(written))


def others(value, path=()):
    """(path, the document with that member of another kind, or without it), the first of each list's elements."""
    members = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, member in members:
        for other in (None, True, -1, "x", [], {}):
            yield (*path, key, repr(other)), replaced(value, key, other)
        if isinstance(value, dict):
            yield (*path, key, "lost"), {name: one for name, one in value.items() if name != key}
        yield from ((place, replaced(value, key, one)) for place, one in others(member, (*path, key)))


def replaced(value, key, other):
    if isinstance(value, dict):
        return value | {key: other}
    return [*value[:key], other, *value[key + 1 :]]


@pytest.mark.parametrize("name", ["coreboot", "xen"])
def test_a_member_of_another_kind_is_read_or_refused_by_file_and_line(name):
    """Whatever stands there: no other error, and the file's name in front."""
    title = next(title for title, (family, _) in TEXTS.items() if family == name)
    written = own_json.dump(mt.parse(TEXTS[title][1]))
    for path, document in others(written):
        try:
            mt.parse(json.dumps(document, indent=1), "saved")
        except mt.ParseError as error:
            assert re.match(r"saved(:\d+)?: ", str(error)), path
            assert "\n" not in str(error), path


@pytest.mark.parametrize("kind", [True, 2, 3, 7, -1, "6", None, 6.0])
def test_a_default_that_is_no_type_is_refused(kind):
    """One that a log does not print stands as its number and why."""
    written = own_json.dump(mt.parse(TEXTS["coreboot"][1]))
    told = written["cpus"][0]["mtrrs"]["list"]
    told["default"] = [6, "why"]
    assert mt.parse(json.dumps(written)).registers.default == (6, "why")
    told["default"] = [kind, "why"]
    with pytest.raises(mt.ParseError, match=r"^saved:1: CPU 0: default = .* is not a type and why"):
        mt.parse(json.dumps(written), "saved")


@pytest.mark.parametrize(("member", "optional"), [(name, optional) for name, (_, optional) in own_json._LIST.items()])
def test_a_member_of_the_list_is_null_where_it_need_not_be_told(member, optional):
    written = own_json.dump(mt.parse(TEXTS["coreboot"][1]))
    written["cpus"][0]["mtrrs"]["list"][member] = None
    if optional:
        assert getattr(mt.parse(json.dumps(written)).registers, member) is None
    else:
        with pytest.raises(mt.ParseError, match=f"{member} = 'None' is not "):
            mt.parse(json.dumps(written))
