"""``--json`` of every verb: addresses, registers, sizes are hex strings, ends inclusive, reasons have one shape."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import memtype as mt
from memtype import cli
from memtype.cli import verbs

FIXED = (0x0606060606060606,) * 2 + (0,) + (0x0505050505050505,) * 8
OLD = mt.MtrrState(0xC00, FIXED, [(0x6, 0xF00000800), (0xE0000000, 0xFE0000800), (0x80000001, 0xFFF000800)], 36)
NEW = mt.MtrrState(0xC06, FIXED, [(0xE0000000, 0xFE0000800)], 36)
LOG = """\
x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT
e820: update [mem 0xc0000000-0xffffffff] usable ==> reserved
TOM2: 000000021f000000 aka 8688M
original variable MTRRs
reg 0, base: 0GB, range: 4GB, type WB
total RAM covered: 8192M
 gran_size: 64K 	chunk_size: 64K 	num_reg: 3  	lose cover RAM: 0G
x86/PAT: Xorg:1234 conflicting memory types ca000000-ca800000 uncached-minus<->write-combining
memtype_reserve failed [mem 0xca000000-0xca7fffff], track uncached-minus, req uncached-minus
"""
LIST = "PAT memtype list:\nPAT: [mem 0x00000000c0000000-0x00000000c0001000] uncached-minus\n"

COMMANDS = {
    "show": ["show old.json", "show log.txt", "show list.txt"],
    "at": ["at 0xe0000000 0-4G --why --pat wc old.json", "at 0 --why --view kvm-6.4 --pat linux old.json"],
    "table": ["table"],
    "pat": ["pat", "pat diff linux xen --npt wb --why", "pat linux --ept wb --ipat --why"],
    "pte": ["pte 0x8000000080000093 old.json --why"],
    "want": ["want wc --at 0xe0000000+2M old.json --why", "want wb --ept uc --why", "want wc --mtrr wb --pat reset"],
    "check": ["check --mmio 0xc0000000+1G --ram 0-1G old.json", "check --platform tdx log.txt"],
    "plan": ["plan --vm --ram 4G", "plan old.json"],
    "alias": ["alias --reserve UC- --over WC", "alias log.txt", "alias list.txt", "alias --pair wb uc"],
    "pages": ["pages old.json", "pages --top 5G --max 2M new.json"],
    "verify-ept": ["verify-ept wrong.npy --page 2M old.json"],
    "diff": ["diff old.json new.json", "diff --cpus cpus.json"],
    "kvm": ["kvm --kernel 6.4 --ncdma --why old.json", "kvm --host uc old.json", "kvm matrix",
            "kvm diff 6.4 6.12 --ncdma old.json", "kvm --tdp ept,npt --mmio --level old.json",
            "kvm --hypervisor xen --ncdma --why old.json", "kvm --nested npt --gpat reset --hpat linux"],
    "zap": ["zap --kernel 6.4 --ncdma --event mtrr:reg1=off old.json", "zap --ncdma --trace trace.txt old.json",
            "zap --ncdma --event cd=on --event ncdma=0 --memory 4G old.json"],
    "msrs": ["msrs", "msrs --vm", "msrs --vendor amd"],
    "classify": ["classify old.json --range 0+2G", "classify old.json rows.csv --by host --beyond null"],
    "capture": ["capture"],
    "sample": ["sample"],
    "rules": ["rules", "rules mtrr-uc-wins"],
    "vectors": ["vectors"],
    "schema": [],
    "verify": ["verify --seconds 0.1"],
    "plot": [],
    "report": [],
}  # fmt: skip

# Numbers that count or number things, and are none of address, register or size.
COUNTS = {
    "seconds", "rate", "seed",
    "absent", "not_told", "lines", "reach", "pair", "used", "registers", "needed", "lost", "leaves", "tables",
    "UC", "WC", "WT", "WP", "WB", "CD", "?", "rows", "null", "beyond",
    "1", "2", "3", "bits", "blocks", "built_from", "cd", "chunk", "count", "cpu", "differing",
    "differing_effect", "entry", "ept", "fixed", "index", "indexes", "level", "losing_mb", "map_entries",
    "max", "max_level", "maxphyaddr", "num_reg", "number", "nw", "pages", "pat_bit", "refused", "reg",
    "reprogram", "run_count", "split_count", "stale_pages", "total_ram_covered_mb", "type_id", "variable",
    "vcnt", "vcpu", "x86_64", "zaps", "groups", "ram", "rest",
}  # fmt: skip
NUMBERS = {"in_force", "base", "size", "address", "at", "mask", "physbase", "physmask", "value", "bits_4k",
           "bits_large", "tom2", "new_pat", "pat_msr_old", "pat_msr_new", "top"}  # fmt: skip
HEX = re.compile(r"0x[0-9a-f]+")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpus = (mt.Cpu(0, OLD, mt.Pat("linux")), mt.Cpu(1, NEW))
    for name, held in (("old", OLD), ("new", NEW), ("cpus", mt.Machine(cpus, maxphyaddr=36, vendor="intel"))):
        (tmp_path / f"{name}.json").write_text(mt.emit(held, "json"))
    for name, text in (("log", LOG), ("list", LIST), ("trace", "cd=on\npat\n")):
        (tmp_path / f"{name}.txt").write_text(text)
    np.save(tmp_path / "wrong.npy", np.arange(2048, dtype=np.uint64) << np.uint64(21) | np.uint64(0xB7))
    (tmp_path / "rows.csv").write_text("gpa,host\n0xe0000000,a\n0,b\n,b\n0x10000000000,a\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())


def _skip_without_extra(command: str) -> None:
    if command.startswith("classify"):
        pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")
    if command.startswith("plot"):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed: the plot extra has it")


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the key that it stands under; the items of a list stand under the list's key."""
    yield key, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, key)


