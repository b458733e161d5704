"""`scale.classify`: any kind of file, cut anywhere, gives what the addresses give in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import AMD, KINDS, STATE, addresses, table, types_in, write

import memtype as mt
from memtype import scale
from memtype.scale import files, outputs
from memtype.scale.asked import Asked

pa = pytest.importorskip("pyarrow", reason="pip install memtype[arrow]")
pytest.importorskip("pyarrow.parquet")

WB, UC = mt.MemoryType.WB, mt.MemoryType.UC


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches and units that small files are cut into."""
    monkeypatch.setattr(files, "BATCH", 256)
    monkeypatch.setattr(files, "UNIT", 1000)
    monkeypatch.setattr(outputs, "UNIT", 700)


def counts_of(codes: Any) -> dict[mt.MemoryType, int]:
    kinds, counts = np.unique(codes, return_counts=True)
    return {mt.MemoryType(int(kind)): int(count) for kind, count in zip(kinds, counts, strict=True)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 999, 4321])
def test_every_format_gives_what_memory_gives(kind: str, rows: int, tmp_path: Path) -> None:
    held = table(rows)
    path = write(held, tmp_path / f"in.{kind}")
    wanted = STATE.types(held["gpa"].to_numpy())
    found = scale.classify(path, STATE)
    assert (found.rows, found.counts, found.null, found.groups) == (rows, counts_of(wanted), 0, {})
    for out in ("out.parquet", "out.arrow", "out.csv", "out.npy", "out.raw"):
        assert scale.classify(path, STATE, tmp_path / out).counts == found.counts
        assert types_in(tmp_path / out) == wanted.tolist()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        [path.name, "out.parquet", "out.arrow", "out.csv", "out.npy", "out.raw"]
    )


def test_several_files_are_one_column_in_their_order(tmp_path: Path) -> None:
    tables = [table(rows, seed) for seed, rows in enumerate((1500, 0, 1, 2600))]
    paths = [write(held, tmp_path / f"{n}.{kind}") for n, (held, kind) in enumerate(zip(tables, KINDS, strict=False))]
    scale.classify(paths, STATE, tmp_path / "out.npy", column="gpa")
    wanted = np.concatenate([STATE.types(held["gpa"].to_numpy()) for held in tables])
    assert types_in(tmp_path / "out.npy") == wanted.tolist()
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for n, path in enumerate(paths):
        path.rename(tmp_path / "folder" / ("deep" if n > 1 else "") / path.name)
    assert scale.classify(tmp_path / "folder", STATE, column="gpa").counts == counts_of(wanted)


def test_the_output_does_not_show_how_the_input_was_cut(tmp_path: Path) -> None:
    made = []
    for group in (100, 4321):
        path = write(table(4321), tmp_path / f"{group}.parquet", group)
        scale.classify(path, STATE, tmp_path / "out.parquet", keep=["gpa"])
        made.append((tmp_path / "out.parquet").read_bytes())
    assert made[0] == made[1]


def test_columns_that_are_kept_and_names(tmp_path: Path) -> None:
    held = table(3000)
    path = write(held, tmp_path / "in.parquet")
    for out in ("out.parquet", "out.arrow", "out.csv"):
        scale.classify(path, STATE, tmp_path / out, keep=["host", "gpa"], names=True)
        wanted = mt.names(STATE.types(held["gpa"].to_numpy())).tolist()
        assert types_in(tmp_path / out) == wanted
    made = pa.parquet.read_table(tmp_path / "out.parquet")
    assert made.column_names == ["host", "gpa", "type"]
    assert made["gpa"].equals(held["gpa"]) and made["host"].to_pylist() == held["host"].to_pylist()
    assert made["type"].type == pa.dictionary(pa.int8(), pa.string())


def test_counts_by_group(tmp_path: Path) -> None:
    held = table(3000)
    for kind in ("parquet", "arrow", "csv"):
        found = scale.classify(write(held, tmp_path / f"in.{kind}"), STATE, by="host")
        hosts, codes = np.array(held["host"].to_pylist()), STATE.types(held["gpa"].to_numpy())
        assert {name: one.counts for name, one in found.groups.items()} == {
            name: counts_of(codes[hosts == name]) for name in "abc"
        }


