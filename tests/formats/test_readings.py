"""The whole of what each family makes of a text: registers with their lines and digits, facts, notes, the list's worth.

Other tests say what is right; this one says that nothing else changed either. What is expected stands in
``readings.json``, to be read in a diff: ``python tests/formats/test_readings.py`` writes it anew. Notes that follow
from the registers, whoever read them, are left out.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a program: pytest finds the helpers beside the rooms by itself
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

import pytest
from dump_samples import BYTES, TEXTS
from odd_texts import ODD

import memtype as mt
from memtype.formats import own_json
from memtype.reading.notes import still_open
from memtype.told import Register, Registers

DATA = Path(__file__).parents[1] / "data"
EXPECTED = Path(__file__).with_name("readings.json")
_LIST = [field for field in dataclasses.fields(Registers) if field.name not in ("held", "ranges", "width", "vendor")]
PLAIN = Registers()
FOLLOWING = ("enabled", "default", "fixed", "pairs", "maxphyaddr", "narrowed")


def texts() -> dict[str, str | bytes]:
    """Every text that is read here, by its name."""
    found: dict[str, str | bytes] = {name: text for name, (_, text) in (TEXTS | BYTES).items()}
    for path in sorted(DATA.glob("*/*")):
        if path.suffix in (".txt", ".bin"):
            found[f"{path.parent.name}/{path.stem}"] = path.read_bytes()
    return found | ODD


def register(found: Register, printed: bool) -> str:
    """The value; which bits are known or hidden where not all are told; line, contradicting line and digits."""
    parts = [f"{found.value:x}"]
    parts += [] if found.told else [f"known {found.known:x} hidden {found.hidden:x}"]
    against = f" against {found.against}" if found.against else ""
    parts += [f"line {found.line}{against}", f"digits {found.digits}"] if printed else []
    return ", ".join(parts)


def registers(found: Registers | None, printed: bool) -> Any:
    if found is None:
        return None
    told: dict[str, Any] = {}
    for index, held in sorted(found.held.items()):
        told.setdefault(register(held, printed), []).append(f"0x{index:x}")
    told = {value: " ".join(names) for value, names in told.items()}
    told |= {
        f"{r.base:x} {r.size:x} {register(r.kind, printed)}": f"range {n}" for n, r in sorted(found.ranges.items())
    }
    told |= {"width": found.width and str(found.width), "vendor": found.vendor}
    for field in _LIST:
        value = getattr(found, field.name)
        if not field.name.startswith("_") and value != getattr(PLAIN, field.name):
            told[field.name] = [f"0x{index:x}" for index in sorted(value)] if isinstance(value, frozenset) else value
    return told


def reading(machine: mt.Machine, printed: bool = True) -> dict[str, Any]:
    """A machine as plain values: all that it holds, what says nothing left out; `printed`: lines and digits too."""
    cpus: dict[str, Any] = {}
    for cpu in machine.cpus:
        told = {"pat": cpu.pat and f"{cpu.pat.value:x}", "registers": registers(cpu.registers, printed)}
        same = next((name for name, other in cpus.items() if other == told), None)
        cpus[str(cpu.number)] = told if same is None else f"as {same}"
    found: dict[str, Any] = {
        "format": machine.format, "kernel": machine.kernel, "vendor": machine.vendor, "source": machine.source,
        "maxphyaddr": machine.maxphyaddr, "width": None if machine.width is None else str(machine.width),
        "label": machine.label, "line": machine.line, "taken": " ".join(map(str, sorted(machine.taken))), "cpus": cpus,
        "e820": [f"{r.base:x} {r.size:x} {r.kind}" for r in machine.e820], "facts": machine.facts,
        "notes": [f"{note} [{getattr(note, 'id', '')} {list(getattr(note, 'lines', ()))}]"
                  for note in still_open(machine.notes, FOLLOWING)],
        "printed_view": machine.printed_view,
        "printed_map": machine.printed_map and [f"{s.base:x} {s.size:x} {s.type}" for s in machine.printed_map],
        "states": [reading(part) for part in machine.parts],
    }  # fmt: skip
    return {name: value for name, value in found.items() if value not in (None, "", 0, [], {})}


def read(text: str | bytes) -> dict[str, Any]:
    """The reading, as a JSON file gives it back."""
    value: dict[str, Any] = json.loads(json.dumps(reading(mt.parse(text, "t"))))
    return value


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(EXPECTED.read_text())
    return value


@pytest.mark.parametrize("name", texts())
def test_a_text_is_read_as_it_was(name: str, expected: dict[str, Any]) -> None:
    assert read(texts()[name]) == expected[name]


def kept(machine: mt.Machine) -> dict[str, Any]:
    """What our own JSON keeps of a reading: not where in the text it stands, nor how many digits it has."""
    found = reading(replace(machine, source="t", taken=frozenset(), label="", line=0), printed=False)
    value: dict[str, Any] = json.loads(json.dumps(found))
    return value


@pytest.mark.parametrize("name", texts())
def test_our_own_json_keeps_what_was_read(name: str) -> None:
    for machine in mt.parse(texts()[name], "t").states:
        text = json.dumps(own_json.dump(machine))
        assert kept(own_json.parse(text, "t")) == kept(machine)


def test_no_expectation_is_left_over(expected: dict[str, Any]) -> None:
    assert list(expected) == list(texts())


def written() -> str:
    """What is expected: a line for each of a reading's parts."""
    readings = {name: read(text) for name, text in texts().items()}
    parts = (
        ",\n".join(f" {json.dumps(part)}: {json.dumps(value)}" for part, value in found.items())
        for found in readings.values()
    )
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {{\n{part}}}" for name, part in zip(readings, parts)) + "\n}\n"


if __name__ == "__main__":
    EXPECTED.write_text(written())