def test_every_verb_is_asked() -> None:
    assert COMMANDS.keys() == verbs.HELP.keys()


@pytest.mark.parametrize("command", [command for listed in COMMANDS.values() for command in listed])
def test_numbers_ends_and_reasons(command: str, files: None, capsys: pytest.CaptureFixture[str]) -> None:
    _skip_without_extra(command)
    assert cli.main([*command.split(), "--json"]) in (0, 1)
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "memtype/1"
    for key, value in leaves(answer):
        assert key != "end"
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, (int, float)):
            assert key in COUNTS, f"{key}: {value} is a plain number"
        elif key in NUMBERS and isinstance(value, str):
            assert HEX.fullmatch(value), f"{key}: {value!r} is no hex string"
        elif key == "why":
            reasons = value if isinstance(value, list) else [value]
            assert all(set(reason) == {"id", "text", "source"} for reason in reasons), value
        if isinstance(value, dict) and {"base", "size"} <= value.keys() and "mask" not in value:
            base, size = int(value["base"], 16), int(value["size"], 16)
            assert int(value["last"], 16) == base + size - 1


def test_facts_keep_their_places(files: None, capsys: pytest.CaptureFixture[str]) -> None:
    told = mt.load("log.txt").facts
    assert told is not None
    assert cli.main(["show", "--json", "log.txt"]) == 0
    out = capsys.readouterr().out
    facts = json.loads(out)["machine"]["facts"]
    assert facts["mtrr_trim_e820_updates"] == [{"base": "0xc0000000", "size": "0x40000000", "last": "0xffffffff"}]
    assert facts["tom2"] == "0x21f000000"
    assert facts["pat_messages"] == [
        {"base": "0xca000000", "size": "0x800000", "last": "0xca7fffff", "kind": "conflict",
         "wanted": "UC-", "held": ["WC"], "user": "Xorg:1234", "lines": [8, 9]}
    ]  # fmt: skip
    assert mt.parse(out).facts == told


# --- the schema, and tables -----------------------------------------------------------------------------------------

EVERY = [command for listed in COMMANDS.values() for command in listed]
# Every option that changes the keys of an answer, over dumps that tell all and dumps that leave something open.
MORE = """
plan --vm --ram 4G --steps
plan --vm --ram 4G --steps --vcnt 3
plan --registers 1 new.json
plan --set 0xe0000000+256M=WC old.json --steps
plan log.txt
pte 0x93 --ept --why
pte 0xffff --ept --level 2
pte 0x93 log.txt
check --require snp cpus.json
check --memory 4G old.json
check --cpus cpus.json
show cpus.json
show --raw log.txt
show --strict log.txt
at 0-4G --why log.txt
at 0xe0000000 --view linux-6.5 --why log.txt
at 0xe0000000 --strict log.txt --pat wc
at 0xc0000000 --cbit 35 old.json
at 0xc0000000 list.txt
kvm matrix --long
kvm --wbinvd --kernel 6.4
kvm --ncdma log.txt
kvm --ncdma --kernel 6.4 --assume vendor=intel log.txt --why
kvm --ncdma --strict --at 0xe0000000 log.txt
kvm --ncdma --why cpus.json
kvm --from 6.1 --to 6.12 --ncdma log.txt
kvm --from 6.1 --to 6.12 --ncdma --strict log.txt
kvm --vcpus 2 --ncdma old.json
kvm --hypervisor xen --ncdma --strict log.txt
kvm --hypervisor bhyve old.json --page-size 2M
kvm --hypervisor virtualbox old.json
kvm --private --vm-type tdx --kernel 6.16 old.json
kvm --nested ept --gpat reset --hpat linux --l2-writes 0x6
kvm --nested npt --gpat reset --l2-writes 0x0606060606060606 --kernel 6.4
zap --event msr:0x2ff=0xc07 --mtrr wb
zap --event cd=on old.json
zap --ncdma --event pat=0x7 --why log.txt
zap --ncdma --kernel 6.4 --strict --event cd=on log.txt
zap --kernel 6.4 --trace trace.txt --memory 4G old.json
zap --kernel 6.4 --event pat=0x02 old.json
zap --kernel 6.12 --ncdma --event msr:0x2ff=0xc07 --why --vcpus 2 old.json
want uc- --at 0 log.txt
want wc --at 0xe0000000 --strict log.txt
want wp --pat linux --mtrr wb --why
alias --reserve wc --at 0xca000000+4K list.txt
alias --pair uc wc --vendor amd
pages --top 5G --max 2M log.txt
diff old.json log.txt
diff old.json new.json log.txt --memory 2G
diff --cpus old.json
pat 0x0207 --why
pat linux --mtrr wc
table ept
table cr0
vectors --section ept
verify-ept wrong.npy --page 2M log.txt
capture --anonymise
report old.json -o report.html
plot ribbon old.json -o ribbon.svg
classify old.json rows.csv --out out.csv --beyond null
classify log.txt --range 0+2G
""".strip().split("\n")


