"""The verbs `kvm` and `zap` as a user runs them: text, JSON, exit status, refusals in one line."""

from __future__ import annotations

import io
import json

import pytest
from printed import flat

from memtype.cli import main

MAIL = ["--kernel", "6.4", "--tdp", "ept", "--noncoherent-dma", "--event", "pat=0x0007010600070106"]


class NoInput(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", NoInput())

    def command(*words: str) -> tuple[int, str, str]:
        try:
            status = main(list(words))
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert "--json" in words or all(len(line) <= 100 for line in out.splitlines()), out
        return status, out, err

    return command


@pytest.fixture
def state(tmp_path):
    """2 GiB of UC at 2 GiB."""
    path = tmp_path / "guest.txt"
    path.write_text("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n")
    return str(path)


def test_the_mail_in_three_lines(run, state):
    status, out, _ = run("zap", *MAIL, state)
    lines = out.splitlines()
    assert status == 0 and len(lines) == 3
    assert lines[0].startswith("No: ") and "PAT" in lines[1] and "EPT" in lines[1]
    assert lines[2].startswith("Linux 6.4 (kvm-6.0) zaps nothing")


@pytest.mark.parametrize("tdp", ["ept", "npt", "none", "shadow"])
@pytest.mark.parametrize("kernel", ["3.13", "4.4", "6.4", "6.8", "6.11-rc1", "6.12", "6.16", "7.2", "ubuntu 6.8.0-140"])
def test_the_mail_for_everybody(run, kernel, tdp):
    status, out, _ = run("zap", "--kernel", kernel, "--tdp", tdp, "--ncdma", "--event", "pat")
    assert status == 0 and out.startswith("No: ") and len(out.splitlines()) == 3
    assert ("shadow_memtype_mask is 0" in out) is (tdp in ("none", "shadow"))


def test_the_exception_is_told(run):
    status, out, _ = run("zap", "--kernel", "6.4", "--tdp", "none", "--event", "pat=0x0007040600070400")
    assert status == 0 and out.startswith("No: ") and "entry 0, of every page, goes from WB to UC" in out
    assert "entry 0" not in run("zap", "--kernel", "6.4", "--tdp", "npt", "--event", "pat=0x0007040600070400")[1]


def test_sources(run):
    out = run("zap", *MAIL, "--mtrr", "wb", "--why")[1]
    assert "kvm-pat-ept: SDM" in out and "bc7fe2f0b751" in out
    assert "c0ad4a14c5af" in run("zap", "--kernel", "6.7", "--event", "cd=on", "--why")[1]


def test_a_range_is_turned_off(run, state):
    status, out, _ = run("zap", "--kernel", "6.4", "--ncdma", "--event", "mtrr:reg0=off", state)
    assert status == 0 and out.startswith("Yes: ") and "524288 pages (2 GiB)" in out
    assert out.count("[mem 0x0000000080000000-0x00000000ffffffff]") == 2 and "UC IPAT=0 -> WB IPAT=0" in out
    status, out, _ = run("zap", "--kernel", "4.1", "--ncdma", "--event", "mtrr:reg0=off", state)
    assert status == 1 and "stale, not zapped: 524288 pages" in out  # 4.1 zaps nothing


@pytest.mark.parametrize(
    ("event", "start", "status"),
    [
        ("ncdma:0->1", "Yes", 1), ("ncdma=1", "Yes", 1), ("ncdma=0", "No", 0), ("cd=on", "No", 0), ("cd=off", "No", 0),
        ("msr:0x2ff=0xc00", "No", 0), ("msr 0x2ff 0xc06", "No", 0), ("0x2ff=0x800", "No", 0), ("mtrr:off", "No", 0),
        ("mtrr:default=uc", "No", 0), ("mtrr:reg2=4G+1G=wc", "No", 0), ("quirk=CD_NW_CLEARED", "No", 0),
        ("vcpu1 cd=on", "No", 0), ("cpu0: mtrr:on", "No", 0), ("msr:0x210=0", "Refused", 1),
        ("msr:0x2ff=0xc07", "Refused", 1), ("quirk=IGNORE_GUEST_PAT", "Refused", 1), ("pat=0x2", "Refused", 1),
    ],
)  # fmt: skip
def test_events(run, event, start, status):
    found, out, _ = run("zap", "--kernel", "6.4", "--mtrr", "uc", "--vcpus", "2", "--event", event)
    assert (out.split(":")[0], found) == (start, status)


def test_events_with_leaves_at_stake(run):
    setting = ["zap", "--kernel", "6.4", "--ncdma", "--mtrr", "wt"]
    assert "WT IPAT=0 -> WC IPAT=0" in run(*setting, "--event", "mtrr:reg2=4G+1G=wc")[1]
    assert "zaps everything" in run(*setting, "--event", "mtrr:off")[1]
    assert "WT IPAT=0 -> WB IPAT=1" in run(*setting, "--event", "cd=on")[1]
    assert run(*setting, "--event", "cd=on")[0] == 1
    assert run(*setting, "--no-quirk", "CD_NW_CLEARED", "--event", "cd=on")[0] == 0
    assert "WT IPAT=0 -> WB IPAT=1" in run(*setting, "--event", "ncdma:1->0")[1]


def test_old_and_new_state(run, state, tmp_path):
    new = tmp_path / "new.txt"
    new.write_text("reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n")
    status, out, _ = run("zap", "--kernel", "6.8", "--ncdma", state, str(new))
    assert status == 0 and "[mem 0x0000000080000000-0x00000000bfffffff]  UC IPAT=0 -> WB IPAT=0" in out
    answer = json.loads(run("zap", "--kernel", "6.8", "--ncdma", "--json", state, str(new))[1])
    assert answer["needed"] == [{"base": "0x80000000", "size": "0x40000000", "last": "0xbfffffff"}]
    assert answer["done"] == [{"base": "0x0", "size": "0xfffffffffffff000", "last": "0xffffffffffffefff"}]
    assert run("zap", "--kernel", "6.8", "--ncdma", state, state)[1].startswith("No: ")


def test_json(run):
    answer = json.loads(run("zap", *MAIL, "--mtrr", "wb", "--json")[1])
    assert answer["schema"] == "memtype/1" and answer["verb"] == "zap" and answer["profile"] == "kvm-6.0"
    assert [answer[name] for name in ("needed", "done", "stale", "excess", "changes")] == [[]] * 5
    assert {rule["id"] for rule in answer["why"]} == {"kvm-pat-ept", "kvm-zap-pat"} and answer["accepted"] is True


def test_several_events(run):
    words = ["zap", "--kernel", "6.4", "--mtrr", "uc", "--memory", "4G"]
    for event in ("ncdma:0->1", "cd=on", "msr:0x2ff=0x806", "cd=off"):
        words += ["--event", event]
    status, out, _ = run(*words)
    assert status == 1 and "\n1 zaps, 1048576 pages; stale at the end:" in out
    answer = json.loads(run(*words, "--json")[1])
    assert len(answer["events"]) == 4 and answer["zaps"] == 1 and answer["pages"] == 1 << 20


TRACE = """# two processors program their MTRRs
ncdma:0->1
vcpu0 cd=on
vcpu0 0x2ff=0
vcpu0 0x200=0x80000000   # UC
vcpu0 0x201=0x3fff80000800
vcpu0 0x2ff=0xc06
vcpu1 0x2ff=0xc06

pat=linux
"""


def test_trace_under_every_release(run, tmp_path):
    path = tmp_path / "trace.txt"
    path.write_text(TRACE)
    status, out, _ = run("zap", "--trace", str(path), "--vcpus", "2", "--mtrr", "disabled", "--memory", "1G")
    rows = {line.split("(")[1].split(")")[0]: line.split(")")[1].split() for line in out.splitlines()[1:]}
    assert status == 0 and {name: row[0] for name, row in rows.items()} == {
        "kvm-3.13": "0", "kvm-4.4": "3", "kvm-6.0": "3", "kvm-6.7": "4", "kvm-6.11-rc": "0", "kvm-6.11": "1",
        "kvm-6.16": "1", "kvm-7.2": "1",
    }  # fmt: skip
    assert rows["kvm-6.0"][1] == str(3 << 18)
    answer = json.loads(run("zap", "--trace", str(path), "--vcpus", "2", "--json")[1])
    assert [row["zaps"] for row in answer["releases"]] == [0, 3, 3, 4, 0, 1, 1, 1]
    path.write_text("pat=linux\nfrobnicate\n")
    status, out, err = run("zap", "--trace", str(path), "--kernel", "6.4")
    assert status == 2 and out == "" and f"{path}:2: 'frobnicate' is no event" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["zap"], "nothing happens"), (["zap", "--event", "frob"], "is no event"),
        (["zap", "--kernel", "4.2", "--event", "pat"], "not modelled"), (["zap", "--event", "vcpu3 cd=on"], "vCPU"),
        (["zap", "--event", "cd=maybe"], "neither on nor off"), (["zap", "a", "b", "c"], "3 states"),
        (["zap", "--event", "msr:0x2ff=1G0"], "is not an address"), (["zap", "--trace", "/none"], "/none"),
        (["zap", "--vcpus", "0", "--event", "pat"], "--vcpus 0"), (["zap", "--event", "pat", "/none.txt"], "/none.txt"),
        (["zap", "--vendor", "amd", "--tdp", "ept", "--event", "pat"], "amd has npt"),
        (["zap", "--event", "mtrr:reg9=1G+1G=wc"], "below 8"), (["zap", "--event", "ncdma:2->1", "--mtrr", "vb"], "vb"),
        (["kvm", "--kernel", "4.2", "--mtrr", "disabled"], "4.2"), (["kvm", "--kernel", "6.4", "--at", "0x1z"], "0x1z"),
        (["kvm", "--kernel", "6.4", "--at", "64T"], "MAXPHYADDR"), (["kvm", "diff", "6.4"], "two releases"),
        (["kvm", "matrix", "x"], "no dump"), (["kvm", "a", "b"], "2 dumps"), (["kvm", "--vm-type", "sev-es"], "AMD"),
        (["kvm", "diff", "6.4", "4.3"], "4.3"), (["kvm", "--kernel", "6.4", "--pat", "CD9"], "CD9"),
        (["kvm", "--mtrr", "vb"], "error: 'vb' is not"), (["kvm", "--at", "64T"], "error: address 0x400000000000"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(run, words, reason):
    status, out, err = run(*words)
    last = err.splitlines()[-1]
    assert status == 2 and out == "" and reason in last and last.startswith("memtype: error: ")
    assert sum(line.startswith("memtype: error") for line in err.splitlines()) == 1


# --- kvm ----------------------------------------------------------------------------------------------------------


def test_leaf_at_an_address(run, state):
    status, out, _ = run("kvm", "--kernel", "6.4", "--ncdma", "--at", "0x80000000", "--pat", "wc", state)
    assert status == 0 and "UC IPAT=0 -> WC" in out and "kvm-leaf-mtrr" in out
    answer = json.loads(run("kvm", "--kernel", "6.4", "--ncdma", "--at", "2G", "--pat", "wc", "--json", state)[1])
    row = answer["map"][0]
    assert (row["base"], row["size"], row["type"], row["ipat"], row["bits"], row["effective"]) == (
        "0x80000000", "0x1", "UC", False, "0x0", "WC")  # fmt: skip


def test_the_whole_guest(run, state):
    answer = json.loads(run("kvm", "--kernel", "6.4", "--ncdma", "--json", state)[1])
    assert [(row["base"], row["type"]) for row in answer["map"]] == [
        ("0x0", "WB"), ("0xa0000", "?"), ("0x100000", "WB"), ("0x80000000", "UC"), ("0x100000000", "WB")]  # fmt: skip
    assert [len(row["assumed"]) > 0 for row in answer["map"]] == [
        True,
        False,
        True,
        True,
        True,
    ]  # KVM meets higher bases first


def test_the_vga_hole(run):
    hole = ["kvm", "--vendor", "intel", "--at", "0xa0000", "--pat", "uc", "--host", "uc"]
    status, out, _ = run(*hole, "--kernel", "6.12.77")
    assert status == 1 and "WB IPAT=1 -> WB" in out and "alias: the host maps it UC" in out
    status, out, _ = run(*hole, "--kernel", "6.12.78", "--no-quirk", "IGNORE_GUEST_PAT")
    assert status == 0 and "WB IPAT=0 -> UC" in out and "alias" not in out


def test_mtrrs_disabled(run):
    out = run("kvm", "--kernel", "4.4", "--ncdma", "--mtrr", "disabled")[1]
    assert "[mem 0x0000000000000000-0x00003fffffffffff]  UC IPAT=0 -> UC" in out


def test_every_profile(run):
    status, out, err = run("kvm", "--ncdma", "--mtrr", "uc", "--at", "4G")
    lines = dict(line.split("  ", 1) for line in out.splitlines()[1:])
    assert status == 0 and len(lines) == 8 and err == ""
    assert "UC IPAT=0" in lines["6.0 to 6.6"] and "WB IPAT=0" in lines["6.11 to 6.15"]
    tdx = run("kvm", "--vm-type", "tdx", "--mtrr", "uc")
    assert tdx[1].count("\n") == 3 and "6.7 to 6.10: a TDX guest needs" in tdx[2]
    assert len(json.loads(run("kvm", "--mtrr", "uc", "--json")[1])["profiles"]) == 8


def test_vcpus_that_differ(run, tmp_path, monkeypatch):
    import memtype as mt
    from memtype import host
    from memtype.machine import Cpu, Machine

    cpus = tuple(Cpu(n, mt.MtrrState(0x800 | kind, maxphyaddr=40)) for n, kind in enumerate((6, 0)))
    monkeypatch.setattr(host, "load_or_host", lambda source, bare: Machine(cpus, source=source))
    out = run("kvm", "--kernel", "6.4", "--ncdma", "two.txt")[1]
    assert "WB IPAT=0 -> WB or UC IPAT=0 -> UC" in out and "faults first decides" in out
    answer = json.loads(run("kvm", "--kernel", "6.4", "--ncdma", "--json", "two.txt")[1])
    assert [leaf["type"] for leaf in answer["map"][0]["vcpus"]] == ["WB", "UC"]
    assert "vCPU 1" in run("zap", "--kernel", "6.4", "--ncdma", "--event", "vcpu1 mtrr:default=wb", "two.txt")[1]
    loaded = run("zap", "--kernel", "6.4", "--ncdma", "old.txt", "two.txt")[1]
    assert "loading two.txt (vCPU 1): no leaf changes; zaps everything" in loaded
    monkeypatch.setattr(host, "load_or_host", lambda source, bare: Machine(source=source))
    status, _, err = run("kvm", "--kernel", "6.4", "none.txt")
    assert status == 2 and "none.txt does not tell the MTRRs" in err


def test_matrix(run):
    status, out, _ = run("kvm", "matrix")
    assert status == 0 and "6.16 to 7.3   PAT*" in out and "ubuntu 6.8.0-136 and later" in out
    answer = json.loads(run("kvm", "matrix", "--json")[1])
    row = next(row for row in answer["matrix"] if row["first"] == "6.16")
    cell = next(c for c in row["honored"] if c["tdp"] == "ept" and not c["noncoherent_dma"])
    assert (cell["mtrr"], cell["pat"], cell["cd"]) == ("no", "quirk", "no")


def test_diff_of_releases(run, state):
    status, out, _ = run("kvm", "diff", "6.10", "6.11-rc1", "--at", "0xfd000000+16M", "--pat", "uc-")
    assert status == 1 and "WB IPAT=1 -> WB IPAT=0" in out and "entry UC-: WB -> UC" in out
    assert run("kvm", "diff", "--from", "6.10", "--to", "6.11-rc1", "--at", "0xfd000000+16M", "--pat", "uc-")[1] == out
    status, out, _ = run("kvm", "diff", "6.4", "6.12", "--ncdma", state)
    assert status == 1 and "[mem 0x0000000080000000-0x00000000ffffffff]  UC IPAT=0 -> WB IPAT=0" in out
    assert "huge pages: limited by guest MTRRs -> not limited" in out and "zaps everything -> zaps nothing" in out
    status, out, _ = run("kvm", "diff", "6.12.77", "6.12.78", state)
    assert status == 0 and "no difference for this guest" in out
    status, out, _ = run("kvm", "diff", "4.13", "4.15", "--vendor", "amd", "--mtrr", "wb", "--guest-pat", "linux")
    assert status == 1 and "entry WC: " in out
    # a PAT without WT: an entry of it cannot be selected, so there is nothing to compare
    status, out, err = run("kvm", "diff", "4.13", "4.15", "--tdp", "npt", "--guest-pat", "windows")
    assert status == 1 and "entry WC: WT -> WC+" in out and "entry WT" not in out and "error" not in err
    answer = json.loads(run("kvm", "diff", "6.4", "6.12", "--ncdma", "--json", state)[1])
    assert answer["leaves"][0]["last"] == "0xffffffff" and answer["leaves"][0]["effective"]["WB"] == {
        "before": "UC", "after": "WB"}  # fmt: skip
    assert {row["what"] for row in answer["behaviour"]} == {
        "write of IA32_MTRR_DEF_TYPE", "last non-coherent device goes", "huge pages"}  # fmt: skip


@pytest.mark.parametrize("verb", ["kvm", "zap"])
def test_the_example_of_the_help_runs(run, verb):
    from memtype.cli import verbs

    example = verbs.load(verb).EXAMPLE
    assert example in run(verb, "--help")[1].replace("\n", " ") or example in run(verb, "--help")[1]
    assert run(*example.split()[1:])[0] in (0, 1)


def test_both_answers_are_told_where_kvm_and_the_manual_disagree(run, tmp_path):
    path = tmp_path / "guest.txt"
    fixed = "".join(f"{index:#x} 0x0606060606060606\n" for index in (0x250, 0x258, 0x259, *range(0x268, 0x270)))
    pairs = "0x200 0x6\n0x201 0xf00000800\n0x202 0xc0000000\n0x203 0xfc0000800\n"
    path.write_text(f"0x2ff 0xc00\n{fixed}{pairs}")
    told = "WB (the manual: UC; KVM 4.4 to 6.10 meets the higher base first [overlap-kvm])"
    setting = ["--kernel", "6.4", "--noncoherent-dma", "--maxphyaddr", "36"]
    status, out, _ = run("kvm", *setting, "--at", "0xc0000000", str(path))
    assert status == 0 and told in flat(out) and "manual" not in run("kvm", *setting, "--at", "1G", str(path))[1]
    assert out.count("manual") == 1 and "manual" not in run("kvm", "--kernel", "6.4", str(path))[1]
    row = json.loads(run("kvm", *setting, "--json", str(path))[1])["map"]
    manual = next(part["manual"] for part in row if part["base"] == "0xc0000000")
    assert (manual["kvm"], manual["type"]) == ("WB", "UC") and manual["why"][0]["id"] == "overlap-kvm"
    status, out, _ = run("zap", *setting, "--event", "msr:0x203=0", str(path))
    assert status == 0 and out.startswith("No: ") and told in flat(out) and "262144 pages change" in out
    answer = json.loads(run("zap", *setting, "--event", "msr:0x203=0", "--json", str(path))[1])
    assert answer["manual"]["needed"] == [{"base": "0xc0000000", "size": "0x40000000", "last": "0xffffffff"}]
    assert "manual" not in run("zap", *setting, "--event", "pat", str(path))[1]
    status, out, _ = run("at", "--view", "kvm-6.4", "0xc0000000", str(path))
    assert status == 0 and told in out
    assert "manual" not in run("at", "--view", "kvm-6.4", "0x40000000", str(path))[1]


def test_memory_bounds_the_answer(run):
    setting = ["zap", "--kernel", "6.4", "--ncdma", "--mtrr", "wb", "--event", "mtrr:default=uc"]
    assert "262144 pages (1 GiB)" in run(*setting, "--memory", "1G")[1]
    assert "524288 pages (2 GiB)" in run(*setting, "--memory", "0+1G,4G+1G")[1]
    assert run(*setting, "--memory", "1Z")[0] == 2 and run(*setting, "--memory", "")[0] == 2


def test_masks_with_holes_are_shown_in_part(run, tmp_path):
    path = tmp_path / "guest.txt"
    path.write_text("0x2ff 0x806\n0x200 0x0\n0x201 0x155555555800\n")
    setting = ["--kernel", "4.1", "--ncdma", "--maxphyaddr", "46", str(path)]
    status, out, _ = run("kvm", *setting)
    assert status == 0 and "more segments: masks with holes" in out and len(out.splitlines()) < 150
    assert json.loads(run("kvm", *setting, "--json")[1])["more"] > 65_536
    assert "more segments" not in run("kvm", *setting, "--at", "0+64M")[1]
    status, out, _ = run("zap", *setting, "--event", "msr:0x200=1")
    assert status == 1 and out.startswith("Yes: ") and "more" in out
    assert len(out.splitlines()) < 60


def test_the_whole_history_for_review(run):
    from memtype.kvm.history import HISTORY

    status, out, _ = run("kvm", "matrix", "--long")
    rows = [line.split() for line in out.splitlines()[1:]]
    assert (
        status == 0 and rows[0] == ["knob", "value", "since", "commit"] and {row[0] for row in rows[1:]} == {*HISTORY}
    )
    assert ["zap_mtrr", "ept+nc", "6.7", "a1596812cce1"] in rows and [
        "g_pat_follows",
        "yes",
        "4.14.5",
        "15038e147247",
    ] in rows
    listed = json.loads(run("kvm", "matrix", "--long", "--json")[1])["knobs"]
    assert len(listed) == len(rows) - 1 and all(row.keys() >= {"knob", "value", "since", "commit"} for row in listed)


def test_processors_that_differ_are_no_vcpus_of_another_number(run, tmp_path):
    """None of them is dropped in silence: each is a vCPU, or the count must fit."""
    one, two = tmp_path / "one", tmp_path / "two"
    rows = "cpu {}: 0x2ff 0x{:x}\ncpu {}: 0x200 0x80000000\ncpu {}: 0x201 0xff80000800\n"
    one.write_text(rows.format(0, 0xC06, 0, 0))
    two.write_text(rows.format(0, 0xC06, 0, 0) + rows.format(1, 0xC00, 1, 1))
    setting = ["--kernel", "6.4", "--noncoherent-dma"]
    status, _, err = run("kvm", *setting, "--vcpus", "2", "--at", "4G", str(two))
    assert status == 2 and "processors of the dump differ" in err
    status, _, err = run("zap", *setting, str(one), str(two))
    assert status == 2 and "2 processors that differ for 1 vCPUs" in err
    assert run("zap", *setting, str(two), str(two))[0] in (0, 1)
    assert run("zap", *setting, str(two), str(one))[0] in (0, 1)
