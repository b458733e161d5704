"""Every verb answers only where every machine that fits the dump has the answer; else ``?``, and what is missing."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import memtype as mt
from memtype import cli, rules
from memtype.kvm import Vcpu, Vm
from memtype.told import machines

PROC = "reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back\n"
DUMPS = {
    "proc": PROC + "reg01: base=0x0c0000000 ( 3072MB), size=  256MB, count=1: uncachable\n",
    "proc-amd": "vendor_id : AuthenticAMD\n" + PROC,
    "no-default": "0xfe 0x508\n0x200 0x6\n0x201 0xff80000800\n0x202 0x0\n0x203 0x0\n",
    "no-mask": "0x2ff 0xc06\n0x200 0x80000000\n",
    "no-e": "[    0.0] MTRR default type: write-back\n",
    "fixed-in-part": "0x2ff 0xc00\n0xfe 0x501\n0x200 0x6\n0x201 0xff80000800\n0x250 0x0606060606060606\n",
}


@pytest.fixture(params=DUMPS)
def dump(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.txt"
    path.write_text(DUMPS[request.param])
    return path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    capsys.readouterr()
    status = cli.main([*words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def fitting(told: mt.Machine, rng: random.Random) -> list[mt.MtrrState]:
    """Some register files that fit a dump, its assumptions not asked."""
    found = [states[0] for states in machines([told.registers], strict=True)]
    return rng.sample(found, min(4, len(found)))


def places(told: mt.Machine, rng: random.Random) -> list[int]:
    width = told.registers.maxphyaddr
    edges = [0, 0x9FFFF, 0xA0000, 0xFFFFF, 0x100000, 2 << 30, 3 << 30, (4 << 30) - 1, 4 << 30, (1 << width) - 1]
    return [*rng.sample(edges, 4), rng.randrange(1 << width)]


@pytest.mark.parametrize("kernel", ["4.4", "6.4", "6.16"])
def test_kvm_gives_a_leaf_that_every_guest_that_fits_has(dump, kernel, capsys):
    """Without assumptions a leaf is that of every fitting guest; with them, the answer's own row names them."""
    told, rng = mt.load(dump), random.Random(kernel)
    vms = [Vm(kernel, noncoherent_dma=True, vcpus=[Vcpu(state)]) for state in fitting(told, rng)]
    for place in places(told, rng):
        words = ("kvm", "--kernel", kernel, "--ncdma", "--vendor", "intel", "--at", hex(place), str(dump))
        row = answer(capsys, *words)[1]["map"][0]
        strict = answer(capsys, *words, "--strict")[1]["map"][0]
        have = {str(vm.leaf(place).type) for vm in vms}
        assert strict["type"] == "?" or {strict["type"]} == have
        assert not strict["assumed"]
        assert row["type"] == strict["type"] or row["assumed"] or (row["type"] == "?" and row["missing"])


def test_zap_says_what_changes_in_every_guest_that_fits(dump, capsys):
    told, rng = mt.load(dump), random.Random(1)
    words = ("zap", "--kernel", "6.4", "--ncdma", "--vendor", "intel", str(dump), "--event", "mtrr:off")
    strict = answer(capsys, *words, "--strict")[1]
    loose = answer(capsys, *words)[1]
    needed = set()
    for state in fitting(told, rng):
        vm = Vm("6.4", noncoherent_dma=True, vcpus=[Vcpu(state)])
        off = mt.kvm.WriteMsr(rules.DEF_TYPE_MSR, state.def_type & ~rules.DEF_TYPE_E)
        needed.add(tuple(vm.apply(off)[1].needed))
    if "answer" not in strict:
        listed = tuple((int(s["base"], 16) >> 12, (int(s["last"], 16) >> 12) + 1) for s in strict["needed"])
        assert {listed} == needed
    assert loose.get("needed") == strict.get("needed") or loose["assumed"] or loose.get("missing")