@functools.cache
def schema(closed: bool = False) -> Any:
    """The validator of the published schema; a closed one refuses keys that the schema does not name."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: the test extra has it")
    from memtype.cli.schema import text

    made = json.loads(text())
    jsonschema.Draft202012Validator.check_schema(made)
    if closed:
        answers = {part["then"]["$ref"].split("/")[-1] for part in made["allOf"]}
        for name, shape in made["$defs"].items():
            _close(list(shape.get("properties", {}).values()) if name in answers else shape)
        made["unevaluatedProperties"] = False
    return jsonschema.Draft202012Validator(made)


def _close(shape: Any) -> None:
    if isinstance(shape, dict) and shape.get("type") == "object":
        assert "properties" in shape or "additionalProperties" in shape, f"an object without a shape: {shape}"
        shape.setdefault("unevaluatedProperties", "additionalProperties" in shape)
    for part in shape.values() if isinstance(shape, dict) else shape if isinstance(shape, list) else ():
        _close(part)


@pytest.mark.parametrize("command", EVERY + MORE)
def test_every_answer_is_what_the_schema_says(command: str, files: None, capsys: pytest.CaptureFixture[str]) -> None:
    _skip_without_extra(command)
    assert cli.main([*command.split(), "--json"]) in (0, 1)
    answer = json.loads(capsys.readouterr().out)
    for validator in (schema(), schema(closed=True)):
        assert [(list(error.absolute_path), error.message) for error in validator.iter_errors(answer)] == []


def test_the_schema_names_every_verb_and_refuses_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {*made["properties"]["verb"]["enum"]} | {"schema", "plot", "report", "vectors"} >= {*verbs.HELP}
    answer = {"schema": "memtype/1", "verb": "at", "source": "x", "view": None, "notes": [],
              "answers": [{"base": "0x0", "size": "0x1", "last": "0x0", "type": "WB"}]}  # fmt: skip
    assert schema().is_valid(answer)
    for key, value in (("base", 0), ("type", "W"), ("last", "end")):
        assert not schema().is_valid({**answer, "answers": [{**answer["answers"][0], key: value}]})  # type: ignore[dict-item, index]
    assert not schema().is_valid({**answer, "schema": "memtype/2"})


TABLES = {
    "show old.json": ["base", "size", "last", "type", "type_id", "decided_by"],
    "at 0xe0000000 0-4G old.json": ["base", "size", "last", "type", "type_id"],
    "pages old.json": ["base", "size", "last", "level", "count", "type"],
    "diff old.json new.json": ["from", "to", "same_registers"],
    "diff --cpus cpus.json": ["from", "to", "same_registers"],
    "kvm matrix": ["first", "last", "vendor", "tdp", "noncoherent_dma", "mtrr", "pat", "cd"],
    "pat linux": ["value", "name", "valid", "problems", "notes", "index", "type"],
    "pte 0x93": ["as", "paging", "level", "base", "size", "last"],
    "alias log.txt": ["base", "size", "last"],
    "rules mtrr-uc-wins": ["id", "text", "source"],
    "msrs": ["index", "name"],
    "table mtrr": ["name", "title", "source", "row", "UC", "UC-", "WC"],
    "verify-ept wrong.npy --page 2M old.json": ["kind", "base", "size", "last"],
}  # fmt: skip


@pytest.mark.parametrize("command", TABLES)
def test_tables_hold_what_json_holds(command: str, files: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*command.split(), "--json"]) in (0, 1)
    values = {str(value) for key, value in leaves(json.loads(capsys.readouterr().out)) if not isinstance(value, bool)}
    assert cli.main([*command.split(), "--format", "csv"]) in (0, 1)
    head, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert head[: len(TABLES[command])] == TABLES[command] and rows
    assert all(len(row) == len(head) for row in rows)
    if "table" not in command:
        cells = {cell for row in rows for cell in row if " " not in cell} - {"", "true", "false"}
        assert cells <= values
    assert cli.main([*command.split(), "--format", "md"]) in (0, 1)
    assert len(capsys.readouterr().out.splitlines()) == len(rows) + 2


def test_an_answer_without_a_table_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["want", "wc", "--mtrr", "wb", "--format", "csv"]) == 2
    assert "holds no table" in capsys.readouterr().err
