"""Questions that people asked, each answered by one command: the command, what it reads, what it says."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from printed import flat

import memtype as mt
from memtype import cli

BOARD = """\
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable
BIOS-e820: [mem 0x0000000100000000-0x000000043fffffff] usable
MTRR default type: uncachable
MTRR fixed ranges enabled:
  00000-9FFFF write-back
  A0000-BFFFF uncachable
  C0000-FFFFF write-protect
MTRR variable ranges enabled:
  0 base 0000000000 mask 7E00000000 write-back
  1 base 00C0000000 mask 7FC0000000 uncachable
  2 disabled
"""  # 16 GiB of RAM on a board whose firmware knows 8
OLD = "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n"
NEW = "reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n"
MAIL = "zap --kernel 6.4 --ncdma --mtrr wb --event pat=0x0007010600070106"

STORIES = [
    (1, f"{MAIL} --tdp ept", 0, ["No: pat=0x0007010600070106 changes no leaf.", "GUEST_IA32_PAT [kvm-pat-ept]"]),
    (1, f"{MAIL} --tdp none", 0, ["No: pat=0x0007010600070106 changes no leaf.", "shadow_memtype_mask is 0"]),
    (2, "kvm matrix", 0, ["Intel, EPT", "AMD, NPT", "Intel, shadow", "6.16 to 7.3   PAT*"]),
    (3, "zap --kernel 6.8 --ncdma old.txt new.txt", 0,
     ["Yes: loading new.txt changes 262144 pages (1 GiB).",
      "[mem 0x0000000080000000-0x00000000bfffffff]  UC IPAT=0 -> WB IPAT=0"]),
    (4, "zap --kernel 6.7 --mtrr uc --event ncdma:0->1 --why", 0,
     ["WB IPAT=1 -> UC IPAT=0", "zaps everything: the first and the last non-coherent device", "kvm-zap-nc-ept: "]),
    (4, "zap --kernel 6.7 --ncdma --mtrr wb --event cd=on --why", 0, ["c0ad4a14c5af"]),
    (5, "kvm diff --from 6.10 --to 6.11-rc1 --at 0xfd000000+16M --pat uc-", 1,
     ["[mem 0x00000000fd000000-0x00000000fdffffff]  WB IPAT=1 -> WB IPAT=0", "entry UC-: WB -> UC"]),
    (6, "kvm --nested npt --kernel 7.2 --gpat 0x0007040600070406 --hpat linux", 0,
     ["L2 runs on hPAT (what L1 runs on)", "PA1    WT    WC    WT            WC+      differs"]),
    (6, "kvm --nested npt --kernel 7.2 --gpat reset --hpat linux --no-quirk NESTED_SVM_SHARED_PAT", 0,
     ["L2 runs on gPAT (L2's own)"]),
    (7, "kvm --kernel 4.4 --ncdma --mtrr disabled", 0,
     ["[mem 0x0000000000000000-0x00003fffffffffff]  UC IPAT=0 -> UC"]),
    (7, "kvm --kernel 4.4 --mtrr disabled", 0, ["WB IPAT=1 -> WB"]),  # without a device it is not that
    (14, "kvm --kernel 6.12.77 --vendor intel --mtrr wb --at 0xa0000 --pat uc --host uc", 1,
     ["WB IPAT=1 -> WB", "alias: the host maps it UC; conflicting types, machine checks are possible"]),
    (14, "kvm --kernel 6.12.78 --mtrr wb --at 0xa0000 --pat uc --host uc --no-quirk IGNORE_GUEST_PAT", 0,
     ["WB IPAT=0 -> UC"]),
    (15, "kvm --kernel 6.12 --tdp ept,npt --pat wb --mmio --mtrr wb --at 0xe0000000", 0,
     ["intel, EPT", "UC IPAT=0 -> UC", "amd, NPT", "PAT entry 0 -> WB"]),
    (16, "pat 0x0007040600070406 --npt wb --mtrr wb", 0, ["PA1    WT    0   0   1   0x08        0x0008       WT"]),
    (16, "kvm --tdp npt --kernel 4.19 --gpat 0x0007040600070406 --mtrr wb --at 0 --pat wt", 0,
     ["PAT entry 0 -> WT"]),
    (39, "check --e820 board.txt", 1, ["[mem 0x0000000200000000-0x000000043fffffff] RAM is UC, not WB"]),
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name, text in (("board", BOARD), ("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.txt").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def command(line: str) -> tuple[int, str, str]:
        status = cli.main(line.split())
        return status, *capsys.readouterr()

    return command


@pytest.mark.parametrize(("story", "line", "expected", "said"), STORIES, ids=lambda value: str(value)[:40])
def test_a_story_is_one_command(run, story: int, line: str, expected: int, said: list[str]) -> None:
    status, out, error = run(line)
    assert status == expected, error
    for words in said:
        assert " ".join(words.split()) in " ".join(out.split()), out


# --- what Python can ask -----------------------------------------------------------------------------------------

OPTIONS = [
    ("kvm --kernel 6.4 --ncdma --mtrr absent --at 0", "WB IPAT=0 -> WB"),  # no MTRRs in CPUID: KVM says WB
    ("kvm --kernel 6.4 --ncdma --mtrr disabled --at 0", "UC IPAT=0 -> UC"),
    ("kvm --kernel 6.4 --ncdma --level --at 0x80000000 old.txt", "mapped by 1 GiB at most: the guest's"),
    ("kvm --kernel 6.4 --ncdma --level --at 0xa0000 board.txt", "by 4 KiB at most: the guest's MTRR types differ"),
    ("kvm --kernel 6.12 --ncdma --level --at 0xa0000 board.txt", "mapped by 1 GiB at most: guest MTRRs limit no"),
    ("kvm --vm-type tdx --kernel 6.16 --private --mtrr wb --at 0 --pat uc", "WB IPAT=1 -> WB"),
    ("kvm --vm-type tdx --kernel 6.16 --mtrr wb --at 0 --pat uc --no-quirk IGNORE_GUEST_PAT", "WB IPAT=0 -> UC"),
    ("kvm --kernel 6.4 --tdp npt --host-pat 0x0007040600070401 --mtrr wb --at 0", "PAT entry 0 -> WC"),
    ("kvm --kernel 6.4 --tdp npt --hpat 0x0007040600070401 --mtrr wb --at 0", "PAT entry 0 -> WC"),
    ("kvm --nested ept --kernel 6.4 --gpat linux --hpat reset --ncdma --mtrr wb", "L2 runs on gPAT"),
    ("kvm --nested ept --kernel 6.4 --gpat reset --hpat xen --no-load-pat --mtrr wb", "L2 runs on hPAT"),
    ("kvm --hypervisor xen --ncdma --at 0xb0000000-0xd0000000 --pat wc board.txt",
     "[mem 0x00000000c0000000-0x00000000d0000000]  UC IPAT=0 -> WC"),
    ("kvm --hypervisor xen --at 0xc0000000 --pat wc board.txt", "WB IPAT=1 -> WB"),
    ("kvm --hypervisor xen --ncdma --mtrr wc --host-mtrr wt --at 0", "UC IPAT=0 -> UC"),
    ("kvm --hypervisor xen --ncdma --mtrr uc --page foreign --at 0", "WB IPAT=1 -> WB"),
    ("kvm --hypervisor xen --ncdma --mtrr uc --page read-only --at 0", "UC IPAT=1 -> UC"),
    ("kvm --hypervisor xen --ncdma --mtrr uc --pinned wc --at 0", "WC IPAT=1 -> WC"),
    ("kvm --hypervisor xen --ncdma --page-size 1G --at 2G+3G board.txt",
     "[mem 0x00000000c0000000-0x00000000ffffffff] by 1 GiB  UC IPAT=0 -> UC"),
    ("kvm --hypervisor xen --ncdma --page-size 1G --at 0xa0000 board.txt",
     "[mem 0x0000000000200000-0x000000003fffffff] by 2 MiB  WB IPAT=0 -> WB"),
    ("kvm --hypervisor xen --ncdma --page-size 2M --at 0xa0000 board.txt",
     "[mem 0x00000000000a0000-0x00000000000bffff] by 4 KiB  UC IPAT=0 -> UC"),
    ("kvm --hypervisor xen --page-size 2M --at 0xa0000 board.txt",
     "[mem 0x0000000000000000-0x00000000001fffff] by 2 MiB  WB IPAT=1 -> WB"),
    ("kvm --hypervisor xen --ncdma --page special --part --page-size 2M --at 4M board.txt",
     "[mem 0x0000000000400000-0x00000000005fffff] by 2 MiB  split"),
    ("kvm --hypervisor xen --ncdma --pinned mixed --at 4M board.txt", "0x0000000000400000]  split"),
    ("kvm --hypervisor bhyve --page-size 1G --at 0xa0000", "by 1 GiB  WB IPAT=1 -> WB"),
    ("kvm --hypervisor bhyve --mmio --at 0xe0000000", "UC IPAT=1 -> UC"),
    ("kvm --nested ept --kernel 6.4 --gpat linux --hpat reset --l2-writes xen",
     "L1's IA32_PAT when it runs again  0x0007040600070406"),
    ("kvm --nested ept --kernel 6.4 --gpat linux --hpat reset --l2-writes xen --l1-without host-load",
     "L1's IA32_PAT when it runs again  0x0000050100070406"),
    ("kvm --nested ept --kernel 6.4 --gpat linux --l1-host-pat xen", "when it runs again  0x0000050100070406"),
    ("kvm --nested ept --kernel 6.4 --gpat linux --l2-writes xen --l1-without save",
     "vmcs12.guest_ia32_pat then        0x0407050600070106"),
    ("kvm --nested npt --kernel 7.2 --gpat reset --hpat linux --no-quirk NESTED_SVM_SHARED_PAT --l2-writes xen",
     "L1's IA32_PAT when it runs again       0x0407050600070106"),
    ("kvm --nested npt --kernel 6.4 --gpat reset --hpat linux --l2-writes xen",
     "L1's IA32_PAT when it runs again       0x0000050100070406"),
    ("kvm --nested npt --kernel 6.4 --gpat reset --hpat linux", "KVM_SET_NESTED_STATE  0x0407050600070106"),
    ("kvm --kernel 6.12 --wbinvd", "WBINVD of the guest: not executed"),
    ("kvm --kernel 6.12 --ncdma --wbinvd --why", "kvm-wbinvd-executed: "),
    ("kvm --kernel 6.4 --mtrr wb --at 0 --host-page no-struct-page", "UC IPAT=0 -> UC"),
    ("kvm --kernel 6.4 --mtrr wb --at 0 --host-page no-struct-page,e820-ram", "WB IPAT=1 -> WB"),
    ("kvm --kernel 5.0 --mtrr wb --at 0 --host-page no-struct-page,e820-ram", "UC IPAT=0 -> UC"),
    ("kvm --kernel 4.15 --mtrr wb --at 0 --host-page reserved", "UC IPAT=0 -> UC"),
    ("kvm --kernel 4.16 --mtrr wb --at 0 --host-page reserved", "WB IPAT=1 -> WB"),
    ("kvm matrix --long", "seen in 4.4"),
    ("zap --kernel 6.8 --ignore-msrs --event msr:0x272=1", "No: msr:0x272=1 changes no leaf."),
    ("zap --kernel 4.14 --vendor amd --event init-vmcb", "No: init-vmcb changes no leaf."),
    ("kvm --hypervisor virtualbox --at 0 --pat uc", "WB IPAT=1 -> WB"),
]  # fmt: skip


def test_every_rule_of_a_hypervisor_is_listed(run) -> None:
    status, out, _ = run("rules xen-combine bhyve virtualbox")
    assert status == 0 and out.count("source: ") == 4 and "epte_get_entry_emt()" in out


@pytest.mark.parametrize(("line", "said"), OPTIONS)
def test_the_command_line_asks_what_python_asks(run, line: str, said: str) -> None:
    status, out, error = run(line)
    assert status == 0 and flat(said) in flat(out), out + error


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kvm --hypervisor hyper-v --mtrr wb", "one of xen, bhyve, virtualbox"),
        ("kvm --hypervisor xen", "give a dump or --mtrr TYPE"),
        ("kvm --hypervisor xen --tdp npt --mtrr wb", "a policy for EPT"),
        ("kvm --nested ept --gpat linux --l1-without loads", "of load, save, host-load"),
        ("kvm --nested npt --gpat linux --l1-without load", "of a VMCS: --nested ept"),
        ("kvm --nested npt --gpat linux --l2-writes 0x2", "reserved type: #GP"),
        ("kvm --kernel 6.4 --mtrr wb --host-page rserved", "of no-struct-page, reserved, zero, e820-ram, no-pat"),
        ("kvm --hypervisor xen --page foreign --part --mtrr wb", "--part is for --page special or read-only"),
        ("kvm --hypervisor xen --kernel 6.4 --mtrr wb", "without --kernel"),
        ("kvm --hypervisor xen --mtrr wb --at 64T", "beyond MAXPHYADDR 46"),
        ("kvm --nested npt", "give L2's PAT with --gpat"),
        ("kvm --nested npt --tdp ept --gpat linux", "the same paging"),
        ("kvm --tdp ept,nope", "'nope' is none of ept, npt, none, shadow"),
        ("zap --tdp ept,npt --event pat", "one paging mode at a time"),
        ("kvm --private --kernel 6.16 --mtrr wb", "private pages are a TDX guest's"),
    ],
)
def test_what_does_not_fit_together_is_refused(run, line: str, said: str) -> None:
    status, out, error = run(line)
    assert (status, out) == (2, "") and said in error and error.count("\n") == 1


def test_pages_of_a_size_are_those_of_one_type_and_smaller_ones_elsewhere(run) -> None:
    """Against a look at every 4 KiB page: the largest aligned page that has one type, up to the size asked for."""
    state = mt.load("board.txt").mtrrs
    assert state is not None
    kinds = state.page_types(0, 1 << 19)  # 2 GiB
    for word, sizes in (("1G", (1 << 18, 512, 1)), ("2M", (512, 1))):
        _, out, _ = run(f"kvm --hypervisor xen --ncdma --page-size {word} --at 0+2G --json board.txt")
        for row in json.loads(out)["map"]:
            page, first = int(row["page"], 16) >> 12, int(row["base"], 16) >> 12
            end = first + (int(row["size"], 16) >> 12)
            for gfn in {first, end - page, first + (end - first) // 2 // page * page}:
                assert (kinds[gfn : gfn + page] == mt.MemoryType.parse(row["type"])).all() and gfn % page == 0
                larger = next((s for s in reversed(sizes) if s > page), None)
                if larger:
                    around = gfn - gfn % larger
                    assert len(np.unique(kinds[around : around + larger])) > 1