def test_groups_may_be_numbers_dictionaries_and_null(tmp_path: Path) -> None:
    gpa = pa.array([0x80000000, 0, 0, 0, 5], pa.uint64())
    for column in (pa.array([3, 1, None, 3, 1]), pa.array([3, 1, None, 3, 1], pa.uint8()).dictionary_encode()):
        pa.parquet.write_table(pa.table({"gpa": gpa, "n": column}), tmp_path / "in.parquet")
        found = scale.classify(tmp_path / "in.parquet", STATE, by="n")
        assert list(found.groups) == [1, 3, None]
        assert found.groups[3].counts == {UC: 1, WB: 1} and found.groups[None].counts == {WB: 1}


def test_each_row_under_its_own_state(tmp_path: Path) -> None:
    held = table(3000)
    path = write(held, tmp_path / "in.parquet")
    open_machine = mt.parse("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n").strict()
    states = {"a": STATE, "b": AMD, "c": open_machine}
    found = scale.classify(path, None, tmp_path / "out.npy", by="host", states=states)
    gpa, hosts = held["gpa"].to_numpy(), held["host"].to_pylist()
    wanted = [int(states[h].types(np.array([a], "u8"))[0]) for a, h in zip(gpa, hosts, strict=True)]
    assert types_in(tmp_path / "out.npy") == wanted
    assert found.groups["c"].counts[mt.MemoryType.NOT_TOLD] > 0


def test_a_group_without_a_state_is_not_told_or_asked_of_the_one_given(tmp_path: Path) -> None:
    path = write(table(1000), tmp_path / "in.parquet")
    found = scale.classify(path, by="host", states={"a": STATE})
    assert set(found.groups["b"].counts) == {mt.MemoryType.NOT_TOLD}
    again = scale.classify(path, AMD, by="host", states={"a": STATE})
    assert again.groups == found.groups | {n: again.groups[n] for n in "bc"}
    assert again.groups["b"].counts == scale.classify(path, AMD, by="host").groups["b"].counts


@pytest.mark.parametrize("level", [1, 2])
def test_effective_types_of_entries(level: int, tmp_path: Path) -> None:
    held = table(3000)
    path = write(held, tmp_path / "in.parquet")
    gpa, ptes = held["gpa"].to_numpy(), held["pte"].to_numpy()
    for state in (STATE, AMD):
        scale.classify(path, state, tmp_path / "out.npy", pte="pte", pat="linux", level=level)
        assert types_in(tmp_path / "out.npy") == mt.effective_types(state, gpa, ptes, "linux", level).tolist()
    machines = {"a": mt.Machine(cpus=(mt.Cpu(0, STATE, mt.Pat("xen")),), vendor="intel"), "b": STATE, "c": AMD}
    scale.classify(path, None, tmp_path / "out.npy", pte="pte", by="host", states=machines, level=level)
    hosts = held["host"].to_pylist()
    found = types_in(tmp_path / "out.npy")
    for place in range(0, 3000, 7):
        if hosts[place] == "a":
            wanted = mt.effective_types(STATE, int(gpa[place]), int(ptes[place]), "xen", level)
        else:  # the PAT is not told: every type fits
            wanted = mt.effective(machines[hosts[place]].at(int(gpa[place])), "?", machines[hosts[place]].vendor)
        assert found[place] == wanted


def test_what_no_machine_that_fits_disagrees_on_is_an_answer(tmp_path: Path) -> None:
    """The default type is not told, so the MTRR type at 0 is open: PAT UC is UC over any, PAT WB is open too."""
    text = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n"
    machine = mt.parse(text).strict().assume(vendor="intel")
    pa.parquet.write_table(pa.table({"gpa": [0, 0, 0x80000000], "pte": [0x18, 0, 0]}), tmp_path / "in.parquet")
    scale.classify(tmp_path / "in.parquet", machine, tmp_path / "out.npy", pte="pte", pat="linux")
    assert mt.names(types_in(tmp_path / "out.npy")).tolist() == ["UC", "?", "UC"]
    unknown_maker = mt.parse(text).strict()
    scale.classify(tmp_path / "in.parquet", unknown_maker, tmp_path / "out.npy", pte="pte", pat="linux")
    assert mt.names(types_in(tmp_path / "out.npy")).tolist()[1] == "?"