def test_an_event_on_a_range_that_is_not_told_is_refused(tmp_path, capsys):
    path = tmp_path / "open.txt"
    path.write_text(DUMPS["no-mask"])
    assert cli.main(["zap", "--kernel", "6.4", "--ncdma", "--event", "mtrr:reg0=off", str(path)]) == 2
    assert "variable range 0 is not told" in capsys.readouterr().err


def test_two_dumps_that_leave_the_same_open(tmp_path, capsys):
    """What neither tells is assumed unchanged, and said; without assumptions it may have changed."""
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text(PROC)
    new.write_text(PROC.replace("2048MB", "1024MB"))
    words = ("zap", "--kernel", "6.4", "--ncdma", str(old), str(new))
    assert "assume-unchanged" in [a["id"] for a in answer(capsys, *words)[1]["assumed"]]
    assert answer(capsys, *words, "--strict")[1]["answer"] == "?"


@pytest.mark.parametrize("view", ["linux-6.4", "linux-6.12", "xen", "kvm-6.4", "proc"])
def test_views_answer_over_every_machine_that_fits(dump, view, capsys):
    told, rng = mt.load(dump), random.Random(view)
    views = [state.view(view) for state in fitting(told, rng)]
    for place in places(told, rng):
        row = answer(capsys, "at", hex(place), "--view", view, "--strict", str(dump))[1]["answers"][0]
        assert row["type"] == "?" or {row["type"]} == {str(one.at(place)) for one in views}
        loose = answer(capsys, "at", hex(place), "--view", view, str(dump))[1]["answers"][0]
        assert loose["type"] == row["type"] or loose["assumed"] or loose["missing"]


@pytest.mark.parametrize("kind", ["wc", "wb", "uc"])
def test_want_and_pte_ask_every_machine_that_fits(dump, kind, capsys):
    told, rng = mt.load(dump), random.Random(kind)
    states = fitting(told, rng)
    for place in places(told, rng):
        found = answer(capsys, "want", kind, "--at", hex(place), "--vendor", "intel", "--strict", str(dump))[1]
        if found["possible"] is not None:
            have = {(bool(w), w.index) for w in (mt.want(kind, s, place, vendor="intel") for s in states)}
            assert {(found["possible"], found["index"])} == have
        page = place & -4096
        read = answer(capsys, "pte", hex(page | 0x63), "--vendor", "intel", "--strict", str(dump))[1]["readings"][0]
        assert read["mtrr"] == "?" or {read["mtrr"]} == {str(s.at(page)) for s in states}


def test_a_range_names_an_assumption_that_only_a_part_hangs_on(tmp_path, capsys):
    """[3 GiB, 4 GiB) is UC, by a range in its first quarter, by the assumed default in the rest."""
    path = tmp_path / "dump.txt"
    path.write_text(DUMPS["proc"])
    row = answer(capsys, "at", "0xc0000000+1G", str(path))[1]["answers"][0]
    names = ["assume-default-proc-mtrr", "assume-pairs-listed"]
    assert row["type"] == "UC" and [a["id"] for a in row["assumed"]] == names
    assert not answer(capsys, "at", "0xc0000000+256M", str(path))[1]["answers"][0]["assumed"]


@pytest.mark.parametrize("name", ["xen", "bhyve"])
def test_other_hypervisors_too(dump, name, capsys):
    status, found = answer(capsys, "kvm", "--hypervisor", name, "--at", "0xa0000", "--strict", str(dump))
    assert status == 0 and all("assumed" in row for row in found["map"])


def test_the_registers_of_a_machine_are_what_the_dump_says_as_far_as_it_goes(dump):
    """`Machine.mtrrs` differs from `at` only where `at` is NOT_TOLD, below 1 MiB or above 4 GiB; else there is none."""
    told, rng = mt.load(dump), random.Random(2)
    open_ = {gap.what for gap in told.registers.gaps}
    assert (told.mtrrs is None) == bool(open_ - {"fixed", "tom2"})
    for place in places(told, rng) if told.mtrrs is not None else ():
        known = told.at(place).type
        if known is mt.MemoryType.NOT_TOLD:
            assert place < rules.FIXED_END or place >= rules.GIB4
        else:
            assert told.mtrrs.at(place) is known
