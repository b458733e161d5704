"""Two small samples of every family, written from facts, with what each must answer: a clone tests every family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT

import memtype as mt
from memtype.analysis.reserve import tracked_entries
from memtype.formats import FAMILIES, families

DATA = ROOT / "tests" / "data"
SAMPLES = sorted(path for path in DATA.glob("*/*") if path.suffix in (".txt", ".bin"))


def test_every_family_has_two():
    held = {name: sum(path.parent.name == name for path in SAMPLES) for name in FAMILIES}
    assert {name: count for name, count in held.items() if count < 2} == {}
    assert {path.parent.name for path in SAMPLES} <= set(FAMILIES)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_sample_is_read_as_what_it_is(path: Path):
    machine = mt.load(path)
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    names = dict(zip(FAMILIES, families(), strict=True))
    assert names[path.parent.name].NAME in machine.format.split("+")
    assert {address: str(machine.at(int(address, 16)).type) for address in expected["types"]} == expected["types"]
    facts = machine.facts or {}
    told = {
        "pat": machine.pat and f"0x{machine.pat.value:x}",
        "maxphyaddr": machine.maxphyaddr,
        "e820": [[f"0x{r.base:x}", f"0x{r.size:x}"] for r in machine.e820],
        "outcomes": [conflict.outcome for conflict in mt.conflicts(machine)],
        "walks": [[w["base"], w["size"], w["index"]] for w in facts.get("page_walks", ())],
        "mappings": [[m["pcd"], m["pwt"]] for m in facts.get("mappings", ())],
        "tracked": {
            address: [str(kind) for _, _, kind in tracked_entries(machine, int(address, 16), 1) or ()]
            for address in expected.get("tracked", ())
        },
    }
    for key, value in expected.items():
        assert key == "types" or told[key] == value, key