def test_where_the_maker_is_not_told_both_must_agree() -> None:
    text = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: {}\n"
    ptes = np.array([0, 8, 16, 24, 128, 136, 144, 152], np.uint64)
    gpas, differ = np.full(8, 0x80000000, np.uint64), 0
    for word in ("uncachable", "write-combining", "write-through", "write-protect", "write-back"):
        asked = Asked.of(mt.parse(text.format(word)), "linux")
        assert asked.vendor is None
        kind = asked.codes(gpas)
        a, b = (mt.effective(kind, mt.Pat("linux").types_of(ptes), vendor) for vendor in ("intel", "amd"))
        assert asked.effective(kind, ptes, 1).tolist() == np.where(a == b, a, 12).tolist()
        differ += int((a != b).sum())
    assert differ


def test_nulls_and_addresses_beyond(tmp_path: Path) -> None:
    gpa = pa.array([0, None, 1 << 50, 0x80000000] * 500, pa.uint64())
    path = tmp_path / "in.parquet"
    pa.parquet.write_table(pa.table({"gpa": gpa, "host": ["a", "b"] * 1000}), path, row_group_size=700)
    for by in (None, "host"):
        found = scale.classify(path, STATE, tmp_path / "out.parquet", beyond="null", by=by)
        assert (found.rows, found.null, found.beyond, found.counts) == (2000, 500, 500, {WB: 500, UC: 500})
        assert types_in(tmp_path / "out.parquet") == [6, None, None, 0] * 500
    with pytest.raises(mt.InputError, match=r"in.parquet: address 0x4000000000000 in row 2 is not below 2\*\*46"):
        scale.classify(path, STATE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_row_of_a_bad_address_is_named(kind: str, tmp_path: Path) -> None:
    values = addresses(4000)
    values[3456] = 1 << 46
    path = write(pa.table({"gpa": values}), tmp_path / f"in.{kind}")
    for out in (None, tmp_path / "out.parquet"):
        with pytest.raises(mt.AddressError, match=rf"^{path}: address 0x400000000000 in row 3456 is not below 2\*\*46"):
            scale.classify(path, STATE, out)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_pages_of_a_range() -> None:
    found = scale.classify(state=STATE, ranges=[(0x7FFFF800, 0x2000), (0, 4096 * 3000)])
    assert found.rows == 3 + 3000
    wanted = np.concatenate([STATE.page_types(0x7FFFF, 3), STATE.page_types(0, 3000)])
    assert found.counts == counts_of(wanted)


def test_hexadecimal_and_tabs_in_text(tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text("host\tgpa\n007\t0x80000000\n07\t12\n07\t\n")
    found = scale.classify(tmp_path / "in.tsv", STATE, by="host")
    assert found.groups["007"].counts == {UC: 1} and found.groups["07"].counts == {WB: 1}
    assert found.null == 1


def refusals(place: Path) -> list[tuple[dict[str, Any], str]]:
    """Arguments that cannot be, and what is said."""
    held = table(10)
    good, other = write(held, place / "in.parquet"), write(held.drop_columns(["gpa"]), place / "other.parquet")
    (place / "bad.parquet").write_bytes(b"PAR1 but no more")
    (place / "cut.parquet").write_bytes(good.read_bytes()[:-20])
    (place / "bad.csv").write_text("gpa\n1\nzz\n")
    (place / "large.csv").write_text("gpa\n1\n0x10000000000000000\n")
    (place / "odd.raw").write_bytes(bytes(9))
    (place / "text.txt").write_text("hello")
    (place / "empty").mkdir()
    np.save(place / "square.npy", np.zeros((2, 2), "u8"))
    np.save(place / "float.npy", np.zeros(2))
    pa.parquet.write_table(pa.table({"gpa": [1.5]}), place / "float.parquet")
    pa.parquet.write_table(pa.table({"gpa": [None, 1]}), place / "null.parquet")
    odd = {"gpa": [1], "list": [[1]], "float": [1.5], "bytes": [b"x"]}
    pa.parquet.write_table(pa.table(odd), place / "odd.parquet")
    (place / "ragged.csv").write_text("gpa,host\n1,a\n2\n")
    return [
        ({"files": place / "none.parquet"}, "none.parquet: cannot be read: No such file"),
        ({"files": place / "bad.parquet"}, "bad.parquet: "),
        ({"files": place / "cut.parquet"}, "cut.parquet: "),
        ({"files": place / "bad.csv"}, "bad.csv: row 1: gpa = 'zz' is no number of 64 bits"),
        ({"files": place / "large.csv"}, "row 1: gpa = '0x10000000000000000' is no number of 64 bits"),
        ({"files": place / "odd.raw"}, "odd.raw: 9 bytes are no whole number of uint64"),
        ({"files": place / "text.txt"}, "text.txt: what it holds is not known"),
        ({"files": place / "text.txt", "format": "parquet"}, "text.txt: "),
        ({"files": place / "empty"}, "empty: no file of addresses in that folder"),
        ({"files": place / "square.npy"}, "shape .2, 2. is no column"),
        ({"files": place / "float.npy"}, "dtype float64 is not an integer type"),
        ({"files": place / "float.parquet"}, "float.parquet: .*type double is not an integer type"),
        ({"files": other}, "no column 'gpa'; which of 'pte', 'host' holds the addresses"),
        ({"column": "nope"}, "in.parquet: no column 'nope'; it has 'gpa', 'pte', 'host'"),
        ({"pte": "nope"}, "in.parquet: no column 'nope'"),
        ({"by": "nope"}, "in.parquet: no column 'nope'"),
        ({"keep": ["nope"], "out": place / "o.parquet"}, "in.parquet: no column 'nope'"),
        ({"out": place / "o.txt"}, "o.txt: the name of the output says its kind"),
        ({"out": place / "o.npy", "keep": ["gpa"]}, "holds neither names nor other columns"),
        ({"out": place / "o.npy", "names": True}, "holds neither names nor other columns"),
        ({"out": good}, "in.parquet is one of the inputs"),
        ({"out": place / "no" / "o.parquet"}, "o.parquet: cannot be written: No such file"),
        ({"files": place / "null.parquet", "out": place / "o.npy"}, "row 0 has no type, and a file of bytes"),
        *(({"files": place / "odd.parquet", "by": name}, f"odd.parquet: {name}: type .* groups nothing")
          for name in ("list", "float", "bytes")),
        ({"files": place / "odd.parquet", "keep": ["list"], "out": place / "o.csv"}, "o.csv: .*list"),
        ({"files": place / "ragged.csv"}, "ragged.csv: .*Expected 2 columns, got 1"),
        ({"files": []}, "neither files nor ranges"), ({"files": [3]}, "3 is no path"),
        ({"state": None}, "no state: who is to answer"), ({"states": {"a": STATE}}, "`by` names the column"),
        ({"by": "host", "states": [STATE]}, "is no mapping of group to state"),
        ({"beyond": "drop"}, "beyond = 'drop'"), ({"level": 4}, "level 4"), ({"format": "xml"}, "format = 'xml'"),
        ({"files": [], "ranges": [(0, 0)]}, "is empty"), ({"keep": "gpa"}, "is not a sequence of names"),
        ({"files": "gs3://bucket/a.parquet"}, "gs3://bucket/a.parquet: "),
    ]  # fmt: skip


def test_what_cannot_be_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    cases = refusals(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for arguments, words in cases:
        with pytest.raises((mt.InputError, mt.MissingExtra), match=words) as refused:
            scale.classify(**{"files": tmp_path / "in.parquet", "state": STATE} | arguments)
        assert "\n" not in str(refused.value)
        assert sorted(tmp_path.rglob("*")) == before, arguments


def test_progress_counts_rows(tmp_path: Path) -> None:
    path = write(table(3500), tmp_path / "in.parquet", 500)
    seen: list[tuple[int, int]] = []
    scale.classify(path, STATE, progress=lambda done, rows: seen.append((done, rows)))
    assert seen == [(1000, 3500), (2000, 3500), (3000, 3500), (3500, 3500)]
