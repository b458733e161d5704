"""What people asked in public, each as one command and its answer. The numbers are those of the list of stories."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

import memtype as mt
from memtype import cli

E820 = """BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
BIOS-e820: [mem 0x0000000000100000-0x00000000dfffffff] usable
BIOS-e820: [mem 0x0000000100000000-0x000000031effffff] usable
"""
CONFLICT = "x86/PAT: Xorg:1234 conflicting memory types e0000000-e0800000 uncached-minus<->write-combining\n"
FIXED = [0x0606060606060606] * 2 + [0] + [0x0505050505050505] * 8
RAM = [mt.range_registers(0, 8 << 30, "WB", 36), mt.range_registers(8 << 30, 4 << 30, "WB", 36),
       mt.range_registers(12 << 30, 512 << 20, "WB", 36)]  # fmt: skip
HOLE = mt.range_registers(0xE0000000, 512 << 20, "UC", 36)
DESKTOP = mt.MtrrState(0xC00, FIXED, [*RAM, HOLE, (0, 0), (0, 0), (0, 0), (0, 0)], maxphyaddr=36)
NO_HOLE = mt.MtrrState(0xC00, FIXED, [*RAM, *[(0, 0)] * 5], maxphyaddr=36)
GUEST = mt.MtrrState(0xC06, FIXED, [mt.range_registers(2 << 30, 2 << 30, "UC", 40), *[(0, 0)] * 7], maxphyaddr=40)
LOST = mt.MtrrState(0xC00, FIXED, [(0, 0)] * 8, maxphyaddr=40)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dump.txt").write_text(E820 + str(mt.emit(DESKTOP, "dmesg")))
    Path("log.txt").write_text(E820 + str(mt.emit(DESKTOP, "dmesg")) + CONFLICT)
    Path("uncovered.txt").write_text(
        E820 + str(mt.emit(NO_HOLE, "dmesg")).replace("1 base 200000000", "1 base 800000000")
    )
    for name, state in (("old", DESKTOP), ("new", NO_HOLE), ("guest", GUEST), ("lost", LOST)):
        Path(f"{name}.json").write_text(str(mt.emit(state, "json")))
    order = mt.MtrrState(0xC00, FIXED, [HOLE, *RAM, *[(0, 0)] * 4], maxphyaddr=36)
    cpus = mt.Machine((mt.Cpu(0, DESKTOP), mt.Cpu(1, order)))
    Path("cpus.json").write_text(str(mt.emit(cpus, "json")))
    Path("layout.json").write_text('{"ram": ["1M-0xffffffff"], "mmio": [{"base": "0x10000000", "size": 65536}]}')
    rows = np.array([[n << 21, n << 21 | 0xB7, 2] for n in range(2048)], np.uint64)
    np.save("ept.npy", rows[1:])


# number, command, exit status, what the answer says
STORIES = [
    (1, "zap --kernel 6.4 --tdp ept --ncdma --event pat=0x0007010600070106 guest.json", 0, ["No: "]),
    (1, "zap --kernel 6.4 --tdp none --event pat=0x0007010600070106 guest.json", 0, ["shadow_memtype_mask is 0"]),
    (2, "kvm matrix", 0, ["non-coherent"]),
    (3, "zap guest.json lost.json --kernel 6.4 --tdp ept --ncdma", 0, ["[mem 0x0000000000100000-0x00"]),
    (4, "zap --kernel 6.7 --tdp ept --event ncdma:0->1 guest.json", 0, ["Yes: ", "non-coherent DMA"]),
    (5, "kvm diff --from 6.10 --to 6.11 --ncdma --at 0xfd000000+16M --pat uc- guest.json", 1, ["fd000000-0x", "UC"]),
    (6, "pat 0x0007040600070406 --npt wb --mtrr wb", 0, ["effective", "WB"]),
    (7, "kvm --kernel 4.4 --ncdma --mtrr disabled --at 0x100000 --pat wb", 0, ["UC"]),
    (8, "plan --vm --ram 4G", 0, ["IA32_MTRR_DEF_TYPE = 0xc06"]),
    (9, "pat 0x0007040600070406", 0, ["WB WT UC- UC WB WT UC- UC"]),
    (10, "diff guest.json lost.json", 1, ["1.999 GiB  WB -> UC"]),
    (10, "diff --memory 3G guest.json lost.json", 1, ["RAM:     1.999 GiB", "no RAM:", "total:"]),
    (11, "at 0x100000000 --pat wb lost.json", 0, ["0x100000000  UC  (MTRR UC, PAT WB)"]),
    (11, "at 0x100000000 --pat wb guest.json", 0, ["0x100000000  WB  (MTRR WB, PAT WB)"]),
    (12, "msrs --vcnt 8", 0, ["0x250", "0x20f", "0x2ff", "0x277"]),
    (13, "check --ram 1M+4G lost.json", 1, ["RAM is UC, not WB"]),
    (13, "check --layout layout.json guest.json", 1, ["[mem 0x0000000080000000-0x00000000ffffffff] RAM is UC, not WB",
                                                       "[mem 0x0000000010000000-0x000000001000ffff] device registers"]),
    (14, "kvm --kernel 6.12.77 --vendor intel --at 0xa0000 --pat uc --host uc guest.json", 1, ["WB", "IPAT=1"]),
    (15, "pat linux --npt wb --mtrr uc", 0, ["UC"]),
    (16, "pat 0x0007040600070106 --npt wb --mtrr wb", 0, ["WB WC UC- UC WB WT UC- UC"]),
    (17, "check --platform tdx guest.json", 0, ["treat private memory as WB"]),
    (18, "check --require snp cpus.json", 1, ["check-snp"]),
    (19, "want wb --at 0xe0000000 dump.txt", 1, ["impossible", "MTRR UC admits only UC and WC"]),
    (20, "check --mmio 0x80000000-0xdfffffff dump.txt", 1, ["device registers are WB"]),
    (21, "plan dump.txt", 0, ["the fewest that can be", "needed by default type: UC 4, WB"]),
    (22, "plan --set 0xe0000000+256M=WC --emit proc-mtrr guest.json", 0, ["0xe0000000 size=0x10000000 type=write-"]),
    (23, "diff --cpus cpus.json", 0, ["registers differ in 7 places (order only), memory map identical"]),
    (24, "diff --cpus cpus.json", 0, ["2 groups of identical processors: CPU 0; CPU 1"]),
    (25, "diff old.json new.json old.json", 1, ["old.json -> new.json", "new.json -> old.json"]),
    (26, "at 0xe0000000 --why dump.txt", 0, ["UC wins over the others", "mtrr-uc-wins"]),
    (27, "vectors --lang c", 0, ["#ifndef MEMTYPE_VECTORS_H", "museum"]),
    (28, "verify-ept ept.npy dump.txt", 1, ["[mem 0x00000000e0000000-0x00000000ffffffff] wrong: WB, the MTRRs say UC"]),
    (29, "pages --max 2M --top 4M dump.txt", 0, ["1 x 2M, 512 x 4K"]),
    (30, "pages --max 1G dump.txt", 0, ["10 x 1G, 1,271 x 2M, 512 x 4K"]),
    (31, "want wc --at 0xe0000000 --pat default dump.txt", 0, ["entry 4 set to WC", "0x80", "0x1000"]),
    (32, "at 0xe0000000 --pat wb dump.txt", 0, ["0xe0000000  UC  (MTRR UC, PAT WB)"]),
    (33, "table", 0, ["SDM 3A table 12-7"]),
    (34, "pte 0x8000000080000093", 0, ["PCD"]),
    (35, "pat diff linux xen", 1, ["linux", "xen"]),
    (36, "alias log.txt", 1, ["e0000000"]),
    (37, "at 0xe0000000+256M --pat 0x0407050600070106 dump.txt", 0, ["PA1 WC"]),
    (38, "vectors --section mtrr --section effective --format json", 0, ['"memtype-vectors/1"', '"effective"']),
    (39, "check --e820 uncovered.txt", 1, ["[mem 0x0000000200000000-0x00000002ffffffff] RAM is UC, not WB"]),
    (40, "table --vendor intel", 0, ["UC", "WC"]),
]  # fmt: skip


def test_every_story_is_asked() -> None:
    assert {number for number, *_ in STORIES} == set(range(1, 41))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("number", "command", "status", "parts"), STORIES, ids=[f"{n}-{c.split()[0]}" for n, c, _, _ in STORIES]
)
def test_a_story(number: int, command: str, status: int, parts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    got = cli.main(shlex.split(command))
    printed = capsys.readouterr()
    assert got == status, (number, printed.out[-600:], printed.err)
    for part in parts:
        assert part in printed.out, (part, printed.out[:1500])
